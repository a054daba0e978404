//! One round of the providers' state calls, under the limits and circuit breakers of a run, account by account. Each request has its record before
//! it is sent. What it asks for is told to the rounds; it decides nothing about them.

use super::rounds::{SourceAnswer, SourceReport, SourceReports, VerifyTarget};
use crate::engine::exchange::ExchangeResult;
use crate::engine::inquiry::{Answered, Inquiry, NextTurn, Tries};
use crate::engine::sender::Sender;
use crate::engine::stages::Subject;
use crate::engine::status_query::{Asker, DoubtfulAction, ReadLists, Reading, StatusQuery};
use crate::engine::step::{JournalFailed, Purpose};
use crate::engine::timing::Moment;
use crate::journal::{ActionState, Reader};
use crate::plan::Action;
use crate::provider::listing::ListedRow;
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, StatusSource};
use crate::time::Clock;
use crate::wire::Transport;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// Takes what a state call shows of the target of an action, under the names of a list's columns.
pub type TakeShown = Box<dyn FnMut(Ordinal, ListedRow)>;

/// The accounts whose state calls are asked, over all rounds.
pub(super) struct StateCalls<T, C> {
    pub(super) reader: Rc<Reader>,
    /// The cases that wait, by their index as the ordinal.
    pub(super) inquiry: Inquiry<T, C>,
    /// The lists that were read, by account.
    pub(super) lists: Vec<Rc<ReadLists>>,
    /// Takes what they show beside the state; then they are a preview's.
    pub(super) shown: Option<TakeShown>,
}

/// The cases of a round that are being asked about, and which are answered. Of those that wait nothing is held: there may be a million.
struct OpenCases {
    begun: HashMap<usize, OpenCase>,
    answered: Vec<bool>,
}

/// A case that is being asked about.
struct OpenCase {
    action: Action,
    operation: usize,
    doubtful: DoubtfulAction,
    tries: Tries,
}

/// Whether an action's target can be looked up, by its parameters or by the provider's id in its recorded answer.
pub fn has_state_call(provider: &Provider, action: &Action, reference: Option<&str>) -> bool {
    let Some(operation) = provider.operation(&action.operation) else { return false };
    let Some(rules) = &operation.action else { return false };
    let answer = reference.and_then(|reference| target_state::answer_with_reference(operation, reference));
    !target_state::choose_queries(provider, rules, &action.parameters, answer.as_ref()).is_empty()
}

/// Whether what a preview shows of an action's target can be asked for.
pub fn has_preview(provider: &Provider, action: &Action) -> bool {
    let rules = provider.operation(&action.operation).and_then(|operation| operation.action.as_ref());
    rules.is_some_and(|rules| !target_state::choose(provider, &rules.previews, &action.parameters, None).is_empty())
}

impl<T: Transport + 'static, C: Clock + 'static> StateCalls<T, C> {
    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    pub(super) fn refused(&self) -> Vec<(String, String)> {
        self.inquiry.refused()
    }

    /// Looks up those of the cases that are due.
    pub(super) async fn round(
        &mut self,
        cases: &[VerifyTarget],
        due: &[usize],
        reports: &SourceReports,
    ) -> Result<(), JournalFailed> {
        let since = self.inquiry.clock.elapsed();
        let mut open = OpenCases { begun: HashMap::new(), answered: vec![false; cases.len()] };
        for index in due {
            let account = cases[*index].account;
            if self.inquiry.accounts.get(account).is_some_and(Option::is_some) {
                self.inquiry.scheduler.add(*index as Ordinal, account, &[], None);
            }
        }
        self.inquiry.begin_round();
        loop {
            match self.inquiry.next().await? {
                NextTurn::Ask(ordinal, account) => self.start(ordinal, account, cases, &mut open, since)?,
                NextTurn::Answered(answered) => {
                    if let Some((case, answer)) = self.take_answer(*answered, &mut open) {
                        self.report(case, answer, &mut open, reports).await;
                    }
                }
                NextTurn::Over => break,
            }
        }
        // Its account was given up before it was asked.
        for case in due {
            let account = cases[*case].account;
            if self.inquiry.accounts.get(account).is_none_or(Option::is_none) || open.answered[*case] {
                continue;
            }
            let why = self.inquiry.why_not(account);
            self.report(*case, SourceAnswer::Nothing(why.into()), &mut open, reports).await;
        }
        Ok(())
    }

