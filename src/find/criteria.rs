//! What is looked for: all that is given must hold. Pure: judges a certificate, or what a row tells of one; reads no file.

use super::found::{RowFit, Sighting, contains, issuers_agree};
use crate::pki::names::comparable;
use crate::pki::public_keys::{DebianKeys, weaknesses};
use crate::pki::{Certificate, SerialNotation, SerialNumber, SpkiFingerprint};
use crate::time::parse_duration;
use glob::Pattern;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{HashMap, HashSet};

/// What is looked for. What is `None` or empty asks nothing.
#[derive(Debug, Default)]
pub struct Criteria {
    /// One of these keys.
    pub keys: Option<HashSet<SpkiFingerprint>>,
    /// One of these serial numbers.
    pub serials: Option<WantedSerials>,
    /// One of these names.
    pub names: Option<NamePatterns>,
    /// An issuer.
    pub issuer: Option<WantedIssuer>,
    /// From when to when it must have begun to be valid; the second moment does not count.
    pub issued: (Option<Timestamp>, Option<Timestamp>),
    /// Before when it ends.
    pub expires_before: Option<Timestamp>,
    /// Something weak about it.
    pub weak: bool,
    /// Debian's weak keys.
    pub debian: DebianKeys,
}

/// The issuer that is looked for.
#[derive(Debug)]
pub enum WantedIssuer {
    /// One of these certificates has signed it.
    Certificates(Vec<Certificate>),
    /// Its issuer's name holds this text.
    Text(String),
}

/// Serial numbers of a file, each with what it stands in: digits of which nobody can tell whether they are decimal are two numbers of one entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct WantedSerials {
    entries: HashMap<SerialNumber, u32>,
}

/// What was looked for and is of no certificate that was found, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Keys.
    pub keys: Vec<String>,
    /// Serial numbers.
    pub serials: Vec<String>,
    /// Names, and patterns of names.
    pub names: Vec<String>,
    /// How many keys, serial numbers and names were looked for.
    pub of: (usize, usize, usize),
}

/// Names, and patterns of names.
#[derive(Debug, Default)]
pub struct NamePatterns {
    names: HashSet<String>,
    patterns: Vec<Pattern>,
}

impl Criteria {
    /// Whether nothing is asked: everything fits.
    pub fn is_empty(&self) -> bool {
        self.keys.is_none()
            && self.serials.is_none()
            && self.names.is_none()
            && self.issuer.is_none()
            && self.issued == (None, None)
            && self.expires_before.is_none()
            && !self.weak
    }

