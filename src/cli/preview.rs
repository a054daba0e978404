//! `certsweep preview` and `run --dry-run`: what a run would do, without sending; and without credentials, unless providers are to be asked.

use super::args::PlanSource;
use super::context::Context;
use super::exit::Exit;
use super::latency::{Latency, latencies};
use super::online::OnlineTargets;
use super::option_values::OnlineOptions;
use super::preview_data::PreviewData;
use crate::journal::History;
use crate::journal::files::replace_named;
use crate::plan::checked::NeverSent;
use crate::run::{Outcome, Shard};
use crate::time::Clock;
use crate::view::preview::{LatencySource, Preview};
use crate::view::preview_text::render;
use crate::view::report::formats::CsvReport;
use crate::view::report::{ReportColumns, row_of};
use crate::wire::Proxies;
use std::path::Path;
use std::time::Duration;

/// Previews a plan, or one part of it; writes a `planned` row for every action to `report`, where one is asked for.
/// `online`: with what the providers say now of its targets.
pub fn preview(
    context: &Context,
    plan: (&PlanSource, Option<Shard>),
    report: Option<&Path>,
    latency: Option<Duration>,
    online: &OnlineOptions,
) -> Exit {
    match preview_plan(context, plan, report, latency, online) {
        Ok((preview, exit)) if context.global.json => {
            context.printer.result_json(&preview);
            exit
        }
        Ok((preview, exit)) => {
            context.printer.result(render(&preview).trim_end());
            exit
        }
        Err(exit) => exit,
    }
}

fn preview_plan(
    context: &Context,
    (source, shard): (&PlanSource, Option<Shard>),
    report: Option<&Path>,
    latency: Option<Duration>,
    online: &OnlineOptions,
) -> Result<(Preview, Exit), Exit> {
    context.check_place("--report", report)?;
    let catalog = context.catalog(&context.provider_directories())?;
    let mut data = PreviewData::new(report.is_some());
    let targets = online.online.then(OnlineTargets::begin).transpose();
    let mut targets = targets.map_err(|error| context.failed(&error))?;
    let read = context.part_of_plan(source, shard, &catalog, &mut |action| {
        data.add(&action);
        targets.iter_mut().for_each(|targets| targets.add(action.clone()));
    })?;
    if let Some(path) = report {
        let settings = read.plan.settings();
        let written = replace_named(path, |file| {
            let mut rows =
                CsvReport::new(file, ReportColumns { kept: &settings.keep_columns, ..ReportColumns::default() })?;
            let nothing = History::default();
            for action in data.actions() {
                // What is on an exception list is planned to stay.
                let excepted = action.never_sent.as_ref().filter(|why| matches!(why, NeverSent::Excepted(_)));
                let outcome = if excepted.is_some() { Outcome::Skipped } else { Outcome::Planned };
                let why = excepted.map(ToString::to_string);
                rows.write(&row_of(settings, action, &nothing, outcome, why.as_deref()))?;
            }
            rows.finish().map(drop)
        });
        written.map_err(|error| context.failed(&error))?;
    }
    let given = latency.map(|each| Latency { each, source: LatencySource::Given });
    let latencies = latencies(read.plan.settings(), |_| given);
    let ca_file = online.ca_file.as_deref();
    let present = targets.map(|targets| targets.ask(context, &read, &catalog, ca_file)).transpose()?;
    let (online, exit) = present.map_or((None, Exit::Well), |(present, exit)| (Some(present), exit));
    let preview = data.preview(&read, &catalog, &latencies, context.clock.now(), &Proxies::from_env());
    Ok((Preview { online, ..preview }, exit))
}
