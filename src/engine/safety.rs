//! When a run must not go on: canaries that took no effect, closed windows and the deadline, failures, and the waves that it is let go in.
//! Pure; the dispatcher does what is decided here.
//!
//! `safety.canary` is here, `schedule` and `deadline` (the calendar itself is [`crate::plan::calendar`]), `safety.stop_when` and
//! `safety.waves`.

use super::pace;
use crate::journal::{Queue, Reply};
use crate::plan::calendar::{closes_at, open_times};
use crate::plan::settings::{Safety, Schedule, StopWhen, WaveSize};
use crate::provider::TargetState;
use crate::run::{Ordinal, Outcome};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// What follows from reading a canary's target back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterReadBack {
    /// The next may go.
    GoOn,
    /// The next may go, with a warning that nothing was proved: a provider without a usable state call must not block every run.
    GoOnUnproved(String),
    /// It is read back once more after this pause: a provider may be slow to show what it has done.
    ReadAgain(Duration),
    /// It did not take effect: the run stops, for this reason.
    Stop(String),
}

/// Whether a canary that ended so is read back. One that waits for a person has no effect to show yet, and a bad end stops the run
/// anyway.
pub const fn is_read_back(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Succeeded | Outcome::AlreadyDone)
}

/// What follows from the `reads`-th status query of a canary that was answered with success.
pub fn after_read_back(target_state: TargetState, seen: &str, reads: u32) -> AfterReadBack {
    match target_state {
        TargetState::Done | TargetState::Pending => AfterReadBack::GoOn,
        TargetState::Unknown if seen.is_empty() => {
            AfterReadBack::GoOnUnproved("the status query does not tell".to_owned())
        }
        TargetState::Unknown => AfterReadBack::GoOnUnproved(format!("the status query does not tell: {seen}")),
        TargetState::NotDone if reads < MAX_READ_BACKS => {
            AfterReadBack::ReadAgain(READ_BACK_PAUSE.saturating_mul(reads.max(1)))
        }
        TargetState::NotDone => AfterReadBack::Stop(format!(
            "was answered with success, and the status query shows that it did not take effect: {seen}"
        )),
    }
}

/// So often a target is read back before a canary counts as without effect.
const MAX_READ_BACKS: u32 = 3;
/// The pause before the second status query; twice as long before the third.
const READ_BACK_PAUSE: Duration = Duration::from_secs(2);

/// Whether requests may go out at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Yes, until this instant, where there is one.
    Open(Option<Timestamp>),
    /// No.
    Closed(Closed),
}

/// Why no request may go out, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The reason, as part of a sentence.
    pub why: String,
    /// When they may again; `None` where they never may.
    pub until: Option<Timestamp>,
}

/// Whether requests may go out now. Before a window closes, `margin` (the time of one attempt) is kept for what is in flight.
///
/// The margin is the plan's timeout, not a latency that was seen: one request that hangs would go on past the close otherwise, and
/// half a minute of a window of hours costs little.
pub fn gate(schedule: &Schedule, deadline: Option<Timestamp>, now: Timestamp, margin: Duration) -> Gate {
    if let Some(deadline) = deadline
        && now >= deadline
    {
        return Gate::Closed(Closed { why: format!("the deadline, {deadline:.0}, is over"), until: None });
    }
    let next = open_times(schedule, now, margin).next();
    if let Some(span) = next
        && span.opens <= now
    {
        let closes = schedule.window.as_ref().map(|_| span.closes);
        return Gate::Open(closes.into_iter().chain(deadline).min());
    }
    let until = next.map(|span| span.opens).filter(|opens| deadline.is_none_or(|deadline| *opens < deadline));
    let closing = schedule.window.as_ref().and_then(|window| closes_at(window, now));
    let why = match (schedule.start.filter(|start| now < *start), closing) {
        (Some(start), _) => format!("the plan starts at {start}"),
        (None, Some(closes)) => format!("the window closes at {closes}, and what is begun takes time"),
        (None, None) => "the window is closed".to_owned(),
    };
    let why = match (until, next, deadline) {
        (Some(until), ..) if schedule.start == Some(until) => why,
        (Some(until), ..) => format!("{why}; it opens at {until}"),
        (None, Some(_), Some(deadline)) => format!("{why}, and does not open before the deadline, {deadline}"),
        (None, ..) => format!("{why}, and never opens again"),
    };
    Gate::Closed(Closed { why, until })
}

