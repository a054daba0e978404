//! `certsweep preview` and `run --dry-run`: what a run would do, without credentials and without sending.

use super::args::PlanSource;
use super::context::{Context, ReadPlan};
use super::exit::Exit;
use super::report::row_of;
use crate::engine::forecast::forecast;
use crate::engine::safety;
use crate::journal::History;
use crate::journal::dir::replace;
use crate::journal::reader::QueuedAction;
use crate::plan::{Action, Settings};
use crate::provider::Catalog;
use crate::run::{Ordinal, Outcome};
use crate::time::Clock;
use crate::view::preview::{
    Count, DeadlineForecast, FirstRequest, Header, Order, Ordered, Preview, ProviderForecast, WideEffect, WideEffects,
    render,
};
use crate::view::report::csv;
use crate::wire::request;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

/// Previews a plan; writes a `planned` row for every action to `report`, where one is asked for.
pub fn preview(context: &Context, source: &PlanSource, report: Option<&Path>, latency: Duration) -> Exit {
    match preview_plan(context, source, report, latency) {
        Ok(preview) if context.global.json => {
            context.printer.result_json(&preview);
            Exit::Well
        }
        Ok(preview) => {
            context.printer.result(render(&preview).trim_end());
            Exit::Well
        }
        Err(exit) => exit,
    }
}

fn preview_plan(
    context: &Context,
    source: &PlanSource,
    report: Option<&Path>,
    latency: Duration,
) -> Result<Preview, Exit> {
    let catalog = context.catalog(&context.provider_directories())?;
    let mut gathered = Gathered { keep_actions: report.is_some(), ..Gathered::default() };
    let read = context.plan(source, &catalog, &mut |action| gathered.add(action))?;
    if let Some(path) = report {
        let settings = read.plan.settings();
        let written = replace(path, |file| {
            let mut rows = csv::Writer::new(file, &settings.keep_columns)?;
            for action in &gathered.actions {
                let row = row_of(settings, action, &History::default(), Outcome::Planned, None);
                rows.write(&row)?;
            }
            rows.finish().map(drop)
        });
        written.map_err(|error| context.failed(&error))?;
    }
    Ok(gathered.preview(&read, &catalog, latency, context.clock.now()))
}

/// What a preview needs of the actions, gathered while they are checked.
#[derive(Debug, Default)]
pub struct Gathered {
    queue: Vec<QueuedAction>,
    needs: Vec<(usize, Vec<String>)>,
    ids: HashMap<String, Ordinal>,
    counts: BTreeMap<(usize, String, Option<String>, Option<String>), u64>,
    duplicates: u64,
    wide: WideEffects,
    first: Vec<Action>,
    keep_actions: bool,
    actions: Vec<Action>,
}

impl Gathered {
    /// Takes the next action.
    pub fn add(&mut self, action: &Action) {
        if !action.needs.is_empty() {
            self.needs.push((self.queue.len(), action.needs.clone()));
        }
        self.ids.insert(action.id.clone(), action.ordinal);
        self.queue.push(QueuedAction {
            ordinal: action.ordinal,
            account: action.account,
            needs: Vec::new(),
            not_before: action.not_before,
            duplicate_of: action.duplicate_of.clone(),
        });
        if action.duplicate_of.is_some() {
            self.duplicates += 1;
        } else {
            let reason = action.reason.map(|reason| reason.name().to_owned());
            let key = (action.account, action.operation.clone(), reason, action.reason_sent.clone());
            *self.counts.entry(key).or_default() += 1;
            if let Some(reaches) = &action.reaches {
                self.wide.add(|| WideEffect {
                    action_id: action.id.clone(),
                    source: action.source.clone(),
                    reaches: reaches.clone(),
                });
            }
            if self.first.len() < SHOWN_ACTIONS {
                self.first.push(action.clone());
            }
        }
        if self.keep_actions {
            self.actions.push(action.clone());
        }
    }

