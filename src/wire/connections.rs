//! Which request goes out on which connection. HTTP/1.1 tells by their order alone whose answer an answer is (RFC 9112, section 9.3.2): a
//! server, or a gateway before it, that sends more than was asked puts every later answer in the place of another one.
//!
//! So each kept connection is a client of its own, with one request at a time. It is kept only as long as all its answers were good news,
//! and the one that has rested longest serves next: what comes unasked meanwhile is read by the client under it, which closes it for that.

use super::tls::ClientError;
use reqwest::Client;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// The connections of one account to one side of the world.
pub(super) struct Connections {
    connect: Box<dyn Fn() -> Result<Client, ClientError>>,
    /// That rest, the one that has rested longest first.
    resting: RefCell<VecDeque<Connection>>,
    in_use: Cell<usize>,
    /// While there are fewer, another is opened rather than one taken that was in use just now.
    most: usize,
}

/// A connection that one request goes out on.
#[derive(Debug)]
pub(super) struct Connection {
    /// Keeps this one connection alone.
    pub(super) client: Client,
    /// Whether other requests were answered on it.
    pub(super) used: bool,
    rests_since: Instant,
}

impl Connections {
    /// For so many requests at once, by clients that this function makes, each of which keeps one connection.
    pub(super) fn new(concurrency: usize, connect: impl Fn() -> Result<Client, ClientError> + 'static) -> Self {
        let most = concurrency + SPARE;
        Self { connect: Box::new(connect), resting: RefCell::default(), in_use: Cell::new(0), most }
    }

    /// A connection for one request; with `fresh`, one that no other has used. Nothing is opened before something is sent.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn take(&self, fresh: bool) -> Result<Connection, ClientError> {
        let now = Instant::now();
        let mut resting = self.resting.borrow_mut();
        while resting.front().is_some_and(|first| now - first.rests_since >= MAX_REST) {
            resting.pop_front();
        }
        let full = self.in_use.get() + resting.len() >= self.most;
        let serves = |first: &Connection| full || now - first.rests_since >= MIN_REST;
        let connection = match resting.front() {
            Some(first) if !fresh && serves(first) => resting.pop_front(),
            _ => None,
        };
        let connection = match connection {
            Some(connection) => connection,
            None => Connection { client: (self.connect)()?, used: false, rests_since: now },
        };
        self.in_use.set(self.in_use.get() + 1);
        Ok(connection)
    }

    /// The request is over. A connection that is not kept is closed with its client.
    pub(super) fn give_back(&self, connection: Connection, kept: bool) {
        self.in_use.set(self.in_use.get().saturating_sub(1));
        if kept {
            let rested = Connection { used: true, rests_since: Instant::now(), ..connection };
            self.resting.borrow_mut().push_back(rested);
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").field("resting", &self.resting).finish_non_exhaustive()
    }
}

/// Longer than a connection needs to bring what a gateway sends at the heels of an answer; short beside the time that providers' limits
/// leave between two requests.
const MIN_REST: Duration = Duration::from_millis(50);
/// So many connections more than requests at once, so that each can rest.
const SPARE: usize = 8;
/// Providers close idle connections after about a minute; ours are gone before that.
pub(super) const MAX_REST: Duration = Duration::from_secs(20);
