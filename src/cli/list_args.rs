//! The command line of what makes lists and plans, as typed: `find`, `csr`, `init`; and how columns are named. Reads no file and no environment variable.

use crate::pki::csr::KeyAlgorithm;
use clap::Args;
use std::path::PathBuf;

/// One value of `--columns`: pairs of field and header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPairs(pub Vec<(String, String)>);

/// `find`
#[derive(Debug, Args)]
pub struct FindArgs {
    /// A file or a directory tree: certificates (PEM, DER, PKCS#7, PKCS#12), lists (CSV, JSON), Kubernetes secrets (repeatable)
    #[arg(long = "in", value_name = "PATH", required_unless_present = "accounts", help_heading = WHERE)]
    pub places: Vec<PathBuf>,
    /// An account, or a provider: its own list of what there is, asked for under its limits, with the credentials of a run; what such a
    /// list must be asked with stands behind it: `--at naver-pca,caTag=12` (repeatable)
    #[arg(long = "at", value_name = "ACCOUNT[,FIELD=VALUE]", help_heading = WHERE)]
    pub accounts: Vec<String>,
    /// Where the accounts of `--at` are configured: a settings file, or a plan [env: CERTSWEEP_SETTINGS]
    #[arg(long, value_name = "FILE", help_heading = WHERE)]
    pub settings: Option<PathBuf>,
    /// A CA's certificate to trust beside those of the system
    #[arg(long, value_name = "FILE", help_heading = WHERE)]
    pub ca_file: Option<PathBuf>,
    /// A password of PKCS#12 stores, by reference: `env:NAME` or `file:PATH` (repeatable)
    #[arg(long = "password", value_name = "REFERENCE", help_heading = WHERE)]
    pub passwords: Vec<String>,
    /// What a list's column tells, where its header does not: `serial_number=Cert SN` (repeatable, or separated by commas)
    #[arg(long, value_name = "FIELD=HEADER", value_parser = parse_columns, help_heading = WHERE)]
    columns: Vec<ColumnPairs>,
    /// Those with this key: a file with a private key, public key, request, certificate or JSON Web Key, or the SHA-256 of the
    /// SubjectPublicKeyInfo (repeatable)
    #[arg(long = "key", value_name = "FILE", help_heading = WHAT)]
    pub keys: Vec<String>,
    /// Those with a serial number of this file: one a line, in any spelling
    #[arg(long, value_name = "FILE", help_heading = WHAT)]
    pub serials: Option<PathBuf>,
    /// Those with a name of this file (one a line), or with a name that fits this pattern, such as `*.example.com`
    #[arg(long, value_name = "FILE|GLOB", help_heading = WHAT)]
    pub names: Option<String>,
    /// Those that the CA with this certificate signed, or whose issuer's name holds this text
    #[arg(long, value_name = "FILE|TEXT", help_heading = WHAT)]
    pub issuer: Option<String>,
    /// Those whose validity began then: `2026-01-01..2026-06-30`; one end may be left out
    #[arg(long, value_name = "A..B", help_heading = WHAT)]
    pub issued_between: Option<String>,
    /// Those that end before a date, an instant, or a time from now such as `30d`
    #[arg(long, value_name = "T", help_heading = WHAT)]
    pub expires_before: Option<String>,
    /// Weak ones: RSA below 2048 bits, keys of the ROCA generator, SHA-1 and older digests; Debian's weak keys with `--debian-keys`
    #[arg(long, help_heading = WHAT)]
    pub weak: bool,
    /// A list of Debian's weak RSA keys, as the package openssl-blacklist has them (repeatable)
    #[arg(long, value_name = "FILE", requires = "weak", help_heading = WHAT)]
    pub debian_keys: Vec<PathBuf>,
    /// Expired and revoked ones and those of CAs, too; otherwise they are left out and counted
    #[arg(long, help_heading = WHAT)]
    pub all: bool,
    /// At which provider they are, where no list says so; `acme=Let's Encrypt`: those with this in their issuer's name (repeatable)
    #[arg(long = "provider", value_name = "ID[=ISSUER]", help_heading = LIST)]
    pub providers: Vec<String>,
    /// The action that the list is for: its parameters name the certificates
    #[arg(long, value_name = "NAME", default_value = "revoke", help_heading = LIST)]
    pub action: String,
    /// Write the certificates to this directory, each with its issuers where they stood beside it
    #[arg(long, value_name = "DIR", help_heading = LIST)]
    pub out: Option<PathBuf>,
    /// Write the list to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = LIST)]
    pub output: Option<PathBuf>,
}

