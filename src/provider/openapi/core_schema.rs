//! YAML nodes into JSON values, by the core schema of YAML 1.2: only where JSON itself is meant (schemas, sample bodies).

use crate::tree::node::{Node, Shape};
use serde_json::{Map, Number, Value};

/// The JSON value of a node. Quoted scalars are strings; plain ones get the core schema's type, where JSON has it.
pub(super) fn value(node: &Node) -> Value {
    match &node.shape {
        Shape::Null => Value::Null,
        Shape::Scalar { text, plain: false } => Value::String(text.clone()),
        Shape::Scalar { text, plain: true } => scalar(text),
        Shape::List(items) => items.iter().map(value).collect(),
        Shape::Map(fields) => {
            Value::Object(fields.iter().map(|field| (field.name.clone(), value(&field.value))).collect::<Map<_, _>>())
        }
    }
}

fn scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins_as_number =
        unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|first: char| first.is_ascii_digit());
    if !begins_as_number {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    let plain = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if text.bytes().all(plain) { Number::from_f64(text.parse().ok()?) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_get_the_core_type() {
        for (text, expected) in [
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("18446744073709551615", json!(u64::MAX)),
            ("012", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("no", json!("no")),
            ("112358-1", json!("112358-1")),
            ("1.2.3", json!("1.2.3")),
            (".inf", json!(".inf")),
            ("-", json!("-")),
            ("0x+1", json!("0x+1")),
            ("2026-12-01", json!("2026-12-01")),
        ] {
            assert_eq!(scalar(text), expected, "{text}");
        }
    }
}
