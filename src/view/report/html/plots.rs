//! The plots of a page: which there are and what each shows (done over time, requests against the limits, outcomes, latency, attempts, time to
//! revoke), each with the table that says the same; the few numbers out of many behind them; and their shapes of an SVG. Pure; the template draws.

use super::rows::{RowFigures, Shown, class_of};
use super::source::{Change, ChangeKind, PageSource, Timeline};
use crate::plan::Account;
use crate::provider::model::Window;
use crate::run::Outcome;
use crate::time::human;
use crate::view::terminal::{grouped, plural};
use jiff::Timestamp;
use std::collections::BTreeMap;
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

/// How a quantity is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p95: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

/// A picture's place for numbers over time.
#[derive(Debug, Clone, Copy)]
struct ChartFrame {
    from: i64,
    to: i64,
    most: u64,
    height: f64,
}

/// A bar of a histogram: how many values are at least `from` and below `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bin {
    from: u64,
    to: u64,
    count: u64,
}

/// The plots of a page, in its order.
pub(super) fn charts(
    source: &PageSource<'_>,
    figures: &RowFigures,
    began: Option<Timestamp>,
    deadline: Option<Timestamp>,
) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let (Some(timeline), Some(began)) = (source.timeline, began) {
        let from = began.as_microsecond();
        let last = source.last_moment().map_or(from, Timestamp::as_microsecond);
        charts.extend(done_chart(timeline, from, last, deadline.map(Timestamp::as_microsecond)));
        let accounts = source.facts.settings.accounts.iter().enumerate();
        charts.extend(
            accounts
                .filter_map(|(index, account)| limit_chart(timeline, index, account, from, last))
                .take(MAX_LIMIT_CHARTS),
        );
    }
    charts.push(outcome_chart(figures));
    if let Some(timeline) = source.timeline {
        charts.extend(latency_chart(source, timeline));
    }
    charts.extend(attempts_chart(figures));
    charts.extend(revoke_chart(figures));
    charts
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

/// A length in microseconds.
pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// What had ended when, with everything that held it up.
fn done_chart(timeline: &Timeline, from: i64, last: i64, deadline: Option<i64>) -> Option<Chart> {
    let most = timeline.ends.len() as u64;
    if most == 0 {
        return None;
    }
    // A deadline far away would press everything else against the edge.
    let near = deadline.filter(|at| *at > from && at - from <= (last - from).saturating_mul(3));
    let frame = ChartFrame::new(from, near.map_or(last, |at| at.max(last)), most, HEIGHT);
    let mut chart = Chart { id: "done".into(), title: "Done over time".into(), height: HEIGHT, ..Chart::default() };
    let of_class = |class: &str| {
        timeline.ends.iter().filter(|(_, outcome)| class_of(*outcome) == class).map(|(at, _)| *at).collect::<Vec<i64>>()
    };
    let classes = CLASSES.map(|(class, name)| (class, name, of_class(class)));
    frame.stacked(&mut chart, &classes.clone().map(|(class, _, ends)| (class, ends)));
    chart.legend =
        classes.iter().filter(|(.., ends)| !ends.is_empty()).map(|(class, name, _)| (*class, *name)).collect();
    frame.axes(&mut chart);
    for (begin, end) in &timeline.pauses {
        frame.stretch(&mut chart, "paused", *begin, end.unwrap_or(last));
    }
    if !timeline.pauses.is_empty() {
        chart.legend.push(("paused", "paused"));
    }
    let mut idle = false;
    // Until when a process was at work, so far; one without a record of its end until the next began.
    let mut worked: Option<i64> = None;
    for session in &timeline.sessions {
        let began = session.began.as_microsecond();
        if let Some(ended) = worked.filter(|ended| *ended <= began) {
            frame.stretch(&mut chart, "idle", ended, began);
            idle = true;
        }
        let ended = session.ended.as_ref().map(|(at, ..)| at.as_microsecond());
        worked = worked.max(ended);
    }
    if idle {
        chart.legend.push(("idle", "no process"));
    }
    if timeline.waves.len() > 1 {
        for (index, begun) in timeline.waves.iter().enumerate().filter_map(|(index, begun)| Some((index, (*begun)?))) {
            frame.moment(&mut chart, "wave", begun, &format!("wave {}", index + 1));
        }
    }
    let throttled: Vec<i64> = {
        let mut all: Vec<i64> =
            timeline.accounts.iter().flat_map(|account| account.throttled.iter().copied()).collect();
        all.sort_unstable();
        all
    };
    frame.strokes(&mut chart, "throttled", &throttled);
    if !throttled.is_empty() {
        chart.legend.push(("throttled", "429: too many requests"));
    }
    if let Some(at) = near {
        frame.moment(&mut chart, "deadline", at, "deadline");
    }
    chart.description = format!(
        "{} by when they ended.{}",
        plural(most, "action"),
        match (deadline, near) {
            (Some(at), None) if at > from => {
                format!(
                    " The deadline is {} after the beginning, beyond the picture.",
                    duration((at - from).unsigned_abs())
                )
            }
            _ => String::new(),
        }
    );
    let there: Vec<_> = classes.into_iter().filter(|(.., ends)| !ends.is_empty()).collect();
    let places = places(from, last, TABLE_ROWS + 1);
    let mut places: Vec<i64> = places.into_iter().skip(1).collect();
    places.dedup();
    let row = |place: &i64| {
        let after = std::iter::once(duration((place - from).unsigned_abs()));
        let counts = there.iter().map(|(.., ends)| grouped(ends.partition_point(|at| at <= place) as u64));
        let refused = grouped(throttled.partition_point(|at| at <= place) as u64);
        after.chain(counts).chain([refused]).collect()
    };
    chart.table = ChartTable {
        head: std::iter::once("after")
            .chain(there.iter().map(|(_, name, _)| *name))
            .chain(["429s"])
            .map(str::to_owned)
            .collect(),
        rows: places.iter().map(row).collect(),
    };
    Some(chart)
}