    /// Judges a certificate; what is weak about it where that is asked, else an empty text. `None` where it does not fit.
    pub fn judge(&self, certificate: &Certificate) -> Option<String> {
        let holds = self.keys.as_ref().is_none_or(|keys| keys.contains(&SpkiFingerprint::of(&certificate.spki)))
            && self.serials.as_ref().is_none_or(|serials| serials.contains(&certificate.serial))
            && self.issued_then(certificate.begins)
            && self.expires_before.is_none_or(|before| certificate.ends < before)
            && self.names.as_ref().is_none_or(|names| certificate.host_names().iter().any(|name| names.have(name)))
            && match &self.issuer {
                None => true,
                Some(WantedIssuer::Text(text)) => contains(&certificate.issuer_name(), text),
                Some(WantedIssuer::Certificates(all)) => all.iter().any(|issuer| certificate.is_signed_by(issuer)),
            };
        if !holds {
            return None;
        }
        if !self.weak {
            return Some(String::new());
        }
        let found: Vec<String> = weaknesses(certificate, &self.debian).iter().map(ToString::to_string).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Judges a row.
    pub fn judge_row(&self, row: &Sighting) -> RowFit {
        let known = |value: bool| Some(value);
        let names = || row.names.iter().chain((!row.common_name.is_empty()).then_some(&row.common_name));
        let answers = [
            ("the key", self.keys.as_ref().map(|keys| row.key.map(|key| keys.contains(&key)))),
            (
                "the serial number",
                self.serials.as_ref().map(|serials| row.serial.as_ref().map(|serial| serials.contains(serial))),
            ),
            (
                "the names",
                self.names.as_ref().map(|wanted| {
                    let has = names().any(|name| wanted.have(name));
                    // A list with the common name alone does not tell that another name is not there.
                    if has || !row.names.is_empty() { known(has) } else { None }
                }),
            ),
            (
                "the issuer",
                self.issuer.as_ref().map(|wanted| {
                    let fits = || match wanted {
                        WantedIssuer::Text(text) => contains(&row.issuer, text),
                        WantedIssuer::Certificates(all) => all.iter().any(|issuer| {
                            issuer.common_name().is_some_and(|name| issuers_agree(&format!("CN={name}"), &row.issuer))
                        }),
                    };
                    (!row.issuer.is_empty()).then(fits)
                }),
            ),
            (
                "the time of issue",
                (self.issued != (None, None)).then(|| row.begins.map(|begins| self.issued_then(begins))),
            ),
            ("the end of validity", self.expires_before.map(|before| row.ends.map(|ends| ends < before))),
            ("how strong the key is", self.weak.then_some(None)),
        ];
        if answers.iter().any(|(_, answer)| *answer == Some(Some(false))) {
            return RowFit::Not;
        }
        match answers.iter().find(|(_, answer)| *answer == Some(None)) {
            Some((what, _)) => RowFit::Unknown(what),
            None => RowFit::Fits,
        }
    }

    /// What none of these certificates has.
    pub fn unmet<'a>(&self, found: impl Iterator<Item = &'a Sighting>) -> Unmet {
        let (mut keys, mut entries, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
        for known in found {
            keys.extend(known.key);
            let entry = |wanted: &WantedSerials| wanted.entries.get(known.serial.as_ref()?).copied();
            entries.extend(self.serials.as_ref().and_then(entry));
            if self.names.is_some() {
                names.extend(known.names.iter().chain([&known.common_name]).map(|name| comparable(name)));
            }
        }
        let keys = self.keys.iter().flatten().filter(|key| !keys.contains(key)).map(ToString::to_string);
        let serials = self.serials.iter().flat_map(|wanted| &wanted.entries);
        let mut serials: Vec<(u32, String)> = serials
            .filter(|(_, entry)| !entries.contains(entry))
            .map(|(serial, entry)| (*entry, serial.to_string()))
            .collect();
        serials.sort_unstable();
        serials.dedup_by_key(|(entry, _)| *entry);
        let mut unmet = Unmet {
            keys: keys.collect(),
            serials: serials.into_iter().map(|(_, serial)| serial).collect(),
            names: self.names.iter().flat_map(|wanted| wanted.not_among(&names)).collect(),
            of: (
                self.keys.as_ref().map_or(0, HashSet::len),
                self.serials.as_ref().map_or(0, WantedSerials::len),
                self.names.as_ref().map_or(0, NamePatterns::len),
            ),
        };
        unmet.keys.sort_unstable();
        unmet.names.sort_unstable();
        unmet
    }

    fn issued_then(&self, begins: Timestamp) -> bool {
        self.issued.0.is_none_or(|from| from <= begins) && self.issued.1.is_none_or(|to| begins < to)
    }
}

impl WantedSerials {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.values().collect::<HashSet<_>>().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn contains(&self, serial: &SerialNumber) -> bool {
        self.entries.contains_key(serial)
    }
}

impl NamePatterns {
    /// Adds a name, or a pattern with `*` and `?`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        // Zone files and `dig` write names so; certificates never do.
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.contains(['*', '?', '[']) && !text.starts_with('[') {
            let pattern = Pattern::new(&text.to_lowercase());
            self.patterns.push(pattern.map_err(|why| format!("`{text}` is no pattern: {why}"))?);
        } else {
            self.names.insert(comparable(text));
        }
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.patterns.is_empty()
    }

    fn len(&self) -> usize {
        self.names.len() + self.patterns.len()
    }

    fn not_among<'a>(&'a self, names: &'a HashSet<String>) -> impl Iterator<Item = String> + 'a {
        let patterns = self.patterns.iter().filter(|pattern| !names.iter().any(|name| pattern.matches(name)));
        let wanted = self.names.iter().filter(|name| !names.contains(*name)).cloned();
        wanted.chain(patterns.map(|pattern| pattern.as_str().to_owned()))
    }

