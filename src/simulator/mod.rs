//! The providers on loopback, played from their documents.
