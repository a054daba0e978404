//! `certsweep verify` where no certificate is known: a serial number, the issuer's certificate, and where the CA publishes.

use super::mock::empty;
use super::place::{Row, plan, rows};
use super::verify::{Authority, Scene, bytes, three};

/// Revokes what a list names by serial numbers.
fn run(scene: &Scene, list: &str, more: &str) {
    scene.place.file("ca.pem", &scene.authority.pem);
    scene.place.file("list.csv", list);
    let fields =
        format!("provider: naver, action: revoke, orderId: \"1\", reason: superseded, issuer: \"file:ca.pem\"{more}");
    let action = format!("  - {{from: list.csv, {fields}}}\n");
    scene.place.run(&plan(&scene.mock, &["naver"], "", &action)).exits(0);
}

#[test]
fn a_serial_number_is_looked_for_on_its_issuers_list_from_the_run_directory_alone() {
    let scene = Scene::new(empty(500));
    let url = scene.mock.url();
    let list = format!(
        "id,certificateNo,serial_number,crl\na,1,01,\nb,2,00:02,{url}/none.crl {url}/moved.crl\nc,3,3,\nd,4,,\n"
    );
    run(&scene, &list, &format!(", crl: \"{url}/ca.crl\""));
    ["ca.pem", "list.csv", "plan.yaml"].iter().for_each(|name| std::fs::remove_file(scene.place.path(name)).unwrap());
    scene.publish(bytes(scene.authority.list(&[1, 2], 2100)));
    let shown = scene.verify(&["--json"]).exits(1).json();
    let seen = [
        three("a", "revoked", "crl"),
        three("b", "revoked", "crl"),
        three("c", "good", "crl"),
        three("d", "unknown", ""),
    ];
    assert_eq!(scene.verified(), seen);
    assert_eq!(shown["asked"][0]["verified"]["revoked_at"], "2026-01-02T00:00:00Z");
    let why = shown["asked"][3]["verified"]["why"].as_str().unwrap();
    assert!(why.contains("`--only` leaves out") && why.contains("serial_number"), "{why}");
    // A list by another CA of that name, and one that is out of date, say nothing of the rest.
    for (list, why) in [
        (Authority::new().list(&[3], 2100), "not signed by the certificate's issuer"),
        (scene.authority.list(&[3], 2026), "out of date"),
    ] {
        scene.publish(bytes(list));
        let shown = scene.verify(&["--json"]).exits(1).json();
        let seen = &shown["asked"][0]["verified"];
        assert!(seen["seen"] == "unknown" && seen["why"].as_str().unwrap().contains(why), "{seen}");
    }
    // What the run stored is enough for a plan of the rest, too.
    scene.place.file("ca.pem", &scene.authority.pem);
    scene.place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(0);
    let left: Vec<Row> = rows(&scene.place.read("left.csv"));
    assert_eq!(left[1]["serial_number"], "02");
    assert_eq!(left[1]["crl"], format!("{url}/none.crl {url}/moved.crl"));
    assert!(left[0]["issuer"].ends_with("ca.pem") && left[3]["serial_number"].is_empty(), "{left:?}");
    scene.place.certsweep(&["check", "left.csv"]).exits(0);
}

#[test]
fn a_responder_is_asked_about_a_serial_number() {
    let scene = Scene::new(empty(200));
    let url = scene.mock.url();
    run(&scene, "id,certificateNo,serial_number\na,1,04C0FF\n", &format!(", ocsp: \"{url}/ocsp\""));
    let shown = scene.verify(&["--json"]).exits(1).json();
    let seen = &shown["asked"][0]["verified"];
    assert!(seen["why"].as_str().unwrap().contains("ocsp: it cannot be read"), "{seen}");
    let asked = scene.mock.seen();
    let question = asked.iter().find(|seen| seen.target == "/ocsp").unwrap();
    // Behind the hashes of the issuer's name and key: INTEGER 04 C0 FF.
    assert!(question.body.windows(5).any(|part| part == [2, 3, 4, 0xC0, 0xFF]), "{question:?}");
}

#[test]
fn a_list_without_an_issuer_is_reported_once() {
    let scene = Scene::new(empty(500));
    scene
        .place
        .file("list.csv", "provider,action,certificate_id,serial_number\ndigicert,revoke,1,01\ndigicert,revoke,2,02\n");
    let done = scene.place.certsweep(&["check", "list.csv"]).exits(2);
    for words in ["list.csv:1:1", "`serial_number` needs an `issuer`", "needs a `crl` or an `ocsp`", "2 errors"] {
        assert!(done.err.contains(words), "{words} is not in\n{}", done.err);
    }
}

#[test]
fn a_serial_number_that_is_a_parameter_serves_too() {
    let scene = Scene::new(empty(500));
    let url = scene.mock.url();
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in-house-ca.yaml")).unwrap();
    std::fs::create_dir(scene.place.path("own")).unwrap();
    let document = document.replace("serial", "serial_number").replace("serial_number-number", "serial-number");
    scene.place.file("own/in-house-ca.yaml", document);
    scene.place.file("ca.pem", &scene.authority.pem);
    scene.place.file("token", "t");
    let text = format!(
        "version: 1\nproviders:\n  in-house: {{base_url: \"{url}\", credentials: {{token: \"file:token\"}}}}\n\
         defaults: {{provider: in-house, action: revoke, reason: superseded, issuer: \"file:ca.pem\", crl: \"{url}/ca.crl\"}}\n\
         actions:\n  - {{id: a, serial_number: 00AA}}\n"
    );
    scene.place.file("plan.yaml", text);
    let with = ["--provider-dir", "own"];
    scene.place.certsweep(&[&["run", "plan.yaml", "--yes", "--run-dir", "run"][..], &with].concat()).exits(0);
    assert!(scene.mock.lines().contains(&"POST /certificates/aa/revoke".to_owned()), "{:?}", scene.mock.lines());
    scene.publish(bytes(scene.authority.list(&[0xAA], 2100)));
    scene.verify(&with).exits(0);
    assert_eq!(scene.verified(), [three("a", "revoked", "crl")]);
}
