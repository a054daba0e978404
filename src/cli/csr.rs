//! `certsweep csr`: a private key and a certificate request for each row of a list. Sends nothing, and overwrites no key.

use super::context::{Context, Exit};
use super::find::reference;
use super::options::CsrArgs;
use super::status::quoted;
use crate::find::target_list::TargetList;
use crate::journal::files::replace_named;
use crate::pki::csr::{KeyAlgorithm, RequestKey};
use crate::pki::names::{NameRule, check_name, comparable};
use crate::pki::{Certificate, Csr, Meant, SpkiFingerprint, meant, public_keys};
use crate::text::{file, safe};
use crate::view::terminal::plural;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    common_name: String,
    names: Vec<String>,
    /// What the certificate names beside hosts: no request can be made with it here.
    others: Vec<String>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MadeFiles {
    Both,
    Request,
    Nothing,
}

/// Makes what is missing, and writes the list again.
pub fn csr(context: &Context, args: &CsrArgs) -> Exit {
    let wrong = |why: &str| {
        context.printer.error(why);
        Exit::Usage
    };
    if let Err(exit) = context.check_place("-o", args.output.as_deref()) {
        return exit;
    }
    let mut list = match TargetList::read(&args.from) {
        Ok(list) => list,
        Err(why) => return wrong(&why),
    };
    let output = args.output.as_ref().unwrap_or(&args.from);
    if args.output.is_none() && args.from.extension().is_none_or(|ending| ending != "csv") {
        return wrong(
            "a list that is not called `.csv` is not written again in its place; name the new one with `-o FILE`",
        );
    }
    if let Err(error) = private_directory(&args.out) {
        return context.failed(&format!("--out {}: {}", args.out.display(), file::directory_reason(&error)));
    }
    let mut exit = Exit::Well;
    // Rows of one certificate share its key: it is one certificate that is made anew.
    let mut jobs: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut stems: Vec<Option<String>> = Vec::new();
    for row in 0..list.rows.len() {
        let place = format!("{}:{}", args.from.display(), list.rows[row].0);
        let read = wanted(&list, row, &args.from);
        match read {
            Ok(wanted) => {
                if !wanted.others.is_empty() {
                    let others = wanted.others.join(", ");
                    context
                        .printer
                        .warning(&format!("{place}: the request does not ask for {}", safe::terminal(&others)));
                }
                let stem = stem(&list, row, &wanted);
                jobs.insert(stem.clone(), wanted);
                stems.push(Some(stem));
            }
            Err(why) => {
                context.printer.error(&format!("{place}: {why}"));
                exit = Exit::NotAllWell;
                stems.push(None);
            }
        }
    }
    let jobs: Vec<(String, Wanted)> = jobs.into_iter().collect();
    let made = make_all(&jobs, &args.out, args.algorithm);
    let mut failed = BTreeSet::new();
    let mut counts = [0_u64; 3];
    for ((stem, _), made) in jobs.iter().zip(made) {
        match made {
            Ok(made) => counts[made as usize] += 1,
            Err(why) => {
                context.printer.error(&why);
                failed.insert(stem.clone());
                exit = Exit::NotAllWell;
            }
        }
    }
    let column = list.column("csr").unwrap_or_else(|| {
        list.header.push("csr".to_owned());
        list.rows.iter_mut().for_each(|(_, cells)| cells.push(String::new()));
        list.header.len() - 1
    });
    for ((_, cells), stem) in list.rows.iter_mut().zip(&stems) {
        // A request that another made stays where the row names it.
        let Some(stem) = stem.as_ref().filter(|stem| !failed.contains(*stem)) else { continue };
        cells[column] = reference(&args.out.join(format!("{stem}.csr")), Some(output));
    }
    let written = sync(&args.out)
        .map_err(|error| format!("{}: {}", args.out.display(), file::directory_reason(&error)))
        .and_then(|()| replace_named(output, |file| list.write(file)).map_err(|error| error.to_string()));
    if let Err(why) = written {
        return context.failed(&why);
    }
    let [both, requests, there] = counts;
    let again = if requests > 0 {
        format!(", {} for keys that were there", plural(requests, "request"))
    } else {
        String::new()
    };
    let there = if there > 0 { format!(", {} there already", plural(there, "request")) } else { String::new() };
    context.printer.note(&format!(
        "made {} with {}{again}{there}; {} names them",
        plural(both, "key"),
        if both == 1 { "its request" } else { "requests" },
        safe::terminal(&output.display().to_string())
    ));
    if exit == Exit::Well {
        let list = quoted(output);
        context
            .printer
            .hint(&format!("a plan of the list: certsweep init --from {} -o plan.yaml", safe::terminal(&list)));
    }
    exit
}

