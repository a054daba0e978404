//! Signals and log lines, who asks the program, and what is left to do at a panic. Decides nothing: whoever listens takes the signals, and
//! leaves at once at a second one.

use super::context::{Context, Exit};
use crate::run::RunOrigin;
use crate::text::file::reason;
use crate::time::{Clock, SystemClock, rfc3339};
use crate::view::printer::{Printer, log_line};
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Who begins a run now, as the operating system knows them; `operator` and `ticket` as they were named, empty texts being none.
pub fn origin(operator: Option<&str>, ticket: Option<&str>) -> RunOrigin {
    let named = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let (user, host) = user_and_host();
    RunOrigin {
        operator: named(operator),
        ticket: named(ticket),
        user,
        host,
        command_line: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        ..RunOrigin::default()
    }
}

/// The user whom the system knows, with the id.
pub fn system_user() -> String {
    user_and_host().0
}

/// The user with the id that the system goes by: a name in the environment alone proves nothing. Who became another by `sudo` is named too.
#[cfg(unix)]
fn user_and_host() -> (String, String) {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let id = rustix::process::getuid().as_raw();
    let name = variable("USER").or_else(|| variable("LOGNAME"));
    let user = name.map_or_else(|| format!("uid {id}"), |name| format!("{name} (uid {id})"));
    let user = variable("SUDO_USER").map_or(user.clone(), |before| format!("{user}, by sudo from {before}"));
    (user, rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn user_and_host() -> (String, String) {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    (variable("USERNAME"), variable("COMPUTERNAME"))
}

/// Sets this process's own limits: it leaves no core file, and may open as many files as its user may.
#[cfg(unix)]
pub fn set_limits() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // A core file would be a copy of all credentials in a directory that nobody guards. The hard limit stays, for who debugs.
    let core = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // The usual 1,024 (256 on macOS) are for programs that use `select`; each request in flight takes one, and one that gets none fails.
    let files = getrlimit(Resource::Nofile);
    let most = files.maximum.unwrap_or(ENOUGH_FILES).min(ENOUGH_FILES);
    let files = Rlimit { current: files.current.map(|now| now.max(most)), ..files };
    for (resource, limit) in [(Resource::Core, core), (Resource::Nofile, files)] {
        // Where the system refuses, all works as it would without.
        let _refused = setrlimit(resource, limit);
    }
}

/// No limits are known there.
#[cfg(not(unix))]
pub const fn set_limits() {}

/// From now on a file that may not grow (`ulimit -f`) is a write that fails, as on a full disk: SIGXFSZ would end the process without a word.
/// The system fails the write where somebody listens; programs that are started (hooks) get the system's own way again.
#[cfg(unix)]
pub fn fail_too_large_writes() {
    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};
    // tokio never takes a handler away again, so no runtime needs to stay. Where there is none, all works as it would without.
    if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
        let _entered = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
}

/// No such limit is known there.
#[cfg(not(unix))]
pub const fn fail_too_large_writes() {}

/// More than all accounts of a plan have in flight. macOS takes no more than its `OPEN_MAX`, which is 10,240.
const ENOUGH_FILES: u64 = 10_240;

/// Carries out, on this thread, what asks others or waits. The signals that come meanwhile are told to it by their numbers.
///
/// # Errors
/// Those of `work`; or there is no runtime, or nobody may listen for signals (printed).
pub fn with_signals<R>(
    context: &Context,
    work: impl AsyncFnOnce(UnboundedReceiver<i32>) -> Result<R, Exit>,
) -> Result<R, Exit> {
    let runtime = runtime(context)?;
    let done = LocalSet::new().block_on(&runtime, async {
        let (sender, signals) = unbounded_channel();
        listen_for_signals(context, &sender, |number| number)?;
        work(signals).await
    });
    // A blocking thread may still parse a large CRL; waiting for it would only delay the exit.
    runtime.shutdown_background();
    done
}

/// A runtime on this thread.
///
/// # Errors
/// The exit code; why was printed.
pub fn runtime(context: &Context) -> Result<Runtime, Exit> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| context.failed(&format!("certsweep could not start its runtime: {}", reason(&error))))
}

/// Forwards SIGINT, SIGTERM, SIGHUP and SIGXCPU (elsewhere Ctrl-C), by their numbers, from now on. Must be called inside a runtime.
///
/// # Errors
/// The exit code, where the system lets nobody listen; why was printed.
pub fn listen_for_signals<M: Send + 'static>(
    context: &Context,
    sender: &UnboundedSender<M>,
    message: fn(i32) -> M,
) -> Result<(), Exit> {
    forward_signals(sender, message)
        .map_err(|error| context.failed(&format!("cannot listen for signals: {}", reason(&error))))
}

#[cfg(unix)]
fn forward_signals<M: Send + 'static>(sender: &UnboundedSender<M>, message: fn(i32) -> M) -> std::io::Result<()> {
    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};
    // SIGHUP too: a closed terminal or a lost SSH session would otherwise kill the run with actions in flight.
    for kind in [Signal::INT, Signal::TERM, Signal::HUP, Signal::XCPU] {
        let number = kind.as_raw();
        let mut signals = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // Linux repeats SIGXCPU each second, and a second signal would leave what is in flight.
                if sender.send(message(number)).is_err() || kind == Signal::XCPU {
                    return;
                }
            }
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn forward_signals<M: Send + 'static>(sender: &UnboundedSender<M>, message: fn(i32) -> M) -> std::io::Result<()> {
    let sender = sender.clone();
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(message(2)).is_ok() {} });
    Ok(())
}

/// A panic is told as one line, without the traces of the stack. Some are no defect of ours: the standard library ends so where `close` fails
/// on a directory (a disk of the network that is gone), and tokio where `epoll_wait` does.
pub(super) fn tell_panics(printer: &Printer) {
    let printer = printer.clone();
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let (payload, text) = (panic.payload(), panic.payload().downcast_ref::<String>().map(String::as_str));
        let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        printer.last_words(&format!("the system failed where it never should, or the program is wrong: {what}{place}"));
    }));
}

/// Carries a command out. A panic that nobody caught ends it as an environment that failed.
pub(super) fn survive(printer: &Printer, command: impl FnOnce() -> Exit) -> Exit {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        printer.last_words(
            "the command had to stop there; what it has recorded stands, and `certsweep resume RUN_DIR` goes on with a run that had begun",
        );
        Exit::Environment
    })
}

/// With `-vv`: a line on standard error for every request. Only certsweep's own records: those of the HTTP library may hold header fields,
/// credentials among them, so `RUST_LOG` is not read.
pub(super) fn show_requests(verbose: u8, log_json: Option<fn() -> Timestamp>) {
    if verbose < 2 {
        return;
    }
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), Level::DEBUG);
    // Without `log_internal_errors`, a closed standard error would make the subscriber print about it, and panic. A program that uses this
    // library may have set a subscriber; that one stays.
    match log_json {
        None => {
            let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false);
            drop(tracing_subscriber::registry().with(lines.with_target(false)).with(ours).try_init());
        }
        Some(now) => {
            let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false);
            drop(tracing_subscriber::registry().with(lines.event_format(JsonLines { now })).with(ours).try_init());
        }
    }
}

/// The wall clock, for a log's lines.
pub(super) fn now() -> Timestamp {
    SystemClock::start().now()
}

/// Records as the printer's JSON lines.
struct JsonLines {
    now: fn() -> Timestamp,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'l> FormatFields<'l> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        writeln!(writer, "{}", log_line(&rfc3339((self.now)()), &level, &message))
    }
}
