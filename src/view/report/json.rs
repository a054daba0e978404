//! The report as JSON: an array, one object a row, one row a line. Texts are verbatim (JSON escapes control characters); the kept
//! columns stand under `kept`. Never holds more than one row in memory.

use super::Row;
use super::row::Columns;
use crate::time::rfc3339;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Writes rows as a JSON array.
pub struct Writer<W: Write> {
    output: W,
    verified: bool,
    kept_columns: Vec<String>,
    rows: u64,
}

impl<W: Write> Writer<W> {
    /// Begins the report.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(mut output: W, columns: Columns<'_>) -> io::Result<Self> {
        output.write_all(b"[")?;
        Ok(Self { output, verified: columns.verified, kept_columns: columns.kept.to_vec(), rows: 0 })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.output.write_all(if self.rows == 0 { b"\n" } else { b",\n" })?;
        self.rows += 1;
        let object = self.object(row);
        serde_json::to_writer(&mut self.output, &object).map_err(io::Error::from)
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

    fn object(&self, row: &Row<'_>) -> Value {
        let mut object = json!({
            "action_id": row.action_id,
            "provider": row.provider,
            "operation": row.operation,
            "target": row.target,
            "reason": row.reason,
            "reason_sent": row.reason_sent,
            "outcome": row.outcome,
            "http_status": row.http_status,
            "provider_code": row.provider_code,
            "provider_message": row.provider_message,
            "provider_ref": row.provider_ref,
            "attempts": row.attempts,
            "started_at": row.started_at.map(rfc3339),
            "finished_at": row.finished_at.map(rfc3339),
            "duration_ms": row.duration_ms,
            "source": row.source,
        });
        if self.verified {
            let verified = row.verified.as_ref();
            object["verified"] = json!(verified.map(|verified| verified.seen));
            object["verified_at"] = json!(verified.map(|verified| rfc3339(verified.at)));
            object["verified_by"] = json!(verified.map(|verified| &verified.by));
            object["revoked_at"] = json!(verified.and_then(|verified| verified.revoked_at).map(rfc3339));
            let after = verified.and_then(|verified| verified.after(row.finished_at));
            object["time_to_revoke_ms"] =
                json!(after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
            object["not_seen_revoked"] = json!(verified.and_then(|verified| verified.why.as_ref()));
        }
        if !self.kept_columns.is_empty() {
            let kept: Map<String, Value> =
                self.kept_columns.iter().zip(&row.kept).map(|(name, value)| (name.clone(), json!(value))).collect();
            object["kept"] = Value::Object(kept);
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::testing::row;
    use super::*;
    use jiff::Timestamp;

    fn written(kept: &[&str], rows: &[Row<'_>]) -> Value {
        let kept: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        let mut writer = Writer::new(Vec::new(), Columns { verified: false, kept: &kept }).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        serde_json::from_slice(&writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn rows_are_objects_with_the_columns_names() {
        let started = Some(Timestamp::from_millisecond(1_700_000_000_000).unwrap());
        let rows = [
            Row { started_at: started, provider_message: Some("=1\u{1b}"), ..row("a") },
            Row { kept: vec!["김".into(), "T-1".into()], ..row("b") },
        ];
        let report = written(&["Owner", "Ticket"], &rows);
        assert_eq!(report[0]["started_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!(report[0]["provider_message"], "=1\u{1b}");
        assert_eq!(report[0]["finished_at"], Value::Null);
        assert_eq!(report[1]["kept"], json!({"Owner": "김", "Ticket": "T-1"}));
        let names: Vec<&String> = report[0].as_object().unwrap().keys().collect();
        assert_eq!(names[..16], super::super::csv::HEADER);
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        assert_eq!(written(&[], &[]), json!([]));
        assert_eq!(written(&[], &[row("a")]).as_array().map(Vec::len), Some(1));
        assert_eq!(written(&[], &[row("a")])[0].get("kept"), None);
    }
}
