//! Credential references become credentials, before the first send. What is wrong is told without ever showing a value.

use super::fetch::{Fetched, fetch};
use super::sign::{fits_header, goes_into_header, unusable};
use crate::provider::CredentialReference;
use crate::provider::model::AuthScheme;
use crate::text::Secret;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The credentials of one account, for one scheme: in the scheme's order, the required ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pairs: Vec<(String, Secret)>,
    /// What of them may be met in foreign text, the longest first: a credential may begin with another.
    forms: Vec<Secret>,
}

/// What came of resolving an account's references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Which of the schemes is to be used.
    pub scheme: usize,
    /// Its credentials.
    pub credentials: Credentials,
    /// What should be put right, though it does no harm now.
    pub warnings: Vec<String>,
}

/// The credentials of an account cannot be had. Names all that are missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CredentialError {
    /// The account, by the name that the plan gives it.
    pub account: String,
    /// Every credential that is missing.
    pub problems: Vec<CredentialProblem>,
}

/// One credential that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialProblem {
    /// Its name: `api_key`.
    pub credential: String,
    /// Where it should come from: `env:DIGICERT_API_KEY`; `None` where nothing says so.
    pub reference: Option<String>,
    /// Why it cannot be had.
    pub cause: String,
}

/// Takes the first scheme all of whose required credentials are configured, and fetches them. An environment variable that
/// is not set counts as not configured, since documents name variables for every scheme that they know.
///
/// # Errors
/// All credentials that are missing, in one error.
pub fn resolve(
    account: &str,
    references: &BTreeMap<String, CredentialReference>,
    schemes: &[AuthScheme],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, CredentialError> {
    let error = |problems| CredentialError { account: account.to_owned(), problems };
    let Some(index) = choose(references, schemes, environment) else {
        let cause = "the provider document declares no way to authenticate".to_owned();
        return Err(error(vec![CredentialProblem { credential: String::new(), reference: None, cause }]));
    };
    let scheme = &schemes[index];
    let mut credentials = Vec::new();
    let mut warnings = Vec::new();
    let mut problems = Vec::new();
    for (name, required) in scheme.required.iter().map(|n| (n, true)).chain(scheme.optional.iter().map(|n| (n, false)))
    {
        let reference = references.get(name);
        if !required && !reference.is_some_and(|reference| configured(reference, environment)) {
            continue;
        }
        let fetched = match reference {
            Some(reference) => fetch(reference, environment),
            None => Err(format!("nothing says where it comes from; write `credentials: {{{name}: \"env:NAME\"}}`")),
        };
        match fetched.and_then(|fetched| check(scheme, name, fetched)) {
            Ok(Fetched { secret, warning }) => {
                warnings.extend(warning.map(|warning| format!("credential `{name}` of `{account}`: {warning}")));
                credentials.push((name.clone(), secret));
            }
            Err(cause) => {
                problems.push(CredentialProblem { credential: name.clone(), reference: reference.map(describe), cause })
            }
        }
    }
    if !problems.is_empty() {
        let others = schemes.iter().enumerate().filter(|(other, _)| *other != index);
        problems.extend(others.map(|(_, scheme)| CredentialProblem {
            credential: String::new(),
            reference: None,
            cause: format!("or give {} instead", scheme.required.join(" and ")),
        }));
    }
    if problems.is_empty() {
        Ok(Resolved { scheme: index, credentials: Credentials::new(credentials), warnings })
    } else {
        Err(error(problems))
    }
}

impl Credentials {
    /// Credentials by name, the required ones first.
    pub fn new(pairs: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let pairs: Vec<(String, Secret)> = pairs.into_iter().collect();
        let mut forms: Vec<Secret> = pairs.iter().flat_map(|(_, secret)| forms(secret)).collect();
        forms.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        Self { pairs, forms }
    }

    /// The credential of a name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.pairs.iter().find(|(present, _)| present == name).map(|(_, secret)| secret)
    }

    /// The names, the required ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// Adds a credential, such as a token that was fetched with the others, or replaces it.
    pub fn set(&mut self, name: &str, secret: Secret) {
        let others = std::mem::take(&mut self.pairs).into_iter().filter(|(present, _)| present != name);
        *self = Self::new(others.chain([(name.to_owned(), secret)]));
    }

    /// Foreign text with every credential in it replaced by `(secret)`, also where it is escaped as JSON or in a URL.
    pub fn mask(&self, text: &str) -> String {
        self.forms.iter().fold(text.into(), |text: Cow<'_, str>, secret| secret.mask(text)).into_owned()
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot get the credentials of `{}`", self.account)?;
        for (problem, separator) in self.problems.iter().zip(std::iter::once(": ").chain(std::iter::repeat("; "))) {
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CredentialProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.credential.is_empty() {
            write!(formatter, "`{}`", self.credential)?;
            if let Some(reference) = &self.reference {
                write!(formatter, " from `{reference}`")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.cause)
    }
}

/// The scheme to use; where none is configured whole, the one to complain about: the first with a reference for each of its
/// credentials, else the first of all.
fn choose(
    references: &BTreeMap<String, CredentialReference>,
    schemes: &[AuthScheme],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<usize> {
    let first = |test: &dyn Fn(&CredentialReference) -> bool| {
        schemes.iter().position(|scheme| scheme.required.iter().all(|name| references.get(name).is_some_and(test)))
    };
    first(&|reference| configured(reference, environment))
        .or_else(|| first(&|_| true))
        .or_else(|| (!schemes.is_empty()).then_some(0))
}

fn configured(reference: &CredentialReference, environment: &dyn Fn(&str) -> Option<String>) -> bool {
    match reference {
        CredentialReference::Env(name) => environment(name).is_some_and(|value| !value.is_empty()),
        CredentialReference::File(_) | CredentialReference::Command(_) => true,
    }
}

fn check(scheme: &AuthScheme, name: &str, fetched: Fetched) -> Result<Fetched, String> {
    let value = fetched.secret.reveal();
    if value.is_empty() {
        Err("it is empty".to_owned())
    } else if goes_into_header(scheme, name) && !fits_header(value) {
        Err("it holds characters that a header field cannot carry (line breaks, white space at an end, or other than ASCII)"
            .to_owned())
    } else if let Some(why) = unusable(&scheme.signer, value) {
        Err(why)
    } else {
        Ok(fetched)
    }
}

/// A reference for a message. A command's arguments are left out: they may say too much.
fn describe(reference: &CredentialReference) -> String {
    match reference {
        CredentialReference::Env(name) => format!("env:{name}"),
        CredentialReference::File(path) => format!("file:{}", path.display()),
        CredentialReference::Command(words) => {
            let program = words.first().map_or("", String::as_str);
            if words.len() > 1 { format!("command:{program} …") } else { format!("command:{program}") }
        }
    }
}

/// A secret as it is, and as it stands in JSON strings and URLs where that differs.
fn forms(secret: &Secret) -> Vec<Secret> {
    let text = secret.reveal();
    let quoted = serde_json::Value::from(text).to_string();
    let escaped = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned();
    let mut forms = vec![secret.clone()];
    for form in [escaped, crate::provider::request::encode(text)] {
        if form != text {
            forms.push(Secret::new(form));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::SignerKind;

    fn scheme(signer: SignerKind, required: &[&str], optional: &[&str]) -> AuthScheme {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        AuthScheme { name: "test".to_owned(), signer, required: owned(required), optional: owned(optional) }
    }

    fn huawei() -> Vec<AuthScheme> {
        vec![
            scheme(SignerKind::HuaweiSdkHmacSha256, &["access_key", "secret_key"], &["security_token"]),
            scheme(
                SignerKind::HuaweiIamToken("https://iam.example".to_owned()),
                &["iam_user", "iam_password", "iam_domain"],
                &[],
            ),
        ]
    }

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "AK" => "access",
            "SK" => "se\"cret",
            "EMPTY" => "",
            "BROKEN" => "a\nb",
            "USER" | "PASSWORD" | "DOMAIN" => "iam\nvalue",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, CredentialReference> {
        pairs
            .iter()
            .map(|(name, variable)| ((*name).to_owned(), CredentialReference::Env((*variable).to_owned())))
            .collect()
    }

    #[test]
    fn the_first_scheme_that_is_configured_whole_is_taken() {
        let iam = [("iam_user", "USER"), ("iam_password", "PASSWORD"), ("iam_domain", "DOMAIN")];
        let keys = [("access_key", "AK"), ("secret_key", "SK")];
        let unset = [("access_key", "UNSET"), ("secret_key", "SK")];
        for (references, expected) in [
            (env(&keys), (0, vec!["access_key", "secret_key"])),
            (env(&[&keys[..], &iam[..]].concat()), (0, vec!["access_key", "secret_key"])),
            (env(&[&unset[..], &iam[..]].concat()), (1, vec!["iam_user", "iam_password", "iam_domain"])),
            (env(&[&keys[..], &[("security_token", "UNSET")]].concat()), (0, vec!["access_key", "secret_key"])),
            (
                env(&[&keys[..], &[("security_token", "AK")]].concat()),
                (0, vec!["access_key", "secret_key", "security_token"]),
            ),
        ] {
            let resolved = resolve("huawei", &references, &huawei(), &environment).unwrap();
            assert_eq!((resolved.scheme, resolved.credentials.names().collect()), expected);
        }
    }

    #[test]
    fn all_missing_credentials_are_named_and_none_is_shown() {
        let broken = env(&[("access_key", "BROKEN"), ("secret_key", "SK")]);
        for (references, expected) in [
            (
                env(&[("access_key", "UNSET"), ("secret_key", "EMPTY")]),
                "cannot get the credentials of `hw`: `access_key` from `env:UNSET`: the variable is not set; \
                 `secret_key` from `env:EMPTY`: it is empty",
            ),
            (
                env(&[("secret_key", "SK")]),
                "cannot get the credentials of `hw`: `access_key`: nothing says where it comes from; \
                 write `credentials: {access_key: \"env:NAME\"}`",
            ),
            (
                broken,
                "cannot get the credentials of `hw`: `access_key` from `env:BROKEN`: it holds characters that a header \
                 field cannot carry (line breaks, white space at an end, or other than ASCII)",
            ),
        ] {
            let expected = format!("{expected}; or give iam_user and iam_password and iam_domain instead");
            assert_eq!(resolve("hw", &references, &huawei(), &environment).unwrap_err().to_string(), expected);
        }
        assert!(
            resolve("hw", &env(&[]), &[], &environment).unwrap_err().to_string().contains("no way to authenticate")
        );
    }

    #[test]
    fn every_form_of_a_credential_is_masked() {
        let pairs = [("a", "topsecret"), ("b", "topsecret\"and more"), ("c", "tiny"), ("d", "ab")];
        let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), Secret::new(value))));
        for (text, expected) in [
            ("key topsecret!", "key (secret)!"),
            ("{\"k\":\"topsecret\\\"and more\"}", "{\"k\":\"(secret)\"}"),
            ("?k=topsecret%22and%20more", "?k=(secret)"),
            ("topsecret\"and more", "(secret)"),
            ("destiny ab", "des(secret) ab"),
        ] {
            assert_eq!(credentials.mask(text), expected);
        }
        assert!(!format!("{credentials:?}").contains("topsecret"));
    }

    #[test]
    fn a_token_is_added_and_replaced() {
        let mut credentials = Credentials::default();
        for token in ["one", "two"] {
            credentials.set("auth_token", Secret::new(token));
            assert_eq!(credentials.get("auth_token").map(Secret::reveal), Some(token));
        }
        assert_eq!(credentials.names().count(), 1);
    }
}
