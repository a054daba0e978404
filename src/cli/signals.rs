//! Signals become reasons to stop. The first lets requests in flight be awaited, the second leaves at once.

use crate::engine::Word;
use crate::run::StopReason;
use tokio::sync::mpsc::UnboundedSender;

/// Listens for the signals that end a run, from now on. Must be called inside a runtime.
///
/// # Errors
/// Where the system lets nobody listen.
#[cfg(unix)]
pub fn listen(sender: &UnboundedSender<Word>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(Word::Stop(StopReason::Signal(kind.as_raw_value()))).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

/// Listens for Ctrl-C, from now on. Must be called inside a runtime.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn listen(sender: &UnboundedSender<Word>) -> std::io::Result<()> {
    let sender = sender.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && sender.send(Word::Stop(StopReason::Signal(2))).is_ok() {}
    });
    Ok(())
}
