//! Plans as users write them: where they come from, what their names and digests mean, and how wrong ones are refused.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{BINARY, Place, finish, plan};
use std::os::unix::fs::PermissionsExt;

const DEFAULTS: &str = "defaults: {provider: digicert}";

#[test]
fn a_file_that_the_plan_names_is_part_of_its_digest() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", plan(&mock, &["digicert"], DEFAULTS, "  - {from: list.csv, action: revoke}\n"));
    place.file("list.csv", "certificate_id\n1\n");
    let digest = || place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json()["digest"].clone();
    let one = digest();
    assert_eq!(digest(), one);
    place.file("list.csv", "certificate_id\n2\n");
    assert_ne!(digest(), one);
}

#[test]
fn a_plan_may_come_from_standard_input() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let text = revokes(&mock, "rate: [1000/1s]", 1);
    place.certsweep_reading(&["check", "-"], text.as_bytes()).exits(0);
    assert!(mock.seen().is_empty());
    place.certsweep_reading(&["run", "-", "--yes", "--run-dir", "run"], text.as_bytes()).exits(0);
    assert_eq!(mock.seen().len(), 1);
    assert_eq!(place.row()["outcome"], "succeeded");
    let done =
        place.certsweep_reading(&["check", "-"], b"version: 1\nactions: [{provider: digicert, acton: revoke}]\n");
    done.exits(2).says(&[":2:", "action"]);
}

#[test]
fn a_wrong_plan_is_refused_whole_with_places() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let actions = "  - {action: revoke, certificate_id: 1}\n\
                   \x20 - {action: revok, certificate_id: 2}\n\
                   \x20 - {action: revoke, certificate_id: 3, reason: keyCompromize}\n\
                   \x20 - {action: revoke-order, order_id: x}\n\
                   \x20 - {provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: keyCompromise}\n";
    let text = plan(&mock, &["digicert"], DEFAULTS, actions);
    let first = text.lines().position(|line| line == "actions:").unwrap() + 2;
    let done = place.run(&text).exits(2);
    for (line, words) in
        [(first + 1, "revoke"), (first + 2, "keyCompromise"), (first + 3, "whole number"), (first + 4, "reasons:")]
    {
        assert!(done.err.contains(&format!("plan.yaml:{line}:")), "no finding in line {line}:\n{}", done.err);
        assert!(done.err.contains(words), "`{words}`:\n{}", done.err);
    }
    assert!(mock.seen().is_empty() && !place.path("run").exists());
    let found = place.certsweep(&["check", "plan.yaml", "--json"]).exits(2).json();
    assert_eq!(found["errors"], 4, "{found}");
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let place = Place::new();
    for url in ["http://ca.example.com/v2", "http://10.0.0.1", "http://127.0.0.1.example.com"] {
        let text = format!(
            "version: 1\nproviders: {{digicert: {{base_url: \"{url}\"}}}}\nactions: [{{provider: digicert, action: revoke, certificate_id: 1}}]\n"
        );
        place.run(&text).exits(2).says(&["plan.yaml:2:", "http"]);
    }
    assert_eq!(place.names(), ["plan.yaml"]);
}

#[test]
fn a_plans_name_makes_no_path() {
    for name in ["../../outside", "/etc/x", "..", "a/b", "\\u001b[31m", "x\\ny", "長い名前", "CON"] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        let deep = place.path("one/two");
        std::fs::create_dir_all(&deep).unwrap();
        let text = revokes(&mock, "rate: [1000/1s]", 1).replace("name: test", &format!("name: \"{name}\""));
        place.file("one/two/plan.yaml", text);
        let done = finish(place.command(BINARY, &["run", "plan.yaml", "--yes"]).current_dir(&deep).spawn().unwrap());
        assert!(matches!(done.code, 0 | 2), "{name}: {done:?}");
        assert_eq!((place.names(), mock.seen().len()), (vec!["one".to_owned()], usize::from(done.code == 0)), "{name}");
        let beside = std::fs::read_dir(place.path("one")).unwrap().count();
        assert_eq!(beside, 1, "{name}");
        if done.code == 0 {
            let runs: Vec<_> =
                std::fs::read_dir(deep.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(runs.len() == 1 && runs[0].join("report.csv").exists(), "{name}: {runs:?}");
        }
    }
}

