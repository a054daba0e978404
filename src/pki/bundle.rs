//! Several certificates together: which of a file's is meant, the one that is no CA's, wherever it stands, for bundles come in any order; and
//! what a CA has issued for a request, held against that request (the same public key, no name missing, valid now) and put before its chain.
//! Reads no files; whether a certificate is trusted is for those who use it.

use super::names::{comparable, is_host};
use super::{Certificate, Csr, SpkiFingerprint, pem};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The certificate that a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// The one end-entity certificate.
    EndEntity(usize),
    /// The certificate of a CA, where there are none but of CAs: of a chain the last link.
    Ca(usize),
}

/// There is no telling which certificate is meant; those that could be, at least two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// Several end-entity certificates.
    EndEntities(Vec<usize>),
    /// Several certificates of CAs, and none of an end entity.
    Cas(Vec<usize>),
}

/// What a certificate must be to be the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedCertificate {
    /// Its public key.
    pub spki: SpkiFingerprint,
    /// The hosts that it must name.
    pub names: Vec<String>,
}

/// A new certificate that fits its request.
#[derive(Debug)]
pub struct NewCertificate {
    /// It, and then its chain, in the order in which they came.
    pub chain: Vec<Certificate>,
}

impl RequestedCertificate {
    /// What a request asks for.
    pub fn of(request: &Csr) -> Self {
        let names = request.names();
        let addresses = names.ip.iter().map(ToString::to_string);
        // A common name that is no host (a person's, a product's) need not come back as an alternative name.
        let common = request.common_name().filter(|name| is_host(name));
        let all = common.map(str::to_owned).into_iter().chain(names.dns.iter().cloned()).chain(addresses);
        Self { spki: request.spki(), names: all.collect() }
    }
}

impl NewCertificate {
    /// Reads what came: PEM blocks, or DER in base64, in one text or several.
    ///
    /// # Errors
    /// A sentence: there is none, or one of them is none.
    pub fn read(texts: &[String]) -> Result<Self, String> {
        let mut chain = Vec::new();
        for text in texts {
            let der = pem::bare(text);
            let bytes = der.as_deref().unwrap_or(text.as_bytes());
            let read = Certificate::parse_all(bytes);
            chain.extend(read.map_err(|why| format!("what came as the new certificate is none: {why}"))?);
        }
        // Where the issuer is the root, some show it as both.
        chain.dedup_by(|one: &mut Certificate, before: &mut Certificate| one.der == before.der);
        if chain.is_empty() { Err("no new certificate came".to_owned()) } else { Ok(Self { chain }) }
    }

    /// Holds it against what was asked for, and puts it before its chain.
    ///
    /// # Errors
    /// A sentence: in what it does not fit.
    pub fn fit(mut self, wanted: &RequestedCertificate, now: Timestamp) -> Result<Self, String> {
        let is_asked_for = |found: &Certificate| SpkiFingerprint::of(&found.spki) == wanted.spki;
        let Some(place) = self.chain.iter().position(is_asked_for) else {
            return Err("the new certificate is for another key than the request's".to_owned());
        };
        let leaf = self.chain.remove(place);
        let named: BTreeSet<String> = leaf.host_names().iter().map(|name| comparable(name)).collect();
        let missing = wanted.names.iter().filter(|name| !named.contains(&comparable(name)));
        let missing: BTreeSet<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().collect();
            return Err(format!("the new certificate lacks {}, which the request asks for", missing.join(", ")));
        }
        if !leaf.is_valid(now) {
            let (begins, ends) = (leaf.begins, leaf.ends);
            return Err(format!("the new certificate is not valid now: from {begins} to {ends}"));
        }
        self.chain.insert(0, leaf);
        Ok(self)
    }

    /// Whether one of them has the key that was asked for.
    pub fn has_key(&self, wanted: &RequestedCertificate) -> bool {
        self.chain.iter().any(|found| SpkiFingerprint::of(&found.spki) == wanted.spki)
    }

    /// The certificate itself.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// It, and then its chain, in PEM (RFC 7468).
    pub fn to_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem::encode("CERTIFICATE", &certificate.der)).collect()
    }
}

