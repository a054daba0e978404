//! The rows of a report as a page holds them: what they come to, folded row by row (counts, causes with their first actions, those with trouble,
//! what was seen of the revocations), in few and short texts, however many there are; and all of them as CSV, packed. The page's script makes the
//! same CSV again. Foreign text loses what reorders or hides other letters; the template escapes what is markup.

use crate::run::{Outcome, Seen};
use crate::text::safe;
use crate::view::report::formats::CsvReport;
use crate::view::report::{HEADER, ReportColumns, ReportRow};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};

/// The fold of a report's rows.
pub(super) struct RowFold {
    csv: CsvReport<Packer>,
    figures: RowFigures,
    causes: HashMap<(CauseKind, String, String), Cause>,
    /// Rows with trouble so far, by kind.
    shown: [usize; 7],
}

/// What all rows come to.
#[derive(Debug, Default)]
pub(super) struct RowFigures {
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// Of these, those that are never sent, on purpose.
    pub(super) left_out: u64,
    pub(super) by_provider: BTreeMap<String, BTreeMap<Outcome, u64>>,
    /// Whether every operation begins with `revoke`, or every one with `reissue`.
    pub(super) revokes_only: bool,
    pub(super) reissues_only: bool,
    /// How many actions took so many attempts.
    pub(super) attempts: BTreeMap<u32, u64>,
    /// What was seen of the revocations, and by which sources.
    pub(super) seen: BTreeMap<Seen, u64>,
    pub(super) seen_by: BTreeMap<(Seen, &'static str), u64>,
    /// What is to be said of published reasons that are not those asked, and of how many actions.
    pub(super) other_reasons: BTreeMap<String, u64>,
    /// From the end of an action until it was seen revoked, in milliseconds.
    pub(super) times_to_revoke: Vec<u64>,
    /// What needs a person, worst first and most first.
    pub(super) causes: Vec<Cause>,
    /// The rows with trouble, worst first; at most [`MAX_TROUBLE`] of each kind.
    pub(super) trouble: Vec<TroubleRow>,
    /// All rows with trouble.
    pub(super) trouble_rows: u64,
    pub(super) rows: u64,
}

/// Why actions need a person: worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CauseKind {
    InDoubt,
    Rejected,
    Failed,
    NotSeenRevoked,
    PendingApproval,
    Pending,
    Skipped,
}

/// Actions of one provider that need a person for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) kind: CauseKind,
    pub(super) provider: Shown,
    pub(super) message: Shown,
    pub(super) actions: u64,
    /// The first ones' ids.
    pub(super) first: Vec<Shown>,
}

/// A row with trouble, as far as it is shown on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TroubleRow {
    pub(super) kind: CauseKind,
    pub(super) outcome: Outcome,
    pub(super) action_id: Shown,
    pub(super) provider: Shown,
    pub(super) operation: Shown,
    pub(super) target: Shown,
    pub(super) message: Shown,
    pub(super) source: Shown,
}

/// Text from outside, made safe to show. The whole of a long one is in the rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Shown(String);

/// A report's rows as bytes.
pub(super) struct PackedRows {
    /// The packed form, compressed by gzip.
    pub(super) gzip: Vec<u8>,
    /// The SHA-256 of the CSV.
    pub(super) sha256: [u8; 32],
}

/// Packs the CSV that is written, and takes its digest: the same cells, block by block and column by column, with instants as differences, compressed.
/// A third of what the plain text would take compressed. No cell may hold a line break.
///
/// Unpacked, the form is lines: the number of columns and the CSV's name of each; then for each block the number of its rows and, column by column, a cell a line as the CSV has it. An
/// instant is a number of milliseconds: `started_at` since the row before (the first of a block since 1970), `finished_at` since its own row's `started_at`,
/// or since 1970 where there is none.
struct Packer {
    gzip: GzEncoder<Vec<u8>>,
    digest: Sha256,
    /// What was written after the last line break.
    line: Vec<u8>,
    /// The cells of the block, by column.
    block: Vec<Vec<String>>,
    started: Option<usize>,
    finished: Option<usize>,
    has_header: bool,
}

