//! What the run as a whole waits for: the schedule, and the word between two waves. Sends nothing.

use super::super::ready::Turn;
use super::super::safety::{self, Closed, Gate};
use super::super::timing::{Moment, WallTime};
use super::Dispatcher;
use crate::journal::{Phase, Record};
use crate::plan::settings::BetweenWaves;
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::{Clock, human};
use crate::wire::Transport;
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
        let wall_time = WallTime::new(now, wall);
        if let Some(until) = self.closed_told.filter(|until| wall < *until) {
            return Some(Turn::Wait(wall_time.moment(until)));
        }
        if let Gate::Closed(closed) = safety::gate(&settings.schedule, self.deadline, wall, settings.timeout) {
            return Some(self.closed(closed, wall_time));
        }
        self.closed_told = None;
        self.ready.waves().has_ended().then(|| self.between_waves(now)).flatten()
    }

    /// The schedule is closed: it is waited for, or the run stops.
    fn closed(&mut self, closed: Closed, wall: WallTime) -> Turn {
        let Closed { why, until } = closed;
        let Some(until) = until.filter(|_| self.run.wait) else {
            self.reopens = until;
            self.stop(StopReason::Rule(why));
            return Turn::Idle;
        };
        if self.closed_told.replace(until) != Some(until) {
            self.tell_all_bounds(&WaitReason::Closed { until });
            self.tell(Event::Warning(format!("waiting {}: {why}", human(wall.until(until)))));
        }
        Turn::Wait(wall.moment(until))
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
        let wave = self.ready.next_wave_reason();
        self.tell_all_bounds(&wave);
    }

    fn tell_all_bounds(&mut self, by: &WaitReason) {
        for account in 0..self.run.senders.len() {
            self.tell_bound(account, by.clone());
        }
    }
}

/// The answer of whoever was asked; never, where nobody was.
pub(super) async fn word(between: &mut Between) -> bool {
    match between {
        Between::Asked(answered) => answered.await.unwrap_or(false),
        Between::Nothing | Between::Pause(_) => std::future::pending().await,
    }
}
