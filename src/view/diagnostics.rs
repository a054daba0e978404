//! Findings as text, laid out like rustc's: what, `file:line:column`, the source line with a marker, what would be right; those that are alike
//! are folded. Or as JSON, all of them. Decides nothing about them, and shows no line that holds a secret.

use super::terminal::grouped;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::text::{SourceId, SourceMap, Span, safe};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthChar;

/// How findings are laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct FindingsLayout {
    /// Whether to colour them.
    pub color: bool,
    /// The columns of the terminal; where there is none the text is the same in every pipe and test.
    pub columns: Option<usize>,
    /// Whether those that are alike are shown one by one.
    pub all: bool,
}

/// The findings as text, sorted by place, with a closing line that counts them; empty where there is none.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, layout: FindingsLayout) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let sorted = diagnostics.sorted();
    let lines = SourceLines::collect(&sorted, sources);
    let mut folded = if layout.all { Folded::nothing(&sorted) } else { Folded::of(&sorted, &lines) };
    folded.count_in(diagnostics);
    let columns = layout.columns.map_or(WIDTH, |columns| columns.max(MIN_WIDTH));
    let renderer = if layout.color { Renderer::styled() } else { Renderer::plain() }.term_width(columns);
    let mut text = String::new();
    // Where they fill a screen, the count at the end is far from the first, which people mend first.
    if folded.shown.len() > FEW {
        let _ = writeln!(text, "{}:\n", count(diagnostics));
    }
    let shown_by = if layout.all { "" } else { "; `-v` shows them" };
    for FindingShown { finding, alike, uncounted } in &folded.shown {
        text.push_str(&renderer.render(&groups(finding, sources, &lines, columns)));
        text.push_str("\n\n");
        let more = alike.len() + uncounted;
        if more > 0 {
            let (rows, places) = (if more == 1 { "row" } else { "rows" }, places(alike, sources));
            // Writing to a text does not fail.
            let _ = writeln!(text, "… and {} more {rows} like this{places}{shown_by}\n", grouped(more as u64));
        }
    }
    if !folded.unlike.is_empty() {
        let (count, places) = (folded.unlike.len() as u64, places(&folded.unlike, sources));
        let _ = writeln!(text, "… and {} more findings{places}{shown_by}\n", grouped(count));
    }
    for (code, count) in &folded.left_out {
        let _ = writeln!(text, "… and {} more findings [{code}]\n", grouped(*count as u64));
    }
    text.push_str(&count(diagnostics));
    text.push('\n');
    text
}

/// ` (list.csv:5:16, list.csv:6:16, …)`: where findings are that are not shown, so that each can be found all the same.
fn places(findings: &[&Diagnostic], sources: &SourceMap) -> String {
    let placed = findings.iter().filter_map(|finding| finding.span);
    let mut places: Vec<String> = placed
        .take(MAX_PLACES + 1)
        .map(|span| format!("{}:{}:{}", safe::terminal(sources.name(span.source)), span.line, span.column))
        .collect();
    if places.len() > MAX_PLACES {
        places[MAX_PLACES] = "…".to_owned();
    }
    if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) }
}

/// What is shown of many findings.
struct Folded<'d> {
    shown: Vec<FindingShown<'d>>,
    /// Those that are not shown because there are too many of different kinds.
    unlike: Vec<&'d Diagnostic>,
    /// Kinds of which not all findings are held, each with how many are not.
    left_out: Vec<(&'static str, usize)>,
    /// By severity and code: how many kinds of findings have it, and where the last one that is shown of the first such kind stands in `shown`.
    codes: HashMap<(Severity, &'static str), (usize, usize)>,
}

/// A finding that is shown.
struct FindingShown<'d> {
    finding: &'d Diagnostic,
    /// Those like it that follow and are not shown.
    alike: Vec<&'d Diagnostic>,
    /// How many more there are that are not even held.
    uncounted: usize,
}

impl<'d> FindingShown<'d> {
    const fn new(finding: &'d Diagnostic) -> Self {
        Self { finding, alike: Vec::new(), uncounted: 0 }
    }
}

