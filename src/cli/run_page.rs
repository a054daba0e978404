//! The page of a run: the HTML report; `certsweep report --check`, which holds a page against its run by making it again; and
//! `certsweep status --serve`, which shows it to a browser on this machine while the run goes on: loopback only, read only, behind a token that
//! stands in the URL. What a request gets is decided by a pure function. Decides nothing of what the page says.

use super::context::{Context, Exit};
use super::process::with_signals;
use super::status::{quoted, state_of};
use crate::engine::safety::Waves;
use crate::journal::{JournalError, Reader, RunDir};
use crate::plan::Settings;
use crate::run::Outcome;
use crate::text::file;
use crate::time::Clock;
use crate::view::report::html::{HtmlReport, JoinedRuns, PageMark, PageRun, PageSource, Timeline};
use crate::view::report::{Counts, ReportedRun, Rows};
use crate::view::status::RunState;
use crate::view::terminal::plural;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Writes the page of one run, or of several as one. `run_dir` is how a shell takes their directories.
pub(super) fn write_page(
    dirs: &[(RunDir, Reader)],
    runs: &[ReportedRun<'_>],
    run_dir: &str,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let rows = Rows::of(runs, outcomes);
    let mut page = HtmlReport::new(rows.columns()?)?;
    let counts = rows.each(|row| page.write(row))?;
    let (mut timelines, mut page_runs, mut damages) = (Vec::new(), Vec::new(), Vec::new());
    for ((dir, reader), run) in dirs.iter().zip(runs) {
        let timeline = timeline(reader, &run.facts.settings);
        // Of a damaged run the rows are told, and the plots left out.
        timelines.push(match reader.damage() {
            Some(damage) => {
                damages.push(if runs.len() > 1 { format!("{}: {damage}", run.run_dir) } else { damage.to_owned() });
                timeline.ok()
            }
            None => Some(timeline.map_err(io::Error::other)?),
        });
        let state = state_of(dir.is_locked().map_err(io::Error::other)?, &run.overview, None);
        page_runs.push(PageRun { facts: &run.facts, run: &run.overview, state, run_dir: &run.run_dir });
    }
    let only: Vec<Outcome> = outcomes.iter().copied().collect();
    let damage = (!damages.is_empty()).then(|| damages.join("; "));
    if let [run] = page_runs.as_slice() {
        let source = PageSource {
            facts: run.facts,
            run: run.run,
            timeline: timelines.first().and_then(Option::as_ref),
            state: run.state,
            several: &[],
            run_dir,
            only: &only,
            damage: damage.as_deref(),
        };
        page.finish(&source, output)?;
    } else if let Some(joined) = JoinedRuns::of(&page_runs, timelines) {
        let source = PageSource {
            facts: &joined.facts,
            run: &joined.run,
            timeline: joined.timeline.as_ref(),
            state: joined.state,
            several: &page_runs,
            run_dir,
            only: &only,
            damage: damage.as_deref(),
        };
        page.finish(&source, output)?;
    }
    Ok(counts)
}

/// Says whether a page is that of a run as it stands now, byte for byte.
pub(super) fn check_page(
    context: &Context,
    dirs: &[(RunDir, Reader)],
    mut runs: Vec<ReportedRun<'_>>,
    page: &Path,
) -> Exit {
    let shown = page.display();
    let text = match file::read_text(page, MAX_PAGE) {
        Ok(text) => text,
        Err(error) => {
            context.printer.error(&format!("{shown} cannot be read: {}", file::reason(&error)));
            return Exit::Usage;
        }
    };
    let Some(mark) = PageMark::of(&text) else {
        context.printer.error(&format!(
            "{shown} is no page of `certsweep report --format html`: it does not say which run it is of"
        ));
        return Exit::NotAllWell;
    };
    let outcomes = mark.only.iter().filter_map(|name| Outcome::parse(name)).collect();
    let named: Vec<String> = runs.iter().map(|run| quoted(Path::new(&run.run_dir))).collect();
    let run = named.join(", ");
    let were = shlex::split(&mark.run_dir).unwrap_or_default();
    if were.len() != runs.len() {
        context.printer.error(&format!(
            "{shown} is a page of {}: {}; name as many",
            plural(were.len() as u64, "run"),
            mark.run_dir
        ));
        return Exit::NotAllWell;
    }
    // A page says how its runs were named when it was made.
    for (run, was) in runs.iter_mut().zip(were) {
        run.run_dir = was;
    }
    let mut ours = Vec::new();
    if let Err(error) = write_page(dirs, &runs, &mark.run_dir, &outcomes, &mut ours) {
        return context.failed(&error);
    }
    if ours == text.as_bytes() {
        context.printer.result(&format!("{shown} is the page of {run}, byte for byte; digest {}", mark.digest));
        return Exit::Well;
    }
    let now = PageMark::of(&String::from_utf8_lossy(&ours)).map(|mark| mark.digest).unwrap_or_default();
    let why = if mark.digest != now {
        format!(
            "its rows and facts are not those of the run as it stands now: digest {}, not {now}. It is another run's, or was written before this one went on",
            mark.digest
        )
    } else if mark.version != env!("CARGO_PKG_VERSION") {
        format!(
            "it was written by certsweep {}; its digest is right, but only that version can compare the rest",
            mark.version
        )
    } else {
        let same = ours.iter().zip(text.as_bytes()).take_while(|(ours, theirs)| ours == theirs).count();
        let line = ours.iter().take(same).filter(|byte| **byte == b'\n').count() + 1;
        format!("it was changed after it was written: line {line} is another")
    };
    context.printer.error(&format!("{shown} is not the page of {run}: {why}"));
    Exit::NotAllWell
}

/// Serves the page of a run until it is interrupted.
pub(super) fn serve(context: &Context, run: &Path, address: SocketAddr) -> Exit {
    match serve_run(context, run, address) {
        Ok(exit) | Err(exit) => exit,
    }
}

/// The page of a run as it stands now, and whether it goes on.
///
/// # Errors
/// Where the run cannot be read.
fn page_of(path: &Path) -> Result<(Vec<u8>, RunState), JournalError> {
    let dir = RunDir::existing(path)?;
    let reader = dir.read()?;
    let state = state_of(dir.is_locked()?, &reader.overview_without_actions()?, None);
    let dirs = [(dir, reader)];
    let failed = |source| JournalError::File { path: path.to_path_buf(), action: "reading", source };
    let runs = [ReportedRun::of(&dirs[0].1, path.display().to_string()).map_err(failed)?];
    let mut page = Vec::new();
    write_page(&dirs, &runs, &quoted(path), &BTreeSet::new(), &mut page).map_err(failed)?;
    Ok((page, state))
}

/// What happened when.
fn timeline(reader: &Reader, settings: &Settings) -> Result<Timeline, JournalError> {
    let queue = reader.queue()?;
    let accounts: Vec<usize> = queue.iter().map(|action| action.account).collect();
    let waves = Waves::new(&settings.safety.waves, &queue);
    let mut timeline = Timeline::new(settings.accounts.len());
    reader.records(|stored| {
        timeline.take(stored, |ordinal| {
            let account = usize::try_from(ordinal).ok().and_then(|index| accounts.get(index)).copied();
            (account.unwrap_or(usize::MAX), waves.of(ordinal))
        });
    })?;
    Ok(timeline.close())
}

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageReply {
    Page,
    /// The name by which the browser came is not ours: a page of somebody else had it resolved to this machine (DNS rebinding).
    WrongHost,
    NotFound,
    /// It would change something, if there were something to change.
    ReadOnly,
}

/// The page as it was last made.
#[derive(Debug, Clone)]
struct MadePage {
    at: Duration,
    body: Vec<u8>,
    state: RunState,
}

#[derive(Debug)]
struct PageServer {
    context: Context,
    run: PathBuf,
    address: SocketAddr,
    token: String,
    page: RefCell<Option<MadePage>>,
}

/// `Err` only tells where the command ended early; both are the exit code.
fn serve_run(context: &Context, run: &Path, address: SocketAddr) -> Result<Exit, Exit> {
    // What is no run is told at once, and not to the first who asks.
    page_of(run).map_err(|error| context.no_run(&error))?;
    let failed = |error: &io::Error| context.failed(&format!("cannot listen on {address}: {}", file::reason(error)));
    let listener = TcpListener::bind(address).map_err(|error| failed(&error))?;
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let mut token = [0; TOKEN_BYTES];
    SystemRandom::new().fill(&mut token).map_err(|_| context.failed(&"the system gives no random numbers"))?;
    let token = hex::encode(token);
    let url = format!("http://{address}/{token}/");
    if context.global.json {
        context.printer.result_json_line(&serde_json::json!({"url": url}));
    } else {
        context.printer.result(&url);
    }
    context.printer.note("whoever has this address on this machine sees the page; interrupt to end");
    let page = RefCell::new(None);
    let server = PageServer { context: context.clone(), run: run.to_path_buf(), address, token, page };
    with_signals(context, async |mut signals| {
        tokio::select! {
            _ = signals.recv() => Ok(Exit::Well),
            ended = accept(listener, Rc::new(server)) => ended.map(|()| Exit::Well).map_err(|error| failed(&error)),
        }
    })
}

async fn accept(listener: TcpListener, server: Rc<PageServer>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait until some connection has ended.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let response = server.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            // One request each: a browser that leaves its connection open would keep others out.
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MAX_REQUEST).keep_alive(false);
            // A browser that goes away is no failure.
            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
            drop(permit);
        });
    }
}

