//! What a run would do, shown before anything is sent: plain data that the command fills in, and its JSON, whose keys scripts rely on. Its text
//! is [`super::preview_text`]'s. Leaves nothing uncounted.

use super::status::{instant, moment};
use crate::plan::checked::entry_and_step;
use crate::run::PlanPart;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Preview {
    /// The plan's name.
    pub plan: String,
    /// The plan's digest, for `run --digest`.
    pub digest: String,
    /// Which part of the plan it is, where it is not the whole: all that follows is of the part.
    pub shard: Option<PlanPart>,
    /// All actions, duplicates included.
    pub actions: u64,
    /// Actions that repeat an earlier one exactly, and are not sent.
    pub duplicates: u64,
    /// Actions on an exception list, which are not sent either.
    pub excepted: u64,
    /// Rows of lists that `where` leaves out; they are no actions.
    pub left_out: u64,
    /// How many warnings the check gave.
    pub warnings: u64,
    /// What the providers say now of its targets, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<PresentTargets>,
    /// By provider, operation and reason.
    pub counts: Vec<Count>,
    /// What reaches further than one certificate.
    pub wide_effects: WideEffects,
    /// Which certificates are meant, where the plan has them.
    pub certificates: NamedCertificates,
    /// What goes first.
    pub order: Order,
    /// Each configured provider with its limits and its share of the time.
    pub providers: Vec<ProviderForecast>,
    /// How long it takes in all, waiting for the schedule included; `None` where it never ends inside the schedule.
    pub estimated_seconds: Option<f64>,
    /// When the estimate begins: now, or the schedule's start.
    #[serde(serialize_with = "instant")]
    pub starts_at: Option<Timestamp>,
    /// When all would have ended.
    #[serde(serialize_with = "instant")]
    pub ends_at: Option<Timestamp>,
    /// In how many of the schedule's windows requests go out; `None` where the schedule has none.
    pub schedule_windows: Option<u64>,
    /// How long one request is taken to last; the longest of all providers'.
    pub assumed_latency_ms: u64,
    /// The deadline, and how it compares.
    pub deadline: Option<DeadlineForecast>,
    /// What would help: for each, the forecast was made again with that change.
    pub would_help: Vec<SuggestedChange>,
    /// The first requests as they would be sent, secrets masked.
    pub first_requests: Vec<FirstRequest>,
}

/// What providers say of the targets of a plan before anything is sent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PresentTargets {
    /// The version of this part.
    pub v: u32,
    /// Whether all were asked; a signal ends it early.
    pub is_whole: bool,
    /// How many are revoked already.
    pub revoked: u64,
    /// How many are not.
    pub not_revoked: u64,
    /// Of how many that is not known.
    pub unknown: u64,
    /// Actions that nobody can be asked about: their operation has nothing to ask that the plan's fields suffice for.
    pub not_asked: u64,
    /// Each that was asked about, in plan order; so many of each state at most.
    pub targets: Vec<PresentTarget>,
}

/// A target as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PresentTarget {
    /// The action's id.
    pub action_id: String,
    /// The configured provider.
    pub provider: String,
    /// The target.
    pub target: String,
    /// The common name of its certificate, as the provider has it; where it does not tell, as the plan's certificate has it.
    pub common_name: Option<String>,
    /// Its names and addresses, likewise.
    pub names: Vec<String>,
    /// Its serial number, in hexadecimal digits, where the provider tells it.
    pub serial_number: Option<String>,
    /// The end of its validity, likewise.
    #[serde(serialize_with = "instant")]
    pub not_after: Option<Timestamp>,
    /// When the CA suggests to replace it (RFC 9773).
    pub renewal: Option<SuggestedRenewal>,
    /// What is known.
    pub state: PresentState,
    /// The provider's own word for it, where it has one.
    pub status: Option<String>,
    /// What shows it, or why it is not known.
    pub shows: String,
}

/// When a CA suggests to replace a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SuggestedRenewal {
    /// From when.
    #[serde(serialize_with = "moment")]
    pub begins: Timestamp,
    /// Until when.
    #[serde(serialize_with = "moment")]
    pub ends: Timestamp,
    /// Whether that has begun, so that it should be replaced now.
    pub is_now: bool,
}

impl SuggestedRenewal {
    /// The window, as it is at a moment.
    pub fn at(begins: Timestamp, ends: Timestamp, now: Timestamp) -> Self {
        Self { begins, ends, is_now: begins <= now }
    }

    /// In words.
    pub fn words(&self) -> String {
        let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
        let window = match (day(self.begins), day(self.ends)) {
            (begins, ends) if begins == ends => begins,
            (begins, ends) => format!("{begins} to {ends}"),
        };
        if self.is_now { format!("replace it now (the CA suggests {window})") } else { format!("replace it {window}") }
    }
}

