//! The universities' client for Sectigo and certsweep's program put the same calls on the same socket: the requests are the same.

use super::installed::{self, python};
use crate::support::mock::{Act, Mock, Seen, empty, json};
use crate::support::place::Place;
use certsweep::provider::Catalog;
use certsweep::wire::request;
use serde_json::{Value, json};

#[test]
#[ignore = "asks cert-manager; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn requests_on_the_wire_are_those_of_the_universities_client() {
    let mock = Mock::start(|seen, _| match seen.target.as_str() {
        "/token" => json(200, r#"{"access_token": "EXAMPLE-token", "expires_in": 300}"#),
        target if target.contains("/collect/") => Act::Answer {
            status: 200,
            headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
            body: b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_vec(),
        },
        target if target.starts_with("/ssl/v1?") => json(200, "[]"),
        _ if seen.method == "GET" => json(200, r#"{"sslId": 124, "status": "Issued"}"#),
        _ => empty(204),
    });
    let url = mock.url();
    let csr = include_str!("../../examples/shop.csr");
    let revoke = json!({"name": "revoke", "arguments": {"cert_id": 123, "reason": "key out"}});
    let replaced = json!({
        "cert_id": 124, "csr": csr, "common_name": "shop.example.com", "reason": "INC-42", "subject_alt_names": ["www.shop.example.com"],
    });
    let by_password =
        json!({"base_url": url, "login_uri": "acme", "username": "EXAMPLE-login", "password": "EXAMPLE-password"});
    let by_token = json!({"base_url": url, "auth_url": format!("{url}/token"), "client_id": "EXAMPLE-id", "client_secret": "EXAMPLE-secret"});
    let answer = python(
        "sectigo_client.py",
        &json!({"send": [
            {"client": by_password, "calls": [
                revoke,
                {"name": "replace", "arguments": replaced},
                {"name": "get", "arguments": {"cert_id": 124}},
                {"name": "collect", "arguments": {"cert_id": 124, "cert_format": "pemia"}},
                {"name": "list", "arguments": {}},
            ]},
            {"client": by_token, "calls": [revoke]},
        ]}),
    );
    let theirs = mock.seen();
    assert_eq!(theirs.len(), 7, "{:?}", mock.lines());

    let mut place = Place::bare();
    for (name, value) in [
        ("SECTIGO_LOGIN", "EXAMPLE-login"),
        ("SECTIGO_PASSWORD", "EXAMPLE-password"),
        ("SECTIGO_CUSTOMER_URI", "acme"),
        ("SECTIGO_CLIENT_ID", "EXAMPLE-id"),
        ("SECTIGO_CLIENT_SECRET", "EXAMPLE-secret"),
    ] {
        place.set(name, value);
    }
    place.file("shop.csr", csr);
    let account = |name: &str, rest: &str| format!("  {name}: {{uses: sectigo, base_url: \"{url}\"{rest}}}\n");
    let token = "credentials: {client_id: \"env:SECTIGO_CLIENT_ID\", client_secret: \"env:SECTIGO_CLIENT_SECRET\"}";
    // The certificate that comes is none, so the replacement cannot end well.
    place
        .run(&format!(
            "version: 1\nproviders:\n{}{}actions:\n  - {{provider: one, action: revoke, ssl_id: 123, comments: key out}}\n  \
             - {{provider: one, action: reissue, ssl_id: 124, csr: \"file:shop.csr\", common_name: shop.example.com, \
             dns_names: [www.shop.example.com], comments: INC-42}}\n  - {{provider: two, action: revoke, ssl_id: 123, comments: key out}}\n",
            account(
                "one",
                ", credentials: {login: \"env:SECTIGO_LOGIN\", password: \"env:SECTIGO_PASSWORD\", customer_uri: \"env:SECTIGO_CUSTOMER_URI\"}"
            ),
            account("two", &format!(", auth_url: \"{url}/token\", {token}")),
        ))
        .exits(1);
    let ours = mock.seen().split_off(theirs.len());
    assert_eq!(ours.len(), 6, "{:?}", mock.lines());
    for ours in &ours {
        let same = |theirs: &&Seen| {
            let named = |seen: &Seen| {
                ["login", "password", "customerUri", "authorization"].map(|name| seen.header(name).map(str::to_owned))
            };
            theirs.line() == ours.line() && named(theirs) == named(ours)
        };
        let theirs = theirs.iter().find(same).unwrap_or_else(|| panic!("{ours:?}"));
        assert_eq!(content(theirs), content(ours), "{}", ours.line());
    }

    // The list, as `find` asks for its first page.
    let catalog = Catalog::built_in();
    let operation = catalog.get("sectigo").unwrap().operation("list-certificates").unwrap();
    let built = request::build(&url, operation, json!({"size": 200, "position": 0}).as_object().unwrap());
    assert!(
        theirs.iter().any(|seen| format!("{url}{}", seen.target) == built.url && seen.method == "GET"),
        "{}",
        built.url
    );

    let judged = format!("{} requests on a socket, the same as certsweep's", theirs.len());
    installed::log("cert-manager", answer["version"].as_str().unwrap(), &judged);
}

/// A request's body: JSON, or the fields of a form.
fn content(seen: &Seen) -> (Value, Vec<String>) {
    match serde_json::from_str(&seen.text()) {
        Ok(json) => (json, Vec::new()),
        Err(_) => {
            let mut fields: Vec<String> = seen.text().split('&').map(str::to_owned).collect();
            fields.sort();
            (Value::Null, fields)
        }
    }
}
