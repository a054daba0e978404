//! The words of a run: which action, how it ended, what happened on the way.

pub mod bound;
pub mod event;
pub mod outcome;
pub mod verified;

pub use bound::Bound;
pub use event::{Event, StopReason};
pub use outcome::{Effect, Outcome};
pub use verified::{Seen, Witness, Witnesses};

/// An action's place in its plan, from 0: the key by which a run knows it.
pub type Ordinal = u64;
