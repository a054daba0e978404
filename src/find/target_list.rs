//! The list that `find` writes and a plan takes as it is: its columns, its rows, and reading it again for what adds to it. Replaces no files.

use super::found::LocatedCertificate;
use super::placement::serial_cell;
use crate::diag::Diagnostics;
use crate::plan::{DESCRIPTIVE_COLUMNS, ListLayout, ListReader};
use crate::text::{SourceMap, safe};
use std::io::{self, Write};
use std::path::Path;

/// A list of targets, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetList {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows, each with the line where it stands.
    pub rows: Vec<(u32, Vec<String>)>,
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
        if !path.is_file() {
            return Err(format!("{shown}: there is no such file"));
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
        if let Some(first) = diagnostics.sorted().first() {
            let place = first.span.map(|span| sources.place(span)).unwrap_or_default();
            let help = first.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
            return Err(format!("{place}: {}{help}", first.what));
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
    use crate::find::sighting::Sighting;

    #[test]
    fn what_is_written_is_read_again_and_is_safe() {
        let known = Sighting {
            serial: crate::pki::SerialNumber::parse("0x12345678901234567890").ok(),
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
