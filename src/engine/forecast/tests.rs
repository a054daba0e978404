//! Forecasts as a table: what is set, how long it takes, what bounds it, what would help.

use super::*;
use crate::plan::settings::{BetweenWaves, DEFAULT_TIMEOUT, Retry, Safety, WaveSize};
use crate::plan::{Account, calendar};
use crate::provider::model::Window;
use std::collections::{BTreeMap, HashMap};

fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

fn account(name: &str, windows: &[&str], concurrency: u32) -> Account {
    Account {
        name: name.to_owned(),
        provider: "p".to_owned(),
        base_url: "https://localhost".to_owned(),
        auth_url: None,
        variables: BTreeMap::new(),
        credentials: BTreeMap::new(),
        windows: windows.iter().map(|text| window(text)).collect(),
        concurrency,
        concurrency_follows: false,
        own_keys: false,
        reasons: BTreeMap::new(),
        challenge_hook: None,
    }
}

fn settings(accounts: Vec<Account>, canary: u64) -> Settings {
    Settings {
        name: "plan".to_owned(),
        deadline: None,
        accounts,
        retry: Retry::default(),
        timeout: DEFAULT_TIMEOUT,
        schedule: Schedule::default(),
        safety: Safety { canary, ..Safety::default() },
        keep_columns: Vec::new(),
        hooks: Vec::new(),
    }
}

fn queue(actions: u64) -> Queue {
    Queue::of(usize::try_from(actions).unwrap(), 0)
}

fn assuming(settings: &Settings, start: &str) -> Assumptions {
    Assumptions {
        start: start.parse().unwrap(),
        latencies: vec![Duration::from_millis(200); settings.accounts.len()],
        tokens: vec![false; settings.accounts.len()],
        read_back: HashSet::new(),
        further: HashMap::new(),
    }
}

#[test]
fn requests_of_one_action_are_counted_and_take_their_time() {
    let settings = settings(vec![account("a", &["2/1s"], 10)], 1);
    let of_five: Rc<[Duration]> = [0, 2, 2, 30, 0].map(Duration::from_secs).into();
    let mut assumptions = assuming(&settings, SOME_DAY);
    let single = forecast(&settings, &queue(3), &assumptions);
    assumptions.further = (0..3).map(|ordinal| (ordinal, Rc::clone(&of_five))).collect();
    let staged = forecast(&settings, &queue(3), &assumptions);
    assert_eq!((single.accounts[0].requests, staged.accounts[0].requests), (3, 18));
    // The canary alone takes its pauses, and then the two others side by side.
    let takes = staged.takes.unwrap();
    assert!(takes > Duration::from_secs(2 * 34) && takes < Duration::from_secs(2 * 34 + 12), "{takes:?}");
    assumptions.read_back = HashSet::from([0]);
    assert_eq!(forecast(&settings, &queue(3), &assumptions).accounts[0].requests, 19);
}

/// Seoul at night on Tuesdays and Wednesdays, from 01:00 to 01:02; the last start is half a minute before it closes.
fn nights() -> Schedule {
    Schedule { start: None, window: Some(calendar::fixtures::window("Asia/Seoul", "01:00", "01:02", &[2, 3])) }
}

/// As far as the kind of what is waited for goes: its numbers and times are others' business.
fn assert_waits_for(account: &AccountForecast, expected: &WaitReason, described: &str) {
    let bottleneck = account.bottleneck();
    assert!(bottleneck.is_some_and(|reason| reason.is_same_kind(expected)), "{described}: {bottleneck:?}");
}

fn full(window: &str) -> WaitReason {
    WaitReason::Window { window: window.to_owned() }
}

const CLOSED: WaitReason = WaitReason::Closed { until: Timestamp::UNIX_EPOCH };
const SOME_DAY: &str = "2026-11-30T16:00:00Z";

#[test]
fn what_was_waited_for_longest_is_the_bottleneck() {
    for (windows, concurrency, canary, actions, expected_ms, bound) in [
        (vec![], 1, 0, 10, 2000, WaitReason::Concurrency { slots: 1 }),
        (vec![], 10, 0, 10, 200, WaitReason::Answers),
        (vec!["10/1s"], 10, 0, 20, 1400, full("10/1s")),
        (vec!["10/1s", "15/60s"], 10, 0, 20, 60_400, full("15/60s")),
        (vec!["10/1s", "15/3s"], 10, 0, 150, 9 * 3200 + 1200 + 200, full("15/3s")),
        (vec![], 10, 5, 10, 1200, WaitReason::Canary { number: 5, of: 5 }),
        (vec![], 2, 1, 10, 1200, WaitReason::Concurrency { slots: 2 }),
    ] {
        let settings = settings(vec![account("a", &windows, concurrency)], canary);
        let forecast = forecast(&settings, &queue(actions), &assuming(&settings, SOME_DAY));
        let described = format!("{windows:?} {concurrency} {canary} {actions}");
        let takes = forecast.takes.unwrap().as_millis();
        assert!(takes.abs_diff(expected_ms) <= GUARDS, "{described}: {takes}");
        assert_eq!(forecast.accounts[0].bottleneck(), Some(&bound), "{described}");
        assert_eq!((forecast.accounts[0].requests, forecast.windows), (actions, 0));
    }
}

