//! The plan's JSON Schema (2020-12) for editors, made from the provider documents. It helps while writing; only
//! [`super::check()`] decides.

use super::check::{COMMON_FIELDS, UNSHARED_FIELDS};
use super::checked::WaitFor;
use super::settings::{DAYS, HookEvent};
use crate::pki::RevocationReason;
use crate::provider::Catalog;
use crate::provider::model::{ActionRules, Operation, Parameter, ParameterType, Provider};
use serde_json::{Map, Value, json};

/// The schema of plans that use these providers.
pub fn schema(catalog: &Catalog) -> Value {
    let ids: Vec<&str> = catalog.ids().collect();
    let mut definitions = Map::new();
    let mut entries = vec![
        json!({"$ref": "#/$defs/list"}),
        json!({"$ref": "#/$defs/certificates"}),
        json!({"$ref": "#/$defs/chain"}),
    ];
    for provider in catalog.iter() {
        for (operation, rules) in provider.actions() {
            let name = format!("{}.{}", provider.id, operation.name);
            entries.push(json!({"$ref": format!("#/$defs/{name}")}));
            definitions.insert(name, action(provider, operation, rules, &ids));
        }
    }
    definitions.insert("list".to_owned(), list(catalog));
    definitions.insert("certificates".to_owned(), certificates(catalog));
    definitions.insert("chain".to_owned(), chain(catalog));
    definitions.insert("steps".to_owned(), steps(catalog));
    definitions.insert("defaults".to_owned(), defaults(catalog));
    definitions.insert("provider".to_owned(), account(&ids));
    for (name, definition) in shared_definitions() {
        definitions.insert(name.to_owned(), definition);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "certsweep plan",
        "description": "Which certificates to revoke and reissue, and how",
        "type": "object",
        "required": ["version", "actions"],
        "additionalProperties": false,
        "properties": {
            "version": {"enum": [1, "1"], "description": "The version of the plan's format"},
            "name": {"type": "string", "description": "The plan's name; the file's stem otherwise"},
            "deadline": {"anyOf": [{"$ref": "#/$defs/duration"}, {"$ref": "#/$defs/instant"}], "description": "When all must have ended: after the start of the run (24h), or an RFC 3339 instant with an offset"},
            "providers": {
                "type": ["object", "null"],
                "description": "What differs from the provider documents, by provider or by an account's own name",
                "properties": ids.iter().map(|id| ((*id).to_owned(), json!({"$ref": "#/$defs/provider"}))).collect::<Map<_, _>>(),
                "additionalProperties": {"$ref": "#/$defs/provider"}
            },
            "retry": {
                "type": ["object", "null"],
                "additionalProperties": false,
                "properties": {
                    "attempts": {"$ref": "#/$defs/count", "description": "Attempts in all"},
                    "max_delay": {"$ref": "#/$defs/duration", "description": "The longest pause between two attempts"}
                }
            },
            "timeout": {"$ref": "#/$defs/duration", "description": "One attempt, connection to last byte"},
            "schedule": schedule(),
            "safety": safety(),
            "hooks": {"anyOf": [{"$ref": "#/$defs/hook"}, {"type": "array", "items": {"$ref": "#/$defs/hook"}}, {"type": "null"}], "description": "Programs that are told what happens in a run"},
            "defaults": {"$ref": "#/$defs/defaults"},
            "except": {"$ref": "#/$defs/words", "description": "Files with ids, serial numbers or names of what must stay: these actions are skipped"},
            "actions": {"type": "array", "minItems": 1, "items": {"anyOf": entries}, "description": "What to do, in order"}
        },
        "$defs": definitions
    })
}

