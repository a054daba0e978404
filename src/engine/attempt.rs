//! One attempt of one action: sign, send, read, decide. Runs beside others once its intent is durable, talks to the wire, and hands its
//! result to the dispatcher, which alone owns the run's state.

use super::circuit_breaker::Contact;
use super::retry::{self, AttemptResult, NextStep};
use super::sender::{Sender, Unsigned};
use super::step::{LimitSignal, NEVER_AGAIN, StepContext, StepResult, closing_reply, rules};
use crate::journal::{ActionState, Record, Reply, ToSend};
use crate::provider::model::Operation;
use crate::provider::{Answer, AnswerClass, Verdict, target_state, verdict};
use crate::run::Effect;
use crate::time::Clock;
use crate::wire::transport::clock_skew;
use crate::wire::{Delivery, Transport};

/// An attempt that begins once its intent is durable.
#[derive(Debug)]
pub struct PreparedAttempt<T, C> {
    /// What the step needs.
    pub context: StepContext<T, C>,
    /// The action.
    pub action: ToSend,
    /// Its request: made before the intent is written, so that nothing is begun that cannot be sent.
    pub unsigned: Unsigned,
    /// The action's state before the intent.
    pub state: ActionState,
    /// The intent.
    pub intent: Record,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// How often in a row the action's requests were refused for their passes alone.
    pub passes_refused: u32,
}

/// Whether the status query of an action reads a list.
fn reads_list<T>(sender: &Sender<T>, operation: &Operation, action: &ToSend, answer: Option<&Answer>) -> bool {
    let chosen = operation.action.as_ref().and_then(|rules| {
        let (index, _) =
            target_state::choose_queries(&sender.provider, rules, &action.parameters, answer).into_iter().next()?;
        rules.status_queries.get(index)
    });
    chosen.is_some_and(|rule| rule.pages.is_some())
}

/// Carries out one attempt, whose intent is durable. How it went is the caller's to write: its slot is free once that is queued, since
/// the journal keeps the order, and no intent that follows is durable before it.
pub async fn attempt<T: Transport, C: Clock>(prepared: PreparedAttempt<T, C>) -> StepResult {
    let PreparedAttempt { context, action, unsigned, state, attempts, passes_refused, .. } = prepared;
    let operation = context.operation();
    let StepContext { sender, clock, pass, down, timing, .. } = &context;
    let ordinal = action.ordinal;
    let attempt = state.attempts + 1;

    timing.note_sent(&**clock);
    let token_number = sender.token_number();
    let delivery = sender.send(unsigned, pass, clock.now()).await;
    timing.note_answered(&**clock);
    let at = clock.now();
    // What could not be signed never left: it tells nothing about whether the provider can be reached.
    let signed = !matches!(delivery, Delivery::Unsigned(_));
    let mut pass_refused = None;
    let (result, reply, answer, verdict) = match delivery {
        Delivery::Unsigned(cause) => (AttemptResult::NotSent, failure_reply(sender, &cause), None, None),
        Delivery::NotSent(cause) => {
            (AttemptResult::NotSent, failure_reply(sender, &format!("not sent: {cause}")), None, None)
        }
        Delivery::Lost(cause) => {
            (AttemptResult::Lost, failure_reply(sender, &format!("no answer: {cause}")), None, None)
        }
        Delivery::Answered(answer) => {
            let mut verdict = verdict::read(operation, &answer, at);
            let refused = verdict.class == AnswerClass::BadNonce;
            pass_refused = Some(refused);
            // A pass that is refused costs no attempt, since the next may serve; one that is refused each time would go on for ever.
            if refused && passes_refused >= MAX_REFUSED_PASSES {
                verdict.class = AnswerClass::TryLater;
            }
            let result =
                AttemptResult::Answered { meaning: verdict.class, status: answer.status, declared: verdict.declared };
            (result, reply(sender, &answer, &verdict), Some(answer), Some(verdict))
        }
    };
    let effect = retry::effect(result);
    let counts = retry::counts(result, *down && signed);
    let mut after = state;
    after.attempts = attempt;
    after.counted += u32::from(counts);
    after.tainted |= effect == Effect::Unknown;
    // Finding out whether there is a status query costs more than the decision, which nine of ten answers do not need it for.
    let rules = match retry::is_clear(result) {
        true => NEVER_AGAIN,
        false => rules(sender, operation, &action, answer.as_ref(), attempts),
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

    let meaning = verdict.as_ref().map(|verdict| verdict.class);
    if meaning.is_some_and(|meaning| meaning != AnswerClass::Unauthorized) {
        sender.credentials_work();
    }
    let limits = match (meaning, verdict) {
        (Some(AnswerClass::Throttled), Some(verdict)) => LimitSignal::throttled(&verdict),
        (None, _) => LimitSignal::Lost,
        _ => LimitSignal::Answered,
    };
    let reads_list = matches!(next, NextStep::LookUp(_)) && reads_list(sender, operation, &action, answer.as_ref());
    let skew = answer.as_ref().filter(|_| sender.compares_clocks(at)).and_then(|answer| clock_skew(answer, at));
    let refused = meaning == Some(AnswerClass::Rejected);
    let contact = signed.then_some(match result {
        AttemptResult::NotSent => Contact::NotSent,
        AttemptResult::Lost => Contact::Lost,
        AttemptResult::Answered { .. } => Contact::Answered,
    });
    StepResult {
        id: action.id,
        is_attempt: true,
        records: vec![record],
        next,
        reply,
        answer,
        refused,
        limits,
        contact,
        token_number,
        pass_refused,
        reads_list,
        skew,
    }
}

fn failure_reply<T: Transport>(sender: &Sender<T>, message: &str) -> Reply {
    Reply { message: Some(sender.mask(message)), ..Reply::default() }
}

fn reply<T: Transport>(sender: &Sender<T>, answer: &Answer, verdict: &Verdict) -> Reply {
    let words = match (&verdict.message, &verdict.explanation) {
        (Some(message), Some(explanation)) => Some(format!("{message}; {explanation}")),
        (Some(words), None) | (None, Some(words)) => Some(words.clone()),
        (None, None) if verdict.class == AnswerClass::Unknown => {
            Some(format!("HTTP {} is not an answer that the provider documents", answer.status))
        }
        (None, None) => None,
    };
    let excerpt = |text: &Option<String>| text.as_ref().map(|text| sender.excerpt(text));
    Reply {
        http_status: Some(answer.status),
        code: excerpt(&verdict.code),
        message: excerpt(&words),
        reference: excerpt(&verdict.reference),
    }
}

/// Passes of one action that are refused in a row before it counts as an attempt that came to nothing.
const MAX_REFUSED_PASSES: u32 = 10;
