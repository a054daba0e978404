//! Looking through all places: the files below them by all processors, each directory once, however many links lead to it, and nothing that would
//! wait or never end; then the lists that were among the files, row by row. Keeps what fits and counts the rest.

use super::contents::{self, ListColumns};
use super::criteria::{Criteria, Unmet};
use super::found::{Gathering, LeftOut, LocatedCertificate, RowFit, Sighting, UndecidedRows};
use crate::pki::{Certificate, Meant, SerialNumber, meant};
use crate::plan::MAX_BUNDLE;
use crate::text::{Secret, file, safe};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use walkdir::WalkDir;

/// What to look for, and where.
#[derive(Debug)]
pub struct Search {
    /// What to look for.
    pub criteria: Criteria,
    /// Files and directories.
    pub places: Vec<PathBuf>,
    /// The passwords of stores.
    pub passwords: Vec<Secret>,
    /// How lists are to be read.
    pub columns: ListColumns,
    /// Whether the certificates themselves are to be kept, with their issuers.
    pub keeps_certificates: bool,
    /// Whether to take expired and revoked ones and those of CAs, too.
    pub all: bool,
    /// The present time.
    pub now: Timestamp,
}

/// What was looked through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Files that were opened.
    pub files: u64,
    /// Certificates in them.
    pub certificates: u64,
    /// Rows of lists.
    pub rows: u64,
    /// Files that hold no certificate.
    pub others: u64,
    /// Sockets, named pipes and devices.
    pub specials: u64,
}

/// What was found.
#[derive(Debug)]
pub struct SearchResult {
    /// The certificates.
    pub found: Vec<LocatedCertificate>,
    /// What fits and is not taken.
    pub left_out: LeftOut,
    /// What was looked for, and is of none of both.
    pub unmet: Unmet,
    /// Rows that do not tell what was asked, by what that is.
    pub undecided: BTreeMap<&'static str, UndecidedRows>,
    /// What could not be read, a line each, sorted: the place and the cause.
    pub unread: Vec<String>,
    /// How many more there are than have a line here.
    pub more_unread: u64,
    /// What was looked through.
    pub looked: Looked,
}

/// What was found so far, while lists of providers' are still to be read.
pub struct Gathered<'s> {
    search: &'s Search,
    gathering: Gathering,
    /// What was looked through.
    pub looked: Looked,
    unread: Vec<String>,
    more_unread: u64,
    /// Whether files hold certificates that fit.
    has_files: bool,
}

/// What the readers tell the one that gathers.
enum Message {
    File,
    Other,
    Fits(Box<Sighting>),
    FitsNot(SerialNumber),
    List(PathBuf, bool),
    Unreadable(String),
    Specials(u64),
}

/// The files below some places, one after the other.
struct Places {
    /// Those that are left, the next one last.
    roots: Vec<PathBuf>,
    tree: Option<walkdir::IntoIter>,
    /// The directories that were entered, as hashes of their real paths: links among directories could multiply them beyond all measure.
    entered: HashSet<u64>,
    /// Sockets, named pipes and devices that were passed over.
    specials: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum VisitedPlace {
    /// A file; whether it was named itself.
    File(PathBuf, bool),
    /// What cannot be read, and why.
    Unreadable(String),
}

/// Looks through all files; `looking` hears now and then how far it is.
pub fn search<'s>(search: &'s Search, looking: &mut dyn FnMut(&Looked)) -> Gathered<'s> {
    let mut looked = Looked::default();
    let mut gathering = Gathering::default();
    let (mut lists, mut unread, mut more_unread) = (Vec::new(), Vec::new(), 0_u64);
    let places = Mutex::new(Places::new(search.places.clone()));
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        // Bounded: whoever reads faster than is gathered waits.
        let (sender, receiver) = sync_channel(readers);
        for _ in 0..readers {
            let (sender, places) = (sender.clone(), &places);
            scope.spawn(move || read_all(search, places, &sender));
        }
        drop(sender);
        for message in receiver.into_iter().flatten() {
            match message {
                Message::File => looked.files += 1,
                Message::Other => looked.others += 1,
                Message::Fits(sighting) => {
                    looked.certificates += 1;
                    gathering.add_certificate(*sighting);
                }
                Message::FitsNot(serial) => {
                    looked.certificates += 1;
                    gathering.pass_certificate(&serial);
                }
                Message::List(path, named) => lists.push((path, named)),
                Message::Unreadable(_) if unread.len() >= MAX_UNREAD => more_unread += 1,
                Message::Unreadable(why) => unread.push(why),
                Message::Specials(count) => looked.specials = count,
            }
            looking(&looked);
        }
    });
    lists.sort();
    for (path, named) in lists {
        let read = contents::read_rows(&path, &search.columns, &mut |row| {
            looked.rows += 1;
            let fit = search.criteria.judge_row(&row);
            gathering.add_row(row, fit);
            looking(&looked);
        });
        let shown = path.display();
        match read {
            Ok(_) => {}
            Err(Some(why)) => unread.push(format!("{why} (other rows may have defects, too)")),
            Err(None) if named => unread.push(format!(
                "{shown}: there is no certificate in it, and it has no column with serial numbers, fingerprints or a provider's ids; `--columns` names them"
            )),
            // In a tree lie many lists of other things.
            Err(None) => looked.others += 1,
        }
    }
    let has_files = !gathering.is_empty();
    Gathered { search, gathering, looked, unread, more_unread, has_files }
}