fn action(provider: &Provider, operation: &Operation, rules: &ActionRules, ids: &[&str]) -> Value {
    // Any other name may be an account of this provider; the schema cannot know the plan's accounts.
    let others: Vec<&&str> = ids.iter().filter(|id| **id != provider.id).collect();
    let mut properties = common();
    properties.insert(
        "provider".to_owned(),
        json!({
            "description": format!("{}, or an account that uses it", provider.title),
            "anyOf": [{"const": provider.id}, {"type": "string", "not": {"enum": others}}]
        }),
    );
    properties.insert("action".to_owned(), json!({"const": operation.name, "description": operation.summary}));
    match &rules.reason {
        Some(rule) => {
            let mut words: Vec<Value> = RevocationReason::ALL.iter().map(|reason| json!(reason.name())).collect();
            for (_, spelling) in &rule.values {
                // The check reads scalars as text, so a spelling of digits may be written without quotes.
                for word in [Some(json!(spelling)), spelling.parse::<u64>().ok().map(Value::from)].into_iter().flatten()
                {
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
            }
            let description = "The revocation reason, in RFC 5280 words or the provider's";
            properties.insert("reason".to_owned(), json!({"enum": words, "description": description}));
        }
        None => {
            // An editor should not offer what the check refuses.
            properties.remove("reason");
        }
    }
    for parameter in &operation.parameters {
        let is_reason = rules.reason.as_ref().is_some_and(|rule| rule.field == parameter.name);
        let is_csr = rules.csr.as_ref().is_some_and(|rule| rule.field == parameter.name);
        if is_reason && parameter.name == "reason" {
            continue;
        }
        let is_certificate = rules.certificate.as_ref().is_some_and(|rule| rule.field == parameter.name);
        let value = field(parameter, is_reason, is_csr || is_certificate);
        for alias in &parameter.aliases {
            properties.insert(alias.clone(), value.clone());
        }
        if !parameter.hidden {
            properties.insert(parameter.name.clone(), value);
        }
    }
    // The check fills the serial number from the certificate, so the plan needs the certificate and not the number.
    let required = rules.target.parameters.iter().map(|name| match &rules.certificate {
        Some(rule) if rule.serial.as_ref() == Some(name) => &rule.field,
        _ => name,
    });
    json!({
        "title": format!("{} {}", provider.id, operation.name),
        "description": operation.summary,
        "type": "object",
        "required": required.collect::<Vec<_>>(),
        "additionalProperties": false,
        "properties": properties
    })
}

/// One parameter. The check reads scalars as text, so a number is accepted where the provider wants a string, and the reverse.
fn field(parameter: &Parameter, is_reason: bool, is_pem: bool) -> Value {
    let own = &parameter.schema;
    let is_listed = own.get("enum").is_some() || own.get("const").is_some();
    let forms = match parameter.kind {
        _ if parameter.names_key() => {
            vec![json!({"type": "string", "pattern": "^file:", "description": "`file:PATH` of the private key"})]
        }
        _ if is_pem => vec![json!({"type": "string", "description": "`file:PATH`, or the PEM text"})],
        _ if is_reason => vec![own.clone(), json!({"enum": RevocationReason::ALL.map(RevocationReason::name)})],
        ParameterType::String if is_listed => vec![own.clone()],
        // The check reads them in any spelling.
        ParameterType::String if parameter.serial().is_some() => vec![json!({"type": ["string", "number"]})],
        ParameterType::String => vec![own.clone(), json!({"type": ["number", "boolean"]})],
        ParameterType::Integer => vec![own.clone(), json!({"type": "string", "pattern": "^-?[0-9]+$"})],
        ParameterType::Number => vec![own.clone(), json!({"type": "string", "pattern": "^-?[0-9.eE+-]+$"})],
        ParameterType::Boolean => vec![own.clone(), json!({"enum": ["true", "false"]})],
        ParameterType::Strings | ParameterType::Integers => vec![
            own.clone(),
            json!({"type": "string", "description": "Separated by blanks"}),
            json!({"type": "array", "items": {"type": ["string", "number", "boolean"]}}),
        ],
    };
    json!({"description": parameter.description, "anyOf": forms})
}

fn common() -> Map<String, Value> {
    let mut properties = Map::new();
    for name in COMMON_FIELDS {
        let value = match name {
            "id" => {
                json!({"type": ["string", "number"], "description": "Unique; made from the source position where it is absent"})
            }
            "needs" => {
                json!({"$ref": "#/$defs/words", "description": "Ids of actions that must have ended well first"})
            }
            "not_before" => {
                json!({"$ref": "#/$defs/instant", "description": "Not to be sent before this RFC 3339 instant"})
            }
            "certificate" => {
                json!({"type": "string", "pattern": "^file:", "description": "The PEM file of the certificate that the action revokes, for `certsweep verify`: file:PATH"})
            }
            "ca_certificate" => {
                json!({"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}], "description": "Whether the certificate is that of a CA, on purpose"})
            }
            "issuer" => {
                json!({"type": "string", "pattern": "^file:", "description": "A PEM file with the certificate's issuer, for `certsweep verify`: file:PATH"})
            }
            "serial_number" => {
                json!({"type": ["string", "number"], "description": "The serial number of the certificate that the action revokes, in hexadecimal, for `certsweep verify` where there is no file; with `issuer`, and `crl` or `ocsp`"})
            }
            "crl" => {
                json!({"$ref": "#/$defs/words", "description": "URLs of the issuer's CRLs, for `certsweep verify`, where the certificate names none"})
            }
            "ocsp" => {
                json!({"type": "string", "pattern": "^https?://", "description": "The URL of the issuer's OCSP responder, for `certsweep verify`, where the certificate names none"})
            }
            "drop_names" => {
                json!({"$ref": "#/$defs/words", "description": "Names of the old certificate that the new one is to lack; any other name that a reissue would drop is an error"})
            }
            "reason" => {
                json!({"type": "string", "description": "The revocation reason, in RFC 5280 words or the provider's"})
            }
            "as_written" => {
                json!({"$ref": "#/$defs/words", "description": "Values that are meant as they stand, though they look damaged, unfilled or like no name"})
            }
            "serial_notation" => {
                json!({"enum": ["hexadecimal", "decimal"], "description": "In which digits the plan writes serial numbers; hexadecimal, unless the provider's are decimal"})
            }
            _ => json!({"type": "string"}),
        };
        properties.insert(name.to_owned(), value);
    }
    properties
}

fn defaults(catalog: &Catalog) -> Value {
    let mut properties = common();
    properties.remove("id");
    UNSHARED_FIELDS.iter().for_each(|name| drop(properties.remove(*name)));
    for (operation, rules) in catalog.iter().flat_map(|provider| provider.actions()) {
        // A certificate is every action's own.
        let own = rules.certificate.as_ref().map(|rule| &rule.field);
        for parameter in operation.parameters.iter().filter(|parameter| own != Some(&parameter.name)) {
            let own = Some(&parameter.name).filter(|_| !parameter.hidden);
            for name in own.into_iter().chain(&parameter.aliases) {
                let described = || json!({"description": parameter.description});
                properties.entry(name.clone()).or_insert_with(described);
            }
        }
    }
    json!({
        "type": ["object", "null"],
        "description": "For what an action leaves out",
        "additionalProperties": false,
        "properties": properties
    })
}

fn list(catalog: &Catalog) -> Value {
    let mut list = defaults(catalog);
    list["type"] = json!("object");
    list["required"] = json!(["from"]);
    list["description"] = json!("A CSV list: each row is an action; the other fields are the rows' defaults");
    list["properties"]["from"] = json!({"type": "string", "description": "The CSV file, relative to this file"});
    list["properties"]["columns"] = json!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number"]},
        "description": "Field name: column name; or column number, where the list has no header"
    });
    list["properties"]["header_row"] = json!({
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}],
        "description": "The line of the list's header, where titles stand above it; 0 where it has none"
    });
    list["properties"]["ignore_columns"] = json!({
        "anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/words"}],
        "description": "Columns that are left out; true for all that are unknown, and for those named like certsweep's own fields"
    });
    list["properties"]["where"] = json!({
        "type": "string",
        "description": "Which rows are taken: a CEL expression over the columns, whose cells are text: status == \"issued\""
    });
    list["properties"]["except"] = json!({
        "$ref": "#/$defs/words",
        "description": "Files with ids, serial numbers or names of what must stay: these rows are skipped"
    });
    list["properties"]["steps"] = json!({"$ref": "#/$defs/steps"});
    list["properties"]["keep_columns"] =
        json!({"$ref": "#/$defs/words", "description": "Columns that are carried through to the report"});
    list
}

