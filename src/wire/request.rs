//! An operation and its parameters become a request: once to be signed and sent, once to be shown. What a run directory must not keep is filled
//! in before it is sent: private keys, and certificate requests that carry a password (`challengePassword`). The action has where the file is
//! and what is in it by its digest. Reads those files, and nothing else; signs nothing.

use super::{WireRequest, acme};
use crate::pki::SentKey;
use crate::pki::csr::{self, Csr};
use crate::provider::model::{Operation, Parameter, ValueFormat};
use crate::provider::request::{add_path_and_query, body, header_fields};
use crate::provider::{SecurityRequirement, SecurityScheme};
use crate::text::{Secret, file, safe};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;
use zeroize::Zeroizing;

/// A request as the preview shows it. It never held a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskedRequest {
    /// Upper case.
    pub method: String,
    /// Absolute, with its query.
    pub url: String,
    /// Header fields; those of the signer say `(secret)` or `(signed at sending)`.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub body: Option<String>,
}

/// Parameters with all that is sent.
#[derive(Debug)]
pub(crate) struct Filled<'a> {
    pub(crate) parameters: Cow<'a, Map<String, Value>>,
    /// What of private keys is in them, line by line: an answer may repeat it in other words around.
    pub(crate) secrets: Vec<Secret>,
}

/// The request that an operation makes of its parameters, before it is signed.
pub fn build(base_url: &str, operation: &Operation, parameters: &Map<String, Value>) -> WireRequest {
    // Signers hash these very bytes.
    let body = body(operation, parameters);
    let mut headers = vec![("accept".into(), operation.accept.clone().into())];
    if let Some(body) = &operation.body {
        headers.push(("content-type".into(), body.media_type.clone().into()));
    }
    for (name, value) in operation.headers.iter().cloned().chain(header_fields(operation, parameters)) {
        headers.retain(|(present, _)| *present != name);
        headers.push((name.into(), value.into()));
    }
    let mut url = String::with_capacity(base_url.len() + operation.path.len() + 32);
    url.push_str(base_url.trim_end_matches('/'));
    add_path_and_query(&mut url, operation, parameters);
    WireRequest { method: operation.method.clone(), url, headers, body }
}

/// The request as it would be sent, with words in the place of what its signer will add.
pub fn preview(
    base_url: &str,
    operation: &Operation,
    parameters: &Map<String, Value>,
    requirement: &SecurityRequirement,
) -> MaskedRequest {
    let mut request = build(base_url, operation, parameters);
    if requirement.session_key().is_some() {
        let below = request.url.strip_prefix(base_url.trim_end_matches('/')).unwrap_or(&request.url);
        request.url = match below.trim_start_matches('/').split_once('/') {
            Some((name, rest)) if request.method == "GET" => format!("({name} of the directory {base_url})/{rest}"),
            Some((name, _)) => format!("(the {name} that the CA has told)"),
            None => format!("({} of the directory {base_url})", below.trim_start_matches('/')),
        };
        let is_signed = request.method != "GET";
        let by = if operation.own_key(parameters).is_some() { "jwk" } else { "kid" };
        let payload = request.body.as_deref().map(String::from_utf8_lossy);
        request.body = is_signed.then(|| acme::shown_body(payload.as_deref(), &request.url, by).into_bytes());
        request.headers.retain(|(name, _)| name != "content-type");
    }
    // What is asked by GET of an ACME server is for everybody.
    let schemes =
        if request.body.is_none() && requirement.session_key().is_some() { &[][..] } else { &requirement.schemes };
    let fields = schemes.iter().flat_map(SecurityScheme::fields);
    // Those that are there for optional credentials alone show nothing.
    let fields = fields.filter(|(_, shown)| !shown.is_empty());
    let shown = fields.map(|(name, shown)| (name.to_owned(), shown.to_owned()));
    let plain = request.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    MaskedRequest {
        method: request.method,
        url: request.url,
        headers: plain.chain(shown).collect(),
        body: request.body.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// The parameters with what is sent in the place of its reference, where they have one.
///
/// # Errors
/// A file is gone, or holds something else now: a sentence.
pub(crate) fn fill<'a>(operation: &Operation, parameters: &'a Map<String, Value>) -> Result<Filled<'a>, String> {
    let mut filled = Filled { parameters: Cow::Borrowed(parameters), secrets: Vec::new() };
    let reference = |name: &String| parameters.get(name).and_then(Value::as_str)?.strip_prefix("file:");
    let rule = operation.action.as_ref().and_then(|rules| rules.csr.as_ref());
    // A later stage may be what sends it.
    let of_stage = || {
        let sends = |format| format == ValueFormat::CertificateRequest;
        operation.parameters.iter().find(|parameter| sends(parameter.format)).map(|parameter| &parameter.name)
    };
    let field = rule.map(|rule| &rule.field).or_else(of_stage);
    if let Some((field, named)) = field.and_then(|field| Some((field, reference(field)?))) {
        let (path, digest) = csr::split_reference(named);
        let what = format!("the certificate request {}", safe::terminal(path));
        let read = bytes_of(path).and_then(|bytes| Csr::parse(&bytes)).map_err(|why| format!("{what}: {why}"))?;
        is_same(&what, digest, &read.digest())?;
        filled.parameters.to_mut().insert(field.clone(), Value::String(read.to_pem()));
    }
    let is_key = |parameter: &&Parameter| matches!(parameter.format, ValueFormat::PrivateKey { .. });
    for parameter in operation.parameters.iter().filter(is_key) {
        let Some(named) = reference(&parameter.name) else { continue };
        let (path, digest) = csr::split_reference(named);
        let what = format!("the private key {}", safe::terminal(path));
        let read = bytes_of(path).and_then(|bytes| SentKey::parse(&bytes)).map_err(|why| format!("{what}: {why}"))?;
        is_same(&what, digest, &read.spki().to_string())?;
        // The last line may be so short that it stands in other texts, too.
        let lines = read.to_pem().lines().filter(|line| !line.starts_with('-') && line.len() >= MIN_LINE);
        filled.secrets.extend(lines.map(Secret::new));
        if parameter.format.is_encoded() {
            filled.secrets.push(Secret::new(STANDARD.encode(read.to_pem())));
        }
        filled.parameters.to_mut().insert(parameter.name.clone(), Value::String(read.to_pem().to_owned()));
    }
    Ok(filled)
}

