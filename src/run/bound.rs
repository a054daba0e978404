//! What bounds the pace of an account at a moment: the one thing that bars and `status` show. Decides nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The one thing that bounds an account's pace now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Bound {
    /// Nothing is left to be sent.
    Done,
    /// A full window, such as `100/5s`.
    Window {
        /// The window, as plans write it.
        window: String,
    },
    /// The provider said that there were too many requests.
    HeldBack {
        /// When it may go on.
        until: Timestamp,
    },
    /// A slower pace than the windows allow, learnt from refusals.
    Learnt {
        /// Requests in a thousand seconds.
        per_1000_s: u64,
    },
    /// All places in flight are taken: the answers bound it.
    Concurrency {
        /// Requests in flight at once.
        slots: u32,
    },
    /// A canary is under way, and the others wait for it.
    Canary,
    /// The next wave waits for the end of this one, or for a word to go on.
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
    /// Somebody said `certsweep pause`.
    Paused,
    /// The provider cannot be reached; one request tries now and then.
    Unreachable {
        /// When it is tried next.
        until: Timestamp,
    },
    /// What is left waits for other actions, or for its `not_before`.
    Others,
    /// All that is left is in flight.
    Answers,
    /// The account was stopped: it sends nothing more in this process.
    Stopped,
}
