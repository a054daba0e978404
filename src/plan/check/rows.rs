//! Where the actions come from: the entries of a YAML plan, and the rows of CSV lists, bare ones and those that an entry names with
//! `from`. A plan of any length is never held as a tree. Judges no action.
//!
//! An action can only be checked once the settings are known, and these may follow the actions in the text. So the text is read twice:
//! for everything but the actions, then for them.

use super::columns::Columns;
use super::context::{Checker, CsvOptions, ListOptions};
use super::exception_list::identifies;
use super::fields::{COMMON_FIELDS, LIST_FIELDS, Layers, NameSet, Row, UNSHARED_FIELDS, names, names_of, no_value};
use super::row_filter::{FilterError, FilterText, RowFilter};
use super::steps::{EntrySteps, STEPS};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::plan::list::ListReader;
use crate::plan::load::{self, ReadFile};
use crate::provider::model::{ActionRules, Operation};
use crate::text::damage::did_you_mean;
use crate::text::nearest::nearest;
use crate::text::{SourceId, Span, safe};
use crate::tree::{Field, Node, Shape, yaml};

/// Reads a plan but for its actions; into `keep` go the columns that its lists carry to the report, into `mapped` the fields that they
/// have under other names with these: they concern every action before the first is checked. `None` where it is no YAML, which is reported.
pub(super) fn without_actions(
    text: &str,
    source: SourceId,
    keep: &mut Vec<String>,
    mapped: &mut Vec<(String, String)>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let mut note = |item: &Node| {
        note_kept(item, keep);
        note_mapped(item, mapped);
    };
    let Some(root) = yaml::read_with(text, source, "actions", &mut |item| note(&item), diagnostics) else {
        if diagnostics.is_empty() {
            let start = Span { source, line: 1, column: 1, length: 1 };
            let error = Diagnostic::error("no-actions", start, "this plan is empty");
            diagnostics.push(error.help("begin it with `version: 1`"));
        }
        return None;
    };
    root.get("actions").map(Node::items).into_iter().flatten().for_each(note);
    Some(root)
}

fn note_mapped(item: &Node, mapped: &mut Vec<(String, String)>) {
    // Defects are reported when the list is read.
    for field in item.get("columns").map(Node::fields).unwrap_or_default() {
        if let Some(column) = field.value.text() {
            mapped.push((field.name.clone(), column.trim().to_owned()));
        }
    }
}

fn note_kept(item: &Node, keep: &mut Vec<String>) {
    if item.get("from").is_none() {
        return;
    }
    // Defects of the names are reported when the list is read.
    let names = item.get("keep_columns").and_then(|listed| names(listed, &mut Diagnostics::default()));
    for (name, _) in names.unwrap_or_default() {
        if !keep.contains(&name) {
            keep.push(name);
        }
    }
}

impl Checker<'_> {
    /// Checks the actions of a plan whose root was read without them. `name` begins the ids that are made.
    pub(super) fn read_entries(
        &mut self,
        source: SourceId,
        text: &str,
        root: Option<&Node>,
        defaults: &[Field],
        name: &str,
    ) {
        match root.and_then(|root| root.fields().iter().find(|field| field.name == "actions")) {
            Some(Field { value: Node { shape: Shape::List(items), .. }, .. }) => {
                // The YAML reader does not hand out an alias of a list elsewhere item by item; the tree has it whole.
                items.iter().for_each(|item| self.read_entry(item, name, defaults));
            }
            Some(actions) => {
                let what = match actions.value.shape {
                    Shape::Null => "this plan has no actions".to_owned(),
                    _ => format!("`actions` must be a list, not {}", actions.value.kind()),
                };
                self.report(Diagnostic::error("no-actions", actions.span, what).help(ACTIONS_EXAMPLE));
                return;
            }
            None => {
                if let Some(root) = root.filter(|root| matches!(root.shape, Shape::Map(_))) {
                    self.report(
                        Diagnostic::error("no-actions", root.span, "`actions` is missing").help(ACTIONS_EXAMPLE),
                    );
                }
                return;
            }
        }
        // Defects of the YAML itself were reported when the root was read.
        let mut repeated = Diagnostics::default();
        yaml::read_with(text, source, "actions", &mut |item| self.read_entry(&item, name, defaults), &mut repeated);
    }

    fn read_entry(&mut self, item: &Node, name: &str, defaults: &[Field]) {
        let Shape::Map(fields) = &item.shape else {
            let what = format!("an action must be a map, not {}", item.kind());
            self.report(Diagnostic::error("wrong-kind", item.span, what).help(ACTIONS_EXAMPLE));
            return;
        };
        if let Some(from) = fields.iter().find(|field| field.name == "from") {
            self.read_list(item, from, defaults);
        } else if let Some(named) = self.certificates_of(fields) {
            self.read_certificates(item, named, defaults);
        } else if let Some(listed) = fields.iter().find(|field| field.name == STEPS) {
            self.exceptions.of_row.clear();
            let Some(steps) = self.read_steps(fields, listed) else { return };
            let is_shared = |field: &&Field| ![STEPS, "action"].contains(&field.name.as_str());
            let shared: Vec<Field> = fields.iter().filter(is_shared).cloned().collect();
            let layers = Layers { plan: defaults, ..Layers::NONE };
            self.report_fields_of_no_step(&shared, &steps, layers);
            let row = Row { span: item.span, fields: &shared, header: None, kept: &[], names: NameSet::of(&shared) };
            self.check_chain(&row, name, layers, &steps);
        } else {
            self.exceptions.of_row.clear();
            let row = Row { span: item.span, fields, header: None, kept: &[], names: NameSet::of(fields) };
            self.check_action(&row, name, Layers { plan: defaults, ..Layers::NONE });
        }
    }
}

