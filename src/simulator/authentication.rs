//! Keys, signatures and tokens: whether a request carries the credentials that the simulator accepts (header keys, NAVER Cloud's gateway
//! signature v2, Huawei Cloud's SDK-HMAC-SHA256, AWS's Signature Version 4, bearer tokens; ACME's JWS is [`super::acme`]'s). Pure; the time is an
//! argument.
//!
//! Written from the vendors' descriptions (of AWS's <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>),
//! apart from the signers that it checks, so that an error in either shows.

use super::message::{Received, decode, encode};
use super::options::credential;
use crate::provider::security::{SecurityRequirement, SecurityScheme, SignerKind};
use crate::provider::{Operation, Provider};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// Verifies a request by the provider's schemes; `issued` is whether the account has issued a token that has not expired.
///
/// # Errors
/// What is wrong with the credentials, as the provider might word it.
pub(super) fn verify(
    provider: &Provider,
    operation: &Operation,
    request: &Received,
    now: Timestamp,
    issued: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    let all = operation.security.as_ref().unwrap_or(&provider.auth);
    if all.is_empty() || all.iter().any(|requirement| requirement.schemes.is_empty()) {
        return Ok(());
    }
    let mut first_error = None;
    for requirement in all {
        match verify_requirement(provider, requirement, request, now, issued) {
            None => {}
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| "the request carries no credentials".to_owned()))
}

/// `None` where the request uses none of the schemes; all of them must hold.
fn verify_requirement(
    provider: &Provider,
    requirement: &SecurityRequirement,
    request: &Received,
    now: Timestamp,
    issued: &dyn Fn(&str) -> bool,
) -> Option<Result<(), String>> {
    let each = requirement.schemes.iter();
    let results: Vec<_> = each.map(|scheme| verify_scheme(&provider.id, scheme, request, now, issued)).collect();
    if results.iter().all(Option::is_none) {
        return None;
    }
    let lacking = || Err("the request lacks one of the credentials that are wanted together".to_owned());
    Some(results.into_iter().try_for_each(|result| result.unwrap_or_else(lacking)))
}

/// `None` where the request does not use this scheme.
fn verify_scheme(
    provider: &str,
    scheme: &SecurityScheme,
    request: &Received,
    now: Timestamp,
    issued: &dyn Fn(&str) -> bool,
) -> Option<Result<(), String>> {
    let expected = |name: &str| credential(provider, name);
    match &scheme.signer {
        SignerKind::Header(name) => {
            let given = request.header(name)?;
            let key = scheme.required.first().map_or("", String::as_str);
            Some(same(given, expected(key).reveal(), name))
        }
        SignerKind::NcpSignatureV2 => {
            request.header(NAVER_SIGNATURE)?;
            Some(verify_naver(request, expected("access_key").reveal(), expected("secret_key").reveal(), now))
        }
        SignerKind::HuaweiSdkHmacSha256 => {
            request.header("authorization")?;
            let key = HuaweiKeys {
                access_key: expected("access_key").reveal().to_owned(),
                secret_key: expected("secret_key").reveal().to_owned(),
                security_token: expected("security_token").reveal().to_owned(),
                domain_id: expected("domain_id").reveal().to_owned(),
            };
            Some(verify_huawei(request, &key, now))
        }
        // A JWS is the whole request's affair: [`super::acme`].
        SignerKind::AcmeJws => None,
        SignerKind::Bearer => {
            let given = request.header("authorization")?.strip_prefix("Bearer ")?;
            let key = scheme.required.first().map_or("", String::as_str);
            Some(same(given, expected(key).reveal(), "Authorization"))
        }
        SignerKind::Basic => {
            let given = request.header("authorization")?.strip_prefix("Basic ")?;
            let [user, password] = [0, 1].map(|place| scheme.required.get(place).map_or("", String::as_str));
            let pair = format!("{}:{}", expected(user).reveal(), expected(password).reveal());
            Some(same(given, &STANDARD.encode(pair), "Authorization"))
        }
        // TLS has verified it.
        SignerKind::MutualTls => request.shows_certificate.then_some(Ok(())),
        SignerKind::AwsSigV4 { service, region } => {
            request.header("authorization")?;
            let keys = AwsKeys {
                access_key: expected("access_key").reveal().to_owned(),
                secret_key: expected("secret_key").reveal().to_owned(),
                session_token: expected("session_token").reveal().to_owned(),
            };
            Some(verify_aws(request, &keys, (service, region), now))
        }
        SignerKind::Token(token) => {
            let given = request.header(&token.header)?;
            let given = if token.is_bearer { given.strip_prefix("Bearer ")? } else { given };
            Some(if issued(given) { Ok(()) } else { Err("the token is unknown, or it has expired".to_owned()) })
        }
    }
}

