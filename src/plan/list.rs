//! A list's rows, whatever it is written in: CSV or JSON, as its first bytes tell. What is neither is named. Reads JSON; knows no field's
//! meaning.
//!
//! A JSON list is an array of flat objects, as crt.sh answers and inventories export. One object at a time: an array of any length is never
//! held in memory. `serde_json` reads each object; where an object ends and where a value stands is found here, for it tells neither in an
//! array that is read piece by piece.

use super::csv::{CsvReader, ListLayout, MAX_COLUMNS, unreadable};
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, SourceMap, Span, file, safe};
use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader, Bytes, Read};

/// A list that is being read.
pub enum ListReader {
    /// Lines of cells.
    Csv(Box<CsvReader>),
    /// An array of objects.
    Json(Box<JsonReader>),
}

/// A JSON array that is being read. Its columns are the names of all members of its objects.
pub struct JsonReader {
    objects: Objects,
    header: Vec<(String, Span)>,
    positions: HashMap<String, usize>,
    /// For each column the present object's value.
    cells: Vec<JsonCell>,
    row: Span,
    /// For each column whether an action or a report takes it; others may hold anything.
    taken: Vec<bool>,
}

/// A value, its text the one of the row before where it is absent.
struct JsonCell {
    text: String,
    span: Span,
    is_flat: bool,
}

/// The objects of an array, each as it is written.
struct Objects {
    bytes: Bytes<BufReader<Box<dyn Read>>>,
    /// The place of the next byte.
    place: Span,
    /// The present object.
    raw: Vec<u8>,
    state: ArrayState,
}

/// What may follow in the array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ArrayState {
    Begin,
    FirstOrEnd,
    CommaOrEnd,
    Object,
    End,
}

/// A member of an object.
struct Member<'t> {
    name: Cow<'t, str>,
    name_span: Span,
    /// Its text, numbers, lists and objects as they are written; empty for `null`.
    value: Cow<'t, str>,
    /// Whether it is neither a list nor an object.
    is_flat: bool,
    span: Span,
}

/// A text that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// The members of an object in their order, doubled ones too, which a map would lose.
struct Pairs;

impl ListReader {
    /// Reads the names of the columns. `None` where the list cannot be used; the findings tell the user why.
    pub fn open(
        sources: &SourceMap,
        source: SourceId,
        layout: ListLayout,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        let mut head = Vec::new();
        let opened = sources.open(source).and_then(|bytes| bytes.take(HEAD).read_to_end(&mut head));
        // The whole is opened once more: what was read ahead cannot be put back.
        let bytes = match opened.and_then(|_| sources.open(source)) {
            Ok(bytes) => bytes,
            Err(error) => {
                let what = format!("the file cannot be read: {}", file::reason(&error));
                diagnostics.push(Diagnostic::error("unreadable-file", start, what));
                return None;
            }
        };
        if let Some((what, help)) = no_list(&head) {
            diagnostics.push(Diagnostic::error("not-a-list", start, format!("this is {what}, and no list")).help(help));
            return None;
        }
        if is_json(&head) {
            if layout != ListLayout::default() {
                let error =
                    Diagnostic::error("header-row", start, "a JSON list has neither a header nor numbered columns");
                diagnostics.push(error.help("name its members in `columns`, and drop `header_row`"));
                return None;
            }
            let open = || sources.open(source);
            return JsonReader::open(&open, source, diagnostics).map(|reader| Self::Json(Box::new(reader)));
        }
        CsvReader::open(bytes, source, layout, diagnostics).map(|reader| Self::Csv(Box::new(reader)))
    }

    /// The names of the columns, with their places.
    pub fn header(&self) -> &[(String, Span)] {
        match self {
            Self::Csv(reader) => reader.header(),
            Self::Json(reader) => reader.header(),
        }
    }

    /// The first lines, each split by itself, with their numbers; none where the list has no lines of cells.
    pub fn first_lines(&self) -> &[(u32, Vec<String>)] {
        match self {
            Self::Csv(reader) => reader.first_lines(),
            Self::Json(_) => &[],
        }
    }

    /// Says that a column is taken.
    pub fn take(&mut self, column: usize) {
        if let Self::Json(reader) = self {
            reader.take(column);
        }
    }

