//! The scheduler's decisions, as tables on a given `now`.

use super::*;
use crate::journal::Queue;
use crate::plan::settings::WaveSize;
use WaitReason::{Answers, Concurrency, Done, HeldBack, Nothing, Others, Stopped, Unreachable};
use jiff::Timestamp;
use std::time::Duration;

/// A queue without windows: each account's slots, and how many canaries there are.
fn scheduler(slots: &[u32], canaries: u64) -> Scheduler {
    Scheduler::new(slots.iter().map(|slots| (Pace::new(&[]), *slots)).collect(), canaries)
}

/// So many seconds after the beginning.
const fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

/// This action goes.
const fn start(ordinal: Ordinal, account: usize) -> Decision {
    Decision::Start { ordinal, account }
}

#[test]
fn accounts_take_turns_and_keep_to_their_slots() {
    let mut scheduler = scheduler(&[1, 2], 0);
    for ordinal in 0..6 {
        scheduler.add(ordinal, usize::from(ordinal >= 3), &[], None);
    }
    assert_eq!(
        [(); 4].map(|()| scheduler.next(at(0))),
        [start(0, 0), start(3, 1), start(4, 1), Decision::WaitForAnswer]
    );
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(0)), start(1, 0));
    scheduler.requeue(0, 0, Some(at(5)));
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(5)), start(0, 0), "what is due goes before what is new");
}

#[test]
fn what_is_taken_up_again_holds_back_what_needs_it_once_more() {
    let mut scheduler = scheduler(&[4], 0);
    scheduler.add(0, 0, &[], None);
    scheduler.add(1, 0, &[0], None);
    assert_eq!(scheduler.next(at(0)), start(0, 0));
    scheduler.step_ended(0);
    assert!(scheduler.action_ended(0, true).is_empty());
    // It was let go when 0 ended, and then 0 is taken up again.
    scheduler.reopen(0);
    scheduler.requeue(0, 0, Some(at(5)));
    assert_eq!(scheduler.next(at(0)), start(1, 0));
    scheduler.step_ended(0);
    scheduler.block(1, 0, &[0], None);
    assert_eq!(scheduler.next(at(0)), Decision::Wait(at(5)));
    assert_eq!(scheduler.next(at(5)), start(0, 0));
    scheduler.step_ended(0);
    assert!(scheduler.action_ended(0, true).is_empty());
    assert_eq!(scheduler.next(at(5)), start(1, 0));
}

#[test]
fn needed_actions_go_first_and_lost_ones_take_their_dependents_along() {
    let mut scheduler = scheduler(&[4], 0);
    scheduler.add(0, 0, &[2], None);
    scheduler.add(1, 0, &[0], None);
    scheduler.add(2, 0, &[], None);
    scheduler.add(3, 0, &[4], None);
    scheduler.add(4, 0, &[], None);
    assert_eq!(
        [scheduler.next(at(0)), scheduler.next(at(0)), scheduler.next(at(0))],
        [start(2, 0), start(4, 0), Decision::WaitForAnswer]
    );
    assert_eq!(scheduler.action_ended(2, false), [0, 1]);
    assert!(scheduler.action_ended(4, true).is_empty());
    assert_eq!(scheduler.next(at(0)), start(3, 0));
}

#[test]
fn canaries_go_one_at_a_time_in_plan_order() {
    let mut scheduler = scheduler(&[4, 4], 2);
    for (ordinal, account) in [(0, 1), (1, 0), (2, 1)] {
        scheduler.add(ordinal, account, &[], None);
    }
    assert_eq!([scheduler.next(at(0)), scheduler.next(at(0))], [start(0, 1), Decision::WaitForAnswer]);
    scheduler.step_ended(1);
    scheduler.requeue(0, 1, Some(at(3)));
    assert_eq!(scheduler.next(at(0)), Decision::Wait(at(3)), "a canary's pause holds the others");
    let wall = WallTime::new(at(0), Timestamp::UNIX_EPOCH);
    assert_eq!(scheduler.wait_reason(0, at(0), &wall), WaitReason::Canary { number: 1, of: 2 });
    assert_eq!(scheduler.next(at(3)), start(0, 1));
    scheduler.step_ended(1);
    scheduler.action_ended(0, true);
    assert_eq!(scheduler.next(at(3)), start(1, 0));
    assert_eq!(scheduler.wait_reason(1, at(3), &wall), WaitReason::Canary { number: 2, of: 2 });
    scheduler.step_ended(0);
    scheduler.action_ended(1, true);
    assert_eq!([scheduler.next(at(3)), scheduler.next(at(3))], [start(2, 1), Decision::WaitForAnswer]);
    scheduler.step_ended(1);
    assert_eq!(scheduler.next(at(3)), Decision::Idle);
}

