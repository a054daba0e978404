//! The formats of a report for other programs, each written row by row and in the order of the rows: CSV and JSON with every column, JUnit XML for the
//! test pages of CI servers, Markdown for a ticket or a job's summary. Every text is made safe for what reads it: spreadsheets, terminals, XML,
//! Markdown. Never holds more than one row in memory.

use super::{HEADER, ISSUED, ReportColumns, ReportRow, RunCells, SETTLED, SIMULATED, VERIFIED, VerifiedCells};
use crate::run::Outcome;
use crate::text::safe::{self, JsonOutput};
use crate::time::rfc3339;
use csv::ByteRecord;
use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::io::{self, Write};

/// Writes rows as CSV: RFC 4180, with its CRLF line ends, UTF-8 without a BOM.
pub struct CsvReport<W: Write> {
    rows: csv::Writer<W>,
    columns: ReportColumns<'static>,
    kept: usize,
    /// The row that is being written.
    row: ByteRecord,
}

/// Writes rows as a JSON array: one object a row, one row a line. Texts are verbatim (what acts on a terminal is escaped); the kept columns stand
/// under `kept`.
pub struct JsonReport<W: Write> {
    output: W,
    columns: ReportColumns<'static>,
    kept_columns: Vec<String>,
    rows: u64,
}

/// Writes rows as JUnit XML: an action is a test case.
pub struct JunitReport<W: Write> {
    output: W,
    /// Whether the report is of several runs: then a case's class begins with its run.
    runs: bool,
}

/// Writes as Markdown how many ended how, and each action that did not end well. Every text stands for itself, whatever it looks like.
pub struct MarkdownReport<W: Write> {
    output: W,
    counts: [u64; Outcome::ALL.len()],
    has_rows: bool,
    /// Whether the report is of several runs.
    runs: bool,
}

/// A row as an object, its members in the order of the columns.
struct RowObject<'a> {
    row: &'a ReportRow<'a>,
    columns: &'a ReportColumns<'static>,
    kept_columns: &'a [String],
}

/// The kept columns of a row.
struct KeptCells<'a> {
    names: &'a [String],
    values: &'a [String],
}

impl<W: Write> CsvReport<W> {
    /// Begins the report: the contract's header, a rehearsal's mark, those of verification where there was one, then the kept columns' names.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(output: W, columns: ReportColumns<'_>) -> io::Result<Self> {
        let mut writer = Self {
            rows: csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output),
            columns: ReportColumns { kept: &[], ..columns },
            kept: columns.kept.len(),
            row: ByteRecord::new(),
        };
        let issued = ISSUED.into_iter().filter(|_| columns.issued);
        let verified = VERIFIED.into_iter().filter(|_| columns.verified);
        let simulated = columns.simulated.then_some(SIMULATED);
        let of_run = columns.of_run(&RunCells::default()).map(|(name, _)| name);
        let settled = SETTLED.into_iter().filter(|_| columns.settled);
        let own = HEADER.into_iter().chain(issued).chain(simulated).chain(of_run).chain(settled).chain(verified);
        for name in own.chain(columns.kept.iter().map(String::as_str)) {
            writer.text(name);
        }
        writer.end()?;
        Ok(writer)
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        self.text(row.action_id);
        self.text(row.provider);
        self.text(row.operation);
        self.text(row.target);
        self.optional(row.reason);
        self.optional(row.reason_sent);
        self.own(row.outcome.as_str());
        self.number(row.http_status.map(u64::from));
        self.optional(row.provider_code);
        self.optional(row.provider_message);
        self.optional(row.provider_ref);
        self.number(Some(row.attempts.into()));
        self.instant(row.started_at);
        self.instant(row.finished_at);
        self.number(row.duration_ms);
        self.text(row.source);
        if self.columns.issued {
            let issued = row.issued.as_ref();
            self.optional(issued.map(|issued| issued.serial_number));
            self.instant(issued.map(|issued| issued.not_after));
            self.optional(issued.map(|issued| issued.file.as_str()));
        }
        if self.columns.simulated {
            self.own(if row.run.simulated { "true" } else { "false" });
        }
        for (_, text) in self.columns.of_run(&row.run) {
            self.text(&text);
        }
        if self.columns.settled {
            let settled = row.settled.as_ref();
            self.text(settled.map_or("", |settled| settled.by));
            self.own(&settled.map(|settled| rfc3339(settled.at)).unwrap_or_default());
            self.text(settled.map_or("", |settled| settled.note));
        }
        if self.columns.verified {
            for cell in VerifiedCells::cells(row.verified.as_ref()) {
                self.own(&cell);
            }
        }
        // By index, not by the row's own length: a row of another list of the plan may lack columns, and every line needs as many cells.
        for index in 0..self.kept {
            self.optional(row.kept.get(index).map(String::as_str));
        }
        self.end()
    }

    /// Ends the report and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(self) -> io::Result<W> {
        self.rows.into_inner().map_err(|error| error.into_error())
    }

    /// A cell of a text from elsewhere.
    fn text(&mut self, text: &str) {
        self.own(&safe::spreadsheet(text));
    }

    fn optional(&mut self, text: Option<&str>) {
        self.text(text.unwrap_or_default());
    }

    /// A cell that certsweep itself made: outcomes, numbers and instants cannot be formulas.
    fn own(&mut self, cell: &str) {
        self.row.push_field(cell.as_bytes());
    }

    fn number(&mut self, number: Option<u64>) {
        self.own(&number.map(|number| number.to_string()).unwrap_or_default());
    }

    fn instant(&mut self, at: Option<Timestamp>) {
        self.own(&at.map(rfc3339).unwrap_or_default());
    }

    fn end(&mut self) -> io::Result<()> {
        self.rows.write_byte_record(&self.row)?;
        self.row.clear();
        Ok(())
    }
}

