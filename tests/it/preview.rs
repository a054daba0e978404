//! Dry runs: they show what would be sent, send nothing, and need no credentials.

use super::limits::revokes;
use super::mock::{Mock, empty, json};
use super::place::{CA, Place, plan, reissue, rows};

fn actions() -> String {
    "  - {id: one, action: revoke, certificate_id: 1, reason: superseded}\n\
     \x20 - {id: two, action: revoke, certificate_id: 2, reason: superseded}\n\
     \x20 - {id: order, action: revoke-order, order_id: 55}\n\
     \x20 - {id: all, provider: naver, action: revoke, orderId: \"1\", certificateNo: 0, reason: unspecified}\n"
        .to_owned()
        + &reissue("new", 55882)
        + &format!("  - {{id: ca, provider: huawei, action: revoke-ca, ca_id: {CA}, needs: [new]}}\n")
        + "  - {id: again, action: revoke, certificate_id: 1, reason: superseded}\n"
}

#[test]
fn a_preview_tells_all_and_sends_nothing() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    let head = "defaults: {provider: digicert}\ndeadline: 24h\nsafety: {canary: 2}";
    place.file("plan.yaml", plan(&mock, &["digicert", "naver", "huawei"], head, &actions()));
    let preview = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    assert_eq!((&preview["plan"], &preview["actions"], &preview["duplicates"]), (&"test".into(), &7.into(), &1.into()));
    assert!(preview["digest"].as_str().is_some_and(|digest| digest.len() >= 32), "{preview}");
    assert!(preview["estimated_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{preview}");
    assert_eq!(preview["deadline"]["met"], true);
    assert_eq!(preview["order"]["canary"], 2);
    let count = preview["counts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|count| count["operation"] == "revoke" && count["provider"] == "digicert")
        .unwrap();
    assert_eq!(
        (&count["actions"], &count["reason"], &count["reason_sent"]),
        (&2.into(), &"superseded".into(), &"superseded".into())
    );
    let wide: Vec<&str> = preview["wide_effects"]["first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wide| wide["action_id"].as_str().unwrap())
        .collect();
    assert_eq!((wide, &preview["wide_effects"]["count"]), (vec!["order", "all", "ca"], &3.into()));
    let text = preview.to_string();
    assert!(text.contains("/certificate/1/revoke") && text.contains("PUT"), "{text}");

    let people = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    assert!(people.out.contains(preview["digest"].as_str().unwrap()), "{}", people.out);
    let dry = place.certsweep(&["run", "plan.yaml", "--dry-run", "--json"]).exits(0).json();
    assert_eq!((&dry["digest"], &dry["counts"]), (&preview["digest"], &preview["counts"]));
    place.certsweep(&["check", "plan.yaml"]).exits(0);
    assert_eq!(place.names(), ["plan.yaml"]);
    assert!(mock.seen().is_empty());
}

#[test]
fn a_preview_can_write_a_row_for_every_action() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    place
        .file("plan.yaml", plan(&mock, &["digicert", "naver", "huawei"], "defaults: {provider: digicert}", &actions()));
    for (args, file) in [(["preview", "plan.yaml"], "one.csv"), (["run", "plan.yaml"], "two.csv")] {
        let dry = if args[0] == "run" { &["--dry-run"][..] } else { &[] };
        place.certsweep(&[&args[..], &["--report", file], dry].concat()).exits(0);
        let planned = rows(&place.read(file));
        assert_eq!(planned.len(), 7);
        assert!(planned.iter().all(|row| row["outcome"] == "planned" && row["attempts"] == "0"), "{planned:?}");
        assert_eq!(planned[3]["target"], "1/0");
        assert_eq!((planned[0]["reason"].as_str(), planned[0]["reason_sent"].as_str()), ("superseded", "superseded"));
    }
    assert!(mock.seen().is_empty());
}

#[test]
fn the_estimate_follows_the_limits() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    let many: String = (1..=101).map(|id| format!("  - {{action: revoke, certificate_id: {id}}}\n")).collect();
    let mut seconds = Vec::new();
    for rate in ["100/1s", "10/1s", "1/1s"] {
        let head = "defaults: {provider: digicert}\ndeadline: 60s";
        place.file("plan.yaml", plan(&mock, &["digicert"], head, &many).replace("1000/1s", rate));
        let preview = place.certsweep(&["preview", "plan.yaml", "--json", "--latency", "10ms"]).exits(0).json();
        seconds.push(preview["estimated_seconds"].as_f64().unwrap());
        assert_eq!(preview["deadline"]["met"], rate != "1/1s", "{preview}");
    }
    assert!(
        (1.0..3.0).contains(&seconds[0]) && (10.0..13.0).contains(&seconds[1]) && (100.0..105.0).contains(&seconds[2]),
        "{seconds:?}"
    );
}

