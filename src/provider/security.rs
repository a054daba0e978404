//! How requests say who sends them: a document's security requirements and schemes, and **the one table of signing schemes**: of each its
//! word in documents, its credentials, the header fields that it sets, and what must be asked before it can sign. Everybody who needs to
//! know one of these asks here, and knows a scheme by nothing but its kind.
//!
//! Plain data. How each signs is in `wire::sign` and `wire::token`, how the simulator verifies it in `simulator::authentication`: these share
//! no code, so that an error in either shows.

use super::answer::Pointer;
use crate::text::nearest;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// One way to authenticate: the schemes of one of OpenAPI's security requirements. All of them are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityRequirement {
    /// The schemes; none where requests are not signed, which one operation alone may say.
    pub schemes: Vec<SecurityScheme>,
}

/// One security scheme, as a document uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityScheme {
    /// Its name under `components.securitySchemes`.
    pub name: String,
    /// What puts it on the request.
    pub signer: SignerKind,
    /// The credentials that it needs, by the names that plans use: those of the table, in its order, unless the document has its own.
    pub required: Vec<String>,
    /// The credentials that it also uses where they are given.
    pub optional: Vec<String>,
}

/// The signers that there are; documents choose one, data never assembles strings to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerKind {
    /// The one required credential, verbatim, in a header of this name (lower case).
    Header(String),
    /// A bearer token (RFC 6750) that the user has already. OpenAPI's `http` `bearer`.
    Bearer,
    /// A user and a password (RFC 7617). OpenAPI's `http` `basic`.
    Basic,
    /// The client's certificate and key, in TLS. OpenAPI's `mutualTLS`.
    MutualTls,
    /// NAVER API Gateway signature v2.
    NcpSignatureV2,
    /// Huawei SDK-HMAC-SHA256.
    HuaweiSdkHmacSha256,
    /// AWS Signature Version 4. Server variables apply to the region.
    AwsSigV4 {
        /// The service's name in the signature: `acm-pca`.
        service: String,
        /// The region: `us-east-1`.
        region: String,
    },
    /// A token that is fetched with the credentials, and serves until it ends.
    Token(TokenScheme),
    /// ACME's requests (RFC 8555, section 6.2): the body is the payload of a JWS, signed by the account's key or by a key that the action
    /// names. The base URL is the directory's; an operation's path is the name of the directory's member.
    AcmeJws,
}

/// How a token is fetched, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenScheme {
    /// What is asked, and how the answer is read.
    pub grant: TokenGrant,
    /// Where it is fetched. Server variables apply; what is no whole URL is resolved against the base URL.
    pub url: String,
    /// The header field that it goes into, in lower case.
    pub header: String,
    /// Whether `Bearer` stands before it there.
    pub is_bearer: bool,
    /// How long it serves, where the answer does not say so.
    pub lifetime: Option<SignedDuration>,
}

/// What is asked for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenGrant {
    /// Huawei's IAM: a user's name, password and domain.
    HuaweiIam,
    /// OAuth 2.0 by client credentials (RFC 6749, section 4.4).
    ClientCredentials {
        /// What is asked for.
        scopes: Vec<String>,
        /// For whom the token is to be, where the server wants to know.
        audience: Option<String>,
        /// Whether id and secret stand in the body; else they are a `Basic` credential (RFC 6749, section 2.3.1).
        in_body: bool,
    },
    /// A Google service account, by a JWT that its key signs (RFC 7523).
    ServiceAccount {
        /// What is asked for.
        scopes: Vec<String>,
        /// For whom the JWT is.
        audience: String,
    },
    /// A log-in: the credentials as the members of a JSON object, under their own names.
    Login {
        /// Where the answer's body has the token.
        token: Pointer,
        /// Where it has the seconds that the token serves.
        lifetime: Option<Pointer>,
    },
}

/// Where a credential comes from. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialReference {
    /// An environment variable.
    Env(String),
    /// A file; its text without one trailing line break. Relative paths are already joined to the naming file's directory.
    File(PathBuf),
    /// A program and its arguments; its standard output without one trailing line break.
    Command(Vec<String>),
}

