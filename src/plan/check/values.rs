//! What a value cannot be: damaged on its way here, never filled in, no name of a certificate, a list that is one text. Held against the text
//! as it is written, before it gets its type. Changes nothing of it.

use super::context::Checker;
use super::fields::{Layers, Row, has_value};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::names::check_name;
use crate::pki::{SerialNotation, SerialNumber, SerialNumberError};
use crate::plan::load;
use crate::plan::read::texts;
use crate::provider::model::{Parameter, ParameterType, ValueFormat};
use crate::provider::params::{self, Violation};
use crate::text::damage::did_you_mean;
use crate::text::damage::{Damage, shown, visible};
use crate::text::{Span, nearest, safe};
use crate::tree::{Field, Node, Shape};
use std::fmt::Write as _;

impl Checker<'_> {
    /// Whether the texts of a parameter's field can be what was meant. `false` where one cannot, which is reported.
    pub(super) fn check_texts(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        parameter: &Parameter,
        field: &Field,
    ) -> bool {
        match &field.value.shape {
            _ if parameter.format == ValueFormat::Listed => true,
            Shape::Scalar { text, .. } if !is_list(parameter) => {
                self.check_text(row, layers, parameter, text, field.value.span)
            }
            Shape::Scalar { text, .. } => {
                if text.contains([',', ';']) && !self.is_as_written(row, layers, text) {
                    self.report(list_as_text(row, field, text));
                    return false;
                }
                // All of them, so that all their findings come together.
                let wrong = text
                    .split_whitespace()
                    .filter(|item| !self.check_text(row, layers, parameter, item, field.value.span))
                    .count();
                wrong == 0
            }
            Shape::List(items) => {
                let is_wrong = |item: &&Node| {
                    item.text().is_some_and(|text| !self.check_text(row, layers, parameter, text, item.span))
                };
                items.iter().filter(is_wrong).count() == 0
            }
            _ => true,
        }
    }

    fn check_text(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        parameter: &Parameter,
        text: &str,
        place: Span,
    ) -> bool {
        let Some(finding) = finding(parameter, text, Some(place)) else { return true };
        if self.is_as_written(row, layers, text) {
            return true;
        }
        self.report(finding);
        false
    }

    /// Whether a field that names a file can be meant. What it holds in the place of a name is for its reader to say, and may be secret.
    pub(super) fn check_reference(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        parameter: &Parameter,
        field: &Field,
    ) -> bool {
        let text = field.value.text().unwrap_or_default();
        let Some(named) = text.strip_prefix("file:").map(str::trim) else {
            let is_word = !parameter.names_key() && text.len() <= MAX_REPEATED;
            let damage =
                Damage::of(text).filter(|damage| is_word && matches!(damage, Damage::Placeholder | Damage::Filler));
            if let Some(damage) = damage {
                self.report(damaged(&field.name, text, damage, field.value.span).help(damage.remedy()));
            }
            return damage.is_none();
        };
        let is_path = |damage: &Damage| {
            use Damage::{Control, Filler, Invisible, Placeholder, Quote};
            matches!(damage, Placeholder | Filler | Invisible(_) | Control(_) | Quote(_))
        };
        let Some(damage) = Damage::of(named).filter(is_path) else { return true };
        // File names may hold anything.
        if self.is_as_written(row, layers, named) || load::resolve(self.sources, field.value.span, named).exists() {
            return true;
        }
        let what = format!("`{}`: the path `{}` {}", field.name, shown(named), damage.what());
        self.report(Diagnostic::error("damaged-value", field.value.span, what).help(damage.remedy()));
        false
    }

    /// As [`Self::check_texts`], for a serial number that is no parameter.
    pub(super) fn read_serial_number(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        field: &Field,
    ) -> Option<SerialNumber> {
        let text = self.single_value(field)?;
        if let Some(damage) = Damage::of(text).filter(|damage| !is_blank(*damage))
            && !self.is_as_written(row, layers, text)
        {
            self.report(damaged(&field.name, text, damage, field.value.span));
            return None;
        }
        let read = match self.serial_notation(row, layers) {
            Some(notation) => SerialNumber::parse_in(text, notation),
            None => SerialNumber::parse(text),
        };
        read.map_err(|why| {
            let what = format!("`{}` is no serial number: {why}", shown(text));
            let error = Diagnostic::error("serial-number", field.value.span, what);
            self.report_serial_number(row, text, error.help(params::remedy(&why)));
        })
        .ok()
    }

    /// Reports that a parameter's text is not what its type asks for.
    pub(super) fn report_wrong_value(&mut self, row: &Row<'_>, parameter: &Parameter, field: &Field, wrong: Violation) {
        let code = if parameter.serial().is_some() { "serial-number" } else { "wrong-type" };
        let mut error = Diagnostic::error(code, field.value.span, wrong.what);
        error.help = wrong.help;
        match field.value.text().filter(|_| parameter.serial().is_some()) {
            Some(text) => self.report_serial_number(row, text, error),
            None => self.report(error),
        }
    }

    /// Reports a text that is no serial number. That those of a list may be decimal is told once for all its rows.
    fn report_serial_number(&mut self, row: &Row<'_>, text: &str, mut error: Diagnostic) {
        let is_of_all = matches!(SerialNumber::parse(text), Err(SerialNumberError::DigitsAlone(_)));
        if let Some(header) = row.header.filter(|_| is_of_all) {
            if !self.maybe_decimal.insert(header.span.source) {
                self.errors += 1;
                return;
            }
            let more = |help: String| {
                format!("{help}. This is told once for the whole list, which may have a column `serial_notation`")
            };
            error.help = error.help.map(more);
        }
        self.report(error);
    }

    /// What the plan says of the digits of its serial numbers.
    pub(super) fn serial_notation(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Option<SerialNotation> {
        let field = row.field_or_default(layers, "serial_notation").filter(|field| has_value(field))?;
        let text = self.single_value(field)?;
        let found = NOTATIONS.iter().find(|(word, _)| *word == text).map(|(_, notation)| *notation);
        if found.is_none() {
            let what = format!("`serial_notation` must be hexadecimal or decimal, not `{}`", shown(text));
            let mut error = Diagnostic::error("serial-number", field.value.span, what);
            let right = nearest(text, NOTATIONS.iter().map(|(word, _)| *word));
            error.help = right.map(|right| did_you_mean(text, right));
            self.report(error);
        }
        found
    }

    /// Whether the plan says that this text is meant as it stands.
    fn is_as_written(&mut self, row: &Row<'_>, layers: Layers<'_>, text: &str) -> bool {
        let Some(field) = row.field_or_default(layers, "as_written").filter(|field| has_value(field)) else {
            return false;
        };
        let mut wrong = Diagnostics::default();
        let meant = texts(&field.value, &mut wrong).unwrap_or_default();
        self.report_all(&wrong);
        meant.iter().any(|(meant, _)| meant == text)
    }
}