impl PageServer {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let reply = decide(request.method(), request.uri().path(), host, self.address, &self.token);
        let (status, text) = match reply {
            PageReply::Page => match self.page() {
                Ok(page) => return page_response(page, request.method() == Method::HEAD),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            },
            PageReply::WrongHost => {
                (StatusCode::MISDIRECTED_REQUEST, format!("this page is served as http://{} alone\n", self.address))
            }
            PageReply::NotFound => (StatusCode::NOT_FOUND, "there is nothing here\n".to_owned()),
            PageReply::ReadOnly => (StatusCode::METHOD_NOT_ALLOWED, "this page can only be read\n".to_owned()),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        strict(response)
    }

    /// The page, made anew where it is older than a few seconds: that of a large run takes its time.
    fn page(&self) -> Result<MadePage, String> {
        let now = self.context.clock.elapsed();
        let fresh = self.page.borrow().clone().filter(|page| now.saturating_sub(page.at) < MADE_AGAIN_AFTER);
        if let Some(page) = fresh {
            return Ok(page);
        }
        let (body, state) = page_of(&self.run).map_err(|error| format!("the run cannot be read: {error}\n"))?;
        let made = MadePage { at: self.context.clock.elapsed(), body, state };
        *self.page.borrow_mut() = Some(made.clone());
        Ok(made)
    }
}

