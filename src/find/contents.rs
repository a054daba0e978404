//! What a file holds: certificates in PEM, DER, PKCS #7, PKCS #12, Kubernetes secrets and config maps; or rows of an inventory in CSV or JSON, such
//! as the exports of CertCentral, Sectigo and crt.sh, of which the header decides which column tells what. Judges no certificate and no row.

use super::found::Sighting;
use crate::diag::Diagnostics;
use crate::pki::certificate::CertificateError;
use crate::pki::names::comparable;
use crate::pki::pem::{is_der, text};
use crate::pki::{Certificate, SerialNotation, SerialNumber, SpkiFingerprint, pkcs12};
use crate::plan::{ListLayout, ListReader, field_called};
use crate::provider::listing::ListedRow;
use crate::provider::model::LIST_COLUMNS;
use crate::text::file::decode;
use crate::text::{Secret, SourceMap, file, safe};
use crate::tree::{Node, read_yaml};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A certificate of a file, or why it cannot be read; where in the file it is, empty where that is the whole.
pub type PlacedCertificate = (String, Result<Certificate, String>);

/// How a list is to be read beyond what its header says by itself.
#[derive(Debug, Default, Clone)]
pub struct ListColumns {
    /// What a column tells, by the names of `find`'s own columns or of a provider's parameters, and the column's header.
    pub named: Vec<(String, String)>,
    /// The parameters by which providers' operations name their targets.
    pub parameters: Vec<String>,
}

/// What a column tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Serial,
    Fingerprint,
    Issuer,
    CommonName,
    Names,
    Begins,
    Ends,
    Key,
    Status,
    /// When or whether it was revoked.
    Revoked,
    Provider,
    /// A parameter of a provider's.
    Parameter(String),
}

/// The certificates in some bytes; none where they hold something else.
///
/// # Errors
/// It may hold some, and cannot be read: why, and what would help.
pub fn certificates(bytes: &[u8], passwords: &[Secret]) -> Result<Vec<PlacedCertificate>, String> {
    if !is_der(bytes) && !bytes.starts_with(b"-----BEGIN ") {
        let text = text(bytes);
        if seems_kubernetes(&text)
            && let Some(found) = of_kubernetes(&text, passwords)
        {
            return Ok(found);
        }
    }
    match Certificate::parse_each(bytes) {
        // Keys and requests are DER, too, and so is much else.
        Ok(all) if is_der(bytes) && all.iter().all(|(_, certificate)| certificate.is_err()) => Ok(Vec::new()),
        Ok(all) => {
            let is_one = all.len() == 1;
            let place = |line: u32| if is_one { String::new() } else { format!(":{line}") };
            Ok(all
                .into_iter()
                .map(|(line, certificate)| match certificate {
                    Ok(certificate) => (place(line), Ok(certificate)),
                    Err(CertificateError::Broken(line, why)) => (format!(":{line}"), Err(why)),
                    Err(why) => (format!(":{line}"), Err(why.to_string())),
                })
                .collect())
        }
        Err(CertificateError::Pkcs12) if is_der(bytes) => of_store(bytes, passwords),
        Err(why @ (CertificateError::Pkcs12 | CertificateError::JavaKeyStore)) => Err(format!("{why}; {}", why.help())),
        Err(_) => Ok(Vec::new()),
    }
}

