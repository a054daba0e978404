//! A directory of its own for each test, and the binary started in it with an environment that holds nothing but dummy credentials.

use super::mock::Mock;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where a test works.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    /// Where the user's state is, so that no test writes into the real one or knows of another's runs.
    state: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// The exit code and output of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A report row by column.
pub(crate) type Row = BTreeMap<String, String>;

/// The dummy credentials: variable and value. No value is part of another text that a run shows.
pub(crate) const CREDENTIALS: [(&str, &str); 5] = [
    ("DIGICERT_API_KEY", "DIGIKEYEXAMPLE0f93a1c277"),
    ("NCP_ACCESS_KEY", "AKEXAMPLE0000000000A"),
    ("NCP_SECRET_KEY", "SKEXAMPLE000000000000000000000000000000B"),
    ("HUAWEICLOUD_SDK_AK", "HWAKEXAMPLE00000000A"),
    ("HUAWEICLOUD_SDK_SK", "HWSKEXAMPLE0000000000000000000000000000B"),
];

/// A UUID for Huawei's CAs.
pub(crate) const CA: &str = "6434f74f-2d13-4e6a-89eb-93ee313f1a43";

impl Place {
    /// A new directory; all credentials are in the environment.
    pub(crate) fn new() -> Self {
        let mut place = Self::bare();
        for (name, value) in CREDENTIALS {
            place.set(name, value);
        }
        place
    }

    /// A new directory, without credentials.
    pub(crate) fn bare() -> Self {
        let directory = || tempfile::tempdir().unwrap();
        Self { dir: directory(), state: directory(), environment: Vec::new() }
    }

    /// Sets a variable for every command from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The index of the user's runs.
    pub(crate) fn index(&self) -> PathBuf {
        self.state.path().join("certsweep/runs.jsonl")
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A command in the directory; standard input is no terminal.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path());
        command.env("XDG_STATE_HOME", self.state.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs certsweep to its end.
    pub(crate) fn certsweep(&self, args: &[&str]) -> CommandOutput {
        finish(self.spawn(args))
    }

    /// Starts certsweep.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(BINARY, args).spawn().unwrap()
    }

    /// Runs certsweep to its end, with text on standard input.
    pub(crate) fn certsweep_reading(&self, args: &[&str], input: &[u8]) -> CommandOutput {
        let mut child = self.command(BINARY, args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        finish(child)
    }

    /// Runs a plan in the run directory `run`.
    pub(crate) fn run(&self, plan: &str) -> CommandOutput {
        self.file("plan.yaml", plan);
        self.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"])
    }

    /// The rows of the report of the run directory `run`.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let rehearsal = "run/report.rehearsal.csv";
        rows(&self.read(if self.path(rehearsal).exists() { rehearsal } else { "run/report.csv" }))
    }

    /// The one row of that report.
    pub(crate) fn row(&self) -> Row {
        let mut rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// Outcome by action id of that report.
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        self.rows().into_iter().map(|row| (row["action_id"].clone(), row["outcome"].clone())).collect()
    }

    /// The bytes of all files below a path, by path.
    pub(crate) fn bytes_below(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        below(&self.path(name), &mut files);
        files
    }
}

impl CommandOutput {
    /// Checks the exit code, showing what was printed where it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Checks that standard error contains all of these.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in\n{}", self.err);
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// Waits for a command's end.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> CommandOutput {
    let out = reading(child.stdout.take());
    let err = reading(child.stderr.take());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end\n--- stdout\n{}\n--- stderr\n{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    CommandOutput { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Waits until a command has said this on standard error.
#[track_caller]
pub(crate) fn wait_until_it_says(child: &mut Child, words: &str) {
    let mut read = Vec::new();
    let mut stream = child.stderr.take().unwrap();
    while !read.ends_with(words.as_bytes()) {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            panic!("`{words}` was never printed: {}", String::from_utf8_lossy(&read));
        }
        read.push(byte[0]);
    }
    child.stderr = Some(stream);
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A plan for these providers at the mock, without limits that would take time.
pub(crate) fn plan(mock: &Mock, providers: &[&str], head: &str, actions: &str) -> String {
    let mut text = "version: 1\nname: test\nretry: {attempts: 3, max_delay: 20ms}\n".to_owned();
    if !head.contains("timeout:") {
        text.push_str("timeout: 20s\n");
    }
    text.push_str(head);
    text.push_str("\nproviders:\n");
    for name in providers {
        let path = match *name {
            "naver" => "/api/v2",
            "digicert" => "/services/v2",
            _ => "",
        };
        text.push_str(&format!("  {name}: {{base_url: \"{}{path}\", rate: [1000/1s], concurrency: 4}}\n", mock.url()));
    }
    text + "actions:\n" + actions
}

/// A CSR of the repository's, as a plan names it.
pub(crate) fn csr() -> String {
    format!("file:{}", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plans/shop.csr").display())
}

/// A reissue of that CSR's names at NAVER.
pub(crate) fn reissue(id: &str, certificate: u64) -> String {
    format!(
        "  - {{id: {id}, provider: naver, action: reissue, certificateNo: \"{certificate}\", certificateName: shop, commonName: shop.example.com, dnsName: [shop.example.com], validationMethod: D, csr: \"{}\"}}\n",
        csr()
    )
}

/// Reads a CSV report.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_certsweep");

fn reading(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    })
}

fn below(path: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, files);
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(90);
