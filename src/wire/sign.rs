//! Signers put credentials on a request at the moment of sending: as they are, or by an HMAC over what the vendor makes of the request. Pure: the
//! time comes in, nothing is read or sent. What is known of each beside its signature stands in the table of `provider::security`.

use super::WireRequest;
use super::credentials::{Credentials, SignError, TOKEN, credential, fits_header, header_credential, set_header};
use super::token::ServiceAccount;
use crate::pki::PrivateKey;
use crate::provider::request::encode;
use crate::provider::security::{CredentialUse, SecurityRequirement, SecurityScheme, SignerKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use sha2::{Digest, Sha256};

/// Signs a request as of `at`, by all schemes of a requirement. Header fields that an earlier signing set are replaced, so each attempt is
/// signed anew.
///
/// # Errors
/// A credential is missing or cannot be sent, or the URL cannot be read; the request is then not to be sent.
pub fn sign(
    requirement: &SecurityRequirement,
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    requirement.schemes.iter().try_for_each(|scheme| sign_by(scheme, request, credentials, at))
}

/// What stands in the way of a credential's use, as a sentence that does not repeat it.
pub fn unusable(usage: CredentialUse, value: &str) -> Option<String> {
    match usage {
        CredentialUse::Field if fits_header(value) => None,
        CredentialUse::Field => Some(UNFIT.to_owned()),
        CredentialUse::BearerToken if value.contains(' ') && fits_header(value) => Some(WITH_BEARER.to_owned()),
        CredentialUse::BearerToken => unusable(CredentialUse::Field, value),
        CredentialUse::BasicUser if value.contains(':') => {
            Some("it holds a colon, which ends a user's name".to_owned())
        }
        CredentialUse::JwsKey => PrivateKey::parse(value).err(),
        CredentialUse::ServiceAccount => ServiceAccount::parse(value).err(),
        // The certificate and its key are held against each other: `super::tls`.
        CredentialUse::BasicUser
        | CredentialUse::ClientCertificate
        | CredentialUse::ClientCertificatePassword
        | CredentialUse::ClientKey
        | CredentialUse::Text => None,
    }
}

fn sign_by(
    scheme: &SecurityScheme,
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    let name = |place: usize| scheme.required.get(place).map_or("", String::as_str);
    match &scheme.signer {
        SignerKind::Header(field) => put(name(0), (field, ""), request, credentials),
        SignerKind::Bearer => put(name(0), ("authorization", BEARER), request, credentials),
        SignerKind::Basic => put_basic((name(0), name(1)), request, credentials),
        // The connection shows it: `super::tls`.
        SignerKind::MutualTls => Ok(()),
        SignerKind::AwsSigV4 { service, region } => aws_sig_v4((service, region), request, credentials, at),
        SignerKind::NcpSignatureV2 => ncp_v2(request, credentials, at),
        SignerKind::HuaweiSdkHmacSha256 => huawei_sdk(request, credentials, at),
        SignerKind::Token(token) => {
            let before = if token.is_bearer { BEARER } else { "" };
            put(TOKEN, (&token.header, before), request, credentials)
        }
        // Signed within a session: `super::acme`.
        SignerKind::AcmeJws => Err(SignError::NoNonce),
    }
}

/// Puts the credential of a name into a header field, behind these letters.
fn put(
    credential: &str,
    (field, before): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
) -> Result<(), SignError> {
    let value = header_credential(credentials, credential)?;
    set_header(request, field.to_owned(), format!("{before}{value}"));
    Ok(())
}

/// A user and a password for HTTP (RFC 7617, section 2), in UTF-8.
fn put_basic(
    (user, password): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
) -> Result<(), SignError> {
    let pair = format!("{}:{}", credential(credentials, user)?, credential(credentials, password)?);
    set_header(request, "authorization", format!("Basic {}", STANDARD.encode(pair)));
    Ok(())
}

/// NAVER API Gateway's signature v2: an HMAC over method, path with query, time and access key. The body is not signed.
fn ncp_v2(request: &mut WireRequest, credentials: &Credentials, at: Timestamp) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let url = url(request)?;
    // The vendor has path and query in the text to sign as they stand in the request line.
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let timestamp = at.as_millisecond().to_string();
    let message = format!("{} {}{query}\n{timestamp}\n{access_key}", request.method, url.path());
    set_header(request, NCP_SIGNATURE, STANDARD.encode(hmac_sha256(secret_key.as_bytes(), &message)));
    set_header(request, NCP_ACCESS_KEY, access_key.to_owned());
    set_header(request, NCP_TIMESTAMP, timestamp);
    Ok(())
}

