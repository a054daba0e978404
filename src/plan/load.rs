//! Opening the plan and the files that it names: paths, formats, encodings. Reads files, writes none, parses nothing.

use crate::diag::{Diagnostic, Diagnostics};
use crate::text::file::{self, FileStamp, decode, open_regular, read_to_bound, reason, too_large};
use crate::text::{SourceId, SourceMap, Span};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a plan comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input, already read.
    Stdin(Vec<u8>),
}

impl Input {
    /// Bytes of standard input that are read.
    pub const MAX_STDIN: u64 = MAX_WHOLE;
}

/// A file that the plan named and the check read, for the run directory's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// As the user or the plan named it; `<stdin>` for standard input.
    pub name: String,
    /// Where it was read from; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Its text where it is in memory (standard input always is).
    pub text: Option<Arc<str>>,
    /// What the file was when it was read, where it is not in memory: the copy must be of what was checked.
    pub stamp: Option<FileStamp>,
    /// Whether it tells of certificates alone: what a campaign has replaced where they are served is no edit of the plan.
    pub holds_certificates: bool,
}

impl ReadFile {
    /// One whose text is in memory.
    pub(super) const fn of_text(name: String, path: Option<PathBuf>, text: Arc<str>) -> Self {
        Self { name, path, text: Some(text), stamp: None, holds_certificates: false }
    }

    /// One that is copied from where it is, as it is now.
    pub(super) fn on_disk(name: String, path: &Path, holds_certificates: bool) -> Self {
        let stamp = FileStamp::at(path);
        Self { name, path: Some(path.to_owned()), text: None, stamp, holds_certificates }
    }
}

/// A plan that is open.
pub(super) enum Opened {
    /// A YAML text.
    Yaml(SourceId, Arc<str>),
    /// A list.
    List(SourceId),
}

/// Opens the plan; YAML or CSV by its name's ending, else by its first line. `None` where it cannot be read.
pub(super) fn open_plan(
    input: &Input,
    sources: &mut SourceMap,
    files: &mut Vec<ReadFile>,
    diagnostics: &mut Diagnostics,
) -> Option<Opened> {
    let (name, path) = match input {
        Input::Stdin(_) => ("<stdin>".to_owned(), None),
        Input::Path(path) => (path.display().to_string(), Some(path)),
    };
    let format = path.and_then(|path| PlanFormat::of(path));
    let read = || -> io::Result<PlanText<'_>> {
        let bytes = match input {
            Input::Stdin(bytes) if bytes.len() as u64 > MAX_WHOLE => return Err(too_large(MAX_WHOLE)),
            Input::Stdin(bytes) => bytes.clone(),
            Input::Path(path) => match open_regular(path)? {
                Some(file) if is_list(format, Box::new(file.try_clone()?)) => return Ok(PlanText::OnDisk(path)),
                _ => file::read(path, MAX_WHOLE)?,
            },
        };
        // A list that came through a pipe: it cannot be read again from there.
        let head = bytes[..bytes.len().min(HEAD as usize)].to_vec();
        if is_list(format, Box::new(Cursor::new(head))) {
            read_to_bound(decode(Box::new(Cursor::new(bytes)))?, MAX_WHOLE).map(PlanText::List)
        } else {
            Ok(PlanText::Yaml(bytes))
        }
    };
    let (bytes, is_list) = match read() {
        Ok(PlanText::OnDisk(path)) => {
            let source = sources.add_file(name.clone(), path.clone());
            files.push(ReadFile::on_disk(name, path, false));
            return Some(Opened::List(source));
        }
        Ok(PlanText::List(bytes)) => (bytes, true),
        Ok(PlanText::Yaml(bytes)) => (bytes, false),
        Err(error) => {
            let what = format!("the plan {name} cannot be read: {}", reason(&error));
            diagnostics
                .push(Diagnostic::error("unreadable-file", None, what).help("`-` reads a plan from standard input"));
            return None;
        }
    };
    // What came through a pipe has no directory of its own, and is not there any more to be compared with.
    let path = path.filter(|path| path.is_file());
    let (source, text) = keep_text(&name, path.map(PathBuf::as_path), bytes, sources, diagnostics)?;
    files.push(ReadFile::of_text(name, path.cloned(), text.clone()));
    Some(if is_list { Opened::List(source) } else { Opened::Yaml(source, text) })
}

/// A plan's text, or where it is.
enum PlanText<'p> {
    /// A list, which may be larger than memory, and so is streamed.
    OnDisk(&'p PathBuf),
    List(Vec<u8>),
    /// A YAML plan is read twice, and so whole.
    Yaml(Vec<u8>),
}

/// Whether a plan is a list: by its name's ending, else by its first line.
fn is_list(format: Option<PlanFormat>, raw: Box<dyn Read>) -> bool {
    match format {
        Some(PlanFormat::Csv) => true,
        Some(PlanFormat::Yaml) => false,
        None => {
            let mut head = Vec::new();
            // What cannot be read further is found by whoever reads on.
            let _ = decode(raw).map(|text| text.take(HEAD).read_to_end(&mut head));
            begins_as_list(&String::from_utf8_lossy(&head))
        }
    }
}

