//! One attempt of an action: what its request is, with what earlier steps of its entry brought, read from the journal alone so that a crash
//! changes nothing; and what follows from what came of it, with the records and the words of the report. The table is [`super::retry`]'s; here is
//! what it needs to know. Sends nothing.

use super::retry::{self, AttemptResult, NextStep, Rules, Turn};
use super::sender::{ExchangeResult, Sender, Unsigned, words};
use super::stages::{Lookup, StageKind, StageRules, Subject, after_stage};
use crate::journal::{ActionState, History, JournalError, Phase, Reader, Record, Reply, ToSend};
use crate::pki::RequestedCertificate;
use crate::plan::Action;
use crate::plan::checked::{NeverSent, Parameters, entry_and_step};
use crate::provider::answer::StepOutput;
use crate::provider::challenge::Challenge;
use crate::provider::{Answer, AnswerClass, Idempotency, Provider, Verdict, stages};
use crate::run::{DoubtMessage, Effect, Ordinal, Outcome};
use crate::wire::Transport;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::rc::Rc;

/// One attempt of an action.
#[derive(Debug)]
pub struct Attempt {
    /// The action, and which of its stages.
    pub subject: Subject,
    /// Whether its request only reads: then it has no intent, and leaves no mark in the action's state but its end.
    pub only_reads: bool,
    /// Its request, until it is sent: made before the intent is written, so that nothing is begun that cannot be sent.
    pub unsigned: Option<Unsigned>,
    /// The action's state before the intent.
    pub state: ActionState,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// How often in a row the action's requests were refused for their nonces alone.
    pub nonces_refused: u32,
    /// What the request before was answered, where that may have been another request's.
    pub out_of_turn: Option<Reply>,
    /// The challenge that is met before the CA is told so.
    pub challenge: Option<Challenge>,
    /// Challenges that were met for it: once the CA has decided, what was put there is taken away.
    pub met: Vec<Challenge>,
    /// What could not be taken away.
    pub left_behind: Vec<String>,
}

/// What follows from a step for its action.
#[derive(Debug)]
pub struct Conclusion {
    /// The action's id.
    pub id: String,
    /// Whether it is an attempt's, not a status query's.
    pub is_attempt: bool,
    /// The records that follow from the step, in order; they are still to be written.
    pub records: Vec<Record>,
    /// What follows.
    pub next: NextStep,
    /// The answer, as the report row shows it.
    pub reply: Reply,
    /// The answer itself, where status queries may need it.
    pub answer: Option<Answer>,
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// Whether it was refused for its nonce alone (RFC 8555, section 6.5: `badNonce`); `None` where no attempt was answered.
    pub nonce_refused: Option<bool>,
    /// Whether the answer may be another request's, and is asked for once more.
    pub out_of_turn: bool,
    /// What it says of the answer before it, where that may have been another request's.
    pub turn: Option<Turn>,
    /// Whether only the order of answers says that it is this request's.
    pub by_order: bool,
    /// How its state is asked for, where that follows.
    pub lookup: Option<Lookup>,
    /// How the action ends where it is not asked again although the provider is still at work.
    pub polled: Option<Outcome>,
    /// What the stage brought, with its name.
    pub captured: Option<(String, Map<String, Value>)>,
    /// Whether the action is done only once its new certificate is there, and what that must be, where a request tells.
    pub certificate: Option<Option<RequestedCertificate>>,
}

/// Why an action cannot be made yet, or not at all.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The end of an earlier step is not durable yet.
    NotYet,
    /// An earlier step did not bring what it takes.
    Missing(String),
    /// The journal cannot be read.
    Journal(JournalError),
}

/// What came of an attempt.
struct Came {
    result: AttemptResult,
    reply: Reply,
    answer: Option<Answer>,
    nonce_refused: Option<bool>,
    turn: Option<Turn>,
}

