//! The certificate and key that a client shows in TLS (OpenAPI's `mutualTLS`): read, held against each other and against the time, so that
//! what cannot work is known before anything is sent. Opens no file, and never repeats what it read.

use crate::pki::{Certificate, PrivateKey};
use der::Decode as _;
use jiff::{SignedDuration, Timestamp};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use std::fmt;
use std::sync::Arc;
use x509_cert::name::Name;

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
}

impl ClientIdentity {
    /// From texts in PEM. The certificates may stand in any order; without a text of its own the key is looked for among them.
    ///
    /// # Errors
    /// Something cannot be read, does not belong together, or is not valid at that time.
    pub(super) fn new(certificates: &str, key: Option<&str>, now: Timestamp) -> Result<Self, IdentityError> {
        let broken = |why: String| IdentityError::Certificate(why);
        let all = Certificate::parse_all(certificates.as_bytes());
        let all = all.map_err(|error| broken(format!("{error}; {}", error.help())))?;
        let key = match key {
            Some(key) => read_key(key).map_err(IdentityError::Key)?,
            None => read_key(certificates).map_err(|why| {
                IdentityError::Certificate(format!("its key: {why}; `client_key` refers to a file of its own"))
            })?,
        };
        let public = key.public_key();
        let is_its =
            |certificate: &&Certificate| public.as_ref().is_some_and(|public| certificate.spki == public.as_ref());
        let Some(own) = all.iter().find(is_its) else {
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

fn read_key(text: &str) -> Result<Arc<dyn SigningKey>, String> {
    let unknown = || "it cannot be used for TLS: keys of RSA, P-256, P-384, P-521 and Ed25519 can".to_owned();
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

/// A run may take days, and is resumed later.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Certificates of a file that are named.
const MAX_NAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

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
            let identity = ClientIdentity::new(certificates, key, now).unwrap();
            let own = Certificate::parse(P256_CERTIFICATE.as_bytes()).unwrap();
            assert_eq!(identity.certified.cert[0].as_ref(), own.der);
            assert!(identity.certified.keys_match().is_ok());
            assert!(!format!("{identity:?}").contains("PRIVATE"));
        }
        let late = ends - SignedDuration::from_hours(1);
        let identity = ClientIdentity::new(P256_CERTIFICATE, Some(P256), late).unwrap();
        assert!(identity.warning.unwrap().contains("expires on"));
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
            let error = ClientIdentity::new(certificates, own_key, at).unwrap_err();
            let (IdentityError::Certificate(said) | IdentityError::Key(said)) = &error;
            assert!(said.contains(expected) && !said.contains("secret words"), "{expected}: {said}");
            assert_eq!(matches!(error, IdentityError::Certificate(_)), is_certificate, "{said}");
        }
    }
}
