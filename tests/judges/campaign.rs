//! The whole campaign on real parts: OpenBao signs, nginx serves, a key that 40 of 60 servers share has leaked. The script beside this file is what a
//! person types, through a kill and a cut of the network; hvac, openssl and the servers themselves say what came of it.

use super::acme::Pebble;
use super::installed::{self, free_port};
use super::openbao::{Bao, on_crl, plain};
use crate::support::place::{BINARY, Place, finish, rows};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "asks OpenBao, nginx and openssl; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn a_leaked_key_is_replaced_served_and_revoked_on_real_parts() {
    let mut place = Place::bare();
    let bao = Bao::start(&place);
    let prepared = bao.hvac(&json!({"do": "prepare"}));
    place.set("VAULT_TOKEN", prepared["token"].as_str().unwrap());
    let servers = servers(&place, &bao);
    let _nginx = Nginx::start(&place, &servers);
    let _relay = Relay::start(&place, &bao);
    place.file("deploy.sh", DEPLOY);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/campaign.sh");
    let directory = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
    let typed = place.command("timeout", &["85", "sh", script.to_str().unwrap()]).env("PATH", path).spawn().unwrap();
    let done = finish(typed).exits(0);
    done.says(&["found 40 certificates", "made 40 keys with requests"]);

    // Killed and cut off in the middle, and so told.
    let events = place.read("events.jsonl");
    assert_eq!(events.matches("\"type\":\"began\"").count(), 2, "killed once, and taken up again");
    assert!(events.contains("unreachable"), "the network was cut while something was to be sent\n{events}");

    // The report: every row of 40, all of its steps.
    let report = rows(&place.read("replaced.csv"));
    assert_eq!(report.len(), 5 * LEAKED);
    assert!(report.iter().all(|row| matches!(row["outcome"].as_str(), "succeeded" | "already-done")), "{report:?}");
    let new: BTreeMap<&str, String> = (report.iter())
        .filter_map(|row| Some((row["action_id"].strip_suffix("/reissue")?, plain(&row["new_serial_number"]))))
        .collect();
    assert_eq!(new.len(), LEAKED);

    // The CA: what was on its list before, one more for each of the 40, and no second one.
    let state = bao.state(&place);
    assert_eq!(state.hosts("host").len(), SERVERS + LEAKED, "no certificate was issued twice");
    let old: BTreeSet<String> = servers.iter().take(LEAKED).map(|server| server.serial.clone()).collect();
    assert_eq!(state.revoked, old, "these and no others, by hvac");
    assert_eq!(on_crl(&place), old, "these and no others, by openssl on the CRL");
    for (name, serial) in &new {
        assert_eq!(state.certificates[serial], ((*name).to_owned(), false));
    }

    // The servers, each asked by openssl.
    for (number, server) in servers.iter().enumerate() {
        let wanted = if number < LEAKED { &new[server.name.as_str()] } else { &server.serial };
        assert_eq!(&served(&place, server.port), wanted, "{}", server.name);
    }
    let commands = std::fs::read_to_string(script).unwrap();
    let commands = commands.lines().filter(|line| line.starts_with("certsweep ")).count();
    let judged = format!(
        "{LEAKED} of {SERVERS} certificates replaced at OpenBao, served by nginx, revoked, through a kill and a cut of the network, by {commands} commands; {} untouched; {} on the \
         server's list, none twice; by hvac, openssl on the CRL and openssl s_client at each port",
        SERVERS - LEAKED,
        state.hosts("host").len()
    );
    installed::log("campaign", env!("CARGO_PKG_VERSION"), &judged);
}

