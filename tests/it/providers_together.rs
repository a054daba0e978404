//! Every action of every built-in provider in one plan, made from the documents' own samples, against the simulator; and every list that a
//! document has. A document that is added is taken in by itself.

use super::place::Place;
use certsweep::provider::model::{Location, Operation, ValueFormat};
use certsweep::provider::{Catalog, Provider};
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn catalog() -> Vec<Arc<Provider>> {
    Catalog::built_in().iter().cloned().collect()
}

/// The entry of a plan that asks for what the operation's first sample asks for; what files hold is taken from files.
fn entry(provider: &Provider, operation: &Operation) -> Map<String, Value> {
    let rules = operation.action.as_ref().unwrap();
    let mut entry = Map::new();
    entry.insert("id".into(), format!("{}-{}", provider.id, operation.name).into());
    entry.insert("provider".into(), provider.id.clone().into());
    entry.insert("action".into(), operation.name.clone().into());
    for (name, value) in &operation.samples[0].parameters {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == *name).unwrap();
        let is_key = rules.idempotency_key.as_ref().is_some_and(|key| key.parameter == *name);
        if parameter.fixed.is_none() && !is_key && parameter.location != Location::Signer {
            let value = match parameter.format {
                ValueFormat::Certificate { .. } => "file:new.pem".into(),
                _ if parameter.names_key() => "file:shop.key".into(),
                _ => value.clone(),
            };
            entry.insert(parameter.name_in_plans().to_owned(), value);
        }
    }
    if let Some(csr) = &rules.csr {
        entry.insert(csr.field.clone(), "file:shop.csr".into());
        entry.extend(csr.common_name.clone().map(|name| (name, "shop.example.com".into())));
        entry.extend(csr.dns_names.clone().map(|name| (name, json!(["www.shop.example.com"]))));
    }
    if let Some(certificate) = &rules.certificate {
        entry.insert(certificate.field.clone(), "file:shop.pem".into());
        entry.extend(certificate.serial.clone().map(|name| (name, Value::Null)));
        entry.retain(|_, value| !value.is_null());
    }
    entry
}

/// Whether the other operation's sample makes a new certificate in the place of what this one's revokes.
fn is_reissued_before(operation: &Operation, other: &Operation) -> bool {
    let target = |operation: &Operation| -> Vec<Option<Value>> {
        let names = operation.action.iter().flat_map(|rules| &rules.target.parameters);
        names.map(|name| operation.samples[0].parameters.get(name).cloned()).collect()
    };
    let makes = |operation: &Operation| operation.action.as_ref().is_some_and(|rules| rules.csr.is_some());
    makes(other) && !makes(operation) && target(operation) == target(other)
}

fn root(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).unwrap()
}

#[test]
fn every_provider_takes_part_in_one_run() {
    let place = Place::bare();
    place.file("shop.csr", root("shop.csr"));
    place.file("shop.pem", root("shop.pem"));
    let new = rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned()]).unwrap();
    place.file("shop.key", new.signing_key.serialize_pem());
    place.file("new.pem", new.cert.pem() + &String::from_utf8(root("shop.pem")).unwrap());
    let catalog = catalog();
    let actions =
        || catalog.iter().flat_map(|provider| provider.actions().map(move |(operation, _)| (provider, operation)));
    let accounts: String = catalog.iter().map(|provider| format!("  {}: {{rate: [1000/1s]}}\n", provider.id)).collect();
    let entries: String = actions()
        .map(|(provider, operation)| {
            let mut entry = entry(provider, operation);
            // What is revoked first cannot be reissued then.
            if let Some(earlier) = provider.actions().find(|(other, _)| is_reissued_before(operation, other)) {
                entry.insert("needs".into(), json!([format!("{}-{}", provider.id, earlier.0.name)]));
            }
            format!("  - {}\n", Value::Object(entry))
        })
        .collect();
    place.file("plan.yaml", format!("version: 1\nproviders:\n{accounts}actions:\n{entries}"));
    place.certsweep(&["check", "plan.yaml"]).exits(0);
    let ran = place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--wait", "--run-dir", "run"]);
    let report = super::place::rows(&place.read("run/report.rehearsal.csv"));
    for (provider, operation) in actions() {
        let id = format!("{}-{}", provider.id, operation.name);
        let row = report.iter().find(|row| row["action_id"] == id).unwrap();
        assert!(["succeeded", "pending", "pending-approval"].contains(&row["outcome"].as_str()), "{row:?}");
    }
    ran.exits(0);
    let verified = place.certsweep(&["verify", "run", "--json"]);
    assert!([0, 1].contains(&verified.code), "{}", verified.err);
    let verified = verified.json();
    let each = verified["asked"].as_array().unwrap_or_else(|| panic!("{verified}"));
    for (provider, operation) in actions() {
        let id = format!("{}-{}", provider.id, operation.name);
        let rules = operation.action.as_ref().unwrap();
        // By what the plan alone tells: no answer is known of a rehearsal that waits for nobody.
        let Some(seen) = each.iter().find(|one| one["action_id"] == id).filter(|_| rules.status_queries.len() == 1)
        else {
            continue;
        };
        let waits = report.iter().any(|row| row["action_id"] == id && row["outcome"].starts_with("pending"));
        assert!(waits || seen["verified"]["seen"] == "revoked", "{seen}");
    }
}

