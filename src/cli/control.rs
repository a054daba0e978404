//! `certsweep pause`, `unpause` and `set-rate`: commands to a run that another process carries out, as files in the run directory; and that
//! process's listener, which forwards them to the engine and replies once they are in effect. And `certsweep settle`: what a person has found about
//! actions that are in doubt or pending. Asks nobody and sends nothing.

use super::context::{Context, Exit};
use super::options::{PauseArgs, SetRateArgs, SettleArgs, UnpauseArgs};
use super::process::system_user;
use super::status::{resume_command, unpause_command};
use crate::engine::{CommandDone, CommandReply, RunCommand, freed};
use crate::journal::dir::OpenRun;
use crate::journal::{JournalError, Phase, Record, RunDir, RunFacts, live_control};
use crate::provider::model::Window;
use crate::run::{Ordinal, Outcome};
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::time::Clock;
use crate::view::report::run_files::write_reports;
use crate::view::status::RunState;
use crate::view::terminal::plural;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// A command as written to its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ControlFile {
    /// When it was given: the listener refuses commands older than [`STALE`].
    at: Timestamp,
    command: ControlCommand,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ControlCommand {
    Pause {
        /// Who gives it, where that is known.
        by: Option<String>,
    },
    Unpause,
    /// Accounts by name, with their windows as plans write them.
    SetRate(Vec<(String, Vec<String>)>),
}

/// The reply as written to its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ControlReply {
    Done,
    Already,
    Refused(String),
}

/// Makes a run send nothing new; requests in flight are awaited.
pub fn pause(context: &Context, args: &PauseArgs) -> Exit {
    let unpause = unpause_command(&args.run_dir);
    print_reply(context, &args.run_dir, ControlCommand::Pause { by: user() }, |done| match done {
        CommandDone::Done => format!("paused: nothing new is sent. To go on: {unpause}"),
        CommandDone::Already => format!("it was paused already. To go on: {unpause}"),
    })
}

/// Lets a paused run continue, or its next wave begin.
pub fn unpause(context: &Context, args: &UnpauseArgs) -> Exit {
    print_reply(context, &args.run_dir, ControlCommand::Unpause, |done| match done {
        CommandDone::Done => "the run goes on".to_owned(),
        CommandDone::Already => "the run is not paused; nothing to do".to_owned(),
    })
}

/// Sets the limits of a run's accounts.
pub fn set_rate(context: &Context, args: &SetRateArgs) -> Exit {
    let limits: Vec<(String, Vec<String>)> = args
        .limits
        .iter()
        .map(|limit| (limit.account.clone(), limit.windows.iter().map(ToString::to_string).collect()))
        .collect();
    let new_limits: Vec<String> =
        limits.iter().map(|(account, windows)| format!("{account} {}", windows.join(", "))).collect();
    print_reply(context, &args.run_dir, ControlCommand::SetRate(limits), |_| {
        format!("from now on: {}", new_limits.join("; "))
    })
}

/// Forwards commands from the run directory to the engine, and writes its replies, until the engine has closed the channel. `names` are
/// the run's accounts, by index.
pub async fn listen(run: PathBuf, names: Vec<String>, clock: impl Clock, sender: UnboundedSender<RunCommand>) {
    loop {
        // One more round after the end: a command given meanwhile is refused, and its sender need not wait for the timeout.
        let over = sender.is_closed();
        for (pending, text) in live_control::waiting_commands(&run) {
            let reply = match serde_json::from_str::<ControlFile>(&text) {
                Ok(file) if clock.now().duration_since(file.at).abs() > STALE => {
                    ControlReply::Refused("the command is too old: it was meant for an earlier process".to_owned())
                }
                Ok(file) => forward(file.command, &names, &sender).await,
                Err(error) => ControlReply::Refused(format!("the command cannot be read: {error}")),
            };
            // A reply that cannot be written only makes its reader time out; a full disk stops the run by way of the journal.
            let reply = serde_json::to_string(&reply).unwrap_or_default();
            drop(live_control::reply(&pending, &reply));
        }
        if over {
            return;
        }
        tokio::select! {
            () = sender.closed() => {}
            () = tokio::time::sleep(COMMAND_POLL) => {}
        }
    }
}

/// Settles actions of a run.
pub fn settle(context: &Context, args: &SettleArgs) -> Exit {
    let run = match RunDir::existing(&args.run_dir).and_then(RunDir::open) {
        Ok(run) => run,
        Err(error) => return context.no_run(&error),
    };
    let settled = settle_open_run(context, args, &run);
    // Whatever went wrong: the journal's writer must end before the process does.
    run.close();
    match settled {
        Ok(exit) | Err(exit) => exit,
    }
}

/// Who gives a command, as the environment says: told to whoever looks at the run, and never relied on.
fn user() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let named = ["CERTSWEEP_OPERATOR", "SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    // Services and containers have no such variable; the id is known all the same.
    named.or_else(|| Some(system_user()).filter(|user| !user.is_empty()))
}

