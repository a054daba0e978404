//! Where the actions come from: the entries of a YAML plan, and the rows of CSV lists, bare ones and those that an entry names with
//! `from`. A plan of any length is never held as a tree. Judges no action.
//!
//! An action can only be checked once the settings are known, and these may follow the actions in the text. So the text is read twice:
//! for everything but the actions, then for them.

use super::context::{Checker, CsvOptions, IgnoreColumns};
use super::exception_list::identifies;
use super::fields::{
    self, COMMON_FIELDS, Header, LIST_FIELDS, Layers, NameSet, Row, UNSHARED_FIELDS, empty_field, names,
    no_single_value, no_value,
};
use super::row_filter::{FilterError, FilterText, RowFilter};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::plan::csv::CsvReader;
use crate::plan::load;
use crate::provider::model::{ActionRules, Operation};
use crate::text::nearest::nearest;
use crate::text::{SourceId, Span, safe};
use crate::tree::{Field, Node, Shape, yaml};
use std::io::Read;

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
        } else {
            self.exceptions.of_row.clear();
            let row = Row { span: item.span, fields, header: None, kept: &[], names: NameSet::of(fields) };
            self.check_action(&row, name, Layers { entry: &[], plan: defaults });
        }
    }
}

/// After so many rows for which `where` cannot be told the rest of the list is not read: they will have the same cause.
const MAX_UNFILTERED: u32 = 20;
pub(super) const ACTIONS_EXAMPLE: &str = "write `actions:` and below it, for each, `- {provider: …, action: …, …}`";

/// How a list's header is to be read. Places are those in the plan; the command line's names have none.
#[derive(Default)]
struct ListOptions {
    /// Whether the list is the plan itself, and the names below are the command line's.
    bare: bool,
    columns: Vec<(PlacedName, PlacedName)>,
    ignore_all: bool,
    ignore: Vec<PlacedName>,
    keep: Vec<PlacedName>,
    /// `where`.
    filter: Option<PlacedName>,
}

/// The name of a field or a column, with its place.
type PlacedName = (String, Option<Span>);

/// A list's columns, and the row that is filled again and again.
struct Columns {
    /// For each field of the row, its column.
    from: Vec<usize>,
    /// For each of the plan's `keep_columns`, its column in this list.
    kept: Vec<Option<usize>>,
    fields: Vec<Field>,
    kept_values: Vec<String>,
    names: NameSet,
    /// The header's fields: what is missing there is missing in every row, and is reported once.
    header: Vec<Field>,
    header_span: Span,
}

impl Columns {
    /// The row as filled.
    fn row(&self, span: Span) -> Row<'_> {
        let header = Some(Header { span: self.header_span, fields: &self.header });
        Row { span, fields: &self.fields, header, kept: &self.kept_values, names: self.names }
    }

    /// Fills the row with the reader's present record.
    fn fill(&mut self, reader: &CsvReader) {
        for (field, column) in self.fields.iter_mut().zip(&self.from) {
            let (text, span) = reader.cell(*column);
            field.span = span;
            field.value.span = span;
            match &mut field.value.shape {
                shape if text.is_empty() => *shape = Shape::Null,
                // The allocation of the row before is used again.
                Shape::Scalar { text: old, .. } => {
                    old.clear();
                    old.push_str(text);
                }
                shape => *shape = Shape::Scalar { text: text.to_owned(), plain: true },
            }
        }
        for (value, column) in self.kept_values.iter_mut().zip(&self.kept) {
            value.clear();
            value.push_str(column.map_or("", |column| reader.cell(column).0));
        }
    }
}

