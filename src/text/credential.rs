//! Whether a line of somebody's text may hold a credential as it is, and not a reference to one. Finds by the names that credentials have:
//! a plan that cannot be read has no other. Never says which part of the line it is.

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
/// A name in a list is shorter.
const LONGEST_NAME: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

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
