//! What people and scripts see: diagnostics, previews, progress, status, reports, and the files that a run leaves. Values in, text or drawing
//! out; decides nothing, and knows neither the engine nor the wire.

#[cfg(feature = "cli")]
mod bars;
pub mod diagnostics;
pub mod events;
pub mod preview;
pub mod preview_text;
#[cfg(feature = "cli")]
pub mod printer;
#[cfg(feature = "cli")]
pub mod progress;
pub mod providers;
pub mod report;
pub mod runs;
pub mod schemas;
pub mod status;
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "half of it is for a terminal alone"))]
pub(crate) mod tally;
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "half of it is for a terminal alone"))]
pub(crate) mod terminal;
pub mod verification;

#[cfg(feature = "cli")]
pub use printer::Printer;
#[cfg(feature = "cli")]
pub use progress::{Observer, Silent};
pub use tally::RunDeadline;
