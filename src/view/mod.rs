//! What people and scripts see: diagnostics, previews, progress, status, reports. Takes values, returns text or draws; decides
//! nothing, and knows neither the engine nor the wire.

pub mod diagnostics;
pub mod lines;
pub mod observer;
pub mod preview;
pub mod printer;
pub mod progress;
pub mod providers;
pub mod reading;
pub mod report;
pub mod status;
pub mod summary;
mod table;
mod tally;

pub use observer::{Observer, Silent};
pub use printer::Printer;
