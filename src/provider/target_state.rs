//! The target of an action: what the action reaches; which status queries can be asked, and the target's state by their answers; and of a
//! certificate that a new one replaces, the names that would be dropped. Pure: asking is the engine's.

use super::answer::{Answer, AnswerLocation, HeaderFields, TargetState, naming_text, scalar_text};
use super::listing::{ListedRow, rows_by_steps, state};
use super::model::{
    ActionRules, CsrRule, Idempotency, Location, Operation, Parameter, ParameterSource, ParameterType, Provider,
    ReplacedRule, SerialRule, StatusQueryRule, TargetKind, ValueFormat,
};
use super::verdict::{self, Verdict};
use super::{AnswerClass, paging, params};
use crate::pki::RequestedCertificate;
use crate::pki::names::{comparable, is_host};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

impl ActionRules {
    /// The order of the certificate, where these parameters name it and the provider acts on whole orders.
    pub fn order(&self, parameters: &Map<String, Value>) -> Option<String> {
        let value = parameters.get(&self.whole_order.as_ref()?.parameter)?;
        scalar_text(value).map(Cow::into_owned)
    }

    /// What an action with these parameters reaches beyond one certificate, in a few words.
    pub fn reaches(&self, parameters: &Map<String, Value>) -> Option<String> {
        let text = |name: &String| parameters.get(name).and_then(scalar_text);
        let wide = self.wide.iter().find(|wide| text(&wide.parameter).is_some_and(|value| value == wide.value));
        match self.target.kind {
            _ if wide.is_some() => wide.map(|wide| wide.reaches.clone()),
            TargetKind::Certificate | TargetKind::Request => None,
            TargetKind::Order => Some("every certificate of the order".to_owned()),
            TargetKind::Ca => Some("the CA and everything below it".to_owned()),
        }
    }
}

/// The status queries of an action whose parameters can all be filled, in order of preference: the index into
/// [`ActionRules::status_queries`], and the parameters of the status query's first request. `parameters` are the action's, `answer` the
/// provider's answer to it where there is one.
pub fn choose_queries(
    provider: &Provider,
    action: &ActionRules,
    parameters: &Map<String, Value>,
    answer: Option<&Answer>,
) -> Vec<(usize, Map<String, Value>)> {
    choose(provider, &action.status_queries, parameters, answer)
}

/// The same of a stage: its status queries, and the parameters of its own request.
pub fn choose(
    provider: &Provider,
    queries: &[StatusQueryRule],
    parameters: &Map<String, Value>,
    answer: Option<&Answer>,
) -> Vec<(usize, Map<String, Value>)> {
    let body = answer.map_or(&Value::Null, Answer::json);
    let filled = |(index, rule): (usize, &StatusQueryRule)| {
        let operation = provider.operation(&rule.operation)?;
        fill(rule, operation, parameters, body).map(|filled| (index, filled))
    };
    queries.iter().enumerate().filter_map(filled).collect()
}

/// Whether an action revokes. A reissue has a CSR or is not idempotent; what it makes is valid. An approval acts on a request, and the revocation
/// itself is another action; what only reads changes nothing; and what is sent a new certificate keeps it.
pub fn revokes(operation: &Operation) -> bool {
    operation.action.as_ref().is_some_and(|rules| {
        let is_of_request = rules.target.kind == TargetKind::Request;
        let is_once = rules.idempotency == Idempotency::Idempotent;
        let takes = |parameter: &Parameter| matches!(parameter.format, ValueFormat::Certificate { .. });
        let takes_new = operation.parameters.iter().any(takes);
        rules.csr.is_none() && is_once && !is_of_request && !operation.is_safe && !takes_new
    })
}

/// Whether a revocation behind a reissue may meet the new certificate: both name their target by the same id, which some providers keep and others
/// give to the new one. A serial number, or the certificate itself, is always the old one's.
pub fn meets_the_new(reissue: &Operation, revocation: &Operation) -> bool {
    let (Some(new), Some(old)) = (&reissue.action, &revocation.action) else { return false };
    let is_own = |name: &String| {
        let is_serial = |parameter: &Parameter| matches!(parameter.format, ValueFormat::Serial(_));
        reissue.parameter(name).is_some_and(is_serial)
            || new.certificate.as_ref().is_some_and(|rule| rule.field == *name || rule.serial.as_ref() == Some(name))
    };
    let ids = &new.target.parameters;
    new.csr.as_ref().is_some_and(|csr| csr.replaces)
        && revokes(revocation)
        && ids.iter().all(|name| old.target.parameters.contains(name) && !is_own(name))
}

