//! A session with an ACME server (RFC 8555): its directory, the account's URL, and nonces that came and were not used yet. Says
//! what must be asked before a request can be signed, reads the answers, and signs (JSON Web Signatures in the flattened form: RFC
//! 7515, section 7.2.2; RFC 8555, section 6.2). Sends nothing.

use super::WireRequest;
use super::credentials::{SignError, set_header};
use crate::pki::PrivateKey;
use crate::pki::private_key::PublicNumbers;
use crate::provider::Answer;
use crate::provider::answer::Content;
use crate::provider::verdict::{self, Problem};
use crate::text::safe;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a server so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// The account's key; none where every request is signed by a key of its own.
    key: Option<Arc<PrivateKey>>,
    directory_url: String,
    /// The URLs in the directory, by their names; empty until it was read.
    directory: BTreeMap<String, String>,
    /// The account's URL.
    account: Option<String>,
    /// The latest is used first: servers forget the old ones.
    nonces: Vec<String>,
    /// What was asked last.
    asked: Option<Prerequisite>,
    /// Nonces that were refused in a row when the account was asked for.
    refusals: u32,
}

/// What must be known before anything can be sent, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prerequisite {
    Directory,
    Nonce,
    Account,
}

impl Session {
    /// A session that begins, with the account's key where there is one.
    pub(super) fn new(key: Option<PrivateKey>) -> Self {
        Self { key: key.map(Arc::new), ..Self::default() }
    }

    /// Where the directory is.
    pub(super) fn set_directory(&mut self, directory_url: &str) {
        directory_url.clone_into(&mut self.directory_url);
    }

