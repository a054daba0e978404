//! The HTML report of a run, and `certsweep report --check`, which holds a page against its run by making it again. Decides nothing of what the
//! page says.

use super::context::Context;
use super::exit::Exit;
use super::report_rows::{Counts, Rows, columns, run_cells, unsent};
use super::status::{quoted, state_of};
use crate::engine::safety::Waves;
use crate::journal::{JournalError, Reader, RunDir};
use crate::plan::Settings;
use crate::run::Outcome;
use crate::text::file;
use crate::view::report::html::{HtmlReport, PageMark, PageSource, Timeline};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

/// Writes the page of a run.
pub(super) fn write_page(
    dir: &RunDir,
    reader: &Reader,
    run_dir: &str,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let run = reader.overview_without_actions().map_err(io::Error::other)?;
    let is_locked = dir.is_locked().map_err(io::Error::other)?;
    let unsent = unsent(&run);
    let cells = run_cells(&facts, run_dir);
    let rows = Rows { reader, settings: &facts.settings, run: cells, unsent: &unsent, outcomes };
    let mut page = HtmlReport::new(columns(reader, &facts, &run)?)?;
    let counts = rows.each(|row| page.write(row))?;
    let timeline = timeline(reader, &facts.settings);
    // Of a damaged run the rows are told, and the plots left out.
    let timeline = if reader.damage().is_some() { timeline.ok() } else { Some(timeline.map_err(io::Error::other)?) };
    let only: Vec<Outcome> = outcomes.iter().copied().collect();
    let source = PageSource {
        facts: &facts,
        run: &run,
        timeline: timeline.as_ref(),
        state: state_of(is_locked, &run, None),
        run_dir,
        only: &only,
        damage: reader.damage(),
    };
    page.finish(&source, output)?;
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
pub(super) fn check_page(context: &Context, dir: &RunDir, reader: &Reader, run_dir: &Path, page: &Path) -> Exit {
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
    let mut ours = Vec::new();
    if let Err(error) = write_page(dir, reader, &mark.run_dir, &outcomes, &mut ours) {
        return context.failed(&error);
    }
    let run = quoted(run_dir);
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
