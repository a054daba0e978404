//! A thread beside the check: it is handed work in order and hands it back done. Knows no work.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The thread. It has ended, and let go of what it held, when this is dropped.
pub(super) struct Beside<T> {
    /// Always there until then.
    to: Option<SyncSender<T>>,
    from: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Beside<T> {
    /// Begins it. `None` where there can be no more threads; then the work must be done here.
    pub(super) fn begin(name: &str, mut work: impl FnMut(&mut T) + Send + 'static) -> Option<Self> {
        let (to, given) = sync_channel::<T>(MOST_WAITING);
        let (back, from) = sync_channel(MOST_WAITING);
        let each = move || {
            for mut one in given {
                work(&mut one);
                if back.send(one).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(each).ok()?;
        Some(Self { to: Some(to), from, thread: Some(thread) })
    }

    /// Hands it work. Nobody gives more than [`MOST_WAITING`] without taking.
    pub(super) fn give(&self, work: T) {
        self.to.as_ref().and_then(|to| to.send(work).ok()).expect(LIVES);
    }

    /// Takes back what it was given first; waits until it is done.
    pub(super) fn take(&self) -> T {
        self.from.recv().expect(LIVES)
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        // It never waits to hand work back: there is room for all that it can be given.
        drop(self.to.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// More is not waiting for the thread.
pub(super) const MOST_WAITING: usize = 2;
const LIVES: &str = "the thread lives as long as this, since hashing does not panic";
