//! Orders at a real CA: pebble issues what a plan orders, behind a proxy that sees each request and answer, and at each stage of an order loses
//! the answer, puts an error in its place, or kills the program before it comes. Pebble's own log says how many certificates it has issued.

use super::acme::Pebble;
use super::installed;
use crate::support::place::{Place, finish, rows};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

#[test]
#[ignore = "asks pebble; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn pebble_issues_one_certificate_an_order_whatever_is_lost() {
    let place = Place::bare();
    let pebble = Pebble::start(&place);
    let proxy = Proxy::start(&place, pebble.port());
    pebble.client(&json!({"account_key": place.path("account.key")}));
    let (mut runs, mut killed) = (0, 0);
    let mut serials = Vec::new();
    for (stage, path) in STAGES {
        for fault in [Fault::Lost, Fault::Error, Fault::Kill] {
            let name = format!("{stage}-{fault:?}").to_lowercase();
            let host = format!("{name}.example.com");
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(vec![host, format!("www.{name}.example.com")]).unwrap();
            place.file("new.csr", parameters.serialize_request(&key).unwrap().pem().unwrap());
            place.file("plan.yaml", plan(proxy.port, &name));
            let before = issued(&place);
            proxy.strike(path, fault);
            let child = place.spawn(&["run", "plan.yaml", "--yes", "--ca-file", "ca.pem", "--run-dir", &name]);
            proxy.watch(child.id());
            let ended = finish(child);
            assert!(proxy.has_struck(), "{name}: nothing was asked at {path}: {ended:?}");
            if fault == Fault::Kill {
                killed += 1;
                assert!(ended.code != 0, "{name}: it was not killed");
                place.certsweep(&["resume", &name, "--yes", "--ca-file", "ca.pem"]).exits(0);
            }
            let row = rows(&place.read(&format!("{name}/report.csv"))).remove(0);
            assert_eq!(row["outcome"], "succeeded", "{name}: {row:?}");
            assert_eq!(issued(&place) - before, 1, "{name}: {row:?}");
            serials.push(row["new_serial_number"].clone());
            runs += 1;
        }
    }
    for state in pebble.states(serials.into_iter()) {
        assert_eq!(state["status"], "Valid");
    }
    // Each challenge was answered, for pebble forgets what was validated as soon as an order is made of it.
    let answered = proxy.seen.lock().unwrap().iter().filter(|(path, _)| path == "chalZ").count();
    assert!(answered >= runs * 2, "{answered} challenges were answered");
    let judged = format!(
        "{runs} orders, each with a lost answer, an error or a kill ({killed}) at one of {} stages: one certificate for each, by its log",
        STAGES.len()
    );
    installed::log("pebble", &pebble.version(), &judged);
}

fn plan(port: u16, id: &str) -> String {
    format!(
        "version: 1\nretry: {{attempts: 5, max_delay: 100ms}}\nproviders:\n  acme: {{base_url: \"https://localhost:{port}/dir\", rate: [1000/1s], \
         credentials: {{account_key: \"file:account.key\"}}, challenge_hook: \"command:true\"}}\nactions:\n  \
         - {{id: {id}, provider: acme, action: reissue, csr: \"file:new.csr\"}}\n"
    )
}

/// How many certificates pebble has issued.
fn issued(place: &Place) -> usize {
    place.read("pebble.log").matches("Issued certificate serial").count()
}

/// What befalls one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is lost.
    Lost,
    /// An error comes in its place.
    Error,
    /// The program is killed before it comes.
    Kill,
}

/// A proxy that speaks TLS on both sides.
struct Proxy {
    port: u16,
    strike: Arc<Mutex<Strike>>,
    /// The first segments of the paths, with the statuses of the answers.
    seen: Arc<Mutex<Vec<(String, u16)>>>,
}

