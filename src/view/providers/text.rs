//! Providers as text. Documents may be the user's own: their texts are made safe.

use super::words;
use crate::provider::model::{ActionRules, Location, Parameter, Provider};
use crate::provider::{Operation, Repeat};
use crate::text::safe;
use crate::view::table::table;
use serde_json::Value;

/// All providers with their operations.
pub fn list<'a>(providers: impl IntoIterator<Item = &'a Provider>) -> String {
    let rows: Vec<Vec<String>> = providers
        .into_iter()
        .flat_map(|provider| {
            provider.actions().enumerate().map(|(index, (operation, rules))| {
                let (id, title) = if index == 0 { (provider.id.as_str(), provider.title.as_str()) } else { ("", "") };
                let target = rules.target.kind.word();
                [id, &operation.name, target, &operation.summary, title].map(str::to_owned).to_vec()
            })
        })
        .collect();
    table(&["provider", "operation", "target", "does", "title"], &[], &rows)
        + "\nMore about one: certsweep providers show ID\n"
}

/// One provider in full.
pub fn show(provider: &Provider) -> String {
    let mut sections = vec![heading(provider)];
    sections.extend(variables(provider));
    sections.push(credentials(provider));
    sections.extend(provider.actions().map(|(operation, rules)| action(provider, operation, rules)));
    sections.join("\n")
}

fn heading(provider: &Provider) -> String {
    let windows: Vec<String> = provider.windows.iter().map(ToString::to_string).collect();
    let rate = if windows.is_empty() { "no limit".to_owned() } else { windows.join(", ") };
    let (id, title, url) =
        (safe::terminal(&provider.id), safe::terminal(&provider.title), safe::terminal(&provider.base_url));
    format!("{id}: {title}\n  base URL     {url}\n  rate         {rate}\n  concurrency  {}\n", provider.concurrency)
}

fn variables(provider: &Provider) -> Option<String> {
    let row = |(name, variable): (&String, &crate::provider::model::ServerVariable)| {
        vec![name.clone(), variable.default.clone(), variable.allowed.join(" "), variable.description.clone()]
    };
    let rows: Vec<Vec<String>> = provider.variables.iter().map(row).collect();
    let header = ["variable", "default", "allowed", "description"];
    (!rows.is_empty()).then(|| format!("Server variables (`variables:` in a plan):\n{}", table(&header, &[], &rows)))
}

fn credentials(provider: &Provider) -> String {
    let mut rows = Vec::new();
    for scheme in &provider.auth {
        let signer = format!("{} ({})", scheme.name, words::signer(&scheme.signer));
        let names = scheme.required.iter().map(|name| (name, "required"));
        for (name, needed) in names.chain(scheme.optional.iter().map(|name| (name, "optional"))) {
            let variable = provider.environment.get(name).cloned().unwrap_or_default();
            rows.push(vec![name.clone(), needed.to_owned(), variable, signer.clone()]);
        }
    }
    let header = ["credential", "", "environment", "scheme"];
    format!("Credentials, the first scheme whose credentials are all there is taken:\n{}", table(&header, &[], &rows))
}

