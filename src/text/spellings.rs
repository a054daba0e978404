//! The spellings of a text that was escaped for JSON, a URL or HTML, also more than once: an echo of a secret may come in any of them,
//! and every escaper has its own taste (`&#39;`, `&#x27;`, `&apos;`). Masks nothing.

/// Whether a text may hold escapes at all.
pub(super) fn may_be_escaped(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'&' | b'%' | b'\\' | b'+'))
}

/// How many bytes at the beginning of a text spell these words, each letter in whatever way; the most of several.
pub(super) fn spelled(text: &str, words: &str) -> Option<usize> {
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
    let name = NAMES.iter().find(|(named, _)| *named == letter).and_then(|(_, name)| rest.strip_prefix(name));
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

const NAMES: [(char, &str); 8] = [
    ('<', "lt;"),
    ('>', "gt;"),
    ('"', "quot;"),
    ('\'', "apos;"),
    ('/', "sol;"),
    ('+', "plus;"),
    ('=', "equals;"),
    ('%', "percnt;"),
];

#[cfg(test)]
mod tests {
    use super::*;

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
}
