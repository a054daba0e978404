//! From what was found to the list that a plan takes as it is: at which provider each certificate is and how that provider's operation names it,
//! by what the user says, else by what a list says; the columns and rows; and reading a list again for what adds to it. Guesses nothing, replaces no
//! files.

use super::contents::first_finding;
use super::found::{LocatedCertificate, Sighting, contains};
use crate::diag::Diagnostics;
use crate::pki::{SerialNotation, SerialNumber};
use crate::plan::{DESCRIPTIVE_COLUMNS, ListLayout, ListReader};
use crate::provider::Catalog;
use crate::provider::model::{Location, Provider, ValueFormat};
use crate::text::{SourceMap, file, safe};
use std::io::{self, Write};
use std::path::Path;

/// Where certificates are, as the user says it, and how operations name their targets.
#[derive(Debug)]
pub struct Placement {
    /// The providers that the user names.
    named: Vec<NamedProvider>,
    /// All providers that have the operation, by id.
    operations: Vec<(String, Vec<TargetParameter>)>,
}

/// Why a certificate is not placed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unplaced {
    /// Nothing says at which provider it is.
    NoProvider,
    /// The issuers of several named providers fit.
    Several(String),
    /// Nothing tells what the provider calls it.
    NoTarget(String),
}

/// A list of targets, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetList {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows, each with the line where it stands.
    pub rows: Vec<(u32, Vec<String>)>,
}

/// A provider that the user names.
#[derive(Debug)]
struct NamedProvider {
    id: String,
    /// What must be in the issuer's name; empty where all certificates are there.
    issuer: String,
}

/// A parameter by which an operation names its target.
#[derive(Debug)]
struct TargetParameter {
    name: String,
    /// In which digits, where it is the serial number.
    serial: Option<SerialNotation>,
    /// Whether it is the certificate itself.
    is_certificate: bool,
    /// Whether it only serves to read the state back: kept where a list tells it, and never missed.
    is_optional: bool,
}

impl Placement {
    /// Reads the providers that the user names, `ID` or `ID=ISSUER`, and what the operation needs of each.
    ///
    /// # Errors
    /// There is no such provider, or it has no such operation.
    pub fn new(catalog: &Catalog, named: &[String], action: &str) -> Result<Self, String> {
        let operations: Vec<_> =
            catalog.iter().filter_map(|provider| Some((provider.id.clone(), parameters(provider, action)?))).collect();
        let mut providers = Vec::new();
        for text in named {
            let (id, issuer) = text.split_once('=').unwrap_or((text, ""));
            let provider = catalog.get(id).ok_or_else(|| catalog.no_provider(id))?;
            if !operations.iter().any(|(known, _)| known == id) {
                let all: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
                return Err(format!("`{id}` has no action `{action}`; it has {}", all.join(", ")));
            }
            providers.push(NamedProvider { id: id.to_owned(), issuer: issuer.to_owned() });
        }
        Ok(Self { named: providers, operations })
    }

    /// Takes in a provider's account, by the name that lists give it.
    pub fn add_account(&mut self, name: &str, provider: &Provider, action: &str) {
        self.operations.retain(|(known, _)| known != name);
        self.operations.extend(parameters(provider, action).map(|parameters| (name.to_owned(), parameters)));
    }

    /// Whether what is known of a certificate names it at its provider.
    pub fn is_named(&self, known: &Sighting) -> bool {
        let parameters = self.operations.iter().find(|(id, _)| *id == known.provider).map(|(_, parameters)| parameters);
        parameters.is_none_or(|parameters| parameters.iter().all(|parameter| parameter.is_told_by(known)))
    }

    /// The parameters that a list may have columns of.
    pub fn parameters(&self) -> Vec<String> {
        let all = self.operations.iter().flat_map(|(_, parameters)| parameters);
        all.filter(|parameter| !parameter.is_certificate).map(|parameter| parameter.name.clone()).collect()
    }

