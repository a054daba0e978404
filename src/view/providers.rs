//! Provider documents for people and scripts: the list of all, and one in full, each as text and as JSON. Documents may be the
//! user's own: their texts are made safe. Judges no document.

use super::terminal::table;
use crate::provider::model::{ActionRules, Location, Parameter, ParameterType, Provider, Stage, ValueFormat};
use crate::provider::{Idempotency, Operation, SecurityRequirement};
use crate::text::safe;
use serde_json::{Map, Value, json};

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
    sections.extend(lists(provider));
    sections.join("\n")
}

/// What `find --at` reads.
fn lists(provider: &Provider) -> Option<String> {
    let row = |operation: &Operation| {
        let list = operation.list.as_ref()?;
        let columns = list.details.iter().map(|detail| &detail.rows).chain([&list.rows]).flat_map(|rows| &rows.columns);
        let mut columns: Vec<&str> = columns.map(|(name, _)| name.as_str()).collect();
        columns.sort_unstable();
        columns.dedup();
        let details: Vec<&str> =
            list.details.iter().map(|detail| provider.operations[detail.operation].name.as_str()).collect();
        let request = format!("{} {}", operation.method, operation.path);
        let cells = [operation.name.clone(), request, columns.join(" "), details.join(", ")];
        Some(cells.iter().map(|cell| safe::terminal(cell).into_owned()).collect())
    };
    let rows: Vec<Vec<String>> = provider.operations.iter().filter_map(row).collect();
    let header = ["list", "request", "tells", "by asking more"];
    (!rows.is_empty()).then(|| format!("Lists, for `find --at {}`:\n{}", provider.id, table(&header, &[], &rows)))
}

fn heading(provider: &Provider) -> String {
    let windows: Vec<String> = provider.windows.iter().map(ToString::to_string).collect();
    let rate = if windows.is_empty() { "no limit".to_owned() } else { windows.join(", ") };
    let (id, title, url) =
        (safe::terminal(&provider.id), safe::terminal(&provider.title), safe::terminal(&provider.base_url));
    let open = unconfirmed(&provider.unconfirmed, "  unconfirmed  ");
    format!(
        "{id}: {title}\n  base URL     {url}\n  rate         {rate}\n  concurrency  {}\n{open}",
        provider.concurrency
    )
}

