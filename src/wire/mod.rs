//! One HTTP exchange: an operation and its parameters become a request; it is signed at the moment of sending; what came of it
//! is a [`Delivery`]. Knows no plan and no journal.

pub mod transport;

pub use transport::{Delivery, Transport, WireRequest};
