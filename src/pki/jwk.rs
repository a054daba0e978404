//! Private keys as JSON Web Keys (RFC 7517, RFC 7518), which is how certbot keeps its account's: made the DER that all other keys come
//! in. Judges no key, and never repeats what it read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The members that matter. They are borrowed: a copy would stay in memory.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
}

type Bytes = Zeroizing<Vec<u8>>;

/// The key in DER: PKCS #1 or SEC 1.
///
/// # Errors
/// A sentence that never repeats the text.
pub(super) fn to_der(text: &str) -> Result<Bytes, String> {
    let key: Jwk<'_> = serde_json::from_str(text).map_err(|_| "this is no JSON Web Key".to_owned())?;
    if key.d.is_none() {
        return Err("this JSON Web Key has no private half (`d`), which is needed to sign".to_owned());
    }
    let der = match key.kty {
        "RSA" => rsa(&key),
        "EC" => ec(&key),
        _ => None,
    };
    der.ok_or_else(|| "this JSON Web Key cannot be used: whole keys of RSA, P-256 and P-384 can".to_owned())
}

/// `RSAPrivateKey` (RFC 8017, appendix A.1.2).
fn rsa(key: &Jwk<'_>) -> Option<Bytes> {
    let mut numbers = vec![integer(&[0])];
    for number in [key.n, key.e, key.d, key.p, key.q, key.dp, key.dq, key.qi] {
        numbers.push(integer(&decoded(number)?));
    }
    Some(element(0x30, &numbers))
}

/// `ECPrivateKey` (RFC 5915).
fn ec(key: &Jwk<'_>) -> Option<Bytes> {
    let curve: &[u8] = match key.crv? {
        "P-256" => &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
        "P-384" => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22],
        _ => return None,
    };
    // A bit string of whole bytes, which holds an uncompressed point.
    let point = element(0x03, &[vec![0x00, 0x04].into(), decoded(key.x)?, decoded(key.y)?]);
    let parts = [
        integer(&[1]),
        element(0x04, &[decoded(key.d)?]),
        element(0xA0, &[curve.to_vec().into()]),
        element(0xA1, &[point]),
    ];
    Some(element(0x30, &parts))
}

fn decoded(number: Option<&str>) -> Option<Bytes> {
    URL_SAFE_NO_PAD.decode(number?).ok().map(Zeroizing::new)
}

/// A number that is not negative, from its bytes.
fn integer(bytes: &[u8]) -> Bytes {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let plain = &bytes[zeros..];
    let sign: &[u8] = if plain.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(0x02, &[[sign, plain].concat().into()])
}

fn element(tag: u8, parts: &[Bytes]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Zeroizing::new(Vec::with_capacity(length + 10));
    der.push(tag);
    if length < 0x80 {
        der.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[length.leading_zeros() as usize / 8..];
        der.push(0x80 | bytes.len() as u8);
        der.extend_from_slice(bytes);
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}
