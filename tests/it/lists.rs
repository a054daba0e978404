//! CSV lists as plans of their own and inside plans: bytes as spreadsheets write them, columns that are mapped, left out or kept.

use super::mock::{Mock, Seen, empty};
use super::place::{Place, plan};
use std::io::Write as _;

/// Runs a bare CSV list whose provider is at the mock, by shared settings.
fn run(place: &Place, mock: &Mock, list: &[u8], args: &[&str], code: i32) -> super::place::CommandOutput {
    place.file("list.csv", list);
    place
        .file("settings.yaml", format!("providers: {{digicert: {{base_url: \"{}\", rate: [1000/1s]}}}}\n", mock.url()));
    let run = ["run", "list.csv", "--yes", "--run-dir", "run", "--settings", "settings.yaml"];
    place.certsweep(&[&run[..], args].concat()).exits(code)
}

#[test]
fn a_bare_list_is_a_plan_in_all_forms_of_csv() {
    let lists: [&[u8]; 6] = [
        b"provider,action,certificate_id,comments\ndigicert,revoke,0012,\"a, \"\"b\"\"\nc\"\ndigicert,revoke,7,\n",
        b"\xef\xbb\xbfprovider,action,certificate_id,comments\r\ndigicert,revoke,0012,\"a, \"\"b\"\"\nc\"\r\ndigicert,revoke,7,\r\n",
        b"provider;action;certificate_id;comments\r\ndigicert;revoke;0012;\"a, \"\"b\"\"\nc\"\r\ndigicert;revoke;7;\r\n",
        b"provider\taction\tcertificate_id\tcomments\ndigicert\trevoke\t0012\t\"a, \"\"b\"\"\nc\"\ndigicert\trevoke\t7\t",
        b"\"provider\";\"action\";\"certificate_id\";\"comments\"\n\"digicert\";\"revoke\";\"0012\";\"a, \"\"b\"\"\nc\"\n\"digicert\";\"revoke\";\"7\";\"\"\n",
        b"comments,certificate_id,action,provider\n\"a, \"\"b\"\"\nc\",0012,revoke,digicert\n,7,revoke,digicert\n",
    ];
    for list in lists {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        run(&place, &mock, list, &[], 0);
        let mut seen = mock.seen();
        seen.sort_by_key(Seen::line);
        let sent: Vec<(String, String)> = seen.iter().map(|seen| (seen.line(), seen.text())).collect();
        let expected = [
            ("PUT /certificate/0012/revoke", "{\"comments\":\"a, \\\"b\\\"\\nc\"}"),
            ("PUT /certificate/7/revoke", "{}"),
        ];
        assert_eq!(
            sent,
            expected.map(|(line, body)| (line.to_owned(), body.to_owned())),
            "{:?}",
            String::from_utf8_lossy(list)
        );
        let sources: Vec<String> = place.rows().into_iter().map(|row| row["source"].clone()).collect();
        assert_eq!(sources, ["list.csv:2", "list.csv:4"]);
    }
}

#[test]
fn columns_are_mapped_left_out_and_kept() {
    let list =
        b"Cert ID,Owner,Notes,Ticket,provider,action\n1,=Jo,x,T-1,digicert,revoke\n2,\"Anna, Bo\",y,,digicert,revoke\n";
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let mapped = ["--columns", "certificate_id=Cert ID", "--ignore-columns", "Notes", "--keep-columns", "Ticket,Owner"];
    run(&place, &mock, list, &mapped, 0);
    let report = place.read("run/report.csv");
    let mut lines = report.split("\r\n");
    assert!(lines.next().unwrap().ends_with(",source,Ticket,Owner"), "{report}");
    assert!(lines.next().unwrap().ends_with(",list.csv:2,T-1,'=Jo"), "{report}");
    assert!(lines.next().unwrap().ends_with(",list.csv:3,,\"Anna, Bo\""), "{report}");
    let json: serde_json::Value =
        serde_json::from_str(&place.certsweep(&["report", "run", "--format", "json"]).exits(0).out).unwrap();
    assert_eq!(json[1]["kept"]["Owner"], "Anna, Bo");

    for (args, code) in [
        (&["--columns", "certificate_id=Cert ID"][..], 2),
        (&["--ignore-columns", "true"], 2),
        (&["--columns", "certificate_id=Cert ID", "--ignore-columns", "true"], 0),
        (&["--columns", "certificate_id=Cert ID", "--ignore-columns", "Notes,Owner,Ticket"], 0),
        (&["--columns", "certificate_id=Nowhere", "--ignore-columns", "true"], 2),
        (&["--columns", "nonsense"], 2),
    ] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        run(&place, &mock, list, args, code);
        assert_eq!(mock.seen().len(), if code == 0 { 2 } else { 0 }, "{args:?}");
    }
}