    /// The preview of a plan whose actions were all taken.
    pub fn preview(mut self, read: &ReadPlan, catalog: &Catalog, latency: Duration, now: jiff::Timestamp) -> Preview {
        let settings = read.plan.settings();
        for (index, needs) in &self.needs {
            self.queue[*index].needs = needs.iter().filter_map(|id| self.ids.get(id).copied()).collect();
        }
        let starts_at = settings.schedule.start.filter(|start| *start > now).unwrap_or(now);
        let starts_at = match &settings.schedule.window {
            Some(window) if safety::closes_at(window, starts_at).is_none() => safety::opens_at(window, starts_at),
            _ => Some(starts_at),
        };
        let begin = starts_at.unwrap_or(now);
        let forecast = forecast(settings, &self.queue, begin, latency);
        let ends_at = starts_at.and_then(|start| start.checked_add(forecast.takes).ok());
        let waits = begin.duration_since(now).as_secs_f64();
        let name = |account: usize| settings.accounts[account].name.clone();
        let providers = settings.accounts.iter().zip(&forecast.accounts).map(|(account, share)| ProviderForecast {
            provider: account.name.clone(),
            uses: account.provider.clone(),
            base_url: account.base_url.clone(),
            rate: account.windows.iter().map(ToString::to_string).collect(),
            concurrency: account.concurrency,
            actions: share.requests,
            estimated_seconds: Some(share.takes.as_secs_f64()),
            bottleneck: share.bound.clone(),
        });
        let deadline = safety::deadline(settings.deadline, &settings.schedule, now).map(|at| {
            let slack = ends_at.map(|ends| at.duration_since(ends).as_secs_f64());
            DeadlineForecast { at: Some(at), slack_seconds: slack, met: slack.is_some_and(|slack| slack >= 0.0) }
        });
        let counts = self.counts.iter().map(|((account, operation, reason, reason_sent), actions)| Count {
            provider: name(*account),
            operation: operation.clone(),
            reason: reason.clone(),
            reason_sent: reason_sent.clone(),
            actions: *actions,
        });
        let order = self.first.iter().map(|action| Ordered {
            action_id: action.id.clone(),
            provider: name(action.account),
            operation: action.operation.clone(),
            target: action.target.clone(),
            needs: action.needs.clone(),
        });
        Preview {
            plan: settings.name.clone(),
            digest: read.plan.digest().to_owned(),
            actions: read.plan.actions(),
            duplicates: self.duplicates,
            warnings: read.warnings,
            counts: counts.collect(),
            order: Order {
                canary: settings.safety.canary,
                with_needs: self.needs.len() as u64,
                first: order.collect(),
            },
            providers: providers.collect(),
            estimated_seconds: starts_at.map(|_| waits + forecast.takes.as_secs_f64()),
            starts_at,
            ends_at,
            assumed_latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            deadline,
            first_requests: first_requests(settings, catalog, &self.first),
            wide_effects: self.wide,
        }
    }
}

/// The first request of each account and operation among the first actions, masked.
fn first_requests(settings: &Settings, catalog: &Catalog, actions: &[Action]) -> Vec<FirstRequest> {
    let mut seen: Vec<(usize, &str)> = Vec::new();
    let mut requests = Vec::new();
    for action in actions {
        if seen.contains(&(action.account, action.operation.as_str())) || requests.len() >= SHOWN_REQUESTS {
            continue;
        }
        let account = &settings.accounts[action.account];
        let Some(provider) = catalog.get(&account.provider) else { continue };
        let (Some(operation), Some(scheme)) = (provider.operation(&action.operation), provider.auth.first()) else {
            continue;
        };
        seen.push((action.account, &action.operation));
        let masked = request::preview(&account.base_url, operation, &action.parameters, scheme);
        requests.push(FirstRequest {
            action_id: action.id.clone(),
            provider: account.name.clone(),
            method: masked.method,
            url: masked.url,
            headers: masked.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
            body: masked.body,
        });
    }
    requests
}

/// Actions that the order shows.
const SHOWN_ACTIONS: usize = 10;
/// Requests that are shown.
const SHOWN_REQUESTS: usize = 5;
