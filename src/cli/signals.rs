//! Signals become reasons to stop. The first lets requests in flight be awaited, the second leaves at once.

use crate::run::StopReason;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Listens for the signals that end a run, from now on. Must be called inside a runtime.
///
/// # Errors
/// Where the system lets nobody listen.
#[cfg(unix)]
pub fn listen() -> std::io::Result<UnboundedReceiver<StopReason>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = unbounded_channel();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(StopReason::Signal(kind.as_raw_value())).is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

/// Listens for Ctrl-C, from now on. Must be called inside a runtime.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn listen() -> std::io::Result<UnboundedReceiver<StopReason>> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && sender.send(StopReason::Signal(2)).is_ok() {}
    });
    Ok(receiver)
}
