//! The documents of AWS, Google and DigiCert ONE from the command line: what plans give is what goes out, an answer that was lost is made good by
//! the key that a CA knows the request by, and what a document has not confirmed is shown.

use super::mock::{Act, Mock, json};
use super::place::{Place, csr};
use std::sync::atomic::{AtomicUsize, Ordering};

const CA: &str = "arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012";
const ARN: &str = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012";

/// A plan with every action of these documents.
fn plan() -> String {
    let csr = csr();
    format!(
        "version: 1
retry: {{attempts: 12, max_delay: 1s}}
providers:
  google-cas: {{variables: {{project: my-project}}}}
actions:
  - {{id: p1, provider: aws-pca, action: revoke, CertificateAuthorityArn: '{CA}', serial_number: '00:67:07:44', reason: keyCompromise}}
  - {{id: p2, provider: aws-pca, action: reissue, CertificateAuthorityArn: '{CA}', common_name: shop.example.com, csr: '{csr}', SigningAlgorithm: SHA256WITHRSA,
     Validity.Value: 90, Validity.Type: DAYS}}
  - {{id: a1, provider: aws-acm, action: revoke, CertificateArn: '{ARN}', reason: superseded}}
  - {{id: g1, provider: google-cas, action: revoke, caPool: web, certificateId: shop-2026, reason: keyCompromise}}
  - {{id: g2, provider: google-cas, action: reissue, caPool: web, certificateId: shop-2027, csr: '{csr}', lifetime: 7776000s}}
  - {{id: d1, provider: digicert-one, action: revoke, serial_number: 4099abf9c1bb7c02bbe1cdc7836ca9d58a71c2a5, reason: keyCompromise}}
"
    )
}

#[test]
fn a_plan_of_every_action_is_played_to_its_end_whatever_is_lost() {
    let place = Place::bare();
    place.file("plan.yaml", plan());
    for (run, faults) in [("calm", &[][..]), ("storm", &["--fault", "lost-answer=1/3", "--seed", "3"])] {
        let arguments = [&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", run], faults].concat();
        place.certsweep(&arguments).exits(0);
        let rows = super::place::rows(&place.read(&format!("{run}/report.rehearsal.csv")));
        assert!(rows.iter().all(|row| row["outcome"] == "succeeded"), "{rows:#?}");
        for id in ["p2", "g2"] {
            let pem = place.read(&format!("{run}/certificates/{id}.pem"));
            assert!(pem.matches("BEGIN CERTIFICATE").count() >= 2, "the leaf and its chain: {pem}");
        }
    }
}

#[test]
fn a_request_for_a_certificate_goes_out_encoded_and_keeps_its_key() {
    let lost = AtomicUsize::new(0);
    let mock = Mock::start(move |seen, _| match seen.header("x-amz-target") {
        Some("ACMPrivateCA.IssueCertificate") if lost.fetch_add(1, Ordering::SeqCst) == 0 => Act::Close,
        Some("ACMPrivateCA.IssueCertificate") => json(200, &format!(r#"{{"CertificateArn":"{CA}/certificate/0a"}}"#)),
        Some("ACMPrivateCA.GetCertificate") => json(200, r#"{"Certificate":"none"}"#),
        other => panic!("{other:?}"),
    });
    let mut place = Place::bare();
    place.set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE0000");
    place.set("AWS_SECRET_ACCESS_KEY", "aws-secret-example");
    let text = plan();
    let issue = &text[text.find("  - {id: p2").unwrap()..text.find("  - {id: a1").unwrap()];
    let head = format!("version: 1\nproviders: {{aws-pca: {{base_url: '{}'}}}}\nactions:\n", mock.url());
    // What comes as the certificate is none, so it ends in doubt; that is not looked at here.
    place.run(&format!("{head}{issue}")).exits(1);
    let bodies: Vec<serde_json::Value> =
        mock.seen().iter().map(|seen| serde_json::from_str(&seen.text()).unwrap()).collect();
    assert_eq!(bodies.len(), 3, "{:?}", mock.lines());
    assert_eq!(bodies[0], bodies[1]);
    let request = bodies[0]["Csr"].as_str().unwrap();
    assert!(request.starts_with("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0"), "{request}");
    assert_eq!(bodies[0]["IdempotencyToken"].as_str().unwrap().len(), 32);
    assert_eq!(
        bodies[2],
        serde_json::json!({"CertificateAuthorityArn": CA, "CertificateArn": format!("{CA}/certificate/0a")})
    );
}

#[test]
fn what_nobody_has_confirmed_is_shown() {
    let place = Place::bare();
    let shown = place.certsweep(&["providers", "show", "aws-acm"]).exits(0).out;
    for words in ["  unconfirmed  rate: ", "  unconfirmed   reasons: the service model has all of these"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let told = place.certsweep(&["providers", "show", "digicert-one", "--json"]).exits(0).json();
    assert_eq!(told["unconfirmed"].as_array().unwrap().len(), 2);
    // What an operation asks on the way is told with it.
    let of_revoke = told["operations"][0]["unconfirmed"].to_string();
    assert!(of_revoke.contains("affiliation_changed") && of_revoke.contains("thumbprint_sha256"), "{of_revoke}");
}