impl Attempt {
    fn rules<'s, T>(&self, sender: &'s Sender<T>) -> Option<StageRules<'s>> {
        self.subject.rules(&sender.provider)
    }

    /// The operation that is asked, by its place in the provider's document.
    pub fn asks<T>(&self, sender: &Sender<T>) -> usize {
        let declared = self.rules(sender).and_then(|rules| rules.declared);
        declared.map_or(self.subject.operation, |stage| stage.operation)
    }

    /// How its answer is read.
    pub fn read<T>(&self, sender: &Sender<T>, answer: &Answer, at: Timestamp) -> Option<Verdict> {
        Some(self.rules(sender)?.read(&sender.provider, answer, at))
    }

    /// Whether its answer must come on a connection that no other has used.
    pub fn needs_own_connection<T>(&self, sender: &Sender<T>) -> bool {
        let rules = self.rules(sender);
        // What an answer brings goes into the next request, which must not be made of another's.
        let is_one_of_several = rules.is_some_and(|rules| rules.place.followed || rules.declared.is_some());
        let idempotency = rules.map(|rules| rules.kind.idempotency());
        is_one_of_several || retry::needs_own_connection(idempotency, self.state.attempts)
    }

    /// What follows from what came of it. `down` says that the provider was down before. `None` where the document has no such stage.
    pub fn conclude<T: Transport>(
        self,
        sender: &Sender<T>,
        exchanged: ExchangeResult,
        down: bool,
        at: Timestamp,
    ) -> Option<Conclusion> {
        let stage = self.rules(sender)?;
        let (ordinal, attempt) = (self.subject.action.ordinal, self.state.attempts + 1);
        // A request that could not be signed says nothing about whether the provider can be reached.
        let signed = !matches!(exchanged, ExchangeResult::Unsigned(_));
        let barred = matches!(exchanged, ExchangeResult::Barred(_));
        let Came { result, mut reply, answer, nonce_refused, turn } = self.came(sender, exchanged);
        let Self { subject, only_reads, state, attempts, .. } = self;
        let effect = stage.kind.effect(retry::effect(result));
        let down = down && signed;
        let counts = retry::counts(result, down || barred);
        let mut after = state;
        after.attempts = attempt;
        after.counted = after.counted.saturating_add(u16::from(counts));
        after.tainted |= effect == Effect::Unknown;
        // Finding out whether there is a status query costs more than the decision, which nine of ten answers do not need it for.
        let rules = match retry::is_clear(result) {
            true => NEVER_AGAIN,
            false => Rules { down, ..rules(&sender.provider, &stage, subject.parameters(), answer.as_ref(), attempts) },
        };
        let polled = match result {
            AttemptResult::Answered { meaning: AnswerClass::PendingApproval, .. } => Outcome::PendingApproval,
            _ => Outcome::Pending,
        };
        // What was accepted is not refused because it cannot be found any more.
        let is_gone = only_reads && stage.place.accepted && answer.as_ref().is_some_and(|answer| answer.status >= 400);
        let next = match after_stage(stage.kind, stage.place, retry::after_attempt(rules, result, after)) {
            NextStep::Poll if stage.poll.is_none() => NextStep::End(polled),
            NextStep::End(Outcome::Rejected) if is_gone => NextStep::End(Outcome::InDoubt),
            next => next,
        };
        if stage.declared.is_some() && !matches!(next, NextStep::End(outcome) if outcome == Outcome::Succeeded) {
            let words = reply.message.take().unwrap_or_else(|| told_by_the_document(result).to_owned());
            reply.message = Some(format!("{}{words}", stage.prefix()));
        }
        if let NextStep::End(outcome) = next {
            reply = closing_reply(sender, &stage, &subject.action, outcome, (state.tainted, after.tainted), reply);
        }
        // A poll that is answered "not yet" has brought nothing.
        let brings = match next {
            NextStep::NextStage => true,
            NextStep::End(outcome) => outcome.is_well() && !(only_reads && outcome.is_pending()),
            _ => false,
        };
        let captured = match (&answer, brings) {
            (Some(answer), true) => brought(&sender.provider, &subject, &stage, answer),
            _ => None,
        };
        let mut records = Vec::new();
        if let Some((step, outputs)) = &captured {
            records.push(Record::Captured { ordinal, at, step: step.clone(), outputs: outputs.clone() });
        }
        records.extend(match next {
            NextStep::NextStage => {
                Some(Record::StageEnded { ordinal, at, stage: subject.stage, answer: reply.clone() })
            }
            NextStep::End(outcome) => Some(Record::Ended { ordinal, at, outcome, answer: reply.clone() }),
            _ if only_reads => None,
            _ => Some(Record::AttemptEnded { ordinal, attempt, at, effect, counts, answer: reply.clone() }),
        });
        let lookup = match next {
            NextStep::LookUp(_) => stage.lookup(&sender.provider, subject.parameters(), answer.as_ref()),
            _ => None,
        };
        let by_order = answer.as_ref().is_some_and(|answer| answer.by_order);
        let certificate = asks_for_certificate(sender, &subject, next);
        Some(Conclusion {
            id: subject.action.id,
            is_attempt: true,
            records,
            next,
            reply,
            answer,
            refused: matches!(result, AttemptResult::Answered { meaning: AnswerClass::Rejected, .. }),
            nonce_refused,
            out_of_turn: result == AttemptResult::OutOfTurn,
            turn,
            by_order,
            lookup,
            polled: Some(polled),
            captured,
            certificate,
        })
    }

    /// What came of it, for the table and for the report.
    fn came<T: Transport>(&self, sender: &Sender<T>, exchanged: ExchangeResult) -> Came {
        let (answer, mut verdict) = match exchanged {
            ExchangeResult::Answered(answer, verdict) => (answer, verdict),
            lost @ ExchangeResult::Lost(_) => {
                return Came::silent(AttemptResult::Lost, failure_reply(sender, &lost.cause()));
            }
            unsent => return Came::silent(AttemptResult::NotSent, failure_reply(sender, &unsent.cause())),
        };
        let nonce_refused = verdict.class == AnswerClass::BadNonce;
        // A refused nonce costs no attempt, since the answer brings the next one; one that is refused each time would go on for ever.
        if nonce_refused && self.nonces_refused >= MAX_REFUSED_NONCES {
            verdict.class = AnswerClass::TryLater;
        }
        let reply = reply(sender, &answer, &verdict);
        // The request before may have taken effect, and this refusal may be that it has.
        let before = self.out_of_turn.as_ref();
        let turn = before.and_then(|before| retry::in_turn(verdict.class, is_same(before, &reply)));
        if verdict.class == AnswerClass::Rejected && turn == Some(Turn::Wrong) {
            verdict = Verdict { class: AnswerClass::Unknown, declared: false, ..verdict };
        }
        // A page with a 2xx or 3xx is no sign of a fault that passes: a login portal answers so for ever.
        let foreign = !verdict.is_the_providers && answer.status >= 400;
        let transient = verdict.declared || foreign || answer.status >= 500 || answer.status == 408;
        let result = match retry::is_out_of_turn(verdict.class, answer.by_order) {
            true => AttemptResult::OutOfTurn,
            false => AttemptResult::Answered { meaning: verdict.class, transient },
        };
        Came { result, reply, answer: Some(answer), nonce_refused: Some(nonce_refused), turn }
    }
}