#[test]
fn a_plan_takes_rows_from_a_list_with_defaults_of_its_own() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| super::mock::naver_done()));
    place.file("lists/leaked.csv", "orderId;Nr;Who;reason\r\n0012;1;a;\r\n7;2;b;affiliationChanged\r\n");
    let actions = "  - {from: lists/leaked.csv, action: revoke, columns: {certificateNo: Nr}, keep_columns: [Who]}\n\
                   \x20 - {provider: naver, action: revoke, orderId: 0099, certificateNo: 3}\n";
    place
        .run(&plan(&mock, &["naver"], "defaults: {provider: naver, reason: superseded, comments: unused}", actions))
        .exits(0);
    let mut bodies: Vec<String> = mock.seen().iter().map(Seen::text).collect();
    bodies.sort();
    assert_eq!(
        bodies,
        [
            r#"{"orderId":"0012","certificateNo":1,"revokeType":"superseded"}"#,
            r#"{"orderId":"0099","certificateNo":3,"revokeType":"superseded"}"#,
            r#"{"orderId":"7","certificateNo":2,"revokeType":"affiliationChanged"}"#,
        ]
    );
    let rows = place.rows();
    assert_eq!(rows[0]["source"], "lists/leaked.csv:2");
    assert_eq!((rows[0]["Who"].as_str(), rows[2]["Who"].as_str()), ("a", ""));
    assert!(rows[2]["source"].starts_with("plan.yaml:"));
}

#[test]
fn rows_of_another_provider_than_their_entry_are_told_of_once() {
    let place = Place::new();
    let rows: String = (0..5000).map(|row| format!("{},{row}\n", if row % 2 == 0 { "old" } else { "new" })).collect();
    place.file("left.csv", format!("CA,certificate_id\n{rows}"));
    let plan = |entry: &str, defaults: &str| {
        format!(
            "version: 1\nproviders: {{old: {{uses: digicert}}, new: {{uses: digicert}}}}\n{defaults}actions:\n  - {{from: left.csv, {entry}, columns: {{provider: CA}}}}\n"
        )
    };
    place.file("plan.yaml", plan("provider: new, action: revoke", ""));
    let told = place.certsweep(&["check", "plan.yaml"]).exits(0).says(&[
        "`provider` is `new` here, and 2500 rows of the list say otherwise: a row counts before its entry",
        "plan.yaml:4:32",
        "the first says `old`",
        "left.csv:2:1",
        "if all are for `new`, leave the column out",
    ]);
    assert_eq!(told.err.matches("provider-of-rows").count(), 1, "{}", told.err);
    // What a plan's defaults say is for the rows that say nothing; and a step that says its own hides both.
    for (entry, defaults) in [
        ("action: revoke", "defaults: {provider: new}\n"),
        ("provider: new, steps: [{action: revoke, provider: old}]", ""),
    ] {
        place.file("plan.yaml", plan(entry, defaults));
        let told = place.certsweep(&["check", "plan.yaml"]).exits(0);
        assert!(!told.err.contains("provider-of-rows"), "{}", told.err);
    }
}

