//! The run directory: the checked actions and the journal of what happened to them, in one SQLite file.
//!
//! Records are events; the state of a run is the fold of its records ([`state`]), for a running process, `resume`, `status` and
//! `report` alike. Knows no HTTP and no async runtime.

mod actions;
pub mod dir;
pub mod error;
pub mod inputs;
mod inserting;
pub mod queue;
pub mod reader;
pub mod record;
pub mod rows;
mod scan;
mod schema;
mod shape;
pub mod state;
mod syncing;
mod told;
pub mod words;
pub mod writer;

pub use actions::ToSend;
pub use dir::{RunDir, RunMaker};
pub use error::JournalError;
pub use queue::{Queue, Queued};
pub use reader::{Reader, RunFacts};
pub use record::{Record, Reply};
pub use rows::Kept;
pub use shape::Alike;
pub use state::{ActionState, History, Phase, States, Verified};
pub use told::Told;
pub use writer::{Journal, Written};
