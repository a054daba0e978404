//! A provider as the rest of the program sees it: values that [`super::openapi`] has checked, from its rate limits to its samples, and the
//! small questions that they answer by themselves. Plain data: no I/O, no secret.

use super::answer::{
    AnswerLocation, AnswerRule, Condition, Output, Pointer, ResponseContent, StepOutput, TargetState, ThrottleHint,
    scalar_text,
};
use super::paging::Pages;
use super::security::SecurityRequirement;
use crate::pki::{NameRule, RevocationReason, SerialNotation, SerialNumber, SerialSpelling};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

/// A CA's management API, as its document describes it.
#[derive(Debug)]
pub struct Provider {
    /// The short name that plans use: `digicert`.
    pub id: String,
    /// The document's title.
    pub title: String,
    /// The base URL, with `{name}` in the place of a server variable.
    pub base_url: String,
    /// The server variables by name.
    pub variables: BTreeMap<String, ServerVariable>,
    /// The security requirements, in the document's order of preference. The first whose credentials are all given is used.
    pub auth: Vec<SecurityRequirement>,
    /// What can be asked: actions and status queries, in document order.
    pub operations: Vec<Operation>,
    /// At most so many requests in any window; all hold.
    pub windows: Vec<Window>,
    /// Requests in flight at once, at most, where the plan says nothing.
    pub concurrency: u32,
    /// The environment variable that holds each credential, where the plan does not configure the provider.
    pub environment: BTreeMap<String, String>,
    /// What of the document as a whole nobody has confirmed, in sentences.
    pub unconfirmed: Vec<String>,
    /// SHA-256 over the document's bytes.
    pub digest: [u8; 32],
    /// The document's text, for the run directory's copy and for `providers show`.
    pub text: std::sync::Arc<str>,
}

/// A part of the base URL that a plan may set.
#[derive(Debug, Clone)]
pub struct ServerVariable {
    /// Used where the plan gives no value.
    pub default: String,
    /// The allowed values; empty for free text (which must then be a host label or path segment).
    pub allowed: Vec<String>,
    /// For people.
    pub description: String,
}

/// At most `count` requests in any window of `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Requests, at least 1.
    pub count: u32,
    /// The window's length, above zero.
    pub length: Duration,
}

/// One request that a provider accepts.
#[derive(Debug)]
pub struct Operation {
    /// The `operationId`: the name that plans use (`revoke`) or that status queries are called by.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// What the document says of it that nobody has confirmed, in sentences.
    pub unconfirmed: Vec<String>,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path below the base URL, with `{name}` in the place of a path parameter.
    pub path: String,
    /// Path, query and body parameters, in document order.
    pub parameters: Vec<Parameter>,
    /// The form of the body that requests carry; `None` where they carry none.
    pub body: Option<RequestBody>,
    /// The media types that it asks for (RFC 9110, section 12.5.1): JSON, or what its good answers are declared to be.
    pub accept: String,
    /// Whether it only reads (RFC 9110, section 9.2.1).
    pub is_safe: bool,
    /// How its requests are signed, where the document says so for this operation alone (OpenAPI: in the place of the document's own). Never empty.
    pub security: Option<Vec<SecurityRequirement>>,
    /// Header fields that the document fixes for every request, names in lower case, beside those of the signer.
    pub headers: Vec<(String, String)>,
    /// What makes it an action of plans; `None` for a status query.
    pub action: Option<ActionRules>,
    /// What its answers list, where it lists what there is.
    pub list: Option<ListRule>,
    /// Rules for its answers, first match wins: the operation's own, then the provider's.
    pub answers: Vec<AnswerRule>,
    /// What the bodies of its answers are, by status.
    pub responses: Vec<ResponseContent>,
    /// Pointers to the provider's code in an answer's body; the first that leads to a scalar counts.
    pub code: Vec<Pointer>,
    /// Pointers to the provider's message, likewise.
    pub message: Vec<Pointer>,
    /// Where an answer holds the provider's own request or order id.
    pub reference: Vec<AnswerLocation>,
    /// Where a throttling answer holds the time to wait, when it has no `Retry-After`.
    pub throttle_hint: Option<ThrottleHint>,
    /// The parameters' JSON Schema as one object schema (additional properties refused).
    pub schema: Value,
    /// The compiled form of `schema`.
    pub validator: LazyValidator,
    /// Samples: parameters → request, answer → meaning.
    pub samples: Vec<Sample>,
}