fn action(provider: &Provider, operation: &Operation, rules: &ActionRules) -> String {
    let (name, summary) = (safe::terminal(&operation.name), safe::terminal(&operation.summary));
    let path = safe::terminal(&operation.path);
    let idempotent = match rules.repeat {
        Repeat::Safe => "yes: sent again when an answer was lost",
        Repeat::Unsafe => "no: never sent again unless it surely had no effect",
    };
    let mut lines = vec![
        format!("{name}: {summary}"),
        format!("  request       {} {path}", operation.method),
        format!("  target        {}: {}", rules.target.kind.word(), safe::terminal(&rules.target.parameters.join("/"))),
        format!("  idempotent    {idempotent}"),
    ];
    if !rules.lookups.is_empty() {
        let lookups: Vec<&str> = rules.lookups.iter().map(|lookup| lookup.operation.as_str()).collect();
        lines.push(format!("  status query  {}", safe::terminal(&lookups.join(", "))));
    }
    for rule in &rules.wide {
        let reach = format!("{}: {} reaches {}", rule.parameter, rule.value, rule.reaches);
        lines.push(format!("  wide          {}", safe::terminal(&reach)));
    }
    if let Some(example) = example(provider, operation) {
        lines.push(format!("  example       {}", safe::terminal(&example)));
    }
    let rows: Vec<Vec<String>> = operation.parameters.iter().map(parameter).collect();
    lines.push(String::new());
    lines.push(table(&["parameter", "", "type", "values", "description"], &[], &rows).trim_end().to_owned());
    if let Some(reason) = &rules.reason {
        let row = |(asked, sent): &(crate::pki::RevocationReason, String)| vec![asked.name().to_owned(), sent.clone()];
        let rows: Vec<Vec<String>> = reason.values.iter().map(row).collect();
        lines.push(String::new());
        lines.push(table(&["reason", &format!("sent as `{}`", reason.field)], &[], &rows).trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

fn parameter(parameter: &Parameter) -> Vec<String> {
    let needed = match (&parameter.fixed, parameter.required) {
        (Some(_), _) => "fixed",
        (None, true) => "required",
        (None, false) => "optional",
    };
    let mut description = parameter.description.clone();
    if parameter.location == Location::Lookup && description.is_empty() {
        "not sent; for status queries".clone_into(&mut description);
    }
    if !parameter.aliases.is_empty() {
        description = format!("{description} (also `{}`)", parameter.aliases.join("`, `")).trim_start().to_owned();
    }
    let kind = words::kind(parameter.kind).to_owned();
    vec![parameter.name.clone(), needed.to_owned(), kind, values(parameter), description]
}

/// What a parameter's schema allows, in short: its values, else its bounds.
fn values(parameter: &Parameter) -> String {
    if let Some(fixed) = &parameter.fixed {
        return scalar(fixed);
    }
    let schema = parameter.schema.get("items").unwrap_or(&parameter.schema);
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return allowed.iter().map(scalar).collect::<Vec<_>>().join(" ");
    }
    let bound = |name: &str| schema.get(name).map(scalar);
    let range = |least: Option<String>, most: Option<String>, unit: &str| match (least, most) {
        (Some(least), Some(most)) if least == most => Some(format!("{least}{unit}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    };
    let numbers = range(bound("minimum"), bound("maximum"), "");
    let lengths = range(bound("minLength"), bound("maxLength"), " characters");
    [numbers, lengths, bound("pattern")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A plan's entry with the parameters of the document's first sample.
fn example(provider: &Provider, operation: &Operation) -> Option<String> {
    let sample = operation.samples.first()?;
    // JSON values are YAML too, quoted where a plain scalar could be misread.
    let rule = operation.action.as_ref().and_then(|rules| rules.certificate.as_ref());
    let field = |Parameter { name, .. }: &Parameter| {
        let value = sample.parameters.get(name)?;
        Some(match rule {
            Some(rule) if rule.field == *name => format!(", {name}: \"file:shop.pem\""),
            _ => format!(", {name}: {value}"),
        })
    };
    let fields: String = operation.parameters.iter().filter_map(field).collect();
    Some(format!("- {{provider: {}, action: {}{fields}}}", provider.id, operation.name))
}

#[cfg(test)]
mod tests {
    use super::super::testing::provider;
    use super::*;

    #[test]
    fn providers_are_listed() {
        let provider = provider();
        let text = list([&provider]);
        let expected = "  provider  operation  target       does                    title
  own       revoke     certificate  Revoke one certificate  Own \\u{1b} CA

More about one: certsweep providers show ID
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn a_provider_is_shown_with_all_that_a_plan_may_say() {
        let text = show(&provider());
        let expected = "\
own: Own \\u{1b} CA
  base URL     https://{region}.example.com
  rate         100/5s
  concurrency  8

Server variables (`variables:` in a plan):
  variable  default  allowed  description
  region    eu       eu us    where

Credentials, the first scheme whose credentials are all there is taken:
  credential            environment  scheme
  api_key     required  OWN_API_KEY  key (header x-key)

revoke: Revoke one certificate
  request       PUT /certificate/{id}/revoke
  target        certificate: id
  idempotent    yes: sent again when an answer was lost
  status query  get-order
  wide          id: 0 reaches every certificate
  example       - {provider: own, action: revoke, id: \"112358\", days: 3}

  parameter            type     values                           description
  id         required  string   1 to 64 characters, ^[0-9a-f]+$  the id
  reason     optional  string   key_compromise                   (also `why`)
  days       optional  integer  at most 30
  kind       fixed     string   x

  reason         sent as `reason`
  keyCompromise  key_compromise
";
        assert_eq!(text, expected, "{text}");
    }
}
