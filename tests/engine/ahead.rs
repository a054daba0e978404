//! A disk that is slow beside the provider: intents are written down ahead, of actions that may be asked again and of no others;
//! never are more requests under way than there are slots, and the promises are kept.

use super::world::Faults;
use super::{Bench, Cut, mixed, replayable, seeds, virtual_time};
use certsweep::journal::{Phase, RunDir};
use certsweep::plan::settings::StopWhen;
use certsweep::provider::model::Window;
use certsweep::run::Outcome;
use std::time::Duration;

/// A bench whose disk takes as long to write as a window lets places be taken ahead, with room in the windows.
fn bench(seed: u64, faults: Faults) -> Bench {
    let mut bench = Bench::new(seed, faults, &mixed(160));
    for account in &mut bench.settings.accounts {
        account.windows = vec![Window::parse("900/1s").unwrap()];
        account.concurrency = SLOTS;
    }
    bench.disk = Some(Duration::from_millis(20));
    bench
}

/// Actions of each account that are in flight as far as the journal tells.
fn in_flight(bench: &Bench) -> [usize; 2] {
    let states = RunDir::existing(&bench.path()).unwrap().read().unwrap().states().unwrap();
    let open = |account: usize| {
        let of_account = bench.actions.iter().filter(move |action| action.account == account);
        of_account.filter(|action| states.of(action.ordinal).phase == Phase::InFlight).count()
    };
    [open(0), open(1)]
}

#[test]
fn with_a_slow_disk_the_promises_hold_and_only_what_may_be_asked_again_is_written_down_ahead() {
    let mut most = [0; 2];
    for seed in seeds(0..SEEDS) {
        let cut_off = |left: &mut [usize; 2]| {
            virtual_time(async {
                let bench = bench(seed, Faults { hang: 0, ..Faults::many() });
                bench.make();
                for _ in 0..3 {
                    let time = Duration::from_millis(150 + bench.world.next_random() % 700);
                    let (ending, _) = bench.process(Cut::AfterTime(time), &[]).await;
                    let now = in_flight(&bench);
                    left.iter_mut().zip(now).for_each(|(most, now)| *most = now.max(*most));
                    if ending.is_some() {
                        break;
                    }
                }
                bench.check_promises(seed).await;
                let most = bench.world.most_under_way.borrow().clone();
                assert!(most.values().all(|most| *most <= SLOTS), "{most:?} requests at once");
            });
        };
        let left = replayable(seed, || {
            let mut left = [0; 2];
            cut_off(&mut left);
            left
        });
        most.iter_mut().zip(left).for_each(|(most, left)| *most = left.max(*most));
    }
    let [digicert, naver] = most;
    assert!(naver <= SLOTS as usize, "NAVER's reissues are not written down ahead: {naver} in flight");
    if seeds(0..SEEDS).count() > 1 {
        assert!(digicert > SLOTS as usize, "DigiCert's revocations are, or this proves nothing: {digicert} in flight");
    }
}

#[test]
fn what_was_written_down_ahead_is_taken_back_when_the_run_stops() {
    virtual_time(async {
        let mut bench = bench(7, Faults { refuse: 20, ..Faults::none() });
        bench.settings.safety.stop_when = Some(StopWhen::Failures(3));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.is_some_and(|ending| !ending.complete), "the rule stops both accounts");
        assert_eq!(in_flight(&bench), [0, 0]);
        let states = RunDir::existing(&bench.path()).unwrap().read().unwrap().states().unwrap();
        let taken_back =
            states.iter().filter(|state| state.phase == Phase::Waiting && state.attempts > state.counted).count();
        assert!(taken_back > 0, "or this proves nothing");
        bench.world.forgive();
        bench.settings.safety.stop_when = None;
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.is_some_and(|ending| ending.complete));
        let effects = bench.world.effects();
        assert!(effects.values().all(|effects| *effects == 1), "nothing is doubled: {effects:?}");
        let succeeded = bench.outcomes().iter().filter(|outcome| **outcome == Outcome::Succeeded).count();
        assert_eq!(effects.len(), succeeded);
    });
}

/// Requests of one account at once.
const SLOTS: u32 = 32;
const SEEDS: u64 = 100;
