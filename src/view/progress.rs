//! What a run shows on standard error while it goes on: bars on a terminal, plain lines elsewhere, nothing with `-q`; and how far the reading
//! of a long plan is, or a search, and what that came to. Observers receive every event in order; they decide nothing and cannot fail.

use super::bars::{account_line, account_text, total_line};
use super::printer::Printer;
use super::tally::{RunDeadline, Tally};
use super::terminal::{Paint, StyledLine, grouped, plural, sign, width};
use crate::find::Looked;
use crate::find::found::LeftOut;
use crate::run::{DoubtMessage, Event, StopReason, WaitReason};
use crate::text::safe;
use crate::time::{Clock, human};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Shows a run while it is carried out. Receives every event in order, and must neither block nor fail.
pub trait Observer: Send {
    /// Shows what this event changes.
    fn event(&mut self, event: &Event);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

/// Shows that a plan is being read.
#[derive(Debug)]
pub struct ReadingProgress(WorkLine);

/// The line of a search that goes on. What there is to look through is not known before its end, so it counts.
pub struct SearchProgress(WorkLine);

/// The line of a verification, or of a preview that asks: limits let either take minutes.
pub struct AskingProgress(WorkLine);

/// Shows a run as lines.
#[derive(Debug)]
struct ProgressLines<C> {
    lines: EventLines<C>,
    tally: Tally,
    /// The time, the twentieth of the whole, and the words of the newest progress line.
    last: (Duration, u64, String),
}

/// Shows a run as bars, and a line for the whole.
#[derive(Debug)]
struct Progress<C> {
    lines: EventLines<C>,
    tally: Tally,
    /// When the bars were drawn last.
    drawn: Option<Duration>,
    /// The width of the terminal then, and of the widest text behind a bar since: bars that change their lengths all the time flicker.
    widths: (usize, usize),
}

/// Writes lines with the time of day before them.
#[derive(Debug)]
struct EventLines<C> {
    printer: Printer,
    clock: C,
    zone: TimeZone,
    is_zone_said: bool,
}

/// One line about work of which nobody knows how much there is, replaced now and then.
#[derive(Debug)]
struct WorkLine {
    /// `None` where nothing is to be shown.
    printer: Option<Printer>,
    began: Duration,
    drawn: Duration,
    /// How often it was asked to tell.
    asked: u64,
    /// The time is asked for once in so many times: each look at the clock is a system call at worst.
    look_every: u64,
}

/// The observer that fits a printer: bars on a terminal, lines elsewhere, nothing with `-q`. Lines tell the time of this clock in this zone.
pub fn fitting<C>(printer: &Printer, deadline: Option<RunDeadline>, clock: C, zone: TimeZone) -> Box<dyn Observer>
where
    C: Clock + Send + 'static,
{
    let lines = EventLines { printer: printer.clone(), clock, zone, is_zone_said: false };
    if printer.options().quiet {
        Box::new(Silent)
    } else if printer.shows_bars() {
        Box::new(Progress::new(lines, deadline))
    } else {
        Box::new(ProgressLines::new(lines, deadline))
    }
}

/// What a search came to.
pub fn summary(found: u64, looked: &Looked, left_out: &LeftOut) -> String {
    let rows = if looked.rows > 0 { format!(" and {} of lists", plural(looked.rows, "row")) } else { String::new() };
    let others = match looked.others {
        0 => String::new(),
        1 => " (1 file has none)".to_owned(),
        others => format!(" ({} files have none)", grouped(others)),
    };
    let specials = if looked.specials > 0 {
        format!("; sockets, pipes and devices passed over: {}", grouped(looked.specials))
    } else {
        String::new()
    };
    let text = format!(
        "found {}; looked at {} with {}{others}{rows}{specials}",
        plural(found, "certificate"),
        plural(looked.files, "file"),
        plural(looked.certificates, "certificate"),
    );
    let counts = [
        (left_out.expired, "expired"),
        (left_out.revoked, "revoked"),
        (left_out.cas, "of CAs"),
        (left_out.not_issued, "not issued"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    if counts.is_empty() { text } else { format!("{text}\nleft out: {} (`--all` takes them)", counts.join(", ")) }
}

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

impl<C: Clock> ProgressLines<C> {
    fn new(lines: EventLines<C>, deadline: Option<RunDeadline>) -> Self {
        let tally = Tally::new(deadline);
        Self { lines, tally, last: (Duration::ZERO, 0, String::new()) }
    }

    fn twentieth(&self) -> u64 {
        (self.tally.done() * PARTS_WITH_A_LINE).checked_div(self.tally.total()).unwrap_or(0)
    }

    /// Every 5 %, and every half minute in which something has changed.
    fn progress_line(&mut self) {
        let (done, total) = (self.tally.done(), self.tally.total());
        let counts = format!("{} of {} done: {}", grouped(done), grouped(total), self.tally.outcomes_text());
        let wall = self.lines.clock.now();
        if counts != self.last.2 {
            let left = self.tally.left().filter(|left| !left.is_zero());
            let left = left.map(|left| format!("; {} left", human(left))).unwrap_or_default();
            let bounds = self.tally.bounds_text(wall).map(|text| format!("; {text}")).unwrap_or_default();
            let line = StyledLine::plain(&format!("{counts}{left}{bounds}"));
            let deadline = self.tally.deadline_text().map(|text| format!("; {text}")).unwrap_or_default();
            let paint =
                if self.tally.slack().is_some_and(|slack| slack.is_negative()) { Paint::Bad } else { Paint::Plain };
            self.lines.write(line.with(paint, &deadline));
        }
        self.last = (self.tally.now, self.twentieth(), counts);
    }
}

impl<C: Clock + Send> Observer for ProgressLines<C> {
    fn event(&mut self, event: &Event) {
        self.tally.event(event);
        let wall = self.lines.clock.now();
        if let Some(line) = event_line(event, wall).filter(|_| self.tally.is_news(event)) {
            self.lines.write(line);
        } else if self.lines.printer.options().verbose > 0
            && let Some(line) = detail_line(event, wall)
        {
            self.lines.write(line);
        }
        match event {
            Event::ActionEnded { .. } if self.twentieth() > self.last.1 && self.tally.done() < self.tally.total() => {
                self.progress_line();
            }
            Event::Tick(now)
                if now.saturating_sub(self.last.0) >= LINE_AT_LEAST_EVERY && self.tally.done() < self.tally.total() =>
            {
                self.progress_line();
            }
            Event::RunEnded if self.tally.total() == 0 => {}
            Event::RunEnded => {
                let (done, total) = (grouped(self.tally.done()), plural(self.tally.total(), "action"));
                let (time, outcomes) = (human(self.tally.now), self.tally.outcomes_text());
                self.lines.write(StyledLine::plain(&format!("ended: {done} of {total} in {time}: {outcomes}")));
                write_advice(&mut self.lines, &self.tally);
            }
            _ => {}
        }
    }
}

impl<C: Clock> Progress<C> {
    fn new(lines: EventLines<C>, deadline: Option<RunDeadline>) -> Self {
        let tally = Tally::new(deadline);
        Self { lines, tally, drawn: None, widths: (0, 0) }
    }

    /// Draws the bars as things stand, if it is time.
    fn draw(&mut self, at_once: bool) {
        let now = self.lines.clock.elapsed();
        if !at_once && self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < DRAWN_EVERY) {
            return;
        }
        self.drawn = Some(now);
        let (columns, rows) = self.lines.printer.size();
        let lines = self.layout(columns, rows, self.lines.clock.now());
        self.lines.printer.show_below(lines);
    }

    /// One line for each account of the tally, in its order, and one for the whole run.
    fn layout(&mut self, columns: usize, rows: usize, wall: Timestamp) -> Vec<StyledLine> {
        // A line that fills the last column would wrap on some terminals.
        let columns = columns.saturating_sub(1);
        let accounts: Vec<_> = self.tally.accounts.iter().map(|account| account.figures(wall)).collect();
        let names = accounts.iter().map(|account| width(&account.name)).max().unwrap_or(0);
        let texts =
            accounts.iter().map(|account| account_text(account, columns.saturating_sub(names + 1)).cells()).max();
        let before = if self.widths.0 == columns { self.widths.1 } else { 0 };
        self.widths = (columns, before.max(texts.unwrap_or(0)));
        let lines = accounts.iter().map(|account| account_line(account, columns, names, self.widths.1));
        // More lines than the terminal has could not be drawn over.
        let most = rows.saturating_sub(3).max(1);
        let mut lines: Vec<StyledLine> = lines.collect();
        if lines.len() > most {
            let hidden = lines.len() - most + 1;
            lines.truncate(most - 1);
            lines.push(StyledLine::plain(&format!("… and {hidden} more providers")).cut(columns));
        }
        lines.push(total_line(&self.tally.figures(wall), columns));
        lines
    }
}

impl<C: Clock + Send> Observer for Progress<C> {
    fn event(&mut self, event: &Event) {
        self.tally.event(event);
        // No line about the beginning: the bars themselves show it.
        if let Some(line) =
            event_line(event, self.lines.clock.now()).filter(|_| !matches!(event, Event::RunBegan { .. }))
            && self.tally.is_news(event)
        {
            self.lines.write(line);
        }
        match event {
            // The summary follows, with all of this in it.
            Event::RunEnded => {
                self.lines.printer.show_below(Vec::new());
                write_advice(&mut self.lines, &self.tally);
            }
            Event::AttemptFailed { .. } => {}
            Event::RunBegan { .. } | Event::Paused { .. } | Event::Unpaused | Event::Answered => self.draw(true),
            _ => self.draw(false),
        }
    }
}

impl<C> Drop for Progress<C> {
    fn drop(&mut self) {
        // Where the run failed, no end of it was told.
        self.lines.printer.show_below(Vec::new());
    }
}

impl<C: Clock> EventLines<C> {
    fn write(&mut self, line: StyledLine) {
        let line = self.stamped(line);
        // Above bars a line takes a few rows at most; elsewhere it stands in a log, and the report has all of it.
        let most = self.printer.size().0.max(MIN_LINE) * MOST_ROWS;
        let line = if self.printer.shows_bars() { line.cut(most) } else { line };
        self.printer.note(&line.text(self.printer.stderr_colors()));
    }

    fn stamped(&mut self, line: StyledLine) -> StyledLine {
        let now = self.clock.now().to_zoned(self.zone.clone());
        let format = match (std::mem::replace(&mut self.is_zone_said, true), now.offset().is_zero()) {
            (true, _) => "%H:%M:%S ",
            (false, true) => "%H:%M:%S UTC ",
            (false, false) => "%H:%M:%S UTC%:z ",
        };
        StyledLine::plain(&now.strftime(format).to_string()).and(line)
    }
}

impl ReadingProgress {
    /// Begins at this time of a steady clock.
    pub fn begin(printer: &Printer, now: Duration) -> Self {
        Self(WorkLine::begin(printer, READ_ASKED_EVERY, now))
    }

    /// One action more; now and then the time is asked for.
    pub fn action(&mut self, now: impl FnOnce() -> Duration) {
        self.0.tell(now, reading_message);
    }

    /// Takes the line away.
    pub fn end(self) {
        self.0.clear();
    }
}

impl SearchProgress {
    /// Begins at this time of a steady clock.
    pub fn begin(printer: &Printer, now: Duration) -> Self {
        Self(WorkLine::begin(printer, SEARCH_ASKED_EVERY, now))
    }

    /// So many files and rows were looked at; now and then the time is asked for.
    pub fn looked(&mut self, count: u64, now: impl FnOnce() -> Duration) {
        self.0.tell(now, |_, elapsed| {
            let pace = count as f64 / elapsed.as_secs_f64();
            format!("looking: {} files and rows, {}/s", grouped(count), grouped(pace as u64))
        });
    }

    /// Takes the line away.
    pub fn end(self) {
        self.0.clear();
    }
}

impl AskingProgress {
    /// Begins at this time of a steady clock.
    pub fn begin(printer: &Printer, now: Duration) -> Self {
        Self(WorkLine::begin(printer, 1, now))
    }

    /// So many were asked about, and this is what is seen by now: words that are made only where they are shown.
    pub fn answered(&mut self, count: u64, seen: impl FnOnce() -> String, now: impl FnOnce() -> Duration) {
        self.0.tell(now, |_, elapsed| {
            let pace = count as f64 / elapsed.as_secs_f64();
            format!("asking: {}, {pace:.1}/s; {}", plural(count, "answer"), seen())
        });
    }

    /// Takes the line away.
    pub fn end(&self) {
        self.0.clear();
    }
}

impl WorkLine {
    fn begin(printer: &Printer, look_every: u64, now: Duration) -> Self {
        let printer = printer.shows_bars().then(|| printer.clone());
        Self { printer, began: now, drawn: now, asked: 0, look_every }
    }

    /// There is more to tell: the text is made of how often it was asked, and of the time since the beginning.
    fn tell(&mut self, now: impl FnOnce() -> Duration, text: impl FnOnce(u64, Duration) -> String) {
        self.asked += 1;
        let Some(printer) = self.printer.as_ref().filter(|_| self.asked.is_multiple_of(self.look_every)) else {
            return;
        };
        let now = now();
        let elapsed = now.saturating_sub(self.began);
        if elapsed >= SHOWN_AFTER && now.saturating_sub(self.drawn) >= DRAWN_EVERY {
            self.drawn = now;
            printer.show_below(vec![StyledLine::plain(&text(self.asked, elapsed))]);
        }
    }

    /// Takes the line away.
    fn clear(&self) {
        if let Some(printer) = &self.printer {
            printer.show_below(Vec::new());
        }
    }
}

fn write_advice<C: Clock>(lines: &mut EventLines<C>, tally: &Tally) {
    for advice in tally.advice_lines() {
        lines.write(StyledLine::default().with(Paint::Open, &format!("? {advice}")));
    }
}

/// The line that an event is worth on any display; `None` where it only moves counts.
fn event_line(event: &Event, wall: Timestamp) -> Option<StyledLine> {
    let plain = |text: String| Some(StyledLine::plain(&text));
    let open = |text: String| Some(StyledLine::default().with(Paint::Open, &text));
    let bad = |text: String| Some(StyledLine::default().with(Paint::Bad, &text));
    match event {
        // Nothing was left to do.
        Event::RunBegan { accounts } if accounts.iter().all(|(_, total)| *total == 0) => None,
        Event::RunBegan { accounts } => {
            let parts: Vec<String> =
                accounts.iter().map(|(name, total)| format!("{} {}", safe::terminal(name), grouped(*total))).collect();
            let total = accounts.iter().map(|(_, total)| total).sum();
            plain(format!("to do: {} ({})", plural(total, "action"), parts.join(", ")))
        }
        Event::ActionEnded { .. } => ending_line(event),
        Event::HeldBack { account, until, why } => {
            let wait = human(until.duration_since(wall).unsigned_abs());
            let (account, why) = (safe::terminal(account), safe::terminal(why));
            open(format!("{account} is paused for {wait}: {why}"))
        }
        Event::AccountStopped { account, why } => {
            bad(format!("✗ {} is stopped: {}", safe::terminal(account), safe::terminal(why)))
        }
        Event::Bounded { account, by: by @ (WaitReason::Closed { .. } | WaitReason::Unreachable { .. }) } => {
            open(format!("{} waits: {}", safe::terminal(account), by.describe(wall)))
        }
        Event::Paused { by, .. } => {
            let by = by.as_ref().map(|by| format!(" by {}", safe::terminal(by))).unwrap_or_default();
            open(format!("paused{by}: nothing new is sent; `certsweep unpause` goes on"))
        }
        Event::Unpaused => plain("going on".to_owned()),
        Event::Limited { account, windows } => {
            plain(format!("limits  {}: {} from now on", safe::terminal(account), windows.join(", ")))
        }
        Event::Note(words) => plain(safe::terminal(words).into_owned()),
        Event::Warning(words) => open(format!("warning: {}", safe::terminal(words))),
        Event::Stopping(reason @ StopReason::Signal(_)) => open(format!(
            "stopping: {}; certsweep waits for the requests in flight. Once more quits at once; `resume` works either way",
            reason.words()
        )),
        Event::Stopping(reason) => {
            bad(format!("stopping: {}; certsweep waits for the requests in flight", safe::terminal(&reason.words())))
        }
        Event::ActionReopened { .. }
        | Event::AttemptFailed { .. }
        | Event::Bounded { .. }
        | Event::Asking(_)
        | Event::Answered
        | Event::CertificateIssued { .. }
        | Event::WaveBegan { .. }
        | Event::Requested { .. }
        | Event::Tick(_)
        | Event::RunEnded => None,
    }
}

/// The line of an event with `-v`.
fn detail_line(event: &Event, wall: Timestamp) -> Option<StyledLine> {
    let text = match event {
        Event::ActionEnded { account, id, outcome, .. } => {
            format!("{} {} ({}) {outcome}", sign(*outcome), safe::terminal(id), safe::terminal(account))
        }
        Event::ActionReopened { account, id, outcome, .. } => {
            format!("{} ({}) is taken up again: it had ended {outcome}", safe::terminal(id), safe::terminal(account))
        }
        Event::Bounded { account, by } => format!("{}: {}", safe::terminal(account), by.describe(wall)),
        Event::AttemptFailed { ordinal, account, attempt, why, .. } => format!(
            "attempt {attempt} of action {} ({}) failed: {}",
            grouped(ordinal.saturating_add(1)),
            safe::terminal(account),
            safe::terminal(why)
        ),
        _ => return None,
    };
    Some(StyledLine::plain(&text))
}

/// The line of an action that did not end well; `None` for one that did. What a person can do about it is said once, at the end.
fn ending_line(event: &Event) -> Option<StyledLine> {
    let Event::ActionEnded { account, id, outcome, message, .. } = event else { return None };
    if outcome.is_well() {
        return None;
    }
    let what = DoubtMessage::read(message).map_or(message.as_str(), |doubt| doubt.cause);
    let separator = if what.is_empty() { "" } else { ": " };
    let (id, account) = (safe::terminal(id), safe::terminal(account));
    let head =
        StyledLine::default().with(Paint::of(*outcome), &format!("{} {id} ({account}) {outcome}", sign(*outcome)));
    Some(head.and(StyledLine::plain(&format!("{separator}{what}")).cut(MAX_MESSAGE)))
}

fn reading_message(actions: u64, elapsed: Duration) -> String {
    let pace = actions as f64 / elapsed.as_secs_f64();
    format!("reading the plan: {} actions, {}/s", grouped(actions), grouped(pace as u64))
}

/// Cells of an event line's message; the report has it whole.
const MAX_MESSAGE: usize = 160;
/// A line above bars is not cut shorter, however narrow the terminal is.
const MIN_LINE: usize = 60;
/// Rows of the terminal that a line above bars takes: what is cut off is most often the reason.
const MOST_ROWS: usize = 3;
/// A progress line for each such part of the whole: every 5 %.
const PARTS_WITH_A_LINE: u64 = 20;
/// A progress line at least this often, where something has changed.
const LINE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// The bars are drawn at most so often: more is flicker, and work for who watches over a slow line.
const DRAWN_EVERY: Duration = Duration::from_millis(250);
/// Shorter work shows nothing: a line that appears for a moment only distracts.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
/// The clock is asked once in so many actions: a plan is read at hundreds of thousands of them a second.
const READ_ASKED_EVERY: u64 = 1024;
/// And once in so many files and rows of a search.
const SEARCH_ASKED_EVERY: u64 = 256;

#[cfg(test)]
mod tests {
    use super::super::bars::testing::rows;
    use super::super::printer::testing::{SharedBuffer, printer};
    use super::super::printer::{PrinterOptions, Surroundings};
    use super::super::tally::testing::{began, ended, held};
    use super::*;
    use crate::run::{Outcome, WaveQuestion};
    use jiff::SignedDuration;
    use std::sync::{Arc, Mutex};

    /// A clock that tests turn.
    #[derive(Debug, Clone, Default)]
    struct Hands(Arc<Mutex<Duration>>);

    impl Hands {
        fn turn(&self, to: Duration) {
            *self.0.lock().unwrap() = to;
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_700_000_000 - 30).unwrap() + SignedDuration::try_from(self.elapsed()).unwrap()
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn boot(&self) -> Option<String> {
            None
        }
    }

    const TERMINAL: Surroundings = Surroundings {
        stdin_terminal: true,
        stdout_terminal: true,
        stderr_terminal: true,
        no_color: true,
        force_color: false,
        dumb: false,
    };

    fn observer(options: PrinterOptions, surroundings: Surroundings) -> (Box<dyn Observer>, Hands, SharedBuffer) {
        let (printer, _, err) = printer(options, surroundings, "");
        let hands = Hands::default();
        (fitting(&printer, None, hands.clone(), TimeZone::fixed(jiff::tz::offset(9))), hands, err)
    }

    #[test]
    fn without_a_terminal_lines_are_written_unless_quiet() {
        for (quiet, expected) in [(false, "07:12:50 UTC+09:00 to do: 2 actions (a 2)\n"), (true, "")] {
            let (mut observer, _, err) =
                observer(PrinterOptions { quiet, ..PrinterOptions::default() }, Surroundings::default());
            observer.event(&began(&[("a", 2)]));
            assert_eq!(err.text(), expected);
        }
    }

    #[test]
    fn a_run_reads_as_lines() {
        let (mut lines, hands, err) = observer(PrinterOptions::default(), Surroundings::default());
        lines.event(&began(&[("digicert", 4), ("naver", 1)]));
        let tick = |lines: &mut Box<dyn Observer>, seconds| {
            hands.turn(Duration::from_secs(seconds));
            lines.event(&Event::Tick(Duration::from_secs(seconds)));
        };
        tick(&mut lines, 1);
        lines.event(&ended("digicert", "shop", Outcome::Succeeded, ""));
        lines.event(&held("naver"));
        lines.event(&held("naver"));
        tick(&mut lines, 10);
        tick(&mut lines, 32);
        tick(&mut lines, 63);
        lines.event(&ended("naver", "b\u{1b}", Outcome::Rejected, "no such certificate"));
        for id in ["c", "d"] {
            let advice = "it may have taken effect: HTTP 400 after a lost answer; open the order";
            lines.event(&ended("digicert", id, Outcome::InDoubt, advice));
        }
        lines.event(&Event::AccountStopped { account: "digicert".into(), why: "credentials refused".into() });
        lines.event(&Event::Paused { at: hands.now(), by: Some("alice".into()) });
        lines.event(&Event::Warning("the clock differs".into()));
        lines.event(&Event::Stopping(StopReason::Signal(2)));
        lines.event(&Event::RunEnded);
        let expected = "\
07:12:50 UTC+09:00 to do: 5 actions (digicert 4, naver 1)
07:12:51 1 of 5 done: 1 succeeded
07:12:51 naver is paused for 29s: 429
07:13:53 ✗ b\\u{1b} (naver) rejected: no such certificate
07:13:53 2 of 5 done: 1 succeeded, 1 rejected
07:13:53 ? c (digicert) in-doubt: HTTP 400 after a lost answer
07:13:53 3 of 5 done: 1 succeeded, 1 rejected, 1 in-doubt
07:13:53 ? d (digicert) in-doubt: HTTP 400 after a lost answer
07:13:53 4 of 5 done: 1 succeeded, 1 rejected, 2 in-doubt
07:13:53 ✗ digicert is stopped: credentials refused
07:13:53 paused by alice: nothing new is sent; `certsweep unpause` goes on
07:13:53 warning: the clock differs
07:13:53 stopping: interrupted by Ctrl-C (signal 2); certsweep waits for the requests in flight. Once more quits at once; `resume` works either way
07:13:53 ended: 4 of 5 actions in 1m 03s: 1 succeeded, 1 rejected, 2 in-doubt
07:13:53 ? 2 in-doubt at digicert: open the order
";
        assert_eq!(err.text(), expected, "{}", err.text());
    }

    #[test]
    fn who_asks_for_more_hears_of_good_ends_and_failed_attempts() {
        let (mut lines, _, err) =
            observer(PrinterOptions { verbose: 1, ..PrinterOptions::default() }, Surroundings::default());
        lines.event(&began(&[("a", 100)]));
        let why = "HTTP 500 \u{1b}".to_owned();
        lines.event(&Event::AttemptFailed { ordinal: 6, account: "a".into(), id: "x".into(), attempt: 2, why });
        lines.event(&ended("a", "x", Outcome::Succeeded, ""));
        let expected = "\
07:12:50 UTC+09:00 to do: 100 actions (a 100)
07:12:50 attempt 2 of action 7 (a) failed: HTTP 500 \\u{1b}
07:12:50 ✓ x (a) succeeded
";
        assert_eq!(err.text(), expected, "{}", err.text());
    }

    #[test]
    fn a_long_run_of_successes_writes_a_line_every_twentieth() {
        let (mut lines, _, err) = observer(PrinterOptions::default(), Surroundings::default());
        lines.event(&began(&[("a", 10_000)]));
        for _ in 0..10_000 {
            lines.event(&ended("a", "x", Outcome::Succeeded, ""));
        }
        lines.event(&Event::RunEnded);
        assert_eq!(err.text().lines().count(), 1 + 19 + 1, "{}", err.text());
    }

    #[test]
    fn bars_follow_the_events_and_are_drawn_four_times_a_second() {
        let (mut bars, hands, err) = observer(PrinterOptions::default(), TERMINAL);
        bars.event(&began(&[("digicert", 2000), ("네이버", 3)]));
        let drawn = |err: &SharedBuffer| err.text().matches("total").count();
        assert_eq!(drawn(&err), 1);
        for millisecond in 1..=1000 {
            hands.turn(Duration::from_millis(millisecond));
            bars.event(&ended("digicert", "x", Outcome::Succeeded, ""));
        }
        assert_eq!(drawn(&err), 5);
        hands.turn(Duration::from_secs(10));
        bars.event(&Event::Tick(Duration::from_secs(10)));
        bars.event(&held("네이버"));
        hands.turn(Duration::from_secs(11));
        bars.event(&Event::Tick(Duration::from_secs(11)));
        let text = err.text();
        let last = rows(&text, 80).join("\n");
        for expected in [
            "digicert [=",
            "1,000/2,000  90.9/s, 11s left",
            "] 0/3  paused by the provider for 19s (429)",
            "1,000/2,003",
        ] {
            assert!(last.contains(expected), "{last}");
        }
        bars.event(&Event::RunEnded);
        assert!(!rows(&err.text(), 80).concat().contains("total"), "the bars are gone");
    }

    #[test]
    fn a_question_and_a_pause_are_seen_in_the_line_of_the_whole_run() {
        let (printer, _, _) = printer(PrinterOptions::default(), TERMINAL, "");
        let lines = EventLines { printer, clock: Hands::default(), zone: TimeZone::UTC, is_zone_said: false };
        let mut bars = Progress::new(lines, None);
        bars.event(&began(&[("digicert", 2000)]));
        let since = bars.lines.clock.now();
        bars.event(&Event::Asking(WaveQuestion { wave: 2, of: 2, actions: 1980, since }));
        let total = |bars: &mut Progress<Hands>| bars.layout(80, 24, since).last().unwrap().text(false);
        assert_eq!(total(&mut bars), "total  0s  0/2,000  waits for an answer: may wave 2 of 2 go?");
        bars.event(&Event::Answered);
        bars.event(&Event::Paused { at: since, by: Some("alice".into()) });
        assert_eq!(total(&mut bars), "total  0s  0/2,000  paused for 0s by alice");
        bars.event(&Event::Unpaused);
        assert_eq!(total(&mut bars), "total  0s  0/2,000");
    }

    #[test]
    fn more_providers_than_rows_are_counted() {
        let (printer, _, _) = printer(PrinterOptions::default(), TERMINAL, "");
        let lines = EventLines { printer, clock: Hands::default(), zone: TimeZone::UTC, is_zone_said: false };
        let mut bars = Progress::new(lines, None);
        let names: Vec<String> = (0..40).map(|index| format!("ca-{index}")).collect();
        let accounts: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        bars.event(&began(&accounts));
        let lines = bars.layout(80, 24, Timestamp::UNIX_EPOCH);
        assert_eq!((lines.len(), lines[20].text(false).as_str()), (22, "… and 20 more providers"));
    }

    #[test]
    fn a_long_reading_tells_its_pace() {
        let (printer, _, err) = printer(PrinterOptions::default(), TERMINAL, "");
        let mut reading = ReadingProgress::begin(&printer, Duration::from_secs(100));
        for _ in 0..READ_ASKED_EVERY {
            reading.action(|| Duration::from_millis(100_499));
        }
        assert_eq!(err.text(), "");
        for _ in 0..READ_ASKED_EVERY * 999 {
            reading.action(|| Duration::from_secs(104));
        }
        assert!(err.text().contains("reading the plan: 2,048 actions, 512/s"), "{}", err.text());
        reading.end();
        assert_eq!(rows(&err.text(), 80), [""; 0]);
    }

    #[test]
    fn who_asks_for_minutes_says_how_far_that_is() {
        let (printer, _, err) = printer(PrinterOptions::default(), TERMINAL, "");
        let mut asking = AskingProgress::begin(&printer, Duration::from_secs(100));
        asking.answered(1, || "1 of 302 seen revoked".to_owned(), || Duration::from_millis(100_499));
        assert_eq!(err.text(), "");
        asking.answered(120, || "118 of 302 seen revoked".to_owned(), || Duration::from_secs(124));
        assert_eq!(rows(&err.text(), 80), ["asking: 120 answers, 5.0/s; 118 of 302 seen revoked"]);
        asking.end();
        assert_eq!(rows(&err.text(), 80), [""; 0]);
    }

    #[test]
    fn a_search_says_what_it_looked_through_and_what_it_left_out() {
        let looked = Looked { files: 1200, certificates: 900, rows: 3000, others: 7, specials: 0 };
        assert_eq!(
            summary(0, &looked, &LeftOut::default()),
            "found 0 certificates; looked at 1,200 files with 900 certificates (7 files have none) and 3,000 rows of lists"
        );
        let left_out = LeftOut { expired: 2, revoked: 1, ..LeftOut::default() };
        let looked = Looked { files: 1, certificates: 3, ..Looked::default() };
        assert_eq!(
            summary(1, &looked, &left_out),
            "found 1 certificate; looked at 1 file with 3 certificates\nleft out: 2 expired, 1 revoked (`--all` takes them)"
        );
    }
}
