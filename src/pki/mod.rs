//! The field's words: revocation reasons (RFC 5280), certificate requests (RFC 2986), public key fingerprints,
//! private keys that sign, and what CRLs (RFC 5280) and OCSP (RFC 6960) tell of certificates.

pub mod bundle;
pub mod certificate;
pub mod crl;
pub mod csr;
pub mod names;
pub mod ocsp;
pub mod pem;
pub mod pkcs12;
pub mod private_key;
pub mod public_keys;
pub mod reason;
pub mod serial_number;
pub mod status;
#[cfg(test)]
mod status_tests;
mod x509;

pub use bundle::{Meant, NewCertificate, RequestedCertificate, Undecided, meant};
pub use certificate::Certificate;
pub use crl::Crl;
pub use csr::Csr;
pub use names::{NameError, NameRule, StartTls, TlsServer};
pub use private_key::{PrivateKey, SentKey};
pub use public_keys::CompromisedKeys;
pub use reason::RevocationReason;
pub use serial_number::{SerialNotation, SerialNumber, SerialNumberError, SerialSpelling};
pub use status::{CertId, CrlCoverage, RevocationStatus, UnknownReason};
pub use x509::SpkiFingerprint;
