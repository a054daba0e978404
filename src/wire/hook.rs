//! Starts one hook: a program that is told something on standard input, bounded in time. It shares the run's environment, but for the
//! credentials. Such a program, or a file that is written, meets an ACME challenge; what was put there is taken away again. Decides nothing, and
//! sends nothing to the CA: what follows from a hook's end is for those who call.

use crate::provider::challenge::{Challenge, ChallengeHook, ChallengeSolver};
use crate::text::{file, safe};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A program that is to be run.
#[derive(Debug, Clone, Copy)]
pub struct HookProgram<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// What it gets beside the environment of the run.
    pub environment: &'a [(&'a str, &'a str)],
    /// What it does not get of that.
    pub withheld: &'a [String],
    /// How long it may take.
    pub limit: Duration,
}

/// What is done about a challenge: the words of dehydrated's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookCall {
    /// It is to be met.
    Deploy,
    /// It was met, or never will be: what was put there is taken away.
    CleanUp,
}

impl HookCall {
    const fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy_challenge",
            Self::CleanUp => "clean_challenge",
        }
    }
}

/// Runs a hook to its end, without a shell. What it prints is dropped, but the first words on standard error where it fails.
///
/// # Errors
/// Why it failed, in a few words.
pub fn run_hook(hook: &HookProgram<'_>, event: &str, gives_up: &AtomicBool) -> Result<(), String> {
    let (program, arguments) = hook.command.split_first().ok_or("there is no program to run")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    for name in hook.withheld {
        command.env_remove(name);
    }
    command.envs(hook.environment.iter().copied());
    // Ctrl-C is for the run: a hook that tells of the stop must outlive it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| format!("it could not be started: {}", file::reason(&error)))?;
    let (complain, complaint) = channel();
    if let Some(mut errors) = child.stderr.take() {
        // Read to the end, for a program whose pipe is full hangs; and not waited for, since others may hold the pipe open.
        std::thread::spawn(move || {
            let mut first = Vec::new();
            let _ = errors.by_ref().take(MAX_COMPLAINT).read_to_end(&mut first);
            let _ = complain.send(first);
            let _ = std::io::copy(&mut errors, &mut std::io::sink());
        });
    }
    if let Some(mut input) = child.stdin.take() {
        let text = format!("{event}\n");
        // A program that does not read it need not.
        std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    }
    match wait(&mut child, hook.limit, gives_up) {
        None => {
            kill(&mut child);
            Err(format!("it did not end within {}, and was killed", crate::time::human(hook.limit)))
        }
        Some(Err(error)) => Err(format!("its end could not be seen: {}", file::reason(&error))),
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => {
            let complaint = complaint.recv_timeout(POLL * 10).unwrap_or_default();
            let complaint = String::from_utf8_lossy(&complaint);
            let complaint = safe::terminal(complaint.trim());
            let separator = if complaint.is_empty() { "" } else { ": " };
            Err(format!("it ended with {status}{separator}{complaint}"))
        }
    }
}

/// Meets a challenge, or takes what was put there away, on a thread of its own. `thumbprint` is that of the account's key; the program does not
/// get the environment variables `withheld`.
///
/// # Errors
/// Why it could not be done, as a sentence.
pub async fn call_challenge_hook(
    hook: ChallengeHook,
    challenge: Challenge,
    thumbprint: String,
    withheld: Vec<String>,
    call: HookCall,
) -> Result<(), String> {
    let (done, result) = tokio::sync::oneshot::channel();
    let domain = challenge.domain.clone();
    std::thread::spawn(move || drop(done.send(carry_out(&hook, &challenge, &thumbprint, &withheld, call))));
    let result = result.await.unwrap_or_else(|_| Err("it panicked".to_owned()));
    result.map_err(|why| format!("the challenge hook ({}) for {domain}: {why}", call.word()))
}

/// Its exit status; nothing where it takes too long.
fn wait(child: &mut Child, limit: Duration, gives_up: &AtomicBool) -> Option<std::io::Result<ExitStatus>> {
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(status)),
            Ok(None) if gives_up.load(Ordering::Relaxed) => return None,
            Ok(None) => std::thread::sleep(POLL),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

/// The program, and what it has started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn carry_out(
    hook: &ChallengeHook,
    challenge: &Challenge,
    thumbprint: &str,
    withheld: &[String],
    call: HookCall,
) -> Result<(), String> {
    match &hook.by {
        ChallengeSolver::Directory(directory) => in_directory(directory, challenge, thumbprint, call),
        ChallengeSolver::Command(command) => {
            let proof = challenge.proof(thumbprint);
            let (domain, token) = (challenge.domain.as_str(), challenge.token.as_str());
            let told = json!({
                "v": 1, "do": call.word(), "domain": domain, "type": challenge.kind.word(), "token": token,
                "key_authorization": challenge.key_authorization(thumbprint), "validation": proof,
                "record": format!("_acme-challenge.{domain}"),
            });
            // The arguments are dehydrated's, the environment is certbot's: hooks that there are serve here as they are.
            let arguments = [call.word(), domain, token, &proof].map(str::to_owned);
            let environment = [
                ("CERTBOT_DOMAIN", domain),
                ("CERTBOT_TOKEN", token),
                ("CERTBOT_VALIDATION", &proof),
                ("CERTSWEEP_CHALLENGE_TYPE", challenge.kind.word()),
            ];
            let hook = HookProgram {
                command: &[command.as_slice(), &arguments].concat(),
                environment: &environment,
                withheld,
                limit: hook.limit,
            };
            run_hook(&hook, &told.to_string(), &AtomicBool::new(false))
        }
    }
}

