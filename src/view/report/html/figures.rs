//! Few numbers out of many: percentiles, histograms, how full a window was. Pure; knows neither runs nor pages.

use std::time::Duration;

/// How a quantity is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p95: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

/// A bar of a histogram: how many values are at least `from` and below `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) count: u64,
}

/// How sorted values are spread, by the nearest rank; `None` of none.
pub(super) fn spread(sorted: &[u64]) -> Option<Spread> {
    let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Spread {
        count: sorted.len() as u64,
        p50: rank(50)?,
        p95: rank(95)?,
        p99: rank(99)?,
        max: sorted.last().copied()?,
    })
}

/// Sorted values by bounds that grow by about a quarter (10, 12, 15, 20, …), from the first bar that holds any to the last.
pub(super) fn histogram(sorted: &[u64]) -> Vec<Bin> {
    let (Some(_), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let mut bins = Vec::new();
    let (mut from, mut rest) = (0, sorted);
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10));
    for to in tens.flat_map(|ten| BOUNDS.iter().filter_map(move |bound| ten.checked_mul(*bound))) {
        let (inside, after) = rest.split_at(rest.partition_point(|value| *value < to));
        bins.push(Bin { from, to, count: inside.len() as u64 });
        (from, rest) = (to, after);
        if *last < to {
            break;
        }
    }
    let empty = bins.iter().take_while(|bin| bin.count == 0).count();
    bins.split_off(empty)
}

/// 1, 2, 5, 10, 20, 50, … as far as numbers go.
fn bounds() -> impl Iterator<Item = u64> {
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10));
    tens.flat_map(|ten| [1, 2, 5].into_iter().filter_map(move |step| ten.checked_mul(step)))
}

/// The most of sorted moments in any stretch of this length (its end excluded): what a rate limit counts.
pub(super) fn fullest(moments: &[i64], length: i64) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (index, moment) in moments.iter().enumerate() {
        while moment - moments[first] >= length {
            first += 1;
        }
        most = most.max(index - first + 1);
    }
    most as u64
}

/// The same for each of the stretches between neighbouring places: the most of the moments in any stretch of this length that ends there.
pub(super) fn peaks(moments: &[i64], length: i64, places: &[i64]) -> Vec<u64> {
    let until = |moment: i64| moments.partition_point(|at| *at <= moment);
    let stretches = places.windows(2).map(|pair| {
        let inside = until(pair[0])..until(pair[1]);
        // Between two moments the number only falls, so that the most is at a moment, or what is left at the beginning.
        let at_moments = inside.map(|index| index + 1 - until(moments[index] - length));
        at_moments.chain([until(pair[1]) - until(pair[1] - length)]).max().unwrap_or_default() as u64
    });
    stretches.collect()
}

/// So many places from the first to the last, both among them.
pub(super) fn places(from: i64, to: i64, count: usize) -> Vec<i64> {
    let count = count.max(2) as i64;
    let length = i128::from(to.max(from) - from);
    (0..count).map(|index| from + (length * i128::from(index) / i128::from(count - 1)) as i64).collect()
}

/// Round numbers for an axis from 0 to this: about so many of 1, 2, 5, 10, …, the last at or above it.
pub(super) fn ticks(most: u64, about: u64) -> Vec<u64> {
    let wanted = most.div_ceil(about.max(1)).max(1);
    let step = bounds().find(|step| *step >= wanted).unwrap_or(u64::MAX);
    (0..=most.max(1).div_ceil(step)).map(|index| index.saturating_mul(step)).collect()
}

/// The bounds of a histogram's bars in each power of ten.
const BOUNDS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

/// A length in microseconds.
pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        assert_eq!(spread(&[]), None);
        let one = Spread { count: 1, p50: 7, p95: 7, p99: 7, max: 7 };
        assert_eq!(spread(&[7]), Some(one));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(spread(&hundred), Some(Spread { count: 100, p50: 50, p95: 95, p99: 99, max: 100 }));
        assert_eq!(spread(&[1, 2, 3]).map(|spread| (spread.p50, spread.p95)), Some((2, 3)));
    }

    #[test]
    fn each_value_is_in_one_bar() {
        assert_eq!(histogram(&[]), []);
        let bin = |from, to, count| Bin { from, to, count };
        assert_eq!(histogram(&[0]), [bin(0, 10, 1)]);
        assert_eq!(histogram(&[2, 4, 10, 19]), [bin(0, 10, 2), bin(10, 12, 1), bin(12, 15, 0), bin(15, 20, 1)]);
        assert_eq!(histogram(&[80, 119]), [bin(80, 100, 1), bin(100, 120, 1)]);
    }

    #[test]
    fn the_fullest_stretch_is_found_wherever_it_begins() {
        for (moments, length, expected) in [
            (&[] as &[i64], 5, 0),
            (&[1], 5, 1),
            (&[0, 1, 2, 3, 4, 5], 5, 5),
            (&[0, 5, 10], 5, 1),
            (&[0, 4, 8, 9, 10, 11, 12], 5, 5),
        ] {
            assert_eq!(fullest(moments, length), expected, "{moments:?}");
        }
        assert_eq!(peaks(&[1, 4, 8, 9], 5, &[0, 4, 5, 9, 20]), [2, 2, 2, 0]);
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(ticks(0, 4), [0, 1]);
        assert_eq!(ticks(9, 4), [0, 5, 10]);
        assert_eq!(ticks(5002, 5), [0, 2000, 4000, 6000]);
        assert_eq!(places(0, 10, 3), [0, 5, 10]);
        assert_eq!(places(7, 7, 2), [7, 7]);
    }
}
