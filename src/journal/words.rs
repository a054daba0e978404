//! Small files beside the journal, through which a run is asked how it goes (`now.json`) and told what to do (`words/`) from another
//! process. They are no part of the promise: never synced, gone when the process ends, and a run goes on without them.
//!
//! A word is a file made whole by a rename; whoever carries the run out puts an answer beside it and takes the word away.

use super::JournalError;
use super::dir::put_whole;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Tells how the run goes now.
///
/// # Errors
/// Where it cannot be written; the run goes on without.
pub fn write_now(run: &Path, text: &str) -> io::Result<()> {
    put_text(&run.join(NOW), text)
}

/// How the run goes, where a process has told.
pub fn read_now(run: &Path) -> Option<String> {
    read(&run.join(NOW))
}

/// What an earlier process told, which was killed, holds no more.
pub fn forget_now(run: &Path) {
    drop(fs::remove_file(run.join(NOW)));
}

/// Nobody carries the run out any more: nothing is told, and nothing is heard. Answers stay for those who asked.
pub fn clear(run: &Path) {
    forget_now(run);
    for (word, _) in waiting(run) {
        take_back(&word);
    }
    drop(fs::remove_dir(run.join(WORDS)));
}

/// Says a word to whoever carries the run out. `name` tells it from other words, which are heard in the order of their names.
///
/// # Errors
/// Where it cannot be written.
pub fn say(run: &Path, name: &str, text: &str) -> Result<PathBuf, JournalError> {
    let words = run.join(WORDS);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true);
    let path = words.join(format!("{name}.{WORD}"));
    let put = || {
        builder.create(&words)?;
        put_text(&path, text)
    };
    // Whoever takes the last answer away takes the directory away too, perhaps just now.
    put().or_else(|_| put()).map_err(JournalError::file(&path, "writing"))?;
    Ok(path)
}

/// The words that wait to be heard, with what they say.
pub fn waiting(run: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(run.join(WORDS)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == WORD)).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

/// Answers a word and takes it away.
///
/// # Errors
/// Where the answer cannot be written.
pub fn answer(word: &Path, text: &str) -> io::Result<()> {
    let answered = put_text(&word.with_extension(ANSWER), text);
    fs::remove_file(word)?;
    answered
}

/// The answer to a word, where there is one; it is taken away.
pub fn answered(word: &Path) -> Option<String> {
    let path = word.with_extension(ANSWER);
    let text = read(&path)?;
    drop(fs::remove_file(&path));
    // It goes where nothing else is in it.
    drop(path.parent().map(fs::remove_dir));
    Some(text)
}

/// Takes a word back that nobody has heard; whether it was still there.
pub fn take_back(word: &Path) -> bool {
    fs::remove_file(word).is_ok()
}

fn put_text(path: &Path, text: &str) -> io::Result<()> {
    put_whole(path, |mut file| file.write_all(text.as_bytes()))
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

const NOW: &str = "now.json";
const WORDS: &str = "words";
const WORD: &str = "word";
const ANSWER: &str = "answer";
/// Nobody has more to say in one word.
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_heard_answered_and_gone() {
        let run = tempfile::tempdir().unwrap();
        assert!(waiting(run.path()).is_empty());
        let second = say(run.path(), "2", "go").unwrap();
        let first = say(run.path(), "1", "pause").unwrap();
        let heard = waiting(run.path());
        assert_eq!(heard, [(first.clone(), "pause".to_owned()), (second.clone(), "go".to_owned())]);
        assert_eq!(answered(&first), None);
        answer(&first, "yes").unwrap();
        assert_eq!((answered(&first).as_deref(), answered(&first)), (Some("yes"), None));
        assert_eq!((take_back(&first), take_back(&second), take_back(&second)), (false, true, false));
        assert!(waiting(run.path()).is_empty());
        let last = say(run.path(), "3", "go").unwrap();
        say(run.path(), "4", "go").unwrap();
        answer(&last, "yes").unwrap();
        clear(run.path());
        assert!(waiting(run.path()).is_empty());
        assert_eq!(answered(&last).as_deref(), Some("yes"), "who asked may come late");
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
    }

    #[test]
    fn how_it_goes_is_replaced_whole_and_private() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(read_now(run.path()), None);
        write_now(run.path(), "{}").unwrap();
        write_now(run.path(), "{\"a\":1}").unwrap();
        assert_eq!(read_now(run.path()).as_deref(), Some("{\"a\":1}"));
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(run.path().join(NOW)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
        clear(run.path());
        assert_eq!(read_now(run.path()), None);
    }
}
