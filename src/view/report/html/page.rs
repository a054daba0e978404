//! What a page says, made of a run's facts, its timeline and the fold of its rows: sentences, tables and plots, ready for the template. Pure: it
//! reads no clock, so that the page of a run is the same whenever it is made.

use super::plots::{Chart, ChartTable, charts, duration, fullest, micros, spread};
use super::rows::{Cause, CauseKind, RowFigures, Shown, class_of, symbol_of};
use super::source::{AccountTimes, Change, ChangeKind, PageRun, PageSource};
use crate::plan::{Account, calendar};
use crate::provider::CredentialReference;
use crate::run::{Outcome, Seen};
use crate::text::safe;
use crate::time::{human, rfc3339};
use crate::view::status::{RunState, part_text};
use crate::view::terminal::{grouped, plural};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How things stand, for the colour of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Attention,
    Bad,
}

/// Everything that a page says but for its rows.
#[derive(Debug)]
pub(super) struct PageText {
    pub(super) rehearsal: bool,
    pub(super) plan: Shown,
    pub(super) ticket: Option<Shown>,
    pub(super) tone: &'static str,
    pub(super) verdict: String,
    pub(super) deadline: Option<String>,
    pub(super) notes: Vec<Shown>,
    pub(super) facts: Vec<(&'static str, Shown)>,
    pub(super) began: Option<String>,
    pub(super) ended: Option<String>,
    pub(super) chips: Vec<Chip>,
    pub(super) left_out: u64,
    pub(super) needs: Vec<Need>,
    pub(super) more_needs: Option<String>,
    pub(super) charts: Vec<Chart>,
    pub(super) providers: Vec<ProviderRow>,
    pub(super) verification: Option<ChartTable>,
    pub(super) evidence: Vec<(&'static str, Shown)>,
    pub(super) tables: Vec<EvidenceTable>,
    pub(super) more_trouble: u64,
}

/// A part of the evidence that has many rows.
#[derive(Debug)]
pub(super) struct EvidenceTable {
    pub(super) title: &'static str,
    pub(super) head: &'static [&'static str],
    pub(super) rows: Vec<Vec<Shown>>,
}

/// A count that filters the rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chip {
    pub(super) outcome: &'static str,
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) count: String,
}

/// What somebody has to do.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) class: &'static str,
    pub(super) symbol: &'static str,
    pub(super) actions: String,
    pub(super) what: &'static str,
    pub(super) provider: Shown,
    pub(super) message: Shown,
    pub(super) first: Vec<Shown>,
    pub(super) more: u64,
    pub(super) advice: String,
    pub(super) command: String,
}

/// What one account did.
#[derive(Debug)]
pub(super) struct ProviderRow {
    pub(super) name: Shown,
    pub(super) base_url: Shown,
    pub(super) credentials: Shown,
    pub(super) cells: Vec<String>,
}

impl PageText {
    pub(super) fn new(source: &PageSource<'_>, figures: &RowFigures) -> Self {
        let PageSource { facts, run, timeline, .. } = source;
        let settings = &facts.settings;
        let began = run.began_at;
        let ended = run.finished_at.or_else(|| source.last_moment());
        let deadline = began.and_then(|began| calendar::deadline_at(settings.deadline, &settings.schedule, began));
        let tone = tone(source.state, figures, deadline.zip(run.finished_at));
        let shown = |text: &Option<String>| text.as_deref().map(Shown::new);
        let mut head = vec![("Run", Shown::new(source.run_dir))];
        head.extend(
            facts
                .part
                .map(|part| ("Shard", Shown::new(&format!("{}: {}", part.shard, part_text(facts.actions, part))))),
        );
        head.extend(shown(&facts.origin.operator).map(|text| ("Operator", text)));
        head.extend(shown(&facts.origin.ticket).map(|text| ("Ticket", text)));
        let mut notes: Vec<Shown> =
            source.damage.map(|damage| Shown::new(&format!("This run is damaged: {damage}"))).into_iter().collect();
        if !source.only.is_empty() {
            let only: Vec<&str> = source.only.iter().map(|outcome| outcome.as_str()).collect();
            notes.push(Shown::new(&format!(
                "Only actions that ended so are counted and listed here: {}.",
                only.join(", ")
            )));
        }
        if timeline.is_none() {
            notes.push(Shown::new(
                "The records of this run cannot be read whole, so that there are no plots over time.",
            ));
        }
        notes.extend(figures.other_reasons.iter().map(|(note, actions)| {
            Shown::new(&format!("{} {note}; ask the CA to correct it.", plural(*actions, "revocation")))
        }));
        let needs: Vec<Need> = figures.causes.iter().take(MAX_NEEDS).map(|cause| need(cause, source)).collect();
        let more: u64 = figures.causes.iter().skip(MAX_NEEDS).map(|cause| cause.actions).sum();
        Self {
            rehearsal: facts.simulated,
            plan: Shown::new(&settings.name),
            ticket: shown(&facts.origin.ticket),
            tone: match tone {
                Tone::Good => "good",
                Tone::Attention => "attention",
                Tone::Bad => "bad",
            },
            verdict: verdict(source, figures),
            deadline: deadline.map(|at| deadline_sentence(at, run.finished_at, source.state)),
            notes,
            facts: head,
            began: began.map(rfc3339),
            ended: ended.filter(|_| !held(source.state)).map(rfc3339),
            chips: chips(&figures.outcomes),
            left_out: figures.left_out,
            more_needs: (more > 0).then(|| format!("{} for other causes: see the rows.", plural(more, "more action"))),
            needs,
            charts: charts(source, figures, began, deadline),
            providers: providers(source, figures),
            verification: (!figures.seen.is_empty()).then(|| verification(figures)),
            evidence: evidence(source),
            tables: evidence_tables(source),
            more_trouble: figures.trouble_rows.saturating_sub(figures.trouble.len() as u64),
        }
    }
}

