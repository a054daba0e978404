//! Parameters: from raw text to the type that the schema gives, from a revocation reason of RFC 5280 to the provider's spelling, and
//! all of an operation's parameters against its schema, in words for people. Pure. Nothing is guessed: a reason that a provider does not
//! have is sent as another one only where the plan says so.

use super::model::{Operation, Parameter, ParameterType, ReasonRule, SerialRule, ValueFormat};
use crate::pki::{RevocationReason, SerialNotation, SerialNumber, SerialNumberError};
use crate::text::damage::did_you_mean;
use crate::text::damage::shown;
use crate::text::nearest;
use crate::tree::{Node, Shape};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// Gives raw text the parameter's type, and a serial number the one spelling in which it is sent. The schema's other rules are
/// [`check`]'s. `notation` is what is said of the digits of serial numbers.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn value(parameter: &Parameter, node: &Node, notation: Option<SerialNotation>) -> Result<Value, Violation> {
    let name = &parameter.name;
    let is_list = matches!(parameter.kind, ParameterType::Strings | ParameterType::Integers);
    match &node.shape {
        Shape::Scalar { text, .. } => scalar(parameter, text, notation),
        Shape::Null => Err(wrong(name, format!("`{name}` has no value; leave the line out if it is not meant"))),
        Shape::List(items) if is_list => items.iter().map(|item| self::item(parameter, item, notation)).collect(),
        _ if is_list => Err(wrong(name, format!("`{name}` must be a list, not {}", node.kind()))),
        _ => Err(wrong(name, format!("`{name}` must be a single value, not {}", node.kind()))),
    }
}

/// As [`value`], for a single text; a list is split at white space.
///
/// # Errors
/// As [`value`].
pub fn scalar(parameter: &Parameter, text: &str, notation: Option<SerialNotation>) -> Result<Value, Violation> {
    let name = &parameter.name;
    match parameter.kind {
        ParameterType::String => string(parameter, text, notation),
        ParameterType::Integer => integer(name, text).map_err(|what| wrong(name, what)),
        ParameterType::Number => number(name, text).map_err(|what| wrong(name, what)),
        // In any case: Excel writes `TRUE`, and nobody can make it write otherwise.
        ParameterType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        ParameterType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        ParameterType::Boolean => {
            let meant = |words: &[&str]| words.contains(&text.to_lowercase().as_str());
            let help = match (meant(&YES), meant(&NO)) {
                (true, _) => "; write `true` if that is meant",
                (_, true) => "; write `false` if that is meant",
                _ => "",
            };
            Err(wrong(name, format!("`{name}` must be true or false, not `{}`{help}", shown(text))))
        }
        ParameterType::Strings => text.split_whitespace().map(|text| string(parameter, text, notation)).collect(),
        ParameterType::Integers => {
            text.split_whitespace().map(|text| integer(name, text).map_err(|what| wrong(name, what))).collect()
        }
    }
}

/// Holds the parameters of one action, or of one status query, against the operation's schema. Empty where all is well.
pub fn check(operation: &Operation, parameters: &Map<String, Value>) -> Vec<Violation> {
    // A map can only be checked as a value; this is the one copy, and the quick answer is nearly always yes.
    let instance = Value::Object(parameters.clone());
    if operation.validator.is_valid(&instance) {
        return Vec::new();
    }
    operation.validator.iter_errors(&instance).flat_map(|error| violations(operation, &error)).collect()
}

fn item(parameter: &Parameter, node: &Node, notation: Option<SerialNotation>) -> Result<Value, Violation> {
    let name = &parameter.name;
    let kind = || wrong(name, format!("each item of `{name}` must be a single value, not {}", node.kind()));
    let text = node.text().ok_or_else(kind)?;
    if parameter.kind == ParameterType::Integers {
        return integer(name, text).map_err(|what| wrong(name, what));
    }
    string(parameter, text, notation)
}

