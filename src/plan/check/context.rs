//! What is to be checked, how its lists are to be read, and the state of a check, which all its parts read and add to. Checks no action
//! itself.

use super::action_index::{Index, targets_of};
use super::exception_list::Exceptions;
use super::fields::{FieldUses, names, no_single_value, no_value};
use super::pem_files::{CsrFiles, IssuerFiles, SentCertificates, SharedKeys};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::pki::{Certificate, SerialNumber};
use crate::plan::checked::{Action, CertificateFacts, Fingerprint, FingerprintBase, PlanDigest};
use crate::plan::csv::ListLayout;
use crate::plan::load::{Input, ReadFile};
use crate::plan::read::Draft;
use crate::provider::Catalog;
use crate::run::{StatusSource, StatusSources};
use crate::text::{SourceId, SourceMap, Span};
use crate::tree::{Field, Node, Shape};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// The plan.
    pub plan: Input,
    /// A file with settings that many plans share.
    pub settings: Option<PathBuf>,
    /// The providers that there are.
    pub catalog: &'r Catalog,
    /// How to read the columns of a bare CSV list.
    pub columns: CsvOptions,
    /// The present time, for what has passed.
    pub now: Timestamp,
}

/// How to read the columns of a CSV list whose header is not made for plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Field name → column name; or its number, where the list has no header.
    pub columns: Vec<(String, String)>,
    /// Columns that are left out.
    pub ignore: IgnoreColumns,
    /// Columns whose values are carried through to the report.
    pub keep: Vec<String>,
    /// The line of the header, from 1; 0 says that there is none.
    pub header_row: Option<u32>,
    /// Which rows are taken, as an expression.
    pub filter: Option<String>,
    /// Lists of exceptions, for plans of every kind.
    pub except: Vec<PathBuf>,
}

/// Columns that are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IgnoreColumns {
    /// None: an unknown column is an error.
    #[default]
    None,
    /// All that are unknown.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// How a list's header is to be read. Places are those in the plan; the command line's names have none.
#[derive(Default)]
pub(super) struct ListOptions {
    /// Whether the list is the plan itself, and the names below are the command line's.
    pub(super) bare: bool,
    pub(super) layout: ListLayout,
    pub(super) columns: Vec<(PlacedName, PlacedName)>,
    pub(super) ignore_all: bool,
    pub(super) ignore: Vec<PlacedName>,
    pub(super) keep: Vec<PlacedName>,
    /// `where`.
    pub(super) filter: Option<PlacedName>,
}

/// The name of a field or a column, with its place.
pub(super) type PlacedName = (String, Option<Span>);

/// How a column is told.
enum ColumnRef {
    Name(String),
    /// Its number, from 1: the list has no header.
    Number(u32),
}

