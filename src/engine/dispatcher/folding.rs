//! What follows from a step that is over: its records are folded into the run's state, and what it came to is queued, ended or
//! stopped. Sends nothing.

use super::super::attempt::{Paced, Report};
use super::super::look_up::{Doubted, LookedUp};
use super::super::reach::Came;
use super::super::retry::{self, Next};
use super::super::sender::TokenError;
use super::super::timing::{Moment, RequestTimes};
use super::{Dispatcher, Over, Step, UnderWay};
use crate::journal::{Record, Reply, ToSend};
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::time::Duration;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A step is over: its slot is free, its records are folded, and what follows is done.
    pub(super) fn stepped(&mut self, (way, step): Over) {
        let UnderWay { account, ordinal, timing } = way;
        let times = timing.times(self.run.clock.elapsed());
        self.ready.stepped(account);
        match (step, ordinal) {
            (Some(Step::Attempt(Ok(report))), Some(ordinal)) => self.reported(account, ordinal, *report, times),
            (Some(Step::LookUp(Ok(looked_up))), Some(ordinal)) => self.looked_up(account, ordinal, looked_up, times),
            (Some(Step::ReadBack(Ok(told))), Some(ordinal)) => self.looked_at(account, ordinal, told, times),
            (Some(Step::Token(Ok(token))), _) => self.token(account, token, times),
            (
                Some(
                    Step::Attempt(Err(failed))
                    | Step::LookUp(Err(failed))
                    | Step::ReadBack(Err(failed))
                    | Step::Token(Err(failed)),
                ),
                _,
            ) => {
                // A request whose intent is durable may have gone out: it counts.
                self.ready.pace(account).answered(times.sent, times.answered);
                self.stop(StopReason::Environment(failed.0));
            }
            (None, Some(ordinal)) => self.panicked(account, ordinal, times),
            (None | Some(_), _) => self.ready.pace(account).answered(times.sent, times.answered),
        }
    }

    fn reported(&mut self, account: usize, ordinal: Ordinal, report: Report, times: RequestTimes) {
        self.pace(account, report.pace, times);
        if let Some(came) = report.came {
            self.came(account, came, report.reply.message.as_deref().unwrap_or_default());
        }
        self.write(report.records);
        if let Some(skew) = report.skew
            && self.skew_told.insert(account)
        {
            let name = &self.run.senders[account].name;
            let seconds = skew.as_secs();
            self.tell(Event::Warning(format!("the clock of {name} differs from this machine's by {seconds} s")));
        }
        match report.next {
            Next::End(outcome) => {
                self.end_told(account, ordinal, &report.id, outcome, &report.reply);
                // What a look-up has settled was looked at.
                if !(report.sent && self.looks_first(account, ordinal, &report.id, outcome, report.answer)) {
                    self.let_go(ordinal, &report.id, outcome);
                }
            }
            // The provider is down: its own pause holds.
            Next::Again if report.came == Some(Came::NotSent) && self.reaches[account].is_down() => {
                self.ready.again(ordinal, account, None);
                self.tell_of_failure(account, ordinal, &report.reply);
            }
            Next::Again => {
                let counted = self.states.of(ordinal).counted;
                let pause = retry::pause(counted, self.run.settings.retry.max_delay, self.jitter.draw());
                self.ready.again(ordinal, account, Some(self.run.clock.elapsed() + pause));
                self.tell_of_failure(account, ordinal, &report.reply);
            }
            Next::Hold => self.ready.again(ordinal, account, None),
            Next::LookUp(_) => {
                let doubted = Doubted {
                    refused: report.refused,
                    answer: report.answer,
                    reply: report.reply.clone(),
                    since: self.run.clock.elapsed(),
                    ..Doubted::default()
                };
                self.doubts.insert(ordinal, doubted);
                if report.by_list {
                    self.ready.gather(ordinal, account, self.run.clock.elapsed() + GATHER);
                } else {
                    self.ready.again(ordinal, account, None);
                }
            }
            Next::StopAccount => {
                self.ready.again(ordinal, account, None);
                if !self.run.senders[account].renew(report.token_number) {
                    let status = report.reply.http_status.map(|status| format!("HTTP {status}")).unwrap_or_default();
                    let words = report.reply.message.unwrap_or_default();
                    let why = format!("the provider refused the credentials: {status} {words}");
                    self.stop_account(account, StopReason::Environment(why));
                }
            }
        }
    }

    fn looked_up(&mut self, account: usize, ordinal: Ordinal, looked_up: LookedUp, times: RequestTimes) {
        match looked_up {
            LookedUp::Settled(report) => {
                self.doubts.remove(&ordinal);
                self.reported(account, ordinal, *report, times);
            }
            LookedUp::More => {
                self.pace(account, Paced::Answered, times);
                self.ready.again(ordinal, account, None);
            }
            LookedUp::Failed { cause, pace, came, refused_token } => {
                self.pace(account, pace, times);
                let was_down = self.reaches[account].is_down();
                self.came(account, came, &cause);
                let unsent = was_down && came == Came::NotSent;
                let throttled = matches!(pace, Paced::Throttled { .. });
                let mut tries = 0;
                if let Some(doubted) = self.doubts.get_mut(&ordinal) {
                    doubted.tries += u32::from(!throttled && !unsent && refused_token.is_none());
                    doubted.cause = Some(cause.clone());
                    tries = doubted.tries;
                }
                let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
                let due = (!throttled && !unsent).then(|| self.run.clock.elapsed() + pause);
                self.ready.again(ordinal, account, due);
                if let Some(token_number) = refused_token
                    && !self.run.senders[account].renew(token_number)
                {
                    let why = format!("the provider refused the credentials: {cause}");
                    self.stop_account(account, StopReason::Environment(why));
                }
            }
        }
    }

    fn token(&mut self, account: usize, token: Result<(), TokenError>, times: RequestTimes) {
        self.ready.pause(account, false);
        let (came, words) =
            token.as_ref().err().map_or((Came::Answered, String::new()), |error| (error.came, error.cause.clone()));
        self.came(account, came, &words);
        if let Err(TokenError { throttled: Some(retry_after), .. }) = &token {
            return self.pace(account, Paced::Throttled { retry_after: *retry_after, limit: None }, times);
        }
        self.pace(account, if came == Came::Answered { Paced::Answered } else { Paced::Lost }, times);
        if came == Came::NotSent && self.reaches[account].is_down() {
            // Its own pause holds, and its own patience ends it.
            return;
        }
        let Err(error) = token else {
            self.token_tries.remove(&account);
            return;
        };
        let tries = self.token_tries.entry(account).or_default();
        *tries += 1;
        let tries = *tries;
        if error.refused || tries >= self.run.settings.retry.attempts {
            self.stop_account(account, StopReason::Environment(error.cause.clone()));
        } else {
            let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
            let now = self.run.clock.elapsed();
            self.ready.pace(account).hold(now + pause);
            self.tell_of_hold(account, now, &error.cause);
        }
    }

    /// A step panicked: its request may have gone out, so its action is treated as one whose answer was lost.
    fn panicked(&mut self, account: usize, ordinal: Ordinal, times: RequestTimes) {
        self.pace(account, Paced::Answered, times);
        if self.looks.contains_key(&ordinal) {
            return self.look_panicked(ordinal);
        }
        let Ok(ToSend { id, .. }) = self.run.reader.to_send(ordinal) else {
            let why = "an internal error struck, and the journal cannot be read";
            return self.stop(StopReason::Environment(why.to_owned()));
        };
        let message = "an internal error struck while it was under way".to_owned();
        let reply = Reply { message: Some(message), ..Reply::default() };
        self.write(vec![self.end_of(ordinal, Outcome::InDoubt, reply.clone())]);
        self.end_told(account, ordinal, &id, Outcome::InDoubt, &reply);
        self.let_go(ordinal, &id, Outcome::InDoubt);
    }

    /// An action's end is written: it is told, and the rules look at it.
    fn end_told(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        let well = outcome.is_well();
        self.tell_of_end(account, ordinal, id, outcome, reply);
        if let Some(why) = self.watch.ended(account, well) {
            self.stop_account(account, StopReason::Rule(why));
        }
        if self.ready.is_canary(ordinal) && !well {
            self.stop(StopReason::Rule(format!("the canary {id} ended {outcome} (safety.canary)")));
        }
    }

    /// An action is over: those that waited for it may go, or never can.
    pub(super) fn let_go(&mut self, ordinal: Ordinal, id: &str, outcome: Outcome) {
        let lost = self.ready.ended(ordinal, outcome.is_well());
        if !lost.is_empty() {
            let message = format!("never sent: it needs {id}, which ended {outcome}");
            self.skip(lost, &message);
        }
    }

    fn skip(&mut self, ordinals: Vec<Ordinal>, message: &str) {
        let answer = Reply { message: Some(message.to_owned()), ..Reply::default() };
        for ordinal in ordinals {
            self.write(vec![self.end_of(ordinal, Outcome::Skipped, answer.clone())]);
            if let Ok(action) = self.run.reader.to_send(ordinal) {
                self.tell_of_end(action.account, ordinal, &action.id, Outcome::Skipped, &answer);
            }
        }
    }

    pub(super) fn pace(&mut self, account: usize, paced: Paced, times: RequestTimes) {
        let now = times.heard;
        let pace = self.ready.pace(account);
        if paced == Paced::Unsent {
            pace.unsent();
        } else {
            pace.answered(times.sent, times.answered);
        }
        match paced {
            Paced::Unsent | Paced::Lost => {}
            Paced::Answered => pace.quiet(now),
            Paced::Throttled { retry_after, limit } => {
                pace.throttled(now, retry_after, limit);
                self.ready.refused(account);
                self.tell_of_holds(now);
            }
        }
        if paced != Paced::Unsent {
            self.ready.answered(account, times.began, now);
        }
        self.keep_what_was_learnt(account, now);
    }

    /// Writes down what was learnt of an account's real limit, where that has changed by more than a little.
    fn keep_what_was_learnt(&mut self, account: usize, now: Moment) {
        if let Some(windows) = self.ready.pace(account).notable(now) {
            let windows = windows.iter().map(ToString::to_string).collect();
            self.write(vec![Record::Learnt { account, windows, at: self.run.clock.now() }]);
        }
    }
}

/// How long actions in doubt wait for others, so that one reading of a list serves them all.
const GATHER: Duration = Duration::from_secs(10);