/// How full the fullest window of an account was, against what was allowed.
fn limit_chart(timeline: &Timeline, index: usize, account: &Account, from: i64, last: i64) -> Option<Chart> {
    let times = timeline.accounts.get(index).filter(|times| !times.requests.is_empty())?;
    let share = |window: &&Window| {
        let most = fullest(&times.requests, micros(window.length));
        // In millionths: a share is no total order as a float.
        (most * 1_000_000 / u64::from(window.count.max(1)), u64::MAX - micros(window.length).unsigned_abs())
    };
    let window = account.windows.iter().max_by_key(share)?;
    let length = micros(window.length);
    let most = fullest(&times.requests, length);
    let steps = limits_over_time(&timeline.changes, index, account, length, from);
    let highest = steps.iter().map(|(_, allowed)| *allowed).max().unwrap_or(0).max(most);
    let mut chart = Chart {
        id: format!("limit-{index}"),
        title: format!("Requests against the limit: {}", Shown::new(&account.name)),
        description: format!(
            "The most requests in any {} until then; {} are allowed. At most there were {}.",
            duration(length.unsigned_abs()),
            grouped(u64::from(window.count)),
            grouped(most)
        ),
        height: HEIGHT,
        legend: vec![("sent", "requests"), ("allowed", "allowed")],
        ..Chart::default()
    };
    let frame = ChartFrame::new(from, last, highest, HEIGHT);
    let along = places(from, last, POINTS);
    let used = peaks(&times.requests, length, &along);
    // The first stretch begins before its first place, so that what was sent at once is in it.
    let first = times.requests.partition_point(|at| *at <= from) as u64;
    let values = std::iter::once(first.max(used.first().copied().unwrap_or(0))).chain(used);
    frame.axes(&mut chart);
    frame.steps(&mut chart, "sent", &along.iter().copied().zip(values).collect::<Vec<_>>());
    frame.steps(&mut chart, "allowed", &steps);
    frame.strokes(&mut chart, "throttled", &times.throttled);
    if !times.throttled.is_empty() {
        chart.legend.push(("throttled", "429: too many requests"));
    }
    let coarse = places(from, last, TABLE_ROWS + 1);
    let rows = coarse.windows(2).zip(peaks(&times.requests, length, &coarse)).map(|(pair, most)| {
        let allowed = steps.iter().rev().find(|(at, _)| *at <= pair[1]).map_or(0, |(_, allowed)| *allowed);
        vec![duration((pair[1] - from).unsigned_abs()), grouped(most), grouped(allowed)]
    });
    chart.table =
        ChartTable { head: ["until", "most requests", "allowed"].map(str::to_owned).to_vec(), rows: rows.collect() };
    Some(chart)
}