/// The state of a check.
pub(super) struct Checker<'r> {
    pub(super) catalog: &'r Catalog,
    pub(super) now: Timestamp,
    pub(super) draft: Draft,
    pub(super) sources: &'r mut SourceMap,
    /// Every file that the run directory gets a copy of.
    pub(super) files: Vec<ReadFile>,
    /// Paths among them, as hashes.
    copied: HashSet<u64>,
    pub(super) diagnostics: Diagnostics,
    /// Hashes of the findings so far: a default that cannot be used is reported once, not for every row.
    reported: HashSet<u64>,
    /// How many errors there were, repeated ones included: a row with a repeated error is as wrong as the first.
    pub(super) errors: u64,
    /// Is given each action in plan order.
    pub(super) each: &'r mut dyn FnMut(Action),
    pub(super) index: Index,
    pub(super) digest: PlanDigest,
    pub(super) csrs: CsrFiles,
    pub(super) certificates: SentCertificates,
    pub(super) issuers: IssuerFiles,
    pub(super) exceptions: Exceptions,
    /// The steps before the one that is checked, where it is one.
    pub(super) chain: Option<Chain>,
    /// Places that the rows of several entries with steps share, each with the number from which on one may be free.
    pub(super) shared_lines: HashMap<String, u64>,
    /// Entries with steps that were needed before they were read, each with its last step.
    pub(super) last_steps: BTreeMap<String, String>,
    /// Rows that `where` leaves out.
    pub(super) left_out: u64,
    /// The CSV lists that were opened.
    pub(super) lists: HashMap<PathBuf, SourceId>,
    /// The columns that are carried through to the report.
    pub(super) keep: Vec<String>,
    /// The keys of certificates and requests.
    pub(super) keys: SharedKeys,
    /// Accounts for which it was warned of revocations that a certificate's own key signs.
    pub(super) own_keys_told: HashSet<usize>,
    /// Accounts and operations of which it was told that they lack credentials of the operation's own.
    pub(super) own_security_told: HashSet<(usize, String)>,
    /// Accounts for which the mapping away of `keyCompromise` was warned of.
    pub(super) mapped_away: HashSet<usize>,
    /// Lists of which it was told that their serial numbers may be decimal.
    pub(super) maybe_decimal: HashSet<SourceId>,
    /// What is to be warned of about `not_before`, file by file.
    pub(super) timings: Vec<NotedTiming>,
    /// By account and operation, what all their actions share.
    shared: Vec<SharedByActions>,
}

/// What is wrong with a `not_before` that can be kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timing {
    /// It has passed.
    Past,
    /// It is more than a day off.
    Far,
    /// It leaves no time.
    Never(&'static str),
    /// It leaves no time, unless the run begins later.
    NotNow(&'static str),
}

/// What is wrong with a `not_before`, for all actions of one file.
pub(super) struct NotedTiming {
    pub(super) timing: Timing,
    pub(super) first: Span,
    pub(super) count: u64,
    pub(super) last: Timestamp,
}

/// What the actions of one account and operation share: every row needs it, and it is the same each time.
pub(super) struct SharedByActions {
    account: usize,
    operation: String,
    pub(super) uses: FieldUses,
    /// What the hashes begin with.
    pub(super) fingerprint: FingerprintBase,
    pub(super) target: DefaultHasher,
}

/// The steps of one row before the one that is checked, and the names of those behind it.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) earlier: Vec<EarlierStep>,
    /// That of the step itself, and of all that follow.
    pub(super) later: Vec<String>,
    /// Where an exception list names one of them: then none that follows is sent either.
    pub(super) excepted: Option<String>,
}

/// A step before the one that is checked.
pub(super) struct EarlierStep {
    pub(super) name: String,
    /// That of the action which ends in its place: where it repeats an earlier one, it is never sent.
    pub(super) ordinal: u32,
    pub(super) id: String,
    pub(super) waits: bool,
    /// Whether it acts on a request that waits at the CA: then the step before it may still be pending.
    pub(super) acts_on_request: bool,
    /// What it does; `None` where that could not be read, which was reported.
    pub(super) action: Option<CheckedStep>,
}

/// What is known of an action that was checked.
pub(super) struct CheckedStep {
    pub(super) account: usize,
    pub(super) operation: String,
    pub(super) target: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) excepted: Option<String>,
    /// Who publishes something about its certificate.
    pub(super) publication: Publication,
    /// The serial number of that certificate.
    pub(super) serial_number: Option<SerialNumber>,
}

/// Who can be asked, beside the provider, whether a certificate is revoked.
#[derive(Clone)]
pub(super) struct Publication {
    /// Whether it is known which certificate it is.
    pub(super) is_known: bool,
    /// Its CRL, its OCSP responder, where it is known where they are.
    pub(super) sources: StatusSources,
    /// The name of its issuer in DER, where nothing says yet where the issuer's certificate is: without it no answer is believed.
    pub(super) lacks_issuer: Option<Vec<u8>>,
}

