//! What stands below all lines of a terminal, such as bars. indicatif draws it: it keeps how many rows there are, erases them and draws them
//! anew. What it draws is collected here as text, which the printer writes in one go; nothing here writes.

use super::styled::StyledLine;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The lines that stand below all others. Each change gives the text that makes it on the terminal.
#[derive(Debug, Default)]
pub(super) struct LinesBelow {
    canvas: Canvas,
    /// One bar whose message is all the lines: bars of their own would each draw all of them. `None` where nothing stands there.
    bar: Option<ProgressBar>,
    /// How many cells each line takes.
    cells: Vec<usize>,
}

impl LinesBelow {
    pub(super) fn is_empty(&self) -> bool {
        self.bar.is_none()
    }

    /// These lines stand below from now on; with none, nothing does. The size is that of the terminal, in columns and rows.
    pub(super) fn show(&mut self, lines: Vec<StyledLine>, size: (usize, usize), colors: bool) -> String {
        // A line that fills the last column would wrap on some terminals.
        let columns = size.0.min(MAX_COLUMNS.into()).saturating_sub(1);
        let lines: Vec<StyledLine> = lines.into_iter().map(|line| line.cut(columns)).collect();
        let text = lines.iter().map(|line| line.text(colors)).collect::<Vec<_>>().join("\n");
        if self.bar.as_ref().is_some_and(|bar| bar.message() == text) || lines.is_empty() && self.is_empty() {
            return String::new();
        }
        self.begin(size);
        if lines.is_empty() {
            self.bar.take().iter().for_each(ProgressBar::finish_and_clear);
        } else {
            self.bar.get_or_insert_with(|| self.canvas.bar()).set_message(text);
        }
        self.cells = lines.iter().map(StyledLine::cells).collect();
        self.canvas.take()
    }

    /// A line that comes above them.
    pub(super) fn above(&mut self, line: &str, size: (usize, usize)) -> String {
        self.begin(size);
        let canvas = self.canvas.clone();
        let write = || canvas.drawn().text.extend([line, "\r\n"]);
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
        self.canvas.take()
    }

    /// A terminal that became narrower has wrapped the lines. indicatif takes each for one row; the others are erased before it begins.
    fn begin(&self, (columns, rows): (usize, usize)) {
        let wrapped: usize = self.cells.iter().map(|cells| cells.div_ceil(columns.max(1)).saturating_sub(1)).sum();
        let mut drawn = self.canvas.drawn();
        drawn.text = "\r\u{1b}[2K\u{1b}[A".repeat(wrapped);
        drawn.rows = rows;
    }
}

/// What indicatif takes for the terminal. Clones share it.
#[derive(Debug, Clone, Default)]
struct Canvas(Arc<Mutex<Drawn>>);

#[derive(Debug, Default)]
struct Drawn {
    rows: usize,
    text: String,
    /// How many pieces of text came since the last flush: a line, its filling, a line, its filling.
    pieces: usize,
}

impl Canvas {
    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        // A panic leaves text that is at worst drawn over.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self) -> ProgressBar {
        // No rate: who shows lines knows when, by a clock that tests can turn.
        let target = ProgressDrawTarget::term_like(Box::new(self.clone()));
        let style = ProgressStyle::with_template("{msg}").expect("one key, and no more");
        ProgressBar::with_draw_target(None, target).with_style(style)
    }

    /// What was drawn, between marks: a terminal that knows these shows it in one go; the others ignore them.
    fn take(&self) -> String {
        let text = std::mem::take(&mut self.drawn().text);
        if text.is_empty() { text } else { format!("\u{1b}[?2026h{text}\u{1b}[?2026l") }
    }

    fn push(&self, text: &str) -> io::Result<()> {
        self.drawn().text.push_str(text);
        Ok(())
    }

    fn move_cursor(&self, n: usize, direction: char) -> io::Result<()> {
        // A terminal reads 0 as 1.
        if n > 0 { self.push(&format!("\u{1b}[{n}{direction}")) } else { Ok(()) }
    }
}

impl TermLike for Canvas {
    /// So wide that nothing ever wraps. What does wrap, once the terminal has changed, is known at the next drawing only.
    fn width(&self) -> u16 {
        MAX_COLUMNS
    }

    fn height(&self) -> u16 {
        u16::try_from(self.drawn().rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text)?;
        self.push("\r\n")
    }