    /// Whether both are about the same account.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key.is_some() && self.directory_url == other.directory_url
    }

    /// A nonce for one request; `None` where something must be asked first.
    pub(super) fn nonce(&mut self) -> Option<String> {
        match self.next() {
            None => self.nonces.pop(),
            Some(_) => None,
        }
    }

    /// Takes a nonce back that was not used.
    pub(super) fn take_back(&mut self, nonce: String) {
        if self.nonces.len() < MAX_NONCES {
            self.nonces.push(nonce);
        }
    }

    /// The request that is to be asked first; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be signed.
    pub(super) fn request(&mut self) -> Option<Result<WireRequest, SignError>> {
        let step = self.next()?;
        self.asked = Some(step);
        let plain = |method: &str, url: &str| WireRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: vec![("accept".into(), "application/json".into())],
            body: None,
        };
        Some(match step {
            Prerequisite::Directory => Ok(plain("GET", &self.directory_url)),
            Prerequisite::Nonce => self.url("newNonce").map(|url| plain("HEAD", url)),
            Prerequisite::Account => self.account_request(plain),
        })
    }

    /// Takes every answer's nonce. A value that is not of base64url's letters must be ignored (RFC 8555, section 6.5.1).
    pub(super) fn observe_response(&mut self, answer: &Answer) {
        let plain = |nonce: &&str| {
            !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if let Some(nonce) = answer.header("replay-nonce").filter(plain)
            && self.nonces.len() < MAX_NONCES
        {
            self.nonces.push(nonce.to_owned());
        }
    }

    /// Reads the answer to what was asked last; its nonce was taken already.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn accept(&mut self, answer: &Answer) -> Result<(), String> {
        match self.asked.take() {
            None => Ok(()),
            Some(Prerequisite::Directory) => self.accept_directory(answer),
            Some(Prerequisite::Nonce) if answer.header("replay-nonce").is_some() => Ok(()),
            Some(Prerequisite::Nonce) => Err(format!("the CA gave no nonce: {}", problem_words(answer))),
            Some(Prerequisite::Account) => self.accept_account(answer),
        }
    }

    /// The URL that the directory has under a name.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn url(&self, name: &str) -> Result<&str, SignError> {
        self.directory
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| SignError::NotOffered(safe::terminal(name).into_owned()))
    }

    /// A URL that an answer has told: of an order, an authorization, a certificate. An answer is foreign data: what it names at another place
    /// than the server's own is not asked.
    fn told_url(&self, text: &str) -> Result<String, SignError> {
        let elsewhere = || SignError::Elsewhere(safe::terminal(text).into_owned());
        let url = Url::parse(text).map_err(|_| elsewhere())?;
        let own = std::iter::once(&self.directory_url).chain(self.directory.values());
        let is_own = own.filter_map(|own| Url::parse(own).ok()).any(|own| own.origin() == url.origin());
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if is_own && is_plain { Ok(text.to_owned()) } else { Err(elsewhere()) }
    }

    /// What is signed of a request's body: for a server without renewal information not what a certificate replaces, which it would refuse
    /// (RFC 9773, section 5).
    fn payload(&self, member: &str, body: Vec<u8>) -> Vec<u8> {
        if member != NEW_ORDER || self.directory.contains_key(RENEWAL_INFO) {
            return body;
        }
        let Ok(Value::Object(mut order)) = serde_json::from_slice(&body) else { return body };
        if order.remove("replaces").is_none() { body } else { Value::Object(order).to_string().into_bytes() }
    }

    /// The thumbprint of the account's key (RFC 7638), by which challenges are met; `None` where it has none.
    pub(super) fn thumbprint(&self) -> Option<String> {
        let key = self.key.as_deref()?;
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(jwk(key).to_string())))
    }

    /// Signs a request whose URL is the name of a member below the directory's, or behind any name a URL that the server has told, percent-encoded.
    /// Its body becomes the payload of a JWS; without one that is empty (RFC 8555, section 6.3).
    ///
    /// # Errors
    /// The directory has no such member, the URL is not the server's, or there is no key.
    pub(super) fn sign(
        &self,
        request: &mut WireRequest,
        nonce: &str,
        own_key: Option<&PrivateKey>,
    ) -> Result<(), SignError> {
        let member = request.url.strip_prefix(&self.directory_url).and_then(|rest| rest.strip_prefix('/'));
        let member = member.unwrap_or_default();
        let url = match member.split_once('/') {
            Some((name, rest)) if name == RENEWAL_INFO => format!("{}/{rest}", self.url(name)?.trim_end_matches('/')),
            Some((_, told)) => self.told_url(&percent_decode_str(told).decode_utf8_lossy())?,
            None => self.url(member)?.to_owned(),
        };
        // RFC 8555, section 6.3, and RFC 9773, section 4.1: what is asked by GET is for everybody.
        if request.method == "GET" {
            request.url = url;
            return Ok(());
        }
        let payload = self.payload(member, request.body.take().unwrap_or_default());
        let protected = Protected { nonce, url: &url, account: None };
        // A certificate's own key is shown whole, an account's is named by its URL (RFC 8555, section 7.6).
        request.body = Some(match own_key {
            Some(key) => signed_body(key, protected, &payload)?,
            None => {
                let account = Some(self.account.as_deref().ok_or(SignError::Url)?);
                signed_body(self.account_key()?, Protected { account, ..protected }, &payload)?
            }
        });
        request.url = url;
        Ok(())
    }

    fn next(&self) -> Option<Prerequisite> {
        if self.directory.is_empty() {
            Some(Prerequisite::Directory)
        } else if self.nonces.is_empty() {
            Some(Prerequisite::Nonce)
        } else if self.key.is_some() && self.account.is_none() {
            Some(Prerequisite::Account)
        } else {
            None
        }
    }

    fn account_key(&self) -> Result<&PrivateKey, SignError> {
        self.key.as_deref().ok_or_else(|| SignError::Missing("account_key".to_owned()))
    }

    fn account_request(&mut self, plain: impl Fn(&str, &str) -> WireRequest) -> Result<WireRequest, SignError> {
        let nonce = self.nonces.pop().unwrap_or_default();
        // An account is never made here: the URL of one that is there is asked for (RFC 8555, section 7.3.1).
        let url = self.url("newAccount")?;
        let mut request = plain("POST", url);
        request.headers.push(("content-type".into(), MEDIA_TYPE.into()));
        let protected = Protected { nonce: &nonce, url, account: None };
        request.body = Some(signed_body(self.account_key()?, protected, br#"{"onlyReturnExisting":true}"#)?);
        Ok(request)
    }

    fn accept_directory(&mut self, answer: &Answer) -> Result<(), String> {
        let members = answer.json().as_object().filter(|_| answer.status == 200).into_iter().flatten();
        let urls = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        // Plain http leads nowhere but from a directory on this machine.
        let plain = self.directory_url.starts_with("http://");
        let usable = |url: &str| url.starts_with("https://") || (plain && url.starts_with("http://"));
        let directory: BTreeMap<String, String> = urls.filter(|(_, url)| usable(url)).collect();
        let lacks = NEEDED.iter().find(|name| !directory.contains_key(**name));
        if let Some(lacks) = lacks {
            let why = if answer.status == 200 { format!("it has no URL for `{lacks}`") } else { problem_words(answer) };
            return Err(format!(
                "there is no ACME directory at {}: {why}; `base_url` says where it is",
                self.directory_url
            ));
        }
        // Kept for the whole session: servers do not move within a run, and each look costs a request.
        self.directory = directory;
        Ok(())
    }

    fn accept_account(&mut self, answer: &Answer) -> Result<(), String> {
        let text = |name: &str| answer.json().get(name).and_then(Value::as_str).unwrap_or_default();
        // The refusal brings a fresh nonce: the account is asked for again (RFC 8555, section 6.5).
        if text("type").ends_with(":badNonce") && self.refusals < MAX_REFUSALS {
            self.refusals += 1;
            return Ok(());
        }
        self.refusals = 0;
        let location = answer.header("location").filter(|url| url.contains("://") && answer.status == 200);
        match (location, text("status")) {
            (Some(url), "" | "valid") => {
                self.account = Some(url.to_owned());
                Ok(())
            }
            (Some(_), status) => Err(format!("the account of this key is {}", safe::terminal(status))),
            (None, _) if text("type").ends_with(":accountDoesNotExist") => {
                Err(format!("the CA knows no account with this key: {}", problem_words(answer)))
            }
            (None, _) => Err(format!("the account of this key could not be found: {}", problem_words(answer))),
        }
    }
}

/// The status and the words of a problem document (RFC 9457), made safe to show.
fn problem_words(answer: &Answer) -> String {
    let Problem { kind, detail, more } = verdict::problem_words(answer.json());
    let words = [kind, detail, more].into_iter().flatten();
    let words = words.fold(String::new(), |all, one| format!("{all}: {one}"));
    // No words of the CA's: a page of something between, most likely.
    if words.is_empty() && (*answer.content() == Content::Other || answer.header("location").is_some()) {
        return safe::terminal(&answer.describe()).into_owned();
    }
    format!("HTTP {}{}", answer.status, safe::terminal(&words))
}

/// What a JWS of ACME says about itself beside its algorithm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protected<'a> {
    /// Serves one request.
    pub(super) nonce: &'a str,
    /// Where the request goes: it is good nowhere else.
    pub(super) url: &'a str,
    /// The account's URL; without it the key itself is shown.
    pub(super) account: Option<&'a str>,
}

