//! Why an account starts nothing more at a moment: what its lane shows. Changes nothing.

use super::super::pace::Moment;
use super::super::waits::Why;
use super::Ready;

impl Ready {
    /// Why the account starts nothing more now: asked after [`Self::next`] has nothing more to start.
    pub fn why(&self, account: usize, now: Moment) -> Why {
        let lane = &self.lanes[account];
        let queued = lane.front().is_some();
        if lane.stopped {
            return Why::Stopped;
        }
        if lane.probing.is_some() {
            return Why::Unreachable;
        }
        if !queued && lane.next_due().is_none() && lane.blocked == 0 {
            return match lane.held {
                _ if lane.running > 0 => Why::Answers,
                0 => Why::Done,
                _ => Why::Wave,
            };
        }
        if self.canaries > 0 {
            return Why::Canary;
        }
        if !queued {
            return if lane.running > 0 { Why::Answers } else { Why::Others };
        }
        if lane.paused {
            return Why::Answers;
        }
        match self.paces[lane.pace].full(now) {
            Some(Why::Learnt) if lane.running >= lane.slots.now() => Why::Concurrency,
            Some(why) => why,
            None if lane.running >= lane.slots.now() => Why::Concurrency,
            None => Why::Nothing,
        }
    }

    /// How many requests the account may have in flight at once.
    pub fn slots(&self, account: usize) -> u32 {
        self.lanes[account].slots.now()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::pace::Pace;
    use super::super::Turn;
    use super::super::testing::at;
    use super::*;
    use crate::provider::model::Window;

    #[test]
    fn each_lane_shows_what_it_waits_for() {
        let window = Window { count: 1, length: at(10) };
        let paces = [Pace::new(&[window]), Pace::new(&[]), Pace::new(&[]), Pace::new(&[]), Pace::new(&[])];
        let mut ready = Ready::new(paces.into_iter().map(|pace| (pace, 1)).collect(), 0);
        for (ordinal, account, needs, not_before) in [
            (0, 0, &[][..], None),
            (1, 0, &[], None),
            (2, 1, &[], None),
            (3, 1, &[], None),
            (4, 2, &[2], None),
            (5, 3, &[], Some(at(60))),
            (6, 4, &[], None),
        ] {
            ready.add(ordinal, account, needs, not_before);
        }
        while let Turn::Start { .. } = ready.next(at(0)) {}
        let why = |ready: &Ready, now| [0, 1, 2, 3, 4].map(|account| ready.why(account, at(now)));
        assert_eq!(why(&ready, 0), [Why::Window(window), Why::Concurrency, Why::Others, Why::Others, Why::Answers]);
        ready.stepped(0);
        ready.pace(0).answered(at(0), at(1));
        ready.probe(1, Some(at(5)));
        ready.stepped(4);
        ready.ended(6, true);
        ready.stop(3);
        assert_eq!(why(&ready, 2), [Why::Window(window), Why::Unreachable, Why::Others, Why::Stopped, Why::Done]);
        ready.pace(0).hold(at(30));
        assert_eq!(ready.why(0, at(20)), Why::HeldBack);
        assert_eq!(ready.why(0, at(40)), Why::Nothing, "it could start");
    }
}
