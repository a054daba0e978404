//! TLS: whom it trusts, the platform's roots and the certificates that `--ca-file` adds, as issuers and as themselves; and what the client shows
//! of itself (OpenAPI's `mutualTLS`): a certificate and its key, held against each other and against the time, so that what cannot work is known
//! before anything is sent. Where a server is not trusted, it keeps what the server presented, for people; and it says which failures nothing
//! but a person's change will mend. Opens no connection, and never repeats a key or a password.

use crate::pki::pkcs12::{self, StoreError};
use crate::pki::{Certificate, PrivateKey, certificate, pem};
use crate::text::file;
use der::Decode as _;
use jiff::{SignedDuration, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WantsClientCert, verify_server_name};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme, WantsVerifier,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use x509_cert::name::Name;
use zeroize::Zeroizing;

/// A certificate with its key and its issuers' certificates, ready for TLS.
#[derive(Clone)]
pub struct ClientIdentity {
    certified: Arc<CertifiedKey>,
    /// What should be put right, though it does no harm now.
    pub(super) warning: Option<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of additional roots cannot be read.
    #[error("cannot read the CA file `{path}`: {}", file::reason(source))]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file of additional roots holds no certificates.
    #[error("the CA file `{path}` holds no certificate: {cause}")]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        cause: String,
    },
    /// TLS cannot be set up, for want of root certificates for example.
    #[error("cannot set up HTTPS: {0}")]
    Setup(String),
}

/// Why there is no [`ClientIdentity`]; a sentence each, about that credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdentityError {
    /// The certificate will not do.
    Certificate(String),
    /// The key will not do.
    Key(String),
    /// The password of the store will not do.
    Password(String),
}

/// What the credential `client_certificate` holds.
struct CertificatesAndKeys {
    certificates: Vec<Certificate>,
    /// The keys beside them; or why there is none.
    keys: Result<Vec<Arc<dyn SigningKey>>, String>,
}

/// Trusts what the platform trusts, and beside it exactly these certificates.
#[derive(Debug)]
struct Verifier {
    platform: rustls_platform_verifier::Verifier,
    trusted: Vec<CertificateDer<'static>>,
}

/// A server that is not trusted, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotTrusted(String);

/// Whoever only looks which certificate a server shows. It is not verified: it may be one that is to be replaced, expired, or of a CA that nobody here
/// knows, and whoever looks compares it with the one that must be there. That the server has its key is verified.
#[derive(Debug)]
pub(super) struct Onlooker {
    algorithms: WebPkiSupportedAlgorithms,
    /// What was shown first, and what its key has signed.
    seen: Mutex<Option<Vec<u8>>>,
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
        let CertificatesAndKeys { certificates: all, keys } = read_certificates(certificates, password)?;
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
            let names: Vec<String> = all.iter().take(MAX_SUBJECTS).map(subject).collect();
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
        let chain = chain_of(own, &all).into_iter().map(|one| CertificateDer::from(one.der.clone())).collect();
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

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = if self.trusted.iter().any(|trusted| trusted == end_entity) {
            verify_itself(end_entity, server_name, now)
        } else {
            self.platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        verified.map_err(|error| {
            let rustls::Error::InvalidCertificate(why) = &error else { return error };
            let told = NotTrusted(describe(why, end_entity, &server_name.to_str(), at(now)));
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(told))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

impl Onlooker {
    pub(super) fn new() -> Self {
        let algorithms = cryptography().signature_verification_algorithms;
        Self { algorithms, seen: Mutex::default() }
    }

    /// The certificate that a server shows for a name, in DER.
    ///
    /// # Errors
    /// The handshake failed before the server had proved that it has its key; with the connection, where there was one.
    pub(super) async fn look<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        host: &str,
        stream: S,
    ) -> Result<Vec<u8>, (io::Error, Option<S>)> {
        let this = Arc::new(self);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| (io::Error::other(error), None))?;
        let builder = builder(cryptography()).map_err(|error| (io::Error::other(error), None))?;
        let verifier = Arc::clone(&this) as Arc<dyn ServerCertVerifier>;
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).into_fallible().await;
        // One that wants a client's certificate ends the handshake, and has shown its own before.
        let seen = this.seen.lock().ok().and_then(|mut seen| seen.take());
        match (seen, connected) {
            (Some(seen), _) => Ok(seen),
            (None, Ok(_)) => Err((io::Error::other(rustls::Error::NoCertificatesPresented), None)),
            (None, Err((error, stream))) => Err((error, Some(stream))),
        }
    }

    fn note(&self, certificate: &[u8]) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.get_or_insert_with(|| certificate.to_vec());
        }
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms);
        valid.inspect(|_| self.note(certificate))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms);
        valid.inspect(|_| self.note(certificate))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The certificates of a `--ca-file`: PEM blocks, or one certificate in DER.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub(super) fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let bytes =
        file::read(path, MAX_CA_FILE).map_err(|source| ClientError::CaFile { path: path.to_owned(), source })?;
    let all = Certificate::parse_all(&bytes)
        .map_err(|cause| ClientError::NoCertificate { path: path.to_owned(), cause: cause.to_string() })?;
    Ok(all.into_iter().map(|certificate| CertificateDer::from(certificate.der)).collect())
}

