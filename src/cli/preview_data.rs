//! From the checked actions to the preview: `PreviewData` collects figures while the plan is checked, since a million actions do not fit into
//! memory; pure functions make a forecast, advice and masked requests of them. Reads no clock, file or environment.

use super::context::ReadPlan;
use crate::engine::forecast::{self, AccountForecast, Assumptions, Forecast, PlanChange, Wishes, forecast};
use crate::journal::Queue;
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::settings::BetweenWaves;
use crate::plan::{Account, Action, CertificateNames, Settings, calendar};
use crate::provider::model::{ActionRules, SignerKind, TargetKind};
use crate::provider::{Catalog, Provider, target_state};
use crate::run::{Ordinal, WaitReason};
use crate::time::human;
use crate::view::preview::{
    Count, DeadlineForecast, FirstRequest, NamedCertificate, NamedCertificates, Order, Ordered, Preview,
    ProviderForecast, ShownHeader, ShownProxy, SuggestedChange, Waited, WideEffect, WideEffects,
};
use crate::view::table::plural;
use crate::wire::{Proxies, request};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// The figures that a preview needs, collected action by action while the plan is checked.
#[derive(Debug, Default)]
pub struct PreviewData {
    queue: Queue,
    /// How many actions there are of each account, operation and reason.
    counts: Vec<(CountKey, u64)>,
    duplicates: u64,
    excepted: u64,
    wide: WideEffects,
    certificates: NamedCertificates,
    /// The first [`MAX_CANARIES`] actions that are sent: the rows that the preview shows, and the candidates for canaries.
    first: Vec<Action>,
    /// Actions on certificates whose order is known: ordinal, account, operation, order id with the reason.
    orders: Vec<(Ordinal, usize, String, String)>,
    /// Actions that do not ask to skip a person's approval, by account and operation.
    unskipped: BTreeMap<(usize, String), u64>,
    keep_actions: bool,
    /// All actions, where `keep_actions`.
    actions: Vec<Action>,
}

/// One row of the preview's table of counts.
#[derive(Debug)]
struct CountKey {
    account: usize,
    operation: String,
    reason: Option<RevocationReason>,
    reason_sent: Option<String>,
}

impl PreviewData {
    /// Without any action yet. With `keep_actions` all of them are stored, for a report of planned rows.
    pub fn new(keep_actions: bool) -> Self {
        Self { keep_actions, ..Self::default() }
    }

    /// All actions, where they were stored; else none.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Adds the plan's next action.
    pub fn add(&mut self, action: &Action) {
        let ordinal = self.queue.push(action.account);
        if let Some(until) = action.not_before {
            self.queue.hold(ordinal, until);
        }
        if let Some(why) = &action.never_sent {
            match why {
                NeverSent::Repeats(_) => self.duplicates += 1,
                NeverSent::Excepted(_) => self.excepted += 1,
            }
            self.queue.never_send(ordinal, why.clone());
        } else {
            if let Some(order) = action.parameters.get(ORDER) {
                // Revoking an order whole sends one reason, so only certificates with the same one can share it.
                let order = format!("{order} {}", action.reason_sent.as_deref().unwrap_or_default());
                self.orders.push((action.ordinal, action.account, action.operation.clone(), order));
            }
            if !skips_approval(action) {
                *self.unskipped.entry((action.account, action.operation.clone())).or_default() += 1;
            }
            self.count(action);
            if let Some(reaches) = &action.reaches {
                self.wide.add(1, || WideEffect {
                    action_id: action.id.clone(),
                    source: action.source.clone(),
                    reaches: reaches.clone(),
                });
            }
            if let Some(names) = &action.names {
                self.certificates.add(|| named_certificate(&action.id, names));
            }
            if self.first.len() < MAX_CANARIES {
                self.first.push(action.clone());
            }
        }
        if self.keep_actions {
            self.actions.push(action.clone());
        }
    }

    fn count(&mut self, action: &Action) {
        let is_of = |kind: &CountKey| {
            kind.account == action.account
                && kind.reason == action.reason
                && kind.operation == action.operation
                && kind.reason_sent == action.reason_sent
        };
        match self.counts.iter_mut().find(|(kind, _)| is_of(kind)) {
            Some((_, count)) => *count += 1,
            None => {
                let Action { account, reason, .. } = *action;
                let (operation, reason_sent) = (action.operation.clone(), action.reason_sent.clone());
                self.counts.push((CountKey { account, operation, reason, reason_sent }, 1));
            }
        }
    }

