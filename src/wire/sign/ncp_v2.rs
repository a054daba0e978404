//! NAVER API Gateway signature v2: HMAC-SHA256 over method, path with query, time and access key. The body is not signed.

use super::fields::{SignError, credential, header_credential, hmac_sha256, set_header, url};
use crate::wire::WireRequest;
use crate::wire::credentials::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

const TIMESTAMP: &str = "x-ncp-apigw-timestamp";
const ACCESS_KEY: &str = "x-ncp-iam-access-key";
const SIGNATURE: &str = "x-ncp-apigw-signature-v2";

/// Sets the three header fields of a signature as of `at`.
pub(super) fn sign(request: &mut WireRequest, credentials: &Credentials, at: Timestamp) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let url = url(request)?;
    // The vendor has path and query in the text to sign as they stand in the request line.
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let timestamp = at.as_millisecond().to_string();
    let message = format!("{} {}{query}\n{timestamp}\n{access_key}", request.method, url.path());
    set_header(request, SIGNATURE, STANDARD.encode(hmac_sha256(secret_key.as_bytes(), &message)));
    set_header(request, ACCESS_KEY, access_key.to_owned());
    set_header(request, TIMESTAMP, timestamp);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::{credentials, header, request};
    use super::*;

    #[test]
    fn published_and_captured_signatures_come_out_the_same() {
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
                sign(&mut request, &keys, Timestamp::from_millisecond(at).unwrap()).unwrap();
                assert_eq!(header(&request, SIGNATURE), Some(expected), "{path}");
                assert_eq!(header(&request, ACCESS_KEY), Some(access_key));
                assert_eq!(header(&request, TIMESTAMP), Some(at.to_string().as_str()));
            }
        }
    }
}
