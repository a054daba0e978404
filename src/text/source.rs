//! Where text came from: sources, and spans in them that print as `file:line:column`.
//!
//! Owns the names and (for small sources) the texts of everything that was read. A large CSV is only named here: its
//! lines are read again from the file when an error has to show one. Never parses.

use super::file::{FileStamp, decode, open_regular};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names one source of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

/// A place in a source. Lines and columns count from 1; columns and `length` count characters, as editors show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The source that the place is in.
    pub source: SourceId,
    /// The line, from 1.
    pub line: u32,
    /// The column of the first character, from 1.
    pub column: u32,
    /// How many characters of that line are meant; 0 marks a point.
    pub length: u32,
}

/// Every source that was read in this process, in the order of reading.
#[derive(Debug, Default, Clone)]
pub struct SourceMap {
    sources: Vec<Source>,
    /// By path, absolute: what is read in its place.
    copies: HashMap<PathBuf, PathBuf>,
}

#[derive(Debug, Clone)]
struct Source {
    name: String,
    path: Option<PathBuf>,
    text: Option<Arc<str>>,
    /// What its file was before any of it was read, where it is read from the disk again.
    stamp: Option<FileStamp>,
}

impl SourceMap {
    /// One that has copies read in the place of other files, which are named by absolute paths.
    pub fn of_copies(copies: HashMap<PathBuf, PathBuf>) -> Self {
        Self { copies, ..Self::default() }
    }

    /// Where a file is read: where it is, or its copy.
    pub fn read_at(&self, path: PathBuf) -> PathBuf {
        if self.copies.is_empty() {
            return path;
        }
        let copy = std::path::absolute(&path).ok().and_then(|path| self.copies.get(&path));
        copy.cloned().unwrap_or(path)
    }

    /// Adds a source together with its text. `path` is where it was read from; `None` for standard input.
    pub fn add_text(&mut self, name: impl Into<String>, path: Option<PathBuf>, text: Arc<str>) -> SourceId {
        self.add(Source { name: name.into(), path, text: Some(text), stamp: None })
    }

    /// Adds a file without its text (a list of a million rows); [`SourceMap::lines`] reads its lines from the disk again.
    pub fn add_file(&mut self, name: impl Into<String>, path: PathBuf) -> SourceId {
        let stamp = FileStamp::at(&path);
        self.add(Source { name: name.into(), path: Some(path), text: None, stamp })
    }

    fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).expect("fewer than 2^32 sources are read"));
        self.sources.push(source);
        id
    }

    /// The names of the files that are no longer what they were before they were read: of one that somebody writes to, half a line may have been read.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        let is_changed =
            |source: &&Source| source.stamp.is_some() && source.stamp != source.path.as_deref().and_then(FileStamp::at);
        self.sources.iter().filter(is_changed).map(|source| source.name.as_str())
    }

    /// The name of a source as the user wrote it: a path, or `<stdin>`.
    pub fn name(&self, id: SourceId) -> &str {
        &self.source(id).name
    }

    /// The path of a source, where it has one.
    pub fn path(&self, id: SourceId) -> Option<&Path> {
        self.source(id).path.as_deref()
    }

    /// The text of a source that was added with it.
    pub fn text(&self, id: SourceId) -> Option<&Arc<str>> {
        self.source(id).text.as_ref()
    }

    /// The text of a source from its beginning, decoded ([`decode`]); a large file is read block by block.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub fn open(&self, id: SourceId) -> io::Result<Box<dyn Read>> {
        let source = self.source(id);
        match (&source.text, &source.path) {
            (Some(text), _) => decode(Box::new(Cursor::new(Arc::<[u8]>::from(Arc::clone(text))))),
            (None, Some(path)) => {
                let file = open_regular(path)?.ok_or_else(|| io::Error::other("it is no file any more"))?;
                decode(Box::new(BufReader::new(file)))
            }
            (None, None) => decode(Box::new(io::empty())),
        }
    }

    /// The directory that paths in this source are relative to: the file's own, or the working directory (empty path).
    pub fn directory(&self, id: SourceId) -> PathBuf {
        self.path(id).and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
    }

    /// `file:line:column`.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}:{}", self.name(span.source), span.line, span.column)
    }

    /// `file:line`.
    pub fn line_place(&self, span: Span) -> String {
        line_place(self.name(span.source), span.line)
    }

    /// The texts of many lines at once, each source read once; a line that the file no longer has is absent.
    pub fn lines(&self, wanted: &[(SourceId, u32)]) -> HashMap<(SourceId, u32), String> {
        let mut by_source: HashMap<SourceId, Vec<u32>> = HashMap::new();
        for (source, line) in wanted {
            by_source.entry(*source).or_default().push(*line);
        }
        let mut found = HashMap::new();
        for (id, mut lines) in by_source {
            lines.sort_unstable();
            lines.dedup();
            let Ok(text) = self.open(id) else { continue };
            let mut text = BufReader::new(text);
            let (mut line, mut next) = (0, 0);
            while next < lines.len() {
                line += 1;
                let Ok(Some(bytes)) = next_line(&mut text, lines[next] == line) else { break };
                if lines[next] == line {
                    found.insert((id, line), String::from_utf8_lossy(&bytes).into_owned());
                    next += 1;
                }
            }
        }
        found
    }

    fn source(&self, id: SourceId) -> &Source {
        &self.sources[id.0 as usize]
    }
}

/// The next line without its end (LF, CRLF or CR), as far as it is wanted and shown; the rest of it is passed over. `None` at the end.
fn next_line(text: &mut impl BufRead, is_wanted: bool) -> io::Result<Option<Vec<u8>>> {
    let (mut line, mut any) = (Vec::new(), false);
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any.then_some(line));
        }
        any = true;
        let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        if is_wanted {
            line.extend_from_slice(&piece[..piece.len().min(MAX_LINE - line.len())]);
        }
        let ends_with_cr = end.is_some_and(|end| buffer[end] == b'\r');
        let length = end.map_or(buffer.len(), |end| end + 1);
        text.consume(length);
        if ends_with_cr && text.fill_buf()?.first() == Some(&b'\n') {
            text.consume(1);
        }
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// Bytes of a line that are kept to be shown: there may be a thousand findings, each on a line of its own.
const MAX_LINE: usize = 1 << 16;

/// `name:line`, as actions without an id are called and reports say where an action stands.
pub fn line_place(name: &str, line: u32) -> String {
    // Made for every row of a list, where `format!` takes four times as long.
    [name, ":", &line.to_string()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_prints_as_file_line_column() {
        let mut sources = SourceMap::default();
        let id = sources.add_text("plan.yaml", Some("dir/plan.yaml".into()), "a\nb\nc".into());
        let span = Span { source: id, line: 2, column: 1, length: 1 };
        assert_eq!(sources.place(span), "plan.yaml:2:1");
        assert_eq!(sources.lines(&[(id, 2), (id, 9)])[&(id, 2)], "b");
        let ends = sources.add_text("ends", None, "\u{feff}a\r\n\rc\n\nd".into());
        let lines = sources.lines(&[1, 2, 3, 4, 5, 6].map(|line| (ends, line)));
        let lines: Vec<_> = (1..=6).map(|line| lines.get(&(ends, line)).map(String::as_str)).collect();
        assert_eq!(lines, [Some("a"), Some(""), Some("c"), Some(""), Some("d"), None]);
        assert_eq!(sources.directory(id), PathBuf::from("dir"));
        for (line, expected) in
            [(0, "plan.yaml:0"), (9, "plan.yaml:9"), (10, "plan.yaml:10"), (u32::MAX, "plan.yaml:4294967295")]
        {
            assert_eq!(sources.line_place(Span { line, ..span }), expected);
        }
    }
}
