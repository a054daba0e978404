//! From a plan's text to a checked plan: the only source of [`Action`]s, and one validator for check, preview and run.
//!
//! Reads the plan and every file that it names; sends nothing, needs no credential.

pub mod calendar;
pub mod check;
pub mod checked;
mod csv;
pub mod export;
mod list;
mod load;
mod read;
pub mod schema;
pub mod settings;
pub mod shard;

pub use check::{
    CERTIFICATE_FIELDS, CsvOptions, DESCRIPTIVE_COLUMNS, IgnoreColumns, MAX_BUNDLE, Request, check, field_called,
};
pub use checked::{Action, CertificateNames, CheckedPlan, Wait, WaitFor};
pub use csv::ListLayout;
pub use list::ListReader;
pub use load::{Input, ReadFile};
pub use read::settings_of;
pub use schema::schema;
pub use settings::{Account, Retry, Settings};
pub use shard::{Division, ShardKeys};
