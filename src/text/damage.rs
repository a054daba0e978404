//! Values that cannot be what was meant: digits that a spreadsheet rounded, templates that nobody filled in, characters that cannot be
//! seen. Pure; which values are held against this is for those above.

use super::safe;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Why a value is not what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// More than 15 digits, the last five or more of them zeros.
    RoundedDigits,
    /// `1.23E+35`
    Exponent,
    /// `112358.0`
    Fraction,
    /// `112,358`, `112 358`, `112'358`
    Thousands,
    /// `12-Mar`, `1/2/2026`
    Date,
    /// `="112358"`
    Formula,
    /// `#N/A`, `#REF!`
    SpreadsheetError,
    /// `{{ order }}`, `${ORDER}`, `<id>`
    Placeholder,
    /// `TODO`, `N/A`, `null`, `-`
    Filler,
    /// `0ab8…a659`
    CutOff,
    /// `&nbsp;`, `&lt;id&gt;`
    Markup,
    /// A quotation mark in a value, typographic or left over.
    Quote(char),
    /// A comma or the like at an end, left over from a list.
    Separator(char),
    /// A dash that is no `-`.
    Dash(char),
    /// A character that nobody sees.
    Invisible(char),
    /// A control character.
    Control(char),
    /// A letter or digit that only looks like an ASCII one.
    LookAlike(char),
    /// A blank at an end.
    Blank,
}

impl Damage {
    /// What is wrong with a value that names something. `None` where nothing is.
    pub fn of(value: &str) -> Option<Self> {
        // One pass over the bytes; of a million rows nearly all end here.
        let (mut kinds, mut zeros) = (0_u8, 0_usize);
        for byte in value.bytes() {
            kinds |= KINDS[usize::from(byte)];
            zeros = if byte == b'0' { zeros + 1 } else { 0 };
        }
        let is_usual = kinds & (ODD | DOT) == 0 && kinds & DIGIT != 0;
        let is_rounded = kinds == DIGIT && value.len() > MAX_EXACT && zeros >= ROUNDED;
        let is_nil = value.len() == NIL_UUID.len() && value == NIL_UUID;
        if kinds & DIGIT != 0 && kinds & (MARK | DOT | ODD) != 0 && value.len() <= MAX_DATE && is_date(value) {
            return Some(Self::Date);
        }
        if is_usual && !is_rounded && !is_nil || value.is_empty() {
            return None;
        }
        if is_rounded {
            return Some(Self::RoundedDigits);
        }
        by_letters(value).or_else(|| by_form(value))
    }

    /// What is wrong with words for people: what acts on whoever shows them, and is no letter of any language. `None` where nothing is.
    pub fn of_words(words: &str) -> Option<Self> {
        words.chars().find_map(|letter| match letter {
            '\t' | '\n' | '\r' => None,
            // Marks of direction are part of Arabic and Hebrew; overrides, embeddings and isolates make text read as what it is not.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(Self::Invisible(letter)),
            _ if letter.is_control() => Some(Self::Control(letter)),
            _ => None,
        })
    }