/// Reads the rows of a list; `each` takes them one by one, with the line where each stands.
///
/// # Errors
/// It cannot be read, or is no list of certificates; the cause. `None` where it is a list of something else.
pub fn read_rows(path: &Path, columns: &ListColumns, each: &mut dyn FnMut(Sighting)) -> Result<u64, Option<String>> {
    if let Some(answer) = object_in(path) {
        return read_answer(&answer, &path.display().to_string(), columns, each).ok_or(None);
    }
    let mut sources = SourceMap::default();
    let shown = path.display().to_string();
    let source = sources.add_file(shown.clone(), path.to_owned());
    let mut diagnostics = Diagnostics::default();
    let Some(mut reader) = ListReader::open(&sources, source, ListLayout::default(), &mut diagnostics) else {
        // An empty list tells of nothing.
        let is_empty = diagnostics.sorted().iter().any(|found| found.code == "no-actions");
        return Err(first_finding(&diagnostics, &sources).filter(|_| !is_empty));
    };
    let header: Vec<&str> = reader.header().iter().map(|(name, _)| name.as_str()).collect();
    if let Some((field, column)) = columns.named.iter().find(|(_, column)| !header.contains(&column.as_str())) {
        let what = format!("{shown}: the list has no column `{}` for `{field}`", safe::terminal(column));
        return Err(Some(what));
    }
    let told: Vec<(usize, Told)> =
        header.iter().enumerate().filter_map(|(index, name)| Some((index, meaning(name, columns)?))).collect();
    let identifies = |told: &Told| matches!(told, Told::Serial | Told::Fingerprint | Told::Parameter(_));
    if !told.iter().any(|(_, told)| identifies(told)) {
        return Err(None);
    }
    let is_certcentral = is_certcentral(&header);
    let mut rows = 0;
    while reader.advance(&mut diagnostics) {
        rows += 1;
        let mut row = Sighting { place: format!("{shown}:{}", reader.row_span().line), ..Sighting::default() };
        if is_certcentral {
            row.provider = "digicert".to_owned();
        }
        for (index, told) in &told {
            fill(&mut row, told, reader.cell(*index).0);
        }
        each(row);
    }
    // Rows with defects were passed over.
    if diagnostics.has_errors() { Err(first_finding(&diagnostics, &sources)) } else { Ok(rows) }
}

/// What a provider's list tells of a certificate; `place` is said to be where it was seen. A certificate in the row tells more than the row
/// does. What the row calls its target stays under the parameters' names.
///
/// # Errors
/// The certificate in it cannot be read; the cause.
pub fn listed(row: &ListedRow, account: &str) -> Result<Sighting, String> {
    let mut told = Sighting { provider: account.to_owned(), place: account.to_owned(), ..Sighting::default() };
    for (name, value) in row {
        match word(name).filter(|_| LIST_COLUMNS.contains(&name.as_str())) {
            Some(column) => fill(&mut told, &column, value),
            None if name == "certificate" => {}
            None => told.target.push((name.clone(), value.clone())),
        }
    }
    let Some(text) = row.get("certificate").filter(|text| !text.trim().is_empty()) else { return Ok(told) };
    let Some(certificate) = certificate_in(text) else {
        let known: Vec<&str> = told.target.iter().map(|(_, value)| value.as_str()).collect();
        let known = if known.is_empty() { told.common_name } else { known.join(" ") };
        return Err(format!("what is said to be the certificate of {known} is none"));
    };
    if told.serial.as_ref().is_some_and(|serial| *serial != certificate.serial) {
        let serial = told.serial.map(|serial| serial.to_string()).unwrap_or_default();
        return Err(format!(
            "what is said to be the certificate {serial} has another serial number, {}",
            certificate.serial
        ));
    }
    let mut whole = Sighting::of_certificate(&certificate, told.place);
    (whole.status, whole.provider, whole.target) = (told.status, told.provider, told.target);
    whole.whole.get_or_insert_default().chain = vec![certificate.der];
    Ok(whole)
}

/// The column of a list that tells a field: by its name but for case and separators, else by what inventories call it.
pub fn column_of<'a>(header: &'a [String], field: &str) -> Option<&'a str> {
    let same = |column: &&String| bare(column) == bare(field);
    let means = |column: &&String| word(column).is_some_and(|told| Some(told) == word(field));
    header.iter().find(same).or_else(|| header.iter().find(means)).map(String::as_str)
}

