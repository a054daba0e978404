//! What a server sent in place of what was wanted, in a few words: its media type, and the title or the first words of a page. For
//! people; nothing is decided by it. The text is not yet safe to show.

/// `text/html: “Down for maintenance”`, `an empty body`, `application/octet-stream, 512 bytes`.
pub fn excerpt(media_type: Option<&str>, body: &[u8]) -> String {
    let kind = media_type.map(|kind| kind.split(';').next().unwrap_or_default().trim()).filter(|kind| !kind.is_empty());
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let begin = String::from_utf8_lossy(&body[..body.len().min(MAX_READ)]);
    let begin = begin.trim_start_matches('\u{feff}').trim_end_matches(char::REPLACEMENT_CHARACTER);
    let words = words(title(begin).unwrap_or(begin));
    let kind = kind.unwrap_or("without a media type");
    if words.is_empty() || words.chars().any(|letter| letter.is_control() || letter == char::REPLACEMENT_CHARACTER) {
        return format!("{kind}, {} bytes", body.len());
    }
    let short: String = words.chars().take(MAX_SHOWN).collect();
    let more = if short.len() < words.len() { "…" } else { "" };
    format!("{kind}: “{short}{more}”")
}

/// What stands between `<title>` and its end.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = begin + lower[begin..].find('<')?;
    Some(page[begin..end].trim()).filter(|title| !title.is_empty())
}

/// A text without its tags, styles and scripts, with one space between words.
fn words(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        words.push_str(before);
        words.push(' ');
        let is_hidden = ["style", "script"].iter().find(|name| starts_with(tag, name));
        let end = is_hidden.and_then(|name| tag.to_ascii_lowercase().find(&format!("</{name}")));
        let tag = end.map_or(tag, |end| &tag[end..]);
        rest = tag.split_once('>').map_or("", |(_, rest)| rest);
    }
    words.push_str(rest);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn starts_with(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Bytes: titles stand at the beginning.
const MAX_READ: usize = 4096;
/// Characters.
const MAX_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_in_a_few_words() {
        let long = "word ".repeat(40);
        for (kind, body, expected) in [
            (None, b"".as_slice(), "an empty body".to_owned()),
            (Some("text/html"), b"", "an empty body".to_owned()),
            (
                Some("text/html; charset=utf-8"),
                b"<!doctype html><html><head><TITLE lang=en>\n Down for\tmaintenance </title><body>x",
                "text/html: “Down for maintenance”".to_owned(),
            ),
            (
                Some("text/html"),
                b"<style>p{color:red}</style><script>if (1<2) x()</script><h1>403</h1><p>Forbidden",
                "text/html: “403 Forbidden”".to_owned(),
            ),
            (Some("text/html"), b"<title></title><p>Log in", "text/html: “Log in”".to_owned()),
            (None, b"no such CRL\r\n", "without a media type: “no such CRL”".to_owned()),
            (None, "\u{feff}<html>철회".as_bytes(), "without a media type: “철회”".to_owned()),
            (Some("application/pkix-crl"), &[0x30, 0x82, 0xFF, 0x00], "application/pkix-crl, 4 bytes".to_owned()),
            (Some("text/plain"), long.as_bytes(), format!("text/plain: “{}…”", &long[..80])),
            (Some("text/plain"), "<<< 점검 중 >>>".as_bytes(), "text/plain: “>>”".to_owned()),
        ] {
            assert_eq!(excerpt(kind, body), expected);
        }
    }
}
