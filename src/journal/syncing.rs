//! A long file goes to the disk while it is written, so that at its end there is little to wait for. Knows no format.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// A file that is being written.
pub(super) struct Syncing {
    file: File,
    /// Bytes that nobody was told to sync.
    untold: usize,
    thread: Option<(SyncSender<()>, JoinHandle<io::Result<()>>)>,
}

impl Syncing {
    pub(super) fn new(file: File) -> Self {
        Self { file, untold: 0, thread: None }
    }

    /// Waits until all of it is on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // The system tells of a failed sync once, perhaps there.
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs the file ended")))?;
        }
        self.file.sync_all()
    }

    fn sync_beside(&mut self) -> io::Result<()> {
        if self.thread.is_none() {
            let (sender, told) = sync_channel(1);
            let file = self.file.try_clone()?;
            let sync = move || told.iter().try_for_each(|()| file.sync_data());
            let thread = std::thread::Builder::new().name("syncing".to_owned()).spawn(sync)?;
            self.thread = Some((sender, thread));
        }
        if let Some((sender, _)) = &self.thread {
            // Where it is still at it, it syncs what came since with the next; where it failed, the end tells.
            let _ = sender.try_send(());
        }
        Ok(())
    }
}

impl Write for Syncing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.untold += written;
        if self.untold >= MANY_BYTES {
            self.untold = 0;
            self.sync_beside()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// So much is synced at once; little in tests, so that they meet it.
const MANY_BYTES: usize = if cfg!(test) { 1 << 4 } else { 1 << 23 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_at_the_end() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let mut file = Syncing::new(File::options().write(true).create_new(true).open(&path).unwrap());
        for number in 0..100 {
            writeln!(file, "line {number}").unwrap();
        }
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().last(), Some("line 99"));
    }
}