/// The first finding about a list as a sentence, with its place and what would help.
pub(super) fn first_finding(diagnostics: &Diagnostics, sources: &SourceMap) -> Option<String> {
    let sorted = diagnostics.sorted();
    let first = sorted.first()?;
    let place = first.span.map(|span| sources.place(span)).unwrap_or_default();
    let help = first.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
    Some(format!("{place}: {}{help}", first.what))
}

fn of_store(bytes: &[u8], passwords: &[Secret]) -> Result<Vec<PlacedCertificate>, String> {
    // Many stores have an empty password, which protects nothing and need not be told.
    let all = std::iter::once("").chain(passwords.iter().map(Secret::reveal));
    match pkcs12::certificates(bytes, all) {
        Ok(found) => Ok(found.into_iter().map(|certificate| (String::new(), Ok(certificate))).collect()),
        Err(pkcs12::StoreError::WrongPassword) if passwords.is_empty() => {
            Err("this PKCS#12 store has a password; give it with `--password env:NAME` or `--password file:PATH`"
                .to_owned())
        }
        Err(pkcs12::StoreError::WrongPassword) => {
            Err("none of the passwords given opens this PKCS#12 store; `--password` may be given several times"
                .to_owned())
        }
        Err(why) => Err(why.to_string()),
    }
}

fn seems_kubernetes(text: &str) -> bool {
    let names_kind = text.contains("kind:") || text.contains("\"kind\"");
    names_kind && ["Secret", "ConfigMap"].iter().any(|kind| text.contains(kind))
}

/// The certificates of objects as `kubectl get -o yaml` or `-o json` writes them; `None` where it is something else.
fn of_kubernetes(text: &str, passwords: &[Secret]) -> Option<Vec<PlacedCertificate>> {
    let mut found = None;
    for document in yaml_documents(text) {
        let mut sources = SourceMap::default();
        let source = sources.add_text("", None, document.into());
        // JSON is YAML.
        let Some(root) = read_yaml(document, source, &mut Diagnostics::default()) else { continue };
        let items = root.get("items").map_or(std::slice::from_ref(&root), Node::items);
        for item in items {
            let kind = item.get("kind").and_then(Node::text).unwrap_or_default();
            if matches!(kind, "Secret" | "ConfigMap") {
                of_object(item, kind, passwords, found.get_or_insert_default());
            }
        }
    }
    found
}

fn of_object(object: &Node, kind: &str, passwords: &[Secret], found: &mut Vec<PlacedCertificate>) {
    let metadata = |name: &str| object.get("metadata").and_then(|known| known.get(name)).and_then(Node::text);
    let (namespace, name) = (metadata("namespace").unwrap_or("default"), metadata("name").unwrap_or_default());
    for (member, is_base64) in [("data", kind == "Secret"), ("stringData", false), ("binaryData", true)] {
        for field in object.get(member).map(Node::fields).unwrap_or_default() {
            let place = safe::terminal(&format!(" {kind} {namespace}/{name} {}", field.name)).into_owned();
            let Some(value) = field.value.text() else { continue };
            let bytes = if is_base64 {
                let letters: String = value.split_whitespace().collect();
                STANDARD.decode(letters)
            } else {
                Ok(value.as_bytes().to_vec())
            };
            // A secret in a secret would be read for ever.
            let inside = match bytes {
                Ok(bytes) if seems_kubernetes(&String::from_utf8_lossy(&bytes)) => Ok(Vec::new()),
                Ok(bytes) => certificates(&bytes, passwords),
                Err(_) => Err("its value is not base64".to_owned()),
            };
            match inside {
                Ok(inside) => found.extend(inside.into_iter().map(|(within, one)| (format!("{place}{within}"), one))),
                Err(why) => found.push((place, Err(why))),
            }
        }
    }
}

/// The documents of a YAML text.
fn yaml_documents(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            all.push(&text[begin..end]);
            begin = end + line.len();
        }
        end += line.len();
    }
    all.push(&text[begin..]);
    all
}