/// What a request is answered with.
fn decide(method: &Method, path: &str, host: Option<&str>, address: SocketAddr, token: &str) -> PageReply {
    let local = format!("localhost:{}", address.port());
    if !host.is_some_and(|host| host == address.to_string() || host.eq_ignore_ascii_case(&local)) {
        return PageReply::WrongHost;
    }
    let named = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest)).unwrap_or_default();
    // Digests are compared, so that how long it takes says nothing of how much is right.
    if Sha256::digest(named) != Sha256::digest(token) {
        return PageReply::NotFound;
    }
    if method == Method::GET || method == Method::HEAD { PageReply::Page } else { PageReply::ReadOnly }
}

fn page_response(page: MadePage, is_head: bool) -> Response<Body> {
    let length = page.body.len();
    let mut response = Response::new(if is_head { Body::empty() } else { Body::from(page.body) });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if matches!(page.state, RunState::Running | RunState::Paused | RunState::Waiting) {
        // The browser asks again by itself, without a script; what is filtered stands in the address and stays.
        headers.insert(header::REFRESH, HeaderValue::from_static(REFRESH));
    }
    strict(response)
}

/// What no answer goes without. The page has its own policy beside this one, which allows its script and style by their digests; both hold.
fn strict(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page of ten million rows is smaller.
const MAX_PAGE: u64 = 512 * 1024 * 1024;
/// As many as nobody guesses.
const TOKEN_BYTES: usize = 16;
/// Browsers at once; others wait.
const MAX_CONNECTIONS: usize = 16;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most; it has no body.
const MAX_REQUEST: usize = 16 * 1024;
/// How old a page may be.
const MADE_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Seconds after which a browser asks again: seldom enough to read in peace.
const REFRESH: &str = "15";
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_address_reads_and_nobody_changes() {
        let address: SocketAddr = "127.0.0.1:8042".parse().unwrap();
        let token = "0123456789abcdef";
        let page = "/0123456789abcdef/";
        for (method, path, host, expected) in [
            (Method::GET, page, Some("127.0.0.1:8042"), PageReply::Page),
            (Method::HEAD, "/0123456789abcdef", Some("localhost:8042"), PageReply::Page),
            (Method::GET, page, None, PageReply::WrongHost),
            (Method::GET, page, Some("127.0.0.1"), PageReply::WrongHost),
            (Method::GET, page, Some("127.0.0.1:8043"), PageReply::WrongHost),
            (Method::GET, page, Some("evil.example:8042"), PageReply::WrongHost),
            (Method::GET, page, Some("127.0.0.1:8042.evil.example"), PageReply::WrongHost),
            (Method::GET, "/", Some("127.0.0.1:8042"), PageReply::NotFound),
            (Method::GET, "/0123456789abcdee/", Some("127.0.0.1:8042"), PageReply::NotFound),
            (Method::GET, "/0123456789abcdef/../x", Some("127.0.0.1:8042"), PageReply::NotFound),
            (Method::POST, "/", Some("127.0.0.1:8042"), PageReply::NotFound),
            (Method::POST, page, Some("127.0.0.1:8042"), PageReply::ReadOnly),
            (Method::DELETE, page, Some("127.0.0.1:8042"), PageReply::ReadOnly),
        ] {
            assert_eq!(decide(&method, path, host, address, token), expected, "{method} {path} {host:?}");
        }
    }
}