/// An entry without a list that has steps.
fn chain(catalog: &Catalog) -> Value {
    let mut chain = defaults(catalog);
    let common = common();
    chain["type"] = json!("object");
    chain["required"] = json!(["steps"]);
    chain["description"] =
        json!("Steps, one after the other; the other fields go to every step that has a field of that name");
    for name in std::iter::once("id").chain(UNSHARED_FIELDS) {
        chain["properties"][name] = common[name].clone();
    }
    if let Some(properties) = chain["properties"].as_object_mut() {
        properties.remove("action");
    }
    chain["properties"]["steps"] = json!({"$ref": "#/$defs/steps"});
    chain
}

fn steps(catalog: &Catalog) -> Value {
    let name = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": "The word of its action or wait, where it is left out"});
    let mut act = defaults(catalog);
    act["type"] = json!("object");
    act["required"] = json!(["action"]);
    for name in UNSHARED_FIELDS {
        act["properties"][name] = common()[name].clone();
    }
    act["properties"]["name"] = name.clone();
    let wait = json!({
        "type": "object",
        "required": ["wait"],
        "additionalProperties": false,
        "properties": {
            "wait": {"enum": WaitFor::ALL.map(WaitFor::word), "description": "Until the step before is settled, or its effect is seen"},
            "within": {"$ref": "#/$defs/duration", "description": "From the end of the step before; then the wait fails, and what needs it is skipped"},
            "at": {"$ref": "#/$defs/words", "description": "For `served`: HOST[:PORT], smtp://HOST, imap://, postgres:// or ldap://, or the column or field that has them"},
            "by": {"$ref": "#/$defs/words", "description": "For `revoked`: who must say so, of state (the provider), crl and ocsp; anybody without it"},
            "needs": {"$ref": "#/$defs/words", "description": "Ids of actions that must have ended well first"},
            "name": name
        }
    });
    json!({
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [act, wait]},
        "description": "Each is an action of its own, and needs the one before; $steps.NAME.outputs.FIELD takes what an earlier one brought"
    })
}

