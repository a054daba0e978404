//! The field's words: revocation reasons (RFC 5280), certificate requests (RFC 2986), public key fingerprints.

pub mod csr;
pub mod keys;
pub mod pem;
pub mod reason;

pub use csr::Csr;
pub use keys::{CompromisedKeys, SpkiFingerprint};
pub use reason::RevocationReason;
