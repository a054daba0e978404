//! A certificate as one place shows it, whole or as a row of a list tells of it; and what was found, each certificate once: sightings of several
//! places joined by fingerprint, or by serial number and issuer. Grows with what fits, not with what was looked through; judges nothing.

use crate::pki::{Certificate, SerialNumber, SpkiFingerprint};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A certificate as one place shows it. What the place does not tell is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Where: a path, with the line or what is inside of it.
    pub place: String,
    /// The serial number.
    pub serial: Option<SerialNumber>,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Option<[u8; 32]>,
    /// The issuer: of a certificate its whole name (RFC 4514), of a row the list's words.
    pub issuer: String,
    /// The common name.
    pub common_name: String,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// From when it is valid.
    pub begins: Option<Timestamp>,
    /// Until when.
    pub ends: Option<Timestamp>,
    /// The key.
    pub key: Option<SpkiFingerprint>,
    /// What is weak about it, where that was asked.
    pub weakness: String,
    /// The status, in the list's words.
    pub status: String,
    /// The provider that the list names, or whose export it is.
    pub provider: String,
    /// Parameters of the provider's that the list has columns of.
    pub target: Vec<(String, String)>,
    /// The certificate itself, where this is no row.
    pub whole: Option<WholeCertificate>,
}

/// What only the certificate itself tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholeCertificate {
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Whether it is a precertificate.
    pub is_precertificate: bool,
    /// It and its issuers of the same file, in DER, where they are to be kept.
    pub chain: Vec<Vec<u8>>,
    /// The file that is about it alone, as a plan's `certificate` may name it.
    pub file: Option<String>,
}

/// A certificate that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedCertificate {
    /// What is known of it, from all places together.
    pub known: Sighting,
    /// Where it was seen.
    pub places: BTreeSet<String>,
    /// Other providers that it is said to be at.
    pub also_at: BTreeSet<String>,
}

/// What fits, but is not taken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Those that are over.
    pub expired: u64,
    /// Those that are revoked already.
    pub revoked: u64,
    /// Those of CAs.
    pub cas: u64,
    /// Rows of lists about what is no certificate yet, or never became one.
    pub not_issued: u64,
}

/// Whether a row is about a certificate that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFit {
    /// It is.
    Fits,
    /// It is not.
    Not,
    /// It does not tell this.
    Unknown(&'static str),
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Gathering {
    all: Vec<LocatedCertificate>,
    by_serial: HashMap<SerialNumber, Vec<usize>>,
    by_fingerprint: HashMap<[u8; 32], usize>,
    /// By what a provider calls it: two of its lists may tell of one certificate.
    by_target: HashMap<u64, usize>,
    /// Serial numbers of certificates that do not fit, as hashes: rows about them are judged by that.
    others: HashSet<u64>,
    /// Rows that do not tell what is asked, and whose certificate was not there, by what they do not tell.
    pub undecided: BTreeMap<&'static str, UndecidedRows>,
}

/// Rows of lists of which nobody can tell whether they are meant.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct UndecidedRows {
    /// How many there are.
    pub count: u64,
    /// The first of them: where each stands, and what it calls its certificate.
    pub rows: Vec<String>,
}

impl Sighting {
    /// Of a certificate.
    pub fn of_certificate(certificate: &Certificate, place: String) -> Self {
        let names = certificate.alternative_names();
        let addresses = names.ip.iter().map(ToString::to_string);
        Self {
            place,
            serial: Some(certificate.serial.clone()),
            fingerprint: Some(Sha256::digest(&certificate.der).into()),
            issuer: certificate.issuer_name(),
            common_name: certificate.common_name().unwrap_or_default(),
            names: names.dns.iter().cloned().chain(addresses).collect(),
            begins: Some(certificate.begins),
            ends: Some(certificate.ends),
            key: Some(SpkiFingerprint::of(&certificate.spki)),
            whole: Some(WholeCertificate {
                is_ca: crate::pki::bundle::says_to_be_ca(certificate),
                is_precertificate: certificate.is_precertificate,
                ..WholeCertificate::default()
            }),
            ..Self::default()
        }
    }

    /// Where it is, and the best name that it has there: an account's list has no lines.
    fn named_place(&self) -> String {
        let serial = || self.serial.as_ref().map(ToString::to_string);
        let target = || self.target.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("/");
        let name = Some(&self.common_name).filter(|name| !name.is_empty()).or(self.names.first()).cloned();
        match name.or_else(serial).unwrap_or_else(target) {
            name if name.is_empty() => self.place.clone(),
            name => format!("{} ({name})", self.place),
        }
    }
}

impl Gathering {
    /// Takes a certificate that fits.
    pub fn add_certificate(&mut self, sighting: Sighting) {
        match self.position(&sighting) {
            Some(index) => self.join(index, sighting),
            None => self.insert(sighting),
        }
    }