/// What is the same of all schemes of one kind: a row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SchemeForm {
    /// The word in documents: `signer: ncp-signature-v2`, or what OpenAPI calls it.
    pub word: &'static str,
    /// How documents name its credentials.
    pub names: CredentialNames,
    /// Its credentials, the required ones first.
    pub credentials: &'static [CredentialForm],
    /// What documents say of it beside its credentials.
    pub keys: &'static [&'static str],
    /// The header fields that it sets; the first is the one that documents declare.
    pub fields: &'static [FieldForm],
    /// What must be asked before a request can be signed.
    pub first: Preparation,
}

/// How documents name the credentials of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialNames {
    /// As the table has them.
    Fixed,
    /// As many as the table has, under names of the document's own, which it must give where the table has none.
    Own,
    /// Any number, under names of the document's own.
    Any,
}

/// One credential of a scheme.
#[derive(Debug, PartialEq, Eq)]
pub struct CredentialForm {
    /// Its name; empty where only documents have one.
    pub name: &'static str,
    /// Whether the scheme needs it.
    pub required: bool,
    /// What it must be able to do.
    pub usage: CredentialUse,
}

/// What a credential is used for, and so what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialUse {
    /// It goes into a header field as it is.
    Field,
    /// Any text.
    Text,
    /// A bearer token, without the word `Bearer`.
    BearerToken,
    /// A user's name for HTTP's Basic authentication, which has no colon.
    BasicUser,
    /// A client's certificate for TLS: PEM, with those of its issuers, or a PKCS #12 store with its key.
    ClientCertificate,
    /// The password of the PKCS #12 store that the client's certificate stands in.
    ClientCertificatePassword,
    /// The key of the client's certificate: PEM.
    ClientKey,
    /// The key file of a Google service account.
    ServiceAccount,
    /// A private key that signs a JWS: PEM, or a JSON Web Key.
    JwsKey,
}

/// A header field that a scheme sets.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldForm {
    /// Its name in lower case; empty for the one that the document names.
    pub name: &'static str,
    /// What a preview shows in its place; empty for one that is set only for an optional credential, and is not shown.
    pub shown: &'static str,
}

/// What must be asked before a request can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// Nothing.
    Nothing,
    /// A token, which serves until it ends.
    Token,
    /// A session: directory, account, and a nonce for each request.
    Session,
}

/// All that can be named by `signer`. The others are declared by OpenAPI's own words.
pub const FORMS: [&SchemeForm; 8] = [
    &HEADER,
    &NCP_SIGNATURE_V2,
    &HUAWEI_SDK_HMAC_SHA256,
    &AWS_SIG_V4,
    &HUAWEI_IAM_TOKEN,
    &GOOGLE_SERVICE_ACCOUNT,
    &LOGIN,
    &ACME_JWS,
];

/// One credential in a header field, as it is.
pub const HEADER: SchemeForm = SchemeForm {
    word: "header",
    names: CredentialNames::Own,
    credentials: &[needs("", CredentialUse::Field)],
    keys: &["signer"],
    fields: &[FieldForm { name: "", shown: SECRET }],
    first: Preparation::Nothing,
};

/// A bearer token.
pub const BEARER: SchemeForm = SchemeForm {
    word: "http bearer",
    names: CredentialNames::Own,
    credentials: &[needs("token", CredentialUse::BearerToken)],
    keys: &[],
    fields: &[FieldForm { name: "authorization", shown: "Bearer (secret)" }],
    first: Preparation::Nothing,
};

/// A user and a password.
pub const BASIC: SchemeForm = SchemeForm {
    word: "http basic",
    names: CredentialNames::Own,
    credentials: &[needs("username", CredentialUse::BasicUser), needs("password", CredentialUse::Text)],
    keys: &[],
    fields: &[FieldForm { name: "authorization", shown: "Basic (secret)" }],
    first: Preparation::Nothing,
};

