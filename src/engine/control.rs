//! What a run is told from outside while it goes on. Whoever says it hears when it is done: when its record is durable.

use crate::provider::model::Window;
use crate::run::StopReason;
use tokio::sync::oneshot;

/// A word to a run.
#[derive(Debug)]
pub enum Word {
    /// Stop: no new request; those in flight are awaited. A second such word leaves at once.
    Stop(StopReason),
    /// Nothing new is sent until [`Word::Go`]; status queries wait too.
    Pause(Heard),
    /// Go on after a pause, or with the next wave.
    Go(Heard),
    /// Other windows hold for an account from now on.
    Limits {
        /// Index of the account.
        account: usize,
        /// Its windows.
        windows: Vec<Window>,
        /// Who hears of it.
        heard: Heard,
    },
}

/// Where the answer to a word goes.
pub type Heard = oneshot::Sender<Result<Done, String>>;

/// What a word came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It holds from now on.
    Done,
    /// It was so already.
    Already,
}