/// Whether a plan must say of a parameter's text that it is meant as it stands.
pub fn needs_as_written(parameter: &Parameter, text: &str) -> bool {
    finding(parameter, text, None).is_some()
}

/// Why a text of a parameter cannot be meant.
fn finding(parameter: &Parameter, text: &str, place: Option<Span>) -> Option<Diagnostic> {
    let name = &parameter.name;
    let damage = match parameter.format {
        // A request is read whole, by who knows what is in it.
        ValueFormat::Listed
        | ValueFormat::PrivateKey { .. }
        | ValueFormat::Certificate { .. }
        | ValueFormat::CertificateRequest
        | ValueFormat::Base64 => return None,
        ValueFormat::FreeText => Damage::of_words(text).filter(|damage| *damage != Damage::Control('\0')),
        // A NUL was reported by who read the plan.
        ValueFormat::Identifier => Damage::of(text).filter(|damage| *damage != Damage::Control('\0')),
        // People copy them with blanks and line ends around.
        ValueFormat::Serial(_) => Damage::of(text).filter(|damage| !is_blank(*damage)),
        // A `*` alone is better told as what a wildcard is not, and a comma as what a name has not.
        ValueFormat::Name(_) => {
            let is_the_names = |damage: Damage| is_blank(damage) || matches!(damage, Damage::Separator(_));
            Damage::of(text).filter(|damage| !is_the_names(*damage) && !text.contains('*'))
        }
    };
    if let Some(damage) = damage {
        let error = damaged(name, text, damage, place);
        return Some(match (parameter.format, parameter.kind) {
            // One number of a hundred thousand ends so.
            _ if damage == Damage::RoundedDigits => error,
            // What else is damaged is no number, and cannot be sent even if it is meant.
            (ValueFormat::Serial(_), _) | (_, ParameterType::Integer | ParameterType::Integers) => {
                error.help(damage.remedy())
            }
            _ => error,
        });
    }
    match parameter.format {
        ValueFormat::Name(rule) => {
            let why = check_name(text, rule).err()?;
            let what = format!("`{name}`: `{}` is no DNS name: {why}", shown(text));
            let error = Diagnostic::error("no-dns-name", place, what);
            let remedy = why.remedy().map(|remedy| format!("{remedy}; ")).unwrap_or_default();
            Some(error.help(format!("{remedy}{}", insisted(text))))
        }
        // Lists that were put together have a header in their middle.
        ValueFormat::Identifier | ValueFormat::Serial(_) if text.eq_ignore_ascii_case(name) => {
            let what = format!("`{name}`: the value is the field's own name");
            let help = format!("is this the header of another list? {}", insisted(text));
            Some(Diagnostic::error("damaged-value", place, what).help(help))
        }
        _ => None,
    }
}

