//! The certificate requests and certificates that actions name by file: read and parsed, and little of them stored, for there may be
//! very many; and which of them have a key in common, so that nobody is surprised: who tells a CA that the key of one certificate is compromised
//! has all certificates with that key revoked (CA/Browser Forum's Baseline Requirements, section 4.9.1.1). Compares none with its action.

use super::action_index::hash_of;
use crate::pki::{Certificate, Csr, Meant, SpkiFingerprint, Undecided, meant};
use crate::plan::checked::NamedFile;
use crate::plan::load;
use crate::text::{Span, safe};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::DefaultHasher;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Certificate requests that were read last, by path: many actions may name one.
#[derive(Default)]
pub(super) struct CsrFiles {
    by_path: HashMap<PathBuf, CsrResult>,
}

/// A certificate request, or why it cannot be used.
pub(super) type CsrResult = Rc<Result<ReadCsr, String>>;

/// A certificate request that can be used.
pub(super) struct ReadCsr {
    /// As it is sent, whatever form the file has.
    pub(super) text: String,
    pub(super) csr: Csr,
}

/// What is stored of the certificates that are sent, all together: a plan may have a million of them.
#[derive(Default)]
pub(super) struct SentCertificates {
    /// Serial number → issuer of the first certificate with it.
    issuers: HashMap<u64, u64>,
    /// Those that may have issued one, as hashes: many files hold the same.
    known_issuers: HashSet<u64>,
    /// The same in DER, at most [`MAX_ISSUERS`].
    issuer_ders: Vec<Vec<u8>>,
    /// Their names, as hashes.
    issuer_names: HashSet<u64>,
    /// Names of issuers without whose certificates a step waits in vain, in DER, each with the first such step.
    awaited: HashMap<Vec<u8>, Span>,
}

/// A certificate that is sent, and the place that gives it.
pub(super) struct SentCertificate {
    pub(super) certificate: Certificate,
    /// Whether it is a CA's.
    pub(super) is_ca: bool,
    pub(super) place: Span,
}

/// A private key that is sent, and the place that names its file.
pub(super) struct NamedKey {
    pub(super) spki: SpkiFingerprint,
    /// The file, as the plan names it.
    pub(super) named: String,
    pub(super) place: Span,
}

/// What a file or a text has of the certificate that is to be sent.
pub(super) struct ReadTarget {
    pub(super) certificate: Certificate,
    /// Whether it is a CA's.
    pub(super) is_ca: bool,
    /// The others, which may have issued it.
    pub(super) others: Vec<Certificate>,
}

/// The certificate that is to be sent, or why there is none.
pub(super) type TargetResult = Result<ReadTarget, UnusableFile>;

/// The files of issuers that were read, by path: many actions name one.
#[derive(Default)]
pub(super) struct IssuerFiles {
    by_path: HashMap<PathBuf, IssuerResult>,
}

/// Certificates of issuers, or why there are none.
pub(super) type IssuerResult = Rc<Result<ReadCertificates, UnusableFile>>;

/// A file with certificates.
pub(super) struct ReadCertificates {
    pub(super) file: NamedFile,
    /// At least one.
    pub(super) all: Vec<Certificate>,
}

/// Why a file or a text cannot be used, and what to do about it.
#[derive(Debug, Clone)]
pub(super) struct UnusableFile {
    pub(super) what: String,
    pub(super) help: Option<&'static str>,
}

/// The keys of certificates and requests so far, as hashes: a plan may have a million of them.
#[derive(Default)]
pub(super) struct SharedKeys {
    /// Of each key, who has it first.
    first: HashMap<u64, KeyBearer>,
    /// Of the keys that several have, what these do.
    shared: HashMap<u64, KeyUse>,
}

/// An action whose certificate or request has a key.
#[derive(Clone, Copy)]
pub(super) struct KeyBearer {
    ordinal: u32,
    /// A hash of the certificate or the request; its lowest bits are [`TELLS`] and [`SIGNS`].
    bearer: u32,
}

/// What the actions with one key do.
#[derive(Default)]
struct KeyUse {
    /// The first that tells the CA that the key is compromised.
    told: Option<KeyBearer>,
    /// The first that does not, and is about something else.
    untold: Option<KeyBearer>,
    /// How many tell of it by their reason.
    tells: u32,
}

