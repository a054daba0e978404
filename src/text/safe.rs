//! What may be shown: untrusted text made safe for terminals and spreadsheets; secrets, which cannot be printed, stored or serialised, and are
//! masked in foreign text however it spells them; and lines of somebody's plan that may hold a credential as it is, and not a reference to one.
//! These are found by the names that credentials have, and by the place: a plan that cannot be read has nothing else. Never says which part of
//! a line it is.

use super::nearest;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use zeroize::Zeroizing;

/// A credential's value. It has no `Display` and no `Serialize`; `Debug` says `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// A writer of [`json`], for what `serde_json` writes. Only strings hold such characters, and control characters below U+0020 it escapes itself.
pub struct JsonOutput<W>(pub W);

impl Secret {
    /// Wraps a text, whose buffer is wiped when the last owner drops it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for a signer or a header. Never for a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces every occurrence of this secret in foreign text (a provider may echo it) by `(secret)`, also where it is escaped as in
    /// JSON, URLs or HTML.
    pub fn mask<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        // An escape is never shorter than what it stands for.
        if !self.is_masked() || text.len() < self.0.len() {
            return text;
        }
        if !may_be_escaped(&text) {
            return if text.contains(self.reveal()) { text.replace(self.reveal(), MASK).into() } else { text };
        }
        let mut masked: Option<String> = None;
        let mut copied = 0;
        let mut place = 0;
        while let Some(letter) = text[place..].chars().next() {
            match spelled(&text[place..], self.reveal()) {
                Some(length) => {
                    let masked = masked.get_or_insert_default();
                    masked.push_str(&text[copied..place]);
                    masked.push_str(MASK);
                    place += length;
                    copied = place;
                }
                None => place += letter.len_utf8(),
            }
        }
        match masked {
            Some(masked) => (masked + &text[copied..]).into(),
            None => text,
        }
    }

    /// Whether it is long enough to be masked in foreign text.
    pub fn is_masked(&self) -> bool {
        self.0.len() >= MIN_MASKED
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl<W: Write> Write for JsonOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            // serde_json hands over whole letters.
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Text for a terminal or a log line: control characters (C0, DEL, C1), line and paragraph separators included, and the characters that
/// reorder text (bidirectional controls) are shown as `\u{…}`; nothing in it can move the cursor or colour the screen.
pub fn terminal(text: &str) -> Cow<'_, str> {
    // Most texts are printable ASCII. A fold without an early exit compares many bytes at once (SIMD); a report of a million rows calls
    // this for each cell.
    let plain = text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if plain || !text.chars().any(unsafe_for_terminal) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if unsafe_for_terminal(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// JSON text for a terminal: the same characters as `\u009b`, which a parser reads as what they were. White space between values stays.
pub fn json(text: &str) -> Cow<'_, str> {
    let acts = |letter: char| !letter.is_ascii_control() && unsafe_for_terminal(letter) || letter == '\u{7f}';
    if text.is_ascii() && !text.contains('\u{7f}') || !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if acts(letter) {
            // None of them lies beyond the first plane.
            let _written = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// Text for a cell of a CSV report: safe for terminals, and a cell that a spreadsheet would take for a formula (it begins
/// with `=`, `+`, `-`, `@`, also in their full width, with tab, CR or LF, or with white space or invisible characters before one of
/// these) gets a leading `'`.
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    let safe = terminal(text);
    if is_formula(text) { Cow::Owned(format!("'{safe}")) } else { safe }
}

/// Whether a line seems to hold a credential: a name such as `api_key` or `Authorization`, and behind it something that is no reference. It
/// errs on the side of `true`.
pub fn may_hold_credential(line: &str) -> bool {
    line.char_indices().filter(|(_, letter)| matches!(letter, ':' | '=')).any(|(at, _)| {
        let name = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let begins = name.rfind(|letter: char| !is_part_of_name(letter)).map_or(0, |before| before + 1);
        let begins = (begins..=name.len()).find(|begins| name.is_char_boundary(*begins)).unwrap_or(name.len());
        is_credentials_name(&name[begins..]) && !is_harmless(&line[at + 1..])
    })
}

/// The lines of a plan, from 1, that stand among the accounts below `providers` and may hold a credential: all but those of which it is known
/// what they hold. A credential that was written in the place of an account, or into a list, has no name to tell it by.
pub fn lines_among_accounts(text: &str) -> BTreeSet<u32> {
    let mut hidden = BTreeSet::new();
    // How far `providers` is indented that the line stands below, and what of it holds no credentials (`reasons`, `variables`).
    let (mut accounts, mut plain): (Option<usize>, Option<usize>) = (None, None);
    for (number, line) in (1..).zip(text.lines()) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let trimmed = line.trim();
        let says_something = !trimmed.is_empty() && !trimmed.starts_with('#');
        let leaves = |above: &usize| says_something && indent <= *above && !trimmed.starts_with([']', '}']);
        // A list may stand as far to the left as the key that it belongs to.
        accounts = accounts.filter(|above| !leaves(above) || indent == *above && trimmed.starts_with("- "));
        plain = plain.filter(|above| accounts.is_some() && !leaves(above));
        if begins_accounts(line) {
            accounts = Some(accounts.unwrap_or(indent));
        }
        if accounts.is_none() {
            continue;
        }
        if plain.is_none() && !is_known(trimmed) {
            hidden.insert(number);
        }
        if PLAIN_MAPS.iter().any(|name| trimmed.strip_prefix(name).is_some_and(|rest| rest.trim() == ":")) {
            plain = Some(indent);
        }
    }
    hidden
}

fn is_formula(text: &str) -> bool {
    // Nearly all cells begin with a letter or a digit, and a report of a million rows asks of each.
    if text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric) {
        return false;
    }
    text.starts_with(['\t', '\r', '\n'])
        || text.trim_start_matches(|letter: char| letter.is_whitespace() || is_invisible(letter)).starts_with(FORMULAS)
}

