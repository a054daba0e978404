//! A real CA: pebble, Let's Encrypt's own test server, issues certificates to certbot's ACME library and to lego; certsweep revokes them,
//! is killed and resumed, and pebble says what became of each.

use super::installed;
use crate::support::place::{Place, Row, finish, rows};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "asks pebble; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn pebble_revokes_what_a_plan_says_and_nothing_else() {
    let place = Place::bare();
    let mut pebble = Pebble::start(&place);
    let wanted: Vec<Wanted> = (0..CERTIFICATES).map(Wanted::new).collect();
    let spared: Vec<Wanted> = (CERTIFICATES..CERTIFICATES + SPARED).map(Wanted::new).collect();
    let issued: Vec<Value> = wanted.iter().chain(&spared).map(|one| one.asked(&place)).collect();
    let library = pebble.client(&json!({"account_key": place.path("account.key"), "certificates": issued}));
    let by_lego = lego(&place, &pebble);
    place.file("leaked.csv", list(&wanted, &by_lego));
    place.file("plan.yaml", plan(&pebble));

    // Killed on the way, and resumed.
    let run = ["run", "plan.yaml", "--yes", "--ca-file", "ca.pem", "--run-dir", "run"];
    let mut child = place.spawn(&run);
    pebble.wait_for("/revoke-cert", CERTIFICATES / 3);
    child.kill().unwrap();
    finish(child);
    let ended = ended(&place);
    assert!((1..CERTIFICATES).contains(&ended), "{ended} actions had ended when it was killed");
    place.certsweep(&["resume", "run", "--yes", "--ca-file", "ca.pem"]).exits(0);
    let done = place.rows();
    assert_eq!(done.len(), CERTIFICATES + by_lego.len());
    for row in &done {
        assert!(matches!(row["outcome"].as_str(), "succeeded" | "already-done"), "{row:?}");
    }
    // Pebble refuses one good nonce in five.
    let again: usize = done.iter().map(|row| row["attempts"].parse::<usize>().unwrap() - 1).sum();
    assert!(again >= CERTIFICATES / 20, "{again} requests were repeated");

    // What pebble says of each.
    let reasons = done.iter().map(|row| row["reason_sent"].parse().unwrap_or(0));
    for ((row, reason), state) in
        done.iter().zip(reasons).zip(pebble.states(done.iter().map(|row| row["target"].clone())))
    {
        assert_eq!((&state["status"], state["reason"].as_u64().unwrap_or(0)), (&json!("Revoked"), reason), "{row:?}");
    }
    let spared: Vec<String> = spared.iter().map(|one| serial(&place.path(&one.certificate()))).collect();
    assert!(pebble.states(spared.into_iter()).iter().all(|state| state["status"] == "Valid"));

    // Once more: it was so before, throughout.
    let again = ["run", "plan.yaml", "--yes", "--again", "--ca-file", "ca.pem", "--run-dir", "again"];
    place.certsweep(&again).exits(0);
    for row in rows(&place.read("again/report.csv")) {
        assert_eq!((row["outcome"].as_str(), row["http_status"].as_str()), ("already-done", "400"), "{row:?}");
        assert_eq!(row["provider_code"], "urn:ietf:params:acme:error:alreadyRevoked");
    }
    refused(&place, &pebble, &by_lego);
    let version = pebble.version();
    forgotten(&place, &mut pebble);
    let judged = format!(
        "{} certificates revoked through a kill, each with the reason asked, by its management port; {} ordered by certbot's library {}, {} by lego; {SPARED} left alone",
        done.len(),
        CERTIFICATES,
        library["version"].as_str().unwrap(),
        by_lego.len()
    );
    installed::log("pebble", &version, &judged);
}