fn string(parameter: &Parameter, text: &str, notation: Option<SerialNotation>) -> Result<Value, Violation> {
    match parameter.format {
        ValueFormat::Serial(rule) => serial_number(&parameter.name, rule, text, notation).map(Value::String),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// A serial number as it is sent, or the id that the provider takes in its place.
fn serial_number(
    name: &str,
    rule: SerialRule,
    text: &str,
    notation: Option<SerialNotation>,
) -> Result<String, Violation> {
    let text = text.trim();
    if rule.is_id(text) {
        return Ok(text.to_owned());
    }
    let says = |what: String, help: &str| Violation {
        parameter: Some(name.to_owned()),
        what: format!("`{name}`: {what}"),
        help: Some(help.to_owned()),
    };
    let read = match (notation, rule.notation()) {
        (Some(notation), _) => SerialNumber::parse_in(text, notation),
        // What the CA calls by decimal numbers is in people's lists so, too.
        (None, SerialNotation::Decimal) => SerialNumber::parse_in(text, SerialNotation::Decimal),
        (None, SerialNotation::Hexadecimal) => SerialNumber::parse(text),
    };
    let serial = read.map_err(|why| says(format!("`{}` is no serial number: {why}", shown(text)), remedy(&why)))?;
    let sent = serial.spelled(rule.spelling);
    if rule.is_id(&sent) {
        let what = format!("the serial number `{}` would be sent as `{sent}`, and taken for an id", shown(text));
        return Err(says(what, "name the certificate by its id"));
    }
    Ok(sent)
}

/// What would be right in the place of a text that is no serial number.
pub fn remedy(why: &SerialNumberError) -> &'static str {
    match why {
        SerialNumberError::DigitsAlone(_) => {
            "say which: `serial_notation: decimal` or `serial_notation: hexadecimal`, in the entry or in `defaults`; \
             one by itself is hexadecimal with `0x` in front"
        }
        SerialNumberError::NotDecimal => {
            "by `serial_notation` or by the provider's document they are decimal here; `0x` in front of one says that it is \
             not, or `serial_notation: hexadecimal` that none is"
        }
        _ => "write it as `openssl x509 -noout -serial` prints it, with colons or without: 04:C0:FF",
    }
}

fn wrong(name: &str, what: String) -> Violation {
    Violation { parameter: Some(name.to_owned()), what, help: None }
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
                    help: nearest(name, names).map(|right| did_you_mean(name, right)),
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
            let right = nearest(&found, words.iter().map(String::as_str));
            let help = right.map(|right| did_you_mean(&found, right));
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
        ValidationErrorKind::MinLength { limit } => {
            format!("{subject} must have at least {}", counted(*limit, "character"))
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("{subject} must have at most {}", counted(*limit, "character"))
        }
        ValidationErrorKind::Minimum { limit } => format!("{subject} must be at least {limit}, not {found}"),
        ValidationErrorKind::Maximum { limit } => format!("{subject} must be at most {limit}, not {found}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("{subject} must be above {limit}, not {found}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("{subject} must be below {limit}, not {found}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("{subject} must be a multiple of {multiple_of}"),
        ValidationErrorKind::MinItems { limit } => format!("{subject} must have at least {}", counted(*limit, "item")),
        ValidationErrorKind::MaxItems { limit } => format!("{subject} must have at most {}", counted(*limit, "item")),
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

fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn plain(value: &Value) -> String {
    super::answer::scalar_text(value).map_or_else(|| value.to_string(), Cow::into_owned)
}

/// What people, and spreadsheets in their languages, write for true and for false.
const YES: [&str; 12] = ["1", "yes", "y", "on", "x", "wahr", "ja", "vrai", "oui", "verdadero", "vero", "예"];
const NO: [&str; 12] = ["0", "no", "n", "off", "-", "falsch", "nein", "faux", "non", "falso", "none", "아니오"];

/// Why a reason cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReasonError {
    /// The provider does not have it, and the plan does not say what to send instead.
    NotThere {
        /// What it has, with its spellings, in the document's order.
        has: Vec<(RevocationReason, String)>,
    },
    /// The plan says what to send instead, but the provider does not have that either.
    NoSuchSpelling {
        /// What the plan says to send.
        spelling: String,
        /// What the provider has.
        has: Vec<(RevocationReason, String)>,
    },
}

/// The spelling to send for a reason. The plan's `overrides` (provider's spelling or RFC 5280 name) win over the document.
///
/// # Errors
/// What the provider has instead.
pub fn spelling_to_send(
    rule: &ReasonRule,
    overrides: &BTreeMap<RevocationReason, String>,
    reason: RevocationReason,
) -> Result<String, ReasonError> {
    if let Some(instead) = overrides.get(&reason) {
        return spelling_for(rule, instead)
            .map(str::to_owned)
            .ok_or_else(|| ReasonError::NoSuchSpelling { spelling: instead.clone(), has: rule.values.clone() });
    }
    spelling_of(rule, reason).map(str::to_owned).ok_or_else(|| ReasonError::NotThere { has: rule.values.clone() })
}

/// The provider's spelling that a word means: its own, or the one of an RFC 5280 name.
pub fn spelling_for<'a>(rule: &'a ReasonRule, word: &str) -> Option<&'a str> {
    let own = rule.values.iter().find(|(_, spelling)| spelling == word).map(|(_, spelling)| spelling.as_str());
    own.or_else(|| spelling_of(rule, RevocationReason::parse(word)?))
}

/// The RFC 5280 reason of a provider's spelling.
pub fn reason_of(rule: &ReasonRule, spelling: &str) -> Option<RevocationReason> {
    rule.values.iter().find(|(_, own)| own == spelling).map(|(reason, _)| *reason)
}

fn spelling_of(rule: &ReasonRule, reason: RevocationReason) -> Option<&str> {
    rule.values.iter().find(|(own, _)| *own == reason).map(|(_, spelling)| spelling.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::openapi::testing;
    use crate::text::SourceMap;
    use crate::tree::read_yaml;
    use serde_json::json;

    const RULES: &str = "          - {status: 200, means: succeeded}";

    fn node(text: &str) -> Node {
        let source = SourceMap::default().add_text("plan.yaml", None, text.into());
        let root = read_yaml(&format!("x: {text}"), source, &mut crate::diag::Diagnostics::default());
        root.unwrap().get("x").unwrap().clone()
    }

    #[test]
    fn raw_text_gets_the_schemas_type() {
        let provider = testing::provider(RULES);
        for (name, text, expected) in [
            ("comments", "0012", Ok(json!("0012"))),
            ("comments", "00e5", Ok(json!("00e5"))),
            ("comments", "no", Ok(json!("no"))),
            ("comments", "0x1F", Ok(json!("0x1F"))),
            ("comments", "'1'", Ok(json!("1"))),
            ("comments", "''", Ok(json!(""))),
            ("comments", "~", Err("`comments` has no value")),
            ("comments", "[a]", Err("`comments` must be a single value, not a list")),
            ("number", "12", Ok(json!(12))),
            ("number", "'12'", Ok(json!(12))),
            ("number", "-3", Ok(json!(-3))),
            ("number", "0", Ok(json!(0))),
            ("number", "9223372036854775807", Ok(json!(i64::MAX))),
            ("number", "9223372036854775808", Err("is too large for one")),
            ("number", "0012", Err("write `12` if that is meant")),
            ("number", "00", Err("write `0` if that is meant")),
            ("number", "-0", Err("write `0` if that is meant")),
            ("number", "+5", Err("without `+`; write `5`")),
            ("number", "1.2E+18", Err("must be a whole number, not `1.2E+18`")),
            ("number", "1.5", Err("must be a whole number, not `1.5`")),
            ("number", "0x1F", Err("must be a whole number, not `0x1F`")),
            ("number", "x", Err("must be a whole number, not `x`")),
            ("number", "''", Err("must be a whole number, not ``")),
            ("number", "\"\\e[31m\"", Err("not `\\u{1b}[31m`")),
            ("share", "0.25", Ok(json!(0.25))),
            ("share", "1e3", Ok(json!(1000.0))),
            ("share", ".5", Err("must be a number, not `.5`")),
            ("force", "true", Ok(json!(true))),
            ("force", "false", Ok(json!(false))),
            ("force", "yes", Err("must be true or false, not `yes`")),
            ("force", "TRUE", Ok(json!(true))),
            ("force", "False", Ok(json!(false))),
            ("force", "WAHR", Err("must be true or false, not `WAHR`; write `true` if that is meant")),
            ("force", "0", Err("write `false` if that is meant")),
            ("force", "Truth", Err("must be true or false, not `Truth`")),
            ("names", "a.b  c", Ok(json!(["a.b", "c"]))),
            ("names", "[a b, '1']", Ok(json!(["a b", "1"]))),
            ("names", "''", Ok(json!([]))),
            ("names", "[[a]]", Err("each item of `names` must be a single value, not a list")),
            ("names", "{a: b}", Err("`names` must be a list, not a map")),
            ("numbers", "1 2", Ok(json!([1, 2]))),
            ("numbers", "[1, 02]", Err("no leading zeros")),
        ] {
            let parameter = provider.operations[0].parameter(name).unwrap();
            match (value(parameter, &node(text), None).map_err(|wrong| wrong.what), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}: {text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{name}: {text}: {found}"),
                (found, expected) => panic!("{name}: {text}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn violations_are_reported_in_words_for_people() {
        let provider = testing::provider(RULES);
        for (parameters, expected) in [
            (json!({"serial": "0a"}), &[][..]),
            (json!({"serial": "0a", "version": "v1", "names": ["a"], "share": 1}), &[]),
            (json!({}), &["`serial` is missing"]),
            (json!({"serial": "0g"}), &["`serial` does not have the right form: `0g` does not match ^[0-9a-f]+$"]),
            (
                json!({"serial": "0a", "cause": "odl"}),
                &["`cause` must be one of none, old, not `odl` (did you mean `old`?)"],
            ),
            (json!({"serial": "0a", "comments": ""}), &["`comments` is empty"]),
            (json!({"serial": "0a", "comments": "12345678901"}), &["`comments` must have at most 10 characters"]),
            (json!({"serial": "0a", "number": -1}), &["`number` must be at least 0, not -1"]),
            (json!({"serial": "0a", "number": 101}), &["`number` must be at most 100, not 101"]),
            (json!({"serial": "0a", "share": 0}), &["`share` must be above 0, not 0"]),
            (json!({"serial": "0a", "number": "1"}), &["`number` is text, which is of the wrong type"]),
            (json!({"serial": "0a", "names": []}), &["`names` must have at least 1 item"]),
            (json!({"serial": "0a", "names": ["a", "a"]}), &["`names` holds the same item twice"]),
            (json!({"serial": "0a", "names": ["a", "B"]}), &["item 2 of `names` does not have the right form"]),
            (json!({"serial": "0a", "numbers": [1, 2, 3, 4]}), &["`numbers` must have at most 3 items"]),
            (json!({"serial": "0a", "version": "v2"}), &["`version` must be v1"]),
            (json!({"serial": "0a", "seriall": 1}), &["`revoke` has no field `seriall` (did you mean `serial`?)"]),
            (json!({"cause": "x", "b": 1}), &["`serial` is missing", "`cause` must be", "has no field `b`"]),
        ] {
            let found = check(&provider.operations[0], parameters.as_object().unwrap());
            let messages: Vec<String> =
                found.iter().map(|one| format!("{} ({})", one.what, one.help.as_deref().unwrap_or_default())).collect();
            assert_eq!(messages.len(), expected.len(), "{parameters}: {messages:?}");
            for words in expected {
                assert!(messages.iter().any(|message| message.contains(words)), "{parameters}: {words}: {messages:?}");
            }
        }
    }

    #[test]
    fn serial_numbers_get_the_one_spelling_of_the_document() {
        let document = include_str!("../../tests/data/documents/good/small.yaml");
        let plain = "schema: {type: string, pattern: '^[0-9a-f]+$'}";
        assert!(document.contains(plain));
        for (extension, text, notation, expected) in [
            ("", "0A:1B:2C", None, Ok("0a1b2c")),
            ("", "serial=00A1B2C", None, Ok("0a1b2c")),
            ("", "662316", Some(SerialNotation::Decimal), Ok("0a1b2c")),
            ("", "112358132134558914423337761098715972584", None, Err("it has 39 digits and no letter")),
            ("", "xyz", None, Err("`serial`: `xyz` is no serial number")),
            ("{spelling: hex-upper-colons}", "a1b2c", None, Ok("0A:1B:2C")),
            ("{spelling: hex-upper-trimmed}", "0a1b2c", None, Ok("A1B2C")),
            ("{spelling: decimal}", "662316", None, Ok("662316")),
            ("{spelling: decimal}", "000662316", None, Ok("662316")),
            ("{spelling: decimal}", "0xA1B2C", None, Ok("662316")),
            ("{spelling: decimal}", "0a:1b:2c", None, Ok("662316")),
            ("{spelling: decimal}", "a1b2c", None, Err("it is not in decimal digits")),
            ("{spelling: decimal}", "a1b2c", Some(SerialNotation::Hexadecimal), Ok("662316")),
            ("{id_digits: 18}", "112358", None, Ok("112358")),
            ("{id_digits: 18}", "0112358", None, Ok("0112358")),
            ("{id_digits: 18}", "112358", Some(SerialNotation::Hexadecimal), Ok("112358")),
            ("{id_digits: 18}", "00AF", None, Ok("af")),
            ("{id_digits: 18}", "11:23:5a", None, Ok("11235a")),
            ("{id_digits: 18}", "0x112358", None, Err("would be sent as `112358`, and taken for an id")),
            ("{id_digits: 18}", "1123581321345589144", None, Err("it has 19 digits and no letter")),
        ] {
            let extension = if extension.is_empty() { String::new() } else { format!(", x-certsweep: {extension}") };
            let schema = format!("schema: {{type: string, format: serial-number{extension}}}");
            // Its samples are read too, and `0a` is no decimal number.
            let provider = testing::read(&document.replacen(plain, &schema, 1).replace("serial: 0a", "serial: 0xab"));
            let found = scalar(provider.operations[0].parameter("serial").unwrap(), text, notation);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, json!(expected), "{extension} {text}"),
                (Err(found), Err(expected)) => assert!(found.what.contains(expected), "{extension} {text}: {found:?}"),
                (found, expected) => panic!("{extension} {text}: {found:?}, not {expected:?}"),
            }
        }
    }

    use RevocationReason::{CaCompromise, KeyCompromise, PrivilegeWithdrawn, Superseded, Unspecified};

    #[test]
    fn reasons_are_spelled_as_the_document_or_the_plan_says() {
        let values = vec![(Unspecified, "NONE".to_owned()), (Superseded, "REPLACED".to_owned())];
        let rule = ReasonRule { field: "why".to_owned(), values: values.clone() };
        let overrides = BTreeMap::from([
            (KeyCompromise, "unspecified".to_owned()),
            (CaCompromise, "REPLACED".to_owned()),
            (PrivilegeWithdrawn, "withdrawn".to_owned()),
        ]);
        let none = BTreeMap::new();
        let missing = ReasonError::NotThere { has: values.clone() };
        let wrong = ReasonError::NoSuchSpelling { spelling: "withdrawn".to_owned(), has: values };
        for (overrides, reason, expected) in [
            (&none, Superseded, Ok("REPLACED")),
            (&none, KeyCompromise, Err(&missing)),
            (&overrides, KeyCompromise, Ok("NONE")),
            (&overrides, CaCompromise, Ok("REPLACED")),
            (&overrides, Superseded, Ok("REPLACED")),
            (&overrides, PrivilegeWithdrawn, Err(&wrong)),
        ] {
            let resolved = spelling_to_send(&rule, overrides, reason);
            assert_eq!(resolved.as_ref().map(String::as_str), expected, "{reason}");
        }
        assert_eq!(reason_of(&rule, "REPLACED"), Some(Superseded));
        assert_eq!(reason_of(&rule, "superseded"), None);
        assert_eq!(spelling_for(&rule, "superseded"), Some("REPLACED"));
        assert_eq!(spelling_for(&rule, "keyCompromise"), None);
    }
}