    /// Goes on to the next row that can be used; the defects of those before it become findings. `false` at the end.
    pub fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        match self {
            Self::Csv(reader) => reader.advance(diagnostics),
            Self::Json(reader) => reader.advance(diagnostics),
        }
    }

    /// A cell of the present row, with its place.
    pub fn cell(&self, index: usize) -> (&str, Span) {
        match self {
            Self::Csv(reader) => reader.cell(index),
            Self::Json(reader) => reader.cell(index),
        }
    }

    /// Where the present row begins.
    pub fn row_span(&self) -> Span {
        match self {
            Self::Csv(reader) => reader.row_span(),
            Self::Json(reader) => reader.row_span(),
        }
    }
}

impl JsonReader {
    /// Reads the names of all members; `open` begins the text anew. `None` where the list cannot be used; the findings tell the user why.
    fn open(
        open: &dyn Fn() -> io::Result<Box<dyn Read>>,
        source: SourceId,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        // Twice: a member may be absent in the first objects, and what it is must be known before any action is made.
        let (names, rows) = match (open(), open()) {
            (Ok(names), Ok(rows)) => (names, rows),
            (Err(error), _) | (_, Err(error)) => {
                diagnostics.push(unreadable(start, &error));
                return None;
            }
        };
        let mut names = Objects::new(names, start);
        let mut header: Vec<(String, Span)> = Vec::new();
        let mut positions = HashMap::new();
        let mut objects: u64 = 0;
        loop {
            let members = match names.next() {
                Ok(Some((raw, row))) => {
                    let read = members(raw, row);
                    objects += 1;
                    read
                }
                Ok(None) => break,
                Err(defect) => Err(defect),
            };
            match members {
                Ok(members) => {
                    for Member { name, name_span, .. } in members {
                        if !positions.contains_key(&*name) {
                            positions.insert(name.to_string(), header.len());
                            header.push((name.into_owned(), name_span));
                        }
                    }
                }
                Err(defect) => {
                    diagnostics.push(defect);
                    return None;
                }
            }
            if header.len() > MAX_COLUMNS {
                let what = format!("the objects of this list have more than {MAX_COLUMNS} members in all");
                let error = Diagnostic::error("csv-header", start, what);
                diagnostics.push(error.help("is this a list, with one action an object?"));
                return None;
            }
        }
        if objects == 0 {
            let error = Diagnostic::error("no-actions", start, "this list is empty");
            diagnostics.push(error.help("it must have an object for each action"));
            return None;
        }
        let cells =
            header.iter().map(|(_, span)| JsonCell { text: String::new(), span: *span, is_flat: true }).collect();
        let taken = vec![false; header.len()];
        Some(Self { objects: Objects::new(rows, start), header, positions, cells, row: start, taken })
    }

    /// The names of the members, with the places where each stands first.
    fn header(&self) -> &[(String, Span)] {
        &self.header
    }

    /// Says that a column is taken: it must hold single values.
    fn take(&mut self, column: usize) {
        self.taken[column] = true;
    }

    /// Goes on to the next object that can be used; the defects of those before it become findings. `false` at the end.
    fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        loop {
            let read = match self.objects.next() {
                Ok(Some((raw, row))) => {
                    self.row = row;
                    for cell in &mut self.cells {
                        cell.text.clear();
                        cell.span = row;
                        cell.is_flat = true;
                    }
                    members(raw, row)
                }
                Ok(None) => return false,
                Err(defect) => {
                    diagnostics.push(defect);
                    return false;
                }
            };
            let mut is_usable = true;
            match read {
                Ok(members) => {
                    for Member { name, value, is_flat, span, .. } in members {
                        // A file that changed since its names were read has lost its columns.
                        let Some(index) = self.positions.get(&*name).copied() else { continue };
                        let cell = &mut self.cells[index];
                        cell.span = span;
                        cell.text.push_str(&value);
                        cell.is_flat = is_flat;
                        if self.taken[index] && !cell.is_flat {
                            let what =
                                format!("`{}` is a list or an object, not a single value", safe::terminal(&name));
                            let error = Diagnostic::error("json-nested", span, what);
                            diagnostics.push(error.help("make the objects flat, with `jq` for one"));
                            is_usable = false;
                        }
                    }
                }
                Err(defect) => {
                    diagnostics.push(defect);
                    is_usable = false;
                }
            }
            if is_usable {
                return true;
            }
        }
    }

    /// A value of the present object, with its place.
    fn cell(&self, index: usize) -> (&str, Span) {
        self.cells.get(index).map_or(("", self.row), |cell| (cell.text.as_str(), cell.span))
    }

    /// Where the present object begins.
    fn row_span(&self) -> Span {
        self.row
    }
}

