//! What is wrong with a user's text, as data: severity, place, what, what would be right. Never printed here.

use crate::text::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// All findings about the sources that were read together, in the order in which they were made. Of a kind (severity and code) the first
/// thousand are held, and the others counted: a list of a million wrong rows has one cause.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    kinds: Vec<Kind>,
}

/// How many findings of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    severity: Severity,
    code: &'static str,
    count: usize,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let kind = self.kind(diagnostic.severity, diagnostic.code);
        kind.count += 1;
        if kind.count <= MAX_OF_A_KIND {
            self.list.push(diagnostic);
        }
    }

    /// Appends another list's findings.
    pub fn extend(&mut self, other: Self) {
        for Kind { severity, code, count } in other.kinds {
            self.kind(severity, code).count += count.saturating_sub(MAX_OF_A_KIND);
        }
        other.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.kinds.iter().any(|kind| kind.severity == Severity::Error)
    }

    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.kinds.iter().filter(|kind| kind.severity == severity).map(|kind| kind.count).sum()
    }

    /// Whether there is no finding at all.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The findings by place: source by source in reading order, then line and column; those without a place first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.list.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.span);
        sorted
    }

    /// The kinds of which not all findings are held, each with how many are not.
    pub fn left_out(&self) -> impl Iterator<Item = (Severity, &'static str, usize)> {
        let kinds = self.kinds.iter().filter(|kind| kind.count > MAX_OF_A_KIND);
        kinds.map(|kind| (kind.severity, kind.code, kind.count - MAX_OF_A_KIND))
    }

    fn kind(&mut self, severity: Severity, code: &'static str) -> &mut Kind {
        let known = self.kinds.iter().position(|kind| kind.severity == severity && kind.code == code);
        let index = known.unwrap_or_else(|| {
            self.kinds.push(Kind { severity, code, count: 0 });
            self.kinds.len() - 1
        });
        &mut self.kinds[index]
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut diagnostics = Self::default();
        diagnostics.push(diagnostic);
        diagnostics
    }
}

/// Findings of one kind that are held.
const MAX_OF_A_KIND: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_kind_the_first_are_held_and_all_counted() {
        let mut all = Diagnostics::default();
        for row in 0..2500 {
            all.push(Diagnostic::error("wrong", None, format!("row {row}")));
        }
        all.push(Diagnostic::warning("wrong", None, "a warning"));
        all.push(Diagnostic::error("late", None, "another kind is not crowded out"));
        let mut both = all.clone();
        both.extend(all.clone());
        assert_eq!((all.count(Severity::Error), all.count(Severity::Warning), all.sorted().len()), (2501, 1, 1002));
        assert_eq!(all.left_out().collect::<Vec<_>>(), [(Severity::Error, "wrong", 1500)]);
        assert_eq!((both.count(Severity::Error), both.sorted().len()), (5002, 1004));
    }
}