    /// The preview of a plan whose actions were all added. `latency` is one request's assumed time, `now` the run's assumed start.
    pub fn preview(
        mut self,
        read: &ReadPlan,
        catalog: &Catalog,
        latency: Duration,
        now: Timestamp,
        proxies: &Proxies,
    ) -> Preview {
        let settings = read.plan.settings();
        let needs = read.plan.needs();
        // That one key stands behind several certificates is known only after the check, too.
        for shared in read.plan.shared_keys() {
            self.wide.add(shared.actions, || WideEffect {
                action_id: shared.action_id.clone(),
                source: shared.source.clone(),
                reaches: shared.reaches.clone(),
            });
        }
        // An action may need a later one, so the needs are complete only after the check.
        needs.iter().for_each(|(ordinal, needed)| self.queue.need(*ordinal, needed.clone()));
        let assumptions = assumptions(settings, catalog, &self.first, latency, now);
        let deadline = calendar::deadline_at(settings.deadline, &settings.schedule, now);
        let estimate = forecast(settings, &self.queue, &assumptions);
        let after = |time: Option<Duration>| time.and_then(|time| now.checked_add(time).ok());
        let (starts_at, ends_at) = (after(estimate.starts), after(estimate.takes));
        let would_help = suggestions(&self, settings, catalog, &assumptions, &estimate, deadline);
        let name = |account: usize| settings.accounts[account].name.clone();
        let key = |kind: &CountKey| {
            let reason = kind.reason.map(|reason| reason.name().to_owned());
            (kind.account, kind.operation.clone(), reason, kind.reason_sent.clone())
        };
        let counts: BTreeMap<_, u64> = self.counts.iter().map(|(kind, actions)| (key(kind), *actions)).collect();
        let counts = counts.into_iter().map(|((account, operation, reason, reason_sent), actions)| Count {
            provider: name(account),
            operation,
            reason,
            reason_sent,
            actions,
        });
        let order = self.first.iter().take(SHOWN_ACTIONS).map(|action| Ordered {
            action_id: action.id.clone(),
            provider: name(action.account),
            operation: action.operation.clone(),
            target: action.target.clone(),
            needs: action.needs.clone(),
        });
        let providers = settings.accounts.iter().zip(&estimate.accounts);
        Preview {
            plan: settings.name.clone(),
            digest: read.plan.digest().to_owned(),
            actions: read.plan.actions(),
            duplicates: self.duplicates,
            excepted: self.excepted,
            left_out: read.plan.left_out(),
            warnings: read.warnings,
            counts: counts.collect(),
            order: Order {
                canary: settings.safety.canary,
                waves: settings.safety.waves.len() as u64,
                asks_between_waves: !settings.safety.waves.is_empty()
                    && settings.safety.between_waves == BetweenWaves::Ask,
                with_needs: needs.len() as u64,
                first: order.collect(),
            },
            providers: providers
                .map(|(account, share)| {
                    let proxy = proxies.to(&account.base_url);
                    let proxy = proxy.map(|proxy| ShownProxy { address: proxy.address, variable: proxy.variable });
                    ProviderForecast { proxy, ..provider_forecast(account, share, &estimate, latency, now, deadline) }
                })
                .collect(),
            estimated_seconds: estimate.takes.map(|takes| takes.as_secs_f64()),
            starts_at,
            ends_at,
            schedule_windows: settings.schedule.window.as_ref().map(|_| estimate.windows),
            assumed_latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            deadline: deadline.map(|at| {
                let slack = ends_at.map(|ends| at.duration_since(ends).as_secs_f64());
                DeadlineForecast { at: Some(at), slack_seconds: slack, met: slack.is_some_and(|slack| slack >= 0.0) }
            }),
            would_help,
            first_requests: first_requests(settings, catalog, &self.first[..self.first.len().min(SHOWN_ACTIONS)]),
            wide_effects: self.wide,
            certificates: self.certificates,
        }
    }
}

fn named_certificate(action_id: &str, names: &CertificateNames) -> NamedCertificate {
    NamedCertificate {
        action_id: action_id.to_owned(),
        common_name: names.common_name.clone(),
        serial_number: names.serial_number.clone(),
        not_before: Some(names.not_before),
        not_after: Some(names.not_after),
        issuer: names.issuer.clone(),
    }
}

