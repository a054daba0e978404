//! Who takes a CSV text apart: a thread beside, a few batches of records ahead, or where the text is short whoever reads it. Knows
//! no record.

use super::records::Records;
use super::split::Splitter;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A CSV text, a batch at a time.
pub(super) enum Ahead {
    /// By the reader itself.
    Here(Splitter),
    /// By a thread, which ends when this is dropped.
    Beside {
        /// Batches to be read.
        full: Receiver<Records>,
        /// Batches that were read, to be filled again.
        read: SyncSender<Records>,
    },
}

impl Ahead {
    /// Begins the thread; without it where there can be no more threads.
    pub(super) fn begin(splitter: Splitter) -> Self {
        let (give, given) = sync_channel::<Splitter>(1);
        let (fill, full) = sync_channel(BATCHES);
        let (read, emptied) = sync_channel::<Records>(BATCHES);
        let split = move || {
            let Ok(mut splitter) = given.recv() else { return };
            loop {
                let mut records = emptied.try_recv().unwrap_or_default();
                splitter.fill(&mut records, BATCH);
                let last = records.last;
                // Nobody takes it where the header or a row ended the reading.
                if fill.send(records).is_err() || last {
                    return;
                }
            }
        };
        if std::thread::Builder::new().name("csv".to_owned()).spawn(split).is_err() {
            return Self::Here(splitter);
        }
        match give.send(splitter) {
            Ok(()) => Self::Beside { full, read },
            Err(unsent) => Self::Here(unsent.0),
        }
    }

    /// Takes the next batch for one that was read.
    pub(super) fn swap(&mut self, records: &mut Records) {
        match self {
            Self::Here(splitter) => splitter.fill(records, BATCH),
            Self::Beside { full, read } => {
                let next =
                    full.recv().expect("the thread ends behind the last batch, since taking apart does not panic");
                // Where it has ended, or has enough, nobody needs it.
                drop(read.try_send(std::mem::replace(records, next)));
            }
        }
    }
}

/// Batches that wait to be read.
const BATCHES: usize = 2;
/// The size of a batch; few records in tests, so that they meet its end.
const BATCH: usize = if cfg!(test) { 1 << 7 } else { 1 << 16 };
