//! The field's words: revocation reasons (RFC 5280), certificate requests (RFC 2986), public key fingerprints,
//! and what CRLs (RFC 5280) and OCSP (RFC 6960) tell of certificates.

pub mod certificate;
pub mod crl;
pub mod csr;
pub mod keys;
pub mod ocsp;
pub mod pem;
pub mod reason;
pub mod status;
#[cfg(test)]
mod world_tests;

pub use certificate::Certificate;
pub use crl::Crl;
pub use csr::Csr;
pub use keys::{CompromisedKeys, SpkiFingerprint};
pub use reason::RevocationReason;
pub use status::{Doubt, Status};
