//! The lists that providers have of what there is, page by page, with what is asked about single rows: under the limits, retries, tokens and
//! circuit breakers of a run. No page is kept, and the next one is asked for once all is known of the last: a list may have a million rows.
//! What a row is worth is its reader's to say. Only reads.

use super::exchange::ExchangeResult;
use super::inquiry::{Answered, Inquiry, NextTurn, Tries};
use super::pace::Pace;
use super::sender::Sender;
use super::step::{JournalFailed, PlainRead, Purpose};
use crate::plan::Settings;
use crate::provider::listing::{self, ListedRow};
use crate::provider::model::{DetailRule, LIST_COLUMNS, ListRule, Operation};
use crate::provider::paging::{self, AfterPage, PageCursor};
use crate::provider::{AnswerClass, target_state};
use crate::run::Ordinal;
use crate::time::Clock;
use crate::wire::Transport;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Lists that are to be read.
pub struct Listing<T, C> {
    /// The settings, with one account a sender.
    pub settings: Settings,
    /// The accounts, ready to send.
    pub senders: Vec<Rc<Sender<T>>>,
    /// The clock.
    pub clock: Rc<C>,
    /// The lists.
    pub wanted: Vec<WantedList>,
    /// The number of a signal here ends it early.
    pub stop: UnboundedReceiver<i32>,
}

/// A list that is to be read.
#[derive(Debug, Clone)]
pub struct WantedList {
    /// The account, by its index.
    pub account: usize,
    /// The operation that lists, by its place in the provider's document.
    pub operation: usize,
    /// What it is asked with beside what its document says.
    pub parameters: Map<String, Value>,
}

/// What is wanted to be known beyond a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowWish {
    /// More of the certificate that the row is about.
    pub detail: bool,
    /// The other certificates that belong to it.
    pub others: bool,
}

/// Reads the rows of lists.
pub trait RowReader {
    /// Takes a row of a list (by its place among those wanted). `is_whole` where no more will come to be known of it.
    fn row(&mut self, list: usize, row: &ListedRow, is_whole: bool) -> RowWish;

    /// Something of a list could not be read; why.
    fn broken(&mut self, list: usize, why: String);
}

/// How the reading of lists ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingEnd {
    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    pub refused: Vec<(String, String)>,
    /// The signal that ended it early.
    pub stopped: Option<i32>,
}

/// A list that is being read.
#[derive(Debug, Default)]
struct OpenList {
    cursor: PageCursor,
    /// Questions about rows of the last page that are still open.
    open: u64,
    /// What follows once they are answered.
    after: Option<AfterPage>,
}

/// What is asked for a list.
#[derive(Debug)]
struct ListQuestion {
    list: usize,
    about: About,
    tries: Tries,
}

/// What a question is about.
#[derive(Debug)]
enum About {
    /// A page: what it is asked by, where that must be said.
    Page(Option<Value>),
    /// A row: by which of the list's details.
    Row(ListedRow, usize),
}

struct ListsInReading<'r, T, C> {
    inquiry: Inquiry<T, C>,
    wanted: Vec<WantedList>,
    lists: Vec<OpenList>,
    questions: HashMap<Ordinal, ListQuestion>,
    next: Ordinal,
    reader: &'r mut dyn RowReader,
}