/// TLS as the program speaks it to the world, with these certificates beside the platform's, and with what the client shows of itself.
///
/// # Errors
/// The platform gives no roots, or one of the certificates can be no root.
pub(super) fn configure(
    trusted: Vec<CertificateDer<'static>>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, ClientError> {
    let setup = |error: rustls::Error| ClientError::Setup(error.to_string());
    let provider = cryptography();
    let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(trusted.clone(), Arc::clone(&provider));
    let verifier = Verifier { platform: platform.map_err(setup)?, trusted };
    let builder = builder(provider).map_err(setup)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(showing(identity, builder, &[b"h2", b"http/1.1"]))
}

/// TLS to who is played on this machine, by certificates of these issuers (PEM) alone: the platform's roots have no say there.
///
/// # Errors
/// One of them can be no root.
pub(super) fn configure_alone(issuers: &str, identity: Option<&ClientIdentity>) -> Result<ClientConfig, ClientError> {
    let setup = |error: rustls::Error| ClientError::Setup(error.to_string());
    let read = Certificate::parse_all(issuers.as_bytes()).map_err(|error| ClientError::Setup(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for issuer in read {
        roots.add(CertificateDer::from(issuer.der)).map_err(setup)?;
    }
    let builder = builder(cryptography()).map_err(setup)?.with_root_certificates(roots);
    Ok(showing(identity, builder, &[b"http/1.1"]))
}

/// Why TLS came to nothing, where it will again until a person changes something: a certificate that is not trusted, no version in
/// common, a certificate that the server wants of us. An alert that a busy server may send as well (`handshake_failure`) is none of these.
pub(super) fn lasting_cause(error: &(dyn Error + 'static)) -> Option<String> {
    Some(match find(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why)))
            if why.downcast_ref::<NotTrusted>().is_some() =>
        {
            why.to_string()
        }
        rustls::Error::InvalidCertificate(why) => {
            format!("the server does not prove that it has its certificate's key: {why}")
        }
        rustls::Error::NoCertificatesPresented => "the server presents no certificate".to_owned(),
        rustls::Error::PeerIncompatible(why) => {
            format!("TLS 1.2 and 1.3 are spoken here, the server has other ways: {why:?}")
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "TLS 1.2 and 1.3 are spoken here, and the server has neither (alert protocol_version)".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know the name that it is asked for (alert unrecognized_name); is `base_url` right?"
                .to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a client's certificate (alert certificate_required), and none is sent".to_owned()
        }
        // Nothing but the client's certificate can be meant: none of these is of the server's own.
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => format!(
            "the server does not take the client's certificate ({}); is it one that this server's issuer has issued, for clients?",
            alert_word(*alert)
        ),
        _ => return None,
    })
}

/// The certificate, then that of its issuer, and so on, as far as they are there (RFC 8446, section 4.4.2).
fn chain_of<'c>(own: &'c Certificate, all: &'c [Certificate]) -> Vec<&'c Certificate> {
    let mut chain = vec![own];
    while let Some(last) = chain.last()
        && let Some(issuer) = all.iter().find(|one| one.subject == last.issuer && !chain.contains(one))
    {
        chain.push(issuer);
    }
    chain
}

fn read_certificates(text: &str, password: Option<&str>) -> Result<CertificatesAndKeys, IdentityError> {
    let der = pem::bare(text).map(Zeroizing::new);
    let bytes = der.as_ref().map_or(text.as_bytes(), |der| der.as_slice());
    match Certificate::parse_all(bytes) {
        Ok(_) if password.is_some() => {
            let why = "no password is needed: `client_certificate` refers to no PKCS#12 store; leave it out";
            Err(IdentityError::Password(why.to_owned()))
        }
        Ok(certificates) => Ok(CertificatesAndKeys { certificates, keys: read_key(text).map(|key| vec![key]) }),
        Err(certificate::CertificateError::Pkcs12) if der.is_some() => of_store(bytes, password),
        Err(error) => Err(IdentityError::Certificate(format!("{error}; {}", error.help()))),
    }
}

fn of_store(bytes: &[u8], password: Option<&str>) -> Result<CertificatesAndKeys, IdentityError> {
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
    Ok(CertificatesAndKeys { certificates: store.certificates, keys })
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

fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// The settings with what the client shows of itself, and with the protocols that it speaks, the preferred one first.
fn showing(
    identity: Option<&ClientIdentity>,
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    protocols: &[&[u8]],
) -> ClientConfig {
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// Of a certificate that is trusted as itself nobody needs to know the issuer, and it may call itself a CA's, as `openssl req -x509` has
/// it. Its names and its validity hold all the same, as curl and the browsers hold them.
fn verify_itself(
    end_entity: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
    let certificate =
        Certificate::parse(end_entity).map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    if at(now) < certificate.begins {
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet))
    } else if at(now) > certificate.ends {
        Err(rustls::Error::InvalidCertificate(CertificateError::Expired))
    } else {
        Ok(ServerCertVerified::assertion())
    }
}

