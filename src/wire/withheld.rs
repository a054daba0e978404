//! Certificate requests that a run directory must not keep, for they carry a password (`challengePassword`): the action has where the file is
//! and what its request is, and the request is read when it is sent. Reads those files, and nothing else.

use crate::pki::csr::{self, Csr};
use crate::provider::model::Operation;
use crate::text::{file, safe};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// The parameters with the request in the place of its reference, where they have one.
///
/// # Errors
/// The file is gone, or its request is another one now: a sentence.
pub(crate) fn fill<'a>(
    operation: &Operation,
    parameters: &'a Map<String, Value>,
) -> Result<Cow<'a, Map<String, Value>>, String> {
    let Some(rule) = operation.action.as_ref().and_then(|rules| rules.csr.as_ref()) else {
        return Ok(Cow::Borrowed(parameters));
    };
    let named = parameters.get(&rule.field).and_then(Value::as_str).and_then(|text| text.strip_prefix("file:"));
    let Some(named) = named else { return Ok(Cow::Borrowed(parameters)) };
    let (path, digest) = csr::split_reference(named);
    let read = read(path).map_err(|why| format!("the certificate request {}: {why}", safe::terminal(path)))?;
    if digest != Some(read.digest().as_str()) {
        return Err(format!("the certificate request {} has changed since the run began", safe::terminal(path)));
    }
    let mut filled = parameters.clone();
    filled.insert(rule.field.clone(), Value::String(read.to_pem()));
    Ok(Cow::Owned(filled))
}

fn read(path: &str) -> Result<Csr, String> {
    let bytes = file::read(Path::new(path), MAX_LENGTH).map_err(|error| file::reason(&error))?;
    Csr::parse(&bytes)
}

/// A longer file is no request.
const MAX_LENGTH: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::{ActionRules, CsrRule, Idempotency, Location, TargetKind, TargetRule};
    use crate::provider::request::tests::operation;
    use serde_json::json;

    #[test]
    fn a_request_is_read_when_it_is_sent_and_no_other_is() {
        let at = |name: &str| format!("{}/src/pki/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        let csr = |name: &str| Csr::parse(&std::fs::read(at(name)).unwrap()).unwrap();
        let mut reissue = operation("/", true, &[("csr", Location::Body, None), ("name", Location::Body, None)]);
        reissue.action = Some(ActionRules {
            target: TargetRule { kind: TargetKind::Certificate, parameters: Vec::new() },
            idempotency: Idempotency::NotIdempotent,
            reason: None,
            csr: Some(CsrRule { field: "csr".to_owned(), common_name: None, dns_names: None, replaces: true }),
            certificate: None,
            wide: Vec::new(),
            approval: None,
            whole_order: None,
            status_queries: Vec::new(),
            outputs: Vec::new(),
            idempotency_key: None,
            stages: Vec::new(),
            new_certificate: Vec::new(),
            replaced: None,
        });
        let given = |reference: String| json!({"csr": reference, "name": "file:x"});
        // In whatever form it stands there.
        for name in ["kinds.csr", "windows.csr"] {
            let given = given(csr(name).reference(&at(name)));
            let filled = fill(&reissue, given.as_object().unwrap()).unwrap();
            assert_eq!((&filled["csr"], &filled["name"]), (&json!(csr(name).to_pem()), &json!("file:x")));
        }
        for (reference, expected) in [
            (csr("rsa.csr").reference(&at("none.csr")), "no such file"),
            (csr("rsa.csr").reference(&at("kinds.csr")), "has changed since"),
            (format!("file:{}", at("kinds.csr")), "has changed since"),
        ] {
            let given = given(reference);
            assert!(fill(&reissue, given.as_object().unwrap()).unwrap_err().contains(expected), "{expected}");
        }
        let plain = json!({"csr": csr("rsa.csr").to_pem()});
        assert_eq!(&*fill(&reissue, plain.as_object().unwrap()).unwrap(), plain.as_object().unwrap());
    }
}
