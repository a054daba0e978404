//! What a new certificate drops of the names of the one whose place it takes. Pure: the names of the old one come from its file, or from the
//! provider's own words.

use super::model::{CsrRule, ReplacedRule};
use super::rows::rows;
use crate::pki::RequestedCertificate;
use crate::pki::names::{comparable, is_host};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The names that an action asks for, as they are compared: its parameters', and those of its certificate request.
pub fn asked(
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
    let rows = rows(&rule.query.rows.steps, parameters, body);
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
pub fn dropped(old: &[String], asked: &BTreeSet<String>, meant: &[String]) -> Vec<String> {
    let mut known: BTreeSet<String> = asked.iter().cloned().chain(meant.iter().map(|name| comparable(name))).collect();
    let is_dropped = |name: &&String| !asked.is_empty() && known.insert(comparable(name));
    old.iter().filter(is_dropped).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
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
            let asked = asked(&rule, &map(&given), None);
            assert_eq!(dropped(&texts(old), &asked, &texts(meant)), texts(expected), "{old:?} {given}");
        }
    }
}