/// What follows from an answer that asks to be left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why the provider is held back.
    pub why: String,
    /// Why its account is to be stopped instead, where it is: nothing could be sent before the end.
    pub stop: Option<String>,
}

/// What follows where a provider was asked too much. It `asked` for a wait, perhaps, and is held back `until` then, or as long as is believed.
/// `waits` says that closed windows are waited for.
pub fn hold(
    asked: Option<Duration>,
    until: Timestamp,
    now: Timestamp,
    schedule: &Schedule,
    deadline: Option<Timestamp>,
    waits: bool,
) -> Hold {
    let Some(asked) = asked else { return Hold { why: TOO_MANY.to_owned(), stop: None } };
    let wanted = SignedDuration::try_from(asked).ok().and_then(|asked| now.checked_add(asked).ok());
    let at = wanted.unwrap_or(Timestamp::MAX);
    let wanted = minute(at);
    if pace::believed(asked) < asked {
        let why = format!(
            "the provider asks to wait until {wanted}, longer than can be meant; it is asked again at {}",
            minute(until)
        );
        return Hold { why, stop: None };
    }
    let asks = |wanted: &str| format!("the provider asks to wait until {wanted}");
    let closes = schedule.window.as_ref().filter(|_| !waits).and_then(|window| closes_at(window, now));
    let stop = match (deadline, closes) {
        (Some(deadline), _) if deadline <= until => {
            let (wanted, deadline) = apart(at, deadline);
            Some(format!("{}, after the deadline, {deadline}: come back then, with a later one", asks(&wanted)))
        }
        (_, Some(closes)) if closes <= until => {
            let (wanted, closes) = apart(at, closes);
            Some(format!("{}, after the window closes at {closes}: come back then", asks(&wanted)))
        }
        _ => None,
    };
    Hold { why: if asked > LONG_WAIT { asks(&wanted) } else { TOO_MANY.to_owned() }, stop }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Two moments as they can be told apart: with seconds, or parts of one, where they are in the same minute.
fn apart(one: Timestamp, other: Timestamp) -> (String, String) {
    let shown = |form: &str| (one.strftime(form).to_string(), other.strftime(form).to_string());
    let forms = ["%Y-%m-%d %H:%M UTC", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S%.3f UTC"];
    forms.into_iter().map(shown).find(|(one, other)| one != other).unwrap_or_else(|| shown(forms[1]))
}

/// Why a provider is held back.
pub const TOO_MANY: &str = "the provider said that there were too many requests";
/// A longer wait is said as it is: somebody may have something better to do than to look on.
const LONG_WAIT: Duration = Duration::from_secs(3600);

/// Watches how actions end.
#[derive(Debug, Clone)]
pub struct Watch {
    rule: Option<StopWhen>,
    accounts: Vec<AccountEnds>,
}

/// What ended at one account.
#[derive(Debug, Clone, Default)]
struct AccountEnds {
    failures: u64,
    last: VecDeque<bool>,
    bad_of_last: u64,
    /// Whether one has ended well.
    any_well: bool,
    /// The refusal of the last action, and how many in a row ended by it.
    refusal: Option<(Option<u16>, Option<String>)>,
    refused: u64,
    /// Somebody has seen such a row, and let it go on.
    refusals_are_right: bool,
    /// Nonces in a row that were refused, over all actions.
    nonces: u32,
}

impl Watch {
    /// A watch over so many accounts, by the plan's rules.
    pub fn new(safety: &Safety, accounts: usize) -> Self {
        Self { rule: safety.stop_when, accounts: vec![AccountEnds::default(); accounts] }
    }

    /// So many actions of an account ended well in an earlier process, and so many were refused. Where a row of refusals would have stopped it
    /// and these were not taken up again, whoever goes on takes them for right.
    pub fn resume(&mut self, account: usize, well: u64, refused: u64) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.any_well = well > 0;
            account.refusals_are_right = refused >= account.most_refusals();
        }
    }

    /// Counts an action of an account that ended so. Returns why the account must stop, where too many in a row were refused alike: then it is
    /// the account or its settings that is refused, and each further action would be used up in vain.
    pub fn refused_alike(&mut self, account: usize, outcome: Outcome, reply: &Reply) -> Option<String> {
        let account = self.accounts.get_mut(account)?;
        account.any_well |= outcome.is_well();
        let refusal = (outcome == Outcome::Rejected).then(|| (reply.http_status, reply.code.clone()));
        account.refused = if refusal.is_some() && refusal == account.refusal { account.refused + 1 } else { 1 };
        account.refusal = refusal;
        let (status, code) = account.refusal.as_ref()?;
        if account.refused < account.most_refusals() || account.refusals_are_right {
            return None;
        }
        let status = status.map(|status| format!("HTTP {status}"));
        let words = [status.as_deref(), code.as_deref(), reply.message.as_deref()].into_iter().flatten();
        Some(format!(
            "{} actions in a row were refused alike: {}. Are the account and `base_url` in order? `resume --retry \
             rejected` asks again once they are; `resume` goes on where the refusals are right",
            account.refused,
            words.collect::<Vec<_>>().join(" ").trim_end_matches('.')
        ))
    }

    /// Counts an answer of an account to a request with a nonce. Returns why the account must stop, where one nonce after the other is refused.
    pub fn nonce(&mut self, account: usize, refused: bool) -> Option<String> {
        let account = self.accounts.get_mut(account)?;
        account.nonces = if refused { account.nonces + 1 } else { 0 };
        (account.nonces >= MAX_NONCES).then(|| format!("the provider refused {} nonces in a row", account.nonces))
    }

    /// Counts an action of an account that ended well or not. Returns why the account must stop, where it must.
    pub fn ended(&mut self, account: usize, well: bool) -> Option<String> {
        let rule = self.rule?;
        let account = self.accounts.get_mut(account)?;
        account.failures += u64::from(!well);
        match rule {
            StopWhen::Failures(most) => (!well && account.failures >= most)
                .then(|| format!("{} actions did not end well (safety.stop_when.failures: {most})", account.failures)),
            StopWhen::FailureRate { rate, of_last } => {
                account.last.push_back(well);
                account.bad_of_last += u64::from(!well);
                if account.last.len() as u64 > of_last {
                    account.bad_of_last -= u64::from(account.last.pop_front() == Some(false));
                }
                let (ended, bad) = (account.last.len() as u64, account.bad_of_last);
                let enough = ended >= of_last || (ended >= MIN_ENDED && bad >= MIN_BAD);
                // Judged at bad ends only: after a good one the account is doing better, whatever the rate.
                (!well && enough && bad as f64 >= rate * ended as f64).then(|| {
                    format!(
                        "{bad} of the last {ended} actions did not end well (safety.stop_when.failure_rate: {rate})"
                    )
                })
            }
        }
    }
}

