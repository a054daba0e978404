//! The new certificates of a run as files in its directory: they are there while the run goes on, for whoever deploys them, since later steps wait
//! until servers show them. The journal has them, and the files are its copies: a run does not fail for one.

use crate::journal::dir::OpenRun;
use crate::journal::files::put_whole;
use crate::journal::{JournalError, Reader, RunWatch};
use crate::run::Event;
use crate::text::safe;
use crate::view::printer::Printer;
use crate::view::progress::Observer;
use crate::view::report::certificate_file;
use crate::view::report::run_files::each_certificate;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// An observer that writes each new certificate before it passes the event on.
pub struct IssuedFilesWriter {
    shown: Box<dyn Observer>,
    run: PathBuf,
    /// Whether the run directory is still there: what stands at its place else is somebody else's.
    watch: Option<RunWatch>,
    printer: Printer,
    /// Whether a failure was told: a full disk has many.
    is_told: bool,
}

impl IssuedFilesWriter {
    /// Passes every event on to `shown`.
    pub fn new(shown: Box<dyn Observer>, run: &OpenRun, printer: Printer) -> Self {
        Self { shown, run: run.dir.path().to_path_buf(), watch: run.watch.clone(), printer, is_told: false }
    }
}

impl Observer for IssuedFilesWriter {
    fn event(&mut self, event: &Event) {
        if let Event::CertificateIssued { id, pem, .. } = event
            && self.watch.as_ref().is_none_or(RunWatch::is_in_place)
            && let Err(error) = put(&self.run.join(certificate_file(id)), pem)
            && !std::mem::replace(&mut self.is_told, true)
        {
            let id = safe::terminal(id);
            let why = format!(
                "the new certificate of {id} cannot be written ({error}); the journal has it, and the report writes it again"
            );
            self.printer.warning(&why);
        }
        self.shown.event(event);
    }
}

impl std::fmt::Debug for IssuedFilesWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("IssuedFilesWriter").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Not synced: a process that takes the run up writes it again.
fn put(path: &Path, pem: &str) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == pem.as_bytes()) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    put_whole(path, |mut file| file.write_all(pem.as_bytes()))
}

/// Tells an observer of the certificates that earlier processes brought: they may have ended before anybody took them.
///
/// # Errors
/// Where the journal cannot be read.
pub fn tell_of_earlier(reader: &Reader, observer: &mut dyn Observer) -> Result<(), JournalError> {
    each_certificate(reader, |account, id, pem| {
        observer.event(&Event::CertificateIssued { account, id, pem });
        Ok(())
    })
}
