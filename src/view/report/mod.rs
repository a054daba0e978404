//! A run's report: one row an action, in plan order.

pub mod csv;
pub mod html;
pub mod json;
pub mod row;

pub use row::{ReportColumns, ReportRow, VerifiedCells};