impl Objects {
    fn new(bytes: Box<dyn Read>, place: Span) -> Self {
        Self { bytes: BufReader::new(bytes).bytes(), place, raw: Vec::new(), state: ArrayState::Begin }
    }

    /// The next object and its place. `None` at the end. Nothing follows an error.
    fn next(&mut self) -> Result<Option<(&[u8], Span)>, Diagnostic> {
        loop {
            let here = self.place;
            let Some(byte) = self.read()? else {
                return match std::mem::replace(&mut self.state, ArrayState::End) {
                    ArrayState::End => Ok(None),
                    _ => Err(self.cut(here)),
                };
            };
            self.state = match (self.state, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') => continue,
                (ArrayState::Begin, b'[') => ArrayState::FirstOrEnd,
                (ArrayState::FirstOrEnd | ArrayState::CommaOrEnd, b']') => ArrayState::End,
                (ArrayState::CommaOrEnd, b',') => ArrayState::Object,
                (ArrayState::FirstOrEnd | ArrayState::Object, b'{') => {
                    self.state = ArrayState::CommaOrEnd;
                    self.read_object(here)?;
                    return Ok(Some((&self.raw, here)));
                }
                _ => {
                    self.state = ArrayState::End;
                    self.bytes = BufReader::new(Box::new(io::empty()) as Box<dyn Read>).bytes();
                    let error = Diagnostic::error("json-syntax", here, "this is no list of objects");
                    return Err(error.help(
                        "a JSON list is `[{\"name\": value, …}, …]`; `jq -s . LIST >NEW` makes one of JSON lines",
                    ));
                }
            };
        }
    }

    /// Reads on to the brace that closes an object.
    fn read_object(&mut self, begin: Span) -> Result<(), Diagnostic> {
        self.raw.clear();
        self.raw.push(b'{');
        let (mut depth, mut in_text, mut escaped) = (1, false, false);
        while depth > 0 {
            let Some(byte) = self.read()? else {
                self.state = ArrayState::End;
                return Err(self.cut(begin));
            };
            self.raw.push(byte);
            if self.raw.len() > MAX_OBJECT {
                self.state = ArrayState::End;
                self.bytes = BufReader::new(Box::new(io::empty()) as Box<dyn Read>).bytes();
                return Err(Diagnostic::error("json-length", begin, "this object is longer than 1 MiB"));
            }
            match byte {
                _ if std::mem::take(&mut escaped) => {}
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' if !in_text => depth += 1,
                b'}' if !in_text => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<u8>, Diagnostic> {
        let byte = self.bytes.next().transpose().map_err(|error| {
            self.state = ArrayState::End;
            unreadable(self.place, &error)
        })?;
        if let Some(byte) = byte {
            self.place = after(self.place, &[byte]);
        }
        Ok(byte)
    }

    fn cut(&self, place: Span) -> Diagnostic {
        Diagnostic::error("json-syntax", place, "this list ends before its `]`")
            .help("was the file cut off? get it again")
    }
}

impl<'t> Visitor<'t> for Pairs {
    type Value = Vec<(&'t RawValue, &'t RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
            if pairs.len() > MAX_COLUMNS {
                return Err(M::Error::custom("an object with so many members"));
            }
        }
        Ok(pairs)
    }
}

/// Whether a text is a JSON array of objects, or an object. No CSV header begins so.
pub(super) fn is_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let inner = text.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    text.starts_with(b"{") || inner.is_some_and(|inner| matches!(inner.first(), None | Some(b'{' | b']')))
}

/// What a file is that people take for a list, and how it becomes one.
fn no_list(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = head.trim_ascii_start();
    let found =
        MARKS.iter().find(|(mark, ..)| text.len() >= mark.len() && text[..mark.len()].eq_ignore_ascii_case(mark));
    if let Some((_, what, help)) = found {
        return Some((what, help));
    }
    // ASCII in UTF-16 has a NUL beside each letter.
    let pairs = || head.chunks_exact(2).take(32);
    let is_little = pairs().len() > 1 && pairs().all(|pair| pair[0] != 0 && pair[1] == 0);
    let is_big = pairs().len() > 1 && pairs().all(|pair| pair[0] == 0 && pair[1] != 0);
    match (is_little, is_big) {
        (true, _) => {
            Some(("UTF-16 without a byte order mark", "`iconv -f utf-16le -t utf-8 LIST >NEW`, or save it as UTF-8"))
        }
        (_, true) => {
            Some(("UTF-16 without a byte order mark", "`iconv -f utf-16be -t utf-8 LIST >NEW`, or save it as UTF-8"))
        }
        _ if head.contains(&0) && std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some()) => {
            Some(("binary data", "is it the right file?"))
        }
        _ => None,
    }
}

