//! Whether a line of somebody's text may hold a credential as it is, and not a reference to one. Finds by the names that credentials have,
//! and by the place: a plan that cannot be read has nothing else. Never says which part of the line it is.

use super::nearest::nearest;
use std::collections::BTreeSet;

/// Whether a line seems to hold a credential: a name such as `api_key` or `Authorization`, and behind it something that is no reference. It
/// errs on the side of `true`.
pub fn may_stand_in(line: &str) -> bool {
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
    NAMES.iter().any(|part| name.contains(part))
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

/// Parts of the names of credentials, without what joins words.
const NAMES: [&str; 11] = [
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
            assert!(may_stand_in(line), "{line}");
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
            assert!(!may_stand_in(line), "{line}");
        }
    }
}
