//! From a request to an operation's parameters, or what is wrong with it. Knows documents; keeps and answers nothing.

use super::message::{Received, decode};
use crate::provider::Operation;
use crate::provider::model::{Kind, Location, Parameter};
use serde_json::{Map, Value};

/// The parameters that a request carries, valid by the operation's schema. `path` holds the decoded path parameters.
///
/// # Errors
/// What is wrong with the request, for the provider's message.
pub(super) fn parameters(
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
    if operation.has_body {
        for (name, value) in body(request)? {
            let known = operation.parameters.iter().find(|known| known.name == name);
            if known.is_some_and(|known| known.location != Location::Body) || given.contains_key(&name) {
                return Err(format!("{name} does not belong into the body"));
            }
            given.insert(name, value);
        }
    }
    let given = Value::Object(given);
    if let Err(error) = operation.validator.validate(&given) {
        return Err(error.to_string());
    }
    if let Value::Object(given) = given { Ok(given) } else { Ok(Map::new()) }
}

fn body(request: &Received) -> Result<Map<String, Value>, String> {
    let media_type = request.header("content-type").unwrap_or_default();
    let media_type = media_type.split_once(';').map_or(media_type, |(media_type, _)| media_type);
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err("the content type must be application/json".to_owned());
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(_) => Err("the body is not JSON".to_owned()),
    }
}

fn add_query(operation: &Operation, name: &str, text: &str, given: &mut Map<String, Value>) -> Result<(), String> {
    let Some(known) = operation.parameters.iter().find(|known| known.name == name && known.location == Location::Query)
    else {
        return Err(format!("there is no query parameter {name}"));
    };
    let value = typed(Some(known), text);
    match (known.kind, given.get_mut(name)) {
        (Kind::Strings | Kind::Integers, Some(Value::Array(list))) => list.push(value),
        (Kind::Strings | Kind::Integers, _) => {
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
    let kind = parameter.map_or(Kind::String, |parameter| parameter.kind);
    let typed = match kind {
        Kind::String | Kind::Strings => None,
        Kind::Integer | Kind::Integers => text.parse::<i64>().ok().map(Value::from),
        Kind::Number => text.parse::<f64>().ok().map(Value::from),
        Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
    };
    typed.unwrap_or_else(|| Value::from(text))
}