/// What the forecast assumes where only the run would know: latency, which accounts fetch tokens, which canaries are read back.
fn assumptions(
    settings: &Settings,
    catalog: &Catalog,
    first: &[Action],
    latency: Duration,
    start: Timestamp,
) -> Assumptions {
    let tokens = settings.accounts.iter().map(|account| {
        // A run signs with the first scheme whose credentials are set, and a preview reads no credentials. So the variables that the
        // plan names decide; without any, the first scheme.
        let schemes = catalog.get(&account.provider).map(|provider| provider.auth.as_slice()).unwrap_or_default();
        let named = |names: &[String]| names.iter().all(|name| account.credentials.contains_key(name));
        let scheme = schemes.iter().find(|scheme| named(&scheme.required)).or(schemes.first());
        scheme.is_some_and(|scheme| matches!(scheme.signer, SignerKind::HuaweiIamToken(_)))
    });
    let read_back = match settings.safety.canary {
        0 => HashSet::new(),
        _ => first.iter().filter(|action| is_read_back(settings, catalog, action)).map(|one| one.ordinal).collect(),
    };
    Assumptions { start, latency, tokens: tokens.collect(), read_back }
}

/// Changes of the plan that would make the run shorter, or end in truth when it seems to.
fn suggestions(
    data: &PreviewData,
    settings: &Settings,
    catalog: &Catalog,
    assumptions: &Assumptions,
    estimate: &Forecast,
    deadline: Option<Timestamp>,
) -> Vec<SuggestedChange> {
    let left = deadline.map(|at| Duration::try_from(at.duration_since(assumptions.start)).unwrap_or_default());
    let wishes = Wishes { orders: whole_orders(&data.orders, settings, catalog), deadline: left };
    let helps = forecast::would_help(settings, &data.queue, assumptions, &wishes, estimate);
    // A deadline that is met anyway is not mentioned.
    let missed = left.is_some_and(|left| estimate.takes.is_none_or(|takes| takes > left));
    let suggestions = helps.into_iter().map(|help| {
        let account = &settings.accounts[help.account];
        let met = left.map(|left| help.takes <= left);
        SuggestedChange {
            provider: account.name.clone(),
            change: change_name(&help.change).to_owned(),
            text: change_sentence(&help.change, account, help.takes, estimate.takes, met.filter(|_| missed)),
            estimated_seconds: Some(help.takes.as_secs_f64()),
            deadline_met: met,
        }
    });
    let mut suggestions: Vec<SuggestedChange> = suggestions.collect();
    suggestions.extend(approvals(&data.unskipped, settings, catalog));
    suggestions
}

/// Actions that revoking whole orders would spare: each with the first action on the same order, where the provider can do that.
fn whole_orders(
    orders: &[(Ordinal, usize, String, String)],
    settings: &Settings,
    catalog: &Catalog,
) -> HashMap<Ordinal, Ordinal> {
    let mut firsts: HashMap<(usize, &str, &str), Ordinal> = HashMap::new();
    let mut later = HashMap::new();
    for (ordinal, account, operation, order) in orders {
        let provider = catalog.get(&settings.accounts[*account].provider);
        if !provider.is_some_and(|provider| revokes_whole_orders(provider, operation)) {
            continue;
        }
        match firsts.entry((*account, operation, order)) {
            std::collections::hash_map::Entry::Occupied(first) => drop(later.insert(*ordinal, *first.get())),
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(*ordinal)),
        }
    }
    later
}

/// Revokes that a provider accepts and then holds until a person approves. Nobody knows how long that takes, so no estimate holds it.
fn approvals(
    unskipped: &BTreeMap<(usize, String), u64>,
    settings: &Settings,
    catalog: &Catalog,
) -> Vec<SuggestedChange> {
    let mut waiting: BTreeMap<usize, u64> = BTreeMap::new();
    for ((account, operation), actions) in unskipped {
        let provider = catalog.get(&settings.accounts[*account].provider);
        let operation = provider.and_then(|provider| provider.operation(operation));
        if operation.is_some_and(|operation| operation.parameters.iter().any(|known| known.name == SKIP_APPROVAL)) {
            *waiting.entry(*account).or_default() += actions;
        }
    }
    let suggestions = waiting.into_iter().map(|(account, actions)| {
        let name = &settings.accounts[account].name;
        let (actions, wait) = (plural(actions, "action"), if actions == 1 { "waits" } else { "wait" });
        SuggestedChange {
            provider: name.clone(),
            change: SKIP_APPROVAL.to_owned(),
            text: format!(
                "{actions} of {name} {wait} for a person to approve, and how long is not known; `skip_approval: true` \
                 with an administrator's key spares that"
            ),
            estimated_seconds: None,
            deadline_met: None,
        }
    });
    suggestions.collect()
}

/// Whether an action asks the provider to skip a person's approval.
fn skips_approval(action: &Action) -> bool {
    action.parameters.get(SKIP_APPROVAL).and_then(serde_json::Value::as_bool).unwrap_or(false)
}

