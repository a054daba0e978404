//! Serial numbers of certificates (RFC 5280, section 4.1.2.2): read in all the ways in which people and tools write them, compared as
//! numbers, and written in the one spelling that a provider takes. Knows no provider and reads no file.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A serial number, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SerialNumber(Box<[u8]>);

/// In which digits a serial number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialNotation {
    /// As most tools write it.
    Hexadecimal,
    /// As Java, Go, step-ca and cfssl write it.
    Decimal,
}

/// How a serial number goes to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SerialSpelling {
    /// `0a1b2c`: two digits for each octet.
    #[default]
    HexLower,
    /// `0A1B2C`
    HexUpper,
    /// `0a:1b:2c`
    HexLowerColons,
    /// `0A:1B:2C`
    HexUpperColons,
    /// `a1b2c`: no zero in front.
    HexLowerTrimmed,
    /// `A1B2C`
    HexUpperTrimmed,
    /// `662316`
    Decimal,
}

/// Why a text is no serial number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialNumberError {
    /// Another letter than a hexadecimal digit.
    #[error("it is not in hexadecimal digits")]
    NotHexadecimal,
    /// Another letter than a decimal digit, where the digits are to be decimal.
    #[error("it is not in decimal digits")]
    NotDecimal,
    /// Colons, dashes or blanks elsewhere than between groups of equal length.
    #[error("its {0} do not stand between pairs of digits")]
    Separators(&'static str),
    /// `4096 (0x1001)`: openssl writes a number twice, and these are two.
    #[error("it names two numbers")]
    TwoNumbers,
    /// So many digits and no letter: it may be decimal as well.
    #[error("it has {0} digits and no letter, so it may be in decimal")]
    DigitsAlone(usize),
    /// No digit, none but 0, or a minus.
    #[error("it must be greater than 0")]
    NotPositive,
    /// Longer than any.
    #[error("it has {0} octets, and none has more than {MAX_OCTETS}")]
    TooLong(usize),
}

impl SerialNumber {
    /// Reads one of which nobody has said whether its digits are hexadecimal or decimal: they are hexadecimal, but for digits alone that
    /// are too many for that ([`SerialNumberError::DigitsAlone`]). Upper and lower case, colons, dashes and blanks between pairs of digits,
    /// zeros and `0x` in front, and the words that openssl and others put before it make no difference.
    ///
    /// # Errors
    /// It is none (RFC 5280, section 4.1.2.2).
    pub fn parse(text: &str) -> Result<Self, SerialNumberError> {
        read(text, None)
    }

    /// Reads one whose digits are known to be hexadecimal or decimal. What says by itself that it is hexadecimal (`0x`, colons, `serial=`)
    /// is read so in any case.
    ///
    /// # Errors
    /// It is none.
    pub fn parse_in(text: &str, notation: SerialNotation) -> Result<Self, SerialNumberError> {
        read(text, Some(notation))
    }

    /// Of a number in DER.
    pub(super) fn from_der(content: &[u8]) -> Self {
        Self(content.iter().copied().skip_while(|octet| *octet == 0).collect())
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As a provider takes it.
    pub fn spelled(&self, spelling: SerialSpelling) -> String {
        use SerialSpelling::{
            Decimal, HexLower, HexLowerColons, HexLowerTrimmed, HexUpper, HexUpperColons, HexUpperTrimmed,
        };
        let colons = |digits: String| {
            let mut text = String::with_capacity(digits.len() * 3 / 2);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && index % 2 == 0 {
                    text.push(':');
                }
                text.push(digit);
            }
            text
        };
        let trimmed = |digits: String| digits.trim_start_matches('0').to_owned();
        match spelling {
            HexLower => hex::encode(&self.0),
            HexUpper => hex::encode_upper(&self.0),
            HexLowerColons => colons(hex::encode(&self.0)),
            HexUpperColons => colons(hex::encode_upper(&self.0)),
            HexLowerTrimmed => trimmed(hex::encode(&self.0)),
            HexUpperTrimmed => trimmed(hex::encode_upper(&self.0)),
            Decimal => to_decimal(&self.0),
        }
    }
}