impl AccountEnds {
    const fn most_refusals(&self) -> u64 {
        if self.any_well { MAX_ALIKE_AFTER_SUCCESS } else { MAX_ALIKE }
    }
}

/// So many refusals alike in a row, where nothing ever succeeded, are the account's.
const MAX_ALIKE: u64 = 20;
/// Once something succeeded the account was in order; but a list that is sorted may have many in a row that have expired.
const MAX_ALIKE_AFTER_SUCCESS: u64 = 100;
/// So many nonces in a row, over all actions, are no chance: not even where servers that share none of them take turns.
const MAX_NONCES: u32 = 50;
/// Before `of_last` actions have ended a rate is judged by those that have, if they are so many.
const MIN_ENDED: u64 = 20;
/// And if so many of them ended badly: one bad end among twenty is a rate of 5 %, and no pattern.
const MIN_BAD: u64 = 3;

/// The waves of a run: which of its actions belong to which, and whether one has ended.
///
/// They go through the plan in its order, over all providers. An action that needs one of a later wave goes with that one: a wave that
/// waited for a later wave would never end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waves {
    /// The wave of each action, from 0; empty where there is only one.
    of: Vec<u16>,
    /// How many actions of each wave have not ended.
    open: Vec<u64>,
    /// The wave that may go.
    now: usize,
}