/// A schema that is compiled when it is first asked for: of a document's operations a run uses a few.
pub type LazyValidator = LazyLock<jsonschema::Validator, Box<dyn FnOnce() -> jsonschema::Validator + Send>>;

/// The body of an operation's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBody {
    /// Its media type: `application/json`, another JSON, or `application/x-www-form-urlencoded`.
    pub media_type: String,
    /// How the parameters are written.
    pub form: BodyForm,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// A JSON object; `{}` when no body parameter is given.
    Json,
    /// The pairs of an HTML form (URL Standard, section 5).
    Urlencoded,
}

/// What makes an operation an action of plans.
#[derive(Debug)]
pub struct ActionRules {
    /// What it acts on.
    pub target: TargetRule,
    /// Whether it may be sent again when an answer was lost.
    pub idempotency: Idempotency,
    /// The revocation reason's field and spellings, where the operation has one.
    pub reason: Option<ReasonRule>,
    /// The fields of a certificate request, where the operation has a CSR.
    pub csr: Option<CsrRule>,
    /// The fields of a certificate, where the operation is sent one whole.
    pub certificate: Option<CertificateRule>,
    /// Parameter values that make it reach further than its target's kind.
    pub wide: Vec<WideRule>,
    /// That a person must approve it before it takes effect, where the provider asks for that.
    pub approval: Option<ApprovalRule>,
    /// How the whole order of its certificate is acted on, where the provider can do that.
    pub whole_order: Option<WholeOrderRule>,
    /// How to read the target's state back, in order of preference.
    pub status_queries: Vec<StatusQueryRule>,
    /// What its own answer brings, under the name of the operation as a step.
    pub outputs: Vec<Output>,
    /// What follows on its own request once that was accepted, one after the other. None for an action of one request.
    pub stages: Vec<Stage>,
    /// The parameter that makes several requests one, where there is one. Its value is kept with the action's intent.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Where the new certificate is read: the leaf, then its chain. Empty where the operation brings none.
    pub new_certificate: Vec<StepOutput>,
    /// Where the names of the certificate that the new one replaces are read, before the first request.
    pub replaced: Option<ReplacedRule>,
    /// What a preview asks about its target, in order of preference: the document's `preview`, and behind it the status queries of what revokes.
    pub previews: Vec<StatusQueryRule>,
    /// How far apart an action that only reads is asked again while its answer means `pending`; `None` where it is asked once.
    pub poll: Option<Duration>,
}

/// Where the provider tells what an action replaces, read before anything is sent.
#[derive(Debug, Clone)]
pub struct ReplacedRule {
    /// What is asked; its rows are the certificate, and it tells no state.
    pub query: StatusQueryRule,
    /// Into a row: the certificate's names, each one text or a list of texts.
    pub names: Vec<Pointer>,
    /// Where the action is not sent, by the whole answer; and why, as a sentence.
    pub unless: Vec<(Vec<Condition>, String)>,
}

