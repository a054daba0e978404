//! The columns of a list: which gives which field, as its header, the plan and the command line say; and what is wrong with them, once for
//! the list. Reads no row.

use super::context::{Checker, CsvOptions, IgnoreColumns};
use super::fields::{
    self, CERTIFICATE_FIELDS, COMMON_FIELDS, DESCRIPTIVE_COLUMNS, Header, Layers, NameSet, Row, empty_field,
    is_descriptive, names, no_single_value,
};
use super::header::{self, FirstLine};
use super::steps::EntrySteps;
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::RevocationReason;
use crate::plan::csv::ListLayout;
use crate::plan::list::ListReader;
use crate::text::damage::did_you_mean;
use crate::text::nearest::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Node, Shape};
use std::collections::HashMap;

/// How a list's header is to be read. Places are those in the plan; the command line's names have none.
#[derive(Default)]
pub(super) struct ListOptions {
    /// Whether the list is the plan itself, and the names below are the command line's.
    bare: bool,
    pub(super) layout: ListLayout,
    columns: Vec<(PlacedName, PlacedName)>,
    ignore_all: bool,
    ignore: Vec<PlacedName>,
    keep: Vec<PlacedName>,
    /// `where`.
    pub(super) filter: Option<PlacedName>,
}

/// The name of a field or a column, with its place.
type PlacedName = (String, Option<Span>);

/// How a column is told.
enum ColumnRef {
    Name(String),
    /// Its number, from 1: the list has no header.
    Number(u32),
}

/// The field names that the rows of a list can have.
pub(super) struct KnownFields {
    names: Vec<String>,
    /// Those of the operation, where the list has only one.
    parameters: Vec<String>,
}

/// A list's columns, and the row that is filled again and again.
pub(super) struct Columns {
    /// For each field of the row, its column.
    from: Vec<usize>,
    /// For each of the plan's `keep_columns`, its column in this list.
    kept: Vec<Option<usize>>,
    fields: Vec<Field>,
    kept_values: Vec<String>,
    names: NameSet,
    /// The header's fields: what is missing there is missing in every row, and is reported once.
    header: Vec<Field>,
    pub(super) header_span: Span,
    is_of_find: bool,
    is_bare: bool,
}