fn same(given: &str, expected: &str, name: &str) -> Result<(), String> {
    if given == expected { Ok(()) } else { Err(format!("the key in {name} is wrong")) }
}

/// Verifies the access key, the clock and the signature, which is over the method, the path with its query as sent, the
/// timestamp and the access key; the body is not signed.
fn verify_naver(request: &Received, access_key: &str, secret_key: &str, now: Timestamp) -> Result<(), String> {
    let given = |name: &str| request.header(name).ok_or_else(|| format!("the header {name} is missing"));
    let (signature, timestamp, key) = (given(NAVER_SIGNATURE)?, given(NAVER_TIMESTAMP)?, given(NAVER_ACCESS_KEY)?);
    if key != access_key {
        return Err("the access key is unknown".to_owned());
    }
    let sent: i64 = timestamp.parse().map_err(|_| format!("{NAVER_TIMESTAMP} is not a number of milliseconds"))?;
    if now.as_millisecond().abs_diff(sent) > NAVER_TOLERANCE_MS {
        return Err("the timestamp is more than five minutes off".to_owned());
    }
    // The path and its query as sent, and never the body (https://api.ncloud-docs.com/docs/en/common-ncpapi).
    let message = format!("{} {}\n{timestamp}\n{key}", request.method, request.target);
    if signature == sign_naver(secret_key, &message) { Ok(()) } else { Err("the signature is wrong".to_owned()) }
}

fn sign_naver(secret_key: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).expect("an HMAC takes a key of any length");
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The keys that are accepted.
struct HuaweiKeys {
    access_key: String,
    secret_key: String,
    security_token: String,
    domain_id: String,
}

/// Verifies the access key, the clock and the signature over method, path, query, the signed header fields and the body.
fn verify_huawei(request: &Received, keys: &HuaweiKeys, now: Timestamp) -> Result<(), String> {
    let given = request.header("authorization").unwrap_or_default();
    let authorization = HuaweiAuthorization::read(given).ok_or("the Authorization header is not understood")?;
    if authorization.access != keys.access_key {
        return Err("the access key is unknown".to_owned());
    }
    let date = request.header(HUAWEI_DATE).ok_or("the header X-Sdk-Date is missing")?;
    let sent = instant(date).ok_or("X-Sdk-Date is not a time such as 20231114T221320Z")?;
    if now.as_second().abs_diff(sent.as_second()) > HUAWEI_TOLERANCE_SECONDS {
        return Err("X-Sdk-Date is more than fifteen minutes off".to_owned());
    }
    let signed: Vec<&str> = authorization.signed.split(';').collect();
    // A signature that leaves out host or date could be replayed to another server or at another time.
    if !signed.is_sorted() || !signed.contains(&"host") || !signed.contains(&HUAWEI_DATE) {
        return Err("SignedHeaders must be sorted, and host and x-sdk-date among them".to_owned());
    }
    for (name, expected) in [("x-security-token", &keys.security_token), ("x-domain-id", &keys.domain_id)] {
        if let Some(value) = request.header(name) {
            if value != expected {
                return Err(format!("the value of {name} is unknown"));
            }
            if !signed.contains(&name) {
                return Err(format!("{name} is not signed"));
            }
        }
    }
    let canonical = canonical(request, &signed)?;
    let to_sign = format!("{HUAWEI_ALGORITHM}\n{date}\n{}", sha256(canonical.as_bytes()));
    let mut mac =
        Hmac::<Sha256>::new_from_slice(keys.secret_key.as_bytes()).expect("an HMAC takes a key of any length");
    mac.update(to_sign.as_bytes());
    let expected = hex::encode(mac.finalize().into_bytes());
    if authorization.signature == expected { Ok(()) } else { Err("verify aksk signature fail".to_owned()) }
}

struct HuaweiAuthorization<'a> {
    access: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> HuaweiAuthorization<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let fields = text.strip_prefix(HUAWEI_ALGORITHM)?.strip_prefix(' ')?;
        let field = |wanted: &str| {
            fields.split(',').filter_map(|field| field.trim().split_once('=')).find(|(name, _)| *name == wanted)
        };
        Some(Self { access: field("Access")?.1, signed: field("SignedHeaders")?.1, signature: field("Signature")?.1 })
    }
}

