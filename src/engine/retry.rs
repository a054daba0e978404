//! What follows from an attempt or a status query: the one table that must be right. Pure.
//!
//! `failed` means: surely no effect. One attempt that may have taken effect taints its action for good; only a status query that
//! shows the contrary clears it. An operation whose repetition may cost twice is never sent while its action is tainted.

use crate::journal::ActionState;
use crate::provider::{AnswerClass, Idempotency, TargetState};
use crate::run::{Effect, Outcome};
use std::time::Duration;

/// What is known of an operation and its limits when a decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether it may be sent again after an answer was lost.
    pub idempotency: Idempotency,
    /// Whether the target's state can be looked up.
    pub lookup: bool,
    /// Attempts in all.
    pub attempts: u32,
    /// Whether the provider is down: what came to nothing then says nothing about the action, and costs it no attempt.
    pub down: bool,
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// It surely did not reach the provider.
    NotSent,
    /// It may have, and no whole answer was received.
    Lost,
    /// A whole answer of this meaning.
    Answered {
        /// What it means.
        meaning: AnswerClass,
        /// Whether the next may be better where it was not understood: a gateway that broke down, a page that is not the provider's. An
        /// answer of the provider's own that the document does not know will be the same.
        transient: bool,
    },
    /// A refusal, or the word that it was so before, on a connection that had served other requests: perhaps the answer to one of these.
    /// Only idempotent operations' requests go out on such connections.
    OutOfTurn,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The action ended.
    End(Outcome),
    /// Another attempt, after a pause.
    Again,
    /// Another attempt as soon as the provider is no longer held back; this one did not count.
    Hold,
    /// The target's state is read back.
    LookUp(Doubt),
    /// The provider stops; the action stays unsent.
    StopAccount,
    /// The stage is done; the next one goes.
    NextStage,
    /// The provider is still at work; it is asked again later.
    Poll,
}

/// Why a target's state is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The provider refused: perhaps it was so before.
    Refused,
    /// An attempt may have taken effect.
    Lost,
}

/// What an attempt did at the provider.
pub fn effect(attempt: AttemptResult) -> Effect {
    match attempt {
        // Asked again on a connection of its own, it is answered for itself; to call it tainted would make a doubt of every refusal.
        AttemptResult::NotSent | AttemptResult::OutOfTurn => Effect::None,
        AttemptResult::Lost => Effect::Unknown,
        AttemptResult::Answered { meaning, .. } => match meaning {
            AnswerClass::Succeeded | AnswerClass::PendingApproval | AnswerClass::Pending => Effect::Done,
            AnswerClass::AlreadyDone
            | AnswerClass::Rejected
            | AnswerClass::Throttled
            | AnswerClass::TryLater
            | AnswerClass::BadNonce
            | AnswerClass::Unauthorized => Effect::None,
            AnswerClass::Unknown => Effect::Unknown,
        },
    }
}

/// Whether an attempt counts against `retry.attempts`. One that was throttled, or refused for its credentials or its nonce, does not; nor
/// one that came to nothing at a provider that is known to be `down`: neither says anything about the action.
pub const fn counts(attempt: AttemptResult, down: bool) -> bool {
    match attempt {
        AttemptResult::NotSent
        | AttemptResult::Lost
        | AttemptResult::Answered { meaning: AnswerClass::Unknown | AnswerClass::TryLater, .. } => !down,
        AttemptResult::Answered {
            meaning: AnswerClass::Throttled | AnswerClass::BadNonce | AnswerClass::Unauthorized,
            ..
        }
        | AttemptResult::OutOfTurn => false,
        AttemptResult::Answered { .. } => true,
    }
}

/// Whether an answer may be another request's: a server that sends more than was asked puts every later answer on the connection in the
/// place of another one. A success is believed all the same, since a connection with any other answer behind it serves no request more.
pub const fn is_out_of_turn(meaning: AnswerClass, by_order: bool) -> bool {
    by_order && matches!(meaning, AnswerClass::Rejected | AnswerClass::AlreadyDone)
}

