//! When a run must not go on: failures, canaries, deadline, closed windows. Pure; the dispatcher does what is decided here.

mod canary;
mod schedule;
mod watch;

pub use canary::{AfterLook, after_look, is_looked_at};
pub use schedule::{Closed, Gate, gate};
pub use watch::Watch;
