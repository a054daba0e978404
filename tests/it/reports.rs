//! Reports: the contract's columns to the byte, safe for spreadsheets and terminals, and the same whenever they are written.

use super::mock::{Mock, empty, json};
use super::place::{Place, plan, rows};

const HEADER: &str = "action_id,provider,operation,target,reason,reason_sent,outcome,http_status,provider_code,provider_message,provider_ref,attempts,started_at,finished_at,duration_ms,source";

/// A run with two ends, with outside text that tries to do harm.
fn ran() -> (Place, Mock) {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.contains("/2/") {
        true => json(
            400,
            r#"{"errors":[{"code":"=cmd|' /C calc'!A0","message":"@SUM(1)\u001b[31m red\r\n\"x\", y\u202e"}]}"#,
        ),
        false => json(201, r#"{"id":9917,"type":"revoke","status":"pending"}"#),
    });
    let actions = "  - {id: \"-one\", action: revoke, certificate_id: 1, reason: keyCompromise}\n\
                   \x20 - {id: two, action: revoke, certificate_id: 2, comments: c}\n";
    place.file("plan.yaml", plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--report", "copy.csv"]).exits(1);
    (place, mock)
}

#[test]
fn the_columns_are_the_contracts_and_the_cells_are_safe() {
    let (place, _mock) = ran();
    let report = place.read("run/report.csv");
    assert_eq!(report.split("\r\n").next().unwrap(), HEADER);
    assert!(report.ends_with("\r\n") && !report.starts_with('\u{feff}'));
    assert!(!report.replace("\r\n", "").contains(['\r', '\n']), "{report}");
    let rows = rows(&report);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["action_id"], "'-one");
    assert_eq!((rows[0]["reason"].as_str(), rows[0]["reason_sent"].as_str()), ("keyCompromise", "key_compromise"));
    assert_eq!((rows[0]["http_status"].as_str(), rows[0]["provider_ref"].as_str()), ("201", "9917"));
    assert!(rows[1]["provider_code"].starts_with("'=cmd"), "{rows:?}");
    assert!(rows[1]["provider_message"].starts_with("'@SUM(1)"), "{rows:?}");
    assert!(!report.replace("\r\n", "").chars().any(|char| char.is_control() || char == '\u{202e}'), "{report}");
    for row in &rows {
        for column in ["started_at", "finished_at"] {
            let at: jiff::Timestamp = row[column].parse().unwrap();
            assert_eq!(format!("{at:.3}"), row[column], "RFC 3339 in UTC with milliseconds");
        }
        let (from, to): (jiff::Timestamp, jiff::Timestamp) =
            (row["started_at"].parse().unwrap(), row["finished_at"].parse().unwrap());
        let length = to.duration_since(from).as_millis();
        assert!((length - row["duration_ms"].parse::<i128>().unwrap()).abs() <= 1, "{row:?}");
        assert!(row["source"].starts_with("plan.yaml:"));
    }
}

