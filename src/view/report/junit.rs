//! The report as JUnit XML, for the test pages of CI servers: an action is a test case. Every text is made safe for XML 1.0.

use super::{ReportColumns, ReportRow};
use crate::run::Outcome;
use crate::text::safe;
use crate::time::rfc3339;
use std::io::{self, Write};

/// Writes rows as test cases.
pub struct JunitReport<W: Write> {
    output: W,
    /// Whether the report is of several runs: then a case's class begins with its run.
    runs: bool,
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

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::*;

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
}