/// What an account was allowed to send in any stretch of a length, from when on.
fn limits_over_time(changes: &[Change], index: usize, account: &Account, length: i64, from: i64) -> Vec<(i64, u64)> {
    let parsed = |texts: &[String]| texts.iter().filter_map(|text| Window::parse(text).ok()).collect::<Vec<_>>();
    let (mut set, mut learnt) = (account.windows.clone(), Vec::new());
    let mut steps = vec![(from, allowed_in(&set, length))];
    for change in changes.iter().filter(|change| change.account == Some(index)) {
        match &change.what {
            ChangeKind::Limited(windows) => set = parsed(windows),
            ChangeKind::Learnt(windows) => learnt = parsed(windows),
            ChangeKind::Paused | ChangeKind::WentOn | ChangeKind::Verifying | ChangeKind::Settling => continue,
        }
        let now: Vec<Window> = set.iter().chain(&learnt).copied().collect();
        steps.push((change.at.as_microsecond(), allowed_in(&now, length)));
    }
    steps
}

/// The most that these windows allow in any stretch of this length, each by itself.
fn allowed_in(windows: &[Window], length: i64) -> u64 {
    let of = |window: &Window| {
        let times = (length as u64).div_ceil((micros(window.length) as u64).max(1));
        u64::from(window.count) * times.max(1)
    };
    windows.iter().map(of).min().unwrap_or(0)
}

fn outcome_chart(figures: &RowFigures) -> Chart {
    let mut chart = Chart { id: "outcomes".into(), title: "Outcomes by provider".into(), ..Chart::default() };
    let of_class = |counts: &BTreeMap<Outcome, u64>, class: &str| {
        counts.iter().filter(|(outcome, _)| class_of(**outcome) == class).map(|(_, count)| count).sum::<u64>()
    };
    let bars = figures.by_provider.iter().map(|(name, counts)| {
        let all: u64 = counts.values().sum();
        let parts = CLASSES.map(|(class, _)| (class, of_class(counts, class)));
        (format!("{}: {}", Shown::new(name), grouped(all)), parts.to_vec())
    });
    divided_bars(&mut chart, &bars.collect::<Vec<_>>());
    chart.legend = CLASSES
        .into_iter()
        .filter(|(class, _)| figures.by_provider.values().any(|counts| of_class(counts, class) > 0))
        .collect();
    let there: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|outcome| figures.outcomes.contains_key(outcome)).collect();
    let row = |(name, counts): (&String, &BTreeMap<Outcome, u64>)| {
        let cells = there.iter().map(|outcome| grouped(counts.get(outcome).copied().unwrap_or(0)));
        std::iter::once(Shown::new(name).to_string()).chain(cells).collect()
    };
    chart.description = "Each bar is a provider; its length is the number of its actions.".to_owned();
    chart.table = ChartTable {
        head: std::iter::once("provider")
            .chain(there.iter().map(|outcome| outcome.as_str()))
            .map(str::to_owned)
            .collect(),
        rows: figures.by_provider.iter().map(row).collect(),
    };
    chart
}

