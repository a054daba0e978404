//! One credential reference becomes one secret: from the environment, a file, or a program's output. Errors are sentences
//! about the reference; the value, or what may be a part of it, is never in them.

use crate::provider::CredentialReference;
use crate::text::{Secret, safe};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// A credential that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The credential.
    pub(super) secret: Secret,
    /// What should be put right about where it came from.
    pub(super) warning: Option<String>,
}

/// Fetches what a reference refers to.
pub(super) fn fetch(
    reference: &CredentialReference,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Fetched, String> {
    match reference {
        CredentialReference::Env(name) => {
            let value = environment(name).ok_or("the variable is not set")?;
            Ok(Fetched { secret: Secret::new(value), warning: None })
        }
        CredentialReference::File(path) => from_file(path),
        CredentialReference::Command(words) => from_command(words, COMMAND_LIMIT),
    }
}

fn from_file(path: &Path) -> Result<Fetched, String> {
    let mut file = File::open(path).map_err(|error| safe::terminal(&error.to_string()).into_owned())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    let bytes = read_capped(&mut file).map_err(|error| error.to_string())?;
    let warning = others_may_read(&metadata)
        .then(|| format!("others may read `{}`; chmod 600 it", safe::terminal(&path.display().to_string())));
    Ok(Fetched { secret: secret(&bytes)?, warning })
}

/// Runs a program without a shell. Its standard input is empty; what it says on standard error is told when it fails.
fn from_command(words: &[String], limit: Duration) -> Result<Fetched, String> {
    let (program, arguments) = words.split_first().ok_or("there is no program to run")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it could not be started: {error}"))?;
    let collected = collect(&mut child, limit);
    if !matches!(&collected, Ok(Some(_))) {
        // It may have ended by itself in the meantime; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (status, output, complaint) = collected
        .map_err(|error| format!("its output could not be read: {error}"))?
        .ok_or_else(|| format!("it did not end within {}", crate::time::human(limit)))?;
    if status.success() {
        return Ok(Fetched { secret: secret(&output)?, warning: None });
    }
    // What it printed may be the credential, and it may have repeated that on standard error.
    let printed = Secret::new(String::from_utf8_lossy(&output).trim());
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = printed.mask(complaint.trim().into());
    let complaint: String = complaint.chars().take(LONGEST_COMPLAINT).collect();
    let complaint = safe::terminal(&complaint);
    let separator = if complaint.is_empty() { "" } else { ": " };
    Err(format!("it ended with {status}{separator}{complaint}"))
}

type Collected = (ExitStatus, Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// Both outputs and the exit status, or nothing where the program takes longer than `limit`.
fn collect(child: &mut Child, limit: Duration) -> io::Result<Option<Collected>> {
    let mut output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut complaint = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    let complaints = sender.clone();
    // Two threads, since a program that fills one pipe would wait for ever while the other is read. They end with the pipes.
    std::thread::spawn(move || sender.send((true, read_capped(&mut output))));
    std::thread::spawn(move || complaints.send((false, read_capped(&mut complaint))));
    let (mut printed, mut complained) = Default::default();
    for _ in 0..2 {
        match receiver.recv_timeout(limit) {
            Ok((true, bytes)) => printed = bytes?,
            Ok((false, bytes)) => complained = bytes?,
            Err(_) => return Ok(None),
        }
    }
    // Both pipes are closed, so it has ended or is about to.
    for _ in 0..limit.as_millis().div_ceil(POLL.as_millis()).max(1) {
        if let Some(status) = child.try_wait()? {
            return Ok(Some((status, printed, complained)));
        }
        std::thread::sleep(POLL);
    }
    Ok(None)
}

fn read_capped(from: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // All at once: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST { Err(io::Error::other("it is longer than 64 KiB")) } else { Ok(bytes) }
}

/// The text without one trailing line break.
fn secret(bytes: &[u8]) -> Result<Secret, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Secret::new(text))
}

#[cfg(unix)]
fn others_may_read(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o044 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &std::fs::Metadata) -> bool {
    false
}

const COMMAND_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const LONGEST: usize = 64 * 1024;
const LONGEST_COMPLAINT: usize = 300;

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn run(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        from_command(&words, COMMAND_LIMIT).map(|fetched| fetched.secret.reveal().to_owned())
    }

    #[test]
    fn programs_give_credentials_and_their_errors_are_safe() {
        assert_eq!(run(&["printf", "a b\\r\\n"]), Ok("a b".to_owned()));
        assert_eq!(run(&["printf", "%s", "$HOME;`id`\n\n"]), Ok("$HOME;`id`\n".to_owned()));
        assert_eq!(run(&["cat"]), Ok(String::new()), "standard input is empty");
        let large = run(&["head", "-c", "70000", "/dev/zero"]).unwrap_err();
        assert!(large.contains("64 KiB"), "{large}");
        let missing = run(&["/nowhere/program"]).unwrap_err();
        assert!(missing.contains("could not be started"), "{missing}");
        let script = "echo hunter2hunter2; printf 'bad \\033[31m hunter2hunter2' >&2; exit 3";
        let failed = run(&["sh", "-c", script]).unwrap_err();
        assert_eq!(failed, "it ended with exit status: 3: bad \\u{1b}[31m (secret)");
        assert!(run(&["printf", "\\377"]).unwrap_err().contains("UTF-8"));
        assert!(run(&[]).is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let words = ["sleep", "600"].map(str::to_owned);
        let error = from_command(&words, Duration::from_millis(20)).unwrap_err();
        assert!(error.contains("did not end within"), "{error}");
    }

    #[test]
    fn files_give_credentials_and_open_ones_are_warned_of() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hunter2\r\n").unwrap();
        for (mode, warned) in [(0o600, false), (0o644, true), (0o640, true)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            let fetched = from_file(file.path()).unwrap();
            assert_eq!(fetched.secret.reveal(), "hunter2");
            assert_eq!(fetched.warning.is_some(), warned, "{mode:o}");
        }
        assert!(from_file(Path::new("/nowhere/key")).unwrap_err().contains("No such file"));
        assert!(from_file(Path::new("/")).unwrap_err().contains("directory"));
        assert!(from_file(Path::new("/dev/zero")).unwrap_err().contains("64 KiB"));
    }
}
