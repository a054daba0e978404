//! The challenges of an ACME authorization (RFC 8555, sections 7.1.4 and 8): which one is met, and what proves control of a name. Pure: hooks
//! are run, and files are written, by [`crate::wire`].

use crate::text::safe;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Duration;

/// How an account meets challenges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeHook {
    /// Which challenge of several.
    pub kind: ChallengeType,
    /// By what.
    pub by: ChallengeSolver,
    /// How long a program may take.
    pub limit: Duration,
}

/// What meets a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeSolver {
    /// A program and its arguments; never empty.
    Command(Vec<String>),
    /// The directory that a web server shows as `/.well-known/acme-challenge/`.
    Directory(PathBuf),
}

/// The types of challenges that can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChallengeType {
    /// A file on the web server (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// A TXT record (RFC 8555, section 8.4).
    #[serde(rename = "dns-01")]
    Dns01,
}

/// A challenge that is to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The name that is validated, without `*.`.
    pub domain: String,
    /// Its type.
    pub kind: ChallengeType,
    /// The CA's token: letters of base64url alone.
    pub token: String,
    /// Where the CA is told that it is met.
    pub url: String,
}

impl ChallengeType {
    /// Both, by their names.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Http01, "http-01"), (Self::Dns01, "dns-01")];

    /// The word of RFC 8555.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
        }
    }
}

impl Challenge {
    /// The challenge of this type of an authorization. An answer is foreign data, and what is in it goes to a program and into a path: what is not a
    /// name or a token is refused.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub fn of(authorization: &Value, kind: ChallengeType) -> Result<Self, String> {
        let domain = authorization.pointer("/identifier/value").and_then(Value::as_str).unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if domain.is_empty() || domain.len() > MAX_NAME || !domain.bytes().all(plain) || domain.starts_with(['-', '.'])
        {
            return Err(format!("the CA's authorization is for `{}`, which is no DNS name", safe::terminal(domain)));
        }
        let status = authorization.get("status").and_then(Value::as_str).unwrap_or_default();
        if status != "pending" {
            return Err(format!("the CA's authorization for {domain} is {}", safe::terminal(status)));
        }
        let all = authorization.get("challenges").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |challenge: &Value, name: &str| challenge.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(found) = all.iter().find(|one| text(one, "type").as_deref() == Some(kind.word())) else {
            let types: Vec<String> = all.iter().filter_map(|one| text(one, "type")).collect();
            let offered = safe::terminal(&types.join(", ")).into_owned();
            return Err(format!("the CA offers no {} for {domain}; it offers {offered}", kind.word()));
        };
        let token = text(found, "token").filter(|token| {
            // RFC 8555, section 8.3: base64url, and long enough that nobody guesses it.
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(plain)
        });
        let (Some(token), Some(url)) = (token, text(found, "url")) else {
            return Err(format!("the CA's {} for {domain} has no usable token or URL", kind.word()));
        };
        Ok(Self { domain: domain.to_owned(), kind, token, url })
    }

    /// What the web server shows (RFC 8555, section 8.1); `thumbprint` is that of the account's key.
    pub fn key_authorization(&self, thumbprint: &str) -> String {
        format!("{}.{thumbprint}", self.token)
    }

    /// What proves control: the content of the file, or of the TXT record.
    pub fn proof(&self, thumbprint: &str) -> String {
        let key_authorization = self.key_authorization(thumbprint);
        match self.kind {
            ChallengeType::Http01 => key_authorization,
            ChallengeType::Dns01 => URL_SAFE_NO_PAD.encode(Sha256::digest(key_authorization)),
        }
    }
}

/// RFC 1035, section 2.3.4.
const MAX_NAME: usize = 253;
/// A file's name, on every file system.
const MAX_TOKEN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn authorization(token: &str) -> Value {
        json!({"status": "pending", "identifier": {"type": "dns", "value": "shop.example.com"}, "challenges": [
            {"type": "tls-alpn-01", "url": "https://ca/1", "token": "x"},
            {"type": "http-01", "url": "https://ca/2", "token": token},
            {"type": "dns-01", "url": "https://ca/3", "token": token},
        ]})
    }

    #[test]
    fn the_challenge_of_the_type_is_chosen_and_its_proof_is_that_of_the_rfc() {
        // RFC 8555, section 8.1, with the thumbprint of its example account.
        let token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
        let thumbprint = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
        let http = Challenge::of(&authorization(token), ChallengeType::Http01).unwrap();
        assert_eq!((http.url.as_str(), http.proof(thumbprint)), ("https://ca/2", format!("{token}.{thumbprint}")));
        let dns = Challenge::of(&authorization(token), ChallengeType::Dns01).unwrap();
        assert_eq!(dns.url, "https://ca/3");
        assert_eq!(dns.proof(thumbprint), URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{token}.{thumbprint}"))));
    }

    #[test]
    fn what_is_no_name_or_token_is_refused() {
        let with = |pointer: &str, value: Value| {
            let mut changed = authorization("abc");
            *changed.pointer_mut(pointer).unwrap() = value;
            Challenge::of(&changed, ChallengeType::Http01).unwrap_err()
        };
        for (why, expected) in [
            (with("/challenges/1/token", json!("../../etc/passwd")), "no usable token"),
            (with("/challenges/1/token", json!("")), "no usable token"),
            (
                with("/challenges/1/type", json!("dns-01")),
                "offers no http-01 for shop.example.com; it offers tls-alpn-01",
            ),
            (with("/identifier/value", json!("--help")), "is no DNS name"),
            (with("/identifier/value", json!("a b")), "is no DNS name"),
            (with("/status", json!("invalid")), "authorization for shop.example.com is invalid"),
        ] {
            assert!(why.contains(expected), "{why}");
        }
    }
}
