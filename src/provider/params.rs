//! Parameters: from raw text to the type that the schema gives, and all of an operation's parameters against its schema, in
//! words for people. Pure.

use super::model::{Kind, Operation, Parameter};
use crate::text::{nearest, safe};
use crate::tree::node::{Node, Shape};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Number, Value};

/// What is wrong with the parameters of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The parameter at fault; `None` where no single one is.
    pub parameter: Option<String>,
    /// What is wrong, as a lower-case sentence without a full stop.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

/// Gives raw text the parameter's type. The schema's other rules are [`check`]'s.
///
/// # Errors
/// A sentence that says what would be right.
pub fn value(parameter: &Parameter, node: &Node) -> Result<Value, String> {
    let name = &parameter.name;
    let is_list = matches!(parameter.kind, Kind::Strings | Kind::Integers);
    match &node.shape {
        Shape::Scalar { text, .. } => scalar(parameter, text),
        Shape::Null => Err(format!("`{name}` has no value; leave the line out if it is not meant")),
        Shape::List(items) if is_list => items.iter().map(|item| self::item(parameter, item)).collect(),
        _ if is_list => Err(format!("`{name}` must be a list, not {}", node.kind())),
        _ => Err(format!("`{name}` must be a single value, not {}", node.kind())),
    }
}

/// As [`value`], for a single text; a list is split at white space.
///
/// # Errors
/// A sentence that says what would be right.
pub fn scalar(parameter: &Parameter, text: &str) -> Result<Value, String> {
    let name = &parameter.name;
    match parameter.kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Integer => integer(name, text),
        Kind::Number => number(name, text),
        Kind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(format!("`{name}` must be true or false, not `{}`", shown(text))),
        },
        Kind::Strings => Ok(text.split_whitespace().collect()),
        Kind::Integers => text.split_whitespace().map(|text| integer(name, text)).collect(),
    }
}

/// Holds the parameters of one action, or of one look-up, against the operation's schema. Empty where all is well.
pub fn check(operation: &Operation, parameters: &Map<String, Value>) -> Vec<Violation> {
    // A map can only be checked as a value; this is the one copy, and the quick answer is nearly always yes.
    let instance = Value::Object(parameters.clone());
    if operation.validator.is_valid(&instance) {
        return Vec::new();
    }
    operation.validator.iter_errors(&instance).flat_map(|error| violations(operation, &error)).collect()
}

fn item(parameter: &Parameter, node: &Node) -> Result<Value, String> {
    let name = &parameter.name;
    let text =
        node.text().ok_or_else(|| format!("each item of `{name}` must be a single value, not {}", node.kind()))?;
    if parameter.kind == Kind::Integers { integer(name, text) } else { Ok(text.into()) }
}

fn integer(name: &str, text: &str) -> Result<Value, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain && (digits == text || digits != "0") && (digits == "0" || !digits.starts_with('0')) {
        return text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("`{name}` is a whole number, but `{}` is too large for one", shown(text)));
    }
    if plain {
        let bare = digits.trim_start_matches('0');
        let bare = if bare.is_empty() { "0" } else { bare };
        return Err(format!("`{name}` is a whole number and has no leading zeros; write `{bare}` if that is meant"));
    }
    if let Some(bare) = text.strip_prefix('+').filter(|bare| bare.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("`{name}` is a whole number without `+`; write `{}`", shown(bare)));
    }
    if text.contains(['e', 'E']) && text.parse::<f64>().is_ok() {
        return Err(format!(
            "`{name}` must be a whole number; `{}` looks like a number that a spreadsheet rounded: take all its digits from the \
             source and keep the column as text",
            shown(text)
        ));
    }
    Err(format!("`{name}` must be a whole number, not `{}`", shown(text)))
}

fn number(name: &str, text: &str) -> Result<Value, String> {
    // JSON's own grammar: no `+`, no leading zeros, no hexadecimal.
    serde_json::from_str::<Number>(text)
        .map(Value::Number)
        .map_err(|_| format!("`{name}` must be a number, not `{}`", shown(text)))
}

