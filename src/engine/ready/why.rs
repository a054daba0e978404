//! Why an account starts nothing more at a moment: what its lane shows. Changes nothing.

use super::super::timing::{Moment, WallTime};
use super::Ready;
use crate::run::WaitReason;

impl Ready {
    /// Why the account starts nothing more now: asked after [`Self::next`] has nothing more to start.
    pub fn wait_reason(&self, account: usize, now: Moment, wall: &WallTime) -> WaitReason {
        let lane = &self.lanes[account];
        let queued = lane.front().is_some();
        if lane.stopped {
            return WaitReason::Stopped;
        }
        if let Some(next) = lane.probing {
            return WaitReason::Unreachable { until: wall.at(next) };
        }
        if !queued && lane.next_due().is_none() && lane.blocked == 0 {
            return match lane.held {
                _ if lane.running > 0 => WaitReason::Answers,
                0 => WaitReason::Done,
                _ => self.next_wave_reason(),
            };
        }
        if self.canaries > 0 {
            return WaitReason::Canary;
        }
        if !queued {
            return if lane.running > 0 { WaitReason::Answers } else { WaitReason::Others };
        }
        if lane.paused {
            return WaitReason::Answers;
        }
        match self.paces[lane.pace].wait_reason(now, wall) {
            Some(WaitReason::Learnt { .. }) | None if lane.running >= lane.slots.now() => {
                WaitReason::Concurrency { slots: lane.slots.now() }
            }
            reason => reason.unwrap_or(WaitReason::Nothing),
        }
    }

    /// The wave that waits.
    pub fn next_wave_reason(&self) -> WaitReason {
        let number = u32::try_from(self.waves.next().unwrap_or_default() + 1).unwrap_or(u32::MAX);
        let of = u32::try_from(self.waves.count()).unwrap_or(u32::MAX);
        WaitReason::Wave { number, of }
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
    use WaitReason::{Answers, Concurrency, Done, HeldBack, Nothing, Others, Stopped, Unreachable};
    use jiff::Timestamp;

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
        let wall = WallTime::new(at(0), Timestamp::UNIX_EPOCH);
        let why = |ready: &Ready, now| [0, 1, 2, 3, 4].map(|account| ready.wait_reason(account, at(now), &wall));
        let full = || WaitReason::Window { window: "1/10s".to_owned() };
        assert_eq!(why(&ready, 0), [full(), Concurrency { slots: 1 }, Others, Others, Answers]);
        ready.stepped(0);
        ready.pace(0).answered(at(0), at(1));
        ready.probe(1, Some(at(5)));
        ready.stepped(4);
        ready.ended(6, true);
        ready.stop(3);
        assert_eq!(why(&ready, 2), [full(), Unreachable { until: wall.at(at(5)) }, Others, Stopped, Done]);
        ready.pace(0).hold(at(30));
        assert_eq!(ready.wait_reason(0, at(20), &wall), HeldBack { until: wall.at(at(30)) });
        assert_eq!(ready.wait_reason(0, at(40), &wall), Nothing, "it could start");
    }
}
