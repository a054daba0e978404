//! From the checked actions to the preview: `PreviewData` collects figures while the plan is checked, since a million actions do not fit into
//! memory; pure functions make a forecast, advice and masked requests of them. Reads no clock, file or environment.

use super::context::ReadPlan;
use crate::engine::forecast::{self, AccountForecast, Assumptions, Forecast, PlanChange, Wishes, forecast};
use crate::engine::stages::planned;
use crate::journal::Queue;
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::settings::BetweenWaves;
use crate::plan::{Account, Action, CertificateNames, Settings, calendar};
use crate::provider::{Catalog, CredentialReference, Provider, SecurityRequirement, stages, target_state};
use crate::run::{Ordinal, WaitReason};
use crate::time::human;
use crate::view::preview::{
    Count, DeadlineForecast, FirstRequest, LatencySource, NamedCertificate, NamedCertificates, Order, Ordered, Preview,
    ProviderForecast, ShownHeader, ShownProxy, SuggestedChange, Waited, WideEffect, WideEffects,
};
use crate::view::terminal::plural;
use crate::wire::{Proxies, request};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// The figures that a preview needs, collected action by action while the plan is checked.
#[derive(Debug, Default)]
pub struct PreviewData {
    queue: Queue,
    kinds: ActionKinds,
    /// How many actions there are of each account, operation and reason.
    counts: Vec<(CountKey, u64)>,
    duplicates: u64,
    excepted: u64,
    wide: WideEffects,
    certificates: NamedCertificates,
    /// The certificate of the action before: the steps of an entry are about one.
    last_named: Option<Box<CertificateNames>>,
    /// The first [`MAX_CANARIES`] actions that are sent: the rows that the preview shows, and the candidates for canaries.
    first: Vec<Action>,
    /// Actions on certificates whose order is known: ordinal, account, operation, order id with the reason.
    orders: Vec<(Ordinal, usize, String, String)>,
    /// Actions that wait for a person's approval, by account and operation.
    waiting: BTreeMap<(usize, String), u64>,
    keep_actions: bool,
    /// All actions, where `keep_actions`.
    actions: Vec<Action>,
}

/// How long a request of an account takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// One request.
    pub each: Duration,
    /// Who says so.
    pub source: LatencySource,
}

/// One row of the preview's table of counts.
#[derive(Debug)]
struct CountKey {
    account: usize,
    operation: String,
    reason: Option<RevocationReason>,
    reason_sent: Option<String>,
}

/// Which operation each action is, in little room: a plan may have a million.
#[derive(Debug, Default)]
pub struct ActionKinds {
    /// Operations, by account.
    operations: Vec<(usize, String)>,
    /// By ordinal, which of them it is.
    kinds: Vec<u16>,
}

impl ActionKinds {
    /// Adds the plan's next action.
    pub fn add(&mut self, action: &Action) {
        let is_its = |(account, name): &(usize, String)| *account == action.account && *name == action.operation;
        let kind = self.operations.iter().position(is_its).unwrap_or_else(|| {
            self.operations.push((action.account, action.operation.clone()));
            self.operations.len() - 1
        });
        // More kinds than there can be operations count as one of a single request.
        self.kinds.push(u16::try_from(kind).unwrap_or(u16::MAX));
    }