fn unsafe_for_terminal(letter: char) -> bool {
    letter.is_control() || is_bidi_control(letter) || matches!(letter, '\u{2028}' | '\u{2029}')
}

fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Characters that nobody sees and importers drop: a byte order mark, zero-width spaces and joiners, soft hyphens.
fn is_invisible(letter: char) -> bool {
    is_bidi_control(letter)
        || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{ad}' | '\u{180e}' | '\0')
}

// The spellings of a text that was escaped for JSON, a URL or HTML, also more than once: an echo of a secret may come in any of them,
// and every escaper has its own taste (`&#39;`, `&#x27;`, `&apos;`).

/// Whether a text may hold escapes at all.
fn may_be_escaped(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'&' | b'%' | b'\\' | b'+'))
}

/// How many bytes at the beginning of a text spell these words, each letter in whatever way; the most of several.
fn spelled(text: &str, words: &str) -> Option<usize> {
    let mut ends = vec![0];
    for letter in words.chars() {
        let mut next: Vec<usize> = Vec::new();
        for end in ends {
            each_spelling(&text[end..], letter, &mut |length| {
                // A few ways lead to one place: `&` is spelled by itself and by `&amp;`.
                if !next.contains(&(end + length)) {
                    next.push(end + length);
                }
            });
        }
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// The lengths of the spellings of a letter at the beginning of a text.
fn each_spelling(text: &str, letter: char, found: &mut impl FnMut(usize)) {
    if text.starts_with(letter) {
        found(letter.len_utf8());
    }
    match text.as_bytes().first() {
        Some(b'%') => in_url(text, letter).map_or((), found),
        Some(b'+') if letter == ' ' => found(1),
        Some(b'&') => in_html(text, letter, found),
        Some(b'\\') => in_json(text, letter, found),
        _ => {}
    }
}

/// `%3C`, for each byte of the letter; `%253C` where it was escaped twice.
fn in_url(text: &str, letter: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let mut rest = text;
    for byte in letter.encode_utf8(&mut buffer).bytes() {
        rest = rest.strip_prefix('%')?;
        while let Some(inner) = rest.strip_prefix("25").filter(|inner| inner.len() >= 2 && is_hex(&inner[..2])) {
            rest = inner;
        }
        rest = hex(rest, 2, byte.into())?;
    }
    Some(text.len() - rest.len())
}

/// `&lt;`, `&#60;`, `&#x3C;`; `&amp;lt;` where it was escaped twice.
fn in_html(text: &str, letter: char, found: &mut impl FnMut(usize)) {
    let mut rest = &text[1..];
    while let Some(inner) = rest.strip_prefix("amp;") {
        rest = inner;
        if letter == '&' {
            found(text.len() - rest.len());
        }
    }
    let name = ENTITIES.iter().find(|(named, _)| *named == letter).and_then(|(_, name)| rest.strip_prefix(name));
    let number = rest.strip_prefix('#').and_then(|number| {
        let (digits, after) = number.split_once(';')?;
        let code = match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        (code == Ok(u32::from(letter))).then_some(after)
    });
    if let Some(after) = name.or(number) {
        found(text.len() - after.len());
    }
}

/// `\"`, `\u003c`, `\x3c`; `\\u003c` where it was escaped twice.
fn in_json(text: &str, letter: char, found: &mut impl FnMut(usize)) {
    let rest = text.trim_start_matches('\\');
    let slashes = text.len() - rest.len();
    if letter == '\\' {
        (2..=slashes).filter(|count| count.is_power_of_two()).for_each(&mut *found);
    }
    let mut units = [0; 2];
    let mut after = Some(rest);
    for (index, unit) in letter.encode_utf16(&mut units).iter().enumerate() {
        let inner = after.map(|after| if index == 0 { after } else { after.trim_start_matches('\\') });
        after = inner.and_then(|inner| hex(inner.strip_prefix('u')?, 4, u32::from(*unit)));
    }
    let short = || hex(rest.strip_prefix('x')?, 2, u32::from(letter));
    let quoted = || rest.strip_prefix(letter).filter(|_| letter.is_ascii_punctuation());
    if let Some(after) = after.or_else(short).or_else(quoted) {
        found(text.len() - after.len());
    }
}

/// What follows so many hexadecimal digits that are this number.
fn hex(text: &str, digits: usize, number: u32) -> Option<&str> {
    let (number_text, rest) = text.split_at_checked(digits)?;
    (is_hex(number_text) && u32::from_str_radix(number_text, 16) == Ok(number)).then_some(rest)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// Whether a line holds the key `providers`; or, as a key of the plan itself, one that is meant to be it.
fn begins_accounts(line: &str) -> bool {
    let unquoted = |name: &str| name.trim_end().trim_end_matches(['"', '\'']).to_owned();
    let is_it = |(at, _): (usize, &str)| {
        let name = unquoted(&line[..at]);
        let rest = name.strip_suffix("providers");
        rest.is_some_and(|before| before.chars().next_back().is_none_or(|letter| !is_part_of_name(letter)))
    };
    let first = line.split_once(':').map(|(name, _)| name.trim_start_matches(['{', '"', '\'']));
    let is_near = first.is_some_and(|name| {
        !name.starts_with([' ', '\t', '-', '#']) && nearest(&unquoted(name), ["providers"]).is_some()
    });
    is_near || line.match_indices(':').any(is_it)
}

/// Whether all that a line of an account holds is known to be no credential: names without a value, references, settings.
fn is_known(line: &str) -> bool {
    line.split([',', '{', '}', '[', ']']).map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let Some((name, value)) = part.split_once(':') else { return !part.contains(is_part_of_name) };
        let (name, value) = (name.trim().trim_matches(['"', '\'']), value.trim().trim_start_matches(['"', '\'']));
        value.is_empty()
            || REFERENCES_ALONE.iter().any(|reference| value.starts_with(reference))
            // What stands in a URL before `@` or behind `?` may be one.
            || SETTINGS.contains(&name) && !value.contains(['@', '?'])
    })
}

const fn is_part_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

fn is_credentials_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    CREDENTIAL_NAMES.iter().any(|part| name.contains(part))
}

