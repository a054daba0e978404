//! What is to be seen, where it can be asked about, and what somebody says of it: shared by those who ask. Asks nobody.

use super::rounds::SourceAnswer;
use crate::pki::{CertId, Certificate};
use crate::run::{Ordinal, StatusSource, StatusSources};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;

/// An action whose effect is to be seen.
#[derive(Debug)]
pub struct VerifyTarget {
    /// The action.
    pub ordinal: Ordinal,
    /// Its account's index.
    pub account: usize,
    /// The certificate, where it is known.
    pub certificate: Option<KnownCertificate>,
    /// Who is asked.
    pub sources: StatusSources,
    /// What stands in the way of asking others.
    pub note: Option<Rc<str>>,
}

/// A certificate that can be asked about.
#[derive(Debug)]
pub struct KnownCertificate {
    /// Which it is; empty until its issuer is found where it says.
    pub id: OnceCell<CertId>,
    /// Where to ask.
    pub places: Rc<PublicationUrls>,
}

/// Where a CA publishes what it says of a certificate. Many certificates have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PublicationUrls {
    /// Its lists.
    pub crl: Arc<[String]>,
    /// Its responder.
    pub ocsp: Option<String>,
    /// Its own certificate.
    pub issuers: Vec<String>,
}

/// Reads the certificate of an action whose issuer is still to be found.
pub type ReadCertificate = Rc<dyn Fn(Ordinal) -> Option<Certificate>>;

/// Where those who ask tell what they heard. Bounded, so that no words pile up.
pub(super) type SourceReports = mpsc::Sender<SourceReport>;

/// What somebody said about a case.
#[derive(Debug)]
pub(super) struct SourceReport {
    pub(super) case: usize,
    pub(super) source: StatusSource,
    pub(super) said: SourceAnswer,
    pub(super) at: Timestamp,
}
