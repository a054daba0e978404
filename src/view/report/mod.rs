//! A run's report: one row an action, in plan order.

pub mod row;

pub use row::Row;
