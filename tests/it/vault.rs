//! Vault and OpenBao, played by these tests: private keys that are sent and kept nowhere, AppRole, and each of the server's ways to say no.
//! The answers are those of OpenBao 2.7.2.

use super::mock::{Act, Mock, Seen, json};
use super::place::{CommandOutput, Place};
use super::requests::contains;
use std::path::Path;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plans/acme");
const REVOKED: &str = r#"{"data":{"revocation_time":1764403200,"state":"revoked"},"warnings":null}"#;

/// A plan with these actions; the token is `vault-token-value`, but where there is a role.
fn plan(mock: &Mock, credentials: &str, actions: &str) -> String {
    format!(
        "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders:\n  vault: {{base_url: \"{}/v1/team/pki\", credentials: {{{credentials}}}}}\n\
         defaults: {{provider: vault}}\nactions:\n{actions}",
        mock.url()
    )
}

fn place() -> Place {
    let mut place = Place::bare();
    place.set("VAULT_TOKEN", "vault-token-value");
    place.set("VAULT_ROLE_ID", "role-id-value");
    place.set("VAULT_SECRET_ID", "secret-id-value");
    for name in ["shop.key", "shop.pem", "rsa.key"] {
        place.file(name, std::fs::read(Path::new(FILES).join(name)).unwrap());
    }
    place
}

const TOKEN: &str = "token: \"env:VAULT_TOKEN\"";
const ROLE: &str = "role_id: \"env:VAULT_ROLE_ID\", secret_id: \"env:VAULT_SECRET_ID\"";
const WITH_KEY: &str = "  - {action: revoke-with-key, serial_number: C0FFEE01, certificate: \"file:shop.pem\", private_key: \"file:shop.key\"}\n";
const REVOKE: &str = "  - {action: revoke, serial_number: \"0xC0FF-EE01\"}\n";