/// Huawei Cloud's AK/SK signature, SDK-HMAC-SHA256: one HMAC over a digest of the canonical request. Content type, host, date and
/// the optional fields are signed.
fn huawei_sdk(request: &mut WireRequest, credentials: &Credentials, at: Timestamp) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    for (name, field) in [("domain_id", HUAWEI_DOMAIN), ("security_token", HUAWEI_TOKEN)] {
        if credentials.get(name).is_some() {
            set_header(request, field, header_credential(credentials, name)?.to_owned());
        }
    }
    if !request.headers.iter().any(|(name, _)| name == "content-type") {
        // The vendor's own client sends and signs it on every request, those without a body included.
        set_header(request, "content-type", "application/json");
    }
    set_header(request, HUAWEI_DATE, date.clone());
    let (canonical, signed) = huawei_canonical_request(request)?;
    let signature = hex::encode(hmac_sha256(secret_key.as_bytes(), &huawei_string_to_sign(&date, &canonical)));
    let authorization =
        format!("{HUAWEI_ALGORITHM} Access={access_key}, SignedHeaders={signed}, Signature={signature}");
    set_header(request, "authorization", authorization);
    Ok(())
}

fn huawei_canonical_request(request: &WireRequest) -> Result<(String, String), SignError> {
    let url = url(request)?;
    let fields = request.headers.iter().map(|(name, value)| (&**name, value.trim().to_owned()));
    let is_signed = |name: &str| ["content-type", HUAWEI_DATE, HUAWEI_DOMAIN, HUAWEI_TOKEN].contains(&name);
    let fields = fields.filter(|(name, _)| is_signed(name)).collect();
    Ok(canonical_request(request, &url, (&huawei_path(&url), &huawei_query(&url)), fields))
}

fn huawei_string_to_sign(date: &str, canonical_request: &str) -> String {
    format!("{HUAWEI_ALGORITHM}\n{date}\n{}", hex::encode(Sha256::digest(canonical_request)))
}