impl Columns {
    /// The columns that are taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = usize> {
        self.from.iter().chain(self.kept.iter().flatten()).copied()
    }

    /// The fields of the row, each with its column.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, usize)> {
        self.fields.iter().zip(&self.from).map(|(field, column)| (field.name.as_str(), *column))
    }

    /// The row as filled.
    pub(super) fn row(&self, span: Span) -> Row<'_> {
        let is_of_find = self.is_of_find;
        let header = Some(Header { span: self.header_span, fields: &self.header, is_of_find, is_bare: self.is_bare });
        Row { span, fields: &self.fields, header, kept: &self.kept_values, names: self.names }
    }

    /// Fills the row with the reader's present record.
    pub(super) fn fill(&mut self, reader: &ListReader) {
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
    /// The field names that rows can have: those of the one operation where the list has only one, else those of all.
    pub(super) fn known_fields(
        &mut self,
        reader: &ListReader,
        options: &ListOptions,
        layers: Layers<'_>,
        steps: Option<&EntrySteps>,
    ) -> KnownFields {
        // A column gives each row its own provider or action, so then the default decides nothing.
        let in_list = |name: &str| {
            reader.header().iter().any(|(column, _)| column == name)
                || options.columns.iter().any(|((field, _), _)| field == name)
        };
        let fixed = |name: &str| {
            let mut all = layers.iter();
            all.find(|field| field.name == name).and_then(|field| field.value.text()).filter(|_| !in_list(name))
        };
        let asked: Vec<(Option<&str>, Option<&str>)> = match steps {
            Some(steps) => {
                steps.asked().map(|(provider, action)| (provider.or_else(|| fixed("provider")), action)).collect()
            }
            None => vec![(fixed("provider"), fixed("action"))],
        };
        let of_steps = steps.into_iter().flat_map(EntrySteps::host_fields);
        let mut known: Vec<String> = COMMON_FIELDS.iter().copied().chain(of_steps).map(str::to_owned).collect();
        let mut parameters = Vec::new();
        for (provider, action) in asked {
            let provider = provider
                .and_then(|name| self.draft.accounts.find(name, self.catalog).ok())
                .map(|index| self.draft.accounts.drafts[index].provider.clone());
            // The other documents need not be read for it.
            let candidates: Vec<_> = match &provider {
                Some(provider) => vec![provider],
                None => self.catalog.iter().collect(),
            };
            for candidate in candidates {
                let wanted = |name: &str| provider.is_none() || action.is_none_or(|action| action == name);
                let nothing_wanted = !candidate.actions().any(|(operation, _)| wanted(&operation.name));
                let wanted = |name: &str| nothing_wanted || wanted(name);
                for (operation, _) in candidate.actions().filter(|(operation, _)| wanted(&operation.name)) {
                    for name in fields::names_of(operation) {
                        if !known.iter().any(|known| known == name) {
                            known.push(name.to_owned());
                        }
                        if provider.is_some() && action.is_some() {
                            parameters.push(name.to_owned());
                        }
                    }
                }
            }
        }
        KnownFields { names: known, parameters }
    }

    pub(super) fn read_list_options(&mut self, item: &Node) -> ListOptions {
        let mut options = ListOptions::default();
        let mut findings = Diagnostics::default();
        let placed = |(name, span)| (name, Some(span));
        let mut listed = Vec::new();
        if let Some(columns) = item.get("columns") {
            if !matches!(columns.shape, Shape::Map(_)) {
                let what = format!("`columns` must be a map, not {}", columns.kind());
                let help = "write it as `{certificate_id: \"Cert ID\"}`: the field, and the column that gives it";
                findings.push(Diagnostic::error("wrong-kind", columns.span, what).help(help));
            }
            for field in columns.fields() {
                let column = match &field.value.shape {
                    // In quotes it is a column's name.
                    Shape::Scalar { text, plain: true } => ColumnRef::of(text.trim()),
                    Shape::Scalar { text, plain: false } => ColumnRef::Name(text.trim().to_owned()),
                    _ => {
                        findings.push(no_single_value(field));
                        continue;
                    }
                };
                listed.push(((field.name.clone(), Some(field.span)), (column, Some(field.value.span))));
            }
        }
        let header_row = item.get("header_row").and_then(|node| {
            let row = node.text().and_then(|text| text.parse::<u32>().ok());
            if row.is_none() {
                let error = Diagnostic::error("header-row", node.span, "`header_row` must be the number of a line");
                findings.push(error.help("the line of the list's header, from 1; 0 where there is none"));
            }
            row
        });
        options.lay_out(listed, header_row, &mut findings);
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
    pub(super) fn map_columns(
        &mut self,
        reader: &ListReader,
        options: &ListOptions,
        known: &KnownFields,
    ) -> Option<Columns> {
        let header = reader.header();
        let header_span = header.first().map(|(_, span)| Span { column: 1, ..*span })?;
        if !self.has_the_header_it_is_read_by(reader, options, known) {
            return None;
        }
        let mut good = true;
        let mut from = Vec::new();
        let mut fields: Vec<Field> = Vec::new();
        let mut used = vec![false; header.len()];
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for (index, (column, _)) in header.iter().enumerate() {
            positions.entry(column).or_insert(index);
        }
        for ((field, field_place), (column, column_place)) in &options.columns {
            if !known.has(field) {
                let what = format!("no action of this list has a field `{}`", shown(field));
                let mut error = Diagnostic::error("unknown-field", field_place.unwrap_or(header_span), what);
                error.help = nearest(field, known.iter()).map(|right| did_you_mean(field, right));
                self.report(error);
                good = false;
            }
            let Some(index) = positions.get(column.as_str()).copied() else {
                self.report_missing_column(column, column_place.unwrap_or(header_span), header, options);
                good = false;
                continue;
            };
            used[index] = true;
            from.push(index);
            fields.push(empty_field(field, header[index].1));
            if field == "not_before" && header::is_validity_begin(column) && has_validity_end(header) {
                let what = format!("`{}` is the certificate's validity, by the column that ends it", shown(column));
                let warning = Diagnostic::warning("validity", column_place.unwrap_or(header[index].1), what);
                self.report(
                    warning.help("`not_before` says when an action may be sent; leave it out unless that is meant"),
                );
            }
        }
        for (name, place) in options.ignore.iter().chain(&options.keep) {
            match positions.get(name.as_str()) {
                Some(index) => used[*index] = true,
                None => {
                    self.report_missing_column(name, place.unwrap_or(header_span), header, options);
                    good = false;
                }
            }
        }
        let mut left_out = Vec::new();
        let is_of_find = DESCRIPTIVE_COLUMNS.iter().all(|name| positions.contains_key(name));
        for (index, (name, span)) in header.iter().enumerate() {
            // What `find` calls so is what certsweep does.
            let is_own = OWN_FIELDS.contains(&name.as_str())
                && !is_of_find
                && !(CERTIFICATE_FIELDS.contains(&name.as_str()) && known.parameters.contains(name));
            let first = positions.get(name.as_str()).copied().unwrap_or(index);
            // A second column of a name is another one, which nobody can mean.
            if first == index && used[index] {
            } else if options.ignore_all && (is_own || !known.has(name)) && !used[first] {
                if DECISIVE_FIELDS.contains(&name.as_str()) && !(name == "not_before" && has_validity_end(header)) {
                    left_out.push((name, *span));
                }
            } else if let Some(defect) = defect_of_name(header, index, first) {
                self.report(defect);
                good = false;
            } else if is_of_find && !known.has(name) && is_descriptive(name) {
            } else if name == "not_before" && has_validity_end(header) {
                let what = "this list has the certificates' validity: `not_before` is no schedule beside its end";
                let (leave, take) = options.two("ignore_columns", "not_before", "columns", "not_before: not_before");
                let error = Diagnostic::error("validity", *span, what);
                self.report(error.help(format!("{leave} leaves it out; {take} if it says when to send")));
                good = false;
            } else if !known.has(name) {
                self.report_unknown_column(header, index, !reader.first_lines().is_empty(), known, options);
                good = false;
            } else if let Some(other) = fields.iter().find(|field| field.name == *name) {
                let what = format!("the field `{name}` is given by this column and by another");
                let error = Diagnostic::error("column-conflict", *span, what).related(other.span, "the other");
                self.report(error.help(format!("leave one out: `ignore_columns: [{name}]`")));
                good = false;
            } else {
                from.push(index);
                fields.push(empty_field(name, *span));
            }
        }
        if let Some((_, first)) = left_out.first() {
            let names: Vec<String> = left_out.iter().map(|(name, _)| format!("`{name}`")).collect();
            let what =
                format!("`ignore_columns: true` leaves out {}, of which an action has a field too", names.join(", "));
            let name = left_out[0].0;
            let (take, keep) = options.two("columns", &format!("{name}: {name}"), "keep_columns", name);
            let warning = Diagnostic::warning("left-out", *first, what);
            self.report(warning.help(format!("{take} takes it, {keep} carries it to the report alone")));
        }
        let kept = self.keep.iter().map(|name| {
            options.keep.iter().any(|(kept, _)| kept == name).then(|| positions.get(name.as_str()).copied()).flatten()
        });
        let kept: Vec<Option<usize>> = kept.collect();
        let kept_values = vec![String::new(); kept.len()];
        // With a wrong header every row would only repeat these findings.
        let names = NameSet::of(&fields);
        good.then(|| Columns {
            from,
            kept,
            header: fields.clone(),
            fields,
            kept_values,
            names,
            header_span,
            is_of_find,
            is_bare: options.bare,
        })
    }

    /// Whether the list has a header where it is read by one, and none where it is read by numbers. `false` is reported.
    fn has_the_header_it_is_read_by(
        &mut self,
        reader: &ListReader,
        options: &ListOptions,
        known: &KnownFields,
    ) -> bool {
        let lines = reader.first_lines();
        let ListLayout { header_row, by_number } = options.layout;
        let Some((_, start)) = reader.header().first() else { return false };
        let start = Span { column: 1, length: 1, ..*start };
        if header_row == Some(0) && !by_number {
            let error = Diagnostic::error("header-row", start, "without a header, columns go by their numbers");
            let (columns, _) = options.two("columns", &format!("{}: 1", known.example()), "", "");
            self.report(error.help(format!("write {columns}")));
            return false;
        }
        if header_row.is_some() {
            return true;
        }
        if by_number {
            let cell = |line: usize, column: &str| {
                let index = column.parse::<usize>().ok()?.checked_sub(1)?;
                lines.get(line).and_then(|(_, cells)| cells.get(index)).map(String::as_str)
            };
            let is_name = |name: &str| known.iter().any(|known| header::bare(known) == header::bare(name));
            let seems = |column: &str| {
                let below: Vec<&str> = (1..FEW_LINES).map_while(|line| cell(line, column)).collect();
                cell(0, column).is_some_and(|first| header::is_header(first, &below, &is_name))
            };
            if let Some((_, (column, _))) = options.columns.iter().find(|(_, (column, _))| seems(column)) {
                let error = Diagnostic::error(
                    "header-row",
                    start,
                    "the first line seems to be a header, a title or a comment, and no action",
                );
                let is_above = |line: &usize| !cell(*line, column).is_some_and(header::is_identifier);
                let last = (1..lines.len()).take_while(is_above).last().unwrap_or(0);
                let (row, none) = options.two("header_row", &lines[last].0.to_string(), "header_row", "0");
                self.report(error.help(format!("{row} passes it over; {none} if it is an action")));
                return false;
            }
            return true;
        }
        let catalog = self.catalog;
        let is_word = |word: &str| {
            catalog
                .iter()
                .any(|provider| provider.id == word || provider.actions().any(|(action, _)| action.name == word))
                || RevocationReason::parse(word).is_some()
        };
        let (what, help) = match header::judge(lines, &|name| known.has(name) || options.names(name), &is_word) {
            FirstLine::Header => return true,
            FirstLine::Title(line) => {
                let (row, _) = options.two("header_row", &line.to_string(), "", "");
                (format!("this line seems to be a title, and line {line} the header"), format!("{row} says so"))
            }
            FirstLine::Comment(line) => {
                let (row, _) = options.two("header_row", &line.to_string(), "", "");
                (format!("a list has no comments; line {line} seems to be its header"), format!("{row} says so"))
            }
            FirstLine::CommentedRow(column) => {
                let (columns, _) = options.two("columns", &format!("{}: {}", known.example(), column + 1), "", "");
                let help = format!("drop the lines that begin with `#`; {columns} takes columns by number");
                ("a list has no comments, and this one seems to have no header".to_owned(), help)
            }
            FirstLine::Row(column) => {
                let is_incident = lines.first().is_some_and(|(_, cells)| cells[0].starts_with("serial "));
                let column = if is_incident { 2 } else { column + 1 };
                let (columns, row) =
                    options.two("columns", &format!("{}: {column}", known.example()), "header_row", "1");
                let help = format!(
                    "{columns} takes columns by number, and every line is an action; {row} says that this line is a header"
                );
                ("this list seems to have no header".to_owned(), help)
            }
        };
        self.report(Diagnostic::error("no-header", start, what).help(help));
        false
    }

    fn report_unknown_column(
        &mut self,
        header: &[(String, Span)],
        index: usize,
        is_line: bool,
        known: &KnownFields,
        options: &ListOptions,
    ) {
        let (name, span) = &header[index];
        let shown = shown(name);
        let what = format!("no action of this list has a field `{shown}`");
        let (ignore, keep) = options.two("ignore_columns", &shown, "keep_columns", &shown);
        let leave = format!("{ignore} leaves it out, {keep} carries it to the report");
        // A validity's begin is never offered as the schedule.
        let is_validity = header::is_validity_begin(name) || header::is_validity_end(name);
        let mut help = match nearest(&shown, known.iter()) {
            _ if is_validity => format!("it is the certificate's validity: {leave}"),
            Some(right) => format!("{} {} maps it, {leave}", did_you_mean(name, right), options.maps(right, &shown)),
            None => format!("{} maps it, {leave}", options.maps(known.example(), &shown)),
        };
        // Nothing shows that it is a header: no remedy may make one of an action.
        if index == 0 && is_line && !header.iter().any(|(name, _)| known.has(name) || options.names(name)) {
            let (numbers, _) = options.two("columns", &format!("{}: 1", known.example()), "", "");
            help.extend([format!("; if this line is an action and no header, {numbers} takes columns by number")]);
        }
        self.report(Diagnostic::error("unknown-column", *span, what).help(help));
    }

    fn report_missing_column(&mut self, name: &str, place: Span, header: &[(String, Span)], options: &ListOptions) {
        let what = format!("the list has no column `{}`", shown(name));
        let names = || header.iter().map(|(name, _)| name.as_str());
        let help = match nearest(name, names()) {
            _ if options.layout.by_number && header.len() == 1 => "it has one column, which is `1`".to_owned(),
            _ if options.layout.by_number => format!("it has the columns 1 to {}", header.len()),
            Some(right) => did_you_mean(name, &shown(right)),
            None if header.len() > MAX_NAMED => {
                let first = names().take(MAX_NAMED).map(shown).collect::<Vec<_>>().join(", ");
                format!("it has {first} and {} more", header.len() - MAX_NAMED)
            }
            None => format!("it has {}", names().map(shown).collect::<Vec<_>>().join(", ")),
        };
        let mut error = Diagnostic::error("no-such-column", place, what).help(help);
        if let Some((_, span)) = header.first()
            && span.source != place.source
        {
            let first = if options.layout.by_number { "its first line" } else { "its header" };
            error = error.related(*span, first);
        }
        self.report(error);
    }
}

impl ListOptions {
    /// Those of a bare list.
    pub(super) fn of_command_line(options: &CsvOptions, findings: &mut Diagnostics) -> Self {
        let unplaced = |name: &String| (name.clone(), None);
        let mut read = Self {
            bare: true,
            ignore_all: options.ignore == IgnoreColumns::All,
            ignore: match &options.ignore {
                IgnoreColumns::Named(names) => names.iter().map(unplaced).collect(),
                IgnoreColumns::None | IgnoreColumns::All => Vec::new(),
            },
            keep: options.keep.iter().map(unplaced).collect(),
            filter: options.filter.as_ref().map(unplaced),
            ..Self::default()
        };
        let columns = options.columns.iter().map(|(field, column)| {
            let quoted = column.strip_prefix('"').and_then(|column| column.strip_suffix('"'));
            let column = quoted.map_or_else(|| ColumnRef::of(column), |name| ColumnRef::Name(name.to_owned()));
            (unplaced(field), (column, None))
        });
        read.lay_out(columns.collect(), options.header_row, findings);
        read
    }

    /// Notes which columns give fields, and where the header is. A mixture of names and numbers is reported: numbers say that there is no
    /// header.
    fn lay_out(
        &mut self,
        columns: Vec<(PlacedName, (ColumnRef, Option<Span>))>,
        header_row: Option<u32>,
        findings: &mut Diagnostics,
    ) {
        let is_number = |column: &ColumnRef| matches!(column, ColumnRef::Number(_));
        let by_number = columns.iter().any(|(_, (column, _))| is_number(column));
        if let Some((_, (_, place))) = columns.iter().find(|(_, (column, _))| by_number && !is_number(column)) {
            let error = Diagnostic::error("columns-mixed", *place, "`columns` names some columns, and counts others");
            findings
                .push(error.help("numbers are for a list without a header; a column that is named `1` needs quotes"));
        }
        self.layout = ListLayout { header_row, by_number };
        let one_kind = columns.into_iter().filter(|(_, (column, _))| is_number(column) == by_number);
        self.columns.extend(one_kind.map(|(field, (column, place))| {
            let column = match column {
                ColumnRef::Name(name) => name,
                ColumnRef::Number(number) => number.to_string(),
            };
            (field, (column, place))
        }));
        // Without names nothing is misspelled: what is not counted is left out.
        self.ignore_all |= by_number;
    }

    /// The columns that give fields: field → column.
    pub(super) fn mapped(&self) -> Vec<(String, String)> {
        self.columns.iter().map(|((field, _), (column, _))| (field.clone(), column.clone())).collect()
    }

    /// Whether they name a column.
    fn names(&self, name: &str) -> bool {
        let columns = self.columns.iter().map(|(_, (column, _))| column);
        columns.chain(self.ignore.iter().chain(&self.keep).map(|(column, _)| column)).any(|column| column == name)
    }

    /// Two options as the user would write them: beside `from`, or on the command line.
    fn two(&self, name: &str, value: &str, other: &str, other_value: &str) -> (String, String) {
        (self.one(name, value), self.one(other, other_value))
    }

    fn one(&self, name: &str, value: &str) -> String {
        if self.bare {
            return format!("`--{} {}`", name.replace('_', "-"), for_shell(&value.replace(": ", "="), false));
        }
        match name {
            "columns" => format!("`columns: {{{value}}}`"),
            "header_row" => format!("`header_row: {value}`"),
            _ if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                format!("`{name}: [{value}]`")
            }
            _ => format!("`{name}: [\"{value}\"]`"),
        }
    }

    fn maps(&self, field: &str, column: &str) -> String {
        if self.bare {
            format!("`--columns {}`", for_shell(&format!("{field}={column}"), true))
        } else {
            format!("`columns: {{{field}: \"{column}\"}}`")
        }
    }
}

