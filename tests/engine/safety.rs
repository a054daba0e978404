//! What stops a run or holds it back, under a virtual clock: canaries and their look-ups, waves, rules by account, providers that
//! are down, windows that close and open again.

use super::world::Faults;
use super::{Bench, Cut, mixed, virtual_time};
use certsweep::journal::RunDir;
use certsweep::journal::state::Overview;
use certsweep::plan::settings::{BetweenWaves, DailyWindow, Deadline, Safety, Schedule, StopWhen, WaveSize};
use certsweep::provider::model::Window;
use certsweep::run::{Event, Outcome, StopReason, WaitReason};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

fn overview(bench: &Bench) -> Overview {
    RunDir::existing(&bench.path()).unwrap().read().unwrap().overview().unwrap()
}

fn revokes(count: usize) -> Vec<(&'static str, &'static str, Value)> {
    let one = |index| ("digicert", "revoke", json!({"certificate_id": format!("{index}"), "skip_approval": true}));
    (0..count).map(one).collect()
}

fn orders(count: usize) -> Vec<(&'static str, &'static str, Value)> {
    (1..=count).map(|index| ("digicert", "revoke-order", json!({"order_id": index, "skip_approval": true}))).collect()
}

#[test]
fn a_canary_that_ends_badly_stops_the_run() {
    virtual_time(async {
        let mut bench = Bench::new(6, Faults { refuse: 100, ..Faults::none() }, &revokes(20));
        bench.settings.safety = Safety { canary: 3, ..Safety::default() };
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        let ending = ending.unwrap();
        assert!(matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.contains("safety.canary")));
        assert_eq!(ending.left, [("digicert".to_owned(), 19)]);
        let overview = overview(&bench);
        assert_eq!((overview.outcomes[&Outcome::Rejected], overview.stopped.unwrap().1), (1, 3));
    });
}

#[test]
fn a_canary_that_did_not_take_effect_stops_the_run_although_it_was_answered_with_success() {
    virtual_time(async {
        let naver: Vec<_> = mixed(80).into_iter().skip(1).step_by(4).collect();
        let mut bench = Bench::new(6, Faults { liar: true, ..Faults::none() }, &naver);
        bench.settings.safety = Safety { canary: 1, ..Safety::default() };
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        let stopped = ending.unwrap().stopped;
        let words = "the canary a0 was answered with success, and the status query shows that it did not take effect";
        assert!(matches!(&stopped, Some(StopReason::Rule(why)) if why.contains(words)), "{stopped:?}");
        let revokes: Vec<bool> = bench.world.reached.borrow().iter().map(|(_, url)| url.ends_with("/revoke")).collect();
        assert_eq!(revokes, [true, false, false, false], "one revoke, and three looks at what it did");
        assert_eq!(overview(&bench).outcomes[&Outcome::Succeeded], 1, "the provider's answer is stored");
        let states = RunDir::existing(&bench.path()).unwrap().read().unwrap().states();
        assert!(states.is_ok(), "the records are legal");
    });
}

#[test]
fn a_look_up_that_cannot_tell_is_warned_of_and_stops_nothing() {
    virtual_time(async {
        // An order that is not revoked may have a request that waits: DigiCert's document does not say that nothing happened.
        let mut bench = Bench::new(6, Faults { liar: true, ..Faults::none() }, &orders(4));
        bench.settings.safety = Safety { canary: 1, ..Safety::default() };
        bench.make();
        let (ending, events) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
        let words = "the canary a0 ended succeeded, and nothing proves it";
        let warned = events.iter().filter(|event| matches!(event, Event::Warning(text) if text.contains(words)));
        assert_eq!(warned.count(), 1, "{events:?}");
    });
}

