//! One attempt of an action: what its request is, and what follows from what came of it, with the records and the words of the report. The table
//! is [`super::retry`]'s; here is what it needs to know. Sends nothing.

use super::exchange::{self, Exchanged};
use super::retry::{self, AttemptResult, NextStep, Rules, Turn};
use super::sender::{Sender, Unsigned};

use crate::journal::{ActionState, Record, Reply, ToSend};
use crate::provider::model::Operation;
use crate::provider::{Answer, AnswerClass, Idempotency, Verdict, target_state};
use crate::run::{Effect, Ordinal, Outcome};
use crate::wire::Transport;
use jiff::Timestamp;

/// One attempt of an action.
#[derive(Debug)]
pub struct Attempt {
    /// The action.
    pub action: ToSend,
    /// Its operation, by its place in the provider's document ([`Sender::find_action`]).
    pub operation: usize,
    /// Its request, until it is sent: made before the intent is written, so that nothing is begun that cannot be sent.
    pub unsigned: Option<Unsigned>,
    /// The action's state before the intent.
    pub state: ActionState,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// How often in a row the action's requests were refused for their nonces alone.
    pub nonces_refused: u32,
    /// What the request before was answered, where that may have been another request's answer.
    pub out_of_turn: Option<Reply>,
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
    /// Whether a status query would read a list, which then can serve other actions too.
    pub reads_list: bool,
}

impl Attempt {
    /// Whether its request must not be sent twice.
    pub fn is_sent_only_once<T: Transport>(&self, sender: &Sender<T>) -> bool {
        idempotency(&sender.provider.operations[self.operation]) != Some(Idempotency::Idempotent)
    }

    /// Whether its answer must come on a connection that no other has used.
    pub fn needs_own_connection<T: Transport>(&self, sender: &Sender<T>) -> bool {
        retry::needs_own_connection(idempotency(&sender.provider.operations[self.operation]), self.state.attempts)
    }

    /// What follows from what came of it. `down` says that the provider was down before.
    pub fn conclude<T: Transport>(
        self,
        sender: &Sender<T>,
        exchanged: Exchanged,
        down: bool,
        at: Timestamp,
    ) -> Conclusion {
        let Self { action, operation, state, attempts, nonces_refused, out_of_turn, .. } = self;
        let operation = &sender.provider.operations[operation];
        let (ordinal, attempt) = (action.ordinal, state.attempts + 1);
        // A request that could not be signed says nothing about whether the provider can be reached.
        let signed = !matches!(exchanged, Exchanged::Unsigned(_));
        let barred = matches!(exchanged, Exchanged::Barred(_));
        let (mut nonce_refused, mut turn) = (None, None);
        let (result, reply, answer) = match exchanged {
            Exchanged::Answered(answer, mut verdict) => {
                let refused = verdict.class == AnswerClass::BadNonce;
                nonce_refused = Some(refused);
                // A refused nonce costs no attempt, since the answer brings the next one; one that is refused each time would go on for ever.
                if refused && nonces_refused >= MAX_REFUSED_NONCES {
                    verdict.class = AnswerClass::TryLater;
                }
                let said = reply(sender, &answer, &verdict);
                turn = out_of_turn.and_then(|before| retry::in_turn(verdict.class, is_same(&before, &said)));
                // The request before may have taken effect, and this refusal may be that it has.
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
                (result, said, Some(answer))
            }
            lost @ Exchanged::Lost(_) => (AttemptResult::Lost, failure_reply(sender, &lost.cause()), None),
            unsent => (AttemptResult::NotSent, failure_reply(sender, &unsent.cause()), None),
        };
        let effect = retry::effect(result);
        let down = down && signed;
        let counts = retry::counts(result, down || barred);
        let mut after = state;
        after.attempts = attempt;
        after.counted += u32::from(counts);
        after.tainted |= effect == Effect::Unknown;
        // Finding out whether there is a status query costs more than the decision, which nine of ten answers do not need it for.
        let rules = match retry::is_clear(result) {
            true => NEVER_AGAIN,
            false => Rules { down, ..rules(sender, operation, &action, answer.as_ref(), attempts) },
        };
        let next = retry::after_attempt(rules, result, after);
        let reply = match next {
            NextStep::End(outcome) => closing_reply(sender, operation, &action, outcome, state.tainted, reply),
            _ => reply,
        };
        let record = match next {
            NextStep::End(outcome) => Record::Ended { ordinal, at, outcome, answer: reply.clone() },
            _ => Record::AttemptEnded { ordinal, attempt, at, effect, counts, answer: reply.clone() },
        };
        let reads_list = matches!(next, NextStep::LookUp(_)) && reads_list(sender, operation, &action, answer.as_ref());
        let by_order = answer.as_ref().is_some_and(|answer| answer.by_order);
        Conclusion {
            id: action.id,
            is_attempt: true,
            records: vec![record],
            next,
            reply,
            answer,
            refused: matches!(result, AttemptResult::Answered { meaning: AnswerClass::Rejected, .. }),
            nonce_refused,
            out_of_turn: result == AttemptResult::OutOfTurn,
            turn,
            by_order,
            reads_list,
        }
    }
}

