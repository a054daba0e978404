//! Google's own library verifies what a service account asks for a token with, and would ask with the same.

use super::installed::{self, python};
use certsweep::provider::security::{SecurityScheme, SignerKind, TokenGrant, TokenScheme};
use certsweep::text::Secret;
use certsweep::wire::{Credentials, Signer};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
#[ignore = "asks google-auth; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn assertions_are_those_of_google_auth() {
    let key = include_str!("../../src/simulator/service-account-key.pem");
    let mut asked = Vec::new();
    for (scopes, at) in [
        (&["https://www.googleapis.com/auth/cloud-platform"][..], 1_795_939_200),
        (&["https://www.googleapis.com/auth/cloud-platform", "openid"], 1_835_481_599),
    ] {
        let file = json!({
            "type": "service_account", "client_email": "judge@example.iam.gserviceaccount.com", "private_key_id": "k1",
            "private_key": key, "token_uri": TOKENS,
        });
        let assertion = assertion(&file, scopes, Timestamp::from_second(at).unwrap());
        asked.push(json!({"file": file, "scopes": scopes, "at": at, "assertion": assertion}));
    }
    let answer = python("google_auth.py", &json!({ "judge": asked }));
    let judged = answer["judged"].as_array().unwrap();
    assert_eq!(judged.len(), asked.len());
    for one in judged {
        assert_eq!(one["claims"], one["their_claims"]);
        assert_eq!(one["header"], one["their_header"]);
    }
    let words = format!("{} assertions of a service account: verified, and what it would assert itself", judged.len());
    installed::log("google-auth", answer["version"].as_str().unwrap(), &words);
}

fn assertion(file: &Value, scopes: &[&str], at: Timestamp) -> String {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let token = TokenScheme {
        grant: TokenGrant::ServiceAccount { scopes, audience: TOKENS.to_owned() },
        url: TOKENS.to_owned(),
        header: "authorization".to_owned(),
        is_bearer: true,
        lifetime: None,
    };
    let scheme = SecurityScheme::new("google", SignerKind::Token(token));
    let credentials = Credentials::new([("service_account".to_owned(), Secret::new(file.to_string()))]);
    let request = Signer::new(&scheme.into(), &BTreeMap::new(), credentials).token_request(at).unwrap().unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", TOKENS));
    let body = String::from_utf8(request.body.unwrap()).unwrap();
    let (grant, assertion) = body.split_once("&assertion=").unwrap();
    assert_eq!(grant, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    assertion.to_owned()
}

const TOKENS: &str = "https://oauth2.googleapis.com/token";
