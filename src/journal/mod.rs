//! The run directory: the checked actions and the journal of what happened to them, in one SQLite file.
//!
//! Records are events; the state of a run is the fold of its records ([`state`]), for a running process, `resume`, `status` and
//! `report` alike. Knows no HTTP and no async runtime.

pub mod record;

pub use record::Record;