impl Gathered<'_> {
    /// Takes a row of a provider's list. `is_named` says whether it tells what the provider calls the certificate; `is_whole`, that no more
    /// will come to be known of it. Returns whether more must be known first; the row is not taken then.
    pub fn take_listed(&mut self, mut row: Sighting, is_named: bool, is_whole: bool) -> bool {
        let is_known = self.gathering.knows(&row);
        let der = row.whole.as_ref().and_then(|whole| whole.chain.first());
        let fit = match der.and_then(|der| Certificate::parse(der).ok()) {
            Some(certificate) => match self.search.criteria.judge(&certificate) {
                Some(weakness) => {
                    row.weakness = weakness;
                    RowFit::Fits
                }
                None => RowFit::Not,
            },
            None => self.search.criteria.judge_row(&row),
        };
        if let Some(whole) = row.whole.as_mut().filter(|_| !self.search.keeps_certificates) {
            whole.chain.clear();
        }
        // Without either it cannot be told to be one of those that files hold.
        let is_anonymous = row.serial.is_none() && row.fingerprint.is_none() && self.has_files;
        let is_over = row.ends.is_some_and(|ends| ends < self.search.now) || GONE.contains(&row.status.as_str());
        let is_settled = is_over || !row.status.is_empty() && row.ends.is_some();
        let is_open = matches!(fit, RowFit::Unknown(_)) && !is_known || !is_named || !is_settled || is_anonymous;
        if !is_whole && is_open && fit != RowFit::Not && (!is_over || self.search.all) {
            return true;
        }
        self.looked.rows += 1;
        match (&row.whole, fit) {
            (Some(_), RowFit::Fits) => self.gathering.add_certificate(row),
            (Some(_), _) => row.serial.iter().for_each(|serial| self.gathering.pass_certificate(serial)),
            (None, fit) => self.gathering.add_row(row, fit),
        }
        false
    }

    /// Whether what is over is wanted, too.
    pub const fn wants_all(&self) -> bool {
        self.search.all
    }

    /// What could not be read.
    pub fn note_unread(&mut self, why: &str) {
        if self.unread.len() >= MAX_UNREAD {
            self.more_unread += 1;
        } else {
            self.unread.push(safe::terminal(why).into_owned());
        }
    }

    /// All that was found.
    pub fn finish(mut self) -> SearchResult {
        self.unread.sort();
        let undecided = std::mem::take(&mut self.gathering.undecided);
        let unmet = self.search.criteria.unmet(self.gathering.known());
        let (found, left_out) = self.gathering.finish(self.search.now, self.search.all);
        let Self { looked, unread, more_unread, .. } = self;
        SearchResult { found, left_out, unmet, undecided, unread, more_unread, looked }
    }
}

impl Places {
    /// The files below these places, in the order of the places; within a directory as the disk has them.
    fn new(mut roots: Vec<PathBuf>) -> Self {
        roots.reverse();
        Self { roots, tree: None, entered: HashSet::new(), specials: 0 }
    }

    fn enters(&mut self, directory: &Path) -> bool {
        let Ok(real) = directory.canonicalize() else { return true };
        let mut hasher = DefaultHasher::new();
        real.hash(&mut hasher);
        self.entered.insert(hasher.finish())
    }
}

impl Iterator for Places {
    type Item = VisitedPlace;

