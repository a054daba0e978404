//! Provider documents: OpenAPI 3.1 with one closed extension, read into [`Provider`] values.
//!
//! A document is data: it says which requests a provider takes and what its answers mean. What this floor does not honour
//! it refuses ([`openapi`]); it reads documents and nothing else, and sends nothing.

pub mod answer;
pub mod auth;
pub mod catalog;
pub mod credentials;
pub mod lookup;
pub mod model;
pub mod openapi;
pub mod params;
pub mod pointer;
pub mod problem;
pub mod reasons;
pub mod request;
pub mod retry_after;
pub mod samples;
#[cfg(test)]
mod testing;
pub mod variables;
pub mod verdict;
pub mod window;

pub use answer::{Answer, HeaderFields, Meaning, Standing, Verdict};
pub use catalog::Catalog;
pub use credentials::CredentialReference;
pub use model::{Operation, Provider, Repeat};
pub use params::Violation;