impl SerialSpelling {
    /// The words of documents.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::HexLower, "hex-lower"),
        (Self::HexUpper, "hex-upper"),
        (Self::HexLowerColons, "hex-lower-colons"),
        (Self::HexUpperColons, "hex-upper-colons"),
        (Self::HexLowerTrimmed, "hex-lower-trimmed"),
        (Self::HexUpperTrimmed, "hex-upper-trimmed"),
        (Self::Decimal, "decimal"),
    ];

    /// The digits that it has.
    pub const fn notation(self) -> SerialNotation {
        match self {
            Self::Decimal => SerialNotation::Decimal,
            _ => SerialNotation::Hexadecimal,
        }
    }

    /// The word of documents.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(spelling, _)| *spelling == self).map_or("", |(_, word)| word)
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "00" } else { "" })?;
        formatter.write_str(&hex::encode(&self.0))
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = SerialNumberError;

    fn try_from(text: String) -> Result<Self, SerialNumberError> {
        Self::parse_in(&text, SerialNotation::Hexadecimal)
    }
}

fn read(text: &str, notation: Option<SerialNotation>) -> Result<SerialNumber, SerialNumberError> {
    let (text, named_hex) = without_name(text.trim());
    if let Some((decimal, hexadecimal)) = written_twice(text) {
        let (one, other) = (from_decimal(decimal)?, from_hexadecimal(hexadecimal)?);
        return if one == other { Ok(one) } else { Err(SerialNumberError::TwoNumbers) };
    }
    if text.starts_with('-') {
        return Err(SerialNumberError::NotPositive);
    }
    let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let says_hex = named_hex || bare.is_some();
    let digits = bare.unwrap_or(text);
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // What is grouped in pairs is hexadecimal as well: nobody groups decimal digits so.
    let is_grouped = digits.contains(is_separator);
    match notation {
        Some(SerialNotation::Decimal) if is_digits && !says_hex => from_decimal(digits),
        Some(SerialNotation::Decimal) if !says_hex && !is_grouped => Err(SerialNumberError::NotDecimal),
        None if is_digits && !says_hex && may_be_decimal(digits) => Err(SerialNumberError::DigitsAlone(digits.len())),
        _ => from_hexadecimal(digits),
    }
}

/// The text behind a name such as `serial=` (`openssl x509 -serial`), `Serial Number:` (`-text`) or `Serial Number (hex):` (`certtool`), and
/// whether that name says that it is hexadecimal.
fn without_name(text: &str) -> (&str, bool) {
    // Nearly every text begins with a digit.
    if !text.starts_with(['s', 'S']) {
        return (text, false);
    }
    let strip = |text: &'_ str, word: &str| {
        text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)).then_some(word.len())
    };
    let Some(length) = strip(text, "serial") else { return (text, false) };
    let rest = text[length..].trim_start_matches([' ', '_', '-']);
    let number = ["number", "no.", "no"].into_iter().find_map(|word| strip(rest, word));
    let rest = rest[number.unwrap_or(0)..].trim_start();
    let hex = strip(rest, "(hex)");
    let rest = rest[hex.unwrap_or(0)..].trim_start();
    match rest.strip_prefix('=') {
        Some(digits) => (digits.trim_start(), true),
        None => match rest.strip_prefix(':') {
            Some(digits) => (digits.trim_start(), hex.is_some()),
            None => (text, false),
        },
    }
}

/// `4096 (0x1000)`, as `openssl x509 -text` writes small ones.
fn written_twice(text: &str) -> Option<(&str, &str)> {
    let (decimal, hexadecimal) = text.strip_suffix(')')?.split_once('(')?;
    Some((decimal.trim_end(), hexadecimal.strip_prefix("0x")?))
}

/// Whether digits without a letter may be decimal. Of random numbers in hexadecimal one of three thousand with 17 digits has no letter,
/// one of a million with 30. A zero in front makes whole octets, and no decimal number has one.
fn may_be_decimal(digits: &str) -> bool {
    let is_padded = digits.starts_with('0') && digits.len().is_multiple_of(2) && digits.len() <= 2 * MAX_OCTETS;
    !is_padded && (MIN_AMBIGUOUS..=MAX_DECIMAL).contains(&digits.trim_start_matches('0').len())
}

fn from_hexadecimal(text: &str) -> Result<SerialNumber, SerialNumberError> {
    let ungrouped;
    let digits = match text.find(is_separator) {
        None => text,
        Some(place) => {
            ungrouped = without_separators(text, place)?;
            &ungrouped
        }
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(SerialNumberError::NotHexadecimal);
    }
    let digits = digits.trim_start_matches('0');
    let length = digits.len().div_ceil(2);
    if length > MAX_OCTETS {
        return Err(SerialNumberError::TooLong(length));
    }
    // From the last digit on, since there may be an odd number of them.
    let mut octets = vec![0; length];
    for (index, digit) in digits.chars().rev().enumerate() {
        let value = digit.to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default();
        octets[length - 1 - index / 2] |= if index % 2 == 0 { value } else { value << 4 };
    }
    checked(octets)
}

