//! Small files beside the journal, through which another process sees how a run goes (`live.json`) and tells it what to do
//! (`commands/`). They are no part of the promise: never synced, gone when the process ends, and a run goes on without them.
//!
//! A command is a file made whole by a rename; whoever carries the run out puts a reply beside it and takes the command away.

use super::JournalError;
use super::files::put_whole;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Writes how the run goes now.
///
/// # Errors
/// Where it cannot be written; the run goes on without.
pub fn write_state(run: &Path, text: &str) -> io::Result<()> {
    put_text(&run.join(LIVE), text)
}

/// How the run goes, where a process says so.
pub fn read_state(run: &Path) -> Option<String> {
    read(&run.join(LIVE))
}

/// What an earlier process wrote, which was killed, counts no more.
pub fn remove_state(run: &Path) {
    drop(fs::remove_file(run.join(LIVE)));
}

/// Nobody carries the run out any more: no state is shown, and no command obeyed. Replies stay for those who wait for one.
pub fn clear(run: &Path) {
    remove_state(run);
    for (command, _) in waiting_commands(run) {
        withdraw(&command);
    }
    drop(fs::remove_dir(run.join(COMMANDS)));
}

/// Gives a command to whoever carries the run out. `name` tells it from other commands, which are obeyed in the order of their names.
///
/// # Errors
/// Where it cannot be written.
pub fn send_command(run: &Path, name: &str, text: &str) -> Result<PathBuf, JournalError> {
    let commands = run.join(COMMANDS);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true);
    let path = commands.join(format!("{name}.{COMMAND}"));
    let put = || {
        builder.create(&commands)?;
        put_text(&path, text)
    };
    // Whoever takes the last reply away takes the directory away too, perhaps just now.
    put().or_else(|_| put()).map_err(JournalError::file(&path, "writing"))?;
    Ok(path)
}

/// The commands that wait, with their texts.
pub fn waiting_commands(run: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(run.join(COMMANDS)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == COMMAND)).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

/// Puts a reply beside a command and takes the command away.
///
/// # Errors
/// Where the reply cannot be written.
pub fn reply(command: &Path, text: &str) -> io::Result<()> {
    let answered = put_text(&command.with_extension(REPLY), text);
    fs::remove_file(command)?;
    answered
}

/// The reply to a command, where there is one; it is taken away.
pub fn take_reply(command: &Path) -> Option<String> {
    let path = command.with_extension(REPLY);
    let text = read(&path)?;
    drop(fs::remove_file(&path));
    // It goes where nothing else is in it.
    drop(path.parent().map(fs::remove_dir));
    Some(text)
}

/// Takes a command back that nobody has obeyed; whether it was still there.
pub fn withdraw(command: &Path) -> bool {
    fs::remove_file(command).is_ok()
}

fn put_text(path: &Path, text: &str) -> io::Result<()> {
    put_whole(path, |mut file| file.write_all(text.as_bytes()))
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

const LIVE: &str = "live.json";
const COMMANDS: &str = "commands";
const COMMAND: &str = "command";
const REPLY: &str = "reply";
/// More is not read of one file: nobody has so much to say.
const MAX_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_replied_to_and_gone() {
        let run = tempfile::tempdir().unwrap();
        assert!(waiting_commands(run.path()).is_empty());
        let second = send_command(run.path(), "2", "go").unwrap();
        let first = send_command(run.path(), "1", "pause").unwrap();
        let waiting = waiting_commands(run.path());
        assert_eq!(waiting, [(first.clone(), "pause".to_owned()), (second.clone(), "go".to_owned())]);
        assert_eq!(take_reply(&first), None);
        reply(&first, "yes").unwrap();
        assert_eq!((take_reply(&first).as_deref(), take_reply(&first)), (Some("yes"), None));
        assert_eq!((withdraw(&first), withdraw(&second), withdraw(&second)), (false, true, false));
        assert!(waiting_commands(run.path()).is_empty());
        let last = send_command(run.path(), "3", "go").unwrap();
        send_command(run.path(), "4", "go").unwrap();
        reply(&last, "yes").unwrap();
        clear(run.path());
        assert!(waiting_commands(run.path()).is_empty());
        assert_eq!(take_reply(&last).as_deref(), Some("yes"), "who asked may come late");
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
    }

    #[test]
    fn how_it_goes_is_replaced_whole_and_private() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(read_state(run.path()), None);
        write_state(run.path(), "{}").unwrap();
        write_state(run.path(), "{\"a\":1}").unwrap();
        assert_eq!(read_state(run.path()).as_deref(), Some("{\"a\":1}"));
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(run.path().join(LIVE)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
        clear(run.path());
        assert_eq!(read_state(run.path()), None);
    }
}
