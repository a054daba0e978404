//! Decides what is sent when, and what it meant; has the wire do it; tells the journal before anybody else.
//!
//! The decisions are pure: [`pace`] (when may a request go out), [`ready`] (which action is next), [`retry`] (what follows from an
//! attempt or a look-up), [`safety`] (go on or stop), [`waves`] (how much is let go),
//! [`reach`] (whether a provider is there). [`attempt`] and [`dispatcher`] do what was decided. Never draws, never
//! touches a file.

pub mod attempt;
pub mod concurrency;
pub mod control;
pub mod dispatcher;
pub mod forecast;
pub mod look_up;
pub mod pace;
pub mod reach;
pub mod ready;
pub mod retry;
pub mod safety;
pub mod sender;
mod sent;
mod start;
pub mod timing;
pub mod verify;
pub mod waves;

pub use control::Word;
pub use dispatcher::{Ending, Question, Run, run};
pub use sender::Sender;