    fn have(&self, name: &str) -> bool {
        let name = comparable(name);
        self.names.contains(&name) || self.patterns.iter().any(|pattern| pattern.matches(&name))
    }
}

/// Reads serial numbers, one a line, in any spelling; lines of more words have one that is a serial number. Digits of which nobody can tell
/// whether they are decimal are taken for both.
///
/// # Errors
/// The first line that has none.
pub fn serials(text: &str) -> Result<WantedSerials, u32> {
    let mut serials = WantedSerials::default();
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\u{feff}', ',']);
        if line.is_empty() {
            continue;
        }
        let read = |text: &str| {
            let both = [SerialNotation::Hexadecimal, SerialNotation::Decimal];
            match SerialNumber::parse(text) {
                Ok(serial) => vec![serial],
                Err(crate::pki::SerialNumberError::DigitsAlone(_)) => {
                    both.iter().filter_map(|notation| SerialNumber::parse_in(text, *notation).ok()).collect()
                }
                Err(_) => Vec::new(),
            }
        };
        let mut found = read(line);
        if found.is_empty() {
            let words = line.split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '|'));
            // Shorter words of these letters may be words: `added`, `2026`.
            found.extend(words.filter(|word| word.len() >= SERIAL_WORD).flat_map(read).take(1));
        }
        if found.is_empty() {
            // A list's header, which has no serial number by nature.
            if number > 1 || !line.to_lowercase().contains("serial") {
                return Err(number);
            }
        }
        for serial in found {
            serials.entries.entry(serial).or_insert(number);
        }
    }
    Ok(serials)
}

/// Reads `A..B`: dates (UTC; the last day counts), or instants; one of them may be left out.
///
/// # Errors
/// A sentence that says what would be right.
pub fn time_range(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), String> {
    let expected = || {
        format!(
            "`{text}` is no range of time; write `2026-01-01..2026-06-30`, or one end of it, as dates or RFC 3339 instants"
        )
    };
    let (from, to) = text.split_once("..").ok_or_else(expected)?;
    let (from, to) = (from.trim(), to.trim());
    let from = (!from.is_empty()).then(|| moment(from).ok_or_else(expected)).transpose()?;
    let end = |text: &str| match text.parse::<Date>().ok().filter(|_| is_date(text)) {
        Some(day) => day.tomorrow().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp()),
        None => text.parse().ok(),
    };
    let to = (!to.is_empty()).then(|| end(to).ok_or_else(expected)).transpose()?;
    match (from, to) {
        (None, None) => Err(expected()),
        (Some(from), Some(to)) if to <= from => Err(format!("`{text}` ends before it begins")),
        range => Ok(range),
    }
}

