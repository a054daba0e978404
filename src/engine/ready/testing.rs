//! What tests of the queue, and of what steers it, say for short.

use super::{Ready, Turn};
use crate::engine::pace::Pace;
use crate::engine::timing::Moment;
use crate::run::Ordinal;
use std::time::Duration;

/// A queue without windows: each account's slots, and how many canaries there are.
pub(in crate::engine) fn ready(slots: &[u32], canaries: u64) -> Ready {
    Ready::new(slots.iter().map(|slots| (Pace::new(&[]), *slots)).collect(), canaries)
}

/// So many seconds after the beginning.
pub(in crate::engine) const fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

/// This action goes.
pub(in crate::engine) const fn start(ordinal: Ordinal, account: usize) -> Turn {
    Turn::Start { ordinal, account }
}