impl<W: Write> JsonReport<W> {
    /// Begins the report.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(mut output: W, columns: ReportColumns<'_>) -> io::Result<Self> {
        output.write_all(b"[")?;
        let kept_columns = columns.kept.to_vec();
        Ok(Self { output, columns: ReportColumns { kept: &[], ..columns }, kept_columns, rows: 0 })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        self.output.write_all(if self.rows == 0 { b"\n" } else { b",\n" })?;
        self.rows += 1;
        let object = RowObject { row, columns: &self.columns, kept_columns: &self.kept_columns };
        serde_json::to_writer(JsonOutput(&mut self.output), &object).map_err(io::Error::from)
    }

    /// Ends the report and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        self.output.flush()?;
        Ok(self.output)
    }
}

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("action_id", row.action_id)?;
        object.serialize_entry("provider", row.provider)?;
        object.serialize_entry("operation", row.operation)?;
        object.serialize_entry("target", row.target)?;
        object.serialize_entry("reason", &row.reason)?;
        object.serialize_entry("reason_sent", &row.reason_sent)?;
        object.serialize_entry("outcome", &row.outcome)?;
        object.serialize_entry("http_status", &row.http_status)?;
        object.serialize_entry("provider_code", &row.provider_code)?;
        object.serialize_entry("provider_message", &row.provider_message)?;
        object.serialize_entry("provider_ref", &row.provider_ref)?;
        object.serialize_entry("attempts", &row.attempts)?;
        object.serialize_entry("started_at", &row.started_at.map(rfc3339))?;
        object.serialize_entry("finished_at", &row.finished_at.map(rfc3339))?;
        object.serialize_entry("duration_ms", &row.duration_ms)?;
        object.serialize_entry("source", row.source)?;
        if self.columns.issued {
            let issued = row.issued.as_ref();
            object.serialize_entry("new_serial_number", &issued.map(|issued| issued.serial_number))?;
            object.serialize_entry("new_not_after", &issued.map(|issued| rfc3339(issued.not_after)))?;
            object.serialize_entry("new_certificate", &issued.map(|issued| &issued.file))?;
        }
        // A real run's rows stay as they are.
        if self.columns.simulated {
            object.serialize_entry(SIMULATED, &row.run.simulated)?;
        }
        for (name, text) in self.columns.of_run(&row.run) {
            object.serialize_entry(name, &text)?;
        }
        if self.columns.settled {
            let [by, at, note] = SETTLED;
            object.serialize_entry(by, &row.settled.map(|settled| settled.by))?;
            object.serialize_entry(at, &row.settled.map(|settled| rfc3339(settled.at)))?;
            object.serialize_entry(note, &row.settled.map(|settled| settled.note))?;
        }
        if self.columns.verified {
            let verified = row.verified.as_ref();
            let after = verified.and_then(|verified| verified.after(row.finished_at));
            object.serialize_entry("verified", &verified.map(|verified| verified.seen))?;
            object.serialize_entry("verified_at", &verified.map(|verified| rfc3339(verified.at)))?;
            object.serialize_entry("verified_by", &verified.map(|verified| &verified.by))?;
            object.serialize_entry("verified_reason", &verified.and_then(|verified| verified.reason))?;
            object.serialize_entry("verified_note", &verified.and_then(|verified| verified.note.as_ref()))?;
            object.serialize_entry("revoked_at", &verified.and_then(|verified| verified.revoked_at).map(rfc3339))?;
            let after = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            object.serialize_entry("time_to_revoke_ms", &after)?;
            object.serialize_entry("not_seen_revoked", &verified.and_then(|verified| verified.why.as_ref()))?;
        }
        if !self.kept_columns.is_empty() {
            object.serialize_entry("kept", &KeptCells { names: self.kept_columns, values: row.kept })?;
        }
        object.end()
    }
}

