//! The copies of a plan's files and of its provider documents in its run directory, and whether the files have changed since. Reads and writes
//! files; knows no plan, and reads no document. Private keys never come into a copy.

use super::JournalError;
use super::files::private_file;
use crate::pki::{Certificate, pem};
use crate::plan::{MAX_BUNDLE, ReadFile};
use crate::provider::Provider;
use crate::provider::catalog::MAX_DOCUMENT_BYTES;
use crate::text::file::{self, open_regular, read_text};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A file that a run began with and that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The file.
    pub path: PathBuf,
    /// The first line that differs.
    pub line: u64,
}

/// What the index of the copies says about one.
#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    /// The copy's file name.
    copy: String,
    /// As the user or the plan named the file.
    name: String,
    /// Where it was, absolute; `None` for standard input.
    path: Option<PathBuf>,
    /// Whether it holds certificates; the index of former versions does not say so.
    #[serde(default)]
    certificates: bool,
}

/// The copies of a run's files, to be looked for by where they were.
#[derive(Debug)]
pub struct Inputs {
    directory: PathBuf,
    /// By path; read when it is first needed, which is seldom.
    copies: OnceCell<HashMap<PathBuf, String>>,
}

impl Inputs {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, copies: OnceCell::new() }
    }

    /// The files with certificates, by where they were, each with its copy.
    pub fn certificates(&self) -> HashMap<PathBuf, PathBuf> {
        let index = index(&self.directory).unwrap_or_default().into_iter().filter(|copied| copied.certificates);
        index.filter_map(|Copied { copy, path, .. }| Some((path?, self.directory.join(copy)))).collect()
    }

    /// Where a file is found as the run began with it: there where it was, or its copy once it is another one.
    pub fn as_begun(&self, path: &Path) -> PathBuf {
        let Some(copy) = self.copy_of(path) else { return path.to_owned() };
        let is_same = difference(path, &copy).is_some_and(|line| matches!(line, Ok(None)));
        if is_same { path.to_owned() } else { std::path::absolute(&copy).unwrap_or(copy) }
    }

    /// The copy of the file that was there, where one was made.
    pub fn copy_of(&self, path: &Path) -> Option<PathBuf> {
        let copies = self.copies.get_or_init(|| {
            let index = index(&self.directory).unwrap_or_default();
            index.into_iter().filter_map(|Copied { copy, path, .. }| Some((path?, copy))).collect()
        });
        Some(self.directory.join(copies.get(path)?))
    }
}

/// Copies the files into `directory`, with an index of them. All is synced but the directory itself.
pub(super) fn copy(directory: &Path, files: &[ReadFile]) -> Result<(), JournalError> {
    let mut index = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let base = file.path.as_deref().and_then(Path::file_name).map_or("stdin".into(), |name| name.to_string_lossy());
        let copy = format!("{number}-{base}");
        write(&directory.join(&copy), |to| match (&file.text, &file.path) {
            (Some(text), _) => to.write_all(text.as_bytes()),
            (None, Some(from)) if file.holds_certificates => to.write_all(&without_private_keys(from)?),
            (None, Some(from)) => io::copy(&mut File::open(from)?, to).map(drop),
            (None, None) => Ok(()),
        })?;
        let path = file.path.as_deref().and_then(|path| std::path::absolute(path).ok());
        index.push(Copied { copy, name: file.name.clone(), path, certificates: file.holds_certificates });
    }
    write(&directory.join(INDEX), |to| serde_json::to_writer_pretty(to, &index).map_err(io::Error::from))
}

/// A file with certificates as it may be copied: where a private key stands beside them, they alone.
fn without_private_keys(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = Zeroizing::new(file::read(path, MAX_BUNDLE)?);
    if !pem::holds_private_key(&bytes) {
        return Ok(bytes.to_vec());
    }
    let all = Certificate::parse_all(&bytes).map_err(|why| io::Error::other(why.to_string()))?;
    Ok(all.iter().map(|certificate| pem::encode("CERTIFICATE", &certificate.der)).collect::<String>().into_bytes())
}