/// Each window is full again one answer later than its length: 40/2s and answers of 500 ms allow 16 a second, of 20 ms 19.8.
#[test]
fn each_account_is_forecast_by_its_own_latency() {
    for (latency_ms, expected_ms) in [(20, 14_160), (500, 18_000)] {
        let mut settings = settings(vec![account("a", &["40/2s"], 64), account("b", &[], 1)], 0);
        settings.accounts[0].concurrency_follows = true;
        let mut actions = queue(300);
        for _ in 0..3 {
            actions.push(1);
        }
        let mut assumptions = assuming(&settings, SOME_DAY);
        assumptions.latencies[0] = Duration::from_millis(latency_ms);
        let foretold = forecast(&settings, &actions, &assumptions);
        let takes: Vec<_> = foretold.accounts.iter().map(|account| account.takes.as_millis()).collect();
        assert!(takes[0].abs_diff(expected_ms) * 10 <= expected_ms, "{latency_ms} ms: {takes:?}");
        assert_eq!(takes[1], 600, "three answers of 200 ms");
    }
}

#[test]
fn tokens_and_the_read_backs_of_canaries_are_requests() {
    let settings = settings(vec![account("a", &["4/1s"], 4), account("b", &[], 1)], 2);
    let mut assumptions = assuming(&settings, SOME_DAY);
    assumptions.tokens[0] = true;
    assumptions.read_back = [0, 1, 2, 3].into();
    let mut actions = queue(4);
    actions.push(1);
    let foretold = forecast(&settings, &actions, &assumptions);
    // One for a token, two canaries with a status query each, two more: the seventh waits for the third's answer, at 600 ms, to leave the window.
    let counts = foretold.accounts.iter().map(|account| (account.actions, account.requests)).collect::<Vec<_>>();
    assert_eq!(counts, [(4, 7), (1, 1)]);
    assert!(foretold.takes.unwrap().as_millis().abs_diff(1800) <= GUARDS);
}

#[test]
fn needs_hold_over_accounts_and_not_before_holds_alone() {
    let settings = settings(vec![account("a", &[], 4), account("b", &[], 4)], 0);
    let mut actions = Queue::default();
    for account in [0, 1, 0, 1] {
        actions.push(account);
    }
    actions.need(0, vec![1]);
    actions.need(2, vec![0]);
    actions.hold(3, "2026-11-30T16:01:00Z".parse().unwrap());
    let foretold = forecast(&settings, &actions, &assuming(&settings, SOME_DAY));
    let takes = foretold.accounts.iter().map(|account| account.takes.as_millis()).collect::<Vec<_>>();
    assert_eq!(takes, [600, 60_200]);
    assert_waits_for(&foretold.accounts[0], &WaitReason::Answers, "a");
    assert_waits_for(&foretold.accounts[1], &WaitReason::Others, "b");
}

#[test]
fn waves_go_one_after_the_other_with_their_pause() {
    for (between, expected_ms) in [(BetweenWaves::Ask, 600), (BetweenWaves::Pause(Duration::from_secs(60)), 120_600)] {
        let mut settings = settings(vec![account("a", &[], 10), account("b", &[], 10)], 0);
        settings.safety.waves = vec![WaveSize::Count(2), WaveSize::Share(0.5), WaveSize::Share(1.0)];
        settings.safety.between_waves = between;
        let mut queue = Queue::default();
        for ordinal in 0..10 {
            queue.push(usize::from(ordinal % 2 == 0));
        }
        let foretold = forecast(&settings, &queue, &assuming(&settings, SOME_DAY));
        assert_eq!(foretold.takes.unwrap().as_millis(), expected_ms, "{between:?}");
        let wave = WaitReason::Wave { number: 3, of: 3 };
        let bound = if expected_ms > 1000 { wave } else { WaitReason::Answers };
        assert_waits_for(&foretold.accounts[0], &bound, &format!("{between:?}"));
    }
}