/// What a document says that nobody has confirmed, a line each.
fn unconfirmed(sentences: &[String], label: &str) -> String {
    sentences.iter().map(|sentence| format!("{label}{}\n", safe::terminal(sentence))).collect()
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
    let own = provider.requirements().skip(provider.auth.len()).filter(|one| !provider.auth.contains(one));
    let mut all: Vec<&SecurityRequirement> = provider.auth.iter().collect();
    for one in own {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    for requirement in all {
        let signer = format!("{} ({})", requirement.name(), signers(requirement));
        let names = requirement.required().into_iter().map(|name| (name, "required"));
        for (name, needed) in names.chain(requirement.optional().into_iter().map(|name| (name, "optional"))) {
            let variable = provider.environment.get(name).cloned().unwrap_or_default();
            rows.push(vec![name.to_owned(), needed.to_owned(), variable, signer.clone()]);
        }
    }
    let header = ["credential", "", "environment", "scheme"];
    format!("Credentials, the first scheme whose credentials are all there is taken:\n{}", table(&header, &[], &rows))
}

fn action(provider: &Provider, operation: &Operation, rules: &ActionRules) -> String {
    let (name, summary) = (safe::terminal(&operation.name), safe::terminal(&operation.summary));
    let path = safe::terminal(&operation.path);
    let idempotent = match rules.idempotency {
        Idempotency::Idempotent => "yes: sent again when an answer was lost",
        Idempotency::NotIdempotent => "no: never sent again unless it surely had no effect",
    };
    let mut lines = vec![
        format!("{name}: {summary}"),
        format!("  request       {} {path}", operation.method),
        format!("  target        {}: {}", rules.target.kind.word(), safe::terminal(&rules.target.parameters.join("/"))),
        format!("  idempotent    {idempotent}"),
    ];
    if let Some(own) = &operation.security {
        let names: Vec<String> = own.iter().map(SecurityRequirement::name).collect();
        lines.push(format!(
            "  security      {}: its own, in the place of the document's",
            safe::terminal(&names.join(" or "))
        ));
    }
    if !rules.status_queries.is_empty() {
        let lookups: Vec<&str> = rules.status_queries.iter().map(|lookup| lookup.operation.as_str()).collect();
        lines.push(format!("  status query  {}", safe::terminal(&lookups.join(", "))));
    }
    if !rules.stages.is_empty() {
        let stage = |stage: &Stage| {
            let asked = &provider.operations[stage.operation];
            let polled = stage.poll.map(|every| format!(", every {} s until it is done", every.as_secs()));
            format!("{} ({} {}{})", stage.name, asked.method, asked.path, polled.unwrap_or_default())
        };
        let stages: Vec<String> = rules.stages.iter().map(stage).collect();
        lines.push(format!("  then          {}", safe::terminal(&stages.join(", "))));
    }
    for rule in &rules.wide {
        let reach = format!("{}: {} reaches {}", rule.parameter, rule.value, rule.reaches);
        lines.push(format!("  wide          {}", safe::terminal(&reach)));
    }
    for sentence in asked(provider, operation, rules).flat_map(|operation| &operation.unconfirmed) {
        lines.push(format!("  unconfirmed   {}", safe::terminal(sentence)));
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

/// The operation with what is asked for its sake: its stages and status queries, each once.
fn asked<'p>(
    provider: &'p Provider,
    operation: &'p Operation,
    rules: &'p ActionRules,
) -> impl Iterator<Item = &'p Operation> {
    provider
        .operations
        .iter()
        .enumerate()
        .filter(move |(index, other)| {
            other.name == operation.name
                || rules.stages.iter().any(|stage| stage.operation == *index)
                || rules.status_queries.iter().any(|query| query.operation == other.name)
        })
        .map(|(_, operation)| operation)
}

fn parameter(parameter: &Parameter) -> Vec<String> {
    let needed = match (&parameter.fixed, parameter.required) {
        (Some(_), _) => "fixed",
        (None, true) => "required",
        (None, false) => "optional",
    };
    let mut description = parameter.description.clone();
    if parameter.location == Location::StatusQuery && description.is_empty() {
        "not sent; for status queries".clone_into(&mut description);
    }
    if !parameter.aliases.is_empty() {
        description = format!("{description} (also `{}`)", parameter.aliases.join("`, `")).trim_start().to_owned();
    }
    let kind = kind_word(parameter.kind).to_owned();
    vec![parameter.name.clone(), needed.to_owned(), kind, values(parameter), description]
}

/// What a parameter's schema allows, in short: its values, else its bounds.
fn values(parameter: &Parameter) -> String {
    if let Some(fixed) = &parameter.fixed {
        return scalar(fixed);
    }
    match parameter.format {
        ValueFormat::Serial(rule) => {
            let id = rule.id_digits.map(|most| format!(", or an id of up to {most} digits")).unwrap_or_default();
            return format!("serial number, sent as {}{id}", rule.spelling.word());
        }
        ValueFormat::Name(rule) => {
            let more =
                [(rule.wildcards, ", wildcards"), (rule.addresses, ", IP address"), (rule.unicode, ", not only ASCII")];
            let more: String = more.iter().filter(|(is_taken, _)| *is_taken).map(|(_, words)| *words).collect();
            return format!("DNS name{more}");
        }
        ValueFormat::PrivateKey { .. } => return "private key, by file:PATH".to_owned(),
        ValueFormat::Certificate { issuers: false, .. } => return "certificate, by file:PATH".to_owned(),
        ValueFormat::Certificate { issuers: true, .. } => return "issuers behind it, by file:PATH".to_owned(),
        ValueFormat::CertificateRequest => return "certificate request".to_owned(),
        ValueFormat::Base64 => return "text, sent in base64".to_owned(),
        ValueFormat::Identifier | ValueFormat::Listed | ValueFormat::FreeText => {}
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
    let csr = operation.action.as_ref().and_then(|rules| rules.csr.as_ref());
    // A plan that gave the same key to two actions would have one carried out.
    let key = operation.action.as_ref().and_then(|rules| rules.idempotency_key.as_ref());
    let field = |parameter: &Parameter| {
        let name = &parameter.name;
        if key.is_some_and(|key| key.parameter == *name) {
            return None;
        }
        let value = sample.parameters.get(name)?;
        Some(match rule {
            // What a sample shows of one is no request.
            _ if csr.is_some_and(|csr| csr.field == *name) => {
                format!(", {}: \"file:shop.csr\"", parameter.name_in_plans())
            }
            _ if parameter.names_key() => format!(", {name}: \"file:shop.key\""),
            _ if matches!(parameter.format, ValueFormat::Certificate { .. }) => format!(", {name}: \"file:shop.pem\""),
            Some(rule) if rule.field == *name => format!(", {name}: \"file:shop.pem\""),
            _ => format!(", {}: {value}", parameter.name_in_plans()),
        })
    };
    let fields: String = operation.parameters.iter().filter_map(field).collect();
    Some(format!("- {{provider: {}, action: {}{fields}}}", provider.id, operation.name))
}

/// All providers with the names of their operations.
pub fn list_json<'a>(providers: impl IntoIterator<Item = &'a Provider>) -> Value {
    let one = |provider: &Provider| {
        let operations: Vec<Value> = provider
            .actions()
            .map(|(operation, _)| json!({"name": operation.name, "summary": operation.summary}))
            .collect();
        json!({"id": provider.id, "title": provider.title, "base_url": provider.base_url, "operations": operations})
    };
    Value::Array(providers.into_iter().map(one).collect())
}

/// One provider in full.
pub fn show_json(provider: &Provider) -> Value {
    let variables: Map<String, Value> = provider
        .variables
        .iter()
        .map(|(name, variable)| {
            let (default, allowed) = (&variable.default, &variable.allowed);
            (name.clone(), json!({"default": default, "allowed": allowed, "description": variable.description}))
        })
        .collect();
    json!({
        "id": provider.id,
        "title": provider.title,
        "base_url": provider.base_url,
        "variables": variables,
        "rate": provider.windows.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "concurrency": provider.concurrency,
        "auth": provider.auth.iter().map(auth_json).collect::<Vec<_>>(),
        "environment": provider.environment,
        "unconfirmed": provider.unconfirmed,
        "digest": hex::encode(provider.digest),
        "lists": provider.operations.iter().filter_map(list_operation_json).collect::<Vec<_>>(),
        "operations": provider.actions().map(|(operation, rules)| action_json(provider, operation, rules)).collect::<Vec<_>>(),
    })
}

fn list_operation_json(operation: &Operation) -> Option<Value> {
    let list = operation.list.as_ref()?;
    let columns: Vec<&str> = list.rows.columns.iter().map(|(name, _)| name.as_str()).collect();
    Some(json!({"name": operation.name, "method": operation.method, "path": operation.path, "columns": columns}))
}

fn auth_json(requirement: &SecurityRequirement) -> Value {
    json!({
        "name": requirement.name(),
        "signer": signers(requirement),
        "required": requirement.required(),
        "optional": requirement.optional(),
    })
}

/// Its signers, as people read them.
fn signers(requirement: &SecurityRequirement) -> String {
    requirement.schemes.iter().map(|scheme| scheme.signer.describe()).collect::<Vec<_>>().join(", ")
}

fn action_json(provider: &Provider, operation: &Operation, rules: &ActionRules) -> Value {
    let unconfirmed: Vec<&String> = asked(provider, operation, rules).flat_map(|asked| &asked.unconfirmed).collect();
    let reason = rules.reason.as_ref().map(|reason| {
        let values: Map<String, Value> =
            reason.values.iter().map(|(asked, sent)| (asked.name().to_owned(), json!(sent))).collect();
        json!({"field": reason.field, "values": values})
    });
    let wide = |rule: &crate::provider::model::WideRule| json!({"parameter": rule.parameter, "value": rule.value, "reaches": rule.reaches});
    let status_queries: Vec<&String> = rules.status_queries.iter().map(|lookup| &lookup.operation).collect();
    json!({
        "name": operation.name,
        "summary": operation.summary,
        "method": operation.method,
        "path": operation.path,
        "target": {"kind": rules.target.kind.word(), "parameters": rules.target.parameters},
        "idempotent": rules.idempotency == Idempotency::Idempotent,
        "parameters": operation.parameters.iter().map(parameter_json).collect::<Vec<_>>(),
        "reason": reason,
        "wide": rules.wide.iter().map(wide).collect::<Vec<_>>(),
        "status_queries": status_queries,
        "unconfirmed": unconfirmed,
        // What it is signed with in the place of the document's; `null` where that holds.
        "security": operation.security.as_ref().map(|own| own.iter().map(auth_json).collect::<Vec<_>>()),
        // The names of earlier drafts, for scripts that read them.
        "repeat": if rules.idempotency == Idempotency::Idempotent { "safe" } else { "unsafe" },
        "lookups": status_queries,
    })
}

fn parameter_json(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "aliases": parameter.aliases,
        "in": location_word(parameter.location),
        "required": parameter.required,
        "type": kind_word(parameter.kind),
        "fixed": parameter.fixed,
        "description": parameter.description,
        "format": format_json(parameter.format),
        "schema": parameter.schema,
    })
}