/// What an answer says of the one before it to the same request, which may have been another request's; `None` where it says nothing.
/// The two are compared by what they mean and by the provider's status and code, since a provider words them with times and numbers.
pub fn in_turn(meaning: AnswerClass, same_words: bool) -> Option<Turn> {
    match meaning {
        AnswerClass::Rejected | AnswerClass::AlreadyDone if same_words => Some(Turn::Right),
        AnswerClass::Succeeded
        | AnswerClass::PendingApproval
        | AnswerClass::Pending
        | AnswerClass::Rejected
        | AnswerClass::AlreadyDone => Some(Turn::Wrong),
        AnswerClass::Throttled
        | AnswerClass::BadNonce
        | AnswerClass::Unauthorized
        | AnswerClass::TryLater
        | AnswerClass::Unknown => None,
    }
}

/// Whether an answer was the one to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It was.
    Right,
    /// It was another request's: on that connection more was answered than was asked.
    Wrong,
}

/// Whether an end that was told by a connection's order alone is taken up again once the connections are known to be out of order. A
/// refusal was asked for twice already; what took no effect, or nobody knows, is not said to be done.
pub const fn is_taken_up_again(outcome: Outcome, by_order: bool) -> bool {
    by_order && matches!(outcome, Outcome::Succeeded | Outcome::PendingApproval | Outcome::Pending)
}

/// Whether the next request of an action must be answered on a connection that no other has used: it must not be sent again for an
/// answer that was another's, or it was sent before.
pub fn needs_own_connection(idempotency: Option<Idempotency>, attempts: u32) -> bool {
    idempotency != Some(Idempotency::Idempotent) || attempts > 0
}

/// Whether what follows from an attempt is the same under all rules, so that they need not be found out.
pub const fn is_clear(attempt: AttemptResult) -> bool {
    use AnswerClass::{AlreadyDone, Pending, PendingApproval, Succeeded};
    matches!(attempt, AttemptResult::Answered { meaning: Succeeded | PendingApproval | Pending | AlreadyDone, .. })
}

/// What follows from an attempt; `state` is the action's state with this attempt counted and its effect in `tainted`.
pub fn after_attempt(rules: Rules, attempt: AttemptResult, state: ActionState) -> NextStep {
    let again = u32::from(state.counted) < rules.attempts || rules.down;
    let doubt = if rules.lookup { NextStep::LookUp(Doubt::Lost) } else { NextStep::End(Outcome::InDoubt) };
    let used_up = if state.tainted { doubt } else { NextStep::End(Outcome::Failed) };
    match attempt {
        AttemptResult::NotSent if again => NextStep::Again,
        AttemptResult::NotSent => used_up,
        AttemptResult::Lost => lost(rules, again, doubt),
        AttemptResult::OutOfTurn => NextStep::Hold,
        AttemptResult::Answered { meaning, transient } => match meaning {
            AnswerClass::Succeeded => NextStep::End(Outcome::Succeeded),
            AnswerClass::PendingApproval => NextStep::End(Outcome::PendingApproval),
            AnswerClass::Pending => NextStep::End(Outcome::Pending),
            // An earlier attempt of ours, whose answer was lost, may well be what made it so.
            AnswerClass::AlreadyDone if state.tainted => NextStep::End(Outcome::Succeeded),
            AnswerClass::AlreadyDone => NextStep::End(Outcome::AlreadyDone),
            // Neither says anything about the action: the account's pace, or the next nonce, is what it waits for.
            AnswerClass::Throttled | AnswerClass::BadNonce => NextStep::Hold,
            // Every other action of the account would be refused as well.
            AnswerClass::Unauthorized => NextStep::StopAccount,
            AnswerClass::TryLater if again => NextStep::Again,
            AnswerClass::TryLater => used_up,
            // Revoking what is revoked is refused by some providers as a bad request, so the state decides.
            AnswerClass::Rejected
                if rules.lookup && (rules.idempotency == Idempotency::Idempotent || state.tainted) =>
            {
                NextStep::LookUp(if state.tainted { Doubt::Lost } else { Doubt::Refused })
            }
            AnswerClass::Rejected if state.tainted => NextStep::End(Outcome::InDoubt),
            AnswerClass::Rejected => NextStep::End(Outcome::Rejected),
            AnswerClass::Unknown if transient || rules.down => lost(rules, again, doubt),
            AnswerClass::Unknown => doubt,
        },
    }
}

