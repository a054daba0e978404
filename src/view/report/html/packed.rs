//! The CSV report as a page carries it: the same cells, block by block and column by column, with instants as differences, compressed. A third of
//! what the plain text would take compressed; the page's script makes the same bytes again. Takes any CSV whose cells hold no line break.

use super::super::HEADER;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Packs what is written, and takes its digest.
///
/// Unpacked, the form is lines: the number of columns and the CSV's name of each; then for each block the number of its rows and, column by column, a cell a line as the CSV has it. An
/// instant is a number of milliseconds: `started_at` since the row before (the first of a block since 1970), `finished_at` since its own row's `started_at`,
/// or since 1970 where there is none.
pub(super) struct Packer {
    gzip: GzEncoder<Vec<u8>>,
    digest: Sha256,
    /// What was written after the last line break.
    line: Vec<u8>,
    /// The cells of the block, by column.
    block: Vec<Vec<String>>,
    started: Option<usize>,
    finished: Option<usize>,
    has_header: bool,
}

/// A report's rows as bytes.
pub(super) struct PackedRows {
    /// The packed form, compressed by gzip.
    pub(super) gzip: Vec<u8>,
    /// The SHA-256 of the CSV.
    pub(super) sha256: [u8; 32],
}

impl Packer {
    pub(super) fn new() -> Self {
        Self {
            // The same bytes whenever they are made: the header of gzip holds no time.
            gzip: GzEncoder::new(Vec::new(), Compression::best()),
            digest: Sha256::new(),
            line: Vec::new(),
            block: Vec::new(),
            started: HEADER.iter().position(|name| *name == "started_at"),
            finished: HEADER.iter().position(|name| *name == "finished_at"),
            has_header: false,
        }
    }

    pub(super) fn finish(mut self) -> io::Result<PackedRows> {
        self.end_block()?;
        Ok(PackedRows { gzip: self.gzip.finish()?, sha256: self.digest.finalize().into() })
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if !self.has_header {
            self.has_header = true;
            let names = split(line);
            writeln!(self.gzip, "{}", names.len())?;
            return names.iter().try_for_each(|name| writeln!(self.gzip, "{name}"));
        }
        let cells = split(line);
        self.block.resize(cells.len().max(self.block.len()), Vec::new());
        for (column, cell) in self.block.iter_mut().zip(cells) {
            column.push(cell.to_owned());
        }
        if self.block.first().is_some_and(|column| column.len() >= BLOCK) {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        let Some(rows) = block.first().map(Vec::len) else { return Ok(()) };
        let instants = |column: Option<usize>| -> Vec<Option<i64>> {
            let cells = column.and_then(|column| block.get(column)).into_iter().flatten();
            cells.map(|cell| Some(cell.parse::<Timestamp>().ok()?.as_millisecond())).collect()
        };
        let (started, finished) = (instants(self.started), instants(self.finished));
        let mut before = 0;
        for (row, at) in started.iter().enumerate() {
            if let (Some(at), Some(column)) = (at, self.started) {
                block[column][row] = (at - before).to_string();
                before = *at;
            }
        }
        for (row, at) in finished.iter().enumerate() {
            if let (Some(at), Some(column)) = (at, self.finished) {
                let since = started.get(row).copied().flatten().unwrap_or(0);
                block[column][row] = (at - since).to_string();
            }
        }
        writeln!(self.gzip, "{rows}")?;
        for cell in block.iter().flatten() {
            self.gzip.write_all(cell.as_bytes())?;
            self.gzip.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digest.update(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The cells of a line of CSV, their quotes left on.
fn split(line: &str) -> Vec<&str> {
    let (mut cells, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                cells.push(&line[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    cells.push(&line[begin..]);
    cells
}

/// Rows of a block: so few that gzip, which looks 32 KiB back, sees the same id in two columns.
const BLOCK: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn cells_keep_their_quotes() {
        assert_eq!(split(r#"a,"b ""x"", c",,d"#), ["a", r#""b ""x"", c""#, "", "d"]);
    }

    #[test]
    fn rows_become_columns_and_instants_differences() {
        let header = HEADER.join(",");
        let row = |id: &str, started: &str, finished: &str| {
            let cells = HEADER.map(|name| match name {
                "action_id" => id,
                "started_at" => started,
                "finished_at" => finished,
                _ => "",
            });
            cells.join(",")
        };
        let csv = [
            header,
            row("\"a,b\"", "1970-01-01T00:00:01.000Z", "1970-01-01T00:00:01.250Z"),
            row("c", "", "1970-01-01T00:00:02.000Z"),
            row("d", "1970-01-01T00:00:00.900Z", ""),
        ]
        .map(|line| line + "\r\n")
        .concat();
        let mut packer = Packer::new();
        // However it is cut.
        for byte in csv.as_bytes() {
            packer.write_all(&[*byte]).unwrap();
        }
        let packed = packer.finish().unwrap();
        assert_eq!(packed.sha256, <[u8; 32]>::from(Sha256::digest(&csv)));
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.gzip.as_slice()).read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let names = HEADER.len();
        assert_eq!((lines[0], &lines[1..=names]), (names.to_string().as_str(), &HEADER as &[_]));
        let lines = &lines[names..];
        assert_eq!((lines[1], &lines[2..5]), ("3", &["\"a,b\"", "c", "d"] as &[_]));
        let column = |name| {
            let index = HEADER.iter().position(|found| *found == name).unwrap();
            lines[2 + index * 3..5 + index * 3].to_vec()
        };
        assert_eq!(column("started_at"), ["1000", "", "-100"]);
        assert_eq!(column("finished_at"), ["250", "2000", ""]);
        assert_eq!(lines.len(), 2 + HEADER.len() * 3);
    }
}