    fn next(&mut self) -> Option<VisitedPlace> {
        loop {
            let Some(tree) = &mut self.tree else {
                let root = self.roots.pop()?;
                if !root.is_dir() {
                    return Some(VisitedPlace::File(root, true));
                }
                // Links are followed: certbot's `live` is made of them, and so are the volumes of Kubernetes.
                self.tree = Some(WalkDir::new(root).follow_links(true).into_iter());
                continue;
            };
            match tree.next() {
                None => self.tree = None,
                Some(Ok(entry)) if entry.file_type().is_dir() => {
                    let is_new = self.enters(entry.path());
                    if let Some(tree) = self.tree.as_mut().filter(|_| !is_new) {
                        tree.skip_current_dir();
                    }
                }
                Some(Ok(entry)) if entry.file_type().is_file() => {
                    return Some(VisitedPlace::File(entry.into_path(), false));
                }
                Some(Ok(_)) => self.specials += 1,
                // What a loop of links leads to is read all the same.
                Some(Err(error)) if error.loop_ancestor().is_some() => {}
                Some(Err(error)) => {
                    let path = error.path().map(|path| path.display().to_string()).unwrap_or_default();
                    let is_link = error.path().is_some_and(Path::is_symlink);
                    let why = match error.io_error() {
                        Some(why) if is_link && why.kind() == std::io::ErrorKind::NotFound => {
                            "the link leads to nothing".into()
                        }
                        Some(why) => file::reason(why),
                        None => error.to_string(),
                    };
                    return Some(VisitedPlace::Unreadable(format!("{path}: {why}")));
                }
            }
        }
    }
}

fn read_all(search: &Search, places: &Mutex<Places>, sender: &SyncSender<Vec<Message>>) {
    let messages = RefCell::new(Vec::new());
    // A reader that is gone takes nothing with it: the one that gathers ends with the last.
    let flush = || drop(sender.send(messages.take()));
    let send = |message| {
        messages.borrow_mut().push(message);
        if messages.borrow().len() >= MESSAGES_AT_ONCE {
            flush();
        }
    };
    let mut taken = Vec::new();
    loop {
        taken.extend(places.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(FILES_AT_ONCE));
        if taken.is_empty() {
            break;
        }
        for place in taken.drain(..) {
            match place {
                VisitedPlace::Unreadable(why) => send(Message::Unreadable(safe::terminal(&why).into_owned())),
                VisitedPlace::File(path, named) => {
                    send(Message::File);
                    read_file(search, &path, named, &send);
                }
            }
        }
        flush();
    }
    send(Message::Specials(places.lock().unwrap_or_else(PoisonError::into_inner).specials));
    flush();
}

fn read_file(search: &Search, path: &Path, named: bool, send: &dyn Fn(Message)) {
    let shown = safe::terminal(&path.display().to_string()).into_owned();
    let unreadable = |why: String| send(Message::Unreadable(format!("{shown}: {why}")));
    let mut bytes = Vec::with_capacity(HEAD);
    let opened = file::open_regular(path).and_then(|file| match file {
        Some(file) => Ok(file),
        None => std::fs::File::open(path),
    });
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return unreadable(file::reason(&error)),
    };
    if let Err(error) = file.by_ref().take(HEAD as u64).read_to_end(&mut bytes) {
        return unreadable(file::reason(&error));
    }
    if is_list(path, named, &bytes) {
        // It is read again, behind all certificates.
        if !path.is_file() {
            return unreadable("a list cannot be read through a pipe; write it into a file".to_owned());
        }
        return send(Message::List(path.to_owned(), named));
    }
    if is_something_else(&bytes) {
        return send(Message::Other);
    }
    if bytes.len() >= HEAD {
        match file::read_to_bound(file, MAX_BUNDLE - HEAD as u64) {
            Ok(rest) => bytes.extend(rest),
            Err(error) => return unreadable(file::reason(&error)),
        }
    }
    let placed = match contents::certificates(&bytes, &search.passwords) {
        Ok(placed) => placed,
        Err(why) => return unreadable(why),
    };
    if placed.is_empty() {
        // A provider's answer that was saved, such as a list of orders.
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
            && bytes.trim_ascii_start().starts_with(b"{")
        {
            return send(Message::List(path.to_owned(), named));
        }
        if named {
            unreadable("there is no certificate in it, and it is no list of certificates".to_owned());
        }
        return send(Message::Other);
    }
    let mut certificates = Vec::new();
    for (within, read) in placed {
        match read {
            Ok(certificate) => certificates.push((within, certificate)),
            Err(why) => send(Message::Unreadable(format!("{shown}{within}: {why}"))),
        }
    }
    for (index, (within, certificate)) in certificates.iter().enumerate() {
        let Some(weakness) = search.criteria.judge(certificate) else {
            send(Message::FitsNot(certificate.serial.clone()));
            continue;
        };
        let mut sighting = Sighting::of_certificate(certificate, format!("{shown}{within}"));
        sighting.weakness = weakness;
        let more = sighting.whole.get_or_insert_default();
        // A pipe is gone when the plan is read.
        more.file = (path.is_file() && is_about(&certificates, index, &bytes))
            .then(|| path.to_str().map(str::to_owned))
            .flatten();
        if search.keeps_certificates {
            more.chain = chain(&certificates, index);
        }
        send(Message::Fits(Box::new(sighting)));
    }
}