impl CsrFiles {
    /// Reads a certificate request.
    pub(super) fn read(&mut self, path: &Path) -> CsrResult {
        if let Some(known) = self.by_path.get(path) {
            return known.clone();
        }
        let result = match load::read_small_bytes(path, MAX_FILE) {
            Err(why) => Err(format!("the file {} cannot be read: {why}", path.display())),
            Ok(bytes) => parse_csr(&bytes).map_err(|why| format!("the certificate request {}: {why}", path.display())),
        };
        // A list of reissues names a file in each row, and none a second time.
        if self.by_path.len() == MAX_CSRS {
            self.by_path.clear();
        }
        let result = Rc::new(result);
        self.by_path.insert(path.to_owned(), result.clone());
        result
    }
}

/// Parses a certificate request.
pub(super) fn parse_csr(bytes: &[u8]) -> Result<ReadCsr, String> {
    let csr = Csr::parse(bytes)?;
    Ok(ReadCsr { text: csr.to_pem(), csr })
}

impl SentCertificates {
    /// The issuers that files had behind their certificates, in base64url, for `verify`.
    pub(super) fn into_issuers(self) -> Vec<String> {
        self.issuer_ders.iter().map(|der| URL_SAFE_NO_PAD.encode(der)).collect()
    }

    /// Stores what may have issued a certificate, by its name alone: `verify` checks the signature, for far fewer.
    pub(super) fn keep_issuers(&mut self, certificate: &Certificate, others: &[Certificate]) {
        others.iter().filter(|other| other.subject == certificate.issuer).for_each(|other| self.keep_issuer(other));
    }

    /// Stores the certificate of a CA that may have issued one.
    pub(super) fn keep_issuer(&mut self, ca: &Certificate) {
        let is_kept = ca.is_ca && self.issuer_ders.len() < MAX_ISSUERS;
        if is_kept && self.known_issuers.insert(hash_of(DefaultHasher::new(), &ca.der)) {
            self.issuer_names.insert(hash_of(DefaultHasher::new(), &ca.subject));
            self.issuer_ders.push(ca.der.clone());
        }
    }

    /// Notes that a step waits for what only the issuer of this name makes believable.
    pub(super) fn await_issuer(&mut self, name: &[u8], place: Span) {
        if !self.awaited.contains_key(name) {
            self.awaited.insert(name.to_owned(), place);
        }
    }

    /// The steps that wait for what nobody would believe: no file of the plan holds the issuer's certificate.
    pub(super) fn without_issuer(&self) -> impl Iterator<Item = Span> + '_ {
        // Where there are too many, the rest is not known.
        let all_are_known = self.issuer_ders.len() < MAX_ISSUERS;
        let lacks =
            move |name: &[u8]| all_are_known && !self.issuer_names.contains(&hash_of(DefaultHasher::new(), name));
        self.awaited.iter().filter(move |(name, _)| lacks(name)).map(|(_, place)| *place)
    }

    /// The serial number as reports show it; with the issuer's fingerprint where another issuer's certificate has the same.
    pub(super) fn serial(&mut self, certificate: &Certificate) -> String {
        let digits = certificate.serial.to_string();
        let issuer = hash_of(DefaultHasher::new(), &certificate.issuer);
        // A serial number is unique for its issuer only (RFC 5280, section 4.1.2.2).
        if *self.issuers.entry(hash_of(DefaultHasher::new(), &digits)).or_insert(issuer) == issuer {
            return digits;
        }
        let fingerprint = SpkiFingerprint::of(&certificate.issuer).to_string();
        format!("{digits} (issuer {})", &fingerprint[..16])
    }
}

impl SentCertificate {
    /// As it is sent: DER in base64url.
    pub(super) fn value(&self) -> Value {
        Value::String(URL_SAFE_NO_PAD.encode(&self.certificate.der))
    }
}

/// Reads the certificate that is to be sent from its file, wherever it stands there.
pub(super) fn read_target(path: &Path) -> TargetResult {
    let bytes = load::read_small_bytes(path, MAX_FILE).map_err(|why| {
        // A directory, a pattern, a bundle of hundreds.
        let is_for_many = path.is_dir() || path.to_string_lossy().contains(['*', '?']) || why.contains("larger");
        UnusableFile { help: is_for_many.then_some(MANY_FILES), ..unreadable(path, &why) }
    })?;
    parse_target(&bytes).map_err(|wrong| in_file(path, wrong))
}

