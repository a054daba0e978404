//! The steps of a plan that wait: for what the CA has accepted to be settled, for what an earlier step brings, for a revocation to be seen, or for
//! servers to show their new certificate. Nothing here takes effect. A state is asked for by status queries, under the limits of its account; servers
//! are looked at by one handshake a look, and lists and responders asked as `verify` asks: these need no place under the limits of an account, since
//! no provider's API is asked. In a rehearsal nobody is asked at all: what was done counts as seen a while later.

use super::queries::{FOLLOW_INTERVAL, ToldState};
use super::state::{Dispatcher, Look, PublishedLook, ServersSeen, Sight};
use crate::engine::attempt::{self, Unresolved};
use crate::engine::sender::Sender;
use crate::engine::stages::{Lookup, StageRules, Subject};
use crate::engine::status_query::{Asker, DoubtfulAction};
use crate::engine::step::JournalFailed;
use crate::engine::timing::{ClockChange, Moment, RequestTiming, WallTime};
use crate::engine::verify::PublishedState;
use crate::journal::{History, JournalError, Phase, Reply, ToSend};
use crate::pki::{Certificate, SerialNumber, SerialSpelling, TlsServer};
use crate::plan::Action;
use crate::plan::checked::{Wait, WaitFor};
use crate::provider::TargetState;
use crate::run::{Awaited, Event, Ordinal, Outcome, StatusSource, StatusSources};
use crate::text::safe;
use crate::time::{Clock, human};
use crate::wire::Transport;
use futures_util::future::{FutureExt as _, join_all};
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a server must show, and what it is expected to show until then.
struct Expected {
    new: Certificate,
    /// The serial number of the certificate that is replaced, where it is known.
    old: Option<SerialNumber>,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// The turn of a wait: what it needs has ended well.
    ///
    /// # Errors
    /// Where it cannot be read, or what it is about.
    pub(super) fn start_wait(&mut self, ordinal: Ordinal, account: usize, now: Moment) -> Result<(), JournalFailed> {
        let failed = |error: &dyn std::fmt::Display| JournalFailed(error.to_string());
        // One whose time was over is still queued.
        if matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            self.release_unsent(account);
            return Ok(());
        }
        let action = self.run.reader.to_send(ordinal).map_err(|error| failed(&error))?;
        let wait = Wait::of_action(&action.operation, &action.parameters);
        let wait = wait.ok_or_else(|| JournalFailed(format!("{} is no wait", action.id)))?;
        if !matches!(wait.until, WaitFor::Revoked | WaitFor::Served) {
            self.release_unsent(account);
            let why = format!("{} is settled", wait.of);
            self.end_without_sending(account, ordinal, &action.id, Outcome::Succeeded, why);
            return Ok(());
        }
        let sender = Rc::clone(&self.run.senders[account]);
        let of = self.run.reader.ordinal_of(&wait.of).map_err(|error| failed(&error))?;
        let of = of.ok_or_else(|| JournalFailed(format!("there is no action {}", wait.of)))?;
        let (about, history) = self.run.reader.history(of).map_err(|error| failed(&error))?;
        if wait.until == WaitFor::Served {
            return self.look_at_servers((ordinal, account), (action.id, wait), (&about, &history), now);
        }
        let about = match attempt::resolved(self.run.reader, &self.run.senders, ToSend::from(about)) {
            Ok(about) => about,
            Err(Unresolved::Journal(error)) => return Err(failed(&error)),
            Err(Unresolved::NotYet) => {
                self.release_unsent(account);
                self.scheduler.requeue(ordinal, account, Some(now + UNTIL_DURABLE));
                return Ok(());
            }
            Err(Unresolved::Missing(why)) => {
                self.release_unsent(account);
                self.end_without_sending(account, ordinal, &action.id, Outcome::Failed, why);
                return Ok(());
            }
        };
        let unknown = || JournalFailed(format!("the provider document has no operation {}", about.operation));
        let operation = sender.find_action(&about.operation).ok_or_else(unknown)?;
        let stage = StageRules::of(&sender.provider, operation, 0).ok_or_else(unknown)?;
        let answer = stage.recorded_answer(&history.reply);
        let by = if wait.by.is_empty() { StatusSource::ALL.into_iter().collect() } else { wait.by };
        let lookup = stage.lookup(&sender.provider, &about.parameters, answer.as_ref());
        let lookup = lookup.filter(|_| by.contains(StatusSource::Provider));
        let published = [StatusSource::Crl, StatusSource::Ocsp].into_iter().filter(|source| by.contains(*source));
        let published: StatusSources = published.collect();
        let published = (self.run.published.is_some() && !published.is_empty()).then_some((of, published));
        let is_first = !self.looks.contains_key(&ordinal);
        let look = self.looks.entry(ordinal).or_insert_with(|| Look::new(now, Awaited::Revocation));
        look.published = published;
        let (since, passed) = (look.since, look.passed);
        if lookup.is_none() {
            self.release_unsent(account);
            if sender.is_made_up() {
                self.rehearse_look((ordinal, account), &action.id, &history, "published", now);
            } else {
                self.ask_what_is_published(account, ordinal, action.id, None);
            }
            return Ok(());
        }
        if is_first && lookup == Some(Lookup::List) {
            self.release_unsent(account);
            self.queue_query(account, ordinal, lookup);
            return Ok(());
        }
        let timing = Rc::new(RequestTiming::new(now));
        let Some(ticket) = self.ticket(ordinal, account, &timing) else { return Ok(()) };
        // The wait's own, about what the other acts on.
        let action = ToSend { ordinal, id: action.id, ..about };
        let subject = Subject { action, operation, stage: 0, parameters: None };
        let doubtful = DoubtfulAction { answer, since, passed, ..DoubtfulAction::default() };
        self.begin_query(account, (timing, ticket), subject, (Asker::Wait, doubtful));
        Ok(())
    }

    /// What a wait looks for was asked for: it is there, or it is asked for again, later each time.
    pub(super) fn looked(&mut self, account: usize, ordinal: Ordinal, id: &str, told: ToldState) {
        if matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            return;
        }
        let sender = &self.run.senders[account];
        let seen = match told {
            Ok((TargetState::Done, seen)) => {
                let why = format!("found so by a status query: {}", sender.mask(&seen));
                self.looks.remove(&ordinal);
                return self.end_without_sending(account, ordinal, id, Outcome::Succeeded, why);
            }
            Ok((_, seen)) => sender.mask(&seen),
            Err(cause) => cause,
        };
        self.ask_what_is_published(account, ordinal, id.to_owned(), Some(seen));
    }

    /// The provider does not say that it is revoked, or is not asked (`None`): a list or a responder may, where one is asked.
    fn ask_what_is_published(&mut self, account: usize, ordinal: Ordinal, id: String, before: Option<String>) {
        match self.looks.get(&ordinal).and_then(|look| look.published) {
            Some((of, by)) => {
                self.published_due.push(PublishedLook { wait: (ordinal, account), id, of, by, before });
                self.read_published();
            }
            None => self.look_again(account, ordinal, before.unwrap_or_default()),
        }
    }

    /// What a wait looks for is not there yet: it is looked for again, later each time.
    fn look_again(&mut self, account: usize, ordinal: Ordinal, seen: String) {
        let now = self.run.clock.elapsed();
        let Some(look) = self.looks.get_mut(&ordinal) else { return };
        look.asked += 1;
        let pause = FIRST_LOOK.saturating_mul(1 << (look.asked - 1).min(16)).min(FOLLOW_INTERVAL);
        look.seen = seen;
        // A list that was read before this look shows nothing new.
        look.since = now;
        look.passed = 0;
        if !self.run.wait && look.asked > MAX_LOOKS {
            self.left_waiting.insert(ordinal);
            return;
        }
        let on = look.on;
        self.scheduler.poll(ordinal, account, now + pause, on);
    }

    /// An action with what earlier steps of its entry brought. `None` where it cannot be sent now, or not at all: it was queued again, or has ended.
    pub(super) fn resolve(
        &mut self,
        account: usize,
        action: ToSend,
        now: Moment,
    ) -> Result<Option<ToSend>, JournalFailed> {
        let (ordinal, id) = (action.ordinal, action.id.clone());
        match attempt::resolved(self.run.reader, &self.run.senders, action) {
            Ok(action) => return Ok(Some(action)),
            Err(Unresolved::Journal(error)) => return Err(JournalFailed(error.to_string())),
            Err(Unresolved::NotYet) => {
                self.release_unsent(account);
                self.scheduler.requeue(ordinal, account, Some(now + UNTIL_DURABLE));
            }
            Err(Unresolved::Missing(why)) => {
                self.release_unsent(account);
                let sent = self.states.of(ordinal).tainted;
                let outcome = if sent { Outcome::InDoubt } else { Outcome::Failed };
                self.end_without_sending(account, ordinal, &id, outcome, why);
            }
        }
        Ok(None)
    }

    /// The provider has accepted an action: what acts on the request that waits there may go, and the time of a wait behind it runs. Returns whether
    /// something goes.
    pub(super) fn note_accepted(&mut self, ordinal: Ordinal) -> bool {
        let Self { scheduler, queue, .. } = self;
        let goes = scheduler.release_accepting(ordinal, |dependent| queue.accepts(dependent, ordinal));
        self.begin_wait_behind(ordinal);
        goes
    }

    /// An action has ended well, or is accepted: the time of a wait behind it runs from now on, if it does not run already.
    pub(super) fn begin_wait_behind(&mut self, ordinal: Ordinal) {
        let wait = ordinal + 1;
        if let Some(Some(within)) = self.queue.wait(wait)
            && self.queue.needs(wait).first() == Some(&ordinal)
            && self.states.of(wait).phase == Phase::Waiting
            && self.timed.insert(wait)
        {
            self.time_limits.insert((self.run.clock.elapsed() + within, wait));
        }
    }

    /// The times of waits that run already when this process begins: from the end of the step before, as the journal has it.
    pub(super) fn begin_waits(&mut self) -> Result<(), JournalError> {
        let wall = WallTime::read(&*self.run.clock);
        let now = wall.wall;
        let waits: Vec<(Ordinal, Duration)> =
            self.queue.waits().filter_map(|(ordinal, within)| Some((ordinal, within?))).collect();
        for (ordinal, within) in waits {
            let state = self.states.of(ordinal);
            let Some(before) = self.queue.needs(ordinal).first().copied() else { continue };
            let (state_before, is_next) = (self.states.of(before), before + 1 == ordinal);
            let begun = match state_before.phase {
                Phase::Ended(outcome) => outcome.is_well(),
                Phase::Waiting => state_before.following.is_some(),
                Phase::InFlight => false,
            };
            if state.phase != Phase::Waiting || (!begun && is_next) {
                continue;
            }
            // One that is taken up again after its time was over begins anew.
            let begun = if state.reopened || !begun {
                now
            } else {
                let (_, history) = self.run.reader.history(before)?;
                let is_settled = matches!(state_before.phase, Phase::Ended(outcome) if !outcome.is_pending());
                let at = if is_settled { history.finished_at } else { history.started_at };
                at.unwrap_or(now)
            };
            let over = begun.checked_add(within).unwrap_or(now);
            self.timed.insert(ordinal);
            // By a clock that was set back it may be years until then; never longer than from now on.
            self.time_limits.insert((wall.now + wall.until(over).min(within), ordinal));
        }
        Ok(())
    }

    /// Where the wall clock was set, what waits for a date waits for it anew: it may have come, or be years away by the clock before.
    pub(super) fn look_at_the_clocks(&mut self) {
        let readings = WallTime::read(&*self.run.clock);
        let Some(change) = self.clock_watch.look(readings) else { return };
        if let ClockChange::Set(_) = change {
            self.closed_until = None;
            // How far it is off is news again.
            self.skew_warned.clear();
            let Self { scheduler, queue, states, .. } = self;
            scheduler.move_dates(|ordinal| {
                let not_begun = states.of(ordinal).attempts == 0;
                queue.not_before(ordinal).filter(|_| not_begun).map(|date| readings.moment(date))
            });
        }
        if let Some(told) = change.told(readings.wall) {
            self.notify(Event::Warning(told));
        }
    }

    /// When the time of the next wait is over.
    pub(super) fn next_time_limit(&self) -> Option<Moment> {
        self.time_limits.first().map(|(at, _)| *at)
    }

    /// Ends the waits whose time is over; what needs them is never sent.
    pub(super) fn end_overdue_waits(&mut self) -> Result<(), JournalFailed> {
        let now = self.run.clock.elapsed();
        let mut ended: HashMap<usize, HashSet<Ordinal>> = HashMap::new();
        while let Some((_, ordinal)) = self.time_limits.first().copied().filter(|(at, _)| *at <= now) {
            self.time_limits.pop_first();
            let Some(account) = self.queue.account(ordinal) else { continue };
            let is_open = |need: &&Ordinal| !self.queue.is_met(ordinal, **need, self.states.of(**need));
            let open = self.queue.needs(ordinal).iter().find(is_open).copied();
            // What it waits for is there, and its turn comes.
            let is_over = open.is_some() || self.looks.contains_key(&ordinal);
            if self.states.of(ordinal).phase != Phase::Waiting || !is_over {
                continue;
            }
            let failed = |error: JournalError| JournalFailed(error.to_string());
            let action = self.run.reader.to_send(ordinal).map_err(failed)?;
            let until = Wait::of_action(&action.operation, &action.parameters).map(|wait| wait.until);
            let id = action.id;
            let within = self.queue.wait(ordinal).flatten().map(human).unwrap_or_default();
            let why = match (open, self.looks.remove(&ordinal)) {
                (Some(open), _) => {
                    let (action, history) = self.run.reader.history(open).map_err(failed)?;
                    let words = history.reply.message.map(|words| format!(" ({words})")).unwrap_or_default();
                    let state = history.state.outcome();
                    format!("`within` is over after {within}: {} is still {state}{words}", action.id)
                }
                (None, Some(look)) => {
                    let what =
                        if until == Some(WaitFor::Served) { "not everywhere served" } else { "not seen revoked" };
                    let looks = if look.asked == 1 { "1 look".to_owned() } else { format!("{} looks", look.asked) };
                    let seen = if look.seen.is_empty() { String::new() } else { format!("; {}", look.seen) };
                    format!("`within` is over after {within}: it is {what} ({looks}{seen})")
                }
                (None, None) => format!("`within` is over after {within}"),
            };
            let reply = Reply { message: Some(why), ..Reply::default() };
            self.write(vec![self.end_of(ordinal, Outcome::Failed, reply.clone())]);
            self.end_action(account, ordinal, &id, Outcome::Failed, &reply);
            ended.entry(account).or_default().insert(ordinal);
            let lost = self.scheduler.give_up(ordinal, account, self.queue.needs(ordinal));
            if !lost.is_empty() {
                self.skip(lost, &format!("never sent: it needs {id}, which ended failed"));
            }
        }
        // All at once: there may be a hundred thousand.
        ended.iter().for_each(|(account, ended)| self.scheduler.forget(*account, ended));
        Ok(())
    }
}

