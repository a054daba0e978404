//! JSON Web Signatures in the flattened form that ACME sends (RFC 7515, section 7.2.2; RFC 8555, section 6.2). Pure.

use super::{SignError, set_header};
use crate::pki::PrivateKey;
use crate::pki::private_key::PublicNumbers;
use crate::wire::transport::WireRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// What a JWS of ACME says about itself beside its algorithm.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire) struct Protected<'a> {
    /// Serves one request.
    pub(in crate::wire) nonce: &'a str,
    /// Where the request goes: it is good nowhere else.
    pub(in crate::wire) url: &'a str,
    /// The account's URL; without it the key itself is shown.
    pub(in crate::wire) account: Option<&'a str>,
}

/// The media type of such a body.
pub(super) const MEDIA_TYPE: &str = "application/jose+json";

/// Signs a payload; gives the body to send.
///
/// # Errors
/// The key cannot sign.
pub(in crate::wire) fn signed(
    key: &PrivateKey,
    protected: Protected<'_>,
    payload: &[u8],
) -> Result<Vec<u8>, SignError> {
    let mut head = Map::new();
    head.insert("alg".to_owned(), json!(key.algorithm()));
    match protected.account {
        Some(account) => head.insert("kid".to_owned(), json!(account)),
        None => head.insert("jwk".to_owned(), jwk(key)),
    };
    head.insert("nonce".to_owned(), json!(protected.nonce));
    head.insert("url".to_owned(), json!(protected.url));
    let head = URL_SAFE_NO_PAD.encode(Value::Object(head).to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature =
        key.sign(format!("{head}.{payload}").as_bytes()).map_err(|error| SignError::Key(error.to_string()))?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Ok(json!({"protected": head, "payload": payload, "signature": signature}).to_string().into_bytes())
}

/// Says in the header what kind of body it is.
pub(in crate::wire) fn set_media_type(request: &mut WireRequest) {
    set_header(request, "content-type", MEDIA_TYPE);
}

/// What a preview shows of a signed body: its parts decoded, with words in the place of what only sending makes.
pub(in crate::wire) fn shown(payload: Option<&str>, url: &str, by: &str) -> String {
    let payload = payload.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let head = json!({"alg": "(by the key)", by: "(at sending)", "nonce": "(at sending)", "url": url});
    json!({"protected": head, "payload": payload, "signature": "(signed at sending)"}).to_string()
}

/// The public half as a JWK, its members in the order of RFC 7638.
fn jwk(key: &PrivateKey) -> Value {
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key.public() {
        PublicNumbers::Ec { curve, x, y } => json!({"crv": curve, "kty": "EC", "x": number(&x), "y": number(&y)}),
        PublicNumbers::Rsa { n, e } => json!({"e": number(&e), "kty": "RSA", "n": number(&n)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8]) -> (Value, String, String) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let head = URL_SAFE_NO_PAD.decode(text("protected")).unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(text("payload")).unwrap()).unwrap();
        (serde_json::from_slice(&head).unwrap(), payload, text("signature"))
    }

    /// RFC 7515, appendix A.2: RSASSA-PKCS1-v1_5 is the one signature that comes out the same each time.
    #[test]
    fn the_example_of_rfc_7515_comes_out_the_same() {
        let key = PrivateKey::parse(include_str!("testdata/rfc7515-a2.pem")).unwrap();
        let head = r#"{"alg":"RS256"}"#;
        let payload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).unwrap()),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb\
             F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383\
             LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy\
             wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        assert_eq!(jwk(&key)["e"], "AQAB");
        assert!(
            jwk(&key)["n"].as_str().unwrap().starts_with("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx")
        );
    }

    #[test]
    fn a_body_names_the_account_or_shows_the_key() {
        for (pem, algorithm, length) in [
            (include_str!("../../pki/testdata/keys/p256.pem"), "ES256", 64),
            (include_str!("../../pki/testdata/keys/p384-sec1.pem"), "ES384", 96),
            (include_str!("../../pki/testdata/keys/rsa.pem"), "RS256", 256),
        ] {
            let key = PrivateKey::parse(pem).unwrap();
            let protected =
                Protected { nonce: "n-1", url: "https://ca.example/revoke", account: Some("https://ca.example/a/1") };
            let (head, payload, signature) = parts(&signed(&key, protected, b"{\"a\":1}").unwrap());
            let expected = json!({"alg": algorithm, "kid": "https://ca.example/a/1", "nonce": "n-1", "url": "https://ca.example/revoke"});
            assert_eq!((head, payload.as_str()), (expected, "{\"a\":1}"));
            assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), length);
            let (head, _, _) = parts(&signed(&key, Protected { account: None, ..protected }, b"{}").unwrap());
            assert!(head.get("kid").is_none() && head["jwk"] == jwk(&key), "{head}");
        }
    }
}
