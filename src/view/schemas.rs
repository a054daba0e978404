//! The JSON Schemas (2020-12) of what certsweep writes for other programs, made from the very types that are written. The plan's schema is
//! `plan::schema`'s.

use super::events::EventRecord;
use super::preview::Preview;
use super::report::ReportRow;
use super::status::Status;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaOf {
    /// A line of `--events`, which a hook gets too.
    Events,
    /// `report --format json`.
    Report,
    /// `status --json`.
    Status,
    /// `preview --json`.
    Preview,
}

/// The schema.
pub fn schema(of: SchemaOf) -> Value {
    match of {
        SchemaOf::Events => schema_of::<EventRecord<'_>>(),
        SchemaOf::Report => report(),
        SchemaOf::Status => versioned(schema_of::<Status>()),
        SchemaOf::Preview => versioned(schema_of::<Preview>()),
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    speak_json(&mut schema);
    schema
}

/// What `--json` prints begins with the version of its form.
fn versioned(mut schema: Value) -> Value {
    schema["properties"]["v"] = json!({"const": 1, "description": "The version of this format: 1"});
    if let Some(required) = schema["required"].as_array_mut() {
        required.insert(0, json!("v"));
    }
    schema
}

/// Descriptions are the docstrings of the types; who reads JSON knows no `None`.
fn speak_json(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "description" => *text = text.replace("`None`", "null"),
                    other => speak_json(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(speak_json),
        _ => {}
    }
}

/// A row's own members, and those that only some runs have.
fn report() -> Value {
    let mut schema = schema_of::<ReportRow<'_>>();
    let own = [
        (
            "new_serial_number",
            json!({"type": ["string", "null"], "description": "The serial number of the new certificate, in hexadecimal; the three members come where an action of the run may bring one"}),
        ),
        (
            "new_not_after",
            json!({"type": ["string", "null"], "format": "date-time", "description": "The end of its validity"}),
        ),
        (
            "new_certificate",
            json!({"type": ["string", "null"], "description": "Its file (leaf, then chain), below the run directory"}),
        ),
        (
            "simulated",
            json!({"type": "boolean", "description": "Whether it was a rehearsal; in reports of one, or of several runs with one among them"}),
        ),
        (
            "operator",
            json!({"type": "string", "description": "Who answers for the run (`run --operator`), where they were named"}),
        ),
        (
            "ticket",
            json!({"type": "string", "description": "The ticket that the run belongs to (`run --ticket`), where it was named"}),
        ),
        (
            "shard",
            json!({"type": "string", "description": "Which part of its plan the run is, where it is one: `2 of 4`"}),
        ),
        (
            "run",
            json!({"type": "string", "description": "The run directory of the row's run, in a report of several runs"}),
        ),
        (
            "settled_by",
            json!({"type": ["string", "null"], "description": "Who has written down how it ended (`certsweep settle`); with settled_at and settled_note"}),
        ),
        (
            "settled_at",
            json!({"type": ["string", "null"], "format": "date-time", "description": "When that was written down"}),
        ),
        ("settled_note", json!({"type": ["string", "null"], "description": "What was found"})),
        (
            "verified",
            json!({"enum": ["revoked", "on-hold", "good", "unknown", null], "description": "What was last seen, once `certsweep verify` has asked; the members from here to not_seen_revoked come with it"}),
        ),
        (
            "verified_at",
            json!({"type": ["string", "null"], "format": "date-time", "description": "When that was seen"}),
        ),
        (
            "verified_by",
            json!({"type": ["array", "null"], "items": {"enum": ["state", "crl", "ocsp"]}, "description": "Who says so"}),
        ),
        ("verified_reason", json!({"type": ["string", "null"], "description": "The reason that the issuer publishes"})),
        (
            "verified_note",
            json!({"type": ["string", "null"], "description": "What is to be said of that reason, where it is not the one asked"}),
        ),
        (
            "revoked_at",
            json!({"type": ["string", "null"], "format": "date-time", "description": "Since when it is revoked, as the issuer says"}),
        ),
        (
            "time_to_revoke_ms",
            json!({"type": ["integer", "null"], "minimum": 0, "description": "From the action's end until it was seen revoked"}),
        ),
        ("not_seen_revoked", json!({"type": ["string", "null"], "description": "Why it is not seen revoked"})),
        (
            "kept",
            json!({"type": "object", "additionalProperties": {"type": "string"}, "description": "The columns that the plan's lists carry through"}),
        ),
    ];
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    let definitions = schema.as_object_mut().and_then(|row| row.remove("$defs")).unwrap_or_default();
    schema.as_object_mut().map(|row| row.remove("$schema"));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "certsweep report",
        "description": "A run's report: one object for each action, in plan order",
        "type": "array",
        "items": schema,
        "$defs": definitions
    })
}

#[cfg(test)]
mod tests {
    use super::super::events::testing::{all, in_ten_seconds, log};
    use super::*;
    use crate::text::safe;
    use jiff::Timestamp;

    #[test]
    fn every_line_is_as_the_schema_says_and_does_nothing_to_a_terminal() {
        let schema = schema(SchemaOf::Events);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let mut log = log(in_ten_seconds());
        let mut types = Vec::new();
        for event in all() {
            for line in log.take(&event, Timestamp::UNIX_EPOCH) {
                let value: Value = serde_json::from_str(&line.text).unwrap();
                if let Some(error) = validator.iter_errors(&value).next() {
                    panic!("{}: {error}", line.text);
                }
                assert_eq!((safe::terminal(&line.text).as_ref(), &value["v"]), (line.text.as_str(), &json!(1)));
                types.push(value["type"].as_str().unwrap().to_owned());
            }
        }
        let expected = [
            "began", "bound", "attempt", "held", "outcome", "reopened", "stopped", "paused", "unpaused", "wave",
            "wave", "limited", "warning", "note", "stopped", "deadline", "in-doubt", "issued",
        ];
        assert_eq!(types, expected);
        for wrong in [json!({"v": 2, "type": "warning"}), json!({"v": 1, "type": "mood"}), json!([])] {
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }
}
