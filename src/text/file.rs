//! Files that users name. Of them regular files and open pipes only are read, and no more than a bound, so that a mistaken name costs neither
//! the memory nor a wait without end. Their text is UTF-8: gzip and UTF-16 are undone on the way, told by the first bytes and never by a name,
//! a block at a time, whatever the file's size. Says nothing about texts in other encodings: their bytes pass as they are. Never writes.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

/// A gzip file of any number of members, as `cat a.gz b.gz` makes them.
struct Gunzip {
    inner: MultiGzDecoder<BufReader<Counted>>,
    /// Bytes of the file that were read.
    read: Rc<Cell<u64>>,
    /// Bytes of text that came of them.
    made: u64,
}

/// Counts what is read through it.
struct Counted {
    inner: Box<dyn Read>,
    read: Rc<Cell<u64>>,
}

/// UTF-16 as UTF-8. Half a surrogate pair, or half a character at the end, is an error: replaced, it would pass for text.
struct Utf16 {
    inner: BufReader<Box<dyn Read>>,
    decoder: Decoder,
    /// Decoded, and not yet handed out.
    decoded: Box<[u8; BLOCK]>,
    begin: usize,
    end: usize,
    is_done: bool,
}

/// What tells a file from the one that was there before, or from what it was: by its number, its length and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    /// Its device and its number there, where the system has them: a file that is put in its place has others.
    number: (u64, u64),
    length: u64,
    written: Option<SystemTime>,
}

impl FileStamp {
    /// Of what is at a path now; `None` where nothing is, or it cannot be seen.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// Of a file, by what the system says of it.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let number = (std::os::unix::fs::MetadataExt::dev(metadata), std::os::unix::fs::MetadataExt::ino(metadata));
        #[cfg(not(unix))]
        let number = (0, 0);
        Self { number, length: metadata.len(), written: metadata.modified().ok() }
    }
}

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
        if is_of_kernel(path)? {
            return Err(io::Error::other(KERNELS));
        }
        let file = open_at_once(path)?;
        // What was there a moment ago may have been replaced.
        return if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(io::Error::other(NO_FILE)) };
    }
    // Linux opens a directory without an error, and only reading it fails.
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    // What has a name of its own in the file system is a named pipe, whose opening may wait for ever, or a device, which may never end.
    // Nothing there is what `/dev/null` is for.
    if std::fs::canonicalize(path).is_ok() && path != Path::new("/dev/null") {
        return Err(io::Error::other(NO_FILE));
    }
    Ok(None)
}

/// Opens without waiting for anybody: to open a named pipe waits for a writer, perhaps for ever. Of a file it is what any opening is.
#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// An error of the operating system as a sentence fragment. The system's own words stay, which people look for; its number says nothing more.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is a file, and no directory".to_owned(),
        _ => without_numbers(&error.to_string()),
    }
}

/// The same about a directory that is to be read or made.
pub fn directory_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such directory".to_owned(),
        io::ErrorKind::NotADirectory => "it is no directory".to_owned(),
        io::ErrorKind::AlreadyExists => "something stands there that is no directory".to_owned(),
        _ => reason(error),
    }
}

/// Words that hold errors of the operating system, without their numbers: the standard library writes `Connection refused (os error 111)`.
pub fn without_numbers(words: &str) -> String {
    let mut pieces = words.split(" (os error ");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => text.push_str(rest),
            _ => {
                text.push_str(" (os error ");
                text.push_str(piece);
            }
        }
    }
    text
}

/// Undoes gzip, then UTF-16 with a byte order mark. A mark at the beginning is no part of the text.
///
/// # Errors
/// Where the file cannot be read. What is wrong further on (a cut or damaged gzip member, half a character) is an error of the reader.
pub fn decode(raw: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let (head, raw) = peek(raw)?;
    if head.starts_with(GZIP) { unmarked(Box::new(Gunzip::new(raw))) } else { unmarked(raw) }
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

fn unmarked(raw: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let (head, mut raw) = peek(raw)?;
    let (encoding, mark) = match head.as_slice() {
        // UTF-32, which nobody sends; its first two bytes are those of UTF-16.
        [0xff, 0xfe, 0, 0] => return Ok(raw),
        [0xff, 0xfe, ..] => (Some(UTF_16LE), 2),
        [0xfe, 0xff, ..] => (Some(UTF_16BE), 2),
        // Excel's "CSV UTF-8" begins with it, and it would become part of the first field's name.
        [0xef, 0xbb, 0xbf, ..] => (None, 3),
        _ => (None, 0),
    };
    raw.read_exact(&mut [0; 3][..mark])?;
    Ok(match encoding {
        Some(encoding) => Box::new(Utf16::new(raw, encoding)),
        None => raw,
    })
}

/// The first bytes, up to four, and the whole again.
fn peek(mut raw: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::new();
    raw.by_ref().take(4).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(raw))))
}