/// Reads an object that begins at `begin`.
fn members(raw: &[u8], begin: Span) -> Result<Vec<Member<'_>>, Diagnostic> {
    let wrong = |column: Span, what: String| Diagnostic::error("json-syntax", column, what);
    let text = std::str::from_utf8(raw).map_err(|error| {
        let place = after(begin, &raw[..error.valid_up_to()]);
        Diagnostic::error("encoding", place, "this byte is not UTF-8 text").help("save the file as UTF-8")
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let pairs = deserializer.deserialize_map(Pairs).map_err(|error| {
        // Its line and column count bytes from the object's beginning.
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let at = (lines + error.column().saturating_sub(1)).min(raw.len());
        wrong(after(begin, &raw[..at]), format!("this is not JSON: {}", what_of(&error)))
    })?;
    // Names and values are slices of the text, in its order, so their places follow from where they lie in it.
    let (mut at, mut here) = (0, begin);
    let mut place = |part: &str| {
        let begin = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).clamp(at, raw.len());
        here = after(here, &raw[at..begin]);
        at = begin;
        let length = if part.contains('\n') { 1 } else { u32::try_from(part.chars().count()).unwrap_or(u32::MAX) };
        Span { length, ..here }
    };
    let mut members: Vec<Member<'_>> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let raw_value = value.get();
        let name_span = place(name.get());
        let span = place(value.get());
        let (Ok(name), Ok(value)) = (text_of(name), value_of(value)) else {
            return Err(wrong(span, "this is not JSON".to_owned()));
        };
        if members.iter().any(|other| other.name == name) {
            return Err(wrong(name_span, format!("the member `{}` stands here a second time", safe::terminal(&name))));
        }
        if value.contains('\0') {
            return Err(Diagnostic::error("encoding", span, "this value holds a NUL character"));
        }
        let is_flat = !raw_value.starts_with(['{', '[']);
        members.push(Member { name, name_span, value, is_flat, span });
    }
    Ok(members)
}

fn text_of(raw: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    serde_json::from_str::<Text<'_>>(raw.get()).map(|text| text.0)
}

fn value_of(raw: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.get().as_bytes().first() {
        Some(b'"') => text_of(raw),
        Some(b'n') => Ok(Cow::Borrowed("")),
        _ => Ok(Cow::Borrowed(raw.get())),
    }
}

