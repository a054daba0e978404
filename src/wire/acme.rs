//! A session with an ACME server (RFC 8555): its directory, the account's URL, and nonces that came and were not used yet. Says
//! what must be asked before a request can be signed, reads the answers, and signs. Sends nothing.

use super::sign::SignError;
use super::sign::jws::{Protected, signed};
use super::transport::WireRequest;
use crate::pki::PrivateKey;
use crate::provider::Answer;
use crate::provider::problem::{self, Problem};
use crate::text::safe;
use serde_json::Value;
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
    asked: Option<Step>,
    /// Nonces that were refused in a row when the account was asked for.
    refusals: u32,
}

/// What must be known before anything can be sent, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
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
    pub(super) fn at(&mut self, directory_url: &str) {
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

    /// Whether something must be asked before the next nonce.
    pub(super) fn lacks_nonce(&self) -> bool {
        self.next().is_some()
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
            Step::Directory => Ok(plain("GET", &self.directory_url)),
            Step::Nonce => self.url("newNonce").map(|url| plain("HEAD", url)),
            Step::Account => self.account_request(plain),
        })
    }

    /// Takes every answer's nonce.
    pub(super) fn hear(&mut self, answer: &Answer) {
        let plain = |nonce: &&str| {
            !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if let Some(nonce) = answer.header("replay-nonce").filter(plain)
            && self.nonces.len() < MOST_NONCES
        {
            self.nonces.push(nonce.to_owned());
        }
    }

    /// Reads the answer to what was asked last; its nonce was taken already.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn take(&mut self, answer: &Answer) -> Result<(), String> {
        match self.asked.take() {
            None => Ok(()),
            Some(Step::Directory) => self.take_directory(answer),
            Some(Step::Nonce) if answer.header("replay-nonce").is_some() => Ok(()),
            Some(Step::Nonce) => Err(format!("the CA gave no nonce: {}", said(answer))),
            Some(Step::Account) => self.take_account(answer),
        }
    }

    /// The URL that the directory has under a name.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn url(&self, name: &str) -> Result<&str, SignError> {
        self.directory.get(name).map(String::as_str).ok_or(SignError::Url)
    }

    /// Signs a request whose URL is the name of a member below the directory's. Its body becomes the payload of a JWS.
    ///
    /// # Errors
    /// The directory has no such member, or there is no key.
    pub(super) fn sign(
        &self,
        request: &mut WireRequest,
        nonce: &str,
        own_key: Option<&PrivateKey>,
    ) -> Result<(), SignError> {
        let member = request.url.strip_prefix(&self.directory_url).and_then(|rest| rest.strip_prefix('/'));
        let url = self.url(member.unwrap_or_default())?.to_owned();
        let payload = request.body.take().unwrap_or_default();
        let protected = Protected { nonce, url: &url, account: None };
        request.body = Some(match own_key {
            Some(key) => signed(key, protected, &payload)?,
            None => {
                let account = Some(self.account.as_deref().ok_or(SignError::Url)?);
                signed(self.account_key()?, Protected { account, ..protected }, &payload)?
            }
        });
        request.url = url;
        Ok(())
    }

    fn next(&self) -> Option<Step> {
        if self.directory.is_empty() {
            Some(Step::Directory)
        } else if self.nonces.is_empty() {
            Some(Step::Nonce)
        } else if self.key.is_some() && self.account.is_none() {
            Some(Step::Account)
        } else {
            None
        }
    }

    fn account_key(&self) -> Result<&PrivateKey, SignError> {
        self.key.as_deref().ok_or_else(|| SignError::Missing(ACCOUNT_KEY.to_owned()))
    }

    fn account_request(&mut self, plain: impl Fn(&str, &str) -> WireRequest) -> Result<WireRequest, SignError> {
        let nonce = self.nonces.pop().unwrap_or_default();
        let url = self.url("newAccount")?;
        let mut request = plain("POST", url);
        request.headers.push(("content-type".into(), "application/jose+json".into()));
        let protected = Protected { nonce: &nonce, url, account: None };
        request.body = Some(signed(self.account_key()?, protected, br#"{"onlyReturnExisting":true}"#)?);
        Ok(request)
    }

    fn take_directory(&mut self, answer: &Answer) -> Result<(), String> {
        let members = answer.json().as_object().filter(|_| answer.status == 200).into_iter().flatten();
        let urls = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        // Plain http leads nowhere but from a directory on this machine.
        let plain = self.directory_url.starts_with("http://");
        let usable = |url: &str| url.starts_with("https://") || (plain && url.starts_with("http://"));
        let directory: BTreeMap<String, String> = urls.filter(|(_, url)| usable(url)).collect();
        let lacks = NEEDED.iter().find(|name| !directory.contains_key(**name));
        if let Some(lacks) = lacks {
            let why = if answer.status == 200 { format!("it has no URL for `{lacks}`") } else { said(answer) };
            return Err(format!(
                "there is no ACME directory at {}: {why}; `base_url` says where it is",
                self.directory_url
            ));
        }
        self.directory = directory;
        Ok(())
    }

    fn take_account(&mut self, answer: &Answer) -> Result<(), String> {
        let text = |name: &str| answer.json().get(name).and_then(Value::as_str).unwrap_or_default();
        if text("type").ends_with(":badNonce") && self.refusals < MOST_REFUSALS {
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
                Err(format!("the CA knows no account with this key: {}", said(answer)))
            }
            (None, _) => Err(format!("the account of this key could not be found: {}", said(answer))),
        }
    }
}

/// The status and the words of a problem document (RFC 9457), made safe to show.
fn said(answer: &Answer) -> String {
    let Problem { kind, detail, more } = problem::words(answer.json());
    let words = [kind, detail, more].into_iter().flatten();
    let words = words.fold(String::new(), |all, one| format!("{all}: {one}"));
    format!("HTTP {}{}", answer.status, safe::terminal(&words))
}

/// The credential that holds the account's key.
pub(super) const ACCOUNT_KEY: &str = "account_key";
const NEEDED: [&str; 3] = ["newNonce", "newAccount", "revokeCert"];
/// So many nonces come at most with as many requests in flight.
const MOST_NONCES: usize = 1000;
/// Nonces that may be refused in a row.
const MOST_REFUSALS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        session.at("https://ca.example/dir");
        session
    }

    /// Asks the next thing, which must be this, and takes the answer as a sender does.
    fn asks(session: &mut Session, line: &str, answer: &Answer) -> Result<(), String> {
        assert_eq!(session.nonce(), None);
        let request = session.request().unwrap().unwrap();
        assert_eq!(format!("{} {}", request.method, request.url), line);
        session.hear(answer);
        session.take(answer)
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
        session.hear(&answer(200, &[("replay-nonce", "five")], &Value::Null));
        session.hear(&answer(200, &[("replay-nonce", "si x")], &Value::Null));
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
}
