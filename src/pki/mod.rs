//! The field's words: revocation reasons (RFC 5280), certificate requests (RFC 2986), public key fingerprints,
//! private keys that sign, and what CRLs (RFC 5280) and OCSP (RFC 6960) tell of certificates.

pub mod bundle;
pub mod certificate;
pub mod compromised_keys;
pub mod crl;
pub mod csr;
pub mod named_keys;
pub mod names;
pub mod ocsp;
pub mod pem;
pub mod pkcs12;
pub mod private_key;
pub mod reason;
pub mod sent_key;
pub mod serial_number;
pub mod status;
#[cfg(test)]
mod status_tests;
pub mod weakness;
mod x509;

pub use bundle::{Meant, NewCertificate, RequestedCertificate, Undecided, meant};
pub use certificate::Certificate;
pub use compromised_keys::CompromisedKeys;
pub use crl::Crl;
pub use csr::Csr;
pub use names::{NameError, NameRule, StartTls, TlsServer};
pub use private_key::PrivateKey;
pub use reason::RevocationReason;
pub use sent_key::SentKey;
pub use serial_number::{SerialNotation, SerialNumber, SerialNumberError, SerialSpelling};
pub use status::{CertId, CrlCoverage, RevocationStatus, UnknownReason};
pub use x509::SpkiFingerprint;
