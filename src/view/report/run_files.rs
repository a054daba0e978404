//! The files that a run leaves when it ends or stops: its report as CSV, and the new certificates. Each is written whole or not at all.

use super::formats::CsvReport;
use super::{Counts, ReportedRun, Rows, certificate_file, file_name};
use crate::journal::files::{replace, replace_named};
use crate::journal::{JournalError, Reader};
use crate::run::Outcome;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes the report of a run whose directory was taken away while it went on: beside the place where that was, unless the user has named
/// another.
///
/// # Errors
/// Where it cannot be written.
pub fn write_rescued_report(reader: &Reader, run_dir: &Path, named: Option<&Path>) -> Result<PathBuf, JournalError> {
    let mut name = run_dir.file_name().unwrap_or_default().to_owned();
    // Where not even this can be read, nothing was read that could be taken for a real report.
    let simulated = reader.facts().is_ok_and(|facts| facts.simulated);
    name.push(if simulated { ".rescued.rehearsal.csv" } else { ".rescued.csv" });
    let path = named.map_or_else(|| run_dir.with_file_name(name), Path::to_path_buf);
    replace_named(&path, |file| {
        write_csv(&[ReportedRun::of(reader, String::new())?], &BTreeSet::new(), file).map(drop)
    })?;
    Ok(path)
}

/// Writes a run's report to its own file ([`file_name`]) and, where `copy` names one, a copy. Returns the counts of all actions.
///
/// # Errors
/// Where one of them cannot be written.
pub fn write_reports(reader: &Reader, run_dir: &Path, copy: Option<&Path>) -> Result<Counts, JournalError> {
    let report = run_dir.join(file_name(reader.facts()?.simulated));
    let mut counts = Counts::default();
    replace(&report, |file| {
        counts = write_csv(&[ReportedRun::of(reader, String::new())?], &BTreeSet::new(), file)?;
        Ok(())
    })?;
    write_certificates(reader, run_dir)?;
    if let Some(path) = copy {
        // Copied, not made a second time: folding a million actions takes longer than reading the file.
        replace_named(path, |file| io::copy(&mut File::open(&report)?, file).map(drop))?;
    }
    Ok(counts)
}

/// Writes the new certificates of a run into its directory, synced.
fn write_certificates(reader: &Reader, run_dir: &Path) -> Result<(), JournalError> {
    each_certificate(reader, |_, id, pem| {
        let path = run_dir.join(certificate_file(&id));
        let folder = path.parent().unwrap_or(run_dir);
        let failed = |source| JournalError::File { path: folder.to_path_buf(), action: "making", source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        replace(&path, |file| file.write_all(pem.as_bytes()))
    })
}

/// Each new certificate of a run in PEM, with its account and its action's id: `take(account, id, pem)`.
///
/// # Errors
/// Where the journal cannot be read, or what `take` says.
pub fn each_certificate(
    reader: &Reader,
    mut take: impl FnMut(String, String, String) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    if !reader.has_issued()? {
        return Ok(());
    }
    let accounts = reader.facts()?.settings.accounts;
    for found in reader.histories_without_parameters() {
        let (action, history) = found?;
        let Some(issued) = history.issued else { continue };
        let account = accounts.get(action.account).map(|account| account.name.clone()).unwrap_or_default();
        take(account, action.id, issued.pem)?;
    }
    Ok(())
}

/// The rows of these runs as CSV; of actions with these outcomes alone, where there are some. Returns the counts of all actions.
///
/// # Errors
/// Where a run cannot be read, or `output` fails.
pub fn write_csv(runs: &[ReportedRun<'_>], outcomes: &BTreeSet<Outcome>, output: &mut dyn Write) -> io::Result<Counts> {
    let rows = Rows::of(runs, outcomes);
    let mut writer = CsvReport::new(output, rows.columns()?)?;
    let counts = rows.each(|row| writer.write(row))?;
    writer.finish().map(|_| counts)
}
