//! Where the judges are installed, and how one is asked and named in the log. Installs nothing.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A file of a judge. Whoever asks for the judges without having them fails.
pub(crate) fn path(below: &str) -> PathBuf {
    let directory: OsString = std::env::var_os("CERTSWEEP_JUDGES")
        .expect("CERTSWEEP_JUDGES must name the directory of the judges, as `.ci/run` installs them");
    let path = PathBuf::from(directory).join(below);
    assert!(path.exists(), "a judge is not installed: {}", path.display());
    path
}

/// Has one of the scripts beside this file work: JSON in, JSON out.
#[track_caller]
pub(crate) fn python(script: &str, asked: &Value) -> Value {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(script);
    let mut child = Command::new(path("python/bin/python"))
        // No option of the machine's Python, and no proxy, comes between.
        .args(["-I", "-X", "utf8"])
        .arg("-B")
        .arg(&script)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{} failed: {}", script.display(), output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Adds the line that says who judged, and how much, to the file that `.ci/run` shows; it looks there for every judge.
pub(crate) fn log(judge: &str, version: &str, judged: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path(".").join("judged")).unwrap();
    file.write_all(format!("judged by {judge} {version}: {judged}\n").as_bytes()).unwrap();
}

/// A port that is free on loopback, and that nobody else in this process was given: a judge takes seconds to listen on its own, and another might
/// be there first.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if given.insert(port) {
            return port;
        }
    }
}