/// Gives a command, waits for the reply and prints it as `text_of` says.
fn print_reply(
    context: &Context,
    path: &Path,
    command: ControlCommand,
    text_of: impl Fn(CommandDone) -> String,
) -> Exit {
    match send_command(context, path, command) {
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
        Err((why, exit)) => {
            context.printer.error(&why);
            exit
        }
    }
}

fn send_command(context: &Context, path: &Path, command: ControlCommand) -> Result<CommandDone, (String, Exit)> {
    let failed = |error: JournalError| (error.to_string(), Exit::of_journal(&error));
    let dir = RunDir::existing(path).map_err(failed)?;
    let facts = dir.read().and_then(|reader| reader.facts()).map_err(failed)?;
    // The listener checks again; here a mistyped account is an error at once, also where no process runs.
    if let ControlCommand::SetRate(limits) = &command {
        resolve_limits(limits, &account_names(&facts)).map_err(|why| (why, Exit::Usage))?;
    }
    // Without a process that holds the lock nobody would read the file, and the next one would find it too old.
    if !dir.is_locked().map_err(failed)? {
        return Err(not_running(&dir).map_err(failed)?);
    }
    let file = ControlFile { at: context.clock.now(), command };
    let text = serde_json::to_string(&file).map_err(|error| (error.to_string(), Exit::Environment))?;
    // By time, so that the run takes commands in the order in which they were given; by process, so that two of one millisecond differ.
    let name = format!("{}-{}", file.at.as_millisecond(), std::process::id());
    let pending = live_control::send_command(path, &name, &text).map_err(failed)?;
    let began = context.clock.elapsed();
    let mut patience = PATIENCE;
    loop {
        if let Some(reply) = live_control::take_reply(&pending) {
            return match serde_json::from_str(&reply) {
                Ok(ControlReply::Done) => Ok(CommandDone::Done),
                Ok(ControlReply::Already) => Ok(CommandDone::Already),
                Ok(ControlReply::Refused(why)) => Err((why, Exit::Usage)),
                Err(error) => Err((format!("the answer cannot be read: {error}"), Exit::Environment)),
            };
        }
        if context.clock.elapsed().saturating_sub(began) >= patience {
            if !live_control::withdraw(&pending) && patience == PATIENCE {
                // The listener has just removed the file, so it is working on the command: a withdrawn one it would never have seen.
                patience += PATIENCE;
                continue;
            }
            if !dir.is_locked().map_err(failed)? {
                return Err(not_running(&dir).map_err(failed)?);
            }
            let why = format!("the process that carries out {} does not answer; nothing was changed", path.display());
            return Err((why, Exit::Environment));
        }
        std::thread::sleep(REPLY_POLL);
    }
}

/// Why no process replies: the run has ended, or nobody carries it out.
fn not_running(dir: &RunDir) -> Result<(String, Exit), JournalError> {
    let path = dir.path();
    let overview = dir.read()?.overview()?;
    if overview.waiting == 0 {
        return Ok((format!("{} has ended: every action has its outcome", path.display()), Exit::Usage));
    }
    let resume = resume_command(path, RunState::Stopped).unwrap_or_default();
    Ok((format!("nobody is carrying out {} now; `{resume}` goes on with it", path.display()), Exit::Environment))
}

fn account_names(facts: &RunFacts) -> Vec<String> {
    facts.settings.accounts.iter().map(|account| account.name.clone()).collect()
}

/// The indexes of the named accounts, with their windows parsed.
fn resolve_limits(limits: &[(String, Vec<String>)], names: &[String]) -> Result<Vec<(usize, Vec<Window>)>, String> {
    let one = |(name, windows): &(String, Vec<String>)| {
        let index = names.iter().position(|known| known == name).ok_or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map_or_else(|| format!("it has {}", names.join(", ")), |near| did_you_mean(name, near));
            format!("this run has no provider `{name}`; {near}")
        })?;
        let windows: Result<Vec<Window>, String> = windows.iter().map(|text| Window::parse(text)).collect();
        windows.map(|windows| (index, windows))
    };
    limits.iter().map(one).collect()
}

