//! The report as JSON: an array, one object a row, one row a line. Texts are verbatim (what acts on a terminal is escaped); the kept
//! columns stand under `kept`. Never holds more than one row in memory.

use super::{ReportColumns, ReportRow, SETTLED, SIMULATED};

use crate::text::safe::JsonOutput;
use crate::time::rfc3339;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::io::{self, Write};

/// Writes rows as a JSON array.
pub struct JsonReport<W: Write> {
    output: W,
    columns: ReportColumns<'static>,
    kept_columns: Vec<String>,
    rows: u64,
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

/// A row as an object, its members in the order of the columns.
struct RowObject<'a> {
    row: &'a ReportRow<'a>,
    columns: &'a ReportColumns<'static>,
    kept_columns: &'a [String],
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

/// The kept columns of a row.
struct KeptCells<'a> {
    names: &'a [String],
    values: &'a [String],
}

impl Serialize for KeptCells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.values))
    }
}

#[cfg(test)]
mod tests {
    use super::super::RunCells;
    use super::super::testing::row;
    use super::*;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn written(kept: &[&str], rows: &[ReportRow<'_>]) -> Value {
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
        let report = written(&["Owner", "Ticket"], &rows);
        assert_eq!(report[0]["started_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!(report[0]["provider_message"], "=1\u{1b}");
        assert_eq!(report[0]["finished_at"], Value::Null);
        assert_eq!(report[1]["kept"], json!({"Owner": "김", "Ticket": "T-1"}));
        let mut writer = JsonReport::new(Vec::new(), ReportColumns::default()).unwrap();
        writer.write(&row("a")).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let places: Vec<usize> =
            super::super::csv::HEADER.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
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
        assert_eq!(written(&[], &[]), json!([]));
        assert_eq!(written(&[], &[row("a")]).as_array().map(Vec::len), Some(1));
        assert_eq!(written(&[], &[row("a")])[0].get("kept"), None);
    }
}