// What the world shows: servers their new certificate, lists and responders a revocation.
impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// The turn of a wait for servers; `of` is the action that brought the new certificate.
    ///
    /// # Errors
    /// Its certificate in the journal cannot be read.
    fn look_at_servers(
        &mut self,
        (ordinal, account): (Ordinal, usize),
        (id, wait): (String, Wait),
        (of, history): (&Action, &History),
        now: Moment,
    ) -> Result<(), JournalFailed> {
        self.release_unsent(account);
        let Some(issued) = &history.issued else {
            // Ended in memory, and on disk after a moment.
            if matches!(history.state.phase, Phase::Ended(_)) {
                let why = format!("{} brought no new certificate, so that none can be compared", of.id);
                self.end_without_sending(account, ordinal, &id, Outcome::Failed, why);
            } else {
                self.scheduler.requeue(ordinal, account, Some(now + UNTIL_DURABLE));
            }
            return Ok(());
        };
        self.looks.entry(ordinal).or_insert_with(|| Look::new(now, Awaited::Servers));
        let sender = Rc::clone(&self.run.senders[account]);
        if sender.is_made_up() {
            self.rehearse_look((ordinal, account), &id, history, "deployed", now);
            return Ok(());
        }
        let unreadable = || JournalFailed(format!("the new certificate of {} cannot be read", of.id));
        let mut chain = Certificate::parse_all(issued.pem.as_bytes()).map_err(|_| unreadable())?.into_iter();
        let new = chain.next().ok_or_else(unreadable)?;
        let expected = Expected { new, old: wait.old.clone() };
        let gate = Rc::clone(&self.handshake_gate);
        let looking = async move {
            let others = ask(&sender, &gate, &wait.at, &expected).await;
            Sight::Servers(ServersSeen { account, ordinal, id, at: wait.at, others })
        };
        self.looking.push(looking.boxed_local());
        Ok(())
    }

    /// A look at the world is over.
    pub(super) fn sighted(&mut self, sight: Sight) {
        match sight {
            Sight::Servers(shown) => self.servers_shown(shown),
            Sight::Published(states) => {
                self.is_reading_published = false;
                states.into_iter().for_each(|(look, state)| self.published_shown(look, state));
                self.read_published();
            }
        }
    }

    /// Asks what CAs publish about all that is due. One round at a time: a list is fetched once for all that it may hold.
    fn read_published(&mut self) {
        let Some(published) = self.run.published.clone() else { return };
        if self.is_reading_published || self.published_due.is_empty() {
            return;
        }
        self.is_reading_published = true;
        let due = std::mem::take(&mut self.published_due);
        let reading = published.look(due.iter().map(|look| (look.of, look.by)).collect());
        let reading = async move {
            let states = AssertUnwindSafe(reading).catch_unwind().await.unwrap_or_default();
            let failed = || {
                let words = "an internal error struck".to_owned();
                PublishedState { is_revoked: false, can_be_asked: true, words }
            };
            let states = states.into_iter().chain(std::iter::repeat_with(failed));
            Sight::Published(due.into_iter().zip(states).collect())
        };
        self.looking.push(reading.boxed_local());
    }

    fn published_shown(&mut self, look: PublishedLook, state: PublishedState) {
        let PublishedLook { wait: (ordinal, account), id, before, .. } = look;
        if self.stopping.is_some() || matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            return;
        }
        if state.is_revoked {
            self.looks.remove(&ordinal);
            return self.end_without_sending(account, ordinal, &id, Outcome::Succeeded, state.words);
        }
        let Some(before) = before else {
            if !state.can_be_asked {
                // To wait until `within` is over would tell nobody more.
                self.looks.remove(&ordinal);
                let why = format!("nobody can be asked whether it is revoked: {}", state.words);
                return self.end_without_sending(account, ordinal, &id, Outcome::Failed, why);
            }
            return self.look_again(account, ordinal, state.words);
        };
        let between = if before.is_empty() { "" } else { "; " };
        self.look_again(account, ordinal, format!("{before}{between}{}", state.words));
    }

    /// A rehearsal asks nobody outside this machine: what waits for the world ends well a while after the step that it is about.
    fn rehearse_look(
        &mut self,
        (ordinal, account): (Ordinal, usize),
        id: &str,
        history: &History,
        what: &str,
        now: Moment,
    ) {
        let wall = WallTime::read(&*self.run.clock);
        let there = history.finished_at.and_then(|at| at.checked_add(REHEARSED_PAUSE).ok());
        let missing = there.map(|there| wall.until(there)).unwrap_or_default();
        if missing.is_zero() {
            let why = format!("rehearsal: taken as {what} {} later; nobody was asked", human(REHEARSED_PAUSE));
            self.looks.remove(&ordinal);
            return self.end_without_sending(account, ordinal, id, Outcome::Succeeded, why);
        }
        let Some(look) = self.looks.get_mut(&ordinal) else { return };
        look.asked += 1;
        look.seen = format!("rehearsal: not {what} yet");
        self.scheduler.poll(ordinal, account, now + missing, look.on);
    }

    /// A look is over: all servers show the new certificate, or they are looked at again.
    fn servers_shown(&mut self, shown: ServersSeen) {
        let ServersSeen { account, ordinal, id, at, others } = shown;
        // Its time may be over.
        if self.stopping.is_some() || matches!(self.states.of(ordinal).phase, Phase::Ended(_)) {
            return;
        }
        if others.is_empty() {
            self.looks.remove(&ordinal);
            let why = format!("the new certificate is shown by {}", listed(at.iter().map(ToString::to_string)));
            return self.end_without_sending(account, ordinal, &id, Outcome::Succeeded, why);
        }
        self.look_again(account, ordinal, listed(others.into_iter()));
    }
}