/// The JSON object that a file is; `None` where it is something else, or too large for one answer.
fn object_in(path: &Path) -> Option<Map<String, Value>> {
    // A pipe is read once.
    let file = path.is_file().then(|| File::open(path).ok())??;
    let mut text = decode(Box::new(file)).ok()?;
    let mut head = Vec::new();
    text.by_ref().take(HEAD).read_to_end(&mut head).ok()?;
    if !head.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    head.extend(file::read_to_bound(text, MAX_ANSWER).ok()?);
    serde_json::from_slice(&head).ok()
}

/// Reads a provider's answer that was saved as it came, such as CertCentral's list of orders: an object with the list in one of its members.
/// `None` where no such list tells of certificates.
fn read_answer(
    answer: &Map<String, Value>,
    shown: &str,
    columns: &ListColumns,
    each: &mut dyn FnMut(Sighting),
) -> Option<u64> {
    let lists = answer.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
    let (list, items) = lists.max_by_key(|(_, items)| items.iter().filter(|item| item.is_object()).count())?;
    let one = list.strip_suffix('s').unwrap_or(list);
    let mut rows = 0;
    for (index, item) in items.iter().enumerate() {
        let mut cells = Vec::new();
        add_members(item.as_object()?, one, &mut cells);
        let header: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
        let mut row = Sighting { place: format!("{shown} {list}[{index}]"), ..Sighting::default() };
        if is_certcentral(&header) {
            row.provider = "digicert".to_owned();
        }
        for (name, text) in &cells {
            if let Some(told) = meaning(name, columns) {
                fill(&mut row, &told, text);
            }
        }
        if row.serial.is_some() || row.fingerprint.is_some() || !row.target.is_empty() {
            rows += 1;
            each(row);
        }
    }
    (rows > 0).then_some(rows)
}

/// The single values of an object, then those of the certificate in it: an order has its own id and status, and so has its certificate.
fn add_members(object: &Map<String, Value>, of: &str, cells: &mut Vec<(String, String)>) {
    for (name, value) in object {
        let name = if bare(name) == "id" { format!("{of}_id") } else { name.clone() };
        match value {
            Value::String(text) => cells.push((name, text.clone())),
            Value::Number(_) | Value::Bool(_) => cells.push((name, value.to_string())),
            Value::Array(items) => {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                cells.push((name, texts.join(" ")));
            }
            Value::Null | Value::Object(_) => {}
        }
    }
    for (name, value) in object {
        if let Value::Object(inner) = value
            && matches!(bare(name).as_str(), "certificate" | "cert")
        {
            add_members(inner, "certificate", cells);
        }
    }
}

/// Whether the columns are those of an export of DigiCert's CertCentral, which alone has ids of orders and of certificates in them.
fn is_certcentral(header: &[&str]) -> bool {
    let has = |names: &[&str]| header.iter().any(|name| names.contains(&bare(name).as_str()));
    has(&["orderid", "order", "ordernumber"]) && has(&["certificateid", "certid"])
}

fn meaning(name: &str, columns: &ListColumns) -> Option<Told> {
    if let Some((field, _)) = columns.named.iter().find(|(_, column)| column == name) {
        return Some(word(field).unwrap_or_else(|| Told::Parameter(field.clone())));
    }
    if let Some(parameter) = columns.parameters.iter().find(|parameter| bare(parameter) == bare(name)) {
        // A provider's `serial_number` is the serial number.
        return Some(word(name).unwrap_or_else(|| Told::Parameter(parameter.clone())));
    }
    match bare(name).as_str() {
        // CertCentral's ids of certificates.
        "certid" if columns.parameters.iter().any(|parameter| parameter == "certificate_id") => {
            Some(Told::Parameter("certificate_id".to_owned()))
        }
        _ => word(name),
    }
}

