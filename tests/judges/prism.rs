//! Prism as the judge of requests: one process a document, on loopback. It knows OpenAPI and nothing of ours.

use super::installed;
use crate::support::client::{Headers, send};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A mock of one document that validates every request.
pub(crate) struct Prism {
    child: Child,
    port: u16,
    log: tempfile::NamedTempFile,
}

/// What Prism says of a request.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) status: u16,
    /// What it reports against the request, in lower case; empty where there is nothing.
    pub(crate) report: String,
}

/// A request as plain text, its path below the document's base URL.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Headers,
    pub(crate) body: Option<String>,
}

impl Prism {
    /// Starts Prism on a document's file.
    pub(crate) fn start(document: &Path) -> Self {
        // Prism tells no port that the system chose.
        let port = installed::free_port();
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(installed::path("prism/node_modules/.bin/prism"))
            .args(["mock", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(document)
            .stdin(Stdio::null())
            .stdout(log.reopen().unwrap())
            .stderr(log.reopen().unwrap())
            .spawn()
            .expect("Prism needs `node` (Debian: apt-get install nodejs)");
        let mut prism = Self { child, port, log };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = prism.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "Prism does not start: {ended:?}\n{}", prism.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        prism
    }

    /// Where it answers; the base URL of the document stands for this.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What Prism has written.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Asks for a judgement.
    pub(crate) fn judge(&self, request: &Plain) -> Judgement {
        let url = format!("{}{}", self.url(), request.path);
        let answer = send(&request.method, &url, &request.headers, request.body.as_deref()).unwrap();
        let report = answer.headers.lines().find_map(|line| line.strip_prefix("sl-violations: "));
        // Requests that do not come as far as the validator are refused by a body of Prism's own.
        let report = report.map_or_else(|| answer.body.to_string().to_lowercase(), str::to_owned);
        Judgement { status: answer.status, report: if answer.status < 300 { String::new() } else { report } }
    }

    /// Fails where a request is not accepted.
    #[track_caller]
    pub(crate) fn accepts(&self, what: &str, request: &Plain) {
        let judged = self.judge(request);
        assert!(judged.status < 300, "{what} is refused: {judged:#?}\n{request:#?}");
    }
}

/// The version that is installed.
pub(crate) fn version() -> String {
    let package = installed::path("prism/node_modules/@stoplight/prism-cli/package.json");
    let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(package).unwrap()).unwrap();
    package["version"].as_str().unwrap().to_owned()
}

impl Drop for Prism {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