    /// Whether nothing was found yet.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is known of each certificate so far.
    pub fn known(&self) -> impl Iterator<Item = &Sighting> {
        self.all.iter().map(|found| &found.known)
    }

    /// Whether something is known of the certificate of a sighting.
    pub fn knows(&self, sighting: &Sighting) -> bool {
        self.position(sighting).is_some()
    }

    /// Notes a certificate that does not fit.
    pub fn pass_certificate(&mut self, serial: &SerialNumber) {
        self.others.insert(hash_of(serial));
    }

    /// Takes a row, after all certificates: one of a certificate that is there tells more of it, and is judged by that certificate.
    pub fn add_row(&mut self, row: Sighting, fit: RowFit) {
        match (self.position(&row), fit) {
            (Some(index), _) => self.join(index, row),
            (None, RowFit::Fits) => self.insert(row),
            (None, RowFit::Not) => {}
            (None, RowFit::Unknown(what)) => {
                if !row.serial.as_ref().is_some_and(|serial| self.others.contains(&hash_of(serial))) {
                    let undecided = self.undecided.entry(what).or_default();
                    undecided.count += 1;
                    if undecided.rows.len() < MAX_UNDECIDED {
                        undecided.rows.push(row.named_place());
                    }
                }
            }
        }
    }

    /// What is to be taken, in the order of the places, and the counts of the rest; `all` takes everything.
    pub fn finish(self, now: Timestamp, all: bool) -> (Vec<LocatedCertificate>, LeftOut) {
        let mut left_out = LeftOut::default();
        let mut taken: Vec<LocatedCertificate> = self.all;
        taken.retain_mut(|found| {
            found.settle(now);
            let count = match found.known.status.as_str() {
                _ if found.is_ca() => &mut left_out.cas,
                "revoked" => &mut left_out.revoked,
                "expired" => &mut left_out.expired,
                "not-issued" => &mut left_out.not_issued,
                _ => return true,
            };
            *count += u64::from(!all);
            all
        });
        taken.sort_by(|one, other| one.places.cmp(&other.places));
        (taken, left_out)
    }

    fn position(&self, sighting: &Sighting) -> Option<usize> {
        if let Some(index) = sighting.fingerprint.and_then(|fingerprint| self.by_fingerprint.get(&fingerprint)) {
            return Some(*index);
        }
        if let Some(index) = target_of(sighting).and_then(|target| self.by_target.get(&target)) {
            return Some(*index);
        }
        let candidates = self.by_serial.get(sighting.serial.as_ref()?)?;
        candidates.iter().copied().find(|index| {
            let known = &self.all[*index].known;
            match (&known.whole, &sighting.whole) {
                // Two certificates of one number: one is what became of the other, a precertificate.
                (Some(one), Some(other)) => {
                    known.issuer == sighting.issuer && (one.is_precertificate || other.is_precertificate)
                }
                // Two lists may be of two providers, each with its own ids.
                _ => issuers_agree(&known.issuer, &sighting.issuer) && can_be_joined(known, sighting),
            }
        })
    }

    fn insert(&mut self, mut sighting: Sighting) {
        let index = self.all.len();
        self.file(index, &sighting);
        let places = [std::mem::take(&mut sighting.place)].into();
        self.all.push(LocatedCertificate { known: sighting, places, also_at: BTreeSet::new() });
    }

    fn join(&mut self, index: usize, sighting: Sighting) {
        self.file(index, &sighting);
        self.all[index].join(sighting);
    }

    /// Files a certificate under all that a sighting names it by.
    fn file(&mut self, index: usize, sighting: &Sighting) {
        if let Some(serial) = &sighting.serial {
            let known = self.by_serial.entry(serial.clone()).or_default();
            if !known.contains(&index) {
                known.push(index);
            }
        }
        self.by_fingerprint.extend(sighting.fingerprint.map(|fingerprint| (fingerprint, index)));
        self.by_target.extend(target_of(sighting).map(|target| (target, index)));
    }
}

impl LocatedCertificate {
    fn is_ca(&self) -> bool {
        self.known.whole.as_ref().is_some_and(|whole| whole.is_ca)
    }

