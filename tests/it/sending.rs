//! The connection itself: clocks, proxies, TLS, time limits and what is no HTTP; and that accounts of one provider are apart.

use super::limits::revokes;
use super::mock::{Act, Mock, empty, naver_done, naver_list};
use super::place::{CREDENTIALS, Place, plan, reissue};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

#[test]
fn a_clock_that_is_far_off_is_warned_of_once() {
    for (ahead, warned) in [(0, 0), (30, 0), (3600, 1), (-3600, 1)] {
        let place = Place::new();
        let mock = Mock::start(move |_, _| {
            let at = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
            let at = at + jiff::SignedDuration::from_secs(ahead);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
            empty(204).with("Date", &date)
        });
        let done = place.run(&revokes(&mock, "rate: [1000/1s]", 3)).exits(0);
        assert_eq!(done.err.matches("clock").count(), warned, "{ahead}: {}", done.err);
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", _) => naver_list("9", 5, "1"),
        (_, 0) => naver_done().held(),
        _ => naver_done(),
    });
    let actions =
        "  - {id: old, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
    let text = plan(&mock, &["naver"], "timeout: 300ms", &(actions.to_owned() + &reissue("new", 5)));
    place.run(&text).exits(1);
    assert_eq!(place.outcomes(), [("old".into(), "succeeded".into()), ("new".into(), "in-doubt".into())]);
    assert_eq!((mock.count("/revoke"), mock.count("/reissue")), (2, 1));
}

#[test]
fn what_is_no_http_is_no_answer() {
    let garbage: [&[u8]; 4] = [
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"\r\n\r\n",
    ];
    for bytes in garbage {
        let place = Place::new();
        let mock = Mock::start(move |seen, nth| match (seen.method.as_str(), nth) {
            ("GET", _) => naver_list("9", 5, "1"),
            (_, 0) => Act::Raw(bytes.to_vec()),
            _ => naver_done(),
        });
        let actions =
            "  - {id: old, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
        place.run(&plan(&mock, &["naver"], "", &(actions.to_owned() + &reissue("new", 5)))).exits(1);
        assert_eq!(
            place.outcomes(),
            [("old".into(), "succeeded".into()), ("new".into(), "in-doubt".into())],
            "{bytes:?}"
        );
        assert_eq!((mock.count("/revoke"), mock.count("/reissue")), (2, 1));
    }
}

#[test]
fn an_endless_body_is_not_read_to_its_end() {
    let place = Place::new();
    let flood = Mock::start(|_, _| Act::Answer { status: 200, headers: Vec::new(), body: vec![b' '; 40 << 20] });
    let actions = "  - {provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&flood, &["digicert"], "", actions)).exits(1);
    assert_eq!(place.row()["outcome"], "in-doubt");
}

#[test]
fn proxies_are_honoured_and_loopback_goes_past_them() {
    let proxy = Mock::start(|_, _| empty(403));
    let mock = Mock::start(|_, _| empty(204));
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        let mut place = Place::new();
        place.set(name, &proxy.url());
        place.run(&revokes(&mock, "rate: [1000/1s]", 1)).exits(0);
        let text =
            plan(&mock, &["digicert", "naver"], "", "  - {provider: digicert, action: revoke, certificate_id: 1}\n");
        place.file("plan.yaml", text);
        place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "drill"]).exits(0);
    }
    assert!(proxy.seen().is_empty(), "{:?}", proxy.lines());
    let mut place = Place::new();
    place.set("HTTPS_PROXY", &proxy.url());
    let text = revokes(&mock, "rate: [1000/1s]", 1).replace(&mock.url(), "https://ca.example.com");
    place.run(&text).exits(1);
    assert_eq!(place.row()["outcome"], "failed", "no request ever left: {:?}", place.row());
    assert!(!proxy.seen().is_empty());
    for seen in proxy.seen() {
        assert_eq!(seen.line(), "CONNECT ca.example.com:443");
        assert!(!format!("{seen:?}").contains(CREDENTIALS[0].1));
    }
}

#[test]
fn certificates_are_verified_and_a_ca_file_adds_a_root() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], der);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            let mut some = [0; 4096];
            // A handshake that the client breaks off is what these tests are about.
            if tls.read(&mut some).is_ok_and(|bytes| bytes > 0) {
                drop(tls.write_all(b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n"));
                drop(tls.flush());
                tls.conn.send_close_notify();
                drop(tls.flush());
            }
        }
    });
    let place = Place::new();
    place.file("ca.pem", certificate.pem());
    place.file("no.pem", "no certificate\n");
    let text = format!(
        "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders: {{digicert: {{base_url: \"https://localhost:{port}\"}}}}\nactions: [{{provider: digicert, action: revoke, certificate_id: 1}}]\n"
    );
    place.run(&text).exits(1);
    assert_eq!(place.row()["outcome"], "failed");
    assert!(place.row()["provider_message"].to_lowercase().contains("certificate"), "{:?}", place.row());
    for file in ["no.pem", "not-there.pem"] {
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "other", "--ca-file", file]).exits(4);
        assert!(!place.path("other").exists());
    }
    let trusted = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "other", "--ca-file", "ca.pem"]);
    trusted.exits(0);
    place.certsweep(&["resume", "run", "--yes", "--retry", "failed", "--ca-file", "ca.pem"]).exits(0);
    // The name counts as well.
    place.file("plan.yaml", text.replace("https://localhost", "https://127.0.0.1"));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "third", "--ca-file", "ca.pem"]).exits(1);
}

#[test]
fn two_accounts_of_one_provider_are_apart() {
    let mut place = Place::new();
    place.set("OTHER_KEY", "other-access-key");
    let mock = Mock::start(|seen, nth| match seen.header("x-ncp-iam-access-key") {
        Some("other-access-key") => naver_done(),
        _ if nth < 1 => empty(429).with("Retry-After", "1"),
        _ => naver_done(),
    });
    let url = mock.url();
    place.run(&format!(
        "version: 1\nproviders:\n\
         \x20 one: {{uses: naver, base_url: \"{url}/one\", rate: [1000/1s], reasons: {{keyCompromise: unspecified}}}}\n\
         \x20 two: {{uses: naver, base_url: \"{url}/two\", rate: [1000/1s], credentials: {{access_key: \"env:OTHER_KEY\", secret_key: \"env:NCP_SECRET_KEY\"}}}}\n\
         actions:\n\
         \x20 - {{id: a, provider: one, action: revoke, orderId: \"1\", certificateNo: 1, reason: keyCompromise}}\n\
         \x20 - {{id: b, provider: two, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}}\n\
         \x20 - {{id: c, provider: two, action: revoke, orderId: \"1\", certificateNo: 2, reason: superseded}}\n"
    ))
    .exits(0);
    let order: Vec<String> = mock.seen().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(
        order.last().map(String::as_str),
        Some("/one/certificate/revoke"),
        "the other account did not wait: {order:?}"
    );
    assert_eq!(order.len(), 4);
    let rows = place.rows();
    assert_eq!((rows[0]["reason"].as_str(), rows[0]["reason_sent"].as_str()), ("keyCompromise", "unspecified"));
    assert_eq!((rows[0]["provider"].as_str(), rows[1]["provider"].as_str()), ("one", "two"));
    let sent = mock.seen();
    let compromised = sent.iter().find(|seen| seen.target.starts_with("/one")).unwrap();
    assert_eq!(compromised.text(), r#"{"orderId":"1","certificateNo":1,"revokeType":"unspecified"}"#);
}
