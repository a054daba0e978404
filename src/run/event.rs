//! What happens in a run, for progress bars, plain lines and library users. An event is emitted only once what it reports is durable in
//! the journal. Decides nothing.

use super::{Ordinal, Outcome, WaitReason};
use jiff::Timestamp;
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
