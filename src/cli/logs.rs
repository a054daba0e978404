//! What `-vv` adds: a line on standard error for every request. Takes certsweep's own records alone: those of the HTTP library may
//! hold header fields, so no environment variable turns them on.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Shows every request, where so much is asked for.
pub(super) fn show(verbose: u8) {
    if verbose < 2 {
        return;
    }
    // A reader that went away is no reason to panic, and a failed line is told of nowhere.
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false).log_internal_errors(false);
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), Level::DEBUG);
    // Whoever calls this as a library may have a subscriber of their own; theirs stays.
    drop(tracing_subscriber::registry().with(lines).with(ours).try_init());
}
