//! A client by hand: one request on a connection of its own, as many bytes as it takes and no more.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) type Headers = Vec<(String, String)>;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Value,
}

/// Sends a request on a connection of its own. `None` where the connection is closed without an answer.
pub(crate) fn send(method: &str, url: &str, headers: &Headers, body: Option<&str>) -> Option<Answer> {
    let mut stream = request(method, url, headers, body);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    Some(Answer { status, headers: head.to_lowercase(), body })
}

pub(crate) fn request(method: &str, url: &str, headers: &Headers, body: Option<&str>) -> TcpStream {
    let (host, path) = host_and_path(url);
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), format!("host: {host}"), "connection: close".to_owned()];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if let Some(body) = body {
        lines.push(format!("content-length: {}", body.len()));
        if !headers.iter().any(|(name, _)| name == "content-type") {
            lines.push("content-type: application/json".to_owned());
        }
    }
    let text = format!("{}\r\n\r\n{}", lines.join("\r\n"), body.unwrap_or_default());
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

pub(crate) fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

pub(crate) fn header(name: &str, value: &str) -> Headers {
    vec![(name.to_owned(), value.to_owned())]
}
