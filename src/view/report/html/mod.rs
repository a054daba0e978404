//! The incident page: one HTML file that says how a run went, what needs a person, and who did what with which rules; with all rows, compressed.
//! It loads nothing and sends nothing: its policy (Content Security Policy, level 3) allows its own script and style alone. The page of a run
//! is the same whenever it is made, so that a page can be held against its run. Decides nothing of a run.

mod chart;
mod figures;
mod packed;
mod page;
mod plots;
mod rows;
mod several;
mod shown;
mod source;
mod timeline;

pub use several::{JoinedRuns, PageRun};
pub use source::PageSource;
pub use timeline::Timeline;

use super::{ReportColumns, ReportRow};
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use page::PageText;
use rows::{RowFold, TroubleRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Collects a report's rows, and writes the page when all are there: its first sentence counts them.
pub struct HtmlReport {
    rows: RowFold,
}

/// What a page says of itself: what it was made with, and the digest of what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageMark {
    /// The version that wrote it.
    pub version: String,
    /// SHA-256 over the run's facts and its rows, in hexadecimal.
    pub digest: String,
    /// The run directory as a shell takes it; of several runs, one after the other.
    pub run_dir: String,
    /// The outcomes that it was limited to.
    pub only: Vec<String>,
}

impl HtmlReport {
    /// Begins the page.
    ///
    /// # Errors
    /// Where the columns cannot be written.
    pub fn new(columns: ReportColumns<'_>) -> io::Result<Self> {
        Ok(Self { rows: RowFold::new(columns)? })
    }

    /// Takes the next row in.
    ///
    /// # Errors
    /// Where it cannot be packed.
    pub fn write(&mut self, row: &ReportRow<'_>) -> io::Result<()> {
        self.rows.take(row)
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Where the output fails.
    pub fn finish(self, source: &PageSource<'_>, output: &mut dyn Write) -> io::Result<()> {
        let (figures, packed) = self.rows.finish()?;
        let rows_digest = hex::encode(packed.sha256);
        let mark = PageMark {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: digest(source, &rows_digest)?,
            run_dir: source.run_dir.to_owned(),
            only: source.only.iter().map(|outcome| outcome.as_str().to_owned()).collect(),
        };
        let page = PageTemplate {
            policy: policy(),
            mark: BASE64_STANDARD.encode(serde_json::to_vec(&mark).map_err(io::Error::from)?),
            digest: &mark.digest,
            rows_digest: &rows_digest,
            version: &mark.version,
            text: PageText::new(source, &figures),
            trouble: &figures.trouble,
            trouble_limit: page::ROWS_OF_A_KIND,
            rows: figures.rows,
            packed: BASE64_STANDARD.encode(&packed.gzip),
            style: STYLE,
            script: SCRIPT,
        };
        page.write_into(output)?;
        output.flush()
    }
}

impl std::fmt::Debug for HtmlReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HtmlReport").finish_non_exhaustive()
    }
}

impl PageMark {
    /// The mark of a page; `None` where the text is no such page.
    pub fn of(page: &str) -> Option<Self> {
        let (_, after) = page.get(..MAX_HEAD.min(page.len())).unwrap_or(page).split_once(MARK_BEGINS)?;
        let (mark, _) = after.split_once('"')?;
        serde_json::from_slice(&BASE64_STANDARD.decode(mark).ok()?).ok()
    }
}

/// The template's values.
#[derive(Template)]
#[template(path = "report.html")]
struct PageTemplate<'a> {
    policy: String,
    mark: String,
    digest: &'a str,
    rows_digest: &'a str,
    version: &'a str,
    text: PageText,
    trouble: &'a [TroubleRow],
    trouble_limit: usize,
    rows: u64,
    packed: String,
    style: &'static str,
    script: &'static str,
}

/// SHA-256 over what a page is made of: the run's facts and state, and the digest of its rows.
fn digest(source: &PageSource<'_>, rows_digest: &str) -> io::Result<String> {
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(source.facts).map_err(io::Error::from)?);
    for run in source.several {
        digest.update(serde_json::to_vec(run.facts).map_err(io::Error::from)?);
    }
    digest.update(rows_digest);
    for instant in [source.run.began_at, source.run.finished_at, source.run.verified_at].into_iter().flatten() {
        digest.update(instant.to_string());
    }
    for session in source.timeline.iter().flat_map(|timeline| &timeline.sessions) {
        digest.update(session.began.to_string());
    }
    Ok(hex::encode(digest.finalize()))
}