/// The run in one sentence.
fn verdict(source: &PageSource<'_>, figures: &RowFigures) -> String {
    let count = |outcomes: &[Outcome]| outcomes.iter().filter_map(|outcome| figures.outcomes.get(outcome)).sum::<u64>();
    let done = count(&[Outcome::Succeeded, Outcome::AlreadyDone]);
    let wanted = figures.rows - figures.left_out;
    let what = match (figures.rows > 0 && figures.revokes_only, figures.rows > 0 && figures.reissues_only) {
        (true, _) => ("revocation", "done"),
        (_, true) => ("reissue", "done"),
        _ => ("action", "done"),
    };
    let time =
        source.run.began_at.zip(source.run.finished_at.or_else(|| source.last_moment())).map(|(began, ended)| {
            let length = Duration::try_from(ended.duration_since(began)).unwrap_or_default();
            format!(" in {}", human(length))
        });
    let first = format!("{} of {} {}{}", grouped(done), plural(wanted, what.0), what.1, time.unwrap_or_default());
    let skipped = count(&[Outcome::Skipped]) - figures.left_out.min(count(&[Outcome::Skipped]));
    let rest: Vec<String> = [
        (count(&[Outcome::InDoubt]), "in doubt"),
        (count(&[Outcome::Rejected]), "rejected"),
        (count(&[Outcome::Failed]), "failed"),
        (count(&[Outcome::PendingApproval]), "waiting for approval at the CA"),
        (count(&[Outcome::Pending]), "at work at the CA"),
        (skipped, "not sent"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(count)))
    .collect();
    let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join(", ")) };
    let mut sentences = vec![format!("{first}{rest}.")];
    let seen = figures.seen.get(&Seen::Revoked).copied().unwrap_or(0);
    let asked: u64 = figures.seen.values().sum();
    if asked > 0 {
        sentences.push(format!("{} of {} seen revoked.", grouped(seen), grouped(asked)));
    }
    match (source.state, &source.run.stopped) {
        (RunState::Running, _) => sentences.push("The run goes on.".to_owned()),
        (RunState::Paused, _) => sentences.push("The run is paused.".to_owned()),
        (RunState::Waiting, _) => sentences.push("The run waits for an answer.".to_owned()),
        (RunState::Stopped, Some((why, _))) => {
            sentences.push(format!("The run stopped: {}.", Shown::new(why.trim_end_matches('.'))));
        }
        (RunState::Stopped | RunState::Interrupted, _) => sentences.push("The run was interrupted.".to_owned()),
        (RunState::Finished, _) => {}
    }
    sentences.join(" ")
}

/// Whether a process carries the run out, be it that it sends nothing now.
const fn held(state: RunState) -> bool {
    matches!(state, RunState::Running | RunState::Paused | RunState::Waiting)
}

fn tone(state: RunState, figures: &RowFigures, deadline_and_end: Option<(Timestamp, Timestamp)>) -> Tone {
    let any = |kinds: &[CauseKind]| figures.causes.iter().any(|cause| kinds.contains(&cause.kind));
    let late = deadline_and_end.is_some_and(|(deadline, end)| end > deadline);
    if late || any(&[CauseKind::InDoubt, CauseKind::Rejected, CauseKind::Failed]) {
        Tone::Bad
    } else if state != RunState::Finished || !figures.causes.is_empty() {
        Tone::Attention
    } else {
        Tone::Good
    }
}

