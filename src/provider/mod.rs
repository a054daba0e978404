//! Provider documents: OpenAPI 3.1 with one closed extension, read into [`Provider`] values.
//!
//! A document is data: it says which requests a provider takes and what its answers mean. What this floor does not honour
//! it refuses ([`openapi`]); it reads documents and nothing else, and sends nothing.

pub mod answer;
pub mod catalog;
pub mod challenge;
pub mod listing;
pub mod model;
pub mod openapi;
pub mod paging;
pub mod params;
pub mod request;
pub mod samples;
pub mod security;
pub mod stages;
pub mod target_state;
pub mod verdict;

pub use answer::{Answer, AnswerClass, HeaderFields, TargetState};
pub use catalog::Catalog;
pub use model::{Idempotency, Operation, Provider};
pub use params::Violation;
pub use security::{CredentialReference, SecurityRequirement, SecurityScheme};
pub use verdict::Verdict;