const fn lost(rules: Rules, again: bool, doubt: NextStep) -> NextStep {
    match rules.idempotency {
        Idempotency::Idempotent if again => NextStep::Again,
        Idempotency::Idempotent | Idempotency::NotIdempotent => doubt,
    }
}

/// What follows from a status query. `refused` is whether the provider's last answer was a refusal.
pub fn after_lookup(rules: Rules, target_state: TargetState, refused: bool, state: ActionState) -> NextStep {
    let again = u32::from(state.counted) < rules.attempts && !refused;
    match target_state {
        TargetState::Done if state.tainted => NextStep::End(Outcome::Succeeded),
        TargetState::Done => NextStep::End(Outcome::AlreadyDone),
        TargetState::Pending => NextStep::End(Outcome::PendingApproval),
        TargetState::NotDone if again => NextStep::Again,
        TargetState::NotDone if refused => NextStep::End(Outcome::Rejected),
        TargetState::NotDone => NextStep::End(Outcome::Failed),
        TargetState::Unknown if refused && !state.tainted => NextStep::End(Outcome::Rejected),
        // A person took it up again (`--retry`) and nothing has been sent since: where the state does not tell, the answer to a harmless
        // second request will. Without this, what a status query cannot tell would stay in doubt for ever.
        TargetState::Unknown
            if state.reopened && state.counted == 0 && rules.idempotency == Idempotency::Idempotent && !refused =>
        {
            NextStep::Again
        }
        TargetState::Unknown => NextStep::End(Outcome::InDoubt),
    }
}

/// What follows from a status query of an action that the provider has accepted, and that had ended `pending` by that. It is not sent again,
/// whatever is found: a request that was refused is an answer.
pub const fn after_following(target_state: TargetState, pending: Outcome) -> NextStep {
    NextStep::End(match target_state {
        TargetState::Done => Outcome::Succeeded,
        TargetState::NotDone => Outcome::Rejected,
        TargetState::Pending | TargetState::Unknown => pending,
    })
}

/// What a status query shows of the effect of the attempts so far.
pub const fn lookup_effect(target_state: TargetState) -> Effect {
    match target_state {
        TargetState::Done | TargetState::Pending => Effect::Done,
        TargetState::NotDone => Effect::None,
        TargetState::Unknown => Effect::Unknown,
    }
}

/// How an action that waits is begun: after a crash, or when `resume --retry` takes it up again, not always by sending.
pub fn first_step(rules: Rules, state: ActionState) -> NextStep {
    // What a person takes up again (`--retry`) is looked up first where that is possible, even if sending twice is harmless: it may
    // be done.
    if !state.tainted || (rules.idempotency == Idempotency::Idempotent && !(state.reopened && rules.lookup)) {
        NextStep::Again
    } else if rules.lookup {
        NextStep::LookUp(Doubt::Lost)
    } else {
        NextStep::End(Outcome::InDoubt)
    }
}

