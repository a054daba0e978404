//! Meets an ACME challenge: a program is run, or a file is written; and takes it away again. Decides nothing, and sends nothing to the CA.

use super::hook::{HookProgram, run_hook};
use crate::provider::challenge::{Challenge, ChallengeHook, ChallengeSolver};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

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

/// Meets a challenge, or takes what was put there away, on a thread of its own. `thumbprint` is that of the account's key; the program does not
/// get the environment variables `withheld`.
///
/// # Errors
/// Why it could not be done, as a sentence.
pub async fn call(
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
    done.map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::provider::challenge::ChallengeType;
    use std::time::Duration;

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