    /// What is wrong, as the end of a sentence about the value.
    pub fn what(self) -> Cow<'static, str> {
        match self {
            Self::RoundedDigits | Self::Exponent => "looks like a number that a spreadsheet rounded".into(),
            Self::Fraction => "looks like a number to which a spreadsheet has added a decimal point".into(),
            Self::Thousands => "has its digits in groups of three, as spreadsheets write numbers".into(),
            Self::Date => "is a date as spreadsheets write it, which they make of an id such as `3-12`".into(),
            Self::Formula => "is a spreadsheet's formula, and not its result".into(),
            Self::SpreadsheetError => "is a spreadsheet's error, and no value".into(),
            Self::Placeholder => "looks like a place in a template that was not filled in".into(),
            Self::Filler => "looks like a word that stands for a missing value".into(),
            Self::CutOff => "looks as if a part of it had been cut off".into(),
            Self::Markup => "has markup of a web page in it".into(),
            Self::Quote(letter) => format!("has a quotation mark in it, {}", named(letter)).into(),
            Self::Separator(letter) => {
                format!("has a `{letter}` at its beginning or end, left over from a list").into()
            }
            Self::Dash(letter) => format!("has a dash in it that is no `-`, {}", named(letter)).into(),
            Self::Invisible(letter) => format!("has a character in it that cannot be seen, {}", named(letter)).into(),
            Self::Control(letter) => format!("has a control character in it, {}", named(letter)).into(),
            Self::LookAlike(letter) => {
                format!("has a character in it that only looks like a usual one, {}", named(letter)).into()
            }
            Self::Blank => "has a blank at its beginning or end".into(),
        }
    }

    /// What would be right.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::RoundedDigits | Self::Exponent => {
                "take all its digits from the source and keep the column as text: a spreadsheet such as Excel keeps 15 of them"
            }
            Self::Fraction | Self::Thousands | Self::Date => {
                "take it from the source as it is, and keep the column as text"
            }
            Self::Formula => "write the value alone, without `=` and quotation marks",
            Self::SpreadsheetError | Self::Markup => "take the value from the source",
            Self::Placeholder => "fill in the template, and check what comes of it",
            Self::Filler => "write the value; where there is none, leave the field out or the row",
            Self::CutOff => "take the whole value from the source",
            Self::Quote(_) => "write the value without quotation marks, or between `\"` and `\"` for YAML",
            Self::Separator(_) => "delete it, and see whether a part of the value is missing",
            Self::Dash(_) | Self::LookAlike(_) => "type it again, in the letters of the provider's own records",
            Self::Invisible(_) | Self::Control(_) => "delete that character; it came with copying, most likely",
            Self::Blank => "delete the blank",
        }
    }
}

/// A text in which what cannot be seen is shown by its code point.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|letter| letter.is_control() || is_invisible(letter)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_control() || is_invisible(letter) {
            // Nothing keeps text from being written into memory.
            let _written = write!(shown, "\\u{{{:x}}}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Foreign text inside a message: safe for terminals, what cannot be seen is shown, and it is not longer than a line can bear.
pub fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    safe::terminal(&visible(&cut)).into_owned()
}

/// The nearest right name as a question; with the character that makes the difference, where nobody sees it.
pub fn did_you_mean(name: &str, right: &str) -> String {
    format!("did you mean `{right}`?{}", unseen(name))
}

/// What follows a question for the right name: the character that makes the difference, where nobody sees it. Empty where there is none.
pub fn unseen(name: &str) -> String {
    by_letters(name).map(|damage| format!(" what stands here {}", damage.what())).unwrap_or_default()
}

/// By single characters that no value has.
fn by_letters(value: &str) -> Option<Damage> {
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    // Within one label of a name: `αβ.gr` is one in Greek.
    let is_mixed = |letter: char| {
        let is_latin = |label: &str| label.bytes().any(|byte| byte.is_ascii_alphanumeric());
        value.split('.').any(|label| label.contains(letter) && is_latin(label))
    };
    value.chars().find_map(|letter| match letter {
        _ if letter.is_ascii_control() || letter.is_control() => Some(Damage::Control(letter)),
        _ if letter.is_ascii() => None,
        _ if is_invisible(letter) => Some(Damage::Invisible(letter)),
        '\u{2018}'..='\u{201f}'
        | '\u{ab}'
        | '\u{bb}'
        | '\u{2039}'
        | '\u{203a}'
        | '\u{b4}'
        | '\u{2032}'..='\u{2036}' => Some(Damage::Quote(letter)),
        '\u{300c}'..='\u{300f}' | '\u{301d}'..='\u{301f}' | '\u{ff02}' | '\u{ff07}' => Some(Damage::Quote(letter)),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{58a}' | '\u{5be}' | '\u{1806}' | '\u{2e3a}' | '\u{2e3b}' => {
            Some(Damage::Dash(letter))
        }
        '\u{301c}' | '\u{3030}' | '\u{fe31}' | '\u{fe32}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
            Some(Damage::Dash(letter))
        }
        '\u{2026}' => Some(Damage::CutOff),
        // Full-width forms, as keyboards of East Asia write them; digits of other scripts.
        '\u{ff01}'..='\u{ff5e}' => Some(Damage::LookAlike(letter)),
        _ if letter.is_numeric() => Some(Damage::LookAlike(letter)),
        // Greek and Cyrillic letters among Latin ones.
        '\u{370}'..='\u{52f}' if is_mixed(letter) => Some(Damage::LookAlike(letter)),
        _ => None,
    })
}

