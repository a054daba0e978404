//! What others get of a run while it goes on: the event stream (`--events`), hooks, and the metrics file, each by a thread of its own, for a pipe
//! that nobody reads, a hook that hangs and a full disk must not hold the run up: what they fail to take is told, once, and the run goes on. And the
//! new certificates as files in the run directory, for whoever deploys them while later steps wait until servers show them: the journal has them,
//! and a run does not fail for a copy.

use crate::journal::dir::OpenRun;
use crate::journal::files::{put_readable, put_whole};
use crate::journal::{JournalError, Reader, RunWatch};
use crate::plan::Settings;
use crate::plan::settings::HookEvent;
use crate::provider::CredentialReference;
use crate::run::Event;
use crate::text::{file, safe};
use crate::time::Clock;
use crate::view::RunDeadline;
use crate::view::events::{EventLine, EventLog, Metrics, RunIdentity};
use crate::view::printer::Printer;
use crate::view::progress::{Observer, Silent};
use crate::view::report::certificate_file;
use crate::view::report::run_files::each_certificate;
use crate::view::status::Summary;
use crate::wire::hook::{HookProgram, run_hook};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// Where other programs want to be told, opened before anything is sent.
#[derive(Debug, Default)]
pub struct Outlets {
    events: Option<EventSink>,
    metrics: Option<PathBuf>,
}

/// An observer that also tells other programs.
pub struct OutletWriter<C> {
    shown: Box<dyn Observer>,
    log: EventLog,
    metrics: Metrics,
    clock: C,
    events: Option<Worker<String>>,
    hooks: Option<Worker<EventLine>>,
    figures: Option<Worker<String>>,
    /// When figures were written last.
    written: Option<Duration>,
}

/// An observer that writes each new certificate before it passes the event on.
pub struct IssuedFilesWriter {
    shown: Box<dyn Observer>,
    run: PathBuf,
    /// Whether the run directory is still there: what stands at its place else is somebody else's.
    watch: Option<RunWatch>,
    printer: Printer,
    /// Whether a failure was told: a full disk has many.
    is_told: bool,
}

/// Where event lines go.
#[derive(Debug)]
enum EventSink {
    /// Standard output, which then holds nothing else.
    Standard,
    File(PathBuf, File),
    /// A named pipe, which is opened by the thread that writes to it: that waits until somebody reads.
    Pipe(PathBuf),
}

/// A thread that takes things in order, and whoever gives them to it never waits for it.
#[derive(Debug)]
struct Worker<T> {
    sender: SyncSender<T>,
    ended: Receiver<()>,
    /// Whether it is to leave what it is doing.
    gives_up: Arc<AtomicBool>,
    /// What it does, for messages.
    name: &'static str,
    /// How long its end is waited for.
    patience: Duration,
    /// What it was too slow to take.
    lost: u64,
}

impl Outlets {
    /// Opens the file of events (`-`: standard output), to which lines are added.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(events: Option<&Path>, metrics: Option<&Path>) -> Result<Self, String> {
        let events = match events {
            None => None,
            Some(path) if path == Path::new("-") => Some(EventSink::Standard),
            Some(path) if is_pipe(path) => Some(EventSink::Pipe(path.to_path_buf())),
            Some(path) => {
                let opened = append_to(path);
                let file = opened.map_err(|error| format!("--events {}: {}", path.display(), file::reason(&error)))?;
                Some(EventSink::File(path.to_path_buf(), file))
            }
        };
        Ok(Self { events, metrics: metrics.map(Path::to_path_buf) })
    }

    /// Whether standard output belongs to the event stream.
    pub fn take_standard_output(&self) -> bool {
        matches!(self.events, Some(EventSink::Standard))
    }
}

impl<C: Clock> OutletWriter<C> {
    /// Passes every event on to `shown`.
    pub fn new(
        (shown, outlets): (Box<dyn Observer>, Outlets),
        settings: &Settings,
        run: RunIdentity,
        deadline: Option<RunDeadline>,
        (printer, clock): (&Printer, C),
    ) -> Self {
        let events = outlets.events.map(|sink| event_worker(sink, printer.clone()));
        let hooks = (!settings.hooks.is_empty()).then(|| hook_worker(settings, printer.clone()));
        let figures = outlets.metrics.map(|path| metrics_worker(path, printer.clone()));
        let metrics = Metrics::new(&run, deadline);
        Self { shown, log: EventLog::new(run, deadline), metrics, clock, events, hooks, figures, written: None }
    }