impl CsvOptions {
    /// Whether there are none that are for a bare list alone.
    pub fn is_empty(&self) -> bool {
        let ignores = match &self.ignore {
            IgnoreColumns::None => false,
            IgnoreColumns::All => true,
            IgnoreColumns::Named(names) => !names.is_empty(),
        };
        let has_none = self.header_row.is_none() && self.filter.is_none();
        self.columns.is_empty() && self.keep.is_empty() && has_none && !ignores
    }
}

impl ListOptions {
    /// Those of an entry with `from`.
    pub(super) fn of_entry(item: &Node, findings: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let placed = |(name, span)| (name, Some(span));
        let mut listed = Vec::new();
        if let Some(columns) = item.get("columns") {
            if !matches!(columns.shape, Shape::Map(_)) {
                let what = format!("`columns` must be a map, not {}", columns.kind());
                let help = "write it as `{certificate_id: \"Cert ID\"}`: the field, and the column that gives it";
                findings.push(Diagnostic::error("wrong-kind", columns.span, what).help(help));
            }
            for field in columns.fields() {
                let column = match &field.value.shape {
                    // In quotes it is a column's name.
                    Shape::Scalar { text, plain: true } => ColumnRef::of(text.trim()),
                    Shape::Scalar { text, plain: false } => ColumnRef::Name(text.trim().to_owned()),
                    _ => {
                        findings.push(no_single_value(field));
                        continue;
                    }
                };
                listed.push(((field.name.clone(), Some(field.span)), (column, Some(field.value.span))));
            }
        }
        let header_row = item.get("header_row").and_then(|node| {
            let row = node.text().and_then(|text| text.parse::<u32>().ok());
            if row.is_none() {
                let error = Diagnostic::error("header-row", node.span, "`header_row` must be the number of a line");
                findings.push(error.help("the line of the list's header, from 1; 0 where there is none"));
            }
            row
        });
        options.lay_out(listed, header_row, findings);
        match item.get("ignore_columns") {
            None => {}
            // In quotes it would be the name of a column.
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "true") => {
                options.ignore_all = true;
            }
            Some(node) if matches!(&node.shape, Shape::Scalar { text, plain: true } if text == "false") => {}
            Some(node) => {
                options.ignore = names(node, findings).unwrap_or_default().into_iter().map(placed).collect();
            }
        }
        if let Some(field) = item.fields().iter().find(|field| field.name == "where") {
            match field.value.text() {
                Some(text) => options.filter = Some((text.to_owned(), Some(field.value.span))),
                None => {
                    findings.push(no_single_value(field).help("write an expression: `where: 'status == \"issued\"'`"));
                }
            }
        }
        if let Some(keep) = item.get("keep_columns") {
            options.keep = names(keep, findings).unwrap_or_default().into_iter().map(placed).collect();
        }
        options
    }

    /// Those of a bare list.
    pub(super) fn of_command_line(options: &CsvOptions, findings: &mut Diagnostics) -> Self {
        let unplaced = |name: &String| (name.clone(), None);
        let mut read = Self {
            bare: true,
            ignore_all: options.ignore == IgnoreColumns::All,
            ignore: match &options.ignore {
                IgnoreColumns::Named(names) => names.iter().map(unplaced).collect(),
                IgnoreColumns::None | IgnoreColumns::All => Vec::new(),
            },
            keep: options.keep.iter().map(unplaced).collect(),
            filter: options.filter.as_ref().map(unplaced),
            ..Self::default()
        };
        let columns = options.columns.iter().map(|(field, column)| {
            let quoted = column.strip_prefix('"').and_then(|column| column.strip_suffix('"'));
            let column = quoted.map_or_else(|| ColumnRef::of(column), |name| ColumnRef::Name(name.to_owned()));
            (unplaced(field), (column, None))
        });
        read.lay_out(columns.collect(), options.header_row, findings);
        read
    }

    /// Notes which columns give fields, and where the header is. A mixture of names and numbers is reported: numbers say that there is no
    /// header.
    fn lay_out(
        &mut self,
        columns: Vec<(PlacedName, (ColumnRef, Option<Span>))>,
        header_row: Option<u32>,
        findings: &mut Diagnostics,
    ) {
        let is_number = |column: &ColumnRef| matches!(column, ColumnRef::Number(_));
        let by_number = columns.iter().any(|(_, (column, _))| is_number(column));
        if let Some((_, (_, place))) = columns.iter().find(|(_, (column, _))| by_number && !is_number(column)) {
            let error = Diagnostic::error("columns-mixed", *place, "`columns` names some columns, and counts others");
            findings
                .push(error.help("numbers are for a list without a header; a column that is named `1` needs quotes"));
        }
        self.layout = ListLayout { header_row, by_number };
        let one_kind = columns.into_iter().filter(|(_, (column, _))| is_number(column) == by_number);
        self.columns.extend(one_kind.map(|(field, (column, place))| {
            let column = match column {
                ColumnRef::Name(name) => name,
                ColumnRef::Number(number) => number.to_string(),
            };
            (field, (column, place))
        }));
        // Without names nothing is misspelled: what is not counted is left out.
        self.ignore_all |= by_number;
    }

    /// The columns that give fields: field → column.
    pub(super) fn mapped(&self) -> Vec<(String, String)> {
        self.columns.iter().map(|((field, _), (column, _))| (field.clone(), column.clone())).collect()
    }

    /// Whether they name a column.
    pub(super) fn names(&self, name: &str) -> bool {
        let columns = self.columns.iter().map(|(_, (column, _))| column);
        columns.chain(self.ignore.iter().chain(&self.keep).map(|(column, _)| column)).any(|column| column == name)
    }

    /// Two options as the user would write them: beside `from`, or on the command line.
    pub(super) fn two(&self, name: &str, value: &str, other: &str, other_value: &str) -> (String, String) {
        (self.one(name, value), self.one(other, other_value))
    }

    fn one(&self, name: &str, value: &str) -> String {
        if self.bare {
            return format!("`--{} {}`", name.replace('_', "-"), for_shell(&value.replace(": ", "="), false));
        }
        match name {
            "columns" => format!("`columns: {{{value}}}`"),
            "header_row" => format!("`header_row: {value}`"),
            _ if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                format!("`{name}: [{value}]`")
            }
            _ => format!("`{name}: [\"{value}\"]`"),
        }
    }

    pub(super) fn maps(&self, field: &str, column: &str) -> String {
        if self.bare {
            format!("`--columns {}`", for_shell(&format!("{field}={column}"), true))
        } else {
            format!("`columns: {{{field}: \"{column}\"}}`")
        }
    }
}