/// What pebble refuses: another account's certificate. And what never gets to it.
fn refused(place: &Place, pebble: &Pebble, by_lego: &[(String, PathBuf)]) {
    let spared = Wanted::new(CERTIFICATES);
    let head = plan(pebble).split("actions:").next().unwrap().to_owned();
    let entry =
        format!("{{id: other, provider: lego, action: revoke, certificate: \"file:{}\"}}", spared.certificate());
    place.file("other.yaml", format!("{head}actions:\n  - {entry}\n"));
    place.certsweep(&["run", "other.yaml", "--yes", "--ca-file", "ca.pem", "--run-dir", "other"]).exits(1);
    let row = rows(&place.read("other/report.csv")).remove(0);
    let code = "urn:ietf:params:acme:error:unauthorized";
    assert_eq!((row["outcome"].as_str(), row["provider_code"].as_str()), ("rejected", code), "{row:?}");
    let asked = pebble.asked("/revoke-cert");
    let wrong = format!(
        "{{id: wrong, provider: acme, action: revoke, certificate: \"file:{}\", certificate_key: \"file:account.key\"}}",
        by_lego[0].1.display()
    );
    place.file("wrong.yaml", format!("{head}actions:\n  - {wrong}\n"));
    let said = place.certsweep(&["run", "wrong.yaml", "--yes", "--ca-file", "ca.pem", "--run-dir", "wrong"]).exits(2);
    said.says(&["wrong.yaml:", "is not the certificate's"]);
    place.file("roots.yaml", format!("{}actions:\n  - {entry}\n", head.replace("/dir\"", "/roots/0\"")));
    let said = place.certsweep(&["run", "roots.yaml", "--yes", "--ca-file", "ca.pem", "--run-dir", "roots"]).exits(4);
    said.says(&["there is no ACME directory at"]);
    assert_eq!(pebble.asked("/revoke-cert"), asked, "nothing may be asked for");
}

/// Pebble forgets everything when it is started anew: first the accounts are unknown, then, registered again, the certificates.
fn forgotten(place: &Place, pebble: &mut Pebble) {
    pebble.restart();
    let run = |name: &str| {
        place.certsweep(&["run", "plan.yaml", "--yes", "--again", "--ca-file", "ca.pem", "--run-dir", name])
    };
    let said = run("unknown").exits(4).says(&["knows no account with this key"]);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    for row in rows(&place.read("unknown/report.csv")) {
        let expected = if row["provider"] == "holder" { "rejected" } else { "skipped" };
        assert_eq!(row["outcome"], expected, "{row:?}");
    }
    pebble.client(&json!({"account_key": place.path("account.key")}));
    pebble.client(&json!({"account_key": place.path("lego.key")}));
    // So many refusals alike may be the account's fault, and stop it; whoever goes on takes them for right.
    let said = run("new").exits(3).says(&["20 actions in a row were refused alike"]);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    place.certsweep(&["resume", "new", "--yes", "--ca-file", "ca.pem"]).exits(1);
    for row in rows(&place.read("new/report.csv")) {
        assert_eq!(row["outcome"], "rejected", "{row:?}");
        assert!(row["provider_code"].starts_with("urn:ietf:params:acme:error:"), "{row:?}");
        assert!(!row["provider_message"].is_empty(), "{row:?}");
    }
}

/// A certificate that is ordered.
struct Wanted {
    number: usize,
}

impl Wanted {
    fn new(number: usize) -> Self {
        Self { number }
    }

    fn certificate(&self) -> String {
        format!("certificates/{}.pem", self.number)
    }

    fn key(&self) -> String {
        format!("certificates/{}.key", self.number)
    }

    fn asked(&self, place: &Place) -> Value {
        std::fs::create_dir_all(place.path("certificates")).unwrap();
        let kind = ["ec256", "ec384", "rsa"][self.number % 3];
        let (certificate, key) = (place.path(&self.certificate()), place.path(&self.key()));
        json!({"name": format!("host{}.example.com", self.number), "certificate": certificate, "key": key, "kind": kind})
    }