fn canonical(request: &Received, signed: &[&str]) -> Result<String, String> {
    // As the vendor's own signers have it (`huaweicloudsdkcore`, the API Request Signing Guide): they decode before
    // they split and sort, and the canonical path ends with `/`, which the path on the wire need not.
    let path = decode(request.path());
    let mut path: String = path.split('/').map(encode).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    let mut query: Vec<(String, String)> = request
        .query()
        .split('&')
        .filter(|word| !word.is_empty())
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let mut lines = vec![request.method.clone(), path, query.join("&")];
    for name in signed {
        let value = request.header(name).ok_or_else(|| format!("the signed header {name} is missing"))?;
        lines.push(format!("{name}:{}", value.trim()));
    }
    lines.extend([String::new(), signed.join(";"), sha256(&request.body)]);
    Ok(lines.join("\n"))
}

fn instant(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The keys of AWS's signature that are accepted.
struct AwsKeys {
    access_key: String,
    secret_key: String,
    session_token: String,
}

/// Verifies key, scope, clock and the signature over method, path, query, the signed header fields and the body.
fn verify_aws(
    request: &Received,
    keys: &AwsKeys,
    (service, region): (&str, &str),
    now: Timestamp,
) -> Result<(), String> {
    let given = request.header("authorization").unwrap_or_default();
    let fields = given.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("IncompleteSignatureException: no AWS4-HMAC-SHA256")?;
    let field = |wanted: &str| {
        let mut all = fields.split(',').filter_map(|field| field.trim().split_once('='));
        let found = all.find(|(name, _)| *name == wanted).map(|(_, value)| value);
        found.ok_or_else(|| format!("IncompleteSignatureException: Authorization header requires '{wanted}' parameter"))
    };
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let moment = request.header("x-amz-date").ok_or("the header X-Amz-Date is missing")?;
    let (key, scope) = credential.split_once('/').unwrap_or((credential, ""));
    let [day, in_region, of_service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err("InvalidSignatureException: Credential should be scoped to a valid region".to_owned());
    };
    // A region that is still a variable was not told to the simulator, which plays them all.
    if of_service != service || !(in_region == region || region.contains('{')) || !moment.starts_with(day) {
        return Err(format!("InvalidSignatureException: Credential should be scoped to {region}/{service}"));
    }
    if key != keys.access_key {
        return Err("UnrecognizedClientException: The security token included in the request is invalid.".to_owned());
    }
    if request.header("x-amz-security-token").is_some_and(|token| token != keys.session_token) {
        return Err("UnrecognizedClientException: The security token included in the request is invalid.".to_owned());
    }
    let sent = DateTime::strptime("%Y%m%dT%H%M%SZ", moment).ok().and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    let sent = sent.ok_or("X-Amz-Date is not a time such as 20150830T123600Z")?.timestamp();
    if now.as_second().abs_diff(sent.as_second()) > AWS_TOLERANCE_SECONDS {
        return Err("InvalidSignatureException: Signature expired".to_owned());
    }
    let names: Vec<&str> = signed.split(';').collect();
    // "You must include the host header, and any x-amz-* headers in the request."
    let must = request.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    if let Some(missing) = must.chain(["host"]).find(|name| !names.contains(name)) {
        return Err(format!("InvalidSignatureException: '{missing}' must be a 'SignedHeader'"));
    }
    let mut lines = vec![request.method.clone(), aws_path(request), aws_query(request)];
    for name in &names {
        let value = request.header(name).ok_or_else(|| format!("the signed header {name} is missing"))?;
        lines
            .push(format!("{name}:{}", value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")));
    }
    lines.extend([String::new(), signed.to_owned(), hex::encode(Sha256::digest(&request.body))]);
    let digest = hex::encode(Sha256::digest(lines.join("\n")));
    let mut key = format!("AWS4{}", keys.secret_key).into_bytes();
    for part in [day, in_region, of_service, "aws4_request"] {
        key = hmac_sha256(&key, part);
    }
    let expected = hex::encode(hmac_sha256(&key, &format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}")));
    if signature == expected {
        Ok(())
    } else {
        Err("InvalidSignatureException: The request signature we calculated does not match the signature you provided."
            .to_owned())
    }
}

/// "URI-encode each path segment twice", except for S3.
fn aws_path(request: &Received) -> String {
    let path = request.path();
    let segments: Vec<String> = path.split('/').map(encode).collect();
    if path.is_empty() { "/".to_owned() } else { segments.join("/") }
}

fn aws_query(request: &Received) -> String {
    let mut pairs: Vec<String> = request
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort_by(|one, other| one.split_once('=').cmp(&other.split_once('=')));
    pairs.join("&")
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The header field that holds the signature.
const NAVER_SIGNATURE: &str = "x-ncp-apigw-signature-v2";
const NAVER_TIMESTAMP: &str = "x-ncp-apigw-timestamp";
const NAVER_ACCESS_KEY: &str = "x-ncp-iam-access-key";
/// The gateway refuses clocks that are further off (<https://api.ncloud-docs.com/docs/en/common-ncpapi>).
const NAVER_TOLERANCE_MS: u64 = 5 * 60 * 1000;
const HUAWEI_ALGORITHM: &str = "SDK-HMAC-SHA256";
const HUAWEI_DATE: &str = "x-sdk-date";
/// The gateway refuses clocks that are further off.
const HUAWEI_TOLERANCE_SECONDS: u64 = 15 * 60;
/// AWS refuses requests whose time is further off.
const AWS_TOLERANCE_SECONDS: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    const AK: &str = "AKEXAMPLE0000000000A";
    const SK: &str = "SKEXAMPLE000000000000000000000000000000B";

    fn naver_request(method: &str, target: &str, timestamp: &str, key: &str, signature: &str) -> Received {
        let headers = [(NAVER_TIMESTAMP, timestamp), (NAVER_ACCESS_KEY, key), (NAVER_SIGNATURE, signature)];
        Received {
            method: method.into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Vec::new(),
            shows_certificate: false,
        }
    }

    #[test]
    fn recorded_requests_of_other_clients_are_accepted() {
        for (method, target, timestamp, key, secret, signature) in [
            (
                "POST",
                "/api/v2/certificate/revoke",
                "1700000000000",
                AK,
                SK,
                "8plGT90X2hDHFhJge4pQRQSkjYuxDu4AawdQCKR+ztM=",
            ),
            (
                "GET",
                "/api/v2/certificate/getPaidCertificates?page=1&pageSize=20",
                "1700000000000",
                AK,
                SK,
                "Uv8vU3gs4VuNpVMHoh/CnJffmilkTEl9qo0DIxnjiD8=",
            ),
            (
                "POST",
                "/api/v2/certificate/55882/reissue",
                "1700000000000",
                AK,
                SK,
                "3U9nxs+RVXUax/a7e2LrhfjXXolCnXqVC6ucJumITJM=",
            ),
            (
                "GET",
                "/vserver/v2/getServerInstanceList?responseFormatType=json",
                "1234567890123",
                "TestAccessKey",
                "TestSecretKey",
                "FPsYYX8fuMAgi+cue3eACOW0dNtIwu1LYWfg/megA2M=",
            ),
        ] {
            let now = Timestamp::from_millisecond(timestamp.parse().unwrap()).unwrap();
            let good = naver_request(method, target, timestamp, key, signature);
            assert_eq!(verify_naver(&good, key, secret, now), Ok(()), "{target}");
            let mut other_path = good.clone();
            other_path.target.push('x');
            assert!(verify_naver(&other_path, key, secret, now).is_err(), "{target}");
            assert!(verify_naver(&good, key, "another secret", now).is_err(), "{target}");
            assert!(verify_naver(&good, "another key", secret, now).is_err(), "{target}");
        }
    }

    #[test]
    fn a_clock_may_be_five_minutes_off() {
        let good = naver_request(
            "POST",
            "/api/v2/certificate/revoke",
            "1700000000000",
            AK,
            "8plGT90X2hDHFhJge4pQRQSkjYuxDu4AawdQCKR+ztM=",
        );
        for (off, accepted) in [(300_000, true), (-300_000, true), (300_001, false), (-300_001, false)] {
            let now = Timestamp::from_millisecond(1_700_000_000_000 + off).unwrap();
            assert_eq!(verify_naver(&good, AK, SK, now).is_ok(), accepted, "{off}");
        }
    }

    const CA: &str = "/v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43";

    fn keys() -> HuaweiKeys {
        HuaweiKeys {
            access_key: "AKEXAMPLE0000000000A".into(),
            secret_key: "SKEXAMPLE0000000000000000000000000000000B".into(),
            security_token: "token".into(),
            domain_id: "domain".into(),
        }
    }

    fn huawei_request(method: &str, target: &str, body: &str, signature: &str) -> Received {
        let authorization = format!(
            "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000A, SignedHeaders=content-type;host;x-sdk-date, Signature={signature}"
        );
        let headers = [
            ("content-type", "application/json"),
            ("host", "ccm.ae-ad-1.myhuaweicloud.com"),
            (HUAWEI_DATE, "20231114T221320Z"),
            ("authorization", &authorization),
        ];
        Received {
            method: method.into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.into(),
            shows_certificate: false,
        }
    }

    fn now(off: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + off).unwrap()
    }

    #[test]
    fn signatures_of_the_vendors_own_signer_are_accepted() {
        let revoke = format!("{CA}/revoke");
        for (method, target, body, signature) in [
            (
                "POST",
                revoke.as_str(),
                r#"{"reason":"KEY_COMPROMISE"}"#,
                "7e7cb22b2873a654f9ae79b294ea9e2b5c5f2bb263935c5420cd69aea54d9240",
            ),
            ("POST", &revoke, "{}", "22d792fc81e4b3874361ce9e0f595030981e93224ccae49296e6ab590ab35b8b"),
            ("GET", CA, "", "9bd18eee5fd22c1d1464e0d20b2ab2fd4840b66d00091c14a1aea1237115c4d3"),
            (
                "GET",
                "/v1/private-certificates?status=ISSUED&limit=10&offset=0",
                "",
                "d2054af6ec591544660dc97c667a01d8c74d6dcbec616a8fc29edc05e60581f2",
            ),
        ] {
            let good = huawei_request(method, target, body, signature);
            assert_eq!(verify_huawei(&good, &keys(), now(0)), Ok(()), "{target}");
            for (off, accepted) in [(900, true), (-900, true), (901, false), (-901, false)] {
                assert_eq!(verify_huawei(&good, &keys(), now(off)).is_ok(), accepted, "{off}");
            }
            let mut other_body = good.clone();
            other_body.body.push(b' ');
            assert!(verify_huawei(&other_body, &keys(), now(0)).is_err(), "{target}");
            let mut unsigned = good.clone();
            unsigned.headers.push(("x-domain-id".into(), "domain".into()));
            assert!(verify_huawei(&unsigned, &keys(), now(0)).is_err(), "{target}");
        }
    }

    #[test]
    fn no_text_is_taken_for_an_authorization() {
        for text in
            ["", "SDK-HMAC-SHA256", "SDK-HMAC-SHA256 Access", "Bearer x", "SDK-HMAC-SHA256 Access=a, Signature=b"]
        {
            assert!(HuaweiAuthorization::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_botocore_signed_is_accepted_and_nothing_else() {
        let body = r#"{"CertificateAuthorityArn":"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012","CertificateSerial":"67:07:44","RevocationReason":"KEY_COMPROMISE"}"#;
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/acm-pca/aws4_request, \
                             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
                             Signature=3e99ee9654024fb2a3ba90bacd9af9db16798e8f303d863eacd97ecfa81e93ea";
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "acm-pca.us-east-1.amazonaws.com"),
            ("x-amz-date", "20261129T080000Z"),
            ("x-amz-target", "ACMPrivateCA.RevokeCertificate"),
        ];
        let good = Received {
            shows_certificate: false,
            method: "POST".into(),
            target: "/".into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.into(),
        };
        let keys = AwsKeys {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: "TOKENEXAMPLE".into(),
        };
        let now: Timestamp = "2026-11-29T08:00:00Z".parse().unwrap();
        let here = ("acm-pca", "us-east-1");
        assert_eq!(verify_aws(&good, &keys, here, now), Ok(()));
        assert_eq!(verify_aws(&good, &keys, ("acm-pca", "{region}"), now), Ok(()));
        assert!(verify_aws(&good, &keys, ("acm-pca", "eu-west-1"), now).is_err());
        assert!(verify_aws(&good, &keys, ("acm", "us-east-1"), now).is_err());
        assert!(
            verify_aws(&good, &keys, here, "2026-11-29T08:06:00Z".parse().unwrap()).unwrap_err().contains("expired")
        );
        let other = |change: &dyn Fn(&mut Received)| {
            let mut other = good.clone();
            change(&mut other);
            verify_aws(&other, &keys, here, now)
        };
        assert!(other(&|request| request.body.push(b' ')).is_err());
        assert!(other(&|request| request.target.push_str("?x=1")).is_err());
        let unsigned = other(&|request| request.headers.push(("x-amz-security-token".into(), "TOKENEXAMPLE".into())));
        assert!(unsigned.unwrap_err().contains("must be a 'SignedHeader'"));
    }
}