#[test]
fn gathered_steps_go_together_when_one_is_due_or_nothing_else_is_to_do() {
    let mut scheduler = scheduler(&[1], 0);
    for ordinal in 0..4 {
        scheduler.add(ordinal, 0, &[], None);
    }
    for ordinal in [0, 1] {
        assert_eq!(scheduler.next(at(0)), start(ordinal, 0));
        scheduler.step_ended(0);
        scheduler.batch(ordinal, 0, at(10 + ordinal));
    }
    assert_eq!(scheduler.next(at(1)), start(2, 0), "what is new goes before what gathers");
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(10)), start(0, 0), "one is due: all go");
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(10)), start(1, 0));
    scheduler.step_ended(0);
    scheduler.batch(1, 0, at(30));
    assert_eq!(scheduler.next(at(11)), start(3, 0));
    assert_eq!(scheduler.next(at(11)), Decision::Wait(at(30)), "what is under way may add to them");
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(11)), start(1, 0), "there is nothing else to do");
}

#[test]
fn a_stopped_account_starts_nothing_and_holds_nobody() {
    let mut scheduler = scheduler(&[1, 1], 0);
    scheduler.add(0, 0, &[], None);
    scheduler.add(1, 1, &[], None);
    scheduler.stop(0);
    assert_eq!([scheduler.next(at(0)), scheduler.next(at(0))], [start(1, 1), Decision::WaitForAnswer]);
    scheduler.step_ended(1);
    assert_eq!(scheduler.next(at(0)), Decision::Idle);
}

#[test]
fn accounts_that_share_a_credential_share_the_limits() {
    let window = |text| Window::parse(text).unwrap();
    let paces = [Pace::new(&[window("2/10s")]), Pace::new(&[window("3/60s")]), Pace::new(&[window("5/1s")])];
    let mut scheduler = Scheduler::new(paces.into_iter().map(|pace| (pace, 4)).collect(), 0);
    scheduler.share_pace(1, 0);
    for ordinal in 0..9 {
        scheduler.add(ordinal, ordinal as usize % 3, &[], None);
    }
    let started = [(); 6].map(|()| scheduler.next(at(0)));
    let others = [start(2, 2), start(5, 2), start(8, 2)];
    assert_eq!(started[..2], [start(0, 0), start(1, 1)], "two in ten seconds, of both together");
    assert_eq!([started[2], started[3], started[4]], others, "and the other account goes on");
    assert_eq!(started[5], Decision::WaitForAnswer);
    for account in [0, 1] {
        scheduler.pace(account).answered(at(0), at(0));
        scheduler.step_ended(account);
    }
    assert!(matches!(scheduler.next(at(11)), Decision::Start { account: 0 | 1, .. }), "a third in sixty seconds");
    assert!(!matches!(scheduler.next(at(11)), Decision::Start { .. }), "and no fourth");
}

#[test]
fn other_windows_of_one_account_leave_those_of_the_other_that_shares_its_credential() {
    let windows = |texts: &[&str]| texts.iter().map(|text| Window::parse(text).unwrap()).collect::<Vec<_>>();
    let paces = [Pace::new(&windows(&["100/5s", "9/1s"])), Pace::new(&windows(&["100/5s", "50/60s"]))];
    let mut scheduler = Scheduler::new(paces.into_iter().map(|pace| (pace, 4)).collect(), 0);
    scheduler.share_pace(1, 0);
    for (account, set, expected) in [
        (0, &["20/5s"][..], &["20/5s", "100/5s", "50/60s"][..]),
        (1, &["100/5s"], &["20/5s", "100/5s"]),
        (1, &["20/5s"], &["20/5s"]),
    ] {
        scheduler.set_windows(account, &windows(set));
        assert_eq!(scheduler.pace(0).windows(), windows(expected), "{account} {set:?}");
    }
}