/// What a row's request must ask for: the names of its certificate, else those of its columns.
fn wanted(list: &TargetList, row: usize, path: &Path) -> Result<Wanted, String> {
    // What guards a cell against spreadsheets is no part of the name.
    let cell = |column: &str| list.cell(row, column).trim_start_matches('\'').trim().to_owned();
    let certificate = cell("certificate");
    if let Some(named) = certificate.strip_prefix("file:") {
        let path = path.parent().unwrap_or(Path::new("")).join(named);
        let bytes = file::read(&path, MAX_CERTIFICATE)
            .map_err(|error| format!("{} cannot be read: {}", path.display(), file::reason(&error)))?;
        let all = Certificate::parse_all(&bytes).map_err(|why| format!("{}: {why}; {}", path.display(), why.help()))?;
        let one = match meant(&all) {
            Ok(Meant::EndEntity(one) | Meant::Ca(one)) => &all[one],
            Err(_) => {
                return Err(format!(
                    "{}: it holds several certificates, and none is the one that is meant",
                    path.display()
                ));
            }
        };
        let names = one.alternative_names();
        let hosts: Vec<String> = names.dns.iter().cloned().chain(names.ip.iter().map(ToString::to_string)).collect();
        let common_name = one.common_name().unwrap_or_default();
        // Before there were alternative names, the common name was the host's.
        let hosts = if hosts.is_empty() && one.names_host() { vec![common_name.clone()] } else { hosts };
        return named_something(Wanted { common_name, names: hosts, others: names.others.clone() });
    }
    let divides = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';');
    let names: Vec<String> =
        cell("dns_names").split(divides).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let common_name = match cell("common_name") {
        empty if empty.is_empty() => names.first().cloned().unwrap_or_default(),
        name => name,
    };
    let is_host = common_name.contains('.') && !common_name.contains([' ', '@', '/']);
    let names = if names.is_empty() && is_host { vec![common_name.clone()] } else { names };
    // A CA refuses the request for it, days later perhaps.
    let rule = NameRule { wildcards: true, addresses: true, unicode: true };
    for name in &names {
        check_name(name, rule).map_err(|why| {
            let remedy = why.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
            format!("`{}` is no DNS name: {why}{remedy}", safe::terminal(name))
        })?;
    }
    named_something(Wanted { common_name, names, others: Vec::new() })
}

fn named_something(wanted: Wanted) -> Result<Wanted, String> {
    if wanted.common_name.is_empty() && wanted.names.is_empty() {
        return Err("there is no name to ask for; a row needs `certificate`, `dns_names` or `common_name`".to_owned());
    }
    Ok(wanted)
}

/// What a row's files are called: its name, and what tells it from other rows of that name, the same at each time.
fn stem(list: &TargetList, row: usize, wanted: &Wanted) -> String {
    let mut told = Sha256::new();
    for text in [list.cell(row, "provider"), list.cell(row, "serial_number"), list.cell(row, "id")] {
        told.update(text);
        told.update([0]);
    }
    wanted.names.iter().for_each(|name| told.update(name));
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || "-.".contains(letter) { letter } else { '_' };
    // Newer profiles of public CAs have no common name.
    let name = if wanted.common_name.is_empty() { wanted.names.first() } else { Some(&wanted.common_name) };
    let name: String = name.map_or("", String::as_str).chars().take(MAX_STEM).map(allowed).collect();
    format!("{}-{}", name.trim_start_matches(['.', '-']), hex::encode(&told.finalize()[..4]))
}