/// What inventories call their columns.
fn word(name: &str) -> Option<Told> {
    match field_called(name) {
        Some("serial_number") => return Some(Told::Serial),
        Some("common_name") => return Some(Told::CommonName),
        Some("dns_names") => return Some(Told::Names),
        _ => {}
    }
    Some(match bare(name).as_str() {
        "sha256fingerprint" | "fingerprintsha256" | "sha256thumbprint" | "thumbprintsha256" | "fingerprint"
        | "thumbprint" | "sha256" | "certsha256" => Told::Fingerprint,
        "issuername" | "issuer" | "issuerdn" | "issuercn" | "issuercommonname" | "issuedby" | "issuingca" | "ca"
        | "caname" | "cacert" | "intermediate" => Told::Issuer,
        "notbefore" | "validfrom" | "validitybegin" | "issued" | "issuedate" | "dateissued" | "issuedon"
        | "issuedat" | "startdate" | "validfromdate" | "effectivedate" => Told::Begins,
        "notafter" | "validto" | "validuntil" | "validtill" | "validthrough" | "expires" | "expireson"
        | "expiresat" | "expirydate" | "expirationdate" | "expiration" | "expiry" | "enddate" | "validtodate" => {
            Told::Ends
        }
        "keysha256" | "spkisha256" | "publickeysha256" | "pubkeysha256" | "spkifingerprint" | "spki" => Told::Key,
        "status" | "certificatestatus" | "certstatus" | "orderstatus" | "state" => Told::Status,
        "revoked" | "revokedat" | "revokedon" | "revocationdate" | "daterevoked" | "isrevoked" => Told::Revoked,
        "provider" => Told::Provider,
        _ => return None,
    })
}

/// A header's letters and digits: people write them in all ways.
fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn fill(row: &mut Sighting, told: &Told, cell: &str) {
    // Spreadsheets keep numbers whole by these, and our own reports guard cells by the second.
    let cell = cell.strip_prefix("=\"").and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell);
    let cell = cell.strip_prefix('\'').unwrap_or(cell).trim();
    if cell.is_empty() || matches!(cell, "-" | "N/A" | "n/a" | "null" | "None") {
        return;
    }
    match told {
        Told::Serial => row.serial = serial(cell),
        Told::Fingerprint => row.fingerprint = SpkiFingerprint::parse(cell).map(|SpkiFingerprint(octets)| octets),
        Told::Issuer if row.issuer.is_empty() => cell.clone_into(&mut row.issuer),
        Told::CommonName if row.common_name.is_empty() => cell.clone_into(&mut row.common_name),
        Told::Names => {
            let divides = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '|' | '[' | ']' | '"');
            for name in cell.split(divides).filter(|name| !name.is_empty()) {
                if !row.names.iter().any(|known| comparable(known) == comparable(name)) {
                    row.names.push(name.to_owned());
                }
            }
        }
        Told::Begins => row.begins = row.begins.or_else(|| moment(cell, false)),
        Told::Ends => row.ends = row.ends.or_else(|| moment(cell, true)),
        Told::Key => row.key = SpkiFingerprint::parse(cell),
        Told::Status if row.status.is_empty() => row.status = cell.to_lowercase(),
        Told::Revoked if !matches!(cell.to_lowercase().as_str(), "false" | "no" | "0" | "f") => {
            row.status = "revoked".to_owned();
        }
        Told::Provider => cell.clone_into(&mut row.provider),
        Told::Parameter(name) => row.target.push((name.clone(), cell.to_owned())),
        _ => {}
    }
}

/// A certificate as lists hold it: in PEM, or its DER in base64.
fn certificate_in(text: &str) -> Option<Certificate> {
    if text.contains("-----BEGIN") {
        return Certificate::parse(text.as_bytes()).ok();
    }
    let bare: String = text.split_ascii_whitespace().collect();
    let der = STANDARD.decode(bare.as_bytes()).ok()?;
    Certificate::parse(&der).ok()
}

