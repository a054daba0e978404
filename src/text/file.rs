//! Files that users name, read whole: regular files and open pipes only, and no more than a bound, so that a mistaken name costs neither the
//! memory nor a wait without end. Never decodes, never writes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of a file that has at most `largest`.
///
/// # Errors
/// It cannot be read, is larger, or is a directory, a device or a named pipe. [`reason`] says it in words.
pub fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let file = match open_regular(path)? {
        Some(file) => file,
        None => File::open(path)?,
    };
    read_to_bound(file, largest)
}

/// The text of a file that has at most `largest` bytes.
///
/// # Errors
/// As [`read`]; or it is not UTF-8.
pub fn read_text(path: &Path, largest: u64) -> io::Result<String> {
    String::from_utf8(read(path, largest)?).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

/// All that comes, at most `largest` bytes.
///
/// # Errors
/// It cannot be read, or is larger.
pub fn read_to_bound(from: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    // Measured by reading, for pipes have no length to ask for.
    if bytes.len() as u64 > largest { Err(too_large(largest)) } else { Ok(bytes) }
}

/// What is said of a file with more bytes than these.
pub fn too_large(largest: u64) -> io::Error {
    io::Error::other(format!("it is larger than {largest} bytes"))
}

/// Opens a regular file. `None` for a pipe that somebody holds open, which can be read once: standard input, or a shell's `<(…)`.
///
/// # Errors
/// It cannot be opened, or is a directory, a device or a named pipe.
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return if is_of_kernel(path)? { Err(io::Error::other(KERNELS)) } else { File::open(path).map(Some) };
    }
    // Linux opens a directory without an error, and only reading it fails.
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    // What has a name of its own in the file system is a named pipe, whose opening may wait for ever, or a device, which may never end.
    // Nothing there is what `/dev/null` is for.
    if std::fs::canonicalize(path).is_ok() && path != Path::new("/dev/null") {
        return Err(io::Error::other("it is a device or a named pipe, and no file"));
    }
    Ok(None)
}

/// Whether what seems a file is the kernel's own: reading `/proc/kmsg` or `trace_pipe` waits for ever, and takes away what others want to read.
#[cfg(target_os = "linux")]
fn is_of_kernel(path: &Path) -> io::Result<bool> {
    let kind = rustix::fs::statfs(path)?.f_type;
    Ok(KERNEL_FILE_SYSTEMS.contains(&kind))
}

#[cfg(not(target_os = "linux"))]
fn is_of_kernel(_: &Path) -> io::Result<bool> {
    Ok(false)
}

const KERNELS: &str = "it is a view into the system itself, and no file; write what it holds into a file";
/// proc, sysfs, debugfs, tracefs, as `statfs(2)` and Linux's `magic.h` number them.
#[cfg(target_os = "linux")]
const KERNEL_FILE_SYSTEMS: [rustix::fs::FsWord; 4] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163];

/// An error of the file system as a sentence fragment.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_up_to_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("five");
        File::create_new(&path).and_then(|mut file| io::Write::write_all(&mut file, b"12345")).unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        for (path, expected) in [
            (path.as_path(), "it is larger than 4 bytes"),
            (directory.path(), "it is a directory"),
            (&directory.path().join("none"), "there is no such file"),
        ] {
            assert_eq!(reason(&read(path, 4).unwrap_err()), expected);
        }
        if cfg!(unix) {
            assert_eq!(read(Path::new("/dev/null"), 4).unwrap(), b"");
            for device in ["/dev/zero", "/dev/full"] {
                let why = reason(&read(Path::new(device), 4).unwrap_err());
                assert_eq!(why, "it is a device or a named pipe, and no file");
            }
        }
        if cfg!(target_os = "linux") {
            assert!(reason(&read(Path::new("/proc/self/status"), 1 << 20).unwrap_err()).starts_with("it is a view"));
            // As a shell's `< file` is named.
            let given = File::open(&path).unwrap();
            let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&given));
            assert_eq!(read(Path::new(&through), 5).unwrap(), b"12345");
        }
    }
}