/// A file of the token's name, whose letters were checked.
fn in_directory(directory: &Path, challenge: &Challenge, thumbprint: &str, call: HookCall) -> Result<(), String> {
    let path = directory.join(&challenge.token);
    let done = match call {
        // It need not survive a crash: what comes after one puts it there anew.
        HookCall::Deploy => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .and_then(|mut file| file.write_all(challenge.key_authorization(thumbprint).as_bytes())),
        HookCall::CleanUp => match std::fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        },
    };
    done.map_err(|error| format!("{}: {}", path.display(), file::reason(&error)))
}

const POLL: Duration = Duration::from_millis(20);
const MAX_COMPLAINT: u64 = 300;

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::provider::challenge::ChallengeType;

    fn run(script: &str) -> Result<(), String> {
        run_command(&["sh", "-c", script].map(str::to_owned), false)
    }

    fn run_command(command: &[String], gives_up: bool) -> Result<(), String> {
        let withheld = ["PATH_OF_NOBODY".to_owned()];
        let hook = HookProgram { command, environment: &[], withheld: &withheld, limit: Duration::from_secs(30) };
        run_hook(&hook, "{\"v\":1}", &AtomicBool::new(gives_up))
    }

    #[test]
    fn a_hook_is_told_on_standard_input_and_its_failure_has_its_words() {
        assert_eq!(run("read line && test \"$line\" = '{\"v\":1}'"), Ok(()));
        assert_eq!(run("exit 0"), Ok(()), "one that does not read is well too");
        let why = run("printf 'no \\033[2Jroute' >&2; exit 7").unwrap_err();
        assert_eq!(why, "it ended with exit status: 7: no \\u{1b}[2Jroute");
        let none = run_command(&["/no/such/program".to_owned()], false).unwrap_err();
        assert!(none.starts_with("it could not be started: "), "{none}");
    }

    #[test]
    fn one_that_prints_without_end_or_leaves_others_behind_is_not_waited_for() {
        assert_eq!(run("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero"), Ok(()));
        assert_eq!(run("sleep 60 & exit 0"), Ok(()));
    }

    #[test]
    fn one_that_hangs_is_killed_with_what_it_has_started() {
        let command = ["sh", "-c", "sleep 600 & wait"].map(str::to_owned);
        let why = run_command(&command, true).unwrap_err();
        assert!(why.contains("was killed"), "{why}");
    }

    fn challenge(kind: ChallengeType) -> Challenge {
        Challenge { domain: "a.example".to_owned(), kind, token: "tok-1".to_owned(), url: "https://ca/1".to_owned() }
    }

    #[test]
    fn a_program_is_told_in_the_words_that_hooks_know() {
        let script = r#"read line; printf '%s|%s|%s|%s|%s' "$1" "$2" "$3" "$CERTBOT_DOMAIN" "$line" >&2; exit 1"#;
        let command = ["sh", "-c", script, "hook"].map(str::to_owned).to_vec();
        let hook = ChallengeHook {
            kind: ChallengeType::Http01,
            by: ChallengeSolver::Command(command),
            limit: Duration::from_secs(60),
        };
        let why = carry_out(&hook, &challenge(ChallengeType::Http01), "print", &[], HookCall::Deploy).unwrap_err();
        assert!(why.contains("deploy_challenge|a.example|tok-1|a.example|{"), "{why}");
        assert!(why.contains(r#""domain":"a.example""#) && why.contains("tok-1.print"), "{why}");
    }

    #[test]
    fn a_file_is_there_and_gone_again() {
        let place = tempfile::tempdir().unwrap();
        let by = ChallengeSolver::Directory(place.path().to_owned());
        let hook = ChallengeHook { kind: ChallengeType::Http01, by, limit: Duration::from_secs(1) };
        let challenge = challenge(ChallengeType::Http01);
        let call = |call| carry_out(&hook, &challenge, "print", &[], call);
        assert_eq!(call(HookCall::Deploy), Ok(()));
        assert_eq!(std::fs::read_to_string(place.path().join("tok-1")).unwrap(), "tok-1.print");
        assert_eq!((call(HookCall::CleanUp), call(HookCall::CleanUp)), (Ok(()), Ok(())));
        assert!(!place.path().join("tok-1").exists());
    }
}
