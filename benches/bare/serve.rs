//! The server: one thread, every revocation and every question for an order answered as its provider would, after a delay or at once. It
//! counts, and judges nothing.
//!
//! `GET /count` tells the requests since `GET /reset`, the most connections at once, when the first came and when the last was
//! answered. It ends when its standard input does, so that it never outlives whoever started it.

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// What the server has seen.
#[derive(Debug, Default)]
struct Seen {
    requests: Cell<u64>,
    /// Connections that are open now, and the most that were at once.
    open: Cell<u64>,
    most: Cell<u64>,
    /// Nanoseconds since 1970, so that another process can take the difference.
    first: Cell<u64>,
    last: Cell<u64>,
}

/// Serves until standard input ends; prints the port first.
pub(crate) fn serve(port: u16, milliseconds: u64) -> Result<(), Box<dyn Error>> {
    let (gone, mut went) = tokio::sync::mpsc::channel::<()>(1);
    std::thread::spawn(move || {
        let _all = std::io::stdin().read_to_end(&mut Vec::new());
        drop(gone);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        println!("{}", listener.local_addr()?.port());
        let seen = Rc::new(Seen::default());
        loop {
            tokio::select! {
                _ = went.recv() => return Ok(()),
                stream = listener.accept() => {
                    let (seen, delay) = (Rc::clone(&seen), Duration::from_millis(milliseconds));
                    tokio::task::spawn_local(connection(stream?.0, seen, delay));
                }
            }
        }
    })
}

async fn connection(stream: TcpStream, seen: Rc<Seen>, delay: Duration) {
    let _nodelay = stream.set_nodelay(true);
    let counted = Cell::new(false);
    let service = service_fn(|request| {
        // A connection that only asks for the count is not counted.
        if !asks_for_count(&request) && !counted.replace(true) {
            seen.open.set(seen.open.get() + 1);
            seen.most.set(seen.most.get().max(seen.open.get()));
        }
        answer(request, &seen, delay)
    });
    // A client that goes in the middle of a request is a client that was stopped.
    let _gone = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if counted.get() {
        seen.open.set(seen.open.get() - 1);
    }
}

async fn answer(request: Request<Incoming>, seen: &Seen, delay: Duration) -> Result<Response<String>, Infallible> {
    if asks_for_count(&request) {
        return Ok(Response::new(tell(request.uri().path(), seen)));
    }
    if seen.requests.get() == 0 {
        seen.first.set(now());
    }
    seen.requests.set(seen.requests.get() + 1);
    let (status, told) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/order/certificate/status-changes") => (StatusCode::OK, r#"{"orders":[]}"#.to_owned()),
        (&Method::GET, path) => (StatusCode::OK, order(path.rsplit('/').next().unwrap_or_default())),
        (_, "/certificate/revoke") => (StatusCode::OK, NAVER.to_owned()),
        (_, path) if path.starts_with("/order/") => (StatusCode::NO_CONTENT, String::new()),
        _ => (StatusCode::CREATED, DIGICERT.to_owned()),
    };
    let mut body = request.into_body();
    while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    seen.last.set(now());
    let mut response = Response::new(told);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn asks_for_count(request: &Request<Incoming>) -> bool {
    ["/count", "/reset"].contains(&request.uri().path())
}

/// What DigiCert answers to the question for an order that is revoked.
fn order(id: &str) -> String {
    format!(r#"{{"id":{id},"status":"revoked","certificate":{{"id":{id},"status":"revoked"}}}}"#)
}

fn tell(path: &str, seen: &Seen) -> String {
    let Seen { requests, open, most, first, last } = seen;
    let told = format!(
        "{{\"requests\":{},\"connections\":{},\"first\":{},\"last\":{}}}\n",
        requests.get(),
        most.get(),
        first.get(),
        last.get()
    );
    if path == "/reset" {
        [requests, first, last].into_iter().for_each(|number| number.set(0));
        most.set(open.get());
    }
    told
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What NAVER answers to a revocation.
const NAVER: &str = r#"{"returnCode":"0","returnMessage":"Success","totalRows":1}"#;
/// What DigiCert answers to a revocation that needs nobody's approval any more, of some 60 bytes.
const DIGICERT: &str = r#"{"id":8675309,"type":"revoke","status":"approved","order":{}}"#;
