//! The check: settings, then the actions one by one, against the provider documents; all findings of everything in one go. Here is its
//! order, and where the actions come from: the entries of a YAML plan, the rows of lists, bare ones and those that an entry names with `from`;
//! which rows are taken (`where`), and the lists of what must stay (`except`). Sends nothing, resolves no credential.
//!
//! Streams: a plan of any length is never held as a tree. It lends out each action as soon as it is read and stores only what uniqueness,
//! `needs` and conflicts need. A caller throws the actions away when no [`CheckedPlan`] comes. An action can only be checked once the settings
//! are known, and these may follow the actions in the text. So the text is read twice: for everything but the actions, then for them.

mod action;
mod action_index;
mod certificate_source;
mod certificates;
mod columns;
mod context;
mod exception_list;
mod fields;
mod parameters;
mod pem_files;
mod relations;
mod row_filter;
mod steps;

pub use certificate_source::MAX_BUNDLE;
pub use context::{CsvOptions, IgnoreColumns, Request};
pub use fields::{CERTIFICATE_FIELDS, DESCRIPTIVE_COLUMNS, field_called};
pub(super) use fields::{COMMON_FIELDS, UNSHARED_FIELDS};
pub use parameters::needs_as_written;

use super::checked::{Action, CheckedPlan};
use super::list::{ListReader, is_json};
use super::load::{self, Input, Opened, ReadFile};
use super::read::SettingsReader;
use super::settings::Settings;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::provider::model::{ActionRules, Operation};
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::text::{SourceId, SourceMap, Span, safe};
use crate::tree::{Field, Node, Shape, read_yaml, read_yaml_with};
use columns::Columns;
use context::{Checker, ListOptions};
use exception_list::{ExceptionList, identifies, parse, parse_json};
use fields::{Elsewhere, LIST_FIELDS, Layers, NameSet, Row, names, names_of, no_value};
use row_filter::{FilterError, FilterText, RowFilter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use steps::{EntrySteps, STEPS};

/// Checks a plan. `each` is given the actions in plan order; they count only if a [`CheckedPlan`] comes in the end.
pub fn check(
    request: &Request<'_>,
    sources: &mut SourceMap,
    each: &mut dyn FnMut(Action),
) -> (Option<CheckedPlan>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut files = Vec::new();
    let opened = load::open_plan(&request.plan, sources, &mut files, &mut diagnostics);
    let shared = request.settings.as_ref().and_then(|path| {
        let (source, text) = load::open_yaml(path, sources, &mut files, &mut diagnostics)?;
        read_yaml(&text, source, &mut diagnostics)
    });
    // Only here, so that findings about the plan's file and the settings file come together.
    let Some(opened) = opened else { return (None, diagnostics) };
    let (mut keep, mut mapped) = (Vec::new(), request.columns.columns.clone());
    let root = match &opened {
        Opened::List(_) => {
            keep = deduplicated(&request.columns.keep);
            None
        }
        Opened::Yaml(source, text) => {
            if !request.columns.is_empty() {
                let what = "the options for columns are for a bare CSV list; this plan is YAML";
                let error = Diagnostic::error("columns", None, what);
                let help = "write `columns`, `ignore_columns`, `keep_columns`, `header_row` and `where` beside `from`";
                diagnostics.push(error.help(help));
            }
            match without_actions(text, *source, &mut keep, &mut mapped, &mut diagnostics) {
                Some(root) => Some(root),
                None => return (None, diagnostics),
            }
        }
    };
    let mut reader = SettingsReader {
        catalog: request.catalog,
        now: request.now,
        sources,
        files: &mut files,
        diagnostics: &mut diagnostics,
    };
    let mut draft = reader.read_settings(root.as_ref(), shared.as_ref());
    let defaults = std::mem::take(&mut draft.defaults);
    let mut checker = Checker::new(request, draft, sources, files, diagnostics, keep, each);
    checker.read_plan_exceptions(&request.columns.except, &mapped, root.as_ref());
    // Once, before the rows: a wrong default is one finding, and is not tried for each row.
    let defaults = checker.usable_defaults(&defaults, "`defaults`");
    let name = name_of(&request.plan);
    match opened {
        Opened::List(source) => checker.read_bare_list(source, &request.columns, &name),
        Opened::Yaml(source, text) => checker.read_entries(source, &text, root.as_ref(), &defaults, &name),
    }
    finish(checker, &request.plan)
}

/// Checks what needs all actions (`needs`, how many there are), and makes the plan where there is no error.
fn finish(mut checker: Checker<'_>, plan: &Input) -> (Option<CheckedPlan>, Diagnostics) {
    let needs = checker.check_needs();
    checker.report_timings();
    checker.report_reached_twice();
    let shared_keys = checker.report_shared_compromises();
    checker.report_unmet_exceptions();
    checker.report_unknown_issuers();
    let actions = u64::from(checker.index.count());
    // Where actions could not be read, their absence is no finding of its own.
    if actions == 0 && !checker.diagnostics.has_errors() {
        let error = Diagnostic::error("no-actions", None, "this plan has no actions");
        checker.report(error.help(ACTIONS_EXAMPLE));
    }
    if let Some(most) = checker.draft.safety.value.max_actions.filter(|most| actions > *most) {
        let what = format!("this plan has {actions} actions; `max_actions` allows {most}");
        let error = Diagnostic::error("max-actions", checker.draft.safety.max_actions_place, what);
        checker.report(error.help("split the plan, or raise `max_actions` if so many are meant"));
    }
    let changed: Vec<String> = checker.sources.changed().map(str::to_owned).collect();
    for name in changed {
        // Half a row may have been read, and a part of a number is another certificate's.
        let error = Diagnostic::error("changed-file", None, format!("{name} was changed while it was read"));
        checker.report(
            error.help("write it whole first, under another name, then rename it; check it once it stays as it is"),
        );
    }
    // All or nothing: a plan of which some rows were dropped is not what its author meant.
    if checker.diagnostics.has_errors() {
        return (None, checker.diagnostics);
    }
    let mut documents = BTreeMap::new();
    // Only the accounts that actions use: another one in shared settings must not change this plan's digest.
    for index in &checker.draft.accounts.used {
        let account = &checker.draft.accounts.drafts[*index];
        documents.insert(account.provider.id.clone(), hex::encode(account.provider.digest));
        checker.digest.account(account);
    }
    let drafts = &checker.draft.accounts.drafts;
    let settings = Settings {
        name: checker.draft.name.take().unwrap_or_else(|| stem(plan)),
        deadline: checker.draft.deadline,
        accounts: checker.draft.accounts.used.iter().map(|index| drafts[*index].account.clone()).collect(),
        retry: checker.draft.retry,
        timeout: checker.draft.timeout,
        schedule: checker.draft.schedule,
        safety: checker.draft.safety.value,
        keep_columns: checker.keep,
        hooks: checker.draft.hooks,
    };
    let digest = checker.digest.finish(&settings);
    let found = (checker.certificates.into_issuers(), shared_keys);
    let plan = CheckedPlan::new(settings, digest, actions, needs, checker.files, documents, found);
    (Some(plan.leaving_out(checker.left_out).with_last_steps(checker.last_steps)), checker.diagnostics)
}

/// Reads a plan but for its actions; into `keep` go the columns that its lists carry to the report, into `mapped` the fields that they
/// have under other names with these: they concern every action before the first is checked. `None` where it is no YAML, which is reported.
fn without_actions(
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
    let Some(root) = read_yaml_with(text, source, "actions", &mut |item| note(&item), diagnostics) else {
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

impl Checker<'_> {
    /// Checks the actions of a plan whose root was read without them. `name` begins the ids that are made.
    fn read_entries(&mut self, source: SourceId, text: &str, root: Option<&Node>, defaults: &[Field], name: &str) {
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
        read_yaml_with(text, source, "actions", &mut |item| self.read_entry(&item, name, defaults), &mut repeated);
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

    /// Reads a CSV list that is a plan by itself.
    fn read_bare_list(&mut self, source: SourceId, options: &CsvOptions, name: &str) {
        let read = ListOptions::of_command_line(options, &mut self.diagnostics);
        self.read_rows(source, &read, name, Layers::NONE, None);
    }

    /// Reads the list of an entry with `from`.
    fn read_list(&mut self, item: &Node, from: &Field, defaults: &[Field]) {
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
                        self.files.push(ReadFile::of_text(named.to_owned(), None, text.clone()));
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
    fn usable_defaults(&mut self, fields: &[Field], whose: &str) -> Vec<Field> {
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
        // Where every step says its own, neither the entry's nor the rows' counts.
        let counts = steps.is_none_or(|steps| steps.asked().any(|(provider, _)| provider.is_none()));
        let mut elsewhere = Elsewhere::of(layers.entry).filter(|_| counts);
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
            if let Some(elsewhere) = &mut elsewhere {
                elsewhere.count(&row);
            }
            match steps {
                Some(steps) => self.check_chain(&row, name, layers, steps),
                None => self.check_action(&row, name, layers),
            }
        }
        self.left_out += left_out;
        if let Some(warning) = elsewhere.and_then(Elsewhere::warning) {
            self.report(warning);
        }
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

impl Checker<'_> {
    /// Reads the lists of exceptions that hold for the whole plan: the command line's, and those under `except`. `columns` are those of
    /// all lists: field → column.
    fn read_plan_exceptions(&mut self, options: &[PathBuf], columns: &[(String, String)], root: Option<&Node>) {
        for path in options {
            let read = self.read_exceptions(&path.display().to_string(), path.clone(), None, columns);
            self.exceptions.active.extend(read);
        }
        if let Some(named) = root.and_then(|root| root.fields().iter().find(|field| field.name == "except")) {
            self.read_named_exceptions(named, columns);
        }
    }

    /// Reads those that hold for the list of an entry; `columns` are its own.
    fn read_entry_exceptions(&mut self, item: &Node, columns: &[(String, String)]) {
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
        path: &Path,
        place: Option<Span>,
        columns: &[(String, String)],
    ) -> Option<ExceptionList> {
        let text = match load::read_small(path, MAX_EXCEPTIONS) {
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

/// What ids made from positions in the plan itself begin with.
fn name_of(plan: &Input) -> String {
    match plan {
        Input::Stdin(_) => "<stdin>".to_owned(),
        Input::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// The name of a plan that has none.
fn stem(plan: &Input) -> String {
    let stem = match plan {
        Input::Stdin(_) => None,
        Input::Path(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
    };
    // It becomes part of the run directory's name, which must not be hidden.
    let stem = stem.map(|stem| stem.trim_start_matches('.').chars().filter(|letter| !letter.is_control()).collect());
    stem.filter(|stem: &String| !stem.is_empty()).unwrap_or_else(|| "plan".to_owned())
}

fn deduplicated(names: &[String]) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.contains(name) {
            unique.push(name.clone());
        }
    }
    unique
}

/// After so many rows for which `where` cannot be told the rest of the list is not read: they will have the same cause.
const MAX_UNFILTERED: u32 = 20;
const ACTIONS_EXAMPLE: &str = "write `actions:` and below it, for each, `- {provider: …, action: …, …}`";
/// A longer list of exceptions than this many bytes is none.
const MAX_EXCEPTIONS: u64 = 64 * 1024 * 1024;