/// What its texts are, as documents say it; `null` where that is nothing.
fn format_json(format: ValueFormat) -> Value {
    match format {
        ValueFormat::Identifier | ValueFormat::Listed => Value::Null,
        ValueFormat::FreeText => json!({"name": "free-text"}),
        ValueFormat::PrivateKey { .. } => json!({"name": "private-key"}),
        ValueFormat::Certificate { issuers: false, .. } => json!({"name": "certificate"}),
        ValueFormat::Certificate { issuers: true, .. } => json!({"name": "certificate-chain"}),
        ValueFormat::CertificateRequest => json!({"name": "certificate-request"}),
        ValueFormat::Base64 => json!({"name": "base64"}),
        ValueFormat::Serial(rule) => {
            json!({"name": "serial-number", "spelling": rule.spelling.word(), "id_digits": rule.id_digits})
        }
        ValueFormat::Name(rule) => {
            json!({"name": "dns-name", "wildcards": rule.wildcards, "addresses": rule.addresses, "unicode": rule.unicode})
        }
    }
}

const fn kind_word(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::String => "string",
        ParameterType::Integer => "integer",
        ParameterType::Number => "number",
        ParameterType::Boolean => "boolean",
        ParameterType::Strings => "list of strings",
        ParameterType::Integers => "list of integers",
    }
}