fn is_same(what: &str, expected: Option<&str>, found: &str) -> Result<(), String> {
    if expected == Some(found) { Ok(()) } else { Err(format!("{what} has changed since the run began")) }
}

fn bytes_of(path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    file::read(Path::new(path), MAX_LENGTH).map(Zeroizing::new).map_err(|error| file::reason(&error))
}

/// Characters of base64.
const MIN_LINE: usize = 16;
/// A longer file is no request and no key.
const MAX_LENGTH: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::{ActionRules, CsrRule, Idempotency, Location, TargetKind, TargetRule};
    use crate::provider::request::tests::operation;
    use crate::provider::security::{SignerKind, TokenGrant, TokenScheme};
    use serde_json::json;

    fn fields<'a, T: From<&'a str>>(pairs: &[(&'a str, &'a str)]) -> Vec<(T, T)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn requests_are_built_from_operations() {
        let parameters =
            [("id", Location::Path, None), ("comments", Location::Body, None), ("skip", Location::Body, None)];
        let mut revoke = operation("/certificate/{id}/revoke", true, &parameters);
        let given = json!({"id": 7, "skip": true, "comments": "a \"b\" \u{20ac}"});
        let built = build("https://ca.example/v2/", &revoke, given.as_object().unwrap());
        assert_eq!(built.url, "https://ca.example/v2/certificate/7/revoke");
        let body = "{\"comments\":\"a \\\"b\\\" \u{20ac}\",\"skip\":true}";
        assert_eq!(built.body.as_deref(), Some(body.as_bytes()));
        let plain = fields(&[("accept", "application/json"), ("content-type", "application/json")]);
        assert_eq!(built.headers, plain);

        revoke.headers = fields(&[("accept", "text/plain"), ("x-fixed", "1")]);
        revoke.body = None;
        let built = build("https://ca.example/v2", &revoke, given.as_object().unwrap());
        assert_eq!(built.headers, fields(&[("accept", "text/plain"), ("x-fixed", "1")]));
        assert_eq!(built.body, None);
    }

    #[test]
    fn previews_say_what_signers_will_add() {
        let revoke = operation("/revoke", true, &[("reason", Location::Body, None)]);
        let (url, header) = ("https://iam.example".to_owned(), "x-auth-token".to_owned());
        let token = SignerKind::Token(TokenScheme {
            grant: TokenGrant::HuaweiIam,
            url,
            header,
            is_bearer: false,
            lifetime: None,
        });
        for (signer, expected) in [
            (SignerKind::Bearer, fields(&[("authorization", "Bearer (secret)")])),
            (SignerKind::Basic, fields(&[("authorization", "Basic (secret)")])),
            (SignerKind::MutualTls, fields(&[])),
            (SignerKind::Header("x-dc-devkey".to_owned()), fields(&[("x-dc-devkey", "(secret)")])),
            (
                SignerKind::NcpSignatureV2,
                fields(&[
                    ("x-ncp-apigw-signature-v2", "(signed at sending)"),
                    ("x-ncp-apigw-timestamp", "(signed at sending)"),
                    ("x-ncp-iam-access-key", "(secret)"),
                ]),
            ),
            (
                SignerKind::HuaweiSdkHmacSha256,
                fields(&[("authorization", "(signed at sending)"), ("x-sdk-date", "(signed at sending)")]),
            ),
            (token, fields(&[("x-auth-token", "(secret)")])),
        ] {
            let requirement = SecurityScheme::new("s", signer).into();
            let shown = preview("https://ca.example", &revoke, &Map::new(), &requirement);
            assert_eq!(shown.headers[2..], expected);
            assert_eq!((shown.method.as_str(), shown.url.as_str()), ("POST", "https://ca.example/revoke"));
            assert_eq!(shown.body.as_deref(), Some("{}"));
        }
    }

    #[test]
    fn a_request_is_read_when_it_is_sent_and_no_other_is() {
        let at = |name: &str| format!("{}/src/pki/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        let csr = |name: &str| Csr::parse(&std::fs::read(at(name)).unwrap()).unwrap();
        let mut reissue = operation("/", true, &[("csr", Location::Body, None), ("name", Location::Body, None)]);
        reissue.action = Some(ActionRules {
            target: TargetRule { kind: TargetKind::Certificate, parameters: Vec::new() },
            idempotency: Idempotency::NotIdempotent,
            reason: None,
            csr: Some(CsrRule {
                field: "csr".to_owned(),
                common_name: None,
                dns_names: None,
                fills_names: false,
                replaces: true,
            }),
            certificate: None,
            wide: Vec::new(),
            approval: None,
            whole_order: None,
            status_queries: Vec::new(),
            outputs: Vec::new(),
            idempotency_key: None,
            stages: Vec::new(),
            new_certificate: Vec::new(),
            replaced: None,
            previews: Vec::new(),
            poll: None,
        });
        let given = |reference: String| json!({"csr": reference, "name": "file:x"});
        // In whatever form it stands there.
        for name in ["kinds.csr", "windows.csr"] {
            let given = given(csr(name).reference(&at(name)));
            let filled = fill(&reissue, given.as_object().unwrap()).unwrap();
            let filled = &filled.parameters;
            assert_eq!((&filled["csr"], &filled["name"]), (&json!(csr(name).to_pem()), &json!("file:x")));
        }
        for (reference, expected) in [
            (csr("rsa.csr").reference(&at("none.csr")), "no such file"),
            (csr("rsa.csr").reference(&at("kinds.csr")), "has changed since"),
            (format!("file:{}", at("kinds.csr")), "has changed since"),
        ] {
            let given = given(reference);
            assert!(fill(&reissue, given.as_object().unwrap()).unwrap_err().contains(expected), "{expected}");
        }
        let plain = json!({"csr": csr("rsa.csr").to_pem()});
        assert_eq!(&*fill(&reissue, plain.as_object().unwrap()).unwrap().parameters, plain.as_object().unwrap());
    }

    #[test]
    fn a_key_is_read_when_it_is_sent_and_no_other_is() {
        let at = |name: &str| format!("{}/src/pki/testdata/keys/{name}", env!("CARGO_MANIFEST_DIR"));
        let key = |name: &str| SentKey::parse(&std::fs::read(at(name)).unwrap()).unwrap();
        let mut revoke = operation("/", true, &[("private_key", Location::Body, None)]);
        revoke.parameters[0].format = ValueFormat::PrivateKey { base64: false };
        let given = json!({"private_key": key("p256.pem").reference(&at("p256.pem"))});
        let filled = fill(&revoke, given.as_object().unwrap()).unwrap();
        assert_eq!(filled.parameters["private_key"], json!(key("p256.pem").to_pem()));
        assert!(filled.secrets.iter().all(|line| key("p256.pem").to_pem().contains(line.reveal())));
        assert_eq!((filled.secrets.len(), format!("{:?}", filled.secrets[0])), (3, "(secret)".to_owned()));
        // What an answer could repeat is masked in the form in which it was sent, too.
        revoke.parameters[0].format = ValueFormat::PrivateKey { base64: true };
        let encoded = STANDARD.encode(key("p256.pem").to_pem());
        let filled = fill(&revoke, given.as_object().unwrap()).unwrap();
        assert_eq!(filled.secrets.last().map(Secret::reveal), Some(encoded.as_str()));
        for (reference, expected) in [
            (key("p256.pem").reference(&at("none.pem")), "no such file"),
            (key("p256.pem").reference(&at("rsa.pem")), "has changed since"),
            (key("p256.pem").reference(&at("rsa-certificate.pem")), "this is a certificate"),
            (format!("file:{}", at("p256.pem")), "has changed since"),
        ] {
            let given = json!({"private_key": reference});
            let why = fill(&revoke, given.as_object().unwrap()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
