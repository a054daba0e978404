//! What happens in a run, for progress bars, plain lines and library users: an event is emitted only once what it reports is durable in
//! the journal. And what an account waits for, with its texts: the same on bars, in lines, in `status`, in its JSON and in a forecast. Decides
//! nothing.

use super::{Ordinal, Outcome};
use crate::text::grouped;
use crate::time::{human, human_latency, rfc3339};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that happened in a run. `account` is the name of a configured provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The run (or its resumption) begins.
    RunBegan {
        /// Each account with the number of its actions that are still to be done.
        accounts: Vec<(String, u64)>,
    },
    /// An attempt did not end its action; another one, or a status query, follows.
    AttemptFailed {
        /// The action.
        ordinal: Ordinal,
        /// The configured provider.
        account: String,
        /// The action's id.
        id: String,
        /// The attempt's number, from 1.
        attempt: u32,
        /// What happened.
        why: String,
    },
    /// A provider is held back.
    HeldBack {
        /// The configured provider.
        account: String,
        /// When it may go on.
        until: Timestamp,
        /// The reason, as part of a sentence.
        why: String,
    },
    /// An action ended; the end is durable.
    ActionEnded {
        /// The action.
        ordinal: Ordinal,
        /// The configured provider.
        account: String,
        /// The action's id.
        id: String,
        /// How it ended.
        outcome: Outcome,
        /// The message of its report row.
        message: String,
        /// The last HTTP status.
        http_status: Option<u16>,
        /// The provider's own request or order id.
        reference: Option<String>,
        /// Attempts sent.
        attempts: u32,
    },
    /// An action that had ended is taken up again: its answer may have been another request's, or it is pending and is looked at once more. It ends
    /// once more.
    ActionReopened {
        /// The action.
        ordinal: Ordinal,
        /// The configured provider.
        account: String,
        /// The action's id.
        id: String,
        /// How it had ended.
        outcome: Outcome,
    },
    /// An action has brought a new certificate, which is durable in the journal. Told again to a process that takes the run up: the one before
    /// may have ended before anybody deployed it.
    CertificateIssued {
        /// The configured provider.
        account: String,
        /// The action's id.
        id: String,
        /// The certificate and its chain, in PEM.
        pem: String,
    },
    /// A provider sends nothing more in this process; its other actions stay unsent.
    AccountStopped {
        /// The configured provider.
        account: String,
        /// Why, in a sentence.
        why: String,
    },
    /// What bounds an account's pace has changed.
    Bounded {
        /// The configured provider.
        account: String,
        /// What bounds it now.
        by: WaitReason,
    },
    /// `certsweep pause`: nothing new is sent until `certsweep unpause`.
    Paused {
        /// When.
        at: Timestamp,
        /// Who gave the command, where that is known.
        by: Option<String>,
    },
    /// `certsweep unpause`: the run, or its next wave, goes on.
    Unpaused,
    /// A person is asked whether the next wave may go. Nothing is sent until [`Event::Answered`].
    Asking(WaveQuestion),
    /// The question is over: it was answered, `certsweep unpause` let the wave go, or the run stops.
    Answered,
    /// The next wave may go.
    WaveBegan {
        /// The wave, from 1.
        wave: u32,
        /// Of so many.
        of: u32,
        /// Its actions.
        actions: u64,
    },
    /// How many requests an account has sent in this process, whatever they were for; told with a [`Event::Tick`], where it has changed.
    Requested {
        /// The configured provider.
        account: String,
        /// All of them.
        requests: u64,
        /// Of these, how many were refused because there were too many.
        throttled: u64,
    },
    /// `certsweep set-rate`: other windows hold for an account from now on.
    Limited {
        /// The configured provider.
        account: String,
        /// Its windows, as plans write them.
        windows: Vec<String>,
    },
    /// Something the user should know that belongs to no single action.
    Warning(String),
    /// The same, where nothing is wrong: how the run goes on.
    Note(String),
    /// No new request goes out; those in flight are awaited.
    Stopping(StopReason),
    /// The time since this process began with the run; emitted about once a second.
    Tick(Duration),
    /// The last event.
    RunEnded,
}

/// The question between two waves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveQuestion {
    /// The wave that waits for the answer, from 1.
    pub wave: u32,
    /// Of so many.
    pub of: u32,
    /// Its actions.
    pub actions: u64,
    /// When the question was asked.
    pub since: Timestamp,
}

/// Why a run stops before its last action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A safety rule (`canary`, `stop_when`), a closed window or the deadline; the sentence says which. Exit code 3.
    Rule(String),
    /// A signal, by its number. Exit code 128 + number.
    Signal(i32),
    /// The environment failed (the journal, the disk); the sentence says how. Exit code 4.
    Environment(String),
}

