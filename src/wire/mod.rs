//! One HTTP exchange: an operation and its parameters become a request; it is signed at the moment of sending; what came of it
//! is a [`Delivery`]. Knows no plan and no journal.

mod acme;
pub mod client;
pub mod clock;
pub mod credentials;
mod fetch;
mod line;
mod prepare;
pub mod request;
pub mod sign;
pub mod signer;
pub mod token;
pub mod transport;
pub mod world;

pub use client::{HttpOptions, HttpTransport};
pub use credentials::{CredentialError, Credentials, Resolved};
pub use line::Line;
pub use request::MaskedRequest;
pub use sign::SignError;
pub use signer::{Pass, Signer};
pub use transport::{Delivery, Transport, WireRequest};
pub use world::{Ask, HttpWorld, Unheard, World};