    /// A row of the list: every second is signed by the certificate's own key, every fourth in an account that has no other.
    fn row(&self) -> String {
        let (account, key) = match self.number % 4 {
            1 => ("acme", format!("file:{}", self.key())),
            3 => ("holder", format!("file:{}", self.key())),
            _ => ("acme", String::new()),
        };
        let reason = REASONS[self.number % REASONS.len()];
        format!("c{},{account},file:{},{key},{reason}\n", self.number, self.certificate())
    }
}

fn list(wanted: &[Wanted], by_lego: &[(String, PathBuf)]) -> String {
    let mut text = "id,provider,certificate,certificate_key,reason\n".to_owned();
    wanted.iter().for_each(|one| text.push_str(&one.row()));
    for (name, path) in by_lego {
        text.push_str(&format!("{name},lego,file:{},,superseded\n", path.display()));
    }
    text
}

fn plan(pebble: &Pebble) -> String {
    let directory = format!("base_url: \"{}\", rate: [{RATE}/1s], concurrency: {CONCURRENCY}", pebble.directory());
    format!(
        "version: 1\nname: pebble\nretry: {{attempts: 3, max_delay: 100ms}}\nproviders:\n  \
         acme: {{{directory}, credentials: {{account_key: \"file:account.key\"}}}}\n  \
         holder: {{uses: acme, {directory}}}\n  \
         lego: {{uses: acme, {directory}, credentials: {{account_key: \"file:lego.key\"}}}}\n\
         actions:\n  - {{from: leaked.csv, action: revoke}}\n"
    )
}

/// Lego orders certificates with an account of its own; gives their names and files. Its account's key is put at `lego.key`.
fn lego(place: &Place, pebble: &Pebble) -> Vec<(String, PathBuf)> {
    let order = |number: usize| {
        let (name, port) = (format!("lego{number}.example.com"), installed::free_port().to_string());
        // Of a nonce that is refused twice lego makes an error: so it gets a few tries.
        let ordered = (0..20).any(|_| {
            let mut command = place.command("lego", &["--server", &pebble.directory(), "--email", "judge@example.com"]);
            command.args(["--accept-tos", "--path", "lego", "--domains", &name, "--http", "--http.port"]);
            command.arg(format!("127.0.0.1:{port}")).arg("run").env("LEGO_CA_CERTIFICATES", place.path("ca.pem"));
            command.output().expect("this test needs `lego` (Debian: apt-get install lego)").status.success()
        });
        assert!(ordered, "lego orders no certificate");
        (format!("lego{number}"), PathBuf::from(format!("lego/certificates/{name}.crt")))
    };
    let ordered = (0..BY_LEGO).map(order).collect();
    let keys = place.bytes_below("lego/accounts");
    let (_, key) = keys.iter().find(|(path, _)| path.extension().is_some_and(|end| end == "key")).unwrap();
    place.file("lego.key", key);
    ordered
}

/// Pebble, until it is dropped.
pub(super) struct Pebble {
    child: Child,
    ports: [u16; 2],
    directory: PathBuf,
}