#[test]
fn a_report_written_again_is_the_same() {
    let (place, _mock) = ran();
    let report = place.read("run/report.csv");
    assert_eq!(place.read("copy.csv"), report);
    assert_eq!(place.certsweep(&["report", "run"]).exits(0).out, report);
    assert_eq!(place.certsweep(&["report", "run", "--format", "csv", "-o", "again.csv"]).exits(0).out, "");
    assert_eq!(place.read("again.csv"), report);
    let one = place.certsweep(&["report", "run", "--outcome", "rejected"]).exits(0).out;
    assert_eq!(rows(&one).len(), 1);
    // A place that is not there is a mistake of the command line; a file that cannot be written, the environment's fault.
    place.certsweep(&["report", "run", "-o", "no/such/folder/x.csv"]).exits(2);
    place.certsweep(&["report", "run", "-o", "/dev/full"]).exits(4);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_shell_has_opened_is_written_to_and_stays() {
    use super::place::{BINARY, finish};
    let (place, _mock) = ran();
    let line = format!(
        "ln -s /dev/stdout link; exec >out; echo before; {BINARY} report run -o link; echo between; \
         {BINARY} report run -o /proc/self/fd/1; echo behind; {BINARY} report run -o named 3>>out"
    );
    finish(place.command("sh", &["-c", &line]).spawn().unwrap()).exits(0);
    let report = place.read("named");
    assert_eq!(place.read("out"), format!("before\n{report}between\n{report}behind\n"));
    assert!(place.path("link").is_symlink());
    let line = format!("echo before >other; {BINARY} report run -o /dev/fd/3 3>>other; echo behind >>other");
    finish(place.command("sh", &["-c", &line]).spawn().unwrap()).exits(0);
    assert_eq!(place.read("other"), format!("before\n{report}behind\n"));
}

#[test]
fn a_report_as_json_says_the_same_verbatim() {
    let (place, _mock) = ran();
    let columns: Vec<&str> = HEADER.split(',').collect();
    for args in [&["report", "run", "--format", "json"][..], &["report", "run", "--json"]] {
        let status = place.certsweep(args).exits(0);
        let first = status.out.lines().nth(1).unwrap();
        let places: Vec<_> = columns.iter().map(|column| first.find(&format!("\"{column}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{first}");
        let json = status.json();
        let json = json.as_array().unwrap();
        assert_eq!((json.len(), json[0].as_object().unwrap().len()), (2, columns.len()));
        assert_eq!((&json[0]["action_id"], &json[0]["http_status"]), (&"-one".into(), &201.into()));
        assert_eq!((&json[0]["outcome"], &json[1]["outcome"]), (&"pending-approval".into(), &"rejected".into()));
        assert_eq!(json[1]["reason"], serde_json::Value::Null);
    }
}

#[test]
fn a_page_is_held_against_its_run() {
    let (mut place, _mock) = ran();
    place.certsweep(&["report", "run", "--format", "html", "-o", "page.html"]).exits(0);
    let page = place.read("page.html");
    // What the provider said is text: it is shown, and acts on nothing.
    assert!(page.contains("@SUM(1)\\u{1b}[31m red") && !page.contains(['\u{1b}', '\u{202e}']));
    assert_eq!(page.matches("<script").count(), 2, "its own rows, and its own script");
    assert_eq!(
        page.matches("http:").count() + page.matches("https:").count(),
        page.matches("http://127.0.0.1:").count()
    );
    place.certsweep(&["report", "run", "--check", "page.html"]).exits(0);
    // The same of a part, from another place, and where more was asked of the environment.
    place.set("CERTSWEEP_TICKET", "INC-43");
    let run = place.path("run").display().to_string();
    place.certsweep(&["report", &run, "--format", "html", "--outcome", "rejected", "-o", "part.html"]).exits(0);
    place.certsweep(&["report", "run", "--check", "part.html"]).exits(0);
    for (name, changed, why) in [
        ("word.html", page.replacen("rejected", "succeeded", 1), "it was changed after it was written: line "),
        ("rows.html", page.replace("id=\"packed\">H", "id=\"packed\">I"), "it was changed after it was written: line "),
        ("none.html", place.read("run/report.csv"), "is no page of"),
    ] {
        place.file(name, changed);
        let told = place.certsweep(&["report", "run", "--check", name]).exits(1);
        assert!(told.err.contains(why) && told.out.is_empty(), "{}", told.err);
    }
    place.certsweep(&["report", "run", "--check", "nowhere.html"]).exits(2);
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(1);
    let told = place.certsweep(&["report", "run", "--check", "page.html"]).exits(1);
    assert!(told.err.contains("not those of the run as it stands now"), "{}", told.err);
}

#[test]
fn who_began_a_run_stands_in_it_and_in_its_reports() {
    let mut place = Place::new();
    let mock = Mock::start(|_, _| empty(204));
    let actions = "  - {id: one, action: revoke, certificate_id: 1}\n";
    place.file("plan.yaml", plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions));
    place.set("CERTSWEEP_TICKET", "INC-42");
    place.set("USER", "kim");
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--operator", "=Kim <b>"]).exits(0);
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["operator"], &status["ticket"]), (&"=Kim <b>".into(), &"INC-42".into()));
    assert!(status["user"].as_str().unwrap().starts_with("kim (uid ") && status["host"].is_string(), "{status}");
    assert_eq!((&status["command_line"][1], &status["version"]), (&"run".into(), &env!("CARGO_PKG_VERSION").into()));
    let text = place.certsweep(&["status", "run"]).exits(0).out;
    assert!(text.contains("operator =Kim <b>\nticket   INC-42\n"), "{text}");
    let row = place.row();
    assert_eq!((row["operator"].as_str(), row["ticket"].as_str()), ("'=Kim <b>", "INC-42"));
    let json = place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
    assert_eq!((&json[0]["operator"], &json[0]["ticket"]), (&"=Kim <b>".into(), &"INC-42".into()));
    let page = place.certsweep(&["report", "run", "--format", "html"]).exits(0).out;
    for expected in ["=Kim &#60;b&#62;", "INC-42", "kim (uid ", "run plan.yaml --yes --run-dir run --operator"] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    place.certsweep(&["run", "plan.yaml", "--yes", "--operator", &"x".repeat(201)]).exits(2);
}

