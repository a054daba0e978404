//! Whether a list's first line is its header: a title may stand above it, a comment, or there is none and the first line is a row. Pure:
//! decides by what the first lines look like, and only where a person then decides; nothing is dropped by it.

/// What a list's first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstLine {
    /// The header, or nothing that is known.
    Header,
    /// A comment (`#`); the line of the header below.
    Comment(u32),
    /// A comment, and the line below is a row; its first column, from 0, whose cell is a value.
    CommentedRow(usize),
    /// A row; the first column, from 0, whose cell is a value.
    Row(usize),
    /// A title; the line of the header below.
    Title(u32),
}

/// Judges the first line. `is_name` knows the fields of the list's actions, and the columns that the user named; `is_word` the words that
/// stand in rows: providers, actions, reasons.
pub(super) fn judge(
    lines: &[(u32, Vec<String>)],
    is_name: &dyn Fn(&str) -> bool,
    is_word: &dyn Fn(&str) -> bool,
) -> FirstLine {
    let Some(((_, first), below)) = lines.split_first() else { return FirstLine::Header };
    let is_value = |cell: &str| is_identifier(cell) || is_date(cell) || is_word(cell);
    let names = |cells: &[String]| cells.iter().any(|cell| is_name(cell) && !is_value(cell));
    if names(first) {
        return FirstLine::Header;
    }
    let is_comment = |cells: &[String]| cells.first().is_some_and(|cell| cell.starts_with('#'));
    if is_comment(first) {
        let below = &below[below.iter().take_while(|(_, cells)| is_comment(cells)).count()..];
        return match (judge(below, is_name, is_word), below.first()) {
            (FirstLine::Header, Some((line, _))) => FirstLine::Comment(*line),
            (FirstLine::Title(line), _) => FirstLine::Comment(line),
            (FirstLine::Row(column), _) => FirstLine::CommentedRow(column),
            (other, _) => other,
        };
    }
    let second = below.first().map(|(_, cells)| cells.as_slice()).unwrap_or_default();
    let value = first.iter().position(|cell| is_identifier(cell) || is_incident(cell));
    let value = value.or_else(|| first.iter().position(|cell| is_value(cell)));
    // Above an identifier stands its column's name.
    let is_above = first.iter().zip(second).any(|(cell, other)| !is_identifier(cell) && is_identifier(other));
    let alike = || first.iter().zip(second).position(|(cell, other)| !is_above && is_alike(cell, other));
    if let Some(column) = value.or_else(alike) {
        return FirstLine::Row(column);
    }
    // Only over lines without an identifier: the remedy leaves out all lines above the header, and none may be a row.
    let titles = below.iter().take_while(|(_, cells)| !cells.iter().any(|cell| is_identifier(cell))).count();
    let header = below[..titles].iter().find(|(_, cells)| names(cells));
    let looks = |cells: &[String]| {
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        filled > 1 && filled == cells.len() && cells.iter().all(|cell| is_wordy(cell))
    };
    let by_looks = || {
        let found = below[..titles].iter().enumerate().find(|(_, (_, cells))| looks(cells));
        let (index, line) = found.filter(|_| !looks(first))?;
        // A header has a row of as many cells below it, with a value in it.
        let row = below.get(index + 1)?;
        (row.1.len() == line.1.len() && row.1.iter().any(|cell| is_value(cell))).then_some(line)
    };
    header.or_else(by_looks).map_or(FirstLine::Header, |(line, _)| FirstLine::Title(*line))
}

/// Whether the first line of a list that is read without a header is one all the same, a title or a comment: what stands in a column that is
/// taken is a field's name, or no identifier above one, or words above what all has digits.
pub(super) fn is_header(first: &str, below: &[&str], is_name: &dyn Fn(&str) -> bool) -> bool {
    let has_digit = |cell: &&str| cell.contains(|letter: char| letter.is_ascii_digit());
    let is_above_digits = is_wordy(first) && below.len() > 1 && below.iter().all(has_digit);
    let is_above = !is_identifier(first) && below.first().is_some_and(|cell| is_identifier(cell));
    first.starts_with('#') || is_name(first) || is_above || is_above_digits
}

