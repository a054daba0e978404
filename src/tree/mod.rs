//! Structured text as read: a tree of raw scalars with a place on each. Knows YAML's syntax, and no plan and no provider.

pub mod node;
pub mod yaml;

pub use node::{Field, Node, Shape};
