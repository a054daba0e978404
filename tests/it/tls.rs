//! Whom HTTPS trusts: a server that is not trusted stops its account before anything is sent, and `--ca-file` is the way out where there is one.

use super::place::{CommandOutput, Place};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A provider at `localhost` with this certificate that does whatever it is asked; how many requests it read.
fn provider(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> (u16, Arc<AtomicUsize>) {
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], der);
    serve(config.unwrap(), b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n".to_vec())
}

/// A server of TLS on loopback that gives every request this answer; how many requests it read.
pub(super) fn serve(config: ServerConfig, answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            let mut some = [0; 4096];
            // A handshake that is broken off is what these tests are about.
            if tls.read(&mut some).is_ok_and(|bytes| bytes > 0) {
                read.fetch_add(1, Ordering::SeqCst);
                drop(tls.write_all(&answer));
                drop(tls.flush());
                tls.conn.send_close_notify();
                drop(tls.flush());
            }
        }
    });
    (port, requests)
}

fn plan(base: &str) -> String {
    format!(
        "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders: {{digicert: {{base_url: \"{base}\", rate: [1000/1s]}}}}\nactions:\n  - {{id: a, provider: digicert, action: revoke, certificate_id: 1}}\n  - {{id: b, provider: digicert, action: revoke, certificate_id: 2}}\n"
    )
}

fn run(place: &Place, directory: &str, more: &[&str]) -> CommandOutput {
    place.certsweep(&[&["run", "plan.yaml", "--yes", "--run-dir", directory][..], more].concat())
}

#[test]
fn a_server_that_is_not_trusted_stops_its_account_and_its_own_certificate_helps() {
    let made = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "in-house");
        (parameters.not_before, parameters.not_after) =
            (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2100, 1, 1));
        change(&mut parameters);
        (parameters.self_signed(&key).unwrap(), key)
    };
    // As `openssl req -x509` makes it, too.
    let authority = |parameters: &mut rcgen::CertificateParams| {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    for (certificate, key) in [made(&|_| {}), made(&authority)] {
        let (port, requests) = provider(&certificate, &key);
        let place = Place::new();
        place.file("ca.pem", certificate.pem());
        place.file("ca.der", certificate.der());
        place.file("plan.yaml", plan(&format!("https://localhost:{port}")));
        let refused = run(&place, "run", &[]).exits(4);
        refused.says(&[
            "the certificate of localhost is not trusted",
            "issued by `CN=in-house`, valid from 2020-01-01",
            "`--ca-file FILE`",
        ]);
        assert_eq!(requests.load(Ordering::SeqCst), 0, "nothing is sent");
        place.certsweep(&["resume", "run", "--yes"]).exits(4);
        place.certsweep(&["resume", "run", "--yes", "--ca-file", "ca.pem"]).exits(0);
        assert_eq!(place.outcomes(), [("a".into(), "succeeded".into()), ("b".into(), "succeeded".into())]);
        run(&place, "again", &["--ca-file", "ca.der"]).exits(0);
        // Its name counts as well.
        place.file("plan.yaml", plan(&format!("https://127.0.0.1:{port}")));
        run(&place, "third", &["--ca-file", "ca.pem"]).exits(4).says(&["it is for localhost", "is `base_url` right?"]);
    }
    let expired = |parameters: &mut rcgen::CertificateParams| parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let early = |parameters: &mut rcgen::CertificateParams| parameters.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let (expired, early) = (made(&expired), made(&early));
    for ((certificate, key), words) in
        [(expired, ["it has expired", "to 2021-01-01"]), (early, ["it is not valid yet", "valid from 2090-01-01"])]
    {
        let (port, requests) = provider(&certificate, &key);
        let place = Place::new();
        place.file("ca.pem", certificate.pem());
        place.file("plan.yaml", plan(&format!("https://localhost:{port}")));
        run(&place, "run", &["--ca-file", "ca.pem"]).exits(4).says(&words);
        assert_eq!(requests.load(Ordering::SeqCst), 0, "nothing is sent");
    }
}

#[test]
fn a_ca_file_that_holds_no_certificate_is_an_error_at_once() {
    let place = Place::new();
    place.file("no.pem", "no certificate\n");
    place.file("no.der", [0x30, 0x03, 0x02, 0x01, 0x01]);
    place.file("plan.yaml", plan("https://localhost:1"));
    for file in ["no.pem", "no.der", "not-there.pem"] {
        run(&place, "run", &["--ca-file", file]).exits(4).says(&["the CA file", file]);
        assert!(!place.path("run").exists());
    }
}