    /// The further requests of the actions that have some.
    fn further(&self, settings: &Settings, catalog: &Catalog) -> HashMap<Ordinal, Rc<[Duration]>> {
        let of = |(account, operation): &(usize, String)| -> Option<Rc<[Duration]>> {
            let planned = planned_requests(settings, catalog, *account, operation);
            let further: Rc<[Duration]> = planned.iter().skip(1).map(|(_, after)| *after).collect();
            (!further.is_empty()).then_some(further)
        };
        let kinds: Vec<Option<Rc<[Duration]>>> = self.operations.iter().map(of).collect();
        let further =
            |(ordinal, kind): (Ordinal, &u16)| Some((ordinal, Rc::clone(kinds.get(usize::from(*kind))?.as_ref()?)));
        (0..).zip(&self.kinds).filter_map(further).collect()
    }
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
        self.kinds.add(action);
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
            if let Some(order) = &action.order {
                // Revoking an order whole sends one reason, so only certificates with the same one can share it.
                let order = format!("{order} {}", action.reason_sent.as_deref().unwrap_or_default());
                self.orders.push((action.ordinal, action.account, action.operation.clone(), order));
            }
            if action.waits_for_approval {
                *self.waiting.entry((action.account, action.operation.clone())).or_default() += 1;
            }
            self.count(action);
            if let Some(reaches) = &action.reaches {
                self.wide.add(1, || WideEffect {
                    action_id: action.id.clone(),
                    source: action.source.clone(),
                    reaches: reaches.clone(),
                });
            }
            if let Some(names) = action.names.as_ref().filter(|names| self.last_named.as_ref() != Some(*names)) {
                self.certificates.add(|| named_certificate(&action.id, names));
                self.last_named = Some(names.clone());
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

    /// The preview of a plan whose actions were all added. `latencies` are by account, `now` is the run's assumed start.
    pub fn preview(
        mut self,
        read: &ReadPlan,
        catalog: &Catalog,
        latencies: &[Latency],
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
        let further = self.kinds.further(settings, catalog);
        let assumptions = Assumptions { further, ..assumptions(settings, catalog, &self.first, latencies, now) };
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
            requests: planned_requests(settings, catalog, account, &operation)
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            operation,
            reason,
            reason_sent,
            actions,
        });
        let last_steps = read.plan.last_steps();
        let order = self.first.iter().take(SHOWN_ACTIONS).map(|action| Ordered {
            action_id: action.id.clone(),
            provider: name(action.account),
            operation: action.operation.clone(),
            target: action.target.clone(),
            needs: action
                .needs
                .iter()
                .map(|id| last_steps.get(id).unwrap_or(id))
                .chain(&action.needs_accepted)
                .cloned()
                .collect(),
        });
        let providers = settings.accounts.iter().zip(&estimate.accounts);
        Preview {
            plan: settings.name.clone(),
            digest: read.plan.digest().to_owned(),
            shard: read.plan.part(),
            actions: read.plan.actions(),
            duplicates: self.duplicates,
            excepted: self.excepted,
            left_out: read.plan.left_out(),
            warnings: read.warnings,
            online: None,
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
                .zip(latencies)
                .map(|((account, share), latency)| {
                    let proxy = proxies.to(&account.base_url);
                    let proxy = proxy.map(|proxy| ShownProxy { address: proxy.address, variable: proxy.variable });
                    ProviderForecast { proxy, ..provider_forecast(account, share, &estimate, *latency, now, deadline) }
                })
                .collect(),
            estimated_seconds: estimate.takes.map(|takes| takes.as_secs_f64()),
            starts_at,
            ends_at,
            schedule_windows: settings.schedule.window.as_ref().map(|_| estimate.windows),
            assumed_latency_ms: latencies.iter().map(|latency| whole_ms(latency.each)).max().unwrap_or_default(),
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
    latencies: &[Latency],
    start: Timestamp,
) -> Assumptions {
    let tokens = settings.accounts.iter().map(|account| {
        let requirement = catalog.get(&account.provider).and_then(|provider| assumed(account, provider));
        requirement.is_some_and(|requirement| requirement.token().is_some())
    });
    let read_back = match settings.safety.canary {
        0 => HashSet::new(),
        _ => first.iter().filter(|action| is_read_back(settings, catalog, action)).map(|one| one.ordinal).collect(),
    };
    let latencies = latencies.iter().map(|latency| latency.each).collect();
    Assumptions { start, latencies, tokens: tokens.collect(), read_back, further: HashMap::new() }
}

/// The requests of an action, by the names of its steps, and how long after the answer before each is sent.
fn planned_requests(
    settings: &Settings,
    catalog: &Catalog,
    account: usize,
    operation: &str,
) -> Vec<(String, Duration)> {
    let provider = catalog.get(&settings.accounts[account].provider);
    let found = provider.and_then(|provider| Some((provider, provider.operation(operation)?)));
    let planned = found.map(|(provider, operation)| planned(provider, operation)).unwrap_or_default();
    planned.into_iter().map(|request| (request.name.to_owned(), request.after)).collect()
}

/// How an account is likely to sign. A run does so by the first requirement whose credentials are set, and a preview reads no credentials; so
/// the references that the plan has decide, and without any the document's first.
fn assumed<'a>(account: &Account, provider: &'a Provider) -> Option<&'a SecurityRequirement> {
    provider.auth_for(|name| account.credentials.contains_key(name)).or(provider.auth.first())
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
    let wishes = Wishes { orders: whole_orders(&data.orders), deadline: left };
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
    suggestions.extend(approvals(&data.waiting, settings, catalog));
    suggestions
}

