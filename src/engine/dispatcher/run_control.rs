//! What holds the run as a whole: the schedule, the word between two waves, and the commands that it hears from outside while it goes on
//! (a command is in the journal before whoever gave it hears that it is done). Sends nothing.

use super::state::{Dispatcher, Question, WaveBreak};
use crate::engine::control::{Done, Word};
use crate::engine::safety::{self, Closed, Gate};
use crate::engine::scheduler::Decision;
use crate::engine::timing::{Moment, WallTime};
use crate::journal::{Phase, Record};
use crate::plan::settings;
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::{Clock, human};
use crate::wire::Transport;
use tokio::sync::oneshot;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// What keeps the whole run back now, where something does.
    pub(super) fn run_gate(&mut self, now: Moment) -> Option<Decision> {
        if !self.is_something_under_way() && self.scheduler.is_idle() {
            return Some(Decision::Idle);
        }
        let settings = self.run.settings;
        let wall = self.run.clock.now();
        let wall_time = WallTime::new(now, wall);
        if let Some(until) = self.closed_until.filter(|until| wall < *until) {
            return Some(Decision::Wait(wall_time.moment(until)));
        }
        if let Gate::Closed(closed) = safety::gate(&settings.schedule, self.deadline, wall, settings.timeout) {
            return Some(self.schedule_closed(closed, wall_time));
        }
        self.closed_until = None;
        self.scheduler.waves().has_ended().then(|| self.between_waves(now)).flatten()
    }

    /// The schedule is closed: it is waited for, or the run stops.
    fn schedule_closed(&mut self, closed: Closed, wall: WallTime) -> Decision {
        let Closed { why, until } = closed;
        let Some(until) = until.filter(|_| self.run.wait) else {
            self.reopens = until;
            self.stop(StopReason::Rule(why));
            return Decision::Idle;
        };
        if self.closed_until.replace(until) != Some(until) {
            self.notify_all(&WaitReason::Closed { until });
            self.notify(Event::Warning(format!("waiting {}: {why}", human(wall.until(until)))));
        }
        Decision::Wait(wall.moment(until))
    }

    /// A wave has ended and another one waits: what is to be waited for, if anything.
    fn between_waves(&mut self, now: Moment) -> Option<Decision> {
        match &self.wave_break {
            WaveBreak::Asked(_) => return Some(Decision::WaitForAnswer),
            WaveBreak::Pause(until) if now < *until => return Some(Decision::Wait(*until)),
            WaveBreak::Pause(_) => {
                self.next_wave();
                return None;
            }
            WaveBreak::Nothing => {}
        }
        let ended = self.wave_ended();
        match (self.run.settings.safety.between_waves, &self.run.questions) {
            (settings::BetweenWaves::Pause(pause), _) if pause.is_zero() => {
                self.next_wave();
                None
            }
            (settings::BetweenWaves::Pause(pause), _) => {
                let until = now + pause;
                self.wave_break = WaveBreak::Pause(until);
                self.notify(Event::Warning(format!("{ended}; the next begins in {}", human(pause))));
                self.notify_wave();
                Some(Decision::Wait(until))
            }
            (settings::BetweenWaves::Ask, Some(questions)) => {
                let (answer, answered) = oneshot::channel();
                let waves = self.scheduler.waves();
                let next = waves.next().unwrap_or_default();
                let text = format!("{ended}. Go on with wave {} ({} actions)?", next + 1, waves.left(next));
                if questions.send(Question { text, answer }).is_err() {
                    self.stop(StopReason::Rule(format!("{ended}, and nobody is there to be asked (safety.waves)")));
                    return Some(Decision::Idle);
                }
                self.wave_break = WaveBreak::Asked(answered);
                self.notify_wave();
                Some(Decision::WaitForAnswer)
            }
            (settings::BetweenWaves::Ask, None) => {
                let words = "the next waits for `resume` (safety.waves; `between_waves: 10m` would go on by itself)";
                self.stop(StopReason::Rule(format!("{ended}; {words}")));
                Some(Decision::Idle)
            }
        }
    }

    /// Somebody who was asked has answered.
    pub(super) fn wave_answered(&mut self, goes_on: bool) {
        if goes_on {
            self.next_wave();
        } else {
            self.wave_break = WaveBreak::Nothing;
            let ended = self.wave_ended();
            self.stop(StopReason::Rule(format!("{ended}; the next was not wanted (safety.waves)")));
        }
    }

    /// Lets the next wave go; that somebody or something said so is kept.
    pub(super) fn next_wave(&mut self) {
        self.wave_break = WaveBreak::Nothing;
        self.scheduler.next_wave();
        self.write(vec![Record::WentOn { at: self.run.clock.now() }]);
    }

    /// `wave 1 of 3 has ended: 9 succeeded, 1 rejected`
    fn wave_ended(&self) -> String {
        let waves = self.scheduler.waves();
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

    fn notify_wave(&mut self) {
        let wave = self.scheduler.next_wave_reason();
        self.notify_all(&wave);
    }

    fn notify_all(&mut self, by: &WaitReason) {
        for account in 0..self.run.senders.len() {
            self.notify_wait_reason(account, by.clone());
        }
    }

    /// A command came from outside.
    pub(super) fn obey(&mut self, word: Word) {
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
                self.record_command(Record::Paused { at }, Event::Paused, heard);
            }
            Word::Go(heard) if !self.paused && self.wave_break.waits() => {
                self.wave_break = WaveBreak::Nothing;
                self.scheduler.next_wave();
                self.record_command(Record::WentOn { at }, Event::WentOn, heard);
            }
            Word::Go(heard) if !self.paused => drop(heard.send(Ok(Done::Already))),
            Word::Go(heard) => {
                self.paused = false;
                self.record_command(Record::WentOn { at }, Event::WentOn, heard);
            }
            Word::Limits { account, windows, heard } => {
                let Some(sender) = self.run.senders.get(account) else { return };
                let name = sender.name.clone();
                self.scheduler.set_windows(account, &windows);
                let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
                let event = Event::Limited { account: name, windows: windows.clone() };
                self.record_command(Record::Limited { account, windows, at }, event, heard);
            }
        }
        self.note_waits();
        self.notify_wait_reasons();
    }
}