/// The pause before the next attempt: exponential with full jitter, at most `longest`. `random` is uniform in 0 to 1.
pub fn pause(counted: u32, longest: Duration, random: f64) -> Duration {
    let ceiling = FIRST_PAUSE.saturating_mul(1 << counted.clamp(1, 16).saturating_sub(1)).min(longest);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

/// A seeded source of random numbers for jitter; not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(fastrand::Rng);

impl Jitter {
    /// From a seed: the same one gives the same numbers, so that a test can be run again.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Draws octets, for what must be told apart and need not be secret.
    pub fn octets(&mut self) -> [u8; 16] {
        let mut octets = [0; 16];
        self.0.fill(&mut octets);
        octets
    }

    /// Draws the next number, uniform in 0 to 1.
    pub fn draw(&mut self) -> f64 {
        self.0.f64()
    }
}

/// The ceiling of the first pause; doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{AlreadyDone, Failed, InDoubt, Pending, PendingApproval, Rejected, Succeeded};

    const ANSWERS: [(&str, AttemptResult); 15] = [
        ("not sent", AttemptResult::NotSent),
        ("lost", AttemptResult::Lost),
        ("succeeded", answered(AnswerClass::Succeeded, true)),
        ("pending", answered(AnswerClass::PendingApproval, true)),
        ("already", answered(AnswerClass::AlreadyDone, true)),
        ("throttled", answered(AnswerClass::Throttled, false)),
        ("credentials", answered(AnswerClass::Unauthorized, false)),
        ("try later", answered(AnswerClass::TryLater, true)),
        ("refused", answered(AnswerClass::Rejected, false)),
        ("500", answered(AnswerClass::Unknown, true)),
        ("declared unknown", answered(AnswerClass::Unknown, true)),
        ("408", answered(AnswerClass::Unknown, true)),
        ("undeclared 2xx", answered(AnswerClass::Unknown, false)),
        ("page of something between", answered(AnswerClass::Unknown, true)),
        ("garbage", answered(AnswerClass::Unknown, false)),
    ];

    const fn answered(meaning: AnswerClass, transient: bool) -> AttemptResult {
        AttemptResult::Answered { meaning, transient }
    }

    fn state(counted: u16, tainted: bool) -> ActionState {
        ActionState { attempts: counted.into(), counted, tainted, ..ActionState::default() }
    }

    #[test]
    fn what_was_accepted_is_followed_and_never_sent_again() {
        for pending in [Pending, PendingApproval] {
            let follows = [TargetState::Done, TargetState::NotDone, TargetState::Pending, TargetState::Unknown]
                .map(|found| after_following(found, pending));
            assert_eq!(follows, [Succeeded, Rejected, pending, pending].map(NextStep::End));
        }
    }

    fn check(idempotency: Idempotency, lookup: bool, before: bool, last: bool, expected: [NextStep; 15]) {
        let rules = Rules { idempotency, lookup, attempts: 3, down: false };
        for ((name, attempt), expected) in ANSWERS.into_iter().zip(expected) {
            let tainted = before || effect(attempt) == Effect::Unknown;
            let next = after_attempt(rules, attempt, state(if last { 3 } else { 1 }, tainted));
            assert_eq!(
                next, expected,
                "{idempotency:?}, status query {lookup}, tainted before {before}, last {last}: {name}"
            );
            if is_clear(attempt) {
                let others =
                    Rules { idempotency: Idempotency::NotIdempotent, lookup: !lookup, attempts: 1, down: false };
                assert_eq!(
                    after_attempt(others, attempt, state(if last { 3 } else { 1 }, tainted)),
                    expected,
                    "{name}"
                );
            }
        }
    }

    const LOST: NextStep = NextStep::LookUp(Doubt::Lost);
    const REFUSED: NextStep = NextStep::LookUp(Doubt::Refused);
    const AGAIN: NextStep = NextStep::Again;

    const fn end(outcome: Outcome) -> NextStep {
        NextStep::End(outcome)
    }

    #[test]
    #[rustfmt::skip]
    fn every_cell_of_the_table() {
        use NextStep::{Hold, StopAccount};
        use Idempotency::{Idempotent as Safe, NotIdempotent as Unsafe};
        let [ok, wait, was, no, fail, doubt] =
            [end(Succeeded), end(PendingApproval), end(AlreadyDone), end(Rejected), end(Failed), end(InDoubt)];
        // not sent, lost, succeeded, pending, already, throttled, credentials, try later, refused, 500, unknown, 408, 2xx, page, garbage
        check(Safe, true, false, false, [AGAIN, AGAIN, ok, wait, was, Hold, StopAccount, AGAIN, REFUSED, AGAIN, AGAIN, AGAIN, LOST, AGAIN, LOST]);
        check(Safe, true, false, true, [fail, LOST, ok, wait, was, Hold, StopAccount, fail, REFUSED, LOST, LOST, LOST, LOST, LOST, LOST]);
        check(Safe, true, true, false, [AGAIN, AGAIN, ok, wait, ok, Hold, StopAccount, AGAIN, LOST, AGAIN, AGAIN, AGAIN, LOST, AGAIN, LOST]);
        check(Safe, true, true, true, [LOST, LOST, ok, wait, ok, Hold, StopAccount, LOST, LOST, LOST, LOST, LOST, LOST, LOST, LOST]);
        check(Safe, false, false, false, [AGAIN, AGAIN, ok, wait, was, Hold, StopAccount, AGAIN, no, AGAIN, AGAIN, AGAIN, doubt, AGAIN, doubt]);
        check(Safe, false, false, true, [fail, doubt, ok, wait, was, Hold, StopAccount, fail, no, doubt, doubt, doubt, doubt, doubt, doubt]);
        check(Safe, false, true, false, [AGAIN, AGAIN, ok, wait, ok, Hold, StopAccount, AGAIN, doubt, AGAIN, AGAIN, AGAIN, doubt, AGAIN, doubt]);
        check(Safe, false, true, true, [doubt, doubt, ok, wait, ok, Hold, StopAccount, doubt, doubt, doubt, doubt, doubt, doubt, doubt, doubt]);
        check(Unsafe, true, false, false, [AGAIN, LOST, ok, wait, was, Hold, StopAccount, AGAIN, no, LOST, LOST, LOST, LOST, LOST, LOST]);
        check(Unsafe, true, false, true, [fail, LOST, ok, wait, was, Hold, StopAccount, fail, no, LOST, LOST, LOST, LOST, LOST, LOST]);
        check(Unsafe, false, false, false, [AGAIN, doubt, ok, wait, was, Hold, StopAccount, AGAIN, no, doubt, doubt, doubt, doubt, doubt, doubt]);
        check(Unsafe, false, false, true, [fail, doubt, ok, wait, was, Hold, StopAccount, fail, no, doubt, doubt, doubt, doubt, doubt, doubt]);
    }

    #[test]
    #[rustfmt::skip]
    fn what_comes_to_nothing_at_a_provider_that_is_down_costs_no_attempt_and_ends_nothing_that_may_be_sent_again() {
        let [fail, doubt] = [end(Failed), end(InDoubt)];
        for (idempotency, lookup, [not_sent, lost, try_later, page, undeclared]) in [
            (Idempotency::Idempotent, true, [AGAIN, AGAIN, AGAIN, AGAIN, AGAIN]),
            (Idempotency::Idempotent, false, [AGAIN, AGAIN, AGAIN, AGAIN, AGAIN]),
            // It may have taken effect: never sent again before a status query shows the contrary.
            (Idempotency::NotIdempotent, true, [AGAIN, LOST, AGAIN, LOST, LOST]),
            (Idempotency::NotIdempotent, false, [AGAIN, doubt, AGAIN, doubt, doubt]),
        ] {
            // No attempt was left before.
            let rules = Rules { idempotency, lookup, attempts: 3, down: true };
            for (attempt, expected) in [
                (AttemptResult::NotSent, not_sent),
                (AttemptResult::Lost, lost),
                (answered(AnswerClass::TryLater, true), try_later),
                (answered(AnswerClass::Unknown, true), page),
                (answered(AnswerClass::Unknown, false), undeclared),
            ] {
                let tainted = effect(attempt) == Effect::Unknown;
                assert_eq!(after_attempt(rules, attempt, state(3, tainted)), expected, "{idempotency:?} {attempt:?}");
                assert_eq!([counts(attempt, true), counts(attempt, false)], [false, true], "{attempt:?}");
            }
            let refused = answered(AnswerClass::Rejected, false);
            assert!(counts(refused, true), "what is understood counts");
            assert_ne!(after_attempt(rules, refused, state(3, false)), fail);
        }
    }

    #[test]
    fn a_refused_nonce_costs_nothing_and_resolves_nothing() {
        let refused = answered(AnswerClass::BadNonce, true);
        assert_eq!((effect(refused), counts(refused, false)), (Effect::None, false));
        for (idempotency, lookup) in [
            (Idempotency::Idempotent, true),
            (Idempotency::Idempotent, false),
            (Idempotency::NotIdempotent, true),
            (Idempotency::NotIdempotent, false),
        ] {
            let rules = Rules { idempotency, lookup, attempts: 3, down: false };
            for (counted, tainted) in [(0, false), (2, true), (3, false)] {
                assert_eq!(after_attempt(rules, refused, state(counted, tainted)), NextStep::Hold);
            }
        }
    }

    #[test]
    fn what_may_be_the_answer_to_another_request_is_asked_for_again_at_no_cost() {
        use AnswerClass::{
            AlreadyDone, BadNonce, PendingApproval, Rejected, Succeeded, Throttled, Unauthorized, Unknown,
        };
        for (meaning, expected) in [
            (Rejected, true),
            (AlreadyDone, true),
            (Succeeded, false),
            (PendingApproval, false),
            // These end no action in an untruth.
            (Throttled, false),
            (BadNonce, false),
            (Unauthorized, false),
            (Unknown, false),
        ] {
            assert_eq!(
                [true, false].map(|by_order| is_out_of_turn(meaning, by_order)),
                [expected, false],
                "{meaning:?}"
            );
        }
        for (meaning, same_words, different_words) in [
            (Rejected, Some(Turn::Right), Some(Turn::Wrong)),
            (AlreadyDone, Some(Turn::Right), Some(Turn::Wrong)),
            (Succeeded, Some(Turn::Wrong), Some(Turn::Wrong)),
            (PendingApproval, Some(Turn::Wrong), Some(Turn::Wrong)),
            (AnswerClass::Pending, Some(Turn::Wrong), Some(Turn::Wrong)),
            (Throttled, None, None),
            (BadNonce, None, None),
            (Unauthorized, None, None),
            (AnswerClass::TryLater, None, None),
            (Unknown, None, None),
        ] {
            let said = [true, false].map(|same| in_turn(meaning, same));
            assert_eq!(said, [same_words, different_words], "{meaning:?}");
        }
        for (outcome, expected) in [
            (Outcome::Succeeded, true),
            (Outcome::PendingApproval, true),
            (Pending, true),
            (Outcome::Rejected, false),
            (Outcome::AlreadyDone, false),
            (Failed, false),
            (InDoubt, false),
            (Outcome::Skipped, false),
        ] {
            let again = [true, false].map(|by_order| is_taken_up_again(outcome, by_order));
            assert_eq!(again, [expected, false], "{outcome}");
        }
        assert_eq!((effect(AttemptResult::OutOfTurn), counts(AttemptResult::OutOfTurn, false)), (Effect::None, false));
        let rules = Rules { idempotency: Idempotency::Idempotent, lookup: true, attempts: 3, down: false };
        for (counted, tainted) in [(0, false), (2, true), (3, false)] {
            assert_eq!(after_attempt(rules, AttemptResult::OutOfTurn, state(counted, tainted)), NextStep::Hold);
        }
        for (idempotency, attempts, expected) in [
            (Some(Idempotency::Idempotent), 0, false),
            (Some(Idempotency::Idempotent), 1, true),
            (Some(Idempotency::NotIdempotent), 0, true),
            (None, 0, true),
        ] {
            assert_eq!(needs_own_connection(idempotency, attempts), expected, "{idempotency:?} {attempts}");
        }
    }

    #[test]
    fn what_a_status_query_resolves() {
        let rules = Rules { idempotency: Idempotency::Idempotent, lookup: true, attempts: 3, down: false };
        for (target_state, refused, tainted, counted, expected) in [
            (TargetState::Done, true, false, 1, end(AlreadyDone)),
            (TargetState::Done, true, true, 2, end(Succeeded)),
            (TargetState::Done, false, true, 3, end(Succeeded)),
            (TargetState::Pending, false, true, 3, end(PendingApproval)),
            (TargetState::NotDone, false, true, 1, AGAIN),
            (TargetState::NotDone, false, true, 3, end(Failed)),
            (TargetState::NotDone, true, false, 1, end(Rejected)),
            (TargetState::NotDone, true, true, 1, end(Rejected)),
            (TargetState::Unknown, true, false, 1, end(Rejected)),
            (TargetState::Unknown, true, true, 1, end(InDoubt)),
            (TargetState::Unknown, false, true, 1, end(InDoubt)),
        ] {
            assert_eq!(
                after_lookup(rules, target_state, refused, state(counted, tainted)),
                expected,
                "{target_state:?} {refused} {tainted}"
            );
        }
    }

    #[test]
    fn what_a_person_takes_up_again_is_sent_where_its_state_does_not_tell_and_sending_is_harmless() {
        for (idempotency, counted, refused, reopened, expected) in [
            (Idempotency::Idempotent, 0, false, true, AGAIN),
            (Idempotency::Idempotent, 1, false, true, end(InDoubt)),
            (Idempotency::Idempotent, 0, true, true, end(InDoubt)),
            (Idempotency::Idempotent, 0, false, false, end(InDoubt)),
            (Idempotency::NotIdempotent, 0, false, true, end(InDoubt)),
        ] {
            let rules = Rules { idempotency, lookup: true, attempts: 3, down: false };
            let state = ActionState { reopened, ..state(counted, true) };
            let next = after_lookup(rules, TargetState::Unknown, refused, state);
            assert_eq!(next, expected, "{idempotency:?} {counted} {refused} {reopened}");
        }
    }

    #[test]
    fn how_a_waiting_action_begins() {
        for (idempotency, lookup, tainted, reopened, expected) in [
            (Idempotency::Idempotent, true, false, false, AGAIN),
            (Idempotency::Idempotent, true, true, false, AGAIN),
            (Idempotency::Idempotent, true, true, true, LOST),
            (Idempotency::Idempotent, false, true, true, AGAIN),
            (Idempotency::NotIdempotent, true, false, true, AGAIN),
            (Idempotency::NotIdempotent, true, true, false, LOST),
            (Idempotency::NotIdempotent, false, true, false, end(InDoubt)),
            (Idempotency::NotIdempotent, false, true, true, end(InDoubt)),
        ] {
            let rules = Rules { idempotency, lookup, attempts: 3, down: false };
            let state = ActionState { reopened, ..state(1, tainted) };
            assert_eq!(first_step(rules, state), expected, "{idempotency:?} {lookup} {tainted} {reopened}");
        }
    }

    #[test]
    fn pauses_grow_and_are_jittered() {
        let longest = Duration::from_secs(60);
        for (counted, random, expected) in [(1, 1.0, 1.0), (2, 1.0, 2.0), (3, 0.5, 2.0), (20, 1.0, 60.0), (5, 0.0, 0.0)]
        {
            assert_eq!(pause(counted, longest, random), Duration::from_secs_f64(expected));
        }
        let mut jitter = Jitter::new(7);
        assert!((0..1000).map(|_| jitter.draw()).all(|number| (0.0..1.0).contains(&number)));
    }
}