fn idempotency(operation: &Operation) -> Option<Idempotency> {
    operation.action.as_ref().map(|rules| rules.idempotency)
}

/// What is known about repeating and looking up an action of this operation.
pub fn rules<T>(
    sender: &Sender<T>,
    operation: &Operation,
    action: &ToSend,
    answer: Option<&Answer>,
    attempts: u32,
) -> Rules {
    // An operation that is no action's is not repeated, whatever asks for it.
    let Some(rules) = &operation.action else { return NEVER_AGAIN };
    let lookup = !target_state::choose_queries(&sender.provider, rules, &action.parameters, answer).is_empty();
    Rules { idempotency: rules.idempotency, lookup, attempts, down: false }
}

/// The intent of an action's next attempt.
pub fn intent(state: ActionState, ordinal: Ordinal, at: Timestamp) -> Record {
    Record::Intent { ordinal, attempt: state.attempts + 1, at }
}

/// The answer as the action's report row shows it, with what the user can do about it.
pub(super) fn closing_reply<T: Transport>(
    sender: &Sender<T>,
    operation: &Operation,
    action: &ToSend,
    outcome: Outcome,
    tainted: bool,
    mut reply: Reply,
) -> Reply {
    let message = reply.message.take();
    reply.message = match outcome {
        Outcome::InDoubt => {
            let advice = operation
                .action
                .as_ref()
                .and_then(|rules| rules.status_queries.last())
                .map(|rule| rule.advice.clone())
                .filter(|advice| !advice.is_empty())
                .unwrap_or_else(|| format!("check the state of {} at {}", action.target, sender.name));
            let cause = message.unwrap_or_else(|| "an earlier attempt was left without an answer".to_owned());
            Some(format!("it may have taken effect: {cause}; {advice}"))
        }
        Outcome::Failed => Some(format!("no effect, and no attempt left: {}", message.unwrap_or_default())),
        Outcome::Succeeded if tainted && message.is_none() => {
            Some("reported as done when retried after a lost response".to_owned())
        }
        _ => message,
    };
    reply
}

/// Whether the status query of an action reads a list.
pub(super) fn reads_list<T>(
    sender: &Sender<T>,
    operation: &Operation,
    action: &ToSend,
    answer: Option<&Answer>,
) -> bool {
    let chosen = operation.action.as_ref().and_then(|rules| {
        let (index, _) =
            target_state::choose_queries(&sender.provider, rules, &action.parameters, answer).into_iter().next()?;
        rules.status_queries.get(index)
    });
    chosen.is_some_and(|rule| rule.pages.is_some())
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
        message: excerpt(exchange::words(answer, verdict).as_deref()),
        reference: excerpt(verdict.reference.as_deref()),
    }
}

/// Nonces of one action that are refused in a row before that counts as a failed attempt.
const MAX_REFUSED_NONCES: u32 = 10;
/// Nothing is repeated and nothing is looked up.
const NEVER_AGAIN: Rules = Rules { idempotency: Idempotency::NotIdempotent, lookup: false, attempts: 1, down: false };
