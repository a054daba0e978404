//! A run whose directory is taken away while it goes on. Decides nothing but that it stops.

use super::dispatcher::RunCommand;
use crate::journal::RunWatch;
use crate::run::StopReason;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Stops the run once something of its directory is taken away; ends when the run does. The journal looks too, but only when something is
/// written. To be spawned beside [`super::run`], with a sender of its commands.
pub async fn stop_when_taken(watch: RunWatch, sender: UnboundedSender<RunCommand>) {
    loop {
        if let Err(taken) = watch.look() {
            drop(sender.send(RunCommand::Stop(StopReason::Environment(taken.to_string()))));
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// A process stops within a second of what happens.
const POLL: Duration = Duration::from_millis(250);