fn latency_chart(source: &PageSource<'_>, timeline: &Timeline) -> Option<Chart> {
    let mut all: Vec<u64> = timeline.accounts.iter().flat_map(|account| account.latencies.iter().copied()).collect();
    all.sort_unstable();
    let spread_of_all = spread(&all)?;
    let mut chart = Chart {
        id: "latency".into(),
        title: "Latency".into(),
        description: format!(
            "From the decision to send to the answer, of {}: half within {}, 95 of 100 within {}, 99 within {}, the slowest {}.",
            plural(spread_of_all.count, "answered request"),
            duration(spread_of_all.p50),
            duration(spread_of_all.p95),
            duration(spread_of_all.p99),
            duration(spread_of_all.max)
        ),
        height: HEIGHT_OF_BARS,
        ..Chart::default()
    };
    histogram_chart(&mut chart, &histogram(&all));
    let named = source.facts.settings.accounts.iter().zip(&timeline.accounts);
    let rows = named.filter_map(|(account, times)| {
        let spread = spread(&times.latencies)?;
        let numbers = [spread.p50, spread.p95, spread.p99, spread.max].map(duration);
        Some([Shown::new(&account.name).to_string(), grouped(spread.count)].into_iter().chain(numbers).collect())
    });
    chart.table = ChartTable {
        head: ["provider", "answers", "p50", "p95", "p99", "max"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    };
    Some(chart)
}

fn attempts_chart(figures: &RowFigures) -> Option<Chart> {
    // Where each took one attempt, a picture of it says nothing.
    figures.attempts.keys().find(|attempts| **attempts > 1)?;
    let bars: Vec<_> = figures
        .attempts
        .iter()
        .take(12)
        .map(|(attempts, actions)| {
            (
                format!("{}: {}", plural(u64::from(*attempts), "attempt"), plural(*actions, "action")),
                vec![("bar", *actions)],
            )
        })
        .collect();
    let mut chart = Chart {
        id: "attempts".into(),
        title: "Attempts per action".into(),
        description: "How often the requests of an action were sent.".into(),
        ..Chart::default()
    };
    divided_bars(&mut chart, &bars);
    chart.table = ChartTable {
        head: ["attempts", "actions"].map(str::to_owned).to_vec(),
        rows: figures
            .attempts
            .iter()
            .map(|(attempts, actions)| vec![attempts.to_string(), grouped(*actions)])
            .collect(),
    };
    Some(chart)
}

fn revoke_chart(figures: &RowFigures) -> Option<Chart> {
    let micros: Vec<u64> = figures.times_to_revoke.iter().map(|millis| millis.saturating_mul(1_000)).collect();
    let spread = spread(&micros)?;
    let mut chart = Chart {
        id: "revoked".into(),
        title: "Time to revoke".into(),
        description: format!(
            "From the end of an action until it was seen revoked, of {}: half within {}, 95 of 100 within {}, the slowest {}.",
            plural(spread.count, "certificate"),
            duration(spread.p50),
            duration(spread.p95),
            duration(spread.max)
        ),
        height: HEIGHT_OF_BARS,
        ..Chart::default()
    };
    histogram_chart(&mut chart, &histogram(&micros));
    Some(chart)
}

impl ChartFrame {
    /// From one instant to another, in microseconds, and from 0 to a round number at or above `most`.
    fn new(from: i64, to: i64, most: u64, height: u32) -> Self {
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
    fn axes(&self, chart: &mut Chart) {
        self.values(chart, 4);
        for (at, text) in self.times() {
            chart.labels.push(label("middle", self.x(at), self.height - 4.0, text));
        }
    }

    /// The lines and numbers of the upright axis: about so many.
    fn values(&self, chart: &mut Chart, about: u64) {
        for value in ticks(self.most, about).into_iter().filter(|value| *value <= self.most) {
            let y = self.y(value);
            chart.paths.push(SvgPath { class: "grid", shape: format!("M{LEFT} {y:.1}H{:.1}", WIDTH - RIGHT) });
            chart.labels.push(label("end", LEFT - 6.0, y + 4.0, grouped(value)));
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
    fn stacked(&self, chart: &mut Chart, classes: &[(&'static str, Vec<i64>)]) {
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
    fn steps(&self, chart: &mut Chart, class: &'static str, steps: &[(i64, u64)]) {
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
    fn stretch(&self, chart: &mut Chart, class: &'static str, from: i64, to: i64) {
        let (left, right) = (self.x(from), self.x(to));
        chart.boxes.push(rectangle(class, left, TOP, (right - left).max(1.0), self.floor() - TOP));
    }

    /// A moment over the whole height, with its name above.
    fn moment(&self, chart: &mut Chart, class: &'static str, at: i64, name: &str) {
        let x = self.x(at);
        chart.paths.push(SvgPath { class, shape: format!("M{x:.1} {TOP}V{:.1}", self.floor()) });
        if !name.is_empty() {
            let (anchor, x) = if x > WIDTH * 0.8 { ("end", x - 3.0) } else { ("start", x + 3.0) };
            chart.labels.push(label(anchor, x, TOP + 10.0, name.to_owned()));
        }
    }

    /// Short strokes on the floor: moments of which there may be many.
    fn strokes(&self, chart: &mut Chart, class: &'static str, moments: &[i64]) {
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
fn histogram_chart(chart: &mut Chart, bins: &[Bin]) {
    let height = f64::from(chart.height);
    let most = ticks(bins.iter().map(|bin| bin.count).max().unwrap_or(0), 3).last().copied().unwrap_or(1);
    let frame = ChartFrame { from: 0, to: 1, most, height };
    frame.values(chart, 3);
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
fn divided_bars(chart: &mut Chart, rows: &[(String, Vec<(&'static str, u64)>)]) {
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

fn rectangle(class: &'static str, x: f64, y: f64, width: f64, height: f64) -> SvgRect {
    let text = |number: f64| format!("{number:.1}");
    SvgRect { class, x: text(x), y: text(y), width: text(width), height: text(height) }
}

fn label(anchor: &'static str, x: f64, y: f64, text: String) -> SvgText {
    SvgText { anchor, x: format!("{x:.1}"), y: format!("{y:.1}"), text }
}

/// Sorted values by bounds that grow by about a quarter (10, 12, 15, 20, …), from the first bar that holds any to the last.
fn histogram(sorted: &[u64]) -> Vec<Bin> {
    let (Some(_), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let mut bins = Vec::new();
    let (mut from, mut rest) = (0, sorted);
    for to in in_each_ten(&BOUNDS) {
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

/// For each of the stretches between neighbouring places: the most of the moments in any stretch of this length that ends there.
fn peaks(moments: &[i64], length: i64, places: &[i64]) -> Vec<u64> {
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
fn places(from: i64, to: i64, count: usize) -> Vec<i64> {
    let count = count.max(2) as i64;
    let length = i128::from(to.max(from) - from);
    (0..count).map(|index| from + (length * i128::from(index) / i128::from(count - 1)) as i64).collect()
}

/// Round numbers for an axis from 0 to this: about so many of 1, 2, 5, 10, …, the last at or above it.
fn ticks(most: u64, about: u64) -> Vec<u64> {
    let wanted = most.div_ceil(about.max(1)).max(1);
    let step = in_each_ten(&[1, 2, 5]).find(|step| *step >= wanted).unwrap_or(u64::MAX);
    (0..=most.max(1).div_ceil(step)).map(|index| index.saturating_mul(step)).collect()
}

/// 1, 2 and 5 are 1, 2, 5, 10, 20, 50, … as far as numbers go.
fn in_each_ten(numbers: &[u64]) -> impl Iterator<Item = u64> {
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10));
    tens.flat_map(move |ten| numbers.iter().filter_map(move |number| ten.checked_mul(*number)))
}

/// The classes of outcomes, from the bottom of a pile to its top.
const CLASSES: [(&str, &str); 5] = [
    ("well", "done"),
    ("waits", "accepted, waiting"),
    ("doubt", "in doubt"),
    ("bad", "rejected or failed"),
    ("left", "not sent"),
];
/// Accounts whose limits have a picture.
const MAX_LIMIT_CHARTS: usize = 12;
const TABLE_ROWS: usize = 10;
const HEIGHT: u32 = 200;
const HEIGHT_OF_BARS: u32 = 140;
/// The picture's size and margins; the template has the same width.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// Places at which lines are drawn.
const POINTS: usize = 240;
/// Distances of times on an axis, in seconds.
const STEPS: [i64; 18] =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800];
/// The bounds of a histogram's bars in each power of ten.
const BOUNDS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_allows_what_every_window_allows() {
        let window = |count, seconds| Window { count, length: Duration::from_secs(seconds) };
        for (windows, seconds, expected) in [
            (vec![window(100, 5)], 5, 100),
            (vec![window(100, 5), window(1000, 180)], 5, 100),
            (vec![window(100, 5), window(1000, 180)], 180, 1000),
            (vec![window(100, 5), window(52, 10)], 5, 52),
            (vec![window(3, 2)], 5, 9),
            (vec![], 5, 0),
        ] {
            assert_eq!(allowed_in(&windows, seconds * 1_000_000), expected, "{windows:?}");
        }
    }

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