/// Whether an action, as a canary, is surely read back: it waits for no person, and its own parameters suffice for a status query (some
/// need a reference that only the answer holds).
fn is_read_back(settings: &Settings, catalog: &Catalog, action: &Action) -> bool {
    let provider = catalog.get(&settings.accounts[action.account].provider);
    let Some((provider, operation)) = provider.and_then(|one| Some((one, one.operation(&action.operation)?))) else {
        return false;
    };
    let waits = operation.parameters.iter().any(|known| known.name == SKIP_APPROVAL) && !skips_approval(action);
    let rules = operation.action.as_ref();
    !waits
        && rules
            .is_some_and(|rules| !target_state::choose_queries(provider, rules, &action.parameters, None).is_empty())
}

/// The warning about a run that begins now and will miss its deadline; `None` where it meets it or has none.
pub fn misses_the_deadline(settings: &Settings, queue: &Queue, latency: Duration, now: Timestamp) -> Option<String> {
    let at = calendar::deadline_at(settings.deadline, &settings.schedule, now)?;
    // A few token requests and read-backs do not decide about a deadline; the warning says `about`.
    let tokens = vec![false; settings.accounts.len()];
    let assumptions = Assumptions { start: now, latency, tokens, read_back: HashSet::new() };
    let Some(takes) = forecast(settings, queue, &assumptions).takes else {
        return Some("the deadline will be MISSED: the plan does not end inside its schedule".to_owned());
    };
    let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let late = takes.checked_sub(left).filter(|late| !late.is_zero())?;
    Some(format!("the deadline will be MISSED by about {}", human(late)))
}

fn provider_forecast(
    account: &Account,
    share: &AccountForecast,
    estimate: &Forecast,
    latency: Duration,
    now: Timestamp,
    deadline: Option<Timestamp>,
) -> ProviderForecast {
    let ends = estimate.takes.and(estimate.starts).map(|starts| starts + share.takes);
    let ends_at = ends.and_then(|ends| now.checked_add(ends).ok());
    let slack = |at: Timestamp| ends_at.map(|ends: Timestamp| at.duration_since(ends).as_secs_f64());
    let waited = |(reason, time): &(WaitReason, Duration)| Waited {
        for_what: reason.describe_forecast(latency),
        seconds: time.as_secs_f64(),
    };
    ProviderForecast {
        provider: account.name.clone(),
        uses: account.provider.clone(),
        base_url: account.base_url.clone(),
        proxy: None,
        rate: account.windows.iter().map(ToString::to_string).collect(),
        concurrency: account.concurrency,
        actions: share.actions,
        requests: share.requests,
        estimated_seconds: estimate.takes.map(|_| share.takes.as_secs_f64()),
        ends_at,
        slack_seconds: deadline.and_then(slack),
        bottleneck: share.bottleneck().unwrap_or(&WaitReason::Nothing).describe_forecast(latency),
        waits: share.waits.iter().map(waited).collect(),
    }
}

/// Whether the provider has an operation that revokes the whole order of what this one revokes.
fn revokes_whole_orders(provider: &Provider, operation: &str) -> bool {
    let kind = |name: &str| {
        let rules: Option<&ActionRules> = provider.operation(name).and_then(|operation| operation.action.as_ref());
        rules.map(|rules| rules.target.kind)
    };
    kind(operation) == Some(TargetKind::Certificate) && kind(&format!("{operation}-order")) == Some(TargetKind::Order)
}

const fn change_name(change: &PlanChange) -> &'static str {
    match change {
        PlanChange::SecondKey => "second-key",
        PlanChange::WholeOrders { .. } => "whole-orders",
        PlanChange::Concurrency(_) => "concurrency",
        PlanChange::LongerWindow(_) => "longer-window",
    }
}

fn change_sentence(
    change: &PlanChange,
    account: &Account,
    takes: Duration,
    before: Option<Duration>,
    met: Option<bool>,
) -> String {
    let name = &account.name;
    let what = match change {
        PlanChange::SecondKey => format!("a second key for {name}, with half of its actions"),
        PlanChange::WholeOrders { spared, orders } => format!(
            "revoking {} of {name} whole instead of {} one by one (an order's revoke reaches all its \
             certificates)",
            plural(*orders, "order"),
            plural(spared + orders, "certificate")
        ),
        PlanChange::Concurrency(slots) => format!("`concurrency: {slots}` for {name}"),
        PlanChange::LongerWindow(open) => format!("a window that is open for {} each day", human(*open)),
    };
    let before = before.map_or_else(|| "never".to_owned(), human);
    let deadline = match met {
        Some(true) => "; the deadline would be met",
        Some(false) => "; the deadline would still be missed",
        None => "",
    };
    format!("{what}: {} instead of {before}{deadline}", human(takes))
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
            headers: masked.headers.into_iter().map(|(name, value)| ShownHeader { name, value }).collect(),
            body: masked.body,
        });
    }
    requests
}