/// After so many rows for which `where` cannot be told the rest of the list is not read: they will have the same cause.
const MAX_UNFILTERED: u32 = 20;
pub(super) const ACTIONS_EXAMPLE: &str = "write `actions:` and below it, for each, `- {provider: …, action: …, …}`";

impl Checker<'_> {
    /// Reads a CSV list that is a plan by itself.
    pub(super) fn read_bare_list(&mut self, source: SourceId, options: &CsvOptions, name: &str) {
        let read = ListOptions::of_command_line(options, &mut self.diagnostics);
        self.read_rows(source, &read, name, Layers::NONE, None);
    }

    /// Reads the list of an entry with `from`.
    pub(super) fn read_list(&mut self, item: &Node, from: &Field, defaults: &[Field]) {
        let options = ListOptions::of_entry(item, &mut self.diagnostics);
        let listed = item.fields().iter().find(|field| field.name == STEPS);
        let steps = match listed.map(|listed| self.read_steps(item.fields(), listed)) {
            Some(None) => return,
            steps => steps.flatten(),
        };
        let others = item.fields().iter().filter(|field| !LIST_FIELDS.contains(&field.name.as_str()));
        let others = others.filter(|field| steps.is_none() || ![STEPS, "action"].contains(&field.name.as_str()));
        let others: Vec<Field> = others.cloned().collect();
        let entry = self.usable_defaults(&others, "an entry with `from`");
        let Some(named) = self.single_value(from) else { return };
        let path = load::resolve(self.sources, from.value.span, named);
        // Several entries may name one list, each with other options: it is one source, and the run directory gets one copy.
        let source = match self.lists.get(&path) {
            Some(source) => *source,
            None => {
                let opened = load::open_list(&path, from.value.span, self.sources, &mut self.diagnostics);
                let Some(source) = opened else { return };
                match self.sources.text(source) {
                    // What came through a pipe cannot be read there again.
                    Some(text) => {
                        self.files.push(ReadFile {
                            name: named.to_owned(),
                            path: None,
                            text: Some(text.clone()),
                            holds_certificates: false,
                        });
                    }
                    None => self.copy_once(named, &path, false),
                }
                self.lists.insert(path, source);
                source
            }
        };
        let of_plan = self.exceptions.active.len();
        self.read_entry_exceptions(item, &options.mapped());
        let layers = Layers { row: &[], entry: &entry, plan: defaults };
        self.read_rows(source, &options, named, layers, steps.as_ref());
        self.exceptions.active.truncate(of_plan);
    }

    /// The fields that can be defaults: those that some operation knows.
    pub(super) fn usable_defaults(&mut self, fields: &[Field], whose: &str) -> Vec<Field> {
        let mut usable = Vec::new();
        let catalog = self.catalog;
        // Another provider's field of such a name says nothing about this one's.
        let provider = fields.iter().find(|field| field.name == "provider").and_then(|field| field.value.text());
        let provider = provider
            .and_then(|name| self.draft.accounts.find(name, catalog).ok())
            .map(|index| self.draft.accounts.drafts[index].provider.id.clone());
        for field in fields {
            let name = field.name.as_str();
            // A field of an operation's own by that name, and not for a certificate.
            let is_another = |(operation, rules): (&Operation, &ActionRules)| {
                operation.parameter(name).is_some() && rules.certificate.is_none()
            };
            let operations = || catalog.iter().flat_map(|provider| provider.actions());
            let chosen = || catalog.iter().filter(|one| provider.as_ref().is_none_or(|id| one.id == *id));
            let of_provider = || chosen().flat_map(|provider| provider.actions());
            if name == "id" {
                let what = format!("{whose} cannot give an `id`: every action has its own");
                self.report(
                    Diagnostic::error("default-id", field.span, what)
                        .help("drop it; ids are made where they are absent"),
                );
            } else if UNSHARED_FIELDS.contains(&name) && !of_provider().any(is_another) {
                let what = format!("{whose} cannot give a `{name}`: every action has its own");
                self.report(
                    Diagnostic::error("default-certificate", field.span, what)
                        .help("give it to each action, or as a column of the list"),
                );
            } else if !COMMON_FIELDS.contains(&name)
                && !operations().any(|(operation, _)| operation.parameter(name).is_some())
            {
                let names = operations().flat_map(|(operation, _)| names_of(operation));
                let what = format!("no action has a field `{}`", safe::terminal(name));
                let mut error = Diagnostic::error("unknown-field", field.span, what);
                let right = match name {
                    // What other tools call it.
                    "exclude" | "exceptions" => Some("except"),
                    "filter" | "select" => Some("where"),
                    _ => nearest(name, names.chain(COMMON_FIELDS).chain(LIST_FIELDS)),
                };
                error.help = right.map(|right| did_you_mean(name, right));
                self.report(error);
            } else if matches!(field.value.shape, Shape::Null) {
                self.report(no_value(field));
            } else {
                usable.push(field.clone());
            }
        }
        usable
    }

    fn read_rows(
        &mut self,
        source: SourceId,
        options: &ListOptions,
        name: &str,
        layers: Layers<'_>,
        steps: Option<&EntrySteps>,
    ) {
        let opened = ListReader::open(self.sources, source, options.layout, &mut self.diagnostics);
        let Some(mut reader) = opened else { return };
        // Before any row: a column that no action knows is one finding at the header, not one for each row.
        let known = self.known_fields(&reader, options, layers, steps);
        let Some(mut columns) = self.map_columns(&reader, options, &known) else { return };
        columns.taken().for_each(|column| reader.take(column));
        let Ok(filter) = self.read_filter(&reader, options, &columns) else { return };
        // Columns that are no fields, and still say which certificate a row is about.
        let said: Vec<usize> = (0..reader.header().len())
            .filter(|index| !self.exceptions.active.is_empty() && identifies(&reader.header()[*index].0))
            .collect();
        let before = self.diagnostics.count(Severity::Error);
        let (mut any, mut taken, mut left_out, mut unfiltered) = (false, 0_u64, 0_u64, 0_u32);
        while reader.advance(&mut self.diagnostics) {
            any = true;
            if let Some(filter) = &filter {
                match filter.takes(|column| reader.cell(column).0) {
                    Ok(true) => {}
                    Ok(false) => {
                        left_out += 1;
                        continue;
                    }
                    Err(error) => {
                        unfiltered += 1;
                        if self.report_unfiltered(error, options, reader.row_span()) && unfiltered < MAX_UNFILTERED {
                            continue;
                        }
                        return;
                    }
                }
            }
            columns.fill(&reader);
            self.exceptions.of_row.clear();
            self.exceptions.of_row.extend(said.iter().map(|column| reader.cell(*column).0.to_owned()));
            taken += 1;
            let row = columns.row(reader.row_span());
            match steps {
                Some(steps) => self.check_chain(&row, name, layers, steps),
                None => self.check_action(&row, name, layers),
            }
        }
        self.left_out += left_out;
        if taken == 0 && left_out > 0 && self.diagnostics.count(Severity::Error) == before {
            let place = options.filter.as_ref().and_then(|(_, place)| *place).unwrap_or(columns.header_span);
            let what = format!("`where` takes none of the list's {left_out} rows");
            self.report(
                Diagnostic::error("where", place, what).help("compare it with the list: upper and lower case count"),
            );
        }
        // Where every row was unusable, their findings are enough.
        if !any && self.diagnostics.count(Severity::Error) == before {
            let error = Diagnostic::error("no-actions", columns.header_span, "this list has a header and no actions");
            self.report(error.help("add a row for each action"));
        }
    }

    /// Reads `where`. `Err` where it cannot be used, which is reported.
    fn read_filter(
        &mut self,
        reader: &ListReader,
        options: &ListOptions,
        columns: &Columns,
    ) -> Result<Option<RowFilter>, ()> {
        let Some((text, place)) = &options.filter else { return Ok(None) };
        let header = reader.header();
        // A field that `columns` gives has its own name beside the column's.
        let fields = || columns.fields();
        let of_header = |name: &str| header.iter().position(|(column, _)| column == name);
        let column =
            |name: &str| of_header(name).or_else(|| fields().find(|(field, _)| *field == name).map(|found| found.1));
        let mut names: Vec<&str> = header.iter().map(|(name, _)| name.as_str()).collect();
        names.extend(fields().map(|(field, _)| field).filter(|field| of_header(field).is_none()));
        RowFilter::read(&FilterText { text, place: *place }, &names, &column).map(Some).map_err(|findings| {
            findings.into_iter().for_each(|finding| self.report(finding));
        })
    }

    /// Reports that a row can neither be taken nor left out; returns whether that is the row's fault alone.
    fn report_unfiltered(&mut self, error: FilterError, options: &ListOptions, row: Span) -> bool {
        let of_plan = options.filter.as_ref().and_then(|(_, place)| *place);
        let related = |error: Diagnostic| match of_plan {
            Some(place) => error.related(place, "`where`"),
            None => error,
        };
        match error {
            FilterError::Cell(what) => {
                let what = format!("`where` cannot be told for this row: {}", safe::terminal(&what));
                let help = "give such rows a way past it: `days != \"\" && int(days) < 30`";
                self.report(related(Diagnostic::error("where", row, what)).help(help));
                true
            }
            FilterError::Expression(what) => {
                let what = format!("`where`: {}", safe::terminal(&what));
                self.report(
                    Diagnostic::error("where", of_plan.unwrap_or(row), what)
                        .help("write such as `status == \"issued\"`"),
                );
                false
            }
        }
    }
}