impl Waves {
    /// The waves of these actions (in plan order). Those that are never sent do not count.
    pub fn new(sizes: &[WaveSize], queue: &Queue) -> Self {
        // A single wave holds nothing back.
        if sizes.len() < 2 {
            return Self::default();
        }
        let sent = queue.iter().filter(|action| action.never_sent.is_none()).count() as u64;
        let bounds = bounds(sizes, sent);
        let mut of = vec![0_u16; queue.len()];
        let mut place = 0;
        for (index, action) in queue.iter().enumerate() {
            if action.never_sent.is_none() {
                let wave = bounds.iter().position(|bound| place < *bound).unwrap_or(bounds.len() - 1);
                of[index] = u16::try_from(wave).unwrap_or(u16::MAX);
                place += 1;
            }
        }
        // An action may need a later one, so one pass is not enough; needs have no circles, so this ends.
        loop {
            let mut moved = false;
            for (ordinal, needs) in queue.needing() {
                let latest = needs.iter().filter_map(|need| of.get(usize::try_from(*need).ok()?).copied()).max();
                let wave = usize::try_from(ordinal).ok().and_then(|index| of.get_mut(index));
                if let (Some(latest), Some(wave)) = (latest, wave)
                    && latest > *wave
                {
                    *wave = latest;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        // Nothing is ever in a wave of no actions, so nobody is asked how it went.
        let sent = queue.iter().zip(&of).filter(|(action, _)| action.never_sent.is_none());
        let now = sent.map(|(_, wave)| usize::from(*wave)).min().unwrap_or_default();
        Self { open: vec![0; bounds.len()], of, now }
    }

    /// Whether there is more than one.
    pub fn are_there(&self) -> bool {
        !self.open.is_empty()
    }

    /// The number of waves.
    pub fn count(&self) -> usize {
        self.open.len().max(1)
    }

    /// The wave that may go, from 0.
    pub fn now(&self) -> usize {
        self.now
    }

    /// The wave of an action, from 0.
    pub fn of(&self, ordinal: Ordinal) -> usize {
        usize::try_from(ordinal).ok().and_then(|index| self.of.get(index)).map_or(0, |wave| usize::from(*wave))
    }

    /// An action is still to be carried out in this process.
    pub fn expect(&mut self, ordinal: Ordinal) {
        let wave = self.of(ordinal);
        if let Some(open) = self.open.get_mut(wave) {
            *open += 1;
        }
    }

    /// An earlier process has begun an action: its wave, and all before it, may go.
    pub fn begun(&mut self, ordinal: Ordinal) {
        if !self.open.is_empty() {
            self.now = self.now.max(self.of(ordinal));
        }
    }

    /// How many actions of a wave have not ended.
    pub fn left(&self, wave: usize) -> u64 {
        self.open.get(wave).copied().unwrap_or_default()
    }

    /// The next wave that has something to do.
    pub fn next(&self) -> Option<usize> {
        (self.now + 1..self.open.len()).find(|wave| self.open[*wave] > 0)
    }

    /// An action that was expected has ended.
    pub fn ended(&mut self, ordinal: Ordinal) {
        let wave = self.of(ordinal);
        if let Some(open) = self.open.get_mut(wave) {
            *open = open.saturating_sub(1);
        }
    }

    /// Whether an action may go now.
    pub fn may_go(&self, ordinal: Ordinal) -> bool {
        self.of(ordinal) <= self.now
    }

    /// Whether the wave that may go has ended, and another one waits.
    pub fn has_ended(&self) -> bool {
        self.open.iter().take(self.now + 1).all(|open| *open == 0) && self.next().is_some()
    }

    /// Lets the next wave go that has something to do.
    pub fn go_on(&mut self) {
        self.now = self.next().unwrap_or(self.now);
    }
}

/// How many of so many actions are let go by the end of each wave: rising or level, the last is all of them.
pub fn bounds(sizes: &[WaveSize], actions: u64) -> Vec<u64> {
    let mut before = 0;
    let bound = |size: &WaveSize| {
        let bound = match size {
            WaveSize::Count(count) => *count,
            // A share of a small plan is one action at least.
            WaveSize::Share(share) => (share * actions as f64).ceil() as u64,
        };
        before = bound.min(actions).max(before);
        before
    };
    let mut bounds: Vec<u64> = sizes.iter().map(bound).collect();
    // Whatever the plan sets for the last wave, no action may be left over.
    if let Some(last) = bounds.last_mut() {
        *last = actions;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::calendar::fixtures::{at, window};
    use crate::plan::checked::NeverSent;
    use WaveSize::{Count, Share};

    #[test]
    fn only_a_read_back_without_effect_stops_the_run() {
        let again = |seconds| AfterReadBack::ReadAgain(Duration::from_secs(seconds));
        for (target_state, reads, expected) in [
            (TargetState::Done, 1, AfterReadBack::GoOn),
            (TargetState::Done, 3, AfterReadBack::GoOn),
            (TargetState::Pending, 1, AfterReadBack::GoOn),
            (TargetState::Unknown, 1, AfterReadBack::GoOnUnproved("the status query does not tell: x".to_owned())),
            (TargetState::Unknown, 3, AfterReadBack::GoOnUnproved("the status query does not tell: x".to_owned())),
            (TargetState::NotDone, 1, again(2)),
            (TargetState::NotDone, 2, again(4)),
            (
                TargetState::NotDone,
                3,
                AfterReadBack::Stop(
                    "was answered with success, and the status query shows that it did not take effect: x".to_owned(),
                ),
            ),
        ] {
            assert_eq!(after_read_back(target_state, "x", reads), expected, "{target_state:?} {reads}");
        }
    }

    #[test]
    fn what_was_answered_with_success_is_read_back() {
        for outcome in Outcome::ALL {
            let expected = matches!(outcome, Outcome::Succeeded | Outcome::AlreadyDone);
            assert_eq!(is_read_back(outcome), expected, "{outcome}");
        }
    }

    #[test]
    fn the_gate_is_closed_before_the_start_after_the_deadline_and_near_the_end_of_a_window() {
        let start = Some(at("2026-11-30T16:30:00Z"));
        // Tuesdays from 01:00 to 05:00 in Seoul: Mondays from 16:00 to 20:00 in UTC.
        let schedule = Schedule { start, window: Some(window("Asia/Seoul", "01:00", "05:00", &[2])) };
        let (last, next) = ("2026-11-30T19:59:30Z", "2026-12-07T16:00:00Z");
        for (now, deadline, expected) in [
            ("2026-11-30T16:00:00Z", None, Err(Some("2026-11-30T16:30:00Z"))),
            ("2026-11-30T16:30:00Z", None, Ok(last)),
            ("2026-11-30T19:59:29Z", None, Ok(last)),
            ("2026-11-30T19:59:30Z", None, Err(Some(next))),
            ("2026-11-30T20:00:00Z", None, Err(Some(next))),
            ("2026-11-30T18:00:00Z", Some("2026-11-30T19:00:00Z"), Ok("2026-11-30T19:00:00Z")),
            ("2026-11-30T18:00:00Z", Some("2026-11-30T18:00:00Z"), Err(None)),
            ("2026-12-01T12:00:00Z", None, Err(Some(next))),
            ("2026-12-01T12:00:00Z", Some("2026-12-07T16:00:00Z"), Err(None)),
            ("2026-12-01T12:00:00Z", Some("2026-12-07T16:00:01Z"), Err(Some(next))),
        ] {
            let gate = gate(&schedule, deadline.map(at), at(now), Duration::from_secs(30));
            let found = match gate {
                Gate::Open(until) => Ok(until),
                Gate::Closed(Closed { until, .. }) => Err(until),
            };
            assert_eq!(
                found,
                expected.map(|at_text| Some(at(at_text))).map_err(|until| until.map(at)),
                "{now} {deadline:?}"
            );
        }
    }

    #[test]
    fn a_closed_gate_says_when_it_opens() {
        let night = Some(window("Europe/Berlin", "02:30", "04:00", &[1, 2, 3, 4, 5, 6, 7]));
        for (start, window, now, deadline, words) in [
            (
                Some("2026-12-01T00:00:00Z"),
                None,
                "2026-11-30T00:00:00Z",
                None,
                "the plan starts at 2026-12-01T00:00:00Z",
            ),
            (None, night.clone(), "2026-10-25T00:30:00Z", None, "closed; it opens at 2026-10-25T01:30:00Z"),
            (
                None,
                night.clone(),
                "2026-10-25T02:59:50Z",
                None,
                "closes at 2026-10-25T03:00:00Z, and what is begun takes time; it opens at 2026-10-26T01:30:00Z",
            ),
            (None, night, "2026-10-25T04:00:00Z", Some("2026-10-25T05:00:00Z"), "does not open before the deadline"),
            (
                None,
                None,
                "2026-10-25T05:00:00Z",
                Some("2026-10-25T05:00:00Z"),
                "the deadline, 2026-10-25T05:00:00Z, is over",
            ),
        ] {
            let schedule = Schedule { start: start.map(at), window };
            let Gate::Closed(Closed { why, .. }) = gate(&schedule, deadline.map(at), at(now), Duration::from_secs(30))
            else {
                panic!("it is open at {now}")
            };
            assert!(why.contains(words), "{why}");
        }
    }

    /// At which ends (`-` badly, `+` well, from 0) an account must stop.
    fn stops(rule: StopWhen, ends: &str) -> Vec<usize> {
        let mut watch = Watch::new(&Safety { stop_when: Some(rule), ..Safety::default() }, 2);
        let mut stops = Vec::new();
        for (index, end) in ends.chars().enumerate() {
            assert_eq!(watch.ended(1, true), None, "the other account ends well, and changes nothing");
            if watch.ended(0, end == '+').is_some() {
                stops.push(index);
            }
        }
        stops
    }

    #[test]
    fn too_many_bad_ends_stop_an_account() {
        let good = |count: usize| "+".repeat(count);
        let rate = |rate, of_last| StopWhen::FailureRate { rate, of_last };
        for (rule, ends, expected, why) in [
            (StopWhen::Failures(2), "+-+-".to_owned(), vec![3], "the second"),
            (StopWhen::Failures(1), "-".to_owned(), vec![0], "the first"),
            (rate(0.5, 4), "-++-++--".to_owned(), vec![3, 6, 7], "two of the last four"),
            (rate(0.5, 4), "---".to_owned(), vec![], "fewer than `of_last`, and than the least"),
            (rate(0.05, 200), format!("{}-", good(19)), vec![], "one bad end in twenty is no pattern"),
            (rate(0.05, 200), format!("{}---", good(19)), vec![21], "three are"),
            (rate(0.05, 200), format!("---{}-", good(16)), vec![19], "judged from the twentieth on, at a bad end"),
            (rate(0.05, 200), "-".repeat(19), vec![], "nineteen are too few to tell"),
            (rate(0.05, 200), format!("{}---", good(100)), vec![], "three of 103 are below the rate"),
            (rate(1.0, 1), "+-".to_owned(), vec![1], "the last one"),
        ] {
            assert_eq!(stops(rule, &ends), expected, "{why}");
        }
        assert_eq!(Watch::new(&Safety::default(), 1).ended(0, false), None, "no rule, no stop");
    }

    #[test]
    fn a_wish_to_be_left_alone_is_said_as_it_is_with_what_follows() {
        let now = at("2026-11-29T09:00:00Z");
        let night = || Schedule { start: None, window: Some(window("UTC", "08:00", "10:00", &[1, 2, 3, 4, 5, 6, 7])) };
        let asks = "the provider asks to wait until";
        let week = || Some(Duration::from_secs(604_800));
        for (asked, schedule, deadline, waits, why, stop) in [
            (None, Schedule::default(), None, false, TOO_MANY.to_owned(), None),
            (Some(Duration::from_secs(3600)), Schedule::default(), None, false, TOO_MANY.to_owned(), None),
            (week(), Schedule::default(), None, false, format!("{asks} 2026-12-06 09:00 UTC"), None),
            (
                week(),
                Schedule::default(),
                Some("2026-12-07T00:00:00Z"),
                false,
                format!("{asks} 2026-12-06 09:00 UTC"),
                None,
            ),
            (
                week(),
                Schedule::default(),
                Some("2026-11-29T09:30:00Z"),
                true,
                format!("{asks} 2026-12-06 09:00 UTC"),
                Some(
                    "2026-12-06 09:00 UTC, after the deadline, 2026-11-29 09:30 UTC: come back then, with a later one",
                ),
            ),
            (
                Some(Duration::from_secs(60)),
                Schedule::default(),
                Some("2026-11-29T09:00:30Z"),
                false,
                TOO_MANY.to_owned(),
                Some("2026-11-29 09:01 UTC, after the deadline, 2026-11-29 09:00 UTC"),
            ),
            (
                Some(Duration::from_secs(20)),
                Schedule::default(),
                Some("2026-11-29T09:00:10Z"),
                false,
                TOO_MANY.to_owned(),
                Some("2026-11-29 09:00:20 UTC, after the deadline, 2026-11-29 09:00:10 UTC"),
            ),
            (
                week(),
                night(),
                None,
                false,
                format!("{asks} 2026-12-06 09:00 UTC"),
                Some("2026-12-06 09:00 UTC, after the window closes at 2026-11-29 10:00 UTC: come back then"),
            ),
            (week(), night(), None, true, format!("{asks} 2026-12-06 09:00 UTC"), None),
            (Some(Duration::from_secs(60)), night(), None, false, TOO_MANY.to_owned(), None),
            (
                Some(Duration::MAX),
                Schedule::default(),
                None,
                false,
                format!(
                    "{asks} 9999-12-30 22:00 UTC, longer than can be meant; it is asked again at 2026-11-29 10:00 UTC"
                ),
                None,
            ),
        ] {
            let held = asked.map_or(Duration::from_secs(5), pace::believed);
            let until = now.checked_add(SignedDuration::try_from(held).unwrap()).unwrap();
            let hold = hold(asked, until, now, &schedule, deadline.map(at), waits);
            assert_eq!(hold.why, why, "{asked:?}");
            match (&hold.stop, stop) {
                (Some(found), Some(words)) => assert!(found.contains(words), "{found}"),
                (found, expected) => assert_eq!(found.as_deref(), expected, "{asked:?}"),
            }
        }
    }

    /// After how many ends an account stops; `+` succeeded, `d` in doubt, any other letter refused by that code.
    fn refused(watch: &mut Watch, ends: &str) -> Option<usize> {
        ends.chars().position(|end| {
            let outcome = match end {
                '+' => Outcome::Succeeded,
                'd' => Outcome::InDoubt,
                _ => Outcome::Rejected,
            };
            let reply = Reply { http_status: Some(403), code: Some(end.to_string()), ..Reply::default() };
            assert_eq!(watch.refused_alike(1, Outcome::Rejected, &Reply::default()), None, "another account");
            watch.accounts[1] = AccountEnds::default();
            watch.refused_alike(0, outcome, &reply).is_some()
        })
    }

    #[test]
    fn a_row_of_refusals_alike_stops_an_account() {
        let row = |end: &str, count: usize| end.repeat(count);
        for (ends, expected, why) in [
            (row("x", 20), Some(19), "twenty alike from the beginning"),
            (row("x", 19), None, "nineteen"),
            (row("xy", 100), None, "not alike"),
            (row("x", 19) + "y" + &row("x", 19), None, "another between"),
            (row("x", 19) + "d" + &row("x", 19), None, "one in doubt between"),
            (row("x", 19) + "+" + &row("x", 99), None, "one has succeeded"),
            (row("x", 19) + "+" + &row("x", 100), Some(119), "a hundred after that"),
            (row("d", 100), None, "what is in doubt is no refusal"),
        ] {
            assert_eq!(refused(&mut Watch::new(&Safety::default(), 2), &ends), expected, "{why}");
        }
        for (well, before, ends, expected, why) in [
            (0, 20, 1000, None, "who goes on after it takes them for right"),
            (0, 19, 20, Some(19), "there was no such row"),
            (0, 0, 20, Some(19), "they were taken up again"),
            (1, 20, 100, Some(99), "something had succeeded"),
            (1, 100, 1000, None, "and a hundred were seen"),
        ] {
            let mut watch = Watch::new(&Safety::default(), 2);
            watch.resume(0, well, before);
            assert_eq!(refused(&mut watch, &row("x", ends)), expected, "{why}");
        }
        let mut watch = Watch::new(&Safety::default(), 1);
        let reply = Reply { http_status: Some(404), message: Some("no such API".to_owned()), ..Reply::default() };
        let why = (0..20).find_map(|_| watch.refused_alike(0, Outcome::Rejected, &reply)).unwrap();
        assert!(why.starts_with("20 actions in a row were refused alike: HTTP 404 no such API. Are "), "{why}");
    }

    #[test]
    fn a_row_of_refused_nonces_stops_an_account() {
        let mut watch = Watch::new(&Safety::default(), 2);
        let stops = |watch: &mut Watch| (0..200).position(|_| watch.nonce(0, true).is_some());
        (0..49).for_each(|_| assert_eq!(watch.nonce(0, true), None));
        assert_eq!((watch.nonce(0, false), watch.nonce(1, true)), (None, None), "one that is accepted ends the row");
        assert_eq!(stops(&mut watch), Some(49));
    }

    fn queue(needs: &[&[u64]]) -> Queue {
        let mut queue = Queue::default();
        for (index, needs) in needs.iter().enumerate() {
            let ordinal = queue.push(index % 2);
            queue.need(ordinal, needs.to_vec());
        }
        queue
    }

    #[test]
    fn shares_and_counts_become_bounds() {
        for (sizes, actions, expected) in [
            (vec![Share(0.01), Share(0.1), Share(1.0)], 1000, vec![10, 100, 1000]),
            (vec![Share(0.01), Share(0.1), Share(1.0)], 7, vec![1, 1, 7]),
            (vec![Count(5), Count(500), Share(1.0)], 1000, vec![5, 500, 1000]),
            (vec![Count(5), Count(500), Share(1.0)], 20, vec![5, 20, 20]),
            (vec![Count(50), Share(0.01), Share(1.0)], 1000, vec![50, 50, 1000]),
            (vec![Share(0.333), Share(1.0)], 3, vec![1, 3]),
            (vec![Share(0.01), Share(1.0)], 0, vec![0, 0]),
        ] {
            assert_eq!(bounds(&sizes, actions), expected, "{sizes:?} {actions}");
        }
    }

    #[test]
    fn actions_go_in_plan_order_and_with_what_they_need() {
        let sizes = [Count(2), Count(4), Share(1.0)];
        for (needs, expected, why) in [
            (vec![&[] as &[u64]; 6], vec![0, 0, 1, 1, 2, 2], "in plan order"),
            (vec![&[5], &[], &[], &[], &[], &[]], vec![2, 0, 1, 1, 2, 2], "with a later one"),
            (vec![&[1], &[2], &[4], &[], &[], &[]], vec![2, 2, 2, 1, 2, 2], "over a row of needs"),
            (vec![&[], &[], &[], &[], &[], &[0]], vec![0, 0, 1, 1, 2, 2], "what it needs goes before anyway"),
        ] {
            let waves = Waves::new(&sizes, &queue(&needs));
            let of: Vec<usize> = (0..6).map(|ordinal| waves.of(ordinal)).collect();
            assert_eq!(of, expected, "{why}");
        }
        let mut with_duplicate = queue(&[&[], &[], &[], &[]]);
        with_duplicate.never_send(1, NeverSent::Repeats("a0".to_owned()));
        let waves = Waves::new(&[Count(2), Share(1.0)], &with_duplicate);
        assert_eq!([0, 2, 3].map(|ordinal| waves.of(ordinal)), [0, 0, 1], "a duplicate takes no place");
    }

    #[test]
    fn a_wave_ends_with_its_last_action_and_empty_ones_are_passed_over() {
        let mut waves = Waves::new(&[Count(1), Count(2), Count(3), Share(1.0)], &queue(&[&[] as &[u64]; 5]));
        // The second wave's only action ended in an earlier process.
        for ordinal in [0, 2, 3, 4] {
            waves.expect(ordinal);
        }
        assert!(waves.may_go(0) && !waves.may_go(2) && !waves.has_ended());
        waves.ended(0);
        assert!(waves.has_ended());
        waves.go_on();
        assert_eq!((waves.now(), waves.count()), (2, 4));
        assert!(waves.may_go(2) && !waves.may_go(3) && !waves.has_ended());
        waves.ended(2);
        waves.go_on();
        waves.ended(3);
        waves.ended(4);
        assert!(!waves.has_ended(), "after the last there is nothing to go on with");
        // The first action needs the second, and goes with it: nothing is left of the first wave.
        let moved = Waves::new(&[Count(1), Count(2), Share(1.0)], &queue(&[&[1], &[], &[]]));
        assert_eq!((moved.now(), moved.may_go(0), moved.may_go(2)), (1, true, false));
        let one = Waves::new(&[], &queue(&[&[] as &[u64]; 2]));
        assert!(!one.are_there() && one.may_go(1) && !one.has_ended());
    }
}
