//! What the end of one stage means for its action: which stage is next, and what is said of an action that cannot go on. Pure.
//!
//! [`super::retry`] decides about one stage as about an action of one request. Here its word is put into its place in the line: a stage that
//! is done is no end while others follow; one that only reads takes no effect, whatever becomes of it; and where an earlier stage
//! has cost something, nothing is called without effect any more.

use super::retry::NextStep;
use crate::journal::{Reply, ToSend};
use crate::provider::model::{Operation, Stage, StatusQueryRule};
use crate::provider::stages::Captures;
use crate::provider::{Answer, AnswerClass, Idempotency, Provider, Verdict, stages, target_state, verdict};
use crate::run::{Effect, Outcome};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// What a stage does at the provider, which decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageKind {
    /// It only reads (RFC 9110, 9.2.1: safe): a look at an order, a download. It never taints, and is asked again.
    Safe,
    /// It takes effect, twice as once.
    Idempotent,
    /// It takes effect, and twice may cost twice.
    NotIdempotent,
}

impl StageKind {
    /// Of a request that takes effect.
    pub const fn of(idempotency: Idempotency) -> Self {
        match idempotency {
            Idempotency::Idempotent => Self::Idempotent,
            Idempotency::NotIdempotent => Self::NotIdempotent,
        }
    }

    /// How it may be sent again.
    pub const fn idempotency(self) -> Idempotency {
        match self {
            Self::Safe | Self::Idempotent => Idempotency::Idempotent,
            Self::NotIdempotent => Idempotency::NotIdempotent,
        }
    }

    /// What an attempt of it did: what only reads did nothing.
    pub const fn effect(self, effect: Effect) -> Effect {
        match self {
            Self::Safe => Effect::None,
            Self::Idempotent | Self::NotIdempotent => effect,
        }
    }
}

/// Where a stage stands in the line of its action's stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StagePlace {
    /// Whether a stage before it has taken effect: the provider has accepted something.
    pub accepted: bool,
    /// Whether one of these is not idempotent, or is by its key alone: what it cost is spent, and the action must not begin anew.
    pub spent: bool,
    /// Whether others follow.
    pub followed: bool,
}

/// A stage of an action, by its provider's document: its own request is the first.
#[derive(Debug, Clone, Copy)]
pub struct StageRules<'p> {
    /// Its name: that of the operation for the first.
    pub name: &'p str,
    /// The operation that is asked.
    pub operation: &'p Operation,
    /// What a document says of those that follow on the first.
    pub declared: Option<&'p Stage>,
    /// What it does at the provider.
    pub kind: StageKind,
    /// Where it stands.
    pub place: StagePlace,
    /// How to find out whether it took effect.
    pub status_queries: &'p [StatusQueryRule],
    /// How far apart it is asked again while the provider is at work.
    pub poll: Option<Duration>,
}

/// How a state can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// By itself.
    Target,
    /// By a list, which is read once for all who ask for it.
    List,
}

/// An action at one of its stages.
#[derive(Debug)]
pub struct Subject {
    /// The action.
    pub action: ToSend,
    /// Its operation, by its place in the provider's document.
    pub operation: usize,
    /// The stage, from 0.
    pub stage: u8,
    /// The parameters of the stage's request; none for the first, whose parameters are the action's own.
    pub parameters: Option<Map<String, Value>>,
}

impl Subject {
    /// An action at a stage, with the parameters of the stage's request where they can be made of what came before.
    pub fn at(provider: &Provider, action: ToSend, (operation, stage): (usize, u8), captures: &Captures) -> Self {
        let declared = StageRules::of(provider, operation, stage).and_then(|rules| rules.declared);
        let made = |declared| stages::parameters(provider, declared, &action.parameters, captures, None).ok();
        let parameters = declared.and_then(made);
        Self { action, operation, stage, parameters }
    }

    /// The parameters of its request.
    pub fn parameters(&self) -> &Map<String, Value> {
        match &self.parameters {
            Some(parameters) => parameters,
            None => &self.action.parameters,
        }
    }

    /// What the document says of its stage; `None` where it has no such stage.
    pub fn rules<'p>(&self, provider: &'p Provider) -> Option<StageRules<'p>> {
        StageRules::of(provider, self.operation, self.stage)
    }
}

