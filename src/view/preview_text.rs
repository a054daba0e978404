//! The text of a preview, from the counts to "Nothing was sent." or to the question. Makes foreign text safe; leaves nothing uncounted.

use super::preview::*;
use super::status::{part_text, seconds_text};
use super::terminal::{Paint, grouped, plural, table_in};
use crate::plan::checked::{WAIT_PREFIX, entry_and_step};
use crate::text::safe;
use crate::time::{human_latency, rfc3339};
use jiff::Timestamp;
use std::time::Duration;

/// The preview as text, for a terminal of so many columns.
pub fn render(preview: &Preview, columns: Option<usize>) -> String {
    let end = match &preview.online {
        None => "Nothing was sent.\n",
        Some(_) => "Nothing was sent that changes anything.\n",
    };
    joined(summary_sections(preview, columns).into_iter().chain([first_requests(preview), end.to_owned()]))
}

/// The preview for who is to confirm it: it ends with how many of what go where, how long that takes, and the deadline, since what stands
/// above may have scrolled away.
pub fn render_to_confirm(preview: &Preview, colors: bool, columns: Option<usize>) -> String {
    joined(summary_sections(preview, columns).into_iter().chain([scale(preview, colors, columns)]))
}

fn joined(sections: impl Iterator<Item = String>) -> String {
    let sections: Vec<String> = sections.filter(|section| !section.is_empty()).collect();
    sections.join("\n")
}

fn summary_sections(preview: &Preview, columns: Option<usize>) -> [String; 9] {
    // What a person must notice before a `yes` comes first: how many, how far they reach. Requests, the longest part, come last.
    [
        heading(preview),
        counts(preview, columns),
        wide_effects(preview, columns),
        certificates(preview, columns),
        online(preview, columns),
        order(preview, columns),
        providers(preview, columns),
        time(preview),
        would_help(preview),
    ]
}

/// What the run does and where, with its time and the deadline.
fn scale(preview: &Preview, colors: bool, columns: Option<usize>) -> String {
    let mut kinds: Vec<(&str, &str, u64)> = Vec::new();
    for Count { provider, operation, actions, .. } in &preview.counts {
        match kinds.iter_mut().find(|(known, name, _)| (*known, *name) == (provider.as_str(), operation.as_str())) {
            Some((.., count)) => *count += actions,
            None => kinds.push((provider, operation, *actions)),
        }
    }
    let place = |name: &str| {
        let of = preview.providers.iter().find(|provider| provider.provider == name);
        let url = of.map(|provider| provider.base_url.as_str()).unwrap_or_default();
        url.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned()
    };
    let row = |(provider, operation, actions): &(&str, &str, u64)| {
        vec![grouped(*actions), (*operation).to_owned(), format!("at {provider} ({})", place(provider))]
    };
    let rows: Vec<Vec<String>> = kinds.iter().map(row).collect();
    let what = table_in(columns, &["actions", "operation", "where"], &[0], &rows);
    let mut lines = vec![format!("What this run does:\n{}", what.trim_end())];
    let wide = preview.wide_effects.count;
    if wide > 0 {
        let line = format!("  {} of them reach further than one certificate, see above", grouped(wide));
        lines.push(Paint::Open.on_if(colors, &line));
    }
    let not_sent = preview.duplicates + preview.excepted;
    if not_sent > 0 {
        lines.push(format!("  not sent: {} (duplicates, exception list)", grouped(not_sent)));
    }
    let takes = preview
        .estimated_seconds
        .map_or_else(|| "never ends".to_owned(), |takes| format!("about {}", seconds_text(takes)));
    let deadline = match &preview.deadline {
        None => "none".to_owned(),
        Some(DeadlineForecast { met: true, slack_seconds, .. }) => {
            let spare =
                slack_seconds.map(|slack| format!(", with {} to spare", seconds_text(slack))).unwrap_or_default();
            format!("met{spare}")
        }
        Some(DeadlineForecast { slack_seconds, .. }) => {
            let by = slack_seconds.map(|slack| format!(" by {}", seconds_text(-slack))).unwrap_or_default();
            Paint::Bad.on_if(colors, &format!("MISSED{by}"))
        }
    };
    lines.push(format!("  time: {takes}; deadline: {deadline}"));
    lines.join("\n") + "\n"
}