/// Signs a payload; gives the body to send.
///
/// # Errors
/// The key cannot sign.
pub(super) fn signed_body(key: &PrivateKey, protected: Protected<'_>, payload: &[u8]) -> Result<Vec<u8>, SignError> {
    let mut head = Map::new();
    head.insert("alg".to_owned(), json!(key.algorithm()));
    match protected.account {
        Some(account) => head.insert("kid".to_owned(), json!(account)),
        None => head.insert("jwk".to_owned(), jwk(key)),
    };
    head.insert("nonce".to_owned(), json!(protected.nonce));
    head.insert("url".to_owned(), json!(protected.url));
    let head = URL_SAFE_NO_PAD.encode(Value::Object(head).to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature =
        key.sign(format!("{head}.{payload}").as_bytes()).map_err(|error| SignError::Key(error.to_string()))?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Ok(json!({"protected": head, "payload": payload, "signature": signature}).to_string().into_bytes())
}

/// Says in the header what kind of body it is.
pub(super) fn set_media_type(request: &mut WireRequest) {
    set_header(request, "content-type", MEDIA_TYPE);
}

/// What a preview shows of a signed body: its parts decoded, with words in the place of what only sending makes.
pub(super) fn shown_body(payload: Option<&str>, url: &str, by: &str) -> String {
    let payload = payload.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let head = json!({"alg": "(by the key)", by: "(at sending)", "nonce": "(at sending)", "url": url});
    json!({"protected": head, "payload": payload, "signature": "(signed at sending)"}).to_string()
}

/// The public half as a JWK, its members in the order of RFC 7638.
fn jwk(key: &PrivateKey) -> Value {
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key.public() {
        PublicNumbers::Ec { curve, x, y } => json!({"crv": curve, "kty": "EC", "x": number(&x), "y": number(&y)}),
        PublicNumbers::Rsa { n, e } => json!({"e": number(&e), "kty": "RSA", "n": number(&n)}),
    }
}

/// The media type of a signed body.
const MEDIA_TYPE: &str = "application/jose+json";
const NEW_ORDER: &str = "newOrder";
const RENEWAL_INFO: &str = "renewalInfo";
const NEEDED: [&str; 3] = ["newNonce", "newAccount", "revokeCert"];
/// So many nonces come at most with as many requests in flight.
const MAX_NONCES: usize = 1000;
/// Nonces that may be refused in a row.
const MAX_REFUSALS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../pki/testdata/keys/p256.pem");

    fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer::new(status, headers, if body.is_null() { Vec::new() } else { body.to_string().into_bytes() })
    }

    fn directory() -> Value {
        let url = |name: &str| format!("https://ca.example/acme/{name}");
        json!({"newNonce": url("n"), "newAccount": url("a"), "revokeCert": url("r"), "meta": {"website": "x"}})
    }

    fn session(with_key: bool) -> Session {
        let mut session = Session::new(with_key.then(|| PrivateKey::parse(KEY).unwrap()));
        session.set_directory("https://ca.example/dir");
        session
    }

    /// Asks the next thing, which must be this, and takes the answer as a sender does.
    fn asks(session: &mut Session, line: &str, answer: &Answer) -> Result<(), String> {
        assert_eq!(session.nonce(), None);
        let request = session.request().unwrap().unwrap();
        assert_eq!(format!("{} {}", request.method, request.url), line);
        session.observe_response(answer);
        session.accept(answer)
    }

    #[test]
    fn what_an_answer_has_told_is_asked_at_the_directorys_own_place_alone() {
        let mut session = session(true);
        asks(&mut session, DIRECTORY, &answer(200, &[], &directory())).unwrap();
        session.account = Some("https://ca.example/acme/7".to_owned());
        let sign = |told: &str| {
            let told = percent_encoding::utf8_percent_encode(told, percent_encoding::NON_ALPHANUMERIC);
            let mut request = WireRequest {
                method: "POST".to_owned(),
                url: format!("https://ca.example/dir/order/{told}"),
                headers: vec![],
                body: None,
            };
            session.sign(&mut request, "nonce", None).map(|()| request.url)
        };
        assert_eq!(sign("https://ca.example/order/1?a=b").as_deref(), Ok("https://ca.example/order/1?a=b"));
        for elsewhere in [
            "https://other.example/order/1",
            "http://ca.example/order/1",
            "https://ca.example:444/order/1",
            "https://user@ca.example/order/1",
            "file:///etc/passwd",
            "order/1",
        ] {
            assert_eq!(sign(elsewhere), Err(SignError::Elsewhere(elsewhere.to_owned())), "{elsewhere}");
        }
    }

    #[test]
    fn a_server_without_renewal_information_is_not_told_what_is_replaced() {
        let mut session = session(true);
        let order = json!({"identifiers": [], "replaces": "a.b"}).to_string().into_bytes();
        assert_eq!(session.payload("newOrder", order.clone()), br#"{"identifiers":[]}"#);
        session.directory.insert(RENEWAL_INFO.to_owned(), "https://ca.example/ari".to_owned());
        assert_eq!(session.payload("newOrder", order.clone()), order);
    }

    const DIRECTORY: &str = "GET https://ca.example/dir";
    const NONCE: &str = "HEAD https://ca.example/acme/n";
    const ACCOUNT: &str = "POST https://ca.example/acme/a";

    #[test]
    fn directory_nonce_and_account_are_asked_once_and_every_answer_brings_a_nonce() {
        let mut session = session(true);
        asks(&mut session, DIRECTORY, &answer(200, &[], &directory())).unwrap();
        asks(&mut session, NONCE, &answer(200, &[("replay-nonce", "one")], &Value::Null)).unwrap();
        let bad = json!({"type": "urn:ietf:params:acme:error:badNonce"});
        asks(&mut session, ACCOUNT, &answer(400, &[("replay-nonce", "two")], &bad)).unwrap();
        let good = answer(
            200,
            &[("replay-nonce", "three"), ("location", "https://ca.example/acme/7")],
            &json!({"status": "valid"}),
        );
        asks(&mut session, ACCOUNT, &good).unwrap();
        assert!(session.request().is_none());
        assert_eq!(session.nonce().as_deref(), Some("three"));
        asks(&mut session, NONCE, &answer(204, &[("replay-nonce", "four")], &Value::Null)).unwrap();
        session.observe_response(&answer(200, &[("replay-nonce", "five")], &Value::Null));
        session.observe_response(&answer(200, &[("replay-nonce", "si x")], &Value::Null));
        assert_eq!((session.nonce().as_deref(), session.nonce().as_deref()), (Some("five"), Some("four")));

        let mut request = WireRequest {
            method: "POST".to_owned(),
            url: "https://ca.example/dir/revokeCert".to_owned(),
            headers: vec![],
            body: Some(b"{}".to_vec()),
        };
        session.sign(&mut request, "five", None).unwrap();
        assert_eq!(request.url, "https://ca.example/acme/r");
        assert!(String::from_utf8(request.body.unwrap()).unwrap().starts_with("{\"payload\":"));
    }

    #[test]
    fn without_an_account_key_no_account_is_asked_for() {
        let mut session = session(false);
        asks(&mut session, DIRECTORY, &answer(200, &[], &directory())).unwrap();
        asks(&mut session, NONCE, &answer(200, &[("replay-nonce", "one")], &Value::Null)).unwrap();
        assert_eq!(session.nonce().as_deref(), Some("one"));
        let mut request = WireRequest {
            method: "POST".to_owned(),
            url: "https://ca.example/dir/revokeCert".to_owned(),
            headers: vec![],
            body: None,
        };
        assert!(session.sign(&mut request.clone(), "one", None).is_err());
        session.sign(&mut request, "one", Some(&PrivateKey::parse(KEY).unwrap())).unwrap();
    }

    #[test]
    fn what_is_no_directory_and_no_account_is_told() {
        let mut lacking = directory();
        lacking.as_object_mut().unwrap().remove("revokeCert");
        for (status, body, expected) in [
            (200, json!("<html>"), "no ACME directory at https://ca.example/dir: it has no URL for `newNonce`"),
            (200, json!({"newNonce": "http://ca.example/n"}), "it has no URL for `newNonce`"),
            (200, lacking, "it has no URL for `revokeCert`"),
            (404, directory(), "no ACME directory at https://ca.example/dir: HTTP 404"),
        ] {
            let error = asks(&mut session(true), DIRECTORY, &answer(status, &[], &body)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let location = ("location", "https://ca.example/acme/7");
        for (status, headers, body, expected) in [
            (
                400,
                &[][..],
                json!({"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "no\u{1b}", "instance": "/7"}),
                "knows no account with this key: HTTP 400: urn:ietf:params:acme:error:accountDoesNotExist: no\\u{1b}: instance: /7",
            ),
            (200, &[location], json!({"status": "deactivated"}), "the account of this key is deactivated"),
            (200, &[], json!({"status": "valid"}), "could not be found: HTTP 200"),
            (500, &[location], json!({}), "could not be found: HTTP 500"),
        ] {
            let mut session = session(true);
            asks(&mut session, DIRECTORY, &answer(200, &[], &directory())).unwrap();
            let nonce = [("replay-nonce", "one")];
            asks(&mut session, NONCE, &answer(200, &nonce, &Value::Null)).unwrap();
            let error = asks(&mut session, ACCOUNT, &answer(status, headers, &body)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut session = session(true);
        asks(&mut session, DIRECTORY, &answer(200, &[], &directory())).unwrap();
        let error = asks(&mut session, NONCE, &answer(503, &[], &Value::Null)).unwrap_err();
        assert_eq!(error, "the CA gave no nonce: HTTP 503");
    }

    fn parts(body: &[u8]) -> (Value, String, String) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let head = URL_SAFE_NO_PAD.decode(text("protected")).unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(text("payload")).unwrap()).unwrap();
        (serde_json::from_slice(&head).unwrap(), payload, text("signature"))
    }

    /// RFC 7515, appendix A.2: RSASSA-PKCS1-v1_5 is the one signature that comes out the same each time.
    #[test]
    fn the_example_of_rfc_7515_comes_out_the_same() {
        let key = PrivateKey::parse(include_str!("testdata/rfc7515-a2.pem")).unwrap();
        let head = r#"{"alg":"RS256"}"#;
        let payload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).unwrap()),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb\
             F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383\
             LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy\
             wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        assert_eq!(jwk(&key)["e"], "AQAB");
        assert!(
            jwk(&key)["n"].as_str().unwrap().starts_with("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx")
        );
    }

    #[test]
    fn a_body_names_the_account_or_shows_the_key() {
        for (pem, algorithm, length) in [
            (include_str!("../pki/testdata/keys/p256.pem"), "ES256", 64),
            (include_str!("../pki/testdata/keys/p384-sec1.pem"), "ES384", 96),
            (include_str!("../pki/testdata/keys/rsa.pem"), "RS256", 256),
        ] {
            let key = PrivateKey::parse(pem).unwrap();
            let protected =
                Protected { nonce: "n-1", url: "https://ca.example/revoke", account: Some("https://ca.example/a/1") };
            let (head, payload, signature) = parts(&signed_body(&key, protected, b"{\"a\":1}").unwrap());
            let expected = json!({"alg": algorithm, "kid": "https://ca.example/a/1", "nonce": "n-1", "url": "https://ca.example/revoke"});
            assert_eq!((head, payload.as_str()), (expected, "{\"a\":1}"));
            assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), length);
            let (head, _, _) = parts(&signed_body(&key, Protected { account: None, ..protected }, b"{}").unwrap());
            assert!(head.get("kid").is_none() && head["jwk"] == jwk(&key), "{head}");
        }
    }
}
