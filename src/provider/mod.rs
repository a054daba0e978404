//! Provider documents: OpenAPI 3.1 with one closed extension, read into [`Provider`] values.
//!
//! A document is data: it says which requests a provider takes and what its answers mean. What this floor does not honour
//! it refuses ([`openapi`]); it reads documents and nothing else, and sends nothing.

pub mod answer;
pub mod catalog;
pub mod lookup;
pub mod model;
pub mod openapi;
pub mod params;
pub mod pointer;
pub mod reasons;
pub mod request;
pub mod samples;
#[cfg(test)]
mod testing;
pub mod variables;
pub mod verdict;

pub use answer::{Answer, HeaderFields, Meaning, Standing};
pub use catalog::Catalog;
pub use model::{CredentialReference, Operation, Provider, Repeat};
pub use params::Violation;
pub use verdict::Verdict;

/// The former place of [`verdict::Problem`].
pub mod problem {
    pub use super::verdict::{Problem, problem_words as words};
}

/// The former place of [`verdict::retry_after()`].
pub mod retry_after {
    pub use super::verdict::retry_after as read;
}
