//! Certificate requests (PKCS #10, RFC 2986).

/// A certificate request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {}