/// Reads the lists to their ends. Must be called inside a `LocalSet`.
pub async fn read_lists<T: Transport + 'static, C: Clock + 'static>(
    listing: Listing<T, C>,
    reader: &mut dyn RowReader,
) -> ListingEnd {
    let Listing { settings, senders, clock, wanted, mut stop } = listing;
    let scheduled = settings.accounts.iter().map(|account| (Pace::new(&account.windows), account.concurrency));
    let senders = senders.into_iter().map(Some).collect();
    let inquiry = Inquiry::new(None, clock, settings.retry, scheduled.collect(), senders);
    let lists = wanted.iter().map(|_| OpenList::default()).collect();
    let mut reading = ListsInReading { inquiry, wanted, lists, questions: HashMap::new(), next: 0, reader };
    for list in 0..reading.wanted.len() {
        let first = reading.rule(list).and_then(|(_, rule)| paging::first(rule.pages.as_ref()?));
        reading.ask(list, About::Page(first));
    }
    let mut stopped = None;
    loop {
        let turn = tokio::select! {
            biased;
            Some(signal) = stop.recv() => {
                stopped = Some(signal);
                break;
            }
            turn = reading.inquiry.next() => turn,
        };
        match turn {
            Ok(NextTurn::Ask(ordinal, account)) => reading.start(ordinal, account),
            Ok(NextTurn::Answered(answered)) => reading.take_answer(*answered),
            Ok(NextTurn::Over) => break,
            // Without a journal nothing of it can fail.
            Err(JournalFailed(why)) => {
                (0..reading.lists.len()).for_each(|list| reading.reader.broken(list, why.clone()));
                break;
            }
        }
    }
    ListingEnd { refused: reading.inquiry.refused(), stopped }
}