    /// Takes what another place tells. The certificate itself wins over what a list says of it, but for its status and ids.
    fn join(&mut self, mut other: Sighting) {
        self.places.insert(std::mem::take(&mut other.place));
        let known = &mut self.known;
        let is_better = match (&known.whole, &other.whole) {
            (None, Some(_)) => true,
            (Some(one), Some(other)) => one.is_precertificate && !other.is_precertificate,
            _ => false,
        };
        if is_better {
            std::mem::swap(known, &mut other);
        }
        // Two accounts may see one certificate, each under its own names: a person must say which is meant.
        if !known.provider.is_empty() && !other.provider.is_empty() && known.provider != other.provider {
            self.also_at.insert(std::mem::take(&mut other.provider));
            other.target.clear();
        }
        let fill = |text: &mut String, from: String| {
            if text.is_empty() {
                *text = from;
            }
        };
        fill(&mut known.issuer, other.issuer);
        fill(&mut known.common_name, other.common_name);
        fill(&mut known.weakness, other.weakness);
        fill(&mut known.provider, other.provider);
        // Of several words the one that says it is gone counts.
        if known.status.is_empty() || other.status == REVOKED {
            known.status = other.status;
        }
        if known.names.is_empty() {
            known.names = other.names;
        }
        known.serial = known.serial.take().or(other.serial);
        known.begins = known.begins.or(other.begins);
        known.ends = known.ends.or(other.ends);
        known.key = known.key.or(other.key);
        known.fingerprint = known.fingerprint.or(other.fingerprint);
        for (name, value) in other.target {
            if !known.target.iter().any(|(known, _)| *known == name) {
                known.target.push((name, value));
            }
        }
        if let (Some(WholeCertificate { file, chain, .. }), Some(other)) = (&mut known.whole, other.whole) {
            // The threads see files in any order, and what is written must not depend on it.
            *file = [file.take(), other.file].into_iter().flatten().min();
            // The longer chain has the issuers.
            if chain.len() < other.chain.len() && !other.is_precertificate {
                *chain = other.chain;
            }
        }
    }

    /// Makes one word of what the lists say and what the time is.
    fn settle(&mut self, now: Timestamp) {
        let known = &mut self.known;
        let is_over = known.ends.is_some_and(|ends| ends < now);
        let word = match known.status.as_str() {
            status if status.contains(REVOKED) => REVOKED,
            status if is_over || status == "expired" => "expired",
            "" if known.ends.is_none() => "",
            "" | "issued" | "active" | "valid" | "good" | "enrolled" | "ok" | "normal" => "valid",
            other => other,
        };
        known.status = word.to_owned();
    }
}

/// Whether two texts name one issuer. Lists write a whole name in any order, the common name alone, or nothing.
pub(super) fn issuers_agree(one: &str, other: &str) -> bool {
    if one.is_empty() || other.is_empty() || one == other {
        return true;
    }
    match (common_name_of(one), common_name_of(other)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (Some(name), None) => contains(other, name) || contains(one, other),
        (None, Some(name)) => contains(one, name) || contains(other, one),
        (None, None) => contains(one, other) || contains(other, one),
    }
}

/// Whether a text holds another, letters in either case.
pub(super) fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// The value of `CN=` in a name as text.
fn common_name_of(name: &str) -> Option<&str> {
    let begin = name.match_indices("CN").find(|(index, _)| {
        let before = name[..*index].trim_end();
        let is_first = before.is_empty() || before.ends_with([',', '/', '+', ';']);
        is_first && name[index + 2..].trim_start().starts_with('=')
    });
    let value = begin.map(|(index, _)| name[index + 2..].trim_start().trim_start_matches('=').trim_start())?;
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.split('"').next();
    }
    // RFC 4514, section 2.4: what divides is escaped within a value.
    let mut escaped = false;
    let end = value.find(|letter| {
        let divides = matches!(letter, ',' | '/' | '+' | ';') && !escaped;
        escaped = letter == '\\' && !escaped;
        divides
    });
    Some(value[..end.unwrap_or(value.len())].trim())
}

/// Whether two sightings name nothing in different ways.
fn can_be_joined(one: &Sighting, other: &Sighting) -> bool {
    let differ =
        |(name, value): &(String, String)| other.target.iter().any(|(also, with)| also == name && with != value);
    let elsewhere = !one.provider.is_empty() && !other.provider.is_empty() && one.provider != other.provider;
    elsewhere || !one.target.iter().any(differ)
}

/// What a provider calls a certificate, as a hash.
fn target_of(sighting: &Sighting) -> Option<u64> {
    if sighting.target.is_empty() || sighting.provider.is_empty() {
        return None;
    }
    let mut named: Vec<&(String, String)> = sighting.target.iter().collect();
    named.sort();
    let mut hasher = DefaultHasher::new();
    (&sighting.provider, named).hash(&mut hasher);
    Some(hasher.finish())
}

fn hash_of(serial: &SerialNumber) -> u64 {
    let mut hasher = DefaultHasher::new();
    serial.hash(&mut hasher);
    hasher.finish()
}