impl RowFold {
    pub(super) fn new(columns: ReportColumns<'_>) -> io::Result<Self> {
        let figures = RowFigures { revokes_only: true, reissues_only: true, ..RowFigures::default() };
        Ok(Self { csv: CsvReport::new(Packer::new(), columns)?, figures, causes: HashMap::new(), shown: [0; 7] })
    }

    pub(super) fn take(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        self.csv.write(row)?;
        let figures = &mut self.figures;
        figures.rows += 1;
        *figures.outcomes.entry(row.outcome).or_default() += 1;
        *of(&mut figures.by_provider, row.provider).entry(row.outcome).or_default() += 1;
        figures.left_out += u64::from(row.left_out);
        figures.revokes_only &= row.operation.starts_with("revoke");
        figures.reissues_only &= row.operation.starts_with("reissue");
        if row.attempts > 0 {
            *figures.attempts.entry(row.attempts).or_default() += 1;
        }
        if let Some(verified) = &row.verified {
            *figures.seen.entry(verified.seen).or_default() += 1;
            for source in &verified.by {
                *figures.seen_by.entry((verified.seen, source.as_str())).or_default() += 1;
            }
            if let Some(note) = &verified.note {
                *of(&mut figures.other_reasons, note) += 1;
            }
            let after = verified.after(row.finished_at);
            figures.times_to_revoke.extend(after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        }
        if let Some((kind, message)) = trouble_of(row) {
            self.trouble(row, kind, message);
        }
        Ok(())
    }

    fn trouble(&mut self, row: &ReportRow<'_>, kind: CauseKind, message: &str) {
        let figures = &mut self.figures;
        figures.trouble_rows += 1;
        self.shown[kind as usize] += 1;
        if self.shown[kind as usize] <= MAX_TROUBLE {
            figures.trouble.push(TroubleRow {
                kind,
                outcome: row.outcome,
                action_id: Shown::new(row.action_id),
                provider: Shown::new(row.provider),
                operation: Shown::new(row.operation),
                target: Shown::new(row.target),
                message: Shown::new(message),
                source: Shown::new(row.source),
            });
        }
        let mut pattern = pattern(message);
        let is_full = self.causes.len() >= MAX_CAUSES;
        if is_full && !self.causes.contains_key(&(kind, row.provider.to_owned(), pattern.clone())) {
            pattern = OTHER.to_owned();
        }
        let cause = self.causes.entry((kind, row.provider.to_owned(), pattern.clone())).or_insert_with(|| Cause {
            kind,
            provider: Shown::new(row.provider),
            message: Shown::new(if pattern == OTHER { OTHER } else { message }),
            actions: 0,
            first: Vec::new(),
        });
        cause.actions += 1;
        if cause.actions == 2 && pattern != OTHER {
            // Of one action its own message is shown; of several, what they have in common.
            cause.message = Shown::new(&pattern);
        }
        if cause.first.len() < FIRST_IDS {
            cause.first.push(Shown::new(row.action_id));
        }
    }

    pub(super) fn finish(self) -> io::Result<(RowFigures, PackedRows)> {
        let Self { csv, mut figures, causes, .. } = self;
        figures.causes = causes.into_values().collect();
        figures.causes.sort_by(|a, b| {
            (a.kind, b.actions, &a.provider, &a.message).cmp(&(b.kind, a.actions, &b.provider, &b.message))
        });
        figures.trouble.sort_by_key(|row| row.kind);
        figures.times_to_revoke.sort_unstable();
        Ok((figures, csv.finish()?.finish()?))
    }
}

impl TroubleRow {
    pub(super) const fn class(&self) -> &'static str {
        class_of(self.outcome)
    }

    pub(super) const fn symbol(&self) -> &'static str {
        symbol_of(self.outcome)
    }
}