/// A client's certificate. Its key may stand in the same file.
pub const MUTUAL_TLS: SchemeForm = SchemeForm {
    word: "mutualTLS",
    names: CredentialNames::Fixed,
    credentials: &[
        needs("client_certificate", CredentialUse::ClientCertificate),
        takes("client_key", CredentialUse::ClientKey),
        takes("client_certificate_password", CredentialUse::ClientCertificatePassword),
    ],
    keys: &[],
    fields: &[],
    first: Preparation::Nothing,
};

/// NAVER's signature.
pub const NCP_SIGNATURE_V2: SchemeForm = SchemeForm {
    word: "ncp-signature-v2",
    names: CredentialNames::Fixed,
    credentials: &[needs("access_key", CredentialUse::Field), needs("secret_key", CredentialUse::Text)],
    keys: &["signer"],
    fields: &[
        FieldForm { name: "x-ncp-apigw-signature-v2", shown: SIGNED },
        FieldForm { name: "x-ncp-apigw-timestamp", shown: SIGNED },
        FieldForm { name: "x-ncp-iam-access-key", shown: SECRET },
    ],
    first: Preparation::Nothing,
};

/// Huawei's signature.
pub const HUAWEI_SDK_HMAC_SHA256: SchemeForm = SchemeForm {
    word: "huawei-sdk-hmac-sha256",
    names: CredentialNames::Fixed,
    credentials: &[
        needs("access_key", CredentialUse::Field),
        needs("secret_key", CredentialUse::Text),
        takes("security_token", CredentialUse::Field),
        takes("domain_id", CredentialUse::Field),
    ],
    keys: &["signer"],
    fields: &[
        FieldForm { name: "authorization", shown: SIGNED },
        FieldForm { name: "x-sdk-date", shown: SIGNED },
        FieldForm { name: "x-security-token", shown: "" },
        FieldForm { name: "x-domain-id", shown: "" },
    ],
    first: Preparation::Nothing,
};

/// AWS's signature.
pub const AWS_SIG_V4: SchemeForm = SchemeForm {
    word: "aws-sigv4",
    names: CredentialNames::Fixed,
    credentials: &[
        needs("access_key", CredentialUse::Field),
        needs("secret_key", CredentialUse::Text),
        takes("session_token", CredentialUse::Field),
    ],
    keys: &["signer", "service", "region"],
    fields: &[
        FieldForm { name: "authorization", shown: SIGNED },
        FieldForm { name: "x-amz-date", shown: SIGNED },
        FieldForm { name: "x-amz-security-token", shown: "" },
    ],
    first: Preparation::Nothing,
};

/// OAuth 2.0 by client credentials.
pub const CLIENT_CREDENTIALS: SchemeForm = SchemeForm {
    word: "oauth2",
    names: CredentialNames::Own,
    credentials: &[needs("client_id", CredentialUse::Text), needs("client_secret", CredentialUse::Text)],
    keys: &["audience", "client_authentication", "lifetime"],
    fields: &[FieldForm { name: "authorization", shown: "Bearer (secret)" }],
    first: Preparation::Token,
};

/// A Google service account.
pub const GOOGLE_SERVICE_ACCOUNT: SchemeForm = SchemeForm {
    word: "google-service-account",
    names: CredentialNames::Own,
    credentials: &[needs("service_account", CredentialUse::ServiceAccount)],
    keys: &["signer", "url", "scopes", "lifetime"],
    fields: &[FieldForm { name: "authorization", shown: "Bearer (secret)" }],
    first: Preparation::Token,
};

/// A log-in that gives a token.
pub const LOGIN: SchemeForm = SchemeForm {
    word: "login",
    names: CredentialNames::Any,
    credentials: &[],
    keys: &["signer", "url", "token", "expires_in", "lifetime"],
    fields: &[FieldForm { name: "", shown: SECRET }],
    first: Preparation::Token,
};

