//! Lists of exceptions: their entries by id, target, serial number or name, and which of them names an action. Opens no file and reports
//! nothing.

use super::fields::bare;
use crate::diag::Diagnostics;
use crate::pki::{Certificate, SerialNotation, SerialNumber, SerialNumberError, names};
use crate::plan::csv::{ListLayout, told_delimiter};
use crate::plan::list::ListReader;
use crate::provider::Catalog;
use crate::provider::model::{Operation, Parameter};
use crate::text::{SourceId, SourceMap, Span};
use csv::{ReaderBuilder, StringRecord};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// All lists of exceptions that a plan names, each once.
#[derive(Default)]
pub(super) struct Exceptions {
    pub(super) lists: Vec<ExceptionList>,
    /// Numbers among them; none where a file cannot be used.
    pub(super) by_path: HashMap<PathBuf, Option<usize>>,
    /// The lists that hold for the row that is being checked: the plan's, and its entry's.
    pub(super) active: Vec<usize>,
    /// What the row's list says of its certificate in columns that are no fields.
    pub(super) of_row: Vec<String>,
    /// Wholes, such as orders, that actions ask for, each with the action's place.
    pub(super) wholes: Vec<(String, Span)>,
    /// Wholes of which a part is excepted, with the place of that action.
    pub(super) parts: HashMap<String, Span>,
}

/// One list.
#[derive(Default)]
pub(super) struct ExceptionList {
    pub(super) entries: Vec<ExceptionEntry>,
    /// Entries by what may stand for an action in any way.
    by_text: HashMap<String, Vec<usize>>,
    /// Entries by a column that is a target's, and its value.
    by_column: HashMap<(String, String), Vec<usize>>,
}

/// A row of a list.
pub(super) struct ExceptionEntry {
    pub(super) place: Span,
    /// As it is shown.
    pub(super) text: String,
    /// The columns that are a target's, and their values: they name one target together.
    target: Vec<(String, String)>,
    /// Whether an action was found for it.
    pub(super) is_met: bool,
}

/// What a column of such a list says.
enum Meaning {
    /// An id, a serial number or a name.
    Any,
    /// A parameter of a target, by its name without case and marks.
    Target(String),
}

/// What an action can be named by.
pub(super) struct Named<'a> {
    pub(super) id: &'a str,
    /// As reports show it.
    pub(super) target: &'a str,
    /// The parameters that make it up, with their values.
    pub(super) parameters: Vec<(&'a Parameter, String)>,
    /// Serial numbers and names of its certificate.
    pub(super) certificate: Vec<String>,
}

impl Exceptions {
    /// The place of the first entry that names the action, in the first list that has one. All entries that do are met.
    pub(super) fn find(&mut self, named: &Named<'_>) -> Option<Span> {
        let target = columns_of(&named.parameters);
        let texts = [named.id, named.target].into_iter().map(str::to_owned);
        let texts = texts.chain(named.parameters.iter().map(|(_, value)| value.clone()));
        let texts = texts.chain(named.certificate.iter().cloned()).chain(self.of_row.iter().cloned());
        let texts: HashSet<String> = texts.map(|text| comparable(&text)).collect();
        let mut first = None;
        for list in &self.active {
            let list = &mut self.lists[*list];
            let by_text = texts.iter().filter_map(|text| list.by_text.get(text));
            let by_column = target.iter().filter_map(|pair| list.by_column.get(pair));
            let mut found: Vec<usize> = by_text.flatten().copied().collect();
            // Of a target with several parameters all that the entry gives must agree: the order alone is not the certificate.
            let agrees = |entry: &usize| agree(&list.entries[*entry].target, &target);
            found.extend(by_column.flatten().copied().filter(agrees));
            found.sort_unstable();
            for entry in &found {
                list.entries[*entry].is_met = true;
            }
            first = first.or_else(|| found.first().map(|entry| list.entries[*entry].place));
        }
        first
    }

    /// The place of an entry that names a part of a target that the action reaches as a whole. `whole` are the parameters of the target
    /// that say which whole it is.
    pub(super) fn find_part(&mut self, whole: &[(&Parameter, String)]) -> Option<Span> {
        if whole.is_empty() {
            return None;
        }
        let values: Vec<&str> = whole.iter().map(|(_, value)| value.as_str()).collect();
        let prefix = values.join("/").to_lowercase() + "/";
        let target = columns_of(whole);
        let mut first = None;
        for list in &self.active {
            let list = &mut self.lists[*list];
            let texts = list.by_text.iter().filter(|(text, _)| text.starts_with(&prefix));
            let mut found: Vec<usize> = texts.flat_map(|(_, entries)| entries.iter().copied()).collect();
            let by_column = target.iter().filter_map(|pair| list.by_column.get(pair)).flatten().copied();
            found.extend(by_column.filter(|entry| agree(&list.entries[*entry].target, &target)));
            found.sort_unstable();
            for entry in &found {
                list.entries[*entry].is_met = true;
            }
            first = first.or_else(|| found.first().map(|entry| list.entries[*entry].place));
        }
        first
    }

