//! Credentials: where they come from, what happens where they are missing or refused, and that nothing ever shows one.

use super::limits::revokes;
use super::mock::{Act, Mock, empty, json, naver_done};
use super::place::{BINARY, CREDENTIALS, CommandOutput, Place, finish, plan, reissue};
use super::requests::contains;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::PermissionsExt;

const KEY: &str = "DIGIKEYEXAMPLE0f93a1c277";

#[test]
fn credentials_come_from_the_environment_from_a_file_or_from_a_command() {
    for (reference, sent) in [
        ("env:OTHER_KEY", "from-the-environment"),
        ("file:secrets/key", "from-a-file"),
        ("command:printf from-a-command", "from-a-command"),
        ("command:cat 'secrets/a b'", "from-a-quoted-name"),
    ] {
        let mut place = Place::bare();
        place.set("OTHER_KEY", "from-the-environment");
        for (name, text) in [("secrets/key", "from-a-file\n"), ("secrets/a b", "from-a-quoted-name\n")] {
            let path = place.file(name, text);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mock = Mock::start(|_, _| empty(204));
        let credentials = format!("rate: [1000/1s], credentials: {{api_key: {reference:?}}}");
        place.run(&revokes(&mock, &credentials, 1)).exits(0);
        assert_eq!(mock.seen()[0].header("x-dc-devkey"), Some(sent), "{reference}");
        for (path, bytes) in place.bytes_below("run") {
            let expected = reference.contains(sent);
            assert!(expected || !contains(&bytes, sent.as_bytes()), "{reference}: it stands in {}", path.display());
        }
    }
}

#[test]
fn a_finding_among_the_accounts_shows_no_line_that_may_hold_a_credential() {
    let actions = "actions: [{provider: digicert, action: revoke, certificate_id: 1}]\n";
    for accounts in [
        "providers: {naver: [x, hunter2hunter2]}",
        "providers:\n  digicert: hunter2hunter2",
        "providers:\n  digicert:\n    - hunter2hunter2",
        "providers:\n  digicert: [x,\n    hunter2hunter2",
        "providers:\n  digicert:\n    variables: [hunter2hunter2]",
        "providers:\n  digicert:\n    rate: [\"1/1s\", {a: hunter2hunter2}]",
        "providers:\n  digicert:\n    key: hunter2hunter2\n    key: hunter2hunter2",
        "providers:\n  digicert: !secret hunter2hunter2",
        "provider:\n  digicert: {key: hunter2hunter2}",
    ] {
        let place = Place::bare();
        place.file("plan.yaml", format!("version: 1\n{accounts}\n{actions}"));
        place.file(
            "plan.json",
            "{\"version\": 1, \"providers\": {\"digicert\": [\"hunter2hunter2\"]}, \"actions\": [{}]}",
        );
        place.file("good.yaml", format!("version: 1\n{actions}"));
        place.file("settings.yaml", format!("version: 1\n{accounts}\n"));
        let shared = ["check", "good.yaml", "--settings", "settings.yaml"];
        for command in [&["check", "plan.yaml"][..], &["check", "plan.json"], &shared] {
            let done = place.certsweep(command).exits(2);
            assert!(!done.err.contains("hunter2") && !done.out.contains("hunter2"), "{accounts}: {}", done.err);
            assert!(done.err.contains("--> "), "{}", done.err);
        }
    }
}

#[test]
fn a_variable_that_is_no_text_is_not_called_missing() {
    use std::os::unix::ffi::OsStrExt;
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    let mut command = place.command(BINARY, &["run", "plan.yaml", "--yes"]);
    command.env("DIGICERT_API_KEY", std::ffi::OsStr::from_bytes(b"caf\xe9-0f93a1c277"));
    let done = finish(command.spawn().unwrap()).exits(4);
    done.says(&["env:DIGICERT_API_KEY", "the variable holds bytes that are no UTF-8 text"]);
    assert!(mock.seen().is_empty());
}

#[test]
fn a_process_that_holds_credentials_leaves_no_core_file_and_may_open_many() {
    let mut place = Place::bare();
    // What a process starts has its limits.
    let script = place.file("limits", "ulimit -Sc >limits.core\nulimit -Sn >limits.files\necho key\n");
    place.set("OTHER_KEY", "unused");
    let mock = Mock::start(|_, _| empty(204));
    let reference = format!("command:sh {}", script.display());
    place.run(&revokes(&mock, &format!("rate: [1000/1s], credentials: {{api_key: {reference:?}}}"), 1)).exits(0);
    assert_eq!(place.read("limits.core").trim(), "0");
    let files = place.read("limits.files");
    assert!(files.trim() == "unlimited" || files.trim().parse::<u64>().unwrap() >= 1_024, "{files}");
}

#[test]
fn all_missing_credentials_are_named_and_nothing_is_sent_or_made() {
    let place = Place::bare();
    let mock = Mock::start(|_, _| naver_done());
    let actions = "  - {provider: digicert, action: revoke, certificate_id: 1}\n\
                   \x20 - {provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
    place.run(&plan(&mock, &["digicert", "naver"], "", actions)).exits(4).says(&[
        "DIGICERT_API_KEY",
        "NCP_ACCESS_KEY",
        "NCP_SECRET_KEY",
    ]);
    assert_eq!(place.names(), ["plan.yaml"]);
    for reference in ["env:NOT_THERE", "file:not-there", "command:false", "command:not-a-program-7", "command:true"] {
        let credentials = format!("rate: [1000/1s], credentials: {{api_key: {reference:?}}}");
        place.run(&revokes(&mock, &credentials, 1)).exits(4);
        assert_eq!(place.names(), ["plan.yaml"], "{reference}");
    }
    assert!(mock.seen().is_empty());
}

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    let place = Place::bare();
    let mock = Mock::start(|_, _| empty(204));
    let done = place.run(&revokes(&mock, "credentials: {api_key: 0123456789abcdef-literal}", 1)).exits(2);
    assert!(done.err.contains("plan.yaml:"), "{}", done.err);
    assert!(mock.seen().is_empty());
    assert_eq!(place.names(), ["plan.yaml"]);
}