/// Whether what stands behind a credential's name is a reference to it, or says nothing of it.
fn is_harmless(value: &str) -> bool {
    let mut value = value.trim_start();
    // A YAML anchor stands before what it names.
    if let Some(anchored) = value.strip_prefix('&') {
        value = anchored.split_once(' ').map_or("", |(_, rest)| rest).trim_start();
    }
    let value = value.trim_start_matches(['"', '\'']);
    let word = value.split(|letter: char| !is_part_of_name(letter)).next().unwrap_or_default();
    // `[access_key, secret_key]` in a provider document.
    let is_list_of_names = |list: &str| {
        list.trim_end_matches([']', '}', ' ', ',']).split(',').all(|name| {
            name.trim().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && name.len() < LONGEST_NAME
        })
    };
    // `DIGICERT_API_KEY`: the name of a variable.
    let is_variable = word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    value.is_empty()
        || REFERENCES.iter().any(|reference| value.starts_with(reference))
        || matches!(word, "true" | "false" | "null")
        || is_variable
        || value
            .strip_prefix('[')
            .is_some_and(|list| list.split_once(']').is_some_and(|(list, _)| is_list_of_names(list)))
}

/// First characters that make Excel, LibreOffice and Google Sheets evaluate a cell (OWASP: CSV injection).
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
const MASK: &str = "(secret)";
/// Bytes. A shorter secret would occur in ordinary text, and masking that would make errors unreadable.
const MIN_MASKED: usize = 4;
/// The names of the letters that HTML escapes.
const ENTITIES: [(char, &str); 8] = [
    ('<', "lt;"),
    ('>', "gt;"),
    ('"', "quot;"),
    ('\'', "apos;"),
    ('/', "sol;"),
    ('+', "plus;"),
    ('=', "equals;"),
    ('%', "percnt;"),
];
/// Parts of the names of credentials, without what joins words.
const CREDENTIAL_NAMES: [&str; 11] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "apikey",
    "accesskey",
    "devkey",
    "credential",
    "authorization",
    "bearer",
];
/// What a value begins with that is no credential: a reference, an alias, a step's output, a map whose own names decide, a pointer.
const REFERENCES: [&str; 9] = ["env:", "file:", "command:", "$", "*", "{", "/", "#", "https://"];
/// What a value among the accounts begins with that is a reference.
const REFERENCES_ALONE: [&str; 3] = ["env:", "file:", "command:"];
/// Keys of an account whose values are no credentials; `version` where a plan is one line.
const SETTINGS: [&str; 6] = ["uses", "base_url", "auth_url", "rate", "concurrency", "version"];
/// Keys of an account whose maps hold none.
const PLAIN_MAPS: [&str; 2] = ["reasons", "variables"];
/// A name in a list is shorter.
const LONGEST_NAME: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_made_safe() {
        for (text, for_terminal, for_spreadsheet) in [
            ("plain", "plain", "plain"),
            ("\u{1b}[31mred", "\\u{1b}[31mred", "\\u{1b}[31mred"),
            ("=cmd()", "=cmd()", "'=cmd()"),
            ("-1", "-1", "'-1"),
            ("\t=x", "\\t=x", "'\\t=x"),
            ("a\r\nb", "a\\r\\nb", "a\\r\\nb"),
            ("\u{202e}evil", "\\u{202e}evil", "\\u{202e}evil"),
            (
                "a\u{2028}b\u{2029}\u{61c}\u{9b}",
                "a\\u{2028}b\\u{2029}\\u{61c}\\u{9b}",
                "a\\u{2028}b\\u{2029}\\u{61c}\\u{9b}",
            ),
            ("＝1", "＝1", "'＝1"),
            ("＋1", "＋1", "'＋1"),
            ("－1", "－1", "'－1"),
            ("＠x", "＠x", "'＠x"),
            ("\u{feff}=1", "\u{feff}=1", "'\u{feff}=1"),
            ("\u{200b}\u{200b}@x", "\u{200b}\u{200b}@x", "'\u{200b}\u{200b}@x"),
            (" \u{a0}=1", " \u{a0}=1", "' \u{a0}=1"),
            ("\u{202e}=1", "\\u{202e}=1", "'\\u{202e}=1"),
            ("\n=1", "\\n=1", "'\\n=1"),
            ("\u{feff}plain", "\u{feff}plain", "\u{feff}plain"),
            (" ", " ", " "),
            ("", "", ""),
            ("철회", "철회", "철회"),
        ] {
            assert_eq!(terminal(text), for_terminal);
            assert_eq!(spreadsheet(text), for_spreadsheet);
        }
    }

    #[test]
    fn a_secret_does_not_print_and_is_masked_in_foreign_text() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.mask("bad key hunter2hunter2!".into()), "bad key (secret)!");
        assert_eq!(secret.mask("bad key".into()), "bad key");
        let secret = Secret::new("<b>\"1\"");
        for (text, expected) in [
            ("<b>\"1\"", "(secret)"),
            ("no key &lt;b&gt;&quot;1&quot; &amp; &lt;b&gt;&#34;1&#34;", "no key (secret) &amp; (secret)"),
            ("100% of 철&lt;b", "100% of 철&lt;b"),
            ("{\"k\":\"<b>\\\"1\\\"\"}", "{\"k\":\"(secret)\"}"),
        ] {
            assert_eq!(secret.mask(text.into()), expected);
        }
        assert!(!Secret::new("abc").is_masked() && Secret::new("abcd").is_masked());
    }

    #[test]
    fn json_does_nothing_to_a_terminal_and_stays_what_it_is() {
        let value = serde_json::json!({"k\u{9b}": "\u{1b}[2J \u{85} \u{202e}x\u{2066} \u{2028} \u{7f} 철회"});
        for pretty in [false, true] {
            let mut output = JsonOutput(Vec::new());
            let written = match pretty {
                true => serde_json::to_writer_pretty(&mut output, &value),
                false => serde_json::to_writer(&mut output, &value),
            };
            written.unwrap();
            let text = String::from_utf8(output.0).unwrap();
            assert!(text.contains(r"\u009b") && text.contains(r"\u202e") && text.contains("철회"), "{text}");
            assert!(text.split('\n').all(|line| terminal(line) == line), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn every_escapers_spelling_is_found() {
        let secret = "<b>&amp'\"\\ 철/";
        for text in [
            "<b>&amp'\"\\ 철/",
            // For HTML: Python, Go, PHP, JavaScript; twice.
            "&lt;b&gt;&amp;amp&#x27;&quot;\\ 철/",
            "&lt;b&gt;&amp;amp&#39;&#34;\\ 철/",
            "&lt;b&gt;&amp;amp&#039;&quot;\\ &#52384;/",
            "&#x3C;b&#X3e;&#38;amp&apos;&quot;&#92;&#32;&#xCCA0;&sol;",
            "&amp;lt;b&amp;gt;&amp;amp;amp&amp;#x27;&amp;quot;\\ 철/",
            // For a URL; twice; as a form.
            "%3Cb%3E%26amp%27%22%5C%20%EC%B2%A0%2F",
            "%3cb%3e%26amp'%22%5c+%ec%b2%a0/",
            "%253Cb%253E%2526amp%2527%2522%255C%2520%25EC%25B2%25A0%252F",
            // In JSON: plainly, for HTML, in ASCII; twice.
            "<b>&amp'\\\"\\\\ 철\\/",
            "\\u003cb\\u003e\\u0026amp\\u0027\\\"\\\\ \\uCCA0/",
            "\\\\u003cb\\\\u003e\\\\u0026amp'\\\\\\\"\\\\\\\\ \\\\ucca0/",
            "\\x3cb\\x3e\\x26amp\\'\\\"\\\\ 철/",
        ] {
            let followed = format!("{text} and more");
            assert_eq!(spelled(&followed, secret), Some(text.len()), "{text}");
        }
        assert_eq!(spelled("\\ud83d\\ude00!", "😀"), Some(12));
        for text in ["", "&lt;", "&lt;b&gt", "%3", "%", "\\", "\\u00", "&#x3C", "&#60", "&#;b", "<b>&am"] {
            assert_eq!(spelled(text, secret), None, "{text}");
        }
        // Many ways to one place stay few.
        let all = "&amp;".repeat(2000);
        assert_eq!(spelled(&all, &"&".repeat(2000)), Some(all.len()));
    }

    #[test]
    fn among_the_accounts_only_what_is_known_is_shown() {
        for (plan, expected) in [
            ("providers: {naver: [x, S3cr3t]}", &[1][..]),
            ("providers:\n  naver: S3cr3t\n", &[2]),
            ("providers:\n  naver:\n    - x\n    - S3cr3t\n", &[3, 4]),
            ("providers:\n- S3cr3t\nname: x\n", &[2]),
            ("providers:\n  naver: [x,\n    S3cr3t\n", &[2, 3]),
            ("providers:\n  naver:\n\n    # as S3cr3t\n    other: |\n      S3cr3t\n", &[4, 5, 6]),
            ("provider:\n  naver: S3cr3t\n", &[2]),
            ("{\"version\": 1,\n \"providers\": {\n  \"naver\": [\n   \"S3cr3t\"]},\n \"actions\": [\"x\"]}", &[4]),
            ("{\"version\": 1, \"providers\": {\"naver\": \"S3cr3t\"}}", &[1]),
            ("providers:\n  mine:\n    base_url: https://me:S3cr3t@ca.example\n", &[3]),
            ("providers:\n  mine: {uses: digicrt, S3cr3t}\n", &[2]),
            ("providers:\n  mine: {uses: digicrt, credentials: {api_key: \"env:KEY\"}, rate: 1/s}\n", &[]),
            ("providers:\n  mine:\n    reasons:\n      keyCompromise: unspecified\n    rats: 1/s\n", &[5]),
            ("actions:\n  - {provider: digicert, action: revok}\ndefaults: {provider: x}\n", &[]),
            ("providers:\n  mine: {uses: digicert}\nactions:\n  - {provider: digicert, action: revok}\n", &[]),
        ] {
            assert_eq!(lines_among_accounts(plan).into_iter().collect::<Vec<_>>(), expected, "{plan}");
        }
    }

    #[test]
    fn a_credential_is_told_from_a_reference_to_it() {
        for line in [
            "providers: {mine: {uses: digicrt, credentials: {api_key: \"S3cr3t\"}}}",
            "    api_key: S3cr3t",
            "    api-key : 'S3cr3t'",
            "  credentials: S3cr3t",
            "{\"apiKey\":\"S3cr3t\"}",
            "  - {action: revoke, headers: {X-DC-DEVKEY: S3cr3t}}",
            "  base_url: \"https://x.example/?token=S3cr3t\"",
            "command: \"curl -H 'Authorization: Bearer S3cr3t'\"",
            "secret_key: [S3cr3t]",
            "api_key: &key S3cr3t",
            "a: {api_key: \"env:A\", secret_key: S3cr3t}",
            "가secret_key: S3cr3t",
            "password: hunter",
        ] {
            assert!(may_hold_credential(line), "{line}");
        }
        for line in [
            "",
            ":",
            "=",
            "credentials: {api_key: \"env:DIGICERT_API_KEY\", secret_key: 'file:/run/secrets/ncp'}",
            "credentials:",
            "  api_key: command:pass show ca",
            "  api_key: *key",
            "  api_key: &key \"env:A\"",
            "request_token: $steps.revoke.outputs.reference",
            "environment: {api_key: DIGICERT_API_KEY}",
            "x-certsweep: {signer: ncp-signature-v2, credentials: [access_key, secret_key]}",
            "throttle_token: /errors/0",
            "reasons: {keyCompromise: unspecified}",
            "certificate_key: \"file:shop.key\"",
            "digicert,revoke,112358,the key leaked",
        ] {
            assert!(!may_hold_credential(line), "{line}");
        }
    }
}