fn damaged(name: &str, text: &str, damage: Damage, place: impl Into<Option<Span>>) -> Diagnostic {
    let what = format!("`{name}`: `{}` {}", shown(text), damage.what());
    Diagnostic::error("damaged-value", place, what).help(format!("{}; {}", damage.remedy(), insisted(text)))
}

/// A list that is written as one text.
fn list_as_text(row: &Row<'_>, field: &Field, text: &str) -> Diagnostic {
    let items: Vec<&str> = text
        .split([',', ';'])
        .flat_map(str::split_whitespace)
        // `openssl x509 -ext subjectAltName` writes them so.
        .map(|item| item.strip_prefix("DNS:").unwrap_or(item))
        .collect();
    let separator = if text.contains(',') { ',' } else { ';' };
    let name = &field.name;
    let what = format!("`{name}` is a list, and this is one text with a `{separator}` in it");
    let is_cell = row.header.is_some_and(|header| header.span.source == field.span.source);
    let shown = |with: &str| shown(&items.join(with));
    let help = if is_cell {
        format!("in a cell the items of a list are separated by blanks: `{}`", shown(" "))
    } else {
        format!("write a list: `{name}: [{}]`", shown(", "))
    };
    Diagnostic::error("list-as-text", field.value.span, what).help(help)
}

fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.kind, ParameterType::Strings | ParameterType::Integers)
}

fn is_blank(damage: Damage) -> bool {
    matches!(damage, Damage::Blank | Damage::Control('\n' | '\r' | '\t'))
}

/// The plan's words that send a text all the same.
fn insisted(text: &str) -> String {
    if text.chars().count() > MAX_REPEATED {
        return "if it is meant as it stands, put it into `as_written`".to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        let mut bytes = [0; 4];
        let own: &str = letter.encode_utf8(&mut bytes);
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // YAML's own escapes, for what could not be typed.
            _ if visible(own) != own && u32::from(letter) <= 0xffff => {
                let _written = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            _ if visible(own) != own => {
                let _written = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    format!("if it is meant as it stands: `as_written: [\"{}\"]`", safe::terminal(&quoted))
}

const NOTATIONS: [(&str, SerialNotation); 2] =
    [("hexadecimal", SerialNotation::Hexadecimal), ("decimal", SerialNotation::Decimal)];
/// Characters of a value that a message repeats as a line of the plan.
const MAX_REPEATED: usize = 60;
