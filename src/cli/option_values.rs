//! Values of options, as typed: from text to what a command takes. Knows no option.

use crate::engine::verify::NonceUse;
use crate::provider::model::Window;
use crate::run::{MAX_ORIGIN_TEXT, Outcome, StatusSource};
use crate::view::printer::ColorChoice;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// One value of `set-rate`: a configured provider, and the windows that hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLimits {
    /// The configured provider.
    pub account: String,
    /// Its windows.
    pub windows: Vec<Window>,
}

/// Whether providers are asked before anything is sent, and whom HTTPS trusts then.
#[derive(Debug, Clone, Default, Args)]
pub struct OnlineOptions {
    /// Ask the providers for the present state of each target: reads only, under the limits, with the run's credentials
    #[arg(long)]
    pub online: bool,
    /// Trust the certificates in this file too (PEM, or one in DER)
    #[arg(long, value_name = "FILE", requires = "online")]
    pub ca_file: Option<PathBuf>,
}

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// A plan.
    #[value(help = None)]
    Plan,
    /// A line of `--events`.
    #[value(help = None)]
    Events,
    /// `report --format json`.
    #[value(help = None)]
    Report,
    /// `status --json`.
    #[value(help = None)]
    Status,
    /// `preview --json`.
    #[value(help = None)]
    Preview,
}

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[value(help = None)]
    Text,
    /// A JSON object a line.
    #[value(help = None)]
    Json,
}

/// When to colour. (Values with a help of their own would spread every command's help over twice the lines.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[value(help = None)]
    Auto,
    /// Always.
    #[value(help = None)]
    Always,
    /// Never.
    #[value(help = None)]
    Never,
}

/// A report's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// RFC 4180.
    #[value(help = None)]
    Csv,
    /// One array with an object for each action.
    #[value(help = None)]
    Json,
    /// One page for a browser, which loads nothing.
    #[value(help = None)]
    Html,
    /// Counts, and what did not end well: for a ticket.
    #[value(help = None)]
    Markdown,
    /// JUnit XML, for CI servers.
    #[value(help = None)]
    Junit,
    /// A plan of these actions: YAML with the settings that it needs, or a CSV list where it needs none.
    #[value(help = None)]
    Plan,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Who is not on this machine has no business with the page: its token goes over the wire in clear.
pub(super) fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let wrong = "an address of this machine alone, with a port, such as `127.0.0.1:0` or `[::1]:8042`";
    let address: SocketAddr = text.parse().map_err(|_| wrong.to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{} is not loopback: {wrong}", address.ip())) }
}

pub(super) fn parse_retried(text: &str) -> Result<Outcome, String> {
    match Outcome::parse(text.trim()) {
        Some(outcome @ (Outcome::Failed | Outcome::InDoubt | Outcome::Rejected | Outcome::Pending)) => Ok(outcome),
        // A success must never be sent again, whatever the user types.
        _ => Err("only `failed`, `in-doubt`, `rejected` and `pending` can be taken up again".to_owned()),
    }
}

pub(super) fn parse_outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text.trim()).ok_or_else(|| {
        let names: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        format!("an outcome is one of {}", names.join(", "))
    })
}

/// An empty text is none: a variable may be set and empty.
pub(super) fn parse_origin_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    let letters = text.chars().count();
    if letters > MAX_ORIGIN_TEXT {
        return Err(format!("at most {MAX_ORIGIN_TEXT} characters, not {letters}"));
    }
    Ok(text.to_owned())
}

/// The last `=` divides: a provider's name may hold one, a limit does not.
pub(super) fn parse_limits(text: &str) -> Result<AccountLimits, String> {
    let (account, windows) = text
        .rsplit_once('=')
        .filter(|(account, _)| !account.trim().is_empty())
        .ok_or_else(|| "write PROVIDER=LIMITS, such as `digicert=50/5s`".to_owned())?;
    let windows: Result<Vec<Window>, String> = windows.split(',').map(Window::parse).collect();
    Ok(AccountLimits { account: account.trim().to_owned(), windows: windows? })
}

pub(super) fn parse_status_source(text: &str) -> Result<StatusSource, String> {
    StatusSource::parse(text.trim()).ok_or_else(|| "write `state`, `crl` or `ocsp`".to_owned())
}

pub(super) fn parse_nonce_use(text: &str) -> Result<NonceUse, String> {
    NonceUse::parse(text.trim()).ok_or_else(|| "write `auto`, `require` or `never`".to_owned())
}

/// The last `=` divides: ids may hold some, and files seldom do.
pub(super) fn parse_certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((id, file)) if !id.is_empty() && !file.is_empty() => Ok((id.to_owned(), PathBuf::from(file))),
        _ => Err("write ID=FILE, such as `shop=shop.pem`".to_owned()),
    }
}

pub(super) fn parse_settled(text: &str) -> Result<Outcome, String> {
    match Outcome::parse(text.trim()) {
        Some(outcome @ (Outcome::Succeeded | Outcome::Rejected | Outcome::Failed)) => Ok(outcome),
        _ => Err("write `succeeded`, `rejected` or `failed`".to_owned()),
    }
}

pub(super) fn parse_note(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say what was found, and where".to_owned()),
        note if note.len() > MAX_NOTE => Err(format!("it has more than {MAX_NOTE} bytes")),
        note => Ok(note.to_owned()),
    }
}

/// It stands in each row of the report.
const MAX_NOTE: usize = 4096;
