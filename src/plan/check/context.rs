//! What is to be checked, and the state of a check, which all its parts read and add to. Checks nothing itself.

use super::action_index::{Index, targets_of};
use super::chain::Chain;
use super::exception_list::Exceptions;
use super::fields::{FieldUses, no_single_value, no_value};
use super::pem_files::{CsrFiles, IssuerFiles, SentCertificates};
use super::shared_keys::SharedKeys;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::plan::checked::{Action, FingerprintBase, PlanDigest};
use crate::plan::load::{Input, ReadFile};
use crate::plan::read::Draft;
use crate::provider::Catalog;
use crate::text::{SourceId, SourceMap, Span};
use crate::tree::{Field, Shape};
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
            let (name, path) = (named.to_owned(), Some(path.to_owned()));
            self.files.push(ReadFile { name, path, text: None, holds_certificates });
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
