//! The run directory: the checked actions and the journal of what happened to them, in one SQLite file.
//!
//! Records are events; the state of a run is the fold of its records ([`state`]), for a running process, `resume`, `status` and
//! `report` alike. Knows no HTTP and no async runtime.

mod action_rows;
mod checksum;
pub mod dir;
pub mod error;
pub mod facts;
pub mod files;
pub mod inputs;
pub mod live_control;
mod log;
mod mark;
pub mod queue;
pub mod reader;
pub mod record;
mod record_rows;
pub mod run_index;
mod salvage;
mod schema;
pub mod state;
pub mod watch;
pub mod writer;

pub use action_rows::ToSend;
pub use dir::{RunDir, RunMaker};
pub use error::JournalError;
pub use facts::RunFacts;
pub use queue::{Queue, QueueItem};
pub use reader::Reader;
pub use record::{IssuedCertificate, Record, Reply, StoredRecord};
pub use state::{ActionState, History, Phase, Settlement, States, Verified, WhyInDoubt};
pub use watch::RunWatch;
pub use writer::{Durability, Journal};
