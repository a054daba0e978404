//! The socket: accepts connections, by TLS too where a provider's clients show a certificate, reads requests, does what [`super::handler`] decides.
//! Decides nothing itself: whether a request had to come with a certificate is [`super::authentication`]'s to say. Its keys are checked in, the same
//! in every run, and protect nothing.

use super::authority::CERTIFICATE;
use super::handler::RequestHandler;
use super::message::{Reaction, ReactionKind, Received, Response};
use super::options::{KnownTarget, SimulatedAccount, SimulatorOptions};
use super::routes;
use super::targets::Effects;
use crate::pki::Certificate;
use crate::pki::pem::{self, Piece};
use crate::provider::SecurityRequirement;
use crate::time::Clock;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest, StatusCode, header};
use axum::response::Response as HttpResponse;
use axum::routing::any;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{Error as TlsError, RootCertStore, ServerConfig, crypto};

/// A simulator that runs until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    /// Where it listens by TLS, if one of its providers has clients with certificates.
    secure: Option<SocketAddr>,
    /// Account → the path part of its base URL.
    bases: BTreeMap<String, String>,
    /// The accounts of such providers.
    with_certificates: BTreeSet<String>,
    shared: Arc<ServerState>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread or its runtime could not be made.
    #[error("cannot start the simulator's thread")]
    Thread(#[source] io::Error),
    /// TLS could not be set up.
    #[error("cannot listen by TLS")]
    Tls(#[source] TlsError),
    /// A fault names an account that there is not.
    #[error("a fault names the account `{0}`, which the simulator does not play")]
    UnknownAccount(String),
}

/// Starts a simulator on a thread of its own.
///
/// # Errors
/// Where the port cannot be had, the thread cannot be made, or a fault names an account that there is not.
pub fn start(options: SimulatorOptions) -> Result<Simulator, SimulatorError> {
    let port = options.port;
    let listen = |source| SimulatorError::Listen { port, source };
    let plays = |name: &&str| options.accounts.iter().any(|account| account.name == **name);
    if let Some(name) = options.faults.accounts().find(|name| !plays(name)) {
        return Err(SimulatorError::UnknownAccount(name.to_owned()));
    }
    let bound = |port: u16| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok::<_, io::Error>((listener.local_addr()?, listener))
    };
    let (address, listener) = bound(port).map_err(listen)?;
    let shows = |account: &&SimulatedAccount| account.provider.requirements().any(SecurityRequirement::is_mutual_tls);
    let with_certificates: BTreeSet<String> =
        options.accounts.iter().filter(shows).map(|account| account.name.clone()).collect();
    let (mut secure, mut secured) = (None, None);
    if !with_certificates.is_empty() {
        let (at, listener) = bound(0).map_err(listen)?;
        secure = Some(at);
        secured = Some((listener, acceptor().map_err(SimulatorError::Tls)?));
    }
    let bases = options.accounts.iter().map(|account| (account.name.clone(), routes::base_path(&account.provider)));
    let bases = bases.collect();
    let clock = Arc::clone(&options.clock);
    let shared = Arc::new(ServerState { clock, handler: Mutex::new(RequestHandler::new(options)) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SimulatorError::Thread)?;
    let (stop, stopped) = oneshot::channel();
    let served = Arc::clone(&shared);
    let run = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = stopped => {}
                () = accept(listener, Arc::clone(&served), None) => {}
                () = async {
                    match secured {
                        Some((listener, acceptor)) => accept(listener, served, Some(acceptor)).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        });
    };
    let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(run).map_err(SimulatorError::Thread)?;
    Ok(Simulator { address, secure, bases, with_certificates, shared, stop: Some(stop), thread: Some(thread) })
}

/// Whether nobody listens at a port of this machine's loopback.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

impl Simulator {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of an account, as plans would write it: `http://127.0.0.1:PORT/ACCOUNT` and the path of the provider's own.
    pub fn base_url(&self, account: &str) -> String {
        let base = self.bases.get(account).map_or("", String::as_str);
        format!("http://{}{}{base}", self.address, routes::account_path(account))
    }

    /// The same by TLS, for an account whose provider has clients that show a certificate. The server's is issued by [`super::CA_CERTIFICATE`], and so must
    /// the client's be.
    pub fn secure_base_url(&self, account: &str) -> Option<String> {
        let address = self.secure.filter(|_| self.with_certificates.contains(account))?;
        let base = self.bases.get(account).map_or("", String::as_str);
        Some(format!("https://{address}{}{base}", routes::account_path(account)))
    }

    /// The URL at which an account's tokens are issued.
    pub fn auth_url(&self, account: &str) -> String {
        format!("http://{}{}{}", self.address, routes::account_path(account), routes::token_path())
    }

    /// The URL of the list of an account's certificates that are revoked, signed by the CA of [`super::CA_CERTIFICATE`].
    pub fn crl_url(&self, account: &str) -> String {
        format!("http://{}{}{}", self.address, routes::account_path(account), routes::crl_path())
    }

