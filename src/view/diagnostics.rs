//! Findings as text, laid out like rustc's: what, `file:line:column`, the source line with a marker, what would be right; or as
//! JSON. Decides nothing about them, and shows no line that holds a secret.

use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::text::{SourceId, SourceMap, Span, safe};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// All findings as text, sorted by place, with a closing line that counts them; empty where there is none.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let sorted = diagnostics.sorted();
    let lines = SourceLines::collect(&sorted, sources);
    // A fixed width: the text must be the same in a terminal, a pipe and a test.
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let mut text = String::new();
    for diagnostic in &sorted {
        text.push_str(&renderer.render(&groups(diagnostic, sources, &lines)));
        text.push_str("\n\n");
    }
    for (code, count) in diagnostics.left_out() {
        // Writing to a text does not fail.
        let _ = writeln!(text, "… and {count} more findings [{code}]\n");
    }
    text.push_str(&count(diagnostics));
    text.push('\n');
    text
}

/// "3 errors, 1 warning".
pub fn count(diagnostics: &Diagnostics) -> String {
    let counted = |severity, noun: &str| match diagnostics.count(severity) {
        0 => None,
        1 => Some(format!("1 {noun}")),
        count => Some(format!("{count} {noun}s")),
    };
    let parts = [counted(Severity::Error, "error"), counted(Severity::Warning, "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no errors".to_owned() } else { parts.join(", ") }
}

/// All findings as a JSON list, sorted by place. Texts are verbatim.
pub fn to_json(diagnostics: &Diagnostics, sources: &SourceMap) -> Value {
    let place = |span: Option<Span>| {
        (span.map(|span| sources.name(span.source)), span.map(|span| (span.line, span.column, span.length)))
    };
    let one = |diagnostic: &&Diagnostic| {
        let (file, position) = place(diagnostic.span);
        let related = diagnostic.related.iter().map(|(span, text)| {
            let file = sources.name(span.source);
            json!({"file": file, "line": span.line, "column": span.column, "length": span.length, "message": text})
        });
        json!({
            "severity": severity_name(diagnostic.severity),
            "code": diagnostic.code,
            "file": file,
            "line": position.map(|(line, _, _)| line),
            "column": position.map(|(_, column, _)| column),
            "length": position.map(|(_, _, length)| length),
            "message": diagnostic.what,
            "help": diagnostic.help,
            "related": related.collect::<Vec<Value>>(),
        })
    };
    Value::Array(diagnostics.sorted().iter().map(one).collect())
}

/// The source lines that are shown.
struct SourceLines {
    texts: HashMap<(SourceId, u32), String>,
    secret: HashSet<(SourceId, u32)>,
}

impl SourceLines {
    /// Reads each source once, however many findings it has. A line with a secret is hidden from every finding, not only from the one
    /// about the secret.
    fn collect(diagnostics: &[&Diagnostic], sources: &SourceMap) -> Self {
        let mut wanted = Vec::new();
        let mut secret = HashSet::new();
        for diagnostic in diagnostics {
            for span in diagnostic.span.iter().chain(diagnostic.related.iter().map(|(span, _)| span)) {
                let line = (span.source, span.line);
                if diagnostic.code == LITERAL_SECRET {
                    secret.insert(line);
                }
                wanted.push(line);
            }
        }
        Self { texts: sources.lines(&wanted), secret }
    }

    fn text_at(&self, span: Span) -> Option<&str> {
        let line = (span.source, span.line);
        if self.secret.contains(&line) { None } else { self.texts.get(&line).map(String::as_str) }
    }
}

fn groups<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceMap, lines: &SourceLines) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(sentence(&diagnostic.what)).id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(span) = diagnostic.span {
        group = with_place(group, span, sources, lines);
    }
    if let Some(help) = &diagnostic.help {
        // A help may hold lines to paste, so its line breaks stay; every other control character is escaped.
        let help: Vec<_> = help.lines().map(sentence).collect();
        group = group.element(Level::HELP.message(help.join("\n")));
    }
    let mut groups = vec![group];
    for (span, text) in &diagnostic.related {
        let group = Group::with_title(Level::NOTE.secondary_title(sentence(text)));
        groups.push(with_place(group, *span, sources, lines));
    }
    groups
}

/// A message, made safe. One that repeats a text of any length is cut: its layout takes as long as a source line's.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(MAX_SENTENCE).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    safe::terminal(&shown).into_owned()
}