    /// indicatif fills each line with blanks, so that the terminal wraps into the next. A terminal that changes its width would take all lines for
    /// one long one, and lay it out anew; so each line gets its end instead.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut drawn = self.drawn();
        let is_line = drawn.pieces.is_multiple_of(2);
        if is_line && drawn.pieces > 0 {
            drawn.text.push_str("\r\n");
        }
        drawn.text.push_str(if is_line { text } else { "" });
        drawn.pieces += 1;
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.drawn().pieces = 0;
        Ok(())
    }
}

/// Wider lines are cut, however wide the terminal is.
const MAX_COLUMNS: u16 = 1024;

#[cfg(test)]
pub(crate) mod testing {
    //! A terminal, as far as what is written to it goes.

    /// What a terminal shows after this was written: its rows without those that are empty at the end, and where the cursor is. One of so many
    /// columns wraps what is longer.
    pub(crate) fn rows(written: &str, columns: usize) -> Vec<String> {
        let (mut rows, mut row, mut column) = (vec![Vec::new()], 0, 0);
        let mut letters = written.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => column = 0,
                '\n' => (row, column) = (row + 1, 0),
                '\u{1b}' => {
                    let code: String = letters.by_ref().skip(1).take_while(|letter| !letter.is_alphabetic()).collect();
                    // `take_while` has eaten the letter that ends the sequence.
                    let end = written[..written.len() - letters.as_str().len()].chars().last().unwrap();
                    match end {
                        'A' => row -= code.parse().unwrap_or(1),
                        'B' => row += code.parse().unwrap_or(1),
                        'K' => rows[row].clear(),
                        _ => {}
                    }
                }
                letter => {
                    if column == columns {
                        (row, column) = (row + 1, 0);
                    }
                    if rows.len() <= row {
                        rows.resize(row + 1, Vec::new());
                    }
                    let width = rows[row].len().max(column + 1);
                    rows[row].resize(width, ' ');
                    rows[row][column] = letter;
                    column += 1;
                }
            }
            if rows.len() <= row {
                rows.resize(row + 1, Vec::new());
            }
        }
        let mut rows: Vec<String> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::testing::rows;
    use super::*;

    fn lines(texts: &[&str]) -> Vec<StyledLine> {
        texts.iter().map(|text| StyledLine::plain(text)).collect()
    }

    #[test]
    fn lines_come_above_and_what_stands_below_is_drawn_over_itself() {
        let (mut below, mut written) = (LinesBelow::default(), String::new());
        let size = (80, 24);
        written += &below.show(lines(&["ca [>  ]", "total"]), size, false);
        assert_eq!(rows(&written, 80), ["ca [>  ]", "total"]);
        assert_eq!(below.show(lines(&["ca [>  ]", "total"]), size, false), "", "nothing has changed");
        written += &below.above("a line", size);
        written += &below.show(lines(&["ca [=> ]"]), size, false);
        assert_eq!(rows(&written, 80), ["a line", "ca [=> ]"]);
        written += &below.above("another", size);
        written += &below.show(lines(&["ca [==>]", "ca-2", "total"]), size, false);
        assert_eq!(rows(&written, 80), ["a line", "another", "ca [==>]", "ca-2", "total"]);
        written += &below.show(Vec::new(), size, false);
        assert_eq!(rows(&written, 80), ["a line", "another"]);
        assert_eq!(below.show(Vec::new(), size, false), "");
        written += &below.above("a third", size);
        assert_eq!(rows(&written, 80), ["a line", "another", "a third"]);
    }

    #[test]
    fn what_is_too_wide_is_cut_and_what_a_narrower_terminal_has_wrapped_leaves_nothing() {
        let (mut below, wide) = (LinesBelow::default(), "=".repeat(200));
        let first = below.above("a line", (160, 24)) + &below.show(lines(&[&wide, "total"]), (160, 24), true);
        assert_eq!(rows(&first, 160)[1].chars().count(), 159);
        // As a terminal of 60 columns lays it out that was wider before: the same text, wrapped.
        let wrapped = first.replace("\u{1b}[?2026h", "");
        assert_eq!(rows(&wrapped, 60).len(), 1 + 3 + 1);
        // A line that comes meanwhile draws them as they are.
        let written = wrapped + &below.above("another", (60, 24));
        assert_eq!(rows(&written, 60).len(), 2 + 3 + 1);
        let written = written + &below.show(lines(&["ca", "total"]), (60, 24), true);
        assert_eq!(rows(&written, 60), ["a line", "another", "ca", "total"]);
        assert!(!written.contains("   "), "lines end where their text ends");
    }
}
