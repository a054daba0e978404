//! NAVER Cloud's gateway signature v2, verified. Signs nothing.

use crate::simulator::message::Received;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// The header field that holds the signature.
pub(super) const SIGNATURE: &str = "x-ncp-apigw-signature-v2";

/// Verifies the access key, the clock and the signature, which is over the method, the path with its query as sent, the
/// timestamp and the access key; the body is not signed.
pub(super) fn verify(request: &Received, access_key: &str, secret_key: &str, now: Timestamp) -> Result<(), String> {
    let given = |name: &str| request.header(name).ok_or_else(|| format!("the header {name} is missing"));
    let (signature, timestamp, key) = (given(SIGNATURE)?, given(TIMESTAMP)?, given(ACCESS_KEY)?);
    if key != access_key {
        return Err("the access key is unknown".to_owned());
    }
    let sent: i64 = timestamp.parse().map_err(|_| format!("{TIMESTAMP} is not a number of milliseconds"))?;
    if now.as_millisecond().abs_diff(sent) > TOLERANCE_MS {
        return Err("the timestamp is more than five minutes off".to_owned());
    }
    // The path and its query as sent, and never the body (https://api.ncloud-docs.com/docs/en/common-ncpapi).
    let message = format!("{} {}\n{timestamp}\n{key}", request.method, request.target);
    if signature == sign(secret_key, &message) { Ok(()) } else { Err("the signature is wrong".to_owned()) }
}

fn sign(secret_key: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).expect("an HMAC takes a key of any length");
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

const TIMESTAMP: &str = "x-ncp-apigw-timestamp";
const ACCESS_KEY: &str = "x-ncp-iam-access-key";
/// The gateway refuses clocks that are further off (https://api.ncloud-docs.com/docs/en/common-ncpapi).
const TOLERANCE_MS: u64 = 5 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const AK: &str = "AKEXAMPLE0000000000A";
    const SK: &str = "SKEXAMPLE000000000000000000000000000000B";

    fn request(method: &str, target: &str, timestamp: &str, key: &str, signature: &str) -> Received {
        let headers = [(TIMESTAMP, timestamp), (ACCESS_KEY, key), (SIGNATURE, signature)];
        Received {
            method: method.into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Vec::new(),
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
            let good = request(method, target, timestamp, key, signature);
            assert_eq!(verify(&good, key, secret, now), Ok(()), "{target}");
            let mut other_path = good.clone();
            other_path.target.push('x');
            assert!(verify(&other_path, key, secret, now).is_err(), "{target}");
            assert!(verify(&good, key, "another secret", now).is_err(), "{target}");
            assert!(verify(&good, "another key", secret, now).is_err(), "{target}");
        }
    }

    #[test]
    fn a_clock_may_be_five_minutes_off() {
        let good = request(
            "POST",
            "/api/v2/certificate/revoke",
            "1700000000000",
            AK,
            "8plGT90X2hDHFhJge4pQRQSkjYuxDu4AawdQCKR+ztM=",
        );
        for (off, accepted) in [(300_000, true), (-300_000, true), (300_001, false), (-300_001, false)] {
            let now = Timestamp::from_millisecond(1_700_000_000_000 + off).unwrap();
            assert_eq!(verify(&good, AK, SK, now).is_ok(), accepted, "{off}");
        }
    }
}
