//! The arguments of `certsweep verify`, exactly as typed.

use crate::run::Witness;
use crate::time::parse_duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Ask again, with growing pauses, until all are seen revoked or this long is over
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    pub wait: Duration,
    /// Ask only these, separated by commas: `state` (the providers), `crl`, `ocsp`
    #[arg(long, value_name = "WITNESSES", value_delimiter = ',', value_parser = parse_witness)]
    pub only: Vec<Witness>,
    /// The PEM file of an action's certificate, in place of the plan's (repeatable)
    #[arg(long = "certificate", value_name = "ID=FILE", value_parser = parse_certificate)]
    pub certificates: Vec<(String, PathBuf)>,
    /// A PEM file with certificates of issuers (repeatable)
    #[arg(long = "issuer", value_name = "FILE")]
    pub issuers: Vec<PathBuf>,
    /// Write the report to this file too
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

fn parse_witness(word: &str) -> Result<Witness, String> {
    Witness::parse(word.trim()).ok_or_else(|| "write `state`, `crl` or `ocsp`".to_owned())
}

/// The last `=` divides: ids may hold some, and files seldom do.
fn parse_certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((id, file)) if !id.is_empty() && !file.is_empty() => Ok((id.to_owned(), PathBuf::from(file))),
        _ => Err("write ID=FILE, such as `shop=shop.pem`".to_owned()),
    }
}