/// By the form of the whole value.
fn by_form(value: &str) -> Option<Damage> {
    let bytes = value.as_bytes();
    let (first, last) = (*bytes.first()?, *bytes.last()?);
    if first == b'=' {
        return Some(Damage::Formula);
    }
    if first == b'#' && is_spreadsheet_error(&value[1..]) {
        return Some(Damage::SpreadsheetError);
    }
    if is_markup(value) {
        return Some(Damage::Markup);
    }
    if is_placeholder(value) {
        return Some(Damage::Placeholder);
    }
    if let Some(quote) = ['\'', '"', '`'].into_iter().find(|quote| value.starts_with(*quote) || value.ends_with(*quote))
    {
        return Some(Damage::Quote(quote));
    }
    if is_filler(value) {
        return Some(Damage::Filler);
    }
    let is_end = |separator: &char| value.starts_with(*separator) || value.ends_with(*separator);
    if let Some(separator) = [',', ';', '|'].iter().find(|separator| is_end(separator)) {
        return Some(Damage::Separator(*separator));
    }
    if first == b' ' || last == b' ' {
        return Some(Damage::Blank);
    }
    if value.contains("...") {
        return Some(Damage::CutOff);
    }
    // What follows is said of numbers alone.
    let is_numeric = |byte: u8| byte.is_ascii_digit() || b".,eE+- '".contains(&byte);
    let unsigned = value.trim_start_matches(['-', '+']);
    if !bytes.iter().copied().all(is_numeric) || !unsigned.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    // Where the system's language says so, the decimal point is a comma.
    let plain = value.replacen(',', ".", 1);
    if let Some((mantissa, exponent)) = plain.split_once(['e', 'E']) {
        let is_signed = exponent.starts_with(['+', '-']);
        // Without a sign and a point it may be hexadecimal: `12E45`.
        return ((is_signed || mantissa.contains('.')) && plain.parse::<f64>().is_ok()).then_some(Damage::Exponent);
    }
    let groups: Vec<&str> = unsigned.split([',', '.', ' ', '\'']).collect();
    if groups.len() == 2 && !groups[1].is_empty() && groups[1].bytes().all(|digit| digit == b'0') {
        return Some(Damage::Fraction);
    }
    let is_grouped = value.contains([',', ' ', '\'']) && groups[0].len() <= 3;
    (is_grouped && groups[1..].iter().all(|group| group.len() == 3)).then_some(Damage::Thousands)
}