/// Copies provider documents into `directory`, each by its id. All is synced but the directory itself.
pub(super) fn copy_documents(directory: &Path, providers: &[Arc<Provider>]) -> Result<(), JournalError> {
    providers.iter().try_for_each(|provider| {
        write(&document_path(directory, &provider.id), |to| to.write_all(provider.text.as_bytes()))
    })
}

/// The copy of a provider document. `None` where there is none (runs of former versions have none), or another text than the one of this
/// SHA-256, in lower-case hexadecimal.
pub(super) fn document(directory: &Path, id: &str, digest: &str) -> Option<Arc<str>> {
    let text = read_text(&document_path(directory, id), MAX_DOCUMENT_BYTES).ok()?;
    (hex::encode(Sha256::digest(&text)) == digest).then(|| text.into())
}

fn document_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.yaml"))
}

/// The files below `directory`'s index that are there and no longer what was copied. A file that is gone, or no file any more, has not
/// changed: the copies are all that a run needs. Nor has one with certificates: to replace these where they are served is what a campaign is
/// for, and nobody edits a plan by it.
pub(super) fn changed(directory: &Path) -> Result<Vec<Changed>, JournalError> {
    let mut changed = Vec::new();
    for Copied { copy, path, .. } in index(directory)?.into_iter().filter(|copied| !copied.certificates) {
        let Some(path) = path else { continue };
        let Some(line) = difference(&path, &directory.join(copy)) else { continue };
        if let Some(line) = line.map_err(JournalError::file(&path, "comparing with its copy"))? {
            changed.push(Changed { path, line });
        }
    }
    Ok(changed)
}

fn index(directory: &Path) -> Result<Vec<Copied>, JournalError> {
    let path = directory.join(INDEX);
    let file = File::open(&path).map_err(JournalError::file(&path, "reading"))?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|error| JournalError::Unreadable { path, what: error.to_string() })
}

/// The first line in which a file differs from its copy, from 1. `None` where either is gone, or no file any more.
fn difference(path: &Path, copy: &Path) -> Option<io::Result<Option<u64>>> {
    let (Ok(Some(now)), Ok(then)) = (open_regular(path), File::open(copy)) else { return None };
    Some(first_difference(BufReader::with_capacity(BLOCK, then), BufReader::with_capacity(BLOCK, now)))
}

/// The first line in which two texts differ, from 1.
fn first_difference(mut one: impl BufRead, mut other: impl BufRead) -> io::Result<Option<u64>> {
    let mut line = 1;
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 {
            return Ok((left.len() != right.len()).then_some(line));
        }
        let (left, right) = (&left[..length], &right[..length]);
        // Lines are looked at only where a block differs: a plan may have a million of them.
        let same = if left == right { length } else { left.iter().zip(right).take_while(|(a, b)| a == b).count() };
        line += left[..same].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        if same < length {
            return Ok(Some(line));
        }
        one.consume(length);
        other.consume(length);
    }
}

fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), JournalError> {
    let attempt = || -> io::Result<()> {
        let mut file = private_file(path)?;
        fill(&mut file)?;
        file.sync_all()
    };
    attempt().map_err(JournalError::file(path, "copying an input"))
}

/// Files are compared by so many bytes.
const BLOCK: usize = 128 * 1024;
const INDEX: &str = "index.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        for (one, other, expected) in [
            ("", "", None),
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some(2)),
            ("a\nb\n", "a\nb\nc\n", Some(3)),
            ("a\n", "a", Some(1)),
            ("a\n", "", Some(1)),
        ] {
            assert_eq!(first_difference(one.as_bytes(), other.as_bytes()).unwrap(), expected, "{one:?} {other:?}");
        }
    }
}