impl Came {
    const fn silent(result: AttemptResult, reply: Reply) -> Self {
        Self { result, reply, answer: None, nonce_refused: None, turn: None }
    }
}

/// An action as it is sent: what earlier steps of its entry bring stands in its parameters.
///
/// # Errors
/// [`Unresolved`]; nothing may be sent then.
pub(super) fn resolved<T>(reader: &Reader, senders: &[Rc<Sender<T>>], action: ToSend) -> Result<ToSend, Unresolved> {
    if stages::references(&action.parameters).next().is_none() {
        return Ok(action);
    }
    let provider = senders.get(action.account).map(|sender| &sender.provider);
    let Some(operation) = provider.and_then(|provider| provider.operation(&action.operation)) else {
        return Err(Unresolved::Missing(format!("the provider document has no operation {}", action.operation)));
    };
    let mut failed = None;
    let filled = stages::with_brought(operation, &action.parameters, |wanted| {
        let (step, history) = match step_of(reader, &action.id, wanted) {
            Ok(found) => found?,
            Err(error) => {
                failed.get_or_insert(Unresolved::Journal(error));
                return None;
            }
        };
        let state = history.state;
        let is_there = match state.phase {
            Phase::Ended(outcome) => outcome.is_well(),
            Phase::Waiting => state.following.is_some(),
            Phase::InFlight => false,
        };
        if !is_there && !matches!(state.phase, Phase::Ended(_)) {
            failed.get_or_insert(Unresolved::NotYet);
            return None;
        }
        let sender = senders.get(step.account).filter(|_| is_there)?;
        let operation = sender.provider.operation(&step.operation)?;
        stages::brought(operation, &history.captures, history.reply.reference.as_deref(), &wanted.output)
    });
    match (failed, filled) {
        (Some(failed), _) => Err(failed),
        (None, Ok(filled)) => Ok(ToSend { parameters: Parameters::from(filled), ..action }),
        (None, Err(why)) => Err(Unresolved::Missing(why)),
    }
}