const fn location_word(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
        Location::Body => "body",
        Location::StatusQuery => "lookup",
        Location::Signer => "signer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::RevocationReason;
    use crate::provider::model::{
        ReasonRule, RowRule, Sample, ServerVariable, StatusQueryRule, TargetKind, TargetRule, WideRule, Window,
    };
    use crate::provider::security::{SecurityScheme, SignerKind};
    use std::sync::LazyLock;

    /// One action, one status query.
    fn provider() -> Provider {
        let text = |text: &str| text.to_owned();
        let parameter = |name: &str, kind, schema: Value, required| Parameter {
            name: text(name),
            hidden: false,
            aliases: Vec::new(),
            location: Location::Body,
            members: Vec::new(),
            required,
            kind,
            fixed: None,
            format: ValueFormat::default(),
            item: None,
            description: String::new(),
            schema,
        };
        let id_schema = json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[0-9a-f]+$"});
        let id = Parameter { description: text("the id"), ..parameter("id", ParameterType::String, id_schema, true) };
        let reason_schema = json!({"type": "string", "enum": ["key_compromise"]});
        let reason = Parameter {
            aliases: vec![text("why")],
            ..parameter("reason", ParameterType::String, reason_schema, false)
        };
        let days = parameter("days", ParameterType::Integer, json!({"type": "integer", "maximum": 30}), false);
        let kind = Parameter {
            fixed: Some(json!("x")),
            ..parameter("kind", ParameterType::String, json!({"const": "x"}), true)
        };
        let operation = |name: &str, action| Operation {
            throttle_hint: None,
            name: text(name),
            summary: String::new(),
            unconfirmed: Vec::new(),
            method: text("GET"),
            path: text("/order"),
            parameters: Vec::new(),
            body: None,
            accept: text("application/json"),
            is_safe: false,
            security: None,
            headers: Vec::new(),
            action,
            list: None,
            answers: Vec::new(),
            responses: Vec::new(),
            code: Vec::new(),
            message: Vec::new(),
            reference: Vec::new(),
            schema: json!({}),
            validator: LazyLock::new(Box::new(|| jsonschema::validator_for(&json!({})).unwrap())),
            samples: Vec::new(),
        };
        let rules = ActionRules {
            target: TargetRule { kind: TargetKind::Certificate, parameters: vec![text("id")] },
            idempotency: Idempotency::Idempotent,
            reason: Some(ReasonRule {
                field: text("reason"),
                values: vec![(RevocationReason::KeyCompromise, text("key_compromise"))],
            }),
            csr: None,
            certificate: None,
            wide: vec![WideRule { parameter: text("id"), value: text("0"), reaches: text("every certificate") }],
            approval: None,
            whole_order: None,
            status_queries: vec![StatusQueryRule {
                absent: crate::provider::TargetState::Unknown,
                operation: text("get-order"),
                parameters: Vec::new(),
                rows: RowRule { steps: Vec::new(), columns: Vec::new(), states: Vec::new() },
                pages: None,
                advice: String::new(),
            }],
            outputs: Vec::new(),
            idempotency_key: None,
            stages: Vec::new(),
            new_certificate: Vec::new(),
            replaced: None,
            previews: Vec::new(),
            poll: None,
        };
        let sample = Sample {
            for_action: None,
            name: text("one"),
            parameters: [(text("id"), json!("112358")), (text("days"), json!(3))].into_iter().collect(),
            path: text("/certificate/112358/revoke"),
            body: None,
            answers: Vec::new(),
        };
        let revoke = Operation {
            summary: text("Revoke one certificate"),
            method: text("PUT"),
            path: text("/certificate/{id}/revoke"),
            parameters: vec![id, reason, days, kind],
            samples: vec![sample],
            ..operation("revoke", Some(rules))
        };
        let region =
            ServerVariable { default: text("eu"), allowed: vec![text("eu"), text("us")], description: text("where") };
        Provider {
            id: text("own"),
            title: text("Own \u{1b} CA"),
            base_url: text("https://{region}.example.com"),
            variables: [(text("region"), region)].into(),
            auth: vec![
                SecurityScheme::new("key", SignerKind::Header(text("x-key")))
                    .with_credentials(vec![text("api_key")], Vec::new())
                    .into(),
            ],
            operations: vec![revoke, operation("get-order", None)],
            windows: vec![Window::parse("100/5s").unwrap()],
            concurrency: 8,
            environment: [(text("api_key"), text("OWN_API_KEY"))].into(),
            unconfirmed: vec!["its rate".to_owned()],
            digest: [0; 32],
            text: "".into(),
        }
    }

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
  unconfirmed  its rate

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

    #[test]
    fn a_provider_is_listed_and_shown_as_json() {
        let provider = provider();
        assert_eq!(
            list_json([&provider])[0]["operations"][0],
            json!({"name": "revoke", "summary": "Revoke one certificate"})
        );
        assert_eq!(list_json([&provider])[0]["operations"].as_array().map(Vec::len), Some(1));
        let shown = show_json(&provider);
        assert_eq!(shown["rate"], json!(["100/5s"]));
        assert_eq!(shown["environment"], json!({"api_key": "OWN_API_KEY"}));
        let operation = &shown["operations"][0];
        assert_eq!(operation["reason"]["values"], json!({"keyCompromise": "key_compromise"}));
        assert_eq!(operation["parameters"][1]["schema"]["enum"], json!(["key_compromise"]));
        assert_eq!((&operation["idempotent"], &operation["status_queries"]), (&json!(true), &json!(["get-order"])));
        assert_eq!((&operation["repeat"], &operation["lookups"]), (&json!("safe"), &json!(["get-order"])));
    }
}
