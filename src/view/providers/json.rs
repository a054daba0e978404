//! Providers as JSON.

use super::words;
use crate::provider::model::{ActionRules, AuthScheme, Parameter, Provider};
use crate::provider::{Operation, Repeat};
use serde_json::{Map, Value, json};

/// All providers with the names of their operations.
pub fn list<'a>(providers: impl IntoIterator<Item = &'a Provider>) -> Value {
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
pub fn show(provider: &Provider) -> Value {
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
        "auth": provider.auth.iter().map(auth).collect::<Vec<_>>(),
        "environment": provider.environment,
        "digest": hex::encode(provider.digest),
        "operations": provider.actions().map(|(operation, rules)| action(operation, rules)).collect::<Vec<_>>(),
    })
}

fn auth(scheme: &AuthScheme) -> Value {
    let signer = words::signer(&scheme.signer);
    json!({"name": scheme.name, "signer": signer, "required": scheme.required, "optional": scheme.optional})
}

fn action(operation: &Operation, rules: &ActionRules) -> Value {
    let reason = rules.reason.as_ref().map(|reason| {
        let values: Map<String, Value> =
            reason.values.iter().map(|(asked, sent)| (asked.name().to_owned(), json!(sent))).collect();
        json!({"field": reason.field, "values": values})
    });
    let wide = |rule: &crate::provider::model::WideRule| json!({"parameter": rule.parameter, "value": rule.value, "reaches": rule.reaches});
    let status_queries: Vec<&String> = rules.lookups.iter().map(|lookup| &lookup.operation).collect();
    json!({
        "name": operation.name,
        "summary": operation.summary,
        "method": operation.method,
        "path": operation.path,
        "target": {"kind": rules.target.kind.word(), "parameters": rules.target.parameters},
        "idempotent": rules.repeat == Repeat::Safe,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "reason": reason,
        "wide": rules.wide.iter().map(wide).collect::<Vec<_>>(),
        "status_queries": status_queries,
        // The names of earlier drafts, for scripts that read them.
        "repeat": if rules.repeat == Repeat::Safe { "safe" } else { "unsafe" },
        "lookups": status_queries,
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "aliases": parameter.aliases,
        "in": words::location(parameter.location),
        "required": parameter.required,
        "type": words::kind(parameter.kind),
        "fixed": parameter.fixed,
        "description": parameter.description,
        "schema": parameter.schema,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::provider;
    use super::*;

    #[test]
    fn a_provider_is_listed_and_shown() {
        let provider = provider();
        assert_eq!(
            list([&provider])[0]["operations"][0],
            json!({"name": "revoke", "summary": "Revoke one certificate"})
        );
        assert_eq!(list([&provider])[0]["operations"].as_array().map(Vec::len), Some(1));
        let shown = show(&provider);
        assert_eq!(shown["rate"], json!(["100/5s"]));
        assert_eq!(shown["environment"], json!({"api_key": "OWN_API_KEY"}));
        let operation = &shown["operations"][0];
        assert_eq!(operation["reason"]["values"], json!({"keyCompromise": "key_compromise"}));
        assert_eq!(operation["parameters"][1]["schema"]["enum"], json!(["key_compromise"]));
        assert_eq!((&operation["idempotent"], &operation["status_queries"]), (&json!(true), &json!(["get-order"])));
        assert_eq!((&operation["repeat"], &operation["lookups"]), (&json!("safe"), &json!(["get-order"])));
    }
}
