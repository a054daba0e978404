//! Opening the plan and the files that it names: paths, formats, encodings. Reads files, writes none, parses nothing.

use super::checked::ReadFile;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, SourceMap, Span};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
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

/// A plan that is open.
pub(super) enum Opened {
    /// A YAML text.
    Yaml(SourceId, Arc<str>),
    /// A CSV list, to be read from its beginning.
    Csv(SourceId, Box<dyn Read>),
}

/// Opens the plan; YAML or CSV by its name's ending, else by its first line. `None` where it cannot be read.
pub(super) fn open_plan(
    input: &Input,
    sources: &mut SourceMap,
    files: &mut Vec<ReadFile>,
    diagnostics: &mut Diagnostics,
) -> Option<Opened> {
    match input {
        Input::Stdin(bytes) => {
            let (source, text) = keep_text("<stdin>", None, bytes.clone(), sources, diagnostics)?;
            files.push(ReadFile { name: "<stdin>".to_owned(), path: None, text: Some(text.clone()) });
            Some(by_content(source, text))
        }
        Input::Path(path) => {
            let name = path.display().to_string();
            let read = |path: &Path| File::open(path).and_then(refuse_directory);
            let mut file = match read(path) {
                Ok(file) => file,
                Err(error) => {
                    let what = format!("the plan {name} cannot be read: {}", reason(&error));
                    diagnostics.push(Diagnostic::error("unreadable-file", None, what));
                    return None;
                }
            };
            let format = PlanFormat::of(path);
            // A list may be larger than memory, so it is streamed; a YAML plan is read twice, and so whole.
            if format == Some(PlanFormat::Csv) {
                let source = sources.add_file(name.clone(), path.clone());
                files.push(ReadFile { name, path: Some(path.clone()), text: None });
                return Some(Opened::Csv(source, Box::new(BufReader::new(file))));
            }
            let mut bytes = Vec::new();
            if let Err(error) = file.read_to_end(&mut bytes) {
                let what = format!("the plan {name} cannot be read: {}", reason(&error));
                diagnostics.push(Diagnostic::error("unreadable-file", None, what));
                return None;
            }
            let (source, text) = keep_text(&name, Some(path), bytes, sources, diagnostics)?;
            files.push(ReadFile { name, path: Some(path.clone()), text: Some(text.clone()) });
            Some(if format.is_some() { Opened::Yaml(source, text) } else { by_content(source, text) })
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
    let bytes = match read_bytes(path, u64::MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            let what = format!("the settings file {name} cannot be read: {}", reason(&error));
            diagnostics.push(Diagnostic::error("unreadable-file", None, what));
            return None;
        }
    };
    let (source, text) = keep_text(&name, Some(path), bytes, sources, diagnostics)?;
    files.push(ReadFile { name, path: Some(path.to_path_buf()), text: Some(text.clone()) });
    Some((source, text))
}

/// Opens a CSV list that a plan names at `place`.
pub(super) fn open_list(path: &Path, place: Span, diagnostics: &mut Diagnostics) -> Option<Box<dyn Read>> {
    if PlanFormat::of(path) == Some(PlanFormat::Yaml) {
        let what = format!("{} is no CSV list", path.display());
        diagnostics.push(Diagnostic::error("not-a-list", place, what).help("`from` takes a CSV file"));
        return None;
    }
    match File::open(path).and_then(refuse_directory) {
        Ok(file) => Some(Box::new(BufReader::new(file))),
        Err(error) => {
            let what = format!("the file {} cannot be read: {}", path.display(), reason(&error));
            diagnostics.push(Diagnostic::error("unreadable-file", place, what));
            None
        }
    }
}

/// The text of a small file.
///
/// # Errors
/// The reason, as a sentence fragment.
pub(super) fn read_small(path: &Path, largest: u64) -> Result<String, String> {
    let bytes = read_bytes(path, largest).map_err(|error| reason(&error))?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// The bytes of a small file.
///
/// # Errors
/// The reason, as a sentence fragment.
pub(super) fn read_small_bytes(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    read_bytes(path, largest).map_err(|error| match error.kind() {
        // A plan from Windows; elsewhere the letter is a part of a name.
        io::ErrorKind::NotFound if !cfg!(windows) && path.to_string_lossy().contains('\\') => {
            "there is no such file; directories are separated by `/` here, not by `\\`".to_owned()
        }
        _ => reason(&error),
    })
}

/// A path that a file names, joined to the directory of that file: plans move together with the files that they name.
pub(super) fn resolve(sources: &SourceMap, place: Span, path: &str) -> PathBuf {
    sources.directory(place.source).join(path)
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

/// Decides by the first line with content: a CSV header is names and separators, and no YAML map begins with these.
fn by_content(source: SourceId, text: Arc<str>) -> Opened {
    let body = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let first = body.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    // An empty plan counts as YAML: that finding shows how a plan begins.
    let yaml = first.is_empty()
        || first.ends_with(':')
        || first.contains(": ")
        || first.contains(":\t")
        || first.starts_with(['{', '[', '-', '%', '&', '!']);
    if yaml { Opened::Yaml(source, text) } else { Opened::Csv(source, Box::new(Cursor::new(Arc::<[u8]>::from(text)))) }
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
            diagnostics.push(error.help("save the file as UTF-8"));
            None
        }
    }
}

fn read_bytes(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).and_then(refuse_directory)?.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    // Measured by reading, for pipes and devices have no length to ask for.
    if bytes.len() as u64 > largest {
        return Err(io::Error::other(format!("it is larger than {largest} bytes")));
    }
    Ok(bytes)
}

fn refuse_directory(file: File) -> io::Result<File> {
    // Linux opens a directory without an error, and only reading it fails.
    if file.metadata()?.is_dir() { Err(io::Error::other("it is a directory")) } else { Ok(file) }
}

/// An error of the file system as a sentence fragment.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