fn deadline_sentence(at: Timestamp, finished: Option<Timestamp>, state: RunState) -> String {
    let between =
        |from: Timestamp, to: Timestamp| human(Duration::try_from(to.duration_since(from)).unwrap_or_default());
    match finished {
        Some(end) if end <= at => format!("Deadline met with {} to spare.", between(end, at)),
        Some(end) => format!("Deadline MISSED by {}.", between(at, end)),
        None if held(state) => format!("The deadline is {}.", rfc3339(at)),
        None => format!("The deadline is {}; the run has not ended.", rfc3339(at)),
    }
}

fn chips(outcomes: &BTreeMap<Outcome, u64>) -> Vec<Chip> {
    let there = Outcome::ALL.into_iter().filter_map(|outcome| Some((outcome, *outcomes.get(&outcome)?)));
    let chip = |(outcome, count): (Outcome, u64)| Chip {
        outcome: outcome.as_str(),
        class: class_of(outcome),
        symbol: symbol_of(outcome),
        count: grouped(count),
    };
    there.map(chip).collect()
}

fn need(cause: &Cause, source: &PageSource<'_>) -> Need {
    // A name with what reorders or hides letters is shown as what it is: nobody can type it anyway.
    let run = &*safe::terminal(source.run_dir);
    // Of several runs each has its own share of the trouble.
    let each = |command: &dyn Fn(&str) -> String| match source.several.len() {
        0 | 1 => command(run),
        _ => format!("for run in {run}; do {}; done", command("\"$run\"")),
    };
    let resume = |what: &str| each(&|run| format!("certsweep resume {run} --retry {what}"));
    let left_in = if source.several.len() > 1 { "\"$run/left.csv\"" } else { "left.csv" };
    let left = |what: &str| each(&|run| format!("certsweep report {run} --format plan --outcome {what} -o {left_in}"));
    let (outcome, what, advice, command) = match cause.kind {
        CauseKind::InDoubt => (
            Outcome::InDoubt,
            "may have taken effect, and it is not known",
            "Look them up again. What then is still in doubt, look up at the provider by hand.",
            resume("in-doubt"),
        ),
        CauseKind::Rejected => (
            Outcome::Rejected,
            "refused by the provider",
            "The same request would be refused again. Mend the cause, then take up what is left as a plan of its own.",
            left("rejected"),
        ),
        CauseKind::Failed => (Outcome::Failed, "failed without an effect", "Try them again.", resume("failed")),
        CauseKind::NotSeenRevoked => (
            Outcome::InDoubt,
            "accepted, and not seen revoked",
            "Ask again; where it stays so, ask the CA.",
            each(&|run| format!("certsweep verify {run} --wait 24h")),
        ),
        CauseKind::PendingApproval => (
            Outcome::PendingApproval,
            "waiting for a person at the CA",
            "Somebody approves them at the provider; then look them up.",
            resume("pending"),
        ),
        CauseKind::Pending => {
            (Outcome::Pending, "accepted, and the CA is at work", "Look them up later.", resume("pending"))
        }
        CauseKind::Skipped if source.state == RunState::Finished => (
            Outcome::Skipped,
            "never sent",
            "Settle what they wait for, then take them up as a plan of their own.",
            left("skipped"),
        ),
        CauseKind::Skipped => {
            (Outcome::Skipped, "not sent", "Go on with the run.", each(&|run| format!("certsweep resume {run}")))
        }
    };
    Need {
        class: class_of(outcome),
        symbol: symbol_of(outcome),
        actions: plural(cause.actions, "action"),
        what,
        provider: cause.provider.clone(),
        message: cause.message.clone(),
        more: cause.actions - cause.first.len() as u64,
        first: cause.first.clone(),
        advice: advice.to_owned(),
        command,
    }
}