    /// Takes what a certificate says of itself as said of the row.
    pub(super) fn note_certificate(&mut self, certificate: &Certificate) {
        self.of_row.extend(certificate.host_names());
        self.of_row.push(certificate.serial.to_string());
    }
}

/// Parameters with their values, under each name that they have.
fn columns_of(parameters: &[(&Parameter, String)]) -> Vec<(String, String)> {
    let of_parameter = |(parameter, value): &(&Parameter, String)| {
        let names = std::iter::once(&parameter.name).chain(&parameter.aliases);
        let value = comparable(value);
        names.map(|name| (bare(name), value.clone())).collect::<Vec<_>>()
    };
    parameters.iter().flat_map(of_parameter).collect()
}

/// Whether what an entry gives of a target is that of an action, as far as both say.
fn agree(entry: &[(String, String)], target: &[(String, String)]) -> bool {
    let agrees = |(column, value): &(String, String)| {
        target.iter().filter(|(name, _)| name == column).all(|(_, other)| other == value)
    };
    entry.iter().all(agrees)
}

/// Whether a column that is no field says which certificate its row is about.
pub(super) fn identifies(column: &str) -> bool {
    IDENTIFYING.contains(&bare(column).as_str())
}

/// A list of lines, or the line that cannot be read and why. Unlike lists of actions people write these by hand: comments, no header, rows of
/// any length.
pub(super) fn parse(
    text: &str,
    source: SourceId,
    columns: &[(String, String)],
    catalog: &Catalog,
) -> Result<ExceptionList, (u32, String)> {
    let mut list = ExceptionList::default();
    // What Excel writes, and reads, to say the separator.
    let told = told_delimiter(text.as_bytes());
    let (before, text) = match told.and_then(|_| text.split_once('\n')) {
        Some((_, rows)) => (1, rows),
        None => (0, text),
    };
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).comment(Some(b'#')).delimiter(told.unwrap_or_else(|| delimiter(text)));
    let mut reader = builder.from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut header: Option<Vec<Option<Meaning>>> = None;
    let mut is_first = true;
    loop {
        let read = reader.read_record(&mut record);
        let line = record.position().map_or(1, csv::Position::line);
        let line = u32::try_from(line + before).unwrap_or(u32::MAX);
        match read {
            Ok(true) => {}
            Ok(false) => return Ok(list),
            Err(error) => return Err((line, error.to_string())),
        }
        if std::mem::take(&mut is_first) {
            let meanings: Vec<Option<Meaning>> = record.iter().map(|name| meaning_of(name, columns, catalog)).collect();
            if meanings.iter().any(Option::is_some) {
                header = Some(meanings);
                continue;
            }
        }
        let length = record.iter().map(|cell| cell.chars().count() + 1).sum::<usize>().saturating_sub(1);
        let place = Span { source, line, column: 1, length: u32::try_from(length.max(1)).unwrap_or(u32::MAX) };
        list.add(place, record.iter(), header.as_deref());
    }
}

/// A list in JSON, each of its objects an entry by the members that name something; all of them where none does.
pub(super) fn parse_json(
    sources: &SourceMap,
    source: SourceId,
    columns: &[(String, String)],
    catalog: &Catalog,
    diagnostics: &mut Diagnostics,
) -> Option<ExceptionList> {
    let mut rows = ListReader::open(sources, source, ListLayout::default(), diagnostics)?;
    let meaning = |(name, _): &(String, Span)| meaning_of(name, columns, catalog);
    let mut meanings: Vec<Option<Meaning>> = rows.header().iter().map(meaning).collect();
    if meanings.iter().all(Option::is_none) {
        meanings = meanings.iter().map(|_| Some(Meaning::Any)).collect();
    }
    for index in (0..meanings.len()).filter(|index| meanings[*index].is_some()) {
        rows.take(index);
    }
    let mut list = ExceptionList::default();
    while rows.advance(diagnostics) {
        let cells = (0..meanings.len()).map(|index| if meanings[index].is_some() { rows.cell(index).0 } else { "" });
        list.add(rows.row_span(), cells, Some(&meanings));
    }
    Some(list)
}

impl ExceptionList {
    /// Adds a row as an entry; one without text is none. Without a header each cell may name anything.
    fn add<'a>(
        &mut self,
        place: Span,
        cells: impl Iterator<Item = &'a str> + Clone,
        header: Option<&[Option<Meaning>]>,
    ) {
        let cells = cells.map(str::trim);
        let shown: Vec<&str> = cells.clone().filter(|cell| !cell.is_empty()).collect();
        if shown.is_empty() {
            return;
        }
        let mut entry = ExceptionEntry { place, text: shown.join(", "), target: Vec::new(), is_met: false };
        let number = self.entries.len();
        for (index, cell) in cells.enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let meaning = match header {
                Some(meanings) => meanings.get(index).and_then(Option::as_ref),
                None => Some(&Meaning::Any),
            };
            match meaning {
                Some(Meaning::Target(column)) => entry.target.push((column.clone(), comparable(cell))),
                Some(Meaning::Any) => {
                    for text in texts_of(cell) {
                        self.by_text.entry(text).or_default().push(number);
                    }
                }
                None => {}
            }
        }
        for pair in &entry.target {
            self.by_column.entry(pair.clone()).or_default().push(number);
        }
        self.entries.push(entry);
    }
}