/// Huawei's token.
pub const HUAWEI_IAM_TOKEN: SchemeForm = SchemeForm {
    word: "huawei-iam-token",
    names: CredentialNames::Fixed,
    credentials: &[
        needs("iam_user", CredentialUse::Text),
        needs("iam_password", CredentialUse::Text),
        needs("iam_domain", CredentialUse::Text),
    ],
    keys: &["signer", "url"],
    fields: &[FieldForm { name: "x-auth-token", shown: SECRET }],
    first: Preparation::Token,
};

/// ACME's signed bodies; their media type is what a header shows of it.
pub const ACME_JWS: SchemeForm = SchemeForm {
    word: "acme-jws",
    names: CredentialNames::Fixed,
    credentials: &[needs("account_key", CredentialUse::JwsKey)],
    keys: &["signer"],
    fields: &[FieldForm { name: "content-type", shown: "application/jose+json" }],
    first: Preparation::Session,
};

const fn needs(name: &'static str, usage: CredentialUse) -> CredentialForm {
    CredentialForm { name, required: true, usage }
}

const fn takes(name: &'static str, usage: CredentialUse) -> CredentialForm {
    CredentialForm { name, required: false, usage }
}

impl fmt::Display for CredentialReference {
    /// For messages. A command's arguments are left out: they may say too much.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                let more = if words.len() > 1 { " …" } else { "" };
                write!(formatter, "command:{program}{more}")
            }
        }
    }
}

impl From<SecurityScheme> for SecurityRequirement {
    fn from(scheme: SecurityScheme) -> Self {
        Self { schemes: vec![scheme] }
    }
}

impl SecurityRequirement {
    /// The names of the credentials that it needs, each once.
    pub fn required(&self) -> Vec<&str> {
        distinct(self.schemes.iter().flat_map(|scheme| &scheme.required))
    }

    /// The names of those that it takes beside them, each once.
    pub fn optional(&self) -> Vec<&str> {
        distinct(self.schemes.iter().flat_map(|scheme| &scheme.optional))
    }

    /// The names of its schemes, as people read them: `key + date`; `none`.
    pub fn name(&self) -> String {
        if self.schemes.is_empty() {
            return "none".to_owned();
        }
        self.schemes.iter().map(|scheme| scheme.name.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// The scheme whose token must be fetched, where it has one, and how.
    pub fn token(&self) -> Option<(&SecurityScheme, &TokenScheme)> {
        self.schemes.iter().find_map(|scheme| match &scheme.signer {
            SignerKind::Token(token) => Some((scheme, token)),
            _ => None,
        })
    }

    /// Whether the client shows a certificate in TLS.
    pub fn is_mutual_tls(&self) -> bool {
        self.schemes.iter().any(|scheme| scheme.signer == SignerKind::MutualTls)
    }

    /// The same with server variables filled in where its schemes name them.
    #[must_use]
    pub fn filled(mut self, variables: &BTreeMap<String, String>) -> Self {
        let fill = |text: &mut String| {
            for (name, value) in variables {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
        };
        for scheme in &mut self.schemes {
            match &mut scheme.signer {
                SignerKind::Token(token) => fill(&mut token.url),
                SignerKind::AwsSigV4 { region, .. } => fill(region),
                SignerKind::Header(_)
                | SignerKind::Bearer
                | SignerKind::Basic
                | SignerKind::MutualTls
                | SignerKind::NcpSignatureV2
                | SignerKind::HuaweiSdkHmacSha256
                | SignerKind::AcmeJws => {}
            }
        }
        self
    }

    /// The regions that its signatures are for.
    pub fn regions(&self) -> Vec<&str> {
        let regions = self.schemes.iter().filter_map(|scheme| match &scheme.signer {
            SignerKind::AwsSigV4 { region, .. } => Some(region.as_str()),
            _ => None,
        });
        regions.collect()
    }

    /// The same with another place to fetch the token from.
    #[must_use]
    pub fn with_token_url(mut self, url: &str) -> Self {
        for scheme in &mut self.schemes {
            if let SignerKind::Token(token) = &mut scheme.signer {
                url.clone_into(&mut token.url);
            }
        }
        self
    }

    /// The name of the credential whose key signs the requests of a session, where it has sessions (ACME's).
    pub fn session_key(&self) -> Option<&str> {
        let scheme = self.schemes.iter().find(|scheme| scheme.form().first == Preparation::Session)?;
        scheme.required.first().map(String::as_str)
    }

    /// What a credential is used for; by each of the schemes that have it.
    pub fn uses_of<'a>(&'a self, credential: &'a str) -> impl Iterator<Item = CredentialUse> + 'a {
        self.schemes.iter().filter_map(move |scheme| scheme.use_of(credential))
    }
}

impl SecurityScheme {
    /// A scheme with the credentials that the table names, the optional ones among them.
    pub fn new(name: &str, signer: SignerKind) -> Self {
        let names = |required: bool| {
            let all = signer.form().credentials.iter();
            all.filter(move |one| one.required == required).map(|one| one.name.to_owned()).collect()
        };
        Self { name: name.to_owned(), required: names(true), optional: names(false), signer }
    }

    /// The same with credentials under names of the document's own.
    #[must_use]
    pub fn with_credentials(self, required: Vec<String>, optional: Vec<String>) -> Self {
        Self { required, optional, ..self }
    }

    /// Its row of the table.
    pub const fn form(&self) -> &'static SchemeForm {
        self.signer.form()
    }

    /// The header fields that it sets, and what a preview shows in their place.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.form().fields.iter().map(|field| match (&self.signer, field.name) {
            (SignerKind::Header(name), "") => (name.as_str(), field.shown),
            (SignerKind::Token(token), _) if token.is_bearer => (token.header.as_str(), "Bearer (secret)"),
            (SignerKind::Token(token), "") => (token.header.as_str(), field.shown),
            _ => (field.name, field.shown),
        })
    }

    fn use_of(&self, credential: &str) -> Option<CredentialUse> {
        let form = self.form();
        let place = match form.names {
            CredentialNames::Own => self.required.iter().position(|name| name == credential),
            CredentialNames::Fixed => form.credentials.iter().position(|one| one.name == credential),
            CredentialNames::Any => {
                let is_one = self.required.iter().chain(&self.optional).any(|name| name == credential);
                return is_one.then_some(CredentialUse::Text);
            }
        };
        Some(form.credentials.get(place?)?.usage)
    }
}