/// One request of an action after its own: a step, in the words of OpenAPI's Arazzo. It begins once the step before has succeeded.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its `stepId`. The operation's own request is the step that has the operation's name.
    pub name: String,
    /// The list that an earlier step brought, where this one is asked once for each item. Then what it brings are lists.
    pub for_each: Option<StepOutput>,
    /// Where one of these holds there is nothing to do, and it is passed over: as a whole, or for one item.
    pub unless: Vec<Unless>,
    /// The parameter that takes the URL of an ACME challenge: each item is an authorization, and the account's hook meets its challenge first.
    pub challenge: Option<String>,
    /// The operation that it asks, by its index in [`Provider::operations`]; never an action of plans.
    pub operation: usize,
    /// Where that operation's parameters come from.
    pub parameters: Vec<(String, StageValue)>,
    /// Rules for its answers, first match wins: its own, then the operation's (without those that mean success, where its own do).
    pub answers: Vec<AnswerRule>,
    /// Whether it may be sent again when its answer was lost. What only reads always may.
    pub idempotency: Idempotency,
    /// How far apart a stage that only reads is asked again while its answer means `pending` or `pending-approval`; `None` where it
    /// is asked once.
    pub poll: Option<Duration>,
    /// Whether it is also asked again while the certificate that it brings is not for the key of the action's request: the one before, still.
    pub until_new: bool,
    /// How to find out whether it took effect, in order of preference. The parameters are those of its own request.
    pub status_queries: Vec<StatusQueryRule>,
    /// What its answer brings.
    pub outputs: Vec<Output>,
}

/// Where a parameter of a stage comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageValue {
    /// The action's parameter of this name, where it was given: `$inputs.NAME`.
    Input(String),
    /// What an earlier step brought: `$steps.NAME.outputs.NAME`.
    Output(StepOutput),
    /// Always this.
    Fixed(Value),
    /// The item of the list that it is asked for: `$item`.
    Item,
}

/// What says that a stage need not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unless {
    /// What is looked at.
    pub value: StageValue,
    /// All must hold.
    pub when: Vec<Condition>,
}

/// That a provider holds an accepted action until a person has approved it.
#[derive(Debug, Clone)]
pub struct ApprovalRule {
    /// The boolean parameter that spares it where it is true.
    pub unless: String,
    /// What that parameter takes, as a noun phrase: "an administrator's key".
    pub takes: Option<String>,
}

/// The operation that does the same to every certificate of an order.
#[derive(Debug, Clone)]
pub struct WholeOrderRule {
    /// Its name.
    pub operation: String,
    /// The parameter of the operation on one certificate that names the order.
    pub parameter: String,
}

/// What an action acts on.
#[derive(Debug, Clone)]
pub struct TargetRule {
    /// A certificate, an order or a CA.
    pub kind: TargetKind,
    /// The parameters that name it, most significant first; their values joined with `/` are the report's `target`.
    pub parameters: Vec<String>,
}

/// The kinds of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// One certificate.
    Certificate,
    /// An order with all its certificates.
    Order,
    /// A request that waits at the CA: for a person, or for validation.
    Request,
    /// A certification authority with everything below it.
    Ca,
}

/// Whether an operation is idempotent (RFC 9110, 9.2.2): whether it may be sent again after an answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// Asking twice has the effect of asking once (a revoke).
    Idempotent,
    /// Asking twice may cost twice (a reissue).
    NotIdempotent,
}

/// The provider's own field and spellings for a revocation reason.
#[derive(Debug, Clone)]
pub struct ReasonRule {
    /// The parameter.
    pub field: String,
    /// RFC 5280 reason → the provider's spelling; a reason that is absent the provider does not have.
    pub values: Vec<(RevocationReason, String)>,
}

/// The parameters of an operation that a CSR must agree with.
#[derive(Debug, Clone)]
pub struct CsrRule {
    /// The parameter that holds the PEM text.
    pub field: String,
    /// The parameter that must equal the subject's common name.
    pub common_name: Option<String>,
    /// The parameter that lists the DNS names.
    pub dns_names: Option<String>,
    /// Whether the request fills these two in, where a plan leaves them out.
    pub fills_names: bool,
    /// Whether the new certificate takes the place of an old one: not that of a duplicate, beside which the old one stays.
    pub replaces: bool,
}