async fn forward(command: ControlCommand, names: &[String], sender: &UnboundedSender<RunCommand>) -> ControlReply {
    // The engine sets one account's windows at a time, so `set-rate` may become several commands.
    let commands: Vec<Box<dyn FnOnce(CommandReply) -> RunCommand>> = match command {
        ControlCommand::Pause { by } => vec![Box::new(|reply| RunCommand::Pause { by, reply })],
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
    let mut outcome = ControlReply::Done;
    for command in commands {
        let (reply, done) = oneshot::channel();
        // Where the engine has ended, `reply` is dropped with the command, and `done` below returns an error.
        drop(sender.send(command(reply)));
        outcome = match done.await {
            Ok(Ok(CommandDone::Done)) => ControlReply::Done,
            Ok(Ok(CommandDone::Already)) => ControlReply::Already,
            Ok(Err(why)) => return ControlReply::Refused(why),
            Err(_) => return ControlReply::Refused("the run has just ended".to_owned()),
        };
    }
    outcome
}

fn settle_open_run(context: &Context, args: &SettleArgs, run: &OpenRun) -> Result<Exit, Exit> {
    let failed = |error: &dyn std::fmt::Display| context.failed(error);
    let reader = run.dir.read().map_err(|error| failed(&error))?;
    let (ordinals, waiting) = find_actions(context, args, run)?;
    let (at, steady, by) = (context.clock.now(), context.clock.elapsed(), user());
    let mut records = vec![Record::Settling { at, by: by.clone() }];
    records.extend(ordinals.iter().map(|ordinal| Record::Settled {
        ordinal: *ordinal,
        at,
        outcome: args.outcome,
        by: by.clone(),
        note: args.note.clone(),
    }));
    let freed = match args.outcome {
        Outcome::Succeeded => {
            let queue = reader.queue().map_err(|error| failed(&error))?;
            let states = reader.states().map_err(|error| failed(&error))?;
            freed(&queue, &states, &ordinals.iter().copied().collect())
        }
        _ => Vec::new(),
    };
    records.extend(freed.iter().map(|ordinal| Record::Reopened { ordinal: *ordinal, at, follows: false }));
    let is_finished = reader.overview_without_actions().map_err(|error| failed(&error))?.finished_at.is_some();
    let waits = plural(freed.len() as u64, "action");
    if !freed.is_empty() && is_finished {
        let why = format!("{waits} may be sent now that what it needs is settled");
        records.push(Record::Stopped { at, why, code: Exit::Stopped.code() });
    } else if waiting == 0 && freed.is_empty() && !is_finished {
        records.push(Record::Finished { at });
    }
    run.journal.append_and_wait(records, steady).map_err(|why| failed(&why))?;
    write_reports(&reader, run.dir.path(), None).map_err(|error| failed(&error))?;
    let actions = plural(ordinals.len() as u64, "action");
    if context.global.json {
        let (outcome, ids) = (args.outcome, &args.ids);
        context.printer.result_json(&serde_json::json!({"settled": ids, "as": outcome, "by": by, "note": args.note}));
    } else {
        context.printer.result(&format!("settled {actions} as {}; the report says so", args.outcome));
        if !freed.is_empty() {
            let run = run.dir.path().display();
            context.printer.result(&format!("{waits} that needed this can go on: certsweep resume {run}"));
        }
    }
    Ok(Exit::Well)
}

/// The actions of these ids, and how many others have not ended. All or none: a list of which a part was taken is not what was meant.
fn find_actions(context: &Context, args: &SettleArgs, run: &OpenRun) -> Result<(Vec<Ordinal>, u64), Exit> {
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let mut missing: BTreeSet<&str> = args.ids.iter().map(String::as_str).collect();
    let (mut ordinals, mut waiting, mut wrong) = (Vec::new(), 0, false);
    for found in reader.histories_without_parameters() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let outcome = history.state.outcome();
        let has_ended = matches!(history.state.phase, Phase::Ended(_));
        if !missing.remove(action.id.as_str()) {
            waiting += u64::from(!has_ended);
        } else if history.state.is_open_to_a_person() && history.doubt.is_none() {
            ordinals.push(action.ordinal);
        } else {
            wrong = true;
            let is = if has_ended || outcome != Outcome::Skipped { outcome.as_str() } else { "not sent yet" };
            context.printer.error(&format!(
                "{} is {is}: only what is in-doubt, pending or pending-approval can be settled",
                action.id
            ));
        }
    }
    for id in &missing {
        wrong = true;
        context.printer.error(&format!("this run has no action `{id}`"));
    }
    if wrong { Err(Exit::Usage) } else { Ok((ordinals, waiting)) }
}

/// How often the listener lists the directory. That costs nothing beside the run; a socket's path would be limited to 108 bytes, and not
/// every file system has sockets.
const COMMAND_POLL: Duration = Duration::from_millis(250);
/// How often the giver of a command looks for the reply.
const REPLY_POLL: Duration = Duration::from_millis(20);
/// How long the giver waits for a reply: many times `COMMAND_POLL`, so that a busy process still makes it.
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
    fn commands_are_read_as_they_were_written() {
        let at = Timestamp::UNIX_EPOCH;
        for command in [
            ControlCommand::Pause { by: Some("alice".into()) },
            ControlCommand::Unpause,
            ControlCommand::SetRate(vec![("a".into(), vec!["1/1s".into()])]),
        ] {
            let text = serde_json::to_string(&ControlFile { at, command: command.clone() }).unwrap();
            assert_eq!(serde_json::from_str::<ControlFile>(&text).unwrap(), ControlFile { at, command });
        }
    }
}