/// The certificate that is meant in a text, or in DER.
pub(super) fn parse_target(bytes: &[u8]) -> TargetResult {
    let mut others =
        Certificate::parse_all(bytes).map_err(|why| UnusableFile { what: why.to_string(), help: Some(why.help()) })?;
    let is_ca = put_meant_first(&mut others)?;
    let certificate = others.remove(0);
    Ok(ReadTarget { certificate, is_ca, others })
}

/// A certificate as it is sent.
pub(super) fn parse_sent(text: &str) -> TargetResult {
    // Undecodable text becomes empty DER, which has the same finding.
    let der = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    parse_target(&der).map_err(|_| UnusableFile { what: "this is no certificate in base64url".to_owned(), help: None })
}

/// Puts the certificate that is meant before the others; whether it is a CA's. There is at least one.
pub(super) fn put_meant_first(all: &mut [Certificate]) -> Result<bool, UnusableFile> {
    let (index, is_ca) = match meant(all) {
        Ok(Meant::EndEntity(index)) => (index, false),
        Ok(Meant::Ca(index)) => (index, true),
        Err(Undecided::EndEntities(several)) => {
            let what = format!("there are {} end-entity certificates in it: {}", several.len(), listed(all, &several));
            return Err(UnusableFile { what, help: Some(SEVERAL) });
        }
        Err(Undecided::Cas(several)) => {
            let what = format!(
                "there is no end-entity certificate in it, but those of {} CAs: {}",
                several.len(),
                listed(all, &several)
            );
            return Err(UnusableFile { what, help: Some("give the file of the certificate that is meant") });
        }
    };
    all.swap(0, index);
    Ok(is_ca)
}

/// A certificate for people: `shop.example.com` (serial number c0ffee).
pub(super) fn described(certificate: &Certificate) -> String {
    let name = certificate.common_name();
    let name = name.as_deref().map_or("without a name".into(), |name| format!("`{}`", safe::terminal(name)));
    format!("{name} (serial number {})", certificate.serial)
}

fn listed(all: &[Certificate], several: &[usize]) -> String {
    let mut names: Vec<String> = several.iter().take(MAX_LISTED).map(|index| described(&all[*index])).collect();
    if let Some(more @ 1..) = several.len().checked_sub(MAX_LISTED) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// What is wrong with a file's content, with the file's name.
pub(super) fn in_file(path: &Path, UnusableFile { what, help }: UnusableFile) -> UnusableFile {
    UnusableFile { what: format!("the file {}: {what}", safe::terminal(&path.display().to_string())), help }
}

/// A file that cannot be read.
pub(super) fn unreadable(path: &Path, why: &str) -> UnusableFile {
    let what = format!("the file {} cannot be read: {why}", safe::terminal(&path.display().to_string()));
    UnusableFile { what, help: None }
}

impl IssuerFiles {
    /// Reads certificates of issuers.
    pub(super) fn read(&mut self, path: &Path) -> IssuerResult {
        if let Some(known) = self.by_path.get(path) {
            return known.clone();
        }
        let result = Rc::new(read_certificates(path));
        self.by_path.insert(path.to_owned(), result.clone());
        result
    }
}

/// Reads all certificates of a file.
pub(super) fn read_certificates(path: &Path) -> Result<ReadCertificates, UnusableFile> {
    let named = safe::terminal(&path.display().to_string()).into_owned();
    let bytes = load::read_small_bytes(path, MAX_FILE).map_err(|why| unreadable(path, &why))?;
    let all = Certificate::parse_all(&bytes).map_err(|why| UnusableFile {
        what: format!("the file {named} is no certificate: {why}"),
        help: Some(why.help()),
    })?;
    // `verify` may be started elsewhere.
    let path = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    let path = path.ok_or_else(|| UnusableFile {
        what: format!("the path {named} is not UTF-8 text"),
        help: Some("give the file another name"),
    })?;
    let file = NamedFile { path, sha256: NamedFile::digest(&all) };
    Ok(ReadCertificates { file, all })
}

impl KeyBearer {
    /// The action with this certificate or request, in DER or as text; whether the CA learns by it that the key is compromised, and whether the
    /// key itself signs, which is counted by itself.
    pub(super) fn new(ordinal: u32, bearer: &[u8], tells: bool, signs: bool) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash tells two certificates of one key apart")]
        let hash = hash_of(DefaultHasher::new(), bearer) as u32;
        let flags = if tells { TELLS } else { 0 } | if signs { SIGNS } else { 0 };
        Self { ordinal, bearer: (hash & !(TELLS | SIGNS)) | flags }
    }

    fn has_same(self, other: Self) -> bool {
        (self.bearer | TELLS | SIGNS) == (other.bearer | TELLS | SIGNS)
    }
}