impl Pebble {
    /// Starts it with a certificate of an authority of its own, at `ca.pem`.
    pub(super) fn start(place: &Place) -> Self {
        place.file("extensions", "subjectAltName = DNS:localhost\n");
        for args in [
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj",
                "/CN=root",
            ][..],
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "tls.key",
                "-out",
                "tls.csr",
                "-subj",
                "/CN=localhost",
            ],
            &[
                "x509",
                "-req",
                "-in",
                "tls.csr",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-extfile",
                "extensions",
                "-days",
                "30",
                "-out",
                "tls.pem",
            ],
        ] {
            assert!(place.command("openssl", args).output().unwrap().status.success(), "openssl {args:?}");
        }
        let ports = [installed::free_port(), installed::free_port()];
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{}", ports[0]),
            "managementListenAddress": format!("127.0.0.1:{}", ports[1]),
            "certificate": "tls.pem", "privateKey": "tls.key", "httpPort": 5002, "tlsPort": 5001,
        }});
        place.file("pebble.json", config.to_string());
        let directory = place.path(".");
        Self { child: spawn(&directory, ports), ports, directory }
    }

    /// Ends it and starts it anew: it remembers nothing.
    fn restart(&mut self) {
        self.end();
        self.child = spawn(&self.directory, self.ports);
    }

    /// Where its directory is, behind `https://localhost`.
    pub(super) const fn port(&self) -> u16 {
        self.ports[0]
    }

    fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.ports[0])
    }

    pub(super) fn version(&self) -> String {
        let asked = Command::new("dpkg-query").args(["--show", "--showformat=${Version}", "pebble"]).output().unwrap();
        assert!(asked.status.success(), "pebble is not installed as a package of Debian");
        String::from_utf8(asked.stdout).unwrap()
    }

    /// Has certbot's library do something here.
    pub(super) fn client(&self, asked: &Value) -> Value {
        let mut asked = asked.clone();
        asked["directory"] = json!(self.directory());
        asked["roots"] = json!(self.directory.join("ca.pem"));
        installed::python("acme_client.py", &asked)
    }

    /// What it says of certificates, by their serial numbers.
    pub(super) fn states(&self, serials: impl Iterator<Item = String>) -> Vec<Value> {
        let management = format!("https://localhost:{}", self.ports[1]);
        let asked = json!({"management": management, "states": serials.collect::<Vec<_>>()});
        self.client(&asked)["states"].as_array().unwrap().clone()
    }

    /// How many requests came for a path that begins so.
    fn asked(&self, path: &str) -> usize {
        let log = std::fs::read_to_string(self.directory.join("pebble.log")).unwrap();
        ["GET", "HEAD", "POST"].iter().map(|method| log.matches(&format!("{method} {path}")).count()).sum()
    }

    /// Waits until so many requests have come.
    fn wait_for(&self, path: &str, times: usize) {
        let began = Instant::now();
        while self.asked(path) < times {
            assert!(began.elapsed() < PATIENCE, "{} of {times} requests came", self.asked(path));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(directory: &Path, ports: [u16; 2]) -> Child {
    let log = std::fs::File::create(directory.join("pebble.log")).unwrap();
    let mut child = Command::new("pebble")
        .args(["-strict", "-config", "pebble.json"])
        .current_dir(directory)
        .env("PEBBLE_VA_ALWAYS_VALID", "1")
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", REFUSED_NONCES)
        .env("PEBBLE_AUTHZREUSE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("this test needs `pebble` (Debian: apt-get install pebble)");
    let began = Instant::now();
    for port in ports {
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "pebble does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    child
}

/// Actions that have ended in the run directory `run`.
fn ended(place: &Place) -> usize {
    let said: Vec<Row> = rows(&place.certsweep(&["report", "run"]).exits(0).out);
    said.iter().filter(|row| !row["http_status"].is_empty() && row["outcome"] == "succeeded").count()
}

/// By openssl.
fn serial(certificate: &Path) -> String {
    let asked = Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(certificate).output().unwrap();
    let said = String::from_utf8(asked.stdout).unwrap();
    said.trim().strip_prefix("serial=").unwrap().to_ascii_lowercase()
}

/// Certificates that are ordered by certbot's library and revoked.
const CERTIFICATES: usize = 60;
/// Certificates that are ordered by lego and revoked.
const BY_LEGO: usize = 200;
/// Certificates that no plan names.
const SPARED: usize = 3;
/// Requests in flight at once.
const CONCURRENCY: usize = 32;
/// So many good nonces in a hundred are refused.
const REFUSED_NONCES: &str = "20";
/// Slow enough to be killed on the way.
const RATE: usize = 100;
const REASONS: [&str; 5] = ["keyCompromise", "superseded", "", "cessationOfOperation", "unspecified"];
const PATIENCE: Duration = Duration::from_secs(60);
