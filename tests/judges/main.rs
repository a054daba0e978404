//! Judges that nobody here wrote: Prism validates our requests against our documents, the vendors' SDKs sign what we
//! sign, openssl reads and writes CRLs and OCSP answers as we do, pebble is a real CA that revokes. `.ci/run`
//! installs them and names their directory in CERTSWEEP_JUDGES; without them only the tables are tested.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests write files and read clocks from outside the program")]
#![allow(clippy::format_push_string, reason = "plans are put together from pieces, and their speed is no matter")]
#![cfg(target_os = "linux")]

mod accepted;
mod acme;
mod acme_prism;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../simulator/client.rs"]
mod client;
mod huawei;
mod huawei_wire;
mod installed;
#[allow(dead_code, reason = "the other tests from outside use the rest")]
#[path = "../it/mock.rs"]
mod mock;
mod naver;
mod openssl;
mod pages;
#[allow(dead_code, reason = "the other tests from outside use the rest")]
#[path = "../it/place.rs"]
mod place;
mod prism;
mod program;
mod refused;
mod said;
mod verified;
