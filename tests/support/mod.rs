//! What the tests of this binary share: a directory to work in, a provider on loopback, a client by hand.

pub(crate) mod client;
pub(crate) mod mock;
pub(crate) mod place;
