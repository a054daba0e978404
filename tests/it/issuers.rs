//! Where `certsweep verify` has an issuer's certificate from: behind the certificate in its own file, or where the certificate says.

use super::acme::{ca_with, place, plan};
use super::mock::{Act, Mock, empty};
use super::place::{BINARY, Place, finish};
use super::verify::{Authority, ISSUERS, bytes, der};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A CA that speaks ACME, publishes a list with everything on it, and its own certificate in some form.
struct Scene {
    place: Place,
    mock: Mock,
    authority: Authority,
    published: Arc<Mutex<Act>>,
}

impl Scene {
    fn new() -> Self {
        let (authority, published) = (Authority::new(), Arc::new(Mutex::new(empty(404))));
        let (list, given) = (authority.list(&[1, 2, 3], 2100), Arc::clone(&published));
        let mock = ca_with(
            |_| empty(200),
            move |seen| match seen.target.as_str() {
                "/ca.crl" => Some(bytes(list.clone())),
                "/ca.p7c" => Some(given.lock().unwrap().clone()),
                _ => None,
            },
        );
        Self { place: place(0), mock, authority, published }
    }

    fn issue(&self, serial: u64, names_its_issuer: bool) -> String {
        let place = format!("{}/ca.p7c", self.mock.url());
        let place = names_its_issuer.then_some((ISSUERS, place.as_str()));
        self.authority.issue_with(serial, &format!("{}/ca.crl", self.mock.url()), place)
    }

    fn run(&self, names: &[&str]) {
        let line = |name: &&str| format!("  - {{id: {name}, certificate: \"file:{name}\"}}\n");
        self.place.run(&plan(&self.mock, "", &names.iter().map(line).collect::<String>())).exits(0);
    }

    /// What is seen of each, and why no more is.
    fn verify(&self) -> Vec<(String, String)> {
        let mut command = self.place.command(BINARY, &["verify", "run", "--json"]);
        command.env_remove("ACME_ACCOUNT_KEY");
        let shown = finish(command.spawn().unwrap()).json();
        let text = |one: &Value, name: &str| one["verified"][name].as_str().unwrap_or_default().to_owned();
        shown["asked"].as_array().unwrap().iter().map(|one| (text(one, "seen"), text(one, "why"))).collect()
    }
}

#[test]
fn an_issuer_that_follows_in_the_file_is_stored_for_when_the_files_are_gone() {
    let scene = Scene::new();
    let other = Authority::new();
    scene.place.file("full.pem", [scene.issue(1, false), scene.authority.pem.clone()].concat());
    // A stranger of that name, and a second file with the issuer.
    scene.place.file("odd.pem", [scene.issue(2, false), other.pem.clone(), scene.authority.pem.clone()].concat());
    scene.place.file("bare.pem", scene.issue(3, false));
    scene.run(&["full.pem", "odd.pem", "bare.pem"]);
    ["full.pem", "odd.pem", "bare.pem"].iter().for_each(|name| std::fs::remove_file(scene.place.path(name)).unwrap());
    assert_eq!(scene.verify(), vec![("revoked".to_owned(), String::new()); 3]);
}

#[test]
fn an_issuer_is_read_from_where_the_certificate_says_in_either_form() {
    let scene = Scene::new();
    scene.place.file("named.pem", scene.issue(1, true));
    scene.run(&["named.pem"]);
    let other = Authority::new();
    let message = |certificates: &[&[u8]]| {
        // ContentInfo, SignedData, without a signer; RFC 5652.
        let data = der(0x06, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]);
        let set = der(0xA0, &certificates.concat());
        let signed = der(0x30, &[der(0x02, &[1]), der(0x31, &[]), der(0x30, &data), set, der(0x31, &[])].concat());
        let kind = der(0x06, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02]);
        der(0x30, &[kind, der(0xA0, &signed)].concat())
    };
    for (published, seen, why) in [
        (empty(404), "unknown", "ca.p7c: it was answered with HTTP 404"),
        (bytes(b"<html>".to_vec()), "unknown", "ca.p7c: it holds no PEM block"),
        (bytes(other.der.clone()), "unknown", "ca.p7c has not issued it; name it by `issuer`"),
        (bytes(message(&[&other.der])), "unknown", "ca.p7c has not issued it"),
        (bytes(message(&[&other.der, &scene.authority.der])), "revoked", ""),
    ] {
        *scene.published.lock().unwrap() = published;
        let statuses = scene.verify();
        assert!(statuses[0].0 == seen && statuses[0].1.contains(why), "{statuses:?}");
    }
    let scene = Scene::new();
    scene.place.file("named.pem", scene.issue(1, true));
    scene.run(&["named.pem"]);
    *scene.published.lock().unwrap() = bytes(scene.authority.der.clone());
    assert_eq!(scene.verify(), [("revoked".to_owned(), String::new())]);
}