    /// Gives a certificate its provider and the parameters that name it there.
    ///
    /// # Errors
    /// It cannot be placed, or its provider's name for it is not known.
    pub fn place(&self, found: &mut LocatedCertificate) -> Result<(), Unplaced> {
        let known = &mut found.known;
        if !found.also_at.is_empty() && self.named.is_empty() {
            let mut all: Vec<&str> =
                found.also_at.iter().map(String::as_str).chain([known.provider.as_str()]).collect();
            all.sort_unstable();
            let all = all.join(", ");
            known.provider.clear();
            known.target.clear();
            return Err(Unplaced::Several(all));
        }
        let fitting: Vec<&NamedProvider> = self
            .named
            .iter()
            .filter(|named| named.issuer.is_empty() || contains(&known.issuer, &named.issuer))
            .collect();
        // One that is named with this issuer is meant before one that is named for all.
        let exact: Vec<&NamedProvider> = fitting.iter().copied().filter(|named| !named.issuer.is_empty()).collect();
        match &(if exact.is_empty() { fitting } else { exact })[..] {
            [one] => known.provider.clone_from(&one.id),
            [] => {}
            several => {
                let ids: Vec<&str> = several.iter().map(|named| named.id.as_str()).collect();
                return Err(Unplaced::Several(ids.join(", ")));
            }
        }
        if known.provider.is_empty() {
            return Err(Unplaced::NoProvider);
        }
        // An account of a plan's, whose provider only the plan knows.
        let Some((_, parameters)) = self.operations.iter().find(|(id, _)| *id == known.provider) else { return Ok(()) };
        known.target.retain(|(name, _)| parameters.iter().any(|parameter| parameter.name == *name));
        let mut missing = Vec::new();
        for parameter in parameters.iter().filter(|parameter| !parameter.is_optional) {
            if known.target.iter().any(|(name, _)| *name == parameter.name) {
                continue;
            }
            match (parameter.serial, &known.serial) {
                (Some(notation), Some(serial)) => {
                    known.target.push((parameter.name.clone(), serial_cell(serial, Some(notation))));
                }
                _ if parameter.is_certificate && known.whole.is_some() => {}
                // It has a column in every list.
                _ if parameter.name == DESCRIPTIVE_COLUMNS[0] && !known.common_name.is_empty() => {}
                _ => missing.push(parameter.name.as_str()),
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Unplaced::NoTarget(format!("`{}` of {}", missing.join("`, `"), known.provider)))
        }
    }
}

impl TargetParameter {
    /// Whether what is known of a certificate gives its value.
    fn is_told_by(&self, known: &Sighting) -> bool {
        self.is_optional
            || known.target.iter().any(|(name, _)| *name == self.name)
            || self.serial.is_some() && known.serial.is_some()
            || self.is_certificate && known.whole.is_some()
    }
}

