//! What a run's actions have in common, told in a few words beside the run's constants, so that a million rows need not be read for
//! it: which accounts they are of, one row of them behind the other, which operations and reasons there are. Runs of earlier versions
//! have no such words, and lists of many kinds none about accounts; then the rows are read.

use super::queue::Queue;
use crate::pki::RevocationReason;
use crate::plan::Action;
use serde::{Deserialize, Serialize};

/// The key of the words in the table `run`.
pub(super) const KEY: &str = "shape";

/// What the actions of a run have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Accounts, each with how many actions one behind the other are of it. Only where no action needs another, waits for an
    /// instant, or repeats another.
    accounts: Option<Vec<(usize, u64)>>,
    /// Accounts with an operation that actions of theirs ask for.
    operations: Vec<(usize, String)>,
    /// The reason that all actions ask for, and as it is sent. Not told by earlier versions.
    #[serde(default)]
    reason: Common<Reason>,
    /// Whether every action is called after its place.
    #[serde(default)]
    named_by_place: bool,
}

/// A reason in RFC 5280 words, and as it is sent.
pub(super) type Reason = (Option<String>, Option<String>);

/// What may be the same for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Common<T> {
    /// There is nobody yet.
    Open,
    /// It is.
    Same(T),
    /// It is not, or not known to be.
    #[default]
    Differs,
}

/// What a report tells of all actions at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alike {
    /// The account and the operation.
    pub(super) operation: Option<(usize, String)>,
    /// The reason.
    pub(super) reason: Option<Reason>,
    /// The id is the place in the plan.
    pub(super) named_by_place: bool,
    /// None repeats another.
    pub(super) none_repeats: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { accounts: Some(Vec::new()), operations: Vec::new(), reason: Common::Open, named_by_place: true }
    }
}

impl Shape {
    /// Takes the next action in.
    pub(super) fn add(&mut self, action: &Action) {
        let same =
            |(account, operation): &(usize, String)| *account == action.account && *operation == action.operation;
        if !self.operations.iter().any(same) {
            self.operations.push((action.account, action.operation.clone()));
        }
        let reason = (action.reason.map(RevocationReason::name), action.reason_sent.as_deref());
        match &self.reason {
            Common::Open => self.reason = Common::Same((reason.0.map(str::to_owned), reason.1.map(str::to_owned))),
            Common::Same((asked, sent)) if (asked.as_deref(), sent.as_deref()) == reason => {}
            _ => self.reason = Common::Differs,
        }
        self.named_by_place &= action.id == action.source;
        let plain = action.needs.is_empty() && action.not_before.is_none() && action.duplicate_of.is_none();
        let Some(accounts) = &mut self.accounts else { return };
        let room = accounts.len() < MOST_ROWS;
        match accounts.last_mut() {
            _ if !plain => self.accounts = None,
            Some((account, actions)) if *account == action.account => *actions += 1,
            _ if room => accounts.push((action.account, 1)),
            _ => self.accounts = None,
        }
    }

    /// The order of sending, where nothing but the accounts decides it and these are all of the run's actions.
    pub(super) fn queue(&self, actions: u64) -> Option<Queue> {
        let accounts = self.accounts.as_ref()?;
        let mut queue = Queue::default();
        for (account, actions) in accounts {
            queue.extend(*account, usize::try_from(*actions).ok()?);
        }
        (queue.len() as u64 == actions).then_some(queue)
    }

    /// What is told of all of so many actions at once.
    pub(super) fn alike(self, actions: u64) -> Alike {
        let none_repeats = self.queue(actions).is_some();
        let Self { operations, reason, named_by_place, .. } = self;
        Alike {
            operation: <[_; 1]>::try_from(operations).ok().map(|[one]| one),
            reason: if let Common::Same(reason) = reason { Some(reason) } else { None },
            named_by_place,
            none_repeats,
        }
    }

