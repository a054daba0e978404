//! The proof that a plan was checked: [`CheckedPlan`], which only [`super::check()`] can make; the actions that it gave, those that wait among
//! them; and by which hashes a plan and an action are known again. Looks at nothing and waits for nothing.

use super::load::ReadFile;
use super::read::AccountDraft;
use super::settings::Settings;
use crate::pki::{Certificate, RevocationReason, SerialNotation, SerialNumber, SerialSpelling, TlsServer};
use crate::provider::model::Operation;
use crate::provider::stages::is_name;
use crate::run::{Ordinal, PlanPart, StatusSource, StatusSources};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

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

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The new certificate is there.
    Issued,
    /// The servers show the new certificate.
    Served,
    /// What waits at the CA is settled, whoever approves it.
    Approved,
    /// The provider's own state, a CRL or an OCSP answer says that it is revoked.
    Revoked,
}

/// A step that waits: it sends nothing that takes effect, and is an action as others, told by its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub until: WaitFor,
    /// The id of the step that it is about.
    pub of: String,
    /// How long at most, from the end of the step before it; without one as long as it takes.
    pub within: Option<Duration>,
    /// Which servers must show the new certificate, where that is what it waits for.
    pub at: Vec<TlsServer>,
    /// The serial number of the certificate that the new one replaces, where the plan tells it: so that servers which still show it are told apart.
    pub old: Option<SerialNumber>,
    /// Who must say that it is revoked, where not everybody may.
    pub by: StatusSources,
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

/// A digest that is being made.
#[derive(Default)]
pub(super) struct PlanDigest(Sha256);

/// What an action does, over all plans: the whole hash of which its fingerprint is the half.
pub(super) struct ActionDigest([u8; 32]);

/// The part of a fingerprint that all actions of one account and operation share.
#[derive(Clone)]
pub(super) struct FingerprintBase(Sha256);

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

impl WaitFor {
    /// All.
    pub const ALL: [Self; 4] = [Self::Issued, Self::Served, Self::Approved, Self::Revoked];

    /// The word in plans.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Served => "served",
            Self::Approved => "approved",
            Self::Revoked => "revoked",
        }
    }

    /// What has this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// The operation of such an action. No provider's has a blank in its name.
    pub fn operation(self) -> String {
        format!("{WAIT_PREFIX}{}", self.word())
    }
}

impl Wait {
    /// What the run directory keeps of it.
    pub fn parameters(&self) -> Parameters {
        let mut map = Map::new();
        map.insert(OF.to_owned(), self.of.as_str().into());
        if let Some(within) = self.within {
            map.insert(WITHIN.to_owned(), u64::try_from(within.as_millis()).unwrap_or(u64::MAX).into());
        }
        if !self.at.is_empty() {
            map.insert(AT.to_owned(), self.at.iter().map(ToString::to_string).collect());
        }
        if let Some(old) = &self.old {
            map.insert(OLD.to_owned(), old.spelled(SerialSpelling::HexLower).into());
        }
        if !self.by.is_empty() {
            map.insert(BY.to_owned(), self.by.iter().map(StatusSource::as_str).collect());
        }
        Parameters::from(map)
    }