/// Reads a YAML file such as the shared settings.
pub(super) fn open_yaml(
    path: &Path,
    sources: &mut SourceMap,
    files: &mut Vec<ReadFile>,
    diagnostics: &mut Diagnostics,
) -> Option<(SourceId, Arc<str>)> {
    let name = path.display().to_string();
    let bytes = match file::read(path, MAX_WHOLE) {
        Ok(bytes) => bytes,
        Err(error) => {
            let what = format!("the settings file {name} cannot be read: {}", reason(&error));
            diagnostics.push(Diagnostic::error("unreadable-file", None, what));
            return None;
        }
    };
    let (source, text) = keep_text(&name, Some(path), bytes, sources, diagnostics)?;
    files.push(ReadFile::of_text(name, Some(path.to_path_buf()), text.clone()));
    Some((source, text))
}

/// Adds a list that a plan names at `place` to the sources.
pub(super) fn open_list(
    path: &Path,
    place: Span,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<SourceId> {
    let name = path.display().to_string();
    if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        let what = format!("{name} is no list");
        diagnostics.push(Diagnostic::error("not-a-list", place, what).help("`from` takes a CSV file"));
        return None;
    }
    let opened = open_regular(path).and_then(|file| match file {
        Some(_) => Ok(sources.add_file(name.clone(), path.to_path_buf())),
        None => {
            let text = read_to_bound(decode(Box::new(File::open(path)?))?, MAX_WHOLE)?;
            // Wrong bytes are found by whoever reads the list; there is nowhere to read them from again.
            let text = String::from_utf8(text);
            let text = text.map_err(|_| io::Error::other(format!("it is not UTF-8 text; {AS_UTF8}")))?;
            Ok(sources.add_text(name.clone(), None, text.into()))
        }
    });
    match opened {
        Ok(source) => Some(source),
        Err(error) => {
            let what = format!("the file {name} cannot be read: {}", reason(&error));
            diagnostics.push(Diagnostic::error("unreadable-file", place, what));
            None
        }
    }
}

/// The text of a small file; gzip and UTF-16 are undone.
///
/// # Errors
/// The reason, as a sentence fragment.
pub(super) fn read_small(path: &Path, largest: u64) -> Result<String, String> {
    let bytes = file::read(path, largest).map_err(|error| reason(&error))?;
    let decoded = decode(Box::new(Cursor::new(bytes))).and_then(|text| read_to_bound(text, largest));
    let bytes = decoded.map_err(|error| reason(&error))?;
    String::from_utf8(bytes).map_err(|_| format!("it is not UTF-8 text; {AS_UTF8}"))
}

/// The bytes of a small file.
///
/// # Errors
/// The reason, as a sentence fragment.
pub(super) fn read_small_bytes(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    file::read(path, largest).map_err(|error| match error.kind() {
        // A plan from Windows; elsewhere the letter is a part of a name.
        io::ErrorKind::NotFound if !cfg!(windows) && path.to_string_lossy().contains('\\') => {
            "there is no such file; directories are separated by `/` here, not by `\\`".to_owned()
        }
        _ => reason(&error),
    })
}

/// A path that a file names, joined to the directory of that file: plans move together with the files that they name. Of a run that goes on
/// the copies are read.
pub(super) fn resolve(sources: &SourceMap, place: Span, path: &str) -> PathBuf {
    sources.read_at(sources.directory(place.source).join(path))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlanFormat {
    Yaml,
    Csv,
}

impl PlanFormat {
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "yaml" | "yml" | "json" => Some(Self::Yaml),
            "csv" | "tsv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Decides by the first line with content: a CSV header is names and separators, and no YAML map begins with these. A JSON list is one
/// as well; an empty plan counts as YAML, for that finding shows how a plan begins.
fn begins_as_list(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let is_yaml = first.is_empty()
        || first.ends_with(':')
        || first.contains(": ")
        || first.contains(":\t")
        || first.starts_with(['{', '[', '-', '%', '&', '!']);
    !is_yaml
}

fn keep_text(
    name: &str,
    path: Option<&Path>,
    bytes: Vec<u8>,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<(SourceId, Arc<str>)> {
    let path = path.map(Path::to_path_buf);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        // Without its text, of which a finding could show nothing readable.
        let source = sources.add_text(name, path, "".into());
        let place = Span { source, line: 1, column: 1, length: 1 };
        diagnostics.push(Diagnostic::error("encoding", place, "this file is UTF-16").help("save it as UTF-8"));
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text: Arc<str> = text.into();
            Some((sources.add_text(name, path, text.clone()), text))
        }
        Err(error) => {
            // The view shows the line of a finding, so the text is stored with the wrong bytes replaced.
            let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let source = sources.add_text(name, path, String::from_utf8_lossy(error.as_bytes()).into());
            let place = Span { source, line: number(line), column: number(column), length: 1 };
            let error = Diagnostic::error("encoding", place, "this byte is not UTF-8 text");
            diagnostics.push(error.help(AS_UTF8));
            None
        }
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The way out of other encodings.
pub(super) const AS_UTF8: &str =
    "in Excel, save it as \"CSV UTF-8\"; elsewhere `iconv -f cp1252 -t utf-8 FILE >NEW`, with the encoding that it has";
/// Bytes of a plan, and of whatever else is read whole: a list that comes through a pipe, keys that are known to be compromised.
pub(super) const MAX_WHOLE: u64 = 256 << 20;
/// Bytes in which the first line of a plan is searched.
const HEAD: u64 = 1 << 16;