impl Checker<'_> {
    /// Reads a CSV list that is a plan by itself.
    pub(super) fn read_bare_list(&mut self, source: SourceId, bytes: Box<dyn Read>, options: &CsvOptions, name: &str) {
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
            filter: options.filter.as_ref().map(unplaced),
        };
        self.read_rows(source, bytes, &options, name, Layers { entry: &[], plan: &[] });
    }

    /// Reads the CSV list of an entry with `from`.
    pub(super) fn read_list(&mut self, item: &Node, from: &Field, defaults: &[Field]) {
        let options = self.read_list_options(item);
        let others = item.fields().iter().filter(|field| !LIST_FIELDS.contains(&field.name.as_str()));
        let others: Vec<Field> = others.cloned().collect();
        let entry = self.usable_defaults(&others, "an entry with `from`");
        let Some(named) = self.single_value(from) else { return };
        let path = load::resolve(self.sources, from.value.span, named);
        let mut opening = Diagnostics::default();
        let bytes = load::open_list(&path, from.value.span, &mut opening);
        self.diagnostics.extend(opening);
        let Some(bytes) = bytes else { return };
        // Several entries may name one list, each with other options: it is one source, and the run directory gets one copy.
        let source = match self.lists.get(&path) {
            Some(source) => *source,
            None => {
                let source = self.sources.add_file(path.display().to_string(), path.clone());
                self.copy_once(named, &path);
                self.lists.insert(path, source);
                source
            }
        };
        let of_plan = self.exceptions.active.len();
        let columns: Vec<(String, String)> =
            options.columns.iter().map(|((field, _), (column, _))| (field.clone(), column.clone())).collect();
        self.read_entry_exceptions(item, &columns);
        self.read_rows(source, bytes, &options, named, Layers { entry: &entry, plan: defaults });
        self.exceptions.active.truncate(of_plan);
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
                self.report(
                    Diagnostic::error("default-id", field.span, what)
                        .help("drop it; ids are made where they are absent"),
                );
            } else if UNSHARED_FIELDS.contains(&name) && !operations().any(is_another) {
                let what = format!("{whose} cannot give a `{name}`: every action has its own");
                self.report(
                    Diagnostic::error("default-certificate", field.span, what)
                        .help("give it to each action, or as a column of the list"),
                );
            } else if !COMMON_FIELDS.contains(&name)
                && !operations().any(|(operation, _)| operation.parameter(name).is_some())
            {
                let names = operations().flat_map(|(operation, _)| fields::names_of(operation));
                let what = format!("no action has a field `{}`", safe::terminal(name));
                let mut error = Diagnostic::error("unknown-field", field.span, what);
                let right = nearest(name, names.chain(COMMON_FIELDS).chain(LIST_FIELDS));
                error.help = right.map(|right| format!("did you mean `{right}`?"));
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
        bytes: Box<dyn Read>,
        options: &ListOptions,
        name: &str,
        layers: Layers<'_>,
    ) {
        let Some(mut reader) = CsvReader::open(bytes, source, &mut self.diagnostics) else { return };
        // Before any row: a column that no action knows is one finding at the header, not one for each row.
        let known = self.known_fields(&reader, options, layers);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let Some(mut columns) = self.map_columns(&reader, options, &known) else { return };
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
            self.check_action(&columns.row(reader.row_span()), name, layers);
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
        reader: &CsvReader,
        options: &ListOptions,
        columns: &Columns,
    ) -> Result<Option<RowFilter>, ()> {
        let Some((text, place)) = &options.filter else { return Ok(None) };
        let header = reader.header();
        // A field that `columns` gives has its own name beside the column's.
        let fields = || columns.fields.iter().zip(&columns.from).map(|(field, column)| (field.name.as_str(), *column));
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

    /// The field names that rows can have: those of the one operation where the list has only one, else those of all.
    fn known_fields(&mut self, reader: &CsvReader, options: &ListOptions, layers: Layers<'_>) -> Vec<String> {
        // A column gives each row its own provider or action, so then the default decides nothing.
        let in_list = |name: &str| {
            reader.header().iter().any(|(column, _)| column == name)
                || options.columns.iter().any(|((field, _), _)| field == name)
        };
        let fixed = |name: &str| {
            let mut all = layers.iter();
            all.find(|field| field.name == name).and_then(|field| field.value.text()).filter(|_| !in_list(name))
        };
        let provider = fixed("provider")
            .and_then(|name| self.draft.accounts.find(name, self.catalog).ok())
            .map(|index| self.draft.accounts.drafts[index].provider.clone());
        let action = fixed("action");
        let mut known: Vec<String> = COMMON_FIELDS.iter().map(|name| (*name).to_owned()).collect();
        for candidate in self.catalog.iter() {
            if provider.as_ref().is_some_and(|provider| provider.id != candidate.id) {
                continue;
            }
            let wanted = |name: &str| provider.is_none() || action.is_none_or(|action| action == name);
            let nothing_wanted = !candidate.actions().any(|(operation, _)| wanted(&operation.name));
            for (operation, _) in candidate.actions().filter(|(operation, _)| nothing_wanted || wanted(&operation.name))
            {
                for name in fields::names_of(operation) {
                    if !known.iter().any(|known| known == name) {
                        known.push(name.to_owned());
                    }
                }
            }
        }
        known
    }

    fn read_list_options(&mut self, item: &Node) -> ListOptions {
        let mut options = ListOptions::default();
        let mut findings = Diagnostics::default();
        let placed = |(name, span)| (name, Some(span));
        if let Some(columns) = item.get("columns") {
            if !matches!(columns.shape, Shape::Map(_)) {
                let what = format!("`columns` must be a map, not {}", columns.kind());
                let help = "write it as `{certificate_id: \"Cert ID\"}`: the field, and the column that gives it";
                findings.push(Diagnostic::error("wrong-kind", columns.span, what).help(help));
            }
            for field in columns.fields() {
                match field.value.text() {
                    Some(column) => {
                        let field_name: PlacedName = (field.name.clone(), Some(field.span));
                        options.columns.push((field_name, (column.trim().to_owned(), Some(field.value.span))));
                    }
                    None => findings.push(no_single_value(field)),
                }
            }
        }
        match item.get("ignore_columns") {
            None => {}
            // In quotes it would be the name of a column.
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "true") => {
                options.ignore_all = true;
            }
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "false") => {}
            Some(node) => {
                options.ignore = names(node, &mut findings).unwrap_or_default().into_iter().map(placed).collect();
            }
        }
        if let Some(field) = item.fields().iter().find(|field| field.name == "where") {
            match field.value.text() {
                Some(text) => options.filter = Some((text.to_owned(), Some(field.value.span))),
                None => {
                    findings.push(no_single_value(field).help("write an expression: `where: 'status == \"issued\"'`"));
                }
            }
        }
        if let Some(keep) = item.get("keep_columns") {
            options.keep = names(keep, &mut findings).unwrap_or_default().into_iter().map(placed).collect();
        }
        self.diagnostics.extend(findings);
        options
    }

    /// Reads the header. `known` are the field names that rows of this list can have.
    fn map_columns(&mut self, reader: &CsvReader, options: &ListOptions, known: &[&str]) -> Option<Columns> {
        let header = reader.header();
        let header_span = header.first().map(|(_, span)| Span { column: 1, ..*span })?;
        let mut good = true;
        let mut from = Vec::new();
        let mut fields: Vec<Field> = Vec::new();
        let mut used = vec![false; header.len()];
        let position = |name: &str| header.iter().position(|(column, _)| column == name);
        for ((field, field_place), (column, column_place)) in &options.columns {
            if !known.contains(&field.as_str()) {
                let what = format!("no action of this list has a field `{}`", safe::terminal(field));
                let mut error = Diagnostic::error("unknown-field", field_place.unwrap_or(header_span), what);
                error.help = nearest(field, known.iter().copied()).map(|right| format!("did you mean `{right}`?"));
                self.report(error);
                good = false;
            }
            let Some(index) = position(column) else {
                self.report_missing_column(column, column_place.unwrap_or(header_span), header);
                good = false;
                continue;
            };
            used[index] = true;
            from.push(index);
            fields.push(empty_field(field, header[index].1));
        }
        good &= self.mark_named_columns(options, header, header_span, &mut used);
        for (index, (name, span)) in header.iter().enumerate() {
            let ignored = options.ignore.iter().any(|(ignored, _)| ignored == name);
            let mapped = options.columns.iter().any(|(_, (column, _))| column == name);
            if ignored || mapped {
                continue;
            }
            if known.contains(&name.as_str()) {
                if let Some(other) = fields.iter().find(|field| field.name == *name) {
                    let what = format!("the field `{name}` is given by this column and by another");
                    let error = Diagnostic::error("column-conflict", *span, what).related(other.span, "the other");
                    self.report(error.help(format!("leave one out: `ignore_columns: [{name}]`")));
                    good = false;
                } else {
                    from.push(index);
                    fields.push(empty_field(name, *span));
                }
            } else if !used[index] && !options.ignore_all {
                self.report_unknown_column(name, *span, known, options.bare);
                good = false;
            }
        }
        let kept = self
            .keep
            .iter()
            .map(|name| options.keep.iter().any(|(kept, _)| kept == name).then(|| position(name)).flatten());
        let kept: Vec<Option<usize>> = kept.collect();
        let kept_values = vec![String::new(); kept.len()];
        // With a wrong header every row would only repeat these findings.
        let names = NameSet::of(&fields);
        good.then(|| Columns { from, kept, header: fields.clone(), fields, kept_values, names, header_span })
    }

    /// Marks the columns that the options name to ignore or to keep. `false` where the header lacks one, which is reported.
    fn mark_named_columns(
        &mut self,
        options: &ListOptions,
        header: &[(String, Span)],
        header_span: Span,
        used: &mut [bool],
    ) -> bool {
        let mut good = true;
        for (name, place) in options.ignore.iter().chain(&options.keep) {
            match header.iter().position(|(column, _)| column == name) {
                Some(index) => used[index] = true,
                None => {
                    self.report_missing_column(name, place.unwrap_or(header_span), header);
                    good = false;
                }
            }
        }
        good
    }

    fn report_unknown_column(&mut self, name: &str, span: Span, known: &[&str], bare: bool) {
        let name = safe::terminal(name);
        let what = format!("no action of this list has a field `{name}`");
        let maps = |field: &str| {
            if bare {
                format!("`--columns \"{field}={name}\"` maps it")
            } else {
                format!("`columns: {{{field}: \"{name}\"}}` maps it")
            }
        };
        let help = match nearest(&name, known.iter().copied()) {
            Some(right) => format!("did you mean `{right}`? {}", maps(right)),
            None => {
                let example = known.iter().find(|name| !COMMON_FIELDS.contains(name)).copied();
                let (ignore, keep) = if bare {
                    (format!("--ignore-columns \"{name}\""), format!("--keep-columns \"{name}\""))
                } else {
                    (format!("ignore_columns: [\"{name}\"]"), format!("keep_columns: [\"{name}\"]"))
                };
                let maps = maps(example.unwrap_or("id"));
                format!("{maps}, `{ignore}` leaves it out, `{keep}` carries it to the report")
            }
        };
        self.report(Diagnostic::error("unknown-column", span, what).help(help));
    }

    fn report_missing_column(&mut self, name: &str, place: Span, header: &[(String, Span)]) {
        let what = format!("the list has no column `{}`", safe::terminal(name));
        let names = || header.iter().map(|(name, _)| name.as_str());
        let help = match nearest(name, names()) {
            Some(right) => format!("did you mean `{}`?", safe::terminal(right)),
            None => format!("it has {}", names().map(safe::terminal).collect::<Vec<_>>().join(", ")),
        };
        let mut error = Diagnostic::error("no-such-column", place, what).help(help);
        if let Some((_, span)) = header.first()
            && span.source != place.source
        {
            error = error.related(*span, "its header");
        }
        self.report(error);
    }
}
