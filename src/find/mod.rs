//! From an incident to a list: which certificates are meant, looked for in files, trees, stores, exports and Kubernetes secrets, joined, and
//! written as a list that a plan takes. Reads what it is given, and takes the rows of providers' lists; sends nothing, changes nothing.

pub mod contents;
pub mod criteria;
pub mod found;
pub mod search;
pub mod target_list;

pub use criteria::{Criteria, NamePatterns};
pub use found::LocatedCertificate;
pub use search::{Gathered, Looked, Search, SearchResult};
pub use target_list::Placement;
