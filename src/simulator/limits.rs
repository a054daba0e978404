//! The rate limits that the simulator enforces: exact, no window admits more than its count.

use crate::provider::model::Window;
use std::collections::VecDeque;
use std::time::Duration;

/// The windows of one account with the requests that they still hold.
#[derive(Debug)]
pub(super) struct Limits {
    windows: Vec<(Window, VecDeque<Duration>)>,
}

impl Limits {
    pub(super) fn new(windows: &[Window]) -> Self {
        Self { windows: windows.iter().map(|window| (*window, VecDeque::new())).collect() }
    }

    /// Admits a request that arrived at `now`, or refuses it. A refused one is not counted.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        for (window, admitted) in &mut self.windows {
            // A window is half open: a request just `length` old no longer counts. The engine must be no stricter and no laxer.
            while admitted.front().is_some_and(|first| now.saturating_sub(*first) >= window.length) {
                admitted.pop_front();
            }
        }
        let full = |(window, admitted): &(Window, VecDeque<Duration>)| {
            u32::try_from(admitted.len()).map_or(true, |held| held >= window.count)
        };
        if self.windows.iter().any(full) {
            return false;
        }
        for (_, admitted) in &mut self.windows {
            admitted.push_back(now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(windows: &[&str], at: &[u64]) -> Vec<bool> {
        let windows: Vec<Window> = windows.iter().map(|text| Window::parse(text).unwrap()).collect();
        let mut limits = Limits::new(&windows);
        at.iter().map(|at| limits.admit(Duration::from_millis(*at))).collect()
    }

    #[test]
    fn windows_slide_and_all_hold() {
        assert_eq!(admitted(&[], &[0, 0, 0]), [true, true, true]);
        assert_eq!(admitted(&["2/1s"], &[0, 500, 999, 1000, 1499, 1500]), [true, true, false, true, false, true]);
        assert_eq!(
            admitted(&["2/1s", "3/10s"], &[0, 0, 1000, 2000, 9999, 10_000]),
            [true, true, true, false, false, true]
        );
    }
}
