//! The geometry of the plots: from numbers to shapes of an SVG with the table that says the same. Pure; the template draws.

use super::figures::{Bin, places, ticks};
use crate::time::human;
use crate::view::terminal::grouped;
use std::time::Duration;

/// A plot and its table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: String,
    pub(super) title: String,
    /// What it shows, in a sentence or two.
    pub(super) description: String,
    pub(super) height: u32,
    pub(super) legend: Vec<(&'static str, &'static str)>,
    pub(super) boxes: Vec<SvgRect>,
    pub(super) paths: Vec<SvgPath>,
    pub(super) labels: Vec<SvgText>,
    pub(super) table: ChartTable,
}

/// A table: its head, and rows whose first cell names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ChartTable {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A rectangle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SvgRect {
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
}

/// A line or an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SvgPath {
    pub(super) class: &'static str,
    pub(super) shape: String,
}

/// A text in the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SvgText {
    pub(super) anchor: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) text: String,
}

/// A picture's place for numbers over time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChartFrame {
    from: i64,
    to: i64,
    most: u64,
    height: f64,
}

impl ChartFrame {
    /// From one instant to another, in microseconds, and from 0 to a round number at or above `most`.
    pub(super) fn new(from: i64, to: i64, most: u64, height: u32) -> Self {
        let most = ticks(most, 4).last().copied().unwrap_or(1);
        Self { from, to: to.max(from + 1), most, height: f64::from(height) }
    }

    fn x(&self, at: i64) -> f64 {
        let share = (at - self.from) as f64 / (self.to - self.from) as f64;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: u64) -> f64 {
        let share = value.min(self.most) as f64 / self.most as f64;
        self.floor() - share * (self.floor() - TOP)
    }

    fn floor(&self) -> f64 {
        self.height - BOTTOM
    }

    /// The lines and numbers of both axes.
    pub(super) fn axes(&self, chart: &mut Chart) {
        for value in ticks(self.most, 4).into_iter().filter(|value| *value <= self.most) {
            let y = self.y(value);
            chart.paths.push(SvgPath { class: "grid", shape: format!("M{LEFT} {y:.1}H{:.1}", WIDTH - RIGHT) });
            chart.labels.push(label("end", LEFT - 6.0, y + 4.0, grouped(value)));
        }
        for (at, text) in self.times() {
            chart.labels.push(label("middle", self.x(at), self.height - 4.0, text));
        }
    }

    /// Round times since the beginning.
    fn times(&self) -> Vec<(i64, String)> {
        let length = self.to - self.from;
        let seconds = STEPS.iter().map(|seconds| seconds * 1_000_000);
        let step = [10_000, 50_000, 200_000].into_iter().chain(seconds).find(|step| length / step <= 7);
        let step = step.unwrap_or(length / 7).max(1);
        let text = |after: i64| duration(after.unsigned_abs());
        (0..=length / step).map(|index| (self.from + index * step, text(index * step))).collect()
    }