fn with_place<'a>(group: Group<'a>, span: Span, sources: &'a SourceMap, lines: &SourceLines) -> Group<'a> {
    let name = safe::terminal(sources.name(span.source));
    let origin = |name| Origin::path(name).line(span.line as usize).char_column(span.column as usize);
    let Some(line) = lines.text_at(span) else { return group.element(origin(name)) };
    let ShownLine { text, marked, same_column } = shown_line(line, span);
    let snippet = Snippet::source(text).line_start(span.line as usize).annotation(AnnotationKind::Primary.span(marked));
    // The renderer counts columns in the text that it is given; where that is not the file's, the place is given apart from it.
    if same_column { group.element(snippet.path(name)) } else { group.element(origin(name)).element(snippet) }
}

/// A line as it is shown, and the bytes of it to mark.
struct ShownLine {
    text: String,
    marked: std::ops::Range<usize>,
    /// Whether the mark begins in the same column as in the file.
    same_column: bool,
}

/// Each unsafe character becomes one harmless character: an escape of several would move the marker. Of a very long line (a minified JSON, a
/// PEM in one cell) only the surroundings of the span are shown.
fn shown_line(line: &str, span: Span) -> ShownLine {
    let start = span.column.saturating_sub(1) as usize;
    let first = if start > MAX_FRONT { start - BEFORE } else { 0 };
    let length = (span.length.max(1) as usize).min(MAX_MARK);
    let mut text = String::new();
    let (mut from, mut to) = (None, None);
    if first > 0 {
        text.push('…');
    }
    let mut letters = line.chars().enumerate().skip(first);
    for (index, letter) in letters.by_ref().take(start - first + length + AFTER) {
        if index == start {
            from = Some(text.len());
        }
        text.push(harmless(letter));
        if index + 1 == start + length {
            to = Some(text.len());
        }
    }
    let end = text.len();
    let at_end = first == 0 && text.chars().count() == start;
    let same_column = first == 0 && span.column > 0 && (from.is_some() || at_end);
    let from = from.unwrap_or(end);
    let to = if span.length == 0 { from } else { to.unwrap_or(end).max(from) };
    if letters.next().is_some() {
        text.push('…');
    }
    ShownLine { text, marked: from..to, same_column }
}

