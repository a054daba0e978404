//! Server variables: filling them into a base URL, so that a plan can choose a region but never another host.

use super::model::{Provider, ServerVariable};
use super::params::Violation;
use super::request::host;
use crate::text::nearest;
use std::collections::BTreeMap;

impl Provider {
    /// The value of every server variable: what is given, else the document's default.
    ///
    /// # Errors
    /// Every given name or value that will not do.
    pub fn variables_with(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Vec<Violation>> {
        let mut wrong = Vec::new();
        for (name, value) in given {
            match self.variables.get(name) {
                None => wrong.push(self.no_such_variable(name)),
                Some(variable) => wrong.extend(check(name, variable, value, self.is_in_host(name))),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let value = |(name, variable): (&String, &ServerVariable)| {
            (name.clone(), given.get(name).unwrap_or(&variable.default).clone())
        };
        Ok(self.variables.iter().map(value).collect())
    }

    /// The base URL with its variables filled in; no trailing `/`.
    ///
    /// # Errors
    /// As [`Self::variables_with`].
    pub fn base_url_with(&self, given: &BTreeMap<String, String>) -> Result<String, Vec<Violation>> {
        Ok(fill(&self.base_url, &self.variables_with(given)?))
    }

    fn is_in_host(&self, variable: &str) -> bool {
        host(&self.base_url).contains(&format!("{{{variable}}}"))
    }

    fn no_such_variable(&self, name: &str) -> Violation {
        let names = || self.variables.keys().map(String::as_str);
        let help = match (nearest::nearest(name, names()), self.variables.is_empty()) {
            (Some(right), _) => format!("did you mean `{right}`?"),
            (None, true) => "it has none; `base_url` replaces the whole URL".to_owned(),
            (None, false) => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        let what = format!("the provider `{}` has no variable `{name}`", self.id);
        Violation { parameter: Some(name.to_owned()), what, help: Some(help) }
    }
}

/// Puts variables into a template such as `https://ccm.{region}.example.com`. Names that are not there stay as they are.
pub fn fill(template: &str, variables: &BTreeMap<String, String>) -> String {
    let filled =
        variables.iter().fold(template.to_owned(), |url, (name, value)| url.replace(&format!("{{{name}}}"), value));
    filled.trim_end_matches('/').to_owned()
}

/// What is wrong with a variable's value, if anything. Free text must be one host label, or one path segment, so that it
/// cannot lead to another host.
pub(super) fn check(name: &str, variable: &ServerVariable, value: &str, in_host: bool) -> Option<Violation> {
    let (what, help) = if !variable.allowed.is_empty() {
        if variable.allowed.iter().any(|allowed| allowed == value) {
            return None;
        }
        let right = nearest::nearest(value, variable.allowed.iter().map(String::as_str));
        let what = format!("`{name}` must be one of {}", variable.allowed.join(", "));
        (what, right.map(|right| format!("did you mean `{right}`?")))
    } else if in_host {
        if is_host_label(value) {
            return None;
        }
        (format!("`{name}` becomes a part of the host name and must be letters, digits and inner `-`"), None)
    } else {
        if is_path_segment(value) {
            return None;
        }
        (format!("`{name}` becomes a part of the path and must be letters, digits, `.`, `_`, `~` and `-`"), None)
    };
    Some(Violation { parameter: Some(name.to_owned()), what, help })
}

fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_path_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    !text.is_empty() && text.bytes().all(plain) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use crate::provider::testing;

    #[test]
    fn variables_choose_a_region_and_no_other_host() {
        let provider = testing::read(
            &include_str!("../../tests/data/documents/good/small.yaml")
                .replace("https://ca-{site}.example.com/v1", "https://ca-{site}.example.com/{part}/{zone}/")
                .replace(
                    "{site: {default: main}}",
                    "{site: {default: main}, part: {default: v1}, zone: {default: a, enum: [a, b]}}",
                ),
        );
        for (given, expected) in [
            (&[][..], Ok("https://ca-main.example.com/v1/a")),
            (&[("site", "ae-ad-1"), ("zone", "b")], Ok("https://ca-ae-ad-1.example.com/v1/b")),
            (&[("part", "v1.2_x~")], Ok("https://ca-main.example.com/v1.2_x~/a")),
            (&[("site", "evil.example.org/")], Err("`site` becomes a part of the host name")),
            (&[("site", "a@b")], Err("`site` becomes a part of the host name")),
            (&[("site", "")], Err("`site` becomes a part of the host name")),
            (&[("site", "-a")], Err("`site` becomes a part of the host name")),
            (&[("site", "{part}")], Err("`site` becomes a part of the host name")),
            (&[("part", "..")], Err("`part` becomes a part of the path")),
            (&[("part", "a/b")], Err("`part` becomes a part of the path")),
            (&[("zone", "c")], Err("`zone` must be one of a, b")),
            (&[("sight", "main")], Err("has no variable `sight`")),
        ] {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            match (provider.base_url_with(&given), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(wrong), Err(expected)) => assert!(wrong[0].what.contains(expected), "{wrong:?}"),
                (found, expected) => panic!("{given:?}: {found:?}, not {expected:?}"),
            }
        }
    }
}