/// An answer that holds only the reference of an earlier one (the provider's own id, from a report), at the place where the operation's answers hold it; for
/// status queries that ask by it. `None` where the document names no one place in the body.
pub fn answer_with_reference(operation: &Operation, reference: &str) -> Option<Answer> {
    let [AnswerLocation::Body(pointer)] = operation.reference.as_slice() else { return None };
    let pointer = pointer.to_string();
    let body = pointer
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .fold(Value::from(reference), |inside, name| {
            Value::Object(Map::from_iter([(name.replace("~1", "/").replace("~0", "~"), inside)]))
        });
    Some(Answer::new(200, HeaderFields::default(), body.to_string().into_bytes()))
}

/// Whether a status query reads a list that tells of many targets: it has pages, or nothing that it is asked by is the target's.
pub fn is_list(rule: &StatusQueryRule) -> bool {
    let is_fixed = rule.parameters.iter().all(|(_, from)| matches!(from, ParameterSource::Fixed(_)));
    rule.pages.is_some() || is_fixed && !rule.rows.steps.is_empty()
}

/// The body of one page of a status query, where the document declares the answer a success.
///
/// # Errors
/// What else the answer means.
pub fn read_page(operation: &Operation, answer: &Answer, now: Timestamp) -> Result<Value, Box<Verdict>> {
    let verdict = verdict::read(operation, answer, now);
    if verdict.class == AnswerClass::Succeeded { Ok(answer.json().clone()) } else { Err(Box::new(verdict)) }
}

/// What the page after these is asked by; `None` where they are all there is, or where there is no paging.
pub fn next_page(rule: &StatusQueryRule, pages: &[Value]) -> Option<Value> {
    rule.pages.as_ref().and_then(|paging| paging::next(paging, pages))
}

/// The state of an action's target by the pages of a status query, and what was seen, for people. `parameters` are the action's.
pub fn read_state(rule: &StatusQueryRule, parameters: &Map<String, Value>, pages: &[Value]) -> (TargetState, String) {
    let rows = pages.iter().flat_map(|page| rows_by_steps(&rule.rows.steps, parameters, page));
    let rows: Vec<&Value> = rows.map(|row| row.item).collect();
    let states: Vec<TargetState> = rows.iter().map(|row| row_state(rule, row)).collect();
    match (states.as_slice(), states.first()) {
        (_, None) if pages.is_empty() => (TargetState::Unknown, "nothing was looked up".to_owned()),
        // Absence counts only in a list that was read to its end: the row may be on a page that was not read.
        (_, None) if !whole(rule, pages) => {
            (TargetState::Unknown, format!("{} is longer than was read", rule.operation))
        }
        (_, None) => (rule.absent, format!("{} does not list it", rule.operation)),
        ([_], Some(only)) => (*only, seen(rule, rows[0])),
        (all, Some(first)) if all.iter().all(|state| state == first) => {
            (*first, format!("{} entries, each with {}", rows.len(), seen(rule, rows[0])))
        }
        // Rows that differ prove nothing about the one target: to choose among them would be a guess.
        _ => {
            let mut words: Vec<String> = rows.iter().map(|row| seen(rule, row)).collect();
            words.sort();
            words.dedup();
            words.truncate(MAX_SHOWN);
            (TargetState::Unknown, format!("{} entries that differ: {}", rows.len(), words.join(", ")))
        }
    }
}

/// What the pages of a status query show of an action's target beside its state; nothing where they have several rows of it, or none.
pub fn read_shown(rule: &StatusQueryRule, parameters: &Map<String, Value>, pages: &[Value]) -> ListedRow {
    let mut found = pages.iter().flat_map(|page| rows_by_steps(&rule.rows.steps, parameters, page));
    match (found.next(), found.next()) {
        (Some(row), None) => row.cells(&rule.rows.columns),
        _ => ListedRow::new(),
    }
}

