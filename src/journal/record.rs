//! The journal's records. A record is written before what it announces is done (an intent) or shown (an end).

use crate::pki::RevocationReason;
use crate::run::{Effect, Ordinal, Outcome, Seen, StatusSource};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A record as the journal has stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// Its place in the order of writing. The upper bits number the process that wrote it, so that a later process goes on without
    /// reading what the earlier ones wrote.
    pub seq: u64,
    /// The steady clock when it was appended, counted from the machine's start: the wall clock may have been set since.
    pub steady: Duration,
    /// The record.
    pub record: Record,
}

impl StoredRecord {
    /// The process that wrote it; the run's first is 1.
    pub const fn process(&self) -> u64 {
        self.seq >> SEQ_BITS
    }
}

/// The bits of [`StoredRecord::seq`] that count the records of one process: a trillion, more than any process writes. What is left of SQLite's
/// 63 bits numbers eight million processes.
pub(super) const SEQ_BITS: u32 = 40;

/// One record. Those that a million actions have (intents and ends) are stored by columns, the others as this JSON: there a field that says
/// nothing is left out, and a new one has a default, so that runs of earlier versions are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Record {
    /// A process begins (first record) or resumes the run.
    Began {
        /// When.
        at: Timestamp,
        /// certsweep's version.
        version: String,
        /// The start of the machine that the steady clock of this process's records counts from, where it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
    },
    /// An ended action is taken up again: by `resume --retry`, or since its answer may have been another request's.
    Reopened {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// Whether it is followed only: what the provider has accepted is looked up, and not sent again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        follows: bool,
    },
    /// The action's request is about to be sent. Durable before it is sent. The request is not in it: the action's row makes it again, and its
    /// signature is good for minutes only.
    Intent {
        /// The action.
        ordinal: Ordinal,
        /// From 1; counts on over resumes, since an attempt of a process that crashed may have taken effect.
        attempt: u32,
        /// When it was decided.
        at: Timestamp,
    },
    /// An attempt came to nothing that settles the action.
    AttemptEnded {
        /// The action.
        ordinal: Ordinal,
        /// The attempt.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// What it did at the provider, as far as is known.
        effect: Effect,
        /// Whether it counts against the plan's `retry.attempts` (throttling does not).
        counts: bool,
        /// What was answered or went wrong.
        answer: Reply,
    },
    /// What tells the provider which of the action's requests are one and the same. Durable before the first of them is sent.
    Keyed {
        /// The action.
        ordinal: Ordinal,
        /// When it was made.
        at: Timestamp,
        /// The key.
        key: String,
    },
    /// What the answer to a stage brought: later stages are made of it, and steps of the plan. Durable before either, and before the action is shown as
    /// ended.
    Captured {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// The stage's name; that of the operation for the action's own request.
        step: String,
        /// Its outputs.
        outputs: serde_json::Map<String, serde_json::Value>,
    },
    /// The action's new certificate fits its request. Durable before the action is shown as ended.
    Issued {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// What it is.
        certificate: IssuedCertificate,
    },
    /// A stage was done, and another one follows.
    StageEnded {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// The stage, from 0.
        stage: u8,
        /// What was answered.
        answer: Reply,
    },
    /// A status query (or a request for a token) is about to be sent. It has no effect that could be doubled; it is written because it counts in the
    /// rate windows, which a resumed process begins with.
    Asked {
        /// Index of the account in the run's own copy of the plan, whose order nobody can change.
        account: usize,
        /// The action that it is for, where it is for one.
        ordinal: Option<Ordinal>,
        /// When.
        at: Timestamp,
    },
    /// A status query reported on the action's target.
    LookedUp {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// What the action's attempts so far have done: `none` clears a doubt.
        effect: Effect,
        /// What was seen, in a few words.
        seen: String,
    },
    /// The action ended. Durable before it is shown.
    Ended {
        /// The action.
        ordinal: Ordinal,
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// What was answered, or what certsweep has to say about it.
        answer: Reply,
    },
    /// What the engine has learnt of an account's real limit from its refusals; a resumed run begins with it.
    Learnt {
        /// Index of the account.
        account: usize,
        /// The windows that hold beside the declared ones, as plans write them; none where only those bound it any more.
        windows: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// `certsweep set-rate` set an account's windows.
    Limited {
        /// Index of the account.
        account: usize,
        /// The windows that hold from now on, as plans write them.
        windows: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// `certsweep pause`: nothing new is sent until `certsweep unpause`.
    Paused {
        /// When.
        at: Timestamp,
        /// Who gave the command, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// `certsweep unpause`: the run goes on after a pause, or with its next wave. One record for both, as it is one command.
    WentOn {
        /// When.
        at: Timestamp,
    },
    /// The process stops before the last action ended.
    Stopped {
        /// When.
        at: Timestamp,
        /// Why, in a sentence.
        why: String,
        /// The exit code.
        code: u8,
    },
    /// A process begins to ask what the world sees of the run's effects.
    Verifying {
        /// When.
        at: Timestamp,
        /// The start of the machine that the steady clock of this process's records counts from, where it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
    },
    /// What the world saw of an ended action's target.
    Verified {
        /// The action.
        ordinal: Ordinal,
        /// When it was seen.
        at: Timestamp,
        /// What was seen.
        seen: Seen,
        /// The sources of this status.
        by: Vec<StatusSource>,
        /// Since when the target is revoked, as its issuer says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revoked_at: Option<Timestamp>,
        /// The reason that its issuer publishes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<RevocationReason>,
        /// Whether that is neither the reason that was asked nor the one that was sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reason_differs: bool,
        /// Why it is not seen revoked, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A process begins to write down what a person has found.
    Settling {
        /// When.
        at: Timestamp,
        /// Who, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A person has found out how an action ended that was in doubt or pending.
    Settled {
        /// The action.
        ordinal: Ordinal,
        /// When that was written down.
        at: Timestamp,
        /// How it ended.
        outcome: Outcome,
        /// Who says so, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What was found, and where.
        note: String,
    },
    /// Every action has ended.
    Finished {
        /// When.
        at: Timestamp,
    },
}

impl Record {
    /// Whether a request will follow it.
    pub const fn begins_something(&self) -> bool {
        matches!(self, Self::Intent { .. } | Self::Asked { .. })
    }

    /// The action that it is about, where it is about one.
    pub fn ordinal(&self) -> Option<Ordinal> {
        match self {
            Self::Reopened { ordinal, .. }
            | Self::Intent { ordinal, .. }
            | Self::AttemptEnded { ordinal, .. }
            | Self::LookedUp { ordinal, .. }
            | Self::Captured { ordinal, .. }
            | Self::Keyed { ordinal, .. }
            | Self::Issued { ordinal, .. }
            | Self::StageEnded { ordinal, .. }
            | Self::Verified { ordinal, .. }
            | Self::Settled { ordinal, .. }
            | Self::Ended { ordinal, .. } => Some(*ordinal),
            Self::Began { .. }
            | Self::Asked { .. }
            | Self::Learnt { .. }
            | Self::Limited { .. }
            | Self::Paused { .. }
            | Self::WentOn { .. }
            | Self::Verifying { .. }
            | Self::Settling { .. }
            | Self::Stopped { .. }
            | Self::Finished { .. } => None,
        }
    }

    /// When it was made.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Began { at, .. }
            | Self::Reopened { at, .. }
            | Self::Intent { at, .. }
            | Self::AttemptEnded { at, .. }
            | Self::Asked { at, .. }
            | Self::LookedUp { at, .. }
            | Self::Captured { at, .. }
            | Self::Keyed { at, .. }
            | Self::Issued { at, .. }
            | Self::StageEnded { at, .. }
            | Self::Ended { at, .. }
            | Self::Learnt { at, .. }
            | Self::Limited { at, .. }
            | Self::Paused { at, .. }
            | Self::WentOn { at }
            | Self::Stopped { at, .. }
            | Self::Verifying { at, .. }
            | Self::Verified { at, .. }
            | Self::Settling { at, .. }
            | Self::Settled { at, .. }
            | Self::Finished { at } => *at,
        }
    }
}

/// A new certificate, as the report and the run directory have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Its serial number, in lower-case hexadecimal.
    pub serial_number: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// It, and then its chain, in PEM.
    pub pem: String,
}

/// What a report row says about an answer. The provider's texts are verbatim, with secrets masked; they are made safe where
/// they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reply {
    /// The HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The provider's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The provider's message, or certsweep's own words where the provider sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The provider's own request or order id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