/// The page's own policy: what it holds, by digest, and nothing else.
fn policy() -> String {
    let allowed = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        allowed(SCRIPT),
        allowed(STYLE)
    )
}

const STYLE: &str = include_str!("../../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../../templates/report.js");
/// What stands before a page's mark.
const MARK_BEGINS: &str = "<meta name=\"certsweep\" content=\"";
/// Bytes of a page within which its mark stands.
const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::*;
    use crate::journal::state::Overview;
    use crate::journal::{Record, Reply, RunFacts, StoredRecord};
    use crate::plan::settings::{Deadline, Safety, Schedule};
    use crate::plan::{Account, Retry, Settings};
    use crate::provider::model::Window;
    use crate::run::{Outcome, RunOrigin};
    use crate::view::status::RunState;
    use jiff::Timestamp;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts(name: &str) -> RunFacts {
        let account = Account {
            name: "digicert".into(),
            provider: "digicert".into(),
            base_url: "https://ca.example".into(),
            auth_url: None,
            variables: BTreeMap::new(),
            credentials: BTreeMap::new(),
            windows: vec![Window { count: 2, length: Duration::from_secs(5) }],
            concurrency: 4,
            concurrency_follows: false,
            own_keys: false,
            reasons: BTreeMap::new(),
            challenge_hook: None,
        };
        let settings = Settings {
            name: name.into(),
            deadline: Some(Deadline::After(Duration::from_secs(60))),
            accounts: vec![account],
            retry: Retry::default(),
            timeout: Duration::from_secs(30),
            schedule: Schedule::default(),
            safety: Safety::default(),
            keep_columns: vec![],
            hooks: vec![],
        };
        RunFacts {
            settings,
            digest: "d".into(),
            actions: 2,
            documents: BTreeMap::new(),
            made_at: at(0),
            provider_directories: vec![],
            simulated: false,
            simulator_port: None,
            issuers: vec![],
            part: None,
            origin: RunOrigin::default(),
        }
    }

    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(1);
        let answer = Reply { http_status: Some(204), ..Reply::default() };
        for record in [
            Record::Began { at: at(10), version: "1".into(), boot: None },
            Record::Finished { at: at(20) },
            Record::Intent { ordinal: 0, attempt: 1, at: at(10) },
            Record::Ended { ordinal: 0, at: at(11), outcome: Outcome::Succeeded, answer: answer.clone() },
            Record::Intent { ordinal: 1, attempt: 1, at: at(12) },
            Record::Ended { ordinal: 1, at: at(20), outcome: Outcome::Failed, answer },
        ] {
            let steady = Duration::from_secs(record.at().as_second().unsigned_abs());
            timeline.take(&StoredRecord { seq: 1 << 40, steady, record }, |_| (0, 0));
        }
        timeline.close()
    }

    fn made(facts: &RunFacts, rows: &[ReportRow<'_>], finished: Option<i64>) -> String {
        let run = Overview { began_at: Some(at(10)), finished_at: finished.map(at), ..Overview::default() };
        let mut page =
            HtmlReport::new(ReportColumns { simulated: facts.simulated, ..ReportColumns::default() }).unwrap();
        rows.iter().for_each(|row| page.write(row).unwrap());
        let (timeline, mut output) = (timeline(), Vec::new());
        let source = PageSource {
            facts,
            run: &run,
            timeline: Some(&timeline),
            state: if finished.is_some() { RunState::Finished } else { RunState::Interrupted },
            several: &[],
            run_dir: "runs/x",
            only: &[],
            damage: None,
        };
        page.finish(&source, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    fn done(id: &str) -> ReportRow<'_> {
        ReportRow { outcome: Outcome::Succeeded, attempts: 1, ..row(id) }
    }

    #[test]
    fn the_first_sentence_says_how_it_went() {
        let failed = ReportRow { outcome: Outcome::Failed, provider_message: Some("HTTP 503"), ..row("b") };
        let copy = ReportRow { left_out: true, ..row("c") };
        for (rows, finished, tone, expected) in [
            (vec![done("a"), copy.clone()], Some(20), "good", "1 of 1 revocation done in 10s. <span"),
            (vec![done("a"), failed.clone()], Some(20), "bad", "1 of 2 revocations done in 10s; 1 failed."),
            (vec![done("a")], Some(20), "good", "Deadline met with 50s to spare."),
            (vec![done("a")], Some(100), "bad", "Deadline MISSED by 30s."),
            (vec![done("a"), row("b")], None, "attention", "; 1 not sent. The run was interrupted."),
            (vec![ReportRow { operation: "reissue", ..done("a") }], Some(20), "good", "1 of 1 reissue done"),
            (vec![ReportRow { operation: "order", ..done("a") }], Some(20), "good", "1 of 1 action done"),
            (vec![], Some(20), "good", "0 of 0 actions done"),
        ] {
            let page = made(&facts("plan"), &rows, finished);
            let verdict = page.lines().find(|line| line.contains("class=\"verdict")).unwrap();
            assert!(
                verdict.contains(expected) && verdict.contains(&format!("verdict {tone}")),
                "{expected}: {verdict}"
            );
        }
    }

    #[test]
    fn what_needs_a_person_has_its_command() {
        let outcomes = [
            (Outcome::InDoubt, "certsweep resume runs/x --retry in-doubt"),
            (Outcome::Rejected, "certsweep report runs/x --format plan --outcome rejected -o left.csv"),
            (Outcome::Failed, "certsweep resume runs/x --retry failed"),
            (Outcome::PendingApproval, "certsweep resume runs/x --retry pending"),
            (Outcome::Pending, "certsweep resume runs/x --retry pending"),
            (Outcome::Skipped, "certsweep report runs/x --format plan --outcome skipped -o left.csv"),
        ];
        for (outcome, command) in outcomes {
            let page = made(&facts("plan"), &[ReportRow { outcome, ..row("a") }], Some(20));
            assert!(page.contains(&format!("<code>{command}</code>")), "{outcome}");
        }
        assert!(made(&facts("plan"), &[row("a")], None).contains("<code>certsweep resume runs/x</code>"));
        assert!(made(&facts("plan"), &[done("a")], Some(20)).contains("<p>Nothing.</p>"));
    }

    #[test]
    fn foreign_text_stays_text_and_is_no_longer_than_a_reader_reads() {
        let hostile = format!("</script><script>alert(1)</script>\u{202e}\u{1b}[31m{}", "<!--".repeat(16_384));
        let texts = ReportRow {
            outcome: Outcome::Rejected,
            target: &hostile,
            source: &hostile,
            provider_message: Some(&hostile),
            ..row(&hostile)
        };
        let mut facts = facts(&hostile);
        facts.settings.accounts[0].name.clone_from(&hostile);
        facts.origin = RunOrigin {
            operator: Some(hostile.clone()),
            ticket: Some(hostile.clone()),
            user: hostile.clone(),
            host: hostile.clone(),
            command_line: vec![hostile.clone(), hostile.clone()],
            version: hostile.clone(),
        };
        let page = made(&facts, &[texts], Some(20));
        assert_eq!((page.matches("<script").count(), page.matches("<!--").count()), (2, 0));
        assert!(!page.contains(['\u{202e}', '\u{1b}']));
        assert!(page.len() < 120_000, "{}", page.len());
    }

    #[test]
    fn a_rehearsal_says_so_above_everything() {
        let page = made(&RunFacts { simulated: true, ..facts("plan") }, &[done("a")], Some(20));
        assert!(page.contains("<title>REHEARSAL: plan: certsweep</title>"), "{page}");
        let (ribbon, heading) = (page.find("<strong>REHEARSAL</strong>").unwrap(), page.find("<h1>plan</h1>").unwrap());
        assert!(ribbon < heading && page.contains("simulated"));
        assert!(!made(&facts("plan"), &[done("a")], Some(20)).contains("REHEARSAL</strong>"));
    }

    #[test]
    fn a_page_allows_what_it_holds_and_marks_what_it_is() {
        let page = made(&facts("plan"), &[done("a")], Some(20));
        assert_eq!(page, made(&facts("plan"), &[done("a")], Some(20)), "the same whenever it is made");
        assert!(page.contains("content=\"default-src &#39;none&#39;; script-src &#39;sha256-"), "{page}");
        let mark = PageMark::of(&page).unwrap();
        assert_eq!((mark.run_dir.as_str(), mark.version.as_str()), ("runs/x", env!("CARGO_PKG_VERSION")));
        let other = made(&facts("plan"), &[done("b")], Some(20));
        assert_ne!(PageMark::of(&other).unwrap().digest, mark.digest, "its rows are others");
        let mut named = facts("plan");
        named.origin.operator = Some("Kim".into());
        assert_ne!(
            PageMark::of(&made(&named, &[done("a")], Some(20))).unwrap().digest,
            mark.digest,
            "its facts are others"
        );
        for text in ["", "<html>", "<meta name=\"certsweep\" content=\"x\">", "<meta name=\"certsweep\" content=\""] {
            assert_eq!(PageMark::of(text), None);
        }
    }
}
