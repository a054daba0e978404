//! How a plan is to be carried out, as checked values. Serialised into the run directory, so that `resume` needs
//! no second reading of the plan; it holds credential references, never a credential.

use crate::pki::RevocationReason;
use crate::provider::CredentialReference;
use crate::provider::challenge::ChallengeHook;
use crate::provider::model::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything of a plan but its actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The plan's name, or its file's stem.
    pub name: String,
    /// When all must have ended.
    pub deadline: Option<Deadline>,
    /// The configured providers that the plan's actions use, in order of first use. Actions name them by index.
    pub accounts: Vec<Account>,
    /// How often and how long to try again.
    pub retry: Retry,
    /// One attempt, connection to last byte.
    pub timeout: Duration,
    /// When to run.
    pub schedule: Schedule,
    /// When to stop.
    pub safety: Safety,
    /// The names of the columns that are carried through to the end of each report row.
    pub keep_columns: Vec<String>,
    /// Programs that are told what happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// A program that is told what happens in a run, and never decides anything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// What it is told of; never empty.
    pub on: Vec<HookEvent>,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
}

/// What a hook can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// The run, or a provider of it, stops before its last action.
    Stopped,
    /// The process is done with the run.
    Ended,
    /// Actions ended in doubt.
    InDoubt,
    /// At the present pace the deadline will be missed.
    DeadlineAtRisk,
    /// A wave waits for an answer, or begins.
    Wave,
    /// New certificates stand in the run directory.
    Issued,
}

impl HookEvent {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Stopped, Self::Ended, Self::InDoubt, Self::DeadlineAtRisk, Self::Wave, Self::Issued];

    /// The name in plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Ended => "ended",
            Self::InDoubt => "in-doubt",
            Self::DeadlineAtRisk => "deadline-at-risk",
            Self::Wave => "wave",
            Self::Issued => "issued",
        }
    }
}

/// A configured provider: a provider document, and what the plan configures otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The name that actions use.
    pub name: String,
    /// The id of its provider document.
    pub provider: String,
    /// The base URL with its server variables filled in; no trailing `/`.
    pub base_url: String,
    /// The URL that tokens are fetched from, where the plan has another than the document's; no trailing `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// Server variables as filled in, for signers that have a URL of their own.
    pub variables: BTreeMap<String, String>,
    /// Where the credentials come from, by credential name: the plan's references, or the document's environment variables.
    pub credentials: BTreeMap<String, CredentialReference>,
    /// At most so many requests in any window; all hold.
    #[serde(with = "windows_as_text")]
    pub windows: Vec<Window>,
    /// Requests in flight at once, at most.
    pub concurrency: u32,
    /// Whether the number in flight follows from rate and latency (Little's law), up to `concurrency`: where the plan gives none.
    #[serde(default)]
    pub concurrency_follows: bool,
    /// Whether every action names the key that signs it, so that no credential is needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_keys: bool,
    /// What to send for reasons that the provider does not have: RFC 5280 reason → the provider's spelling.
    pub reasons: BTreeMap<RevocationReason, String>,
    /// How it meets a CA's challenges, where the plan says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_hook: Option<ChallengeHook>,
}

/// When all must have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deadline {
    /// So long after the start of the run.
    After(Duration),
    /// At this instant.
    At(Timestamp),
}

/// How often and how long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The longest pause between two attempts.
    pub max_delay: Duration,
}

/// When to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Nothing is sent before.
    pub start: Option<Timestamp>,
    /// Nothing is sent outside.
    pub window: Option<DailyWindow>,
}

/// A time of day on some days of the week; it may span midnight, and then belongs to the day on which it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyWindow {
    /// Opens at.
    pub from: jiff::civil::Time,
    /// Closes at.
    pub to: jiff::civil::Time,
    /// IANA time zone name, known to be valid.
    pub timezone: String,
    /// Days on which it opens, Monday = 1 … Sunday = 7; never empty.
    pub days: Vec<i8>,
}

/// When to stop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Safety {
    /// A longer plan is refused.
    pub max_actions: Option<u64>,
    /// So many go first, one at a time; one that does not end well stops the run.
    pub canary: u64,
    /// Stop a provider when this many, or this share, of its actions did not end well.
    pub stop_when: Option<StopWhen>,
    /// The run's actions go in waves: each entry is how many are released by the end of its wave. Empty: all in one; otherwise the
    /// last is all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveSize>,
    /// What happens between two waves.
    #[serde(default, skip_serializing_if = "BetweenWaves::is_ask")]
    pub between_waves: BetweenWaves,
}

/// How many of a run's actions are released by the end of a wave, the waves before it included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaveSize {
    /// This many.
    Count(u64),
    /// This share, above 0, at most 1.
    Share(f64),
}

/// What happens between two waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetweenWaves {
    /// The user is asked; where there is no terminal to ask on, the run stops, and `resume` goes on with it.
    #[default]
    Ask,
    /// No action is begun for so long.
    Pause(Duration),
}

impl BetweenWaves {
    fn is_ask(&self) -> bool {
        *self == Self::Ask
    }
}

/// Stop a provider when its actions do not end well. Each configured provider is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopWhen {
    /// This many.
    Failures(u64),
    /// This share of the last so many that ended, once so many have ended.
    FailureRate {
        /// Above 0, at most 1.
        rate: f64,
        /// At least 1.
        of_last: u64,
    },
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, max_delay: Duration::from_secs(60) }
    }
}

/// The time of one attempt where the plan has no `timeout`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The days' names in a plan, Monday first.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

mod windows_as_text {
    use crate::provider::model::Window;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(windows: &[Window], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(windows.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Window>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| Window::parse(text).map_err(D::Error::custom))
            .collect()
    }
}