/// Which parameters of an operation a whole certificate gives, and which key may sign in its name.
#[derive(Debug, Clone)]
pub struct CertificateRule {
    /// The parameter that holds the certificate: DER in base64url.
    pub field: String,
    /// The parameter that its serial number fills, in lower-case hexadecimal.
    pub serial: Option<String>,
    /// The parameter that refers to its private key, where that key may sign the request.
    pub key: Option<String>,
    /// The parameter that its identifier for renewal information fills (RFC 9773, section 4.1), where the provider takes that.
    pub renewal_id: Option<String>,
    /// Whether the provider refuses certificates that have expired.
    pub refuses_expired: bool,
}

/// A parameter that tells the provider which requests are one and the same, with a value that is made once for an action and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The parameter.
    pub parameter: String,
    /// What it looks like.
    pub form: KeyForm,
    /// How long the provider knows it; `None` where nothing is said. A request behind that counts as another.
    pub valid_for: Option<Duration>,
}

/// The forms of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// A UUID (RFC 9562, version 4). `uuid`.
    Uuid,
    /// 32 hexadecimal digits. `hex`.
    Hex,
}

/// A parameter value that reaches further than one target.
#[derive(Debug, Clone)]
pub struct WideRule {
    /// The parameter.
    pub parameter: String,
    /// The value, as text.
    pub value: String,
    /// What it reaches: "every certificate of the order".
    pub reaches: String,
}

/// How a target's state is read back.
#[derive(Debug, Clone)]
pub struct StatusQueryRule {
    /// The status query operation's name.
    pub operation: String,
    /// Its parameters: name → where the value comes from. A status query whose values are not all known is skipped.
    pub parameters: Vec<(String, ParameterSource)>,
    /// The rows that show the state, where no rule matches [`TargetState::Unknown`]; where several are found, all must agree. The columns are named as
    /// those of a list, or by one of [`PREVIEW_COLUMNS`](super::target_state::PREVIEW_COLUMNS).
    pub rows: RowRule<TargetState>,
    /// Paging, where the answer is one page of a list.
    pub pages: Option<Pages>,
    /// The state where no row was found: [`TargetState::Unknown`], unless the document declares `not-done`.
    pub absent: TargetState,
    /// What a person should check, and where, when the status query does not resolve the doubt.
    pub advice: String,
}

/// Where a status query's parameter comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterSource {
    /// The action's parameter of this name.
    Parameter(String),
    /// The answer to the action, at this place of its body.
    Answer(Pointer),
    /// Always this.
    Fixed(Value),
}

/// One step from a value to the items of a list in it.
#[derive(Debug, Clone)]
pub struct RowStep {
    /// The list; a single object counts as a list of one.
    pub list: Pointer,
    /// Each pointer into an item, and the action's parameter whose text it must equal.
    pub matches: Vec<RowMatch>,
}

/// One condition on a list's item.
#[derive(Debug, Clone)]
pub struct RowMatch {
    /// Into the item.
    pub pointer: Pointer,
    /// Where the item holds a serial number instead, for a parameter that takes either an id or a serial number.
    pub serial_pointer: Option<Pointer>,
    /// The action's parameter.
    pub parameter: String,
    /// Where that is a serial number, which answers may spell in another way.
    pub serial: Option<SerialRule>,
    /// Whether it is a certificate request, whose lines answers may break in another way.
    pub is_request: bool,
    /// A value of the parameter that matches every item (NAVER's `certificateNo: 0`).
    pub any: Option<String>,
}

/// A list of what there is at a provider, from which targets can be made.
#[derive(Debug, Clone)]
pub struct ListRule {
    /// What its rows tell. A column is named as a target's parameter of some action, or by one of [`LIST_COLUMNS`]; a state is one of
    /// [`LISTED_STATUSES`].
    pub rows: RowRule<&'static str>,
    /// Paging, where an answer is one page of it.
    pub pages: Option<Pages>,
    /// What it is asked with each time.
    pub parameters: Vec<(String, Value)>,
    /// What is asked about a row to know more.
    pub details: Vec<DetailRule>,
}