/// The same at a CA that speaks ACME: pebble issues, certbot's library has ordered what is replaced.
#[test]
#[ignore = "asks pebble, nginx and openssl; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn certificates_of_an_acme_ca_are_replaced_served_and_revoked_on_real_parts() {
    let place = Place::bare();
    let pebble = Pebble::start(&place);
    place.file("nginx/certs/.keep", "");
    let path = |name: &str, ending: &str| place.path(&format!("nginx/certs/{name}.{ending}"));
    let ordered: Vec<Value> = (0..ACME_SERVERS)
        .map(name)
        .map(
            |name| json!({"name": name, "certificate": path(&name, "pem"), "key": path(&name, "key"), "kind": "ec256"}),
        )
        .collect();
    pebble.client(&json!({"account_key": place.path("account.key"), "certificates": ordered}));
    let server = |number: usize| {
        let name = name(number);
        let serial = serial(&place, &std::fs::read(path(&name, "pem")).unwrap());
        Server { name, port: free_port(), serial }
    };
    let servers: Vec<Server> = (0..ACME_SERVERS).map(server).collect();
    let _nginx = Nginx::start(&place, &servers);
    place.file("deploy.sh", DEPLOY);
    place
        .certsweep(&["find", "--in", "nginx/certs", "--provider", "acme", "--out", "found", "-o", "found.csv"])
        .exits(0);
    let found = place.read("found.csv");
    let mut targets = String::new();
    for line in found.lines() {
        let server = servers.iter().find(|server| line.contains(&server.name));
        let host = server.map_or("host".to_owned(), |server| format!("127.0.0.1:{}", server.port));
        targets.push_str(&format!("{line},{host}\n"));
    }
    place.file("targets.csv", targets);
    place.certsweep(&["csr", "--from", "targets.csv", "--out", "keys"]).exits(0);
    let account = format!(
        "{{base_url: \"https://localhost:{}/dir\", credentials: {{account_key: \"file:account.key\"}}, challenge_hook: \"command:true\"}}",
        pebble.port()
    );
    let steps = "[{action: reissue}, {wait: issued}, {wait: served, at: host, within: 1m}, {action: revoke}]";
    place.file(
        "plan.yaml",
        format!(
            "version: 1\nproviders: {{acme: {account}}}\nhooks: {{on: issued, command: \"sh deploy.sh\"}}\ndefaults: {{provider: acme, reason: superseded}}\nactions:\n  \
             - {{from: targets.csv, columns: {{id: dns_names}}, steps: {steps}}}\n"
        ),
    );
    place.certsweep(&["run", "plan.yaml", "--yes", "--wait", "--ca-file", "ca.pem", "--run-dir", "run"]).exits(0);
    let report = rows(&place.read("run/report.csv"));
    assert_eq!(report.len(), 4 * ACME_SERVERS);
    let of = |step: &str| report.iter().filter(|row| row["action_id"].ends_with(step)).cloned().collect::<Vec<_>>();
    let (reissued, revoked) = (of("/reissue"), of("/revoke"));
    for (server, row) in servers.iter().zip(&reissued) {
        assert_eq!(row["action_id"], format!("{}/reissue", server.name));
        assert_eq!(served(&place, server.port), plain(&row["new_serial_number"]), "{}", server.name);
    }
    let states = pebble.states(reissued.iter().map(|row| row["new_serial_number"].clone()));
    assert!(states.iter().all(|state| state["status"] == "Valid"), "{states:?}");
    let states = pebble.states(revoked.iter().map(|row| row["target"].clone()));
    assert!(states.iter().all(|state| state["status"] == "Revoked"), "{states:?}");
    let old: BTreeSet<&String> = servers.iter().map(|server| &server.serial).collect();
    let targets: Vec<String> = revoked.iter().map(|row| plain(&row["target"])).collect();
    assert_eq!(targets.iter().collect::<BTreeSet<_>>(), old);
    let issued = place.read("pebble.log").matches("Issued certificate serial").count();
    assert_eq!(issued, 2 * ACME_SERVERS, "by pebble's own log, none twice");
    let judged = format!(
        "{ACME_SERVERS} certificates of certbot's library replaced, served by nginx, revoked; {issued} issued, none twice"
    );
    installed::log("pebble", &pebble.version(), &judged);
}

/// One server, as it was before.
struct Server {
    name: String,
    port: u16,
    serial: String,
}

