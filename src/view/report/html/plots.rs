//! Which plots a page has, and what each shows: done over time, requests against the limits, outcomes, latency, attempts, time to revoke; each with
//! the table that says the same. Pure; the geometry is `chart`'s.

use super::chart::{Chart, ChartFrame, ChartTable, POINTS, divided_bars, duration, histogram_chart};
use super::figures::{fullest, histogram, micros, peaks, places, spread};
use super::rows::{RowFigures, class_of};
use super::shown::Shown;
use super::source::PageSource;
use super::timeline::{Change, ChangeKind, Timeline};
use crate::plan::Account;
use crate::provider::model::Window;
use crate::run::Outcome;
use crate::view::terminal::{grouped, plural};
use jiff::Timestamp;
use std::collections::BTreeMap;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
}
