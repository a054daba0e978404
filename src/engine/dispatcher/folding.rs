//! What follows from a step that is over: its records are folded into the run's state, and what it came to is queued, ended or
//! stopped. Sends nothing.

use super::super::attempt::{self, Paced, Report};
use super::super::look_up::{Doubted, LookedUp};
use super::super::retry::{self, Next};
use super::super::sender::TokenError;
use super::super::start;
use super::{Dispatcher, Step};
use crate::journal::{Record, Reply};
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::time::Duration;
use tokio::task::{Id, JoinError};

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A step is over: its slot is free, its records are folded, and what follows is done.
    pub(super) async fn stepped(&mut self, joined: Result<(Id, Step), JoinError>) {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some((account, ordinal)) = self.under_way.remove(&id) else { return };
        self.ready.stepped(account);
        match (joined, ordinal) {
            (Ok((_, Step::Attempt(Ok(report)))), Some(ordinal)) => self.reported(account, ordinal, report).await,
            (Ok((_, Step::LookUp(Ok(looked_up)))), Some(ordinal)) => self.looked_up(account, ordinal, looked_up).await,
            (Ok((_, Step::Token(Ok(token)))), _) => self.token(account, token),
            (Ok((_, Step::Attempt(Err(failed)) | Step::LookUp(Err(failed)) | Step::Token(Err(failed)))), _) => {
                // A request whose intent is durable may have gone out: it counts.
                self.ready.pace(account).answered(self.run.clock.elapsed());
                self.stop(StopReason::Environment(failed.0));
            }
            (Err(panic), Some(ordinal)) => self.panicked(account, ordinal, &panic).await,
            (Err(_), None) | (Ok(_), _) => self.ready.pace(account).answered(self.run.clock.elapsed()),
        }
    }

    async fn reported(&mut self, account: usize, ordinal: Ordinal, report: Report) {
        self.pace(account, report.pace);
        for record in &report.records {
            self.fold(ordinal, record);
        }
        if let Some(skew) = report.skew
            && self.skew_told.insert(account)
        {
            let name = &self.run.senders[account].name;
            let seconds = skew.as_secs();
            (self.observe)(Event::Warning(format!("the clock of {name} differs from this machine's by {seconds} s")));
        }
        match report.next {
            Next::End(outcome) => self.ended(account, ordinal, outcome, &report.reply).await,
            Next::Again => {
                let counted = start::state(&self.states, ordinal).counted;
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
                    self.stop_account(account, &format!("the provider refused the credentials: {status} {words}"));
                }
            }
        }
    }

    async fn looked_up(&mut self, account: usize, ordinal: Ordinal, looked_up: LookedUp) {
        match looked_up {
            LookedUp::Settled(report) => {
                self.doubts.remove(&ordinal);
                self.reported(account, ordinal, *report).await;
            }
            LookedUp::More => {
                self.pace(account, Paced::Answered);
                self.ready.again(ordinal, account, None);
            }
            LookedUp::Failed { cause, pace, refused_token } => {
                self.pace(account, pace);
                let throttled = matches!(pace, Paced::Throttled(_));
                let mut tries = 0;
                if let Some(doubted) = self.doubts.get_mut(&ordinal) {
                    doubted.tries += u32::from(!throttled && refused_token.is_none());
                    doubted.cause = Some(cause.clone());
                    tries = doubted.tries;
                }
                let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
                let due = (!throttled).then(|| self.run.clock.elapsed() + pause);
                self.ready.again(ordinal, account, due);
                if let Some(token_number) = refused_token
                    && !self.run.senders[account].renew(token_number)
                {
                    self.stop_account(account, &format!("the provider refused the credentials: {cause}"));
                }
            }
        }
    }

    fn token(&mut self, account: usize, token: Result<(), TokenError>) {
        self.pace(account, Paced::Answered);
        self.ready.pause(account, false);
        let Err(error) = token else {
            self.token_tries.remove(&account);
            return;
        };
        let tries = self.token_tries.entry(account).or_default();
        *tries += 1;
        let tries = *tries;
        if error.refused || tries >= self.run.settings.retry.attempts {
            self.stop_account(account, &format!("no token: {}", error.cause));
        } else {
            let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
            self.ready.pace(account).hold(self.run.clock.elapsed() + pause);
        }
    }

    /// A step panicked: its request may have gone out, so its action is treated as one whose answer was lost.
    async fn panicked(&mut self, account: usize, ordinal: Ordinal, panic: &JoinError) {
        self.pace(account, Paced::Answered);
        let states = self.run.reader.state_of(ordinal);
        let Ok(state) = states else {
            return self
                .stop(StopReason::Environment(format!("an action panicked, and the journal cannot be read: {panic}")));
        };
        start::set(&mut self.states, ordinal, state);
        let reply =
            Reply { message: Some("an internal error struck while it was under way".to_owned()), ..Reply::default() };
        let outcome = if state.attempts == 0 { Outcome::Failed } else { Outcome::InDoubt };
        let record = Record::Ended { ordinal, at: self.run.clock.now(), outcome, answer: reply.clone() };
        match attempt::append(&self.run.journal, vec![record.clone()]).await {
            Ok(()) => {
                self.fold(ordinal, &record);
                self.ended(account, ordinal, outcome, &reply).await;
            }
            Err(failed) => self.stop(StopReason::Environment(failed.0)),
        }
    }

    /// An action's end is durable: those that waited for it may go, or never can.
    async fn ended(&mut self, account: usize, ordinal: Ordinal, outcome: Outcome, reply: &Reply) {
        let well = outcome.is_well();
        let canary = self.ready.is_canary(ordinal);
        let id = self.tell_of_end(account, ordinal, outcome, reply);
        let lost = self.ready.ended(ordinal, well);
        if !lost.is_empty() {
            let message = format!("never sent: it needs {id}, which ended {outcome}");
            self.skip(lost, &message).await;
        }
        if let Some(why) = self.watch.ended(account, well) {
            self.stop(StopReason::Rule(why));
        } else if canary && !well {
            self.stop(StopReason::Rule(format!("the canary {id} ended {outcome} (safety.canary)")));
        }
    }

    async fn skip(&mut self, ordinals: Vec<Ordinal>, message: &str) {
        let answer = Reply { message: Some(message.to_owned()), ..Reply::default() };
        let at = self.run.clock.now();
        let end = |ordinal: &Ordinal| Record::Ended {
            ordinal: *ordinal,
            at,
            outcome: Outcome::Skipped,
            answer: answer.clone(),
        };
        let records: Vec<Record> = ordinals.iter().map(end).collect();
        if let Err(failed) = attempt::append(&self.run.journal, records.clone()).await {
            return self.stop(StopReason::Environment(failed.0));
        }
        for (ordinal, record) in ordinals.iter().zip(&records) {
            self.fold(*ordinal, record);
            if let Ok(action) = self.run.reader.action(*ordinal) {
                self.tell_of_end(action.account, *ordinal, Outcome::Skipped, &answer);
            }
        }
    }

    fn fold(&mut self, ordinal: Ordinal, record: &Record) {
        match start::state(&self.states, ordinal).next(record) {
            Ok(state) => start::set(&mut self.states, ordinal, state),
            Err(illegal) => self.stop(StopReason::Environment(format!("internal error: {illegal}"))),
        }
    }

    fn pace(&mut self, account: usize, paced: Paced) {
        let now = self.run.clock.elapsed();
        let pace = self.ready.pace(account);
        match paced {
            Paced::Unsent => pace.unsent(),
            Paced::Answered => {
                pace.answered(now);
                pace.quiet(now);
            }
            Paced::Throttled(retry_after) => {
                pace.answered(now);
                pace.throttled(now, retry_after);
                self.tell_of_holds(now);
            }
        }
    }
}

/// How long actions in doubt wait for others, so that one reading of a list serves them all.
const GATHER: Duration = Duration::from_secs(10);
