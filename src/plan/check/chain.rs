//! What is known of the steps of one row while they are checked, one after the other. Checks nothing.

use crate::pki::{Certificate, SerialNumber};
use crate::plan::checked::{CertificateFacts, Fingerprint};
use crate::run::{StatusSource, StatusSources};

/// The steps of one row before the one that is checked, and the names of those behind it.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) earlier: Vec<EarlierStep>,
    /// That of the step itself, and of all that follow.
    pub(super) later: Vec<String>,
    /// Where an exception list names one of them: then none that follows is sent either.
    pub(super) excepted: Option<String>,
}

/// A step before the one that is checked.
pub(super) struct EarlierStep {
    pub(super) name: String,
    /// That of the action which ends in its place: where it repeats an earlier one, it is never sent.
    pub(super) ordinal: u32,
    pub(super) id: String,
    pub(super) waits: bool,
    /// Whether it acts on a request that waits at the CA: then the step before it may still be pending.
    pub(super) acts_on_request: bool,
    /// What it does; `None` where that could not be read, which was reported.
    pub(super) action: Option<CheckedStep>,
}

/// Who can be asked, beside the provider, whether a certificate is revoked.
#[derive(Clone)]
pub(super) struct Publication {
    /// Whether it is known which certificate it is.
    pub(super) is_known: bool,
    /// Its CRL, its OCSP responder, where it is known where they are.
    pub(super) sources: StatusSources,
    /// The name of its issuer in DER, where nothing says yet where the issuer's certificate is: without it no answer is believed.
    pub(super) lacks_issuer: Option<Vec<u8>>,
}

impl Publication {
    /// By the certificate, or by a serial number alone, and by what the plan says beside it.
    pub(super) fn of(
        certificate: Option<&Certificate>,
        serial_number: Option<&SerialNumber>,
        facts: Option<&CertificateFacts>,
    ) -> Self {
        let has_issuer = facts.is_some_and(|facts| facts.issuer.is_some());
        let is_known = certificate.is_some() || (serial_number.is_some() && has_issuer);
        let crl = facts.is_some_and(|facts| !facts.crl.is_empty())
            || certificate.is_some_and(|certificate| !certificate.crl_urls.is_empty());
        let ocsp = facts.is_some_and(|facts| facts.ocsp.is_some())
            || certificate.is_some_and(|certificate| !certificate.ocsp_urls.is_empty());
        let named = [(StatusSource::Crl, crl), (StatusSource::Ocsp, ocsp)];
        let lacks_issuer = certificate.filter(|certificate| !has_issuer && certificate.issuer_urls.is_empty());
        Self {
            is_known,
            sources: named
                .into_iter()
                .filter(|(_, is_named)| is_known && *is_named)
                .map(|(source, _)| source)
                .collect(),
            lacks_issuer: lacks_issuer.map(|certificate| certificate.issuer.clone()),
        }
    }
}

/// What is known of an action that was checked.
pub(super) struct CheckedStep {
    pub(super) account: usize,
    pub(super) operation: String,
    pub(super) target: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) excepted: Option<String>,
    /// Who publishes something about its certificate.
    pub(super) publication: Publication,
    /// The serial number of that certificate.
    pub(super) serial_number: Option<SerialNumber>,
}
