//! The columns of a list: which gives which field, as its header, the plan and the command line say; and what is wrong with them, once for
//! the list. Whether its first line is a header at all is judged by what the first lines look like, and only where a person then decides:
//! nothing is dropped by it. Reads no row.

use super::context::{Checker, ListOptions};
use super::fields::{
    CERTIFICATE_FIELDS, DESCRIPTIVE_COLUMNS, Header, KnownFields, Layers, NameSet, Row, bare, empty_field,
    is_descriptive,
};
use super::steps::EntrySteps;
use crate::diag::Diagnostic;
use crate::pki::RevocationReason;
use crate::plan::csv::ListLayout;
use crate::plan::list::ListReader;
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Shape};
use std::collections::HashMap;

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

/// What a list's first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstLine {
    /// The header, or nothing that is known.
    Header,
    /// A comment (`#`); the line of the header below.
    Comment(u32),
    /// A comment, and the line below is a row; its first column, from 0, whose cell is a value.
    CommentedRow(usize),
    /// A row; the first column, from 0, whose cell is a value.
    Row(usize),
    /// A title; the line of the header below.
    Title(u32),
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
        let mut known = KnownFields::new(of_steps);
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
                for (operation, rules) in candidate.actions().filter(|(operation, _)| wanted(&operation.name)) {
                    known.add(operation, rules, provider.is_some() && action.is_some());
                }
            }
        }
        known
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
            if field == "not_before" && is_validity_begin(column) && has_validity_end(header) {
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
            let is_name = |name: &str| known.iter().any(|known| bare(known) == bare(name));
            let seems = |column: &str| {
                let below: Vec<&str> = (1..FEW_LINES).map_while(|line| cell(line, column)).collect();
                cell(0, column).is_some_and(|first| is_header(first, &below, &is_name))
            };
            if let Some((_, (column, _))) = options.columns.iter().find(|(_, (column, _))| seems(column)) {
                let error = Diagnostic::error(
                    "header-row",
                    start,
                    "the first line seems to be a header, a title or a comment, and no action",
                );
                let is_above = |line: &usize| !cell(*line, column).is_some_and(is_identifier);
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
        let (what, help) = match judge_first_line(lines, &|name| known.has(name) || options.names(name), &is_word) {
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
        let is_validity = is_validity_begin(name) || is_validity_end(name);
        let is_given = |field: &str| {
            let mapped = options.columns.iter().map(|((field, _), _)| field);
            let mut given = header.iter().map(|(column, _)| column).filter(|column| *column != name).chain(mapped);
            given.any(|given| bare(given) == bare(field))
        };
        let mut help = match known.meant_by(&shown, &is_given) {
            _ if is_validity => format!("it is the certificate's validity: {leave}"),
            Some(right) if nearest(&shown, [right]).is_some() => {
                format!("{} {} maps it, {leave}", did_you_mean(name, right), options.maps(right, &shown))
            }
            Some(right) => format!("{} maps it, {leave}", options.maps(right, &shown)),
            None => leave,
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
    header.iter().any(|(name, _)| is_validity_end(name))
}

/// A name as a finding shows it: a header may be of any length.
fn shown(name: &str) -> String {
    let mut cut: String = name.chars().take(MAX_SHOWN).collect();
    if cut.len() < name.len() {
        cut.push('…');
    }
    safe::terminal(&cut).into_owned()
}

/// Judges the first line. `is_name` knows the fields of the list's actions, and the columns that the user named; `is_word` the words that
/// stand in rows: providers, actions, reasons.
fn judge_first_line(
    lines: &[(u32, Vec<String>)],
    is_name: &dyn Fn(&str) -> bool,
    is_word: &dyn Fn(&str) -> bool,
) -> FirstLine {
    let Some(((_, first), below)) = lines.split_first() else { return FirstLine::Header };
    let is_value = |cell: &str| is_identifier(cell) || is_date(cell) || is_word(cell);
    let names = |cells: &[String]| cells.iter().any(|cell| is_name(cell) && !is_value(cell));
    if names(first) {
        return FirstLine::Header;
    }
    let is_comment = |cells: &[String]| cells.first().is_some_and(|cell| cell.starts_with('#'));
    if is_comment(first) {
        let below = &below[below.iter().take_while(|(_, cells)| is_comment(cells)).count()..];
        return match (judge_first_line(below, is_name, is_word), below.first()) {
            (FirstLine::Header, Some((line, _))) => FirstLine::Comment(*line),
            (FirstLine::Title(line), _) => FirstLine::Comment(line),
            (FirstLine::Row(column), _) => FirstLine::CommentedRow(column),
            (other, _) => other,
        };
    }
    let second = below.first().map(|(_, cells)| cells.as_slice()).unwrap_or_default();
    let value = first.iter().position(|cell| is_identifier(cell) || is_incident(cell));
    let value = value.or_else(|| first.iter().position(|cell| is_value(cell)));
    // Above an identifier stands its column's name.
    let is_above = first.iter().zip(second).any(|(cell, other)| !is_identifier(cell) && is_identifier(other));
    let alike = || first.iter().zip(second).position(|(cell, other)| !is_above && is_alike(cell, other));
    if let Some(column) = value.or_else(alike) {
        return FirstLine::Row(column);
    }
    // Only over lines without an identifier: the remedy leaves out all lines above the header, and none may be a row.
    let titles = below.iter().take_while(|(_, cells)| !cells.iter().any(|cell| is_identifier(cell))).count();
    let header = below[..titles].iter().find(|(_, cells)| names(cells));
    let looks = |cells: &[String]| {
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        filled > 1 && filled == cells.len() && cells.iter().all(|cell| is_wordy(cell))
    };
    let by_looks = || {
        let found = below[..titles].iter().enumerate().find(|(_, (_, cells))| looks(cells));
        let (index, line) = found.filter(|_| !looks(first))?;
        // A header has a row of as many cells below it, with a value in it.
        let row = below.get(index + 1)?;
        (row.1.len() == line.1.len() && row.1.iter().any(|cell| is_value(cell))).then_some(line)
    };
    header.or_else(by_looks).map_or(FirstLine::Header, |(line, _)| FirstLine::Title(*line))
}

/// Whether the first line of a list that is read without a header is one all the same, a title or a comment: what stands in a column that is
/// taken is a field's name, or no identifier above one, or words above what all has digits.
fn is_header(first: &str, below: &[&str], is_name: &dyn Fn(&str) -> bool) -> bool {
    let has_digit = |cell: &&str| cell.contains(|letter: char| letter.is_ascii_digit());
    let is_above_digits = is_wordy(first) && below.len() > 1 && below.iter().all(has_digit);
    let is_above = !is_identifier(first) && below.first().is_some_and(|cell| is_identifier(cell));
    first.starts_with('#') || is_name(first) || is_above || is_above_digits
}

/// Whether a column's name is one for the beginning of a certificate's validity.
fn is_validity_begin(name: &str) -> bool {
    let name = bare(name);
    VALIDITY_BEGIN.iter().any(|words| name.contains(words))
}

/// Whether a column's name is one for the end of a certificate's validity.
fn is_validity_end(name: &str) -> bool {
    let name = bare(name);
    VALIDITY_END.iter().any(|words| name.contains(words))
}

/// Digits, hexadecimal digits in any usual spelling, a UUID, a number that a spreadsheet made, a URL, a file.
fn is_identifier(cell: &str) -> bool {
    let cell = cell.trim_matches(['"', '\'', '=', '`', '“', '”', '„']);
    let text = ["serial=", "0x", "0X"].iter().find_map(|prefix| cell.strip_prefix(prefix)).unwrap_or(cell);
    let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | '-' | ' ')).collect();
    let is_hexadecimal = digits.chars().all(|letter| letter.is_ascii_hexdigit());
    let has_digit = digits.chars().any(|letter| letter.is_ascii_digit());
    let is_number = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    let is_rounded = text.replace(',', ".").parse::<f64>().is_ok() && has_digit;
    is_number
        || is_rounded
        || is_hexadecimal && has_digit && digits.len() >= 8 && !is_date(text)
        || cell.contains("://")
        || cell.starts_with("file:")
}

/// A line of words that begins as `serial HEX`.
fn is_incident(cell: &str) -> bool {
    cell.strip_prefix("serial ").and_then(|rest| rest.split(' ').next()).is_some_and(is_identifier)
}

/// A date, with or without a time.
fn is_date(cell: &str) -> bool {
    let day = cell.split(['T', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    let numbers =
        parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    parts.len() == 3 && numbers && (parts[0].len() == 4 || parts[2].len() == 4)
}

/// Letters, blanks and what joins words, and no digit.
fn is_wordy(cell: &str) -> bool {
    let is_part = |letter: char| letter.is_alphabetic() || " _-()/#.%'&?:".contains(letter);
    cell.chars().any(char::is_alphabetic) && cell.chars().all(is_part)
}

/// Whether two cells are made alike, and not of words alone: `shop.example.com` above `mail.example.com`. A header is not made like what it is
/// above.
fn is_alike(cell: &str, other: &str) -> bool {
    let form = form(cell);
    if form.chars().any(|letter| !matches!(letter, 'a' | ' ' | '_')) && form == self::form(other) {
        return true;
    }
    let both = |test: &dyn Fn(&str) -> bool| test(cell) && test(other);
    let has_digit = |text: &str| text.contains(|letter: char| letter.is_ascii_digit());
    // Names, addresses, paths; and numbers that are told by what joins them.
    both(&|text| !text.contains([' ', '_']))
        && (both(&|text| text.contains('.')) || both(&|text| text.contains('@')) || both(&|text| text.contains('/')))
        || both(&|text| has_digit(text) && text.contains('-') && !text.contains(' '))
}

/// A cell's form: `a` for letters, `x` for letters and digits, all else as it is.
fn form(cell: &str) -> String {
    let mut form = String::new();
    for part in cell.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if !word.is_empty() {
            form.push(if word.contains(|letter: char| letter.is_numeric()) { 'x' } else { 'a' });
        }
        form.push_str(&part[word.len()..]);
    }
    form
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
/// Parts of the names that inventories give to the two ends of a validity.
const VALIDITY_BEGIN: [&str; 7] =
    ["notbefore", "validfrom", "validsince", "validitybegin", "validitystart", "validityfrom", "gültigab"];
const VALIDITY_END: [&str; 10] = [
    "notafter",
    "validto",
    "validuntil",
    "validtill",
    "validthrough",
    "validityend",
    "validityto",
    "expir",
    "gültigbis",
    "만료",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> FirstLine {
        let lines: Vec<(u32, Vec<String>)> = (1..)
            .zip(text.lines())
            .map(|(line, cells)| (line, cells.split(',').map(str::to_owned).collect::<Vec<_>>()))
            .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        judge_first_line(&lines, &|name| ["certificate_id", "reason", "Cert ID"].contains(&name), &|word| {
            ["digicert", "revoke", "superseded"].contains(&word)
        })
    }

    #[test]
    fn a_header_is_told_from_a_row_a_title_and_a_comment() {
        use FirstLine::{Comment, CommentedRow, Header, Row, Title};
        for (text, expected) in [
            ("certificate_id,comments\n1,a\n", Header),
            ("Cert ID,2026\n1,a\n", Header),
            ("Certificate ID,Status\n112358,Issued\n", Header),
            ("certificate.id,certificate.name\n112358,shop.example.com\n", Header),
            ("", Header),
            ("0362aa10bb20cc30\n03f1aa10bb20cc30\n", Row(0)),
            ("02:AB:cd:EF:01\n", Row(0)),
            ("0x0362aa10\n", Row(0)),
            ("112358\n", Row(0)),
            ("digicert,revoke,x\n", Row(0)),
            ("shop,6434f74f-2d13-4e6a-89eb-93ee313f1a43\n", Row(1)),
            ("shop team,2026-12-01\n", Row(1)),
            ("shop team,01.12.2026 08:00\n", Row(1)),
            ("1.23E+35\n", Row(0)),
            ("=\"112358\"\n", Row(0)),
            ("https://crt.sh/?id=1\n", Row(0)),
            ("serial 0362aa10bb20cc30 131 b8dc names: [a]\n", Row(0)),
            ("shop.example.com\nmail.example.com\n", Row(0)),
            ("cert-0a1b\ncert-ff2\n", Row(0)),
            ("shop.example.com\nexample.com\n", Row(0)),
            ("a@example.com\nb.c@example.com\n", Row(0)),
            ("certs/shop.pem\n/etc/ssl/mail.pem\n", Row(0)),
            ("ORD-1\nORD-12-b\n", Row(0)),
            ("SHA-256,Name\nab12cd34,shop\n", Header),
            ("ORD-1,Anna\nORD-2,Bo\n", Row(0)),
            (
                "Orders export,,\nGenerated 2026-11-29 08:00,,\n,,\nCertificate ID,Common Name,Status\n112358,shop.example.com,Issued\n",
                Title(4),
            ),
            ("Orders export\n\ncertificate_id\n112358\n", Title(3)),
            ("# leaked, 2026-11-29\n# INC-42\ncertificate_id\n1\n", Comment(3)),
            ("# leaked\n112358\n", CommentedRow(0)),
            // The remedy would leave the second line out.
            ("Orders export,\n112358,a\ncertificate_id,comments\n", Header),
            ("Anna,Bo\nCara,Dan\n", Header),
        ] {
            assert_eq!(judged(text), expected, "{text}");
        }
    }

    #[test]
    fn a_header_is_seen_where_none_should_be() {
        let is_name = |name: &str| name == "certificate_id";
        for (first, below, expected) in [
            ("certificate_id", &[][..], true),
            ("# leaked", &["1"], true),
            ("Cert ID", &["112358"], true),
            ("Order", &["ORD-1", "ORD-2x"], true),
            ("Serials of INC-42", &["0362aa10bb20"], true),
            ("shop", &["mail", "www"], false),
            ("shop", &["shop2", "mail"], false),
            ("112358", &["112359"], false),
            ("02:ab:cd:ef", &["0362aa10bb20"], false),
        ] {
            assert_eq!(is_header(first, below, &is_name), expected, "{first}");
        }
    }

    #[test]
    fn a_validity_is_known_in_any_spelling() {
        for name in
            ["not_before", "Not Before", "notBefore", "Valid From", "VALID-FROM", "Gültig ab", "Certificate valid from"]
        {
            assert!(is_validity_begin(name), "{name}");
        }
        for name in [
            "not_after",
            "Not After",
            "valid to",
            "Valid_Until",
            "Expires",
            "Expiration Date",
            "Expiry (UTC)",
            "validTo",
        ] {
            assert!(is_validity_end(name), "{name}");
        }
        assert!(!is_validity_begin("start") && !is_validity_end("end"));
    }
}