/// Whether an action that ends so is done only once its new certificate is there, and what that must be.
pub(super) fn asks_for_certificate<T: Transport>(
    sender: &Sender<T>,
    subject: &Subject,
    next: NextStep,
) -> Option<Option<RequestedCertificate>> {
    let operation = &sender.provider.operations[subject.operation];
    let brings = operation.action.as_ref().is_some_and(|action| !action.new_certificate.is_empty());
    let is_done = next == NextStep::End(Outcome::Succeeded);
    (brings && is_done).then(|| sender.requested_certificate(operation, &subject.action.parameters))
}

/// What is known about repeating and looking up a stage.
pub fn rules(
    provider: &Provider,
    stage: &StageRules<'_>,
    parameters: &Map<String, Value>,
    answer: Option<&Answer>,
    attempts: u32,
) -> Rules {
    let lookup = stage.lookup(provider, parameters, answer).is_some();
    Rules { idempotency: stage.kind.idempotency(), lookup, attempts, down: false }
}

/// The intent of an action's next attempt.
pub fn intent(state: ActionState, ordinal: Ordinal, at: Timestamp) -> Record {
    Record::Intent { ordinal, attempt: state.attempts + 1, at }
}

/// The answer as the action's report row shows it, with what the user can do about it. `tainted` says whether an earlier attempt may have taken
/// effect, and whether any may have.
pub(super) fn closing_reply<T: Transport>(
    sender: &Sender<T>,
    stage: &StageRules<'_>,
    action: &ToSend,
    outcome: Outcome,
    (tainted_before, tainted): (bool, bool),
    mut reply: Reply,
) -> Reply {
    let message = reply.message.take();
    let name = stage.name;
    reply.message = match outcome {
        Outcome::InDoubt => {
            let advice = stage
                .status_queries
                .last()
                .map(|rule| rule.advice.clone())
                .filter(|advice| !advice.is_empty())
                .unwrap_or_else(|| format!("check the state of {} at {}", action.target, sender.name));
            Some(match (tainted, message) {
                // What was accepted before is not undone by this.
                (false, message) if stage.kind == StageKind::Safe && stage.place.accepted => {
                    format!("accepted, and what became of it cannot be read: {}; {advice}", message.unwrap_or_default())
                }
                (false, message) if stage.place.accepted => format!(
                    "the steps before `{name}` took effect, and `{name}` did not: {}; {advice}",
                    message.unwrap_or_default()
                ),
                (_, message) => {
                    let cause = message.unwrap_or_else(|| "an earlier attempt was left without an answer".to_owned());
                    DoubtMessage { cause: &cause, advice: &advice }.to_string()
                }
            })
        }
        Outcome::Failed if stage.place.accepted => {
            Some(format!("not done, and no attempt left: {}", message.unwrap_or_default()))
        }
        Outcome::Failed => Some(format!("no effect, and no attempt left: {}", message.unwrap_or_default())),
        Outcome::Pending => Some(match message {
            Some(message) => format!("accepted, and not finished: {message}"),
            None => "accepted; the CA is still at work".to_owned(),
        }),
        Outcome::Succeeded if tainted_before && message.is_none() => {
            Some("reported as done when retried after a lost response".to_owned())
        }
        _ => message,
    };
    reply
}