/// The names that an action asks for, as they are compared: its parameters', and those of its certificate request.
pub fn asked_names(
    rule: &CsrRule,
    parameters: &Map<String, Value>,
    request: Option<&RequestedCertificate>,
) -> BTreeSet<String> {
    let given = |name: &Option<String>| name.as_ref().and_then(|name| parameters.get(name));
    let common = given(&rule.common_name).and_then(Value::as_str);
    let listed = given(&rule.dns_names).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let requested = request.map(|request| request.names.as_slice()).unwrap_or_default();
    let all = common.into_iter().chain(listed.iter().filter_map(Value::as_str));
    all.chain(requested.iter().map(String::as_str)).map(comparable).collect()
}

/// The names of the certificate that is replaced, by what the provider tells of it. `parameters` are the action's.
pub fn replaced_names(rule: &ReplacedRule, parameters: &Map<String, Value>, body: &Value) -> Vec<String> {
    let rows = rows_by_steps(&rule.query.rows.steps, parameters, body);
    let found = rows.iter().flat_map(|row| rule.names.iter().filter_map(|pointer| pointer.of(row.item)));
    let texts = found.flat_map(|found| match found {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        // A common name need not be a host's: a person's, a product's.
        Value::String(text) if is_host(text) => vec![text.clone()],
        _ => Vec::new(),
    });
    texts.collect()
}

/// What is dropped, as the old certificate writes it, each once: neither asked for nor meant to go. Nothing where no name is asked for at all: the
/// provider then takes those that it has.
pub fn dropped_names(old: &[String], asked: &BTreeSet<String>, meant: &[String]) -> Vec<String> {
    let mut known: BTreeSet<String> = asked.iter().cloned().chain(meant.iter().map(|name| comparable(name))).collect();
    let is_dropped = |name: &&String| !asked.is_empty() && known.insert(comparable(name));
    old.iter().filter(is_dropped).cloned().collect()
}

fn fill(
    rule: &StatusQueryRule,
    operation: &Operation,
    parameters: &Map<String, Value>,
    body: &Value,
) -> Option<Map<String, Value>> {
    let given = |name: &String| parameters.get(name).is_some_and(|value| !value.is_null());
    if !rule.rows.steps.iter().flat_map(|step| &step.matches).all(|condition| given(&condition.parameter)) {
        return None;
    }
    let mut filled = Map::new();
    for (name, from) in &rule.parameters {
        let value = match from {
            ParameterSource::Parameter(own) => match parameters.get(own) {
                Some(value) => value,
                // A namespace that the action does not name, its status query does not name either.
                None if is_optional_header(operation, name) => continue,
                None => return None,
            },
            ParameterSource::Answer(pointer) => pointer.of(body)?,
            ParameterSource::Fixed(value) => value,
        };
        filled.insert(name.clone(), typed(operation, name, value)?);
    }
    if let Some((pages, first)) = rule.pages.as_ref().and_then(|pages| Some((pages, paging::first(pages)?))) {
        filled.insert(pages.parameter.clone(), typed(operation, &pages.parameter, &first)?);
    }
    // An answer is foreign data, and goes into the path of a new request: what the schema refuses (`../admin`) is not asked.
    params::check(operation, &filled).is_empty().then_some(filled)
}

fn is_optional_header(operation: &Operation, name: &str) -> bool {
    let parameter = operation.parameters.iter().find(|parameter| parameter.name == name);
    parameter.is_some_and(|parameter| parameter.location == Location::Header && !parameter.required)
}

/// The value in the type that the status query's parameter has: an id may be a number here and text there.
pub fn typed(operation: &Operation, name: &str, value: &Value) -> Option<Value> {
    let parameter = operation.parameters.iter().find(|parameter| parameter.name == name)?;
    if value.is_array() && matches!(parameter.kind, ParameterType::Strings | ParameterType::Integers) {
        return Some(value.clone());
    }
    let text = naming_text(value)?;
    // What the check has made is spelled in the digits of the document.
    params::scalar(parameter, &text, parameter.serial().map(SerialRule::notation)).ok()
}

/// Whether these pages are all that there are.
fn whole(rule: &StatusQueryRule, pages: &[Value]) -> bool {
    rule.pages.as_ref().is_none_or(|paging| paging::is_whole(paging, pages))
}

