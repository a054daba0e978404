//! A provider for tests: one action, one look-up.

use crate::pki::RevocationReason;
use crate::provider::model::{
    ActionRules, AuthScheme, Kind, Location, LookupRule, Operation, Parameter, Provider, ReasonRule, Repeat, Sample,
    ServerVariable, SignerKind, TargetKind, TargetRule, WideRule, Window,
};
use serde_json::{Value, json};

pub(super) fn provider() -> Provider {
    let text = |text: &str| text.to_owned();
    let parameter = |name: &str, kind, schema: Value, required| Parameter {
        name: text(name),
        aliases: Vec::new(),
        location: Location::Body,
        required,
        kind,
        fixed: None,
        description: String::new(),
        schema,
    };
    let id_schema = json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[0-9a-f]+$"});
    let id = Parameter { description: text("the id"), ..parameter("id", Kind::String, id_schema, true) };
    let reason_schema = json!({"type": "string", "enum": ["key_compromise"]});
    let reason = Parameter { aliases: vec![text("why")], ..parameter("reason", Kind::String, reason_schema, false) };
    let days = parameter("days", Kind::Integer, json!({"type": "integer", "maximum": 30}), false);
    let kind = Parameter { fixed: Some(json!("x")), ..parameter("kind", Kind::String, json!({"const": "x"}), true) };
    let operation = |name: &str, action| Operation {
        throttle_hint: None,
        name: text(name),
        summary: String::new(),
        method: text("GET"),
        path: text("/order"),
        parameters: Vec::new(),
        has_body: false,
        headers: Vec::new(),
        action,
        answers: Vec::new(),
        code: Vec::new(),
        message: Vec::new(),
        reference: Vec::new(),
        schema: json!({}),
        validator: jsonschema::validator_for(&json!({})).unwrap(),
        samples: Vec::new(),
    };
    let rules = ActionRules {
        target: TargetRule { kind: TargetKind::Certificate, parameters: vec![text("id")] },
        repeat: Repeat::Safe,
        reason: Some(ReasonRule {
            field: text("reason"),
            values: vec![(RevocationReason::KeyCompromise, text("key_compromise"))],
        }),
        csr: None,
        certificate: None,
        wide: vec![WideRule { parameter: text("id"), value: text("0"), reaches: text("every certificate") }],
        lookups: vec![LookupRule {
            absent: crate::provider::Standing::Unknown,
            operation: text("get-order"),
            parameters: Vec::new(),
            rows: Vec::new(),
            pages: None,
            standings: Vec::new(),
            advice: String::new(),
        }],
    };
    let sample = Sample {
        reading: None,
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
        auth: vec![AuthScheme {
            name: text("key"),
            signer: SignerKind::Header(text("x-key")),
            required: vec![text("api_key")],
            optional: Vec::new(),
        }],
        operations: vec![revoke, operation("get-order", None)],
        windows: vec![Window::parse("100/5s").unwrap()],
        concurrency: 8,
        environment: [(text("api_key"), text("OWN_API_KEY"))].into(),
        digest: [0; 32],
        text: "".into(),
    }
}
