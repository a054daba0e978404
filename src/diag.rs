//! What is wrong with a user's text, as data: severity, place, what, what would be right. Never printed here.

use crate::text::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// It can be used, but the user should know.
    Warning,
}

/// One finding about a user's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable name of the kind of finding, in kebab-case, such as `unknown-field`.
    pub code: &'static str,
    /// Where; `None` only where no text is at fault (a missing file named on the command line).
    pub span: Option<Span>,
    /// What is wrong, as a lower-case sentence without a full stop.
    pub what: String,
    /// What would be right, where the check knows it.
    pub help: Option<String>,
    /// Other places that explain the finding, each with a note.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, span: impl Into<Option<Span>>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, span: span.into(), what: what.into(), help: None, related: Vec::new() }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, span: impl Into<Option<Span>>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, what) }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place with a note.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push((span, note.into()));
        self
    }
}

/// All findings about the sources that were read together, in the order in which they were made.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Appends another list's findings.
    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Whether there is no finding at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings by place: source by source in reading order, then line and column; those without a place first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.list.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.span);
        sorted
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { list: vec![diagnostic] }
    }
}
