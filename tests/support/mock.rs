//! A provider on loopback, played by threads that read and write HTTP/1.1 themselves. Records every request as it was received, with its
//! time; what it answers is a script of the test's own. Knows nothing of certsweep.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// One request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When its last byte had come.
    pub(crate) at: Instant,
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    /// Names as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many connections were opened before the one that it came on, and how many requests came on that before.
    pub(crate) connection: (usize, usize),
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answer it.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Close the connection without an answer.
    Close,
    /// Announce more bytes than come.
    Truncate { status: u16, body: Vec<u8> },
    /// Wait until the test lets go, then do this.
    Hold(Box<Self>),
    /// Write these bytes, whatever they are, and close.
    Raw(Vec<u8>),
    /// Answer it, and once more so much later, which nobody asked for: in the same segment where that is `None`.
    Twice(Box<Self>, Option<Duration>, Box<Self>),
}

/// The provider.
pub(crate) struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Script = Box<dyn Fn(&Seen, usize) -> Act + Send + Sync>;

struct Shared {
    script: Script,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    connections: usize,
    released: bool,
    over: bool,
}

impl Act {
    /// An answer with a header.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }

    /// The same, when the test lets go.
    pub(crate) fn held(self) -> Self {
        Self::Hold(Box::new(self))
    }
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Act {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Act::Answer { status, headers, body: body.into() }
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Act {
    Act::Answer { status, headers: Vec::new(), body: Vec::new() }
}

/// NAVER's success.
pub(crate) fn naver_done() -> Act {
    json(200, r#"{"returnCode":"0","returnMessage":"Success","totalRows":1}"#)
}

/// NAVER's list of certificates, with one certificate in one order.
pub(crate) fn naver_list(order: &str, certificate: u64, status: &str) -> Act {
    json(
        200,
        &format!(
            r#"{{"returnCode":"0","returnMessage":"Success","totalCount":1,"orders":[{{"orderID":"{order}","certificates":[{{"certificateNo":{certificate},"statusCode":"{status}"}}]}}]}}"#
        ),
    )
}

impl Seen {
    /// The value of a header, its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Method and target.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl Mock {
    /// Starts; `script` is given the request and how many of the same method and target came before it.
    pub(crate) fn start(script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { script: Box::new(script), state: Mutex::new(State::default()), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.state.lock().unwrap().over {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || stream.ok().and_then(|stream| serve(&shared, stream)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.state.lock().unwrap().seen.clone()
    }

    /// Method and target of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// The same, each once: a refusal on a connection that has served others is asked for again, which it is on a slow machine alone.
    pub(crate) fn distinct_lines(&self) -> Vec<String> {
        let mut lines = self.lines();
        let mut known = std::collections::HashSet::new();
        lines.retain(|line| known.insert(line.clone()));
        lines
    }

    /// How many requests have a target that contains this.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.target.contains(part)).count()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) {
        let state = self.shared.state.lock().unwrap();
        let (state, late) =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.seen.len() < requests).unwrap();
        assert!(!late.timed_out(), "only {} of {requests} requests came", state.seen.len());
    }

    /// Lets go of all requests that are held, and of those to come.
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        {
            let Ok(mut state) = self.shared.state.lock() else { return };
            state.over = true;
            state.released = true;
        }
        self.shared.changed.notify_all();
        drop(TcpStream::connect(self.address));
    }
}

/// Serves one connection until either side closes it.
fn serve(shared: &Shared, mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    stream.set_nodelay(true).ok()?;
    let opened = {
        let mut state = shared.state.lock().ok()?;
        state.connections += 1;
        state.connections - 1
    };
    for before in 0.. {
        let mut seen = read(&mut reader)?;
        seen.connection = (opened, before);
        let act = {
            let mut state = shared.state.lock().ok()?;
            let before = state.seen.iter().filter(|other| other.line() == seen.line()).count();
            state.seen.push(seen.clone());
            drop(state);
            shared.changed.notify_all();
            (shared.script)(&seen, before)
        };
        let act = match act {
            Act::Hold(act) => {
                let state = shared.state.lock().ok()?;
                drop(shared.changed.wait_while(state, |state| !state.released).ok()?);
                *act
            }
            act => act,
        };
        match act {
            Act::Answer { status, headers, body } => stream.write_all(&written(status, &headers, &body)).ok()?,
            Act::Twice(first, later, second) => {
                let bytes = |act: Act| match act {
                    Act::Answer { status, headers, body } => written(status, &headers, &body),
                    other => panic!("{other:?} is no plain answer"),
                };
                let (first, second) = (bytes(*first), bytes(*second));
                match later {
                    None => stream.write_all(&[first, second].concat()).ok()?,
                    Some(later) => {
                        stream.write_all(&first).ok()?;
                        std::thread::sleep(later);
                        stream.write_all(&second).ok()?;
                    }
                }
            }
            Act::Truncate { status, body } => {
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len() + 20);
                stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
                return None;
            }
            Act::Raw(bytes) => {
                stream.write_all(&bytes).ok()?;
                return None;
            }
            Act::Close | Act::Hold(_) => return None,
        }
    }
    None
}

fn written(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    assert_eq!(words.next(), Some("HTTP/1.1"), "{line}");
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { at: Instant::now(), method, target, headers, body, connection: (0, 0) })
}

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