/// Whether a file is a list by its name; and whatever is named itself and is neither PEM nor DER, and has lines of cells.
fn is_list(path: &Path, named: bool, head: &[u8]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let is_json = name.ends_with(".json");
    if name.ends_with(".csv") || name.ends_with(".tsv") {
        return true;
    }
    let begin = head.trim_ascii_start();
    let is_array = begin.strip_prefix(b"[").is_some_and(|inner| inner.trim_ascii_start().starts_with(b"{"));
    if is_json && !name.ends_with(".gz") && !is_array {
        return begin.is_empty() || head.starts_with(b"\x1f\x8b") || head.starts_with(b"\xff\xfe");
    }
    let is_text = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    let first = String::from_utf8_lossy(head.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    is_json || named && is_text && (is_array || first.contains([',', ';', '\t']) && !contains_pem(head))
}

fn contains_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

/// Whether the first bytes are those of a picture, a program, an archive: neither text, nor DER, nor Java's stores.
fn is_something_else(head: &[u8]) -> bool {
    let is_wide = matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=0x7f, 0, ..] | [0, 1..=0x7f, ..]);
    let is_java = head.starts_with(b"\xfe\xed\xfe\xed") || head.starts_with(b"\xce\xce\xce\xce");
    !crate::pki::pem::is_der(head) && !is_wide && !is_java && head.contains(&0)
}

/// Whether a plan that names the file means this certificate, so that it may name the file: it holds the certificate as PEM, DER or PKCS#7.
fn is_about(certificates: &[(String, Certificate)], index: usize, bytes: &[u8]) -> bool {
    if certificates.len() > MAX_CHAIN_FILE {
        return false;
    }
    let all: Vec<Certificate> = certificates.iter().map(|(_, certificate)| certificate.clone()).collect();
    let same = |one: &Certificate| one.der == all[index].der;
    let is_meant = match meant(&all) {
        Ok(Meant::EndEntity(one) | Meant::Ca(one)) => same(&all[one]),
        Err(_) => false,
    };
    // The plan opens no stores, and no secrets.
    is_meant && Certificate::parse_all(bytes).is_ok_and(|read| read.iter().any(same))
}

/// A certificate and the issuers that are in its file, in DER.
fn chain(certificates: &[(String, Certificate)], index: usize) -> Vec<Vec<u8>> {
    let mut last = &certificates[index].1;
    let mut chain = vec![last.der.clone()];
    while certificates.len() <= MAX_CHAIN_FILE && last.issuer != last.subject {
        let mut others = certificates.iter().map(|(_, other)| other);
        match others.find(|other| last.is_issued_by(other) && !chain.contains(&other.der)) {
            Some(issuer) => last = issuer,
            None => break,
        }
        chain.push(last.der.clone());
    }
    chain
}

/// Statuses of what is no certificate, or none any more.
pub const GONE: [&str; 3] = ["revoked", "expired", "not-issued"];
/// Bytes that tell what a file is.
const HEAD: usize = 4096;
/// Files that a reader takes from the walk at once: taken singly, readers would mostly wait for each other. More would leave the last reader alone
/// with a row of stores, each of which takes a tenth of a second to open.
const FILES_AT_ONCE: usize = 8;
/// Messages that go to the gatherer at once.
const MESSAGES_AT_ONCE: usize = 64;
/// Certificates of a file in which chains are looked for: of more the time would grow with their square.
const MAX_CHAIN_FILE: usize = 64;
/// Lines about what cannot be read that are kept: a tree that belongs to somebody else may have millions.
const MAX_UNREAD: usize = 10_000;

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn loops_links_and_sockets_end() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("tree");
        for name in ["a", "b", "c"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::File::create_new(root.join("a/one.pem")).unwrap();
        std::fs::File::create_new(root.join("b/two.pem")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("one.pem", root.join("a/link.pem")).unwrap();
        symlink("nowhere", root.join("a/broken.pem")).unwrap();
        // Each directory leads to all others: without a memory there are as many ways as permutations.
        for (from, to) in [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")] {
            symlink(format!("../{to}"), root.join(from).join(format!("to-{to}"))).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut places = Places::new(vec![root.clone(), root.join("b/two.pem"), root.join("none")]);
        let mut all: Vec<String> = places
            .by_ref()
            .map(|place| match place {
                VisitedPlace::File(path, named) => format!("{} {named}", path.file_name().unwrap().display()),
                VisitedPlace::Unreadable(why) => why.rsplit('/').next().unwrap().to_owned(),
            })
            .collect();
        all.sort();
        let expected = [
            "broken.pem: the link leads to nothing",
            "link.pem false",
            "none true",
            "one.pem false",
            "two.pem false",
            "two.pem true",
        ];
        assert_eq!(all, expected);
        assert_eq!(places.specials, 1);
    }
}
