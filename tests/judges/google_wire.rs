//! Google's own client and certsweep put the same calls on the same socket, and Google's own messages read what the document's samples show.

use super::installed::{self, python};
use crate::support::mock::{Mock, json};
use crate::support::place::Place;
use certsweep::provider::Catalog;
use certsweep::wire::request;
use serde_json::{Value, json};

#[test]
#[ignore = "asks google-cloud-private-ca; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn requests_on_the_wire_are_those_of_googles_client() {
    let catalog = Catalog::built_in();
    let provider = catalog.get("google-cas").unwrap();
    let mock = Mock::start(|_, _| json(200, "{}"));
    let base = provider.base_url.replace("{project}", "p").replace("{location}", "us-central1");
    let base = base.replace("https://privateca.googleapis.com", &mock.url());
    let pool = "projects/p/locations/us-central1/caPools/web";
    let (revoke_id, create_id) = ("0bca9a2e-9c2b-4a8c-8c54-3f6f5e7a1d11", "0bca9a2e-9c2b-4a8c-8c54-3f6f5e7a1d12");
    let calls = json!([
        {"method": "revoke_certificate", "request": "RevokeCertificateRequest",
         "arguments": {"name": format!("{pool}/certificates/a"), "reason": "KEY_COMPROMISE", "requestId": revoke_id}},
        {"method": "get_certificate", "request": "GetCertificateRequest", "arguments": {"name": format!("{pool}/certificates/a")}},
        {"method": "list_certificates", "request": "ListCertificatesRequest",
         "arguments": {"parent": "projects/p/locations/us-central1/caPools/-", "pageSize": 1000, "pageToken": "t2"}},
        {"method": "create_certificate", "request": "CreateCertificateRequest",
         "arguments": {"parent": pool, "certificateId": "b", "requestId": create_id, "issuingCertificateAuthorityId": "ca-1",
                       "certificate": {"pemCsr": "a request", "lifetime": "7776000s",
                                       "certificateTemplate": "projects/p/locations/us-central1/certificateTemplates/t"}}},
    ]);
    let answers: Vec<Value> = provider
        .operations
        .iter()
        .flat_map(|operation| {
            let message = if operation.list.is_some() { "ListCertificatesResponse" } else { "Certificate" };
            let good =
                operation.samples.iter().flat_map(|sample| &sample.answers).filter(|answer| answer.status == 200);
            good.filter_map(move |answer| Some(json!([message, answer.body.clone()?]))).collect::<Vec<_>>()
        })
        .collect();
    let host = mock.url().replace("http://", "");
    let answer = python("google_privateca.py", &json!({"send": {"host": host, "calls": calls}, "answers": answers}));
    let theirs = mock.seen();
    assert_eq!(theirs.len(), 4, "{:?}", mock.lines());

    let reasons = answer["reasons"].as_object().unwrap();
    let ours = [
        ("revoke", json!({"caPool": "web", "certificateId": "a", "reason": "KEY_COMPROMISE", "requestId": revoke_id})),
        ("get-certificate", json!({"caPool": "web", "certificateId": "a"})),
        ("list-certificates", json!({"pageToken": "t2"})),
        (
            "reissue",
            json!({"caPool": "web", "certificateId": "b", "requestId": create_id, "issuingCertificateAuthorityId": "ca-1",
            "pemCsr": "a request", "lifetime": "7776000s", "certificateTemplate": "projects/p/locations/us-central1/certificateTemplates/t"}),
        ),
    ];
    for ((name, parameters), theirs) in ours.iter().zip(&theirs) {
        let built = request::build(&base, provider.operation(name).unwrap(), parameters.as_object().unwrap());
        // Its answers shall have numbers in the place of words; ours have words.
        let (path, query) = theirs.target.split_once('?').unwrap();
        let mut query: Vec<&str> = query.split('&').filter(|word| !word.starts_with("%24alt=")).collect();
        let (our_path, our_query) = built.url.split_once('?').unwrap_or((&built.url, ""));
        let mut ours: Vec<&str> = our_query.split('&').filter(|word| !word.is_empty()).collect();
        query.sort_unstable();
        ours.sort_unstable();
        assert_eq!(
            (built.method.as_str(), our_path),
            (theirs.method.as_str(), format!("{}{path}", mock.url()).as_str())
        );
        assert_eq!(ours, query, "{name}");
        let mut body: Value = built.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
        // Nor do its requests have words.
        if let Some(reason) = body.get_mut("reason") {
            *reason = reasons[reason.as_str().unwrap()].clone();
        }
        let text = theirs.text();
        assert_eq!(body, serde_json::from_str::<Value>(&text).unwrap_or(Value::Null), "{name}");
    }
    let revoke = provider.operation("revoke").unwrap();
    let reason = revoke.action.as_ref().unwrap().reason.as_ref().unwrap();
    let mut words: Vec<&str> = reason.values.iter().map(|(_, word)| word.as_str()).collect();
    let mut known: Vec<&str> = reasons.keys().map(String::as_str).collect();
    words.sort_unstable();
    known.sort_unstable();
    assert_eq!(words, known, "every reason that the client has");

    // The program itself, with a token that somebody else fetched.
    let mut place = Place::bare();
    place.set("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.example");
    let account = format!("{{base_url: '{base}', credentials: {{access_token: 'env:GOOGLE_OAUTH_ACCESS_TOKEN'}}}}");
    place.run(&format!(
        "version: 1\nretry: {{attempts: 1}}\nproviders: {{google-cas: {account}}}\nactions:\n  - {{provider: google-cas, action: revoke, caPool: web, certificateId: a, reason: keyCompromise, requestId: {revoke_id}}}\n"
    ));
    let seen = mock.seen().remove(4);
    assert_eq!(seen.line(), format!("POST {}", theirs[0].target.split_once('?').unwrap().0));
    assert_eq!(seen.header("authorization"), Some("Bearer ya29.example"));
    let judged = format!(
        "{} requests, the same as certsweep's; {} answers of the samples are its own messages",
        theirs.len(),
        answers.len()
    );
    installed::log("google-cloud-private-ca", answer["version"].as_str().unwrap(), &judged);
}
