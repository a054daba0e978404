//! Decides what is sent when, and what its answer means; the wire sends it, and the journal has each record before anybody else.
//!
//! The decisions are pure: [`pace`] (when may a request go out), [`concurrency`] (how many at once), [`scheduler`] (which action is next), [`retry`]
//! (what follows from an attempt or a status query), [`stages`] (what that means for an action of several), [`safety`] (go on or stop, and how much
//! is let go), [`circuit_breaker`] (whether a provider is in order). [`attempt`] and [`status_query`] say what is sent, and what follows by these
//! tables. [`step`] carries out one exchange by a [`Sender`], the [`dispatcher`] starts them and owns the state of a run; what only asks goes by
//! [`inquiry`]. Never draws, never touches a file.

pub mod attempt;
pub mod circuit_breaker;
pub mod concurrency;
pub mod dispatcher;
pub mod forecast;
pub mod inquiry;
pub mod pace;
pub mod retry;
pub mod safety;
pub mod scheduler;
pub mod sender;
pub mod stages;
mod start;
pub mod status_query;
pub mod step;
pub mod timing;
pub mod verify;

pub use dispatcher::{CommandDone, CommandReply, Ending, Question, Run, RunCommand, run, stop_when_taken};
pub use sender::{PlayedAccount, PlayedTls, Sender, Senders, real_senders, rehearsal_senders};
pub use start::freed;
