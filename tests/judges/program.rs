//! The program itself against Prism: a plan with every action of every document, each answered by the example of the vendor's page.

use super::accepted::documents;
use super::installed;
use super::prism::Prism;
use crate::support::place::Place;

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn a_run_of_every_action_ends_as_the_pages_say() {
    let judges: Vec<(String, Prism)> =
        documents().into_iter().map(|(provider, file)| (provider.id.clone(), Prism::start(&file))).collect();
    let mut place = Place::new();
    place.set("IN_HOUSE_CA_TOKEN", "EXAMPLE-token");
    for name in ["SECTIGO_LOGIN", "SECTIGO_PASSWORD", "SECTIGO_CUSTOMER_URI", "KEYFACTOR_TOKEN"] {
        place.set(name, "EXAMPLE");
    }
    let operator = rcgen::generate_simple_self_signed(vec!["operator".to_owned()]).unwrap();
    place.set("EJBCA_CLIENT_CERTIFICATE", &format!("{}{}", operator.cert.pem(), operator.signing_key.serialize_pem()));
    place.set("VAULT_TOKEN", "hvs.EXAMPLE");
    place.set("DIGICERT_ONE_API_KEY", "EXAMPLE-key-of-one");
    place.set("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.EXAMPLE");
    let root = env!("CARGO_MANIFEST_DIR");
    place.set("CERTSWEEP_PROVIDERS", &format!("{root}/examples"));
    place.file("shop.csr", std::fs::read(format!("{root}/examples/shop.csr")).unwrap());
    place.file("shop.key", std::fs::read(format!("{root}/tests/data/plans/acme/shop.key")).unwrap());
    let accounts = judges.iter().map(|(id, prism)| format!("  {id}: {{base_url: \"{}\"}}\n", prism.url()));
    place
        .run(&format!("version: 1\nretry: {{attempts: 1}}\nproviders:\n{}{ACTIONS}", accounts.collect::<String>()))
        .exits(1);

    let mut asked = 0;
    for (id, prism) in &judges {
        let log = prism.log();
        let here = log.matches("Request received").count();
        assert!(here > 0 && !log.contains("did not pass") && !log.contains("error"), "{id}:\n{log}");
        asked += here;
    }
    let rows = place.rows();
    for row in &rows {
        // The id of an action is the outcome that the page's example means, with a number.
        assert_eq!(row["outcome"], row["action_id"].trim_end_matches(|c: char| c.is_numeric()), "{row:?}");
    }
    for (provider, _) in documents() {
        // Prism tells operations on one path by nothing but the method, and takes a rejection for an approval with a wrong word.
        for (operation, _) in provider.actions().filter(|(operation, _)| operation.name != "reject") {
            let has = rows.iter().any(|row| row["provider"] == provider.id && row["operation"] == operation.name);
            assert!(has, "{} {} is not in the plan", provider.id, operation.name);
        }
    }
    // DigiCert's order is read before its reissue is asked for, and then the request is looked at, which waits for a person; Sectigo's is asked
    // for, looked at, and fetched; Google's is in doubt, and its certificate is looked at; NAVER's is fetched behind its validation.
    assert_eq!(asked, rows.len() + 2 + 2 + 1 + 1, "one request an action, but for stages");
    let judged =
        format!("a run of {} actions, {asked} requests accepted, each ended as the page's example says", rows.len());
    installed::log("Prism", &super::prism::version(), &judged);
}

