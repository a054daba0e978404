//! The report as Markdown, to be pasted into a ticket or a job's summary: how many ended how, and each action that did not end well. Every
//! text is made inert: it stands for itself, whatever it looks like.

use super::{ReportColumns, ReportRow};
use crate::run::Outcome;
use crate::text::safe;
use std::io::{self, Write};

/// Writes rows as Markdown.
pub struct MarkdownReport<W: Write> {
    output: W,
    counts: [u64; Outcome::ALL.len()],
    has_rows: bool,
    /// Whether the report is of several runs.
    runs: bool,
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
    use super::*;

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