#[test]
fn a_digest_is_of_the_settings_too() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", "version: 1\nactions: [{provider: digicert, action: revoke, certificate_id: 1}]\n");
    let digest = |args: &[&str]| {
        let preview = place.certsweep(&[&["preview", "plan.yaml", "--json"][..], args].concat()).exits(0).json();
        preview["digest"].as_str().unwrap().to_owned()
    };
    let own = digest(&[]);
    place.file("settings.yaml", format!("providers: {{digicert: {{base_url: \"{}\"}}}}\n", mock.url()));
    let with = digest(&["--settings", "settings.yaml"]);
    assert_ne!(own, with, "another place to send to");
    place.certsweep(&["run", "plan.yaml", "--yes", "--digest", &own, "--settings", "settings.yaml"]).exits(2);
    assert!(mock.seen().is_empty());
    place.certsweep(&["run", "plan.yaml", "--yes", "--digest", &with, "--settings", "settings.yaml"]).exits(0);
}

#[test]
fn one_target_with_two_sets_of_parameters_is_an_error() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let actions =
        "  - {action: revoke, certificate_id: 1, comments: a}\n  - {action: revoke, certificate_id: 1, comments: b}\n";
    place.run(&plan(&mock, &["digicert"], DEFAULTS, actions)).exits(2);
    let actions = "  - {id: a, action: revoke, certificate_id: 1, needs: [b]}\n  - {id: b, action: revoke, certificate_id: 2, needs: [a]}\n";
    place.run(&plan(&mock, &["digicert"], DEFAULTS, actions)).exits(2).says(&["needs"]);
    assert!(mock.seen().is_empty());
}

#[test]
fn numbers_keep_their_digits() {
    let long = "12345678901234567890123";
    for (number, sent) in [
        ("7", Some("7")),
        ("\"7\"", Some("7")),
        (long, None),
        ("1.0", None),
        ("1e3", None),
        ("-1", None),
        ("0x10", None),
        ("0o7", None),
        ("~", None),
        ("true", None),
    ] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| super::mock::naver_done()));
        let actions = format!(
            "  - {{provider: naver, action: revoke, orderId: 00e5, certificateNo: {number}, reason: superseded}}\n"
        );
        let done = place.run(&plan(&mock, &["naver"], "", &actions));
        match (sent, done.code) {
            (Some(sent), 0) => assert_eq!(
                mock.seen()[0].text(),
                format!(r#"{{"orderId":"00e5","certificateNo":{sent},"revokeType":"superseded"}}"#)
            ),
            (None, 2) => assert!(mock.seen().is_empty()),
            (None, 0) if number == long => assert!(mock.seen()[0].text().contains(&format!(":{long},"))),
            other => panic!("{number}: {other:?} {done:?}"),
        }
    }
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place
        .run(&plan(&mock, &["digicert"], DEFAULTS, &format!("  - {{action: revoke, certificate_id: {long}}}\n")))
        .exits(0);
    assert_eq!(mock.lines(), [format!("PUT /services/v2/certificate/{long}/revoke")]);
}

#[test]
fn files_that_are_no_plans_are_refused() {
    let place = Place::bare();
    std::fs::create_dir(place.path("folder")).unwrap();
    for (name, bytes) in [
        ("empty.yaml", &b""[..]),
        ("none.yaml", b"version: 1\nactions: []\n"),
        ("null.yaml", b"version: 1\n"),
        ("binary.yaml", b"\x00\xff\xfe\x01"),
        ("plan.txt", b"hello"),
        ("version.yaml", b"version: 2\nactions: [{provider: digicert, action: revoke, certificate_id: 1}]\n"),
    ] {
        place.file(name, bytes);
        let done = place.certsweep(&["check", name]);
        assert_eq!(done.code, 2, "{name}: {done:?}");
    }
    place.certsweep(&["check", "folder"]).exits(2);
    place.certsweep(&["providers", "--provider-dir", "not-there"]).exits(2);
    let stdin = place.certsweep_reading(&["run", "-", "--yes"], b"");
    stdin.exits(2);
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    place.file("plans/lists/a.csv", "certificate_id\n1\n");
    place.file("shared/key", "key-of-the-settings\n");
    std::fs::set_permissions(place.path("shared/key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings =
        format!("providers: {{digicert: {{base_url: \"{}\", credentials: {{api_key: \"file:key\"}}}}}}\n", mock.url());
    place.file("shared/settings.yaml", settings);
    place.file(
        "plans/plan.yaml",
        "\u{feff}version: 1\r\nactions:\r\n  - {provider: digicert, from: lists/a.csv, action: revoke}\r\n",
    );
    place
        .certsweep(&[
            "run",
            "plans/plan.yaml",
            "--yes",
            "--settings",
            "shared/settings.yaml",
            "--run-dir",
            "deep/er/run",
        ])
        .exits(0);
    assert_eq!(mock.seen()[0].header("x-dc-devkey"), Some("key-of-the-settings"));
    assert!(place.path("deep/er/run/report.csv").exists());
    for (path, bytes) in place.bytes_below("deep") {
        assert!(!super::requests::contains(&bytes, b"key-of-the-settings"), "{}", path.display());
    }
}
