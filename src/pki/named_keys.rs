//! The keys that a person names by whatever they have of them: a private key, a public key, a request, a certificate, a JSON Web Key, or the
//! fingerprint itself. Keeps the fingerprints alone, reads no files, and never repeats what it read.

use super::certificate::Certificate;
use super::compromised_keys::{of_block, of_private_key, of_rsa_public_key, rsa_spki};
use super::csr::Csr;
use super::pem::{self, Piece, is_der, pieces};
use super::x509::SpkiFingerprint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Decode;
use der::asn1::{AnyRef, BitStringRef};
use der::oid::db::rfc5912::{ID_EC_PUBLIC_KEY, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1};
use der::oid::db::rfc8410::ID_ED_25519;
use der::{Encode, asn1::ObjectIdentifier};
use serde::Deserialize;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// The fingerprints of the keys in a file, at least one.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn of_file(bytes: &[u8]) -> Result<Vec<SpkiFingerprint>, String> {
    // A key on a curve is shorter than what DER is told by, and a text may begin with the same letter.
    match of_der(bytes) {
        Ok(key) => return Ok(vec![key]),
        Err(why) if is_der(bytes) => return Err(why),
        Err(_) => {}
    }
    let text = pem::text(bytes);
    if text.trim_start().starts_with('{') {
        return of_jwks(&text);
    }
    let mut keys = Vec::new();
    for piece in pieces(&text) {
        match piece {
            // What `openssl ecparam -genkey` writes before a key names a curve, and no key.
            Piece::Block(block) if block.label.ends_with(" PARAMETERS") => {}
            Piece::Block(block) if block.label == "RSA PUBLIC KEY" => {
                let spki = of_rsa_public_key(&block.der).ok_or("the public key cannot be read")?;
                keys.push(SpkiFingerprint::of(&spki));
            }
            Piece::Block(block) => {
                keys.push(of_block(&block).map_err(|why| format!("line {}: {why}", block.line))?);
            }
            Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
            // Beside a block, a line is a remark: `openssl x509 -text`, bag attributes.
            Piece::Line(_, line) => keys.extend(of_line(line.split('#').next().unwrap_or_default())),
        }
    }
    if keys.is_empty() {
        keys.extend(pem::bare(&text).and_then(|der| of_der(&der).ok()));
    }
    if keys.is_empty() { Err(WHAT_IS_A_KEY.to_owned()) } else { Ok(keys) }
}

/// A fingerprint by itself, or as the tools print it that make one: `SHA2-256(stdin)= 0a1b…`, `0a1b…  -`.
fn of_line(line: &str) -> Option<SpkiFingerprint> {
    let named = || SpkiFingerprint::parse(line.rsplit_once("= ")?.1);
    let first = || SpkiFingerprint::parse(line.split_whitespace().next()?);
    SpkiFingerprint::parse(line).or_else(named).or_else(first)
}

fn of_der(der: &[u8]) -> Result<SpkiFingerprint, String> {
    if der.first() != Some(&0x30) {
        return Err(WHAT_IS_A_KEY.to_owned());
    }
    if SubjectPublicKeyInfoRef::from_der(der).is_ok() {
        return Ok(SpkiFingerprint::of(der));
    }
    let certificate = Certificate::parse(der).ok().map(|certificate| SpkiFingerprint::of(&certificate.spki));
    certificate
        .or_else(|| Csr::spki_of(der).ok())
        .or_else(|| of_private_key(der).ok())
        .or_else(|| of_rsa_public_key(der).map(|spki| SpkiFingerprint::of(&spki)))
        .ok_or_else(|| WHAT_IS_A_KEY.to_owned())
}

/// What of a JSON Web Key (RFC 7517, RFC 7518) makes its public half, and a set of them. The private half is not even taken from the text.
#[derive(Deserialize)]
struct PublicJwk {
    kty: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    keys: Option<Vec<Self>>,
}

fn of_jwks(text: &str) -> Result<Vec<SpkiFingerprint>, String> {
    // serde's words would repeat a part of the text.
    let read: PublicJwk = serde_json::from_str(text).map_err(|_| "this is no JSON Web Key")?;
    let all = match read.keys {
        Some(keys) => keys,
        None => vec![read],
    };
    let keys: Option<Vec<SpkiFingerprint>> =
        all.iter().map(|key| of_jwk(key).map(|spki| SpkiFingerprint::of(&spki))).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(keys),
        _ => Err("this is no JSON Web Key of RSA, P-256, P-384, P-521 or Ed25519".to_owned()),
    }
}

