//! What the floors above say of a run: which action, who began it, how it ended, what happened meanwhile, what is waited for.

pub mod event;
pub mod origin;
pub mod outcome;
pub mod shard;
pub mod wait_reason;

pub use event::{Event, StopReason, WaveQuestion};
pub use origin::RunOrigin;
pub use outcome::{DoubtMessage, Effect, Outcome, Seen, StatusSource, StatusSources};
pub use shard::{PlanPart, Shard};
pub use wait_reason::WaitReason;

/// An action's place in its plan, from 0: the key by which a run knows it.
pub type Ordinal = u64;