/// Reads a moment: a date (its beginning in UTC), an RFC 3339 instant, or a time from `now` on such as `30d`.
///
/// # Errors
/// A sentence that says what would be right.
pub fn moment_after(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let later = || parse_duration(text).ok().and_then(|duration| now.checked_add(duration).ok());
    moment(text).or_else(later).ok_or_else(|| {
        format!("`{text}` is no moment; write a date, an RFC 3339 instant, or a time from now such as `30d`")
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    if is_date(text) {
        return Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    text.parse().ok()
}

/// `2026-11-29`, and no time behind it.
fn is_date(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Letters of a word that may be a serial number among others. CAs' have 16 digits and more.
const SERIAL_WORD: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_read_in_any_spelling() {
        let text = "\u{feff}Serial Number\n0A:1B:2C\nserial=0a1b2d # one\n\n\"0x0a1b2e\"\nserial 0362aabbccddeeff00112233445566778899 4711 a\n12345678901234567890\n";
        let read = serials(text).unwrap();
        let all = [
            "0a1b2c",
            "0a1b2d",
            "0a1b2e",
            "0x0362aabbccddeeff00112233445566778899",
            "0xab54a98ceb1f0ad2",
            "0x12345678901234567890",
        ];
        for serial in all {
            assert!(read.contains(&SerialNumber::parse(serial).unwrap()), "{serial}");
        }
        assert_eq!(read.entries.len(), all.len());
        let known = |text: &str| Sighting { serial: Some(SerialNumber::parse(text).unwrap()), ..Sighting::default() };
        let wanted = Criteria { serials: Some(read), ..Criteria::default() };
        // Digits that could be either are one entry, and met by one of the two.
        let found: Vec<Sighting> = ["0a1b2c", "0a1b2d", "0xab54a98ceb1f0ad2"].map(known).to_vec();
        assert_eq!(wanted.unmet(found.iter()).serials, ["0a1b2e", "0362aabbccddeeff00112233445566778899"]);
        assert_eq!(serials("0a\nhello world\n"), Err(2));
    }

    #[test]
    fn names_fit_by_pattern_and_by_meaning() {
        let mut names = NamePatterns::default();
        for name in ["*.example.com", "B\u{fc}cher.example", "192.0.2.1"] {
            names.add(name).unwrap();
        }
        assert!(names.add("[a*").is_ok() && names.add("a[*").is_err());
        names.add("final.dot.example.").unwrap();
        let found = Sighting { common_name: "a.example.com".to_owned(), ..Sighting::default() };
        let wanted = Criteria { names: Some(names), ..Criteria::default() };
        let unmet = wanted.unmet(std::iter::once(&found)).names;
        assert_eq!(unmet, ["192.0.2.1", "[a*", "final.dot.example", "xn--bcher-kva.example"]);
        let names = wanted.names.unwrap();
        for (name, expected) in [
            ("shop.example.com", true),
            ("a.b.EXAMPLE.com", true),
            ("*.example.com", true),
            ("example.com", false),
            ("xn--bcher-kva.example", true),
            ("final.dot.example", true),
            ("192.0.2.1", true),
            ("192.0.2.10", false),
        ] {
            assert_eq!(names.have(name), expected, "{name}");
        }
    }

    #[test]
    fn times_are_dates_instants_or_distances() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        for (text, expected) in [
            ("2026-01-01..2026-01-31", Some((at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")))),
            ("2026-01-01T12:00:00+09:00..", Some((at("2026-01-01T03:00:00Z"), None))),
            ("..2026-01-31", Some((None, at("2026-02-01T00:00:00Z")))),
            ("..", None),
            ("2026-01-01", None),
            ("2026-02-01..2026-01-01", None),
            ("soon..later", None),
        ] {
            assert_eq!(time_range(text).ok(), expected, "{text}");
        }
        let now = "2026-11-29T00:00:00Z".parse().unwrap();
        assert_eq!(moment_after("2d", now).ok(), at("2026-12-01T00:00:00Z"));
        assert_eq!(moment_after("2026-12-24", now).ok(), at("2026-12-24T00:00:00Z"));
        assert!(moment_after("never", now).is_err());
    }

    #[test]
    fn a_row_that_does_not_tell_what_is_asked_is_not_judged() {
        let key = SpkiFingerprint([1; 32]);
        let mut wanted = Criteria { keys: Some([key].into()), ..Criteria::default() };
        let row = Sighting { common_name: "a.example".into(), ..Sighting::default() };
        assert_eq!(wanted.judge_row(&row), RowFit::Unknown("the key"));
        assert_eq!(wanted.judge_row(&Sighting { key: Some(key), ..row.clone() }), RowFit::Fits);
        assert_eq!(wanted.judge_row(&Sighting { key: Some(SpkiFingerprint([2; 32])), ..row.clone() }), RowFit::Not);
        let mut names = NamePatterns::default();
        names.add("b.example").unwrap();
        wanted = Criteria { names: Some(names), ..Criteria::default() };
        assert_eq!(wanted.judge_row(&row), RowFit::Unknown("the names"));
        assert_eq!(wanted.judge_row(&Sighting { names: vec!["c.example".into()], ..row.clone() }), RowFit::Not);
        assert_eq!(wanted.judge_row(&Sighting { names: vec!["B.example".into()], ..row.clone() }), RowFit::Fits);
        // What one answer rules out, no missing one brings back.
        wanted.weak = true;
        assert_eq!(wanted.judge_row(&Sighting { names: vec!["c.example".into()], ..row }), RowFit::Not);
        assert_eq!(Criteria::default().judge_row(&Sighting::default()), RowFit::Fits);
    }
}