fn certificates(catalog: &Catalog) -> Value {
    let mut certificates = defaults(catalog);
    certificates["type"] = json!("object");
    certificates["required"] = json!(["certificates"]);
    certificates["description"] =
        json!("Files of certificates: each end-entity certificate is an action; the other fields are their defaults");
    let file = json!({"type": "string", "pattern": "^file:"});
    certificates["properties"]["certificates"] = json!({
        "anyOf": [file, {"type": "array", "items": file}],
        "description": "file:PATH, relative to this file: a file, a directory, or a pattern such as live/*/cert.pem"
    });
    certificates["properties"]["except"] = json!({
        "$ref": "#/$defs/words",
        "description": "Files with ids, serial numbers or names of what must stay: these certificates are skipped"
    });
    certificates["properties"]["steps"] = json!({"$ref": "#/$defs/steps"});
    certificates
}

fn account(ids: &[&str]) -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "uses": {"enum": ids, "description": "The provider that this account uses; its own name otherwise"},
            "base_url": {"type": "string", "pattern": "^https?://", "description": "In place of the document's"},
            "auth_url": {"type": "string", "pattern": "^https?://", "description": "Where tokens are fetched, in place of the document's"},
            "credentials": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "^(env|file|command):"},
                "description": "References only: env:NAME, file:PATH or command:CMD ARG…"
            },
            "rate": {"$ref": "#/$defs/rate", "description": "At most so many requests in any window: 100/5s; all hold"},
            "concurrency": {"$ref": "#/$defs/count", "description": "Requests in flight at once; as many as rate and latency need, where it is left out"},
            "challenge_hook": {"type": "string", "pattern": "^(command|directory):", "description": "Meets an ACME CA's challenges: command:CMD ARG… or directory:PATH"},
            "challenge_type": {"enum": ["dns-01", "http-01"], "description": "Which challenges the command meets; dns-01 where it is left out"},
            "challenge_timeout": {"type": "string", "description": "How long the command may take; 5m where it is left out"},
            "variables": {"type": "object", "additionalProperties": {"type": ["string", "number"]}, "description": "Server variables, such as the region"},
            "reasons": {
                "type": "object",
                "propertyNames": {"enum": RevocationReason::ALL.map(RevocationReason::name)},
                "additionalProperties": {"type": ["string", "number"]},
                "description": "What to send for a reason that this provider does not have"
            }
        }
    })
}

