//! The report as one HTML page that needs nothing else: no scripts, no fonts, nothing fetched. Every text from outside is
//! escaped. Never holds more than one row in memory.

use super::csv::HEADER;
use super::{ReportColumns, ReportRow, VERIFIED, VerifiedCells};

use crate::run::Outcome;
use crate::text::safe;
use crate::time::rfc3339;
use std::io::{self, Write};

/// Writes rows as an HTML page.
pub struct HtmlReport<W: Write> {
    output: W,
    verified: bool,
    kept: usize,
    counts: [u64; Outcome::ALL.len()],
}

impl<W: Write> HtmlReport<W> {
    /// Begins the page. `title` is the plan's name.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn new(mut output: W, title: &str, columns: ReportColumns<'_>) -> io::Result<Self> {
        let title = escaped(title);
        // In the title too: that is what a browser's tab, a bookmark and a saved file's name show.
        let (mark, ribbon) = if columns.simulated { ("REHEARSAL: ", RIBBON) } else { ("", "") };
        write!(
            output,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{mark}certsweep: {title}</title>\n"
        )?;
        write!(output, "<style>{STYLE}</style>\n{ribbon}<h1>{title}</h1>\n<table>\n<thead><tr>")?;
        let verified = VERIFIED.into_iter().filter(|_| columns.verified);
        for name in HEADER.into_iter().chain(verified).chain(columns.kept.iter().map(String::as_str)) {
            write!(output, "<th>{}</th>", escaped(name))?;
        }
        output.write_all(b"</tr></thead>\n<tbody>\n")?;
        Ok(Self { output, verified: columns.verified, kept: columns.kept.len(), counts: [0; Outcome::ALL.len()] })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        for (outcome, count) in Outcome::ALL.iter().zip(&mut self.counts) {
            *count += u64::from(*outcome == row.outcome);
        }
        let optional = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let cells = [
            row.action_id.to_owned(),
            row.provider.to_owned(),
            row.operation.to_owned(),
            row.target.to_owned(),
            optional(row.reason),
            optional(row.reason_sent),
            row.outcome.as_str().to_owned(),
            row.http_status.map(|status| status.to_string()).unwrap_or_default(),
            optional(row.provider_code),
            optional(row.provider_message),
            optional(row.provider_ref),
            row.attempts.to_string(),
            row.started_at.map(rfc3339).unwrap_or_default(),
            row.finished_at.map(rfc3339).unwrap_or_default(),
            row.duration_ms.map(|duration| duration.to_string()).unwrap_or_default(),
            row.source.to_owned(),
        ];
        write!(self.output, "<tr class=\"{}\">", row.outcome.as_str())?;
        let kept = (0..self.kept).map(|index| row.kept.get(index).map_or("", String::as_str));
        let mut verified = VerifiedCells::cells(row.verified.as_ref());
        // The note stands where the reason does: it begins with it.
        if let (Some(note), [.., reason]) =
            (row.verified.as_ref().and_then(|verified| verified.note.as_ref()), &mut verified)
        {
            note.clone_into(reason);
        }
        let verified = verified.iter().filter(|_| self.verified).map(String::as_str);
        for cell in cells.iter().map(String::as_str).chain(verified).chain(kept) {
            write!(self.output, "<td>{}</td>", escaped(cell))?;
        }
        self.output.write_all(b"</tr>\n")
    }

    /// Ends the page with the counts, and gives the output back.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(b"</tbody>\n</table>\n<p>")?;
        let all: u64 = self.counts.iter().sum();
        write!(self.output, "{all} actions")?;
        for (outcome, count) in Outcome::ALL.iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            write!(self.output, " · {count} {outcome}")?;
        }
        self.output.write_all(b"</p>\n</html>\n")?;
        self.output.flush()?;
        Ok(self.output)
    }
}

fn escaped(text: &str) -> String {
    let text = safe::terminal(text);
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const RIBBON: &str = "<p class=\"rehearsal\" role=\"note\"><strong>REHEARSAL</strong> (simulated): nothing was sent to a provider, \
    and nothing was revoked or reissued.</p>\n";
const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}\
    th,td{border-bottom:1px solid #ddd;padding:.3em .6em;text-align:left;vertical-align:top;white-space:nowrap}\
    td:nth-child(10){white-space:normal;min-width:20em}th{position:sticky;top:0;background:#fff}\
    tr.rejected,tr.failed{background:#fdecea}tr.in-doubt{background:#fff4d6}tr.skipped,tr.planned{color:#666}\
    .rehearsal{position:sticky;left:0;margin:0 0 1em;padding:.6em 1em;background:#b00020;color:#fff}\
    .rehearsal{-webkit-print-color-adjust:exact;print-color-adjust:exact}";

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        let mut writer = HtmlReport::new(
            Vec::new(),
            "<plan>",
            ReportColumns { kept: &["A&B".to_owned()], ..ReportColumns::default() },
        )
        .unwrap();
        let message = Some("<script>alert('x')</script>");
        writer.write(&ReportRow { provider_message: message, kept: &["\"q\"".into()], ..row("a") }).unwrap();
        writer.write(&ReportRow { outcome: Outcome::InDoubt, ..row("b") }).unwrap();
        let page = String::from_utf8(writer.finish().unwrap()).unwrap();
        for expected in [
            "<h1>&lt;plan&gt;</h1>",
            "<th>A&amp;B</th>",
            "<td>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</td>",
            "<td>&quot;q&quot;</td></tr>",
            "<tr class=\"in-doubt\">",
            "2 actions · 1 in-doubt · 1 skipped",
        ] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("<script") && !page.contains("REHEARSAL"));
    }

    #[test]
    fn a_rehearsal_says_so_above_everything() {
        let columns = ReportColumns { simulated: true, ..ReportColumns::default() };
        let writer = HtmlReport::new(Vec::new(), "plan", columns).unwrap();
        let page = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert!(page.contains("<title>REHEARSAL: certsweep: plan</title>"), "{page}");
        let (ribbon, heading) = (page.find("<p class=\"rehearsal\"").unwrap(), page.find("<h1>plan</h1>").unwrap());
        assert!(ribbon < heading && page.contains("simulated"), "{page}");
    }
}
