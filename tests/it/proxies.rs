//! Proxies of the environment: which one is used, from which variable, and what it refuses is not taken for the provider's answer.

use super::limits::revokes;
use super::mock::{Act, Mock, empty};
use super::place::{CREDENTIALS, Place};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One revoke at a provider that no name leads to but a proxy's.
fn at_a_distance(mock: &Mock) -> String {
    revokes(mock, "rate: [1000/1s]", 1).replace(&mock.url(), "https://ca.example.com")
}

#[test]
fn loopback_goes_past_all_proxies() {
    let proxy = Mock::start(|_, _| empty(403));
    let mock = Mock::start(|_, _| empty(204));
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        let mut place = Place::new();
        place.set(name, &proxy.url());
        place.run(&revokes(&mock, "rate: [1000/1s]", 1)).exits(0);
        place.file("plan.yaml", at_a_distance(&mock));
        place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "drill"]).exits(0);
    }
    assert!(proxy.seen().is_empty(), "{:?}", proxy.lines());
}

#[test]
fn what_a_proxy_refuses_is_told_with_its_status_and_the_variable_and_costs_the_action_nothing() {
    for (status, words) in
        [(503, "answered 503 x when asked to connect to ca.example.com:443"), (403, "answered 403 x")]
    {
        let proxy = Mock::start(move |_, _| empty(status));
        let mut place = Place::new();
        place.set("HTTPS_PROXY", &proxy.url());
        place.run(&at_a_distance(&proxy)).exits(1);
        let row = place.row();
        assert_eq!(
            (row["outcome"].as_str(), row["http_status"].as_str()),
            ("failed", ""),
            "no request ever left: {row:?}"
        );
        let named = format!("the proxy {} (HTTPS_PROXY) {words}", proxy.authority());
        assert!(row["provider_message"].contains(&named), "{named}: {row:?}");
        for seen in proxy.seen() {
            assert_eq!(seen.line(), "CONNECT ca.example.com:443");
            assert!(!format!("{seen:?}").contains(CREDENTIALS[0].1));
        }
    }
}

#[test]
fn a_proxy_that_wants_credentials_stops_the_account() {
    for (user, words) in [
        ("", "it wants a user and password, as https_proxy="),
        ("user:p%40ss@", "it does not take the user and password"),
    ] {
        let proxy = Mock::start(|_, _| empty(407).with("Proxy-Authenticate", "Basic realm=x"));
        let mut place = Place::new();
        place.set("https_proxy", &format!("http://{user}{}", proxy.authority()));
        let run = place.run(&at_a_distance(&proxy)).exits(4);
        run.says(&[&format!("the proxy {} (https_proxy) answered 407", proxy.authority()), words]);
        for (path, bytes) in place.bytes_below("run") {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(!text.contains("p%40ss") && !text.contains("p@ss"), "{path:?}");
        }
        // The user goes on once the variable is right.
        let right = Mock::start(|_, _| Act::Close);
        place.set("https_proxy", &right.url());
        place.certsweep(&["resume", "run", "--yes"]).exits(1);
        assert_eq!(place.row()["outcome"], "failed");
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let mut place = Place::new();
    let gone = Mock::start(|_, _| empty(403));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.set("ALL_PROXY", &format!("http://{address}"));
    place.run(&at_a_distance(&gone)).exits(1);
    let named = format!("the proxy {address} (ALL_PROXY) cannot be reached: ");
    assert!(place.row()["provider_message"].contains(&named), "{:?}", place.row());
}

#[test]
fn the_preview_shows_the_proxy_and_no_password() {
    let mock = Mock::start(|_, _| empty(204));
    let mut place = Place::bare();
    place.file("far.yaml", at_a_distance(&mock));
    place.file("near.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    place.set("HTTPS_PROXY", "http://user:p%40ss@proxy.example:3128");
    let shown = place.certsweep(&["preview", "far.yaml"]).exits(0);
    assert!(shown.out.contains(", through the proxy proxy.example:3128 (HTTPS_PROXY)\n"), "{}", shown.out);
    assert!(!shown.out.contains("user") && !shown.out.contains("p%40ss"), "{}", shown.out);
    let json = place.certsweep(&["preview", "far.yaml", "--json"]).exits(0).json();
    let expected = serde_json::json!({"address": "proxy.example:3128", "variable": "HTTPS_PROXY"});
    assert_eq!(json["providers"][0]["proxy"], expected);
    let near = place.certsweep(&["preview", "near.yaml"]).exits(0);
    assert!(!near.out.contains("proxy"), "{}", near.out);
    place.set("NO_PROXY", ".example.com");
    let past = place.certsweep(&["preview", "far.yaml"]).exits(0);
    assert!(!past.out.contains("proxy"), "{}", past.out);
}

/// A SOCKS 5 proxy (RFC 1928) that takes this user (RFC 1929) and answers each request with these octets; what it was asked for.
fn socks(user: Option<&'static str>, reply: u8) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let octets = |stream: &mut TcpStream, count: usize| {
                let mut octets = vec![0; count];
                stream.read_exact(&mut octets).map(|()| octets)
            };
            let mut serve = || -> std::io::Result<()> {
                let methods = octets(&mut stream, 2)?[1];
                octets(&mut stream, methods.into())?;
                stream.write_all(&[5, if user.is_some() { 2 } else { 0 }])?;
                if let Some(user) = user {
                    let length = octets(&mut stream, 2)?[1];
                    let given = octets(&mut stream, length.into())?;
                    let length = octets(&mut stream, 1)?[0];
                    octets(&mut stream, length.into())?;
                    stream.write_all(&[1, u8::from(given != user.as_bytes())])?;
                }
                // By name: what resolves it is the proxy.
                let head = octets(&mut stream, 5)?;
                let name = octets(&mut stream, usize::from(head[4]) + 2)?;
                noted.lock().unwrap().push(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned());
                stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])
            };
            drop(serve());
        }
    });
    (port, asked)
}

#[test]
fn a_socks_proxy_is_gone_through_and_what_it_refuses_is_told() {
    let refused = 5;
    for (user, given, words, code) in [
        (None, "", ["the proxy 127.0.0.1:", "(ALL_PROXY)"], 1),
        (Some("me"), "me:pw@", ["the proxy 127.0.0.1:", "(ALL_PROXY)"], 1),
        (Some("me"), "you:pw@", ["does not take the user and password that ALL_PROXY has", "(ALL_PROXY)"], 4),
    ] {
        let (port, asked) = socks(user, refused);
        let mut place = Place::new();
        place.set("ALL_PROXY", &format!("socks5h://{given}127.0.0.1:{port}"));
        let action = "  - {provider: digicert, action: revoke, certificate_id: 1}\n";
        let done = place.run(&format!(
            "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders: {{digicert: {{base_url: \"https://ca.example/v2\"}}}}\nactions:\n{action}"
        ));
        let told = format!("{}{}", done.err, place.read("run/report.csv"));
        assert!(words.iter().all(|words| told.contains(words)), "{code}: {done:?} {told}");
        assert!(!told.contains("pw@") && !told.contains(":pw"), "{told}");
        assert_eq!(asked.lock().unwrap().is_empty(), code == 4);
        assert!(asked.lock().unwrap().iter().all(|name| name == "ca.example"));
    }
}
