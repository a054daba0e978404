//! Texts from users and providers: their places in sources, the nearest known name, what is safe to show; the files that they name.

pub mod damage;
pub mod file;
pub mod page;
pub mod safe;
pub mod source;

pub use page::excerpt;
pub use safe::Secret;
pub use source::{SourceId, SourceMap, Span, line_place};

/// A count for people: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 action`, `2,000 actions`.
pub fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

/// The nearest right name for a misspelled one, where a candidate is near enough to be meant: at most a third of the letters differ, case and
/// the separators `-` and `_` aside.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(wanted.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_none() {
        for (name, expected) in [
            ("order_id", Some("orderId")),
            ("orderid", Some("orderId")),
            ("certificatNo", Some("certificateNo")),
            ("revokeTyp", Some("revokeType")),
            ("banana", None),
        ] {
            assert_eq!(nearest(name, ["orderId", "certificateNo", "revokeType"]), expected, "{name}");
        }
    }
}