/// How the rows of an answer are found, and what they tell.
#[derive(Debug, Clone)]
pub struct RowRule<S> {
    /// From the answer to a list, and from an item to the list in it; none where the answer is the only row.
    pub steps: Vec<RowStep>,
    /// What a row tells, by the name of the column; and where in the row, or else in the item around it.
    pub columns: Vec<(String, ListedPlace)>,
    /// The first that holds says the state.
    pub states: Vec<StateRule<S>>,
}

/// A rule that reads a state from a row.
#[derive(Debug, Clone)]
pub struct StateRule<S> {
    /// All must hold.
    pub when: Vec<Condition>,
    /// The state that then holds.
    pub state: S,
}

/// A question about one row of a list.
#[derive(Debug, Clone)]
pub struct DetailRule {
    /// The operation that is asked, by its index in [`Provider::operations`].
    pub operation: usize,
    /// Its parameters, and the row's columns that they take.
    pub parameters: Vec<(String, String)>,
    /// What its answer tells of the row; with lists, each row of them is a certificate of its own.
    pub rows: RowRule<&'static str>,
}

/// Where a row of a list holds what a column tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlace {
    /// Into the row.
    pub pointer: Pointer,
    /// What stands there is a name made of several (`pools/a/certificates/b`): it is what follows on this, up to the next `/`.
    pub behind: Option<String>,
    /// Whether it is a time as seconds since 1970, which is told as RFC 3339 has it.
    pub is_unix_time: bool,
}

/// What a list may tell of a certificate beside the parameters that name it as a target.
pub const LIST_COLUMNS: [&str; 9] = [
    "serial_number",
    "fingerprint",
    "common_name",
    "dns_names",
    "not_before",
    "not_after",
    "status",
    "issuer",
    "certificate",
];

/// What a document may say of a row: it is valid, revoked, expired, or not a certificate yet, or never became one.
pub const LISTED_STATUSES: [(&str, &str); 4] =
    [("valid", "valid"), ("revoked", "revoked"), ("expired", "expired"), ("not-issued", "not-issued")];

/// One parameter of an operation.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The name in the provider's documentation, which plans use too.
    pub name: String,
    /// Other names that plans may use for it (DigiCert's own tables say `comment` and `comments`).
    pub aliases: Vec<String>,
    /// Whether its own name means something else in plans, which write it by an alias.
    pub hidden: bool,
    /// Where it goes.
    pub location: Location,
    /// In a body: the names that lead to it, its own last. Elsewhere empty.
    pub members: Vec<String>,
    /// Whether it must be given.
    pub required: bool,
    /// The type that the schema gives to raw text.
    pub kind: ParameterType,
    /// The value that is sent where nothing is given (the schema's `const`).
    pub fixed: Option<Value>,
    /// What its texts are.
    pub format: ValueFormat,
    /// In a body: the object that each item of the list is sent in, where it is.
    pub item: Option<ItemObject>,
    /// For people.
    pub description: String,
    /// Its JSON Schema.
    pub schema: Value,
}

/// The object that an item of a list is sent in: a plan gives the one member, the document fixes the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemObject {
    /// The member that a plan gives.
    pub member: String,
    /// The others.
    pub fixed: Map<String, Value>,
}

