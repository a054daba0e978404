//! Who may print what: results go to standard output, everything else to standard error. The only file that writes to either.
//! A pipe that was closed by its reader is quietly a success: later writes are dropped. Never decides what to print.

use super::json::JsonOutput;
use crate::text::safe;
use serde::Serialize;
use std::ffi::OsStr;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrinterOptions {
    /// Nothing on standard error but errors.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// When to colour.
    pub color: ColorChoice,
    /// No progress bars.
    pub no_progress: bool,
    /// Results as JSON.
    pub json: bool,
}

/// What the program runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Standard input is a terminal.
    pub stdin_terminal: bool,
    /// Standard output is a terminal.
    pub stdout_terminal: bool,
    /// Standard error is a terminal.
    pub stderr_terminal: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set, not empty and not `0`.
    pub force_color: bool,
    /// `TERM` is `dumb`: neither colours nor bars.
    pub dumb: bool,
}

/// Standard output, standard error and standard input of the process. Clones share them.
#[derive(Clone)]
pub struct Printer {
    inner: Arc<Inner>,
}

struct Inner {
    options: PrinterOptions,
    surroundings: Surroundings,
    stdin: Mutex<Box<dyn BufRead + Send>>,
    stdout: Mutex<Stream>,
    stderr: Mutex<Stream>,
}

/// An output, until it fails.
struct Stream {
    writer: Box<dyn Write + Send>,
    state: StreamState,
}

enum StreamState {
    Open,
    /// The reader went away, which is fine.
    Closed,
    Failed(io::Error),
}

/// Standard output for results that are written piece by piece, such as a report. Writes to a closed pipe succeed and are dropped.
pub struct ResultWriter<'a> {
    stdout: MutexGuard<'a, Stream>,
}

impl Surroundings {
    /// As they are: terminals, and environment variables by the given reading.
    pub fn detect(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self {
            stdin_terminal: io::stdin().is_terminal(),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            no_color: set("NO_COLOR").is_some(),
            force_color: set("CLICOLOR_FORCE").is_some_and(|value| value != OsStr::new("0")),
            dumb: set("TERM").is_some_and(|value| value == OsStr::new("dumb")),
        }
    }
}

impl Printer {
    /// A printer on the process's own streams.
    pub fn standard(options: PrinterOptions) -> Self {
        let surroundings = Surroundings::detect(|name| std::env::var_os(name));
        Self::new(
            options,
            surroundings,
            Box::new(io::BufReader::new(io::stdin())),
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        )
    }

    /// A printer on any streams.
    pub fn new(
        options: PrinterOptions,
        surroundings: Surroundings,
        stdin: Box<dyn BufRead + Send>,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
    ) -> Self {
        let stream = |writer| Mutex::new(Stream { writer, state: StreamState::Open });
        let (stdout, stderr) = (stream(stdout), stream(stderr));
        Self { inner: Arc::new(Inner { options, surroundings, stdin: Mutex::new(stdin), stdout, stderr }) }
    }

    /// What the user asked for.
    pub fn options(&self) -> PrinterOptions {
        self.inner.options
    }

    /// Whether somebody looks at the results as they are printed.
    pub fn shows_results(&self) -> bool {
        self.inner.surroundings.stdout_terminal
    }

    /// Whether to colour standard output.
    pub fn stdout_colors(&self) -> bool {
        self.colors(self.inner.surroundings.stdout_terminal)
    }

    /// Whether to colour standard error.
    pub fn stderr_colors(&self) -> bool {
        self.colors(self.inner.surroundings.stderr_terminal)
    }

    /// How many columns the terminal of standard error has now; `None` where it is none.
    pub fn stderr_columns(&self) -> Option<usize> {
        let size = self.inner.surroundings.stderr_terminal.then(|| terminal_size::terminal_size_of(io::stderr()));
        size.flatten().map(|(columns, _)| columns.0.into())
    }

    /// Whether progress is drawn as bars. With `-v` the log's lines would tear them.
    pub fn shows_bars(&self) -> bool {
        let PrinterOptions { quiet, verbose, no_progress, .. } = self.inner.options;
        let Surroundings { stderr_terminal, dumb, .. } = self.inner.surroundings;
        stderr_terminal && !dumb && !no_progress && !quiet && verbose == 0
    }

    /// Whether somebody is there to be asked.
    pub fn can_ask(&self) -> bool {
        self.inner.surroundings.stdin_terminal && self.inner.surroundings.stderr_terminal
    }

    /// A result, as text; a line break is added where it has none at its end.
    pub fn result(&self, text: &str) {
        lock(&self.inner.stdout).line(text);
    }

