//! The certificate and key that a client shows in TLS (OpenAPI's `mutualTLS`): read, held against each other and against the time, so that
//! what cannot work is known before anything is sent. Opens no file, and never repeats what it read.

use crate::pki::certificate::CertificateError;
use crate::pki::pkcs12::{self, StoreError};
use crate::pki::{Certificate, PrivateKey, pem};
use der::Decode as _;
use jiff::{SignedDuration, Timestamp};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use std::fmt;
use std::sync::Arc;
use x509_cert::name::Name;
use zeroize::Zeroizing;

/// A certificate with its key and its issuers' certificates, ready for TLS.
#[derive(Clone)]
pub struct ClientIdentity {
    certified: Arc<CertifiedKey>,
    /// What should be put right, though it does no harm now.
    pub(super) warning: Option<String>,
}

/// Why there is none; a sentence each, about that credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdentityError {
    /// The certificate will not do.
    Certificate(String),
    /// The key will not do.
    Key(String),
    /// The password of the store will not do.
    Password(String),
}

impl ClientIdentity {
    /// From texts in PEM, or a PKCS #12 store in base64 under a password. The certificates may stand in any order; without a text of its own the
    /// key is looked for among them.
    ///
    /// # Errors
    /// Something cannot be read, does not belong together, or is not valid at that time.
    pub(super) fn new(
        certificates: &str,
        key: Option<&str>,
        password: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let broken = |why: String| IdentityError::Certificate(why);
        let Read { certificates: all, keys } = read(certificates, password)?;
        let keys = match key {
            Some(key) => vec![read_key(key).map_err(IdentityError::Key)?],
            None => keys.map_err(|why| broken(format!("its key: {why}; `client_key` refers to a file of its own")))?,
        };
        // A store may hold keys that have other uses.
        let pairs = keys.iter().find_map(|key| {
            let public = key.public_key()?;
            Some((key, all.iter().find(|certificate| certificate.spki == public.as_ref())?))
        });
        let Some((key, own)) = pairs else {
            let names: Vec<String> = all.iter().take(MAX_NAMES).map(subject).collect();
            return Err(IdentityError::Key(format!(
                "it is not the key of the certificate of {}; the key that the certificate was requested with is needed",
                names.join(" or ")
            )));
        };
        if own.ends < now {
            return Err(broken(format!(
                "the certificate of {} expired on {:.0}; a server takes one that is valid",
                subject(own),
                own.ends
            )));
        }
        if own.begins > now {
            let (name, begins) = (subject(own), own.begins);
            return Err(broken(format!(
                "the certificate of {name} is not valid before {begins:.0}; it is {now:.0} here"
            )));
        }
        let warning = (own.ends.duration_since(now) < SOON)
            .then(|| format!("the certificate of {} expires on {:.0}", subject(own), own.ends));
        let key = Arc::clone(key);
        let chain = chain(own, &all).into_iter().map(|one| CertificateDer::from(one.der.clone())).collect();
        Ok(Self { certified: Arc::new(CertifiedKey::new(chain, key)), warning })
    }

    /// For a client's configuration.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientIdentity").field("chain", &self.certified.cert.len()).finish_non_exhaustive()
    }
}

/// The certificate, then that of its issuer, and so on, as far as they are there (RFC 8446, section 4.4.2).
fn chain<'c>(own: &'c Certificate, all: &'c [Certificate]) -> Vec<&'c Certificate> {
    let mut chain = vec![own];
    while let Some(last) = chain.last()
        && let Some(issuer) = all.iter().find(|one| one.subject == last.issuer && !chain.contains(one))
    {
        chain.push(issuer);
    }
    chain
}

/// What the credential `client_certificate` holds.
struct Read {
    certificates: Vec<Certificate>,
    /// The keys beside them; or why there is none.
    keys: Result<Vec<Arc<dyn SigningKey>>, String>,
}

