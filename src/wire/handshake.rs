//! Which certificate a server shows: one handshake of TLS, behind STARTTLS where the protocol has it, through the proxy that the environment
//! names. Believes nothing: the certificate is not verified, for whoever asks compares it with the one that must be there. Only that the server
//! has its key is verified. Sends no credential, and nothing after the handshake.

use super::connections::chain;
use super::proxy::Proxies;
use super::tls;
use crate::pki::{StartTls, TlsServer};
use crate::text::{file, safe};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// The certificate that a server shows, in DER.
///
/// # Errors
/// In words for people: there is no connection, no TLS, or no end within the time.
pub(super) async fn shown_certificate(
    server: &TlsServer,
    proxies: &Proxies,
    most: Duration,
) -> Result<Vec<u8>, String> {
    let at = Cell::new("the connection is not there");
    let asked = ask(server, proxies, &at);
    let asked = tokio::time::timeout(most, asked).await;
    let asked = asked.unwrap_or_else(|_| Err(format!("no answer within {}: {}", crate::time::human(most), at.get())));
    asked.map_err(|why| safe::terminal(&why).into_owned())
}

async fn ask(server: &TlsServer, proxies: &Proxies, at: &Cell<&'static str>) -> Result<Vec<u8>, String> {
    let TlsServer { host, port, start_tls } = server;
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let target = format!("{bracketed}:{port}");
    let mut stream = match proxies.to(&format!("https://{target}/")) {
        Some(proxy) => proxy.connect(&target).await?,
        None => TcpStream::connect((host.as_str(), *port)).await.map_err(|error| no_connection(&error))?,
    };
    if let Some(start_tls) = start_tls {
        at.set("it does not begin TLS");
        begin_tls(*start_tls, &mut stream).await.map_err(|why| format!("{}: {why}", start_tls.scheme()))?;
    }
    at.set("the handshake does not end");
    let stream = Listened { stream, first: Vec::new() };
    tls::Onlooker::new().look(host, stream).await.map_err(|(error, stream)| {
        let first = stream.map(|stream| stream.first).unwrap_or_default();
        told(&error, &first, server)
    })
}

fn no_connection(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection is refused: nothing listens there".to_owned(),
        _ => format!("there is no connection: {}", file::reason(error)),
    }
}

/// What a handshake came to that brought no certificate. Nobody who speaks TLS begins otherwise than with a record of it (RFC 8446, section 5.1).
fn told(error: &io::Error, first: &[u8], server: &TlsServer) -> String {
    if let [kind, ..] = first
        && !(20..=24).contains(kind)
    {
        let words = String::from_utf8_lossy(&first[..first.len().min(MAX_FIRST)]).trim().to_owned();
        let host = &server.host;
        let help = if words.starts_with("220") {
            format!("; for SMTP write `smtp://{host}`")
        } else if words.starts_with("* OK") {
            format!("; for IMAP write `imap://{host}`")
        } else {
            "; is the port right?".to_owned()
        };
        return format!("it does not speak TLS, but says `{words}`{help}");
    }
    match tls::lasting_cause(error) {
        Some(cause) => cause.replace("; is `base_url` right?", ""),
        // Whoever does not read what is said to it may reset the connection.
        None if first.is_empty() && ENDS.contains(&error.kind()) => {
            "it ends the connection without a word; is TLS spoken at this port?".to_owned()
        }
        None => format!("the handshake fails: {}", chain(error)),
    }
}

