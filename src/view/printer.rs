//! Who may print what: results go to standard output, everything else to standard error. The only file that writes to either, and so the one
//! that keeps what stands below the lines (as `bars` has them drawn) and an open question apart from the lines that come meanwhile. A pipe that was closed by its reader is quietly a success: later writes are dropped. Never decides what to print.

use super::bars::LinesBelow;
use super::terminal::{Paint, StyledLine};
use crate::text::safe::{self, JsonOutput};
use crate::time::rfc3339;
use jiff::Timestamp;
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
#[derive(Debug, Clone, Copy, Default)]
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
    /// What goes to standard error as JSON lines, with the time by this clock.
    pub log_json: Option<fn() -> Timestamp>,
}

/// A line of standard error, for a program that collects logs.
#[derive(Serialize)]
struct LogLine<'a> {
    v: u8,
    at: String,
    level: &'a str,
    message: &'a str,
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

/// Asks a terminal for its columns and rows.
type AskSize = fn() -> Option<(usize, usize)>;

struct Inner {
    options: PrinterOptions,
    surroundings: Surroundings,
    stdin: Mutex<Box<dyn BufRead + Send>>,
    stdout: Mutex<Stream>,
    stderr: Mutex<ErrorStream>,
    /// How many columns and rows the terminal of standard error has now.
    size: AskSize,
    /// Drops what was typed and not read yet.
    forget_typed: fn(),
}