fn read(text: &str, password: Option<&str>) -> Result<Read, IdentityError> {
    let der = pem::bare(text).map(Zeroizing::new);
    let bytes = der.as_ref().map_or(text.as_bytes(), |der| der.as_slice());
    match Certificate::parse_all(bytes) {
        Ok(_) if password.is_some() => {
            let why = "no password is needed: `client_certificate` refers to no PKCS#12 store; leave it out";
            Err(IdentityError::Password(why.to_owned()))
        }
        Ok(certificates) => Ok(Read { certificates, keys: read_key(text).map(|key| vec![key]) }),
        Err(CertificateError::Pkcs12) if der.is_some() => of_store(bytes, password),
        Err(error) => Err(IdentityError::Certificate(format!("{error}; {}", error.help()))),
    }
}

fn of_store(bytes: &[u8], password: Option<&str>) -> Result<Read, IdentityError> {
    // Many stores have an empty password, which protects nothing and need not be told.
    let store = pkcs12::open(bytes, std::iter::once("").chain(password)).map_err(|error| match (error, password) {
        (StoreError::WrongPassword, Some(_)) => IdentityError::Password(
            "it does not open the PKCS#12 store that `client_certificate` refers to; `openssl pkcs12 -in FILE -noout` tries a password".to_owned(),
        ),
        (StoreError::WrongPassword, None) => IdentityError::Certificate(
            "this PKCS#12 store has a password; write `client_certificate_password: \"file:PATH\"` (or `env:NAME`) beside it".to_owned(),
        ),
        (error @ StoreError::Unreadable(_), _) => IdentityError::Certificate(format!(
            "{error}; `openssl pkcs12 -in FILE -nodes -out FILE.pem` makes PEM of it, for certificate and key alike"
        )),
    })?;
    if store.certificates.is_empty() {
        let why = "there is no certificate in the PKCS#12 store; `openssl pkcs12 -in FILE -info` shows what is there";
        return Err(IdentityError::Certificate(why.to_owned()));
    }
    let read = |der: &Zeroizing<Vec<u8>>| {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.as_slice()));
        any_supported_type(&key).map_err(|_| UNUSABLE.to_owned())
    };
    let keys = match store.keys.as_slice() {
        [] => Err("there is none in the PKCS#12 store".to_owned()),
        keys => keys.iter().map(read).collect(),
    };
    Ok(Read { certificates: store.certificates, keys })
}

fn read_key(text: &str) -> Result<Arc<dyn SigningKey>, String> {
    let unknown = || UNUSABLE.to_owned();
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => any_supported_type(&key).map_err(|_| unknown()),
        // What stands there in its place has words already.
        Err(_) => Err(PrivateKey::parse(text).err().unwrap_or_else(unknown)),
    }
}

fn subject(certificate: &Certificate) -> String {
    let name = Name::from_der(&certificate.subject).map(|name| name.to_string()).unwrap_or_default();
    if name.is_empty() { format!("the serial number {}", certificate.serial) } else { format!("`{name}`") }
}