/// A column's name for comparison: letters and digits, in small letters.
pub(super) fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a column's name is one for the beginning of a certificate's validity.
pub(super) fn is_validity_begin(name: &str) -> bool {
    let name = bare(name);
    VALIDITY_BEGIN.iter().any(|words| name.contains(words))
}

/// Whether a column's name is one for the end of a certificate's validity.
pub(super) fn is_validity_end(name: &str) -> bool {
    let name = bare(name);
    VALIDITY_END.iter().any(|words| name.contains(words))
}

/// Digits, hexadecimal digits in any usual spelling, a UUID, a number that a spreadsheet made, a URL, a file.
pub(super) fn is_identifier(cell: &str) -> bool {
    let cell = cell.trim_matches(['"', '\'', '=', '`', '“', '”', '„']);
    let text = ["serial=", "0x", "0X"].iter().find_map(|prefix| cell.strip_prefix(prefix)).unwrap_or(cell);
    let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | '-' | ' ')).collect();
    let is_hexadecimal = digits.chars().all(|letter| letter.is_ascii_hexdigit());
    let has_digit = digits.chars().any(|letter| letter.is_ascii_digit());
    let is_number = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    let is_rounded = text.replace(',', ".").parse::<f64>().is_ok() && has_digit;
    is_number
        || is_rounded
        || is_hexadecimal && has_digit && digits.len() >= 8 && !is_date(text)
        || cell.contains("://")
        || cell.starts_with("file:")
}

/// A line of words that begins as `serial HEX`.
fn is_incident(cell: &str) -> bool {
    cell.strip_prefix("serial ").and_then(|rest| rest.split(' ').next()).is_some_and(is_identifier)
}

