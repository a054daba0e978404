//! Where credentials come from: references, never the credentials themselves. Resolved by `wire::credentials`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a credential comes from. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialReference {
    /// An environment variable.
    Env(String),
    /// A file; its text without one trailing line break. Relative paths are already joined to the naming file's directory.
    File(PathBuf),
    /// A program and its arguments; its standard output without one trailing line break.
    Command(Vec<String>),
}