#[test]
fn a_preview_tells_what_bounds_each_provider_and_what_would_help() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    let many: String = (1001_u32..=1200)
        .map(|id| format!("  - {{action: revoke, certificate_id: {id}, order_id: {}}}\n", id.div_ceil(2)))
        .collect();
    let head = "defaults: {provider: digicert}\ndeadline: 150s";
    let text = plan(
        &mock,
        &["digicert", "naver"],
        head,
        &(actions() + &many).replace("{id: ca, provider: huawei", "{id: ca, provider: naver"),
    );
    let text = text.replace(
        &format!("action: revoke-ca, ca_id: {CA}"),
        "action: revoke, orderId: \"2\", certificateNo: 2, reason: superseded",
    );
    place.file("plan.yaml", text.replacen("rate: [1000/1s], concurrency: 4", "rate: [1/1s], concurrency: 4", 1));
    let preview = place.certsweep(&["preview", "plan.yaml", "--json", "--latency", "100ms"]).exits(0).json();
    let providers = preview["providers"].as_array().unwrap();
    let digicert = providers.iter().find(|provider| provider["provider"] == "digicert").unwrap();
    assert_eq!((&digicert["bottleneck"], &digicert["requests"]), (&"rate 1/1s".into(), &203.into()), "{preview}");
    assert_eq!(digicert["waits"][0]["for"], "rate 1/1s");
    assert!(digicert["waits"][0]["seconds"].as_f64().is_some_and(|seconds| seconds > 200.0), "{digicert}");
    let slack = |provider: &serde_json::Value| provider["slack_seconds"].as_f64().unwrap();
    assert!(slack(digicert) < -60.0 && providers.iter().any(|provider| slack(provider) > 100.0), "{preview}");
    assert_eq!(preview["deadline"]["met"], false);
    let helps = preview["would_help"].as_array().unwrap();
    let changes: Vec<&str> = helps.iter().map(|help| help["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["second-key", "whole-orders", "skip_approval"], "{preview}");
    for help in &helps[..2] {
        assert!(help["estimated_seconds"].as_f64().is_some_and(|seconds| (90.0..140.0).contains(&seconds)), "{help}");
        assert_eq!((&help["provider"], &help["deadline_met"]), (&"digicert".into(), &true.into()));
    }
    assert!(helps[2]["estimated_seconds"].is_null() && helps[2]["text"].as_str().unwrap().contains("203 actions"));
    let people = place.certsweep(&["preview", "plan.yaml", "--latency", "100ms"]).exits(0).out;
    for words in ["rate 1/1s", "at 0.1s a request", "MISSED by", "What would help:", "100 orders of digicert whole"] {
        assert!(people.contains(words), "`{words}`\n{people}");
    }
    assert!(mock.seen().is_empty());
}

#[test]
fn a_preview_walks_through_the_schedules_windows() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    let many: String = (1..=30).map(|id| format!("  - {{action: revoke, certificate_id: {id}}}\n")).collect();
    // Whenever the test runs, the window is closed: of one that is open, less than two days would do.
    let hour = (jiff::Zoned::now().in_tz("Asia/Seoul").unwrap().hour() + 2) % 24;
    let head = format!(
        "defaults: {{provider: digicert}}\n\
         schedule: {{window: {{from: \"{hour:02}:00\", to: \"{hour:02}:01\", timezone: Asia/Seoul, days: [mon, tue, wed, thu, fri, sat, sun]}}}}"
    );
    place.file("plan.yaml", plan(&mock, &["digicert"], &head, &many).replace("1000/1s", "10/60s"));
    let preview = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    assert_eq!(preview["schedule_windows"], 3, "{preview}");
    assert!(preview["estimated_seconds"].as_f64().is_some_and(|seconds| seconds > 2.0 * 86_400.0), "{preview}");
    assert!(preview["providers"][0]["bottleneck"].as_str().is_some_and(|words| words.starts_with("schedule")));
    let helps = preview["would_help"].as_array().unwrap();
    assert!(helps.iter().any(|help| help["change"] == "longer-window"), "{preview}");
    let people = place.certsweep(&["preview", "plan.yaml"]).exits(0).out;
    assert!(people.contains("It takes 3 windows of the schedule"), "{people}");
}

#[test]
fn a_preview_shows_no_secret_and_a_mask_where_one_goes() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file(
        "plan.yaml",
        plan(&mock, &["digicert"], "", "  - {provider: digicert, action: revoke, certificate_id: 1}\n"),
    );
    let preview = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    let headers = preview["first_requests"][0]["headers"].as_array().unwrap();
    let key =
        headers.iter().find(|header| header["name"].as_str().unwrap().eq_ignore_ascii_case("x-dc-devkey")).unwrap();
    assert_eq!(key["value"], "(secret)", "{preview}");
    assert_eq!(preview["first_requests"][0]["url"], format!("{}/services/v2/certificate/1/revoke", mock.url()));
}