/// Asks servers; what those show that do not show what they must.
async fn ask<T: Transport>(sender: &Sender<T>, gate: &Semaphore, at: &[TlsServer], expected: &Expected) -> Vec<String> {
    let looks = at.iter().map(|server| async move {
        let _turn = gate.acquire().await;
        let asked = AssertUnwindSafe(sender.shown_certificate(server)).catch_unwind().await;
        let shown = asked.unwrap_or_else(|_| Err("an internal error struck".to_owned()));
        difference(expected, shown).map(|what| format!("{server}: {what}"))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// What a server shows that is not the new certificate.
fn difference(expected: &Expected, shown: Result<Vec<u8>, String>) -> Option<String> {
    let der = match shown {
        Ok(der) => der,
        Err(why) => return Some(why),
    };
    let Ok(shown) = Certificate::parse(&der) else {
        return Some("it shows a certificate that cannot be read".to_owned());
    };
    let new = &expected.new;
    if shown.spki == new.spki && shown.serial == new.serial {
        return None;
    }
    let which = if Some(&shown.serial) == expected.old.as_ref() {
        "still the old certificate"
    } else if shown.spki == new.spki {
        "another certificate for the new key"
    } else {
        "another certificate than the new one"
    };
    let subject = shown.common_name().or_else(|| shown.host_names().into_iter().next()).unwrap_or_default();
    let serial = shown.serial.spelled(SerialSpelling::HexLower);
    let (issuer, ends) = (shown.issuer_name(), shown.ends);
    let described =
        format!("it shows {which} ({subject}, serial number {serial}, issued by {issuer}, until {ends:.0})");
    Some(safe::terminal(&described).into_owned())
}

/// The first few.
fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MAX_LISTED);
    let mut words = all.take(MAX_LISTED).collect::<Vec<_>>().join("; ");
    if more > 0 {
        words = format!("{words}; and {more} more");
    }
    words
}

/// Before the second look at a state.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// So many looks at one state in a process where nobody stays for it: about ten minutes.
const MAX_LOOKS: u32 = 14;
/// What an earlier step brought is on disk after a moment.
const UNTIL_DURABLE: Duration = Duration::from_millis(20);
/// Handshakes at once. None is a request to a provider, and each may hang until it is given up.
pub(super) const MAX_HANDSHAKES: usize = 64;
/// Servers that are named in one message.
const MAX_LISTED: usize = 3;
/// In a rehearsal, until the world shows what was done.
const REHEARSED_PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &[u8] = include_bytes!("../../pki/testdata/world/good.der");
    const OTHER: &[u8] = include_bytes!("../../pki/testdata/world/revoked.der");

    #[test]
    fn what_a_server_shows_is_told_by_key_and_serial_number() {
        let new = || Certificate::parse(NEW).unwrap();
        let other = Certificate::parse(OTHER).unwrap();
        let unknown = Expected { new: new(), old: None };
        let known = Expected { new: new(), old: Some(other.serial) };
        let mut same_key = new();
        same_key.serial = SerialNumber::parse("0x7777").unwrap();
        let renewed = Expected { new: same_key, old: None };
        for (expected, shown, words) in [
            (&unknown, Ok(NEW.to_vec()), None),
            (&unknown, Ok(OTHER.to_vec()), Some("it shows another certificate than the new one (")),
            (&known, Ok(OTHER.to_vec()), Some("it shows still the old certificate (")),
            (&renewed, Ok(NEW.to_vec()), Some("it shows another certificate for the new key (")),
            (&known, Ok(b"no".to_vec()), Some("it shows a certificate that cannot be read")),
            (&known, Err("nothing listens there".to_owned()), Some("nothing listens there")),
        ] {
            let found = difference(expected, shown);
            match words {
                None => assert_eq!(found, None),
                Some(words) => assert!(found.as_ref().is_some_and(|found| found.starts_with(words)), "{found:?}"),
            }
        }
        let many = (1..6).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(many.into_iter()), "1; 2; 3; and 2 more");
    }
}