/// Keys, certificates and the inventory. The first servers share the key that has leaked.
fn servers(place: &Place, bao: &Bao) -> Vec<Server> {
    let leaked = rcgen::KeyPair::generate().unwrap();
    place.file("leaked.key", leaked.serialize_pem());
    let mut requests = Map::new();
    for number in 0..SERVERS {
        let own = rcgen::KeyPair::generate().unwrap();
        let key = if number < LEAKED { &leaked } else { &own };
        let name = name(number);
        let mut parameters = rcgen::CertificateParams::new(vec![name.clone()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, &name);
        place.file(&format!("nginx/certs/{name}.key"), key.serialize_pem());
        requests.insert(name, parameters.serialize_request(key).unwrap().pem().unwrap().into());
    }
    let signed = bao.hvac(&json!({"do": "sign", "requests": requests}));
    let server = |number: usize| {
        let name = name(number);
        let path = place.file(&format!("nginx/certs/{name}.pem"), signed["certificates"][&name].as_str().unwrap());
        let serial = serial(place, &std::fs::read(path).unwrap());
        Server { name, port: free_port(), serial }
    };
    let servers: Vec<Server> = (0..SERVERS).map(server).collect();
    let inventory = servers.iter().map(|server| format!("{},127.0.0.1:{}\n", server.name, server.port));
    place.file("inventory.csv", format!("name,host\n{}", inventory.collect::<String>()));
    servers
}

fn name(number: usize) -> String {
    format!("host{number:02}.example.com")
}

/// The serial number of a certificate, as openssl reads it.
fn serial(place: &Place, pem: &[u8]) -> String {
    let mut openssl = place.command("openssl", &["x509", "-noout", "-serial"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut openssl.stdin.take().unwrap(), pem).unwrap();
    let said = finish(openssl).exits(0).out;
    plain(said.trim().strip_prefix("serial=").unwrap())
}

/// What a server shows, asked by openssl.
fn served(place: &Place, port: u16) -> String {
    let address = format!("127.0.0.1:{port}");
    let shown = finish(place.command("openssl", &["s_client", "-connect", &address]).spawn().unwrap()).exits(0);
    serial(place, shown.out.as_bytes())
}

/// nginx, with a server on each port.
struct Nginx(Child);

impl Nginx {
    fn start(place: &Place, servers: &[Server]) -> Self {
        let below = place.path("nginx").display().to_string();
        let one = |server: &Server| {
            let (name, port) = (&server.name, server.port);
            format!(
                "  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate certs/{name}.pem; ssl_certificate_key certs/{name}.key; return 204; }}\n"
            )
        };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|of| format!("{of}_temp_path {below}/{of};"))
            .join(" ");
        place.file(
            "nginx/nginx.conf",
            format!(
                "daemon off; pid {below}/pid; error_log {below}/log; events {{}}\nhttp {{\n  access_log off; {temporary}\n{}}}\n",
                servers.iter().map(one).collect::<String>()
            ),
        );
        let mut child = Command::new("nginx")
            .args(["-p", &below, "-e", "log", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is Debian's: apt-get install nginx-light");
        listens(&mut child, servers.last().unwrap().port);
        Self(child)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only where it is asked to end.
        drop(Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}

/// The network between the campaign and the CA. The script kills it, and starts it again.
struct Relay<'a>(&'a Place);

impl<'a> Relay<'a> {
    fn start(place: &'a Place, bao: &Bao) -> Self {
        let port = free_port();
        let python = installed::path("python/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/relay.py");
        let (python, script, to) = (python.display(), script.display(), bao.port);
        let start = format!("{python} -I {script} {port} {to} </dev/null >relay.log 2>&1 &\necho $! >relay.pid\n");
        place.file("relay.sh", start);
        let mut child = place.command("sh", &["relay.sh"]).spawn().unwrap();
        child.wait().unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "the relay does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let accounts = format!(
            "providers:\n  vault: {{base_url: \"http://127.0.0.1:{port}/v1/pki\", credentials: {{token: \"env:VAULT_TOKEN\"}}, rate: [{RATE}]}}\n"
        );
        place.file("accounts.yaml", accounts);
        Self(place)
    }
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.0.read("relay.pid").trim()).status());
    }
}

fn listens(child: &mut Child, port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not start: {ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the people of these servers have: it brings each new certificate and its key to nginx, and has that load them.
const DEPLOY: &str = r#"cat >/dev/null
changed=
for new in run/certificates/*/reissue.pem; do
  name=$(basename "$(dirname "$new")")
  cmp -s "$new" "nginx/certs/$name.pem" && continue
  cp "keys/$name"-*.key "nginx/certs/$name.key"
  cp "$new" "nginx/certs/$name.pem"
  changed=yes
done
[ -z "$changed" ] || nginx -p "$PWD/nginx" -e log -c nginx.conf -s reload
"#;

const SERVERS: usize = 60;
const ACME_SERVERS: usize = 10;
/// Of these, those with the key that has leaked.
const LEAKED: usize = 40;
/// Slow enough to be cut off on the way.
const RATE: &str = "10/1s";
const PATIENCE: Duration = Duration::from_secs(30);
