//! Dry runs: they show what would be sent, send nothing, and need no credentials.

use super::mock::{Mock, empty};
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
    for words in ["digicert", "revoke-order", "certificate of the order", preview["digest"].as_str().unwrap()] {
        assert!(people.out.contains(words), "`{words}`\n{}", people.out);
    }
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
