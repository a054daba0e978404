//! `docs/json.md` and `docs/plan-reference.md` are made from the schemas: they cannot say what is not so. `CERTSWEEP_WRITE_DOCS=1` writes
//! them anew.

use super::place::Place;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "\
# What other programs get

What certsweep prints for other programs, as JSON. This page is made from the schemas that `certsweep schema --of events|report|status|preview` prints (`--of plan`: the plan's).
Members may be added, and are never taken away; characters that act on a terminal are escaped as `\\u009b`, which changes nothing for who parses it.

- `run` and `resume --events FILE|-`: one [event](#certsweep-event) a line. Hooks get the same line ([plan.md](plan.md#who-is-told)).
- `status --json`: one [status](#status); with `--watch` one a line.
- `report --format json`: the [report](#certsweep-report).
- `preview --json`: one [preview](#preview).
- Every object of `--json` begins with `\"v\": 1`; what other commands print under it is told by their names.
- `--log-format json`: standard error as lines `{\"v\": 1, \"at\": …, \"level\": \"error|warning|info|debug\", \"message\": …}`.

```sh
certsweep run plan.yaml --yes --events - | jq -c 'select(.type == \"outcome\" and .outcome != \"succeeded\")'
```
";

#[test]
fn the_reference_of_json_is_made_from_the_schemas() {
    let place = Place::bare();
    let mut text = HEAD.to_owned();
    for of in ["events", "status", "report", "preview"] {
        let schema = place.certsweep(&["schema", "--of", of]).exits(0).json();
        let title = schema["title"].as_str().unwrap();
        let about = one_line(&schema["description"]);
        write!(text, "\n## {title}\n\n{about}\n").unwrap();
        let whole = if schema["type"] == "array" { &schema["items"] } else { &schema };
        members(&mut text, whole);
        for kind in whole["oneOf"].as_array().into_iter().flatten() {
            let name = kind["properties"]["type"]["const"].as_str().unwrap();
            write!(text, "\n### `{name}`\n\n{}\n", one_line(&kind["description"])).unwrap();
            members(&mut text, kind);
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            write!(text, "\n### {name} ({of})\n\n{}\n", one_line(&definition["description"])).unwrap();
            members(&mut text, definition);
            let words = definition["oneOf"].as_array().into_iter().flatten();
            for word in words {
                let about = one_line(&word["description"]);
                match word["const"].as_str().or_else(|| word["properties"]["kind"]["const"].as_str()) {
                    Some(name) => write!(text, "\n- `{name}`: {about}").unwrap(),
                    None => write!(text, "\n- {}", type_of(word)).unwrap(),
                }
            }
            text.push('\n');
        }
    }
    is_written("docs/json.md", &text);
}

const PLAN_HEAD: &str = "\
# Every key of a plan

Made from the schema that `certsweep schema` prints, which editors read too. What a plan is, with examples: [plan.md](plan.md). The parameters of actions have the
names of the provider's documentation: [providers.md](providers.md), or `certsweep providers show ID`.
";

#[test]
fn the_reference_of_plans_is_made_from_their_schema() {
    let schema = Place::bare().certsweep(&["schema"]).exits(0).json();
    let mut text = PLAN_HEAD.to_owned();
    text.push_str("\n## A plan\n\n| key | value | |\n|---|---|---|\n");
    let is_told = |name: &str| !is_parameter(&schema, name);
    keys(&mut text, "", &schema, &is_told);
    text.push_str("\n## An action\n\nBeside its parameters.\n\n| key | value | |\n|---|---|---|\n");
    let mut every = serde_json::Map::new();
    for action in actions(&schema) {
        for (name, member) in action["properties"].as_object().unwrap() {
            every.entry(name.clone()).or_insert_with(|| member.clone());
        }
    }
    // One value each in the schema, since each has its own operation.
    every.remove("action");
    every.remove("provider");
    text.push_str("| `action` | string | Its name in the provider's document |\n| `provider` | string | A provider, or an account's own name |\n");
    keys(&mut text, "", &serde_json::json!({ "properties": every }), &is_told);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        // A provider's own actions are in the table of providers.
        if name.contains('.') {
            continue;
        }
        write!(text, "\n## {name}\n\n{}\n", one_line(&definition["description"])).unwrap();
        if definition["properties"].is_object() {
            text.push_str("\n| key | value | |\n|---|---|---|\n");
            keys(&mut text, "", definition, &is_told);
        } else {
            writeln!(text, "\n{}", value_of(definition)).unwrap();
        }
    }
    is_written("docs/plan-reference.md", &text);
}

fn actions(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["$defs"].as_object().unwrap().iter().filter(|(name, _)| name.contains('.')).map(|(_, action)| action)
}

/// Whether it is a parameter of some providers' actions: what belongs to all actions, most of them have.
fn is_parameter(schema: &Value, name: &str) -> bool {
    let having = actions(schema).filter(|action| !action["properties"][name].is_null()).count();
    having > 0 && having * 2 < actions(schema).count()
}

/// The keys of an object; those of an object in it stand after its own, as `safety.canary`.
fn keys(text: &mut String, before: &str, schema: &Value, is_told: &dyn Fn(&str) -> bool) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| is_told(name)) {
        let name = format!("{before}{name}");
        if member["properties"].is_object() && member["additionalProperties"] == false {
            keys(text, &format!("{name}."), member, is_told);
        } else {
            writeln!(text, "| `{name}` | {} | {} |", value_of(member), one_line(&member["description"])).unwrap();
        }
    }
}

/// What may stand there. Of what a provider brings only the kind is told: there are too many.
fn value_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return if name.contains('.') { "an action".to_owned() } else { format!("[{name}](#{name})") };
    }
    if let Some(forms) = ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array()) {
        let mut forms: Vec<String> = forms.iter().map(value_of).collect();
        forms.dedup();
        return forms.join(" or ");
    }
    if schema["properties"]["action"].is_object() {
        return "a step: an action, or `wait`".to_owned();
    }
    if schema["properties"].is_object() {
        let names: Vec<String> =
            schema["properties"].as_object().unwrap().keys().map(|key| format!("`{key}`")).collect();
        return format!("{{{}}}", names.join(", "));
    }
    if schema["type"] == "array" || schema["type"] == serde_json::json!(["array", "null"]) {
        return format!("list of {}", value_of(&schema["items"]));
    }
    type_of(schema)
}

/// A page in `docs` is what it is made of.
fn is_written(page: &str, text: &str) {
    let text = text.trim_end().replace("\n\n\n", "\n\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("CERTSWEEP_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{page} is not what the schemas say; CERTSWEEP_WRITE_DOCS=1 writes it anew");
}

fn members(text: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let mut shown = properties.iter().filter(|(name, member)| *name != "type" || member["const"].is_null()).peekable();
    if shown.peek().is_none() {
        return;
    }
    text.push_str("\n| member | type | |\n|---|---|---|\n");
    for (name, member) in shown {
        writeln!(text, "| `{name}` | {} | {} |", type_of(member), one_line(&member["description"])).unwrap();
    }
}

fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(forms) = schema[key].as_array() {
            return forms.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let one = |name: &Value| match name.as_str() {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("string") if schema["format"] == "date-time" => "instant (RFC 3339)".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().map(one).collect::<Vec<_>>().join(" or "),
        name => one(name),
    }
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