impl<T: Transport + 'static, C: Clock + 'static> ListsInReading<'_, T, C> {
    fn rule(&self, list: usize) -> Option<(&Operation, &ListRule)> {
        let wanted = self.wanted.get(list)?;
        let sender = &self.inquiry.accounts.get(wanted.account)?.as_ref()?.sender;
        let operation = sender.provider.operations.get(wanted.operation)?;
        Some((operation, operation.list.as_ref()?))
    }

    fn ask(&mut self, list: usize, about: About) {
        let ordinal = self.next;
        self.next += 1;
        let account = self.wanted[list].account;
        self.questions.insert(ordinal, ListQuestion { list, about, tries: Tries::default() });
        self.inquiry.scheduler.add(ordinal, account, &[], None);
    }

    fn start(&mut self, ordinal: Ordinal, account: usize) {
        let Some(question) = self.questions.get(&ordinal) else { return };
        let read = self.request(question);
        let asked = self.inquiry.ask::<Infallible>(ordinal, account, |_, _| Ok(Purpose::Read(Box::new(read))));
        asked.unwrap_or_else(|never| match never {})
    }

    /// The request of a question.
    fn request(&self, question: &ListQuestion) -> PlainRead {
        let wanted = &self.wanted[question.list];
        let nothing = || PlainRead { operation: wanted.operation, parameters: Map::new() };
        let Some((asked, rule)) = self.rule(question.list) else { return nothing() };
        match &question.about {
            About::Page(by) => {
                let mut parameters: Map<String, Value> = rule.parameters.iter().cloned().collect();
                parameters.extend(wanted.parameters.clone());
                if let (Some(by), Some(pages)) = (by, &rule.pages) {
                    let typed = target_state::typed(asked, &pages.parameter, by);
                    parameters.extend(typed.map(|page| (pages.parameter.clone(), page)));
                }
                PlainRead { operation: wanted.operation, parameters }
            }
            About::Row(row, detail) => {
                let Some(detail) = rule.details.get(*detail) else { return nothing() };
                let sender = self.inquiry.accounts[wanted.account].as_ref().map(|account| &account.sender);
                let operation = sender.map(|sender| &sender.provider.operations[detail.operation]);
                let parameter = |(name, column): &(String, String)| {
                    let value = Value::from(row.get(column)?.clone());
                    Some((name.clone(), target_state::typed(operation?, name, &value)?))
                };
                // What the list itself was asked with serves its details, too: a namespace, a pool.
                let has = |name: &str| {
                    operation.is_some_and(|operation| operation.parameters.iter().any(|one| one.name == name))
                };
                let shared = wanted.parameters.iter().filter(|(name, _)| has(name));
                let mut parameters: Map<String, Value> =
                    shared.map(|(name, value)| (name.clone(), value.clone())).collect();
                parameters.extend(detail.parameters.iter().filter_map(parameter));
                PlainRead { operation: detail.operation, parameters }
            }
        }
    }

    /// A request is over, whatever it was for.
    fn take_answer(&mut self, answered: Answered) {
        let Answered { question, account, result, given_up } = answered;
        if let Some(ordinal) = question {
            self.answered(ordinal, account, result.map(|result| result.exchanged).as_ref());
        }
        if self.inquiry.settle(account, given_up) {
            self.give_up(account);
        }
    }

    /// What a question was answered.
    fn answered(&mut self, ordinal: Ordinal, account: usize, exchanged: Option<&ExchangeResult>) {
        let Some(mut question) = self.questions.remove(&ordinal) else { return };
        let cause = match exchanged {
            Some(ExchangeResult::Answered(answer, verdict)) if verdict.class == AnswerClass::Succeeded => {
                let body = answer.json().clone();
                self.inquiry.scheduler.action_ended(ordinal, true);
                return self.take(question, &body);
            }
            None => "an internal error struck".to_owned(),
            Some(exchanged) => {
                let refused = matches!(exchanged, ExchangeResult::Answered(_, verdict)
                    if matches!(verdict.class, AnswerClass::Rejected | AnswerClass::AlreadyDone));
                if !refused && self.inquiry.try_again(ordinal, account, exchanged, &mut question.tries) {
                    self.questions.insert(ordinal, question);
                    return;
                }
                exchanged.cause()
            }
        };
        self.inquiry.scheduler.action_ended(ordinal, true);
        let cause =
            self.inquiry.accounts[account].as_ref().map_or_else(String::new, |asked| asked.sender.excerpt(&cause));
        let ListQuestion { list, about, .. } = question;
        match about {
            About::Page(_) => self.reader.broken(list, format!("the list could not be read further: {cause}")),
            About::Row(row, detail) => {
                let what: Vec<&str> = row
                    .iter()
                    .filter(|(name, _)| !LIST_COLUMNS.contains(&name.as_str()))
                    .map(|(_, value)| value.as_str())
                    .collect();
                let serial = row.get("serial_number").map(String::as_str);
                let what = if what.is_empty() { serial.unwrap_or_default().to_owned() } else { what.join(" ") };
                self.reader.broken(list, format!("more of {what} could not be read: {cause}"));
                self.row_known(list, &row, detail);
                self.row_answered(list);
            }
        }
    }

    /// Takes what was answered.
    fn take(&mut self, question: ListQuestion, body: &Value) {
        let ListQuestion { list, about, .. } = question;
        let Some((_, rule)) = self.rule(list) else { return };
        match about {
            About::Page(_) => {
                let (rule, given) = (rule.clone(), self.given(list));
                let mut rows = listing::rows(&rule.rows, body);
                let outermost = listing::outermost(&rule.rows, body);
                let after = self.lists[list].cursor.take(rule.pages.as_ref(), body, outermost, rows.len());
                self.lists[list].after = Some(after);
                for row in &mut rows {
                    for (name, value) in &given {
                        row.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                rows.into_iter().for_each(|row| self.take_row(list, &rule, row));
                self.follow(list);
            }
            About::Row(row, detail) => {
                let Some(asked) = rule.details.get(detail).cloned() else { return };
                let told = listing::rows(&asked.rows, body);
                if asked.rows.steps.is_empty() {
                    let mut row = row;
                    told.into_iter().for_each(|told| row.extend(told));
                    match self.next_detail(list, detail + 1, &row) {
                        Some(next) => {
                            self.lists[list].open += 1;
                            self.ask(list, About::Row(row, next));
                        }
                        None => drop(self.reader.row(list, &row, true)),
                    }
                } else {
                    let shared = shared(&row, &asked);
                    for told in told {
                        let other: ListedRow = shared.clone().into_iter().chain(told).collect();
                        self.reader.row(list, &other, true);
                    }
                }
                self.row_answered(list);
            }
        }
    }

    /// What the list was asked with that is known of each of its rows, too.
    fn given(&self, list: usize) -> BTreeMap<String, String> {
        let Some((_, rule)) = self.rule(list) else { return BTreeMap::new() };
        let sender = self.inquiry.accounts[self.wanted[list].account].as_ref().map(|account| &account.sender);
        let targets = sender.into_iter().flat_map(|sender| sender.provider.actions());
        let targets: Vec<&String> = targets.flat_map(|(_, action)| &action.target.parameters).collect();
        let all = rule.parameters.iter().map(|(name, value)| (name, value)).chain(&self.wanted[list].parameters);
        let all = all.filter(|(name, _)| targets.contains(name));
        all.filter_map(|(name, value)| Some((name.clone(), crate::provider::answer::scalar_text(value)?.into_owned())))
            .collect()
    }

    fn take_row(&mut self, list: usize, rule: &ListRule, row: ListedRow) {
        let first = self.next_detail(list, 0, &row);
        let wish = self.reader.row(list, &row, first.is_none());
        if wish.others {
            for (detail, asked) in rule.details.iter().enumerate() {
                if !asked.rows.steps.is_empty() && can_be_asked(asked, &row) {
                    self.lists[list].open += 1;
                    self.ask(list, About::Row(row.clone(), detail));
                }
            }
        }
        if let Some(detail) = first.filter(|_| wish.detail) {
            self.lists[list].open += 1;
            self.ask(list, About::Row(row, detail));
        }
    }

    /// The next detail that tells more of a row.
    fn next_detail(&self, list: usize, from: usize, row: &ListedRow) -> Option<usize> {
        let (_, rule) = self.rule(list)?;
        let mut rest = rule.details.iter().enumerate().skip(from);
        rest.find(|(_, detail)| detail.rows.steps.is_empty() && can_be_asked(detail, row)).map(|(index, _)| index)
    }

    /// Of a row no more will come to be known than this.
    fn row_known(&mut self, list: usize, row: &ListedRow, detail: usize) {
        let is_about_it = self.rule(list).is_some_and(|(_, rule)| rule.details[detail].rows.steps.is_empty());
        if is_about_it {
            self.reader.row(list, row, true);
        }
    }

    fn row_answered(&mut self, list: usize) {
        self.lists[list].open = self.lists[list].open.saturating_sub(1);
        self.follow(list);
    }

    /// Asks for the next page, once all is known of the last.
    fn follow(&mut self, list: usize) {
        if self.lists[list].open > 0 {
            return;
        }
        match self.lists[list].after.take() {
            Some(AfterPage::Next(by)) => self.ask(list, About::Page(Some(by))),
            Some(AfterPage::Broken(why)) => self.reader.broken(list, why),
            Some(AfterPage::End) | None => {}
        }
    }

    /// An account is not asked any more: what was still to be asked of it stays unknown.
    fn give_up(&mut self, account: usize) {
        let why = self.inquiry.why_not(account);
        let is_its = |question: &ListQuestion| self.wanted[question.list].account == account;
        let ordinals: Vec<Ordinal> =
            self.questions.iter().filter(|(_, question)| is_its(question)).map(|(ordinal, _)| *ordinal).collect();
        let mut lists = Vec::new();
        for ordinal in ordinals {
            let Some(ListQuestion { list, about, .. }) = self.questions.remove(&ordinal) else { continue };
            if let About::Row(row, detail) = about {
                self.row_known(list, &row, detail);
            }
            lists.push(list);
        }
        lists.sort_unstable();
        lists.dedup();
        for list in lists {
            self.lists[list].after = None;
            self.reader.broken(list, format!("the list could not be read further: {why}"));
        }
    }
}

fn can_be_asked(detail: &DetailRule, row: &ListedRow) -> bool {
    detail.parameters.iter().all(|(_, column)| row.contains_key(column))
}

/// What another certificate that belongs to a row shares with it: what is named, but not what is known of the certificate itself.
fn shared(row: &ListedRow, detail: &DetailRule) -> ListedRow {
    let is_shared = |name: &String| {
        let own = detail.rows.columns.iter().any(|(column, _)| column == name);
        !own && !LIST_COLUMNS.contains(&name.as_str())
    };
    row.iter().filter(|(name, _)| is_shared(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