/// Standard error, with what stands on it.
struct ErrorStream {
    stream: Stream,
    below: LinesBelow,
    /// The question that waits for its answer, with the cursor behind it. Nothing stands below it.
    question: Option<String>,
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

/// A result with the version of its form in front. Only what is an object can have one: an array is printed as it is.
#[derive(Serialize)]
struct Versioned<'a, T: Serialize> {
    v: u8,
    #[serde(flatten)]
    value: &'a T,
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
        let (stdin, stdout, stderr) = (io::BufReader::new(io::stdin()), io::stdout(), io::stderr());
        let size = || {
            let (columns, rows) = terminal_size::terminal_size_of(io::stderr())?;
            Some((columns.0.into(), rows.0.into()))
        };
        let streams = (Box::new(stdin) as _, Box::new(stdout) as _, Box::new(stderr) as _);
        Self::with_terminal(options, surroundings, streams, (size, forget_typed))
    }

    /// A printer on any streams.
    pub fn new(
        options: PrinterOptions,
        surroundings: Surroundings,
        stdin: Box<dyn BufRead + Send>,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
    ) -> Self {
        Self::with_terminal(options, surroundings, (stdin, stdout, stderr), (|| None, || {}))
    }

    fn with_terminal(
        options: PrinterOptions,
        surroundings: Surroundings,
        (stdin, stdout, stderr): (Box<dyn BufRead + Send>, Box<dyn Write + Send>, Box<dyn Write + Send>),
        (size, forget_typed): (AskSize, fn()),
    ) -> Self {
        let stream = |writer| Stream { writer, state: StreamState::Open };
        let stderr = ErrorStream { stream: stream(stderr), below: LinesBelow::default(), question: None };
        let (stdin, stdout, stderr) = (Mutex::new(stdin), Mutex::new(stream(stdout)), Mutex::new(stderr));
        Self { inner: Arc::new(Inner { options, surroundings, stdin, stdout, stderr, size, forget_typed }) }
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

    /// Whether to colour standard error; in a log nothing is.
    pub fn stderr_colors(&self) -> bool {
        self.inner.options.log_json.is_none() && self.colors(self.inner.surroundings.stderr_terminal)
    }

    /// How many columns the terminal of standard error has now; `None` where it is none.
    pub fn stderr_columns(&self) -> Option<usize> {
        let size = self.inner.surroundings.stderr_terminal.then(|| terminal_size::terminal_size_of(io::stderr()));
        size.flatten().map(|(columns, _)| columns.0.into())
    }

    /// The same of standard output.
    pub fn stdout_columns(&self) -> Option<usize> {
        let size = self.inner.surroundings.stdout_terminal.then(|| terminal_size::terminal_size_of(io::stdout()));
        size.flatten().map(|(columns, _)| columns.0.into())
    }

    /// Whether progress is drawn as bars. With `-v` the log's lines would tear them.
    pub fn shows_bars(&self) -> bool {
        let PrinterOptions { quiet, verbose, no_progress, log_json, .. } = self.inner.options;
        let Surroundings { stderr_terminal, dumb, .. } = self.inner.surroundings;
        stderr_terminal && !dumb && !no_progress && !quiet && verbose == 0 && log_json.is_none()
    }

    /// Whether somebody is there to be asked.
    pub fn can_ask(&self) -> bool {
        self.inner.surroundings.stdin_terminal && self.inner.surroundings.stderr_terminal
    }

    /// A result, as text; a line break is added where it has none at its end.
    pub fn result(&self, text: &str) {
        lock(&self.inner.stdout).line(text);
    }

    /// A result, as JSON on several lines: an object begins with the version of its form.
    pub fn result_json(&self, value: &impl Serialize) {
        self.json(
            serde_json::to_string_pretty(&Versioned { v: VERSION, value })
                .or_else(|_| serde_json::to_string_pretty(value)),
        );
    }

    /// A document in somebody else's form, such as a JSON Schema, which has no version of ours.
    pub fn result_document(&self, value: &impl Serialize) {
        self.json(serde_json::to_string_pretty(value));
    }

    fn json(&self, text: serde_json::Result<String>) {
        self.result(&safe::json(&text.expect("views serialise to JSON: string keys, no failing type")));
    }

    /// A result, as JSON on one line.
    pub fn result_json_line(&self, value: &impl Serialize) {
        self.json(serde_json::to_string(&Versioned { v: VERSION, value }).or_else(|_| serde_json::to_string(value)));
    }

    /// A result that takes the place of the one before on a terminal; elsewhere it stands below that, after an empty line.
    pub fn result_in_place(&self, text: &str) {
        let is_drawn = self.inner.surroundings.stdout_terminal && !self.inner.surroundings.dumb;
        let (before, after) = if is_drawn { ("\u{1b}[H\u{1b}[2J", "") } else { ("", "\n") };
        self.result(&format!("{before}{text}\n{after}"));
    }

    /// An object as JSON on several lines, written while it is made, since it may be long.
    ///
    /// # Errors
    /// Where it could not be made.
    pub fn result_pieces(&self, value: &impl Serialize) -> io::Result<()> {
        let mut output = io::BufWriter::new(self.results());
        serde_json::to_writer_pretty(JsonOutput(&mut output), &Versioned { v: VERSION, value })?;
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
        self.note_at("info", text);
    }

    /// What a person may do next. Scripts know, so it is for a terminal only.
    pub fn hint(&self, text: &str) {
        if self.inner.surroundings.stderr_terminal && self.inner.options.log_json.is_none() {
            self.note(&format!("Next:   {text}"));
        }
    }

    fn note_at(&self, level: &str, text: &str) {
        if !self.inner.options.quiet {
            self.error_line(level, text);
        }
    }

    /// A line that only `-v` shows; `text` is not called without it.
    pub fn detail(&self, text: impl FnOnce() -> Option<String>) {
        if self.inner.options.verbose > 0
            && let Some(text) = text()
        {
            self.error_line("debug", &text);
        }
    }

    /// What the user should know. Dropped by `-q`.
    pub fn warning(&self, text: &str) {
        self.note_at("warning", &self.headed("warning", Paint::Open, text));
    }

    /// Why a command failed. `-q` does not drop it.
    pub fn error(&self, text: &str) {
        let text = self.headed("error", Paint::Bad, text);
        self.error_line("error", &text);
    }

    /// The same at a panic, which may have struck while the stream was being written: nothing is waited for.
    pub fn last_words(&self, text: &str) {
        let text = self.headed("error", Paint::Bad, text);
        let text = self.log_line("error", &text).unwrap_or(text) + "\n";
        // There is nobody left who could be told of a failure.
        drop(io::stderr().write_all(text.as_bytes()));
    }

    /// Text for standard error that `-q` does not drop, such as rendered diagnostics with errors.
    pub fn always(&self, text: &str) {
        self.error_line("info", text);
    }

    /// How many columns and rows the terminal of standard error has now.
    pub fn size(&self) -> (usize, usize) {
        (self.inner.size)().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
    }

    /// What stands below all lines of standard error from now on; nothing, where there are no lines. For a terminal only. While a question
    /// is open nothing is drawn.
    pub(crate) fn show_below(&self, lines: Vec<StyledLine>) {
        lock(&self.inner.stderr).show_below(lines, self.size(), self.stderr_colors());
    }

    /// Asks on standard error and reads a line from standard input: only `yes` is a yes; the end of input is a no.
    pub fn confirm(&self, question: &str) -> bool {
        self.ask(question);
        let answer = self.read_answer();
        self.answered(true);
        answer
    }

    /// Asks on standard error. Lines that come before the answer stand above the question, which is then asked again. What was typed before is no
    /// answer: nobody had seen what was asked.
    pub fn ask(&self, question: &str) {
        if self.inner.surroundings.stdin_terminal {
            (self.inner.forget_typed)();
        }
        let question = question.lines().map(safe::terminal).collect::<Vec<_>>().join("\n");
        lock(&self.inner.stderr).ask(format!("{question} Type `yes` to go on: "), self.size());
    }

    /// Reads a line from standard input; blocks until there is one.
    pub fn read_answer(&self) -> bool {
        let mut answer = String::new();
        match lock(&self.inner.stdin).read_line(&mut answer) {
            Ok(_) => answer.trim().eq_ignore_ascii_case("yes"),
            Err(_) => false,
        }
    }

    /// The question is over, by a line that was typed or without one.
    pub fn answered(&self, typed: bool) {
        let mut stderr = lock(&self.inner.stderr);
        if stderr.question.take().is_some() && !typed {
            stderr.stream.write(b"\n");
        }
    }

    fn error_line(&self, level: &str, text: &str) {
        let line = self.log_line(level, text);
        lock(&self.inner.stderr).line(line.as_deref().unwrap_or(text), self.size());
    }

    /// A line as a program wants it, where one collects them.
    fn log_line(&self, level: &str, message: &str) -> Option<String> {
        let at = rfc3339(self.inner.options.log_json?());
        Some(log_line(&at, level, message))
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

    fn headed(&self, head: &str, color: Paint, text: &str) -> String {
        if self.inner.options.log_json.is_some() {
            return text.to_owned();
        }
        // An error may quote a path or a provider's message, which must not move the cursor; only line breaks are certsweep's own.
        let text = text.lines().map(safe::terminal).collect::<Vec<_>>().join("\n");
        if self.stderr_colors() { format!("{}: {text}", color.on(head)) } else { format!("{head}: {text}") }
    }
}

/// A line of a log as JSON. `at` is RFC 3339; what acts on a terminal is escaped.
pub fn log_line(at: &str, level: &str, message: &str) -> String {
    let line = LogLine { v: VERSION, at: at.to_owned(), level, message: message.trim_end() };
    let text = serde_json::to_string(&line).expect("texts and a number serialise to JSON");
    safe::json(&text).into_owned()
}

impl ErrorStream {
    fn line(&mut self, text: &str, size: (usize, usize)) {
        let line = text.strip_suffix('\n').unwrap_or(text);
        if let Some(question) = &self.question {
            // What has been typed so far stays on its line; the question is asked again below.
            self.stream.write(format!("\n{line}\n{question}").as_bytes());
        } else if self.below.is_empty() {
            self.stream.line(text);
        } else {
            let drawn = self.below.above(line, size);
            self.stream.write(drawn.as_bytes());
        }
    }

    fn show_below(&mut self, lines: Vec<StyledLine>, size: (usize, usize), colors: bool) {
        if self.question.is_none() {
            let drawn = self.below.show(lines, size, colors);
            // Nothing is written where nothing changed, not even a flush.
            if !drawn.is_empty() {
                self.stream.write(drawn.as_bytes());
            }
        }
    }

    fn ask(&mut self, question: String, size: (usize, usize)) {
        let cleared = self.below.show(Vec::new(), size, false);
        self.stream.write(format!("{cleared}{question}").as_bytes());
        self.question = Some(question);
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

/// Of a terminal, what it holds for the next reading.
fn forget_typed() {
    #[cfg(unix)]
    // Where that fails, the answer is the first line there is, as before.
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while writing leaves the stream as it is; there is no state in it to be half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The version of what `--json` prints: members are added, and none changes its meaning.
const VERSION: u8 = 1;

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
    use super::super::bars::testing::rows;
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
    fn only_a_person_at_a_terminal_is_told_what_to_do_next() {
        let quiet = PrinterOptions { quiet: true, ..PrinterOptions::default() };
        for (options, surroundings, expected) in [
            (PrinterOptions::default(), TERMINAL, "Next:   certsweep check plan.yaml\n"),
            (PrinterOptions::default(), PIPES, ""),
            (quiet, TERMINAL, ""),
        ] {
            let (printer, out, err) = printer(options, surroundings, "");
            printer.hint("certsweep check plan.yaml");
            assert_eq!((out.text().as_str(), err.text().as_str()), ("", expected));
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
            ("y\n", false),
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

    #[test]
    fn lines_come_above_what_stands_below_and_above_an_open_question() {
        let (printer, _, err) =
            printer(PrinterOptions::default(), Surroundings { no_color: true, ..TERMINAL }, "yes\n");
        let bars = || vec![StyledLine::plain("bar"), StyledLine::plain("total")];
        printer.show_below(bars());
        printer.note("a line");
        assert_eq!(rows(&err.text(), 80), ["a line", "bar", "total"]);
        let before = err.text();
        printer.show_below(bars());
        assert_eq!(err.text(), before, "nothing has changed");
        printer.ask("Go on?");
        printer.show_below(bars());
        assert_eq!(rows(&err.text(), 80), ["a line", "Go on? Type `yes` to go on: "]);
        printer.note("meanwhile");
        let asked = "Go on? Type `yes` to go on: ";
        assert_eq!(rows(&err.text(), 80), ["a line", asked, "meanwhile", asked]);
        assert!(printer.read_answer());
        printer.answered(true);
        // As the terminal echoes what was typed.
        let echo = "yes\n";
        let before = err.text();
        printer.show_below(bars());
        let shown = before.clone() + echo + &err.text()[before.len()..];
        assert_eq!(rows(&shown, 80)[3..], [&format!("{asked}yes"), "bar", "total"]);
        printer.show_below(Vec::new());
        let shown = before.clone() + echo + &err.text()[before.len()..];
        assert_eq!(rows(&shown, 80).len(), 4, "the bars are gone");
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