/// `12-Mar`, `Mar-26`, `12-Mar-2026`, `1/2/2026`, `2026/1/2`, `01.02.2026`, `2026-01-02 00:00:00`. A date alone as in RFC 3339 may be a name.
fn is_date(value: &str) -> bool {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_small = |part: &str| matches!(part.len(), 1 | 2) && is_number(part);
    let is_year = |part: &str| matches!(part.len(), 2 | 4) && is_number(part);
    let is_month = |part: &str| MONTHS.contains(&part);
    let (date, clock) = value.split_once(' ').map_or((value, None), |(date, clock)| (date, Some(clock)));
    let Some(separator) = date.chars().find(|letter| matches!(letter, '-' | '/' | '.')) else { return false };
    let mut parts = date.splitn(4, separator);
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    if let Some(clock) = clock {
        let is_clock = clock.len() >= 4 && clock.split(':').count() > 1 && clock.split(':').all(is_small);
        let three = matches!(parts, (Some(a), Some(b), Some(c), None) if is_number(a) && is_number(b) && is_number(c));
        return is_clock && three;
    }
    match parts {
        (Some(first), Some(second), None, None) => {
            separator == '-' && (is_small(first) && is_month(second) || is_month(first) && is_small(second))
        }
        (Some(day), Some(month), Some(year), None) if separator == '-' => {
            is_small(day) && is_month(month) && is_year(year)
        }
        (Some(first), Some(second), Some(third), None) if separator == '/' => {
            is_small(second)
                && (is_small(first) && is_year(third) || first.len() == 4 && is_number(first) && is_small(third))
        }
        (Some(day), Some(month), Some(year), None) => {
            is_small(day) && is_small(month) && year.len() == 4 && is_number(year)
        }
        _ => false,
    }
}

/// `N/A`, `REF!`, `DIV/0!`, `NAME?` and those of other languages; a column that is too narrow shows `####`.
fn is_spreadsheet_error(rest: &str) -> bool {
    let is_loud = rest.len() > 1 && rest.ends_with(['!', '?']) && !rest.bytes().any(|byte| byte.is_ascii_lowercase());
    is_loud || matches!(rest, "N/A" | "NV") || rest.bytes().all(|byte| byte == b'#')
}

/// `&nbsp;`, `&#160;`
fn is_markup(value: &str) -> bool {
    let mut entities = value.split('&').skip(1).filter_map(|rest| rest.split_once(';'));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'#';
    entities.any(|(name, _)| name.len() > 1 && name.bytes().all(is_name))
}

fn is_placeholder(value: &str) -> bool {
    // Ids, serial numbers and names have none of these.
    if value.contains(['{', '}', '<', '>', '$']) {
        return true;
    }
    // `%ORDER%` of Windows, `@ORDER@` of autoconf, `[ID]` and `__ID__` of people. Two letters or more: `%3A` is a colon in a URL.
    let is_word = |text: &str| {
        text.len() > 1
            && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_- .".contains(&byte))
    };
    let between = |open: char, close: char| {
        let mut parts = value.split(open).skip(1);
        parts.any(|part| part.split_once(close).is_some_and(|(inner, _)| is_word(inner)))
    };
    let percents: Vec<&str> = value.split('%').collect();
    let is_enclosed = between('[', ']')
        || percents.len() > 2 && percents[1..percents.len() - 1].iter().any(|part| is_word(part))
        // An e-mail address has one `@`.
        || value.starts_with('@') && value.ends_with('@') && is_word(value.trim_matches('@'));
    let is_underlined = value.len() > 4 && value.starts_with("__") && value.ends_with("__");
    // What Go writes for an argument that is missing: `%!d(MISSING)`.
    is_enclosed || is_underlined || value.starts_with("%!") || matches!(value, "%s" | "%d" | "%v" | "%u")
}

fn is_filler(value: &str) -> bool {
    let is_mark = |byte: u8| b"-_.?*~".contains(&byte);
    if value.bytes().all(is_mark) || value.len() > 2 && value.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x')) {
        return true;
    }
    if value.len() > MAX_FILLER {
        return value == NIL_UUID;
    }
    let plain: String =
        value.chars().filter(|letter| !" _-./()".contains(*letter)).map(|letter| letter.to_ascii_lowercase()).collect();
    // `YOUR_ORDER_ID`, `insert id here`; and `\N`, which databases write.
    let begins = ["your", "insert", "enter", "put"].iter().any(|word| plain.starts_with(word));
    let is_asked_for =
        begins && ["id", "number", "name", "serial", "value", "here"].iter().any(|word| plain.ends_with(word));
    let is_asked_for = is_asked_for || plain == "\\n";
    is_asked_for || FILLERS.contains(&plain.as_str())
}

