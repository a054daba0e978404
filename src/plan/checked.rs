//! The proof that a plan was checked: [`CheckedPlan`], which only [`super::check()`] can make, and the actions that it gave.

use super::settings::Settings;
use crate::pki::{Certificate, RevocationReason, SerialNumber};
use crate::provider::model::Operation;
use crate::run::{Ordinal, PlanPart};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// One action, checked against its operation. The check lends actions to its caller one by one, in plan order, and stores none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Action {
    /// Its place in the plan, from 0.
    pub ordinal: Ordinal,
    /// Its id: the plan's, or made from the source position (`leaked.csv:12`).
    pub id: String,
    /// Index into [`Settings::accounts`].
    pub account: usize,
    /// The operation's name.
    pub operation: String,
    /// What it acts on, as the report shows it.
    pub target: String,
    /// The reason that the plan asks for, as one of RFC 5280, where it asks for one that has such a name.
    pub reason: Option<RevocationReason>,
    /// The reason sent, in the provider's spelling.
    pub reason_sent: Option<String>,
    /// The parameters under the provider's names, typed and valid by the operation's schema, the reason among them.
    pub parameters: Parameters,
    /// What it reaches beyond one certificate, as a noun phrase for previews and reports.
    pub reaches: Option<String>,
    /// The order of its certificate, where the plan names it and the provider acts on whole orders; run directories do not keep it.
    pub order: Option<String>,
    /// Whether a person at the provider must approve it before it takes effect; run directories do not keep it.
    pub waits_for_approval: bool,
    /// Ids that must have ended well first; that of an entry with steps which comes later stands for its last ([`CheckedPlan::last_steps`]).
    pub needs: Vec<String>,
    /// Ids of which it is enough that the provider has accepted them: it acts on the request that waits there.
    pub needs_accepted: Vec<String>,
    /// Not to be sent before.
    pub not_before: Option<Timestamp>,
    /// `file:line`.
    pub source: String,
    /// The values of [`Settings::keep_columns`], in that order; empty text where the row has none.
    pub kept: Vec<String>,
    /// Why it is never sent, where it is not.
    pub never_sent: Option<NeverSent>,
    /// What it does, over all plans.
    pub fingerprint: Fingerprint,
    /// Which its certificate is, for `verify`; it changes nothing of what is sent.
    pub certificate: Option<Box<CertificateFacts>>,
    /// What its certificate says of itself, where it was read; run directories do not keep it.
    pub names: Option<Box<CertificateNames>>,
}

/// What a certificate says of itself, so that people see what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    /// The subject's common name, else the first DNS name or IP address.
    pub common_name: Option<String>,
    /// Its serial number, in hexadecimal digits.
    pub serial_number: String,
    /// The issuer's name (RFC 4514).
    pub issuer: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

/// Actions that tell a CA that a key is compromised which other certificates or requests of the plan have, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKey {
    /// How many actions tell it.
    pub actions: u64,
    /// The id of the first of them.
    pub action_id: String,
    /// Its `file:line`.
    pub source: String,
    /// What it reaches, as [`Action::reaches`].
    pub reaches: String,
}

/// Why an action is never sent, and that is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeverSent {
    /// It repeats target and parameters of the earlier action of this id.
    Repeats(String),
    /// An exception list names it, at this `file:line`.
    Excepted(String),
}

/// What a plan gives of an action's certificate beside what is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// The certificate; its issuers may follow in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<NamedFile>,
    /// Its serial number, where there is no file. Then there is an issuer too, and somewhere to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<SerialNumber>,
    /// Whether the certificate is a CA's, on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_ca: bool,
    /// Certificates of issuers; one of a CA alone where there is a serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<NamedFile>,
    /// URLs of CRLs, where the certificate is not known or names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crl: Vec<String>,
    /// The URL of an OCSP responder, where the certificate is not known or names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<String>,
    /// Names of it that the new certificate may lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_names: Vec<String>,
}