impl<'p> StageRules<'p> {
    /// Of a stage of an operation that is an action's.
    pub fn of(provider: &'p Provider, operation: usize, stage: u8) -> Option<Self> {
        let own = provider.operations.get(operation)?;
        let action = own.action.as_ref()?;
        let stage = usize::from(stage);
        let followed = stage < action.stages.len();
        // An action that only reads may be asked again and again: it has no effect that could be doubled.
        let reads = own.is_safe && action.poll.is_some();
        let Some(before) = stage.checked_sub(1) else {
            return Some(Self {
                name: &own.name,
                operation: own,
                declared: None,
                kind: if reads { StageKind::Safe } else { StageKind::of(action.idempotency) },
                place: StagePlace { followed, ..StagePlace::default() },
                status_queries: &action.status_queries,
                poll: action.poll.filter(|_| reads),
            });
        };
        let declared = action.stages.get(before)?;
        let kind = |stage: &Stage| match provider.operations[stage.operation].is_safe {
            true => StageKind::Safe,
            false => StageKind::of(stage.idempotency),
        };
        let earlier = || action.stages[..before].iter().map(kind);
        let costs = |kind| kind == StageKind::NotIdempotent;
        Some(Self {
            name: &declared.name,
            operation: &provider.operations[declared.operation],
            declared: Some(declared),
            kind: kind(declared),
            place: StagePlace {
                // The first takes effect, unless all that the action does is to read.
                accepted: !reads || earlier().any(|kind| kind != StageKind::Safe),
                // An idempotency key makes a repetition harmless, not the first request: begun anew, the action would have another key.
                spent: costs(StageKind::of(action.idempotency))
                    || action.idempotency_key.is_some()
                    || earlier().any(costs),
                followed,
            },
            status_queries: &declared.status_queries,
            poll: declared.poll,
        })
    }

    /// The answer that a recorded one stands for: what it says of the provider's own id.
    pub fn recorded_answer(&self, reply: &Reply) -> Option<Answer> {
        target_state::answer_with_reference(self.operation, reply.reference.as_ref()?)
    }

    /// How its state can be asked for, where it can: by a list, which is read once for many, or by itself.
    pub fn lookup(
        &self,
        provider: &Provider,
        parameters: &Map<String, Value>,
        answer: Option<&Answer>,
    ) -> Option<Lookup> {
        if self.kind == StageKind::Safe {
            return None;
        }
        let (first, _) = target_state::choose(provider, self.status_queries, parameters, answer).into_iter().next()?;
        let is_list = self.status_queries.get(first).is_some_and(target_state::is_list);
        Some(if is_list { Lookup::List } else { Lookup::Target })
    }

    /// How its answer is read.
    pub fn read(&self, provider: &Provider, answer: &Answer, at: Timestamp) -> Verdict {
        match self.declared {
            Some(stage) => stages::read(provider, stage, answer, at),
            None => verdict::read(self.operation, answer, at),
        }
    }

    /// The name of a later stage in front of what is said of it.
    pub fn prefix(&self) -> String {
        if self.declared.is_some() { format!("step `{}`: ", self.name) } else { String::new() }
    }
}

/// One request of an action, where all goes well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRequest<'p> {
    /// The step's name, or that of the operation that reads what is replaced.
    pub name: &'p str,
    /// How long after the answer before it is asked.
    pub after: Duration,
}

/// The requests of an action, in order. What is polled while a CA works is guessed to be asked twice; a person is guessed to have approved.
pub fn planned<'p>(provider: &'p Provider, operation: &'p Operation) -> Vec<PlannedRequest<'p>> {
    let own = PlannedRequest { name: &operation.name, after: Duration::ZERO };
    let Some(action) = operation.action.as_ref() else { return vec![own] };
    let replaced = action.replaced.as_ref();
    let replaced = replaced.map(|rule| PlannedRequest { name: &rule.query.operation, after: Duration::ZERO });
    let stages = action.stages.iter().flat_map(|stage| {
        let works = stage.answers.iter().any(|rule| rule.class == AnswerClass::Pending);
        let first = stage.poll.map_or(Duration::ZERO, |interval| interval.min(FIRST_POLL));
        let again = stage.poll.filter(|_| works && provider.operations[stage.operation].is_safe);
        std::iter::once(first).chain(again).map(|after| PlannedRequest { name: &stage.name, after })
    });
    replaced.into_iter().chain([own]).chain(stages).collect()
}

/// Before the first poll of a stage, at most: a CA that issues at once has done so by then.
pub const FIRST_POLL: Duration = Duration::from_secs(2);