fn heading(preview: &Preview) -> String {
    let mut facts = vec![plural(preview.actions, "action")];
    if preview.duplicates > 0 {
        facts.push(format!("{} not sent", plural(preview.duplicates, "duplicate")));
    }
    if preview.excepted > 0 {
        facts.push(format!("{} on the exception list not sent", grouped(preview.excepted)));
    }
    if preview.left_out > 0 {
        facts.push(format!("{} left out by `where`", plural(preview.left_out, "row")));
    }
    if preview.warnings > 0 {
        facts.push(plural(preview.warnings, "warning"));
    }
    let shard = preview.shard.map(|part| {
        format!("shard   {}: {}; the digest is the whole plan's\n", part.shard, part_text(preview.actions, part))
    });
    let (plan, shard) = (safe::terminal(&preview.plan), shard.unwrap_or_default());
    format!("plan    {plan}: {}\n{shard}digest  {}\n", facts.join(", "), preview.digest)
}

fn counts(preview: &Preview, columns: Option<usize>) -> String {
    let row = |count: &Count| {
        let reason = match (&count.reason, &count.reason_sent) {
            // Both, where they differ: the CA will publish the reason that is sent.
            (Some(asked), Some(sent)) if asked != sent => format!("{asked} → {sent}"),
            (Some(reason), _) | (None, Some(reason)) => reason.clone(),
            (None, None) => "-".to_owned(),
        };
        vec![grouped(count.actions), count.provider.clone(), count.operation.clone(), reason]
    };
    let rows: Vec<Vec<String>> = preview.counts.iter().map(row).collect();
    table_in(columns, &["actions", "provider", "operation", "reason"], &[0], &rows) + &several_requests(preview)
}

/// What actions are more than one request: `1 reissue at digicert = about 6 requests: …`.
fn several_requests(preview: &Preview) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Count { provider, operation, requests, .. } in preview.counts.iter().filter(|count| count.requests.len() > 1) {
        let mut names: Vec<(&str, u64)> = Vec::new();
        for name in requests {
            match names.last_mut() {
                Some((last, times)) if last == name => *times += 1,
                _ => names.push((name, 1)),
            }
        }
        let named = |(name, times): &(&str, u64)| match times {
            1 => (*name).to_owned(),
            times => format!("{name} {times}×"),
        };
        let names: Vec<String> = names.iter().map(named).collect();
        let (provider, operation) = (safe::terminal(provider), safe::terminal(operation));
        let about = if names.len() < requests.len() { "about " } else { "" };
        let line = format!("1 {operation} at {provider} = {about}{} requests: {}\n", requests.len(), names.join(", "));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}

fn wide_effects(preview: &Preview, columns: Option<usize>) -> String {
    let effects = &preview.wide_effects;
    if effects.count == 0 {
        return String::new();
    }
    let rows: Vec<Vec<String>> = effects
        .first
        .iter()
        .take(SHOWN)
        .map(|effect| vec![effect.action_id.clone(), effect.source.clone(), effect.reaches.clone()])
        .collect();
    let reach = if effects.count == 1 { "reaches" } else { "reach" };
    let head = format!("{} {reach} further than one certificate:\n", plural(effects.count, "action"));
    head + &table_in(columns, &["action", "source", "reaches"], &[], &rows) + &more(effects.count, rows.len())
}

fn certificates(preview: &Preview, columns: Option<usize>) -> String {
    let certificates = &preview.certificates;
    if certificates.count == 0 {
        return String::new();
    }
    let row = |named: &NamedCertificate| {
        let at = |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        let valid = format!("{} to {}", at(named.not_before), at(named.not_after));
        let name = named.common_name.clone().unwrap_or_else(|| "-".to_owned());
        vec![named.action_id.clone(), name, named.serial_number.clone(), valid, named.issuer.clone()]
    };
    let rows: Vec<Vec<String>> = certificates.first.iter().take(SHOWN).map(row).collect();
    let header = ["action", "common name", "serial number", "valid", "issuer"];
    let head = format!("{} by name:\n", plural(certificates.count, "certificate"));
    head + &table_in(columns, &header, &[], &rows) + &more(certificates.count, rows.len())
}

