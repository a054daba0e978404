//! What people and scripts see: diagnostics, previews, progress, status, reports. Values in, text or drawing out; decides nothing, and knows
//! neither the engine nor the wire.

mod bars;
pub mod diagnostics;
pub mod events;
pub mod metrics;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod providers;
pub mod report;
pub mod runs;
pub mod schemas;
mod screen;
pub mod search_progress;
pub mod status;
mod styled;
pub(crate) mod table;
pub(crate) mod tally;
pub mod verification;

pub use printer::Printer;
pub use progress::{Observer, Silent};
pub use tally::RunDeadline;