#[test]
fn a_canary_is_looked_at_before_the_others_go() {
    virtual_time(async {
        let mut bench = Bench::new(6, Faults::none(), &orders(4));
        bench.settings.safety = Safety { canary: 2, ..Safety::default() };
        bench.make();
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().well);
        let urls: Vec<bool> = bench.world.reached.borrow().iter().map(|(_, url)| url.ends_with("/revoke")).collect();
        // The list of changes does not tell of these; the order does.
        assert_eq!(urls, [true, false, false, true, false, false, true, true]);
        bench.world.check_windows(&bench.settings);
    });
}

#[test]
fn too_many_failures_stop_their_provider_alone() {
    for rule in [StopWhen::Failures(5), StopWhen::FailureRate { rate: 0.5, of_last: 5 }] {
        virtual_time(async {
            let mut bench = Bench::new(6, Faults::none(), &mixed(80));
            // One provider refuses everything that its targets have seen before.
            for index in (0..80).filter(|index| index % 4 == 0) {
                bench.world.effect("revoke", &index.to_string());
            }
            bench.settings.safety = Safety { stop_when: Some(rule), ..Safety::default() };
            bench.settings.accounts[0].concurrency = 1;
            bench.actions.retain(|action| action.operation != "revoke-order");
            for (ordinal, action) in bench.actions.iter_mut().enumerate() {
                action.ordinal = ordinal as u64;
            }
            bench.make();
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            let ending = ending.unwrap();
            assert_eq!(ending.stopped, None, "the run went on");
            let [(account, StopReason::Rule(why))] = ending.accounts_stopped.as_slice() else { panic!("{ending:?}") };
            assert!(account == "digicert" && why.contains("safety.stop_when"), "{why}");
            assert_eq!(ending.left, [("digicert".to_owned(), 15)]);
            let overview = overview(&bench);
            assert_eq!((overview.outcomes[&Outcome::Rejected], overview.outcomes[&Outcome::Succeeded]), (5, 40));
            assert_eq!(overview.stopped.unwrap().1, 3);
            assert!(matches!(ending.reason(), Some(StopReason::Rule(_))));
        });
    }
}

#[test]
fn refused_credentials_are_the_reason_of_a_stop_before_a_safety_rule_is() {
    virtual_time(async {
        let faults = Faults { refuse: 100, refuse_credentials_of: Some("naver"), ..Faults::none() };
        let mut bench = Bench::new(6, faults, &mixed(40));
        bench.settings.safety = Safety { stop_when: Some(StopWhen::Failures(2)), ..Safety::default() };
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert_eq!(ending.accounts_stopped.len(), 2, "{ending:?}");
        assert!(matches!(ending.reason(), Some(StopReason::Environment(_))));
        assert_eq!(overview(&bench).stopped.unwrap().1, 4);
    });
}

fn in_waves(count: usize, between_waves: BetweenWaves) -> Bench {
    let mut bench = Bench::new(7, Faults::none(), &mixed(count));
    let waves = vec![WaveSize::Count(2), WaveSize::Share(0.5), WaveSize::Share(1.0)];
    bench.settings.safety = Safety { waves, between_waves, ..Safety::default() };
    bench
}

#[test]
fn without_anybody_to_ask_each_wave_waits_for_a_resume() {
    virtual_time(async {
        let bench = in_waves(40, BetweenWaves::Ask);
        bench.make();
        for (ended, words) in [(2, "wave 1 of 3 has ended: 2 succeeded"), (20, "wave 2 of 3 has ended: 18 succeeded")] {
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            let stopped = ending.unwrap().stopped;
            assert!(matches!(&stopped, Some(StopReason::Rule(why)) if why.contains(words)), "{stopped:?}");
            assert_eq!(overview(&bench).outcomes[&Outcome::Succeeded], ended);
        }
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().well);
    });
}