/// Makes the files of all jobs, on all processors: an RSA key takes its time.
fn make_all(jobs: &[(String, Wanted)], directory: &Path, algorithm: KeyAlgorithm) -> Vec<Result<MadeFiles, String>> {
    let next = AtomicUsize::new(0);
    let made = Mutex::new(vec![Ok(MadeFiles::Nothing); jobs.len()]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((stem, wanted)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed)).map(|job| (&job.0, &job.1))
                {
                    let result = make(&directory.join(stem), wanted, algorithm);
                    let index = jobs.partition_point(|(other, _)| other < stem);
                    made.lock().unwrap_or_else(PoisonError::into_inner)[index] = result;
                }
            });
        }
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what is missing of a key and its request.
fn make(path: &Path, wanted: &Wanted, algorithm: KeyAlgorithm) -> Result<MadeFiles, String> {
    let file_of = |ending: &str| PathBuf::from(format!("{}.{ending}", path.display()));
    let (key_path, request_path) = (file_of("key"), file_of("csr"));
    let failed = |path: &Path, error: &io::Error| format!("{}: {}", path.display(), file::reason(error));
    let read = |path: &Path| match file::read_text(path, MAX_CERTIFICATE) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    };
    let (key, request) = (read(&key_path)?, read(&request_path)?);
    if let Some(request) = request {
        let Some(key) = key else {
            return Err(format!("{}: the request is there, and its key is not; move one of them", key_path.display()));
        };
        check(&request, &key, wanted).map_err(|why| format!("{}: {why}; move it away", request_path.display()))?;
        return Ok(MadeFiles::Nothing);
    }
    let (key, made) = match key {
        Some(text) => {
            (RequestKey::parse(&text).map_err(|why| format!("{}: {why}", key_path.display()))?, MadeFiles::Request)
        }
        None => {
            let key = RequestKey::generate(algorithm)?;
            write_new(&key_path, key.to_pem().as_bytes()).map_err(|error| failed(&key_path, &error))?;
            (key, MadeFiles::Both)
        }
    };
    let common_name = Some(wanted.common_name.as_str());
    let request =
        key.request(common_name, &wanted.names).map_err(|why| format!("{}: {why}", request_path.display()))?;
    write_new(&request_path, request.as_bytes()).map_err(|error| failed(&request_path, &error))?;
    Ok(made)
}

/// Whether a request that is there is of the key beside it and asks for what the row names.
fn check(request: &str, key: &str, wanted: &Wanted) -> Result<(), String> {
    let request = Csr::parse(request.as_bytes())?;
    let keys: Vec<SpkiFingerprint> = public_keys::of_file(key.as_bytes()).unwrap_or_default();
    if keys != [request.spki()] {
        return Err("this request is not of the key beside it".to_owned());
    }
    let names = request.names();
    let asked: BTreeSet<String> =
        names.dns.iter().map(|name| comparable(name)).chain(names.ip.iter().map(ToString::to_string)).collect();
    let wanted: BTreeSet<String> = wanted.names.iter().map(|name| comparable(name)).collect();
    if asked == wanted { Ok(()) } else { Err("this request asks for other names than the row has".to_owned()) }
}

/// Writes a file that is not there yet, private to the user.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

#[cfg(unix)]
fn private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Has all new files written to the disk at once, before a list names them: a sync for each would take most of the time.
#[cfg(target_os = "linux")]
fn sync(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    Ok(())
}

/// Bytes of a certificate's or a key's file.
const MAX_CERTIFICATE: u64 = 1 << 20;
/// Letters of a name that a file's name takes.
const MAX_STEM: usize = 100;