const REVOKED: &str = "revoked";
/// Rows that nobody can judge, by name: there may be a million.
const MAX_UNDECIDED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(serial: &str, place: &str) -> Sighting {
        Sighting {
            place: place.into(),
            serial: SerialNumber::parse(serial).ok(),
            fingerprint: Some([serial.len() as u8; 32]),
            issuer: "CN=CA,O=Example".into(),
            ends: Some("2030-01-01T00:00:00Z".parse().unwrap()),
            whole: Some(WholeCertificate::default()),
            ..Sighting::default()
        }
    }

    fn row(serial: &str, issuer: &str, id: &str, status: &str) -> Sighting {
        Sighting {
            place: format!("list.csv:{id}"),
            serial: SerialNumber::parse(serial).ok(),
            issuer: issuer.into(),
            status: status.into(),
            target: vec![("certificate_id".into(), id.into())],
            ..Sighting::default()
        }
    }

    fn told(gathering: Gathering, all: bool) -> (Vec<String>, LeftOut) {
        let (found, left_out) = gathering.finish("2026-11-29T00:00:00Z".parse().unwrap(), all);
        let shown = |found: &LocatedCertificate| {
            let ids: Vec<&str> = found.known.target.iter().map(|(_, value)| value.as_str()).collect();
            let places: Vec<&str> = found.places.iter().map(String::as_str).collect();
            format!("{} {} {}", places.join("+"), ids.join("+"), found.known.status)
        };
        (found.iter().map(shown).collect(), left_out)
    }

    #[test]
    fn several_places_of_a_certificate_are_one_row() {
        let mut gathering = Gathering::default();
        gathering.add_certificate(certificate("0a1b", "b.pem"));
        gathering.add_certificate(certificate("0a1b", "a.pem"));
        gathering.add_certificate(certificate("0a1b", "a.pem"));
        gathering.add_certificate(certificate("0c1d2e", "c.pem"));
        gathering.add_row(row("0a1b", "CA", "7", "issued"), RowFit::Unknown("the key"));
        gathering.add_row(row("0c1d2e", "CN=CA", "8", "Revoked by us: revoked"), RowFit::Unknown("the key"));
        gathering.add_row(row("0c1d2e", "Another CA", "9", ""), RowFit::Fits);
        gathering.pass_certificate(&SerialNumber::parse("0f").unwrap());
        gathering.add_row(row("0f", "CA", "10", ""), RowFit::Unknown("the key"));
        gathering.add_row(row("0e", "CA", "11", ""), RowFit::Unknown("the key"));
        assert_eq!(gathering.undecided["the key"].count, 1);
        let (rows, left_out) = told(gathering, false);
        assert_eq!(rows, ["a.pem+b.pem+list.csv:7 7 valid", "list.csv:9 9 "]);
        assert_eq!(left_out, LeftOut { revoked: 1, ..LeftOut::default() });
    }

    #[test]
    fn what_is_over_or_a_cas_is_left_out_and_counted() {
        let gathered = || {
            let mut gathering = Gathering::default();
            let mut expired = certificate("0a", "expired.pem");
            expired.ends = Some("2020-01-01T00:00:00Z".parse().unwrap());
            gathering.add_certificate(expired);
            let mut ca = certificate("0a0b", "ca.pem");
            ca.whole.as_mut().unwrap().is_ca = true;
            gathering.add_certificate(ca);
            gathering
        };
        let (rows, left_out) = told(gathered(), false);
        assert_eq!((rows.len(), left_out), (0, LeftOut { expired: 1, cas: 1, ..LeftOut::default() }));
        assert_eq!(
            told(gathered(), true),
            (vec!["ca.pem  valid".to_owned(), "expired.pem  expired".to_owned()], LeftOut::default())
        );
    }

    #[test]
    fn a_certificate_takes_the_place_of_its_precertificate() {
        let mut gathering = Gathering::default();
        let mut before = certificate("0a", "pre.pem");
        before.fingerprint = Some([9; 32]);
        before.whole.as_mut().unwrap().is_precertificate = true;
        gathering.add_certificate(before);
        gathering.add_certificate(certificate("0a", "shop.pem"));
        let (found, _) = gathering.finish("2026-11-29T00:00:00Z".parse().unwrap(), false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].known.fingerprint, Some([2; 32]));
    }

    #[test]
    fn issuers_are_compared_as_lists_write_them() {
        let whole = "CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US";
        for (one, other, same) in [
            (whole, "", true),
            (whole, "DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "digicert inc", true),
            (whole, "C=US, O=DigiCert Inc, CN=DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "/C=US/O=DigiCert Inc/CN=DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "C=US, O=\"DigiCert Inc\", CN=\"DigiCert TLS RSA SHA256 2020 CA1\"", true),
            (whole, "CN=R11,O=Let's Encrypt,C=US", false),
            (whole, "GeoTrust", false),
            ("CN=a\\,b,O=c", "CN=\"a\\,b\"", true),
        ] {
            assert_eq!(issuers_agree(one, other), same, "{other}");
            assert_eq!(issuers_agree(other, one), same, "{other}");
        }
    }
}