impl SignerKind {
    /// Its row of the table.
    pub const fn form(&self) -> &'static SchemeForm {
        match self {
            Self::Header(_) => &HEADER,
            Self::Bearer => &BEARER,
            Self::Basic => &BASIC,
            Self::MutualTls => &MUTUAL_TLS,
            Self::AwsSigV4 { .. } => &AWS_SIG_V4,
            Self::NcpSignatureV2 => &NCP_SIGNATURE_V2,
            Self::HuaweiSdkHmacSha256 => &HUAWEI_SDK_HMAC_SHA256,
            Self::Token(token) => match token.grant {
                TokenGrant::HuaweiIam => &HUAWEI_IAM_TOKEN,
                TokenGrant::ClientCredentials { .. } => &CLIENT_CREDENTIALS,
                TokenGrant::ServiceAccount { .. } => &GOOGLE_SERVICE_ACCOUNT,
                TokenGrant::Login { .. } => &LOGIN,
            },
            Self::AcmeJws => &ACME_JWS,
        }
    }

    /// What people read: the word, and where it goes or what it asks.
    pub fn describe(&self) -> String {
        let word = self.form().word;
        match self {
            Self::Header(name) => format!("{word} {name}"),
            Self::Token(token) => format!("{word} from {}", token.url),
            Self::AwsSigV4 { service, region } => format!("{word} {service} {region}"),
            Self::Bearer
            | Self::Basic
            | Self::MutualTls
            | Self::NcpSignatureV2
            | Self::HuaweiSdkHmacSha256
            | Self::AcmeJws => word.to_owned(),
        }
    }
}