#[derive(Default)]
struct Strike {
    next: Option<(&'static str, Fault)>,
    process: u32,
}

impl Proxy {
    fn start(place: &Place, pebble: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let key = PrivateKeyDer::from_pem_file(place.path("tls.key")).unwrap();
        let certificate = CertificateDer::from_pem_file(place.path("tls.pem")).unwrap();
        let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(place.path("ca.pem")).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let (server, client) = (Arc::new(server), Arc::new(client));
        let (strike, seen) = (Arc::new(Mutex::new(Strike::default())), Arc::default());
        let of_threads = (Arc::clone(&strike), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, client, shared) = (Arc::clone(&server), Arc::clone(&client), of_threads.clone());
                std::thread::spawn(move || relay(stream, server, (client, pebble), &shared.0, &shared.1));
            }
        });
        Self { port, strike, seen }
    }

    /// What befalls the next answer to a path that begins so.
    fn strike(&self, path: &'static str, fault: Fault) {
        *self.strike.lock().unwrap() = Strike { next: Some((path, fault)), process: 0 };
    }

    /// Which process is killed, where one is.
    fn watch(&self, process: u32) {
        self.strike.lock().unwrap().process = process;
    }

    fn has_struck(&self) -> bool {
        self.strike.lock().unwrap().next.is_none()
    }
}

/// One connection: one request, for what comes back says that it is closed.
fn relay(
    stream: TcpStream,
    server: Arc<ServerConfig>,
    (client, pebble): (Arc<ClientConfig>, u16),
    strike: &Mutex<Strike>,
    seen: &Mutex<Vec<(String, u16)>>,
) -> Option<()> {
    let mut near = StreamOwned::new(ServerConnection::new(server).ok()?, stream);
    let request = read_request(&mut near)?;
    let line = String::from_utf8_lossy(&request).lines().next()?.to_owned();
    let path = line.split(' ').nth(1)?.trim_start_matches('/').split('/').next()?.to_owned();
    let name = ServerName::try_from("localhost").ok()?;
    let far = TcpStream::connect(("127.0.0.1", pebble)).ok()?;
    let mut far = StreamOwned::new(ClientConnection::new(client, name).ok()?, far);
    far.write_all(&request).ok()?;
    let mut answer = Vec::new();
    // Pebble need not say good-bye before it closes.
    let _ = far.read_to_end(&mut answer);
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse::<u16>().ok()?;
    seen.lock().unwrap().push((path.clone(), status));
    // A refused nonce is no answer to what was asked.
    let fault = {
        let mut strike = strike.lock().unwrap();
        let is_meant = strike.next.is_some_and(|(meant, _)| meant == path && status < 300);
        if is_meant { strike.next.take() } else { None }
    };
    match fault {
        None => near.write_all(&answer).ok()?,
        Some((_, Fault::Lost)) => return None,
        Some((_, Fault::Error)) => {
            near.write_all(b"HTTP/1.1 502 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
        }
        Some((_, Fault::Kill)) => {
            // It may have begun before anybody said which one it is.
            let process = loop {
                match strike.lock().unwrap().process {
                    0 => {}
                    process => break process,
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            };
            assert!(Command::new("kill").args(["-9", &process.to_string()]).status().ok()?.success());
            return None;
        }
    }
    near.flush().ok()?;
    near.conn.send_close_notify();
    near.flush().ok()
}

/// A request with its body, which asks for the connection to be closed.
fn read_request(near: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
                let head: String = kept.map(|line| format!("{line}\r\n")).collect();
                return Some([format!("{head}Connection: close\r\n\r\n").as_bytes(), &bytes[end + 4..]].concat());
            }
        }
        match near.read(&mut some) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&some[..count]),
        }
    }
}

/// The stages of an order, with the first segments of pebble's paths.
const STAGES: [(&str, &str); 6] = [
    ("order", "order-plz"),
    ("authorization", "authZ"),
    ("challenge", "chalZ"),
    ("poll", "my-order"),
    ("finalize", "finalize-order"),
    ("download", "certZ"),
];
