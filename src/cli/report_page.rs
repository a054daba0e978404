//! The HTML report of a run, and `certsweep report --check`, which holds a page against its run by making it again. Decides nothing of what the
//! page says.

use super::context::Context;
use super::exit::Exit;
use super::status::{quoted, state_of};
use crate::engine::safety::Waves;
use crate::journal::{JournalError, Reader, RunDir};
use crate::plan::Settings;
use crate::run::Outcome;
use crate::text::file;
use crate::view::report::html::{HtmlReport, JoinedRuns, PageMark, PageRun, PageSource, Timeline};
use crate::view::report::{Counts, ReportedRun, Rows};
use crate::view::status::RunState;
use crate::view::terminal::plural;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

/// The page of a run as it stands now, and whether it goes on.
///
/// # Errors
/// Where the run cannot be read.
pub(super) fn page_of(path: &Path) -> Result<(Vec<u8>, RunState), JournalError> {
    let dir = RunDir::existing(path)?;
    let reader = dir.read()?;
    let state = state_of(dir.is_locked()?, &reader.overview_without_actions()?, None);
    let dirs = [(dir, reader)];
    let failed = |source| JournalError::File { path: path.to_path_buf(), action: "reading", source };
    let runs = [ReportedRun::of(&dirs[0].1, path.display().to_string()).map_err(failed)?];
    let mut page = Vec::new();
    write_page(&dirs, &runs, &quoted(path), &BTreeSet::new(), &mut page).map_err(failed)?;
    Ok((page, state))
}

/// Writes the page of one run, or of several as one. `run_dir` is how a shell takes their directories.
pub(super) fn write_page(
    dirs: &[(RunDir, Reader)],
    runs: &[ReportedRun<'_>],
    run_dir: &str,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let rows = Rows::of(runs, outcomes);
    let mut page = HtmlReport::new(rows.columns()?)?;
    let counts = rows.each(|row| page.write(row))?;
    let (mut timelines, mut page_runs, mut damages) = (Vec::new(), Vec::new(), Vec::new());
    for ((dir, reader), run) in dirs.iter().zip(runs) {
        let timeline = timeline(reader, &run.facts.settings);
        // Of a damaged run the rows are told, and the plots left out.
        timelines.push(match reader.damage() {
            Some(damage) => {
                damages.push(if runs.len() > 1 { format!("{}: {damage}", run.run_dir) } else { damage.to_owned() });
                timeline.ok()
            }
            None => Some(timeline.map_err(io::Error::other)?),
        });
        let state = state_of(dir.is_locked().map_err(io::Error::other)?, &run.overview, None);
        page_runs.push(PageRun { facts: &run.facts, run: &run.overview, state, run_dir: &run.run_dir });
    }
    let only: Vec<Outcome> = outcomes.iter().copied().collect();
    let damage = (!damages.is_empty()).then(|| damages.join("; "));
    if let [run] = page_runs.as_slice() {
        let source = PageSource {
            facts: run.facts,
            run: run.run,
            timeline: timelines.first().and_then(Option::as_ref),
            state: run.state,
            several: &[],
            run_dir,
            only: &only,
            damage: damage.as_deref(),
        };
        page.finish(&source, output)?;
    } else if let Some(joined) = JoinedRuns::of(&page_runs, timelines) {
        let source = PageSource {
            facts: &joined.facts,
            run: &joined.run,
            timeline: joined.timeline.as_ref(),
            state: joined.state,
            several: &page_runs,
            run_dir,
            only: &only,
            damage: damage.as_deref(),
        };
        page.finish(&source, output)?;
    }
    Ok(counts)
}

/// What happened when.
fn timeline(reader: &Reader, settings: &Settings) -> Result<Timeline, JournalError> {
    let queue = reader.queue()?;
    let accounts: Vec<usize> = queue.iter().map(|action| action.account).collect();
    let waves = Waves::new(&settings.safety.waves, &queue);
    let mut timeline = Timeline::new(settings.accounts.len());
    reader.records(|stored| {
        timeline.take(stored, |ordinal| {
            let account = usize::try_from(ordinal).ok().and_then(|index| accounts.get(index)).copied();
            (account.unwrap_or(usize::MAX), waves.of(ordinal))
        });
    })?;
    Ok(timeline.close())
}

/// Says whether a page is that of a run as it stands now, byte for byte.
pub(super) fn check_page(
    context: &Context,
    dirs: &[(RunDir, Reader)],
    mut runs: Vec<ReportedRun<'_>>,
    page: &Path,
) -> Exit {
    let shown = page.display();
    let text = match file::read_text(page, MAX_PAGE) {
        Ok(text) => text,
        Err(error) => {
            context.printer.error(&format!("{shown} cannot be read: {}", file::reason(&error)));
            return Exit::Usage;
        }
    };
    let Some(mark) = PageMark::of(&text) else {
        context.printer.error(&format!(
            "{shown} is no page of `certsweep report --format html`: it does not say which run it is of"
        ));
        return Exit::NotAllWell;
    };
    let outcomes = mark.only.iter().filter_map(|name| Outcome::parse(name)).collect();
    let named: Vec<String> = runs.iter().map(|run| quoted(Path::new(&run.run_dir))).collect();
    let run = named.join(", ");
    let were = shlex::split(&mark.run_dir).unwrap_or_default();
    if were.len() != runs.len() {
        context.printer.error(&format!(
            "{shown} is a page of {}: {}; name as many",
            plural(were.len() as u64, "run"),
            mark.run_dir
        ));
        return Exit::NotAllWell;
    }
    // A page says how its runs were named when it was made.
    for (run, was) in runs.iter_mut().zip(were) {
        run.run_dir = was;
    }
    let mut ours = Vec::new();
    if let Err(error) = write_page(dirs, &runs, &mark.run_dir, &outcomes, &mut ours) {
        return context.failed(&error);
    }
    if ours == text.as_bytes() {
        context.printer.result(&format!("{shown} is the page of {run}, byte for byte; digest {}", mark.digest));
        return Exit::Well;
    }
    let now = PageMark::of(&String::from_utf8_lossy(&ours)).map(|mark| mark.digest).unwrap_or_default();
    let why = if mark.digest != now {
        format!(
            "its rows and facts are not those of the run as it stands now: digest {}, not {now}. It is another run's, or was written before this one went on",
            mark.digest
        )
    } else if mark.version != env!("CARGO_PKG_VERSION") {
        format!(
            "it was written by certsweep {}; its digest is right, but only that version can compare the rest",
            mark.version
        )
    } else {
        let same = ours.iter().zip(text.as_bytes()).take_while(|(ours, theirs)| ours == theirs).count();
        let line = ours.iter().take(same).filter(|byte| **byte == b'\n').count() + 1;
        format!("it was changed after it was written: line {line} is another")
    };
    context.printer.error(&format!("{shown} is not the page of {run}: {why}"));
    Exit::NotAllWell
}

/// A page of ten million rows is smaller.
const MAX_PAGE: u64 = 512 * 1024 * 1024;