impl StopReason {
    /// Why, in a sentence.
    pub fn words(&self) -> String {
        match self {
            Self::Rule(why) | Self::Environment(why) => why.clone(),
            // People know it by the key that sends it.
            Self::Signal(2) => "interrupted by Ctrl-C (signal 2)".to_owned(),
            Self::Signal(number) => format!("interrupted by signal {number}"),
        }
    }
}

/// The one thing that an account waits for at a moment. Its JSON is read by scripts, and by `status` in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum WaitReason {
    /// Nothing is left to be sent.
    Done,
    /// A full window.
    Window {
        /// The window, as plans write it (`100/5s`).
        window: String,
    },
    /// Nothing is sent until a moment: the provider refused requests because there were too many, or a backoff holds the account.
    HeldBack {
        /// When it may go on.
        until: Timestamp,
    },
    /// A slower pace than the windows allow, learnt from refusals.
    Learnt {
        /// Requests in a thousand seconds.
        per_1000_s: u64,
    },
    /// As many requests are in flight as may be: the answers bound it.
    Concurrency {
        /// Requests in flight at once.
        slots: u32,
    },
    /// A canary is under way, and the others wait for it.
    Canary {
        /// The canary, from 1.
        number: u64,
        /// Of so many.
        of: u64,
    },
    /// The next wave waits for the end of this one, or for permission.
    Wave {
        /// The wave, from 1.
        number: u32,
        /// Of so many.
        of: u32,
    },
    /// The schedule's window is closed.
    Closed {
        /// When it opens.
        until: Timestamp,
    },
    /// `certsweep pause`.
    Paused,
    /// The provider cannot be reached, or is out of order; one request tries now and then.
    Unreachable {
        /// When it is tried next.
        until: Timestamp,
    },
    /// What is left waits for other actions, or for its `not_before`.
    Others,
    /// What is left waits for something outside of the run, which is looked at again later. Nobody knows how long that takes.
    AtWork {
        /// For what.
        #[serde(default)]
        on: Awaited,
    },
    /// All that is left is in flight.
    Answers,
    /// Nothing: the account could start more, if the run as a whole would. Shown as [`WaitReason::Answers`].
    Nothing,
    /// The account was stopped: it sends nothing more in this process.
    Stopped,
}

/// What a run waits for and cannot hasten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// The CA has accepted a request and is at work.
    #[default]
    Ca,
    /// A person's approval at the CA.
    Approval,
    /// Servers that do not show the new certificate yet.
    Servers,
    /// A revocation that is not seen yet.
    Revocation,
}