impl TargetList {
    /// The list of what was found. `certificate` gives the cell of that column.
    pub fn new(found: &[LocatedCertificate], certificate: impl Fn(&LocatedCertificate) -> String) -> Self {
        let mut parameters: Vec<String> = Vec::new();
        for (name, _) in found.iter().flat_map(|found| &found.known.target) {
            if !parameters.contains(name) && !FIXED.contains(&name.as_str()) {
                parameters.push(name.clone());
            }
        }
        let has_weakness = found.iter().any(|found| !found.known.weakness.is_empty());
        let mut header = vec!["provider".to_owned()];
        header.extend(parameters.iter().cloned());
        header.extend(FIXED.map(str::to_owned));
        header.extend(has_weakness.then(|| "weakness".to_owned()));
        let row = |one: &LocatedCertificate| {
            let known = &one.known;
            // Text from outside goes into spreadsheets, too.
            let safe = |text: &str| safe::spreadsheet(text).into_owned();
            let mut cells = vec![known.provider.clone()];
            cells.extend(parameters.iter().map(|name| {
                let value = known.target.iter().find(|(known, _)| known == name);
                value.map(|(_, value)| value.clone()).unwrap_or_default()
            }));
            let places: Vec<&str> = one.places.iter().map(String::as_str).collect();
            cells.extend([
                known.serial.as_ref().map(|serial| serial_cell(serial, None)).unwrap_or_default(),
                safe(&known.common_name),
                known.names.iter().map(|name| safe(name)).collect::<Vec<_>>().join(" "),
                known.ends.map(|ends| ends.to_string()).unwrap_or_default(),
                known.key.map(|key| key.to_string()).unwrap_or_default(),
                safe(&known.status),
                certificate(one),
                safe(&places.join("; ")),
            ]);
            cells.extend(has_weakness.then(|| known.weakness.clone()));
            (0, cells)
        };
        let rows = found.iter().map(row).collect();
        Self { header, rows }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// It cannot be read; the first cause, with its place.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut sources = SourceMap::default();
        let shown = path.display().to_string();
        // It is opened once more for each look at it, which a pipe cannot be.
        match file::open_regular(path) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(format!("{shown}: a list cannot be read through a pipe; write it into a file")),
            Err(error) => return Err(format!("{shown}: {}", file::reason(&error))),
        }
        let source = sources.add_file(shown, path.to_owned());
        let mut diagnostics = Diagnostics::default();
        let mut list = ListReader::open(&sources, source, ListLayout::default(), &mut diagnostics).map(|mut reader| {
            let header: Vec<String> = reader.header().iter().map(|(name, _)| name.clone()).collect();
            let mut rows = Vec::new();
            while reader.advance(&mut diagnostics) {
                let cells = (0..header.len()).map(|column| reader.cell(column).0.to_owned()).collect();
                rows.push((reader.row_span().line, cells));
            }
            Self { header, rows }
        });
        if let Some(first) = first_finding(&diagnostics, &sources) {
            return Err(first);
        }
        list.take().ok_or_else(|| format!("{}: the list cannot be read", path.display()))
    }

    /// A cell; empty where the list has no such column.
    pub fn cell(&self, row: usize, column: &str) -> &str {
        self.column(column).map_or("", |index| self.rows[row].1[index].as_str())
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Writes it as CSV.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
        rows.write_record(&self.header)?;
        for (_, cells) in &self.rows {
            rows.write_record(cells)?;
        }
        rows.flush()
    }
}

/// A serial number as a list's cell: in hexadecimal digits, and so that nobody takes it for a decimal number or an id.
fn serial_cell(serial: &SerialNumber, notation: Option<SerialNotation>) -> String {
    let digits = serial.to_string();
    let is_told = match notation {
        Some(SerialNotation::Decimal) => false,
        Some(SerialNotation::Hexadecimal) => digits.bytes().any(|digit| digit.is_ascii_alphabetic()),
        None => SerialNumber::parse(&digits).as_ref() == Ok(serial),
    };
    if is_told { digits } else { format!("0x{digits}") }
}

fn parameters(provider: &Provider, action: &str) -> Option<Vec<TargetParameter>> {
    let (operation, rules) = provider.actions().find(|(operation, _)| operation.name == action)?;
    if let Some(rule) = &rules.certificate {
        return Some(vec![TargetParameter {
            name: rule.field.clone(),
            serial: None,
            is_certificate: true,
            is_optional: false,
        }]);
    }
    let parameter = |name: &String| {
        let serial = operation.parameter(name).and_then(|parameter| match parameter.format {
            ValueFormat::Serial(rule) => Some(rule.spelling.notation()),
            _ => None,
        });
        TargetParameter { name: name.clone(), serial, is_certificate: false, is_optional: false }
    };
    let queried = operation.parameters.iter().filter(|parameter| parameter.location == Location::StatusQuery);
    let optional = queried.map(|parameter| TargetParameter {
        name: parameter.name.clone(),
        serial: None,
        is_certificate: false,
        is_optional: true,
    });
    Some(rules.target.parameters.iter().map(parameter).chain(optional).collect())
}

