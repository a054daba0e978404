//! Credential references become credentials, before the first send: from the environment, a file, or a program's output. What is
//! wrong is reported, all of it at once, in sentences about the reference; a value, or what may be a part of it, is never in them.

use super::credentials::Credentials;
use super::sign::unusable;
use super::tls::{ClientIdentity, IdentityError};
use crate::pki::pem::is_der;
use crate::provider::security::CredentialUse;
use crate::provider::{CredentialReference, SecurityRequirement};
use crate::text::{Secret, file, safe};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What came of resolving an account's references.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Which of the requirements is to be used.
    pub requirement: usize,
    /// Its credentials.
    pub credentials: Credentials,
    /// The client's certificate and key, where the requirement has them.
    pub identity: Option<ClientIdentity>,
    /// What should be put right, though it does no harm now.
    pub warnings: Vec<String>,
}

/// The credentials of an account cannot be had. Names all that are missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CredentialError {
    /// The account, by the name that the plan gives it.
    pub account: String,
    /// Every credential that is missing.
    pub problems: Vec<CredentialProblem>,
}

/// One credential that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialProblem {
    /// Its name: `api_key`.
    pub credential: String,
    /// Where it should come from: `env:DIGICERT_API_KEY`; `None` where nothing says so.
    pub reference: Option<String>,
    /// Why it cannot be had.
    pub cause: String,
}

/// Takes the first security requirement all of whose credentials are configured, and fetches them; and those of single operations' requirements
/// (`of_operations`), where they are configured whole. An environment variable that
/// is not set counts as not configured, since documents name variables for every scheme that they know.
///
/// # Errors
/// All credentials that are missing, in one error.
pub fn resolve(
    account: &str,
    references: &BTreeMap<String, CredentialReference>,
    requirements: &[SecurityRequirement],
    of_operations: &[SecurityRequirement],
    environment: &dyn Fn(&str) -> Option<OsString>,
    now: Timestamp,
) -> Result<Resolved, CredentialError> {
    let error = |problems| CredentialError { account: account.to_owned(), problems };
    let Some(index) = choose(references, requirements, environment) else {
        let cause = "the provider document declares no way to authenticate".to_owned();
        return Err(error(vec![CredentialProblem { credential: String::new(), reference: None, cause }]));
    };
    let whole = |one: &&SecurityRequirement| {
        let is_set = |name: &&str| references.get(*name).is_some_and(|reference| configured(reference, environment));
        one.required().iter().all(is_set)
    };
    let applied: Vec<&SecurityRequirement> =
        std::iter::once(&requirements[index]).chain(of_operations.iter().filter(whole)).collect();
    let mut credentials: Vec<(String, Secret)> = Vec::new();
    let mut warnings = Vec::new();
    let mut problems = Vec::new();
    let names = |one: &SecurityRequirement| -> Vec<(String, bool)> {
        let required = one.required().into_iter().map(|name| (name.to_owned(), true));
        required.chain(one.optional().into_iter().map(|name| (name.to_owned(), false))).collect()
    };
    let wanted =
        applied.iter().flat_map(|one| names(one).into_iter().map(move |(name, required)| (*one, name, required)));
    for (requirement, name, required) in wanted {
        let name = name.as_str();
        if credentials.iter().any(|(known, _)| known == name) {
            continue;
        }
        let reference = references.get(name);
        if !required && !reference.is_some_and(|reference| configured(reference, environment)) {
            continue;
        }
        let fetched = match reference {
            Some(reference) => fetch(reference, environment),
            None => Err(format!("nothing says where it comes from; write `credentials: {{{name}: \"env:NAME\"}}`")),
        };
        let is_used_as = |wanted: CredentialUse| requirement.uses_of(name).any(|usage| usage == wanted);
        let fetched = fetched.and_then(|fetched| match fetched.is_der {
            true if is_used_as(CredentialUse::ClientCertificate) => Ok(fetched),
            true if is_used_as(CredentialUse::ClientKey) => Err(NO_PEM.to_owned()),
            _ => fetched.text(),
        });
        match fetched.and_then(|fetched| check(requirement, name, fetched)) {
            Ok(Fetched { secret, warning, .. }) => {
                let short = (!secret.is_masked()).then(|| TOO_SHORT.to_owned());
                let told = warning.into_iter().chain(short);
                warnings.extend(told.map(|warning| format!("credential `{name}` of `{account}`: {warning}")));
                credentials.push((name.to_owned(), secret));
            }
            Err(cause) => {
                let reference = reference.map(ToString::to_string);
                problems.push(CredentialProblem { credential: name.to_owned(), reference, cause });
            }
        }
    }
    let credentials = Credentials::new(credentials);
    let mut identity = None;
    if problems.is_empty() && applied.iter().any(|one| one.is_mutual_tls()) {
        match read_identity(&credentials, now) {
            Ok(read) => {
                let warning = read.warning.iter();
                warnings.extend(warning.map(|warning| format!("credential `{CERTIFICATE}` of `{account}`: {warning}")));
                identity = Some(read);
            }
            Err((credential, cause)) => {
                let reference = references.get(credential).map(ToString::to_string);
                problems.push(CredentialProblem { credential: credential.to_owned(), reference, cause });
                return Err(error(problems));
            }
        }
    }
    if !problems.is_empty() {
        let others = requirements.iter().enumerate().filter(|(other, _)| *other != index);
        problems.extend(others.map(|(_, requirement)| CredentialProblem {
            credential: String::new(),
            reference: None,
            cause: format!("or give {} instead", requirement.required().join(" and ")),
        }));
    }
    if problems.is_empty() {
        Ok(Resolved { requirement: index, credentials, identity, warnings })
    } else {
        Err(error(problems))
    }
}