/// serde_json's words without its own line and column.
fn what_of(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The place behind these bytes.
fn after(mut place: Span, bytes: &[u8]) -> Span {
    for byte in bytes {
        if *byte == b'\n' {
            place.line = place.line.saturating_add(1);
            place.column = 1;
        } else if byte & 0xc0 != 0x80 {
            place.column = place.column.saturating_add(1);
        }
    }
    place
}

/// What other files begin with, what they are, and what to do.
const MARKS: [(&[u8], &str, &str); 14] = [
    (b"\x1f\x8b", "compressed twice (gzip)", "`gunzip` it once"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (XLSX)", AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (XLS)", AS_CSV),
    (b"%PDF", "a PDF", AS_CSV),
    (b"\xff\xfe\0\0", "UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32", "save it as UTF-8"),
    (b"BZh", "compressed (bzip2)", "`bunzip2` it; gzip is read as it is"),
    (b"\xfd7zXZ", "compressed (xz)", "`unxz` it; gzip is read as it is"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "`unzstd` it; gzip is read as it is"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", AS_CSV),
    (
        b"-----BEGIN ",
        "a PEM file",
        "a list has a row for each action; a certificate's file goes into a cell, or into `certificate`",
    ),
    (b"<!doctype", "a web page", "was it a log-in or an error page that was saved? download the list again"),
    (b"<html", "a web page", "was it a log-in or an error page that was saved? download the list again"),
    (b"<?xml", "XML", AS_CSV),
];
const AS_CSV: &str = "save the table in it as \"CSV UTF-8\"";
/// Bytes that tell what a file is.
const HEAD: u64 = 4096;
/// Bytes of an object.
const MAX_OBJECT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_named() {
        for (head, expected) in [
            (&b"PK\x03\x04\x14\0"[..], "Excel workbook"),
            (b"<!DOCTYPE html><title>Sign in", "web page"),
            (b"\n<HTML>", "web page"),
            (b"-----BEGIN CERTIFICATE-----\n", "PEM"),
            (b"a\0,\0b\0\n\0", "UTF-16 without"),
            (b"\0a\0,\0b", "UTF-16 without"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
            (b"\x7fELF\x02\x01\0\0\xf8\xf9", "binary"),
        ] {
            assert!(no_list(head).is_some_and(|(what, _)| what.contains(expected)), "{expected}");
        }
        for head in [&b"a,b\n1,2"[..], b"0362aa\n", b"sep=;\n", b"a,b\n1,\0\n", b"", b"a"] {
            assert_eq!(no_list(head), None, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn json_is_told_from_a_header() {
        for (head, expected) in [
            ("[{\"a\"", true),
            (" [\n {", true),
            ("[]", true),
            ("{\"a\": 1}", true),
            ("[id],b", false),
            ("a,{b", false),
        ] {
            assert_eq!(is_json(head.as_bytes()), expected, "{head}");
        }
    }

    fn rows(text: &str) -> (Vec<String>, Vec<String>) {
        let mut sources = SourceMap::default();
        let source = sources.add_text("l.json", None, text.into());
        let mut diagnostics = Diagnostics::default();
        let mut rows = Vec::new();
        if let Some(mut reader) = JsonReader::open(&|| sources.open(source), source, &mut diagnostics) {
            reader.take(0);
            while reader.advance(&mut diagnostics) {
                let cells = (0..reader.header().len()).map(|index| {
                    let (text, span) = reader.cell(index);
                    format!("{}:{}={text}", span.line, span.column)
                });
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        let findings = diagnostics.sorted();
        let findings = findings.iter().map(|found| {
            let span = found.span.unwrap();
            format!("{}:{} {}", span.line, span.column, found.what)
        });
        (rows, findings.collect())
    }

    #[test]
    fn values_keep_their_text_and_place() {
        for (text, expected) in [
            (r#"[{"id": 11000000001, "name": "a\nb"}]"#, vec!["1:9=11000000001|1:30=a\nb"]),
            ("[\n {\"a\": \"0012\"},\n {\"b\": true, \"a\": null}\n]\n", vec!["2:8=0012|2:2=", "3:19=|3:8=true"]),
            (
                r#"[{"철": "}\"]", "b": 1.23E+35}, {"b": {"c": []}}]"#,
                vec!["1:8=}\"]|1:21=1.23E+35", "1:32=|1:38={\"c\": []}"],
            ),
        ] {
            assert_eq!(rows(text), (expected.into_iter().map(str::to_owned).collect(), vec![]), "{text}");
        }
    }

    #[test]
    fn defects_are_found_with_their_place() {
        for (text, expected) in [
            ("[]", "1:1 this list is empty"),
            ("[{\"a\": 1}", "1:10 this list ends before its `]`"),
            ("[{\"a\": 1},\n {\"a\": ", "2:2 this list ends before its `]`"),
            ("[{\"a\": 1} {\"a\": 2}]", "1:11 this is no list of objects"),
            ("[1, 2]", "1:2 this is no list of objects"),
            ("[{\"a\": 1}] x", "1:12 this is no list of objects"),
            ("[{\"a\": 01}]", "1:9 this is not JSON: invalid number"),
            ("[{\"a\": 1, \"a\": 2}]", "1:11 the member `a` stands here a second time"),
            ("[{\"a\": [1]}]", "1:8 `a` is a list or an object, not a single value"),
            ("[{\"a\": \"\\u0000\"}]", "1:8 this value holds a NUL character"),
        ] {
            assert_eq!(rows(text).1, [expected], "{text}");
        }
    }
}
