//! What the tests of this binary share: a directory to work in, a provider on loopback, a client by hand, a scale.

pub(crate) mod client;
pub(crate) mod mock;
pub(crate) mod place;
#[cfg(target_os = "linux")]
pub(crate) mod scale;
