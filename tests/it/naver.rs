//! NAVER behind a reissue: which record its domain validation waits for is told while it waits, and the new certificate is fetched, held against its
//! request, and kept.

use super::mock::{Mock, json, naver_done};
use super::place::{Place, csr, finish, plan, rows, signal, wait_until_it_says};

const WAITING: &str = r#"{"returnCode":"0","returnMessage":"Success","dnsVerificationCount":1,"dnsVerificationList":[{"validSn":"1","requestSn":"7","validStatusCode":"VALID_STATUS_REG","txtName":"_dnsauth.shop.example.com","txtValue":"0a1b\u001b[2c"}]}"#;

/// A reissue, and what follows it.
fn steps() -> String {
    format!(
        "  - {{id: shop, provider: naver, certificateNo: \"55882\", csr: \"{}\", steps: [\
         {{action: reissue, certificateName: shop, commonName: shop.example.com, dnsName: [shop.example.com], validationMethod: D}}, \
         {{action: fetch-certificate}}]}}\n",
        csr()
    )
}

#[test]
fn a_rehearsal_fetches_the_certificate_that_was_reissued() {
    let place = Place::bare();
    place.file("plan.yaml", format!("version: 1\nactions:\n{}", steps()));
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "run"]).exits(0);
    let report = rows(&place.read("run/report.rehearsal.csv"));
    assert!(report.iter().all(|row| row["outcome"] == "succeeded"), "{report:#?}");
    assert_eq!(report[1]["action_id"], "shop/fetch-certificate");
    let pem = place.read("run/certificates/shop/fetch-certificate.pem");
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2, "the leaf and its issuer: {pem}");
}

#[test]
fn the_record_is_told_while_the_validation_waits_for_it() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| if seen.method == "POST" { naver_done() } else { json(200, WAITING) });
    place.file("plan.yaml", plan(&mock, &["naver"], "", &steps()));
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--wait", "--run-dir", "run"]);
    let record = "shop/fetch-certificate: Success; the domain is validated; put this record into its DNS: name _dnsauth.shop.example.com, value 0a1b";
    wait_until_it_says(&mut child, record);
    signal(&child, "INT");
    let told = finish(child).exits(130).err;
    assert!(!told.contains('\u{1b}'), "{told}");
    let asked = "GET /api/v2/certificate/getVerificationInfo/55882?domainAddress=shop.example.com";
    assert_eq!(mock.lines()[1], asked);
    let report = place.rows();
    assert_eq!((report[0]["outcome"].as_str(), report[1]["outcome"].as_str()), ("succeeded", "skipped"), "{report:?}");
}