/// What follows for the action, where `next` follows for the stage by itself.
pub const fn after_stage(kind: StageKind, place: StagePlace, next: NextStep) -> NextStep {
    use Outcome::{AlreadyDone, Failed, InDoubt, Pending, PendingApproval, Rejected, Succeeded};
    let NextStep::End(outcome) = next else { return next };
    match (outcome, kind) {
        // The order may still be worked on, or wait for a person: a stage that follows is what looks.
        (Succeeded | AlreadyDone, _)
        | (Pending | PendingApproval, StageKind::Idempotent | StageKind::NotIdempotent)
            if place.followed =>
        {
            NextStep::NextStage
        }
        // A later stage of ours has done something, whatever this one found.
        (AlreadyDone, _) if place.accepted => NextStep::End(Succeeded),
        (Pending | PendingApproval, StageKind::Safe) => NextStep::Poll,
        // It could not be read. What was accepted goes on at the provider, and can be read later.
        (Failed | InDoubt, StageKind::Safe) if place.accepted => NextStep::End(Pending),
        (Failed | InDoubt, StageKind::Safe) => NextStep::End(Failed),
        // The provider's own word about what it had accepted: an order that has become invalid.
        (Rejected, StageKind::Safe) => NextStep::End(Rejected),
        // A new run would begin at the first stage, and buy again.
        (Failed | Rejected, StageKind::Idempotent | StageKind::NotIdempotent) if place.spent => NextStep::End(InDoubt),
        _ => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::provider::Catalog;
    use crate::text::SourceMap;
    use NextStep::{Again, End, Hold, NextStage, Poll};
    use Outcome::{AlreadyDone, Failed, InDoubt, Pending, PendingApproval, Rejected, Succeeded};
    use StageKind::{Idempotent, NotIdempotent, Safe};

    const fn place(accepted: bool, spent: bool, followed: bool) -> StagePlace {
        StagePlace { accepted, spent, followed }
    }

    #[test]
    fn a_single_stage_ends_its_action_as_ever() {
        for kind in [Idempotent, NotIdempotent] {
            for outcome in Outcome::ALL {
                assert_eq!(after_stage(kind, StagePlace::default(), End(outcome)), End(outcome), "{kind:?} {outcome}");
            }
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_cell_of_the_table() {
        const ENDS: [Outcome; 7] = [Succeeded, AlreadyDone, Pending, PendingApproval, Rejected, Failed, InDoubt];
        let [ok, was, wait, person, no, fail, doubt] = ENDS.map(End);
        let next = NextStage;
        for (kind, at, expected) in [
            // the first of several
            (Idempotent,    place(false, false, true),  [next, next, next, next, no, fail, doubt]),
            (NotIdempotent, place(false, false, true),  [next, next, next, next, no, fail, doubt]),
            (Safe,          place(false, false, true),  [next, next, Poll, Poll, no, fail, fail]),
            // behind one that may be sent again: a new run may do so, too
            (Idempotent,    place(true,  false, true),  [next, next, next, next, no, fail, doubt]),
            (NotIdempotent, place(true,  false, true),  [next, next, next, next, no, fail, doubt]),
            (Safe,          place(true,  false, true),  [next, next, Poll, Poll, no, wait, wait]),
            // behind one that costs: nothing is without effect any more
            (Idempotent,    place(true,  true,  true),  [next, next, next, next, doubt, doubt, doubt]),
            (NotIdempotent, place(true,  true,  true),  [next, next, next, next, doubt, doubt, doubt]),
            (Safe,          place(true,  true,  true),  [next, next, Poll, Poll, no, wait, wait]),
            // the last
            (Idempotent,    place(true,  false, false), [ok, ok, wait, person, no, fail, doubt]),
            (NotIdempotent, place(true,  false, false), [ok, ok, wait, person, no, fail, doubt]),
            (Idempotent,    place(true,  true,  false), [ok, ok, wait, person, doubt, doubt, doubt]),
            (NotIdempotent, place(true,  true,  false), [ok, ok, wait, person, doubt, doubt, doubt]),
            (Safe,          place(true,  false, false), [ok, ok, Poll, Poll, no, wait, wait]),
            (Safe,          place(true,  true,  false), [ok, ok, Poll, Poll, no, wait, wait]),
            (Safe,          place(false, false, false), [ok, was, Poll, Poll, no, fail, fail]),
        ] {
            for (outcome, expected) in ENDS.into_iter().zip(expected) {
                assert_eq!(after_stage(kind, at, End(outcome)), expected, "{kind:?} {at:?} {outcome}");
            }
            assert_eq!([Again, Hold].map(|next| after_stage(kind, at, next)), [Again, Hold], "{kind:?} {at:?}");
        }
    }

    #[test]
    fn an_action_that_only_reads_is_asked_again_and_has_accepted_nothing() {
        let catalog = Catalog::built_in(&mut SourceMap::default(), &mut Diagnostics::default());
        let naver = catalog.get("naver").unwrap();
        let place = |name: &str| naver.operations.iter().position(|operation| operation.name == name).unwrap();
        let of = |name: &str, stage: u8| {
            let rules = StageRules::of(naver, place(name), stage).unwrap();
            (rules.kind, rules.poll.is_some(), rules.place.accepted, rules.place.followed)
        };
        assert_eq!(of("fetch-certificate", 0), (Safe, true, false, true));
        assert_eq!(of("fetch-certificate", 1), (Safe, true, false, false));
        assert_eq!(of("reissue", 0), (NotIdempotent, false, false, false));
    }

    #[test]
    fn what_only_reads_never_taints() {
        for effect in [Effect::None, Effect::Done, Effect::Unknown] {
            assert_eq!(Safe.effect(effect), Effect::None);
            assert_eq!([Idempotent, NotIdempotent].map(|kind| kind.effect(effect)), [effect; 2]);
        }
        assert_eq!(how_again(), [Idempotency::Idempotent, Idempotency::Idempotent, Idempotency::NotIdempotent]);
    }

    fn how_again() -> [Idempotency; 3] {
        [Safe, Idempotent, NotIdempotent].map(StageKind::idempotency)
    }
}
