//! From a plan's text to a checked plan: the only way to an [`Action`], and one validator for check, preview and run.
//!
//! Reads the plan and every file that it names; sends nothing, needs no credential.

pub mod checked;
mod csv;
mod load;
mod read;
mod row;
pub mod settings;

pub use checked::{Action, CheckedPlan};
pub use settings::{Account, Settings};