#[test]
fn several_windows_of_the_schedule_are_walked_through() {
    let mut settings = settings(vec![account("a", &["10/10s"], 10)], 0);
    settings.schedule = nights();
    // 01:00 in Seoul is 16:00 UTC: the day before begins half a day early.
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    for (start, actions, starts, takes, windows, bound) in [
        // In a minute and a half nine times ten go out.
        ("2026-11-30T04:00:00Z", 90, 43_200, 43_200 + 81, 1, full("10/10s")),
        ("2026-11-30T16:00:00Z", 91, 0, 86_400, 2, CLOSED),
        ("2026-11-30T16:00:00Z", 200, 0, 7 * 86_400 + 10, 3, CLOSED),
        ("2026-11-30T16:01:31Z", 10, 86_400 - 91, 86_400 - 91, 1, WaitReason::Answers),
    ] {
        let foretold = forecast(&settings, &queue(actions), &assuming(&settings, start));
        let described = format!("{start} {actions}");
        let found = (seconds(foretold.starts), seconds(foretold.takes), foretold.windows);
        assert_eq!(found, (Some(starts), Some(takes), windows), "{described}");
        assert_waits_for(&foretold.accounts[0], &bound, &described);
    }
}

#[test]
fn a_later_start_is_waited_for_and_a_window_without_room_never_ends() {
    let mut settings = settings(vec![account("a", &[], 1)], 0);
    settings.schedule = Schedule { start: Some("2026-11-30T18:00:00Z".parse().unwrap()), window: None };
    let foretold = forecast(&settings, &queue(2), &assuming(&settings, SOME_DAY));
    assert_eq!((foretold.starts.unwrap().as_secs(), foretold.takes.unwrap().as_millis()), (7200, 7_200_400));
    assert_eq!(foretold.accounts[0].takes.as_millis(), 400);
    settings.schedule = nights();
    settings.timeout = Duration::from_secs(200);
    let foretold = forecast(&settings, &queue(2), &assuming(&settings, SOME_DAY));
    assert_eq!((foretold.starts, foretold.takes), (None, None));
}

#[test]
fn what_helps_is_tried_and_what_does_not_is_not_said() {
    let orders: HashMap<Ordinal, Ordinal> =
        (0..300).filter(|one| one % 3 != 0).map(|one| (one, one - one % 3)).collect();
    let by = |seconds| Wishes { orders: orders.clone(), deadline: Some(Duration::from_secs(seconds)) };
    let none = Wishes { deadline: Some(Duration::from_secs(3600)), ..Wishes::default() };
    for (windows, concurrency, wishes, expected) in [
        (
            vec!["10/10s"],
            10,
            by(30),
            vec![(PlanChange::WholeOrders { spared: 200, orders: 100 }, 92), (PlanChange::SecondKey, 143)],
        ),
        (vec!["10/10s"], 10, none.clone(), vec![(PlanChange::SecondKey, 143)]),
        (vec![], 1, none.clone(), vec![(PlanChange::Concurrency(32), 2)]),
        (vec!["100/1s"], 10, none, vec![]),
    ] {
        let settings = settings(vec![account("a", &windows, concurrency), account("b", &[], 1)], 0);
        let mut actions = queue(300);
        actions.push(1);
        actions.need(299, vec![298]);
        let assumptions = assuming(&settings, SOME_DAY);
        let foretold = forecast(&settings, &actions, &assumptions);
        let helps = would_help(&settings, &actions, &assumptions, &wishes, &foretold);
        let helps: Vec<(PlanChange, u64)> = helps.into_iter().map(|help| (help.change, help.takes.as_secs())).collect();
        assert_eq!(helps, expected, "{windows:?} {concurrency} {:?}", foretold.takes);
    }
}

#[test]
fn a_longer_window_helps_where_several_are_needed() {
    let mut settings = settings(vec![account("a", &["10/10s"], 10)], 0);
    settings.schedule = nights();
    let assumptions = assuming(&settings, SOME_DAY);
    let foretold = forecast(&settings, &queue(100), &assumptions);
    let helps = would_help(&settings, &queue(100), &assumptions, &Wishes::default(), &foretold);
    let longer = helps.iter().find(|help| help.change == PlanChange::LongerWindow(Duration::from_secs(240))).unwrap();
    assert!(longer.takes.as_millis().abs_diff(9 * 10_200 + 200) <= GUARDS, "{helps:?}");
}

/// The pace keeps a few milliseconds' distance from each window's end; ten of these add up.
const GUARDS: u128 = 60;