    /// The URL of the OCSP responder for an account's certificates; it signs as that CA too.
    pub fn ocsp_url(&self, account: &str) -> String {
        format!("http://{}{}{}", self.address, routes::account_path(account), routes::ocsp_path())
    }

    /// Learns that a target exists; `false` where there is no such account, operation or target.
    pub fn learn(&self, known: &KnownTarget) -> bool {
        self.shared.handler().learn(known)
    }

    /// The counters so far.
    pub fn effects(&self) -> Effects {
        self.shared.handler().effects()
    }

    /// How often something took effect upon one target, named as reports name it.
    pub fn effects_on(&self, account: &str, operation: &str, target: &str) -> u64 {
        self.shared.handler().effects_on(account, operation, target)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself; then nobody listens.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed already; it must not become a second one here.
            let _ = thread.join();
        }
    }
}

struct ServerState {
    clock: Arc<dyn Clock + Send + Sync>,
    handler: Mutex<RequestHandler>,
}

impl ServerState {
    /// The handler changes its state in whole steps, so it can be used even after a panic elsewhere.
    fn handler(&self) -> MutexGuard<'_, RequestHandler> {
        self.handler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ServerState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ServerState")
    }
}

/// Marks an answer that must not be sent.
#[derive(Debug, Clone, Copy)]
struct NoAnswer;

/// The error that makes the connection close without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is withheld on purpose")]
struct AnswerWithheld;

async fn accept(listener: TcpListener, shared: Arc<ServerState>, acceptor: Option<TlsAcceptor>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let router = Router::new().route("/{*path}", any(serve)).with_state(shared);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait until some connection has ended.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Answers are small, and are waited for.
        let _ = stream.set_nodelay(true);
        let (router, acceptor) = (TowerToHyperService::new(router.clone()), acceptor.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve_connection(stream, router, false).await,
                Some(acceptor) => {
                    // A handshake that fails is a part of the simulation, too.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let shown = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
                    serve_connection(stream, router, shown).await;
                }
            }
        });
    }
}

/// Marks the requests of a connection that showed a client's certificate.
#[derive(Debug, Clone, Copy)]
struct ShowsCertificate;

/// Serves one connection until either side ends it.
async fn serve_connection<S>(stream: S, router: TowerToHyperService<Router>, shows_certificate: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: HttpRequest<Incoming>| {
        if shows_certificate {
            request.extensions_mut().insert(ShowsCertificate);
        }
        let answer = router.call(request);
        async move {
            let Ok(answer) = answer.await;
            if answer.extensions().get::<NoAnswer>().is_some() { Err(AnswerWithheld) } else { Ok(answer) }
        }
    });
    // A connection ends badly when an answer is withheld, or when the client goes: both are part of the simulation.
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

/// What takes connections by TLS on 127.0.0.1. A certificate that has expired, or that another CA has issued, ends the handshake; none at all does not, for
/// the provider may have other ways to sign in.
///
/// # Errors
/// The files that are checked in cannot be used, which a test sees first.
fn acceptor() -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for issuer in certificates(CERTIFICATE)? {
        roots.add(issuer)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let clients = clients.allow_unauthenticated().build().map_err(|error| TlsError::General(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let key = match pem::pieces(SERVER_KEY).into_iter().next() {
        Some(Piece::Block(block)) => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(block.der.to_vec())),
        _ => return Err(TlsError::General("the simulator has no key".to_owned())),
    };
    let config = builder.with_client_cert_verifier(clients).with_single_cert(certificates(SERVER)?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = Certificate::parse_all(text.as_bytes()).map_err(|error| TlsError::General(error.to_string()))?;
    Ok(all.into_iter().map(|one| CertificateDer::from(one.der)).collect())
}

async fn serve(State(shared): State<Arc<ServerState>>, request: Request) -> HttpResponse {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return http(Response { status: 413, ..Response::default() });
    };
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let received = Received {
        method: head.method.as_str().to_owned(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
        shows_certificate: head.extensions.get::<ShowsCertificate>().is_some(),
    };
    let (now, elapsed) = (shared.clock.now(), shared.clock.elapsed());
    let Reaction { delay, mut kind } = shared.handler().handle(&received, now, elapsed);
    if let ReactionKind::Answer(response) = &mut kind {
        // The simulation's time: the server would set the machine's, from which a rehearsal's clock may be days ahead.
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers.push(("date".to_owned(), date));
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match kind {
        ReactionKind::Answer(response) => http(response),
        ReactionKind::Close => {
            let mut none = HttpResponse::new(Body::empty());
            none.extensions_mut().insert(NoAnswer);
            none
        }
        ReactionKind::Hang => std::future::pending().await,
    }
}

fn http(response: Response) -> HttpResponse {
    let has_body = !response.body.is_empty();
    let mut answer = HttpResponse::new(Body::from(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let (true, Ok(media_type)) = (has_body, HeaderValue::try_from(&*response.media_type)) {
        answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// No request of any provider is larger.
const MAX_BODY_BYTES: usize = 1024 * 1024;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
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
