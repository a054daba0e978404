//! What the run as a whole waits for: the schedule, and the word between two waves. Sends nothing.

use super::super::pace::Moment;
use super::super::ready::Turn;
use super::super::safety::{self, Closed, Gate};
use super::Dispatcher;
use crate::journal::{Phase, Record};
use crate::plan::settings::BetweenWaves;
use crate::run::{Bound, Event, Ordinal, Outcome, StopReason};
use crate::time::{Clock, human};
use crate::wire::Transport;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::sync::oneshot;

/// A question to the user, and where the answer goes. An asker that is gone is a no.
#[derive(Debug)]
pub struct Question {
    /// The question, as a sentence.
    pub text: String,
    /// Yes or no.
    pub answer: oneshot::Sender<bool>,
}

/// What lies between a wave that has ended and the next.
#[derive(Debug)]
pub(super) enum Between {
    /// Nothing yet.
    Nothing,
    /// A pause until then.
    Pause(Moment),
    /// Somebody was asked.
    Asked(oneshot::Receiver<bool>),
}

impl Between {
    /// Whether the next wave waits for a word or for the end of a pause.
    pub(super) const fn waits(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Whether a question waits for its answer.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// What keeps the whole run back now, where something does.
    pub(super) fn kept_back(&mut self, now: Moment) -> Option<Turn> {
        if !self.is_something_under_way() && self.ready.is_idle() {
            return Some(Turn::Idle);
        }
        let settings = self.run.settings;
        let wall = self.run.clock.now();
        if let Some(until) = self.closed_told.filter(|until| wall < *until) {
            return Some(Turn::Wait(now + ahead(wall, until)));
        }
        if let Gate::Closed(closed) = safety::gate(&settings.schedule, self.deadline, wall, settings.timeout) {
            return Some(self.closed(closed, now, wall));
        }
        self.closed_told = None;
        self.ready.waves().has_ended().then(|| self.between_waves(now)).flatten()
    }

    /// The schedule is closed: it is waited for, or the run stops.
    fn closed(&mut self, closed: Closed, now: Moment, wall: Timestamp) -> Turn {
        let Closed { why, until } = closed;
        let Some(until) = until.filter(|_| self.run.wait) else {
            self.reopens = until;
            self.stop(StopReason::Rule(why));
            return Turn::Idle;
        };
        if self.closed_told.replace(until) != Some(until) {
            self.tell_all_bounds(&Bound::Closed { until });
            self.tell(Event::Warning(format!("waiting {}: {why}", human(ahead(wall, until)))));
        }
        Turn::Wait(now + ahead(wall, until))
    }

    /// A wave has ended and another one waits: what is to be waited for, if anything.
    fn between_waves(&mut self, now: Moment) -> Option<Turn> {
        match &self.between {
            Between::Asked(_) => return Some(Turn::WaitForAnswer),
            Between::Pause(until) if now < *until => return Some(Turn::Wait(*until)),
            Between::Pause(_) => {
                self.next_wave();
                return None;
            }
            Between::Nothing => {}
        }
        let ended = self.wave_ended();
        match (self.run.settings.safety.between_waves, &self.run.questions) {
            (BetweenWaves::Pause(pause), _) if pause.is_zero() => {
                self.next_wave();
                None
            }
            (BetweenWaves::Pause(pause), _) => {
                let until = now + pause;
                self.between = Between::Pause(until);
                self.tell(Event::Warning(format!("{ended}; the next begins in {}", human(pause))));
                self.tell_of_wave();
                Some(Turn::Wait(until))
            }
            (BetweenWaves::Ask, Some(questions)) => {
                let (answer, answered) = oneshot::channel();
                let waves = self.ready.waves();
                let next = waves.next().unwrap_or_default();
                let text = format!("{ended}. Go on with wave {} ({} actions)?", next + 1, waves.left(next));
                if questions.send(Question { text, answer }).is_err() {
                    self.stop(StopReason::Rule(format!("{ended}, and nobody is there to be asked (safety.waves)")));
                    return Some(Turn::Idle);
                }
                self.between = Between::Asked(answered);
                self.tell_of_wave();
                Some(Turn::WaitForAnswer)
            }
            (BetweenWaves::Ask, None) => {
                let words = "the next waits for `resume` (safety.waves; `between_waves: 10m` would go on by itself)";
                self.stop(StopReason::Rule(format!("{ended}; {words}")));
                Some(Turn::Idle)
            }
        }
    }

    /// Somebody who was asked has answered.
    pub(super) fn worded(&mut self, goes_on: bool) {
        if goes_on {
            self.next_wave();
        } else {
            self.between = Between::Nothing;
            let ended = self.wave_ended();
            self.stop(StopReason::Rule(format!("{ended}; the next was not wanted (safety.waves)")));
        }
    }

    /// Lets the next wave go; that somebody or something said so is kept.
    pub(super) fn next_wave(&mut self) {
        self.between = Between::Nothing;
        self.ready.next_wave();
        self.write(vec![Record::WentOn { at: self.run.clock.now() }]);
    }

    /// `wave 1 of 3 has ended: 9 succeeded, 1 rejected`
    fn wave_ended(&self) -> String {
        let waves = self.ready.waves();
        let (now, count) = (waves.now(), waves.count());
        let mut outcomes = [0_u64; Outcome::ALL.len()];
        for (index, state) in self.states.iter().enumerate() {
            let ordinal = index as Ordinal;
            if let Phase::Ended(outcome) = state.phase
                && waves.of(ordinal) == now
                && !self.queue.repeats(ordinal)
                && let Some(place) = Outcome::ALL.iter().position(|known| *known == outcome)
            {
                outcomes[place] += 1;
            }
        }
        let counts = Outcome::ALL.iter().zip(outcomes).filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(outcome, count)| format!("{count} {outcome}")).collect();
        format!("wave {} of {count} has ended: {}", now + 1, counts.join(", "))
    }

    fn tell_of_wave(&mut self) {
        let wave = self.wave();
        self.tell_all_bounds(&wave);
    }

    /// The wave that waits.
    pub(super) fn wave(&self) -> Bound {
        let waves = self.ready.waves();
        let number = u32::try_from(waves.next().unwrap_or_default() + 1).unwrap_or(u32::MAX);
        let of = u32::try_from(waves.count()).unwrap_or(u32::MAX);
        Bound::Wave { number, of }
    }

    fn tell_all_bounds(&mut self, by: &Bound) {
        for account in 0..self.run.senders.len() {
            self.tell_bound(account, by.clone());
        }
    }

    /// The wall clock's time of a moment.
    pub(super) fn wall(&self, moment: Moment) -> Timestamp {
        let ahead = moment.saturating_sub(self.run.clock.elapsed());
        self.run.clock.now().checked_add(SignedDuration::try_from(ahead).unwrap_or_default()).unwrap_or(Timestamp::MAX)
    }
}

fn ahead(wall: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(wall)).unwrap_or_default()
}

/// The answer of whoever was asked; never, where nobody was.
pub(super) async fn word(between: &mut Between) -> bool {
    match between {
        Between::Asked(answered) => answered.await.unwrap_or(false),
        Between::Nothing | Between::Pause(_) => std::future::pending().await,
    }
}
