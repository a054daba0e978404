//! Whom HTTPS trusts: the platform's roots, and the certificates that `--ca-file` adds, as issuers and as themselves. Where a server is not
//! trusted, it keeps what the server presented, for people; and it says which failures of TLS nothing but a person's change will mend.

use super::identity::ClientIdentity;
use crate::pki::Certificate;
use crate::text::file;
use der::Decode;
use jiff::Timestamp;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme, WantsVerifier,
};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use x509_cert::name::Name;

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

/// Whoever only looks which certificate a server shows. It is not verified: it may be one that is to be replaced, expired, or of a CA that nobody here
/// knows, and whoever looks compares it with the one that must be there. That the server has its key is verified.
#[derive(Debug)]
pub(super) struct Onlooker {
    algorithms: WebPkiSupportedAlgorithms,
    /// What was shown first, and what its key has signed.
    seen: Mutex<Option<Vec<u8>>>,
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
