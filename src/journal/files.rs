//! Files and directories that are private to the user, replaced whole or not at all, synced. Knows no format.

use super::JournalError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file whole or not at all: beside its place, synced, then renamed. Private to the user.
///
/// # Errors
/// Where it cannot be written, or `write` says so.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), JournalError> {
    let synced = |file: File| {
        let mut file = io::BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The rename itself is on the disk only once the directory is.
    put_whole(path, synced)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(JournalError::file(path, "writing"))
}

/// Writes a file beside its place and renames it: there is the old one, or the new one whole. Private to the user; synced only where
/// `write` does.
pub(super) fn put_whole(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let put = private_file(&beside).and_then(write).and_then(|()| {
        #[expect(clippy::disallowed_methods, reason = "this is the wrapper that the lint asks for")]
        fs::rename(&beside, path)
    });
    put.inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Has a file's or a directory's content written to the disk.
pub(super) fn sync(path: &Path) -> Result<(), JournalError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(JournalError::file(path, "syncing"))
}

/// Makes a directory and what is missing above it, all of them private to the user.
#[cfg(unix)]
pub(super) fn private_parents(path: &Path) -> Result<(), JournalError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(JournalError::file(path, "making the directory"))
}

#[cfg(not(unix))]
pub(super) fn private_parents(path: &Path) -> Result<(), JournalError> {
    fs::create_dir_all(path).map_err(JournalError::file(path, "making the directory"))
}

#[cfg(unix)]
pub(super) fn private_dir(path: &Path) -> Result<(), JournalError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path).map_err(JournalError::file(path, "making the directory"))
}

#[cfg(not(unix))]
pub(super) fn private_dir(path: &Path) -> Result<(), JournalError> {
    fs::create_dir(path).map_err(JournalError::file(path, "making the directory"))
}

pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
