//! Certificates, and keys beside them, in stores under a password (PKCS #12, RFC 7292). Reads no files.

use super::certificate::Certificate;
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use zeroize::Zeroizing;

/// Why a store gives no certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No password opens it.
    #[error("none of the passwords opens it")]
    WrongPassword,
    /// It is none, or is made in a way that is not read: the cause.
    #[error("the PKCS#12 store cannot be read: {0}")]
    Unreadable(String),
}

/// What a store holds.
pub struct Store {
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// Its private keys, as PKCS #8 in DER.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
}

/// The certificates of a store, opened with the first password that fits.
///
/// # Errors
/// None fits, or it cannot be read.
pub fn certificates<'p>(
    bytes: &[u8],
    passwords: impl IntoIterator<Item = &'p str>,
) -> Result<Vec<Certificate>, StoreError> {
    open(bytes, passwords).map(|store| store.certificates)
}

/// What a store holds, opened with the first password that fits.
///
/// # Errors
/// None fits, or it cannot be read.
pub fn open<'p>(bytes: &[u8], passwords: impl IntoIterator<Item = &'p str>) -> Result<Store, StoreError> {
    let mut failed = StoreError::WrongPassword;
    for password in passwords {
        match Pkcs12Archive::from_pkcs12(bytes, password) {
            Ok(store) => {
                let read = |bag: &p12_keystore::CertificateBag| Certificate::from_der(bag.cert.as_der()).ok();
                return Ok(Store {
                    certificates: store.certs.iter().filter_map(read).collect(),
                    keys: store.keys.iter().map(|bag| Zeroizing::new(bag.key.as_der().to_vec())).collect(),
                });
            }
            // Without a MAC a wrong password shows by padding alone.
            Err(Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_)) => {}
            Err(error) => failed = StoreError::Unreadable(error.to_string()),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_opens_with_its_password_alone() {
        let modern = include_bytes!("testdata/stores/modern.p12");
        let legacy = include_bytes!("testdata/stores/legacy.p12");
        let unprotected = include_bytes!("testdata/stores/no-password.p12");
        let common_names = |bytes: &[u8], passwords: &[&str]| {
            certificates(bytes, passwords.iter().copied())
                .map(|all| all.iter().filter_map(Certificate::common_name).collect::<Vec<_>>())
        };
        for (store, passwords) in
            [(&modern[..], &["", "secret"][..]), (&legacy[..], &["wrong", "secret"]), (&unprotected[..], &[""])]
        {
            assert_eq!(common_names(store, passwords), Ok(vec!["shop.example.com".to_owned()]));
        }
        assert_eq!(common_names(modern, &["", "wrong"]), Err(StoreError::WrongPassword));
        assert_eq!(common_names(legacy, &["wrong"]), Err(StoreError::WrongPassword));
        for end in [0, 1, 30, 400, modern.len() - 1] {
            assert!(common_names(&modern[..end], &["secret"]).is_err(), "{end}");
        }
    }
}