fn harmless(letter: char) -> char {
    match letter {
        '\t' => '\t',
        // Zero-width joiners would be dropped and shift the marker.
        '\u{200b}'..='\u{200d}' | '\u{feff}' => '\u{fffd}',
        _ if matches!(safe::terminal(letter.encode_utf8(&mut [0; 4])), std::borrow::Cow::Borrowed(_)) => letter,
        _ => '\u{fffd}',
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The code of findings about a secret in the plan's own text.
const LITERAL_SECRET: &str = "literal-secret";
/// Columns: the renderer cuts longer lines.
const WIDTH: usize = 120;
/// Characters of a message.
const MAX_SENTENCE: usize = 4000;
/// Characters: a line whose span begins further right is cut in front of it. The renderer lays out what it is given before it cuts it.
const MAX_FRONT: usize = 200;
/// Characters shown before the span of a cut line.
const BEFORE: usize = 100;
/// Characters shown after the span.
const AFTER: usize = 100;
/// Characters of a span that are marked.
const MAX_MARK: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn span(source: SourceId, line: u32, column: u32, length: u32) -> Span {
        Span { source, line, column, length }
    }

    fn check(text: &str, diagnostics: impl FnOnce(SourceId) -> Vec<Diagnostic>, expected: &str) {
        let mut sources = SourceMap::default();
        let id = sources.add_text("plan.yaml", None, text.into());
        let mut all = Diagnostics::default();
        for diagnostic in diagnostics(id) {
            all.push(diagnostic);
        }
        let rendered = render(&all, &sources, false);
        assert_eq!(rendered, expected, "rendered:\n{rendered}");
    }

    #[test]
    fn a_finding_shows_its_place_its_line_and_what_would_be_right() {
        check(
            "version: 1\nactions:\n  - {action: revoek, order_id: 5}\n",
            |id| {
                vec![
                    Diagnostic::warning("unused", span(id, 3, 22, 8), "nothing needs it"),
                    Diagnostic::error("unknown-action", span(id, 3, 14, 6), "digicert has no action `revoek`")
                        .help("did you mean `revoke`?\nor `revoke-order`"),
                    Diagnostic::error("no-file", None, "cannot read shared.yaml"),
                ]
            },
            "\
error[no-file]: cannot read shared.yaml

error[unknown-action]: digicert has no action `revoek`
 --> plan.yaml:3:14
  |
3 |   - {action: revoek, order_id: 5}
  |              ^^^^^^
  |
  = help: did you mean `revoke`?
          or `revoke-order`

warning[unused]: nothing needs it
 --> plan.yaml:3:22
  |
3 |   - {action: revoek, order_id: 5}
  |                      ^^^^^^^^

2 errors, 1 warning
",
        );
    }

    #[test]
    fn related_places_follow() {
        check(
            "a: 1\nb: 2\na: 3\n",
            |id| {
                let again = Diagnostic::error("repeated-field", span(id, 3, 1, 1), "`a` is given twice");
                vec![again.related(span(id, 1, 1, 1), "first here")]
            },
            "\
error[repeated-field]: `a` is given twice
 --> plan.yaml:3:1
  |
3 | a: 3
  | ^
  |
note: first here
 --> plan.yaml:1:1
  |
1 | a: 1
  | ^

1 error
",
        );
    }

    #[test]
    fn wide_characters_and_control_characters_leave_the_marker_in_place() {
        check(
            "이름: \u{1b}[31m값 x\n",
            |id| vec![Diagnostic::error("bad", span(id, 1, 12, 1), "no `\u{1b}[2J`")],
            "\
error[bad]: no `\\u{1b}[2J`
 --> plan.yaml:1:12
  |
1 | 이름: \u{fffd}[31m값 x
  |               ^

1 error
",
        );
    }

    #[test]
    fn a_secret_is_not_shown_whatever_else_is_wrong_on_its_line() {
        check(
            "credentials: {api_key: hunter2, foo: 1}\n",
            |id| {
                vec![
                    Diagnostic::error("literal-secret", span(id, 1, 24, 7), "a secret stands in the plan"),
                    Diagnostic::error("unknown-field", span(id, 1, 33, 3), "there is no `foo`"),
                ]
            },
            "\
error[literal-secret]: a secret stands in the plan
--> plan.yaml:1:24

error[unknown-field]: there is no `foo`
--> plan.yaml:1:33

2 errors
",
        );
    }

    #[test]
    fn any_span_on_any_line_is_rendered() {
        let long = "가".repeat(5000) + "needle" + &"x".repeat(100_000);
        for (line, column, length) in [
            ("abc", 4, 0),
            ("abc", 9, 3),
            ("abc", 0, 0),
            ("", 1, 1),
            ("abc", u32::MAX, u32::MAX),
            ("a\tb\u{200d}c", 3, 2),
            ("👩‍👩‍👧 x", 7, 1),
            (&long, 5001, 6),
            (&long, 1, 105_006),
            (&long, 3000, 5),
            (&long, 105_007, 0),
        ] {
            let mut sources = SourceMap::default();
            let id = sources.add_text("long.csv", None, line.into());
            let diagnostics = Diagnostics::from(Diagnostic::error("bad", span(id, 1, column, length), "wrong"));
            let rendered = render(&diagnostics, &sources, false);
            assert!(rendered.contains(&format!("long.csv:1:{column}\n")), "{rendered}");
            assert!(rendered.chars().count() < 1000, "{} {rendered}", rendered.len());
            if column == 5001 {
                assert!(rendered.contains("needle") && rendered.contains("^^^^^^\n"), "{rendered}");
            }
        }
    }

    #[test]
    fn json_has_every_part() {
        let mut sources = SourceMap::default();
        let id = sources.add_text("plan.yaml", None, "a: 1".into());
        let mut all = Diagnostics::from(Diagnostic::error("bad", span(id, 1, 4, 1), "wrong").help("right"));
        all.push(Diagnostic::warning("no-file", None, "nothing there"));
        assert_eq!(
            to_json(&all, &sources),
            json!([
                {"severity": "warning", "code": "no-file", "file": null, "line": null, "column": null, "length": null,
                 "message": "nothing there", "help": null, "related": []},
                {"severity": "error", "code": "bad", "file": "plan.yaml", "line": 1, "column": 4, "length": 1,
                 "message": "wrong", "help": "right", "related": []},
            ])
        );
    }
}