#[test]
fn a_provider_that_refuses_its_credentials_stops_alone() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match seen.target.as_str() {
        target if target.contains("/certificate/1/") && nth == 0 => {
            json(401, r#"{"errors":[{"code":"access_denied","message":"The API key is not valid."}]}"#)
        }
        target if target.contains("/services/") => empty(204),
        _ => naver_done(),
    });
    let mut actions: String = (1..=5)
        .map(|id| format!("  - {{id: d{id}, provider: digicert, action: revoke, certificate_id: {id}}}\n"))
        .collect();
    for number in 1..=3 {
        actions.push_str(&format!(
            "  - {{id: n{number}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"
        ));
    }
    let text = plan(&mock, &["digicert", "naver"], "", &actions).replace("concurrency: 4", "concurrency: 1");
    let done = place.run(&text).exits(4);
    assert!(done.out.contains("resume run"), "{}", done.out);
    assert_eq!((mock.count("/services/"), mock.count("/api/v2")), (1, 3), "{:?}", mock.lines());
    let rows = place.rows();
    for row in &rows[..5] {
        assert_eq!(row["outcome"], "skipped", "{row:?}");
    }
    for row in &rows[5..] {
        assert_eq!(row["outcome"], "succeeded", "{row:?}");
    }
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["waiting"]), (&"stopped".into(), &5.into()));
    // The first of them was refused once more than it took effect; the second process is not.
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"));
    assert_eq!((mock.count("/services/"), mock.count("/api/v2")), (6, 3));
}