impl KeyUse {
    fn add(&mut self, next: KeyBearer) {
        if next.bearer & TELLS != 0 {
            self.tells += u32::from(next.bearer & SIGNS == 0);
            self.untold = self.untold.filter(|other| !other.has_same(next));
            self.told.get_or_insert(next);
        } else if !self.told.is_some_and(|told| told.has_same(next)) {
            self.untold.get_or_insert(next);
        }
    }
}

impl SharedKeys {
    /// Adds the next one.
    pub(super) fn add(&mut self, key: SpkiFingerprint, next: KeyBearer) {
        let key = hash_of(DefaultHasher::new(), &key);
        let first = *self.first.entry(key).or_insert(next);
        if first.ordinal != next.ordinal {
            let begin = || {
                let mut found = KeyUse::default();
                found.add(first);
                found
            };
            self.shared.entry(key).or_insert_with(begin).add(next);
        }
    }

    /// The actions that tell of a key which an action has that does not; and how many tell by their reason. In plan order.
    pub(super) fn reaching_further(&self) -> Vec<(u32, u32, u32)> {
        let found = self.shared.values();
        let found = found.filter_map(|found| Some((found.told?.ordinal, found.untold?.ordinal, found.tells)));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }
}

const SEVERAL: &str = "give a file with the one that is meant; or write `certificates: \"file:PATH\"` in the place of `certificate`, in an \
                       entry of its own: one action for each";
const MANY_FILES: &str = "for several files write `certificates: \"file:PATH\"` in the place of `certificate`, in an entry of its own: one \
                          action for each certificate";
/// So many are named in a finding.
const MAX_LISTED: usize = 5;
/// A larger file is no certificate, no request and no key.
pub(super) const MAX_FILE: u64 = 1 << 20;
/// So many certificate requests are in memory at once.
const MAX_CSRS: usize = 256;
/// CAs are few; whoever names more gives the others to `verify` by hand.
const MAX_ISSUERS: usize = 1000;
const TELLS: u32 = 1;
const SIGNS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compromise_reaches_those_with_the_same_key_that_do_not_tell_of_it() {
        // Of each action: the key, the certificate, whether the CA is told, whether the key signs. Then: who tells, who does not, how many
        // tell by their reason.
        for (uses, expected) in [
            (&[("k", "a", true, false), ("k", "b", false, false)][..], Some((0, 1, 1))),
            (&[("k", "a", false, false), ("k", "b", true, false)], Some((1, 0, 1))),
            (&[("k", "a", true, true), ("k", "b", false, false)], Some((0, 1, 0))),
            (&[("k", "a", true, false), ("k", "b", true, false), ("k", "c", false, false)], Some((0, 2, 2))),
            // All are told of, or none is.
            (&[("k", "a", true, false), ("k", "b", true, false)], None),
            (&[("k", "a", false, false), ("k", "b", false, false)], None),
            // The same certificate, at another account.
            (&[("k", "a", true, false), ("k", "a", false, false)], None),
            (&[("k", "a", false, false), ("k", "a", true, false)], None),
            (&[("k", "a", true, false), ("l", "b", false, false)], None),
        ] {
            let mut keys = SharedKeys::default();
            for (ordinal, (key, bearer, is_told, signs)) in (0..).zip(uses) {
                let key = SpkiFingerprint::of(key.as_bytes());
                keys.add(key, KeyBearer::new(ordinal, bearer.as_bytes(), *is_told, *signs));
            }
            assert_eq!(keys.reaching_further(), Vec::from_iter(expected), "{uses:?}");
        }
    }
}
