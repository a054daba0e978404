//! From a request to an account's operation, by the documents' path templates, and to the operation's parameters, or what is wrong with
//! them. Keeps and answers nothing.

use super::acme::{AcmeEndpoint, NEW_ACCOUNT, NEW_NONCE};
use super::message::{Received, decode, encode};
use super::options::SimulatedAccount;
use crate::pki::Csr;
use crate::provider::model::{BodyForm, ItemObject, Location, Parameter, ParameterType, RequestBody};
use crate::provider::{Operation, Provider};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// All routes of all accounts.
#[derive(Debug)]
pub(super) struct Routes {
    accounts: HashMap<String, AccountRoutes>,
}

#[derive(Debug)]
struct AccountRoutes {
    /// Index into the options' accounts.
    account: usize,
    /// The segments of the path of the provider's base URL.
    base: Vec<String>,
    /// Whether it is an ACME server's.
    is_acme: bool,
    /// By method and number of segments: templates with the operation's index.
    templates: HashMap<(String, usize), Vec<(Template, usize)>>,
    /// The provider, for operations that only their bodies tell apart.
    provider: Arc<Provider>,
    /// By operation: the header fields that tell it from others of the same method and path.
    told_apart_by: HashMap<usize, Vec<(String, String)>>,
}

type Template = Vec<Segment>;

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    /// A parameter between fixed texts: `{id}`, `{name}:revoke`.
    Parameter {
        before: String,
        name: String,
        after: String,
    },
}

/// Where a request belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// An operation, and the values of its path parameters, decoded.
    Operation { account: usize, operation: usize, path: Vec<(String, String)> },
    /// The endpoint that issues tokens.
    Tokens { account: usize },
    /// What an ACME server is asked before anything else.
    Acme { account: usize, endpoint: AcmeEndpoint },
    /// What the account's CA publishes.
    Published { account: usize, what: StatusService },
    /// An account, but nothing that it has.
    Unknown { account: usize },
    /// No account.
    Nowhere,
}

/// What CAs publish about certificates.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StatusService {
    /// The list of those that are revoked.
    Crl,
    /// The answer to a question, which is the body, or stands in the path (RFC 6960, appendix A.1).
    Ocsp(Option<Vec<u8>>),
}

impl Routes {
    pub(super) fn new(accounts: &[SimulatedAccount]) -> Self {
        let routes = accounts.iter().enumerate().map(|(index, account)| {
            let base = base_path(&account.provider);
            let base = segments(&base).map(ToOwned::to_owned).collect();
            let mut templates: HashMap<_, Vec<_>> = HashMap::new();
            for (operation, declared) in account.provider.operations.iter().enumerate() {
                let template: Template = segments(&declared.path).map(segment).collect();
                let key = (declared.method.clone(), template.len());
                templates.entry(key).or_default().push((template, operation));
            }
            // A fixed path wins over one with a parameter in its place.
            for listed in templates.values_mut() {
                listed.sort_by_key(|(template, _)| {
                    template.iter().map(|part| !matches!(part, Segment::Fixed(_))).collect::<Vec<_>>()
                });
            }
            (
                account.name.clone(),
                AccountRoutes {
                    account: index,
                    base,
                    is_acme: is_acme(&account.provider),
                    templates,
                    provider: Arc::clone(&account.provider),
                    told_apart_by: told_apart(&account.provider),
                },
            )
        });
        Self { accounts: routes.collect() }
    }