#[test]
fn a_column_of_another_name_is_offered_as_what_its_name_means() {
    let place = Place::new();
    let entry = |provider: &str, action: &str| {
        format!("version: 1\nactions:\n  - {{from: list.csv, provider: {provider}, action: {action}}}\n")
    };
    let offers = |field: &str, column: &str| {
        format!("`columns: {{{field}: \"{column}\"}}` maps it, `ignore_columns: [{column}]` leaves it out")
    };
    for (provider, action, header, column, expected) in [
        // The list has the ids; its serial numbers are for `verify`.
        ("digicert", "revoke", "certificate_id,serial", "serial", offers("serial_number", "serial")),
        ("digicert", "revoke", "certificate_id,SN", "SN", offers("serial_number", "SN")),
        // It has none, and this operation takes serial numbers in their place.
        ("digicert", "revoke", "serial,comments", "serial", offers("certificate_id", "serial")),
        ("vault", "revoke", "certserial,issuer", "certserial", offers("serial_number", "certserial")),
        ("digicert", "reissue", "order_id,csr,CN", "CN", offers("common_name", "CN")),
        ("digicert", "reissue", "order_id,csr,SAN,common_name", "SAN", offers("dns_names", "SAN")),
        ("naver", "revoke", "orderId,Nr", "Nr", offers("certificateNo", "Nr")),
        // What means something else, or would be given twice, is not offered.
        ("digicert", "revoke", "certificate_id,Owner", "Owner", String::new()),
        ("digicert", "revoke", "comments,Status", "Status", String::new()),
        ("digicert", "revoke", "certificate_id,certificate_ids", "certificate_ids", String::new()),
        ("digicert", "revoke", "certificate_id,serial_number,serial", "serial", String::new()),
    ] {
        place.file("list.csv", format!("{header}\n7,8,9\n"));
        place.file("plan.yaml", entry(provider, action));
        let told = place.certsweep(&["check", "plan.yaml"]).exits(2);
        assert!(told.err.contains(&format!("no action of this list has a field `{column}`")), "{header}: {}", told.err);
        match expected.is_empty() {
            true => assert!(!told.err.contains("maps it"), "{header}: {}", told.err),
            false => assert!(told.err.contains(&expected), "{header}: {expected}: {}", told.err),
        }
    }
    place.file(
        "plan.yaml",
        "version: 1\nactions:\n  - {provider: digicert, action: revoke, certificate_id: 7, serial: 0a1b}\n",
    );
    place.certsweep(&["check", "plan.yaml"]).exits(2).says(&["did you mean `serial_number`?"]);
}

#[test]
fn broken_lists_are_refused_with_their_places() {
    for (list, words) in [
        (&b"provider,action,certificate_id\ndigicert,revoke,1,2\n"[..], "list.csv:2"),
        (b"provider,action,certificate_id\ndigicert,revok,1\n", "list.csv:2:10"),
        (b"provider,action,order_id\ndigicert,revoke-order,0x\n", "list.csv:2:23"),
        (b"provider,action,certificate_id\n\xff\xfe,revoke,1\n", "list.csv"),
        (b"provider,action,certificate_id,certificate_id\ndigicert,revoke,1,1\n", "list.csv:1"),
        (b"", "list.csv"),
    ] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        run(&place, &mock, list, &[], 2).says(&[words]);
        assert!(mock.seen().is_empty() && !place.path("run").exists());
    }
}

#[test]
fn a_list_is_read_as_it_comes() {
    // No header, UTF-16, compressed, and named like neither.
    let text: Vec<u8> =
        "\u{feff}digicert;revoke;0012\r\ndigicert;revoke;7".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &text).unwrap();
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let numbers = ["--columns", "provider=1,action=2,certificate_id=3"];
    run(&place, &mock, &encoder.finish().unwrap(), &numbers, 0);
    let mut sent: Vec<String> = mock.seen().iter().map(Seen::line).collect();
    sent.sort();
    assert_eq!(sent, ["PUT /certificate/0012/revoke", "PUT /certificate/7/revoke"]);
    let sources: Vec<String> = place.rows().into_iter().map(|row| row["source"].clone()).collect();
    assert_eq!(sources, ["list.csv:1", "list.csv:2"]);
    // Without the numbers nothing is sent, and no header is made of the first action.
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    run(&place, &mock, b"digicert;revoke;0012\r\ndigicert;revoke;7", &[], 2)
        .says(&["seems to have no header", "--header-row 1"]);
    run(&place, &mock, b"Orders\n\nprovider;action;certificate_id\ndigicert;revoke;7\n", &[], 2)
        .says(&["`--header-row 3` says so"]);
    assert!(mock.seen().is_empty());
    run(&place, &mock, b"Orders\n\nprovider;action;certificate_id\ndigicert;revoke;7\n", &["--header-row", "3"], 0);
    assert_eq!(place.rows()[0]["source"], "list.csv:4");
}

#[test]
fn what_never_ends_is_not_read_and_findings_are_counted() {
    let place = Place::new();
    place.certsweep(&["check", "/dev/zero"]).exits(2).says(&["a device or a named pipe"]);
    place.file("plan.yaml", format!("version: 1\nactions:\n{}", "  - {}\n".repeat(1500)));
    let done = place.certsweep(&["check", "plan.yaml"]).exits(2);
    done.says(&["more rows like this", "3000 errors"]);
    place.file("wide.csv", format!("{}\n", "x,".repeat(5000)));
    place.certsweep(&["check", "wide.csv"]).exits(2).says(&["4096 are the most"]);
}

