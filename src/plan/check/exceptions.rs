//! What of a plan is on a list of exceptions (`except`), and so is not touched although the plan names it. Reads these files; an entry that
//! is no action of the plan is told of, since a slip in it would let go what was to stay.

use super::context::Checker;
use super::exception_list::{ExceptionList, Named, identifies, parse, parse_json};
use super::fields::names;
use super::pem_files::SentCertificate;
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::checked::{Action, NeverSent};
use crate::plan::list::is_json;
use crate::plan::load;
use crate::provider::answer::{naming_text, scalar_text};
use crate::provider::model::{ActionRules, Operation, Parameter};
use crate::text::{Span, safe};
use crate::tree::{Field, Node};
use serde_json::Value;
use std::borrow::Cow;
use std::path::PathBuf;

impl Checker<'_> {
    /// Reads the lists of exceptions that hold for the whole plan: the command line's, and those under `except`. `columns` are those of
    /// all lists: field → column.
    pub(super) fn read_plan_exceptions(
        &mut self,
        options: &[PathBuf],
        columns: &[(String, String)],
        root: Option<&Node>,
    ) {
        for path in options {
            let read = self.read_exceptions(&path.display().to_string(), path.clone(), None, columns);
            self.exceptions.active.extend(read);
        }
        if let Some(named) = root.and_then(|root| root.fields().iter().find(|field| field.name == "except")) {
            self.read_named_exceptions(named, columns);
        }
    }

    /// Reads those that hold for the list of an entry; `columns` are its own.
    pub(super) fn read_entry_exceptions(&mut self, item: &Node, columns: &[(String, String)]) {
        if let Some(named) = item.fields().iter().find(|field| field.name == "except") {
            self.read_named_exceptions(named, columns);
        }
    }

    fn read_named_exceptions(&mut self, field: &Field, columns: &[(String, String)]) {
        let mut wrong = Diagnostics::default();
        let named = names(&field.value, &mut wrong).unwrap_or_default();
        if named.is_empty() && wrong.is_empty() {
            let error = Diagnostic::error("except", field.value.span, "`except` names no file");
            self.report(error.help("write `except: hold.csv`, or drop it"));
        }
        self.report_all(&wrong);
        for (name, place) in named {
            // With and without `file:`, since nothing but files makes sense here.
            let name = name.strip_prefix("file:").unwrap_or(&name);
            let path = load::resolve(self.sources, place, name);
            let read = self.read_exceptions(name, path, Some(place), columns);
            self.exceptions.active.extend(read);
        }
    }

    /// Reads a list of exceptions that is named at a place, or by an option; its number, where it can be used. `columns` are those of the
    /// action list beside which it stands: field → column.
    fn read_exceptions(
        &mut self,
        named: &str,
        path: PathBuf,
        place: Option<Span>,
        columns: &[(String, String)],
    ) -> Option<usize> {
        if let Some(known) = self.exceptions.by_path.get(&path) {
            return *known;
        }
        let number = self.read_exception_file(named, &path, place, columns).map(|list| {
            self.exceptions.lists.push(list);
            self.exceptions.lists.len() - 1
        });
        self.exceptions.by_path.insert(path, number);
        number
    }

    fn read_exception_file(
        &mut self,
        named: &str,
        path: &std::path::Path,
        place: Option<Span>,
        columns: &[(String, String)],
    ) -> Option<ExceptionList> {
        let text = match load::read_small(path, MAX_FILE) {
            Ok(text) => text,
            Err(why) => {
                let what = format!("the exception list {} cannot be read: {why}", path.display());
                let help = "`except` names a file with what must stay, one a line: ids, serial numbers or names";
                self.report(Diagnostic::error("unreadable-file", place, what).help(help));
                return None;
            }
        };
        self.copy_once(named, path, false);
        let name = path.display().to_string();
        let in_json = is_json(text.as_bytes());
        let source = match in_json {
            true => self.sources.add_text(name, Some(path.to_path_buf()), text.as_str().into()),
            false => self.sources.add_file(name, path.to_path_buf()),
        };
        let list = if in_json {
            let mut wrong = Diagnostics::default();
            let list = parse_json(self.sources, source, columns, self.catalog, &mut wrong);
            self.report_all(&wrong);
            list?
        } else {
            match parse(&text, source, columns, self.catalog) {
                Ok(list) => list,
                Err((line, why)) => {
                    let place = Span { source, line, column: 1, length: 1 };
                    self.report(Diagnostic::error("csv-syntax", place, format!("this row cannot be read: {why}")));
                    return None;
                }
            }
        };
        if list.entries.is_empty() {
            // One that was cut off or not written yet would let everything go.
            let error = Diagnostic::error(
                "except",
                Span { source, line: 1, column: 1, length: 1 },
                "this exception list is empty",
            );
            self.report(error.help("write what must stay, one a line: ids, serial numbers or names; or drop `except`"));
            return None;
        }
        Some(list)
    }

    /// Notes that an action is on a list of exceptions, where it is.
    pub(super) fn except(
        &mut self,
        ordinal: u32,
        operation: &Operation,
        rules: &ActionRules,
        sent: Option<&SentCertificate>,
        action: &mut Action,
    ) {
        if self.exceptions.active.is_empty() {
            return;
        }
        if let Some(sent) = sent {
            self.exceptions.note_certificate(&sent.certificate);
        }
        let targets = operation.parameters.iter().filter(|parameter| rules.target.parameters.contains(&parameter.name));
        let value = |parameter: &Parameter| action.parameters.get(&parameter.name).and_then(naming_text);
        let parameters = targets.filter_map(|parameter| Some((parameter, value(parameter)?.into_owned())));
        // Names that are sent, as those of a reissue.
        let names = action.parameters.iter().filter(|(name, _)| identifies(name)).flat_map(|(_, value)| texts(value));
        let serial = action.certificate.as_ref().and_then(|facts| facts.serial_number.as_ref());
        let named = Named {
            id: &action.id,
            target: &action.target,
            parameters: parameters.collect(),
            certificate: names.chain(serial.map(ToString::to_string)).collect(),
        };
        let whole: Vec<(&Parameter, String)> = rules.wide.first().map_or_else(Vec::new, |wide| {
            let of_whole = |(parameter, _): &&(&Parameter, String)| parameter.name != wide.parameter;
            named.parameters.iter().filter(of_whole).cloned().collect()
        });
        let found = self.exceptions.find(&named);
        let part = found.is_none() && action.reaches.is_some();
        let part = if part { self.exceptions.find_part(&whole) } else { None };
        let values: Vec<&str> = whole.iter().map(|(_, value)| value.as_str()).collect();
        let whole = format!("{}/{}/{}", action.account, action.operation, values.join("/"));
        let span = self.index.span(ordinal);
        match (found, part, &action.never_sent) {
            (Some(place), _, None) => {
                action.never_sent = Some(NeverSent::Excepted(self.sources.line_place(place)));
                self.index.excepted.insert(ordinal);
                if action.reaches.is_none() && !values.is_empty() {
                    self.exceptions.parts.insert(whole, span);
                }
            }
            // The first of the two has been handed out already.
            (Some(place), _, Some(NeverSent::Repeats(first))) if !self.is_excepted(ordinal) => {
                let what = format!(
                    "`{}` is on the exception list, and `{}`, which does the same, is not",
                    safe::terminal(&action.id),
                    safe::terminal(first)
                );
                let error = Diagnostic::error("except", span, what).related(place, "the exception");
                self.report(error.help("name the other on the list too, or drop one of the two from the plan"));
            }
            (None, Some(place), None) => self.report_excepted_part(span, action.reaches.as_deref(), place),
            (None, None, None) if action.reaches.is_some() => self.exceptions.wholes.push((whole, span)),
            _ => {}
        }
    }

    /// Whether the action that one repeats is on the list.
    fn is_excepted(&self, ordinal: u32) -> bool {
        self.index.duplicates.get(&ordinal).is_some_and(|first| self.index.excepted.contains(first))
    }

    fn report_excepted_part(&mut self, whole: Span, reaches: Option<&str>, part: Span) {
        let what =
            format!("this reaches {}, and one of them is on the exception list", reaches.unwrap_or("more than one"));
        let error = Diagnostic::error("except", whole, what).related(part, "it");
        self.report(error.help("name the others one by one in its place, or put it on the exception list"));
    }

    /// Reports actions that reach what another action of the plan is excepted for, and the entries for which no action was found.
    pub(super) fn report_unmet_exceptions(&mut self) {
        let parts = std::mem::take(&mut self.exceptions.parts);
        for (whole, span) in std::mem::take(&mut self.exceptions.wholes) {
            if let Some(part) = parts.get(&whole) {
                self.report_excepted_part(span, None, *part);
            }
        }
        let lists = std::mem::take(&mut self.exceptions.lists);
        // Rows that could not be read may be what an entry means.
        if self.diagnostics.has_errors() {
            return;
        }
        for list in &lists {
            let mut unmet = list.entries.iter().filter(|entry| !entry.is_met);
            for entry in unmet.by_ref().take(MAX_UNMET) {
                let what = format!("`{}` on the exception list is no action of this plan", safe::terminal(&entry.text));
                let warning = Diagnostic::warning("except", entry.place, what);
                self.report(warning.help("is it spelled right? what it means to keep may be among the other actions"));
            }
            let more = unmet.clone().count();
            if let Some(entry) = unmet.next() {
                let what = format!("{more} more entries on the exception list are no actions of this plan");
                self.report(Diagnostic::warning("except", entry.place, what));
            }
        }
    }
}

/// The texts of a value: one, or several.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(scalar_text).map(Cow::into_owned).collect(),
        one => scalar_text(one).map(Cow::into_owned).into_iter().collect(),
    }
}

/// A longer list of exceptions than this many bytes is none.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// So many entries without an action are named; the others are counted.
const MAX_UNMET: usize = 100;