    /// Where a request belongs, by its method, its percent-encoded path, and where several operations have these, its header fields.
    pub(super) fn find(&self, request: &Received) -> Route {
        let (method, path) = (request.method.as_str(), request.path());
        let mut parts = segments(path);
        let account = parts.next().map(decode);
        let Some(routes) = account.and_then(|account| self.accounts.get(&account)) else { return Route::Nowhere };
        let account = routes.account;
        let rest: Vec<&str> = parts.collect();
        if method == "POST" && rest == TOKEN_PATH {
            return Route::Tokens { account };
        }
        if let Some(what) = published(method, &rest) {
            return Route::Published { account, what };
        }
        let below = rest.get(routes.base.len()..).unwrap_or_default();
        if rest.get(..routes.base.len()).is_none_or(|base| base != routes.base) {
            return Route::Unknown { account };
        }
        if let Some(endpoint) = acme_endpoint(method, below).filter(|_| routes.is_acme) {
            return Route::Acme { account, endpoint };
        }
        let templates = routes.templates.get(&(method.to_owned(), below.len())).map_or(&[][..], Vec::as_slice);
        let mut first = None;
        for (template, operation) in templates {
            let shared = routes.told_apart_by.get(operation);
            if !shared.into_iter().flatten().all(|(name, value)| request.header(name) == Some(value)) {
                continue;
            }
            let values: Option<Vec<Option<(String, String)>>> =
                template.iter().zip(below).map(|(part, text)| part.read(text)).collect();
            let Some(values) = values else { continue };
            let path: Vec<(String, String)> = values.into_iter().flatten().collect();
            let takes = || request_parameters(&routes.provider.operations[*operation], &path, request).is_ok();
            let is_meant = shared.is_none() || takes();
            let route = Route::Operation { account, operation: *operation, path };
            if is_meant {
                return route;
            }
            // Of several whose bodies tell them apart none takes this one: the first says what is wrong with it.
            first = first.or(Some(route));
        }
        if let Some(route) = first {
            return route;
        }
        Route::Unknown { account }
    }
}

fn published(method: &str, rest: &[&str]) -> Option<StatusService> {
    match (method, rest.strip_prefix(&[CA_PATH])?) {
        ("GET", ["crl"]) => Some(StatusService::Crl),
        ("POST", ["ocsp"]) => Some(StatusService::Ocsp(None)),
        ("GET", ["ocsp", asked @ ..]) => {
            // Base64 has `/` too, which not every client escapes.
            let asked: Vec<String> = asked.iter().map(|part| decode(part)).collect();
            Some(StatusService::Ocsp(Some(STANDARD.decode(asked.join("/")).unwrap_or_default())))
        }
        _ => None,
    }
}

/// The path of an account's list below the account.
pub(super) fn crl_path() -> String {
    format!("/{CA_PATH}/crl")
}

/// The path of its OCSP responder.
pub(super) fn ocsp_path() -> String {
    format!("/{CA_PATH}/ocsp")
}

fn told_apart(provider: &Provider) -> HashMap<usize, Vec<(String, String)>> {
    let is_shared = |operation: &Operation| {
        let same = |other: &&Operation| (&other.method, &other.path) == (&operation.method, &operation.path);
        provider.operations.iter().filter(same).count() > 1
    };
    let shared = provider.operations.iter().enumerate().filter(|(_, operation)| is_shared(operation));
    shared.map(|(index, operation)| (index, operation.headers.clone())).collect()
}

/// Whether a provider is an ACME server.
pub(super) fn is_acme(provider: &Provider) -> bool {
    provider.auth.iter().any(|requirement| requirement.session_key().is_some())
}

fn acme_endpoint(method: &str, below: &[&str]) -> Option<AcmeEndpoint> {
    match (method, below) {
        ("GET", []) => Some(AcmeEndpoint::Directory),
        ("HEAD" | "GET", [path]) if *path == NEW_NONCE => Some(AcmeEndpoint::Nonce),
        ("POST", [path]) if *path == NEW_ACCOUNT => Some(AcmeEndpoint::Account),
        _ => None,
    }
}

/// The path of an account below the simulator's address; it ends without `/`.
pub(super) fn account_path(account: &str) -> String {
    format!("/{}", encode(account))
}

/// The path of the token endpoint below an account.
pub(super) fn token_path() -> String {
    TOKEN_PATH.iter().map(|part| format!("/{part}")).collect()
}

/// The path part of a provider's base URL with its variables' defaults; empty, or it begins with `/` and does not end so.
pub(super) fn base_path(provider: &Provider) -> String {
    let below = provider.base_url.split_once("://").map_or(provider.base_url.as_str(), |(_, rest)| rest);
    let mut path = below.find('/').map_or("", |at| &below[at..]).trim_end_matches('/').to_owned();
    for (name, variable) in &provider.variables {
        path = path.replace(&format!("{{{name}}}"), &variable.default);
    }
    path
}