/// The client's certificate and key among credentials.
///
/// # Errors
/// Which of them is at fault, and why.
pub fn read_identity(credentials: &Credentials, now: Timestamp) -> Result<ClientIdentity, (&'static str, String)> {
    let text = |name: &str| credentials.get(name).map(Secret::reveal);
    let identity = ClientIdentity::new(text(CERTIFICATE).unwrap_or_default(), text(KEY), text(PASSWORD), now);
    identity.map_err(|error| match error {
        IdentityError::Certificate(why) => (CERTIFICATE, why),
        IdentityError::Key(why) => (KEY, why),
        IdentityError::Password(why) => (PASSWORD, why),
    })
}

impl fmt::Display for CredentialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot get the credentials of `{}`", self.account)?;
        for (problem, separator) in self.problems.iter().zip(std::iter::once(": ").chain(std::iter::repeat("; "))) {
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CredentialProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.credential.is_empty() {
            write!(formatter, "`{}`", self.credential)?;
            if let Some(reference) = &self.reference {
                write!(formatter, " from `{reference}`")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.cause)
    }
}

/// The requirement to use; where none is configured whole, the one to complain about: the first with a reference for each of its
/// credentials, else the first of all.
fn choose(
    references: &BTreeMap<String, CredentialReference>,
    requirements: &[SecurityRequirement],
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Option<usize> {
    let first = |test: &dyn Fn(&CredentialReference) -> bool| {
        let has = |name: &&str| references.get(*name).is_some_and(test);
        requirements.iter().position(|requirement| requirement.required().iter().all(has))
    };
    first(&|reference| configured(reference, environment))
        .or_else(|| first(&|_| true))
        .or_else(|| (!requirements.is_empty()).then_some(0))
}

fn configured(reference: &CredentialReference, environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    match reference {
        CredentialReference::Env(name) => environment(name).is_some_and(|value| !value.is_empty()),
        CredentialReference::File(_) | CredentialReference::Command(_) => true,
    }
}

fn check(requirement: &SecurityRequirement, name: &str, fetched: Fetched) -> Result<Fetched, String> {
    let value = fetched.secret.reveal();
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    match requirement.uses_of(name).find_map(|usage| unusable(usage, value)) {
        Some(why) => Err(why),
        None => Ok(fetched),
    }
}

/// A credential that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The credential.
    pub(super) secret: Secret,
    /// Whether it was DER and no text: it is here in base64.
    pub(super) is_der: bool,
    /// What should be put right about where it came from.
    pub(super) warning: Option<String>,
}