impl Serialize for KeptCells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.values))
    }
}

impl<W: Write> JunitReport<W> {
    /// Begins the report. `title` is the plan's name.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(mut output: W, title: &str, columns: ReportColumns<'_>) -> io::Result<Self> {
        let (title, mark) = (escaped(title), if columns.simulated { " (rehearsal)" } else { "" });
        writeln!(output, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"certsweep\">")?;
        writeln!(output, "<testsuite name=\"{title}{mark}\">")?;
        Ok(Self { output, runs: columns.run })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        let run = if self.runs { format!("{}.", row.run.run_dir) } else { String::new() };
        let (id, class) = (escaped(row.action_id), escaped(&format!("{run}{}.{}", row.provider, row.operation)));
        write!(self.output, "<testcase name=\"{id}\" classname=\"{class}\"")?;
        if let Some(duration) = row.duration_ms {
            write!(self.output, " time=\"{}.{:03}\"", duration / 1000, duration % 1000)?;
        }
        if let Some(finished) = row.finished_at {
            write!(self.output, " timestamp=\"{}\"", rfc3339(finished))?;
        }
        self.output.write_all(b">")?;
        let message = escaped(row.provider_message.unwrap_or_default());
        let outcome = row.outcome;
        match outcome {
            Outcome::Succeeded | Outcome::AlreadyDone => {}
            Outcome::PendingApproval | Outcome::Pending => {
                write!(self.output, "<system-out>{outcome}: {message}</system-out>")?;
            }
            Outcome::Rejected | Outcome::Failed => {
                write!(self.output, "<failure type=\"{outcome}\" message=\"{message}\"/>")?;
            }
            // Nobody knows: that is no failure of the action.
            Outcome::InDoubt => write!(self.output, "<error type=\"{outcome}\" message=\"{message}\"/>")?,
            Outcome::Skipped | Outcome::Planned => write!(self.output, "<skipped message=\"{message}\"/>")?,
        }
        self.output.write_all(b"</testcase>\n")
    }

    /// Ends the report and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(b"</testsuite>\n</testsuites>\n")?;
        self.output.flush()?;
        Ok(self.output)
    }
}

impl<W: Write> MarkdownReport<W> {
    /// Begins the report. `title` is the plan's name.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(mut output: W, title: &str, columns: ReportColumns<'_>) -> io::Result<Self> {
        writeln!(output, "## certsweep: {}\n", inert(title))?;
        if columns.simulated {
            writeln!(output, "**REHEARSAL** (simulated): nothing was sent to a provider.\n")?;
        }
        Ok(Self { output, counts: [0; Outcome::ALL.len()], has_rows: false, runs: columns.run })
    }

    /// Takes one row: it is counted, and written where the action did not end well or is not settled.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        for (outcome, count) in Outcome::ALL.iter().zip(&mut self.counts) {
            *count += u64::from(*outcome == row.outcome);
        }
        if row.outcome.is_well() && !row.outcome.is_pending() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_rows, true) {
            let (run, rule) = if self.runs { ("| run ", "|---") } else { ("", "") };
            writeln!(self.output, "{run}| action | provider | operation | target | outcome | message |")?;
            writeln!(self.output, "{rule}|---|---|---|---|---|---|")?;
        }
        let cells = [row.action_id, row.provider, row.operation, row.target, row.outcome.as_str()];
        for cell in Some(row.run.run_dir)
            .filter(|_| self.runs)
            .into_iter()
            .chain(cells)
            .chain([row.provider_message.unwrap_or_default()])
        {
            write!(self.output, "| {} ", inert(cell))?;
        }
        self.output.write_all(b"|\n")
    }

    /// Ends the report with the counts, and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        if self.has_rows {
            self.output.write_all(b"\n")?;
        }
        self.output.write_all(b"| outcome | actions |\n|---|---:|\n")?;
        for (outcome, count) in Outcome::ALL.iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            writeln!(self.output, "| {outcome} | {count} |")?;
        }
        writeln!(self.output, "| all | {} |", self.counts.iter().sum::<u64>())?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// `safe::terminal` has left no control character, of which XML 1.0 has no form; U+FFFE and U+FFFF have none either.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in safe::terminal(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Nothing in it is markup, a link or a mention: each ASCII mark is escaped, as CommonMark allows for all of them (section 2.4), and what would