impl Segment {
    /// `None` where the text does not fit; else the parameter's value, where this is one.
    fn read(&self, text: &str) -> Option<Option<(String, String)>> {
        match self {
            Self::Fixed(fixed) => (decode(text) == *fixed).then_some(None),
            Self::Parameter { before, name, after } => {
                let text = decode(text);
                let value = text.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                (!value.is_empty()).then(|| Some((name.clone(), value.to_owned())))
            }
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/').filter(move |_| !path.is_empty())
}

fn segment(text: &str) -> Segment {
    let parameter = text.split_once('{').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('}')?;
        Some(Segment::Parameter { before: before.to_owned(), name: name.to_owned(), after: after.to_owned() })
    });
    parameter.unwrap_or_else(|| Segment::Fixed(text.to_owned()))
}

const CA_PATH: &str = "simulated-ca";
const TOKEN_PATH: [&str; 3] = ["v3", "auth", "tokens"];

/// The parameters that a request carries, valid by the operation's schema. `path` holds the decoded path parameters.
///
/// # Errors
/// What is wrong with the request, for the provider's message.
pub(super) fn request_parameters(
    operation: &Operation,
    path: &[(String, String)],
    request: &Received,
) -> Result<Map<String, Value>, String> {
    for (name, value) in &operation.headers {
        if request.header(name) != Some(value) {
            return Err(format!("the header {name} must be {value}"));
        }
    }
    let mut given = Map::new();
    for (name, text) in path {
        given.insert(name.clone(), typed(operation.parameters.iter().find(|known| known.name == *name), text));
    }
    for word in request.query().split('&').filter(|word| !word.is_empty()) {
        let (name, text) = word.split_once('=').unwrap_or((word, ""));
        add_query(operation, &decode(name), &decode(text), &mut given)?;
    }
    for known in operation.parameters.iter().filter(|known| known.location == Location::Header) {
        if let Some(text) = request.header(&known.name.to_ascii_lowercase()) {
            given.insert(known.name.clone(), typed(Some(known), text));
        }
    }
    if let Some(declared) = &operation.body {
        for (members, value) in body(operation, declared, request)? {
            let known =
                operation.parameters.iter().find(|known| known.location == Location::Body && known.members == members);
            let value = match known.and_then(|known| known.item.as_ref()) {
                Some(object) => plain_items(object, value)?,
                None => value,
            };
            let name = known.map_or_else(|| members.join("."), |known| known.name.clone());
            if given.contains_key(&name) {
                return Err(format!("{name} does not belong into the body"));
            }
            let is_form = declared.form == BodyForm::Urlencoded;
            let value = if is_form { typed(known, value.as_str().unwrap_or_default()) } else { value };
            given.insert(name, known.map_or(Ok(value.clone()), |known| decoded(known, value))?);
        }
    }
    name_by_request(operation, &mut given);
    // What a later stage sends is not here yet.
    let unsent = |known: &&Parameter| {
        known.location == Location::StatusQuery && known.required && !given.contains_key(&known.name)
    };
    let unsent: Vec<&str> = operation.parameters.iter().filter(unsent).map(|known| known.name.as_str()).collect();
    given.extend(unsent.iter().map(|name| ((*name).to_owned(), Value::from("-"))));
    let given = Value::Object(given);
    if let Err(error) = operation.validator.validate(&given) {
        return Err(error.to_string());
    }
    let Value::Object(mut given) = given else { return Ok(Map::new()) };
    given.retain(|name, _| !unsent.contains(&name.as_str()));
    Ok(given)
}

/// The items of a list whose objects have one member that says something.
fn plain_items(object: &ItemObject, value: Value) -> Result<Value, String> {
    let Value::Array(items) = value else { return Ok(value) };
    let plain = |item: Value| match item {
        Value::Object(mut whole) => {
            let open = whole.remove(&object.member);
            open.filter(|_| whole == object.fixed).ok_or_else(|| "an item has other members than it should".to_owned())
        }
        _ => Err("an item is no object".to_owned()),
    };
    items.into_iter().map(plain).collect()
}

/// A target that is named by the common name of a certificate request: no request has that as a parameter.
fn name_by_request(operation: &Operation, given: &mut Map<String, Value>) {
    let Some(rule) = operation.action.as_ref().and_then(|action| action.csr.as_ref()) else { return };
    let unsent = |parameter: &&Parameter| {
        parameter.location == Location::StatusQuery && rule.common_name.as_ref() == Some(&parameter.name)
    };
    let Some(named) = operation.parameters.iter().find(unsent) else { return };
    let Some(text) = given.get(&rule.field).and_then(Value::as_str) else { return };
    let request = Csr::parse(text.as_bytes()).ok();
    // One that cannot be read names its target all the same: by its text.
    let name = request.as_ref().and_then(Csr::common_name).unwrap_or(text).to_owned();
    given.insert(named.name.clone(), name.into());
}

