//! `certsweep pause`, `unpause` and `set-rate`: words to a run that another process carries out, through the run directory; and that process's
//! ear, which hands them to the engine and answers when it is done.

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::status::resume_command;
use crate::engine::{CommandDone, CommandReply, RunCommand};
use crate::journal::{JournalError, RunDir, RunFacts, live_control};
use crate::provider::model::Window;
use crate::text::nearest::nearest;
use crate::time::Clock;
use crate::view::status::RunState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A word as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ControlFile {
    /// When it was said: nobody hears what is long past.
    at: Timestamp,
    /// What was said.
    what: ControlCommand,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ControlCommand {
    Pause,
    Unpause,
    /// Accounts by name, with their windows as plans write them.
    SetRate(Vec<(String, Vec<String>)>),
}

/// The answer as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ControlReply {
    Done,
    Already,
    Refused(String),
}

/// Has a run send nothing new.
pub fn pause(context: &Context, args: &args::PauseArgs) -> Exit {
    let unpause = format!("`certsweep unpause {}` goes on", args.run_dir.display());
    print_reply_to(context, &args.run_dir, ControlCommand::Pause, |done| match done {
        CommandDone::Done => format!("paused: nothing new is sent; {unpause}"),
        CommandDone::Already => format!("it was paused already; {unpause}"),
    })
}

/// Has a paused run go on.
pub fn unpause(context: &Context, args: &args::UnpauseArgs) -> Exit {
    print_reply_to(context, &args.run_dir, ControlCommand::Unpause, |done| match done {
        CommandDone::Done => "it goes on".to_owned(),
        CommandDone::Already => "not paused; nothing to do".to_owned(),
    })
}

/// Sets the limits of a run's accounts.
pub fn set_rate(context: &Context, args: &args::SetRateArgs) -> Exit {
    let limits: Vec<(String, Vec<String>)> = args
        .limits
        .iter()
        .map(|limit| (limit.account.clone(), limit.windows.iter().map(ToString::to_string).collect()))
        .collect();
    let new_limits: Vec<String> =
        limits.iter().map(|(account, windows)| format!("{account} {}", windows.join(", "))).collect();
    print_reply_to(context, &args.run_dir, ControlCommand::SetRate(limits), |_| {
        format!("from now on: {}", new_limits.join("; "))
    })
}

/// Says a word and waits for the answer.
fn print_reply_to(
    context: &Context,
    path: &Path,
    what: ControlCommand,
    text_of: impl Fn(CommandDone) -> String,
) -> Exit {
    match send_command(context, path, what) {
        Ok(done) => {
            if context.global.json {
                let already = done == CommandDone::Already;
                context
                    .printer
                    .result_json(&serde_json::json!({"done": true, "already": already, "text": text_of(done)}));
            } else {
                context.printer.result(&text_of(done));
            }
            Exit::Well
        }
        Err((words, exit)) => {
            context.printer.error(&words);
            exit
        }
    }
}

fn send_command(context: &Context, path: &Path, what: ControlCommand) -> Result<CommandDone, (String, Exit)> {
    let failed = |error: JournalError| (error.to_string(), Exit::of_journal(&error));
    let dir = RunDir::existing(path).map_err(failed)?;
    let facts = dir.read().and_then(|reader| reader.facts()).map_err(failed)?;
    if let ControlCommand::SetRate(limits) = &what {
        resolve_limits(limits, &names(&facts)).map_err(|words| (words, Exit::Usage))?;
    }
    if !dir.is_locked().map_err(failed)? {
        return Err(not_running(&dir).map_err(failed)?);
    }
    let said = ControlFile { at: context.clock.now(), what };
    let text = serde_json::to_string(&said).map_err(|error| (error.to_string(), Exit::Environment))?;
    // By time, so that the run takes commands in the order in which they were given; by process, so that two of one millisecond differ.
    let name = format!("{}-{}", said.at.as_millisecond(), std::process::id());
    let word = live_control::send_command(path, &name, &text).map_err(failed)?;
    let began = context.clock.elapsed();
    let mut patience = PATIENCE;
    loop {
        if let Some(answer) = live_control::take_reply(&word) {
            return match serde_json::from_str(&answer) {
                Ok(ControlReply::Done) => Ok(CommandDone::Done),
                Ok(ControlReply::Already) => Ok(CommandDone::Already),
                Ok(ControlReply::Refused(why)) => Err((why, Exit::Usage)),
                Err(error) => Err((format!("the answer cannot be read: {error}"), Exit::Environment)),
            };
        }
        if context.clock.elapsed().saturating_sub(began) >= patience {
            if !live_control::withdraw(&word) && patience == PATIENCE {
                // It has just been heard: the answer is on its way.
                patience += PATIENCE;
                continue;
            }
            if !dir.is_locked().map_err(failed)? {
                return Err(not_running(&dir).map_err(failed)?);
            }
            let words = format!("the process that holds {} does not answer; nothing was changed", path.display());
            return Err((words, Exit::Environment));
        }
        std::thread::sleep(LOOK);
    }
}

