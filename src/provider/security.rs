//! How requests say who sends them: a document's security requirements and schemes, and **the one table of signing schemes**: of each its
//! word in documents, its credentials, the header fields that it sets, and what must be asked before it can sign. Everybody who needs to
//! know one of these asks here, and knows a scheme by nothing but its kind.
//!
//! Plain data. How each signs is in `wire::sign` and `wire::token`, how the simulator verifies it in `simulator::authentication`: these share
//! no code, so that an error in either shows.

use std::collections::BTreeMap;

/// One way to authenticate: the schemes of one of OpenAPI's security requirements. All of them are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityRequirement {
    /// The schemes, at least one, those last whose signatures cover what the others set.
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
    /// NAVER API Gateway signature v2.
    NcpSignatureV2,
    /// Huawei SDK-HMAC-SHA256.
    HuaweiSdkHmacSha256,
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
    /// Where it is fetched. Server variables apply.
    pub url: String,
    /// The header field that it goes into, in lower case.
    pub header: String,
}

/// What is asked for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenGrant {
    /// Huawei's IAM: a user's name, password and domain.
    HuaweiIam,
}

/// What is the same of all schemes of one kind: a row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SchemeForm {
    /// The word in documents: `signer: ncp-signature-v2`.
    pub word: &'static str,
    /// How documents name its credentials.
    pub names: CredentialNames,
    /// Its credentials, the required ones first.
    pub credentials: &'static [CredentialForm],
    /// The header fields that it sets; the first is the one that documents declare.
    pub fields: &'static [FieldForm],
    /// What must be asked before a request can be signed.
    pub first: Prerequisite,
}

/// How documents name the credentials of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialNames {
    /// As the table has them.
    Fixed,
    /// As many as the table has, under names of the document's own.
    Own,
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
pub enum Prerequisite {
    /// Nothing.
    Nothing,
    /// A token, which serves until it ends.
    Token,
    /// A session: directory, account, and a nonce for each request.
    Session,
}

/// All that can be named by `signer`.
pub const FORMS: [&SchemeForm; 5] = [&HEADER, &NCP_SIGNATURE_V2, &HUAWEI_SDK_HMAC_SHA256, &HUAWEI_IAM_TOKEN, &ACME_JWS];

/// One credential in a header field, as it is.
pub const HEADER: SchemeForm = SchemeForm {
    word: "header",
    names: CredentialNames::Own,
    credentials: &[needs("", CredentialUse::Field)],
    fields: &[FieldForm { name: "", shown: SECRET }],
    first: Prerequisite::Nothing,
};

/// NAVER's signature.
pub const NCP_SIGNATURE_V2: SchemeForm = SchemeForm {
    word: "ncp-signature-v2",
    names: CredentialNames::Fixed,
    credentials: &[needs("access_key", CredentialUse::Field), needs("secret_key", CredentialUse::Text)],
    fields: &[
        FieldForm { name: "x-ncp-apigw-signature-v2", shown: SIGNED },
        FieldForm { name: "x-ncp-apigw-timestamp", shown: SIGNED },
        FieldForm { name: "x-ncp-iam-access-key", shown: SECRET },
    ],
    first: Prerequisite::Nothing,
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
    fields: &[
        FieldForm { name: "authorization", shown: SIGNED },
        FieldForm { name: "x-sdk-date", shown: SIGNED },
        FieldForm { name: "x-security-token", shown: "" },
        FieldForm { name: "x-domain-id", shown: "" },
    ],
    first: Prerequisite::Nothing,
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
    fields: &[FieldForm { name: "x-auth-token", shown: SECRET }],
    first: Prerequisite::Token,
};

/// ACME's signed bodies; their media type is what a header shows of it.
pub const ACME_JWS: SchemeForm = SchemeForm {
    word: "acme-jws",
    names: CredentialNames::Fixed,
    credentials: &[needs("account_key", CredentialUse::JwsKey)],
    fields: &[FieldForm { name: "content-type", shown: "application/jose+json" }],
    first: Prerequisite::Session,
};

const fn needs(name: &'static str, usage: CredentialUse) -> CredentialForm {
    CredentialForm { name, required: true, usage }
}

const fn takes(name: &'static str, usage: CredentialUse) -> CredentialForm {
    CredentialForm { name, required: false, usage }
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

    /// The names of its schemes, as people read them: `key + date`.
    pub fn name(&self) -> String {
        self.schemes.iter().map(|scheme| scheme.name.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// How its token is fetched, where it needs one.
    pub fn token(&self) -> Option<&TokenScheme> {
        self.schemes.iter().find_map(|scheme| match &scheme.signer {
            SignerKind::Token(token) => Some(token),
            _ => None,
        })
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
                SignerKind::Header(_)
                | SignerKind::NcpSignatureV2
                | SignerKind::HuaweiSdkHmacSha256
                | SignerKind::AcmeJws => {}
            }
        }
        self
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
        let scheme = self.schemes.iter().find(|scheme| scheme.form().first == Prerequisite::Session)?;
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
            _ => (field.name, field.shown),
        })
    }

    fn use_of(&self, credential: &str) -> Option<CredentialUse> {
        let form = self.form();
        let place = match form.names {
            CredentialNames::Own => self.required.iter().position(|name| name == credential),
            CredentialNames::Fixed => form.credentials.iter().position(|one| one.name == credential),
        };
        Some(form.credentials.get(place?)?.usage)
    }
}

impl SignerKind {
    /// Its row of the table.
    pub const fn form(&self) -> &'static SchemeForm {
        match self {
            Self::Header(_) => &HEADER,
            Self::NcpSignatureV2 => &NCP_SIGNATURE_V2,
            Self::HuaweiSdkHmacSha256 => &HUAWEI_SDK_HMAC_SHA256,
            Self::Token(TokenScheme { grant: TokenGrant::HuaweiIam, .. }) => &HUAWEI_IAM_TOKEN,
            Self::AcmeJws => &ACME_JWS,
        }
    }

    /// What people read: the word, and where it goes or what it asks.
    pub fn describe(&self) -> String {
        let word = self.form().word;
        match self {
            Self::Header(name) => format!("{word} {name}"),
            Self::Token(token) => format!("{word} from {}", token.url),
            Self::NcpSignatureV2 | Self::HuaweiSdkHmacSha256 | Self::AcmeJws => word.to_owned(),
        }
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

/// In a preview: what holds a credential or a token.
const SECRET: &str = "(secret)";
/// In a preview: what is made of the request and the time.
const SIGNED: &str = "(signed at sending)";
