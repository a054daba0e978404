//! CSV text without quotes, a block of whole lines at a time: its cells are what stands between separators. It says where a text goes
//! on that needs more than that; reads none of it.

use std::io::{self, Read};

/// A text that is being read, as far as it is plain.
pub(super) struct Plain {
    inner: Box<dyn Read>,
    delimiter: u8,
    /// Whole lines, and how far they are read. The end of the present record's line is still to be read.
    block: String,
    at: usize,
    /// What was read behind the block.
    rest: Vec<u8>,
    /// Whether there is nothing behind that, and the error that is why.
    ended: bool,
    failed: Option<io::Error>,
    /// Where the cells of the present record begin and end in the block.
    cells: Vec<(usize, usize)>,
}

/// What stands next in a text.
pub(super) enum Next {
    /// A record, now the present one.
    Record,
    /// Text that is not plain: quotes, NULs, bytes that are not UTF-8, or a line longer than a block.
    NotPlain,
    /// Nothing.
    End,
}

impl Plain {
    /// Begins at a text's first line.
    pub(super) fn new(inner: Box<dyn Read>, delimiter: u8) -> Self {
        let (block, rest, cells) = (String::new(), Vec::new(), Vec::new());
        Self { inner, delimiter, block, at: 0, rest, ended: false, failed: None, cells }
    }

    /// Goes on to the next record, and counts the lines before it.
    ///
    /// # Errors
    /// Where the text cannot be read further.
    pub(super) fn read(&mut self, line: &mut u32) -> io::Result<Next> {
        loop {
            let bytes = self.block.as_bytes();
            while let Some(byte @ (b'\r' | b'\n')) = bytes.get(self.at) {
                *line = line.saturating_add(u32::from(*byte == b'\n'));
                self.at += 1;
            }
            if self.at < bytes.len() {
                self.cut();
                return Ok(Next::Record);
            }
            if self.ended && self.rest.is_empty() {
                return self.failed.take().map_or(Ok(Next::End), Err);
            }
            if !self.fill() {
                return Ok(Next::NotPlain);
            }
        }
    }

    /// What stands between cells.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many cells the present record has.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A cell of the present record.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        self.cells.get(index).map(|(begin, end)| &self.block[*begin..*end])
    }

    /// The bytes of the present record, the end of its line among them.
    pub(super) fn length(&self) -> u64 {
        self.cells.first().map_or(0, |(begin, _)| (self.at - begin + 1) as u64)
    }

    /// The text from where it is not plain on, which is where a line begins.
    pub(super) fn into_rest(self) -> Box<dyn Read> {
        // The csv crate drops a byte order mark where it begins to read; behind a line's end it does not look for one.
        Box::new(io::Cursor::new(b"\r").chain(io::Cursor::new(self.rest)).chain(self.inner))
    }

    /// Finds the cells of the record that begins here.
    fn cut(&mut self) {
        self.cells.clear();
        let bytes = self.block.as_bytes();
        let mut begin = self.at;
        for index in memchr::memchr3_iter(self.delimiter, b'\n', b'\r', &bytes[self.at..]) {
            let end = self.at + index;
            self.cells.push((begin, end));
            if bytes[end] != self.delimiter {
                self.at = end;
                return;
            }
            begin = end + 1;
        }
        // The last line of a text may have no end.
        self.cells.push((begin, bytes.len()));
        self.at = bytes.len();
    }

    /// Reads the next block. `false` where it is not plain; then it is what is read behind the last block.
    fn fill(&mut self) -> bool {
        let mut bytes = std::mem::take(&mut self.block).into_bytes();
        self.at = 0;
        bytes.clear();
        bytes.append(&mut self.rest);
        let wanted = BLOCK.saturating_sub(bytes.len());
        bytes.reserve_exact(wanted);
        match self.inner.by_ref().take(wanted as u64).read_to_end(&mut bytes) {
            Ok(count) => self.ended = count < wanted,
            Err(error) => {
                self.ended = true;
                self.failed = Some(error);
            }
        }
        let whole = match memchr::memrchr2(b'\n', b'\r', &bytes) {
            _ if self.ended && self.failed.is_none() => bytes.len(),
            Some(last) => last + 1,
            // Nobody knows how it would have gone on.
            None if self.ended => 0,
            None => {
                self.rest = bytes;
                return false;
            }
        };
        if memchr::memchr2(b'"', b'\0', &bytes[..whole]).is_none() {
            self.rest.extend_from_slice(if self.ended { &[] } else { &bytes[whole..] });
            bytes.truncate(whole);
            match String::from_utf8(bytes) {
                Ok(block) => {
                    self.block = block;
                    return true;
                }
                Err(error) => {
                    bytes = error.into_bytes();
                    bytes.append(&mut self.rest);
                }
            }
        }
        self.rest = bytes;
        false
    }
}

/// Bytes of a block; few in tests, so that they meet its end.
const BLOCK: usize = if cfg!(test) { 24 } else { 1 << 16 };