    /// Shows nothing more.
    pub fn hide(&mut self) {
        self.shown = Box::new(Silent);
    }

    /// Tells of the end, where the run came to one that can be told, and waits until all was taken, for so long as is reasonable.
    pub fn end(mut self, summary: Option<&Summary>, printer: &Printer) {
        if let Some(summary) = summary {
            let line = self.log.end(summary, self.clock.now());
            self.tell(line);
        }
        if let Some(figures) = &mut self.figures {
            figures.send(self.metrics.text(false));
        }
        let Self { events, hooks, figures, .. } = self;
        let left = [events.and_then(Worker::end), hooks.and_then(Worker::end), figures.and_then(Worker::end)];
        left.iter().flatten().for_each(|left| printer.warning(left));
    }

    fn tell(&mut self, line: EventLine) {
        if let (Some(hooks), Some(_)) = (&mut self.hooks, line.hook) {
            hooks.send(line.clone());
        }
        if let Some(events) = &mut self.events {
            events.send(line.text);
        }
    }
}

impl<C: Clock + Send> Observer for OutletWriter<C> {
    fn event(&mut self, event: &Event) {
        self.shown.event(event);
        if self.events.is_some() || self.hooks.is_some() {
            for line in self.log.take(event, self.clock.now()) {
                self.tell(line);
            }
        }
        if let Some(figures) = &mut self.figures {
            self.metrics.event(event);
            let now = self.clock.elapsed();
            if matches!(event, Event::RunBegan { .. } | Event::Tick(_))
                && self.written.is_none_or(|written| now.saturating_sub(written) >= METRICS_EVERY)
            {
                self.written = Some(now);
                figures.send(self.metrics.text(true));
            }
        }
    }
}

impl<C> std::fmt::Debug for OutletWriter<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OutletWriter").field("log", &self.log).finish_non_exhaustive()
    }
}

impl IssuedFilesWriter {
    /// Passes every event on to `shown`.
    pub fn new(shown: Box<dyn Observer>, run: &OpenRun, printer: Printer) -> Self {
        Self { shown, run: run.dir.path().to_path_buf(), watch: run.watch.clone(), printer, is_told: false }
    }
}

impl Observer for IssuedFilesWriter {
    fn event(&mut self, event: &Event) {
        if let Event::CertificateIssued { id, pem, .. } = event
            && self.watch.as_ref().is_none_or(RunWatch::is_in_place)
            && let Err(error) = &put_certificate(&self.run.join(certificate_file(id)), pem)
            && !std::mem::replace(&mut self.is_told, true)
        {
            let id = safe::terminal(id);
            let why = format!(
                "the new certificate of {id} cannot be written ({}); the journal has it, and the report writes it again",
                file::reason(error)
            );
            self.printer.warning(&why);
        }
        self.shown.event(event);
    }
}

impl std::fmt::Debug for IssuedFilesWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("IssuedFilesWriter").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Tells an observer of the certificates that earlier processes brought: they may have ended before anybody took them.
///
/// # Errors
/// Where the journal cannot be read.
pub fn tell_of_earlier_certificates(reader: &Reader, observer: &mut dyn Observer) -> Result<(), JournalError> {
    each_certificate(reader, |account, id, pem| {
        observer.event(&Event::CertificateIssued { account, id, pem });
        Ok(())
    })
}

/// Opens a file to add lines to it.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // As private as the run directory.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn is_pipe(path: &Path) -> bool {
    #[cfg(unix)]
    let is_pipe =
        std::fs::metadata(path).is_ok_and(|there| std::os::unix::fs::FileTypeExt::is_fifo(&there.file_type()));
    #[cfg(not(unix))]
    let is_pipe = false;
    is_pipe
}

impl<T: Send + 'static> Worker<T> {
    fn start(
        (name, room, patience): (&'static str, usize, Duration),
        mut take: impl FnMut(T, &AtomicBool) + Send + 'static,
    ) -> Self {
        let (sender, things) = sync_channel(room);
        let (ends, ended) = channel();
        let gives_up = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&gives_up);
        std::thread::spawn(move || {
            while let Ok(thing) = things.recv() {
                if !stop.load(Ordering::Relaxed) {
                    take(thing, &stop);
                }
            }
            let _ = ends.send(());
        });
        Self { sender, ended, gives_up, name, patience, lost: 0 }
    }

    fn send(&mut self, thing: T) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.sender.try_send(thing) {
            self.lost += 1;
        }
    }

    /// What is to be told of it.
    fn end(self) -> Option<String> {
        let Self { sender, ended, gives_up, name, patience, lost } = self;
        drop(sender);
        if ended.recv_timeout(patience).is_err() {
            gives_up.store(true, Ordering::Relaxed);
            // Long enough for a program that hangs to be killed.
            let _ = ended.recv_timeout(LAST_CHANCE);
            let patience = crate::time::human(patience);
            return Some(format!("{name} did not take everything within {patience} of the end; the rest is lost"));
        }
        (lost > 0).then(|| format!("{name} was too slow, and did not get {lost} of the events; the report has all"))
    }
}

