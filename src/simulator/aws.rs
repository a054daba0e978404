//! AWS's Signature Version 4, verified. Pure; the time is an argument.
//!
//! Written from AWS's own page (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>), apart from the
//! signer that it checks, so that an error in either shows.

use super::message::{Received, encode};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// The keys that are accepted.
pub(super) struct AwsKeys {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: String,
}

/// Verifies key, scope, clock and the signature over method, path, query, the signed header fields and the body.
pub(super) fn verify(
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
    if now.as_second().abs_diff(sent.as_second()) > TOLERANCE_SECONDS {
        return Err("InvalidSignatureException: Signature expired".to_owned());
    }
    let names: Vec<&str> = signed.split(';').collect();
    // "You must include the host header, and any x-amz-* headers in the request."
    let must = request.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    if let Some(missing) = must.chain(["host"]).find(|name| !names.contains(name)) {
        return Err(format!("InvalidSignatureException: '{missing}' must be a 'SignedHeader'"));
    }
    let mut lines = vec![request.method.clone(), path(request), query(request)];
    for name in &names {
        let value = request.header(name).ok_or_else(|| format!("the signed header {name} is missing"))?;
        lines
            .push(format!("{name}:{}", value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")));
    }
    lines.extend([String::new(), signed.to_owned(), hex::encode(Sha256::digest(&request.body))]);
    let digest = hex::encode(Sha256::digest(lines.join("\n")));
    let mut key = format!("AWS4{}", keys.secret_key).into_bytes();
    for part in [day, in_region, of_service, "aws4_request"] {
        key = mac(&key, part);
    }
    let expected = hex::encode(mac(&key, &format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}")));
    if signature == expected {
        Ok(())
    } else {
        Err("InvalidSignatureException: The request signature we calculated does not match the signature you provided."
            .to_owned())
    }
}

/// "URI-encode each path segment twice", except for S3.
fn path(request: &Received) -> String {
    let path = request.path();
    let segments: Vec<String> = path.split('/').map(encode).collect();
    if path.is_empty() { "/".to_owned() } else { segments.join("/") }
}

fn query(request: &Received) -> String {
    let mut pairs: Vec<String> = request
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort_by(|one, other| one.split_once('=').cmp(&other.split_once('=')));
    pairs.join("&")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Requests are refused whose time is further off.
const TOLERANCE_SECONDS: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(verify(&good, &keys, here, now), Ok(()));
        assert_eq!(verify(&good, &keys, ("acm-pca", "{region}"), now), Ok(()));
        assert!(verify(&good, &keys, ("acm-pca", "eu-west-1"), now).is_err());
        assert!(verify(&good, &keys, ("acm", "us-east-1"), now).is_err());
        assert!(verify(&good, &keys, here, "2026-11-29T08:06:00Z".parse().unwrap()).unwrap_err().contains("expired"));
        let other = |change: &dyn Fn(&mut Received)| {
            let mut other = good.clone();
            change(&mut other);
            verify(&other, &keys, here, now)
        };
        assert!(other(&|request| request.body.push(b' ')).is_err());
        assert!(other(&|request| request.target.push_str("?x=1")).is_err());
        let unsigned = other(&|request| request.headers.push(("x-amz-security-token".into(), "TOKENEXAMPLE".into())));
        assert!(unsigned.unwrap_err().contains("must be a 'SignedHeader'"));
    }
}
