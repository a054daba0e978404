//! What the dispatcher makes of how things go: canaries are read back, providers that are down are probed, accounts that fail too
//! often are stopped. The rules themselves are in [`super::super::safety`] and [`super::super::reach`].

use super::super::attempt::{self, Paced};
use super::super::look_up::{Doubted, LookedUp, Told};
use super::super::reach::{Came, Change};
use super::super::retry;
use super::super::safety::{self, AfterLook};
use super::super::timing::{RequestTimes, WallTime};
use super::{Dispatcher, LOOKUP_TRIES};
use crate::provider::Answer;
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::{Clock, human};
use crate::wire::Transport;
use std::time::Duration;

/// A canary that was answered with success and is read back.
#[derive(Debug)]
pub(super) struct Look {
    id: String,
    outcome: Outcome,
    /// What the look-up is asked with.
    pub(super) doubted: Doubted,
    /// Looks that told something.
    looks: u32,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Whether a canary that ended so is read back first; then the others wait for that.
    pub(super) fn looks_first(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        id: &str,
        outcome: Outcome,
        answer: Option<Answer>,
    ) -> bool {
        if !self.ready.is_canary(ordinal) || !safety::is_looked_at(outcome) {
            return false;
        }
        let Ok(action) = self.run.reader.to_send(ordinal) else { return false };
        let rules = attempt::rules(&self.run.senders[account], &action, answer.as_ref(), 1);
        if !rules.is_some_and(|rules| rules.lookup) {
            return false;
        }
        let doubted = Doubted { answer, since: self.run.clock.elapsed(), ..Doubted::default() };
        self.looks.insert(ordinal, Look { id: id.to_owned(), outcome, doubted, looks: 0 });
        self.ready.again(ordinal, account, None);
        true
    }

    /// A canary's target was looked at.
    pub(super) fn looked_at(&mut self, account: usize, ordinal: Ordinal, told: Told, times: RequestTimes) {
        let now = self.run.clock.elapsed();
        let Some(mut look) = self.looks.remove(&ordinal) else { return };
        let after = match told {
            Told::Standing { standing, seen, pace } => {
                self.pace(account, pace, times);
                if pace == Paced::Answered {
                    self.came(account, Came::Answered, "");
                }
                look.looks += 1;
                look.doubted.since = now;
                safety::after_look(standing, &self.run.senders[account].mask(&seen), look.looks)
            }
            Told::Nothing(LookedUp::Failed { cause, pace, came, refused_token }) => {
                self.pace(account, pace, times);
                self.came(account, came, &cause);
                let throttled = matches!(pace, Paced::Throttled { .. });
                let renewed = refused_token.is_some_and(|token| self.run.senders[account].renew(token));
                look.doubted.tries += u32::from(!throttled && !renewed);
                if look.doubted.tries >= LOOKUP_TRIES || (refused_token.is_some() && !renewed) {
                    AfterLook::GoOnUnproved(cause)
                } else if throttled || renewed {
                    AfterLook::LookAgain(Duration::ZERO)
                } else {
                    let longest = self.run.settings.retry.max_delay;
                    AfterLook::LookAgain(retry::pause(look.doubted.tries, longest, self.jitter.draw()))
                }
            }
            Told::Nothing(LookedUp::More | LookedUp::Settled(_)) => {
                self.pace(account, Paced::Answered, times);
                AfterLook::LookAgain(Duration::ZERO)
            }
        };
        let Look { id, outcome, .. } = &look;
        match after {
            AfterLook::LookAgain(pause) => {
                self.ready.again(ordinal, account, (!pause.is_zero()).then(|| now + pause));
                self.looks.insert(ordinal, look);
                return;
            }
            AfterLook::GoOn => {}
            AfterLook::GoOnUnproved(why) => {
                self.tell(Event::Warning(format!("the canary {id} ended {outcome}, and nothing proves it: {why}")));
            }
            AfterLook::Stop(why) => self.stop(StopReason::Rule(format!("the canary {id} {why} (safety.canary)"))),
        }
        self.let_go(ordinal, id, *outcome);
    }

    /// Reading a canary back panicked: it ended well, and nothing proves it.
    pub(super) fn look_panicked(&mut self, ordinal: Ordinal) {
        if let Some(Look { id, outcome, .. }) = self.looks.remove(&ordinal) {
            self.tell(Event::Warning(format!(
                "the canary {id} ended {outcome}, and nothing proves it: internal error"
            )));
            self.let_go(ordinal, &id, outcome);
        }
    }

    /// A request came to this, as far as it tells whether the provider is there; `words` are those for what went wrong.
    pub(super) fn came(&mut self, account: usize, came: Came, words: &str) {
        let random = if came == Came::Answered { 0.0 } else { self.jitter.draw() };
        let was_down = self.reaches[account].is_down();
        let change = self.reaches[account].came(came, self.run.clock.elapsed(), self.deadline.is_some(), random);
        if change == Change::Same {
            return;
        }
        let name = self.run.senders[account].name.clone();
        match change {
            Change::Same => {}
            Change::Down(next) => {
                self.ready.probe(account, Some(next));
                let until = WallTime::read(&*self.run.clock).at(next);
                if !was_down {
                    let why = format!("it cannot be reached, one request at a time tries ({words})");
                    self.tell(Event::HeldBack { account: name.clone(), until, why });
                }
                self.tell_bound(account, WaitReason::Unreachable { until });
            }
            Change::Up => {
                self.ready.probe(account, None);
                self.tell(Event::Warning(format!("{name} can be reached again")));
            }
            Change::GivenUp(after) => {
                let why = format!("it could not be reached for {} ({words})", human(after));
                self.stop_account(account, StopReason::Environment(why));
            }
        }
    }
}