#[test]
fn naver_refuses_a_sub_accounts_key_by_an_empty_403() {
    let place = Place::new();
    let mock = Mock::start(|_, _| empty(403));
    let done = place.run(&plan(&mock, &["naver"], "", &reissue("new", 5))).exits(4);
    assert!(done.err.contains("main account") || done.out.contains("main account"), "{done:?}");
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn no_secret_is_shown_or_stored_anywhere() {
    let place = Place::new();
    // A provider that repeats the key in everything that it says.
    let mock = Mock::start(|seen, nth| {
        let keys = match seen.target.as_str() {
            target if target.starts_with("/services/") => &CREDENTIALS[..1],
            target if target.starts_with("/api/") => &CREDENTIALS[1..3],
            _ => &CREDENTIALS[3..],
        };
        let key = keys.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(" ");
        let said = format!(
            r#"{{"errors":[{{"code":"{key}","message":"bad key {key}"}}],"error":{{"errorCode":"{key}","message":"no {key}"}},"error_code":"{key}","error_msg":"{key}","request_id":"{key}"}}"#
        );
        let (status, act) = match seen.target.as_str() {
            target if target.contains("/1/") => (400, None),
            target if target.contains("/2/") && nth == 0 => (500, None),
            target if target.contains("/3/") && nth == 0 => (500, Some(Act::Close)),
            target if target.contains("/4/") => (200, None),
            target if target.contains("getPaid") => (400, None),
            target if target.contains("/api/") => (404, None),
            target if target.contains("/v1/") => (404, None),
            target if target.contains("/5/") => (401, None),
            _ => (500, None),
        };
        act.unwrap_or_else(|| json(status, &said).with("x-ncp-apigw-request-id", &key).with("x-request-id", &key))
    });
    let mut actions: String = (1..=5)
        .map(|id| format!("  - {{provider: digicert, action: revoke, certificate_id: {id}, comments: c}}\n"))
        .collect();
    actions.push_str("  - {provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n");
    actions.push_str(&reissue("new", 9));
    actions.push_str(&format!("  - {{provider: huawei, action: revoke-ca, ca_id: {}}}\n", super::place::CA));
    place.file("plan.yaml", plan(&mock, &["digicert", "naver", "huawei"], "", &actions));
    let mut shown: Vec<CommandOutput> = vec![
        place.certsweep(&["check", "plan.yaml", "-vv"]),
        place.certsweep(&["preview", "plan.yaml", "-vv"]),
        place.certsweep(&["preview", "plan.yaml", "--json"]),
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--report", "copy.csv", "-vv"]).exits(4),
        place.certsweep(&["resume", "run", "--yes", "--retry", "failed,in-doubt,rejected", "-vv", "--json"]),
    ];
    for args in [["status", "run"], ["report", "run"]] {
        shown.push(place.certsweep(&args));
        shown.push(place.certsweep(&[args[0], args[1], "--json"]));
    }
    shown.push(place.certsweep(&["report", "run", "--format", "html"]));
    let mut files = place.bytes_below("run");
    files.push((place.path("copy.csv"), place.read("copy.csv").into_bytes()));
    assert!(files.len() >= 4, "{files:?}");
    for (name, secret) in CREDENTIALS {
        for done in &shown {
            assert!(
                !done.out.contains(secret) && !done.err.contains(secret),
                "{name} is shown:\n{}\n{}",
                done.out,
                done.err
            );
        }
        for (path, bytes) in &files {
            assert!(!contains(bytes, secret.as_bytes()), "{name} stands in {}", path.display());
        }
    }
    let report = place.read("run/report.csv");
    assert!(report.contains("bad key (secret)"), "{report}");
    assert!(mock.seen().iter().any(|seen| seen.header("x-dc-devkey") == Some(KEY)));
}

#[test]
fn a_secret_in_other_dress_is_masked_too() {
    let secret = "<b>&amp;'K-0f93a1c277+/=%\"";
    let base64 = |text: &str| STANDARD.encode(text);
    let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let url: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let numbers: String = secret.chars().map(|letter| format!("&#x{:X};", u32::from(letter))).collect();
    for (name, echoed) in [
        ("as it is", secret.to_owned()),
        ("for HTML", html(secret).replace('\'', "&#39;")),
        ("for HTML, all of it", html(secret).replace('\'', "&#x27;").replace('/', "&#47;").replace('=', "&#61;")),
        ("for HTML, in numbers", numbers),
        ("for HTML, twice", html(&html(secret)).replace('\'', "&amp;#039;")),
        ("for a URL", url.to_lowercase().replace('%', "%25")),
        ("for JSON, within JSON", secret.replace('<', "\\u003c").replace('"', "\\\"")),
        ("in base64", base64(secret)),
        ("as a Basic credential", format!("Basic {}", base64(&format!("user:{secret}")))),
        ("as another", format!("Basic {}", base64(&format!("someone:{secret}")))),
        ("with its length before it", base64(&format!("22 {secret} and more"))),
        ("in hexadecimal digits", secret.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ] {
        let mut place = Place::bare();
        place.set("DIGICERT_API_KEY", secret);
        let body =
            serde_json::json!({"errors": [{"code": echoed, "message": format!("wrong: {echoed} !")}]}).to_string();
        let mock = Mock::start(move |_, _| json(400, &body));
        let action = "  - {action: revoke, provider: digicert, certificate_id: 1}\n";
        place.file("plan.yaml", plan(&mock, &["digicert"], "", action));
        let done = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "-vv"]).exits(1);
        let row = place.row();
        assert!(row["provider_message"].contains("(secret)"), "{name}: {row:?}");
        // Of base64 within a longer text, the letters at both ends hold bits of its neighbours.
        let part: String = echoed.chars().skip(14).take(14).collect();
        for text in [&row["provider_message"], &row["provider_code"], &done.out, &done.err] {
            assert!(!text.contains(&part), "{name}: {part} is in {text}");
        }
        for (path, bytes) in place.bytes_below("run") {
            assert!(!contains(&bytes, part.as_bytes()), "{name}: {part} stands in {}", path.display());
        }
    }
}

#[test]
fn a_secret_that_is_too_short_to_be_masked_is_warned_of() {
    for (value, is_warned) in [("a", true), ("abc", true), ("abcd", false)] {
        let mut place = Place::bare();
        place.set("DIGICERT_API_KEY", value);
        let mock = Mock::start(|_, _| empty(204));
        let action = "  - {action: revoke, provider: digicert, certificate_id: 1}\n";
        let done = place.run(&plan(&mock, &["digicert"], "", action)).exits(0);
        let told = done.err.contains("warning: credential `api_key` of `digicert`: it has fewer than 4 characters");
        assert_eq!(told, is_warned, "{value}: {}", done.err);
    }
}