#[test]
fn what_providers_say_reaches_a_terminal_without_control_characters() {
    let (place, _mock) = ran();
    let again = place.certsweep(&["resume", "run", "--yes", "--retry", "rejected", "-vv"]).exits(1);
    for text in [&again.out, &again.err, &place.certsweep(&["status", "run"]).exits(0).out] {
        assert!(!text.chars().any(|char| (char.is_control() && char != '\n') || char == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_status_counts_and_parses() {
    let (place, _mock) = ran();
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["actions"], &status["waiting"]), (&"finished".into(), &2.into(), &0.into()));
    assert_eq!((&status["outcomes"]["pending-approval"], &status["outcomes"]["rejected"]), (&1.into(), &1.into()));
}

#[test]
fn a_rejected_action_taken_up_again_has_the_new_end_in_the_report() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| match nth {
        0 => json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#),
        _ => empty(204),
    });
    place
        .run(&plan(&mock, &["digicert"], "", "  - {provider: digicert, action: revoke, certificate_id: 1}\n"))
        .exits(1);
    place.certsweep(&["resume", "run", "--yes"]).exits(1);
    assert_eq!(mock.seen().len(), 1, "a finished run has nothing to go on with");
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(0);
    let row = place.row();
    assert_eq!(
        (row["outcome"].as_str(), row["attempts"].as_str(), row["http_status"].as_str()),
        ("succeeded", "2", "204")
    );
    assert_eq!((row["provider_code"].as_str(), row["provider_message"].as_str()), ("", ""));
}

#[test]
fn what_is_left_is_written_as_a_plan_of_its_own() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.rsplit_once("/v2").map_or("", |(_, path)| path) {
        "/certificate/1/revoke" => empty(204),
        "/order/certificate/7" => json(200, r#"{"id":7,"status":"issued"}"#),
        _ => json(400, r#"{"errors":[{"code":"bad","message":"no"}]}"#),
    });
    let actions = "  - {id: done, action: revoke, certificate_id: 1, reason: keyCompromise}\n\
                   \x20 - {id: \"0012\", action: revoke, certificate_id: 00e5, reason: keyCompromise, comments: \"a; \\\"b\\\"\", skip_approval: true}\n\
                   \x20 - {id: whole, action: revoke-order, order_id: 7, reason: superseded}\n\
                   \x20 - {id: digits, action: revoke, certificate_id: \"12:34:56:78:90:12:34:56:78:90:12:34:56:78:90:12\", reason: superseded}\n";
    place.file("plan.yaml", plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(1);
    let all = "failed,rejected,in-doubt,skipped";
    place.certsweep(&["report", "run", "--format", "plan", "--outcome", all, "-o", "left.csv"]).exits(0);
    let left = rows(&place.read("left.csv"));
    assert_eq!(left.len(), 3);
    assert_eq!((left[0]["id"].as_str(), left[0]["certificate_id"].as_str()), ("0012", "E5"));
    // Digits alone might be decimal.
    assert_eq!(left[2]["certificate_id"], "0x12345678901234567890123456789012");
    assert_eq!((left[0]["reason"].as_str(), left[0]["comments"].as_str()), ("keyCompromise", "a; \"b\""));
    assert_eq!((left[0]["skip_approval"].as_str(), left[1]["order_id"].as_str()), ("true", "7"));
    place.file("settings.yaml", format!("providers: {{digicert: {{base_url: \"{}/services/v2\"}}}}\n", mock.url()));
    let checked = place.certsweep(&["check", "left.csv", "--settings", "settings.yaml"]).exits(0);
    assert!(checked.out.contains("ok: 3 actions"), "{}", checked.out);
    let before = mock.seen().len();
    place.certsweep(&["run", "left.csv", "--settings", "settings.yaml", "--yes", "--run-dir", "again"]).exits(1);
    let sent = |index: usize| mock.seen()[index].text();
    let first = mock.seen().iter().position(|seen| seen.target.ends_with("/certificate/E5/revoke")).unwrap();
    assert!(first < before && (before..mock.seen().len()).any(|index| sent(index) == sent(first)), "the same requests");
}
