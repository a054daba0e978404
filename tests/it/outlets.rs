//! What other programs get of a run: event lines, hooks, the metrics file; and that none of them, however it fails, touches the run.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::page_server::{ask, serve};
use super::place::{BINARY, Place, csr, finish, signal};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// The lines of an event stream, each of which must be as the schema says.
#[track_caller]
fn events(place: &Place, text: &str) -> Vec<Value> {
    let schema = place.certsweep(&["schema", "--of", "events"]).exits(0).json();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let lines = text.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(error) = validator.iter_errors(&event).next() {
            panic!("{line}: {error}");
        }
        event
    });
    lines.collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_run_is_told_line_by_line_and_resume_adds_its_own() {
    let (place, mock) =
        (Place::new(), Mock::start(|seen, _| if seen.target.contains("/3/") { empty(404) } else { empty(204) }));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 4));
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--events", "events.jsonl"];
    place.certsweep(&run).exits(1);
    let told = events(&place, &place.read("events.jsonl"));
    assert_eq!((types(&told)[0], *types(&told).last().unwrap()), ("began", "ended"));
    let first = &told[0];
    assert_eq!(
        (&first["v"], &first["plan"], &first["run_dir"], &first["simulated"]),
        (&1.into(), &"test".into(), &"run".into(), &false.into())
    );
    let outcomes = told.iter().filter(|event| event["type"] == "outcome");
    assert_eq!(outcomes.filter(|event| event["outcome"] == "succeeded" && event["http_status"] == 204).count(), 3);
    let ended = told.last().unwrap();
    assert_eq!(
        (&ended["exit_code"], &ended["outcomes"]["succeeded"], &ended["state"]),
        (&1.into(), &3.into(), &"finished".into())
    );
    let count = told.len();
    place
        .certsweep(&["resume", "run", "--yes", "--retry", "rejected,failed,in-doubt", "--events", "events.jsonl"])
        .exits(1);
    let told = events(&place, &place.read("events.jsonl"));
    assert_eq!(types(&told[count..]).first(), Some(&"began"), "what was there stays");
}

#[test]
fn standard_output_holds_event_lines_alone() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    for more in [None, Some("--json")] {
        let args = ["run", "plan.yaml", "--yes", "--again", "--events", "-"].into_iter().chain(more);
        let done = place.certsweep(&args.collect::<Vec<_>>()).exits(0);
        let told = events(&place, &done.out);
        assert_eq!(*types(&told).last().unwrap(), "ended");
        assert!(done.err.contains("2 succeeded") || done.err.contains("succeeded"), "{}", done.err);
    }
    std::fs::create_dir(place.path("there")).unwrap();
    for option in ["--events", "--metrics", "--report"] {
        let run = ["run", "plan.yaml", "--yes", "--again", option];
        let missing = format!("{option} no/such/dir/file: there is no directory no/such/dir");
        place.certsweep(&[&run[..], &["no/such/dir/file"]].concat()).exits(2).says(&[&missing]);
        place.certsweep(&[&run[..], &["there"]].concat()).exits(2).says(&["there: it is a directory; name a file"]);
    }
    assert_eq!(mock.seen().len(), 4, "nothing was sent where others cannot be told");
    let made = ["--run-dir", "made", "--report", "made/copy.csv", "--metrics", "made/run.prom"];
    place.certsweep(&[&["run", "plan.yaml", "--yes", "--again"][..], &made].concat()).exits(0);
    assert!(place.path("made/copy.csv").is_file(), "what the run itself makes is there in time");
    for command in [&["verify", "made"][..], &["report", "made"], &["find", "--in", "plan.yaml"]] {
        let done = place.certsweep(&[command, &["-o", "no/such/file"]].concat()).exits(2);
        done.says(&["-o no/such/file: there is no directory no/such"]);
    }
}