/// The certificate of a page's example is not one for this request, so the reissues of Vault, Sectigo, EJBCA and Google, and what fetches NAVER's, cannot
/// end well.
const ACTIONS: &str = r#"actions:
  - {id: pending-approval1, provider: digicert, action: revoke, certificate_id: "0A:1B", reason: keyCompromise, comments: "철회 · \"1\""}
  - {id: pending-approval2, provider: digicert, action: revoke, certificate_id: 112358, skip_approval: true}
  - {id: pending-approval3, provider: digicert, action: revoke-order, order_id: 55, comments: INC-42}
  - {id: succeeded1, provider: naver, action: revoke, orderId: "1", certificateNo: 1, reason: superseded}
  - {id: succeeded2, provider: naver, action: revoke, orderId: 0012, certificateNo: 0, reason: unspecified}
  - {id: succeeded3, provider: naver, action: reissue, certificateNo: "55882", certificateName: shop, commonName: shop.example.com,
     dnsName: [shop.example.com, www.shop.example.com], validationMethod: D, csr: "file:shop.csr"}
  - {id: in-doubt5, provider: naver, action: fetch-certificate, certificateNo: "55883", csr: "file:shop.csr"}
  - {id: succeeded4, provider: huawei, action: revoke-ca, ca_id: 6434f74f-2d13-4e6a-89eb-93ee313f1a43, reason: keyCompromise}
  - {id: succeeded5, provider: huawei, action: revoke-ca, ca_id: 7434f74f-2d13-4e6a-89eb-93ee313f1a43}
  - {id: succeeded6, provider: huawei, action: revoke, certificate_id: 4c0e772e-a30c-4029-b929-b7acb04143f7, reason: superseded}
  - {id: pending1, provider: huawei-scm, action: revoke, project_id: 0a1b2c3d, cert_id: scs1590053258704, comments: INC-42}
  - {id: succeeded7, provider: naver-pca, action: revoke, caTag: 1a2b3c-4d5e6f, serialNo: "0a:1b:2c"}
  - {id: succeeded8, provider: vault, action: revoke, serial_number: "5a:92:08:16:15:6d"}
  - {id: succeeded9, provider: vault, action: revoke-with-key, serial_number: "5a:92:08:16:15:6e", private_key: "file:shop.key"}
  - {id: in-doubt1, provider: vault, action: reissue, role: web, csr: "file:shop.csr", common_name: shop.example.com, alt_names: www.shop.example.com}
  - {id: succeeded10, provider: digicert, action: duplicate, order_id: 55, certificate.common_name: shop.example.com,
     certificate.dns_names: [www.shop.example.com], certificate.csr: "file:shop.csr", certificate.signature_hash: sha256, certificate.server_platform.id: 2}
  - {id: pending-approval4, provider: digicert, action: reissue, order_id: 56, certificate.common_name: shop.example.com,
     certificate.dns_names: [www.shop.example.com], certificate.csr: "file:shop.csr", certificate.signature_hash: sha256, certificate.server_platform.id: 2}
  - {id: succeeded11, provider: digicert, action: approve, request_id: 77}
  - {id: succeeded12, provider: digicert, action: cancel-order-request, order_id: 57, note: INC-42}
  - {id: succeeded13, provider: ejbca, action: revoke, issuer: "CN=Sub CA,O=A/B", serial_number: "0a:0b", reason: privilegeWithdrawn}
  - {id: in-doubt2, provider: ejbca, action: reissue, csr: "file:shop.csr", certificate_profile_name: SERVER, end_entity_profile_name: WebServers,
     certificate_authority_name: ExampleCA, username: shop, password: used-once}
  - {id: succeeded14, provider: keyfactor, action: revoke, certificate_id: 42, reason: superseded, comments: INC-42}
  - {id: succeeded15, provider: sectigo, action: revoke, ssl_id: 123, reason: keyCompromise, comments: INC-42}
  - {id: succeeded16, provider: sectigo, action: revoke-by-serial, serial_number: "0a:0b:0c", reason: superseded, comments: "철회 · \"1\""}
  - {id: in-doubt3, provider: sectigo, action: reissue, ssl_id: 124, csr: "file:shop.csr", common_name: shop.example.com,
     dns_names: [www.shop.example.com], comments: INC-42}
  - {id: succeeded17, provider: digicert-one, action: revoke, serial_number: 4099abf9c1bb7c02bbe1cdc7836ca9d58a71c2a5, reason: keyCompromise}
  - {id: succeeded18, provider: google-cas, action: revoke, caPool: web, certificateId: shop-2026, reason: keyCompromise}
  - {id: in-doubt4, provider: google-cas, action: reissue, caPool: web, certificateId: shop-2027, csr: "file:shop.csr", lifetime: 7776000s}
  - {id: succeeded19, provider: in-house, action: revoke, serial: 00e5, reason: keyCompromise, ticket: INC-42}
"#;