/// An earlier step of the entry that an action belongs to; where that repeats another action, the one that was sent.
fn step_of(reader: &Reader, id: &str, wanted: &StepOutput) -> Result<Option<(Action, History)>, JournalError> {
    let Some((entry, _)) = entry_and_step(id) else { return Ok(None) };
    let Some(ordinal) = reader.ordinal_of(&format!("{entry}/{}", wanted.step))? else { return Ok(None) };
    let found = reader.history(ordinal)?;
    if let Some(NeverSent::Repeats(first)) = &found.0.never_sent
        && let Some(ordinal) = reader.ordinal_of(first)?
    {
        return reader.history(ordinal).map(Some);
    }
    Ok(Some(found))
}

/// What a document says by its rules alone, where an answer has no words for it.
const fn told_by_the_document(result: AttemptResult) -> &'static str {
    match result {
        AttemptResult::Answered { meaning: AnswerClass::Rejected, .. } => {
            "the provider reports that it was refused or has failed"
        }
        AttemptResult::Answered { meaning: AnswerClass::PendingApproval, .. } => "a person at the CA must approve it",
        AttemptResult::Answered { meaning: AnswerClass::Pending, .. } => "the CA is still at work",
        _ => "no word of the provider",
    }
}

/// What an answer to a stage brings, under the stage's name.
fn brought(
    provider: &Provider,
    subject: &Subject,
    stage: &StageRules<'_>,
    answer: &Answer,
) -> Option<(String, Map<String, Value>)> {
    let action = provider.operations[subject.operation].action.as_ref()?;
    let outputs = stages::outputs(action, stage.declared, answer);
    (!outputs.is_empty()).then(|| (stage.name.to_owned(), outputs))
}

/// Whether two answers are one and the same, but for the words.
fn is_same(before: &Reply, now: &Reply) -> bool {
    (before.http_status, &before.code) == (now.http_status, &now.code)
}

fn failure_reply<T: Transport>(sender: &Sender<T>, message: &str) -> Reply {
    Reply { message: Some(sender.mask(message)), ..Reply::default() }
}

fn reply<T: Transport>(sender: &Sender<T>, answer: &Answer, verdict: &Verdict) -> Reply {
    let excerpt = |text: Option<&str>| text.map(|text| sender.excerpt(text));
    Reply {
        http_status: Some(answer.status),
        code: excerpt(verdict.code.as_deref()),
        message: excerpt(words(answer, verdict).as_deref()),
        reference: excerpt(verdict.reference.as_deref()),
    }
}

/// Nonces of one action that are refused in a row before that counts as a failed attempt.
const MAX_REFUSED_NONCES: u32 = 10;
/// Nothing is repeated and nothing is looked up.
const NEVER_AGAIN: Rules = Rules { idempotency: Idempotency::NotIdempotent, lookup: false, attempts: 1, down: false };
