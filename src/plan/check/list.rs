//! CSV lists: bare ones that are plans by themselves, and those that an entry names with `from`; their rows become actions.

use super::columns::{ListOptions, Named, names};
use super::{Checker, CsvOptions, IgnoreColumns, Layers, action, parameters};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::plan::checked::ReadFile;
use crate::plan::csv::CsvReader;
use crate::plan::load;
use crate::provider::model::{ActionRules, Operation};
use crate::text::nearest::nearest;
use crate::text::{SourceId, safe};
use crate::tree::{Field, Node, Shape};
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

/// The lists that were opened, by path.
#[derive(Default)]
pub(super) struct Lists {
    by_path: HashMap<PathBuf, SourceId>,
}

impl Checker<'_> {
    /// Reads a CSV list that is a plan by itself.
    pub(super) fn bare_list(&mut self, source: SourceId, bytes: Box<dyn Read + Send>, options: &CsvOptions) {
        let unplaced = |name: &String| (name.clone(), None);
        let options = ListOptions {
            bare: true,
            columns: options.columns.iter().map(|(field, column)| (unplaced(field), unplaced(column))).collect(),
            ignore_all: options.ignore == IgnoreColumns::All,
            ignore: match &options.ignore {
                IgnoreColumns::Named(names) => names.iter().map(unplaced).collect(),
                IgnoreColumns::None | IgnoreColumns::All => Vec::new(),
            },
            keep: options.keep.iter().map(unplaced).collect(),
        };
        let name = std::mem::take(&mut self.plan_name);
        self.rows(source, bytes, &options, &name, Layers { entry: &[], plan: &[] });
    }

    /// Reads the CSV list of an entry with `from`.
    pub(super) fn list(&mut self, item: &Node, from: &Field, defaults: &[Field]) {
        let options = self.list_options(item);
        let others = item.fields().iter().filter(|field| !LIST_FIELDS.contains(&field.name.as_str()));
        let others: Vec<Field> = others.cloned().collect();
        let entry = self.usable_defaults(&others, "an entry with `from`");
        let Some(named) = self.single(from) else { return };
        let path = load::resolve(self.sources, from.value.span, named);
        let mut opening = Diagnostics::default();
        let bytes = load::open_list(&path, from.value.span, &mut opening);
        self.diagnostics.extend(opening);
        let Some(bytes) = bytes else { return };
        let source = match self.lists.by_path.get(&path) {
            Some(source) => *source,
            None => {
                let source = self.sources.add_file(path.display().to_string(), path.clone());
                self.lists.by_path.insert(path.clone(), source);
                self.files.push(ReadFile { name: named.to_owned(), path: Some(path), text: None });
                source
            }
        };
        self.rows(source, bytes, &options, named, Layers { entry: &entry, plan: defaults });
    }

    /// The fields that can be defaults: those that some operation knows.
    pub(super) fn usable_defaults(&mut self, fields: &[Field], whose: &str) -> Vec<Field> {
        let mut usable = Vec::new();
        for field in fields {
            let name = field.name.as_str();
            let catalog = self.catalog;
            // A field of an operation's own by that name, and not for a certificate.
            let is_another = |(operation, rules): (&Operation, &ActionRules)| {
                operation.parameter(name).is_some() && rules.certificate.is_none()
            };
            let operations = || catalog.iter().flat_map(|provider| provider.actions());
            if name == "id" {
                let what = format!("{whose} cannot give an `id`: every action has its own");
                self.say(
                    Diagnostic::error("default-id", field.span, what)
                        .help("drop it; ids are made where they are absent"),
                );
            } else if action::OWN.contains(&name) && !operations().any(is_another) {
                let what = format!("{whose} cannot give a `{name}`: every action has its own");
                self.say(
                    Diagnostic::error("default-certificate", field.span, what)
                        .help("give it to each action, or as a column of the list"),
                );
            } else if !action::COMMON.contains(&name)
                && !operations().any(|(operation, _)| operation.parameter(name).is_some())
            {
                let names = operations().flat_map(|(operation, _)| parameters::names_of(operation));
                let what = format!("no action has a field `{}`", safe::terminal(name));
                let mut error = Diagnostic::error("unknown-field", field.span, what);
                let right = nearest(name, names.chain(action::COMMON).chain(LIST_FIELDS));
                error.help = right.map(|right| format!("did you mean `{right}`?"));
                self.say(error);
            } else if matches!(field.value.shape, Shape::Null) {
                self.say(action::no_value(field));
            } else {
                usable.push(field.clone());
            }
        }
        usable
    }

    fn rows(
        &mut self,
        source: SourceId,
        bytes: Box<dyn Read + Send>,
        options: &ListOptions,
        name: &str,
        layers: Layers<'_>,
    ) {
        let Some(mut reader) = CsvReader::open(bytes, source, &mut self.diagnostics) else { return };
        let known = self.known_fields(&reader, options, layers);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let Some(mut columns) = self.columns(&reader, options, &known) else { return };
        let before = self.diagnostics.count(Severity::Error);
        let mut any = false;
        let outer = std::mem::take(&mut self.routes);
        while reader.advance(&mut self.diagnostics) {
            if !any {
                let size = self.sources.path(source).and_then(load::size).unwrap_or_default();
                self.index.expect(reader.records_in(size));
            }
            any = true;
            columns.fill(&reader);
            let span = reader.row_span();
            // Places are for the long way alone.
            if !self.short_way(&columns.row(span), name) {
                columns.place(&reader);
                self.action(&columns.row(span), name, layers);
            }
        }
        self.routes = outer;
        if !any && self.diagnostics.count(Severity::Error) == before {
            let error = Diagnostic::error("no-actions", columns.header_span, "this list has a header and no actions");
            self.say(error.help("add a row for each action"));
        }
    }

    /// The field names that rows can have: those of the one operation where the list has only one, else those of all.
    fn known_fields(&mut self, reader: &CsvReader, options: &ListOptions, layers: Layers<'_>) -> Vec<String> {
        let in_list = |name: &str| {
            reader.header().iter().any(|(column, _)| column == name)
                || options.columns.iter().any(|((field, _), _)| field == name)
        };
        let fixed = |name: &str| {
            let mut all = layers.entry.iter().chain(layers.plan);
            all.find(|field| field.name == name).and_then(|field| field.value.text()).filter(|_| !in_list(name))
        };
        let provider = fixed("provider")
            .and_then(|name| self.draft.accounts.find(name, self.catalog).ok())
            .map(|index| self.draft.accounts.drafts[index].provider.clone());
        let action = fixed("action");
        let mut known: Vec<String> = action::COMMON.iter().map(|name| (*name).to_owned()).collect();
        for candidate in self.catalog.iter() {
            if provider.as_ref().is_some_and(|provider| provider.id != candidate.id) {
                continue;
            }
            let wanted = |name: &str| provider.is_none() || action.is_none_or(|action| action == name);
            let nothing_wanted = !candidate.actions().any(|(operation, _)| wanted(&operation.name));
            for (operation, _) in candidate.actions().filter(|(operation, _)| nothing_wanted || wanted(&operation.name))
            {
                for name in parameters::names_of(operation) {
                    if !known.iter().any(|known| known == name) {
                        known.push(name.to_owned());
                    }
                }
            }
        }
        known
    }

    fn list_options(&mut self, item: &Node) -> ListOptions {
        let mut options = ListOptions::default();
        let mut said = Diagnostics::default();
        let placed = |(name, span)| (name, Some(span));
        if let Some(columns) = item.get("columns") {
            if !matches!(columns.shape, Shape::Map(_)) {
                let what = format!("`columns` must be a map, not {}", columns.kind());
                let help = "write it as `{certificate_id: \"Cert ID\"}`: the field, and the column that gives it";
                said.push(Diagnostic::error("wrong-kind", columns.span, what).help(help));
            }
            for field in columns.fields() {
                match field.value.text() {
                    Some(column) => {
                        let field_name: Named = (field.name.clone(), Some(field.span));
                        options.columns.push((field_name, (column.trim().to_owned(), Some(field.value.span))));
                    }
                    None => said.push(action::no_single_value(field)),
                }
            }
        }
        match item.get("ignore_columns") {
            None => {}
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "true") => {
                options.ignore_all = true;
            }
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "false") => {}
            Some(node) => {
                options.ignore = names(node, &mut said).unwrap_or_default().into_iter().map(placed).collect();
            }
        }
        if let Some(keep) = item.get("keep_columns") {
            options.keep = names(keep, &mut said).unwrap_or_default().into_iter().map(placed).collect();
        }
        self.diagnostics.extend(said);
        options
    }
}

/// The fields of an entry that says where its rows are.
pub(super) const LIST_FIELDS: [&str; 4] = ["from", "columns", "ignore_columns", "keep_columns"];