#[test]
fn hooks_get_their_events_without_credentials_and_their_failure_stops_nothing() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("hook", "#!/bin/sh\ncat >> \"$1\"\necho \"key=$DIGICERT_API_KEY\" >> keys\n");
    place.file(
        "settings.yaml",
        "hooks:\n  - {on: [ended, wave], command: \"sh hook told\"}\n  - {on: ended, command: \"no-such-program-here\"}\n  \
         - {on: ended, command: \"sh -c 'echo no route >&2; exit 3'\"}\n",
    );
    place.file(
        "plan.yaml",
        revokes(&mock, "rate: [1000/1s]", 3)
            .replace("actions:\n", "safety: {waves: [1, 100%], between_waves: 0}\nactions:\n"),
    );
    let args = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--settings", "settings.yaml"];
    place.certsweep(&args).exits(0).says(&[
        "the hook `no-such-program-here` for `ended` failed: it could not be started",
        "the hook `sh` for `ended` failed: it ended with exit status: 3: no route",
    ]);
    let told = events(&place, &place.read("told"));
    assert_eq!(types(&told), ["wave", "ended"]);
    assert_eq!((&told[0]["state"], &told[0]["wave"], &told[1]["exit_code"]), (&"began".into(), &2.into(), &0.into()));
    assert_eq!(place.read("keys"), "key=\nkey=\n");
}

#[test]
fn a_hook_is_told_of_new_certificates_that_are_there_already() {
    let place = Place::new();
    place.file("hook", "#!/bin/sh\ncat >> told\nfind run/certificates -name '*.pem' | sort >> seen\n");
    place.file("plan.yaml", format!(
        "version: 1\nhooks: {{on: issued, command: \"sh hook\"}}\nactions:\n  - {{id: shop/new, provider: vault, action: reissue, role: web, common_name: shop.example.com, csr: \"{}\"}}\n",
        csr()
    ));
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0);
    let told = events(&place, &place.read("told"));
    assert_eq!(types(&told), ["issued"]);
    assert_eq!((&told[0]["total"], &told[0]["action_ids"][0]), (&1.into(), &"shop/new".into()));
    assert_eq!(place.read("seen"), "run/certificates/shop/new.pem\n");
}

#[test]
fn a_hook_calls_a_webhook_with_the_event_as_its_body() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let webhook = Mock::start(|_, _| empty(204));
    let call = "curl --silent --show-error --fail --noproxy '*' --max-time 20 --header 'Content-Type: application/json' --data-binary @-";
    let settings = format!(
        "hooks:\n  - {{on: [wave, ended], command: \"{call} {0}/hooks/certsweep\"}}\n  - {{on: ended, command: \"{call} http://127.0.0.1:9/nobody\"}}\n",
        webhook.url()
    );
    place.file("settings.yaml", settings);
    let waves = "safety: {waves: [1, 100%], between_waves: 0}\nactions:\n";
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 3).replace("actions:\n", waves));
    let args = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--settings", "settings.yaml"];
    place
        .certsweep(&args)
        .exits(0)
        .says(&["the hook `curl` for `ended` failed: it ended with exit status: 7: curl: (7)"]);
    let seen = webhook.seen();
    assert!(
        seen.iter().all(|seen| (seen.method.as_str(), seen.target.as_str()) == ("POST", "/hooks/certsweep")),
        "{seen:?}"
    );
    let bodies: String =
        seen.iter().map(|seen| String::from_utf8(seen.body.clone()).unwrap().trim_end().to_owned() + "\n").collect();
    assert_eq!(types(&events(&place, &bodies)), ["wave", "ended"]);
}