/// A serial number of a list. Digits alone are read as hexadecimal, as exports write them: it is only compared here.
fn serial(cell: &str) -> Option<SerialNumber> {
    SerialNumber::parse(cell).ok().or_else(|| SerialNumber::parse_in(cell, SerialNotation::Hexadecimal).ok())
}

/// A moment as exports write it. Without a zone it is UTC; a day's end for what ends. Days and months that could be either are no date.
fn moment(cell: &str, is_end: bool) -> Option<Timestamp> {
    if let Ok(at) = cell.parse::<Timestamp>() {
        return Some(at);
    }
    // Digits alone that are the seconds or milliseconds since 1970 of some moment in this century.
    if let (9 | 10 | 12 | 13, Ok(number)) = (cell.len(), cell.parse::<i64>()) {
        let at = if cell.len() < 12 { Timestamp::from_second(number) } else { Timestamp::from_millisecond(number) };
        return at.ok();
    }
    let in_utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let without_zone = cell.trim_end_matches("UTC").trim_end_matches("GMT").trim_end();
    if without_zone.len() > 10
        && let Ok(at) = without_zone.parse::<DateTime>()
    {
        return in_utc(at);
    }
    let whole = |day: Date| if is_end { day.at(23, 59, 59, 0) } else { day.at(0, 0, 0, 0) };
    let formats = ["%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y/%m/%d"];
    if let Some(day) = formats.iter().find_map(|format| Date::strptime(format, cell).ok()) {
        return in_utc(whole(day));
    }
    let (first, rest) = cell.split_once([' ', 'T']).unwrap_or((cell, ""));
    let day = first.parse::<Date>().ok().filter(|_| first.len() == 10).or_else(|| numbers(first))?;
    let time = match rest.split_once(':') {
        Some((hour, minute)) => day.at(hour.parse().ok()?, minute.get(..2)?.parse().ok()?, 0, 0),
        None if rest.is_empty() => whole(day),
        None => return None,
    };
    in_utc(time)
}

