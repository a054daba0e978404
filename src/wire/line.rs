//! The thread that speaks HTTP: exchanges are handed to it, and what came of each comes back. So whoever decides what is sent never
//! waits for a socket, and no socket for whoever decides. Decides nothing, and carries out each exchange once.

use super::transport::Delivery;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::header::HeaderMap;
use std::io;
use std::panic::AssertUnwindSafe;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// The way to the thread. Cheap to clone; the thread ends, with whatever is in flight, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Line {
    errands: mpsc::UnboundedSender<Errand>,
    thread: Handle,
}

/// A request and its answer.
pub(super) type Exchange = BoxFuture<'static, Exchanged>;

/// What came of an exchange: an answer, or what became of the request without one.
pub(super) type Exchanged = Result<Came, Delivery>;

/// A whole answer as it came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// An exchange on its way, and who waits for what comes of it.
struct Errand {
    exchange: Exchange,
    came: oneshot::Sender<Exchanged>,
}

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread, or none that can wait for sockets.
    pub fn open() -> io::Result<Self> {
        let failed =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot start a thread for HTTP: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (sender, mut errands) = mpsc::unbounded_channel::<Errand>();
        let line = Self { errands: sender, thread: runtime.handle().clone() };
        let speak = async move {
            let mut under_way = FuturesUnordered::new();
            let mut over: Vec<std::thread::Result<(oneshot::Sender<Exchanged>, Exchanged)>> = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    Some(first) = under_way.next() => {
                        over.push(first);
                        while let Some(Some(next)) = under_way.next().now_or_never() {
                            over.push(next);
                        }
                        // Told together, so that whoever waits is woken once. Whoever no longer waits hears nothing.
                        for (came, what) in over.drain(..).flatten() {
                            drop(came.send(what));
                        }
                    }
                    errand = errands.recv() => match errand {
                        // A panic ends one exchange.
                        Some(Errand { exchange, came }) => {
                            under_way.push(AssertUnwindSafe(exchange.map(|what| (came, what))).catch_unwind());
                        }
                        None => return,
                    },
                }
            }
        };
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread.spawn(move || runtime.block_on(speak)).map_err(failed)?;
        Ok(line)
    }

    /// Has an exchange carried out, and waits for what comes of it. What `begin` does is done here and at once; the sockets and the
    /// time of what it gives are the thread's.
    pub(super) async fn send(&self, begin: impl FnOnce() -> Exchange) -> Exchanged {
        let (came, comes) = oneshot::channel();
        let exchange = {
            let _of_the_thread = self.thread.enter();
            begin()
        };
        if self.errands.send(Errand { exchange, came }).is_err() {
            return Err(Delivery::NotSent("the thread that sends is gone".to_owned()));
        }
        let struck = |_| Err(Delivery::Lost("an internal error struck while it was under way".to_owned()));
        comes.await.unwrap_or_else(struck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_thread_nothing_is_sent_and_what_it_took_and_never_told_of_is_lost() {
        let (sender, mut errands) = mpsc::unbounded_channel();
        let line = Line { errands: sender, thread: Handle::current() };
        let send = || line.send(|| std::future::pending().boxed());
        let (taken, ()) = tokio::join!(send(), async { drop(errands.recv().await) });
        assert!(matches!(taken, Err(Delivery::Lost(_))));
        let (waiting, ()) = tokio::join!(biased; send(), async { drop(errands) });
        assert!(matches!(waiting, Err(Delivery::Lost(_))), "it might have been taken");
        assert!(matches!(send().await, Err(Delivery::NotSent(_))));
    }
}