/// The text that a body carries encoded.
fn decoded(known: &Parameter, value: Value) -> Result<Value, String> {
    if !known.format.is_encoded() {
        return Ok(value);
    }
    let octets = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    let text = octets.and_then(|octets| String::from_utf8(octets).ok());
    text.map(Value::from).ok_or_else(|| format!("{} is not in base64", known.name))
}

/// The members of a body with the names that lead to them.
fn body(
    operation: &Operation,
    declared: &RequestBody,
    request: &Received,
) -> Result<Vec<(Vec<String>, Value)>, String> {
    let media_type = request.header("content-type").unwrap_or_default();
    let media_type = media_type.split_once(';').map_or(media_type, |(media_type, _)| media_type);
    if !media_type.trim().eq_ignore_ascii_case(&declared.media_type) {
        return Err(format!("the content type must be {}", declared.media_type));
    }
    if declared.form == BodyForm::Urlencoded {
        let pairs = form_urlencoded::parse(&request.body);
        return Ok(pairs.map(|(name, value)| (vec![name.into_owned()], Value::from(value.into_owned()))).collect());
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => {
            let mut members = Vec::new();
            add_members(operation, &[], body, &mut members);
            Ok(members)
        }
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(_) => Err("the body is not JSON".to_owned()),
    }
}

/// Adds the members of an object, and those of the objects in it.
fn add_members(
    operation: &Operation,
    path: &[String],
    object: Map<String, Value>,
    members: &mut Vec<(Vec<String>, Value)>,
) {
    for (name, value) in object {
        let path = [path, &[name]].concat();
        match value {
            // An object that the document fixes is one value.
            Value::Object(object) if !operation.parameters.iter().any(|known| known.members == path) => {
                add_members(operation, &path, object, members);
            }
            value => members.push((path, value)),
        }
    }
}

fn add_query(operation: &Operation, name: &str, text: &str, given: &mut Map<String, Value>) -> Result<(), String> {
    let Some(known) = operation.parameters.iter().find(|known| known.name == name && known.location == Location::Query)
    else {
        return Err(format!("there is no query parameter {name}"));
    };
    let value = typed(Some(known), text);
    match (known.kind, given.get_mut(name)) {
        (ParameterType::Strings | ParameterType::Integers, Some(Value::Array(list))) => list.push(value),
        (ParameterType::Strings | ParameterType::Integers, _) => {
            given.insert(name.to_owned(), Value::Array(vec![value]));
        }
        (_, Some(_)) => return Err(format!("{name} is given twice")),
        (_, None) => {
            given.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Text in the type that the parameter has; what does not fit stays text, which the schema then refuses.
fn typed(parameter: Option<&Parameter>, text: &str) -> Value {
    let kind = parameter.map_or(ParameterType::String, |parameter| parameter.kind);
    let typed = match kind {
        ParameterType::String | ParameterType::Strings => None,
        ParameterType::Integer | ParameterType::Integers => text.parse::<i64>().ok().map(Value::from),
        ParameterType::Number => text.parse::<f64>().ok().map(Value::from),
        ParameterType::Boolean => text.parse::<bool>().ok().map(Value::from),
    };
    typed.unwrap_or_else(|| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_by_templates() {
        for (template, text, expected) in [
            ("revoke", "revoke", Some(None)),
            ("revoke", "revok", None),
            ("{id}", "a%2Fb", Some(Some("a/b"))),
            ("{id}", "", None),
            ("{name}:revoke", "c1:revoke", Some(Some("c1"))),
            ("{name}:revoke", "c1", None),
        ] {
            let read = segment(template).read(text);
            assert_eq!(read.as_ref().map(|read| read.as_ref().map(|(_, value)| value.as_str())), expected, "{text}");
        }
    }

    #[test]
    fn an_account_keeps_its_name_in_a_path() {
        assert_eq!(account_path("naver-kr"), "/naver-kr");
        assert_eq!(decode(account_path("a b/c").trim_start_matches('/')), "a b/c");
        assert_eq!(token_path(), "/v3/auth/tokens");
    }
}