/// Actions that revoking whole orders would spare: each with the first action on the same order.
fn whole_orders(orders: &[(Ordinal, usize, String, String)]) -> HashMap<Ordinal, Ordinal> {
    let mut firsts: HashMap<(usize, &str, &str), Ordinal> = HashMap::new();
    let mut later = HashMap::new();
    for (ordinal, account, operation, order) in orders {
        match firsts.entry((*account, operation, order)) {
            std::collections::hash_map::Entry::Occupied(first) => drop(later.insert(*ordinal, *first.get())),
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(*ordinal)),
        }
    }
    later
}

/// Revokes that a provider accepts and then holds until a person approves. Nobody knows how long that takes, so no estimate holds it.
fn approvals(waiting: &BTreeMap<(usize, String), u64>, settings: &Settings, catalog: &Catalog) -> Vec<SuggestedChange> {
    // By account and by what would spare it: the operations of a provider mostly have it in common.
    let mut spared: BTreeMap<(usize, &str), (u64, Option<&str>)> = BTreeMap::new();
    for ((account, operation), actions) in waiting {
        let provider = catalog.get(&settings.accounts[*account].provider);
        let rules = provider.and_then(|provider| provider.operation(operation)?.action.as_ref());
        if let Some(rule) = rules.and_then(|rules| rules.approval.as_ref()) {
            spared.entry((*account, &rule.unless)).or_insert((0, rule.takes.as_deref())).0 += actions;
        }
    }
    let suggestions = spared.into_iter().map(|((account, unless), (actions, takes))| {
        let name = &settings.accounts[account].name;
        let (actions, wait) = (plural(actions, "action"), if actions == 1 { "waits" } else { "wait" });
        let takes = takes.map(|takes| format!(" with {takes}")).unwrap_or_default();
        SuggestedChange {
            provider: name.clone(),
            change: unless.to_owned(),
            text: format!(
                "{actions} of {name} {wait} for a person to approve, and how long is not known; `{unless}: true`{takes} \
                 spares that"
            ),
            estimated_seconds: None,
            deadline_met: None,
        }
    });
    suggestions.collect()
}

/// Whether an action, as a canary, is surely read back: it waits for no person, and its own parameters suffice for a status query (some
/// need a reference that only the answer holds).
fn is_read_back(settings: &Settings, catalog: &Catalog, action: &Action) -> bool {
    let provider = catalog.get(&settings.accounts[action.account].provider);
    let Some((provider, operation)) = provider.and_then(|one| Some((one, one.operation(&action.operation)?))) else {
        return false;
    };
    let rules = operation.action.as_ref();
    !action.waits_for_approval
        && rules
            .is_some_and(|rules| !target_state::choose_queries(provider, rules, &action.parameters, None).is_empty())
}