/// Lines of 64 KiB, markup, letters that turn the writing round: in names, messages and everything that is written for others.
#[test]
fn hostile_texts_stay_texts_in_every_output() {
    let hostile = format!("</script><b>\u{202e}\u{1b}]0;x\u{7}\u{9b}31m\",'=cmd|{}", "<!--".repeat(16_384));
    let acting = |letter: &char| matches!(letter, '\u{202e}' | '\u{1b}' | '\u{7}' | '\u{9b}');
    let body = serde_json::json!({"errors": [{"code": "no", "message": hostile}]}).to_string();
    let (place, mock) = (Place::new(), Mock::start(move |_, _| super::mock::json(400, &body)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2).replace("name: test", "name: '<b onx=1>'"));
    place.file("settings.yaml", "hooks: {on: ended, command: \"sh -c 'cat >> told'\"}\n");
    let runs = ["runs/one <b>\u{202e}", "runs/two \u{1b}[31m"];
    for (shard, run) in ["1/2", "2/2"].into_iter().zip(runs) {
        let outlets = ["--events", "events.jsonl", "--metrics", "run.prom", "--log-format", "json", "-vv"];
        let args = ["run", "plan.yaml", "--settings", "settings.yaml", "--yes", "--shard", shard, "--run-dir", run];
        let told = place.certsweep(&[&args[..], &outlets].concat());
        assert!(told.code <= 1, "{}", told.err);
        for line in told.err.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        }
        assert_eq!(told.err.chars().find(acting), None);
    }
    events(&place, &place.read("events.jsonl"));
    assert_eq!(events(&place, &place.read("told")).len(), 2, "a line for each run's hook");
    let mut outputs = vec![place.read("events.jsonl"), place.read("told"), place.read("run.prom")];
    for format in ["csv", "json", "html", "markdown", "junit"] {
        outputs.push(place.certsweep(&["report", runs[0], runs[1], "--format", format]).exits(0).out);
    }
    for args in [&["status", runs[0]][..], &["status", runs[1], "--watch"], &["runs"]] {
        outputs.push(place.certsweep(args).exits(0).out);
        outputs.push(place.certsweep(&[args, &["--json"]].concat()).exits(0).out);
    }
    let (server, address, path) = serve(&place, runs[1]);
    outputs.push(ask(&address, &format!("GET {path} HTTP/1.1\nHost: {address}\n\n")).replace('\r', ""));
    signal(&server, "INT");
    finish(server).exits(0);
    // A shell writes what it is offered as it is.
    for line in [&["resume", ""][..], &["settle", runs[0], ""], &["set-rate", runs[0], ""]] {
        let mut command = place.command(BINARY, &[&["--", "certsweep"], line].concat());
        command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", line.len().to_string());
        outputs.push(finish(command.spawn().unwrap()).exits(0).out);
    }
    for output in outputs {
        assert_eq!(output.chars().find(acting), None, "{}", &output[..output.len().min(400)]);
    }
    let page = place.certsweep(&["report", runs[0], runs[1], "--format", "html"]).exits(0).out;
    assert_eq!((page.matches("<script").count(), page.matches("<!--").count()), (2, 0));
}

#[test]
fn a_hook_that_hangs_does_not_hold_the_run_up() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("settings.yaml", "hooks: {on: [wave], command: \"sleep 300\"}\n");
    place.file(
        "plan.yaml",
        revokes(&mock, "rate: [1000/1s]", 3)
            .replace("actions:\n", "safety: {waves: [1, 100%], between_waves: 0}\nactions:\n"),
    );
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--settings", "settings.yaml"]);
    let began = Instant::now();
    mock.wait_for(3);
    while !place.path("run/report.csv").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "the report waits for the hook");
        std::thread::sleep(Duration::from_millis(20));
    }
    finish(child).exits(0).says(&["the hook `sleep` for `wave` failed: it did not end within 30s, and was killed"]);
}

