//! The time zone of a schedule: an IANA name. What is none gets the name that it may stand for, and never a look-alike: one letter of an
//! abbreviation is half the globe.

use super::scalar;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::damage::did_you_mean;
use crate::text::{nearest, safe};
use crate::tree::Field;
use jiff::tz::TimeZone;

/// Reads the name of a time zone.
pub(super) fn read(field: &Field, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = scalar::text(field, diagnostics)?;
    // `get` ignores the case; the zone's own spelling is stored.
    if let Ok(zone) = TimeZone::get(text)
        && let Some(name) = zone.iana_name()
    {
        // They are in IANA's list, as what they were before there was summer time.
        if let Some((_, offset, place)) = FIXED.iter().find(|(word, ..)| text.eq_ignore_ascii_case(word)) {
            let what = format!("`{}` is {offset} all the year, without summer time", safe::terminal(text));
            let warning = Diagnostic::warning("timezone", field.value.span, what);
            diagnostics.push(warning.help(format!("where there is summer time, name the place: `{place}`")));
        }
        return Some(name.to_owned());
    }
    let what = format!("there is no time zone `{}`", safe::terminal(text));
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let help = advice(text, &names);
    diagnostics.push(Diagnostic::error("timezone", field.value.span, what).help(help));
    None
}

/// What a text that is no zone may stand for, among the names that there are.
fn advice(text: &str, names: &[String]) -> String {
    let known = ABBREVIATIONS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    if let Some((word, places)) = known {
        let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
        return match places.as_slice() {
            [only] => format!("write {only}"),
            several => format!("{word} is several: write {}", several.join(" or ")),
        };
    }
    let city = text.replace(' ', "_");
    // `Etc/GMT+9` is nine hours behind, and `GMT+9` means nine ahead.
    let places = || names.iter().filter(|name| !name.starts_with("Etc/"));
    let in_place = |name: &&String| name.rsplit_once('/').is_some_and(|(_, last)| last.eq_ignore_ascii_case(&city));
    if let Some(name) = places().find(in_place) {
        return format!("write `{name}`");
    }
    let is_place = text.contains('/') && !text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'+');
    match nearest(text, places().map(String::as_str)).filter(|_| is_place) {
        Some(right) => did_you_mean(text, right),
        None => "write the IANA name of a place, such as `Asia/Seoul`, or `UTC`".to_owned(),
    }
}

/// Abbreviations that are IANA names as well, with their offset and the place that is usually meant.
const FIXED: [(&str, &str, &str); 3] =
    [("EST", "UTC-5", "America/New_York"), ("MST", "UTC-7", "America/Denver"), ("HST", "UTC-10", "Pacific/Honolulu")];
/// Abbreviations as people use them, with the places where they do.
const ABBREVIATIONS: [(&str, &[&str]); 43] = [
    ("ACST", &["Australia/Adelaide", "Australia/Darwin"]),
    ("AEDT", &["Australia/Sydney"]),
    ("AEST", &["Australia/Sydney", "Australia/Brisbane"]),
    ("AKST", &["America/Anchorage"]),
    ("ART", &["America/Argentina/Buenos_Aires"]),
    ("AST", &["America/Halifax", "Asia/Riyadh"]),
    ("AWST", &["Australia/Perth"]),
    ("BRT", &["America/Sao_Paulo"]),
    ("BST", &["Europe/London", "Asia/Dhaka"]),
    ("CAT", &["Africa/Maputo"]),
    ("CDT", &["America/Chicago", "America/Havana"]),
    ("CEST", &["Europe/Berlin", "Europe/Paris"]),
    ("CLT", &["America/Santiago"]),
    ("CST", &["America/Chicago", "Asia/Shanghai", "America/Havana"]),
    ("CT", &["America/Chicago"]),
    ("EAT", &["Africa/Nairobi"]),
    ("EDT", &["America/New_York"]),
    ("EEST", &["Europe/Athens", "Europe/Kyiv"]),
    ("ET", &["America/New_York"]),
    ("GST", &["Asia/Dubai", "Atlantic/South_Georgia"]),
    ("HKT", &["Asia/Hong_Kong"]),
    ("ICT", &["Asia/Bangkok", "Asia/Ho_Chi_Minh"]),
    ("IDT", &["Asia/Jerusalem"]),
    ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("JST", &["Asia/Tokyo"]),
    ("KST", &["Asia/Seoul"]),
    ("MDT", &["America/Denver"]),
    ("MSK", &["Europe/Moscow"]),
    ("MT", &["America/Denver"]),
    ("NZDT", &["Pacific/Auckland"]),
    ("NZST", &["Pacific/Auckland"]),
    ("PDT", &["America/Los_Angeles"]),
    ("PHT", &["Asia/Manila"]),
    ("PKT", &["Asia/Karachi"]),
    ("PST", &["America/Los_Angeles", "Asia/Manila"]),
    ("PT", &["America/Los_Angeles"]),
    ("SAST", &["Africa/Johannesburg"]),
    ("SGT", &["Asia/Singapore"]),
    ("SST", &["Pacific/Pago_Pago", "Asia/Singapore"]),
    ("TRT", &["Europe/Istanbul"]),
    ("WAT", &["Africa/Lagos"]),
    ("WEST", &["Europe/Lisbon"]),
    ("WIB", &["Asia/Jakarta"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abbreviation_gets_its_places_and_nothing_a_look_alike() {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        for (text, expected) in [
            ("KST", "write `Asia/Seoul`"),
            ("kst", "write `Asia/Seoul`"),
            ("JST", "write `Asia/Tokyo`"),
            ("CST", "CST is several: write `America/Chicago` or `Asia/Shanghai` or `America/Havana`"),
            ("IST", "IST is several: write `Asia/Kolkata` or `Europe/Dublin` or `Asia/Jerusalem`"),
            ("Seoul", "write `Asia/Seoul`"),
            ("new york", "write `America/New_York`"),
            ("Asia/Seol", "did you mean `Asia/Seoul`?"),
            ("Europe/Belin", "did you mean `Europe/Berlin`?"),
            ("XST", "write the IANA name of a place"),
            ("UTC+9", "write the IANA name of a place"),
            ("GMT+9", "write the IANA name of a place"),
            ("Etc/UTC+9", "write the IANA name of a place"),
            ("+09:00", "write the IANA name of a place"),
        ] {
            let found = advice(text, &names);
            assert!(found.starts_with(expected), "{text}: {found}");
        }
        for (word, places) in ABBREVIATIONS {
            for place in places {
                assert!(names.iter().any(|name| name == place), "{word}: {place}");
            }
        }
    }
}