impl Fetched {
    /// It, where it was a text.
    pub(super) fn text(self) -> Result<Self, String> {
        if self.is_der { Err(NO_TEXT.to_owned()) } else { Ok(self) }
    }
}

/// Fetches what a reference refers to.
pub(super) fn fetch(
    reference: &CredentialReference,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Fetched, String> {
    match reference {
        CredentialReference::Env(name) => {
            let value = environment(name).ok_or("the variable is not set")?;
            let value = value.into_string().map_err(|_| "the variable holds bytes that are no UTF-8 text")?;
            Ok(Fetched { secret: Secret::new(value), is_der: false, warning: None })
        }
        CredentialReference::File(path) => from_file(path),
        CredentialReference::Command(words) => from_command(words, COMMAND_LIMIT),
    }
}

fn from_file(path: &Path) -> Result<Fetched, String> {
    let opened = file::open_regular(path).and_then(|file| file.map_or_else(|| File::open(path), Ok));
    let mut file = opened.map_err(|error| match error.kind() {
        // A named pipe, as some keep secrets in: a command has a time limit, and opening the pipe has none.
        io::ErrorKind::Other if !path.is_dir() => format!("{}; `command:cat PATH` reads one", file::reason(&error)),
        _ => file::reason(&error),
    })?;
    let metadata = file.metadata().map_err(|error| file::reason(&error))?;
    let bytes = read_capped(&mut file).map_err(|error| file::reason(&error))?;
    let warning = others_may_read(&metadata)
        .then(|| format!("others may read `{}`; chmod 600 it", safe::terminal(&path.display().to_string())));
    Ok(Fetched { secret: secret(&bytes)?, is_der: is_der(&bytes), warning })
}

/// Runs a program without a shell. Its standard input is empty; what it writes to standard error is shown when it fails.
fn from_command(words: &[String], limit: Duration) -> Result<Fetched, String> {
    let (program, arguments) = words.split_first().ok_or("there is no program to run")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it could not be started: {}", file::reason(&error)))?;
    let collected = collect(&mut child, limit);
    if !matches!(&collected, Ok(Some(_))) {
        // It may have ended by itself in the meantime; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (status, output, complaint) = collected
        .map_err(|error| format!("its output could not be read: {}", file::reason(&error)))?
        .ok_or_else(|| format!("it did not end within {}", crate::time::human(limit)))?;
    if status.success() {
        return Ok(Fetched { secret: secret(&output)?, is_der: is_der(&output), warning: None });
    }
    // What it printed may be the credential, and it may have repeated that on standard error.
    let printed = Secret::new(String::from_utf8_lossy(&output).trim());
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = printed.mask(complaint.trim().into());
    let complaint: String = complaint.chars().take(MAX_COMPLAINT).collect();
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
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 1));
    from.take(MAX_LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LENGTH { Err(io::Error::other("it is longer than 64 KiB")) } else { Ok(bytes) }
}

/// The text without one trailing line break; DER in base64.
fn secret(bytes: &[u8]) -> Result<Secret, String> {
    if is_der(bytes) {
        return Ok(Secret::new(STANDARD.encode(bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NO_TEXT)?;
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

const NO_TEXT: &str = "it is not UTF-8 text";
const NO_PEM: &str = "it is no PEM, but DER: `openssl pkey -inform DER -in FILE -out FILE.pem` makes PEM of a key; a PKCS#12 store is what `client_certificate` \
                      may refer to, and needs no `client_key`";
/// The credentials of `mutualTLS`.
const CERTIFICATE: &str = "client_certificate";
const KEY: &str = "client_key";
const PASSWORD: &str = "client_certificate_password";
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const MAX_LENGTH: usize = 64 * 1024;
const MAX_COMPLAINT: usize = 300;
const TOO_SHORT: &str = "it has fewer than 4 characters: anybody can guess it, and where a provider repeats it, it is not masked in the report and the run directory";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::security::tests::token;
    use crate::provider::security::{SecurityScheme, SignerKind, TokenGrant};

    fn huawei() -> Vec<SecurityRequirement> {
        let aksk = SecurityScheme::new("test", SignerKind::HuaweiSdkHmacSha256);
        vec![aksk.into(), token(TokenGrant::HuaweiIam).into()]
    }

    fn environment(name: &str) -> Option<OsString> {
        let value = match name {
            #[cfg(unix)]
            "LATIN1" => return Some(std::os::unix::ffi::OsStringExt::from_vec(b"s\xe9cret".to_vec())),
            "AK" => "access",
            "SK" => "se\"cret",
            "EMPTY" => "",
            "BROKEN" => "a\nb",
            "USER" | "PASSWORD" | "DOMAIN" => "iam\nvalue",
            _ => return None,
        };
        Some(value.into())
    }

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, CredentialReference> {
        pairs
            .iter()
            .map(|(name, variable)| ((*name).to_owned(), CredentialReference::Env((*variable).to_owned())))
            .collect()
    }

    #[test]
    fn the_first_scheme_that_is_configured_whole_is_taken() {
        let iam = [("iam_user", "USER"), ("iam_password", "PASSWORD"), ("iam_domain", "DOMAIN")];
        let keys = [("access_key", "AK"), ("secret_key", "SK")];
        let unset = [("access_key", "UNSET"), ("secret_key", "SK")];
        for (references, expected) in [
            (env(&keys), (0, vec!["access_key", "secret_key"])),
            (env(&[&keys[..], &iam[..]].concat()), (0, vec!["access_key", "secret_key"])),
            (env(&[&unset[..], &iam[..]].concat()), (1, vec!["iam_user", "iam_password", "iam_domain"])),
            (env(&[&keys[..], &[("security_token", "UNSET")]].concat()), (0, vec!["access_key", "secret_key"])),
            (
                env(&[&keys[..], &[("security_token", "AK")]].concat()),
                (0, vec!["access_key", "secret_key", "security_token"]),
            ),
        ] {
            let resolved = resolve("huawei", &references, &huawei(), &[], &environment, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!((resolved.requirement, resolved.credentials.names().collect()), expected);
        }
    }

    #[test]
    fn all_missing_credentials_are_named_and_none_is_shown() {
        let broken = env(&[("access_key", "BROKEN"), ("secret_key", "SK")]);
        for (references, expected) in [
            #[cfg(unix)]
            (
                env(&[("access_key", "LATIN1"), ("secret_key", "SK")]),
                "cannot get the credentials of `hw`: `access_key` from `env:LATIN1`: the variable holds bytes that are no UTF-8 text",
            ),
            (
                env(&[("access_key", "UNSET"), ("secret_key", "EMPTY")]),
                "cannot get the credentials of `hw`: `access_key` from `env:UNSET`: the variable is not set; \
                 `secret_key` from `env:EMPTY`: it is empty",
            ),
            (
                env(&[("secret_key", "SK")]),
                "cannot get the credentials of `hw`: `access_key`: nothing says where it comes from; \
                 write `credentials: {access_key: \"env:NAME\"}`",
            ),
            (
                broken,
                "cannot get the credentials of `hw`: `access_key` from `env:BROKEN`: it holds characters that a header \
                 field cannot carry (line breaks, white space at an end, or other than ASCII)",
            ),
        ] {
            let expected = format!("{expected}; or give iam_user and iam_password and iam_domain instead");
            assert_eq!(
                resolve("hw", &references, &huawei(), &[], &environment, Timestamp::UNIX_EPOCH)
                    .unwrap_err()
                    .to_string(),
                expected
            );
        }
        assert!(
            resolve("hw", &env(&[]), &[], &[], &environment, Timestamp::UNIX_EPOCH)
                .unwrap_err()
                .to_string()
                .contains("no way to authenticate")
        );
    }
}

#[cfg(all(test, unix))]
mod fetch_tests {
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
        assert!(from_file(Path::new("/nowhere/key")).unwrap_err().contains("no such file"));
        assert!(from_file(Path::new("/")).unwrap_err().contains("directory"));
        assert!(from_file(Path::new("/dev/zero")).unwrap_err().contains("a device or a named pipe"));
    }
}