/// Whether a target is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PresentState {
    /// It is already.
    Revoked,
    /// It is not.
    NotRevoked,
    /// Nobody knows.
    Unknown,
}

impl Default for PresentTargets {
    fn default() -> Self {
        Self { v: 1, is_whole: true, revoked: 0, not_revoked: 0, unknown: 0, not_asked: 0, targets: Vec::new() }
    }
}

impl PresentTargets {
    /// Counts one more.
    pub fn add(&mut self, target: PresentTarget) {
        let count = match target.state {
            PresentState::Revoked => &mut self.revoked,
            PresentState::NotRevoked => &mut self.not_revoked,
            PresentState::Unknown => &mut self.unknown,
        };
        *count += 1;
        if *count <= MAX_PRESENT {
            self.targets.push(target);
        }
    }
}

impl PresentState {
    /// In a word or two.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Revoked => "revoked already",
            Self::NotRevoked => "not revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// Where it is known from how long a request lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LatencySource {
    /// The command line.
    Given,
    /// An earlier run at the same provider and base URL.
    EarlierRun,
    /// It is the simulator that will answer.
    Simulator,
    /// Nobody knows.
    Assumed,
}

/// How many actions share provider, operation and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The configured provider.
    pub provider: String,
    /// The operation.
    pub operation: String,
    /// The plan's reason, in RFC 5280's spelling.
    pub reason: Option<String>,
    /// The reason as it is sent, in the provider's spelling.
    pub reason_sent: Option<String>,
    /// The requests of one of them, by the names of their steps; what is polled is guessed to be asked twice.
    pub requests: Vec<String>,
    /// How many.
    pub actions: u64,
}

/// Actions that reach further than one certificate: all are counted, the first `MAX_WIDE_EFFECTS` stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct WideEffects {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<WideEffect>,
}

/// An action that reaches further than one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WideEffect {
    /// The action's id.
    pub action_id: String,
    /// `file:line`.
    pub source: String,
    /// What it reaches, in a few words: "every certificate of the order".
    pub reaches: String,
}

/// The certificates of actions: all are counted, the first `MAX_CERTIFICATES` stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct NamedCertificates {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<NamedCertificate>,
}

/// The certificate of an action, as it names itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NamedCertificate {
    /// The action's id.
    pub action_id: String,
    /// The subject's common name, else its first alternative name.
    pub common_name: Option<String>,
    /// In hexadecimal digits.
    pub serial_number: String,
    /// From when it is valid.
    #[serde(serialize_with = "instant")]
    pub not_before: Option<Timestamp>,
    /// Until when.
    #[serde(serialize_with = "instant")]
    pub not_after: Option<Timestamp>,
    /// The issuer's name.
    pub issuer: String,
}

/// What goes first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Order {
    /// So many go first, one at a time.
    pub canary: u64,
    /// In so many waves; 0 where all go in one.
    pub waves: u64,
    /// Whether somebody is asked between two waves: how long the answers take is not part of the estimate.
    pub asks_between_waves: bool,
    /// How many wait for others.
    pub with_needs: u64,
    /// The first actions, in the order in which they would be sent.
    pub first: Vec<Ordered>,
}

impl Ordered {
    /// Whether it is a step of an entry, and not its first.
    pub(super) fn is_step(&self) -> bool {
        let entry = |id| entry_and_step(id).map(|(entry, _)| entry);
        let own = entry(self.action_id.as_str());
        own.is_some() && self.needs.iter().any(|id| entry(id.as_str()) == own)
    }
}

/// One action in the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ordered {
    /// The action's id.
    pub action_id: String,
    /// The configured provider.
    pub provider: String,
    /// The operation.
    pub operation: String,
    /// What it acts on.
    pub target: String,
    /// The ids that must have ended well first.
    pub needs: Vec<String>,
}

/// A configured provider's limits and its share of the time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProviderForecast {
    /// The configured provider.
    pub provider: String,
    /// The provider document that it uses.
    pub uses: String,
    /// Where requests go.
    pub base_url: String,
    /// The proxy that they go through.
    pub proxy: Option<ShownProxy>,
    /// The limits, such as `100/5s`.
    pub rate: Vec<String>,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// How many of its actions are to be sent.
    pub actions: u64,
    /// How many requests that takes, status queries and tokens among them.
    pub requests: u64,
    /// How long one request is taken to last.
    pub latency_ms: u64,
    /// Who says so.
    pub latency_source: LatencySource,
    /// How long they take, from the run's first request.
    pub estimated_seconds: Option<f64>,
    /// When the last of them would have ended.
    #[serde(serialize_with = "instant")]
    pub ends_at: Option<Timestamp>,
    /// How much time is left over before the deadline; below zero, by how much it is missed.
    pub slack_seconds: Option<f64>,
    /// What bounds it most: `rate 1000/180s`, `concurrency 4 at 0.5s an answer`.
    pub bottleneck: String,
    /// What it waits for, the longest wait first.
    pub waits: Vec<Waited>,
}