/// A file as it was when the plan was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// Its path, absolute.
    pub path: String,
    /// The SHA-256 of its certificates ([`NamedFile::digest`]); former versions had that of its bytes.
    pub sha256: String,
}

/// The parameters of an action, by the provider's names: what a check made of a row, or what a run directory holds of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(Map<String, Value>);

/// Parameters, to be written in the order of the operation's.
struct InOrder<'a> {
    operation: &'a Operation,
    map: &'a Map<String, Value>,
}

/// What an action does, over all plans and runs: half a SHA-256 over provider document, base URL, operation and parameters
/// (the target and the reason are among these). Of an operation that is not idempotent, over the target in place of the parameters:
/// a second one costs, whatever else it says. Not over the account's name and credentials, which may change and lead to the same
/// account all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

/// A plan without errors. Its actions went to the check's caller.
#[derive(Debug)]
pub struct CheckedPlan {
    settings: Settings,
    digest: String,
    actions: u64,
    needs: Vec<(Ordinal, Vec<Ordinal>)>,
    last_steps: BTreeMap<String, String>,
    files: Vec<ReadFile>,
    documents: BTreeMap<String, String>,
    issuers: Vec<String>,
    shared_keys: Vec<SharedKey>,
    left_out: u64,
    /// The part of the plan that this is, and the places of its actions in the whole plan.
    part: Option<(PlanPart, Vec<Ordinal>)>,
}

/// A file that the plan named and the check read, for the run directory's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// As the user or the plan named it; `<stdin>` for standard input.
    pub name: String,
    /// Where it was read from; `None` for standard input.
    pub path: Option<std::path::PathBuf>,
    /// Its text where it is in memory (standard input always is).
    pub text: Option<std::sync::Arc<str>>,
    /// Whether it tells of certificates alone: what a campaign has replaced where they are served is no edit of the plan.
    pub holds_certificates: bool,
}

impl NamedFile {
    /// The SHA-256 of certificates in DER, one after the other, in lower-case hexadecimal: a copy without the private key that stood beside
    /// them has the same.
    pub fn digest(certificates: &[Certificate]) -> String {
        let mut hash = Sha256::new();
        certificates.iter().for_each(|certificate| hash.update(&certificate.der));
        hex::encode(hash.finalize())
    }

    /// Whether a file of these bytes and certificates is the one that was checked.
    pub fn is_of(&self, bytes: &[u8], certificates: &[Certificate]) -> bool {
        self.sha256 == Self::digest(certificates) || self.sha256 == hex::encode(Sha256::digest(bytes))
    }
}

/// As reports say it.
impl fmt::Display for NeverSent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeats(first) => write!(formatter, "duplicate of {first}"),
            Self::Excepted(place) => write!(formatter, "on the exception list: {place}"),
        }
    }
}

impl Parameters {
    /// Reads them from the run directory's text.
    ///
    /// # Errors
    /// Where the text is no JSON object.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The JSON text: an object without blanks, its members in the order of the operation's parameters. What is hashed must not
    /// depend on how a map happens to order its members, so fingerprints and digests are over this text.
    pub fn to_json(&self, operation: &Operation) -> String {
        // Names are texts and values are JSON already, so this cannot fail.
        serde_json::to_string(&InOrder { operation, map: &self.0 }).unwrap_or_default()
    }
}

impl From<Map<String, Value>> for Parameters {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

/// As a JSON object, for the run directory, where the order of the members has no meaning.
impl fmt::Display for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let given = self.operation.parameters.iter().map(|parameter| &parameter.name);
        serializer.collect_map(given.filter_map(|name| Some((name, self.map.get(name)?))))
    }
}

