//! The words of a run: which action, how it ended, what happened on the way.

pub mod event;
pub mod outcome;
pub mod verified;
pub mod wait_reason;

pub use event::{Event, StopReason};
pub use outcome::{Effect, Outcome};
pub use verified::{Seen, Witness, Witnesses};
pub use wait_reason::WaitReason;
/// The name by which views know [`WaitReason`].
pub use wait_reason::WaitReason as Bound;

/// An action's place in its plan, from 0: the key by which a run knows it.
pub type Ordinal = u64;