/// What a column's name says, be it one of a target's parameters, or a column that gives one in the list of actions.
fn meaning_of(name: &str, columns: &[(String, String)], catalog: &Catalog) -> Option<Meaning> {
    let name = name.trim();
    let mapped = columns.iter().find(|(_, column)| column == name).map(|(field, _)| field.as_str());
    let name = bare(mapped.unwrap_or(name));
    let is_target = |operation: &Operation, targets: &[String]| {
        let named = operation.parameters.iter().filter(|parameter| targets.contains(&parameter.name));
        named
            .flat_map(|parameter| std::iter::once(&parameter.name).chain(&parameter.aliases))
            .any(|other| bare(other) == name)
    };
    let mut operations = catalog.iter().flat_map(|provider| provider.actions());
    // A serial number is compared with the certificate's, wherever a plan has it.
    if IDENTIFYING.contains(&name.as_str()) {
        Some(Meaning::Any)
    } else if operations.any(|(operation, rules)| is_target(operation, &rules.target.parameters)) {
        Some(Meaning::Target(name))
    } else {
        None
    }
}

/// What a cell may stand for: the whole of it, and each of several names.
fn texts_of(cell: &str) -> Vec<String> {
    let mut texts = vec![comparable(cell)];
    // What may be decimal stays for both of its numbers: to hold back too much harms nobody.
    if let Err(SerialNumberError::DigitsAlone(_)) = SerialNumber::parse(cell) {
        let decimal = SerialNumber::parse_in(cell, SerialNotation::Decimal);
        texts.extend(decimal.ok().map(|serial| serial.to_string()));
    }
    let names = cell.split(|letter: char| letter.is_whitespace() || letter == ',' || letter == ';');
    let names = names.filter(|name| name.contains('.') && name.len() < cell.len());
    texts.extend(names.map(comparable));
    texts
}

/// A text as it is compared: a serial number as the number that it is, anything else as a host's name, without its last dot.
fn comparable(text: &str) -> String {
    match SerialNumber::parse_in(text, SerialNotation::Hexadecimal) {
        Ok(serial) => serial.to_string(),
        Err(_) => names::comparable(text.trim().trim_end_matches('.')),
    }
}

fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let count = |delimiter: u8| first.bytes().filter(|byte| *byte == delimiter).count();
    [b'\t', b';'].into_iter().find(|delimiter| count(*delimiter) > count(b',')).unwrap_or(b',')
}

/// Names of columns that say which certificate or action a row is about, without case and marks.
const IDENTIFYING: [&str; 25] = [
    "id",
    "actionid",
    "target",
    "serial",
    "serialnumber",
    "serialno",
    "certificateserial",
    "certificateserialnumber",
    "name",
    "names",
    "namevalue",
    "commonname",
    "cn",
    "subjectcn",
    "dnsname",
    "dnsnames",
    "san",
    "sans",
    "subjectalternativename",
    "subjectalternativenames",
    "domain",
    "domains",
    "host",
    "hostname",
    "fqdn",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_written_in_several_ways() {
        for (text, expected) in [
            ("0A:B8:0f", "0ab80f"),
            ("serial=0AB80F", "0ab80f"),
            ("0x0ab80f", "0ab80f"),
            ("00 0a b8 0f", "0ab80f"),
            ("AB80F", "0ab80f"),
            ("112358", "112358"),
            (" Shop.Example.com. ", "shop.example.com"),
            ("*.example.com", "*.example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("My order 7", "my order 7"),
            ("1/7", "1/7"),
        ] {
            assert_eq!(comparable(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_are_read_with_a_header_or_without_in_one_column_or_several() {
        let source = SourceMap::default().add_text("hold", None, "".into());
        let catalog = Catalog::default();
        for (text, expected) in [
            ("112358\n\n0a:b8\r\n# a comment\nshop.example.com", vec!["112358", "0a:b8", "shop.example.com"]),
            ("Serial Number\n0a:b8\n", vec!["0a:b8"]),
            ("Note;Serial\nkeep;0a:b8\n", vec!["keep, 0a:b8"]),
            ("0a:b8,court order\n", vec!["0a:b8, court order"]),
            ("common_name\tSANs\na.example\t\"a.example, b.example\"\n", vec!["a.example, a.example, b.example"]),
            ("sep=;\r\nNote;Serial\r\nkeep;0a:b8\r\n", vec!["keep, 0a:b8"]),
            ("", vec![]),
            ("id\n", vec![]),
        ] {
            let list = parse(text, source, &[], &catalog).unwrap_or_else(|(line, why)| panic!("{line}: {why}"));
            let read: Vec<&str> = list.entries.iter().map(|entry| entry.text.as_str()).collect();
            assert_eq!(read, expected, "{text}");
        }
    }
}