/// Why a server is not trusted: its name, what is wrong, who issued what it presented and for how long, and what helps.
fn describe(why: &CertificateError, presented: &CertificateDer<'_>, server: &str, now: Timestamp) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Revoked, UnknownIssuer,
    };
    let certificate = Certificate::parse(presented).ok();
    let name = |der: &[u8]| Name::from_der(der).map(|name| name.to_string()).unwrap_or_default();
    let issuer = certificate.as_ref().map(|certificate| name(&certificate.issuer)).unwrap_or_default();
    let own = certificate.as_ref().is_some_and(|certificate| certificate.issuer == certificate.subject);
    let its_own = |validity: bool| if validity { "it" } else { "a certificate of its chain" };
    let (wrong, help) = match why {
        UnknownIssuer if own => (
            "it is issued by itself, and not known here".to_owned(),
            "if this is the right server, save its certificate: `--ca-file FILE` trusts it".to_owned(),
        ),
        UnknownIssuer => (
            "its issuer is not known here".to_owned(),
            "`--ca-file FILE` trusts the issuer whose certificate is in that file".to_owned(),
        ),
        // An older key of the issuer's, or another one who took its name.
        BadSignature => (
            "the issuer of that name that is known here has not signed it".to_owned(),
            "`--ca-file FILE` trusts the issuer whose certificate is in that file".to_owned(),
        ),
        NotValidForName => ("it is for other names".to_owned(), WRONG_NAME.to_owned()),
        NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "it holds no name in its subjectAltName, and the common name does not count (RFC 9525, section 6.3)"
                .to_owned(),
            "whoever runs the server must have it issued again with a name".to_owned(),
        ),
        NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().take(MAX_NAMES).map(|name| name_in(name)).collect();
            let more = if presented.len() > MAX_NAMES { ", …" } else { "" };
            (format!("it is for {}{more}", names.join(", ")), WRONG_NAME.to_owned())
        }
        Expired | ExpiredContext { .. } => (
            format!("{} has expired", its_own(certificate.as_ref().is_none_or(|own| own.ends < now))),
            format!("whoever runs the server must renew it, or this machine's clock is wrong: it says {now:.0}"),
        ),
        NotValidYet | NotValidYetContext { .. } => (
            format!("{} is not valid yet", its_own(certificate.as_ref().is_none_or(|own| own.begins > now))),
            format!("is this machine's clock right? It says {now:.0}"),
        ),
        Revoked => ("it is revoked".to_owned(), "whoever runs the server must replace it".to_owned()),
        // The library under the verifier has no word of its own for that.
        other if other.to_string().contains("CaUsedAsEndEntity") => (
            "it is a CA's, not a server's".to_owned(),
            "if this is the right server, save its certificate: `--ca-file FILE` trusts it".to_owned(),
        ),
        other => (other.to_string(), "whoever runs the server must replace it".to_owned()),
    };
    let presented = certificate.map_or_else(String::new, |certificate| {
        format!(" (issued by `{issuer}`, valid from {:.0} to {:.0})", certificate.begins, certificate.ends)
    });
    format!("the certificate of {server} is not trusted: {wrong}{presented}; {help}")
}

/// The library shows names as it debugs them: `DnsName("ca.example")`.
fn name_in(shown: &str) -> &str {
    shown.split('"').nth(1).unwrap_or(shown)
}

/// The words of RFC 8446, section 6.
const fn alert_word(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::BadCertificate => "alert bad_certificate",
        AlertDescription::UnsupportedCertificate => "alert unsupported_certificate",
        AlertDescription::CertificateRevoked => "alert certificate_revoked: it is revoked",
        AlertDescription::CertificateExpired => "alert certificate_expired",
        AlertDescription::UnknownCA => "alert unknown_ca: the server does not know its issuer",
        AlertDescription::AccessDenied => "alert access_denied: it is valid, and may not do this",
        _ => "alert certificate_unknown",
    }
}

/// The error of TLS among the causes. An `io::Error` shows what it holds, but does not give it as its source.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match held {
        Some(held) => find(held),
        None => find(error.source()?),
    }
}

fn at(now: UnixTime) -> Timestamp {
    i64::try_from(now.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(Timestamp::MAX)
}

const WRONG_NAME: &str = "is `base_url` right?";
/// Names of a certificate that are shown.
const MAX_NAMES: usize = 5;
/// Bytes of a `--ca-file`: all roots of a system have some 200 KB.
const MAX_CA_FILE: u64 = 16 << 20;
const UNUSABLE: &str = "it cannot be used for TLS: keys of RSA, P-256, P-384, P-521 and Ed25519 can";
/// A run may take days, and is resumed later.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Certificates of a file that are named.
const MAX_SUBJECTS: usize = 3;

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
