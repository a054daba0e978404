//! What the dispatcher does for an action of several stages: what they have brought, which is next, when a stage that only reads is asked again,
//! and the new certificate at the end. What an answer means is decided in [`crate::engine::stages`].

use super::state::{Dispatcher, MadeKey, Poll};
use crate::engine::attempt::{self, Conclusion};
use crate::engine::retry::{self, NextStep, Rules};
use crate::engine::sender::Sender;
use crate::engine::stages::{FIRST_POLL, StageKind, StageRules, Subject};
use crate::engine::status_query::DoubtfulAction;
use crate::engine::step::JournalFailed;
use crate::engine::timing::WallTime;
use crate::journal::{ActionState, IssuedCertificate, Phase, Record, Reply, ToSend};
use crate::pki::{NewCertificate, RequestedCertificate, SerialSpelling};
use crate::provider::challenge::Challenge;
use crate::provider::model::Stage;
use crate::provider::stages::Captures;
use crate::provider::{Idempotency, stages};
use crate::run::{Awaited, Effect, Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use serde_json::{Map, Value};
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::time::Duration;

/// What a stage's turn comes to.
pub(super) enum StageRequest {
    /// A request of these parameters, and the challenge that is met before.
    Make(Map<String, Value>, Option<Challenge>),
    /// There is nothing (more) to do.
    PassOver,
    /// What it takes is not there; a sentence.
    Cannot(String),
}

/// The parameters of an action's own request, as to the key by which its provider knows that several are one.
pub(super) enum Keyed {
    /// It has none, or the plan gives it.
    AsTheyAre,
    /// With the key.
    With(Map<String, Value>),
    /// The provider no longer knows the key of an attempt that may have taken effect.
    Forgotten,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// What the stages of an action have brought: in memory while it is under way, and in the journal where an earlier process did them.
    fn captures_of(&mut self, ordinal: Ordinal) -> Result<&Captures, JournalFailed> {
        match self.captures.entry(ordinal) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let history = self.run.reader.history(ordinal);
                let (_, history) = history.map_err(|error| JournalFailed(error.to_string()))?;
                Ok(place.insert(history.captures))
            }
        }
    }

    /// The parameters of an action's own request with the key by which its provider knows that several are one. A key is made once, and is on disk
    /// before it is sent.
    pub(super) fn keyed_parameters(
        &mut self,
        sender: &Sender<T>,
        operation: usize,
        action: &ToSend,
        state: ActionState,
        is_attempt: bool,
    ) -> Result<Keyed, JournalFailed> {
        let ordinal = action.ordinal;
        let rules = sender.provider.operations[operation].action.as_ref();
        let Some(rule) = rules.and_then(|rules| rules.idempotency_key.as_ref()) else { return Ok(Keyed::AsTheyAre) };
        // A plan that gives one knows why.
        if action.parameters.contains_key(&rule.parameter) {
            return Ok(Keyed::AsTheyAre);
        }
        let mut known = self.idempotency_keys.get(&ordinal).cloned();
        if known.is_none() && state.attempts > 0 {
            let history = self.run.reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?.1;
            let moment = self.keyed_before.get(&ordinal).copied();
            known = history.idempotency_key.map(|(key, at)| MadeKey { key, at, moment });
        }
        let now = WallTime::read(&*self.run.clock);
        let made = match known {
            Some(known) => known,
            None if !is_attempt => return Ok(Keyed::AsTheyAre),
            None => {
                let key = rule.of(self.jitter.octets());
                self.write(vec![Record::Keyed { ordinal, at: now.wall, key: key.clone() }]);
                MadeKey { key, at: now.wall, moment: Some(now.now) }
            }
        };
        // Behind that time the provider takes it for another request, and what an earlier one did would be done twice.
        if is_attempt && state.tainted && !rule.is_known(made.age(now)) {
            return Ok(Keyed::Forgotten);
        }
        let mut parameters: Map<String, Value> = (*action.parameters).clone();
        parameters.insert(rule.parameter.clone(), Value::String(made.key.clone()));
        self.idempotency_keys.insert(ordinal, made);
        Ok(Keyed::With(parameters))
    }

    /// An action whose earlier attempt may have taken effect, and whose provider no longer knows its key: it is looked up, or stays in doubt, as one
    /// that is not idempotent.
    pub(super) fn doubt_forgotten(
        &mut self,
        account: usize,
        sender: &Sender<T>,
        subject: &Subject,
        state: ActionState,
    ) {
        self.release_unsent(account);
        let ordinal = subject.action.ordinal;
        let Some(stage) = subject.rules(&sender.provider) else { return };
        let message = "an earlier attempt was left without an answer, and the CA no longer tells by the key that a second is the same";
        let reply = Reply { message: Some(message.to_owned()), ..Reply::default() };
        let rules =
            attempt::rules(&sender.provider, &stage, subject.parameters(), None, self.run.settings.retry.attempts);
        let rules = Rules { idempotency: Idempotency::NotIdempotent, ..rules };
        if let NextStep::LookUp(_) = retry::first_step(rules, state) {
            let since = self.run.clock.elapsed();
            self.doubts
                .insert(ordinal, DoubtfulAction { reply, since, never_again: true, ..DoubtfulAction::default() });
            self.scheduler.requeue(ordinal, account, None);
            return;
        }
        let reply = attempt::closing_reply(sender, &stage, &subject.action, Outcome::InDoubt, (true, true), reply);
        self.write(vec![self.end_of(ordinal, Outcome::InDoubt, reply.clone())]);
        self.end_action(account, ordinal, &subject.action.id, Outcome::InDoubt, &reply);
        self.release_dependents(ordinal, &subject.action.id, Outcome::InDoubt);
    }

    /// The new certificate of an action that is done, held against its request.
    ///
    /// # Errors
    /// There is none, or in what it does not fit.
    pub(super) fn issued(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        wanted: Option<&RequestedCertificate>,
        captured: Option<&(String, Map<String, Value>)>,
    ) -> Result<IssuedCertificate, String> {
        let action = self.run.reader.to_send(ordinal).map_err(|error| error.to_string())?;
        let mut captures = self.captures_of(ordinal).map_err(|failed| failed.0)?.clone();
        captured.into_iter().for_each(|(step, outputs)| captures.keep(step, outputs.clone()));
        let sender = &self.run.senders[account];
        let operation = sender.find_action(&action.operation).and_then(|place| sender.provider.operations.get(place));
        let rules = operation.and_then(|operation| operation.action.as_ref());
        let texts = rules.map(|rules| stages::new_certificate(rules, &captures)).unwrap_or_default();
        let mut found = NewCertificate::read(&texts)?;
        if let Some(wanted) = wanted {
            found = found.fit(wanted, self.run.clock.now())?;
        }
        let leaf = found.leaf().ok_or("no new certificate came")?;
        let serial_number = leaf.serial.spelled(SerialSpelling::HexLower);
        Ok(IssuedCertificate { serial_number, not_after: leaf.ends, pem: found.to_pem() })
    }

    /// A CA that shows the certificate before until the new one is there has not done what was asked for: it is polled.
    pub(super) fn not_before_it_is_new(&self, account: usize, ordinal: Ordinal, result: Conclusion) -> Conclusion {
        let declared = self.stage_rules(account, ordinal).and_then(|stage| stage.declared);
        let (Some(stage), Some(Some(wanted))) = (declared.filter(|stage| stage.until_new), &result.certificate) else {
            return result;
        };
        let brought = result.captured.iter().flat_map(|(_, outputs)| outputs.values());
        let texts: Vec<String> = brought.filter_map(Value::as_str).map(str::to_owned).collect();
        if !NewCertificate::read(&texts).is_ok_and(|found| !found.has_key(wanted)) {
            return result;
        }
        let message = format!("step `{}`: what is there is still a certificate for another key", stage.name);
        let reply = Reply { message: Some(message), ..result.reply };
        let (records, next, polled) = (Vec::new(), NextStep::Poll, Some(Outcome::Pending));
        Conclusion { records, next, polled, reply, captured: None, certificate: None, ..result }
    }

    /// Writes what an exchange came to. A new certificate among it is told of once it is durable.
    pub(super) fn write_conclusion(&mut self, account: usize, id: &str, records: Vec<Record>) {
        let issued = records.iter().find_map(|record| match record {
            Record::Issued { certificate, .. } => Some(certificate.pem.clone()),
            _ => None,
        });
        self.write(records);
        if let Some(pem) = issued {
            let account = self.run.senders[account].name.clone();
            self.notify(Event::CertificateIssued { account, id: id.to_owned(), pem });
        }
    }

    /// What the turn of a stage behind the first comes to.
    pub(super) fn stage_request(
        &mut self,
        sender: &Sender<T>,
        declared: &Stage,
        action: &ToSend,
    ) -> Result<StageRequest, JournalFailed> {
        let next = self.items.get(&action.ordinal).map_or(0, |items| items.next);
        let captures = self.captures_of(action.ordinal)?;
        let inputs = &action.parameters;
        if stages::is_passed_over(declared, inputs, captures, None) {
            return Ok(StageRequest::PassOver);
        }
        let Some(list) = &declared.for_each else {
            let made = stages::parameters(&sender.provider, declared, inputs, captures, None);
            return Ok(made.map_or_else(StageRequest::Cannot, |parameters| StageRequest::Make(parameters, None)));
        };
        let Some(Value::Array(items)) = captures.get(list) else {
            let why = format!("the step `{}` did not bring the list `{}`", list.step, list.output);
            return Ok(StageRequest::Cannot(why));
        };
        let is_open = |item: &&Value| !stages::is_passed_over(declared, inputs, captures, Some(item));
        let found = items.iter().enumerate().skip(next).find(|(_, item)| is_open(item));
        let Some((place, value)) = found else { return Ok(StageRequest::PassOver) };
        let challenge = match declared.challenge.as_ref().map(|_| sender.challenge(value)).transpose() {
            Ok(challenge) => challenge,
            Err(why) => return Ok(StageRequest::Cannot(why)),
        };
        let challenge_url = challenge.as_ref().map(|challenge| challenge.url.as_str());
        let item = Some(stages::Item { value, challenge_url });
        let made = stages::parameters(&sender.provider, declared, inputs, captures, item);
        self.items.entry(action.ordinal).or_default().next = place;
        Ok(made.map_or_else(StageRequest::Cannot, |parameters| StageRequest::Make(parameters, challenge)))
    }

    /// The challenges that were met just before this stage: it is what tells that they may be taken away.
    pub(super) fn met_before(
        &mut self,
        sender: &Sender<T>,
        operation: usize,
        stage: u8,
        action: &ToSend,
    ) -> Result<Vec<Challenge>, JournalFailed> {
        let rules = sender.provider.operations[operation].action.as_ref();
        let before = usize::from(stage).checked_sub(2).and_then(|place| rules?.stages.get(place));
        let Some((before, list)) =
            before.filter(|stage| stage.challenge.is_some()).and_then(|stage| Some((stage, stage.for_each.as_ref()?)))
        else {
            return Ok(Vec::new());
        };
        let captures = self.captures_of(action.ordinal)?;
        let items = captures.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let open =
            items.iter().filter(|item| !stages::is_passed_over(before, &action.parameters, captures, Some(item)));
        Ok(open.filter_map(|item| sender.challenge(item).ok()).collect())
    }

    pub(super) fn is_for_each(&self, account: usize, ordinal: Ordinal) -> bool {
        let declared = self.stage_rules(account, ordinal).and_then(|stage| stage.declared);
        declared.is_some_and(|stage| stage.for_each.is_some())
    }

    /// One item of a stage's list is done: the next one is queued.
    pub(super) fn next_item(&mut self, account: usize, ordinal: Ordinal, result: Conclusion) {
        let items = self.items.entry(ordinal).or_default();
        items.next += 1;
        for (name, value) in result.captured.into_iter().flat_map(|(_, outputs)| outputs) {
            if let Value::Array(list) = items.brought.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                list.push(value);
            }
        }
        if let Some(poll) = self.polls.get_mut(&ordinal) {
            poll.tries = 0;
        }
        let state = self.states.of(ordinal);
        if state.phase == Phase::InFlight {
            let (attempt, at) = (state.attempts, self.run.clock.now());
            // What it did does no harm twice: that it is done is in the record of the stage's end.
            let effect = Effect::None;
            self.write(vec![Record::AttemptEnded {
                ordinal,
                attempt,
                at,
                effect,
                counts: false,
                answer: result.reply,
            }]);
        }
        self.scheduler.requeue(ordinal, account, None);
    }

    /// Whether the stage whose turn it is has nothing (more) to do; then the next one is queued.
    pub(super) fn passes_over(&mut self, account: usize, ordinal: Ordinal) -> Result<bool, JournalFailed> {
        let is_looked_up = self.doubts.contains_key(&ordinal) || self.read_backs.contains_key(&ordinal);
        let stage = self.states.of(ordinal).stage;
        if stage == 0 || is_looked_up {
            return Ok(false);
        }
        let sender = Rc::clone(&self.run.senders[account]);
        let action = self.run.reader.to_send(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let rules = sender.find_action(&action.operation).and_then(|own| StageRules::of(&sender.provider, own, stage));
        let Some(declared) = rules.and_then(|stage| stage.declared) else { return Ok(false) };
        let passes = matches!(self.stage_request(&sender, declared, &action)?, StageRequest::PassOver);
        if passes {
            self.pass_over(account, ordinal, declared);
        }
        Ok(passes)
    }

    /// A stage has nothing to do, or nothing more: the next one is queued.
    fn pass_over(&mut self, account: usize, ordinal: Ordinal, declared: &Stage) {
        let (at, stage) = (self.run.clock.now(), self.states.of(ordinal).stage);
        let gathered = self.items.remove(&ordinal).map(|items| items.brought);
        let captured = declared.for_each.is_some().then(|| {
            let mut outputs = gathered.unwrap_or_default();
            for output in &declared.outputs {
                outputs.entry(output.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            }
            (declared.name.clone(), outputs)
        });
        let mut records = Vec::new();
        if let Some((step, outputs)) = captured.clone().filter(|(_, outputs)| !outputs.is_empty()) {
            records.push(Record::Captured { ordinal, at, step, outputs });
        }
        records.push(Record::StageEnded { ordinal, at, stage, answer: Reply::default() });
        self.write(records);
        self.begin_stage(account, ordinal, captured);
    }

    /// A stage is done, with what it brought: the next one is queued.
    pub(super) fn begin_stage(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        captured: Option<(String, Map<String, Value>)>,
    ) {
        self.polls.remove(&ordinal);
        match self.captures_of(ordinal) {
            // From the journal it may lack what is not durable yet.
            Ok(_) => captured.into_iter().for_each(|(step, outputs)| {
                self.captures.entry(ordinal).or_default().keep(&step, outputs);
            }),
            Err(failed) => return self.stop(StopReason::Environment(failed.0)),
        }
        let now = self.run.clock.elapsed();
        match self.stage_of(account, ordinal) {
            Some(StageKind::Safe) => {
                self.polls.insert(ordinal, Poll { since: now, asked: 0, tries: 0 });
                match self.poll_interval(account, ordinal) {
                    // A CA that issues at once has done so before it could be asked for the first time.
                    Some(interval) => {
                        self.scheduler.poll(ordinal, account, now + interval.min(FIRST_POLL), Awaited::Ca)
                    }
                    None => self.scheduler.requeue(ordinal, account, None),
                }
            }
            _ => self.scheduler.requeue(ordinal, account, None),
        }
    }

    pub(super) fn stage_rules(&self, account: usize, ordinal: Ordinal) -> Option<StageRules<'_>> {
        let sender = &self.run.senders[account];
        let action = self.run.reader.to_send(ordinal).ok()?;
        StageRules::of(&sender.provider, sender.find_action(&action.operation)?, self.states.of(ordinal).stage)
    }

    fn stage_of(&self, account: usize, ordinal: Ordinal) -> Option<StageKind> {
        self.stage_rules(account, ordinal).map(|stage| stage.kind)
    }

    fn poll_interval(&self, account: usize, ordinal: Ordinal) -> Option<Duration> {
        self.stage_rules(account, ordinal).and_then(|stage| stage.poll)
    }

    /// The provider is still at work, or a person is: it is asked again, later each time. Returns whether it is: at the end of the patience it is
    /// not, unless somebody waits.
    pub(super) fn polls_again(&mut self, account: usize, ordinal: Ordinal, pending: Outcome) -> bool {
        let Some(interval) = self.poll_interval(account, ordinal) else { return false };
        let now = self.run.clock.elapsed();
        let poll = self.polls.entry(ordinal).or_insert(Poll { since: now, asked: 0, tries: 0 });
        poll.tries = 0;
        poll.asked += 1;
        let interval = interval.saturating_mul(1 << (poll.asked - 1).min(16)).min(interval.max(MAX_POLL_INTERVAL));
        // People take their time, and nobody looks on while they do.
        let patience = if pending == Outcome::PendingApproval { Duration::ZERO } else { POLL_PATIENCE };
        if !self.run.wait && now + interval > poll.since + patience {
            self.polls.remove(&ordinal);
            return false;
        }
        self.scheduler.poll(ordinal, account, now + interval, awaited(pending));
        true
    }

    /// A CA waits for something that a person must do, and its answer says what: that is told once, for nobody reads reports while a run goes on.
    pub(super) fn tell_of_wait(&mut self, account: usize, ordinal: Ordinal, result: &Conclusion) {
        let is_first = self.polls.get(&ordinal).is_some_and(|poll| poll.asked == 1);
        let shows = self.stage_rules(account, ordinal).is_some_and(|stage| {
            let rules = stage.declared.map_or(&stage.operation.answers, |declared| &declared.answers);
            rules.iter().any(|rule| !rule.shows.is_empty())
        });
        if let (true, true, Some(words)) = (is_first, shows, &result.reply.message) {
            self.notify(Event::Note(format!("{}: {words}", result.id)));
        }
    }
}

/// What is waited for where an action has ended so, or was answered so.
pub(super) fn awaited(pending: Outcome) -> Awaited {
    if pending == Outcome::PendingApproval { Awaited::Approval } else { Awaited::Ca }
}

/// Between two polls, at most, where a document does not ask for more.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60);
/// So long a stage is polled in one process where nobody waits.
const POLL_PATIENCE: Duration = Duration::from_secs(600);