fn providers(source: &PageSource<'_>, figures: &RowFigures) -> Vec<ProviderRow> {
    let accounts = source.facts.settings.accounts.iter().enumerate();
    let row = |(index, account): (usize, &Account)| {
        let actions: u64 = figures.by_provider.get(&account.name).map_or(0, |counts| counts.values().sum());
        let times = source.timeline.and_then(|timeline| timeline.accounts.get(index));
        let number =
            |of: &dyn Fn(&AccountTimes) -> usize| times.map_or_else(String::new, |times| grouped(of(times) as u64));
        let spread = times.and_then(|times| spread(&times.latencies));
        let windows = account.windows.iter().map(|window| {
            let most = times.map_or(0, |times| fullest(&times.requests, micros(window.length)));
            format!("{} of {window}", grouped(most))
        });
        let moment =
            |at: Option<&i64>| at.and_then(|at| Timestamp::from_microsecond(*at).ok()).map(rfc3339).unwrap_or_default();
        let credentials: Vec<String> = account
            .credentials
            .iter()
            .map(|(name, reference)| format!("{name}: {}", reference_text(reference)))
            .collect();
        ProviderRow {
            name: Shown::new(&account.name),
            base_url: Shown::new(&account.base_url),
            credentials: Shown::new(&credentials.join(", ")),
            cells: vec![
                grouped(actions),
                number(&|times| times.requests.len()),
                times.map_or_else(String::new, |times| grouped(times.retries)),
                number(&|times| times.throttled.len()),
                spread.map_or_else(String::new, |spread| duration(spread.p95)),
                windows.collect::<Vec<_>>().join(", "),
                moment(times.and_then(|times| times.requests.first())),
                moment(times.and_then(|times| times.requests.last())),
            ],
        }
    };
    accounts.map(row).collect()
}

/// Where a credential came from. Never what it is.
fn reference_text(reference: &CredentialReference) -> String {
    match reference {
        CredentialReference::Env(name) => format!("env:{name}"),
        CredentialReference::File(path) => format!("file:{}", path.display()),
        // Its arguments may say more than a reader of the page needs.
        CredentialReference::Command(words) => format!("command:{}", words.first().map_or("", String::as_str)),
    }
}

fn verification(figures: &RowFigures) -> ChartTable {
    let sources = ["state", "crl", "ocsp"];
    let row = |(seen, count): (&Seen, &u64)| {
        let by = sources.iter().map(|source| grouped(figures.seen_by.get(&(*seen, *source)).copied().unwrap_or(0)));
        [seen.as_str().to_owned(), grouped(*count)].into_iter().chain(by).collect()
    };
    let head = ["seen", "certificates", "by the provider's state", "by a CRL", "by OCSP"];
    ChartTable { head: head.map(str::to_owned).to_vec(), rows: figures.seen.iter().map(row).collect() }
}

fn evidence(source: &PageSource<'_>) -> Vec<(&'static str, Shown)> {
    let PageSource { facts, run, state, .. } = source;
    let origin = &facts.origin;
    let or_none = |text: &str| Shown::new(if text.is_empty() { "not recorded" } else { text });
    let words = origin.command_line.iter().map(String::as_str);
    let command = shlex::try_join(words).unwrap_or_else(|_| origin.command_line.join(" "));
    let state = match (state, &run.stopped) {
        (RunState::Running, _) => "goes on".to_owned(),
        (RunState::Paused, _) => "paused".to_owned(),
        (RunState::Waiting, _) => "waits for an answer: may the next wave go?".to_owned(),
        (RunState::Finished, _) => "every action has an outcome".to_owned(),
        (RunState::Stopped, Some((why, code))) => format!("stopped ({why}), exit code {code}"),
        (RunState::Stopped | RunState::Interrupted, _) => "interrupted, without a record of its end".to_owned(),
    };
    let verified = run.verified_at.map(rfc3339);
    let part = facts.part.map_or_else(
        || "the whole".to_owned(),
        |part| format!("shard {}: {}", part.shard, part_text(facts.actions, part)),
    );
    vec![
        ("Operator", or_none(origin.operator.as_deref().unwrap_or_default())),
        ("Ticket", or_none(origin.ticket.as_deref().unwrap_or_default())),
        ("User", or_none(&origin.user)),
        ("Host", or_none(&origin.host)),
        ("Command line", if source.several.is_empty() { or_none(&command) } else { Shown::new("see the runs") }),
        ("certsweep", or_none(&origin.version)),
        ("Run directory made", Shown::new(&rfc3339(facts.made_at))),
        ("State", Shown::new(&state)),
        (
            "Kind",
            Shown::new(if facts.simulated {
                "rehearsal against the built-in simulator: no provider was asked"
            } else {
                "real: the providers were asked"
            }),
        ),
        ("Last verified", or_none(verified.as_deref().unwrap_or_default())),
        ("Part of the plan", Shown::new(&part)),
        ("Plan", Shown::new(&format!("{}, digest (SHA-256) {}", plural(facts.actions, "action"), facts.digest))),
        ("Clock", Shown::new("the wall clock of the host, in UTC; latencies by its steady clock")),
    ]
}

