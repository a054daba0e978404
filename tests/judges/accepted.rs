//! Every request that certsweep builds and every request that the pages show is accepted; and what certsweep builds is what the pages
//! show. What Prism then answers is not looked at.

use super::installed;
use super::pages::{Page, Place};
use super::prism::{Plain, Prism};
use super::said;
use crate::support::client::Headers;
use certsweep::diag::Diagnostics;
use certsweep::provider::model::{Location, Operation};
use certsweep::provider::{Catalog, Provider};
use certsweep::provider::{SecurityRequirement, SecurityScheme};
use certsweep::text::{Secret, SourceMap};
use certsweep::wire::credentials::TOKEN;
use certsweep::wire::sign::sign;
use certsweep::wire::{Credentials, request};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// The built-in documents and the example, each with its file; but ACME's, whose bodies are signed (`acme_prism.rs`), and AWS's, whose operations
/// share one path (`aws_wire.rs`).
pub(crate) fn documents() -> Vec<(Arc<Provider>, PathBuf)> {
    let mut diagnostics = Diagnostics::default();
    let catalog = Catalog::load(&[PathBuf::from("examples")], &mut SourceMap::default(), &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    let file = |provider: &Provider| match provider.id.as_str() {
        "in-house" => PathBuf::from("examples/in-house-ca.yaml"),
        id => PathBuf::from(format!("src/provider/documents/{id}.yaml")),
    };
    let by_target = |operation: &Operation| operation.headers.iter().any(|(name, _)| name == "x-amz-target");
    let is_plain = |provider: &&Arc<Provider>| {
        provider.auth.iter().all(|one| one.session_key().is_none()) && !provider.operations.iter().any(by_target)
    };
    catalog.iter().filter(is_plain).map(|provider| (Arc::clone(provider), file(provider))).collect()
}

/// The pages of a provider.
pub(crate) fn pages(provider: &Provider) -> impl Iterator<Item = &'static Page> {
    said::all().filter(|page| page.provider == provider.id)
}

#[test]
fn every_operation_has_its_page_and_every_parameter_stands_there() {
    for (provider, _) in documents() {
        let mut named: Vec<&str> = provider.operations.iter().map(|operation| operation.name.as_str()).collect();
        let mut paged: Vec<&str> = pages(&provider).map(|page| page.operation).collect();
        named.sort_unstable();
        paged.sort_unstable();
        assert_eq!(named, paged, "{}", provider.id);
        for page in pages(&provider) {
            let operation = provider.operation(page.operation).unwrap();
            let sent = operation.parameters.iter().filter(|parameter| parameter.location != Location::StatusQuery);
            let mut sent: Vec<(String, Place)> = sent.map(|p| (p.name.clone(), place(p.location))).collect();
            let mut said: Vec<(String, Place)> = page.fields.iter().map(|f| (f.name.to_owned(), f.place)).collect();
            sent.sort_by(|a, b| a.0.cmp(&b.0));
            said.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(sent, said, "{}", page.name());
        }
    }
}