/// Why nobody hears.
fn not_running(dir: &RunDir) -> Result<(String, Exit), JournalError> {
    let path = dir.path();
    let overview = dir.read()?.overview()?;
    if overview.waiting == 0 {
        return Ok((format!("{} has ended: every action has its outcome", path.display()), Exit::Usage));
    }
    let resume = resume_command(path, RunState::Stopped).unwrap_or_default();
    Ok((format!("nobody is carrying out {} now; `{resume}` goes on with it", path.display()), Exit::Environment))
}

fn names(facts: &RunFacts) -> Vec<String> {
    facts.settings.accounts.iter().map(|account| account.name.clone()).collect()
}

/// The indexes and windows of accounts that are named.
fn resolve_limits(limits: &[(String, Vec<String>)], names: &[String]) -> Result<Vec<(usize, Vec<Window>)>, String> {
    let one = |(name, windows): &(String, Vec<String>)| {
        let index = names.iter().position(|known| known == name).ok_or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str));
            let near =
                near.map_or_else(|| format!("it has {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
            format!("this run has no provider `{name}`; {near}")
        })?;
        let windows: Result<Vec<Window>, String> = windows.iter().map(|text| Window::parse(text)).collect();
        windows.map(|windows| (index, windows))
    };
    limits.iter().map(one).collect()
}

/// Hears what is said to the run (whose accounts have these names) and hands it to the engine, until nobody listens there any more.
pub async fn listen(run: PathBuf, names: Vec<String>, clock: impl Clock, sender: UnboundedSender<RunCommand>) {
    loop {
        // What is said while the run ends is heard once more, and refused: who said it need not wait in vain.
        let over = sender.is_closed();
        for (word, text) in live_control::waiting_commands(&run) {
            let answer = match serde_json::from_str::<ControlFile>(&text) {
                Ok(said) if clock.now().duration_since(said.at).abs() > STALE => {
                    ControlReply::Refused("command expired".to_owned())
                }
                Ok(said) => hand_over(said.what, &names, &sender).await,
                Err(error) => ControlReply::Refused(format!("it cannot be understood: {error}")),
            };
            // Who asked may be gone; a disk that takes no answer is the journal's affair.
            let answer = serde_json::to_string(&answer).unwrap_or_default();
            drop(live_control::reply(&word, &answer));
        }
        if over {
            return;
        }
        tokio::select! {
            () = sender.closed() => {}
            () = tokio::time::sleep(LISTEN) => {}
        }
    }
}

async fn hand_over(what: ControlCommand, names: &[String], sender: &UnboundedSender<RunCommand>) -> ControlReply {
    let given: Vec<Box<dyn FnOnce(CommandReply) -> RunCommand>> = match what {
        ControlCommand::Pause => vec![Box::new(RunCommand::Pause)],
        ControlCommand::Unpause => vec![Box::new(RunCommand::Unpause)],
        ControlCommand::SetRate(limits) => match resolve_limits(&limits, names) {
            Err(why) => return ControlReply::Refused(why),
            Ok(limits) => limits
                .into_iter()
                .map(|(account, windows)| -> Box<dyn FnOnce(CommandReply) -> RunCommand> {
                    Box::new(move |reply| RunCommand::SetWindows { account, windows, reply })
                })
                .collect(),
        },
    };
    let mut answer = ControlReply::Done;
    for word in given {
        let (reply, hears) = oneshot::channel();
        drop(sender.send(word(reply)));
        answer = match hears.await {
            Ok(Ok(CommandDone::Done)) => ControlReply::Done,
            Ok(Ok(CommandDone::Already)) => ControlReply::Already,
            Ok(Err(why)) => return ControlReply::Refused(why),
            Err(_) => return ControlReply::Refused("the run has just ended".to_owned()),
        };
    }
    answer
}

/// How often the runner looks for commands. A look at a directory costs nothing beside the run; a socket would have a path of its own
/// limit (108 bytes) and would not be there on every file system.
const LISTEN: Duration = Duration::from_millis(250);
/// How often who said one looks for the answer.
const LOOK: Duration = Duration::from_millis(20);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A command that is older was meant for an earlier process: one that was killed leaves its files behind, and a `pause` of yesterday
/// must not hold the run of today.
const STALE: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_for_accounts_that_there_are() {
        let names = ["digicert".to_owned(), "naver-kr".to_owned()];
        let limits = |name: &str, window: &str| resolve_limits(&[(name.to_owned(), vec![window.to_owned()])], &names);
        assert_eq!(limits("naver-kr", "50/5s"), Ok(vec![(1, vec![Window::parse("50/5s").unwrap()])]));
        for (name, window, expected) in [
            ("digicrt", "50/5s", "did you mean `digicert`?"),
            ("somebody", "50/5s", "it has digicert, naver-kr"),
            ("digicert", "fast", "`fast` is not a rate"),
        ] {
            let why = limits(name, window).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn words_are_written_and_read_again() {
        let at = Timestamp::UNIX_EPOCH;
        for what in [
            ControlCommand::Pause,
            ControlCommand::Unpause,
            ControlCommand::SetRate(vec![("a".into(), vec!["1/1s".into()])]),
        ] {
            let text = serde_json::to_string(&ControlFile { at, what: what.clone() }).unwrap();
            assert_eq!(serde_json::from_str::<ControlFile>(&text).unwrap(), ControlFile { at, what });
        }
    }
}
