//! The places of a lane: how many requests it may have in flight, and with which other lane it shares its limits. Queues nothing.

use super::Ready;
use crate::engine::concurrency::Slots;
use crate::engine::timing::Moment;
use crate::provider::model::Window;

impl Ready {
    /// The account's requests in flight follow from rate and latency, up to this bound.
    pub fn follow(&mut self, account: usize, bound: u32) {
        self.lanes[account].slots = Slots::following(bound);
    }

    /// Two accounts share a credential, and so a pace: the windows of both hold for both.
    pub fn share(&mut self, account: usize, with: usize) {
        self.lanes[account].pace = self.lanes[with].pace;
        self.set_shared_windows(with);
    }

    /// Other windows hold for an account from now on. Those of accounts that share its credential stay.
    pub fn set_windows(&mut self, account: usize, windows: &[Window]) {
        self.lanes[account].windows = windows.to_vec();
        self.set_shared_windows(account);
    }

    fn set_shared_windows(&mut self, account: usize) {
        let pace = self.lanes[account].pace;
        let mut all: Vec<Window> = Vec::new();
        for window in self.lanes.iter().filter(|lane| lane.pace == pace).flat_map(|lane| &lane.windows) {
            if !all.contains(window) {
                all.push(*window);
            }
        }
        self.paces[pace].set_windows(&all);
    }

    /// The answer to a request of this account came that took its place at `began`: how long such take tells how many places it needs.
    pub fn answered(&mut self, account: usize, began: Moment, now: Moment) {
        let lane = &mut self.lanes[account];
        let pace = &self.paces[lane.pace];
        lane.slots.answered(now, now.saturating_sub(began), pace.allowed(), lane.crowded);
    }

    /// A request of this account was refused because there were too many.
    pub fn refused(&mut self, account: usize) {
        self.lanes[account].slots.window_was_full();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Turn;
    use super::super::testing::{at, ready, start};
    use super::*;
    use crate::engine::pace::Pace;
    use std::time::Duration;

    #[test]
    fn accounts_that_share_a_credential_share_the_limits() {
        let window = |text| Window::parse(text).unwrap();
        let paces = [Pace::new(&[window("2/10s")]), Pace::new(&[window("3/60s")]), Pace::new(&[window("5/1s")])];
        let mut ready = Ready::new(paces.into_iter().map(|pace| (pace, 4)).collect(), 0);
        ready.share(1, 0);
        for ordinal in 0..9 {
            ready.add(ordinal, ordinal as usize % 3, &[], None);
        }
        let started = [(); 6].map(|()| ready.next(at(0)));
        let others = [start(2, 2), start(5, 2), start(8, 2)];
        assert_eq!(started[..2], [start(0, 0), start(1, 1)], "two in ten seconds, of both together");
        assert_eq!([started[2], started[3], started[4]], others, "and the other account goes on");
        assert_eq!(started[5], Turn::WaitForAnswer);
        for account in [0, 1] {
            ready.pace(account).answered(at(0), at(0));
            ready.stepped(account);
        }
        assert!(matches!(ready.next(at(11)), Turn::Start { account: 0 | 1, .. }), "a third in sixty seconds");
        assert!(!matches!(ready.next(at(11)), Turn::Start { .. }), "and no fourth");
    }

    #[test]
    fn other_windows_of_one_account_leave_those_of_the_other_that_shares_its_credential() {
        let windows = |texts: &[&str]| texts.iter().map(|text| Window::parse(text).unwrap()).collect::<Vec<_>>();
        let paces = [Pace::new(&windows(&["100/5s", "9/1s"])), Pace::new(&windows(&["100/5s", "50/60s"]))];
        let mut ready = Ready::new(paces.into_iter().map(|pace| (pace, 4)).collect(), 0);
        ready.share(1, 0);
        for (account, set, expected) in [
            (0, &["20/5s"][..], &["20/5s", "100/5s", "50/60s"][..]),
            (1, &["100/5s"], &["20/5s", "100/5s"]),
            (1, &["20/5s"], &["20/5s"]),
        ] {
            ready.set_windows(account, &windows(set));
            assert_eq!(ready.pace(0).windows(), windows(expected), "{account} {set:?}");
        }
    }

    #[test]
    fn places_follow_the_latency_of_their_own_account() {
        let mut ready = ready(&[1, 1], 0);
        ready.follow(0, 32);
        ready.follow(1, 32);
        for ordinal in 0..2000 {
            ready.add(ordinal, ordinal as usize % 2, &[], None);
        }
        // The first account answers after a millisecond, the second never.
        let mut stuck = 0;
        for millisecond in 0..500 {
            let now = Duration::from_millis(millisecond);
            let mut running = 0;
            while let Turn::Start { account, .. } = ready.next(now) {
                (running, stuck) = if account == 0 { (running + 1, stuck) } else { (running, stuck + 1) };
            }
            for _ in 0..running {
                ready.stepped(0);
                ready.pace(0).answered(now, now + Duration::from_millis(1));
                ready.answered(0, now, now + Duration::from_millis(1));
            }
        }
        assert!(stuck <= 4, "the second account keeps what it has: {stuck}");
        assert!(ready.slots(0) > 8, "and the first goes on: {}", ready.slots(0));
    }
}
