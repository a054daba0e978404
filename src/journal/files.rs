//! Files and directories that are private to the user, replaced whole or not at all, synced. Knows no format.

use super::JournalError;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
    let directory = parent_of(path);
    remove_abandoned_parts(directory, path.file_name());
    // The rename itself is on the disk only once the directory is.
    put_whole(path, synced)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(JournalError::file(path, "writing"))
}

/// Writes a file that a user named, as [`replace`] does. What is there and is no file (`/dev/null`, a pipe) is written into: to rename a file
/// over it would take it away from everybody. A link stays, and what it leads to is replaced.
///
/// # Errors
/// Where it cannot be written, or `write` says so.
pub fn replace_named(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), JournalError> {
    match NamedPlace::of(path).map_err(JournalError::file(path, "writing"))? {
        NamedPlace::File(path) => replace(&path, write),
        NamedPlace::Device(device) => {
            let mut device = io::BufWriter::new(device);
            write(&mut device).and_then(|()| device.flush()).map_err(JournalError::file(path, "writing"))
        }
    }
}

/// Why a file that a user named cannot be written, as far as its place tells beforehand: it is a directory, or in one that is not there.
///
/// # Errors
/// The reason, as a sentence fragment about the path.
pub fn check_place(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a directory; name a file".to_owned());
    }
    // Where a link leads to something that is to be made.
    let file = fs::read_link(path).map_or_else(|_| path.to_path_buf(), |to| parent_of(path).join(to));
    let directory = parent_of(&file);
    match fs::metadata(directory) {
        Ok(there) if there.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is no directory", directory.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("there is no directory {}; make it, or name another place", directory.display()))
        }
        Err(error) => Err(format!("{}: {error}", directory.display())),
    }
}

/// What a path leads to that a user named.
enum NamedPlace {
    File(PathBuf),
    /// A device, or a pipe that somebody reads, or what a shell has opened: it is written into.
    Device(File),
}

impl NamedPlace {
    fn of(path: &Path) -> io::Result<Self> {
        if let Some(open) = already_open(path)? {
            return Ok(Self::Device(open));
        }
        Ok(match fs::metadata(path) {
            Ok(there) if !there.is_file() && !there.is_dir() => Self::Device(open_device(path)?),
            Ok(_) if path.is_symlink() => Self::File(fs::canonicalize(path)?),
            _ => Self::File(path.to_path_buf()),
        })
    }
}

/// What a shell has opened for this process (`> file`), by a name such as `/dev/stdout`: whatever replaced the file would take it from the shell,
/// and whatever opened it anew would write over what else goes there. Pipes and devices are for [`open_device`].
#[cfg(unix)]
fn already_open(path: &Path) -> io::Result<Option<File>> {
    use std::os::fd::AsFd;
    if !fs::metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(None);
    }
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        // Linux has the names in `/proc/PROCESS/fd`, other systems in `/dev/fd`.
        let directory = fs::canonicalize(parent_of(&path))?;
        let is_open = directory == Path::new("/dev/fd") || directory.starts_with("/proc") && directory.ends_with("fd");
        if is_open {
            let number = path.file_name().unwrap_or_default();
            let of_this = directory == Path::new("/dev/fd") || directory == fs::canonicalize("/proc/self/fd")?;
            // Of the others none is lent without `unsafe`.
            return match number.to_str().filter(|_| of_this) {
                Some("1") => io::stdout().as_fd().try_clone_to_owned().map(|open| Some(open.into())),
                Some("2") => io::stderr().as_fd().try_clone_to_owned().map(|open| Some(open.into())),
                _ => OpenOptions::new().append(true).open(&path).map(Some),
            };
        }
        match fs::read_link(&path) {
            Ok(to) => path = directory.join(to),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// No file has such a name there.
#[cfg(not(unix))]
fn already_open(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// As many links as Linux follows.
#[cfg(unix)]
const MAX_LINKS: usize = 40;

/// Opens what is no file. Without a reader, the opening of a pipe would wait for ever.
#[cfg(unix)]
fn open_device(path: &Path) -> io::Result<File> {
    use rustix::fs::{OFlags, fcntl_setfl};
    use std::os::unix::fs::OpenOptionsExt;
    let flag = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let device = OpenOptions::new().write(true).custom_flags(flag).open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
            io::Error::new(error.kind(), "it is a pipe that nobody reads")
        } else {
            error
        }
    })?;
    fcntl_setfl(&device, OFlags::empty())?;
    Ok(device)
}