#[test]
fn a_reader_that_goes_away_or_never_reads_stops_nothing() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 3));
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    // Opens the pipe, and goes away at once.
    let mut reader = place.command("sh", &["-c", ": < pipe"]).spawn().unwrap();
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--events", "pipe"]).exits(0);
    reader.wait().unwrap();
    assert_eq!(place.rows().iter().filter(|row| row["outcome"] == "succeeded").count(), 3);
    // One that comes late has all; where none comes the run ends without it.
    place.file("slow.yaml", revokes(&mock, "rate: [2/400ms], concurrency: 2", 8));
    let args = |run| ["run", "slow.yaml", "--yes", "--again", "--run-dir", run, "--events", "pipe"];
    let (seen, running) = (mock.seen().len(), place.spawn(&args("late")));
    mock.wait_for(seen + 2);
    let reader = place.command("sh", &["-c", "cat pipe > read"]).spawn().unwrap();
    finish(running).exits(0);
    finish(reader).exits(0);
    let told = events(&place, &place.read("read"));
    assert_eq!((types(&told)[0], *types(&told).last().unwrap()), ("began", "ended"));
    place
        .certsweep(&args("unread"))
        .exits(0)
        .says(&["the reader of --events did not take everything within 10s of the end"]);
    // A device that is always full.
    place
        .certsweep(&["run", "plan.yaml", "--yes", "--again", "--run-dir", "full", "--events", "/dev/full"])
        .exits(0)
        .says(&["--events /dev/full: ", "nothing more is written there"]);
}

#[test]
fn figures_for_prometheus_are_kept_while_the_run_goes_on_and_say_when_it_is_over() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [2/400ms], concurrency: 2", 60));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--metrics", "certsweep.prom"]);
    mock.wait_for(2);
    let began = Instant::now();
    while !place.path("certsweep.prom").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "no figures");
        std::thread::sleep(Duration::from_millis(20));
    }
    let up = |text: &str, value: u8| {
        text.contains(&format!("certsweep_up{{run=\"run\",plan=\"test\",simulated=\"false\"}} {value}\n"))
    };
    assert!(up(&place.read("certsweep.prom"), 1), "{}", place.read("certsweep.prom"));
    signal(&child, "INT");
    finish(child).exits(130);
    let text = place.read("certsweep.prom");
    let sent = mock.seen().len();
    assert!(up(&text, 0), "{text}");
    assert!(
        text.contains(&format!("certsweep_requests_total{{run=\"run\",provider=\"digicert\"}} {sent}\n")),
        "{sent}\n{text}"
    );
    let done = format!("certsweep_actions{{run=\"run\",provider=\"digicert\",outcome=\"succeeded\"}} {sent}\n");
    assert!(text.contains(&done), "{text}");
    assert!(!place.names().iter().any(|name| name.ends_with(".part")), "{:?}", place.names());
    place
        .certsweep(&["resume", "run", "--yes", "--metrics", "/proc/certsweep.prom"])
        .exits(0)
        .says(&["--metrics /proc/certsweep.prom: ", "the run goes on"]);
}

#[test]
fn what_certsweep_prints_is_as_its_schemas_say() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let plan = revokes(&mock, "rate: [1000/1s]", 3).replacen("version: 1\n", "version: 1\ndeadline: 24h\n", 1);
    place.run(&plan).exits(0);
    for (of, command) in [
        ("status", vec!["status", "run", "--json"]),
        ("report", vec!["report", "run", "--format", "json"]),
        ("preview", vec!["preview", "plan.yaml", "--json"]),
    ] {
        let schema = place.certsweep(&["schema", "--of", of]).exits(0).json();
        assert!(schema["description"].is_string() && schema["$schema"].is_string(), "{of}");
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let printed = place.certsweep(&command).exits(0).json();
        if let Some(error) = validator.iter_errors(&printed).next() {
            panic!("{of}: {error} at {}\n{printed}", error.instance_path());
        }
        let told: Vec<String> = match &printed {
            Value::Array(rows) => rows[0].as_object().unwrap().keys().cloned().collect(),
            other => other.as_object().unwrap().keys().cloned().collect(),
        };
        let known = if of == "report" { &schema["items"]["properties"] } else { &schema["properties"] };
        for name in told {
            assert!(known[&name].is_object() || known[&name] == true, "{of} has no word about `{name}`");
        }
    }
}
