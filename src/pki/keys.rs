//! Public keys and their fingerprints.

/// SHA-256 of a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpkiFingerprint(pub [u8; 32]);