fn violations(operation: &Operation, error: &ValidationError<'_>) -> Vec<Violation> {
    let path = error.instance_path().to_string();
    let mut segments = path.split('/').skip(1);
    let Some(name) = segments.next() else { return whole(operation, error) };
    let name = name.replace("~1", "/").replace("~0", "~");
    let item = segments.next().and_then(|index| index.parse::<usize>().ok());
    let subject = match item {
        Some(index) => format!("item {} of `{name}`", index + 1),
        None => format!("`{name}`"),
    };
    let (what, mut help) = rule(&subject, error);
    if help.is_none() {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == name);
        help = parameter.map(|parameter| parameter.description.clone()).filter(|text| !text.is_empty());
    }
    vec![Violation { parameter: Some(name), what, help }]
}

/// What is wrong with the parameters as a whole: some are missing, or there are others.
fn whole(operation: &Operation, error: &ValidationError<'_>) -> Vec<Violation> {
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default().to_owned();
            let parameter = operation.parameters.iter().find(|parameter| parameter.name == name);
            let help = parameter.map(|parameter| parameter.description.clone()).filter(|text| !text.is_empty());
            vec![Violation { what: format!("`{name}` is missing"), parameter: Some(name), help }]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let names = operation.parameters.iter().map(|parameter| parameter.name.as_str());
                Violation {
                    parameter: Some(name.clone()),
                    what: format!("`{}` has no field `{}`", operation.name, shown(name)),
                    help: nearest::nearest(name, names).map(|right| format!("did you mean `{right}`?")),
                }
            })
            .collect(),
        _ => {
            let what = format!("the fields of `{}` do not fit together", operation.name);
            vec![Violation { parameter: None, what, help: None }]
        }
    }
}

fn rule(subject: &str, error: &ValidationError<'_>) -> (String, Option<String>) {
    let found = match error.instance().as_ref() {
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    };
    let what = match error.kind() {
        ValidationErrorKind::Enum { options } => {
            let words: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
            let right = nearest::nearest(&found, words.iter().map(String::as_str));
            let help = right.map(|right| format!("did you mean `{right}`?"));
            let what = match words.as_slice() {
                [only] => format!("{subject} must be {only}, not `{found}`"),
                _ => format!("{subject} must be one of {}, not `{found}`", words.join(", ")),
            };
            return (what, help);
        }
        ValidationErrorKind::Constant { expected_value } => format!("{subject} must be {}", plain(expected_value)),
        ValidationErrorKind::Pattern { pattern } => {
            format!("{subject} does not have the right form: `{found}` does not match {pattern}")
        }
        ValidationErrorKind::MinLength { limit: 1 } => format!("{subject} is empty"),
        ValidationErrorKind::MinLength { limit } => format!("{subject} must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("{subject} must have at most {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("{subject} must be at least {limit}, not {found}"),
        ValidationErrorKind::Maximum { limit } => format!("{subject} must be at most {limit}, not {found}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("{subject} must be above {limit}, not {found}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("{subject} must be below {limit}, not {found}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("{subject} must be a multiple of {multiple_of}"),
        ValidationErrorKind::MinItems { limit } => format!("{subject} must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("{subject} must have at most {limit} items"),
        ValidationErrorKind::UniqueItems => format!("{subject} holds the same item twice"),
        ValidationErrorKind::Type { .. } => format!("{subject} is {}, which is of the wrong type", json_kind(error)),
        _ => format!("{subject} is not valid"),
    };
    (what, None)
}

fn json_kind(error: &ValidationError<'_>) -> &'static str {
    match error.instance().as_ref() {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn plain(value: &Value) -> String {
    super::pointer::scalar_text(value).unwrap_or_else(|| value.to_string())
}

/// Foreign text inside a message: safe for terminals, and not longer than a line can bear.
fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST_SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    safe::terminal(&cut).into_owned()
}

/// Characters of a value that a message shows.
const LONGEST_SHOWN: usize = 60;