/// What the providers say now. What a person must look at comes first: what is not known, and what is revoked already.
fn online(preview: &Preview, columns: Option<usize>) -> String {
    let Some(present) = &preview.online else { return String::new() };
    let counts = [
        (present.not_revoked, "not revoked"),
        (present.revoked, "revoked already"),
        (present.unknown, "unknown"),
        (present.not_asked, "not asked (nobody can be asked about them)"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    let end = if present.is_whole { "" } else { "; not all were asked" };
    let mut text = format!("Now, as the providers say: {}{end}\n", counts.join(", "));
    for (state, count) in [
        (PresentState::Unknown, present.unknown),
        (PresentState::Revoked, present.revoked),
        (PresentState::NotRevoked, present.not_revoked),
    ] {
        let row = |target: &PresentTarget| {
            let until = target.not_after.map(|at| at.strftime("%Y-%m-%d").to_string());
            let seen = match (target.shows.as_str(), state) {
                ("", _) => state.words().to_owned(),
                (shows, PresentState::Revoked) => format!("{}; {shows}", state.words()),
                (shows, _) => shows.to_owned(),
            };
            let renewal = target.renewal.as_ref().map(SuggestedRenewal::words);
            let shows = match (renewal, state) {
                // Whoever tells that tells no state.
                (Some(renewal), PresentState::Unknown) if target.shows.is_empty() => renewal,
                (Some(renewal), _) => format!("{seen}; {renewal}"),
                (None, _) => seen,
            };
            let name = name_and_more(target);
            let until = until.unwrap_or_else(|| "-".to_owned());
            vec![target.action_id.clone(), target.provider.clone(), target.target.clone(), name, until, shows]
        };
        let rows: Vec<Vec<String>> =
            present.targets.iter().filter(|target| target.state == state).take(SHOWN).map(row).collect();
        if !rows.is_empty() {
            let header = ["action", "provider", "target", "common name", "until", "now"];
            text += &(table_in(columns, &header, &[], &rows) + &more(count, rows.len()));
        }
    }
    text
}

/// The common name, or else the first name; and how many more there are.
fn name_and_more(target: &PresentTarget) -> String {
    let Some(first) = target.common_name.as_ref().or(target.names.first()) else { return "-".to_owned() };
    match target.names.iter().filter(|name| *name != first).count() {
        0 => first.clone(),
        more => format!("{first} (+{more})"),
    }
}

fn order(preview: &Preview, columns: Option<usize>) -> String {
    let order = &preview.order;
    let canary = (order.canary > 0).then(|| format!("{} first, one at a time", plural(order.canary, "action")));
    let waiting = (order.with_needs > 0).then(|| {
        let verb = if order.with_needs == 1 { "waits" } else { "wait" };
        format!("{} {verb} for others", plural(order.with_needs, "action"))
    });
    let waves = (order.waves > 1).then(|| format!("in {} waves", order.waves));
    let facts: Vec<String> = canary.into_iter().chain(waves).chain(waiting).collect();
    let colon = if facts.is_empty() { "" } else { ": " };
    // The list leaves out what is not sent, so its `… and N more` must too.
    let sent = preview.actions.saturating_sub(preview.duplicates + preview.excepted);
    let first = &order.first[..order.first.len().min(SHOWN)];
    let (mut rows, mut shown, mut has_chains) = (Vec::new(), 0, false);
    for chain in first.chunk_by(|_, next| next.is_step()) {
        let Some(action) = chain.first() else { continue };
        let canary = if (shown as u64) < order.canary { "canary" } else { "" };
        let mut operations = chain.iter().map(|step| step.operation.as_str()).collect::<Vec<_>>().join(" → ");
        let entry = entry_and_step(&action.action_id).map_or(action.action_id.as_str(), |(entry, _)| entry);
        let is_chain = chain.len() > 1;
        has_chains |= is_chain;
        shown += chain.len();
        if is_chain && shown == first.len() && (shown as u64) < sent {
            operations.push_str(" → …");
        }
        rows.push(vec![
            (shown + 1 - chain.len()).to_string(),
            if is_chain { entry.to_owned() } else { action.action_id.clone() },
            action.provider.clone(),
            operations,
            action.target.clone(),
            action.needs.join(" "),
            canary.to_owned(),
        ]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let header = ["", "action", "provider", "operation", "target", "needs", ""];
    let left = if has_chains { STOPPED_IN_THE_MIDDLE } else { "" };
    format!("Order{colon}{}\n", facts.join("; ")) + &table_in(columns, &header, &[0], &rows) + &more(sent, shown) + left
}

fn providers(preview: &Preview, columns: Option<usize>) -> String {
    let row = |provider: &ProviderForecast| {
        let name = if provider.provider == provider.uses {
            provider.provider.clone()
        } else {
            format!("{} ({})", provider.provider, provider.uses)
        };
        let rate = if provider.rate.is_empty() { "no limit".to_owned() } else { provider.rate.join(", ") };
        let time = provider.estimated_seconds.map_or_else(|| "never".to_owned(), seconds_text);
        let (actions, requests) = (grouped(provider.actions), grouped(provider.requests));
        vec![name, actions, requests, rate, provider.concurrency.to_string(), time, provider.bottleneck.clone()]
    };
    if preview.providers.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = preview.providers.iter().map(row).collect();
    let header = ["provider", "to send", "requests", "rate", "at once", "takes", "because of"];
    let places: Vec<Vec<String>> =
        preview.providers.iter().map(|provider| vec![provider.provider.clone(), provider.where_to()]).collect();
    table_in(columns, &header, &[1, 2, 4, 5], &rows)
        + "\n"
        + &table_in(columns, &["provider", "sends to"], &[], &places)
}

fn time(preview: &Preview) -> String {
    let latency = latency(preview);
    let estimate = match preview.estimated_seconds {
        Some(estimate) => seconds_text(estimate),
        None => "it does not end inside the schedule".to_owned(),
    };
    let span = match (preview.starts_at, preview.ends_at) {
        (Some(starts), Some(ends)) => format!(" ({} to {})", rfc3339(starts), rfc3339(ends)),
        _ => String::new(),
    };
    let deadline = preview.deadline.as_ref().map(|deadline| {
        let at = deadline.at.map(|at| format!(" {}", rfc3339(at))).unwrap_or_default();
        match deadline.slack_seconds {
            Some(slack) if deadline.met => format!("Deadline{at}: met, with {} to spare\n", seconds_text(slack)),
            Some(slack) => format!("Deadline{at}: MISSED by {}\n", seconds_text(-slack)),
            None if deadline.met => format!("Deadline{at}: met\n"),
            None => format!("Deadline{at}: MISSED\n"),
        }
    });
    let windows = match preview.schedule_windows {
        Some(windows @ 2..) => format!(
            "It takes {} of the schedule: `--wait` stays through the closed hours, else resume in each\n",
            plural(windows, "window")
        ),
        _ => String::new(),
    };
    let asks = if preview.order.asks_between_waves {
        "Somebody is asked between two waves: how long the answers take is not counted\n"
    } else {
        ""
    };
    // What is polled is named twice, one after the other.
    let polls = |count: &Count| count.requests.windows(2).any(|two| matches!(two, [one, other] if one == other));
    let waits = if preview.counts.iter().any(|count| count.operation.starts_with(WAIT_PREFIX) || polls(count)) {
        "How long its waits take (approvals, issuance) is not known, and not counted\n"
    } else {
        ""
    };
    let deadline = deadline.unwrap_or_default();
    format!("Estimated time: {estimate}, at {latency}{span}\n{windows}{asks}{waits}{deadline}")
}

/// `0.5s a request (assumed)`; where the providers differ, each by its name.
fn latency(preview: &Preview) -> String {
    let told = |provider: &ProviderForecast| {
        let source = match provider.latency_source {
            LatencySource::Given => "",
            LatencySource::EarlierRun => " (as in an earlier run)",
            LatencySource::Simulator => " (of the simulator)",
            LatencySource::Assumed => " (assumed)",
        };
        (human_latency(Duration::from_millis(provider.latency_ms)), source)
    };
    let all: Vec<_> = preview.providers.iter().filter(|one| one.requests > 0).map(|one| (one, told(one))).collect();
    match all.first() {
        None => format!("{} a request", human_latency(Duration::from_millis(preview.assumed_latency_ms))),
        Some((_, (time, source))) if all.iter().all(|(_, other)| *other == (time.clone(), *source)) => {
            format!("{time} a request{source}")
        }
        Some(_) => {
            let each = all
                .iter()
                .map(|(provider, (time, source))| format!("{time} of {}{source}", safe::terminal(&provider.provider)));
            format!("a request of {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

fn would_help(preview: &Preview) -> String {
    if preview.would_help.is_empty() {
        return String::new();
    }
    let lines = preview.would_help.iter().map(|help| format!("  - {}\n", safe::terminal(&help.text)));
    format!("What would help:\n{}", lines.collect::<String>())
}

fn first_requests(preview: &Preview) -> String {
    if preview.first_requests.is_empty() {
        return String::new();
    }
    let requests: Vec<String> = preview.first_requests.iter().map(request).collect();
    format!("First requests, secrets masked:\n{}", requests.join("\n"))
}

fn request(request: &FirstRequest) -> String {
    let (id, provider) = (safe::terminal(&request.action_id), safe::terminal(&request.provider));
    let mut lines = vec![format!("  # {id} ({provider})")];
    lines.extend(request.credentials.iter().map(|one| format!("  # {}", safe::terminal(one))));
    lines.push(format!("  {} {}", request.method, safe::terminal(&request.url)));
    let fields = request.headers.iter();
    lines.extend(fields.map(|field| format!("  {}: {}", safe::terminal(&field.name), safe::terminal(&field.value))));
    if let Some(body) = &request.body {
        lines.push(String::new());
        lines.extend(body.lines().map(|line| format!("  {}", safe::terminal(line))));
    }
    lines.join("\n") + "\n"
}

fn more(count: u64, shown: usize) -> String {
    let left = count.saturating_sub(shown as u64);
    if left == 0 { String::new() } else { format!("  … and {} more\n", grouped(left)) }
}

/// Rows shown of lists that may be long.
const SHOWN: usize = 10;

/// What a run that stops leaves of entries with steps.
const STOPPED_IN_THE_MIDDLE: &str = "\
A stop in the middle of a row leaves what its earlier steps did, such as a new certificate beside the old one;
`resume` goes on with the step that is next.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn preview() -> Preview {
        let count = |operation: &str, reason: Option<&str>, sent: Option<&str>, actions| Count {
            provider: "corp".into(),
            operation: operation.into(),
            reason: reason.map(str::to_owned),
            reason_sent: sent.map(str::to_owned),
            requests: vec![operation.into()],
            actions,
        };
        let mut wide_effects = WideEffects::default();
        for index in 0..12 {
            wide_effects.add(1, || WideEffect {
                action_id: format!("order-{index}"),
                source: format!("plan.yaml:{index}"),
                reaches: "every certificate of the order".into(),
            });
        }
        let mut certificates = NamedCertificates::default();
        certificates.add(|| NamedCertificate {
            action_id: "shop".into(),
            common_name: Some("shop.example.com\u{1b}".into()),
            serial_number: "c0ffee".into(),
            not_before: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            not_after: Some(Timestamp::from_second(1_707_776_000).unwrap()),
            issuer: "CN=R11,O=Let's Encrypt,C=US".into(),
        });
        let ordered = |id: &str, needs: &[&str]| Ordered {
            action_id: id.into(),
            provider: "digicert".into(),
            operation: "revoke".into(),
            target: "112358".into(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        };
        Preview {
            plan: "유출-key\u{1b}".into(),
            digest: "ab12".into(),
            actions: 2013,
            duplicates: 1,
            excepted: 0,
            shard: None,
            left_out: 0,
            online: None,
            warnings: 1,
            counts: vec![
                count("revoke", Some("keyCompromise"), Some("key_compromise"), 2000),
                count("revoke-order", None, None, 12),
            ],
            wide_effects,
            certificates,
            order: Order {
                canary: 1,
                waves: 3,
                asks_between_waves: true,
                with_needs: 1,
                first: vec![ordered("shop", &[]), ordered("next", &["shop"])],
            },
            providers: vec![ProviderForecast {
                provider: "corp".into(),
                uses: "digicert".into(),
                base_url: "https://www.digicert.com/services/v2".into(),
                proxy: None,
                rate: vec!["100/5s".into(), "1000/180s".into()],
                concurrency: 16,
                actions: 2012,
                requests: 2013,
                latency_ms: 500,
                latency_source: LatencySource::Assumed,
                estimated_seconds: Some(360.0),
                ends_at: None,
                slack_seconds: None,
                bottleneck: "rate 1000/180s".into(),
                waits: vec![Waited { for_what: "rate 1000/180s".into(), seconds: 340.0 }],
            }],
            estimated_seconds: Some(360.0),
            starts_at: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            ends_at: Some(Timestamp::from_second(1_700_000_360).unwrap()),
            schedule_windows: Some(2),
            assumed_latency_ms: 500,
            would_help: vec![SuggestedChange {
                provider: "corp".into(),
                change: "second-key".into(),
                text: "a second key\u{1b}: 3m instead of 6m".into(),
                estimated_seconds: Some(180.0),
                deadline_met: Some(true),
            }],
            deadline: Some(DeadlineForecast {
                at: Some(Timestamp::from_second(1_700_000_300).unwrap()),
                slack_seconds: Some(-60.0),
                met: false,
            }),
            first_requests: vec![FirstRequest {
                action_id: "shop".into(),
                provider: "corp".into(),
                credentials: vec!["api_key from env:CORP_KEY".into()],
                method: "PUT".into(),
                url: "https://www.digicert.com/services/v2/certificate/112358/revoke".into(),
                headers: vec![ShownHeader { name: "x-dc-devkey".into(), value: "(secret)".into() }],
                body: Some("{\"comments\":\"INC-42\"}".into()),
            }],
        }
    }

    #[test]
    fn an_action_of_several_requests_is_told_once() {
        let mut preview = preview();
        preview.counts[1].requests = ["get-order", "reissue", "issued", "issued", "fetched"].map(String::from).into();
        preview.counts.push(preview.counts[1].clone());
        let text = render(&preview, None);
        let line = "1 revoke-order at corp = about 5 requests: get-order, reissue, issued 2×, fetched\n";
        assert_eq!(text.matches(line).count(), 1, "{text}");
        assert!(text.contains("How long its waits take (approvals, issuance) is not known, and not counted"), "{text}");
    }

    #[test]
    fn the_preview_reads_from_counts_to_nothing_was_sent() {
        let text = render(&preview(), None);
        let expected = "\
plan    유출-key\\u{1b}: 2,013 actions, 1 duplicate not sent, 1 warning
digest  ab12

  actions  provider  operation     reason
    2,000  corp      revoke        keyCompromise → key_compromise
       12  corp      revoke-order  -

12 actions reach further than one certificate:
  action   source       reaches
  order-0  plan.yaml:0  every certificate of the order
  order-1  plan.yaml:1  every certificate of the order
  order-2  plan.yaml:2  every certificate of the order
  order-3  plan.yaml:3  every certificate of the order
  order-4  plan.yaml:4  every certificate of the order
  order-5  plan.yaml:5  every certificate of the order
  order-6  plan.yaml:6  every certificate of the order
  order-7  plan.yaml:7  every certificate of the order
  order-8  plan.yaml:8  every certificate of the order
  order-9  plan.yaml:9  every certificate of the order
  … and 2 more

1 certificate by name:
  action  common name             serial number  valid                     issuer
  shop    shop.example.com\\u{1b}  c0ffee         2023-11-14 to 2024-02-12  CN=R11,O=Let's Encrypt,C=US

Order: 1 action first, one at a time; in 3 waves; 1 action waits for others
     action  provider  operation  target  needs
  1  shop    digicert  revoke     112358         canary
  2  next    digicert  revoke     112358  shop
  … and 2,010 more

  provider         to send  requests  rate               at once   takes  because of
  corp (digicert)    2,012     2,013  100/5s, 1000/180s       16  6m 00s  rate 1000/180s

  provider  sends to
  corp      https://www.digicert.com/services/v2

Estimated time: 6m 00s, at 0.5s a request (assumed) (2023-11-14T22:13:20.000Z to 2023-11-14T22:19:20.000Z)
It takes 2 windows of the schedule: `--wait` stays through the closed hours, else resume in each
Somebody is asked between two waves: how long the answers take is not counted
Deadline 2023-11-14T22:18:20.000Z: MISSED by 1m 00s

What would help:
  - a second key\\u{1b}: 3m instead of 6m

First requests, secrets masked:
  # shop (corp)
  # api_key from env:CORP_KEY
  PUT https://www.digicert.com/services/v2/certificate/112358/revoke
  x-dc-devkey: (secret)

  {\"comments\":\"INC-42\"}

Nothing was sent.
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn who_confirms_reads_scale_and_place_last() {
        let text = render_to_confirm(&preview(), false, None);
        let expected = "
What this run does:
  actions  operation     where
    2,000  revoke        at corp (www.digicert.com)
       12  revoke-order  at corp (www.digicert.com)
  12 of them reach further than one certificate, see above
  not sent: 1 (duplicates, exception list)
  time: about 6m 00s; deadline: MISSED by 1m 00s
";
        assert!(text.ends_with(expected), "{text}");
        let calm = Preview { deadline: None, duplicates: 0, wide_effects: WideEffects::default(), ..preview() };
        assert!(render_to_confirm(&calm, false, None).ends_with("  time: about 6m 00s; deadline: none\n"));
    }

    #[test]
    fn the_json_has_the_keys_that_scripts_rely_on() {
        let json = serde_json::to_value(preview()).unwrap();
        assert_eq!(json["digest"], "ab12");
        assert_eq!(json["estimated_seconds"], 360.0);
        assert_eq!(json["actions"], 2013);
        assert_eq!(json["certificates"]["first"][0]["not_after"], "2024-02-12T22:13:20.000Z");
        assert_eq!(json["wide_effects"]["count"], 12);
        assert_eq!(json["wide_effects"]["first"].as_array().map(Vec::len), Some(12));
        assert_eq!(json["deadline"]["slack_seconds"], -60.0);
        assert_eq!(json["would_help"][0]["estimated_seconds"], 180.0);
        assert_eq!(json["providers"][0]["waits"][0]["for"], "rate 1000/180s");
        assert_eq!((&json["providers"][0]["requests"], &json["schedule_windows"]), (&2013.into(), &2.into()));
        assert_eq!(json["ends_at"], "2023-11-14T22:19:20.000Z");
        assert_eq!(json["first_requests"][0]["headers"][0]["value"], "(secret)");
    }

    #[test]
    fn a_deadline_is_met_or_missed_and_an_estimate_may_be_anything() {
        for (slack, met, expected) in [
            (Some(60.0), true, "met, with 1m 00s to spare"),
            (Some(-0.5), false, "MISSED by 0.5s"),
            (None, false, "MISSED\n"),
        ] {
            let deadline = Some(DeadlineForecast { at: None, slack_seconds: slack, met });
            let text = render(&Preview { deadline, ..preview() }, None);
            assert!(text.contains(expected), "{text}");
        }
        for (estimate, expected) in [(None, "does not end"), (Some(f64::NAN), "0s"), (Some(f64::INFINITY), "d ")] {
            let text = render(&Preview { estimated_seconds: estimate, ..preview() }, None);
            assert!(text.contains(expected), "{text}");
        }
    }
}