/// The digits of groups of equal length; the first may have lost its zeros.
fn without_separators(text: &str, place: usize) -> Result<String, SerialNumberError> {
    if !text.chars().all(|letter| letter.is_ascii_hexdigit() || is_separator(letter)) {
        return Err(SerialNumberError::NotHexadecimal);
    }
    let (separator, named) = match text[place..].chars().next() {
        Some(':') => (':', "colons"),
        Some('-') => ('-', "dashes"),
        _ => (' ', "blanks"),
    };
    let wrong = SerialNumberError::Separators(named);
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    let others: Vec<&str> = groups.collect();
    let length = others.first().map_or(0, |group| group.len());
    let is_even = length > 0 && length.is_multiple_of(2) && (1..=length).contains(&first.len());
    if !is_even || others.iter().any(|group| group.len() != length || group.contains(is_separator)) {
        return Err(wrong);
    }
    Ok(std::iter::once(first).chain(others).collect())
}

fn is_separator(letter: char) -> bool {
    matches!(letter, ':' | '-' | ' ')
}

fn from_decimal(digits: &str) -> Result<SerialNumber, SerialNumberError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SerialNumberError::NotDecimal);
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > MAX_DECIMAL {
        // Ten decimal digits are a little more than eight hexadecimal ones.
        return Err(SerialNumberError::TooLong(digits.len() * 415 / 1000));
    }
    // Most significant octet last, for the carry.
    let mut octets: Vec<u8> = Vec::with_capacity(MAX_OCTETS + 1);
    for digit in digits.bytes() {
        let mut carry = u16::from(digit - b'0');
        for octet in &mut octets {
            carry += u16::from(*octet) * 10;
            [*octet, _] = carry.to_le_bytes();
            carry >>= 8;
        }
        if carry > 0 {
            let [low, _] = carry.to_le_bytes();
            octets.push(low);
        }
    }
    octets.reverse();
    checked(octets)
}

