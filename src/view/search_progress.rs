//! How far a search is, as one line that is replaced; and what it came to, as sentences. Decides nothing.

use super::printer::Printer;
use super::progress::WorkLine;
use super::table::{grouped, plural};
use crate::find::Looked;
use crate::find::found::LeftOut;
use std::time::Duration;

/// The line of a search that goes on. What there is to look through is not known before its end, so it counts.
pub struct SearchProgress(WorkLine);

impl SearchProgress {
    /// Begins at this time of a steady clock.
    pub fn begin(printer: &Printer, now: Duration) -> Self {
        Self(WorkLine::begin(printer, ASKED_EVERY, now))
    }

    /// So many files and rows were looked at; now and then the time is asked for.
    pub fn looked(&mut self, count: u64, now: impl FnOnce() -> Duration) {
        self.0.tell(now, |_, elapsed| {
            let pace = count as f64 / elapsed.as_secs_f64();
            format!("looking: {} files and rows, {}/s", grouped(count), grouped(pace as u64))
        });
    }

    /// Takes the line away.
    pub fn end(self) {
        self.0.end();
    }
}

/// What a search came to.
pub fn summary(found: u64, looked: &Looked, left_out: &LeftOut) -> String {
    let rows = if looked.rows > 0 { format!(" and {} of lists", plural(looked.rows, "row")) } else { String::new() };
    let others = match looked.others {
        0 => String::new(),
        1 => " (1 file has none)".to_owned(),
        others => format!(" ({} files have none)", grouped(others)),
    };
    let specials = if looked.specials > 0 {
        format!("; sockets, pipes and devices passed over: {}", grouped(looked.specials))
    } else {
        String::new()
    };
    let text = format!(
        "found {}; looked at {} with {}{others}{rows}{specials}",
        plural(found, "certificate"),
        plural(looked.files, "file"),
        plural(looked.certificates, "certificate"),
    );
    let counts = [
        (left_out.expired, "expired"),
        (left_out.revoked, "revoked"),
        (left_out.cas, "of CAs"),
        (left_out.not_issued, "not issued"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    if counts.is_empty() { text } else { format!("{text}\nleft out: {} (`--all` takes them)", counts.join(", ")) }
}

/// The clock is asked once in so many steps.
const ASKED_EVERY: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_says_what_it_looked_through_and_what_it_left_out() {
        let looked = Looked { files: 1200, certificates: 900, rows: 3000, others: 7, specials: 0 };
        assert_eq!(
            summary(0, &looked, &LeftOut::default()),
            "found 0 certificates; looked at 1,200 files with 900 certificates (7 files have none) and 3,000 rows of lists"
        );
        let left_out = LeftOut { expired: 2, revoked: 1, ..LeftOut::default() };
        let looked = Looked { files: 1, certificates: 3, ..Looked::default() };
        assert_eq!(
            summary(1, &looked, &left_out),
            "found 1 certificate; looked at 1 file with 3 certificates\nleft out: 2 expired, 1 revoked (`--all` takes them)"
        );
    }
}
