//! The preview as plain data. Its serialised form is what `preview --json` prints: the keys are relied on by scripts.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// The plan's name.
    pub plan: String,
    /// The plan's digest, for `run --digest`.
    pub digest: String,
    /// All actions, duplicates included.
    pub actions: u64,
    /// Those that repeat an earlier one word for word, and are not sent.
    pub duplicates: u64,
    /// How many warnings the check gave.
    pub warnings: u64,
    /// By provider, operation and reason.
    pub counts: Vec<Count>,
    /// What reaches further than one certificate.
    pub wide_effects: WideEffects,
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
    /// How long one request is assumed to take.
    pub assumed_latency_ms: u64,
    /// The deadline, and how it compares.
    pub deadline: Option<DeadlineForecast>,
    /// What would help: each was tried by foretelling the run anew.
    pub would_help: Vec<Help>,
    /// The first requests as they would be sent, secrets masked.
    pub first_requests: Vec<FirstRequest>,
}

/// How many actions share provider, operation and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The configured provider.
    pub provider: String,
    /// The operation.
    pub operation: String,
    /// The reason asked, in RFC 5280 words.
    pub reason: Option<String>,
    /// The reason sent, in the provider's.
    pub reason_sent: Option<String>,
    /// How many.
    pub actions: u64,
}

/// What reaches further than one certificate: all are counted, the first are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WideEffects {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<WideEffect>,
}

/// An action that reaches further than one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WideEffect {
    /// The action's id.
    pub action_id: String,
    /// `file:line`.
    pub source: String,
    /// What it reaches, in a few words: "every certificate of the order".
    pub reaches: String,
}

/// What goes first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
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

/// One action in the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderForecast {
    /// The configured provider.
    pub provider: String,
    /// The provider document that it uses.
    pub uses: String,
    /// Where requests go.
    pub base_url: String,
    /// The limits, such as `100/5s`.
    pub rate: Vec<String>,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// How many of its actions are to be sent.
    pub actions: u64,
    /// How many requests that takes, look-ups and tokens among them.
    pub requests: u64,
    /// How long they take, from the run's first request.
    pub estimated_seconds: Option<f64>,
    /// When the last of them would have ended.
    #[serde(serialize_with = "instant")]
    pub ends_at: Option<Timestamp>,
    /// How much time is left over before the deadline; below zero, by how much it is missed.
    pub slack_seconds: Option<f64>,
    /// What it is that makes it take so long, in a few words: `rate 1000/180s`, `concurrency 4 at 0.5s an answer`.
    pub bottleneck: String,
    /// All that it waits for, the longest first.
    pub waits: Vec<Waited>,
}

/// What a provider's actions wait for, and how long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waited {
    /// What it is, in a few words.
    #[serde(rename = "for")]
    pub for_what: String,
    /// How long.
    pub seconds: f64,
}

/// What would make the run take less time, or end sooner in truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Help {
    /// The configured provider.
    pub provider: String,
    /// The change: `second-key`, `whole-orders`, `concurrency`, `longer-window`, `skip_approval`.
    pub change: String,
    /// A sentence for people.
    pub text: String,
    /// How long the whole run takes then; `None` where nobody can know.
    pub estimated_seconds: Option<f64>,
    /// Whether the deadline, where there is one, is met then.
    pub deadline_met: Option<bool>,
}

/// The deadline, and how the estimate compares.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadlineForecast {
    /// When all must have ended.
    #[serde(serialize_with = "instant")]
    pub at: Option<Timestamp>,
    /// How much time is left over; below zero, by how much it is missed; `None` where there is no estimate.
    pub slack_seconds: Option<f64>,
    /// Whether it is held.
    pub met: bool,
}

/// A request as it would be sent. Secrets are masked by whoever fills it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstRequest {
    /// The action's id.
    pub action_id: String,
    /// The configured provider.
    pub provider: String,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The header fields in order.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Option<String>,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, masked where it is a secret.
    pub value: String,
}

impl WideEffects {
    /// Counts one more, and keeps it where it is among the first.
    pub fn add(&mut self, effect: impl FnOnce() -> WideEffect) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(effect());
        }
    }
}

fn instant<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(crate::time::rfc3339).serialize(serializer)
}

/// So many wide effects are kept for `--json`; a plan may have a million.
const KEPT: usize = 1000;