fn to_decimal(octets: &[u8]) -> String {
    // Least significant digit first.
    let mut digits: Vec<u8> = vec![0];
    for octet in octets {
        let mut carry = u16::from(*octet);
        for digit in &mut digits {
            carry += u16::from(*digit) << 8;
            [*digit, _] = (carry % 10).to_le_bytes();
            carry /= 10;
        }
        while carry > 0 {
            let [low, _] = (carry % 10).to_le_bytes();
            digits.push(low);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

fn checked(octets: Vec<u8>) -> Result<SerialNumber, SerialNumberError> {
    match octets.len() {
        0 => Err(SerialNumberError::NotPositive),
        1..=MAX_OCTETS => Ok(SerialNumber(octets.into())),
        more => Err(SerialNumberError::TooLong(more)),
    }
}

/// RFC 5280, section 4.1.2.2.
const MAX_OCTETS: usize = 20;
/// The decimal digits of the largest number of so many octets.
const MAX_DECIMAL: usize = 49;
/// From so many digits on, none of them a letter, a number may be decimal.
const MIN_AMBIGUOUS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_read_as_people_write_them() {
        use SerialNumberError::{DigitsAlone, NotHexadecimal, NotPositive, Separators, TooLong, TwoNumbers};
        let longest = "f".repeat(40);
        let digits = |count: usize| "1234567890".repeat(6)[..count].to_owned();
        for (text, expected) in [
            ("04C0FF", Ok("04c0ff")),
            ("04:c0:FF", Ok("04c0ff")),
            ("04-c0-FF", Ok("04c0ff")),
            ("04 c0 FF", Ok("04c0ff")),
            ("04c0 ff01", Ok("04c0ff01")),
            ("4:c0:FF", Ok("04c0ff")),
            ("0x4C0FF", Ok("04c0ff")),
            ("0X04c0ff", Ok("04c0ff")),
            ("0x04:C0:FF", Ok("04c0ff")),
            ("serial=04C0FF", Ok("04c0ff")),
            ("Serial Number: 04:c0:ff", Ok("04c0ff")),
            ("        Serial Number:\n            04:c0:ff", Ok("04c0ff")),
            ("Serial Number: 4096 (0x1000)", Ok("1000")),
            ("4096 (0x1000)", Ok("1000")),
            ("\tSerial Number (hex): 04c0ff", Ok("04c0ff")),
            ("SERIAL: 04c0ff", Ok("04c0ff")),
            ("serial_number=04c0ff", Ok("04c0ff")),
            (" c0ff ", Ok("c0ff")),
            ("a1b", Ok("0a1b")),
            ("00:00:C0:FF", Ok("c0ff")),
            ("0000c0ff", Ok("c0ff")),
            ("4096", Ok("4096")),
            ("00e5", Ok("e5")),
            (&longest, Ok(longest.as_str())),
            (&format!("00{longest}"), Ok(&longest)),
            (&format!("1{longest}"), Err(TooLong(21))),
            (&digits(16), Ok("1234567890123456")),
            (&digits(17), Err(DigitsAlone(17))),
            (&digits(49), Err(DigitsAlone(49))),
            (&digits(50), Err(TooLong(25))),
            (&format!("0x{}", digits(18)), Ok("123456789012345678")),
            (&format!("serial={}", digits(18)), Ok("123456789012345678")),
            ("01020304050607080910", Ok("01020304050607080910")),
            ("12:34:56:78:90:12:34:56:78:90", Ok("12345678901234567890")),
            ("", Err(NotPositive)),
            ("00:00", Err(NotPositive)),
            ("-1", Err(NotPositive)),
            ("-c0ff", Err(NotPositive)),
            ("0x", Err(NotPositive)),
            ("serial", Err(NotHexadecimal)),
            ("c0ff\u{e9}", Err(NotHexadecimal)),
            ("0b 0y", Err(NotHexadecimal)),
            ("4097 (0x1000)", Err(TwoNumbers)),
            ("c0:f", Err(Separators("colons"))),
            ("c0ff:", Err(Separators("colons"))),
            (":", Err(Separators("colons"))),
            ("c0ff:01", Err(Separators("colons"))),
            ("c0-ff:01", Err(Separators("dashes"))),
            ("123 456 789", Err(Separators("blanks"))),
            ("6434f74f-2d13-4e6a-89eb-93ee313f1a43", Err(Separators("dashes"))),
        ] {
            assert_eq!(
                SerialNumber::parse(text).map(|serial| serial.to_string()),
                expected.map(str::to_owned),
                "{text}"
            );
        }
        assert_eq!(SerialNumber::from_der(&[0, 0x80]), SerialNumber::parse("80").unwrap());
        assert_eq!(SerialNumber::from_der(&[0]).to_string(), "00");
    }

    #[test]
    fn digits_are_read_as_it_is_said() {
        use SerialNotation::{Decimal, Hexadecimal};
        use SerialNumberError::{NotDecimal, NotPositive, TooLong};
        let largest = "1461501637330902918203684832716283019655932542975";
        let beyond = "1461501637330902918203684832716283019655932542976";
        let all = "f".repeat(40);
        for (text, notation, expected) in [
            ("662316", Decimal, Ok("0a1b2c")),
            ("000662316", Decimal, Ok("0a1b2c")),
            ("256", Decimal, Ok("0100")),
            (largest, Decimal, Ok(all.as_str())),
            (beyond, Decimal, Err(TooLong(21))),
            ("0", Decimal, Err(NotPositive)),
            ("a1b2c", Decimal, Err(NotDecimal)),
            ("", Decimal, Err(NotDecimal)),
            ("0xa1b2c", Decimal, Ok("0a1b2c")),
            ("0a:1b:2c", Decimal, Ok("0a1b2c")),
            ("serial=10", Decimal, Ok("10")),
            ("12345678901234567890", Hexadecimal, Ok("12345678901234567890")),
        ] {
            let read = SerialNumber::parse_in(text, notation).map(|serial| serial.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
        assert!(matches!(SerialNumber::parse_in(&"9".repeat(60), Decimal), Err(TooLong(21..))));
    }

    #[test]
    fn they_are_spelled_as_providers_take_them() {
        let serial = SerialNumber::parse("0a1b2c").unwrap();
        let spelled = SerialSpelling::ALL.map(|(spelling, word)| (word, serial.spelled(spelling)));
        let expected = [
            ("hex-lower", "0a1b2c"),
            ("hex-upper", "0A1B2C"),
            ("hex-lower-colons", "0a:1b:2c"),
            ("hex-upper-colons", "0A:1B:2C"),
            ("hex-lower-trimmed", "a1b2c"),
            ("hex-upper-trimmed", "A1B2C"),
            ("decimal", "662316"),
        ];
        assert_eq!(spelled, expected.map(|(word, text)| (word, text.to_owned())));
        for text in ["1", "ff", "0100", "80", &"f".repeat(40), "112358132134558914423337761098715972584418"] {
            let Ok(serial) = SerialNumber::parse_in(text, SerialNotation::Hexadecimal) else { continue };
            for (spelling, word) in SerialSpelling::ALL {
                let again = SerialNumber::parse_in(&serial.spelled(spelling), spelling.notation());
                assert_eq!(again.as_ref(), Ok(&serial), "{text} {word}");
            }
        }
    }
}