fn schedule() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "start": {"$ref": "#/$defs/instant", "description": "Nothing is sent before this RFC 3339 instant"},
            "window": {
                "type": "object",
                "description": "Nothing is sent outside",
                "required": ["from", "to", "timezone"],
                "additionalProperties": false,
                "properties": {
                    "from": {"$ref": "#/$defs/time"},
                    "to": {"$ref": "#/$defs/time"},
                    "timezone": {"type": "string", "description": "An IANA name: Asia/Seoul"},
                    "days": {"$ref": "#/$defs/days", "description": "mon, tue, wed, thu, fri, sat, sun; all where absent"}
                }
            }
        }
    })
}

fn safety() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "max_actions": {"$ref": "#/$defs/count", "description": "A longer plan is refused"},
            "canary": {"$ref": "#/$defs/count", "description": "So many go first, one at a time; one that does not end well, or does not take effect, stops the run"},
            "waves": {
                "description": "How much of the run is let go by the end of each wave, rising: shares or numbers of actions; the last is 100%",
                "anyOf": [{"$ref": "#/$defs/wave"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/wave"}}]
            },
            "between_waves": {
                "description": "ask (the default), or a pause",
                "anyOf": [{"const": "ask"}, {"const": 0}, {"type": "string", "pattern": "^0+(ms|s|m|h|d)?$"}, {"$ref": "#/$defs/duration"}]
            },
            "stop_when": {
                "description": "Stop a provider when so many, or such a share of the last so many, of its actions do not end well",
                "anyOf": [
                    {"type": "object", "required": ["failures"], "additionalProperties": false,
                     "properties": {"failures": {"$ref": "#/$defs/count"}}},
                    {"type": "object", "required": ["failure_rate", "of_last"], "additionalProperties": false,
                     "properties": {"failure_rate": {"type": ["number", "string"]}, "of_last": {"$ref": "#/$defs/count"}}}
                ]
            },
            "compromised_keys": {"$ref": "#/$defs/words", "description": "Files with keys that no certificate request may have"},
            "unique_keys": {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}], "description": "Refuse two certificate requests with one key"}
        }
    })
}

fn shared_definitions() -> [(&'static str, Value); 9] {
    let rate = format!("0*[1-9][0-9]*/{DURATION}");
    let hook_events = json!({"enum": HookEvent::ALL.map(HookEvent::as_str)});
    let one = HookEvent::ALL.map(HookEvent::as_str).join("|");
    let several = json!({"type": "string", "pattern": format!("^ *({one})( +({one}))* *$")});
    [
        (
            "hook",
            json!({
                "type": "object",
                "required": ["on", "command"],
                "additionalProperties": false,
                "properties": {
                    "on": {"anyOf": [hook_events, several, {"type": "array", "minItems": 1, "items": hook_events}], "description": "What it is told of"},
                    "command": {"type": "string", "minLength": 1, "description": "The program and its arguments; it gets the event as JSON on standard input"}
                }
            }),
        ),
        ("count", json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]})),
        (
            "duration",
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": format!("^{DURATION}$")}]}),
        ),
        ("instant", json!({"type": "string", "pattern": INSTANT, "description": "RFC 3339, with an offset from UTC"})),
        ("rate", words(&json!({"type": "string", "pattern": format!("^{rate}$")}), &rate)),
        ("days", words(&json!({"enum": DAYS}), &format!("({})", DAYS.join("|")))),
        (
            "wave",
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%?$"}]}),
        ),
        ("time", json!({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$", "description": "HH:MM"})),
        (
            "words",
            json!({"anyOf": [
                {"type": ["string", "number"]},
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
            ]}),
        ),
    ]
}

/// One of these words, several of them separated by blanks, or a list of them.
fn words(one: &Value, pattern: &str) -> Value {
    let several = json!({"type": "string", "pattern": format!("^ *{pattern}( +{pattern})* *$")});
    json!({"anyOf": [one, several, {"type": "array", "minItems": 1, "items": one}]})
}

/// The schema's name, for whoever keeps several. Nobody fetches it: `certsweep schema` prints it.
const SCHEMA_ID: &str = "https://certsweep.github.io/plan.schema.json";
/// A duration above nothing, as `time::parse_duration` reads it.
const DURATION: &str = "0*[1-9][0-9]*(ms|s|m|h|d)?";
/// An instant, as jiff reads it: with `T` or a blank, seconds or none, and an offset.
const INSTANT: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)(\[[^\]]+\])?$";