/// The warning about a run that begins now and will miss its deadline; `None` where it meets it or has none.
pub fn misses_the_deadline(
    settings: &Settings,
    catalog: &Catalog,
    (queue, kinds): (&Queue, &ActionKinds),
    latencies: &[Latency],
    now: Timestamp,
) -> Option<String> {
    let at = calendar::deadline_at(settings.deadline, &settings.schedule, now)?;
    // A few token requests and read-backs do not decide about a deadline; the warning says `about`.
    let tokens = vec![false; settings.accounts.len()];
    let latencies = latencies.iter().map(|latency| latency.each).collect();
    let assumptions = Assumptions {
        start: now,
        latencies,
        tokens,
        read_back: HashSet::new(),
        further: kinds.further(settings, catalog),
    };
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
    latency: Latency,
    now: Timestamp,
    deadline: Option<Timestamp>,
) -> ProviderForecast {
    let ends = estimate.takes.and(estimate.starts).map(|starts| starts + share.takes);
    let ends_at = ends.and_then(|ends| now.checked_add(ends).ok());
    let slack = |at: Timestamp| ends_at.map(|ends: Timestamp| at.duration_since(ends).as_secs_f64());
    let waited = |(reason, time): &(WaitReason, Duration)| Waited {
        for_what: reason.describe_forecast(latency.each),
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
        latency_ms: whole_ms(latency.each),
        latency_source: latency.source,
        estimated_seconds: estimate.takes.map(|_| share.takes.as_secs_f64()),
        ends_at,
        slack_seconds: deadline.and_then(slack),
        bottleneck: share.bottleneck().unwrap_or(&WaitReason::Nothing).describe_forecast(latency.each),
        waits: share.waits.iter().map(waited).collect(),
    }
}

fn whole_ms(time: Duration) -> u64 {
    // A tenth of a millisecond is none: 0 would read as no time at all.
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(u64::from(!time.is_zero()))
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
        // What an earlier step brings is not known yet.
        if stages::references(&action.parameters).next().is_some() {
            continue;
        }
        if seen.contains(&(action.account, action.operation.as_str())) || requests.len() >= SHOWN_REQUESTS {
            continue;
        }
        let account = &settings.accounts[action.account];
        let Some(provider) = catalog.get(&account.provider) else { continue };
        let Some(operation) = provider.operation(&action.operation) else { continue };
        let given = |name: &str| account.credentials.contains_key(name);
        let Some(requirement) = provider.auth_of(operation, given) else { continue };
        seen.push((action.account, &action.operation));
        let masked = request::preview(&account.base_url, operation, &action.parameters, requirement);
        requests.push(FirstRequest {
            action_id: action.id.clone(),
            provider: account.name.clone(),
            credentials: sources(account, provider, requirement),
            method: masked.method,
            url: masked.url,
            headers: masked.headers.into_iter().map(|(name, value)| ShownHeader { name, value }).collect(),
            body: masked.body,
        });
    }
    requests
}

