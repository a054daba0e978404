//! The columns of a CSV list: which fields they give, which go to the report, which are left out; and rows made of them.

use super::Checker;
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::csv::CsvReader;
use crate::plan::read::texts;
use crate::plan::row::{Header, Row};
use crate::text::nearest::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Node, Shape};

/// How a list's header is to be read. Places are those of the words in the plan; none for the command line's.
#[derive(Default)]
pub(super) struct ListOptions {
    /// Whether the list is the plan itself, and the words below come from the command line.
    pub(super) bare: bool,
    pub(super) columns: Vec<(Named, Named)>,
    pub(super) ignore_all: bool,
    pub(super) ignore: Vec<Named>,
    pub(super) keep: Vec<Named>,
}

/// A word with its place.
pub(super) type Named = (String, Option<Span>);

/// A list's columns, and the row that is filled again and again.
pub(super) struct Columns {
    /// For each field of the row, its column.
    from: Vec<usize>,
    /// For each kept column of the plan, its column in this list.
    kept: Vec<Option<usize>>,
    fields: Vec<Field>,
    /// For each field whether its text is another than before it was filled.
    changed: Vec<bool>,
    kept_values: Vec<String>,
    /// The header's fields, to tell which are missing in every row.
    header: Vec<Field>,
    pub(super) header_span: Span,
}

/// Names in a list: a YAML list, or one name. Unlike words they may hold blanks.
pub(super) fn names(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
    match node.text() {
        Some(text) => Some(vec![(text.to_owned(), node.span)]),
        None => texts(node, diagnostics),
    }
}

impl Columns {
    /// The row as filled.
    pub(super) fn row(&self, span: Span) -> Row<'_> {
        let header = Some(Header { span: self.header_span, fields: &self.header });
        Row { span, fields: &self.fields, header, kept: &self.kept_values, changed: Some(&self.changed) }
    }

    /// Fills the row with the texts of the reader's present record.
    pub(super) fn fill(&mut self, reader: &CsvReader) {
        for ((field, column), changed) in self.fields.iter_mut().zip(&self.from).zip(&mut self.changed) {
            *changed = reader.changed(*column);
            if !*changed {
                continue;
            }
            let text = reader.text(*column);
            *changed = field.value.text().unwrap_or_default() != text;
            match &mut field.value.shape {
                _ if !*changed => {}
                shape if text.is_empty() => *shape = Shape::Null,
                Shape::Scalar { text: old, .. } => {
                    old.clear();
                    old.push_str(text);
                }
                shape => *shape = Shape::Scalar { text: text.to_owned(), plain: true },
            }
        }
        for (value, column) in self.kept_values.iter_mut().zip(&self.kept) {
            if let Some(column) = column.filter(|column| reader.changed(*column)) {
                value.clear();
                value.push_str(reader.text(column));
            }
        }
    }

    /// Gives the row's fields their places too.
    pub(super) fn place(&mut self, reader: &CsvReader) {
        for (field, column) in self.fields.iter_mut().zip(&self.from) {
            let (_, span) = reader.cell(*column);
            field.span = span;
            field.value.span = span;
        }
    }
}

impl Checker<'_> {
    /// Reads the header. `known` are the field names that rows of this list can have.
    pub(super) fn columns(&mut self, reader: &CsvReader, options: &ListOptions, known: &[&str]) -> Option<Columns> {
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
                self.say(error);
                good = false;
            }
            let Some(index) = position(column) else {
                self.no_such_column(column, column_place.unwrap_or(header_span), header);
                good = false;
                continue;
            };
            used[index] = true;
            from.push(index);
            fields.push(empty_field(field, header[index].1));
        }
        for (name, place) in options.ignore.iter().chain(&options.keep) {
            match position(name) {
                Some(index) => used[index] = true,
                None => {
                    self.no_such_column(name, place.unwrap_or(header_span), header);
                    good = false;
                }
            }
        }
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
                    self.say(error.help(format!("leave one out: `ignore_columns: [{name}]`")));
                    good = false;
                } else {
                    from.push(index);
                    fields.push(empty_field(name, *span));
                }
            } else if !used[index] && !options.ignore_all {
                self.unknown_column(name, *span, known, options.bare);
                good = false;
            }
        }
        let kept = self
            .keep
            .iter()
            .map(|name| options.keep.iter().any(|(kept, _)| kept == name).then(|| position(name)).flatten());
        let kept: Vec<Option<usize>> = kept.collect();
        let kept_values = vec![String::new(); kept.len()];
        // With a wrong header its rows would only repeat what was said here.
        let changed = vec![true; fields.len()];
        good.then(|| Columns { from, kept, header: fields.clone(), fields, changed, kept_values, header_span })
    }

    fn unknown_column(&mut self, name: &str, span: Span, known: &[&str], bare: bool) {
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
                let example = known.iter().find(|name| !super::action::COMMON.contains(name)).copied();
                let (ignore, keep) = if bare {
                    (format!("--ignore-columns \"{name}\""), format!("--keep-columns \"{name}\""))
                } else {
                    (format!("ignore_columns: [\"{name}\"]"), format!("keep_columns: [\"{name}\"]"))
                };
                let maps = maps(example.unwrap_or("id"));
                format!("{maps}, `{ignore}` leaves it out, `{keep}` carries it to the report")
            }
        };
        self.say(Diagnostic::error("unknown-column", span, what).help(help));
    }

    fn no_such_column(&mut self, name: &str, place: Span, header: &[(String, Span)]) {
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
        self.say(error);
    }
}

fn empty_field(name: &str, span: Span) -> Field {
    Field { name: name.to_owned(), span, value: Node { span, shape: Shape::Null } }
}
