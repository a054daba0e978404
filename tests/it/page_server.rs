//! `certsweep status --serve` from outside: the page of a run while it goes on, for browsers on this machine, and for nobody else.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{Place, finish, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

/// Starts to serve; the address without its token, and the token's path.
pub(super) fn serve(place: &Place, run: &str) -> (Child, String, String) {
    let mut child = place.spawn(&["status", run, "--serve", "127.0.0.1:0"]);
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let (address, path) = url.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(address.starts_with("127.0.0.1:") && path.len() == 33, "{url}");
    (child, address.to_owned(), format!("/{path}"))
}

pub(super) fn ask(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that has said enough may reset what is still on its way.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_page_is_served_while_the_run_goes_on_and_to_nobody_else() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1/300ms], concurrency: 1", 200));
    let running = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(2);
    let (server, address, path) = serve(&place, "run");
    let get = |path: &str, host: &str| ask(&address, &format!("GET {path} HTTP/1.1\nHost: {host}\n\n"));
    let page = get(&path, &address);
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 200") && body.contains("The run goes on.") && body.trim_end().ends_with("</html>"),
        "{head}"
    );
    for expected in [
        "refresh: 15",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy: no-referrer",
        "content-security-policy: frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'none'",
        "cross-origin-resource-policy: same-origin",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(head.contains(expected), "{expected} is not in\n{head}");
    }
    assert!(!head.contains("access-control"), "{head}");
    for (path, host, code) in [
        (path.as_str(), "evil.example", "421"),
        (&path, "localhost", "421"),
        ("/", &address, "404"),
        ("/00000000000000000000000000000000/", &address, "404"),
        ("/../../etc/passwd", &address, "404"),
        ("/favicon.ico", &address, "404"),
    ] {
        let answer = get(path, host);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}")) && !answer.contains("<html"),
            "{path} {host}: {answer}"
        );
    }
    let post = ask(&address, &format!("POST {path} HTTP/1.1\nHost: {address}\nContent-Length: 2\n\nxx"));
    assert!(post.starts_with("HTTP/1.1 405") && post.to_ascii_lowercase().contains("allow: get, head"), "{post}");
    let asked = ask(&address, &format!("HEAD {path} HTTP/1.1\nHost: {address}\n\n"));
    assert!(asked.starts_with("HTTP/1.1 200") && asked.ends_with("\r\n\r\n"), "{asked}");
    let long = ask(&address, &format!("GET /{} HTTP/1.1\nHost: {address}\n\n", "x".repeat(65_536)));
    assert!(!long.contains("<html"), "{long}");
    signal(&running, "INT");
    finish(running).exits(130);
    signal(&server, "INT");
    finish(server).exits(0);
    // Of a run that is over nothing is refreshed.
    let (server, address, path) = serve(&place, "run");
    let page = ask(&address, &format!("GET {path} HTTP/1.1\nHost: {address}\n\n"));
    assert!(page.contains("The run stopped") && !page.to_ascii_lowercase().contains("refresh: "), "it stopped");
    signal(&server, "TERM");
    finish(server).exits(0);
    place.certsweep(&["status", "nothing", "--serve", "127.0.0.1:0"]).exits(2);
    for wrong in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0", "localhost:0", "8042"] {
        place.certsweep(&["status", "run", "--serve", wrong]).exits(2).says(&["of this machine alone"]);
    }
    place.certsweep(&["status", "run", "--serve", &mock.url()["http://".len()..]]).exits(4).says(&["cannot listen on"]);
}

#[test]
fn what_is_logged_as_json_is_json_line_by_line() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 3));
    let lines = |args: &[&str], code: i32| -> Vec<serde_json::Value> {
        let told = place.certsweep(&[args, &["--log-format", "json"]].concat()).exits(code);
        told.err
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    };
    let told = lines(&["run", "plan.yaml", "--yes", "-vv", "--run-dir", "run"], 0);
    for line in &told {
        assert!(line["v"] == 1 && line["at"].as_str().unwrap().ends_with('Z') && line["message"].is_string(), "{line}");
    }
    let of_level = |level: &str| told.iter().filter(|line| line["level"] == level).count();
    assert!(of_level("debug") >= 3 && of_level("info") >= 1, "{told:?}");
    assert!(told.iter().any(|line| line["message"].as_str().unwrap().contains("-> HTTP 204")), "{told:?}");
    let told = lines(&["status", "no\u{1b}run\u{202e}"], 2);
    assert_eq!((told.len(), &told[0]["level"]), (1, &"error".into()));
    place.file("bad.yaml", "version: 1\nactions: [{provider: digicertt, action: revoke}]\n");
    let told = lines(&["check", "bad.yaml"], 2);
    assert!(told.iter().any(|line| line["message"].as_str().unwrap().contains("digicertt")), "{told:?}");
    assert_eq!(lines(&["status", "run", "-q"], 0).len(), 0);
}

#[test]
fn every_object_of_json_begins_with_its_version() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    for args in [
        &["check", "plan.yaml"][..],
        &["preview", "plan.yaml"],
        &["run", "plan.yaml", "--yes", "--run-dir", "run"],
        &["status", "run"],
        &["verify", "run"],
        &["providers", "show", "digicert"],
    ] {
        let told = place.certsweep(&[args, &["--json"]].concat());
        assert!(told.out.starts_with("{\n  \"v\": 1,\n"), "{args:?}: {}", told.out);
        assert_eq!(told.out.matches("\"v\": ").count(), 1, "{args:?}");
    }
    for of in ["plan", "events", "report", "status", "preview"] {
        let schema = place.certsweep(&["schema", "--of", of]).exits(0);
        assert!(schema.json()["v"].is_null(), "{of}");
    }
    for (args, of) in
        [(&["status", "run"][..], "status"), (&["preview", "plan.yaml"], "preview"), (&["report", "run"], "report")]
    {
        let schema = place.certsweep(&["schema", "--of", of]).exits(0).json();
        let told = place.certsweep(&[args, &["--json"]].concat()).exits(0).json();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        if let Some(error) = validator.iter_errors(&told).next() {
            panic!("{of}: {error}");
        }
    }
}
