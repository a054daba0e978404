//! The thread that speaks HTTP: requests are handed to it, and what came of each comes back. So whoever decides what is sent never
//! waits for a socket, and no socket for whoever decides. Decides nothing, and sends each request once.

use super::client::{ClientError, exchange};
use super::transport::Delivery;
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Client, Request};
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};

/// The way to the thread. Cheap to clone; the thread ends, with whatever is in flight, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Line(mpsc::UnboundedSender<Errand>);

/// A request on its way, and who waits for what comes of it.
#[derive(Debug)]
struct Errand {
    client: Client,
    request: Request,
    came: oneshot::Sender<Delivery>,
}

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread, or none that can wait for sockets.
    pub fn open() -> Result<Self, ClientError> {
        let setup = |error: std::io::Error| ClientError::Setup(format!("starting its thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(setup)?;
        let (sender, mut errands) = mpsc::unbounded_channel();
        let speak = async move {
            let mut under_way = FuturesUnordered::new();
            let mut over: Vec<std::thread::Result<(oneshot::Sender<Delivery>, Delivery)>> = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    Some(first) = under_way.next() => {
                        over.push(first);
                        while let Some(Some(next)) = under_way.next().now_or_never() {
                            over.push(next);
                        }
                        // Told together, so that whoever waits is woken once. Whoever no longer waits hears nothing.
                        for (came, delivery) in over.drain(..).flatten() {
                            drop(came.send(delivery));
                        }
                    }
                    errand = errands.recv() => match errand {
                        // A panic ends one exchange.
                        Some(Errand { client, request, came }) => under_way.push(
                            AssertUnwindSafe(async move { (came, exchange(&client, request).await) }).catch_unwind(),
                        ),
                        None => return,
                    },
                }
            }
        };
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread.spawn(move || runtime.block_on(speak)).map_err(setup)?;
        Ok(Self(sender))
    }

    /// Has a request sent, and waits for what comes of it.
    pub(super) async fn send(&self, client: Client, request: Request) -> Delivery {
        let (came, comes) = oneshot::channel();
        if self.0.send(Errand { client, request, came }).is_err() {
            return Delivery::NotSent("the thread that sends is gone".to_owned());
        }
        comes.await.unwrap_or_else(|_| Delivery::Lost("an internal error struck while it was under way".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{Method, Url};

    #[tokio::test]
    async fn without_a_thread_nothing_is_sent_and_what_it_took_and_never_told_of_is_lost() {
        let (sender, mut errands) = mpsc::unbounded_channel();
        let line = Line(sender);
        let send = || line.send(Client::new(), Request::new(Method::GET, Url::parse("http://127.0.0.1:1/").unwrap()));
        let (taken, ()) = tokio::join!(send(), async { drop(errands.recv().await) });
        assert!(matches!(taken, Delivery::Lost(_)));
        let (waiting, ()) = tokio::join!(biased; send(), async { drop(errands) });
        assert!(matches!(waiting, Delivery::Lost(_)), "it might have been taken");
        assert!(matches!(send().await, Delivery::NotSent(_)));
    }
}