/// Whether a text is a region of AWS by its form: `us-east-1`, `us-gov-west-1`.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn check_region(text: &str) -> Result<(), (String, String)> {
    let right = |region: &str| format!("a region reads `us-east-1`; did you mean `{region}`?");
    let wrong = |help: String| Err((format!("`{text}` is no region of AWS"), help));
    let parts: Vec<&str> = text.split('-').collect();
    let [area, inner @ .., direction, number] = parts.as_slice() else {
        return wrong("a region reads `us-east-1`".to_owned());
    };
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = |part: &str| !part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let before = parts[..parts.len() - 2].join("-");
    if !letters(area) || area.len() > 4 || inner.len() > 1 || !inner.iter().all(letters) {
        return wrong("a region reads `us-east-1`".to_owned());
    }
    if !DIRECTIONS.contains(direction) {
        return match nearest(direction, DIRECTIONS) {
            Some(found) if digits(number) => wrong(right(&format!("{before}-{found}-{number}"))),
            _ => wrong("a region reads `us-east-1`".to_owned()),
        };
    }
    match number.strip_suffix(|last: char| last.is_ascii_lowercase()) {
        Some(number) if digits(number) => Err((
            format!("`{text}` is an availability zone of AWS, and no region"),
            format!("its region is `{before}-{direction}-{number}`"),
        )),
        _ if digits(number) => Ok(()),
        _ => wrong("a region reads `us-east-1`".to_owned()),
    }
}

fn distinct<'a>(all: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in all {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// The words before the number of each of AWS's regions (<https://docs.aws.amazon.com/general/latest/gr/rande.html>).
const DIRECTIONS: [&str; 9] =
    ["east", "west", "north", "south", "central", "northeast", "southeast", "northwest", "southwest"];
/// In a preview: what holds a credential or a token.
const SECRET: &str = "(secret)";
/// In a preview: what is made of the request and the time.
const SIGNED: &str = "(signed at sending)";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A scheme that fetches its token at `https://auth.example/token` and sends it as a bearer.
    pub(crate) fn token(grant: TokenGrant) -> SecurityScheme {
        let (url, header) = ("https://auth.example/token".to_owned(), "authorization".to_owned());
        SecurityScheme::new("s", SignerKind::Token(TokenScheme { grant, url, header, is_bearer: true, lifetime: None }))
    }

    #[test]
    fn regions_are_told_from_what_is_none() {
        for (text, expected) in [
            ("us-east-1", Ok(())),
            ("ap-southeast-2", Ok(())),
            ("us-gov-west-1", Ok(())),
            ("us-isob-east-1", Ok(())),
            ("eusc-de-east-1", Ok(())),
            ("us-esat-1", Err("did you mean `us-east-1`?")),
            ("us-east-1a", Err("its region is `us-east-1`")),
            ("us-east", Err("a region reads `us-east-1`")),
            ("useast1", Err("a region reads")),
            ("US-EAST-1", Err("a region reads")),
            ("us-east-one", Err("a region reads")),
            ("{region}", Err("a region reads")),
            ("virginia", Err("a region reads")),
            ("", Err("a region reads")),
        ] {
            match (check_region(text), expected) {
                (Ok(()), Ok(())) => {}
                (Err((what, help)), Err(expected)) => {
                    assert!(what.starts_with(&format!("`{text}` is ")) && help.contains(expected), "{what}; {help}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn the_credentials_of_all_schemes_of_a_requirement_count() {
        let header = |name: &str, credential: &str| {
            SecurityScheme::new(name, SignerKind::Header(name.to_owned()))
                .with_credentials(vec![credential.to_owned()], Vec::new())
        };
        let schemes = vec![
            header("login", "login"),
            header("password", "password"),
            SecurityScheme::new("tls", SignerKind::MutualTls),
        ];
        let requirement = SecurityRequirement { schemes };
        assert_eq!(requirement.required(), ["login", "password", "client_certificate"]);
        assert_eq!(requirement.optional(), ["client_key", "client_certificate_password"]);
        assert_eq!(requirement.name(), "login + password + tls");
        assert_eq!(requirement.uses_of("password").collect::<Vec<_>>(), [CredentialUse::Field]);
        assert_eq!(requirement.uses_of("client_key").collect::<Vec<_>>(), [CredentialUse::ClientKey]);
    }
}