#[test]
fn the_user_is_asked_between_waves_and_may_say_no() {
    virtual_time(async {
        let mut bench = in_waves(40, BetweenWaves::Ask);
        bench.answers = Some(vec![true, false]);
        bench.make();
        let (ending, events) = bench.process(Cut::Never, &[]).await;
        assert!(
            matches!(&ending.unwrap().stopped, Some(StopReason::Rule(why)) if why.contains("wave 3 was not confirmed"))
        );
        assert_eq!(overview(&bench).outcomes[&Outcome::Succeeded], 20);
        let asked = bench.questions.borrow().clone();
        assert!(
            asked[0].contains("Go on with wave 2 (18 actions)?") && asked[1].contains("wave 3 (20 actions)"),
            "{asked:?}"
        );
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::Bounded { by: WaitReason::Wave { number: 2, of: 3 }, .. }))
        );
        bench.answers = None;
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().well, "the resume is the word");
    });
}

#[test]
fn a_pause_lies_between_waves_and_a_cut_in_a_wave_asks_nothing_again() {
    virtual_time(async {
        let pause = Duration::from_secs(600);
        let bench = in_waves(40, BetweenWaves::Pause(pause));
        bench.make();
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().well);
        let times: Vec<Duration> = bench.world.reached.borrow().iter().map(|(at, _)| *at).collect();
        let pauses = times.windows(2).filter(|pair| pair[1] - pair[0] >= pause).count();
        assert_eq!(pauses, 2, "{times:?}");

        let bench = in_waves(40, BetweenWaves::Ask);
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert!(bench.process(Cut::AfterTime(Duration::from_millis(1500)), &[]).await.0.is_none());
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert!(matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.contains("wave 2 of 3")), "{ending:?}");
    });
}

#[test]
fn the_question_after_a_wave_names_its_failures() {
    virtual_time(async {
        let mut bench = in_waves(40, BetweenWaves::Ask);
        bench.world.effect("revoke", "0");
        bench.answers = Some(vec![false]);
        bench.make();
        bench.process(Cut::Never, &[]).await;
        let asked = bench.questions.borrow().clone();
        assert!(asked[0].contains("1 succeeded, 1 rejected"), "{asked:?}");
    });
}

#[test]
fn a_provider_that_is_down_is_tried_by_one_request_and_costs_no_action_its_attempts() {
    virtual_time(async {
        let faults = Faults { down: Some(("digicert", 1, 400)), ..Faults::none() };
        let bench = Bench::new(8, faults, &mixed(400));
        bench.make();
        let (ending, events) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
        assert!(bench.outcomes().iter().all(|outcome| *outcome == Outcome::Succeeded));
        let tried = bench.world.tried.borrow().clone();
        assert!(tried.len() < 60, "{} requests for 200 actions in 400 s", tried.len());
        assert!(tried.len() > 20, "its recovery is seen: {}", tried.len());
        // Those in flight at the beginning aside, one at a time and never at once.
        assert!(tried.windows(2).skip(4).all(|pair| pair[1] - pair[0] >= Duration::from_millis(200)), "{tried:?}");
        assert!(events.iter().any(
            |event| matches!(event, Event::Bounded { by: WaitReason::Unreachable { .. }, account } if account == "digicert")
        ));
        let naver =
            bench.world.reached.borrow().iter().filter(|(at, url)| url.contains("naver") && at.as_secs() < 100).count();
        assert!(naver > 190, "the other one did not wait: {naver}");
        bench.world.check_windows(&bench.settings);
    });
}

#[test]
fn a_provider_that_answers_with_pages_is_out_of_order_and_no_attempt_is_spent_on_it() {
    for status in [503, 500, 403, 404] {
        virtual_time(async {
            let faults = Faults { maintenance: Some(("digicert", 1, 400, status)), ..Faults::none() };
            let bench = Bench::new(8, faults, &mixed(400));
            bench.make();
            let (ending, events) = bench.process(Cut::Never, &[]).await;
            assert!(ending.unwrap().well);
            assert!(bench.outcomes().iter().all(|outcome| *outcome == Outcome::Succeeded));
            let tried = bench.world.tried.borrow().clone();
            assert!((20..70).contains(&tried.len()), "{} requests for 200 actions in 400 s", tried.len());
            let words = "it is out of order, one request at a time tries (HTTP";
            assert!(events.iter().any(|event| matches!(event, Event::HeldBack { why, .. } if why.starts_with(words))));
            bench.world.check_windows(&bench.settings);
        });
    }
}