/// still be a tag, a mention or a link by itself is an entity.
fn inert(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    for letter in safe::terminal(text).chars() {
        match letter {
            '&' => inert.push_str("&amp;"),
            '<' => inert.push_str("&lt;"),
            '>' => inert.push_str("&gt;"),
            '@' => inert.push_str("&#64;"),
            ':' => inert.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' => {
                inert.push('\\');
                inert.push(letter);
            }
            other => inert.push(other),
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::super::{IssuedCells, SettledCells};
    use super::*;
    use crate::pki::RevocationReason;
    use crate::run::{Seen, Shard, StatusSource};
    use serde_json::{Value, json};

    #[test]
    fn new_certificates_have_their_columns_behind_the_contracts() {
        let columns = ReportColumns { issued: true, ..ReportColumns::default() };
        let mut writer = CsvReport::new(Vec::new(), columns).unwrap();
        let file = "certificates/a.pem".to_owned();
        let issued = Some(IssuedCells { serial_number: "0a1b", not_after: Timestamp::UNIX_EPOCH, file });
        writer.write(&ReportRow { issued, ..row("a") }).unwrap();
        writer.write(&row("b")).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let ends: Vec<&str> =
            text.lines().filter_map(|line| Some(line.split_once("source").or(line.split_once(":7"))?.1)).collect();
        assert_eq!(
            ends,
            [
                ",new_serial_number,new_not_after,new_certificate",
                ",0a1b,1970-01-01T00:00:00.000Z,certificates/a.pem",
                ",,,"
            ]
        );
    }

    #[test]
    fn the_columns_beyond_the_contracts_have_one_order() {
        let columns = ReportColumns {
            simulated: true,
            issued: true,
            operator: true,
            ticket: true,
            shard: true,
            run: true,
            verified: true,
            settled: true,
            kept: &["Owner".to_owned()],
        };
        let settled = Some(SettledCells { by: "lee", at: Timestamp::UNIX_EPOCH, note: "seen" });
        let mut writer = CsvReport::new(Vec::new(), columns).unwrap();
        let run = RunCells {
            simulated: true,
            operator: Some("Kim"),
            ticket: Some("INC-42"),
            shard: Some(Shard::parse("2/4").unwrap()),
            run_dir: "runs/=x",
        };
        writer.write(&ReportRow { run, settled, kept: &["Ann".to_owned()], ..row("a") }).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].ends_with(
                ",source,new_serial_number,new_not_after,new_certificate,simulated,operator,ticket,shard,run,settled_by,settled_at,\
                 settled_note,verified,verified_at,verified_by,verified_reason,Owner"
            ),
            "{text}"
        );
        let row = ",plan.yaml:7,,,,true,Kim,INC-42,2 of 4,runs/=x,lee,1970-01-01T00:00:00.000Z,seen,,,,,Ann";
        assert!(lines[1].ends_with(row), "{text}");
    }

    fn written(kept: &[&str], rows: &[ReportRow<'_>]) -> String {
        let kept: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        let verified = rows.iter().any(|row| row.verified.is_some());
        let columns = ReportColumns { verified, kept: &kept, ..ReportColumns::default() };
        let mut writer = CsvReport::new(Vec::new(), columns).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn the_header_is_the_contracts_with_the_kept_columns_at_the_end() {
        assert_eq!(
            written(&["Owner", "=Ticket"], &[]),
            "action_id,provider,operation,target,reason,reason_sent,outcome,http_status,provider_code,provider_message,\
             provider_ref,attempts,started_at,finished_at,duration_ms,source,Owner,'=Ticket\r\n"
        );
    }

    #[test]
    fn a_row_is_written_whole() {
        let row = ReportRow {
            reason: Some("keyCompromise"),
            reason_sent: Some("key_compromise"),
            outcome: Outcome::AlreadyDone,
            http_status: Some(201),
            provider_ref: Some("998"),
            attempts: 2,
            started_at: Some(Timestamp::from_millisecond(1_700_000_000_000).unwrap()),
            finished_at: Some(Timestamp::from_millisecond(1_700_000_001_250).unwrap()),
            duration_ms: Some(1250),
            kept: &["Kim".into()],
            ..row("shop")
        };
        assert_eq!(
            written(&["Owner", "Ticket"], &[row]).lines().nth(1),
            Some(
                "shop,digicert,revoke,112358,keyCompromise,key_compromise,already-done,201,,,998,2,\
                 2023-11-14T22:13:20.000Z,2023-11-14T22:13:21.250Z,1250,plan.yaml:7,Kim,"
            )
        );
    }

    #[test]
    fn what_the_world_sees_stands_before_the_kept_columns() {
        let seen = VerifiedCells {
            seen: Seen::Revoked,
            at: Timestamp::from_millisecond(1_700_000_005_000).unwrap(),
            by: vec![StatusSource::Crl, StatusSource::Ocsp],
            revoked_at: None,
            reason: Some(RevocationReason::KeyCompromise),
            note: Some("not in this format".to_owned()),
            why: None,
        };
        let kept = ["Kim".to_owned()];
        let text = written(
            &["Owner"],
            &[ReportRow { verified: Some(seen), kept: &kept, ..row("a") }, ReportRow { kept: &kept, ..row("b") }],
        );
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let ends = |record: csv::StringRecord| record.iter().skip(15).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            ends(reader.headers().unwrap().clone()),
            ["source", "verified", "verified_at", "verified_by", "verified_reason", "Owner"]
        );
        let rows: Vec<Vec<String>> = reader.records().map(|record| ends(record.unwrap())).collect();
        assert_eq!(rows[0], ["plan.yaml:7", "revoked", "2023-11-14T22:13:25.000Z", "crl ocsp", "keyCompromise", "Kim"]);
        assert_eq!(rows[1], ["plan.yaml:7", "", "", "", "", "Kim"]);
    }

    #[test]
    fn every_row_of_a_rehearsal_says_so_before_the_kept_columns() {
        let kept = ["Owner".to_owned()];
        let columns = ReportColumns { simulated: true, ticket: true, kept: &kept, ..ReportColumns::default() };
        let run = RunCells { simulated: true, ticket: Some("=INC-42"), ..RunCells::default() };
        let mut writer = CsvReport::new(Vec::new(), columns).unwrap();
        writer.write(&ReportRow { run, kept: &["Kim".to_owned()], ..row("a") }).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].ends_with(",source,simulated,ticket,Owner")
                && lines[1].ends_with(",plan.yaml:7,true,'=INC-42,Kim"),
            "{text}"
        );
    }

    #[test]
    fn foreign_text_is_quoted_and_made_safe() {
        for (message, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\\tx"),
            ("\rx", "'\\rx"),
            ("two\r\nlines", "two\\r\\nlines"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("인증서를 찾을 수 없습니다", "인증서를 찾을 수 없습니다"),
        ] {
            let text = written(&[], &[ReportRow { provider_message: Some(message), ..row("a") }]);
            let line = text.lines().nth(1).unwrap();
            assert_eq!(
                line,
                format!("a,digicert,revoke,112358,,,skipped,,,{expected},,0,,,,plan.yaml:7"),
                "{message:?}"
            );
        }
    }

    #[test]
    fn every_row_can_be_read_again() {
        let rows: Vec<ReportRow<'_>> = ["a", "b,\"", "c\nd"].iter().map(|id| row(id)).collect();
        let text = written(&["k"], &rows);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), HEADER.len() + 1);
        let ids: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        assert_eq!(ids, ["a", "b,\"", "c\\nd"]);
    }

    fn written_json(kept: &[&str], rows: &[ReportRow<'_>]) -> Value {
        let kept: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        let columns = ReportColumns { kept: &kept, ..ReportColumns::default() };
        let mut writer = JsonReport::new(Vec::new(), columns).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        serde_json::from_slice(&writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn rows_are_objects_with_the_columns_names() {
        let started = Some(Timestamp::from_millisecond(1_700_000_000_000).unwrap());
        let rows = [
            ReportRow { started_at: started, provider_message: Some("=1\u{1b}"), ..row("a") },
            ReportRow { kept: &["김".into(), "T-1".into()], ..row("b") },
        ];
        let report = written_json(&["Owner", "Ticket"], &rows);
        assert_eq!(report[0]["started_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!(report[0]["provider_message"], "=1\u{1b}");
        assert_eq!(report[0]["finished_at"], Value::Null);
        assert_eq!(report[1]["kept"], json!({"Owner": "김", "Ticket": "T-1"}));
        let mut writer = JsonReport::new(Vec::new(), ReportColumns::default()).unwrap();
        writer.write(&row("a")).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let places: Vec<usize> = HEADER.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted() && places.len() == text.matches("\":").count(), "{text}");
    }

    #[test]
    fn every_row_of_a_rehearsal_says_so() {
        for (simulated, expected) in [(true, Some(&json!(true))), (false, None)] {
            let columns = ReportColumns { simulated, ..ReportColumns::default() };
            let mut writer = JsonReport::new(Vec::new(), columns).unwrap();
            let run = RunCells { simulated, ..RunCells::default() };
            writer.write(&ReportRow { run, ..row("a") }).unwrap();
            let report: Value = serde_json::from_slice(&writer.finish().unwrap()).unwrap();
            assert_eq!(report[0].get("simulated"), expected);
        }
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        assert_eq!(written_json(&[], &[]), json!([]));
        assert_eq!(written_json(&[], &[row("a")]).as_array().map(Vec::len), Some(1));
        assert_eq!(written_json(&[], &[row("a")])[0].get("kept"), None);
    }

    #[test]
    fn each_outcome_has_its_element_and_text_stays_text() {
        let mut report = JunitReport::new(Vec::new(), "<p> & \"q\"", ReportColumns::default()).unwrap();
        for (outcome, message) in [
            (Outcome::Succeeded, None),
            (Outcome::PendingApproval, Some("waits")),
            (Outcome::Rejected, Some("<no> \u{1b}\u{ffff}")),
            (Outcome::InDoubt, None),
            (Outcome::Skipped, Some("later")),
        ] {
            report
                .write(&ReportRow { outcome, provider_message: message, duration_ms: Some(1042), ..row("a") })
                .unwrap();
        }
        let text = String::from_utf8(report.finish().unwrap()).unwrap();
        for expected in [
            "<testsuite name=\"&lt;p&gt; &amp; &quot;q&quot;\">",
            " time=\"1.042\"",
            "<system-out>pending-approval: waits</system-out>",
            "<failure type=\"rejected\" message=\"&lt;no&gt; \\u{1b}\u{fffd}\"/>",
            "<error type=\"in-doubt\" message=\"\"/>",
            "<skipped message=\"later\"/>",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert_eq!((text.matches("<testcase").count(), text.matches("</testcase>").count()), (5, 5));
        assert!(text.ends_with("</testsuite>\n</testsuites>\n"));
    }

    #[test]
    fn what_needs_a_person_stands_in_a_table_and_text_stays_text() {
        let columns = ReportColumns { simulated: true, ..ReportColumns::default() };
        let mut report = MarkdownReport::new(Vec::new(), "a *plan*", columns).unwrap();
        let message = Some("<img src=x> [x](http://e.example) | @all `x`\n# x");
        for row in [
            ReportRow { outcome: Outcome::Succeeded, ..row("well") },
            ReportRow { outcome: Outcome::Rejected, provider_message: message, ..row("a|b") },
            ReportRow { outcome: Outcome::Pending, ..row("open") },
        ] {
            report.write(&row).unwrap();
        }
        let text = String::from_utf8(report.finish().unwrap()).unwrap();
        assert!(text.starts_with("## certsweep: a \\*plan\\*\n\n**REHEARSAL**"), "{text}");
        assert!(text.contains("| a\\|b ") && text.contains("| open ") && !text.contains("| well "), "{text}");
        assert!(text.contains("&lt;img src=x&gt; \\[x\\]\\(http&#58;//e.example\\) \\| &#64;all \\`x\\`"), "{text}");
        assert!(
            text.ends_with(
                "| outcome | actions |\n|---|---:|\n| succeeded | 1 |\n| pending | 1 |\n| rejected | 1 |\n| all | 3 |\n"
            ),
            "{text}"
        );
    }
}