#[test]
fn an_estimate_goes_by_how_long_requests_took_in_earlier_runs() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let text = revokes(&mock, "rate: [1000/1s], concurrency: 1", 40);
    place.file("plan.yaml", &text);
    let preview = |args: &[&str]| place.certsweep(&[&["preview", "plan.yaml"], args].concat()).exits(0);
    let latency = |args: &[&str]| {
        let account = preview(&[args, &["--json"]].concat()).json()["providers"][0].clone();
        (account["latency_ms"].as_u64().unwrap(), account["latency_source"].as_str().unwrap().to_owned())
    };
    assert_eq!(latency(&[]), (500, "assumed".to_owned()));
    assert!(preview(&[]).out.contains(" at 0.5s a request (assumed)"));
    // The simulator's own times tell nothing of the provider.
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "rehearsal"]).exits(0);
    assert_eq!(latency(&[]), (500, "assumed".to_owned()));
    place.run(&text).exits(0);
    let (seen, source) = latency(&[]);
    assert!(seen < 500 && source == "earlier-run", "{seen} {source}");
    assert!(preview(&[]).out.contains(" a request (as in an earlier run)"));
    assert_eq!(latency(&["--latency", "2s"]), (2000, "given".to_owned()));
    // Another server is another provider.
    place.file("plan.yaml", text.replace(&mock.url(), "http://127.0.0.1:9"));
    assert_eq!(latency(&[]).1, "assumed");
}

