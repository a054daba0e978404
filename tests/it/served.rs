//! Waits until servers show the new certificate, against real handshakes on loopback: STARTTLS, servers that change, and all that can stand there
//! instead.

use super::mock::{Mock, json};
use super::place::{Place, plan};
use rcgen::{CertificateParams, DnType, KeyPair};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};

/// A key with a certificate for it, and a request.
struct Pair {
    key: KeyPair,
    certificate: CertificateDer<'static>,
    pem: String,
    request: String,
}

fn pair(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let request = parameters.serialize_request(&key).unwrap().pem().unwrap();
    (parameters.not_before, parameters.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2100, 1, 1));
    let certificate = parameters.self_signed(&key).unwrap();
    Pair { key, pem: certificate.pem(), certificate: certificate.der().clone(), request }
}

impl Pair {
    fn server(&self) -> Arc<ServerConfig> {
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = ServerConfig::builder().with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![self.certificate.clone()], der).unwrap())
    }

    /// One that wants a certificate of its clients.
    fn mutual_server(&self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = ServerConfig::builder_with_protocol_versions(&[&TLS12]);
        let builder = builder.with_client_cert_verifier(verifier);
        Arc::new(builder.with_single_cert(vec![self.certificate.clone()], der).unwrap())
    }
}

/// A port where each connection is served by this; how many came before is its second argument.
fn listen(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (serve, before) = (Arc::clone(&serve), counted.fetch_add(1, Ordering::SeqCst));
            std::thread::spawn(move || serve(stream, before));
        }
    });
    (port, count)
}

/// The rest of a connection is TLS.
fn tls(mut stream: TcpStream, config: Arc<ServerConfig>) {
    let mut connection = ServerConnection::new(config).unwrap();
    // Whoever only looks goes after the handshake.
    while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
}

/// Says this, and then for each text that it hears another; TLS follows.
fn talks(stream: &mut TcpStream, greeting: &[u8], turns: &[(&[u8], &[u8])]) {
    stream.write_all(greeting).unwrap();
    for (expected, answer) in turns {
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, *expected, "{:?}", String::from_utf8_lossy(&heard));
        stream.write_all(answer).unwrap();
    }
}

/// A Vault that signs each request with the certificate that was made for its name.
fn vault(certificates: BTreeMap<String, String>) -> Mock {
    Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/sign/web") => {
            let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
            let pem = &certificates[body["common_name"].as_str().unwrap()];
            let answer = serde_json::json!({"request_id": "r", "data": {"certificate": pem, "serial_number": "0a"}});
            json(200, &answer.to_string())
        }
        ("POST", "/revoke") => json(200, r#"{"data":{"state":"revoked","revocation_time":1}}"#),
        other => panic!("{other:?}"),
    })
}

/// A place with a list of hosts by name, and the plan that replaces, waits and revokes.
fn place(hosts: &[(&str, &Pair, String)], within: &str) -> (Place, Mock, String) {
    let mut place = Place::new();
    place.set("VAULT_TOKEN", "hvs.a-token-of-some-length");
    let mut list = "common_name,csr,host,serial_number\n".to_owned();
    for (number, (name, pair, host)) in (1..).zip(hosts) {
        place.file(&format!("{name}.csr"), &pair.request);
        list.push_str(&format!("{name},file:{name}.csr,{host},0a:0{number}\n"));
    }
    place.file("targets.csv", list);
    let mock = vault(hosts.iter().map(|(name, pair, _)| ((*name).to_owned(), pair.pem.clone())).collect());
    let steps = format!(
        "  - from: targets.csv\n    provider: vault\n    role: web\n    steps:\n      - {{action: reissue}}\n      - {{wait: served, at: host, within: {within}}}\n      - {{action: revoke}}\n"
    );
    let text = plan(&mock, &["vault"], "timeout: 1s", &steps);
    (place, mock, text)
}

fn message<'a>(rows: &'a [BTreeMap<String, String>], id: &str) -> (&'a str, &'a str) {
    let row = rows.iter().find(|row| row["action_id"] == id).unwrap();
    (row["outcome"].as_str(), row["provider_message"].as_str())
}