/// A date, with or without a time.
fn is_date(cell: &str) -> bool {
    let day = cell.split(['T', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    let numbers =
        parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    parts.len() == 3 && numbers && (parts[0].len() == 4 || parts[2].len() == 4)
}

/// Letters, blanks and what joins words, and no digit.
fn is_wordy(cell: &str) -> bool {
    let is_part = |letter: char| letter.is_alphabetic() || " _-()/#.%'&?:".contains(letter);
    cell.chars().any(char::is_alphabetic) && cell.chars().all(is_part)
}

/// Whether two cells are made alike, and not of words alone: `shop.example.com` above `mail.example.com`. A header is not made like what it is
/// above.
fn is_alike(cell: &str, other: &str) -> bool {
    let form = form(cell);
    if form.chars().any(|letter| !matches!(letter, 'a' | ' ' | '_')) && form == self::form(other) {
        return true;
    }
    let both = |test: &dyn Fn(&str) -> bool| test(cell) && test(other);
    let has_digit = |text: &str| text.contains(|letter: char| letter.is_ascii_digit());
    // Names, addresses, paths; and numbers that are told by what joins them.
    both(&|text| !text.contains([' ', '_']))
        && (both(&|text| text.contains('.')) || both(&|text| text.contains('@')) || both(&|text| text.contains('/')))
        || both(&|text| has_digit(text) && text.contains('-') && !text.contains(' '))
}

/// A cell's form: `a` for letters, `x` for letters and digits, all else as it is.
fn form(cell: &str) -> String {
    let mut form = String::new();
    for part in cell.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if !word.is_empty() {
            form.push(if word.contains(|letter: char| letter.is_numeric()) { 'x' } else { 'a' });
        }
        form.push_str(&part[word.len()..]);
    }
    form
}

/// Parts of the names that inventories give to the two ends of a validity.
const VALIDITY_BEGIN: [&str; 7] =
    ["notbefore", "validfrom", "validsince", "validitybegin", "validitystart", "validityfrom", "gültigab"];
const VALIDITY_END: [&str; 10] = [
    "notafter",
    "validto",
    "validuntil",
    "validtill",
    "validthrough",
    "validityend",
    "validityto",
    "expir",
    "gültigbis",
    "만료",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> FirstLine {
        let lines: Vec<(u32, Vec<String>)> = (1..)
            .zip(text.lines())
            .map(|(line, cells)| (line, cells.split(',').map(str::to_owned).collect::<Vec<_>>()))
            .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        judge(&lines, &|name| ["certificate_id", "reason", "Cert ID"].contains(&name), &|word| {
            ["digicert", "revoke", "superseded"].contains(&word)
        })
    }

    #[test]
    fn a_header_is_told_from_a_row_a_title_and_a_comment() {
        use FirstLine::{Comment, CommentedRow, Header, Row, Title};
        for (text, expected) in [
            ("certificate_id,comments\n1,a\n", Header),
            ("Cert ID,2026\n1,a\n", Header),
            ("Certificate ID,Status\n112358,Issued\n", Header),
            ("certificate.id,certificate.name\n112358,shop.example.com\n", Header),
            ("", Header),
            ("0362aa10bb20cc30\n03f1aa10bb20cc30\n", Row(0)),
            ("02:AB:cd:EF:01\n", Row(0)),
            ("0x0362aa10\n", Row(0)),
            ("112358\n", Row(0)),
            ("digicert,revoke,x\n", Row(0)),
            ("shop,6434f74f-2d13-4e6a-89eb-93ee313f1a43\n", Row(1)),
            ("shop team,2026-12-01\n", Row(1)),
            ("shop team,01.12.2026 08:00\n", Row(1)),
            ("1.23E+35\n", Row(0)),
            ("=\"112358\"\n", Row(0)),
            ("https://crt.sh/?id=1\n", Row(0)),
            ("serial 0362aa10bb20cc30 131 b8dc names: [a]\n", Row(0)),
            ("shop.example.com\nmail.example.com\n", Row(0)),
            ("cert-0a1b\ncert-ff2\n", Row(0)),
            ("shop.example.com\nexample.com\n", Row(0)),
            ("a@example.com\nb.c@example.com\n", Row(0)),
            ("certs/shop.pem\n/etc/ssl/mail.pem\n", Row(0)),
            ("ORD-1\nORD-12-b\n", Row(0)),
            ("SHA-256,Name\nab12cd34,shop\n", Header),
            ("ORD-1,Anna\nORD-2,Bo\n", Row(0)),
            (
                "Orders export,,\nGenerated 2026-11-29 08:00,,\n,,\nCertificate ID,Common Name,Status\n112358,shop.example.com,Issued\n",
                Title(4),
            ),
            ("Orders export\n\ncertificate_id\n112358\n", Title(3)),
            ("# leaked, 2026-11-29\n# INC-42\ncertificate_id\n1\n", Comment(3)),
            ("# leaked\n112358\n", CommentedRow(0)),
            // The remedy would leave the second line out.
            ("Orders export,\n112358,a\ncertificate_id,comments\n", Header),
            ("Anna,Bo\nCara,Dan\n", Header),
        ] {
            assert_eq!(judged(text), expected, "{text}");
        }
    }

    #[test]
    fn a_header_is_seen_where_none_should_be() {
        let is_name = |name: &str| name == "certificate_id";
        for (first, below, expected) in [
            ("certificate_id", &[][..], true),
            ("# leaked", &["1"], true),
            ("Cert ID", &["112358"], true),
            ("Order", &["ORD-1", "ORD-2x"], true),
            ("Serials of INC-42", &["0362aa10bb20"], true),
            ("shop", &["mail", "www"], false),
            ("shop", &["shop2", "mail"], false),
            ("112358", &["112359"], false),
            ("02:ab:cd:ef", &["0362aa10bb20"], false),
        ] {
            assert_eq!(is_header(first, below, &is_name), expected, "{first}");
        }
    }

    #[test]
    fn a_validity_is_known_in_any_spelling() {
        for name in
            ["not_before", "Not Before", "notBefore", "Valid From", "VALID-FROM", "Gültig ab", "Certificate valid from"]
        {
            assert!(is_validity_begin(name), "{name}");
        }
        for name in [
            "not_after",
            "Not After",
            "valid to",
            "Valid_Until",
            "Expires",
            "Expiration Date",
            "Expiry (UTC)",
            "validTo",
        ] {
            assert!(is_validity_end(name), "{name}");
        }
        assert!(!is_validity_begin("start") && !is_validity_end("end"));
    }
}