impl WaitReason {
    /// What bounds a running account at this moment of the wall clock, for bars, lines and `status`.
    pub fn describe(&self, wall: Timestamp) -> String {
        let left = |until: Timestamp| human(until.duration_since(wall).max(SignedDuration::ZERO).unsigned_abs());
        match self {
            Self::Done => "done".to_owned(),
            Self::Window { window } => format!("limit {window}"),
            // What bounds an account is told for a while longer than it lasts.
            Self::HeldBack { until } if *until <= wall => "was paused by the provider".to_owned(),
            Self::HeldBack { until } => format!("paused by the provider for {}", left(*until)),
            Self::Learnt { per_1000_s } => format!("slowed to {:.1}/s after refusals", *per_1000_s as f64 / 1000.0),
            Self::Concurrency { slots } => format!("{slots} at once"),
            Self::Canary { number, of } => format!("waits for canary {} of {}", grouped(*number), grouped(*of)),
            Self::Wave { number, of } => format!("waits for wave {number} of {of}"),
            Self::Closed { until } => format!("window closed until {}, for {}", rfc3339(*until), left(*until)),
            Self::Paused => "paused".to_owned(),
            Self::Unreachable { until } if *until <= wall => "down, is being tried again".to_owned(),
            Self::Unreachable { until } => format!("down, tried again in {}", left(*until)),
            Self::Others => "waits for other actions".to_owned(),
            Self::AtWork { on: Awaited::Ca } => "waits for the CA to finish".to_owned(),
            Self::AtWork { on: Awaited::Approval } => "waits for an approval at the CA".to_owned(),
            Self::AtWork { on: Awaited::Servers } => "waits for servers to show the new certificate".to_owned(),
            Self::AtWork { on: Awaited::Revocation } => "waits for revocations to be seen".to_owned(),
            Self::Answers | Self::Nothing => "waits for the last answers".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// What bounds an account over a whole forecast run with this latency, in the plan's terms.
    pub fn describe_forecast(&self, latency: Duration) -> String {
        match self {
            Self::Done | Self::Nothing | Self::Stopped => "nothing".to_owned(),
            Self::Window { window } => format!("rate {window}"),
            Self::Concurrency { slots } => format!("concurrency {slots} at {} an answer", human_latency(latency)),
            Self::Answers => format!("{} an answer", human_latency(latency)),
            Self::Canary { .. } => "canary, one at a time".to_owned(),
            Self::Wave { .. } => "waves".to_owned(),
            Self::Closed { .. } => "schedule, closed between its windows".to_owned(),
            Self::Others => "needs, not_before".to_owned(),
            Self::AtWork { .. } => "the CA or servers".to_owned(),
            Self::HeldBack { .. } | Self::Learnt { .. } | Self::Paused | Self::Unreachable { .. } => {
                "held back".to_owned()
            }
        }
    }

    /// Whether nothing is sent while it holds, so that no rate shows when the rest is done.
    pub const fn sends_nothing(&self) -> bool {
        matches!(
            self,
            Self::HeldBack { .. }
                | Self::Wave { .. }
                | Self::Closed { .. }
                | Self::Paused
                | Self::Unreachable { .. }
                | Self::Stopped
        )
    }

    /// Whether the rest goes on at a rate that says when it is done; `None` where this does not say so, as at the end of a burst.
    pub const fn has_known_end(&self) -> Option<bool> {
        match self {
            Self::Window { .. } | Self::Learnt { .. } | Self::Concurrency { .. } => Some(true),
            Self::Others | Self::AtWork { .. } => Some(false),
            _ => None,
        }
    }

    /// Whether it alternates with others many times a second, as a window does that is used up in bursts.
    pub const fn alternates(&self) -> bool {
        matches!(
            self,
            Self::Window { .. }
                | Self::Concurrency { .. }
                | Self::Answers
                | Self::Others
                | Self::AtWork { .. }
                | Self::Nothing
                | Self::Learnt { .. }
        )
    }

    /// Whether both are of one kind, whatever their numbers and times; two windows are of one kind where they are the same.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Window { window }, Self::Window { window: other }) => window == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether both are one and the same wait: clocks are read anew each time, so its end is never quite the same.
    pub fn is_same_wait(&self, other: &Self) -> bool {
        let until = match (self, other) {
            (Self::Closed { until }, Self::Closed { until: other })
            | (Self::Unreachable { until }, Self::Unreachable { until: other }) => Some((*until, *other)),
            _ => None,
        };
        until.is_some_and(|(one, other)| one.duration_since(other).abs() < CLOCKS_DIFFER)
    }
}

/// Between two readings of the wall clock and the steady one.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_text() {
        let until = Timestamp::from_second(1_700_000_000).unwrap();
        let wall = Timestamp::from_second(1_700_000_000 - 90).unwrap();
        let latency = Duration::from_millis(500);
        let at_work = |on| WaitReason::AtWork { on };
        for (reason, now, forecast, sends_nothing) in [
            (WaitReason::Window { window: "100/5s".into() }, "limit 100/5s", "rate 100/5s", false),
            (WaitReason::Learnt { per_1000_s: 6660 }, "slowed to 6.7/s after refusals", "held back", false),
            (WaitReason::Concurrency { slots: 16 }, "16 at once", "concurrency 16 at 0.5s an answer", false),
            (WaitReason::Canary { number: 3, of: 6 }, "waits for canary 3 of 6", "canary, one at a time", false),
            (WaitReason::Wave { number: 2, of: 3 }, "waits for wave 2 of 3", "waves", true),
            (
                WaitReason::Closed { until },
                "window closed until 2023-11-14T22:13:20.000Z, for 1m 30s",
                "schedule, closed between its windows",
                true,
            ),
            (WaitReason::Paused, "paused", "held back", true),
            (WaitReason::HeldBack { until }, "paused by the provider for 1m 30s", "held back", true),
            (WaitReason::HeldBack { until: Timestamp::UNIX_EPOCH }, "was paused by the provider", "held back", true),
            (WaitReason::Unreachable { until }, "down, tried again in 1m 30s", "held back", true),
            (at_work(Awaited::Ca), "waits for the CA to finish", "the CA or servers", false),
            (at_work(Awaited::Approval), "waits for an approval at the CA", "the CA or servers", false),
            (at_work(Awaited::Servers), "waits for servers to show the new certificate", "the CA or servers", false),
            (at_work(Awaited::Revocation), "waits for revocations to be seen", "the CA or servers", false),
        ] {
            assert_eq!((reason.describe(wall).as_str(), reason.sends_nothing()), (now, sends_nothing));
            assert_eq!(reason.describe_forecast(latency), forecast);
        }
    }
}