#[test]
fn an_online_preview_reads_the_present_state_of_each_target_and_changes_nothing() {
    let pem = named(&["shop.example.com", "www.shop.example.com"], Some("shop.example.com"));
    let mock = Mock::start(move |seen, _| {
        let answer = |certificate: &str, revoked: u64| {
            json(
                200,
                &serde_json::json!({"data": {"certificate": certificate, "revocation_time": revoked}}).to_string(),
            )
        };
        match (seen.method.as_str(), seen.target.as_str()) {
            ("GET", "/cert/0a%3A01") => answer(&pem, 0),
            ("GET", "/cert/0a%3A02") => answer("-", 1_764_403_200),
            ("GET", "/cert/0a%3A03") => json(404, r#"{"errors":[]}"#),
            ("GET", "/cert/0a%3A04") => json(500, r#"{"errors":["on\u001bfire"]}"#),
            other => panic!("{other:?}"),
        }
    });
    let mut place = Place::new();
    place.set("VAULT_TOKEN", "hvs.a-token-of-some-length");
    place.set("TMPDIR", &place.path("tmp").display().to_string());
    place.file("tmp/keep", "");
    let rows = (1..5).map(|number| {
        format!("  - {{id: r{number}, provider: vault, action: revoke, serial_number: \"0a:0{number}\"}}\n")
    });
    place.file("plan.yaml", plan(&mock, &["vault"], "", &rows.collect::<String>()));
    let preview = place.certsweep(&["preview", "plan.yaml", "--online"]).exits(0).out;
    for words in [
        "Now, as the providers say: 1 not revoked, 1 revoked already, 2 unknown",
        "r2      vault     0a:02   -            -      revoked already; what the provider shows as its certificate is none",
        "r1      vault     0a:01   shop.example.com (+1)  2035-01-01  not revoked (data.revocation_time 0)",
        "on\\u{1b}fire",
        "Nothing was sent that changes anything.",
    ] {
        assert!(preview.contains(words), "{words}: {preview}");
    }
    let online = place.certsweep(&["preview", "plan.yaml", "--online", "--json"]).exits(0).json();
    let online = &online["online"];
    assert_eq!((&online["v"], &online["revoked"], &online["not_revoked"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!((&online["unknown"], &online["not_asked"], &online["is_whole"]), (&2.into(), &0.into(), &true.into()));
    let targets = online["targets"].as_array().unwrap();
    assert_eq!(targets[0]["names"], serde_json::json!(["shop.example.com", "www.shop.example.com"]));
    assert_eq!(
        (&targets[0]["serial_number"], &targets[0]["not_after"]),
        (&"0a01".into(), &"2035-01-01T00:00:00.000Z".into())
    );
    let states: Vec<_> = targets.iter().map(|target| target["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["not-revoked", "revoked", "unknown", "unknown"]);
    assert!(mock.seen().iter().all(|seen| seen.method == "GET"));
    assert_eq!(place.names(), ["plan.yaml", "tmp"], "nothing is left");
    assert_eq!(std::fs::read_dir(place.path("tmp")).unwrap().count(), 1);
    // Without the flag nobody is asked, and no credential is needed.
    let asked = mock.seen().len();
    assert!(!place.certsweep(&["preview", "plan.yaml"]).exits(0).out.contains("as the providers say"));
    assert_eq!(mock.seen().len(), asked);
}

/// A certificate with these names and a serial number, in PEM.
fn named(names: &[&str], common_name: Option<&str>) -> String {
    let mut parameters =
        rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    parameters.serial_number = Some(rcgen::SerialNumber::from(vec![0x0a, 1]));
    parameters.not_after = rcgen::date_time_ymd(2035, 1, 1);
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = common_name {
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    }
    parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn an_online_preview_shows_names_ends_and_the_providers_own_words() {
    let order = r#"{"id":55,"status":"issued","certificate":{"id":1,"status":"issued","common_name":"a.example","dns_names":["a.example","b.example"],"valid_till":"2035-12-31","serial_number":"0A1B"}}"#;
    let list = r#"{"returnCode":"0","totalCount":2,"orders":[{"orderID":"1","certificates":[{"certificateNo":7,"commonName":"n.example","dnsName":"n.example,m.example","statusCode":"1","statusName":"NORMAL"},{"certificateNo":8,"commonName":"o.example","statusCode":"-5"}]}]}"#;
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.split('?').next().unwrap()) {
        ("GET", "/services/v2/order/certificate/55") => json(200, order),
        ("GET", "/api/v2/certificate/getPaidCertificates") => json(200, list),
        other => panic!("{other:?}"),
    });
    let place = Place::new();
    let actions = "  - {id: one, action: revoke, certificate_id: 1, order_id: 55}\n\
         \x20 - {id: another, action: revoke, certificate_id: 2, order_id: 55}\n\
         \x20 - {id: whole, action: revoke-order, order_id: 55}\n\
         \x20 - {id: nobody, action: revoke, certificate_id: 3}\n\
         \x20 - {id: seven, provider: naver, action: revoke, orderId: \"1\", certificateNo: 7, reason: unspecified}\n\
         \x20 - {id: eight, provider: naver, action: revoke, orderId: \"1\", certificateNo: 8, reason: unspecified}\n"
        .to_owned()
        + &reissue("new", 7);
    place.file("plan.yaml", plan(&mock, &["digicert", "naver"], "defaults: {provider: digicert}", &actions));
    let online = place.certsweep(&["preview", "plan.yaml", "--online", "--json"]).exits(0).json();
    let online = &online["online"];
    let told = |id: &str| {
        let of = |target: &&serde_json::Value| target["action_id"] == id;
        let target = online["targets"].as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("{id}: {online}"));
        let text = |name: &str| target[name].as_str().unwrap_or("-").to_owned();
        [text("state"), text("common_name"), text("not_after"), text("status"), target["names"].to_string()]
    };
    let none = ["unknown", "-", "-", "-", "[]"];
    assert_eq!(
        told("one"),
        ["not-revoked", "a.example", "2035-12-31T23:59:59.000Z", "issued", r#"["a.example","b.example"]"#]
    );
    assert_eq!(told("another"), none, "the order shows its present certificate alone");
    assert_eq!(told("whole")[..2], ["not-revoked", "a.example"]);
    assert_eq!(told("seven"), ["not-revoked", "n.example", "-", "NORMAL", r#"["n.example","m.example"]"#]);
    assert_eq!(told("eight")[..2], ["revoked", "o.example"]);
    assert_eq!(told("new")[..2], ["not-revoked", "n.example"], "what is to be reissued is looked at, too");
    assert_eq!(online["not_asked"], 1);
    let lists = mock.seen().iter().filter(|seen| seen.target.contains("getPaid")).count();
    assert_eq!(lists, 1, "a list is read once for all");
}

#[test]
fn an_online_preview_tells_of_refused_credentials() {
    let mock = Mock::start(|_, _| json(403, r#"{"errors":["permission denied"]}"#));
    let mut place = Place::new();
    place.file(
        "plan.yaml",
        plan(&mock, &["vault"], "", "  - {provider: vault, action: revoke, serial_number: \"0a:01\"}\n"),
    );
    place.certsweep(&["preview", "plan.yaml", "--online"]).exits(4).says(&["VAULT_TOKEN"]);
    place.set("VAULT_TOKEN", "hvs.a-token-of-some-length");
    let refused = place.certsweep(&["preview", "plan.yaml", "--online"]).exits(4);
    assert!(refused.out.contains("Now, as the providers say: 1 unknown"), "{}", refused.out);
    refused.says(&["vault: the credentials were refused"]);
}
