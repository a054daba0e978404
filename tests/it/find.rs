//! From an incident to a plan: keys and files in, a list that a plan takes out.

use super::acme::ca_with;
use super::place::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData, date_time_ymd};
use std::path::Path;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plans/files-of-certificates");
const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pki/testdata/stores");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pki/testdata/keys");

/// A CA that issues certificates for tests.
pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    pub(super) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// A certificate for a name, until the end of a year.
    pub(super) fn issue(&self, name: &str, key: &KeyPair, serial: u64, ends: i32) -> String {
        let mut parameters = CertificateParams::new(vec![name.to_owned(), format!("www.{name}")]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.serial_number = Some(serial.into());
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(ends, 12, 31);
        parameters.signed_by(key, &self.issuer).unwrap().pem()
    }
}

fn rows(text: &str) -> Vec<super::place::Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        header.iter().zip(record.iter()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// A tree with 3 certificates of a leaked key, one of which is in two places, one expired; 2 of another key; and an export that has ids.
fn incident() -> (Place, KeyPair) {
    let place = Place::new();
    let (ca, leaked, other) = (Ca::new("Example CA"), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    place.file("leaked.key", leaked.serialize_pem());
    place.file("leaked.pub", leaked.public_key_pem());
    place.file("other.key", KeyPair::generate().unwrap().serialize_pem());
    place.file("ca.pem", &ca.pem);
    let shop = ca.issue("shop.example.com", &leaked, 0x0a_1b2c_3d4e_5f60, 2090);
    place.file("pems/shop/cert.pem", &shop);
    place.file("pems/shop/fullchain.pem", format!("{}{shop}", ca.pem));
    place.file("pems/mail.pem", ca.issue("mail.example.com", &leaked, 0x0b_1b2c_3d4e_5f61, 2090));
    place.file("pems/old.pem", ca.issue("old.example.com", &leaked, 0x0c_1b2c_3d4e_5f62, 2021));
    place.file("pems/safe.pem", ca.issue("safe.example.com", &other, 0x0d_1b2c_3d4e_5f63, 2090));
    place.file("pems/notes.txt", "nothing");
    let revoked = ca.issue("gone.example.com", &leaked, 0x0e_1b2c_3d4e_5f64, 2090);
    place.file("pems/gone.pem", revoked);
    place.file(
        "orders.csv",
        "Order ID,Certificate ID,Common Name,Status,Serial Number,Valid Till\r\n\
         55,112358,shop.example.com,Issued,0A:1B:2C:3D:4E:5F:60,2090-12-31\r\n\
         56,112359,gone.example.com,Revoked,0E:1B:2C:3D:4E:5F:64,2090-12-31\r\n\
         57,112360,nobody.example.com,Issued,0F:1B:2C:3D:4E:5F:65,2090-12-31\r\n\
         58,112361,safe.example.com,Issued,0D:1B:2C:3D:4E:5F:63,2090-12-31\r\n",
    );
    (place, leaked)
}

#[test]
fn a_leaked_key_becomes_a_list_that_a_plan_takes_as_it_is() {
    let (place, _) = incident();
    let args = [
        "find",
        "--key",
        "leaked.key",
        "--in",
        "pems",
        "--in",
        "orders.csv",
        "--provider",
        "digicert",
        "-o",
        "targets.csv",
    ];
    let found = place.certsweep(&args);
    assert_eq!(found.code, 0, "{}", found.err);
    let list = place.read("targets.csv");
    let rows = rows(&list);
    assert!(list.starts_with(
        "provider,order_id,certificate_id,serial_number,common_name,dns_names,not_after,key_sha256,status,certificate,found_in\r\n"
    ));
    let told: Vec<_> = rows.iter().map(|row| (row["common_name"].as_str(), row["certificate_id"].as_str())).collect();
    assert_eq!(told, [("shop.example.com", "112358"), ("mail.example.com", "0b1b2c3d4e5f61")]);
    assert!(rows[0]["found_in"].starts_with("orders.csv:2; pems/shop/cert.pem; pems/shop/fullchain.pem:"));
    assert_eq!(rows[0]["dns_names"], "shop.example.com www.shop.example.com");
    assert_eq!(rows[0]["certificate"], "file:pems/shop/cert.pem");
    assert_eq!((rows[0]["status"].as_str(), rows[0]["provider"].as_str()), ("valid", "digicert"));
    // Of `nobody` no file is there, and the list does not tell its key: that is said, and of `safe` nothing need be.
    let found = found.says(&[
        "1 row of lists could not be judged: the list does not tell the key, and no file here holds the certificate: orders.csv:4 (nobody.example.com)\n",
    ]);
    assert!(found.err.contains("left out: 1 expired, 1 revoked"), "{}", found.err);
    place.file(
        "plan.yaml",
        "version: 1\ndefaults: {reason: keyCompromise}\nactions:\n  - {from: targets.csv, action: revoke}\n",
    );
    let checked = place.certsweep(&["check", "plan.yaml"]);
    assert!(checked.code == 0 && checked.out.starts_with("ok: 2 actions;"), "{}{}", checked.out, checked.err);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes"]).exits(0);
}

#[test]
fn rows_that_nobody_can_judge_are_named_and_of_many_the_first() {
    let (place, _) = incident();
    let row = |number: u32| {
        let name = if number == 3 { "\u{1b}[31m.example.com".to_owned() } else { format!("{number}.example.com") };
        format!("{name},aa00bb00cc00{number:04x}\n")
    };
    place.file("many.csv", format!("Common Name,Serial Number\n{}", (1..=1200).map(row).collect::<String>()));
    let args = ["find", "--key", "leaked.key", "--in", "pems", "--in", "many.csv"];
    let few = place.certsweep(&args).exits(0).says(&[
        "1,200 rows of lists could not be judged: the list does not tell the key, and no file here holds the certificate: many.csv:2 (1.example.com), many.csv:3 (2.example.com), ",
        ", many.csv:6 (5.example.com), … and 1,195 more; -v shows them\n",
    ]);
    assert!(!few.err.contains('\u{1b}') && !few.err.contains("many.csv:7"), "{}", few.err);
    place
        .certsweep(&[&args[..], &["-v"]].concat())
        .exits(0)
        .says(&["many.csv:1001 (1000.example.com), … and 200 more\n"]);
    let told = place.certsweep(&[&args[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(
        (&told["undecided"]["the key"], &told["undecided_rows"]["the key"][1]),
        (&1200.into(), &"many.csv:3 (2.example.com)".into())
    );
}

#[test]
fn ready_plans_take_the_lists_of_find_with_a_column_of_servers() {
    let (place, _) = incident();
    place.file("announced.txt", "0A:1B:2C:3D:4E:5F:60\n0d1b2c3d4e5f63\n");
    let of_digicert: &[&str] = &["--in", "orders.csv", "--provider", "digicert"];
    let of_vault: &[&str] = &["--provider", "vault", "--issuer", "ca.pem"];
    for (plan, find, expected) in [
        (
            "leaked-key",
            &[of_digicert, &["--key", "leaked.key", "--names", "shop.example.com"]].concat(),
            &["1 digicert reissue", "1 digicert revoke"][..],
        ),
        (
            "mass-revocation",
            &[of_digicert, &["--serials", "announced.txt"]].concat(),
            &["1 digicert reissue", "1 digicert revoke"],
        ),
        // Issued at the CA that stays, revoked at the one that is left.
        ("leave-private-ca", &of_vault.to_vec(), &["4 new-ca reissue", "4 old-ca revoke"]),
        (
            "renewal-season",
            &[of_vault, &["--action", "reissue", "--expires-before", "4999-12-31"]].concat(),
            &["4 vault reissue"],
        ),
    ] {
        let text = std::fs::read_to_string(format!("{}/plans/{plan}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        place.file(&format!("{plan}.yaml"), text.replace("2027-05-01", "5000-01-01"));
        let (list, keys) = (format!("{plan}.csv"), format!("keys-{plan}"));
        let found = place.certsweep(&[&["find", "--in", "pems", "--out", "found", "-o", &list], &find[..]].concat());
        assert_eq!(found.code, 0, "{plan}: {}", found.err);
        assert!(!found.err.contains("common_name"), "every list has it: {}", found.err);
        place.certsweep(&["csr", "--from", &list, "--out", &keys]).exits(0);
        let with_servers: Vec<String> = place
            .read(&list)
            .lines()
            .enumerate()
            .map(|(line, row)| match (line, plan) {
                (0, _) => format!("{row},host"),
                // An account's own list has its name.
                (_, "leave-private-ca") => format!("{},host.example.com", row.replacen("vault,", "old-ca,", 1)),
                // Nobody needs this one any more.
                (_, "mass-revocation") if row.contains("safe.example.com") => {
                    format!("{},,host.example.com", row.rsplit_once(',').unwrap().0)
                }
                _ => format!("{row},host.example.com"),
            })
            .collect();
        place.file(&list, with_servers.join("\n"));
        let preview = place.certsweep(&["preview", &format!("{plan}.yaml")]);
        assert_eq!(preview.code, 0, "{plan}: {}", preview.err);
        let lines: Vec<String> =
            preview.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for counted in expected {
            assert!(lines.iter().any(|line| line.starts_with(counted)), "{plan}: {counted}: {}", preview.out);
        }
    }
}

#[test]
fn every_way_to_name_a_key_finds_the_same() {
    let (place, leaked) = incident();
    let fingerprint = place.certsweep(&["find", "--key", "leaked.key", "--in", "pems", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&fingerprint.out).unwrap();
    let fingerprint = told["found"][0]["key_sha256"].as_str().unwrap().to_owned();
    let spki = leaked.subject_public_key_info();
    place.file("leaked.der", &spki);
    for key in ["leaked.key", "leaked.pub", "leaked.der", "pems/mail.pem", "pems/old.pem", &fingerprint] {
        let found = place.certsweep(&["find", "--key", key, "--in", "pems"]);
        assert_eq!((found.code, rows(&found.out).len()), (0, 3), "{key}: {}", found.err);
    }
    let none = place.certsweep(&["find", "--key", "other.key", "--in", "pems", "--in", "orders.csv"]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(
        none.err.contains(
            "found 0 certificates; looked at 8 files with 7 certificates (1 file has none) and 4 rows of lists"
        ),
        "{}",
        none.err
    );
    let all = place.certsweep(&["find", "--key", "leaked.key", "--in", "pems", "--in", "orders.csv", "--all"]);
    assert_eq!(rows(&all.out).len(), 4, "{}", all.err);
}

#[test]
fn all_that_is_asked_must_hold() {
    let (place, _) = incident();
    place.file("serials.txt", "# affected\nserial=0A1B2C3D4E5F60\n0x0d1b2c3d4e5f63\n");
    place.file("names.txt", "MAIL.example.com\n\nsafe.example.com # one\n");
    for (args, expected) in [
        (&["--serials", "serials.txt"][..], &["safe", "shop"][..]),
        (&["--serials", "serials.txt", "--key", "leaked.key"], &["shop"]),
        (&["--names", "names.txt"], &["mail", "safe"]),
        (&["--names", "*.example.com", "--expires-before", "2030-01-01", "--all"], &["old"]),
        (&["--issuer", "ca.pem"], &["gone", "mail", "safe", "shop"]),
        (&["--issuer", "example ca"], &["gone", "mail", "safe", "shop"]),
        (&["--issuer", "Another"], &[]),
        (&["--issued-between", "2019-12-01..2020-01-01"], &["gone", "mail", "safe", "shop"]),
        (&["--issued-between", "2020-01-02.."], &[]),
        (&["--weak"], &[]),
        (&[], &["gone", "mail", "safe", "shop"]),
    ] {
        let found = place.certsweep(&[&["find", "--in", "pems"][..], args].concat());
        let mut names: Vec<String> = match found.out.as_str() {
            "" => Vec::new(),
            out => rows(out).iter().map(|row| row["common_name"].split('.').next().unwrap().to_owned()).collect(),
        };
        names.sort();
        assert_eq!(names, expected, "{args:?}: {}", found.err);
    }
    // What was asked for and is not there is told by name, unless it was all that was asked for. Lists are read as people have them.
    place.file(
        "serials.csv",
        [
            b"\xff\xfe".to_vec(),
            "serial\r\n0A1B2C3D4E5F60\r\n0x0FFFFFFFFFFF\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ]
        .concat(),
    );
    place.file("names.txt", "mail.example.com.\nnobody.example.com\n*.example.org\n");
    place.file("others.txt", "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    for (args, expected) in [
        (
            &["--serials", "serials.csv"][..],
            "1 of the 2 serial numbers that were asked for are of no certificate that was found: 0fffffffffff",
        ),
        (
            &["--names", "names.txt"],
            "2 of the 3 names that were asked for are of no certificate that was found: *.example.org, nobody.example.com",
        ),
        (&["--key", "leaked.key", "--key", "others.txt"], "1 of the 2 keys that were asked for"),
    ] {
        place.certsweep(&[&["find", "--in", "pems"][..], args].concat()).exits(0).says(&[expected]);
    }
    let told = place.certsweep(&["find", "--in", "pems", "--serials", "serials.csv", "--json"]).exits(0).json();
    assert_eq!(told["not_found"]["serials"], serde_json::json!(["0fffffffffff"]));
    let weak = place.certsweep(&["find", "--weak", "--all", "--in", KEYS]);
    assert_eq!(rows(&weak.out).iter().map(|row| row["weakness"].as_str()).collect::<Vec<_>>(), ["RSA 1024, SHA-1"]);
    // The same by OIW's name of the signature, as old tools write it.
    let pem = std::fs::read_to_string(Path::new(KEYS).join("rsa1024-certificate.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut old = x509_cert::Certificate::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let oid = ObjectIdentifier::new_unwrap("1.3.14.3.2.29");
    (old.signature_algorithm.oid, old.tbs_certificate.signature.oid) = (oid, oid);
    place.file("old/old.der", old.to_der().unwrap());
    let weak = place.certsweep(&["find", "--weak", "--all", "--in", "old"]).exits(0);
    assert_eq!(rows(&weak.out)[0]["weakness"], "RSA 1024, SHA-1", "{}", weak.out);
}

#[test]
fn stores_secrets_and_broken_files_are_read_or_told_of() {
    let mut place = Place::bare();
    place.set("RIGHT", "secret");
    let store = std::fs::read(Path::new(STORES).join("modern.p12")).unwrap();
    place.file("tree/store.p12", &store);
    place.file("tree/broken.pem", "-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n");
    place.file("tree/program", b"\x7fELF\x02\x01\0\0\0\0");
    let without = place.certsweep(&["find", "--in", "tree"]);
    assert_eq!(without.code, 1);
    for expected in [
        "not read: tree/store.p12: this PKCS#12 store has a password; give it with `--password env:NAME`",
        "not read: tree/broken.pem:1: the PEM block's content is not valid base64",
    ] {
        assert!(without.err.contains(expected), "{expected}: {}", without.err);
    }
    let found =
        place.certsweep(&["find", "--in", "tree", "--password", "env:RIGHT", "--out", "made", "-o", "targets.csv"]);
    assert_eq!(found.code, 0, "{}", found.err);
    let rows = rows(&place.read("targets.csv"));
    let file = rows[0]["certificate"].strip_prefix("file:").unwrap();
    assert!(file.starts_with("made/shop.example.com-"), "{file}");
    assert_eq!(place.read(file), std::fs::read_to_string(Path::new(KEYS).join("p256-certificate.pem")).unwrap());
    for (args, expected) in [
        (&["--in", "none"][..], "none cannot be read: there is no such file"),
        (&["--in", "tree", "--key", "none.key"], "none.key cannot be read: there is no such file"),
        (&["--in", "tree", "--key", "tree/program"], "there is no key in it"),
        (&["--in", "tree", "--password", "secret"], "never the password itself"),
        (&["--in", "tree", "--password", "env:NONE"], "the variable NONE is not set"),
        (&["--in", "tree", "--provider", "digicrt"], "did you mean `digicert`?"),
        (&["--in", "tree", "--issued-between", "2026"], "is no range of time"),
    ] {
        let refused = place.certsweep(&[&["find"][..], args].concat());
        assert_eq!(refused.code, 2, "{args:?}");
        assert!(refused.err.contains(expected), "{args:?}: {}", refused.err);
    }
}

#[test]
fn acme_takes_the_certificates_that_were_found() {
    let (place, mock) = (super::acme::place(0), ca_with(|_| super::mock::empty(200), |_| None));
    let found = place.certsweep(&[
        "find",
        "--in",
        FILES,
        "--names",
        "shop.example.com",
        "--provider",
        "acme",
        "-o",
        "targets.csv",
    ]);
    assert_eq!(found.code, 0, "{}", found.err);
    let plan = super::acme::plan(&mock, "", "  - {from: targets.csv}\n");
    place.file("plan.yaml", plan);
    let checked = place.certsweep(&["check", "plan.yaml"]);
    assert_eq!(checked.code, 0, "{}\n{}\n{}", checked.err, place.read("targets.csv"), place.read("plan.yaml"));
}