impl std::ops::Deref for Parameters {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl CheckedPlan {
    /// Called by [`super::check()`] alone.
    pub(super) fn new(
        settings: Settings,
        digest: String,
        actions: u64,
        needs: Vec<(Ordinal, Vec<Ordinal>)>,
        files: Vec<ReadFile>,
        documents: BTreeMap<String, String>,
        (issuers, shared_keys): (Vec<String>, Vec<SharedKey>),
    ) -> Self {
        let last_steps = BTreeMap::new();
        let (left_out, part) = (0, None);
        Self { settings, digest, actions, needs, last_steps, files, documents, issuers, shared_keys, left_out, part }
    }

    /// With these entries that actions before them need, each with its last step.
    pub(super) fn with_last_steps(self, last_steps: BTreeMap<String, String>) -> Self {
        Self { last_steps, ..self }
    }

    /// With so many rows that `where` leaves out.
    pub(super) fn leaving_out(self, rows: u64) -> Self {
        Self { left_out: rows, ..self }
    }

    /// One part of it: with settings of its own, and of the actions those at these places, which are counted anew.
    pub(super) fn narrowed(
        self,
        part: PlanPart,
        settings: Settings,
        needs: Vec<(Ordinal, Vec<Ordinal>)>,
        places: Vec<Ordinal>,
    ) -> Self {
        Self { settings, actions: places.len() as u64, needs, part: Some((part, places)), ..self }
    }

    /// Which part of the plan this is, where it is not the whole.
    pub fn part(&self) -> Option<PlanPart> {
        self.part.as_ref().map(|(part, _)| *part)
    }

    /// The places that a part's actions have in the whole plan, in its order; none where it is the whole.
    pub fn places(&self) -> &[Ordinal] {
        self.part.as_ref().map_or(&[], |(_, places)| places)
    }

    /// How to carry it out.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// SHA-256, in lower-case hexadecimal, over the settings that change what is sent and over every action: two plans with the
    /// same digest do the same, whatever their layout. A part has the digest of the whole, which is what somebody has approved.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many actions there are (in this part), duplicates included.
    pub fn actions(&self) -> u64 {
        self.actions
    }

    /// How many rows of lists `where` leaves out; they are no actions.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The actions that need others, in plan order, each with those that must have ended well first.
    pub fn needs(&self) -> &[(Ordinal, Vec<Ordinal>)] {
        &self.needs
    }

    /// The ids of entries with steps that come after an action that needs them, each with the id of its last step, which is what is meant. Such an
    /// action had gone to the check's caller before the step was read.
    pub fn last_steps(&self) -> &BTreeMap<String, String> {
        &self.last_steps
    }

    /// The plan's file first, then every file that it names.
    pub fn files(&self) -> &[ReadFile] {
        &self.files
    }

    /// Provider id → SHA-256 of its document, for every provider that the plan uses.
    pub fn documents(&self) -> &BTreeMap<String, String> {
        &self.documents
    }

    /// Certificates of issuers that files had behind those that are sent, DER in base64url; they change nothing of what is sent.
    pub fn issuers(&self) -> &[String] {
        &self.issuers
    }

    /// Which compromises reach further than the plan's words say, a key each.
    pub fn shared_keys(&self) -> &[SharedKey] {
        &self.shared_keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::Location;
    use crate::provider::request::tests::operation;

    #[test]
    fn parameters_are_hashed_in_the_order_of_the_operation_and_kept_without_loss() {
        let revoke = operation("/", true, &[("b", Location::Body, None), ("a", Location::Body, None)]);
        let text = r#"{"a":[1,"x\n\u001f"],"b":0.30000000000000004,"c":12345678901234567890}"#;
        let parameters = Parameters::parse(text).unwrap();
        assert_eq!(parameters.to_json(&revoke), r#"{"b":0.30000000000000004,"a":[1,"x\n\u001f"]}"#);
        assert_eq!(parameters.to_string(), text);
        for damaged in ["", "[]", "1", r#"{"a":}"#, r#"{"a":1"#, r#"{"a":1}x"#] {
            assert!(Parameters::parse(damaged).is_err(), "{damaged}");
        }
    }
}