#[test]
fn the_plans_settings_win_over_the_shared_ones() {
    let mut place = Place::bare();
    place.set("SHARED_KEY", "shared-key-value");
    place.set("OWN_KEY", "own-key-value");
    let mock = Mock::start(|_, _| empty(204));
    place.file(
        "shared.yaml",
        format!(
            "providers:\n  digicert: {{base_url: \"{}/shared\", credentials: {{api_key: \"env:SHARED_KEY\"}}}}\n",
            mock.url()
        ),
    );
    place.file("plan.yaml", "version: 1\nactions:\n  - {provider: digicert, action: revoke, certificate_id: 1}\n");
    let run = ["run", "plan.yaml", "--yes", "--settings", "shared.yaml", "--run-dir"];
    place.certsweep(&[&run[..], &["one"]].concat()).exits(0);
    place.file(
        "plan.yaml",
        "version: 1\nproviders: {digicert: {credentials: {api_key: \"env:OWN_KEY\"}}}\nactions:\n  - {provider: digicert, action: revoke, certificate_id: 1}\n",
    );
    place.certsweep(&[&run[..], &["two"]].concat()).exits(0);
    place.set("CERTSWEEP_SETTINGS", "shared.yaml");
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "three"]).exits(0);
    let keys: Vec<String> = mock.seen().iter().map(|seen| seen.header("x-dc-devkey").unwrap().to_owned()).collect();
    assert_eq!(keys, ["shared-key-value", "own-key-value", "own-key-value"]);
    assert!(mock.lines().iter().all(|line| line == "PUT /shared/certificate/1/revoke"), "{:?}", mock.lines());
}

#[test]
fn a_key_at_the_end_of_a_long_message_is_masked_whole() {
    let place = Place::new();
    let mock = Mock::start(|_, _| {
        json(400, &format!(r#"{{"errors":[{{"code":"x","message":"{}{KEY}"}}]}}"#, "x".repeat(990)))
    });
    place.run(&revokes(&mock, "rate: [1000/1s]", 1)).exits(1);
    for (path, bytes) in place.bytes_below("run") {
        assert!(!contains(&bytes, &KEY.as_bytes()[..8]), "{} holds the key's beginning", path.display());
    }
}

/// Whatever else is wrong on its line, and where no check knows that it is one.
#[test]
fn a_literal_secret_is_not_shown_by_the_finding_about_something_else() {
    let place = Place::bare();
    for text in [
        "providers: {mine: {uses: digicrt, credentials: {api_key: \"S3cr3t99\"}}}",
        "provider: {digicert: {credentials: {api_key: S3cr3t99}}}",
        "providers: {digicert: {credential: {api_key: S3cr3t99}}}",
        "providers: {digicert: {credentials: {api_key: \"S3cr3t99\"}, rate: 1/1s} x",
        "providers: {digicert: S3cr3t99}",
        "providers: {digicert: {base_url: \"https://ca.example/?token=S3cr3t99\"}}",
        "api_key: S3cr3t99",
        "defaults: {comments: x, credentials: {api_key: S3cr3t99}}",
        "hooks: [{on: endd, command: \"curl -H 'Authorization: Bearer S3cr3t99'\"}]",
    ] {
        place.file(
            "plan.yaml",
            format!("version: 1\n{text}\nactions:\n  - {{provider: digicert, action: revoke, certificate_id: 1}}\n"),
        );
        for args in [&["check", "plan.yaml"][..], &["check", "plan.yaml", "-v"], &["check", "plan.yaml", "--json"]] {
            let done = place.certsweep(args).exits(2);
            assert!(!done.out.contains("S3cr3t99") && !done.err.contains("S3cr3t99"), "{text}: {done:?}");
        }
    }
}

#[test]
fn a_credential_that_cannot_be_sent_is_an_error_before_anything_is_sent() {
    for value in ["", "  ", "a\nb", "k\u{e9}y", "\u{7}"] {
        let mut place = Place::bare();
        place.set("DIGICERT_API_KEY", value);
        let mock = Mock::start(|_, _| empty(204));
        let done = place.run(&revokes(&mock, "rate: [1000/1s]", 1));
        assert_eq!(done.code, 4, "{value:?}: {done:?}");
        assert!(mock.seen().is_empty() && place.names() == ["plan.yaml"], "{value:?}");
    }
}

#[test]
fn a_provider_that_no_action_uses_needs_no_credentials() {
    let mut place = Place::bare();
    place.set("DIGICERT_API_KEY", KEY);
    let mock = Mock::start(|_, _| empty(204));
    let actions = "  - {provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&mock, &["digicert", "naver", "huawei"], "", actions)).exits(0);
    assert_eq!(mock.seen().len(), 1);
}