const UNUSABLE: &str = "it cannot be used for TLS: keys of RSA, P-256, P-384, P-521 and Ed25519 can";
/// A run may take days, and is resumed later.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Certificates of a file that are named.
const MAX_NAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const P256: &str = include_str!("../pki/testdata/keys/p256.pem");
    const P256_CERTIFICATE: &str = include_str!("../pki/testdata/keys/p256-certificate.pem");
    const RSA: &str = include_str!("../pki/testdata/keys/rsa.pem");
    const RSA_CERTIFICATE: &str = include_str!("../pki/testdata/keys/rsa-certificate.pem");

    fn lives(certificate: &str) -> (Timestamp, Timestamp) {
        let certificate = Certificate::parse(certificate.as_bytes()).unwrap();
        (certificate.begins, certificate.ends)
    }

    #[test]
    fn a_certificate_and_its_key_belong_together_in_any_order_of_files() {
        let (begins, ends) = lives(P256_CERTIFICATE);
        let both = format!("{P256}{P256_CERTIFICATE}");
        let bundle = format!("{RSA_CERTIFICATE}{P256_CERTIFICATE}");
        let now = begins + SignedDuration::from_secs(1);
        for (certificates, key) in [(P256_CERTIFICATE, Some(P256)), (&both, None), (&bundle, Some(P256))] {
            let identity = ClientIdentity::new(certificates, key, None, now).unwrap();
            let own = Certificate::parse(P256_CERTIFICATE.as_bytes()).unwrap();
            assert_eq!(identity.certified.cert[0].as_ref(), own.der);
            assert!(identity.certified.keys_match().is_ok());
            assert!(!format!("{identity:?}").contains("PRIVATE"));
        }
        let late = ends - SignedDuration::from_hours(1);
        let identity = ClientIdentity::new(P256_CERTIFICATE, Some(P256), None, late).unwrap();
        assert!(identity.warning.unwrap().contains("expires on"));
    }

    #[test]
    fn a_store_gives_the_certificate_and_its_key_with_its_password_alone() {
        let now = lives(P256_CERTIFICATE).0 + SignedDuration::from_secs(1);
        let store = |bytes: &[u8]| STANDARD.encode(bytes);
        let modern = store(include_bytes!("../pki/testdata/stores/modern.p12"));
        let legacy = store(include_bytes!("../pki/testdata/stores/legacy.p12"));
        let open = store(include_bytes!("../pki/testdata/stores/no-password.p12"));
        for (store, password) in [(&modern, Some("secret")), (&legacy, Some("secret")), (&open, None)] {
            let identity = ClientIdentity::new(store, None, password, now).unwrap();
            assert!(identity.certified.keys_match().is_ok());
        }
        let half = &modern[..modern.len() / 8 * 4];
        for (store, key, password, expected) in [
            (
                &*modern,
                None,
                None,
                IdentityError::Certificate("has a password; write `client_certificate_password".into()),
            ),
            (&modern, None, Some("wrong"), IdentityError::Password("it does not open the PKCS#12 store".into())),
            (
                &modern,
                Some(RSA),
                Some("secret"),
                IdentityError::Key("it is not the key of the certificate of `".into()),
            ),
            (P256_CERTIFICATE, Some(P256), Some("secret"), IdentityError::Password("no password is needed".into())),
            (half, None, Some("secret"), IdentityError::Certificate(String::new())),
        ] {
            let error = ClientIdentity::new(store, key, password, now).unwrap_err();
            let text = |error: &IdentityError| {
                let (IdentityError::Certificate(said) | IdentityError::Key(said) | IdentityError::Password(said)) =
                    error;
                said.clone()
            };
            assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected), "{error:?}");
            assert!(text(&error).contains(&text(&expected)), "{error:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_told_of_the_credential_that_is_at_fault() {
        let (begins, ends) = lives(P256_CERTIFICATE);
        let now = begins + SignedDuration::from_secs(1);
        let second = SignedDuration::from_secs(1);
        let certificate = |words: &'static str| (true, words);
        let key = |words: &'static str| (false, words);
        for (certificates, own_key, at, (is_certificate, expected)) in [
            (P256_CERTIFICATE, Some(RSA), now, key("it is not the key of the certificate of `")),
            (P256_CERTIFICATE, Some(P256), ends + second, certificate("expired on ")),
            (P256_CERTIFICATE, Some(P256), begins - second, certificate("is not valid before ")),
            (P256_CERTIFICATE, None, now, certificate("`client_key` refers to a file of its own")),
            (P256_CERTIFICATE, Some(P256_CERTIFICATE), now, key("this is a certificate; the private key")),
            (P256_CERTIFICATE, Some(include_str!("../pki/testdata/keys/encrypted.pem")), now, key("has a passphrase")),
            (P256, Some(P256), now, certificate("it holds no PEM block `CERTIFICATE`")),
            ("secret words", Some(P256), now, certificate("it holds no PEM block `CERTIFICATE`")),
        ] {
            let error = ClientIdentity::new(certificates, own_key, None, at).unwrap_err();
            let (IdentityError::Certificate(said) | IdentityError::Key(said) | IdentityError::Password(said)) = &error;
            assert!(said.contains(expected) && !said.contains("secret words"), "{expected}: {said}");
            assert_eq!(matches!(error, IdentityError::Certificate(_)), is_certificate, "{said}");
        }
    }
}
