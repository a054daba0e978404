//! What the run is told from outside while it goes on. A word is in the journal before whoever said it hears that it is done.

use super::super::control::{Done, Word};
use super::Dispatcher;
use super::waiting::Between;
use crate::journal::Record;
use crate::run::Event;
use crate::time::Clock;
use crate::wire::Transport;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    pub(super) fn told(&mut self, word: Word) {
        let at = self.run.clock.now();
        match word {
            Word::Stop(reason) => {
                self.signals += 1;
                self.leave = self.signals > 1;
                self.stop(reason);
            }
            Word::Pause(heard) | Word::Go(heard) | Word::Limits { heard, .. } if self.stopping.is_some() => {
                drop(heard.send(Err("the run is stopping; resume goes on with it".to_owned())));
            }
            Word::Pause(heard) if self.paused => drop(heard.send(Ok(Done::Already))),
            Word::Pause(heard) => {
                self.paused = true;
                self.take_down(Record::Paused { at }, Event::Paused, heard);
            }
            Word::Go(heard) if !self.paused && self.between.waits() => {
                self.between = Between::Nothing;
                self.ready.next_wave();
                self.take_down(Record::WentOn { at }, Event::WentOn, heard);
            }
            Word::Go(heard) if !self.paused => drop(heard.send(Ok(Done::Already))),
            Word::Go(heard) => {
                self.paused = false;
                self.take_down(Record::WentOn { at }, Event::WentOn, heard);
            }
            Word::Limits { account, windows, heard } => {
                let Some(sender) = self.run.senders.get(account) else { return };
                let name = sender.name.clone();
                self.ready.set_windows(account, &windows);
                let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
                let event = Event::Limited { account: name, windows: windows.clone() };
                self.take_down(Record::Limited { account, windows, at }, event, heard);
            }
        }
        self.note_waits();
        self.tell_of_bounds();
    }
}