/// Each place where a file is named: a named pipe that nobody writes to, and a device that never ends.
#[test]
fn what_is_no_file_is_neither_waited_for_nor_read_without_end() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    assert!(place.command("mkfifo", &["pipe"]).status().unwrap().success());
    let good = plan(
        &mock,
        &["digicert"],
        "",
        "  - {provider: digicert, action: revoke, certificate_id: 7, reason: superseded}\n",
    );
    place.file("plan.yaml", &good);
    place.run(&good).exits(0);
    for no_file in ["pipe", "/dev/zero"] {
        let credentials = format!("concurrency: 4, credentials: {{api_key: \"file:{no_file}\"}}");
        place.file("credential.yaml", good.replace("concurrency: 4", &credentials));
        let certificate = format!("7={no_file}");
        let commands: [(&[&str], i32); 7] = [
            (&["check", no_file], 2),
            (&["check", "plan.yaml", "--settings", no_file], 2),
            (&["check", "plan.yaml", "--except", no_file], 2),
            (&["providers", "check", no_file], 2),
            (&["run", "plan.yaml", "--yes", "--run-dir", "other", "--ca-file", no_file], 4),
            (&["verify", "run", "--issuer", no_file], 2),
            (&["verify", "run", "--certificate", &certificate], 2),
        ];
        for (args, code) in commands {
            place.certsweep(args).exits(code).says(&["it is a device or a named pipe, and no file"]);
        }
        place
            .certsweep(&["run", "credential.yaml", "--yes", "--run-dir", "third"])
            .exits(4)
            .says(&["and no file; `command:cat PATH` reads one"]);
    }
}

#[test]
fn a_list_that_names_no_provider_is_told_how_a_plan_does() {
    let place = Place::new();
    place.file("list.csv", "certificate_id\n5\n");
    let done = place.certsweep(&["check", "list.csv"]).exits(2);
    done.says(&[
        "`provider` is missing",
        "add a column `provider`",
        "certsweep init --provider PROVIDER --action ACTION",
    ]);
    place.file("list.csv", "provider,action;certificate_id\ndigicert,revoke;5\n");
    let done = place.certsweep(&["check", "list.csv"]).exits(2);
    done.says(&["`--columns \"FIELD=action;certificate_id\"` maps it", "`--ignore-columns \"action;certificate_id\"`"]);
}

/// Half a line of it may have been read: a part of a number is another certificate's.
#[test]
fn a_list_that_somebody_writes_to_is_not_believed() {
    let place = Place::new();
    let rows: String = (1..3000).map(|id| format!("digicert,revoke,{id}\n")).collect();
    let list = place.file("list.csv", format!("provider,action,certificate_id\n{rows}"));
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let over = std::sync::Arc::clone(&over);
        move || {
            let mut file = std::fs::OpenOptions::new().append(true).open(list).unwrap();
            for id in 1_000_000.. {
                if over.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                file.write_all(format!("digicert,revoke,{id}\n").as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    });
    let checked = place.certsweep(&["check", "list.csv"]);
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    checked.exits(2).says(&["list.csv was changed while it was read", "rename"]);
}

#[test]
fn a_list_that_is_changed_after_its_check_is_not_carried_out() {
    for (does, says) in [
        ("echo digicert,revoke,3 >>list.csv", "this file was changed after it was checked; nothing was sent"),
        ("cp list.csv new && mv new list.csv", "this file was changed after it was checked"),
        // To open it would wait for ever.
        ("rm list.csv && mkfifo list.csv", "it is a device or a named pipe"),
        ("rm list.csv && ln -s /dev/zero list.csv", "it is a device or a named pipe"),
        ("rm list.csv", "list.csv"),
    ] {
        let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
        // Credentials are fetched once the plan is checked.
        let script = place.file("key.sh", format!("{{ {does}; }} >&2; echo SECRETEXAMPLE0123456789"));
        let account = format!(
            "digicert: {{base_url: \"{}\", credentials: {{api_key: \"command:sh {}\"}}}}",
            mock.url(),
            script.display()
        );
        place.file("settings.yaml", format!("providers: {{{account}}}\n"));
        place.file("list.csv", "provider,action,certificate_id\ndigicert,revoke,1\ndigicert,revoke,2\n");
        let refused = place.certsweep(&["run", "list.csv", "--yes", "--run-dir", "run", "--settings", "settings.yaml"]);
        refused.exits(4).says(&[says]);
        assert_eq!(mock.seen().len(), 0, "{does}");
        assert!(!place.path("run").exists(), "{does}");
    }
}