/// The columns that every list has, behind the provider and what it calls the certificate.
const FIXED: [&str; 8] = [
    "serial_number",
    DESCRIPTIVE_COLUMNS[0],
    DESCRIPTIVE_COLUMNS[1],
    DESCRIPTIVE_COLUMNS[2],
    DESCRIPTIVE_COLUMNS[3],
    DESCRIPTIVE_COLUMNS[4],
    "certificate",
    DESCRIPTIVE_COLUMNS[5],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::found::WholeCertificate;

    fn found(issuer: &str, provider: &str, target: &[(&str, &str)]) -> LocatedCertificate {
        let target = target.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let known = Sighting {
            serial: SerialNumber::parse("0x123456789012345678").ok(),
            issuer: issuer.into(),
            provider: provider.into(),
            target,
            whole: Some(WholeCertificate::default()),
            ..Sighting::default()
        };
        LocatedCertificate { known, places: ["a.pem".to_owned()].into(), also_at: Default::default() }
    }

    #[test]
    fn certificates_are_placed_by_what_is_said() {
        let catalog = Catalog::built_in();
        let place = |named: &[&str], mut found: LocatedCertificate| {
            let named: Vec<String> = named.iter().map(|text| (*text).to_owned()).collect();
            let placement = Placement::new(&catalog, &named, "revoke").unwrap();
            placement.place(&mut found).map(|()| {
                let target: Vec<String> =
                    found.known.target.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", found.known.provider, target.join(" "))
            })
        };
        let (digicert, acme) = ("CN=X,O=DigiCert Inc", "CN=R11,O=Let's Encrypt");
        let both = &["digicert=DigiCert", "acme=let's encrypt"];
        for (named, found, expected) in [
            (&["digicert"][..], found(digicert, "", &[]), Ok("digicert certificate_id=0x123456789012345678")),
            (both, found(digicert, "", &[]), Ok("digicert certificate_id=0x123456789012345678")),
            (both, found(acme, "", &[]), Ok("acme ")),
            (both, found("CN=Y", "", &[]), Err(Unplaced::NoProvider)),
            (
                &["digicert=inc", "naver=DigiCert"],
                found(digicert, "", &[]),
                Err(Unplaced::Several("digicert, naver".into())),
            ),
            (
                &["naver", "digicert=DigiCert"],
                found(digicert, "", &[("certificate_id", "7")]),
                Ok("digicert certificate_id=7"),
            ),
            (
                &[],
                found(digicert, "digicert", &[("certificate_id", "7"), ("other", "8")]),
                Ok("digicert certificate_id=7"),
            ),
            (&[], found(digicert, "digicert-eu", &[("certificate_id", "7")]), Ok("digicert-eu certificate_id=7")),
            (&[], found(digicert, "", &[]), Err(Unplaced::NoProvider)),
            (
                &["naver"],
                found(digicert, "", &[("certificateNo", "7")]),
                Err(Unplaced::NoTarget("`orderId` of naver".into())),
            ),
        ] {
            assert_eq!(place(named, found), expected.map(str::to_owned), "{named:?}");
        }
        for (named, action, expected) in
            [("digicrt", "revoke", "did you mean `digicert`?"), ("huawei", "reissue", "it has revoke, revoke-ca")]
        {
            assert!(Placement::new(&catalog, &[named.to_owned()], action).unwrap_err().contains(expected));
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_is_safe() {
        let known = Sighting {
            serial: SerialNumber::parse("0x12345678901234567890").ok(),
            common_name: "=cmd|' /C calc'!A0".into(),
            names: vec!["a.example".into(), "*.b.example".into()],
            status: "valid".into(),
            target: vec![("certificate_id".into(), "7".into())],
            ..Sighting::default()
        };
        let found = [LocatedCertificate {
            known,
            places: ["b.pem".to_owned(), "a.pem".to_owned()].into(),
            also_at: Default::default(),
        }];
        let mut list = TargetList::new(&found, |_| "file:a.pem".to_owned());
        let mut written = Vec::new();
        list.write(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(
            text,
            "provider,certificate_id,serial_number,common_name,dns_names,not_after,key_sha256,status,certificate,found_in\r\n\
             ,7,0x12345678901234567890,'=cmd|' /C calc'!A0,a.example *.b.example,,,valid,file:a.pem,a.pem; b.pem\r\n"
        );
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        file.as_file().write_all(text.as_bytes()).unwrap();
        list.rows[0].0 = 2;
        assert_eq!(TargetList::read(file.path()), Ok(list));
    }
}