#[test]
fn slots_follow_the_latency_of_their_own_account() {
    let mut scheduler = scheduler(&[1, 1], 0);
    scheduler.follow_latency(0, 32);
    scheduler.follow_latency(1, 32);
    for ordinal in 0..2000 {
        scheduler.add(ordinal, ordinal as usize % 2, &[], None);
    }
    // The first account answers after a millisecond, the second never.
    let mut stuck = 0;
    for millisecond in 0..500 {
        let now = Duration::from_millis(millisecond);
        let mut running = 0;
        while let Decision::Start { account, .. } = scheduler.next(now) {
            (running, stuck) = if account == 0 { (running + 1, stuck) } else { (running, stuck + 1) };
        }
        for _ in 0..running {
            scheduler.step_ended(0);
            scheduler.pace(0).answered(now, now + Duration::from_millis(1));
            scheduler.note_answer(0, now, now + Duration::from_millis(1));
        }
    }
    assert!(stuck <= 4, "the second account keeps what it has: {stuck}");
    assert!(scheduler.slots(0) > 8, "and the first goes on: {}", scheduler.slots(0));
}

#[test]
fn each_account_shows_what_it_waits_for() {
    let window = Window { count: 1, length: at(10) };
    let paces = [Pace::new(&[window]), Pace::new(&[]), Pace::new(&[]), Pace::new(&[]), Pace::new(&[])];
    let mut scheduler = Scheduler::new(paces.into_iter().map(|pace| (pace, 1)).collect(), 0);
    for (ordinal, account, needs, not_before) in [
        (0, 0, &[][..], None),
        (1, 0, &[], None),
        (2, 1, &[], None),
        (3, 1, &[], None),
        (4, 2, &[2], None),
        (5, 3, &[], Some(at(60))),
        (6, 4, &[], None),
    ] {
        scheduler.add(ordinal, account, needs, not_before);
    }
    while let Decision::Start { .. } = scheduler.next(at(0)) {}
    let wall = WallTime::new(at(0), Timestamp::UNIX_EPOCH);
    let why =
        |scheduler: &Scheduler, now| [0, 1, 2, 3, 4].map(|account| scheduler.wait_reason(account, at(now), &wall));
    let full = || WaitReason::Window { window: "1/10s".to_owned() };
    assert_eq!(why(&scheduler, 0), [full(), Concurrency { slots: 1 }, Others, Others, Answers]);
    scheduler.step_ended(0);
    scheduler.pace(0).answered(at(0), at(1));
    scheduler.probe(1, Some(at(5)));
    scheduler.step_ended(4);
    scheduler.action_ended(6, true);
    scheduler.stop(3);
    assert_eq!(why(&scheduler, 2), [full(), Unreachable { until: wall.at(at(5)) }, Others, Stopped, Done]);
    scheduler.pace(0).hold(at(30));
    assert_eq!(scheduler.wait_reason(0, at(20), &wall), HeldBack { until: wall.at(at(30)) });
    assert_eq!(scheduler.wait_reason(0, at(40), &wall), Nothing, "it could start");
}

#[test]
fn a_wave_waits_for_the_end_of_the_one_before() {
    let mut queue = Queue::default();
    for needs in [&[][..], &[0], &[], &[1]] {
        let ordinal = queue.push(0);
        queue.need(ordinal, needs.to_vec());
    }
    let waves = Waves::new(&[WaveSize::Count(2), WaveSize::Share(1.0)], &queue);
    let mut scheduler = scheduler(&[4], 0).in_waves(waves);
    for action in queue.iter() {
        scheduler.add(action.ordinal, 0, action.needs, None);
    }
    assert_eq!([scheduler.next(at(0)), scheduler.next(at(0))], [start(0, 0), Decision::WaitForAnswer]);
    scheduler.step_ended(0);
    scheduler.action_ended(0, true);
    assert!(!scheduler.waves().has_ended(), "what needed it is of the same wave");
    assert_eq!(scheduler.next(at(0)), start(1, 0));
    scheduler.step_ended(0);
    assert!(scheduler.action_ended(1, false) == [3] && scheduler.waves().has_ended());
    assert_eq!(scheduler.next(at(0)), Decision::Idle, "nothing goes without a word");
    scheduler.next_wave();
    assert_eq!([scheduler.next(at(0)), scheduler.next(at(0))], [start(2, 0), Decision::WaitForAnswer]);
}

#[test]
fn few_requests_are_under_way_before_the_first_answer_in_order() {
    let mut scheduler = scheduler(&[16], 0);
    (0..20).for_each(|ordinal| scheduler.add(ordinal, 0, &[], None));
    scheduler.set_unproved(0, true);
    let started = |scheduler: &mut Scheduler| {
        std::iter::from_fn(|| Some(scheduler.next(at(0)))).take_while(|next| *next != Decision::WaitForAnswer).count()
    };
    assert_eq!(started(&mut scheduler), 4);
    scheduler.step_ended(0);
    assert_eq!(started(&mut scheduler), 1);
    scheduler.set_unproved(0, false);
    assert_eq!(started(&mut scheduler), 12);
}