/// What the texts of a parameter are, beyond their type: how they are read, and what is held against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueFormat {
    /// They name something, in the provider's own way.
    #[default]
    Identifier,
    /// Words of the document's own, or numbers and flags that name nothing.
    Listed,
    /// Words for people. `free-text`, or an optional text of which the schema says nothing but its length.
    FreeText,
    /// Octets, which plans give as text and which are sent in base64 (`contentEncoding: base64`; RFC 4648, section 4).
    Base64,
    /// Serial numbers. `serial-number`.
    Serial(SerialRule),
    /// Names of certificates. `hostname`, `idn-hostname`, `dns-name`, `dns-name-or-address`.
    Name(NameRule),
    /// Files with a private key, which is read when it is sent and never kept. `private-key`.
    PrivateKey {
        /// Whether the PEM is sent in base64.
        base64: bool,
    },
    /// Certificates, which plans give as files or as PEM: the first is sent (`certificate`), or those behind it (`certificate-chain`).
    Certificate {
        /// Whether it is those behind the first.
        issuers: bool,
        /// Whether the PEM is sent in base64.
        base64: bool,
    },
    /// Certificate requests, which are sent in DER and base64url (`contentMediaType: application/pkcs10`, `contentEncoding: base64url`); a plan
    /// has them in PEM.
    CertificateRequest,
}

/// How a parameter's serial numbers go to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SerialRule {
    /// In which spelling.
    pub spelling: SerialSpelling,
    /// Where the provider takes an id of its own as well: a text of up to so many digits and no letter is one, and is sent as it is.
    pub id_digits: Option<usize>,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// Into the path, percent-encoded.
    Path,
    /// Into the query.
    Query,
    /// Into a header field.
    Header,
    /// Into the body, as a member of its object or of one inside.
    Body,
    /// Nowhere: only status queries, later stages and reports use it.
    StatusQuery,
    /// Nowhere: it refers to the key that signs the request.
    Signer,
}

/// The types that raw text can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// The text as it is.
    String,
    /// A whole number without leading zeros, in the range of `i64`.
    Integer,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of strings; in CSV separated by spaces.
    Strings,
    /// A list of whole numbers; in CSV separated by spaces.
    Integers,
}

/// A sample of an operation: what `providers check` runs and the simulator serves.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it shows.
    pub name: String,
    /// The parameters, by name.
    pub parameters: Map<String, Value>,
    /// The path and query below the base URL that they must give.
    pub path: String,
    /// The JSON body that they must give; `None` for none.
    pub body: Option<Value>,
    /// The action for which a status query's or a stage's answers are read; `None` in samples of actions.
    pub for_action: Option<SampleAction>,
    /// Answers, each with its expected class (action) or state (status query).
    pub answers: Vec<SampleAnswer>,
}

/// For which action the answers of a status query's or a stage's sample are read.
#[derive(Debug, Clone)]
pub struct SampleAction {
    /// The action's name.
    pub action: String,
    /// The stage of it by whose rules they are read; `None` in samples of status queries.
    pub stage: Option<String>,
    /// The action's parameters, by name.
    pub parameters: Map<String, Value>,
}

/// An answer and its expected reading.
#[derive(Debug, Clone)]
pub struct SampleAnswer {
    /// HTTP status.
    pub status: u16,
    /// Header fields beside those of every answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON body; `None` for none.
    pub body: Option<Value>,
    /// A body that is not JSON, verbatim; `None` where `body` has it.
    pub text: Option<String>,
    /// The word of the expected [`AnswerClass`](super::AnswerClass) (actions, stages), or of the expected [`TargetState`] (status queries, read for the
    /// action of [`Sample::for_action`]).
    pub expected: String,
    /// The rows that the answer of a list holds, by column; `None` where they are not compared.
    pub rows: Option<Value>,
    /// What a status query's answer shows, by column; `None` where that is not compared.
    pub columns: Option<Value>,
    /// What the answer brings; only what is named here is compared.
    pub outputs: Map<String, Value>,
    /// The expected reference, where the sample gives one.
    pub reference: Option<String>,
}

impl Provider {
    /// The operation of a name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The operations that plans can use.
    pub fn actions(&self) -> impl Iterator<Item = (&Operation, &ActionRules)> {
        self.operations.iter().filter_map(|operation| operation.action.as_ref().map(|action| (operation, action)))
    }
}