impl ProviderForecast {
    /// Where requests go, and through which proxy.
    pub(super) fn where_to(&self) -> String {
        let through = |proxy: &ShownProxy| format!(", through the proxy {} ({})", proxy.address, proxy.variable);
        format!("{}{}", self.base_url, self.proxy.as_ref().map(through).unwrap_or_default())
    }
}

/// A proxy of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShownProxy {
    /// Where it is: `proxy.example:3128`.
    pub address: String,
    /// The variable that names it.
    pub variable: String,
}

/// What a provider's actions wait for, and how long.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Waited {
    /// What it is, in a few words.
    #[serde(rename = "for")]
    pub for_what: String,
    /// How long.
    pub seconds: f64,
}

/// A change of the plan that would make the run shorter.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SuggestedChange {
    /// The configured provider.
    pub provider: String,
    /// The change: `second-key`, `whole-orders`, `concurrency`, `longer-window`, or the name of the parameter that spares an approval.
    pub change: String,
    /// A sentence for people.
    pub text: String,
    /// The whole run's estimate with it; `None` where a person's answer decides.
    pub estimated_seconds: Option<f64>,
    /// Whether the deadline, where there is one, is met then.
    pub deadline_met: Option<bool>,
}

/// The deadline, and how the estimate compares.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeadlineForecast {
    /// When all must have ended.
    #[serde(serialize_with = "instant")]
    pub at: Option<Timestamp>,
    /// How much time is left over; below zero, by how much it is missed; `None` where there is no estimate.
    pub slack_seconds: Option<f64>,
    /// Whether the estimate meets it.
    pub met: bool,
}

/// A request as it would be sent, its secrets already masked by `wire::request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirstRequest {
    /// The action's id.
    pub action_id: String,
    /// The configured provider.
    pub provider: String,
    /// Where its credentials come from: `api_key from env:DIGICERT_API_KEY`.
    pub credentials: Vec<String>,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The header fields in order.
    pub headers: Vec<ShownHeader>,
    /// The body.
    pub body: Option<String>,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShownHeader {
    /// Its name.
    pub name: String,
    /// Its value, masked where it is a secret.
    pub value: String,
}

impl NamedCertificates {
    /// Counts one more; `named` is called only while fewer than `MAX_CERTIFICATES` are stored.
    pub fn add(&mut self, named: impl FnOnce() -> NamedCertificate) {
        self.count += 1;
        if self.first.len() < MAX_CERTIFICATES {
            self.first.push(named());
        }
    }
}

impl WideEffects {
    /// Counts more that have one effect; `effect` is called only while fewer than `MAX_WIDE_EFFECTS` are stored.
    pub fn add(&mut self, actions: u64, effect: impl FnOnce() -> WideEffect) {
        self.count += actions;
        if self.first.len() < MAX_WIDE_EFFECTS {
            self.first.push(effect());
        }
    }
}

/// Wide effects listed by `--json`; a plan may have a million.
const MAX_WIDE_EFFECTS: usize = 1000;
/// Targets of one state listed by `--json`.
const MAX_PRESENT: u64 = 10_000;
/// Certificates listed by `--json`.
const MAX_CERTIFICATES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_renewal_is_now_once_its_window_has_begun() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (begins, ends, now, expected) in [
            (
                "2026-12-01T00:00:00Z",
                "2026-12-03T00:00:00Z",
                "2026-11-30T23:59:59Z",
                "replace it 2026-12-01 to 2026-12-03",
            ),
            (
                "2026-12-01T00:00:00Z",
                "2026-12-03T00:00:00Z",
                "2026-12-01T00:00:00Z",
                "replace it now (the CA suggests 2026-12-01 to 2026-12-03)",
            ),
            // What an incident hits has a window that is over (RFC 9773, section 4.2).
            (
                "2026-11-20T01:00:00Z",
                "2026-11-20T02:00:00Z",
                "2026-11-29T00:00:00Z",
                "replace it now (the CA suggests 2026-11-20)",
            ),
        ] {
            assert_eq!(SuggestedRenewal::at(at(begins), at(ends), at(now)).words(), expected);
        }
    }
}
