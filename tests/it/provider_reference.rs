//! `docs/providers.md` is made from the provider documents: it cannot say what they do not. `CERTSWEEP_WRITE_DOCS=1` writes it anew.

use certsweep::diag::Diagnostics;
use certsweep::provider::model::{ActionRules, Operation, TargetKind};
use certsweep::provider::{Catalog, Idempotency, Provider};
use certsweep::text::SourceMap;
use certsweep::tree::read_yaml;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "\
# Providers

What the built-in provider documents say, made from them (a test compares). `certsweep providers show ID` shows one with all parameters; a CA that is not here becomes a
document of your own: [provider-documents.md](provider-documents.md).

*Again* says whether a request is sent again when its answer was lost. *State* is how a target's state is read back; *list*, what `find --at` reads.
";

#[test]
fn the_table_of_providers_is_made_from_the_documents() {
    let catalog = Catalog::built_in();
    let mut text = HEAD.to_owned();
    text.push_str("\n| provider | signs in by | rate | actions | list |\n|---|---|---|---|---|\n");
    for provider in catalog.iter() {
        let actions: Vec<String> = provider.actions().map(|(operation, _)| code(&operation.name)).collect();
        let id = &provider.id;
        let (signs, rate, lists) = (sign_in(provider), rate(provider), lists(provider));
        writeln!(text, "| [`{id}`](#{id}) | {signs} | {rate} | {} | {lists} |", actions.join(", ")).unwrap();
    }
    for provider in catalog.iter() {
        write!(text, "\n## {}\n\n{}\n\n", provider.id, provider.title).unwrap();
        text.push_str("| action | request | acts on | again | reasons | state |\n|---|---|---|---|---|---|\n");
        for (operation, rules) in provider.actions() {
            text.push_str(&action(provider, operation, rules));
        }
        text.push('\n');
        let about = about(provider);
        for (title, what) in [("Sources", &about.sources), ("Not confirmed", &about.unconfirmed), ("Rate", &about.rate)]
        {
            if !what.is_empty() {
                writeln!(text, "- {title}: {what}").unwrap();
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers.md");
    if std::env::var_os("CERTSWEEP_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "docs/providers.md is not what the documents say; CERTSWEEP_WRITE_DOCS=1 writes it anew");
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn sign_in(provider: &Provider) -> String {
    let one = |requirement: &certsweep::provider::SecurityRequirement| {
        let names: Vec<String> = requirement.required().iter().map(|name| code(name)).collect();
        if names.is_empty() {
            code(&requirement.name())
        } else {
            format!("{} ({})", code(&requirement.name()), names.join(", "))
        }
    };
    provider.auth.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn rate(provider: &Provider) -> String {
    let windows: Vec<String> = provider.windows.iter().map(|window| code(&window.to_string())).collect();
    let windows = if windows.is_empty() { "none".to_owned() } else { windows.join(", ") };
    format!("{windows}; {} at once", provider.concurrency)
}

fn lists(provider: &Provider) -> String {
    let lists = provider.operations.iter().filter(|operation| operation.list.is_some());
    lists.map(|operation| code(&operation.name)).collect::<Vec<_>>().join(", ")
}

fn action(provider: &Provider, operation: &Operation, rules: &ActionRules) -> String {
    let stages = rules.stages.iter().map(|stage| &provider.operations[stage.operation]);
    let requests: Vec<String> = std::iter::once(operation)
        .chain(stages)
        .map(|asked| code(&format!("{} {}", asked.method, asked.path)))
        .collect();
    let kind = match rules.target.kind {
        TargetKind::Certificate => "a certificate",
        TargetKind::Order => "an order",
        TargetKind::Request => "a request",
        TargetKind::Ca => "a CA",
    };
    let again = match (rules.idempotency, &rules.idempotency_key) {
        (_, Some(_)) => "yes, by its key",
        (Idempotency::Idempotent, _) => "yes",
        (Idempotency::NotIdempotent, _) => "no",
    };
    let reasons = rules.reason.iter().flat_map(|reason| &reason.values).map(|(reason, _)| reason.name());
    let mut state: Vec<String> = rules.status_queries.iter().map(|query| code(&query.operation)).collect();
    state.dedup();
    format!(
        "| `{}` | {} | {kind} | {again} | {} | {} |\n",
        operation.name,
        requests.join(", then "),
        reasons.collect::<Vec<_>>().join(", "),
        state.join(", ")
    )
}

struct About {
    sources: String,
    unconfirmed: String,
    rate: String,
}

/// What a document says in words: its sources, what is not confirmed, and where its rate is from.
fn about(provider: &Provider) -> About {
    let mut sources = SourceMap::default();
    let source = sources.add_text("document".to_owned(), None, provider.text.clone());
    let root = read_yaml(&provider.text, source, &mut Diagnostics::default()).unwrap();
    let described =
        root.get("info").and_then(|info| info.get("description")).and_then(|node| node.text()).unwrap_or_default();
    let described = described.split_whitespace().collect::<Vec<_>>().join(" ");
    let after = |word: &str| described.split_once(word).map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
    let before =
        |text: String, word: &str| text.split_once(word).map_or(text.clone(), |(first, _)| first.trim().to_owned());
    let of_sources = after("Sources ");
    let mut unconfirmed = after("Not confirmed: ");
    let declared = root.get("x-certsweep").and_then(|own| own.get("unconfirmed"));
    for item in declared
        .into_iter()
        .flat_map(|node| if node.items().is_empty() { std::slice::from_ref(node) } else { node.items() })
    {
        unconfirmed = [unconfirmed, item.text().unwrap_or_default().to_owned()].join(" ").trim().to_owned();
    }
    // The comment above the rate says where it is from.
    let lines: Vec<&str> = provider.text.lines().collect();
    let own = lines.iter().position(|line| *line == "x-certsweep:").unwrap_or_default();
    let at = lines.iter().skip(own).position(|line| line.starts_with("  rate:") || line.starts_with("  concurrency:"));
    let above =
        lines[..own + at.unwrap_or_default()].iter().rev().take_while(|line| line.trim_start().starts_with('#'));
    let mut comment: Vec<&str> = above.map(|line| line.trim_start().trim_start_matches("# ")).collect();
    comment.reverse();
    About { sources: before(of_sources, "Not confirmed: "), unconfirmed, rate: comment.join(" ") }
}
