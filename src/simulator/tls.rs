//! The simulator over TLS, for providers whose clients show a certificate: what it presents itself, and which clients' certificates it takes: those of
//! its own CA. Its keys are checked in, the same in every run, and protect nothing. Decides nothing about requests: whether one had to come with a
//! certificate is [`super::authentication`]'s to say.

use super::authority::CERTIFICATE;
use crate::pki::Certificate;
use crate::pki::pem::{self, Piece};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig, crypto};

/// What takes connections by TLS on 127.0.0.1. A certificate that has expired, or that another CA has issued, ends the handshake; none at all does not, for
/// the provider may have other ways to sign in.
///
/// # Errors
/// The files that are checked in cannot be used, which a test sees first.
pub(super) fn acceptor() -> Result<TlsAcceptor, Error> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for issuer in certificates(CERTIFICATE)? {
        roots.add(issuer)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let clients = clients.allow_unauthenticated().build().map_err(|error| Error::General(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let key = match pem::pieces(SERVER_KEY).into_iter().next() {
        Some(Piece::Block(block)) => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(block.der.to_vec())),
        _ => return Err(Error::General("the simulator has no key".to_owned())),
    };
    let config = builder.with_client_cert_verifier(clients).with_single_cert(certificates(SERVER)?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = Certificate::parse_all(text.as_bytes()).map_err(|error| Error::General(error.to_string()))?;
    Ok(all.into_iter().map(|one| CertificateDer::from(one.der)).collect())
}

/// For 127.0.0.1, issued by [`CERTIFICATE`].
const SERVER: &str = include_str!("server.pem");
const SERVER_KEY: &str = include_str!("server-key.pem");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_can_be_used() {
        assert!(acceptor().is_ok());
        let issuer = Certificate::parse_all(CERTIFICATE.as_bytes()).unwrap().remove(0);
        for text in [SERVER, include_str!("client.pem")] {
            let own = Certificate::parse_all(text.as_bytes()).unwrap().remove(0);
            assert!(own.is_signed_by(&issuer) && !own.is_ca);
        }
    }
}