/// Says in plain text what TLS begins with.
async fn begin_tls(start_tls: StartTls, stream: &mut TcpStream) -> Result<(), String> {
    match start_tls {
        StartTls::Smtp => {
            expect(stream, "220").await?;
            say(stream, b"EHLO certsweep.invalid\r\n").await?;
            expect(stream, "250").await?;
            say(stream, b"STARTTLS\r\n").await?;
            expect(stream, "220").await
        }
        StartTls::Imap => {
            let greeting = line(stream).await?;
            if !greeting.starts_with("* OK") {
                return Err(unexpected(&greeting));
            }
            say(stream, b"a1 STARTTLS\r\n").await?;
            for _ in 0..MAX_LINES {
                let answer = line(stream).await?;
                match answer.strip_prefix("a1 ") {
                    Some(end) if end.starts_with("OK") => return Ok(()),
                    Some(_) => return Err(unexpected(&answer)),
                    None => {}
                }
            }
            Err("it never answers STARTTLS".to_owned())
        }
        StartTls::Postgres => {
            // SSLRequest: a length, and a number that is no version of the protocol.
            say(stream, &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
            match byte(stream).await? {
                b'S' => Ok(()),
                b'N' => Err("the server has no TLS (`ssl` is off there)".to_owned()),
                other => Err(format!("it answers {other:#04x} and not `S`")),
            }
        }
        StartTls::Ldap => {
            let mut request = vec![0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
            request.extend_from_slice(b"1.3.6.1.4.1.1466.20037");
            say(stream, &request).await?;
            match ldap_result(stream).await? {
                0 => Ok(()),
                code => Err(format!("the server refuses StartTLS (result code {code})")),
            }
        }
    }
}

/// The result code of an extended response (RFC 4511, sections 4.1.9 and 4.12).
async fn ldap_result(stream: &mut TcpStream) -> Result<u8, String> {
    let strange = || "it answers otherwise than LDAP does".to_owned();
    if byte(stream).await? != 0x30 {
        return Err(strange());
    }
    let length = match byte(stream).await? {
        short @ ..0x80 => usize::from(short),
        long => {
            let mut length = 0;
            for _ in 0..long & 0x7f {
                length = (length << 8 | usize::from(byte(stream).await?)) & 0xff_ffff;
            }
            length
        }
    };
    if length > MAX_ANSWER {
        return Err(strange());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await.map_err(|error| broken(&error))?;
    // Message id, then the response, whose first part is the code.
    let id = answer.get(1).map_or(0, |length| usize::from(*length) + 2);
    let response = answer.get(id..).filter(|rest| rest.first() == Some(&0x78)).ok_or_else(strange)?;
    let lengths = match response.get(1) {
        Some(long) if *long >= 0x80 => usize::from(long & 0x7f) + 2,
        _ => 2,
    };
    match response.get(lengths..) {
        Some([0x0a, 0x01, code, ..]) => Ok(*code),
        _ => Err(strange()),
    }
}

/// Reads an answer of SMTP, of one line or several, with this code.
async fn expect(stream: &mut TcpStream, code: &str) -> Result<(), String> {
    for _ in 0..MAX_LINES {
        let answer = line(stream).await?;
        let Some(rest) = answer.strip_prefix(code) else { return Err(unexpected(&answer)) };
        if !rest.starts_with('-') {
            return Ok(());
        }
    }
    Err("its answer never ends".to_owned())
}

async fn say(stream: &mut TcpStream, words: &[u8]) -> Result<(), String> {
    stream.write_all(words).await.map_err(|error| broken(&error))
}

/// A line without its end. Read byte by byte: what follows the last one is TLS.
async fn line(stream: &mut TcpStream) -> Result<String, String> {
    let mut line = Vec::new();
    loop {
        match byte(stream).await? {
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            _ if line.len() >= MAX_ANSWER => return Err("a line of its answer never ends".to_owned()),
            other => line.push(other),
        }
    }
}

async fn byte(stream: &mut TcpStream) -> Result<u8, String> {
    stream.read_u8().await.map_err(|error| broken(&error))
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends the connection before TLS begins".to_owned(),
        _ => format!("the connection broke off before TLS began: {}", file::reason(error)),
    }
}

fn unexpected(answer: &str) -> String {
    let shown: String = answer.chars().take(MAX_FIRST).collect();
    format!("it answers `{shown}`")
}

/// A connection that keeps the first bytes that came: they tell what is spoken there where it is no TLS.
#[derive(Debug)]
struct Listened {
    stream: TcpStream,
    first: Vec<u8>,
}

impl AsyncRead for Listened {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let room = MAX_FIRST.saturating_sub(this.first.len());
        this.first.extend(buffer.filled()[before..].iter().take(room));
        read
    }
}

impl AsyncWrite for Listened {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// How it shows that the other side has gone.
const ENDS: [io::ErrorKind; 3] =
    [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
/// Bytes of what is no TLS that are shown.
const MAX_FIRST: usize = 60;
/// Bytes of a line, and of an answer of LDAP.
const MAX_ANSWER: usize = 2048;
/// Lines of an answer.
const MAX_LINES: usize = 100;