impl Window {
    /// Reads `100/5s`, `1000/3m`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is not a rate; write requests/window, such as `100/5s` or `1000/3m`");
        let (count, length) = text.trim().split_once('/').ok_or_else(expected)?;
        let count: u32 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(expected)?;
        let length = crate::time::parse_duration(length.trim()).map_err(|_| expected())?;
        if length.is_zero() { Err(expected()) } else { Ok(Self { count, length }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length.subsec_millis() == 0 {
            write!(formatter, "{}/{}s", self.count, self.length.as_secs())
        } else {
            write!(formatter, "{}/{}ms", self.count, self.length.as_millis())
        }
    }
}

impl ActionRules {
    /// Whether an action with these parameters waits for a person's approval.
    pub fn waits_for_approval(&self, parameters: &Map<String, Value>) -> bool {
        let is_spared = |rule: &ApprovalRule| parameters.get(&rule.unless).and_then(Value::as_bool) == Some(true);
        self.approval.as_ref().is_some_and(|rule| !is_spared(rule))
    }
}

impl Operation {
    /// The reference to the key that signs the request in the place of the account's, where these parameters have one.
    pub fn own_key(&self, parameters: &Map<String, Value>) -> Option<String> {
        let named = self.parameters.iter().find(|parameter| parameter.location == Location::Signer)?;
        parameters.get(&named.name).and_then(scalar_text).map(Cow::into_owned)
    }

    /// The serial number among these parameters, where one of them is one and no id.
    pub fn serial_number(&self, parameters: &Map<String, Value>) -> Option<SerialNumber> {
        self.parameters.iter().find_map(|parameter| {
            let text = parameters.get(&parameter.name).and_then(scalar_text)?;
            match parameter.serial() {
                Some(rule) => rule.read(&text),
                // A document of the user's own may not say so.
                None if parameter.name == "serial_number" => SerialNumber::parse(&text).ok(),
                None => None,
            }
        })
    }

    /// The parameter that a plan's field name means, by its name or an alias.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .or_else(|| self.parameters.iter().find(|parameter| parameter.aliases.iter().any(|alias| alias == name)))
    }
}

impl ValueFormat {
    /// Whether it is sent in base64 (RFC 4648, section 4).
    pub const fn is_encoded(self) -> bool {
        matches!(self, Self::Base64 | Self::PrivateKey { base64: true } | Self::Certificate { base64: true, .. })
    }
}

impl Parameter {
    /// How plans write its name.
    pub fn name_in_plans(&self) -> &str {
        self.aliases.first().filter(|_| self.hidden).unwrap_or(&self.name)
    }

    /// Whether its values refer to files with a private key, which signs or is sent.
    pub fn names_key(&self) -> bool {
        self.location == Location::Signer || matches!(self.format, ValueFormat::PrivateKey { .. })
    }

    /// Where its values are serial numbers, how they are sent.
    pub fn serial(&self) -> Option<SerialRule> {
        match self.format {
            ValueFormat::Serial(rule) => Some(rule),
            _ => None,
        }
    }
}

impl SerialRule {
    /// Whether a text is the provider's own id and no serial number.
    pub fn is_id(self, text: &str) -> bool {
        let is_short = self.id_digits.is_some_and(|most| (1..=most).contains(&text.len()));
        is_short && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The digits that it is sent in.
    pub const fn notation(self) -> SerialNotation {
        self.spelling.notation()
    }

    /// The serial number of a text that was made by this rule; `None` of an id.
    pub fn read(self, text: &str) -> Option<SerialNumber> {
        if self.is_id(text) { None } else { SerialNumber::parse_in(text, self.notation()).ok() }
    }
}

impl TargetKind {
    /// The word that documents and reports use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Order => "order",
            Self::Request => "request",
            Self::Ca => "ca",
        }
    }
}
