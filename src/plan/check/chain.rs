//! What is known of the steps of one row while they are checked, one after the other. Checks nothing.

use crate::pki::SerialNumber;
use crate::plan::checked::Fingerprint;

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

/// What is known of an action that was checked.
pub(super) struct CheckedStep {
    pub(super) account: usize,
    pub(super) operation: String,
    pub(super) target: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) excepted: Option<String>,
    /// Whether it is known which certificate it is about, so that a list or a responder can be asked.
    pub(super) is_published: bool,
    /// The serial number of that certificate.
    pub(super) serial_number: Option<SerialNumber>,
}