/// `31/12/2026` or `12/31/2026`.
fn numbers(text: &str) -> Option<Date> {
    let parts: Vec<i16> = text.split(['/', '-', '.']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [one, other, year] = parts[..] else { return None };
    let (month, day) = match (one, other) {
        (1..=12, 13..=31) => (one, other),
        (13..=31, 1..=12) => (other, one),
        (same, also) if same == also => (same, also),
        // With points between, the day is first.
        _ if text.contains('.') => (other, one),
        _ => return None,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Bytes in which an object is told from other things.
const HEAD: u64 = 4096;
/// Bytes of an answer that somebody saved.
const MAX_ANSWER: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = include_str!("../pki/testdata/keys/p256-certificate.pem");

    fn places(bytes: &[u8], passwords: &[&str]) -> Result<Vec<String>, String> {
        let passwords: Vec<Secret> = passwords.iter().map(|password| Secret::new(*password)).collect();
        let shown = |(place, one): PlacedCertificate| match one {
            Ok(certificate) => format!("{place}={}", certificate.common_name().unwrap_or_default()),
            Err(why) => format!("{place}!{why}"),
        };
        certificates(bytes, &passwords).map(|all| all.into_iter().map(shown).collect())
    }

    #[test]
    fn certificates_are_found_in_every_form() {
        let store = include_bytes!("../pki/testdata/stores/modern.p12");
        let broken = SHOP.replace("MII", "MI!");
        let shop = "shop.example.com";
        for (what, bytes, expected) in [
            ("PEM", SHOP.as_bytes().to_vec(), vec![format!("={shop}")]),
            (
                "two",
                format!("{SHOP}{SHOP}").into_bytes(),
                vec![format!(":1={shop}"), format!(":{}={shop}", SHOP.lines().count() + 1)],
            ),
            ("DER", Certificate::parse(SHOP.as_bytes()).unwrap().der, vec![format!("={shop}")]),
            ("a store", store.to_vec(), vec![format!("={shop}")]),
            ("a key", include_bytes!("../pki/testdata/keys/p256.pem").to_vec(), vec![]),
            (
                "a good one below a broken one",
                format!("{broken}{SHOP}").into_bytes(),
                vec![
                    ":1!the PEM block's content is not valid base64".to_owned(),
                    format!(":{}={shop}", SHOP.lines().count() + 1),
                ],
            ),
            ("words", b"hello".to_vec(), vec![]),
        ] {
            assert_eq!(places(&bytes, &["secret"]).unwrap(), expected, "{what}");
        }
        assert!(places(store, &[]).unwrap_err().contains("--password env:NAME"));
        assert!(places(store, &["wrong"]).unwrap_err().contains("none of the passwords"));
        assert!(places(b"\xfe\xed\xfe\xed\0\0\0\x02", &[]).unwrap_err().contains("keytool"));
    }

    #[test]
    fn kubernetes_secrets_are_opened() {
        let encoded = STANDARD.encode(SHOP);
        let store = STANDARD.encode(include_bytes!("../pki/testdata/stores/modern.p12"));
        let yaml = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: tls, namespace: prod}}\ndata:\n  tls.crt: {encoded}\n  tls.key: aGVsbG8=\n\
             ---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: bad\ndata:\n  tls.crt: '*'\n---\nkind: Service\n"
        );
        assert_eq!(
            places(yaml.as_bytes(), &[]).unwrap(),
            [" Secret prod/tls tls.crt=shop.example.com", " Secret default/bad tls.crt!its value is not base64"]
        );
        let json = format!(
            r#"{{"kind": "List", "items": [{{"kind": "Secret", "metadata": {{"name": "s", "namespace": "n"}}, "data": {{"keystore.p12": "{store}"}}}},
                {{"kind": "ConfigMap", "metadata": {{"name": "m", "namespace": "n"}}, "data": {{"ca.crt": {}}}}}]}}"#,
            Value::from(SHOP)
        );
        assert_eq!(
            places(json.as_bytes(), &["secret"]).unwrap(),
            [" Secret n/s keystore.p12=shop.example.com", " ConfigMap n/m ca.crt=shop.example.com"]
        );
    }

    fn rows(text: &str, ending: &str, named: &[(&str, &str)]) -> (Vec<Sighting>, Result<u64, Option<String>>) {
        let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
        std::io::Write::write_all(&mut file.as_file(), text.as_bytes()).unwrap();
        let named = named.iter().map(|(field, column)| ((*field).to_owned(), (*column).to_owned())).collect();
        let columns = ListColumns { named, parameters: vec!["certificate_id".into(), "certificateNo".into()] };
        let mut rows = Vec::new();
        let read = read_rows(file.path(), &columns, &mut |row| rows.push(row));
        (rows, read)
    }

    #[test]
    fn exports_are_told_by_their_headers() {
        let (found, read) = rows(
            "Order ID,Certificate ID,Common Name,SANs,Status,Valid From,Valid Till,Serial Number,Organization\r\n\
             55,112358,shop.example.com,\"shop.example.com, www.shop.example.com\",Issued,2026-01-02,2027-01-31,0A:1B:2C,Shop\r\n",
            ".csv",
            &[],
        );
        assert_eq!(read, Ok(1));
        let [row] = &found[..] else { panic!("{found:?}") };
        assert_eq!((row.provider.as_str(), row.status.as_str()), ("digicert", "issued"));
        assert_eq!(row.target, [("certificate_id".to_owned(), "112358".to_owned())]);
        assert_eq!(row.names, ["shop.example.com", "www.shop.example.com"]);
        assert_eq!(row.serial.as_ref().unwrap().to_string(), "0a1b2c");
        assert_eq!(row.ends.unwrap().to_string(), "2027-01-31T23:59:59Z");
        assert!(row.place.ends_with(":2"), "{}", row.place);
        let (found, _) = rows(
            r#"[{"issuer_ca_id": 1, "issuer_name": "C=US, O=Let's Encrypt, CN=R11", "common_name": "a.example",
                "name_value": "a.example\nb.example", "id": 5, "not_before": "2026-01-02T03:04:05", "not_after": "2026-04-02T03:04:04",
                "serial_number": "0362aa", "result_count": 2}]"#,
            ".json",
            &[],
        );
        assert_eq!((found[0].names.len(), found[0].target.len(), found[0].provider.as_str()), (2, 0, ""));
        assert_eq!(found[0].begins.unwrap().to_string(), "2026-01-02T03:04:05Z");
        let (found, _) =
            rows("SSL ID;Common Name;Serial Number;Expires;State\n7;a.example;0b;31/12/2026;Revoked\n", ".csv", &[]);
        assert_eq!(
            (found[0].status.as_str(), found[0].ends.unwrap().to_string().as_str()),
            ("revoked", "2026-12-31T23:59:59Z")
        );
        let (found, read) = rows(
            r#"{"page": {"total": 1}, "orders": [{"id": 55, "status": "issued", "organization": {"id": 7}, "certificate": {"id": 112358,
                "common_name": "a.example", "dns_names": ["a.example", "b.example"], "valid_till": "2027-01-31", "serial_number": "0A1B",
                "status": "reissued"}}]}"#,
            ".json",
            &[],
        );
        let [row] = &found[..] else { panic!("{found:?}") };
        assert_eq!((read, row.provider.as_str(), row.status.as_str()), (Ok(1), "digicert", "issued"));
        assert_eq!((row.target[0].1.as_str(), row.names.len()), ("112358", 2));
        assert!(row.place.ends_with(".json orders[0]"), "{}", row.place);
        assert_eq!(rows(r#"{"a": [{"b": 1}], "c": {}}"#, ".json", &[]).1, Err(None));
        let (found, _) = rows("Nr,What\n5,0c\n", ".csv", &[("certificateNo", "Nr"), ("serial_number", "What")]);
        assert_eq!(found[0].target, [("certificateNo".to_owned(), "5".to_owned())]);
        assert_eq!(found[0].serial.as_ref().unwrap().to_string(), "0c");
    }

    #[test]
    fn what_is_no_list_of_certificates_is_told_apart_from_a_broken_one() {
        assert_eq!(rows("a,b\n1,2\n", ".csv", &[]).1, Err(None));
        assert!(rows("serial,b\n0a,2,3\n", ".csv", &[]).1.unwrap_err().unwrap().contains(":2:"));
        assert!(
            rows("serial,b\n0a,2\n", ".csv", &[("key_sha256", "Key")])
                .1
                .unwrap_err()
                .unwrap()
                .contains("no column `Key`")
        );
    }

    #[test]
    fn moments_are_read_as_exports_write_them() {
        for (text, expected) in [
            ("2026-11-29T12:00:00Z", Some("2026-11-29T12:00:00Z")),
            ("2026-11-29T12:00:00+09:00", Some("2026-11-29T03:00:00Z")),
            ("2026-11-29 12:00:00", Some("2026-11-29T12:00:00Z")),
            ("2026-11-29 12:00:00 UTC", Some("2026-11-29T12:00:00Z")),
            ("2026-11-29", Some("2026-11-29T00:00:00Z")),
            ("29-Nov-2026", Some("2026-11-29T00:00:00Z")),
            ("29 Nov 2026", Some("2026-11-29T00:00:00Z")),
            ("Nov 29, 2026", Some("2026-11-29T00:00:00Z")),
            ("11/29/2026", Some("2026-11-29T00:00:00Z")),
            ("29.11.2026", Some("2026-11-29T00:00:00Z")),
            ("11/29/2026 14:30", Some("2026-11-29T14:30:00Z")),
            ("10/11/2026", None),
            ("soon", None),
        ] {
            assert_eq!(moment(text, false).map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
    }
}