#[test]
fn nobody_waits_for_ever_for_a_provider_that_is_out_of_order() {
    virtual_time(async {
        let faults = Faults { maintenance: Some(("digicert", 0, 1_000_000, 503)), ..Faults::none() };
        let bench = Bench::new(9, faults, &mixed(400));
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        let [(account, StopReason::Environment(why))] = ending.accounts_stopped.as_slice() else {
            panic!("{ending:?}")
        };
        let words = "it was out of order for 15m";
        assert!(account == "digicert" && why.starts_with(words) && why.contains("Maintenance"), "{why}");
        assert_eq!(ending.left, [("digicert".to_owned(), 200)], "no action ended for it");
        assert_eq!(overview(&bench).stopped.unwrap().1, 4);
        bench.world.forgive();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert!(ending.well, "{ending:?} {:?}", bench.outcomes());
    });
}

#[test]
fn nobody_waits_for_ever_for_a_provider_that_is_down() {
    virtual_time(async {
        let faults = Faults { down: Some(("digicert", 0, 1_000_000)), ..Faults::none() };
        let bench = Bench::new(9, faults, &mixed(400));
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        let [(account, StopReason::Environment(why))] = ending.accounts_stopped.as_slice() else {
            panic!("{ending:?}")
        };
        assert!(account == "digicert" && why.contains("could not be reached for 15m"), "{why}");
        assert_eq!(ending.left, [("digicert".to_owned(), 200)], "no action failed for it");
        assert_eq!(overview(&bench).stopped.unwrap().1, 4);
        bench.world.forgive();
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().well);
    });
}

#[test]
fn a_deadline_bounds_the_waiting_for_a_provider_that_was_there() {
    virtual_time(async {
        let faults = Faults { down: Some(("digicert", 1, 1_000_000)), ..Faults::none() };
        let mut bench = Bench::new(10, faults, &revokes(100));
        bench.settings.deadline = Some(Deadline::After(Duration::from_secs(2400)));
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert!(matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.contains("deadline")), "{ending:?}");
        assert!(bench.world.tried.borrow().last().unwrap().as_secs() > 2300);
    });
}

/// The virtual world begins at 2027-01-15T08:00:00Z, a Friday.
fn nightly(from: &str, to: &str) -> Schedule {
    let window = DailyWindow {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        timezone: "UTC".to_owned(),
        days: (1..=7).collect(),
    };
    Schedule { start: None, window: Some(window) }
}

#[test]
fn a_process_that_waits_lives_over_closed_windows() {
    virtual_time(async {
        let mut bench = Bench::new(11, Faults::none(), &revokes(40));
        bench.settings.timeout = Duration::from_secs(30);
        // Open for one minute, one minute after the beginning; then again a day later.
        bench.settings.accounts[0].windows = vec![Window::parse("1/1s").unwrap()];
        bench.settings.schedule = nightly("08:01", "08:02");
        bench.wait = true;
        bench.make();
        let (ending, events) = bench.process(Cut::AfterTime(Duration::from_secs(500_000)), &[]).await;
        assert!(ending.unwrap().well);
        let day = 86_400;
        for (at, url) in bench.world.reached.borrow().iter() {
            let second = at.as_secs_f64() % f64::from(day);
            assert!((60.0..90.0).contains(&second), "{url} at {second}: nothing is begun in the last half minute");
        }
        let days: std::collections::BTreeSet<u64> =
            bench.world.reached.borrow().iter().map(|(at, _)| at.as_secs() / u64::from(day as u32)).collect();
        assert!(days.len() == 2, "{days:?}");
        let closed = events.iter().filter(
            |event| matches!(event, Event::Bounded { by: WaitReason::Closed { .. }, account } if account == "digicert"),
        );
        assert_eq!(closed.count(), days.len(), "once each time");
    });
}