    /// The wait that an action is, by its operation; `None` where it sends something.
    pub fn of_action(operation: &str, parameters: &Parameters) -> Option<Self> {
        let until = WaitFor::parse(operation.strip_prefix(WAIT_PREFIX)?)?;
        let of = parameters.get(OF).and_then(Value::as_str)?.to_owned();
        let within = parameters.get(WITHIN).and_then(Value::as_u64).map(Duration::from_millis);
        let texts = parameters.get(AT).and_then(Value::as_array).into_iter().flatten();
        let at: Result<Vec<TlsServer>, ()> =
            texts.map(|text| TlsServer::parse(text.as_str().ok_or(())?).map_err(drop)).collect();
        let by = parameters.get(BY).and_then(Value::as_array).into_iter().flatten();
        let by: Option<StatusSources> = by.map(|word| StatusSource::parse(word.as_str()?)).collect();
        let old = parameters.get(OLD).and_then(Value::as_str);
        let old = old.and_then(|text| SerialNumber::parse_in(text, SerialNotation::Hexadecimal).ok());
        Some(Self { until, of, within, at: at.ok()?, old, by: by? })
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

impl PlanDigest {
    /// Adds the next action.
    pub(super) fn action(
        &mut self,
        account: usize,
        reason: Option<RevocationReason>,
        not_before: Option<Timestamp>,
        never_sent: Option<&NeverSent>,
        digest: &ActionDigest,
    ) {
        // One buffer and one update, for this runs for every action. Letters (`a`, `d`, `n`, `p`, `s`) separate the kinds of input.
        let mut bytes = [0; 59];
        bytes[0] = b'a';
        bytes[1] = match never_sent {
            None => 0,
            Some(NeverSent::Repeats(_)) => 1,
            Some(NeverSent::Excepted(_)) => 2,
        };
        bytes[2] = reason.map_or(u8::MAX, RevocationReason::code);
        bytes[3..11].copy_from_slice(&(account as u64).to_le_bytes());
        bytes[11..27].copy_from_slice(&not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        bytes[27..].copy_from_slice(&digest.0);
        self.0.update(bytes);
    }

    /// Adds the names that the new certificate of the action that was added last may lack.
    pub(super) fn drop_names(&mut self, names: &[String]) {
        for name in names {
            self.0.update(b"d");
            self.0.update((name.len() as u64).to_le_bytes());
            self.0.update(name);
        }
    }

    /// Adds that one action needs another.
    pub(super) fn need(&mut self, action: Ordinal, needed: Ordinal) {
        self.0.update(b"n");
        self.0.update(action.to_le_bytes());
        self.0.update(needed.to_le_bytes());
    }

    /// Adds the next account that is used.
    pub(super) fn account(&mut self, draft: &AccountDraft) {
        let account = &draft.account;
        self.0.update(b"p");
        self.0.update(draft.provider.digest);
        add_text(&mut self.0, &account.base_url);
        add_text(&mut self.0, account.auth_url.as_deref().unwrap_or_default());
        for (name, value) in &account.variables {
            add_text(&mut self.0, name);
            add_text(&mut self.0, value);
        }
        add_text(&mut self.0, &draft.references);
        for (reason, spelling) in &account.reasons {
            add_text(&mut self.0, reason.name());
            add_text(&mut self.0, spelling);
        }
        // A preview is read for how fast it will go, too.
        for window in &account.windows {
            add_text(&mut self.0, &window.to_string());
        }
        self.0.update(b"c");
        self.0.update(account.concurrency.to_le_bytes());
        self.0.update([u8::from(account.concurrency_follows)]);
        if let Some(hook) = &account.challenge_hook {
            add_text(&mut self.0, &format!("{hook:?}"));
        }
    }

    /// Ends with the settings that decide when to send, how often, and when to stop; returns lower-case hexadecimal.
    pub(super) fn finish(mut self, settings: &Settings) -> String {
        self.0.update(b"s");
        // All of them by name, so that whoever adds one decides here. Accounts came one by one; a name and the columns that are kept change
        // nothing that is sent.
        let Settings { name: _, deadline, accounts: _, retry, timeout, schedule, safety, keep_columns: _, hooks } =
            settings;
        let when = serde_json::to_string(&(deadline, schedule, safety, retry, timeout));
        add_text(&mut self.0, &when.unwrap_or_default());
        // They send nothing to a provider, and they are programs that a run starts: whoever approves a plan approves them.
        if !hooks.is_empty() {
            self.0.update(b"h");
            add_text(&mut self.0, &serde_json::to_string(hooks).unwrap_or_default());
        }
        hex::encode(self.0.finalize())
    }
}

impl FingerprintBase {
    pub(super) fn new(draft: &AccountDraft, operation: &str) -> Self {
        let mut hash = Sha256::new();
        let texts = [draft.account.provider.as_str(), &same_place(&draft.account.base_url), operation];
        texts.iter().for_each(|text| add_text(&mut hash, text));
        // Up to a whole block, which need not be hashed again for each action. A text has its length before it.
        let length: usize = texts.iter().map(|text| size_of::<u64>() + text.len()).sum();
        hash.update(&[0; BLOCK][..length.next_multiple_of(BLOCK) - length]);
        Self(hash)
    }

    /// What an action with these parameters does, over all plans.
    pub(super) fn with(&self, parameters: &[u8]) -> ActionDigest {
        let mut hash = self.0.clone();
        hash.update(parameters);
        ActionDigest(hash.finalize().into())
    }

    /// What every action on this target does, whatever its other parameters say.
    pub(super) fn of_target(&self, target: &str) -> Fingerprint {
        let mut hash = self.0.clone();
        // Parameters are a JSON object, which begins otherwise.
        hash.update(b"target ");
        hash.update(target);
        ActionDigest(hash.finalize().into()).fingerprint()
    }
}

impl ActionDigest {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        Fingerprint(half)
    }
}

/// The entry and the name of a step, by the id of its action; `None` of an id that no step can have.
pub fn entry_and_step(id: &str) -> Option<(&str, &str)> {
    id.rsplit_once('/').filter(|(_, step)| is_name(step))
}

/// A base URL as it is compared: other letters of case, or the port that is meant anyway, are no other place.
fn same_place(base_url: &str) -> String {
    let url = base_url.to_ascii_lowercase();
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")] {
        if let Some(rest) = url.strip_prefix(scheme) {
            let end = rest.find('/').unwrap_or(rest.len());
            if let Some(host) = rest[..end].strip_suffix(port) {
                return format!("{scheme}{host}{}", &rest[end..]);
            }
        }
    }
    url
}

fn add_text(hash: &mut Sha256, text: &str) {
    // The length first: otherwise `ab`, `c` and `a`, `bc` would have one hash.
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// What the operation of a wait begins with.
pub const WAIT_PREFIX: &str = "wait ";
// The parameters of a wait, as run directories have them.
const OF: &str = "of";
const WITHIN: &str = "within_ms";
const AT: &str = "at";
const OLD: &str = "old";
const BY: &str = "by";
/// Of SHA-256.
const BLOCK: usize = 64;

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

    #[test]
    fn a_wait_is_read_as_it_was_written() {
        for until in WaitFor::ALL {
            for within in [None, Some(Duration::from_secs(86_400))] {
                let at = if until == WaitFor::Served { &["a.example:443", "smtp://b.example:25"][..] } else { &[] };
                let at = at.iter().map(|text| TlsServer::parse(text).unwrap()).collect();
                let by = if until == WaitFor::Revoked { &[StatusSource::Crl, StatusSource::Ocsp][..] } else { &[] };
                let by = by.iter().copied().collect();
                let old = (until == WaitFor::Served).then(|| SerialNumber::parse("0x10").unwrap());
                let wait = Wait { until, of: "shop/revoke".to_owned(), within, at, old, by };
                assert_eq!(Wait::of_action(&until.operation(), &wait.parameters()), Some(wait));
            }
        }
        assert_eq!(entry_and_step("lists/a.csv:2/revoke"), Some(("lists/a.csv:2", "revoke")));
        assert_eq!(entry_and_step("lists/a.csv:2"), None);
        assert_eq!(Wait::of_action("revoke", &Parameters::default()), None);
        assert_eq!(Wait::of_action("wait issued", &Parameters::default()), None);
    }

    #[test]
    fn one_place_is_written_in_several_ways() {
        for (url, expected) in [
            ("https://CA.example/Api", "https://ca.example/api"),
            ("HTTPS://ca.example:443/api", "https://ca.example/api"),
            ("https://ca.example:443", "https://ca.example"),
            ("https://ca.example:4430", "https://ca.example:4430"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1/x"),
            ("http://127.0.0.1:443/x", "http://127.0.0.1:443/x"),
        ] {
            assert_eq!(same_place(url), expected);
        }
    }
}
