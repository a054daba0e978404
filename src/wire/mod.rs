//! One HTTP exchange: an operation and its parameters become a request; it is signed at the moment of sending; what came of it
//! is a [`Delivery`]. Knows no plan and no journal.

mod acme;
pub mod challenge;
pub mod client;
mod connections;
mod content_coding;
pub mod credentials;
mod handshake;
pub mod hook;
mod http_thread;
mod identity;
pub mod proxy;
pub mod request;
pub mod resolve;
pub mod revocation_status;
pub mod sign;
pub mod signer;
mod tls;
mod token;
pub mod transport;
pub mod withheld;

pub use client::{HttpOptions, HttpTransport};
pub use credentials::Credentials;
pub use http_thread::HttpHandle;
pub use identity::ClientIdentity;
pub use proxy::{Proxies, Proxy};
pub use request::MaskedRequest;
pub use resolve::{CredentialError, Resolved};
pub use revocation_status::{FetchError, HttpStatusFetcher, StatusBody, StatusFetcher, StatusRequest};
pub use sign::SignError;
pub use signer::{Signer, SigningTicket};
pub use transport::{ConnectionUse, Delivery, Transport, WireRequest};