    /// A result, as JSON on several lines.
    pub fn result_json(&self, value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).expect("views serialise to JSON: string keys, no failing type");
        self.result(&safe::json(&text));
    }

    /// The same, written while it is made, since it may be long.
    ///
    /// # Errors
    /// Where it could not be made.
    pub fn result_pieces(&self, value: &impl Serialize) -> io::Result<()> {
        let mut output = io::BufWriter::new(self.results());
        serde_json::to_writer_pretty(JsonOutput(&mut output), value)?;
        output.write_all(b"\n")?;
        output.flush()
    }

    /// Standard output for results that are written piece by piece; best behind a buffer. Until the writer is dropped, no other
    /// result can be printed.
    pub fn results(&self) -> ResultWriter<'_> {
        ResultWriter { stdout: lock(&self.inner.stdout) }
    }

    /// What accompanies the results: progress, hints. Dropped by `-q`.
    pub fn note(&self, text: &str) {
        if !self.inner.options.quiet {
            lock(&self.inner.stderr).line(text);
        }
    }

    /// A line that only `-v` shows; `text` is not called without it.
    pub fn detail(&self, text: impl FnOnce() -> Option<String>) {
        if self.inner.options.verbose > 0
            && let Some(text) = text()
        {
            lock(&self.inner.stderr).line(&text);
        }
    }

    /// What the user should know. Dropped by `-q`.
    pub fn warning(&self, text: &str) {
        self.note(&self.headed("warning", YELLOW, text));
    }

    /// Why a command failed. `-q` does not drop it.
    pub fn error(&self, text: &str) {
        let text = self.headed("error", RED, text);
        self.always(&text);
    }

    /// The same at a panic, which may have struck while the stream was being written: nothing is waited for.
    pub fn last_words(&self, text: &str) {
        let text = self.headed("error", RED, text) + "\n";
        // There is nobody left who could be told of a failure.
        drop(io::stderr().write_all(text.as_bytes()));
    }

    /// Text for standard error that `-q` does not drop, such as rendered diagnostics with errors.
    pub fn always(&self, text: &str) {
        lock(&self.inner.stderr).line(text);
    }

    /// Asks on standard error and reads a line from standard input: only `yes` (or `y`) is a yes; the end of input is a no.
    pub fn confirm(&self, question: &str) -> bool {
        lock(&self.inner.stderr).write(format!("{question} Type `yes` to go on: ").as_bytes());
        let mut answer = String::new();
        match lock(&self.inner.stdin).read_line(&mut answer) {
            Ok(_) => matches!(answer.trim().to_lowercase().as_str(), "yes" | "y"),
            Err(_) => false,
        }
    }

    /// To be called at the end.
    ///
    /// # Errors
    /// Where results could not be written to standard output (a full disk). A closed pipe is no error.
    pub fn finish(&self) -> io::Result<()> {
        let mut stdout = lock(&self.inner.stdout);
        stdout.flush();
        match std::mem::replace(&mut stdout.state, StreamState::Closed) {
            StreamState::Failed(error) => Err(error),
            state => {
                stdout.state = state;
                Ok(())
            }
        }
    }

    fn colors(&self, terminal: bool) -> bool {
        let Surroundings { no_color, force_color, dumb, .. } = self.inner.surroundings;
        match self.inner.options.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !no_color && (force_color || terminal && !dumb),
        }
    }

    fn headed(&self, head: &str, color: &str, text: &str) -> String {
        // An error may quote a path or a provider's message, which must not move the cursor; only line breaks are certsweep's own.
        let text = text.lines().map(safe::terminal).collect::<Vec<_>>().join("\n");
        if self.stderr_colors() { format!("{color}{head}{PLAIN}: {text}") } else { format!("{head}: {text}") }
    }
}

impl Stream {
    fn line(&mut self, text: &str) {
        // One write for a line, so that lines of two processes on one terminal do not mix.
        if text.ends_with('\n') {
            self.write(text.as_bytes());
        } else {
            self.write(format!("{text}\n").as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if matches!(self.state, StreamState::Open) {
            let written = self.writer.write_all(bytes);
            self.note_failure(written);
            self.flush();
        }
    }

    fn flush(&mut self) {
        if matches!(self.state, StreamState::Open) {
            let flushed = self.writer.flush();
            self.note_failure(flushed);
        }
    }

    fn note_failure(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            // Rust ignores SIGPIPE: `certsweep … | head` returns EPIPE here instead of killing a process that carries out a run.
            let closed = error.kind() == io::ErrorKind::BrokenPipe;
            self.state = if closed { StreamState::Closed } else { StreamState::Failed(error) };
        }
    }
}

impl Write for ResultWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.stdout.state, StreamState::Open) {
            let written = self.stdout.writer.write_all(bytes);
            self.stdout.note_failure(written);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush();
        Ok(())
    }
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Printer").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while writing leaves the stream as it is; there is no state in it to be half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

#[cfg(test)]
pub(crate) mod testing {
    //! A printer whose streams a test can read.