/// Where an account's credentials come from; none where each action brings its own key.
fn sources(account: &Account, provider: &Provider, requirement: &SecurityRequirement) -> Vec<String> {
    if account.own_keys {
        return Vec::new();
    }
    // A document names variables for what few people have; whether they are set only the run looks.
    let named = |name: &&str| match account.credentials.get(*name) {
        Some(CredentialReference::Env(variable)) => provider.environment.get(*name) != Some(variable),
        other => other.is_some(),
    };
    let names = requirement.required().into_iter().chain(requirement.optional().into_iter().filter(named));
    names.filter_map(|name| Some(format!("{name} from {}", account.credentials.get(name)?))).collect()
}

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
    use crate::view::preview::LatencySource;

    fn preview(plan: &str) -> Preview {
        preview_of(&Catalog::built_in(), plan)
    }

    fn preview_of(catalog: &Catalog, plan: &str) -> Preview {
        let columns = CsvOptions::default();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let plan = Input::Stdin(format!("version: 1\n{plan}").into_bytes());
        let request = Request { plan, settings: None, catalog, columns, now };
        let mut data = PreviewData::new(false);
        let (plan, findings) = check(&request, &mut SourceMap::default(), &mut |action| data.add(&action));
        let plan = plan.unwrap_or_else(|| panic!("{findings:?}"));
        let read = ReadPlan { plan, warnings: 0, diagnostics: serde_json::Value::Null };
        let latency = Latency { each: Duration::from_millis(500), source: LatencySource::Given };
        let latencies = vec![latency; read.plan.settings().accounts.len()];
        data.preview(&read, catalog, &latencies, now, &Proxies::default())
    }

    const REISSUE: &str = concat!(
        "{provider: digicert, action: reissue, order_id: 5, common_name: shop.example.com, dns_names: [www.shop.example.com], csr: \"file:",
        env!("CARGO_MANIFEST_DIR"),
        "/examples/shop.csr\"}"
    );

    #[test]
    fn requests_and_advice_follow_from_the_actions() {
        let digicert = |fields: &str| format!("{{provider: digicert, action: revoke, certificate_id: 1{fields}}}");
        let naver = "{provider: naver, action: revoke, orderId: '1', certificateNo: 1, reason: superseded}".to_owned();
        let canary = "safety: {canary: 1}\n";
        for (settings, actions, requests, advice) in [
            ("", vec![digicert(", skip_approval: true")], 1, vec![]),
            ("", vec![digicert("")], 1, vec!["skip_approval"]),
            // The order is read, the reissue asked for, its request and twice its order looked at, the certificate fetched.
            ("", vec![REISSUE.to_owned()], 6, vec![]),
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
    fn advice_follows_from_the_document_whatever_its_names_are() {
        let (mut sources, mut findings) = (SourceMap::default(), Diagnostics::default());
        let mut catalog = Catalog::built_in();
        let built_in = catalog.get("digicert").unwrap().text.to_string();
        let renamed = |names: &[(&str, &str)]| {
            names.iter().fold(built_in.clone(), |text, (name, other)| text.replace(name, other))
        };
        let own = [
            ("id: digicert", "id: own"),
            ("skip_approval", "at_once"),
            ("order_id", "bundle"),
            ("revoke-order", "withdraw-bundle"),
            ("an administrator's key", "a red button"),
        ];
        // A document of the same names that does not say so gets no such advice.
        let silent = [
            ("id: digicert", "id: silent"),
            ("        approval: &approval {unless: skip_approval, takes: an administrator's key}\n", ""),
            ("        approval: *approval\n", ""),
            ("        whole_order: {operation: revoke-order, parameter: order_id}\n", ""),
        ];
        for names in [&own[..], &silent] {
            catalog.put("own.yaml".to_owned(), &renamed(names).into(), &mut sources, &mut findings);
        }
        assert!(!findings.has_errors(), "{findings:?}");
        let rows = |provider: &str, order: &str| -> String {
            let row =
                |id: u32| format!("- {{provider: {provider}, action: revoke, certificate_id: {id}, {order}: 7}}\n");
            format!("deadline: 1s\nactions:\n{}", (1..=300).map(row).collect::<String>())
        };
        let advice = |provider: &str, order: &str| -> Vec<(String, String)> {
            let helps = preview_of(&catalog, &rows(provider, order)).would_help.into_iter();
            helps.map(|help| (help.change, help.text)).collect()
        };
        let changes = |of: &[(String, String)]| of.iter().map(|(change, _)| change.clone()).collect::<Vec<_>>();
        let (digicert, own) = (advice("digicert", "order_id"), advice("own", "bundle"));
        let expected: Vec<String> =
            changes(&digicert).iter().map(|change| change.replace("skip_approval", "at_once")).collect();
        assert_eq!(changes(&own), expected);
        assert!(expected.contains(&"whole-orders".to_owned()), "{expected:?}");
        let approval = &own.iter().find(|(change, _)| change == "at_once").unwrap().1;
        assert!(approval.ends_with("`at_once: true` with a red button spares that"), "{approval}");
        let silent = changes(&advice("silent", "order_id"));
        assert!(!silent.iter().any(|change| change == "skip_approval" || change == "whole-orders"), "{silent:?}");
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