impl<'d> Folded<'d> {
    fn nothing(sorted: &[&'d Diagnostic]) -> Self {
        let shown = sorted.iter().map(|finding| FindingShown::new(finding)).collect();
        Self { shown, unlike: Vec::new(), left_out: Vec::new(), codes: HashMap::new() }
    }

    /// Of those that are alike the first few lines are shown: a list of 5,000 wrong rows has one cause. Of one line all are, since each of them is
    /// mended by itself, and so are a handful: each may have a cause of its own.
    fn of(sorted: &[&'d Diagnostic], lines: &SourceLines) -> Self {
        let mut folded = Self::nothing(&[]);
        let kind_of = |finding: &Diagnostic| (finding.severity, finding.code, shape(finding, lines));
        let mut counts: HashMap<(Severity, &str, String), usize> = HashMap::new();
        for finding in sorted {
            *counts.entry(kind_of(finding)).or_default() += 1;
        }
        let mut kinds: HashMap<(Severity, &str, String), ShownKind> = HashMap::new();
        let mut by_severity: HashMap<Severity, usize> = HashMap::new();
        for finding in sorted {
            let (severity, code) = (finding.severity, finding.code);
            let kind = kind_of(finding);
            let is_handful = counts.get(&kind).is_some_and(|count| *count <= HANDFUL);
            let kind = kinds.entry(kind).or_default();
            let is_new = kind.last.is_none();
            let line = finding.span.map(|span| (span.source, span.line));
            let is_shown = is_handful || kind.lines.contains(&line) || kind.lines.len() < MAX_ALIKE;
            if let (false, Some(last)) = (is_shown, kind.last) {
                folded.shown[last].alike.push(finding);
                continue;
            }
            let of_severity = by_severity.entry(severity).or_default();
            *of_severity += 1;
            if *of_severity > MAX_SHOWN {
                folded.unlike.push(finding);
                continue;
            }
            if !kind.lines.contains(&line) {
                kind.lines.push(line);
            }
            let last = folded.shown.len();
            let mut shown = FindingShown::new(finding);
            // What is told of them follows the last one that is shown.
            shown.alike = kind.last.map_or_else(Vec::new, |before| std::mem::take(&mut folded.shown[before].alike));
            folded.shown.push(shown);
            kind.last = Some(last);
            let of_code = folded.codes.entry((severity, code)).or_insert((0, last));
            of_code.0 += usize::from(is_new);
            if of_code.0 == 1 {
                of_code.1 = last;
            }
        }
        folded
    }

    /// Adds those that are only counted, to their like where all of their code are alike.
    fn count_in(&mut self, diagnostics: &Diagnostics) {
        for (severity, code, count) in diagnostics.left_out() {
            match self.codes.get(&(severity, code)) {
                Some((1, last)) => self.shown[*last].uncounted += count,
                _ => self.left_out.push((code, count)),
            }
        }
    }
}

/// The findings of a kind that are shown.
#[derive(Default)]
struct ShownKind {
    /// Where the last one stands among all that are shown.
    last: Option<usize>,
    /// Their lines.
    lines: Vec<Option<(SourceId, u32)>>,
}

/// A message without what differs from row to row: numbers, and the text that is marked.
fn shape(diagnostic: &Diagnostic, lines: &SourceLines) -> String {
    let marked = diagnostic.span.and_then(|span| {
        let skipped = span.column.saturating_sub(1) as usize;
        let letters = lines.text_at(span)?.chars().skip(skipped).take((span.length as usize).min(MAX_MARK));
        Some(letters.collect::<String>())
    });
    let marked = marked.as_deref().map(|text| text.trim_matches(['"', '\''])).filter(|text| !text.is_empty());
    let message = marked.map_or_else(|| diagnostic.what.clone(), |marked| diagnostic.what.replace(marked, ""));
    message.chars().filter(|letter| !letter.is_ascii_digit()).collect()
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
        let mut texts = sources.lines(&wanted);
        // Where something else is wrong nobody may have seen that a secret stands beside it: the provider's name is misspelled, or the
        // file is no YAML.
        texts.retain(|line, text| !secret.contains(line) && !safe::may_hold_credential(text));
        let read: HashSet<SourceId> = texts.keys().map(|(source, _)| *source).collect();
        // Plans, settings files and documents have their texts here; lists have no accounts.
        for (source, text) in read.into_iter().filter_map(|source| Some((source, sources.text(source)?))) {
            for line in safe::lines_among_accounts(text) {
                texts.remove(&(source, line));
            }
        }
        Self { texts }
    }

    fn text_at(&self, span: Span) -> Option<&str> {
        self.texts.get(&(span.source, span.line)).map(String::as_str)
    }
}

fn groups<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
    lines: &SourceLines,
    columns: usize,
) -> Vec<Group<'a>> {
    // Line numbers of one finding share a width, and ` | ` stands behind them.
    let numbers = diagnostic.span.iter().chain(diagnostic.related.iter().map(|(span, _)| span)).map(|span| span.line);
    let gutter = numbers.max().unwrap_or(0).to_string().len() + 4;
    let room = columns.saturating_sub(gutter);
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(sentence(&diagnostic.what)).id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(span) = diagnostic.span {
        group = with_place(group, span, sources, lines, room);
    }
    if let Some(help) = &diagnostic.help {
        // A help may hold lines to paste, so its line breaks stay; every other control character is escaped.
        let help: Vec<_> = help.lines().map(sentence).collect();
        group = group.element(Level::HELP.message(help.join("\n")));
    }
    let mut groups = vec![group];
    for (span, text) in &diagnostic.related {
        let group = Group::with_title(Level::NOTE.secondary_title(sentence(text)));
        groups.push(with_place(group, *span, sources, lines, room));
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

fn with_place<'a>(group: Group<'a>, span: Span, sources: &'a SourceMap, lines: &SourceLines, room: usize) -> Group<'a> {
    let name = safe::terminal(sources.name(span.source));
    let origin = |name| Origin::path(name).line(span.line as usize).char_column(span.column as usize);
    let Some(line) = lines.text_at(span) else { return group.element(origin(name)) };
    let ShownLine { text, marked, same_column } = shown_line(line, span, room);
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

/// A line as it fits into `room` cells: of a longer one the surroundings of the span are shown, so that the marker points at it. Each unsafe
/// character becomes one harmless character: an escape of several would move the marker.
fn shown_line(line: &str, span: Span, room: usize) -> ShownLine {
    let start = span.column.saturating_sub(1) as usize;
    let marked = (span.length.max(1) as usize).min(MAX_MARK);
    // However long the line is, no more of it is looked at.
    let base = start.saturating_sub(room);
    let mut letters = line.chars().skip(base);
    let near: Vec<char> = letters.by_ref().take(start - base + marked + room).map(harmless).collect();
    let goes_on = letters.next().is_some();
    let from = (start - base).min(near.len());
    let mut to = from + near[from..].iter().take(marked).count();
    while to > from + 1 && cells(&near[from..to]) > room / 2 {
        to -= 1;
    }
    let mut first = 0;
    if base > 0 || cells(&near[..to]) + 1 > room {
        first = from;
        while first > 0 && cells(&near[first - 1..to]) < room * 2 / 3 {
            first -= 1;
        }
    }
    let is_cut = base > 0 || first > 0;
    // Without the marks of what is cut off.
    let free = room.saturating_sub(usize::from(is_cut));
    let mut end = near.len();
    if goes_on || cells(&near[first..]) > free {
        end = to;
        let mut used = cells(&near[first..to]) + 1;
        while end < near.len() && used + cells(&near[end..=end]) <= free {
            used += cells(&near[end..=end]);
            end += 1;
        }
    }
    let bytes = |letters: &[char]| letters.iter().map(|letter| letter.len_utf8()).sum::<usize>();
    let mut text = if is_cut { "…".to_owned() } else { String::new() };
    let mark = text.len() + bytes(&near[first..from]);
    let mark = mark..mark + if span.length == 0 { 0 } else { bytes(&near[from..to]) };
    text.extend(&near[first..end]);
    if goes_on || end < near.len() {
        text.push('…');
    }
    ShownLine { text, marked: mark, same_column: !is_cut && span.column > 0 && from == start }
}

/// How many cells of a terminal letters take. The renderer shows a tab as four blanks.
fn cells(letters: &[char]) -> usize {
    letters.iter().map(|letter| if *letter == '\t' { 4 } else { letter.width().unwrap_or(1) }).sum()
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
/// Columns where there is no terminal.
const WIDTH: usize = 120;
/// Columns of a narrower terminal are taken for so many.
const MIN_WIDTH: usize = 40;
/// Characters of a message.
const MAX_SENTENCE: usize = 4000;
/// Characters of a span that are marked.
const MAX_MARK: usize = 80;
/// Lines that are shown of findings that are alike.
const MAX_ALIKE: usize = 3;
/// So many findings that are alike are all shown.
const HANDFUL: usize = 10;
/// Places that are told of findings that are not shown.
const MAX_PLACES: usize = 20;
/// Findings that are shown of a severity.
const MAX_SHOWN: usize = 50;
/// So many findings are surveyed without a count above them.
const FEW: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

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
        let rendered = render(&all, &sources, FindingsLayout::default());
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
            let rendered = render(&diagnostics, &sources, FindingsLayout::default());
            assert!(rendered.contains(&format!("long.csv:1:{column}\n")), "{rendered}");
            assert!(rendered.chars().count() < 1000, "{} {rendered}", rendered.len());
            let layout = FindingsLayout { columns: Some(60), ..FindingsLayout::default() };
            let narrow = render(&diagnostics, &sources, layout);
            assert!(narrow.lines().all(|line| UnicodeWidthStr::width(line) <= 60), "{narrow}");
            if column == 5001 {
                let lines: Vec<&str> = narrow.lines().collect();
                let marked = lines.iter().position(|line| line.contains('^')).unwrap();
                let before = |line: &str, what: &str| UnicodeWidthStr::width(line.split(what).next().unwrap());
                assert_eq!(before(lines[marked - 1], "needle"), before(lines[marked], "^^^^^^"), "{narrow}");
                assert!(rendered.contains("needle") && rendered.contains("^^^^^^\n"), "{rendered}");
            }
        }
    }

    #[test]
    fn findings_that_are_alike_are_folded() {
        let rows: String = (1..=2000).map(|row| format!("x{row},y{row}\n")).collect();
        let mut sources = SourceMap::default();
        let id = sources.add_text("list.csv", None, rows.as_str().into());
        let mut all = Diagnostics::default();
        for row in 1..=2000 {
            let length = row.to_string().len() as u32 + 1;
            let wrong = |column, field| {
                let letter = if column == 1 { 'x' } else { 'y' };
                let what = format!("`{field}`: `{letter}{row}` is no number");
                Diagnostic::error("wrong-type", span(id, row, column, length), what)
            };
            all.push(wrong(1, "order_id"));
            if row <= 20 {
                all.push(wrong(length + 2, "certificate_id"));
            }
        }
        all.push(Diagnostic::error("once", span(id, 1900, 1, 1), "another"));
        for at in 1..=5 {
            all.push(Diagnostic::error("header", span(id, 1, at, 1), format!("there is no field {at}")));
        }
        let folded = render(&all, &sources, FindingsLayout::default());
        assert!(folded.starts_with("2026 errors:\n\nerror["), "{folded}");
        // Two kinds have the code, so nobody knows of which those are that are not held.
        for (words, times) in [
            ("`order_id`: ", 3),
            ("`certificate_id`: ", 3),
            ("… and 977 more rows like this (list.csv:4:1, list.csv:5:1, ", 1),
            (", list.csv:23:1, …); `-v` shows them\n", 1),
            ("… and 17 more rows like this (list.csv:4:4, ", 1),
            (", list.csv:20:5); `-v` shows them\n", 1),
            ("… and 1,020 more findings [wrong-type]\n", 1),
            ("error[once]", 1),
            // What is wrong with one line is mended one by one.
            ("error[header]", 5),
        ] {
            assert_eq!(folded.matches(words).count(), times, "{words}: {folded}");
        }
        let whole = render(&all, &sources, FindingsLayout { all: true, ..FindingsLayout::default() });
        assert_eq!((whole.matches("error[wrong-type]").count(), whole.matches("`-v`").count()), (1000, 0));
        assert_eq!(to_json(&all, &sources).as_array().map(Vec::len), Some(1006), "JSON holds all that are held");
    }

    #[test]
    fn of_one_mistake_in_5000_rows_three_are_shown_and_4997_counted() {
        let mut sources = SourceMap::default();
        let id = sources.add_text("list.csv", None, "a\n".repeat(5000).into());
        let mut all = Diagnostics::default();
        for row in 1..=5000 {
            all.push(Diagnostic::error("wrong", span(id, row, 1, 1), format!("row {row}: `a` is wrong")));
        }
        let folded = render(&all, &sources, FindingsLayout::default());
        assert!(folded.contains("… and 4,997 more rows like this (list.csv:4:1, "), "{folded}");
        assert!(folded.ends_with(", list.csv:23:1, …); `-v` shows them\n\n5000 errors\n"), "{folded}");
        assert!(folded.lines().count() < 30, "{folded}");
    }

    #[test]
    fn a_handful_that_are_alike_are_all_shown() {
        let keys: String = (1..=11).map(|key| format!("k{key}: 1\n")).collect();
        let mut sources = SourceMap::default();
        let id = sources.add_text("plan.yaml", None, keys.as_str().into());
        for (count, shown) in [(4, 4), (10, 10), (11, 3)] {
            let mut all = Diagnostics::default();
            for key in 1..=count {
                let what = format!("a plan has no key `k{key}`");
                all.push(Diagnostic::error("unknown-key", span(id, key, 1, key.to_string().len() as u32 + 1), what));
            }
            let folded = render(&all, &sources, FindingsLayout::default());
            assert_eq!(folded.matches("error[unknown-key]").count(), shown, "{folded}");
            for key in 1..=count {
                assert!(folded.contains(&format!("plan.yaml:{key}:1")), "{folded}");
            }
        }
    }

    #[test]
    fn errors_are_shown_however_many_warnings_there_are() {
        let mut all = Diagnostics::default();
        for letter in ('a'..='z').flat_map(|one| ('a'..='z').map(move |two| format!("{one}{two}"))) {
            all.push(Diagnostic::warning("odd", None, format!("`{letter}` is odd")));
        }
        all.push(Diagnostic::error("wrong", None, "the error"));
        let folded = render(&all, &SourceMap::default(), FindingsLayout::default());
        assert!(folded.contains("error[wrong]: the error") && folded.contains("more findings; `-v`"), "{folded}");
        assert_eq!(folded.matches("warning[odd]").count(), 50);
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