#[test]
fn certsweep_builds_what_the_pages_show() {
    for (provider, _) in documents() {
        for page in pages(&provider) {
            let operation = provider.operation(page.operation).unwrap();
            let base = match provider.id.as_str() {
                "huawei" | "huawei-scm" => provider.base_url.replace("{region}", "ae-ad-1"),
                "vault" => provider.base_url.replace("{mount}", "pki"),
                "google-cas" => provider.base_url.replace("{project}", "p").replace("{location}", "us-central1"),
                _ => provider.base_url.replace("{site}", "main"),
            };
            assert_eq!(base, page.base);
            let built = request::build(&base, operation, &page.parameters());
            let shown = page.request(&page.parameters(), page.auth[0]);
            let url = format!("{}{}", page.base, shown.path);
            assert_eq!((built.method.as_str(), built.url), (shown.method.as_str(), url), "{}", page.name());
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let body = built.body.map(|bytes| json(std::str::from_utf8(&bytes).unwrap()));
            assert_eq!(body, shown.body.as_deref().map(json), "{}", page.name());
            for requirement in judged(&provider) {
                let fields = requirement.schemes.iter().flat_map(SecurityScheme::fields);
                let set: Vec<String> = fields.map(|(name, _)| name.to_lowercase()).collect();
                let has = |auth: &&&[&str]| auth.iter().all(|name| set.contains(&name.to_lowercase()));
                assert!(page.auth.iter().any(|auth| has(&auth)), "{} {}: {set:?}", page.name(), requirement.name());
            }
        }
    }
}

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_certsweep_sends_is_accepted() {
    let (mut built, mut shown) = (0, 0);
    for (provider, file) in documents() {
        let prism = Prism::start(&file);
        // Prism knows one operation of a path and method.
        let is_first = |operation: &&Operation| {
            let same = |other: &&Operation| (&other.method, &other.path) == (&operation.method, &operation.path);
            provider.operations.iter().find(same).is_some_and(|first| first.name == operation.name)
        };
        for operation in provider.operations.iter().filter(is_first) {
            for requirement in judged(&provider) {
                let pages = pages(&provider).filter(|page| page.operation == operation.name);
                let examples = pages.map(|page| ("the page's example", page.parameters()));
                let samples = operation.samples.iter().map(|sample| (sample.name.as_str(), sample.parameters.clone()));
                for (name, parameters) in examples.chain(samples) {
                    let what = format!("{} {} {name}, {}", provider.id, operation.name, requirement.name());
                    prism.accepts(&what, &signed(&prism, operation, requirement, &parameters));
                    built += 1;
                }
            }
        }
        for page in pages(&provider).filter(|page| provider.operation(page.operation).is_some_and(|it| is_first(&it))) {
            for (what, request) in page.right() {
                prism.accepts(&format!("{} {what}", page.name()), &request);
                shown += 1;
            }
        }
    }
    installed::log(
        "Prism",
        &super::prism::version(),
        &format!(
            "{built} requests as certsweep builds and signs them and {shown} as the pages have them, all accepted"
        ),
    );
}

/// The ways to authenticate that show in a request. A client's certificate does not, and Prism knows nothing of it: it takes a requirement of
/// header fields and a certificate together for one that is not met.
fn judged(provider: &Provider) -> impl Iterator<Item = &SecurityRequirement> {
    let is_mixed = |one: &SecurityRequirement| one.is_mutual_tls() && one.schemes.len() > 1;
    let sets_fields = |one: &SecurityRequirement| one.schemes.iter().flat_map(SecurityScheme::fields).next().is_some();
    provider.auth.iter().filter(move |one| sets_fields(one) && !is_mixed(one))
}

/// A request as it goes out, with every credential that the requirement can take.
fn signed(
    prism: &Prism,
    operation: &Operation,
    requirement: &SecurityRequirement,
    parameters: &Map<String, Value>,
) -> Plain {
    let names = [requirement.required(), requirement.optional(), vec![TOKEN]].concat().into_iter();
    let credentials = Credentials::new(names.map(|name| (name.to_owned(), Secret::new(format!("EXAMPLE-{name}")))));
    let mut wire = request::build(&prism.url(), operation, parameters);
    sign(requirement, &mut wire, &credentials, Timestamp::UNIX_EPOCH).unwrap();
    let path = wire.url.strip_prefix(&prism.url()).unwrap().to_owned();
    let body = wire.body.map(|bytes| String::from_utf8(bytes).unwrap());
    let headers: Headers =
        wire.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Plain { method: wire.method, path, headers, body }
}

fn place(location: Location) -> Place {
    match location {
        Location::Path => Place::Path,
        Location::Query => Place::Query,
        Location::Body => Place::Body,
        Location::Header => Place::Header,
        Location::StatusQuery | Location::Signer => unreachable!("it is not sent with the action"),
    }
}