impl ColumnRef {
    /// A number, or else a name.
    fn of(text: &str) -> Self {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map_or_else(|| Self::Name(text.to_owned()), Self::Number)
    }
}

impl<'r> Checker<'r> {
    pub(super) fn new(
        request: &'r Request<'r>,
        draft: Draft,
        sources: &'r mut SourceMap,
        files: Vec<ReadFile>,
        diagnostics: Diagnostics,
        keep: Vec<String>,
        each: &'r mut dyn FnMut(Action),
    ) -> Self {
        Self {
            catalog: request.catalog,
            now: request.now,
            draft,
            sources,
            files,
            copied: HashSet::new(),
            diagnostics,
            reported: HashSet::new(),
            errors: 0,
            each,
            index: Index::default(),
            digest: PlanDigest::default(),
            csrs: CsrFiles::default(),
            certificates: SentCertificates::default(),
            issuers: IssuerFiles::default(),
            exceptions: Exceptions::default(),
            chain: None,
            shared_lines: HashMap::new(),
            last_steps: BTreeMap::new(),
            left_out: 0,
            lists: HashMap::new(),
            keep,
            keys: SharedKeys::default(),
            own_keys_told: HashSet::new(),
            own_security_told: HashSet::new(),
            mapped_away: HashSet::new(),
            maybe_decimal: HashSet::new(),
            timings: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Adds a finding, once.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.errors += u64::from(diagnostic.severity == Severity::Error);
        // As a hash: `diagnostics` has the finding itself.
        let mut hasher = DefaultHasher::new();
        diagnostic.span.hash(&mut hasher);
        diagnostic.code.hash(&mut hasher);
        diagnostic.what.hash(&mut hasher);
        if self.reported.insert(hasher.finish()) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds findings, each once.
    pub(super) fn report_all(&mut self, diagnostics: &Diagnostics) {
        diagnostics.sorted().into_iter().for_each(|diagnostic| self.report(diagnostic.clone()));
    }

    /// The text of a field that must have a single value.
    pub(super) fn single_value<'a>(&mut self, field: &'a Field) -> Option<&'a str> {
        let text = field.value.text();
        match field.value.shape {
            Shape::Null => self.report(no_value(field)),
            _ if text.is_none() => self.report(no_single_value(field)),
            _ => {}
        }
        text
    }

