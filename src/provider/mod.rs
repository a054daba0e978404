//! Provider documents: OpenAPI 3.1 with one closed extension, read into [`Provider`] values.
//!
//! A document is data: it says which requests a provider takes and what its answers mean. What this floor does not honour
//! it refuses ([`openapi`]); it reads documents and nothing else, and sends nothing.

pub mod answer;
pub mod credentials;
pub mod model;
pub mod pointer;
pub mod request;

pub use answer::{Answer, Meaning, Standing, Verdict};
pub use credentials::CredentialReference;
pub use model::{Operation, Provider, Repeat};
