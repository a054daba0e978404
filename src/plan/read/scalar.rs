//! What every part of the settings is read with: single values and maps, typed, with a finding for each that cannot be used.

use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::load::ReadFile;
use crate::provider::Catalog;
use crate::text::damage::did_you_mean;
use crate::text::nearest::nearest;
use crate::text::{SourceMap, Span, safe};
use crate::time::parse_duration;
use crate::tree::{Field, Node, Shape};
use jiff::Timestamp;
use std::time::Duration;

/// What reading the settings needs.
pub(in crate::plan) struct SettingsReader<'r> {
    pub(in crate::plan) catalog: &'r Catalog,
    pub(in crate::plan) now: Timestamp,
    pub(in crate::plan) sources: &'r SourceMap,
    pub(in crate::plan) files: &'r mut Vec<ReadFile>,
    pub(in crate::plan) diagnostics: &'r mut Diagnostics,
}

/// The field of a key that has a value; a key without one counts as absent.
pub(super) fn field<'a>(map: &'a Node, name: &str) -> Option<&'a Field> {
    map.fields().iter().find(|field| field.name == name && !matches!(field.value.shape, Shape::Null))
}

/// Refuses what is no map, and every key that is not among the known ones.
pub(in crate::plan) fn known_keys(node: &Node, whose: &str, known: &[&str], diagnostics: &mut Diagnostics) -> bool {
    let Shape::Map(fields) = &node.shape else {
        let what = format!("{whose} must be a map, not {}", node.kind());
        let help = format!("it has the keys {}", known.join(", "));
        diagnostics.push(Diagnostic::error("wrong-kind", node.span, what).help(help));
        return false;
    };
    // The YAML reader reports a `<<` that merges nothing.
    for field in fields.iter().filter(|field| !known.contains(&field.name.as_str()) && field.name != "<<") {
        diagnostics.push(unknown_key(field, whose, known));
    }
    true
}

/// The finding for a key that is not known.
pub(super) fn unknown_key(field: &Field, whose: &str, known: &[&str]) -> Diagnostic {
    let what = format!("{whose} has no key `{}`", safe::terminal(&field.name));
    let help = match nearest(&field.name, known.iter().copied()) {
        Some(right) => did_you_mean(&field.name, right),
        None => format!("it has {}", known.join(", ")),
    };
    Diagnostic::error("unknown-key", field.span, what).help(help)
}

/// The map of a field; each key that is not known becomes a finding.
pub(super) fn map<'a>(
    field: Option<&'a Field>,
    whose: &str,
    known: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<&'a Node> {
    let node = &field?.value;
    known_keys(node, whose, known, diagnostics).then_some(node)
}

/// The text of a field that must have a single value.
pub(in crate::plan) fn text<'a>(field: &'a Field, diagnostics: &mut Diagnostics) -> Option<&'a str> {
    let text = field.value.text();
    if text.is_none() {
        let what = format!("`{}` must be a single value, not {}", field.name, field.value.kind());
        diagnostics.push(Diagnostic::error("wrong-kind", field.value.span, what));
    }
    text
}

/// One text, or several: a list, or one text with blanks between them. Each with its place.
pub(in crate::plan) fn texts(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
    match &node.shape {
        Shape::Scalar { text, .. } => Some(text.split_whitespace().map(|word| (word.to_owned(), node.span)).collect()),
        Shape::List(items) => {
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                match item.text() {
                    Some(text) => all.push((text.to_owned(), item.span)),
                    None => {
                        let what = format!("each item must be a single value, not {}", item.kind());
                        diagnostics.push(Diagnostic::error("wrong-kind", item.span, what));
                    }
                }
            }
            Some(all)
        }
        Shape::Null | Shape::Map(_) => {
            let what = format!("a list is expected here, not {}", node.kind());
            diagnostics.push(Diagnostic::error("wrong-kind", node.span, what));
            None
        }
    }
}

/// A whole number within bounds.
pub(super) fn count(field: &Field, least: u64, most: u64, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = text(field, diagnostics)?;
    // `parse` also accepts a leading `+`.
    let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let bounds = if most == u64::MAX { format!("from {least} up") } else { format!("from {least} to {most}") };
        let what = format!("`{}` must be a whole number {bounds}, not `{}`", field.name, safe::terminal(text));
        diagnostics.push(Diagnostic::error("number", field.value.span, what));
    }
    number
}

/// A share above 0 and at most 1.
pub(super) fn share(field: &Field, diagnostics: &mut Diagnostics) -> Option<f64> {
    let text = text(field, diagnostics)?;
    // `parse` also accepts `inf`, `nan` and `1e-3`.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let share = text.parse::<f64>().ok().filter(|share| plain && *share > 0.0 && *share <= 1.0);
    if share.is_none() {
        let what = format!("`{}` must be a share above 0 and up to 1, not `{}`", field.name, safe::terminal(text));
        diagnostics
            .push(Diagnostic::error("number", field.value.span, what).help("write `0.05` for five in a hundred"));
    }
    share
}

/// `true` or `false`.
pub(super) fn flag(field: &Field, diagnostics: &mut Diagnostics) -> Option<bool> {
    match text(field, diagnostics)? {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            let what = format!("`{}` must be true or false, not `{}`", field.name, safe::terminal(other));
            diagnostics.push(Diagnostic::error("flag", field.value.span, what));
            None
        }
    }
}

/// A duration above zero.
pub(in crate::plan) fn positive_duration(field: &Field, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let text = text(field, diagnostics)?;
    let why = match parse_duration(text) {
        // Zero would mean `never` to some and `at once` to others.
        Ok(duration) if !duration.is_zero() => return Some(duration),
        Ok(_) => format!("`{}` must be longer than nothing", field.name),
        Err(why) => why,
    };
    diagnostics.push(Diagnostic::error("duration", field.value.span, why));
    None
}

/// An instant: RFC 3339 with an offset.
pub(in crate::plan) fn instant(name: &str, node: &Node, diagnostics: &mut Diagnostics) -> Option<Timestamp> {
    let text = node.text();
    let instant = text.and_then(|text| text.parse::<Timestamp>().ok());
    if instant.is_none() {
        let what = match text {
            // The most frequent mistake, and the one that would run a plan hours too early.
            Some(text) if text.parse::<jiff::civil::DateTime>().is_ok() => {
                format!("`{name}` lacks an offset from UTC: `{}` could be meant anywhere", safe::terminal(text))
            }
            Some(text) => format!("`{name}` must be an instant, not `{}`", safe::terminal(text)),
            None => format!("`{name}` must be an instant, not {}", node.kind()),
        };
        let help = "write it as in RFC 3339, such as `2026-12-01T01:00:00+09:00` or `2026-11-30T16:00:00Z`";
        diagnostics.push(Diagnostic::error("instant", node.span, what).help(help));
    }
    instant
}