/// The state by one row: that of the first rule that holds for it.
pub fn row_state(rule: &StatusQueryRule, row: &Value) -> TargetState {
    state(&rule.rows.states, row).unwrap_or(TargetState::Unknown)
}

/// The values that the rules look at, as `statusCode -5`.
fn seen(rule: &StatusQueryRule, row: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for condition in rule.rows.states.iter().flat_map(|declared| &declared.when) {
        let name = condition.pointer.to_string();
        let name = name.trim_start_matches('/').replace('/', ".");
        let word = match condition.pointer.text_of(row) {
            Some(text) => format!("{name} {text}"),
            None => format!("no {name}"),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// What a status query may show beside the columns of lists: the window in which the CA suggests to replace the certificate (RFC 9773).
pub const PREVIEW_COLUMNS: [&str; 2] = ["renewal_begins", "renewal_ends"];
/// Differing entries that a message shows.
const MAX_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::provider::Catalog;
    use crate::text::SourceMap;
    use serde_json::json;

    fn built_in() -> Catalog {
        Catalog::built_in(&mut SourceMap::default(), &mut Diagnostics::default())
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_status_queries_that_can_be_filled_are_chosen_in_order() {
        let catalog = built_in();
        let answered = |body: &str| Some(Answer::new(201, HeaderFields::default(), body.as_bytes().to_vec()));
        for (provider, action, parameters, answer, expected) in [
            ("digicert", "revoke", json!({"certificate_id": "1"}), None, vec![]),
            (
                "digicert",
                "revoke",
                json!({"certificate_id": "1"}),
                answered(r#"{"id":7}"#),
                vec![("get-request", json!({"request_id": 7}))],
            ),
            (
                "digicert",
                "revoke",
                json!({"certificate_id": "1", "order_id": 5}),
                answered(r#"{"id":"7"}"#),
                vec![
                    ("get-request", json!({"request_id": 7})),
                    ("get-order", json!({"order_id": 5})),
                    ("get-order", json!({"order_id": 5})),
                ],
            ),
            // An answer may hold anything; what the status query would not take is not asked.
            ("digicert", "revoke", json!({"certificate_id": "1"}), answered(r#"{"id":"../admin"}"#), vec![]),
            ("digicert", "revoke", json!({"certificate_id": "1"}), answered(r#"{"id":-1}"#), vec![]),
            ("digicert", "revoke", json!({"certificate_id": "1"}), answered("no json"), vec![]),
            (
                "digicert",
                "revoke-order",
                json!({"order_id": 5}),
                None,
                vec![("list-status-changes", json!({"minutes": 10080})), ("get-order", json!({"order_id": 5}))],
            ),
            (
                "naver",
                "revoke",
                json!({"orderId": "1", "certificateNo": 0}),
                None,
                vec![("get-paid-certificates", json!({"pageSize": 100, "page": 1}))],
            ),
            ("naver", "revoke", json!({"orderId": "1"}), None, vec![]),
        ] {
            let provider = catalog.get(provider).unwrap();
            let rules = provider.operation(action).unwrap().action.as_ref().unwrap();
            let found = choose_queries(provider, rules, &map(&parameters), answer.as_ref());
            let found: Vec<(&str, Value)> = found
                .into_iter()
                .map(|(index, parameters)| (rules.status_queries[index].operation.as_str(), Value::Object(parameters)))
                .collect();
            assert_eq!(found, expected, "{action} {parameters}");
        }
    }

    #[test]
    fn a_stored_id_is_asked_by() {
        let catalog = built_in();
        for (provider, action, reference, expected) in [
            ("digicert", "revoke", "7", vec![json!({"request_id": 7})]),
            ("digicert", "revoke", "../admin", vec![]),
            ("huawei", "revoke-ca", "7", vec![]),
        ] {
            let provider = catalog.get(provider).unwrap();
            let operation = provider.operation(action).unwrap();
            let answer = answer_with_reference(operation, reference);
            let rules = operation.action.as_ref().unwrap();
            let found = choose_queries(provider, rules, &map(&json!({"certificate_id": "1"})), answer.as_ref());
            let found: Vec<Value> = found.into_iter().map(|(_, parameters)| Value::Object(parameters)).collect();
            assert_eq!(found, expected, "{action} {reference}");
        }
    }

    #[test]
    fn a_certificate_in_an_order_is_found_by_id_or_by_serial_number() {
        // DigiCert's certificates are named by id or by serial number, and an order shows both.
        let catalog = built_in();
        let rules = catalog.get("digicert").unwrap().operation("revoke").unwrap().action.as_ref().unwrap();
        let order = json!({"certificate": {"id": 112_358, "serial_number": "0669d46cae79ef684a69777490602485", "status": "revoked"}});
        for (named, expected) in [
            ("112358", TargetState::Done),
            ("112359", TargetState::Unknown),
            ("0669D46CAE79EF684A69777490602485", TargetState::Done),
            ("0669D46CAE79EF684A69777490602486", TargetState::Unknown),
        ] {
            let parameters = map(&json!({"certificate_id": named, "order_id": 5}));
            let pages = std::slice::from_ref(&order);
            assert_eq!(read_state(&rules.status_queries[1], &parameters, pages).0, expected, "{named}");
        }
    }

    #[test]
    fn rows_tell_what_stands() {
        let catalog = built_in();
        let naver = catalog.get("naver").unwrap();
        let rule = &naver.operation("revoke").unwrap().action.as_ref().unwrap().status_queries[0];
        let order = |order: &str, statuses: &[(u32, &str)]| {
            let rows: Vec<Value> =
                statuses.iter().map(|(no, code)| json!({"certificateNo": no, "statusCode": code})).collect();
            json!({"orderID": order, "certificates": rows})
        };
        let page = |orders: &[Value], total: u32| json!({"totalCount": total, "orders": orders});
        for (no, pages, expected, seen) in [
            (1, vec![page(&[order("1", &[(1, "-5"), (2, "1")])], 2)], TargetState::Done, "statusCode -5"),
            (1, vec![page(&[order("1", &[(1, "-7")])], 1)], TargetState::Pending, "statusCode -7"),
            (1, vec![page(&[order("1", &[(1, "1")])], 1)], TargetState::NotDone, "statusCode 1"),
            (1, vec![page(&[order("1", &[(1, "-2")])], 1)], TargetState::Unknown, "statusCode -2"),
            (1, vec![page(&[order("2", &[(1, "-5")])], 1)], TargetState::Unknown, "does not list it"),
            (1, vec![page(&[], 101), page(&[order("1", &[(1, "-5")])], 101)], TargetState::Done, "statusCode -5"),
            (1, vec![page(&[], 101)], TargetState::Unknown, "longer than was read"),
            (0, vec![page(&[order("1", &[(1, "-5"), (2, "-5")])], 2)], TargetState::Done, "2 entries"),
            (0, vec![page(&[order("1", &[(1, "-5"), (2, "1")])], 2)], TargetState::Unknown, "that differ"),
            (0, vec![page(&[order("1", &[(1, "9"), (2, "9")])], 2)], TargetState::Unknown, "2 entries"),
            (1, vec![], TargetState::Unknown, "nothing was looked up"),
            (1, vec![json!(null)], TargetState::Unknown, "longer than was read"),
            (1, vec![json!({"totalCount": 1, "orders": {"x": 1}})], TargetState::Unknown, "does not list it"),
        ] {
            let parameters = map(&json!({"orderId": "1", "certificateNo": no}));
            let (found, words) = read_state(rule, &parameters, &pages);
            assert_eq!(found, expected, "{pages:?}");
            assert!(words.contains(seen), "{words}");
        }
        // A document may declare what absence tells; only a list that was read whole is believed.
        let declared = StatusQueryRule { absent: TargetState::NotDone, ..rule.clone() };
        let parameters = map(&json!({"orderId": "1", "certificateNo": 1}));
        assert_eq!(read_state(&declared, &parameters, &[page(&[], 1)]).0, TargetState::NotDone);
        assert_eq!(read_state(&declared, &parameters, &[page(&[], 101)]).0, TargetState::Unknown);
    }

    #[test]
    fn a_row_is_found_by_its_certificate_request_however_its_lines_are_broken() {
        let catalog = built_in();
        let action = catalog.get("digicert").unwrap().operation("reissue").unwrap().action.as_ref().unwrap();
        let rule = &action.status_queries[0];
        let asked = map(
            &json!({"certificate.csr": "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\nAAAB\n-----END CERTIFICATE REQUEST-----\n"}),
        );
        for (csr, expected) in [
            ("-----BEGIN CERTIFICATE REQUEST-----\r\nMIIBAAAB\r\n-----END CERTIFICATE REQUEST-----", TargetState::Done),
            ("MIIBAAAB", TargetState::Done),
            ("MIIBAAAC", TargetState::Unknown),
            ("", TargetState::Unknown),
        ] {
            let page =
                json!({"certificates": [{"status": "issued", "csr": csr}, {"status": "rejected", "csr": "MIIC"}]});
            assert_eq!(read_state(rule, &asked, &[page]).0, expected, "{csr}");
        }
    }

    #[test]
    fn a_row_shows_its_certificate_where_there_is_one_row() {
        let catalog = built_in();
        let naver = catalog.get("naver").unwrap().operation("revoke").unwrap().action.as_ref().unwrap();
        let page = |numbers: &[u32]| {
            let rows: Vec<Value> =
                numbers.iter().map(|no| json!({"certificateNo": no, "commonName": format!("{no}.example")})).collect();
            json!({"totalCount": 9, "orders": [{"orderID": "1", "certificates": rows}]})
        };
        for (no, pages, expected) in [
            (1, vec![page(&[1, 2])], Some("1.example")),
            (2, vec![page(&[1]), page(&[2])], Some("2.example")),
            (3, vec![page(&[1, 2])], None),
            // Several would be a guess.
            (0, vec![page(&[1, 2])], None),
            (1, vec![page(&[1]), page(&[1])], None),
            (1, vec![], None),
        ] {
            let parameters = map(&json!({"orderId": "1", "certificateNo": no}));
            let shown = read_shown(&naver.status_queries[0], &parameters, &pages);
            assert_eq!(shown.get("common_name").map(String::as_str), expected, "{no} {pages:?}");
        }
    }

    #[test]
    fn pages_are_asked_for_until_all_rows_are_there() {
        let catalog = built_in();
        let naver = catalog.get("naver").unwrap();
        let rule = &naver.operation("revoke").unwrap().action.as_ref().unwrap().status_queries[0];
        for (pages, total, expected) in [
            (0, json!(500), None),
            (1, json!(100), None),
            (1, json!(101), Some(json!(2))),
            (2, json!("201"), Some(json!(3))),
            (3, json!(201), None),
            (1, json!("many"), None),
            (1, json!(null), None),
        ] {
            let pages = vec![json!({"totalCount": total}); pages];
            assert_eq!(next_page(rule, &pages), expected, "{total}");
        }
        assert_eq!(next_page(rule, &vec![json!({"totalCount": u64::MAX}); 1000]), None);
        let huawei = catalog.get("huawei").unwrap();
        let rule = &huawei.operation("revoke-ca").unwrap().action.as_ref().unwrap().status_queries[0];
        assert_eq!(next_page(rule, &[json!({})]), None);
    }

    #[test]
    fn a_name_is_dropped_where_it_is_neither_asked_for_nor_meant_to_go() {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rule = CsrRule {
            field: "csr".into(),
            common_name: Some("cn".into()),
            dns_names: Some("dns".into()),
            fills_names: false,
            replaces: true,
        };
        for (old, given, meant, expected) in [
            (&["a.example", "b.example"][..], json!({"cn": "a.example", "dns": ["b.example"]}), &[][..], &[][..]),
            (&["a.example", "B.example"], json!({"cn": "A.EXAMPLE"}), &[], &["B.example"]),
            (&["a.example", "b.example", "b.example"], json!({"cn": "a.example"}), &[], &["b.example"]),
            (&["a.example", "b.example"], json!({"cn": "a.example"}), &["b.EXAMPLE"], &[]),
            // A wildcard does not name what it covers: whether it will do is for people.
            (&["a.example"], json!({"cn": "*.example"}), &[], &["a.example"]),
            (&["가게.example"], json!({"dns": ["xn--o39akk.example"]}), &[], &[]),
            (&["192.0.2.1"], json!({"dns": ["192.0.2.1"]}), &[], &[]),
            // The provider takes those of its order.
            (&["a.example"], json!({}), &[], &[]),
        ] {
            let asked = asked_names(&rule, &map(&given), None);
            assert_eq!(dropped_names(&texts(old), &asked, &texts(meant)), texts(expected), "{old:?} {given}");
        }
    }
}