impl Shown {
    pub(super) fn new(text: &str) -> Self {
        let short: String = text.chars().take(MAX_SHOWN).collect();
        let rest = text[short.len()..].chars().count();
        let short = safe::terminal(&short);
        Self(if rest > 0 { format!("{short}… (and {rest} more characters)") } else { short.into_owned() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Packer {
    fn new() -> Self {
        Self {
            // The same bytes whenever they are made: the header of gzip holds no time.
            gzip: GzEncoder::new(Vec::new(), Compression::best()),
            digest: Sha256::new(),
            line: Vec::new(),
            block: Vec::new(),
            started: HEADER.iter().position(|name| *name == "started_at"),
            finished: HEADER.iter().position(|name| *name == "finished_at"),
            has_header: false,
        }
    }

    fn finish(mut self) -> io::Result<PackedRows> {
        self.end_block()?;
        Ok(PackedRows { gzip: self.gzip.finish()?, sha256: self.digest.finalize().into() })
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if !self.has_header {
            self.has_header = true;
            let names = split(line);
            writeln!(self.gzip, "{}", names.len())?;
            return names.iter().try_for_each(|name| writeln!(self.gzip, "{name}"));
        }
        let cells = split(line);
        self.block.resize(cells.len().max(self.block.len()), Vec::new());
        for (column, cell) in self.block.iter_mut().zip(cells) {
            column.push(cell.to_owned());
        }
        if self.block.first().is_some_and(|column| column.len() >= BLOCK) {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        let Some(rows) = block.first().map(Vec::len) else { return Ok(()) };
        let instants = |column: Option<usize>| -> Vec<Option<i64>> {
            let cells = column.and_then(|column| block.get(column)).into_iter().flatten();
            cells.map(|cell| Some(cell.parse::<Timestamp>().ok()?.as_millisecond())).collect()
        };
        let (started, finished) = (instants(self.started), instants(self.finished));
        let mut before = 0;
        for (row, at) in started.iter().enumerate() {
            if let (Some(at), Some(column)) = (at, self.started) {
                block[column][row] = (at - before).to_string();
                before = *at;
            }
        }
        for (row, at) in finished.iter().enumerate() {
            if let (Some(at), Some(column)) = (at, self.finished) {
                let since = started.get(row).copied().flatten().unwrap_or(0);
                block[column][row] = (at - since).to_string();
            }
        }
        writeln!(self.gzip, "{rows}")?;
        for cell in block.iter().flatten() {
            self.gzip.write_all(cell.as_bytes())?;
            self.gzip.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digest.update(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The class of an outcome: its colour everywhere.
pub(super) const fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded | Outcome::AlreadyDone => "well",
        Outcome::PendingApproval | Outcome::Pending => "waits",
        Outcome::Rejected | Outcome::Failed => "bad",
        Outcome::InDoubt => "doubt",
        Outcome::Skipped | Outcome::Planned => "left",
    }
}

/// The sign of an outcome, for those who do not see colours.
pub(super) const fn symbol_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "✓",
        Outcome::AlreadyDone => "=",
        Outcome::PendingApproval | Outcome::Pending => "…",
        Outcome::Rejected => "✕",
        Outcome::Failed => "!",
        Outcome::InDoubt => "?",
        Outcome::Skipped => "–",
        Outcome::Planned => "○",
    }
}

/// Why a row needs a person, with what it says about it; `None` where it does not.
fn trouble_of<'a>(row: &'a ReportRow<'_>) -> Option<(CauseKind, &'a str)> {
    let kind = match row.outcome {
        Outcome::InDoubt => CauseKind::InDoubt,
        Outcome::Rejected => CauseKind::Rejected,
        Outcome::Failed => CauseKind::Failed,
        Outcome::PendingApproval => CauseKind::PendingApproval,
        Outcome::Pending => CauseKind::Pending,
        Outcome::Skipped if !row.left_out => CauseKind::Skipped,
        Outcome::Succeeded | Outcome::AlreadyDone => {
            let verified = row.verified.as_ref().filter(|verified| verified.seen != Seen::Revoked)?;
            return Some((CauseKind::NotSeenRevoked, verified.why.as_deref().unwrap_or(verified.seen.as_str())));
        }
        Outcome::Skipped | Outcome::Planned => return None,
    };
    let message = row.provider_message.or(row.provider_code).unwrap_or_default();
    Some((kind, message))
}

/// A message with its numbers and ids taken out: what many actions' messages have in common. The status of an answer stays.
fn pattern(message: &str) -> String {
    let mut pattern = String::new();
    let mut rest: String = message.chars().take(MAX_PATTERN).collect();
    let joins = |letter: char| matches!(letter, '-' | ':' | '.');
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !joins(letter)).unwrap_or(rest.len());
        let token = rest[..end].trim_end_matches(joins).to_owned();
        if token.is_empty() {
            pattern.extend(rest.drain(..rest.chars().next().map_or(0, char::len_utf8)));
            continue;
        }
        rest.drain(..token.len());
        let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        if token.len() == 3 && pattern.ends_with("HTTP ") {
            pattern.push_str(&token);
        } else if has_digit(&token) && token.chars().all(|letter| letter.is_ascii_hexdigit() || joins(letter)) {
            // A number, a UUID, a serial number with colons, an address.
            pattern.push('#');
        } else {
            for word in token.split_inclusive(joins) {
                let bare = word.trim_end_matches(joins);
                pattern.push_str(if has_digit(bare) { "#" } else { bare });
                pattern.push_str(&word[bare.len()..]);
            }
        }
    }
    pattern
}

fn of<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.get_mut(key).expect("it was put there")
}

/// The cells of a line of CSV, their quotes left on.
fn split(line: &str) -> Vec<&str> {
    let (mut cells, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                cells.push(&line[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    cells.push(&line[begin..]);
    cells
}

/// Rows with trouble that stand on paper, of each kind; said on the page.
pub(super) const MAX_TROUBLE: usize = 250;
/// Different causes that are told apart.
const MAX_CAUSES: usize = 5_000;
/// Ids that a cause names.
const FIRST_IDS: usize = 5;
/// Letters of a message that tell causes apart.
const MAX_PATTERN: usize = 2_000;
const OTHER: &str = "other causes";
/// Letters of one text at most.
const MAX_SHOWN: usize = 400;
/// Rows of a block: so few that gzip, which looks 32 KiB back, sees the same id in two columns.
const BLOCK: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::report::testing::row;
    use std::io::Read;

    #[test]
    fn what_messages_have_in_common_is_their_pattern() {
        for (message, expected) in [
            ("order 4711 is not known", "order # is not known"),
            ("HTTP 503 without a body", "HTTP 503 without a body"),
            ("6434f74f-2d13-4e6a-89eb-93ee313f1a43 is gone", "# is gone"),
            ("serial 0A:BC:2C.", "serial #."),
            ("it needs r-0012, which ended rejected", "it needs r-#, which ended rejected"),
            ("ключ 12", "ключ #"),
        ] {
            assert_eq!(pattern(message), expected);
        }
    }

    #[test]
    fn rows_are_counted_and_grouped_worst_first() {
        let mut fold = RowFold::new(ReportColumns::default()).unwrap();
        let failed =
            |id| ReportRow { outcome: Outcome::Failed, provider_message: Some("HTTP 503"), attempts: 5, ..row(id) };
        let rows = [
            ReportRow { outcome: Outcome::Succeeded, attempts: 1, ..row("a") },
            failed("b"),
            failed("c"),
            ReportRow { outcome: Outcome::InDoubt, provider_message: Some("order 1"), ..row("d") },
            ReportRow { outcome: Outcome::InDoubt, provider_message: Some("order 2"), ..row("e") },
            ReportRow { left_out: true, ..row("f") },
            ReportRow { provider_message: Some("<b>\u{202e}"), operation: "reissue", ..row("g") },
        ];
        rows.iter().for_each(|row| fold.take(row).unwrap());
        let (figures, packed) = fold.finish().unwrap();
        let causes: Vec<_> =
            figures.causes.iter().map(|cause| (cause.kind, cause.actions, cause.message.to_string())).collect();
        assert_eq!(
            causes,
            [
                (CauseKind::InDoubt, 2, "order #".to_owned()),
                (CauseKind::Failed, 2, "HTTP 503".to_owned()),
                (CauseKind::Skipped, 1, "<b>\\u{202e}".to_owned()),
            ]
        );
        assert_eq!((figures.rows, figures.left_out, figures.trouble_rows), (7, 1, 5));
        assert_eq!(figures.attempts, BTreeMap::from([(1, 1), (5, 2)]));
        assert!(!figures.revokes_only && !figures.reissues_only);
        assert_eq!(figures.trouble[0].action_id, Shown::new("d"));
        assert!(!packed.gzip.is_empty());
    }

    #[test]
    fn causes_do_not_grow_with_the_rows() {
        let mut fold = RowFold::new(ReportColumns::default()).unwrap();
        for index in 0..MAX_CAUSES + 10 {
            let letters: String = index.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            let row = ReportRow { outcome: Outcome::Rejected, provider_message: Some(&letters), ..row("a") };
            fold.take(&row).unwrap();
        }
        let (figures, _) = fold.finish().unwrap();
        assert_eq!((figures.causes.len(), figures.causes[0].actions), (MAX_CAUSES + 1, 10));
        assert_eq!((figures.trouble.len(), figures.trouble_rows), (MAX_TROUBLE, 5_010));
    }

    #[test]
    fn what_is_shown_is_short_and_still() {
        assert_eq!(Shown::new("a\u{202e}b\u{1b}[31m").to_string(), "a\\u{202e}b\\u{1b}[31m");
        let long = Shown::new(&"김".repeat(65_536)).to_string();
        assert!(long.ends_with("… (and 65136 more characters)") && long.chars().count() < 500, "{long}");
    }

    #[test]
    fn cells_keep_their_quotes() {
        assert_eq!(split(r#"a,"b ""x"", c",,d"#), ["a", r#""b ""x"", c""#, "", "d"]);
    }

    #[test]
    fn rows_become_columns_and_instants_differences() {
        let header = HEADER.join(",");
        let row = |id: &str, started: &str, finished: &str| {
            let cells = HEADER.map(|name| match name {
                "action_id" => id,
                "started_at" => started,
                "finished_at" => finished,
                _ => "",
            });
            cells.join(",")
        };
        let csv = [
            header,
            row("\"a,b\"", "1970-01-01T00:00:01.000Z", "1970-01-01T00:00:01.250Z"),
            row("c", "", "1970-01-01T00:00:02.000Z"),
            row("d", "1970-01-01T00:00:00.900Z", ""),
        ]
        .map(|line| line + "\r\n")
        .concat();
        let mut packer = Packer::new();
        // However it is cut.
        for byte in csv.as_bytes() {
            packer.write_all(&[*byte]).unwrap();
        }
        let packed = packer.finish().unwrap();
        assert_eq!(packed.sha256, <[u8; 32]>::from(Sha256::digest(&csv)));
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.gzip.as_slice()).read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let names = HEADER.len();
        assert_eq!((lines[0], &lines[1..=names]), (names.to_string().as_str(), &HEADER as &[_]));
        let lines = &lines[names..];
        assert_eq!((lines[1], &lines[2..5]), ("3", &["\"a,b\"", "c", "d"] as &[_]));
        let column = |name| {
            let index = HEADER.iter().position(|found| *found == name).unwrap();
            lines[2 + index * 3..5 + index * 3].to_vec()
        };
        assert_eq!(column("started_at"), ["1000", "", "-100"]);
        assert_eq!(column("finished_at"), ["250", "2000", ""]);
        assert_eq!(lines.len(), 2 + HEADER.len() * 3);
    }
}