/// Opens what is no file.
#[cfg(not(unix))]
fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Writes a file beside its place and renames it: there is the old one, or the new one whole. Private to the user; synced only where
/// `write` does.
///
/// # Errors
/// Where it cannot be written; or where something stands there that is no file: the superuser would replace even a device.
pub fn put_whole(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    if let Ok(there) = fs::metadata(path)
        && !there.is_file()
    {
        let what = if there.is_dir() { "it is a directory" } else { "it is a pipe or a device" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}; name a file")));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let put = private_file(&beside).and_then(write).and_then(|()| {
        #[expect(clippy::disallowed_methods, reason = "this is the wrapper that the lint asks for")]
        fs::rename(&beside, path)
    });
    put.inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Writes a text file that a user named beside its place and renames it, for all to read: it holds nothing that is private. Not synced: the next
/// one follows soon.
///
/// # Errors
/// Where it cannot be written.
pub fn put_readable(path: &Path, text: &str) -> io::Result<()> {
    let path = match NamedPlace::of(path)? {
        NamedPlace::File(path) => path,
        NamedPlace::Device(mut device) => return device.write_all(text.as_bytes()),
    };
    put_whole(&path, |mut file| {
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.write_all(text.as_bytes())
    })
}

/// Removes what processes that are gone left of a file that they were writing; of any file where none is named.
pub(super) fn remove_abandoned_parts(directory: &Path, of: Option<&OsStr>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let part = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".part")?.rsplit_once('.'));
        if part.is_some_and(|(name, process)| of.is_none_or(|of| of == name) && is_gone(process)) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Whether surely no process has this number now.
#[cfg(unix)]
pub(super) fn is_gone(process: &str) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    let process = process.parse().ok().and_then(Pid::from_raw);
    process.is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
}

#[cfg(not(unix))]
pub(super) fn is_gone(_: &str) -> bool {
    false
}

/// The directory that a path is in: the working directory where it names none.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "these files need not survive a crash")]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_into_and_a_link_stays() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let place = tempfile::tempdir().unwrap();
        let (device, link, file) = (place.path().join("device"), place.path().join("link"), place.path().join("file"));
        symlink("/dev/full", &device).unwrap();
        symlink(&file, &link).unwrap();
        fs::write(&file, "old").unwrap();
        assert!(replace_named(&device, |out| out.write_all(b"new")).is_err(), "nothing fits on it");
        assert!(put_readable(&device, "new").is_err());
        assert!(device.is_symlink() && fs::metadata(&device).unwrap().file_type().is_char_device());
        replace_named(&link, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        put_readable(&link, "newer").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"newer");
        assert!(link.is_symlink());
        replace_named(&place.path().join("none"), |out| out.write_all(b"new")).unwrap();
        assert!(replace_named(place.path(), |out| out.write_all(b"new")).is_err(), "a directory");
    }

    #[test]
    fn only_what_a_gone_process_left_is_removed() {
        let place = tempfile::tempdir().unwrap();
        // No system has a process of that number.
        let gone = i32::MAX;
        let kept = [".a.csv.1.part".into(), format!(".b.{gone}.part"), ".a.csv.x.part".into(), "b.part".into()];
        let left = [format!(".a.csv.{gone}.part")];
        kept.iter().chain(&left).for_each(|name| fs::write(place.path().join(name), "").unwrap());
        replace(&place.path().join("a.csv"), |file| file.write_all(b"x")).unwrap();
        kept.iter().for_each(|name| assert!(place.path().join(name).exists(), "{name}"));
        left.iter().for_each(|name| assert!(!place.path().join(name).exists(), "{name}"));
    }
}