/// Characters that take no ink, or look like a blank.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}')
}

/// A character by its code point, and by its name where people may know it.
fn named(letter: char) -> String {
    let name = match letter {
        '\0' => "NUL",
        '\t' => "tab",
        '\n' => "line break",
        '\r' => "carriage return",
        '\u{1b}' => "escape",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' => "it changes the direction of writing",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{feff}' => "byte order mark",
        '\u{fffd}' => "in the place of bytes that were lost",
        '\u{2010}' => "hyphen",
        '\u{2011}' => "no-break hyphen",
        '\u{2013}' => "en dash",
        '\u{2014}' => "em dash",
        '\u{2212}' => "minus sign",
        _ if letter.is_control() || is_invisible(letter) => "",
        _ => return format!("`{letter}` (U+{:04X})", u32::from(letter)),
    };
    let code = format!("U+{:04X}", u32::from(letter));
    if name.is_empty() { code } else { format!("{code} ({name})") }
}

const DIGIT: u8 = 1;
const LETTER: u8 = 2;
const MARK: u8 = 4;
const DOT: u8 = 8;
const ODD: u8 = 16;

/// What each byte is. Marks are those that ids and serial numbers have.
const KINDS: [u8; 256] = {
    let mut kinds = [ODD; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'-' | b'_' | b':' => MARK,
            b'.' => DOT,
            _ => ODD,
        };
        byte += 1;
    }
    kinds
};
/// Digits that a spreadsheet keeps (IEEE 754, binary64).
const MAX_EXACT: usize = 15;
/// So many zeros at the end of more digits are no chance: one number of a hundred thousand has them.
const ROUNDED: usize = 5;
/// Bytes of the longest date: `2026-01-02 00:00:00`.
const MAX_DATE: usize = 19;
/// The months as spreadsheets in English shorten them.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Characters of a value that a message shows.
const MAX_SHOWN_CHARS: usize = 60;
/// Bytes of the longest filler as people write it.
const MAX_FILLER: usize = 24;
/// The UUID that stands for none (RFC 9562, section 5.9).
const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";
/// Words that stand for a missing value, without blanks and marks, in lower case. `no` and `on` are values.
const FILLERS: [&str; 20] = [
    "todo",
    "tbd",
    "tba",
    "fixme",
    "changeme",
    "replaceme",
    "insertme",
    "fillin",
    "fillme",
    "na",
    "nil",
    "null",
    "none",
    "undefined",
    "nan",
    "unknown",
    "missing",
    "empty",
    "placeholder",
    "notavailable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_reader_is_found_in_words() {
        for (words, expected) in [
            (
                "INC-42: key leaked, see \u{201e}notes\u{201c} \u{2014} \u{440}\u{443}\u{441} \u{1f511}\u{200d}\u{fe0f}",
                None,
            ),
            ("a\tb\r\nc", None),
            ("\u{200f}\u{5d0}\u{200e} 1", None),
            ("\u{1b}[31m", Some(Damage::Control('\u{1b}'))),
            ("bell\u{7}", Some(Damage::Control('\u{7}'))),
            ("\u{9b}2J", Some(Damage::Control('\u{9b}'))),
            ("delete\u{7f}", Some(Damage::Control('\u{7f}'))),
            ("txt.\u{202e}exe", Some(Damage::Invisible('\u{202e}'))),
            ("\u{2066}isolated\u{2069}", Some(Damage::Invisible('\u{2066}'))),
        ] {
            assert_eq!(Damage::of_words(words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_name_that_only_looks_right_is_told_by_its_character() {
        for (name, unseen) in [
            ("digicrt", ""),
            ("digicert\u{a0}", " what stands here has a character in it that cannot be seen, U+00A0 (no-break space)"),
            (
                "\u{200b}digicert",
                " what stands here has a character in it that cannot be seen, U+200B (zero width space)",
            ),
            (
                "digi\u{441}ert",
                " what stands here has a character in it that only looks like a usual one, `\u{441}` (U+0441)",
            ),
        ] {
            assert_eq!(did_you_mean(name, "digicert"), format!("did you mean `digicert`?{unseen}"));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_found() {
        use Damage::{
            Blank, Control, CutOff, Dash, Date, Exponent, Filler, Formula, Fraction, Invisible, LookAlike, Markup,
            Placeholder, Quote, RoundedDigits, Separator, SpreadsheetError, Thousands,
        };
        for (value, expected) in [
            ("123457000000000000000000000000000000", RoundedDigits),
            ("40532817364510000000", RoundedDigits),
            ("1234567890100000", RoundedDigits),
            ("1.23457E+35", Exponent),
            ("1,23457E+35", Exponent),
            ("5,00E+05", Exponent),
            ("1.2e17", Exponent),
            ("1E+17", Exponent),
            ("-1.5E-7", Exponent),
            ("112358.0", Fraction),
            ("112358,00", Fraction),
            ("112,358", Thousands),
            ("1.112,358", Thousands),
            ("1 112 358", Thousands),
            ("1'112'358", Thousands),
            ("12-Mar", Date),
            ("Mar-26", Date),
            ("1-Mar-26", Date),
            ("12-Mar-2026", Date),
            ("1/2/2026", Date),
            ("12/31/26", Date),
            ("2026/3/12", Date),
            ("01.02.2026", Date),
            ("2026-01-02 00:00:00", Date),
            ("1/2/2026 0:00", Date),
            ("=\"112359\"", Formula),
            ("=A1", Formula),
            ("'112360", Quote('\'')),
            ("\"112360\"", Quote('"')),
            ("112360,", Separator(',')),
            (";112360", Separator(';')),
            ("112360|", Separator('|')),
            ("`7`", Quote('`')),
            ("#N/A", SpreadsheetError),
            ("#NV", SpreadsheetError),
            ("#REF!", SpreadsheetError),
            ("#DIV/0!", SpreadsheetError),
            ("#NAME?", SpreadsheetError),
            ("#BEZUG!", SpreadsheetError),
            ("#\u{a1}REF!", SpreadsheetError),
            ("&nbsp;7", Markup),
            ("&lt;id&gt;", Markup),
            ("7&#160;", Markup),
            ("#####", SpreadsheetError),
            ("{{ order }}", Placeholder),
            ("{{order}}-1", Placeholder),
            ("{% order %}", Placeholder),
            ("${ORDER}", Placeholder),
            ("$ORDER", Placeholder),
            ("$(order)", Placeholder),
            ("#{order}", Placeholder),
            ("{order}", Placeholder),
            ("%ORDER%", Placeholder),
            ("%s", Placeholder),
            ("%!d(MISSING)", Placeholder),
            ("<no value>", Placeholder),
            ("[object Object]", Placeholder),
            ("@ORDER@", Placeholder),
            ("__ORDER__", Placeholder),
            ("<id>", Placeholder),
            ("<your order id>", Placeholder),
            ("<%= id %>", Placeholder),
            ("[ID]", Placeholder),
            ("[order id]", Placeholder),
            ("ORD-[ID]", Placeholder),
            ("ORD-%ORDER%", Placeholder),
            ("ORD-%ORDER%-7", Placeholder),
            ("TODO", Filler),
            ("todo", Filler),
            ("TBD", Filler),
            ("CHANGEME", Filler),
            ("change-me", Filler),
            ("Replace Me", Filler),
            ("xxx", Filler),
            ("XXXXXXXX", Filler),
            ("N/A", Filler),
            ("n.a.", Filler),
            ("null", Filler),
            ("NULL", Filler),
            ("None", Filler),
            ("undefined", Filler),
            ("(null)", Filler),
            ("\\N", Filler),
            ("YOUR_ORDER_ID", Filler),
            ("your-id", Filler),
            ("insert id here", Filler),
            ("00000000-0000-0000-0000-000000000000", Filler),
            ("NaN", Filler),
            ("-", Filler),
            ("--", Filler),
            ("?", Filler),
            ("???", Filler),
            ("0ab8...a659", CutOff),
            ("0ab8\u{2026}a659", CutOff),
            ("\u{201c}7\u{201d}", Quote('\u{201c}')),
            ("\u{2019}7", Quote('\u{2019}')),
            ("\u{ab}7\u{bb}", Quote('\u{ab}')),
            ("12\u{2013}34", Dash('\u{2013}')),
            ("12\u{2212}34", Dash('\u{2212}')),
            ("\u{2014}", Dash('\u{2014}')),
            ("112358\u{a0}", Invisible('\u{a0}')),
            ("\u{feff}112358", Invisible('\u{feff}')),
            ("11\u{200b}2358", Invisible('\u{200b}')),
            ("11\u{ad}2358", Invisible('\u{ad}')),
            ("\u{202e}112358", Invisible('\u{202e}')),
            ("\u{3000}7", Invisible('\u{3000}')),
            ("11\u{fffd}58", Invisible('\u{fffd}')),
            ("11\u{0}58", Control('\u{0}')),
            ("11\n58", Control('\n')),
            ("11\t58", Control('\t')),
            ("11\u{85}58", Control('\u{85}')),
            ("\u{ff11}\u{ff12}", LookAlike('\u{ff11}')),
            ("\u{661}\u{662}", LookAlike('\u{661}')),
            ("00\u{435}5", LookAlike('\u{435}')),
            (" 7", Blank),
            ("7 ", Blank),
        ] {
            assert_eq!(Damage::of(value), Some(expected), "{value:?}");
            assert!(!expected.what().is_empty() && !expected.remedy().is_empty());
        }
    }

    #[test]
    fn what_may_be_meant_is_left_alone() {
        for value in [
            "",
            "1",
            "0",
            "112358",
            "0012",
            "00e5",
            "12E45",
            "1e3",
            "-3",
            "0x1F",
            "0a:b8:ed",
            "no",
            "on",
            "yes",
            "NO",
            "2026-12-01",
            "12:30:45",
            "1_000",
            "100000",
            "100000000000000",
            "12345678901234567890",
            "a-1",
            "shop",
            "shop.example.com",
            "*.shop.example.com",
            "10.0.0.1",
            "1.2.3",
            "1.5",
            "2001:db8::1",
            "Order 7",
            "ORD/2026/7",
            "a@b",
            "50%",
            "100%",
            "#7",
            "주문",
            "m\u{fc}ller.example",
            "\u{3b1}\u{3b2}.gr",
            "x",
            "v1",
            "A+B",
            "file:csr/shop.csr",
            "6434f74f-2d13-4e6a-89eb-93ee313f1a43",
            "arn:aws:acm:us-east-1:111122223333:certificate/12345678",
            "0a%3Ab8%3Aed",
            "100%-50%",
            "[2001:db8::1]",
            "a[0]",
            "nano",
            "nullable",
            "atmosphere",
            "yourshop",
        ] {
            assert_eq!(Damage::of(value), None, "{value:?}");
        }
    }

    #[test]
    fn characters_are_named_by_code_point() {
        for (damage, words) in [
            (Damage::Invisible('\u{a0}'), "U+00A0 (no-break space)"),
            (Damage::Invisible('\u{2063}'), "U+2063"),
            (Damage::Control('\u{7}'), "U+0007"),
            (Damage::Quote('\u{201c}'), "`\u{201c}` (U+201C)"),
            (Damage::Dash('\u{2013}'), "U+2013 (en dash)"),
        ] {
            assert!(damage.what().contains(words), "{}", damage.what());
        }
        assert_eq!(visible("a\u{a0}\u{200b}b\u{0}"), "a\\u{a0}\\u{200b}b\\u{0}");
        assert_eq!(visible("철회"), "철회");
    }
}
