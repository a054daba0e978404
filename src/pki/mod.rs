//! The field's words: names, serial numbers, certificates (RFC 5280) and requests (RFC 2986), public keys by their fingerprints, private
//! keys that sign, and what CRLs (RFC 5280) and OCSP (RFC 6960) tell of certificates.

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
pub mod revocation;
pub mod serial_number;
mod x509;

pub use bundle::{Meant, NewCertificate, RequestedCertificate, Undecided, meant};
pub use certificate::Certificate;
pub use crl::Crl;
pub use csr::Csr;
pub use names::{NameError, NameRule, StartTls, TlsServer};
pub use private_key::{PrivateKey, SentKey};
pub use public_keys::CompromisedKeys;
pub use revocation::{CertId, CrlCoverage, RevocationReason, RevocationStatus, UnknownReason};
pub use serial_number::{SerialNotation, SerialNumber, SerialNumberError, SerialSpelling};
pub use x509::SpkiFingerprint;