#[test]
fn without_waiting_a_closed_window_stops_the_run_and_says_when_it_opens() {
    virtual_time(async {
        let mut bench = Bench::new(12, Faults::none(), &revokes(10));
        bench.settings.schedule = nightly("09:00", "10:00");
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert!(
            matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.contains("it opens at 2027-01-15T09:00:00Z"))
        );
        assert_eq!(ending.reopens, Some("2027-01-15T09:00:00Z".parse::<Timestamp>().unwrap()));
        assert_eq!(overview(&bench).stopped.unwrap().1, 3);
        bench.wait = true;
        let (ending, _) = bench.process(Cut::AfterTime(Duration::from_secs(4000)), &[]).await;
        assert!(ending.unwrap().well);
    });
}

#[test]
fn retries_are_not_begun_in_a_closed_window() {
    virtual_time(async {
        let mut bench = Bench::new(13, Faults { error_before: 60, ..Faults::none() }, &revokes(60));
        bench.settings.retry.attempts = 50;
        bench.settings.schedule = nightly("08:00", "08:01");
        bench.make();
        let ending = bench.process(Cut::Never, &[]).await.0.unwrap();
        assert!(!ending.complete && ending.reopens.is_some());
        assert!(bench.world.reached.borrow().iter().all(|(at, _)| at.as_secs() < 30));
    });
}

#[test]
fn a_clock_that_is_put_right_opens_a_window_at_once() {
    virtual_time(async {
        let (hour, year) = (3600, 365 * 86_400);
        // By the wrong clock the window was over for today, or it is another year, or the start is a lifetime away.
        for wrong in [2 * hour, 70 * year + 2 * hour, -57 * year] {
            let mut bench = Bench::new(14, Faults::none(), &revokes(10));
            bench.settings.schedule = nightly("08:20", "09:00");
            bench.settings.schedule.start = Some("2027-01-15T08:15:00Z".parse().unwrap());
            bench.wait = true;
            bench.make();
            bench.world.set_wall_clock(wrong);
            let put_right = async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                bench.world.set_wall_clock(0);
            };
            let (process, ()) = tokio::join!(bench.process(Cut::AfterTime(Duration::from_secs(1500)), &[]), put_right);
            assert!(process.0.expect("it ends").well, "{wrong}");
            let reached = bench.world.reached.borrow();
            assert!(reached.iter().all(|(at, _)| (1200..1300).contains(&at.as_secs())), "{wrong}: {reached:?}");
            let told =
                |event: &Event| matches!(event, Event::Warning(text) if text.contains("this computer's clock was set"));
            assert_eq!(process.1.iter().filter(|event| told(event)).count(), 1, "{wrong}");
        }
    });
}

#[test]
fn an_action_waits_for_its_date_whatever_is_done_to_the_clock() {
    virtual_time(async {
        let date = "2027-01-15T09:00:00Z";
        // How far the clock is off at the beginning, to what it is set after ten minutes, and when the date comes.
        for (first, then, comes) in [(-57 * 365 * 86_400, 0, 3600), (0, 1800, 1800), (0, -1800, 5400), (0, 7200, 600)] {
            let mut bench = Bench::new(15, Faults::none(), &revokes(3));
            bench.actions[1].not_before = Some(date.parse().unwrap());
            bench.actions[2].needs = vec![bench.actions[1].id.clone()];
            bench.make();
            bench.world.set_wall_clock(first);
            let set = async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                bench.world.set_wall_clock(then);
            };
            let (process, ()) = tokio::join!(bench.process(Cut::AfterTime(Duration::from_secs(9000)), &[]), set);
            assert!(process.0.expect("it ends").well, "{first} {then}");
            let reached: Vec<u64> = bench.world.reached.borrow().iter().map(|(at, _)| at.as_secs()).collect();
            assert!(
                matches!(reached[..], [0, one, two] if one.abs_diff(comes) < 3 && two >= one),
                "{comes}: {reached:?}"
            );
        }
    });
}