/// Finds the certificate that a file is about, by what the certificates are; a file has at least one.
///
/// # Errors
/// There are several.
pub fn meant(all: &[Certificate]) -> Result<Meant, Undecided> {
    let first_of = |index: usize| all.iter().position(|other| other.der == all[index].der) == Some(index);
    // A precertificate beside its certificate is the same one.
    let is_repeated =
        |one: &Certificate| one.is_precertificate && all.iter().any(|other| is_certificate_of(other, one));
    let mut end_entities = Vec::new();
    let mut cas = Vec::new();
    for index in (0..all.len()).filter(|index| first_of(*index)) {
        match &all[index] {
            one if acts_as_ca(one, all) => cas.push(index),
            one if is_repeated(one) => {}
            _ => end_entities.push(index),
        }
    }
    match end_entities[..] {
        [one] => return Ok(Meant::EndEntity(one)),
        [] => {}
        _ => return Err(Undecided::EndEntities(end_entities)),
    }
    // Two CAs that have certified each other have both issued one.
    let last: Vec<usize> = cas.iter().copied().filter(|index| !has_issued(&all[*index], all)).collect();
    match (&last[..], &cas[..]) {
        ([one], _) | ([], [one]) => Ok(Meant::Ca(*one)),
        ([], _) => Err(Undecided::Cas(cas)),
        _ => Err(Undecided::Cas(last)),
    }
}

/// Whether a certificate is a CA's, as it says itself, or as the others show: one of version 1 says nothing.
fn acts_as_ca(one: &Certificate, all: &[Certificate]) -> bool {
    says_to_be_ca(one) || has_issued(one, all)
}

/// Whether a certificate is a CA's by its own words. `openssl req -x509` says so of every certificate that it makes, which is how most
/// self-signed ones of servers come about: one that signs itself, names a host, and leaves out the key usage that a CA's must have
/// (RFC 5280, section 4.2.1.3) is a server's.
pub fn says_to_be_ca(one: &Certificate) -> bool {
    let is_servers = one.issuer == one.subject && !one.has_key_usage && one.names_host();
    one.is_ca && !is_servers
}

/// Whether a certificate is what became of a precertificate.
fn is_certificate_of(one: &Certificate, precertificate: &Certificate) -> bool {
    !one.is_precertificate && one.serial == precertificate.serial && one.issuer == precertificate.issuer
}