/// Tables with many rows: provider documents, limits, changes, sessions.
fn evidence_tables(source: &PageSource<'_>) -> Vec<EvidenceTable> {
    let PageSource { facts, timeline, .. } = source;
    let documents = facts.documents.iter().map(|(id, digest)| vec![Shown::new(id), Shown::new(digest)]);
    let limits = facts.settings.accounts.iter().map(|account| {
        let windows: Vec<String> = account.windows.iter().map(ToString::to_string).collect();
        vec![Shown::new(&account.name), Shown::new(&windows.join(", ")), Shown::new(&account.concurrency.to_string())]
    });
    let runs = source.several.iter().map(run_cells);
    let mut tables = vec![
        EvidenceTable { title: "Runs", head: RUN_HEAD, rows: runs.collect() },
        EvidenceTable { title: "Provider documents", head: &["document", "SHA-256"], rows: documents.collect() },
        EvidenceTable {
            title: "Limits at the beginning",
            head: &["provider", "at most, in any window", "in flight"],
            rows: limits.collect(),
        },
    ];
    let Some(timeline) = timeline else { return tables };
    let name = |account: Option<usize>| {
        account.and_then(|index| facts.settings.accounts.get(index)).map_or("", |account| account.name.as_str())
    };
    let changes = timeline.changes.iter().take(MAX_CHANGES).map(|change| {
        vec![Shown::new(&rfc3339(change.at)), Shown::new(name(change.account)), Shown::new(&change_text(change))]
    });
    let head = &["at", "provider", "what"];
    tables.push(EvidenceTable { title: "Changes while the run went on", head, rows: changes.collect() });
    let sessions = timeline.sessions.iter().map(|session| {
        let (at, why) = session.ended.as_ref().map_or(
            (String::new(), "no record of its end: killed, or it goes on".to_owned()),
            |(at, why, code)| {
                let code = code.map(|code| format!(", exit code {code}")).unwrap_or_default();
                (rfc3339(*at), format!("{why}{code}"))
            },
        );
        [rfc3339(session.began), at, session.version.clone(), why].iter().map(|text| Shown::new(text)).collect()
    });
    let head = &["began", "ended", "certsweep", "why it ended"];
    tables.push(EvidenceTable { title: "Sessions", head, rows: sessions.collect() });
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// One of several runs.
fn run_cells(run: &PageRun<'_>) -> Vec<Shown> {
    let PageRun { facts, run, state, run_dir } = run;
    let origin = &facts.origin;
    let part = facts.part.map_or_else(
        || plural(facts.actions, "action"),
        |part| format!("{}: {}", part.shard, part_text(facts.actions, part)),
    );
    let who = [origin.operator.as_deref().unwrap_or_default(), &origin.user].map(str::to_owned);
    let who: Vec<String> = who.into_iter().filter(|name| !name.is_empty()).collect();
    let command = shlex::try_join(origin.command_line.iter().map(String::as_str));
    let kind = if facts.simulated { " (rehearsal)" } else { "" };
    let ended = run.finished_at.or(run.last_at).map(rfc3339).unwrap_or_default();
    [
        (*run_dir).to_owned(),
        part,
        format!("{}{kind}", state.as_str()),
        run.began_at.map(rfc3339).unwrap_or_default(),
        ended,
        format!("{} at {}", who.join(", "), origin.host),
        command.unwrap_or_else(|_| origin.command_line.join(" ")),
        facts.digest.clone(),
    ]
    .iter()
    .map(|text| Shown::new(text))
    .collect()
}

fn change_text(change: &Change) -> String {
    let what = match &change.what {
        ChangeKind::Paused => "paused by `certsweep pause`".to_owned(),
        ChangeKind::WentOn => "went on, by `certsweep unpause` or by an answer between waves".to_owned(),
        ChangeKind::Limited(windows) => format!("limits set by `certsweep set-rate`: {}", windows.join(", ")),
        ChangeKind::Learnt(windows) if windows.is_empty() => "only the declared limits hold again".to_owned(),
        ChangeKind::Learnt(windows) => format!("slowed down after refusals: {}", windows.join(", ")),
        ChangeKind::Verifying => "`certsweep verify` began to ask".to_owned(),
        ChangeKind::Settling => "`certsweep settle` wrote down how actions ended".to_owned(),
    };
    change.by.as_ref().map_or_else(|| what.clone(), |by| format!("{what}, given by {by}"))
}

/// Causes that are shown one by one.
const MAX_NEEDS: usize = 20;
/// What is told of each of several runs.
const RUN_HEAD: &[&str] = &["run", "part", "state", "began", "ended", "by", "command line", "plan's digest"];
/// Changes that are listed: an account that is refused all day learns all day.
const MAX_CHANGES: usize = 500;