/// Decoded whole, then each segment encoded anew: an encoded `/` separates like any other, as in the vendor's own signers. Always
/// ends with `/`, in the canonical form alone.
fn huawei_path(url: &Url) -> String {
    let mut path = decode(url.path()).split('/').map(encode).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// Sorted by name, then by value, as people write them and not as they are encoded; then encoded anew.
fn huawei_query(url: &Url) -> String {
    let mut pairs: Vec<(String, String)> = pairs(url).map(|(name, value)| (decode(name), decode(value))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// AWS's Signature Version 4 in a header field: an HMAC by a key that is made for the day, the region and the service, over a digest of the
/// canonical request (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>). Host, content type and all that
/// begins with `x-amz-` are signed.
fn aws_sig_v4(
    (service, region): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let moment = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &moment[..8];
    if credentials.get("session_token").is_some() {
        set_header(request, AWS_TOKEN, header_credential(credentials, "session_token")?.to_owned());
    }
    set_header(request, AWS_DATE, moment.clone());
    let (canonical, signed) = aws_canonical_request(request)?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("{AWS_ALGORITHM}\n{moment}\n{scope}\n{digest}");
    let key = hmac_sha256(format!("AWS4{secret_key}").as_bytes(), day);
    let key = [region, service, "aws4_request"].iter().fold(key, |key, part| hmac_sha256(&key, part));
    let signature = hex::encode(hmac_sha256(&key, &to_sign));
    let authorization =
        format!("{AWS_ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}");
    set_header(request, "authorization", authorization);
    Ok(())
}

fn aws_canonical_request(request: &WireRequest) -> Result<(String, String), SignError> {
    let url = url(request)?;
    let is_signed = |name: &str| name == "content-type" || name.starts_with("x-amz-");
    let fields = request.headers.iter().filter(|(name, _)| is_signed(name));
    // Blanks in a row count as one.
    let one_blank = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let fields = fields.map(|(name, value)| (&**name, one_blank(value))).collect();
    Ok(canonical_request(request, &url, (&aws_path(&url), &aws_query(&url)), fields))
}

/// The path as sent, each segment encoded once more, as all services but S3 want it; empty segments go, as in AWS's own clients.
fn aws_path(url: &Url) -> String {
    let segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let path: String = segments.map(|segment| format!("/{}", encode(segment))).collect();
    if path.is_empty() || url.path().ends_with('/') { path + "/" } else { path }
}

/// As sent, sorted by name, then by value.
fn aws_query(url: &Url) -> String {
    let mut pairs: Vec<(&str, &str)> = pairs(url).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The canonical form of a request that AWS and Huawei sign, of these fields beside the host, and the names of the signed fields.
fn canonical_request(
    request: &WireRequest,
    url: &Url,
    (path, query): (&str, &str),
    mut fields: Vec<(&str, String)>,
) -> (String, String) {
    // Host and non-default port, as the `host` header field is sent.
    let host = url.host_str().unwrap_or_default();
    fields.push(("host", url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))));
    fields.sort_unstable();
    let signed = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = hex::encode(Sha256::digest(request.body.as_deref().unwrap_or_default()));
    (format!("{}\n{path}\n{query}\n{fields}\n{signed}\n{body}", request.method), signed)
}

/// The parameters of a query, as sent.
fn pairs(url: &Url) -> impl Iterator<Item = (&str, &str)> {
    let pairs = url.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn url(request: &WireRequest) -> Result<Url, SignError> {
    Url::parse(&request.url).map_err(|_| SignError::Url)
}

fn hmac_sha256(key: &[u8], message: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().into()
}

fn decode(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

const BEARER: &str = "Bearer ";
const WITH_BEARER: &str =
    "it holds a blank, as no bearer token does; `Bearer ` is put before it in any case, so give the token alone";
const UNFIT: &str =
    "it holds characters that a header field cannot carry (line breaks, white space at an end, or other than ASCII)";
const NCP_TIMESTAMP: &str = "x-ncp-apigw-timestamp";
const NCP_ACCESS_KEY: &str = "x-ncp-iam-access-key";
const NCP_SIGNATURE: &str = "x-ncp-apigw-signature-v2";
const HUAWEI_ALGORITHM: &str = "SDK-HMAC-SHA256";
const HUAWEI_DATE: &str = "x-sdk-date";
const HUAWEI_DOMAIN: &str = "x-domain-id";
const HUAWEI_TOKEN: &str = "x-security-token";
const AWS_ALGORITHM: &str = "AWS4-HMAC-SHA256";
const AWS_DATE: &str = "x-amz-date";
const AWS_TOKEN: &str = "x-amz-security-token";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::security::TokenGrant;
    use crate::provider::security::tests::token;
    use crate::wire::credentials::tests::{credentials, header, request};

    #[test]
    fn a_user_and_a_password_are_as_the_rfc_shows_them() {
        // RFC 7617, sections 2 and 2.1.
        for (user, password, expected) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ] {
            let mut signed = request("GET", "https://ca.example/", None);
            let credentials = credentials(&[("username", user), ("password", password)]);
            put_basic(("username", "password"), &mut signed, &credentials).unwrap();
            assert_eq!(header(&signed, "authorization"), Some(expected));
        }
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        for (value, fits) in [
            ("abc", true),
            ("a b", true),
            ("", false),
            ("a\nb", false),
            ("a\r\nx: y", false),
            ("é", false),
            (" a", false),
        ] {
            assert_eq!(fits_header(value), fits, "{value:?}");
            let mut signed = request("GET", "https://ca.example/", None);
            let put = put("api_key", ("x-key", ""), &mut signed, &credentials(&[("api_key", value)]));
            assert_eq!(put.is_ok(), fits, "{value:?}");
        }
    }

    #[test]
    fn credentials_that_will_not_do_are_told_apart() {
        for (usage, value, expected) in [
            (CredentialUse::Field, "a b", None),
            (CredentialUse::Field, "a\n", Some("cannot carry")),
            (CredentialUse::BearerToken, "eyJh.b-c_d~+/=", None),
            (CredentialUse::BearerToken, "Bearer eyJh", Some("give the token alone")),
            (CredentialUse::BearerToken, "eyJh\n", Some("cannot carry")),
            (CredentialUse::BasicUser, "user", None),
            (CredentialUse::BasicUser, "us:er", Some("a colon")),
            (CredentialUse::Text, "\u{e9}\n", None),
            (CredentialUse::JwsKey, "x", Some("no private key in it")),
            (CredentialUse::ServiceAccount, "{}", Some("no key file of a Google service account")),
        ] {
            let why = unusable(usage, value);
            assert_eq!(why.is_some(), expected.is_some(), "{value}: {why:?}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()), "{value}");
        }
    }

    #[test]
    fn every_signer_sets_the_headers_of_the_table_once_and_reports_what_is_missing() {
        let all = credentials(&[
            ("access_key", "AK"),
            ("secret_key", "SK"),
            ("security_token", "ST"),
            ("domain_id", "D"),
            ("api_key", "K"),
            ("token", "B"),
            ("username", "U"),
            ("password", "P"),
            ("session_token", "ST"),
            (TOKEN, "T"),
        ]);
        let sig_v4 =
            |(service, region): (&str, &str)| SignerKind::AwsSigV4 { service: service.into(), region: region.into() };
        for signer in [
            SignerKind::Header("x-dc-devkey".to_owned()),
            SignerKind::Bearer,
            SignerKind::Basic,
            SignerKind::NcpSignatureV2,
            SignerKind::HuaweiSdkHmacSha256,
            sig_v4(("acm-pca", "us-east-1")),
            token(TokenGrant::HuaweiIam).signer,
        ] {
            let mut scheme = SecurityScheme::new("s", signer);
            if scheme.required == [""] {
                scheme = scheme.with_credentials(vec!["api_key".to_owned()], Vec::new());
            }
            let requirement: SecurityRequirement = scheme.into();
            let mut signed = request("POST", "https://ca.example/v1/x", Some("{}"));
            signed.headers.push(("content-type".into(), "application/json".into()));
            let before = signed.headers.len();
            sign(&requirement, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            let mut names: Vec<&str> = signed.headers[before..].iter().map(|(name, _)| &**name).collect();
            let mut expected: Vec<&str> = requirement.schemes[0].fields().map(|(name, _)| name).collect();
            expected.sort_unstable();
            names.sort_unstable();
            assert_eq!(names, expected);

            let once = signed.clone();
            sign(&requirement, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed, once, "signing again replaces");

            let mut unsigned = request("GET", "https://ca.example/", None);
            let missing = sign(&requirement, &mut unsigned, &credentials(&[]), Timestamp::UNIX_EPOCH);
            assert!(matches!(missing, Err(SignError::Missing(_))), "{requirement:?}");
        }
    }

    #[test]
    fn signatures_that_naver_published_or_took_come_out_the_same() {
        const AK: &str = "AKEXAMPLE0000000000A";
        const SK: &str = "SKEXAMPLE000000000000000000000000000000B";
        for (method, path, at, access_key, secret_key, expected) in [
            (
                "POST",
                "/api/v2/certificate/revoke",
                1_700_000_000_000,
                AK,
                SK,
                "8plGT90X2hDHFhJge4pQRQSkjYuxDu4AawdQCKR+ztM=",
            ),
            (
                "GET",
                "/api/v2/certificate/getPaidCertificates?page=1&pageSize=20",
                1_700_000_000_000,
                AK,
                SK,
                "Uv8vU3gs4VuNpVMHoh/CnJffmilkTEl9qo0DIxnjiD8=",
            ),
            (
                "POST",
                "/api/v2/certificate/55882/reissue",
                1_700_000_000_000,
                AK,
                SK,
                "3U9nxs+RVXUax/a7e2LrhfjXXolCnXqVC6ucJumITJM=",
            ),
            (
                "POST",
                "/server/v2/getRegionList?responseFormatType=json",
                1_700_000_000_000,
                AK,
                SK,
                "clwqb6ddyG7uHusXH/wE/XtZ3CU9ksya2dFSULccSt0=",
            ),
            (
                "GET",
                "/vserver/v2/getServerInstanceList?responseFormatType=json",
                1_234_567_890_123,
                "TestAccessKey",
                "TestSecretKey",
                "FPsYYX8fuMAgi+cue3eACOW0dNtIwu1LYWfg/megA2M=",
            ),
        ] {
            for body in [None, Some("{}")] {
                let mut request = request(method, &format!("http://127.0.0.1:18080{path}"), body);
                let keys = credentials(&[("access_key", access_key), ("secret_key", secret_key)]);
                ncp_v2(&mut request, &keys, Timestamp::from_millisecond(at).unwrap()).unwrap();
                assert_eq!(header(&request, NCP_SIGNATURE), Some(expected), "{path}");
                assert_eq!(header(&request, NCP_ACCESS_KEY), Some(access_key));
                assert_eq!(header(&request, NCP_TIMESTAMP), Some(at.to_string().as_str()));
            }
        }
    }

    #[test]
    fn requests_that_botocore_signed_come_out_the_same() {
        let body = r#"{"CertificateAuthorityArn":"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012","CertificateSerial":"67:07:44","RevocationReason":"KEY_COMPROMISE"}"#;
        for (token, fields, signature) in [
            (
                None,
                "content-type;host;x-amz-date;x-amz-target",
                "3e99ee9654024fb2a3ba90bacd9af9db16798e8f303d863eacd97ecfa81e93ea",
            ),
            (
                Some(("session_token", "TOKENEXAMPLE")),
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                "7c38786945f59e342d59fddb8036ddbc9fe3068da74c5b59055d909a5a01de9c",
            ),
        ] {
            let mut signed = request("POST", "https://acm-pca.us-east-1.amazonaws.com/", Some(body));
            for (name, value) in [
                ("accept", "application/json"),
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", "ACMPrivateCA.RevokeCertificate"),
            ] {
                signed.headers.push((name.into(), value.into()));
            }
            let keys: Vec<(&str, &str)> = AWS_KEYS.into_iter().chain(token).collect();
            let at = "2026-11-29T08:00:00Z".parse().unwrap();
            aws_sig_v4(("acm-pca", "us-east-1"), &mut signed, &credentials(&keys), at).unwrap();
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/acm-pca/aws4_request, SignedHeaders={fields}, Signature={signature}"
            );
            assert_eq!(header(&signed, "authorization"), Some(expected.as_str()));
            assert_eq!(header(&signed, AWS_TOKEN), token.map(|(_, token)| token));
        }
    }

    #[test]
    fn the_example_that_aws_published_comes_out_the_same() {
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and the older pages before it.
        let mut signed = request("GET", "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers", None);
        signed.headers.push(("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into()));
        aws_sig_v4(("iam", "us-east-1"), &mut signed, &credentials(&AWS_KEYS), "2015-08-30T12:36:00Z".parse().unwrap())
            .unwrap();
        let authorization = header(&signed, "authorization").unwrap();
        assert!(
            authorization.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            "{authorization}"
        );
    }

    #[test]
    fn aws_encodes_paths_twice_and_sorts_queries_as_sent() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a%20b/", "/a%2520b/"),
            ("/a//b", "/a/b"),
            ("/%EA%B0%80/~x", "/%25EA%25B0%2580/~x"),
        ] {
            assert_eq!(aws_path(&url(&format!("https://x.example{path}"))), expected, "{path}");
        }
        assert_eq!(aws_query(&url("https://x.example/?b=2&a=%C3%A9&a=%20x&c")), "a=%20x&a=%C3%A9&b=2&c=");
    }

    fn signed_for_huawei(method: &str, url: &str, body: Option<&str>, extra: &[(&str, &str)]) -> WireRequest {
        let mut request = request(method, url, body);
        let keys =
            [("access_key", "AKEXAMPLE0000000000A"), ("secret_key", "SKEXAMPLE0000000000000000000000000000000B")];
        let keys = credentials(&[&keys, extra].concat());
        huawei_sdk(&mut request, &keys, "2023-11-14T22:13:20Z".parse().unwrap()).unwrap();
        request
    }

    #[test]
    fn vectors_of_huaweis_own_signer_come_out_the_same() {
        for (method, path, body, expected) in [
            (
                "POST",
                format!("{HUAWEI_CA}/revoke"),
                Some(r#"{"reason":"KEY_COMPROMISE"}"#),
                "7e7cb22b2873a654f9ae79b294ea9e2b5c5f2bb263935c5420cd69aea54d9240",
            ),
            (
                "POST",
                format!("{HUAWEI_CA}/revoke"),
                Some("{}"),
                "22d792fc81e4b3874361ce9e0f595030981e93224ccae49296e6ab590ab35b8b",
            ),
            ("GET", HUAWEI_CA.to_owned(), None, "9bd18eee5fd22c1d1464e0d20b2ab2fd4840b66d00091c14a1aea1237115c4d3"),
            (
                "GET",
                "/v1/private-certificates?status=ISSUED&offset=0&limit=10".to_owned(),
                None,
                "d2054af6ec591544660dc97c667a01d8c74d6dcbec616a8fc29edc05e60581f2",
            ),
        ] {
            let request = signed_for_huawei(method, &format!("{HUAWEI}{path}"), body, &[]);
            let authorization = format!(
                "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000A, SignedHeaders=content-type;host;x-sdk-date, Signature={expected}"
            );
            assert_eq!(header(&request, "authorization"), Some(authorization.as_str()), "{path}");
            assert_eq!(header(&request, HUAWEI_DATE), Some("20231114T221320Z"));
        }
    }

    #[test]
    fn the_canonical_request_and_the_string_to_sign_are_huaweis() {
        let request = signed_for_huawei(
            "POST",
            &format!("{HUAWEI}{HUAWEI_CA}/revoke"),
            Some(r#"{"reason":"KEY_COMPROMISE"}"#),
            &[],
        );
        let (canonical, _) = huawei_canonical_request(&request).unwrap();
        assert_eq!(
            canonical,
            "POST\n\
             /v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43/revoke/\n\
             \n\
             content-type:application/json\n\
             host:ccm.ae-ad-1.myhuaweicloud.com\n\
             x-sdk-date:20231114T221320Z\n\
             \n\
             content-type;host;x-sdk-date\n\
             ff2221d1e23c0e91c08e5204d8590c5646da095da30a9fab9dcbcebdf341b40f"
        );
        assert_eq!(
            huawei_string_to_sign("20231114T221320Z", &canonical),
            "SDK-HMAC-SHA256\n20231114T221320Z\n797e15bf1099d0d8b867c0ee434ba07df9de85534899ba560719bae48c881e10"
        );
    }

    #[test]
    fn huaweis_optional_credentials_and_the_port_are_signed() {
        let extra = [("domain_id", "0123"), ("security_token", "token")];
        let request = signed_for_huawei(
            "GET",
            "http://127.0.0.1:18080/v1/a%2Fb/%E2%82%AC?b=2&a=%C3%A9&a=%20x&a=z&c",
            None,
            &extra,
        );
        let (canonical, signed) = huawei_canonical_request(&request).unwrap();
        assert_eq!(signed, "content-type;host;x-domain-id;x-sdk-date;x-security-token");
        let expected = "GET\n/v1/a/b/%E2%82%AC/\na=%20x&a=z&a=%C3%A9&b=2&c=\ncontent-type:application/json\n\
             host:127.0.0.1:18080\nx-domain-id:0123\nx-sdk-date:20231114T221320Z\nx-security-token:token\n\n";
        assert!(canonical.starts_with(expected), "{canonical}");
        assert_eq!(header(&request, HUAWEI_DOMAIN), Some("0123"));
        assert_eq!(header(&request, HUAWEI_TOKEN), Some("token"));
    }

    const AWS_KEYS: [(&str, &str); 2] =
        [("access_key", "AKIDEXAMPLE"), ("secret_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")];
    const HUAWEI: &str = "https://ccm.ae-ad-1.myhuaweicloud.com";
    const HUAWEI_CA: &str = "/v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43";
}