    async fn report(&mut self, case: usize, answer: SourceAnswer, open: &mut OpenCases, reports: &SourceReports) {
        open.begun.remove(&case);
        open.answered[case] = true;
        self.inquiry.scheduler.action_ended(case as Ordinal, true);
        let at = self.inquiry.clock.now();
        // The receiver is gone where the verification was stopped.
        drop(reports.send(SourceReport { case, source: StatusSource::Provider, answer, at }).await);
    }

    /// Starts the next step of a case whose place is taken: its question, or what must be fetched before.
    fn start(
        &mut self,
        ordinal: Ordinal,
        account: usize,
        cases: &[VerifyTarget],
        open: &mut OpenCases,
        since: Moment,
    ) -> Result<(), JournalFailed> {
        let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
        let asker = if self.shown.is_some() { Asker::Preview } else { Asker::Verification };
        let (reader, lists) = (Rc::clone(&self.reader), self.lists.get(account).cloned().unwrap_or_default());
        self.inquiry.ask(ordinal, account, |sender, inquiry| {
            let case = match open.begun.entry(index) {
                Entry::Occupied(case) => case.into_mut(),
                Entry::Vacant(place) => place.insert(question(&reader, sender, cases[index].ordinal, since)?),
            };
            let action = case.action.clone().into();
            let subject = Subject { action, operation: case.operation, stage: 0, parameters: None };
            let of = (subject, ActionState::default());
            let (doubtful, attempts) = (case.doubtful.clone(), inquiry.retry.attempts);
            let query = StatusQuery::new(sender, of, doubtful, attempts, asker, lists);
            Ok(Purpose::Query(Box::new(query)))
        })
    }

    /// A request is over, whatever it was for. Returns the answer about its case, where it has one.
    fn take_answer(&mut self, answered: Answered, open: &mut OpenCases) -> Option<(usize, SourceAnswer)> {
        let Answered { question, account, result, given_up } = answered;
        let case = question.map(|ordinal| usize::try_from(ordinal).unwrap_or(usize::MAX));
        let answer = match (result.map(|result| (result.purpose, result.exchanged)), case) {
            (Some((Purpose::Query(query), exchanged)), Some(case)) => {
                self.answer(case, account, &query, &exchanged, open).map(|answer| (case, answer))
            }
            (Some(_), _) => None,
            (None, case) => case.map(|case| (case, SourceAnswer::Nothing("an internal error struck".into()))),
        };
        self.inquiry.settle(account, given_up);
        answer
    }

    /// What a case's question was answered; `None` where it is asked again.
    fn answer(
        &mut self,
        index: usize,
        account: usize,
        query: &StatusQuery,
        exchanged: &ExchangeResult,
        open: &mut OpenCases,
    ) -> Option<SourceAnswer> {
        let sender = Rc::clone(&self.inquiry.accounts.get(account)?.as_ref()?.sender);
        let case = open.begun.get_mut(&index)?;
        let reading = query.reading(&sender, exchanged);
        if let Some(next) = query.next_query(&reading, exchanged) {
            case.doubtful = next;
            self.inquiry.scheduler.requeue(index as Ordinal, account, None);
            return None;
        }
        let cause = match reading {
            Reading::TargetState(target_state, seen) => {
                let seen = sender.mask(&seen);
                if let Some(take) = &mut self.shown {
                    take(case.action.ordinal, query.shown(&sender));
                }
                return Some(match target_state {
                    TargetState::Done => SourceAnswer::Revoked(None, None),
                    TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                    TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                    TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                });
            }
            Reading::More => {
                self.inquiry.scheduler.requeue(index as Ordinal, account, None);
                return None;
            }
            Reading::Failed(cause) => cause,
        };
        let again = self.inquiry.try_again(index as Ordinal, account, exchanged, &mut case.tries);
        (!again).then(|| SourceAnswer::Nothing(sender.excerpt(&cause).into()))
    }
}

/// What is asked about an action, with its operation; what only the recorded answer tells (the provider's own id) included.
fn question<T: Transport>(
    reader: &Reader,
    sender: &Sender<T>,
    ordinal: Ordinal,
    since: Moment,
) -> Result<OpenCase, JournalFailed> {
    let (action, history) = reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
    let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
    let operation = sender.find_action(&action.operation).ok_or_else(unknown)?;
    let answer = history
        .reply
        .reference
        .and_then(|reference| target_state::answer_with_reference(&sender.provider.operations[operation], &reference));
    let doubtful = DoubtfulAction { answer, since, ..DoubtfulAction::default() };
    Ok(OpenCase { action, operation, doubtful, tries: Tries::default() })
}