    /// Accounts with the operations that their actions ask for.
    pub(super) fn operations(self) -> Vec<(usize, String)> {
        self.operations
    }
}

/// More rows of one account than this are not told of.
const MOST_ROWS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::checked::Fingerprint;

    fn action(ordinal: u64) -> Action {
        Action {
            ordinal,
            id: format!("a{ordinal}"),
            account: 0,
            operation: "revoke".to_owned(),
            target: String::new(),
            reason: None,
            reason_sent: None,
            parameters: crate::plan::checked::Parameters::default(),
            reaches: None,
            needs: Vec::new(),
            not_before: None,
            source: String::new(),
            kept: Vec::new(),
            duplicate_of: None,
            fingerprint: Fingerprint::default(),
            certificate: None,
        }
    }

    #[test]
    fn a_shape_tells_what_the_rows_would() {
        let plain = |ordinal, account| Action { account, ..action(ordinal) };
        let needing = Action { needs: vec!["a".to_owned()], ..action(1) };
        let waiting = Action { not_before: Some(jiff::Timestamp::UNIX_EPOCH), ..action(1) };
        let repeating = Action { duplicate_of: Some("a".to_owned()), ..action(1) };
        let mut two = Queue::of(2, 0);
        two.push(3);
        for (actions, expected) in [
            (vec![], Some(Queue::default())),
            (vec![plain(0, 0), plain(1, 0), plain(2, 3)], Some(two)),
            (vec![plain(0, 0), needing], None),
            (vec![plain(0, 0), waiting], None),
            (vec![plain(0, 0), repeating, plain(2, 0)], None),
            ((0..=MOST_ROWS).map(|index| plain(index as u64, index % 2)).collect(), None),
        ] {
            let mut shape = Shape::default();
            actions.iter().for_each(|action| shape.add(action));
            let text = serde_json::to_string(&shape).unwrap();
            let shape: Shape = serde_json::from_str(&text).unwrap();
            assert_eq!(shape.queue(actions.len() as u64), expected, "{text}");
            assert_eq!(shape.queue(actions.len() as u64 + 1), None, "the shape of other actions");
        }
    }

    #[test]
    fn what_is_alike_is_told_once() {
        let plain = |ordinal| Action { id: format!("p:{ordinal}"), source: format!("p:{ordinal}"), ..action(ordinal) };
        let other = Action { operation: "reissue".to_owned(), ..plain(1) };
        let reasoned = Action { reason: Some(RevocationReason::Superseded), ..plain(1) };
        let sent = Action { reason_sent: Some("superseded".to_owned()), ..plain(1) };
        let named = Action { id: "shop".to_owned(), ..plain(1) };
        let repeating = Action { duplicate_of: Some("p:0".to_owned()), ..plain(1) };
        let all = Alike {
            operation: Some((0, "revoke".to_owned())),
            reason: Some((None, None)),
            named_by_place: true,
            none_repeats: true,
        };
        for (second, expected) in [
            (plain(1), all.clone()),
            (other, Alike { operation: None, ..all.clone() }),
            (reasoned, Alike { reason: None, ..all.clone() }),
            (sent, Alike { reason: None, ..all.clone() }),
            (named, Alike { named_by_place: false, ..all.clone() }),
            (repeating, Alike { none_repeats: false, ..all.clone() }),
        ] {
            let mut shape = Shape::default();
            [plain(0), second].iter().for_each(|action| shape.add(action));
            let text = serde_json::to_string(&shape).unwrap();
            assert_eq!(serde_json::from_str::<Shape>(&text).unwrap().alike(2), expected, "{text}");
        }
        let earlier = r#"{"accounts": [[0, 2]], "operations": [[0, "revoke"]]}"#;
        let known = Alike { reason: None, named_by_place: false, ..all };
        assert_eq!(serde_json::from_str::<Shape>(earlier).unwrap().alike(2), known);
    }
}