fn has_issued(one: &Certificate, all: &[Certificate]) -> bool {
    // Not its own: many end entities sign themselves. Nor another one of its own name and key, which is its renewal.
    let is_other = |other: &Certificate| other.subject != one.subject || other.spki != one.spki;
    all.iter().any(|other| is_other(other) && other.is_signed_by(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};

    const LEAF: &[u8] = include_bytes!("testdata/world/good.der");
    const CA: &[u8] = include_bytes!("testdata/world/ca.der");

    struct Made {
        certificate: Certificate,
        parameters: CertificateParams,
        key: KeyPair,
    }

    fn made(name: &str, is_ca: IsCa, issuer: Option<&Made>, poison: bool) -> Made {
        let key = KeyPair::generate().unwrap();
        made_with(name, is_ca, issuer, poison, key, 1)
    }

    fn made_with(name: &str, is_ca: IsCa, issuer: Option<&Made>, poison: bool, key: KeyPair, serial: u64) -> Made {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = is_ca;
        parameters.serial_number = Some(serial.into());
        if poison {
            let mut extension =
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3], vec![0x05, 0x00]);
            extension.set_criticality(true);
            parameters.custom_extensions.push(extension);
        }
        let signed = match issuer {
            None => parameters.self_signed(&key).unwrap(),
            Some(issuer) => {
                let by = Issuer::from_params(&issuer.parameters, &issuer.key);
                parameters.signed_by(&key, &by).unwrap()
            }
        };
        Made { certificate: Certificate::parse(signed.der()).unwrap(), parameters, key }
    }

    #[test]
    fn the_certificate_that_is_meant_is_found_by_content() {
        let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        let root = made("root", ca(), None, false);
        let other_root = made("other root", ca(), None, false);
        let middle = made("middle", ca(), Some(&root), false);
        // Of the same name and key, certified by another: a cross-signed chain.
        let key = KeyPair::from_pem(&middle.key.serialize_pem()).unwrap();
        let crossed = made_with("middle", ca(), Some(&other_root), false, key, 7);
        let leaf = made("leaf", IsCa::NoCa, Some(&middle), false);
        let explicit = made("explicit", IsCa::ExplicitNoCa, Some(&middle), false);
        let poisoned = made("leaf", IsCa::NoCa, Some(&middle), true);
        let own = made("own", IsCa::NoCa, None, false);
        // As a CA of version 1: it does not say that it is one.
        let silent = made("silent", IsCa::NoCa, None, false);
        let below_silent = made("below", IsCa::NoCa, Some(&silent), false);
        let openssl = made("shop.example.com", ca(), None, false);
        let below_openssl = made("below", IsCa::NoCa, Some(&openssl), false);
        for (what, all, expected) in [
            ("in order", vec![&leaf, &middle, &root], Ok(Meant::EndEntity(0))),
            ("reversed", vec![&root, &middle, &leaf], Ok(Meant::EndEntity(2))),
            ("issuer first", vec![&middle, &leaf, &root], Ok(Meant::EndEntity(1))),
            ("twice the same", vec![&leaf, &leaf, &middle], Ok(Meant::EndEntity(0))),
            ("the chain of another", vec![&other_root, &leaf], Ok(Meant::EndEntity(1))),
            ("cross-signed", vec![&crossed, &middle, &other_root, &root, &leaf], Ok(Meant::EndEntity(4))),
            ("self-signed", vec![&own], Ok(Meant::EndEntity(0))),
            ("as `openssl req -x509` makes a server's", vec![&openssl], Ok(Meant::EndEntity(0))),
            ("the same, where it has issued another", vec![&openssl, &below_openssl], Ok(Meant::EndEntity(1))),
            ("with CA false", vec![&middle, &explicit], Ok(Meant::EndEntity(1))),
            ("a CA that does not say so", vec![&silent, &below_silent], Ok(Meant::EndEntity(1))),
            ("the same alone", vec![&silent], Ok(Meant::EndEntity(0))),
            ("a precertificate with its certificate", vec![&poisoned, &leaf, &middle], Ok(Meant::EndEntity(1))),
            ("a precertificate alone", vec![&middle, &poisoned], Ok(Meant::EndEntity(1))),
            ("a CA alone", vec![&middle], Ok(Meant::Ca(0))),
            ("a chain of CAs", vec![&root, &middle], Ok(Meant::Ca(1))),
            ("several", vec![&leaf, &own, &middle], Err(Undecided::EndEntities(vec![0, 1]))),
            ("several of one CA", vec![&middle, &leaf, &explicit], Err(Undecided::EndEntities(vec![1, 2]))),
            ("CAs that have nothing in common", vec![&root, &other_root], Err(Undecided::Cas(vec![0, 1]))),
            ("one CA in two certificates", vec![&middle, &crossed], Err(Undecided::Cas(vec![0, 1]))),
        ] {
            let all: Vec<Certificate> = all.into_iter().map(|made| made.certificate.clone()).collect();
            assert_eq!(meant(&all), expected, "{what}");
        }
    }

    fn pem_of(der: &[u8]) -> String {
        pem::encode("CERTIFICATE", der)
    }

    fn wanted(names: &[&str]) -> RequestedCertificate {
        let spki = SpkiFingerprint::of(&Certificate::parse(LEAF).unwrap().spki);
        RequestedCertificate { spki, names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn what_came_is_read_in_every_form_and_the_leaf_goes_before_its_chain() {
        let leaf = Certificate::parse(LEAF).unwrap();
        let both = format!("{}{}", pem_of(CA), pem_of(LEAF));
        for texts in [vec![both], vec![pem_of(LEAF), pem_of(CA)], vec![STANDARD.encode(LEAF), STANDARD.encode(CA)]] {
            let found = NewCertificate::read(&texts).unwrap().fit(&wanted(&[]), leaf.begins).unwrap();
            assert_eq!(found.to_pem(), format!("{}{}", pem_of(LEAF), pem_of(CA)));
        }
        for (texts, expected) in [
            (vec![], "no new certificate came"),
            (vec!["<html>".to_owned()], "what came as the new certificate is none"),
            (
                vec![pem_of(LEAF), "-----BEGIN CERTIFICATE-----\nAAAA".to_owned()],
                "what came as the new certificate is none",
            ),
        ] {
            let why = NewCertificate::read(&texts).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn what_does_not_fit_the_request_is_told() {
        let leaf = Certificate::parse(LEAF).unwrap();
        let names = leaf.host_names();
        let own: Vec<&str> = names.iter().map(String::as_str).collect();
        let upper = own.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>();
        let day = jiff::SignedDuration::from_hours(24);
        for (chain, wanted, now, expected) in [
            (LEAF, wanted(&own), leaf.begins, Ok(())),
            (LEAF, wanted(&upper.iter().map(String::as_str).collect::<Vec<_>>()), leaf.ends, Ok(())),
            (LEAF, wanted(&["b.example", "a.example"]), leaf.begins, Err("lacks a.example, b.example")),
            (CA, wanted(&[]), leaf.begins, Err("is for another key")),
            (LEAF, wanted(&[]), leaf.ends + day, Err("is not valid now")),
            (LEAF, wanted(&[]), leaf.begins - day, Err("is not valid now")),
        ] {
            let fits = NewCertificate::read(&[pem_of(chain)]).unwrap().fit(&wanted, now);
            match (fits, expected) {
                (Ok(_), Ok(())) => {}
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_request_asks_for_its_hosts() {
        let request = Csr::parse(include_bytes!("testdata/kinds.csr")).unwrap();
        let wanted = RequestedCertificate::of(&request);
        assert_eq!(wanted.spki, request.spki());
        assert!(request.names().dns.iter().all(|name| wanted.names.contains(name)), "{wanted:?}");
        assert!(!wanted.names.iter().any(|name| name.contains('@')), "{wanted:?}");
    }
}