    /// Areas, one upon the other: each the running count of its moments.
    pub(super) fn stacked(&self, chart: &mut Chart, classes: &[(&'static str, Vec<i64>)]) {
        let places = places(self.from, self.to, POINTS);
        let mut below = vec![0_u64; places.len()];
        for (class, moments) in classes.iter().filter(|(_, moments)| !moments.is_empty()) {
            let counts = places.iter().map(|place| moments.partition_point(|at| at <= place) as u64);
            let above: Vec<u64> = below.iter().zip(counts).map(|(below, count)| below + count).collect();
            let top = places.iter().zip(&above);
            let bottom = places.iter().zip(&below).rev();
            let points = top.chain(bottom).map(|(place, value)| format!("{:.1} {:.1}", self.x(*place), self.y(*value)));
            let shape = format!("M{}Z", points.collect::<Vec<_>>().join("L"));
            chart.paths.push(SvgPath { class, shape });
            below = above;
        }
    }

    /// A line of steps: from each instant on, a value.
    pub(super) fn steps(&self, chart: &mut Chart, class: &'static str, steps: &[(i64, u64)]) {
        let points = steps.iter().enumerate().map(|(index, (at, value))| {
            let (x, y) = (self.x(*at), self.y(*value));
            if index == 0 { format!("M{x:.1} {y:.1}") } else { format!("H{x:.1}V{y:.1}") }
        });
        let shape: String = points.collect();
        if !shape.is_empty() {
            chart.paths.push(SvgPath { class, shape: format!("{shape}H{:.1}", WIDTH - RIGHT) });
        }
    }

    /// A stretch of time over the whole height.
    pub(super) fn stretch(&self, chart: &mut Chart, class: &'static str, from: i64, to: i64) {
        let (left, right) = (self.x(from), self.x(to));
        chart.boxes.push(rectangle(class, left, TOP, (right - left).max(1.0), self.floor() - TOP));
    }

    /// A moment over the whole height, with its name above.
    pub(super) fn moment(&self, chart: &mut Chart, class: &'static str, at: i64, name: &str) {
        let x = self.x(at);
        chart.paths.push(SvgPath { class, shape: format!("M{x:.1} {TOP}V{:.1}", self.floor()) });
        if !name.is_empty() {
            let (anchor, x) = if x > WIDTH * 0.8 { ("end", x - 3.0) } else { ("start", x + 3.0) };
            chart.labels.push(label(anchor, x, TOP + 10.0, name.to_owned()));
        }
    }

    /// Short strokes on the floor: moments of which there may be many.
    pub(super) fn strokes(&self, chart: &mut Chart, class: &'static str, moments: &[i64]) {
        let mut xs: Vec<u64> = moments.iter().map(|at| (self.x(*at) * 2.0) as u64).collect();
        xs.dedup();
        let strokes = xs.into_iter().map(|x| format!("M{:.1} {:.1}v-8", x as f64 / 2.0, self.floor()));
        let shape: String = strokes.collect();
        if !shape.is_empty() {
            chart.paths.push(SvgPath { class, shape });
        }
    }
}

/// Bars of a histogram of durations in microseconds.
pub(super) fn histogram_chart(chart: &mut Chart, bins: &[Bin]) {
    let height = f64::from(chart.height);
    let most = ticks(bins.iter().map(|bin| bin.count).max().unwrap_or(0), 3).last().copied().unwrap_or(1);
    let frame = ChartFrame { from: 0, to: 1, most, height };
    for value in ticks(most, 3).into_iter().filter(|value| *value <= most) {
        let y = frame.y(value);
        chart.paths.push(SvgPath { class: "grid", shape: format!("M{LEFT} {y:.1}H{:.1}", WIDTH - RIGHT) });
        chart.labels.push(label("end", LEFT - 6.0, y + 4.0, grouped(value)));
    }
    let step = (WIDTH - LEFT - RIGHT) / bins.len().max(1) as f64;
    for (index, bin) in bins.iter().enumerate() {
        let (x, y) = (LEFT + index as f64 * step, frame.y(bin.count));
        chart.boxes.push(rectangle("bar", x + 1.0, y, (step - 2.0).max(1.0), frame.floor() - y));
        // Names of bars only as far as they do not touch.
        if index % (bins.len() / 9 + 1) == 0 {
            chart.labels.push(label("start", x, height - 4.0, duration(bin.from)));
        }
    }
    chart.table = ChartTable {
        head: ["from", "below", "count"].map(str::to_owned).to_vec(),
        rows: bins.iter().map(|bin| vec![duration(bin.from), duration(bin.to), grouped(bin.count)]).collect(),
    };
}

/// One bar a row, divided into parts.
pub(super) fn divided_bars(chart: &mut Chart, rows: &[(String, Vec<(&'static str, u64)>)]) {
    let most =
        rows.iter().map(|(_, parts)| parts.iter().map(|(_, count)| count).sum::<u64>()).max().unwrap_or(0).max(1);
    for (index, (name, parts)) in rows.iter().enumerate() {
        let y = 6.0 + index as f64 * 34.0;
        let mut x = LEFT;
        chart.labels.push(label("start", LEFT, y + 9.0, name.clone()));
        for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
            // The fewest are seen too.
            let width = ((WIDTH - LEFT - RIGHT) * *count as f64 / most as f64).max(2.0);
            chart.boxes.push(rectangle(class, x, y + 13.0, width, 13.0));
            x += width;
        }
    }
    chart.height = 14 + rows.len() as u32 * 34;
}

/// A duration of microseconds for people.
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        whole if whole < 60_000_000 && whole % 1_000_000 == 0 => format!("{}s", whole / 1_000_000),
        1..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        _ => human(Duration::from_micros(micros)),
    }
}

fn rectangle(class: &'static str, x: f64, y: f64, width: f64, height: f64) -> SvgRect {
    let text = |number: f64| format!("{number:.1}");
    SvgRect { class, x: text(x), y: text(y), width: text(width), height: text(height) }
}

fn label(anchor: &'static str, x: f64, y: f64, text: String) -> SvgText {
    SvgText { anchor, x: format!("{x:.1}"), y: format!("{y:.1}"), text }
}

/// The picture's size and margins; the template has the same width.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// Places at which lines are drawn.
pub(super) const POINTS: usize = 240;
/// Distances of times on an axis, in seconds.
const STEPS: [i64; 18] =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_lie_upon_each_other_and_inside() {
        let (mut chart, frame) = (Chart::default(), ChartFrame::new(0, 1_000_000, 3, 200));
        frame.stacked(&mut chart, &[("well", vec![0, 500_000]), ("none", vec![]), ("bad", vec![1_000_000])]);
        assert_eq!(chart.paths.iter().map(|path| path.class).collect::<Vec<_>>(), ["well", "bad"]);
        let bad = &chart.paths[1].shape;
        assert!(bad.starts_with("M56.0 ") && bad.contains("L710.0 ") && bad.ends_with('Z'), "{bad}");
        let ys = |shape: &str| -> Vec<f64> {
            let numbers = shape.split(['M', 'L', 'Z']).filter_map(|point| point.split(' ').nth(1)?.parse().ok());
            numbers.collect()
        };
        assert!(ys(bad).iter().all(|y| (8.0..=180.0).contains(y)), "{bad}");
        // Three of four (a round number above) at the end: a quarter from the top.
        assert!((ys(bad)[POINTS - 1] - frame.y(3)).abs() < 0.1, "{bad}");
    }

    #[test]
    fn axes_are_named_by_round_times() {
        for (length, last) in
            [(12_000_000, "12s"), (90_000_000, "1m 20s"), (86_400_000_000, "1d 00h"), (900_000, "800ms")]
        {
            let mut chart = Chart::default();
            ChartFrame::new(0, length, 10, 200).axes(&mut chart);
            assert_eq!(chart.labels.last().map(|label| label.text.as_str()), Some(last), "{:?}", chart.labels);
            assert!(chart.labels.len() <= 16);
        }
    }

    #[test]
    fn the_fewest_are_seen() {
        let mut chart = Chart::default();
        divided_bars(&mut chart, &[("a".to_owned(), vec![("well", 100_000), ("bad", 1), ("none", 0)])]);
        assert_eq!(chart.boxes.iter().map(|part| part.width.as_str()).collect::<Vec<_>>(), ["654.0", "2.0"]);
    }
}