/// `csr`
#[derive(Debug, Args)]
pub struct CsrArgs {
    /// The list (CSV), as `find` writes it
    #[arg(long, value_name = "LIST")]
    pub from: PathBuf,
    /// The directory of the keys and requests; it is made, private to the user, where it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The kind of new keys: `p256`, `p384`, `rsa2048`, `rsa3072` or `rsa4096`
    #[arg(long, value_name = "NAME", value_parser = parse_algorithm, default_value = "p256")]
    pub algorithm: KeyAlgorithm,
    /// Write the list with its column `csr` to this file, instead of in its place
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The provider [default: the list's, where its rows name one]
    #[arg(long, value_name = "ID")]
    pub provider: Option<String>,
    /// The action [default: revoke, or the provider's first]
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// The list whose rows are the plan's actions, as `find` and `csr` write it
    #[arg(long, value_name = "LIST")]
    pub from: Option<PathBuf>,
    /// Write the plan to this file, which must not be there yet, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Pairs are separated by commas; a piece without `=` belongs to the header before it, which holds a comma itself.
pub(super) fn parse_columns(text: &str) -> Result<ColumnPairs, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in text.split(',') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((field, header)), _) => pairs.push((field.trim().to_owned(), header.to_owned())),
            (None, Some((_, header))) => {
                header.push(',');
                header.push_str(piece);
            }
            (None, None) => return Err(COLUMNS_EXPECTED.to_owned()),
        }
    }
    for (field, header) in &mut pairs {
        *header = header.trim().to_owned();
        if field.is_empty() || header.is_empty() {
            return Err(COLUMNS_EXPECTED.to_owned());
        }
    }
    Ok(ColumnPairs(pairs))
}

fn parse_algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    let names = || KeyAlgorithm::ALL.map(|(_, word)| word).join(", ");
    KeyAlgorithm::parse(text).ok_or_else(|| format!("it is one of {}", names()))
}

impl FindArgs {
    /// Pairs of a field and the header of the column that tells it, as typed.
    pub fn columns(&self) -> Vec<(String, String)> {
        self.columns.iter().flat_map(|columns| columns.0.iter().cloned()).collect()
    }
}

const COLUMNS_EXPECTED: &str = "write FIELD=HEADER, such as `certificate_id=Cert ID`";
const WHERE: &str = "Where to look";
const WHAT: &str = "What to look for: all that is given must hold; everything where nothing is given";
const LIST: &str = "The list";

pub(super) const FIND_EXAMPLES: &str = "\
A certificate that is seen in several places is one row. The list goes into a plan as it is:
`actions: [{from: targets.csv, action: revoke}]`.

Examples:
  certsweep find --key leaked.key --in /etc/ssl --in orders.csv --provider digicert -o targets.csv
  certsweep find --names '*.example.com' --in secrets.yaml --in a.p12 --password env:PASSWORD
  certsweep find --weak --in /etc/letsencrypt --provider acme --out found/ -o targets.csv
  certsweep find --key leaked.key --in /etc/ssl --at digicert --at naver-kr --settings accounts.yaml -o targets.csv

Exit codes:
  0 some were found, and all lists of providers were read
  1 none were found, or a list could not be read whole
  2 the command line is wrong    4 the environment failed, or a provider refused
  130, 143 interrupted, and nothing was written";

pub(super) const CSR_EXAMPLES: &str = "\
A request asks for the names of the row's certificate (`certificate`), else for those of its columns
`dns_names` and `common_name`. Keys and requests that are there are never overwritten: run again, it makes what is missing.

Examples:
  certsweep csr --from targets.csv --out keys/
  certsweep csr --from names.csv --out keys/ --algorithm rsa3072 -o targets.csv

Exit codes:
  0 each row has its request    1 some have none    2 the list is wrong    4 the environment failed";

pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  certsweep init --provider digicert -o plan.yaml
  certsweep init --from targets.csv -o plan.yaml
  certsweep init --from targets.csv --provider naver --action reissue -o reissue.yaml";