    /// Adds a file to those that the run directory gets a copy of, where it is not among them.
    pub(super) fn copy_once(&mut self, named: &str, path: &Path, holds_certificates: bool) {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        // A list of a million rows may name one file in each.
        if self.copied.insert(hasher.finish()) {
            self.files.push(ReadFile::on_disk(named.to_owned(), path, holds_certificates));
        }
    }

    /// What an action shares with the others of its account and operation.
    pub(super) fn shared_by(&mut self, account: usize, operation: &str) -> &mut SharedByActions {
        // A plan has few accounts and operations, so a list is enough.
        let known = self.shared.iter().position(|known| known.account == account && known.operation == operation);
        let index = known.unwrap_or_else(|| {
            self.shared.push(SharedByActions {
                account,
                operation: operation.to_owned(),
                uses: FieldUses::default(),
                fingerprint: FingerprintBase::new(&self.draft.accounts.drafts[account], operation),
                target: targets_of(account, operation),
            });
            self.shared.len() - 1
        });
        &mut self.shared[index]
    }
}

impl Publication {
    /// By the certificate, or by a serial number alone, and by what the plan says beside it.
    pub(super) fn of(
        certificate: Option<&Certificate>,
        serial_number: Option<&SerialNumber>,
        facts: Option<&CertificateFacts>,
    ) -> Self {
        let has_issuer = facts.is_some_and(|facts| facts.issuer.is_some());
        let is_known = certificate.is_some() || (serial_number.is_some() && has_issuer);
        let crl = facts.is_some_and(|facts| !facts.crl.is_empty())
            || certificate.is_some_and(|certificate| !certificate.crl_urls.is_empty());
        let ocsp = facts.is_some_and(|facts| facts.ocsp.is_some())
            || certificate.is_some_and(|certificate| !certificate.ocsp_urls.is_empty());
        let named = [(StatusSource::Crl, crl), (StatusSource::Ocsp, ocsp)];
        let lacks_issuer = certificate.filter(|certificate| !has_issuer && certificate.issuer_urls.is_empty());
        Self {
            is_known,
            sources: named
                .into_iter()
                .filter(|(_, is_named)| is_known && *is_named)
                .map(|(source, _)| source)
                .collect(),
            lacks_issuer: lacks_issuer.map(|certificate| certificate.issuer.clone()),
        }
    }
}

/// A value of an option as a shell takes it; `quotes` puts it between quotation marks in any case.
fn for_shell(value: &str, quotes: bool) -> String {
    if value.contains(['"', '$', '`', '\\', '!']) {
        return shlex::try_quote(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned);
    }
    let is_plain = value.chars().all(|letter| letter.is_alphanumeric() || "_-=,./:@%+…".contains(letter));
    if is_plain && !quotes { value.to_owned() } else { format!("\"{value}\"") }
}