    use super::*;

    /// A stream in memory that several owners share.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl SharedBuffer {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).unwrap()
        }
    }

    impl Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A printer with its standard output and standard error.
    pub(crate) fn printer(
        options: PrinterOptions,
        surroundings: Surroundings,
        input: &str,
    ) -> (Printer, SharedBuffer, SharedBuffer) {
        let (out, err) = (SharedBuffer::default(), SharedBuffer::default());
        let stdin = Box::new(io::Cursor::new(input.to_owned().into_bytes()));
        (Printer::new(options, surroundings, stdin, Box::new(out.clone()), Box::new(err.clone())), out, err)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::printer;
    use super::*;

    const TERMINAL: Surroundings = Surroundings {
        stdin_terminal: true,
        stdout_terminal: true,
        stderr_terminal: true,
        no_color: false,
        force_color: false,
        dumb: false,
    };
    const PIPES: Surroundings =
        Surroundings { stdin_terminal: false, stdout_terminal: false, stderr_terminal: false, ..TERMINAL };

    #[test]
    fn results_and_the_rest_go_their_ways() {
        for (quiet, verbose, expected) in [
            (false, 0, "note\nwarning: careful\nerror: broken\\u{1b}\nhere\n"),
            (true, 0, "error: broken\\u{1b}\nhere\n"),
            (false, 1, "note\ndetail\nwarning: careful\nerror: broken\\u{1b}\nhere\n"),
        ] {
            let (printer, out, err) =
                printer(PrinterOptions { quiet, verbose, ..PrinterOptions::default() }, PIPES, "");
            printer.result("result");
            printer.note("note");
            printer.detail(|| Some("detail".to_owned()));
            printer.warning("careful");
            printer.error("broken\u{1b}\nhere");
            assert_eq!(out.text(), "result\n");
            assert_eq!(err.text(), expected);
        }
    }

    #[test]
    fn colours_follow_option_environment_and_terminal() {
        use ColorChoice::{Always, Auto, Never};
        for (color, surroundings, expected) in [
            (Auto, TERMINAL, true),
            (Auto, PIPES, false),
            (Always, PIPES, true),
            (Never, TERMINAL, false),
            (Auto, Surroundings { no_color: true, ..TERMINAL }, false),
            (Always, Surroundings { no_color: true, ..TERMINAL }, true),
            (Auto, Surroundings { force_color: true, ..PIPES }, true),
            (Auto, Surroundings { force_color: true, no_color: true, ..PIPES }, false),
            (Auto, Surroundings { dumb: true, ..TERMINAL }, false),
        ] {
            let (printer, _, _) = printer(PrinterOptions { color, ..PrinterOptions::default() }, surroundings, "");
            assert_eq!(printer.stdout_colors(), expected, "{color:?} {surroundings:?}");
        }
    }

    #[test]
    fn bars_need_a_terminal_and_nobody_against_them() {
        for (options, surroundings, expected) in [
            (PrinterOptions::default(), TERMINAL, true),
            (PrinterOptions::default(), PIPES, false),
            (PrinterOptions { no_progress: true, ..PrinterOptions::default() }, TERMINAL, false),
            (PrinterOptions { quiet: true, ..PrinterOptions::default() }, TERMINAL, false),
            (PrinterOptions { verbose: 1, ..PrinterOptions::default() }, TERMINAL, false),
            (PrinterOptions::default(), Surroundings { dumb: true, ..TERMINAL }, false),
        ] {
            let (printer, _, _) = printer(options, surroundings, "");
            assert_eq!(printer.shows_bars(), expected, "{options:?} {surroundings:?}");
        }
    }

    #[test]
    fn only_yes_is_a_yes() {
        for (input, expected) in [
            ("yes\n", true),
            ("y\n", true),
            (" YES \r\n", true),
            ("no\n", false),
            ("\n", false),
            ("", false),
            ("yess\n", false),
        ] {
            let (printer, out, err) = printer(PrinterOptions::default(), TERMINAL, input);
            assert_eq!(printer.confirm("Send 5 requests?"), expected, "{input:?}");
            assert_eq!(err.text(), "Send 5 requests? Type `yes` to go on: ");
            assert_eq!(out.text(), "");
        }
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_a_success_and_a_full_disk_is_not() {
        for (kind, expected) in
            [(io::ErrorKind::BrokenPipe, None), (io::ErrorKind::StorageFull, Some(io::ErrorKind::StorageFull))]
        {
            let failing = || Box::new(Failing(kind));
            let printer = Printer::new(PrinterOptions::default(), PIPES, Box::new(io::empty()), failing(), failing());
            printer.result("one");
            printer.note("two");
            assert!(printer.results().write_all(b"three").is_ok());
            assert_eq!(printer.finish().err().map(|error| error.kind()), expected);
        }
    }
}
