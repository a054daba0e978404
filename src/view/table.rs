//! Tables for terminals, and counts in them. Aligns columns by the cells that a terminal shows, and makes every cell safe to show.

pub(crate) use crate::text::grouped;
use crate::text::safe;
use unicode_width::UnicodeWidthStr;

/// Rows of cells as aligned lines, indented by two; the columns of `right` are aligned right.
pub(crate) fn table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.iter().map(|cell| safe::terminal(cell).into_owned()).collect())
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, (cell, widest)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(widest - width(cell));
            line.push(' ');
            if right.contains(&column) {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How many cells of a terminal a text takes, as Unicode declares them (UAX 11): wide letters and emoji two, combining marks none.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `1 action`, `2,000 actions`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_letters() {
        let row = |name: &str, count: &str| vec![name.to_owned(), count.to_owned(), "x".to_owned()];
        assert_eq!(
            table(&["name", "count", ""], &[1], &[row("철회", "5"), row("revoke", "1,200"), row("\u{1b}", "10")]),
            "  name    count\n  철회        5  x\n  revoke  1,200  x\n  \\u{1b}     10  x\n"
        );
    }

    #[test]
    fn counts_are_grouped() {
        for (number, expected) in
            [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1000, "1,000 rows"), (1_234_567, "1,234,567 rows")]
        {
            assert_eq!(plural(number, "row"), expected);
        }
    }
}