/// The parameter that names a certificate's order.
const ORDER: &str = "order_id";
/// The parameter that skips a person's approval (DigiCert's).
const SKIP_APPROVAL: &str = "skip_approval";
/// Actions that are stored as possible canaries; a plan with more canaries than that gets a slightly short estimate.
const MAX_CANARIES: usize = 1000;
/// Rows of the preview's list of first actions.
const SHOWN_ACTIONS: usize = 10;
/// Masked requests in a preview: one for each account and operation, but not for a plan of fifty of them.
const SHOWN_REQUESTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::plan::{CsvOptions, Input, Request, check};
    use crate::text::SourceMap;

    fn preview(plan: &str) -> Preview {
        let catalog = Catalog::built_in(&mut SourceMap::default(), &mut Diagnostics::default());
        let columns = CsvOptions::default();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let plan = Input::Stdin(format!("version: 1\n{plan}").into_bytes());
        let request = Request { plan, settings: None, catalog: &catalog, columns, now };
        let mut data = PreviewData::new(false);
        let (plan, findings) = check(&request, &mut SourceMap::default(), &mut |action| data.add(&action));
        let plan = plan.unwrap_or_else(|| panic!("{findings:?}"));
        let read = ReadPlan { plan, warnings: 0, diagnostics: serde_json::Value::Null };
        data.preview(&read, &catalog, Duration::from_millis(500), now, &Proxies::default())
    }

    #[test]
    fn requests_and_advice_follow_from_the_actions() {
        let digicert = |fields: &str| format!("{{provider: digicert, action: revoke, certificate_id: 1{fields}}}");
        let naver = "{provider: naver, action: revoke, orderId: '1', certificateNo: 1, reason: superseded}".to_owned();
        let canary = "safety: {canary: 1}\n";
        for (settings, actions, requests, advice) in [
            ("", vec![digicert(", skip_approval: true")], 1, vec![]),
            ("", vec![digicert("")], 1, vec!["skip_approval"]),
            // A duplicate is not sent.
            ("", vec![digicert(", skip_approval: true"), digicert(", skip_approval: true")], 1, vec![]),
            // A canary is read back where its parameters alone say whom to ask, and its effect is there at once.
            (canary, vec![naver], 2, vec![]),
            (canary, vec![digicert(", skip_approval: true")], 1, vec![]),
            (canary, vec![digicert(", skip_approval: true, order_id: 7")], 2, vec![]),
            (canary, vec![digicert(", order_id: 7")], 1, vec!["skip_approval"]),
        ] {
            let plan = format!("{settings}actions: [{}]\n", actions.join(", "));
            let preview = preview(&plan);
            let requests_sent: u64 = preview.providers.iter().map(|provider| provider.requests).sum();
            let changes: Vec<&str> = preview.would_help.iter().map(|help| help.change.as_str()).collect();
            assert_eq!((requests_sent, changes), (requests, advice), "{plan}");
        }
    }

    #[test]
    fn what_a_plan_holds_is_counted_by_what_is_sent() {
        let preview = preview(
            "providers: {naver: {reasons: {keyCompromise: unspecified}}}\n\
             defaults: {reason: keyCompromise}\n\
             actions:\n\
             - {id: a, provider: digicert, action: revoke, certificate_id: 1}\n\
             - {id: b, provider: digicert, action: revoke, certificate_id: 2}\n\
             - {id: b2, provider: digicert, action: revoke, certificate_id: 2}\n\
             - {id: c, provider: naver, action: revoke, orderId: '1', certificateNo: 0, needs: [a]}\n",
        );
        let counts: Vec<_> = preview
            .counts
            .iter()
            .map(|count| (count.provider.as_str(), count.reason_sent.as_deref().unwrap_or(""), count.actions))
            .collect();
        assert_eq!(counts, [("digicert", "key_compromise", 2), ("naver", "unspecified", 1)]);
        assert_eq!((preview.actions, preview.duplicates, preview.wide_effects.count), (4, 1, 1));
        assert_eq!((preview.order.first.len(), preview.order.with_needs), (3, 1));
        let urls: Vec<&str> = preview.first_requests.iter().map(|request| request.action_id.as_str()).collect();
        assert_eq!(urls, ["a", "c"], "one for each account and operation");
    }
}