impl ColumnRef {
    /// A number, or else a name.
    fn of(text: &str) -> Self {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map_or_else(|| Self::Name(text.to_owned()), Self::Number)
    }
}

impl KnownFields {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// A field for examples: the first of the operation, where the list has only one.
    fn example(&self) -> &str {
        self.parameters.first().map_or("FIELD", String::as_str)
    }
}

/// A column without a name, or with the name of another.
fn defect_of_name(header: &[(String, Span)], index: usize, first: usize) -> Option<Diagnostic> {
    let (name, span) = &header[index];
    if name.is_empty() {
        let what = format!("column {} has no name", index + 1);
        return Some(Diagnostic::error("csv-header", *span, what).help("name the field, or drop the column"));
    }
    (first != index).then(|| {
        let what = format!("the column `{}` stands here a second time", shown(name));
        Diagnostic::error("csv-header", *span, what).related(header[first].1, "the first")
    })
}

fn has_validity_end(header: &[(String, Span)]) -> bool {
    header.iter().any(|(name, _)| header::is_validity_end(name))
}

/// A value of an option as a shell takes it; `quotes` puts it between quotation marks in any case.
fn for_shell(value: &str, quotes: bool) -> String {
    if value.contains(['"', '$', '`', '\\', '!']) {
        return shlex::try_quote(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned);
    }
    let is_plain = value.chars().all(|letter| letter.is_alphanumeric() || "_-=,./:@%+…".contains(letter));
    if is_plain && !quotes { value.to_owned() } else { format!("\"{value}\"") }
}

/// A name as a finding shows it: a header may be of any length.
fn shown(name: &str) -> String {
    let mut cut: String = name.chars().take(MAX_SHOWN).collect();
    if cut.len() < name.len() {
        cut.push('…');
    }
    safe::terminal(&cut).into_owned()
}

/// The program's own fields, which inventories have columns named like: with `ignore_columns: true` they count only where `columns` names
/// them.
const OWN_FIELDS: [&str; 9] =
    ["not_before", "needs", "id", "certificate", "issuer", "serial_number", "crl", "ocsp", "reason"];
/// Those of them whose absence changes what is sent, or when.
const DECISIVE_FIELDS: [&str; 3] = ["not_before", "needs", "reason"];
/// Characters of a column's name that a finding shows.
const MAX_SHOWN: usize = 60;
/// Lines that tell whether the first is made otherwise.
const FEW_LINES: usize = 5;
/// Columns that a finding names.
const MAX_NAMED: usize = 30;
