//! The checksum that each row of a run's database carries. SQLite checks no content: one bit that is flipped in a row would make it
//! another row, and a certificate might be bought twice for it.

use rusqlite::types::ValueRef;

/// Makes checksums of rows: CRC-32 (ISO-HDLC, that of gzip) of the values, each by its type, length and bytes.
#[derive(Debug, Default)]
pub(super) struct RowChecksum {
    /// One room for all rows: a run has millions.
    bytes: Vec<u8>,
}

impl RowChecksum {
    /// The checksum of a row's values, in the table's order.
    pub(super) fn of<'v>(&mut self, values: impl IntoIterator<Item = ValueRef<'v>>) -> u32 {
        self.bytes.clear();
        for value in values {
            match value {
                ValueRef::Null => self.bytes.push(b'n'),
                ValueRef::Integer(number) => self.put(b'i', &number.to_le_bytes()),
                ValueRef::Real(number) => self.put(b'r', &number.to_le_bytes()),
                ValueRef::Text(text) => self.put_sized(b't', text),
                ValueRef::Blob(blob) => self.put_sized(b'b', blob),
            }
        }
        crc32fast::hash(&self.bytes)
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(bytes);
    }

    /// With its length, so that no two lists of texts are one sequence of bytes.
    fn put_sized(&mut self, kind: u8, bytes: &[u8]) {
        self.put(kind, &(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_have_other_checksums() {
        let text = |text: &'static str| ValueRef::from(text);
        let rows = [
            vec![],
            vec![ValueRef::Null],
            vec![ValueRef::Null, ValueRef::Null],
            vec![text("")],
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![ValueRef::Blob(b"ab"), text("c")],
            vec![ValueRef::Integer(1)],
            vec![ValueRef::Integer(256)],
            vec![ValueRef::Real(1.0)],
        ];
        let mut checksums = RowChecksum::default();
        let mut all: Vec<u32> = rows.iter().map(|row| checksums.of(row.iter().copied())).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), rows.len());
        // What is kept in files must be the same in every version.
        assert_eq!(checksums.of([ValueRef::Integer(1)]), crc32fast::hash(b"i\x01\0\0\0\0\0\0\0"));
    }
}