/// Vault that answers its revocations so; a certificate is not revoked.
fn refusing(status: u16, body: &'static str) -> Mock {
    Mock::start(move |seen, _| match seen.method.as_str() {
        "GET" => json(200, r#"{"data":{"certificate":"-----BEGIN CERTIFICATE-----","revocation_time":0}}"#),
        _ => json(status, body),
    })
}

/// No line of a key stands in what a run left or said.
#[track_caller]
fn is_kept_nowhere(place: &Place, done: &[&CommandOutput]) {
    let key = place.read("shop.key");
    let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(lines.len(), 3);
    // A digest in the clear would tell a key that is guessed.
    for line in lines.into_iter().take(2) {
        for (path, bytes) in place.bytes_below("run") {
            assert!(!contains(&bytes, line.as_bytes()), "{}", path.display());
        }
        for one in done {
            assert!(!one.out.contains(line) && !one.err.contains(line), "{}\n{}", one.out, one.err);
        }
    }
}

#[test]
fn a_private_key_is_sent_as_it_is_and_kept_nowhere() {
    let state = r#"{"data":{"certificate":"-----BEGIN CERTIFICATE-----","revocation_time":1764403200}}"#;
    let mock = Mock::start(move |seen, _| json(200, if seen.method == "GET" { state } else { REVOKED }));
    let place = place();
    let done = place.run(&plan(&mock, TOKEN, WITH_KEY)).exits(0);
    let sent: serde_json::Value = serde_json::from_slice(&mock.seen()[0].body).unwrap();
    assert_eq!(mock.lines(), ["POST /v1/team/pki/revoke-with-key"]);
    assert_eq!(sent["serial_number"], "c0:ff:ee:01");
    assert_eq!(sent["private_key"].as_str(), Some(place.read("shop.key").as_str()));
    let previewed = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    let as_json = place.certsweep(&["preview", "plan.yaml", "--json", "--report", "planned.csv"]).exits(0);
    // What is shown in its place is the file, and whose key it is.
    assert!(as_json.json()["first_requests"].to_string().contains("shop.key#sha256="), "{}", as_json.out);
    let checked = place.certsweep(&["check", "plan.yaml"]).exits(0);
    place.certsweep(&["report", "run", "--format", "json", "-o", "run/report.json"]).exits(0);
    place.certsweep(&["report", "run", "--format", "html", "-o", "run/report.html"]).exits(0);
    let verified = place.certsweep(&["verify", "run"]).exits(0);
    assert_eq!(mock.lines()[1], "GET /v1/team/pki/cert/c0%3Aff%3Aee%3A01");
    is_kept_nowhere(&place, &[&done, &previewed, &as_json, &checked, &verified]);
    assert!(!place.read("planned.csv").contains("PRIVATE KEY"));
}

#[test]
fn a_plan_that_moves_has_the_same_digest_and_another_key_another() {
    let (place, mock) = (place(), Mock::start(|_, _| json(200, REVOKED)));
    let digest = |name: &str, text: String| {
        place.file(name, text);
        place.certsweep(&["preview", name, "--json"]).exits(0).json()["digest"].to_string()
    };
    let text = plan(&mock, TOKEN, WITH_KEY);
    for name in ["shop.key", "shop.pem"] {
        place.file(&format!("moved/{name}"), place.read(name));
    }
    let first = digest("plan.yaml", text.clone());
    assert_eq!(first, digest("moved/plan.yaml", text.clone()));
    let bare = text.replace(", certificate: \"file:shop.pem\"", "");
    assert_ne!(digest("bare.yaml", bare.clone()), digest("other.yaml", bare.replace("shop.key", "rsa.key")));
}

#[test]
fn an_answer_that_repeats_the_key_is_kept_without_it() {
    // On lines, on one line, and as the request had it.
    let echo = |seen: &Seen| {
        let sent: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        let key = sent["private_key"].as_str().unwrap();
        let words = format!("cannot use {key} nor {} in {}", key.replace('\n', ""), seen.text());
        json(400, &serde_json::json!({"errors": [words]}).to_string()).with("X-Why", &key.replace('\n', ""))
    };
    let mock =
        Mock::start(move |seen, _| if seen.method == "GET" { json(404, r#"{"errors":[]}"#) } else { echo(seen) });
    let place = place();
    let done = place.run(&plan(&mock, TOKEN, WITH_KEY)).exits(1);
    let row = place.row();
    assert_eq!((row["outcome"].as_str(), row["http_status"].as_str()), ("rejected", "400"));
    assert!(row["provider_message"].contains("(secret)"), "{row:?}");
    is_kept_nowhere(&place, &[&done]);
}

#[test]
fn a_key_that_was_changed_since_is_not_sent() {
    let (place, mock) = (place(), Mock::start(|_, _| json(200, REVOKED).held()));
    // The second waits for the first, and its key is another one then.
    let second = WITH_KEY.replace("C0FFEE01", "C0FFEE02").replace("certificate: \"file:shop.pem\"", "needs: [first]");
    let first = "  - {id: first, action: revoke, serial_number: 0a}\n";
    place.file("plan.yaml", plan(&mock, TOKEN, &format!("{first}{second}")));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(1);
    place.file("shop.key", place.read("rsa.key"));
    mock.release();
    super::place::finish(child).exits(1);
    let row = &place.rows()[1];
    assert_eq!(row["outcome"], "failed");
    assert!(row["provider_message"].contains("shop.key has changed since the run began"), "{row:?}");
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn each_way_to_say_no_is_a_clear_line() {
    let expired = r#"{"data":null,"warnings":["certificate with serial c0:ff:ee:01 already expired; refusing to add to CRL. Enable 'AllowExpiredCertRevocation' to allow revoking expired certificates."]}"#;
    let denied = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    let mismatch =
        r#"{"errors":["1 error occurred:\n\t* provided private key does not match certificate's public key\n\n"]}"#;
    let not_found = r#"{"errors":["certificate with serial c0:ff:ee:01 not found."]}"#;
    for (status, body, outcome, exit, words) in [
        // Nothing was done, whatever the status says.
        (200, expired, "rejected", 1, "already expired; refusing to add to CRL"),
        (200, r#"{"data":null,"warnings":["something else"]}"#, "failed", 1, "something else"),
        (400, not_found, "rejected", 1, "not found"),
        (403, denied, "skipped", 4, "permission denied"),
        (
            404,
            r#"{"errors":["no handler for route \"pkx/revoke\". route entry not found."]}"#,
            "rejected",
            1,
            "no handler",
        ),
        (500, mismatch, "rejected", 1, "does not match certificate's public key"),
        (503, r#"{"errors":["Vault is sealed"]}"#, "failed", 1, "Vault is sealed"),
    ] {
        for action in [REVOKE, WITH_KEY] {
            if status == 500 && action == REVOKE {
                continue;
            }
            let (place, mock) = (place(), refusing(status, body));
            let done = place.run(&plan(&mock, TOKEN, action)).exits(exit);
            let row = place.row();
            assert_eq!(row["outcome"], outcome, "{row:?}\n{}", done.err);
            let said = format!("{}{}{}", row["provider_message"], done.out, done.err);
            assert!(said.contains(words), "{words}: {said}");
            assert!(!said.contains("vault-token-value"), "{said}");
            let body = mock.seen().into_iter().find(|seen| seen.method == "POST").unwrap().text();
            assert!(body.contains("\"c0:ff:ee:01\""), "however it was written: {body}");
        }
    }
}

#[test]
fn what_a_role_refuses_is_its_own_words_and_buys_nothing_twice() {
    let csr = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop.csr")).unwrap();
    for (words, explained) in [
        ("unknown role: wev", "unknown role: wev"),
        ("subject alternate name b.evil.org not allowed by this role", "b.evil.org not allowed by this role"),
    ] {
        let (place, mock) = (place(), Mock::start(move |_, _| json(400, &format!("{{\"errors\":[\"{words}\"]}}"))));
        place.file("shop.csr", &csr);
        let action = "  - {action: reissue, role: wev, csr: \"file:shop.csr\", common_name: shop.example.com}\n";
        place.run(&plan(&mock, TOKEN, action)).exits(1);
        let row = place.row();
        assert_eq!(row["outcome"], "rejected", "{row:?}");
        assert!(row["provider_message"].contains(explained), "{row:?}");
        assert_eq!(mock.lines(), ["POST /v1/team/pki/sign/wev"]);
    }
}

#[test]
fn a_role_logs_in_within_the_namespace_and_again_when_its_token_is_used_up() {
    // Each token serves for two requests, as `token_num_uses` has it.
    let script = |seen: &Seen, before: usize| -> Act {
        if seen.target.ends_with("/login") {
            let token = format!("hvs.token-{before}");
            return json(
                200,
                &format!(r#"{{"auth":{{"client_token":"{token}","lease_duration":3600,"renewable":true}}}}"#),
            );
        }
        let token = before / 3;
        let is_used_up = before % 3 == 2;
        assert_eq!(seen.header("x-vault-token"), Some(format!("hvs.token-{token}").as_str()));
        if is_used_up { json(403, r#"{"errors":["permission denied"]}"#) } else { json(200, REVOKED) }
    };
    let (place, mock) = (place(), Mock::start(script));
    let actions: String = (1..=4).map(|n| format!("  - {{action: revoke, serial_number: \"0{n}\"}}\n")).collect();
    let text = plan(&mock, ROLE, &actions).replace("/pki\",", "/pki\", concurrency: 1,");
    let done = place.run(&text).exits(0);
    assert_eq!((mock.count("/v1/team/auth/approle/login"), mock.count("/revoke")), (2, 5));
    for secret in ["secret-id-value", "hvs.token-0", "hvs.token-1"] {
        assert!(!done.out.contains(secret) && !done.err.contains(secret));
        assert!(place.bytes_below("run").iter().all(|(_, bytes)| !contains(bytes, secret.as_bytes())));
    }
}

#[test]
fn a_role_that_is_refused_stops_the_account_and_tells_why() {
    let mock = Mock::start(|_, _| json(400, r#"{"errors":["invalid role or secret ID"]}"#));
    let place = place();
    place.run(&plan(&mock, ROLE, REVOKE)).exits(4).says(&["invalid role or secret ID"]);
    assert_eq!(mock.lines(), ["POST /v1/team/auth/approle/login"]);
}