#[test]
fn every_list_of_every_provider_is_played_with_the_targets_of_a_run() {
    let place = Place::bare();
    let mut command = place.command(env!("CARGO_BIN_EXE_certsweep"), &["simulate", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut stream = serde_json::Deserializer::from_reader(&mut stdout).into_iter::<Value>();
    let started = stream.next().unwrap().unwrap();
    let mut place = place;
    let mut accounts = String::new();
    for provider in started["providers"].as_array().unwrap() {
        for (name, value) in provider["environment"].as_object().unwrap() {
            place.set(name, value.as_str().unwrap());
        }
        let auth = provider["auth_url"].as_str().map(|url| format!(", auth_url: \"{url}\"")).unwrap_or_default();
        // Where a client shows a certificate, by TLS.
        let base = provider.get("secure_base_url").unwrap_or(&provider["base_url"]);
        let (id, base) = (provider["provider"].as_str().unwrap(), base.as_str().unwrap());
        let account = format!("  {id}: {{base_url: \"{base}\"{auth}, rate: [1000/1s]}}\n");
        // Of its own, so that no other provider's document is read for it.
        place.file(&format!("{id}.yaml"), format!("providers:\n{account}"));
        accounts.push_str(&account);
    }
    place.file("accounts.yaml", format!("providers:\n{accounts}"));
    place.file("ca.pem", started["ca_certificate"].as_str().unwrap());
    let mut read = 0;
    for provider in &catalog() {
        let is_listed = provider.operations.iter().any(|operation| operation.list.is_some());
        for (operation, _) in provider.actions().filter(|_| is_listed) {
            // What a list must be asked with is taken from its own sample, or the action's.
            let lists = provider.operations.iter().filter(|operation| operation.list.is_some());
            let samples = lists.clone().flat_map(|list| &list.samples).filter(|sample| sample.for_action.is_none());
            let needed = lists
                .flat_map(|list| &list.parameters)
                .filter(|parameter| parameter.required && parameter.fixed.is_none());
            let mut at = vec![provider.id.clone()];
            let given: Vec<_> =
                samples.flat_map(|sample| &sample.parameters).chain(&operation.samples[0].parameters).collect();
            let mut needed: Vec<&str> =
                needed.map(|parameter| parameter.name.as_str()).filter(|name| *name != "minutes").collect();
            needed.extend((provider.id == "huawei-scm").then_some("project_id"));
            for name in needed {
                let value = given.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
                at.extend(
                    value.map(|value| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned))),
                );
            }
            let found = place.certsweep(&[
                "find",
                "--at",
                &at.join(","),
                "--settings",
                &format!("{}.yaml", provider.id),
                "--ca-file",
                "ca.pem",
                "--action",
                &operation.name,
                "--all",
                "--json",
            ]);
            // Not every list tells what every action needs.
            if found.code == 2 && found.err.contains("no list of") {
                continue;
            }
            assert!(found.code == 0, "{} {}: {} {}", provider.id, operation.name, found.out, found.err);
            read += 1;
        }
    }
    assert!(read >= 6, "{read}");
    // What a run has done stands in the lists, beside what was there.
    place.file("shop.csr", root("shop.csr"));
    let revokes = |provider: &&Arc<Provider>| ["huawei", "naver"].contains(&provider.id.as_str());
    // A namespace would have to be given with the list, too.
    let bare = |provider: &Arc<Provider>| {
        let mut entry = entry(provider, provider.operation("revoke").unwrap());
        entry.remove("X-Vault-Namespace");
        format!("  - {}\n", Value::Object(entry))
    };
    let entries: Vec<String> = catalog().iter().filter(revokes).map(bare).collect();
    place.file("plan.yaml", format!("version: 1\nactions:\n{}", entries.concat()));
    place.certsweep(&["run", "plan.yaml", "--yes", "--settings", "accounts.yaml"]).exits(0);
    for id in ["huawei", "naver"] {
        let found =
            place.certsweep(&["find", "--at", id, "--settings", "accounts.yaml", "--all", "--json"]).exits(0).json();
        let rows = found["found"].as_array().unwrap();
        assert!(rows.len() == 1 && rows[0]["status"] == "revoked", "{id}: {found}");
        let few = place.certsweep(&["find", "--at", id, "--settings", "accounts.yaml"]).exits(1);
        assert!(few.err.contains("left out: 1 revoked"), "{id}: {}", few.err);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