fn event_worker(sink: EventSink, printer: Printer) -> Worker<String> {
    let mut sink = Some(sink);
    Worker::start(("the reader of --events", EVENTS_WAITING, PATIENCE), move |line: String, _| {
        let fail = |path: &Path, error: &io::Error| {
            // A reader that has gone wants no more.
            if error.kind() != io::ErrorKind::BrokenPipe {
                let path = path.display();
                printer.warning(&format!("--events {path}: {}; nothing more is written there", file::reason(error)));
            }
        };
        sink = match sink.take() {
            Some(EventSink::Pipe(path)) => match append_to(&path) {
                Ok(file) => Some(EventSink::File(path, file)),
                Err(error) => {
                    fail(&path, &error);
                    None
                }
            },
            other => other,
        };
        match &mut sink {
            // It tells of a failure at the end of the process.
            Some(EventSink::Standard) => printer.result(&line),
            Some(EventSink::File(path, file)) => {
                // One write for a line: two processes may add to one file.
                if let Err(error) = file.write_all((line + "\n").as_bytes()) {
                    fail(path, &error);
                    sink = None;
                }
            }
            Some(EventSink::Pipe(_)) | None => {}
        }
    })
}

fn hook_worker(settings: &Settings, printer: Printer) -> Worker<EventLine> {
    let hooks = settings.hooks.clone();
    // A program that sends messages has no use for a CA's credentials.
    let credentials = settings.accounts.iter().flat_map(|account| account.credentials.values());
    let withheld: Vec<String> = credentials
        .filter_map(|reference| match reference {
            CredentialReference::Env(name) => Some(name.clone()),
            CredentialReference::File(_) | CredentialReference::Command(_) => None,
        })
        .collect();
    Worker::start(("a hook", HOOKS_WAITING, HOOK_PATIENCE), move |line: EventLine, gives_up| {
        let told_of = |on: &[HookEvent]| line.hook.is_some_and(|event| on.contains(&event));
        for hook in hooks.iter().filter(|hook| told_of(&hook.on)) {
            let program =
                HookProgram { command: &hook.command, environment: &[], withheld: &withheld, limit: HOOK_LIMIT };
            if let Err(why) = run_hook(&program, &line.text, gives_up) {
                let program = hook.command.first().map(String::as_str).unwrap_or_default();
                let event = line.hook.map(HookEvent::as_str).unwrap_or_default();
                printer.warning(&format!(
                    "the hook `{program}` for `{event}` failed: {why}; the run is not touched by it"
                ));
            }
        }
    })
}

fn metrics_worker(path: PathBuf, printer: Printer) -> Worker<String> {
    let mut is_told = false;
    Worker::start(("the writer of --metrics", METRICS_WAITING, PATIENCE), move |text: String, _| {
        match put_readable(&path, &text) {
            Ok(()) => is_told = false,
            Err(error) => {
                // Once for each trouble, not every few seconds.
                if !std::mem::replace(&mut is_told, true) {
                    printer.warning(&format!(
                        "--metrics {}: {}; the run goes on",
                        path.display(),
                        file::reason(&error)
                    ));
                }
            }
        }
    })
}

/// Not synced: a process that takes the run up writes it again.
fn put_certificate(path: &Path, pem: &str) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == pem.as_bytes()) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    put_whole(path, |mut file| file.write_all(pem.as_bytes()))
}

/// Prometheus scrapes seldom more often.
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// Some 30 MB of lines, which a reader has to catch up with.
const EVENTS_WAITING: usize = 100_000;
const HOOKS_WAITING: usize = 100;
/// A disk that hangs gets no heap of old figures afterwards.
const METRICS_WAITING: usize = 2;
/// How long the end of the process waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one hook may take.
const HOOK_LIMIT: Duration = Duration::from_secs(30);
/// For hooks, one of which may just have begun.
const HOOK_PATIENCE: Duration = Duration::from_secs(40);
const LAST_CHANCE: Duration = Duration::from_secs(1);