#[test]
fn the_old_certificate_is_revoked_once_every_server_shows_the_new_one_whatever_it_speaks() {
    let names = ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example"];
    let [web, smtp, imap, postgres, ldap, mutual] = names.map(pair);
    let old = pair("a.example");
    // The first look finds the old one.
    let (old, new) = (old.server(), web.server());
    let (web_port, looks) =
        listen(move |stream, before| tls(stream, if before == 0 { Arc::clone(&old) } else { Arc::clone(&new) }));
    let config = smtp.server();
    let (smtp_port, _) = listen(move |mut stream, _| {
        let turns: [(&[u8], &[u8]); 2] = [
            (b"EHLO certsweep.invalid\r\n", b"250-mail.example\r\n250-SIZE 1\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go ahead\r\n"),
        ];
        talks(&mut stream, b"220-mail.example\r\n220 ESMTP\r\n", &turns);
        tls(stream, Arc::clone(&config));
    });
    let config = imap.server();
    let (imap_port, _) = listen(move |mut stream, _| {
        let turns: [(&[u8], &[u8]); 1] = [(b"a1 STARTTLS\r\n", b"* CAPABILITY IMAP4rev2\r\na1 OK begin\r\n")];
        talks(&mut stream, b"* OK ready\r\n", &turns);
        tls(stream, Arc::clone(&config));
    });
    let config = postgres.server();
    let (postgres_port, _) = listen(move |mut stream, _| {
        talks(&mut stream, b"", &[(&[0, 0, 0, 8, 4, 210, 22, 47], b"S")]);
        tls(stream, Arc::clone(&config));
    });
    let config = ldap.server();
    let (ldap_port, _) = listen(move |mut stream, _| {
        let asked = [b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16".as_slice(), b"1.3.6.1.4.1.1466.20037"].concat();
        // OpenLDAP's lengths are short, Active Directory's long.
        let answer = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00";
        talks(&mut stream, b"", &[(&asked, answer)]);
        tls(stream, Arc::clone(&config));
    });
    let config = mutual.mutual_server();
    let (mutual_port, _) = listen(move |stream, _| tls(stream, Arc::clone(&config)));
    let (place, mock, text) = place(
        &[
            (names[0], &web, format!("127.0.0.1:{web_port}")),
            (names[1], &smtp, format!("smtp://127.0.0.1:{smtp_port}")),
            (names[2], &imap, format!("imap://localhost:{imap_port}")),
            (names[3], &postgres, format!("postgresql://127.0.0.1:{postgres_port}")),
            (names[4], &ldap, format!("ldap://127.0.0.1:{ldap_port}")),
            (names[5], &mutual, format!("127.0.0.1:{mutual_port} https://localhost:{mutual_port}")),
        ],
        "1h",
    );
    place.run(&text).exits(0);
    let rows = place.rows();
    assert!(rows.iter().all(|row| row["outcome"] == "succeeded"), "{rows:?}");
    assert_eq!(looks.load(Ordering::SeqCst), 2);
    assert_eq!(mock.count("/revoke"), 6);
    let (_, seen) = message(&rows, "targets.csv:7/served");
    let expected = format!("the new certificate is shown by 127.0.0.1:{mutual_port}; localhost:{mutual_port}");
    assert_eq!(seen, expected);
    assert_eq!(rows[1]["target"], format!("127.0.0.1:{web_port}"));
}

#[test]
fn a_host_that_never_changes_fails_and_its_old_certificate_is_not_revoked() {
    let names =
        ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example", "h.example"];
    let pairs = names.map(pair);
    let shown = |name: &str, serial: &[u8]| {
        let mut parameters = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.serial_number = Some(serial.to_vec().into());
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], der).unwrap())
    };
    let (third, old) = (shown("evil\u{1b}[31m", &[0x4d, 1]), shown("old", &[0x0a, 8]));
    let (old_port, _) = listen(move |stream, _| tls(stream, Arc::clone(&old)));
    let (third_port, looks) = listen(move |stream, _| tls(stream, Arc::clone(&third)));
    let (mail_port, _) = listen(|mut stream, _| drop(stream.write_all(b"220 mail.example ESMTP\r\n")));
    let (web_port, _) = listen(|mut stream, _| {
        let mut hello = [0; 64];
        drop(stream.read(&mut hello));
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    let (silent_port, _) = listen(|stream, _| {
        std::thread::sleep(std::time::Duration::from_secs(20));
        drop(stream);
    });
    let (refusing_port, _) = listen(|mut stream, _| talks(&mut stream, b"", &[(&[0, 0, 0, 8, 4, 210, 22, 47], b"N")]));
    let (closing_port, _) = listen(|stream, _| drop(stream));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts = [
        format!("127.0.0.1:{third_port}"),
        format!("127.0.0.1:{mail_port}"),
        format!("127.0.0.1:{web_port}"),
        format!("127.0.0.1:{silent_port}"),
        format!("postgres://127.0.0.1:{refusing_port}"),
        format!("127.0.0.1:{closing_port}"),
        format!("127.0.0.1:{closed}"),
        format!("127.0.0.1:{old_port}"),
    ];
    let rows: Vec<_> =
        names.iter().zip(&pairs).zip(&hosts).map(|((name, pair), host)| (*name, pair, host.clone())).collect();
    let (place, mock, text) = place(&rows, "5s");
    place.run(&text).exits(1);
    let rows = place.rows();
    for (number, host, words) in [
        (2, &hosts[0], "it shows another certificate than the new one (evil"),
        (3, &hosts[1], "it does not speak TLS, but says `220 mail.example ESMTP`; for SMTP write `smtp://127.0.0.1`"),
        (4, &hosts[2], "it does not speak TLS, but says `HTTP/1.1 400 Bad Request`; is the port right?"),
        (5, &hosts[3], "no answer within 1.0s: the handshake does not end"),
        (6, &hosts[4], "postgres: the server has no TLS (`ssl` is off there)"),
        (7, &hosts[5], "it ends the connection"),
        (8, &hosts[6], "the connection is refused: nothing listens there"),
        // The list tells its serial number.
        (9, &hosts[7], "it shows still the old certificate (old, serial number 0a08, "),
    ] {
        let (outcome, seen) = message(&rows, &format!("targets.csv:{number}/served"));
        assert_eq!(outcome, "failed", "{host}");
        let begins = "`within` is over after 5.0s: it is not everywhere served (";
        assert!(seen.starts_with(begins) && seen.contains(&format!("{host}: {words}")), "{seen}");
        assert!(!seen.contains('\u{1b}'), "{seen}");
        let (outcome, why) = message(&rows, &format!("targets.csv:{number}/revoke"));
        assert_eq!(outcome, "skipped");
        assert!(why.contains("which ended failed"), "{why}");
    }
    let third = message(&rows, "targets.csv:2/served").1;
    assert!(third.contains("serial number 4d01, issued by CN=evil"), "{third}");
    assert_eq!(mock.count("/revoke"), 0);
    assert!((2..4).contains(&looks.load(Ordering::SeqCst)), "each look later than the one before");
}

#[test]
fn a_rehearsal_looks_at_no_server_and_goes_through_to_its_end() {
    let pair = pair("a.example");
    let (port, looks) = listen(|stream, _| drop(stream));
    let (place, mock, text) = place(&[("a.example", &pair, format!("127.0.0.1:{port}"))], "1h");
    place.file("plan.yaml", &text);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "run"]).exits(0);
    let report = super::place::rows(&place.read("run/report.rehearsal.csv"));
    let (outcome, words) = message(&report, "targets.csv:2/served");
    assert_eq!(outcome, "succeeded");
    assert!(words.starts_with("rehearsal: taken as deployed 10m 00s later"), "{words}");
    assert_eq!((mock.count("/"), looks.load(Ordering::SeqCst)), (0, 0));
}
