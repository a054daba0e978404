//! A certificate that a CA has issued for a request, held against that request: the same public key, no name missing, valid now. Pure; whether
//! it is trusted is for those who use it.

use super::names::{comparable, is_host};
use super::{Certificate, Csr, SpkiFingerprint, pem};
use jiff::Timestamp;
use std::collections::BTreeSet;

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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    const LEAF: &[u8] = include_bytes!("testdata/world/good.der");
    const CA: &[u8] = include_bytes!("testdata/world/ca.der");

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