#[test]
fn an_account_that_cannot_be_reached_sends_one_at_a_time_and_holds_nobody() {
    let mut scheduler = scheduler(&[4, 4], 0);
    for ordinal in 0..6 {
        scheduler.add(ordinal, usize::from(ordinal == 5), &[], None);
    }
    assert_eq!(
        [scheduler.next(at(0)), scheduler.next(at(0)), scheduler.next(at(0))],
        [start(0, 0), start(5, 1), start(1, 0)]
    );
    scheduler.probe(0, Some(at(10)));
    assert_eq!(scheduler.next(at(20)), Decision::WaitForAnswer, "two are still under way");
    scheduler.step_ended(0);
    scheduler.step_ended(0);
    assert_eq!(scheduler.next(at(9)), Decision::Wait(at(10)));
    assert_eq!([scheduler.next(at(10)), scheduler.next(at(10))], [start(2, 0), Decision::WaitForAnswer]);
    scheduler.probe(0, None);
    assert_eq!(scheduler.next(at(10)), start(3, 0));
}

#[test]
fn polls_go_when_nothing_else_is_due_and_after_nine_others_at_the_latest() {
    let mut scheduler = scheduler(&[1], 0);
    (0..30).for_each(|ordinal| scheduler.add(ordinal, 0, &[], None));
    [(100, 5), (101, 1), (102, 50)]
        .into_iter()
        .for_each(|(ordinal, due)| scheduler.poll(ordinal, 0, at(due), Awaited::Servers));
    let mut started = Vec::new();
    while let Decision::Start { ordinal, .. } = scheduler.next(at(10)) {
        started.push(ordinal);
        scheduler.step_ended(0);
    }
    let places = [100, 101, 102].map(|poll| started.iter().position(|ordinal| *ordinal == poll));
    assert_eq!(places, [Some(19), Some(9), None], "the one that is due first goes first: {started:?}");
    let wall = WallTime::new(at(10), Timestamp::UNIX_EPOCH);
    assert_eq!(scheduler.next(at(10)), Decision::Wait(at(50)));
    assert_eq!(scheduler.wait_reason(0, at(10), &wall), WaitReason::AtWork { on: Awaited::Servers });
    assert!(!scheduler.is_idle());
    assert_eq!(scheduler.next(at(50)), start(102, 0));
}

#[test]
fn a_canarys_polls_are_what_the_others_wait_for_and_what_is_accepted_keeps_its_dependents_waiting() {
    let mut scheduler = scheduler(&[2], 1);
    scheduler.add(0, 0, &[], None);
    scheduler.add(1, 0, &[0], None);
    scheduler.add(2, 0, &[], None);
    assert_eq!(scheduler.next(at(0)), start(0, 0));
    scheduler.step_ended(0);
    scheduler.poll(0, 0, at(5), Awaited::Ca);
    assert_eq!([scheduler.next(at(0)), scheduler.next(at(5))], [Decision::Wait(at(5)), start(0, 0)]);
    scheduler.step_ended(0);
    assert!(scheduler.is_needed(0) && !scheduler.is_needed(2));
    scheduler.action_accepted(0);
    assert_eq!(scheduler.next(at(5)), start(2, 0), "the canary was accepted");
    scheduler.step_ended(0);
    scheduler.action_ended(2, true);
    assert!(scheduler.next(at(5)) == Decision::Idle && scheduler.is_idle(), "what needs it neither goes nor is lost");
}

#[test]
fn what_goes_in_comes_out_in_order() {
    for (ordinals, runs) in [(&[][..], 0), (&[7], 1), (&[0, 1, 2, 3], 1), (&[0, 2, 4], 3), (&[5, 6, 2, 3, 4, 4], 3)] {
        let mut ranges = OrdinalRanges::default();
        ordinals.iter().for_each(|ordinal| ranges.push_back(*ordinal));
        assert_eq!(ranges.0.len(), runs);
        let mut out = Vec::new();
        while let Some(front) = ranges.front() {
            assert_eq!(ranges.pop_front(), Some(front));
            out.push(front);
        }
        assert_eq!(out, ordinals);
        assert_eq!(ranges.pop_front(), None);
    }
}
