//! What people and scripts see: diagnostics, previews, progress, status, reports. Takes values, returns text or draws; decides
//! nothing, and knows neither the engine nor the wire.

mod bounds;
pub mod diagnostics;
pub mod lines;
pub mod now;
pub mod observer;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod providers;
pub mod reading;
pub mod report;
pub mod status;
pub mod summary;
pub(crate) mod table;
mod tally;
pub mod verification;

pub use observer::{Observer, Silent};
pub use printer::Printer;
pub use tally::Deadline;
