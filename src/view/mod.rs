//! What people and scripts see: diagnostics, previews, progress, status, reports. Values in, text or drawing out; decides nothing, and knows
//! neither the engine nor the wire.

pub mod diagnostics;
pub mod json;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod providers;
pub mod report;
pub mod search_progress;
pub mod status;
pub(crate) mod table;
pub mod verification;

pub use printer::Printer;
pub use progress::{Observer, RunDeadline, Silent};