impl Gunzip {
    fn new(inner: Box<dyn Read>) -> Self {
        let read = Rc::new(Cell::new(0));
        let counted = Counted { inner, read: Rc::clone(&read) };
        Self { inner: MultiGzDecoder::new(BufReader::new(counted)), read, made: 0 }
    }
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the compressed file ends too early; it was cut")
            }
            kind => io::Error::new(kind, format!("the compressed file is damaged: {error}")),
        })?;
        self.made += count as u64;
        if self.made > MAX_EXPANDED && self.made / MAX_RATIO > self.read.get() {
            let what = format!("the compressed file holds more than {MAX_RATIO} times its size; no list does");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(count)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

impl Utf16 {
    fn new(inner: Box<dyn Read>, encoding: &'static Encoding) -> Self {
        Self {
            inner: BufReader::new(inner),
            decoder: encoding.new_decoder_without_bom_handling(),
            decoded: Box::new([0; BLOCK]),
            begin: 0,
            end: 0,
            is_done: false,
        }
    }
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.begin == self.end && !self.is_done {
            let from = self.inner.fill_buf()?;
            let is_last = from.is_empty();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(from, self.decoded.as_mut_slice(), is_last);
            self.inner.consume(read);
            (self.begin, self.end) = (0, written);
            match result {
                DecoderResult::Malformed(..) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "this is no UTF-16 from here on; it was cut or damaged",
                    ));
                }
                DecoderResult::InputEmpty => self.is_done = is_last,
                DecoderResult::OutputFull => {}
            }
        }
        let count = buffer.len().min(self.end - self.begin);
        buffer[..count].copy_from_slice(&self.decoded[self.begin..self.begin + count]);
        self.begin += count;
        Ok(count)
    }
}

const NO_FILE: &str = "it is a device or a named pipe, and no file";
const KERNELS: &str = "it is a view into the system itself, and no file; write what it holds into a file";
/// proc, sysfs, debugfs, tracefs, as `statfs(2)` and Linux's `magic.h` number them.
#[cfg(target_os = "linux")]
const KERNEL_FILE_SYSTEMS: [rustix::fs::FsWord; 4] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163];
/// What every gzip member begins with (RFC 1952, section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";
/// Bytes decoded at once.
const BLOCK: usize = 1 << 14;
/// Bytes of text that any compressed file may hold.
const MAX_EXPANDED: u64 = 64 << 20;
/// A larger one is believed only up to this ratio: lists compress to a tenth, a bomb to a thousandth.
const MAX_RATIO: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    fn decoded(raw: &[u8]) -> Result<String, String> {
        let mut text = Vec::new();
        let mut reader = decode(Box::new(Cursor::new(raw.to_vec()))).map_err(|error| error.to_string())?;
        reader.read_to_end(&mut text).map_err(|error| error.to_string())?;
        String::from_utf8(text).map_err(|error| error.to_string())
    }

    #[test]
    fn only_regular_files_are_read_and_up_to_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("five");
        File::create_new(&path).and_then(|mut file| file.write_all(b"12345")).unwrap();
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

    #[test]
    fn no_number_of_the_system_reaches_a_reader() {
        for (words, expected) in [
            ("No space left on device (os error 28)", "No space left on device"),
            ("a: Connection refused (os error 111); b (os error 2).", "a: Connection refused; b."),
            ("it is larger than 5 bytes", "it is larger than 5 bytes"),
            ("a name (os error x) of", "a name (os error x) of"),
            ("cut (os error 2", "cut (os error 2"),
        ] {
            assert_eq!(without_numbers(words), expected);
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        File::create_new(&file).unwrap();
        assert_eq!(
            reason(&read(&file.join("below"), 4).unwrap_err()),
            "a part of its path is a file, and no directory"
        );
        for (path, expected) in
            [(directory.path().join("none"), "there is no such directory"), (file.clone(), "it is no directory")]
        {
            assert_eq!(directory_reason(&std::fs::read_dir(path).unwrap_err()), expected);
        }
        let taken = directory_reason(&std::fs::create_dir_all(&file).unwrap_err());
        assert_eq!(taken, "something stands there that is no directory");
    }

    #[test]
    fn gzip_and_utf16_are_undone_by_their_first_bytes() {
        let long = "Müller, 철회, \u{1f512}\r\n".repeat(5000);
        for text in ["", "a", "a,b\n1,2\n", &long] {
            let mut two = gz(&text.as_bytes()[..text.len() / 2]);
            two.extend(gz(&text.as_bytes()[text.len() / 2..]));
            for raw in [
                text.as_bytes().to_vec(),
                format!("\u{feff}{text}").into_bytes(),
                utf16(text, false),
                utf16(text, true),
                gz(text.as_bytes()),
                gz(&utf16(text, false)),
                two,
            ] {
                assert_eq!(decoded(&raw).as_deref(), Ok(text));
            }
        }
        // Other encodings pass; whoever needs UTF-8 says so.
        assert!(decoded(b"M\xfcller").is_err());
    }

    #[test]
    fn what_was_cut_is_an_error_and_never_a_shorter_text() {
        let text = (0..20_000).map(|row| format!("{row},x\n")).collect::<String>();
        let whole = gz(text.as_bytes());
        for end in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            assert!(decoded(&whole[..end]).unwrap_err().contains("cut"), "{end}");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        assert!(decoded(&damaged).is_err());
        assert!(decoded(&[whole, b"and more that is no member".to_vec()].concat()).unwrap_err().contains("damaged"));
        let whole = utf16("ab\u{1f512}", false);
        for end in [whole.len() - 1, whole.len() - 2] {
            assert!(decoded(&whole[..end]).unwrap_err().contains("UTF-16"), "{end}");
        }
    }

    #[test]
    fn a_bomb_ends() {
        // As many members as it takes; each is a thousandth of its text.
        let member = gz("112358,comment\n".repeat(70_000).as_bytes());
        assert!(decoded(&member.repeat(66)).unwrap_err().contains("200 times"));
        assert!(decoded(&member.repeat(8)).is_ok());
    }
}
