//! What is to be seen, where it can be asked about, and what somebody says of it: shared by those who ask. Asks nobody.

use super::rounds::Said;
use crate::pki::{CertId, Certificate};
use crate::run::{Ordinal, Witness, Witnesses};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;

/// An action whose effect is to be seen.
#[derive(Debug)]
pub struct Case {
    /// The action.
    pub ordinal: Ordinal,
    /// Its account's index.
    pub account: usize,
    /// The certificate, where it is known.
    pub certificate: Option<Known>,
    /// Who is asked.
    pub witnesses: Witnesses,
    /// What stands in the way of asking others.
    pub note: Option<Rc<str>>,
}

/// A certificate that can be asked about.
#[derive(Debug)]
pub struct Known {
    /// Which it is; empty until its issuer is found where it says.
    pub id: OnceCell<CertId>,
    /// Where to ask.
    pub places: Rc<Places>,
}

/// Where a CA publishes what it says of a certificate. Many certificates have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Places {
    /// Its lists.
    pub crl: Arc<[String]>,
    /// Its responder.
    pub ocsp: Option<String>,
    /// Its own certificate.
    pub issuers: Vec<String>,
}

/// Reads the certificate of an action whose issuer is still to be found.
pub type Read = Rc<dyn Fn(Ordinal) -> Option<Certificate>>;

/// Where those who ask tell what they heard. Bounded, so that no words pile up.
pub(super) type SourceReports = mpsc::Sender<SourceReport>;

/// What somebody said about a case.
#[derive(Debug)]
pub(super) struct SourceReport {
    pub(super) case: usize,
    pub(super) witness: Witness,
    pub(super) said: Said,
    pub(super) at: Timestamp,
}