fn of_jwk(key: &PublicJwk) -> Option<Vec<u8>> {
    let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let spki = |oid, curve: Option<&ObjectIdentifier>, bits: &[u8]| {
        let parameters = curve.map(AnyRef::from);
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(bits).ok()? }.to_der().ok()
    };
    match (key.kty.as_deref()?, key.crv.as_deref()) {
        ("RSA", _) => rsa_spki(&number(&key.n)?, &number(&key.e)?),
        ("OKP", Some("Ed25519")) => spki(ID_ED_25519, None, &number(&key.x)?),
        ("EC", Some(curve)) => {
            let (curve, length) = match curve {
                "P-256" => (SECP_256_R_1, 32),
                "P-384" => (SECP_384_R_1, 48),
                "P-521" => (SECP_521_R_1, 66),
                _ => return None,
            };
            let (x, y) = (number(&key.x)?, number(&key.y)?);
            // RFC 5480, section 2.2: 4 says that both coordinates follow, whole.
            let point = [&[4][..], &x, &y].concat();
            (x.len() == length && y.len() == length).then(|| spki(ID_EC_PUBLIC_KEY, Some(&curve), &point))?
        }
        _ => None,
    }
}

const WHAT_IS_A_KEY: &str = "there is no key in it; give a private key without a passphrase, a public key, a request or a certificate \
    (PEM or DER), a JSON Web Key, or the SHA-256 of the SubjectPublicKeyInfo in hexadecimal digits";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::pem::encode;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};

    #[test]
    fn every_form_of_a_key_has_one_fingerprint() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let spki = key.subject_public_key_info();
            let expected = SpkiFingerprint::of(&spki);
            let certificate = CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
            let request = CertificateParams::new(vec!["a.example".into()]).unwrap().serialize_request(&key).unwrap();
            let forms: Vec<(&str, Vec<u8>)> = vec![
                ("private key", key.serialize_pem().into_bytes()),
                ("private key in DER", key.serialize_der()),
                ("public key in DER", spki.clone()),
                ("public key", encode("PUBLIC KEY", &spki).into_bytes()),
                ("certificate", certificate.pem().into_bytes()),
                ("certificate in DER", certificate.der().to_vec()),
                ("request", request.pem().unwrap().into_bytes()),
                ("request in DER", request.der().to_vec()),
                ("fingerprint", expected.to_string().into_bytes()),
                ("fingerprint with a remark", format!("# leaked\nsha256:{expected} # on Monday\n").into_bytes()),
                ("key below parameters", {
                    let parameters = encode("EC PARAMETERS", &[6, 1, 1]);
                    (parameters + &key.serialize_pem()).into_bytes()
                }),
            ];
            for (what, bytes) in forms {
                assert_eq!(of_file(&bytes), Ok(vec![expected]), "{what}");
            }
        }
    }

    #[test]
    fn json_web_keys_and_pkcs1_have_the_fingerprints_of_their_keys() {
        let keys = |text: &str| of_file(text.as_bytes());
        for (jwk, pem) in [
            (include_str!("testdata/keys/p256.jwk"), include_str!("testdata/keys/p256.pem")),
            (include_str!("testdata/keys/p384.jwk"), include_str!("testdata/keys/p384-sec1.pem")),
            (include_str!("testdata/keys/rsa.jwk"), include_str!("testdata/keys/rsa.pem")),
            (include_str!("testdata/keys/rsa-pkcs1.pem"), include_str!("testdata/keys/rsa-certificate.pem")),
        ] {
            assert_eq!(keys(jwk), keys(pem));
            assert!(keys(pem).is_ok());
            if jwk.starts_with('{') {
                assert_eq!(keys(&format!("{{\"keys\": [{jwk}]}}")), keys(pem));
            }
        }
        // Too short to sign with, and the more to be looked for.
        let (private, public) =
            (include_str!("testdata/keys/rsa1024.pem"), include_str!("testdata/keys/rsa1024-public.pem"));
        assert_eq!(keys(private), keys(public));
        assert!(keys(public).is_ok());
        for (text, expected) in [
            ("", "there is no key in it"),
            ("{\"secret\": 1}", "no JSON Web Key"),
            ("{secret", "no JSON Web Key"),
            (include_str!("testdata/keys/encrypted.pem"), "passphrase"),
        ] {
            let said = keys(text).unwrap_err();
            assert!(said.contains(expected) && !said.contains("secret"), "{said}");
        }
    }
}
