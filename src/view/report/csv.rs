//! The report as CSV: RFC 4180, with its CRLF line ends, UTF-8 without a BOM. Every text cell is made safe for spreadsheets and
//! terminals. Never reorders rows.

use super::{ISSUED, ReportColumns, ReportRow, RunCells, SETTLED, SIMULATED, VERIFIED, VerifiedCells};

use crate::text::safe;
use crate::time::rfc3339;
use csv::ByteRecord;
use jiff::Timestamp;
use std::io::{self, Write};

/// Writes rows as CSV.
pub struct CsvReport<W: Write> {
    rows: csv::Writer<W>,
    columns: ReportColumns<'static>,
    kept: usize,
    /// The row that is being written.
    row: ByteRecord,
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

/// The contract's columns, in their order.
pub const HEADER: [&str; 16] = [
    "action_id",
    "provider",
    "operation",
    "target",
    "reason",
    "reason_sent",
    "outcome",
    "http_status",
    "provider_code",
    "provider_message",
    "provider_ref",
    "attempts",
    "started_at",
    "finished_at",
    "duration_ms",
    "source",
];

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::super::{IssuedCells, SettledCells};
    use super::*;
    use crate::run::{Outcome, Shard};
    use jiff::Timestamp;

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
            seen: crate::run::Seen::Revoked,
            at: Timestamp::from_millisecond(1_700_000_005_000).unwrap(),
            by: vec![crate::run::StatusSource::Crl, crate::run::StatusSource::Ocsp],
            revoked_at: None,
            reason: Some(crate::pki::RevocationReason::KeyCompromise),
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
}
