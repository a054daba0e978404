//! Waits: steps of a plan that send nothing that takes effect; and the ids of steps. In a run directory each is an action as others, told by its operation. Looks at
//! nothing and waits for nothing.

use super::checked::Parameters;
use crate::pki::{SerialNotation, SerialNumber, SerialSpelling, TlsServer};
use crate::provider::stages::is_name;
use crate::run::{StatusSource, StatusSources};
use serde_json::{Map, Value};
use std::time::Duration;

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The new certificate is there.
    Issued,
    /// The servers show the new certificate.
    Served,
    /// What waits at the CA is settled, whoever approves it.
    Approved,
    /// The provider's own state, a CRL or an OCSP answer says that it is revoked.
    Revoked,
}

/// A step that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub until: WaitFor,
    /// The id of the step that it is about.
    pub of: String,
    /// How long at most, from the end of the step before it; without one as long as it takes.
    pub within: Option<Duration>,
    /// Which servers must show the new certificate, where that is what it waits for.
    pub at: Vec<TlsServer>,
    /// The serial number of the certificate that the new one replaces, where the plan tells it: so that servers which still show it are told apart.
    pub old: Option<SerialNumber>,
    /// Who must say that it is revoked, where not everybody may.
    pub by: StatusSources,
}

impl WaitFor {
    /// All.
    pub const ALL: [Self; 4] = [Self::Issued, Self::Served, Self::Approved, Self::Revoked];

    /// The word in plans.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Served => "served",
            Self::Approved => "approved",
            Self::Revoked => "revoked",
        }
    }

    /// What has this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// The operation of such an action. No provider's has a blank in its name.
    pub fn operation(self) -> String {
        format!("{PREFIX}{}", self.word())
    }
}

impl Wait {
    /// What the run directory keeps of it.
    pub fn parameters(&self) -> Parameters {
        let mut map = Map::new();
        map.insert(OF.to_owned(), self.of.as_str().into());
        if let Some(within) = self.within {
            map.insert(WITHIN.to_owned(), u64::try_from(within.as_millis()).unwrap_or(u64::MAX).into());
        }
        if !self.at.is_empty() {
            map.insert(AT.to_owned(), self.at.iter().map(ToString::to_string).collect());
        }
        if let Some(old) = &self.old {
            map.insert(OLD.to_owned(), old.spelled(SerialSpelling::HexLower).into());
        }
        if !self.by.is_empty() {
            map.insert(BY.to_owned(), self.by.iter().map(StatusSource::as_str).collect());
        }
        Parameters::from(map)
    }

    /// The wait that an action is, by its operation; `None` where it sends something.
    pub fn of_action(operation: &str, parameters: &Parameters) -> Option<Self> {
        let until = WaitFor::parse(operation.strip_prefix(PREFIX)?)?;
        let of = parameters.get(OF).and_then(Value::as_str)?.to_owned();
        let within = parameters.get(WITHIN).and_then(Value::as_u64).map(Duration::from_millis);
        let texts = parameters.get(AT).and_then(Value::as_array).into_iter().flatten();
        let at: Result<Vec<TlsServer>, ()> =
            texts.map(|text| TlsServer::parse(text.as_str().ok_or(())?).map_err(drop)).collect();
        let by = parameters.get(BY).and_then(Value::as_array).into_iter().flatten();
        let by: Option<StatusSources> = by.map(|word| StatusSource::parse(word.as_str()?)).collect();
        let old = parameters.get(OLD).and_then(Value::as_str);
        let old = old.and_then(|text| SerialNumber::parse_in(text, SerialNotation::Hexadecimal).ok());
        Some(Self { until, of, within, at: at.ok()?, old, by: by? })
    }
}

/// The entry and the name of a step, by the id of its action; `None` of an id that no step can have.
pub fn entry_and_step(id: &str) -> Option<(&str, &str)> {
    id.rsplit_once('/').filter(|(_, step)| is_name(step))
}

/// What the operation of a wait begins with.
pub const PREFIX: &str = "wait ";
const OF: &str = "of";
const WITHIN: &str = "within_ms";
const AT: &str = "at";
const OLD: &str = "old";
const BY: &str = "by";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_it_was_written() {
        for until in WaitFor::ALL {
            for within in [None, Some(Duration::from_secs(86_400))] {
                let at = if until == WaitFor::Served { &["a.example:443", "smtp://b.example:25"][..] } else { &[] };
                let at = at.iter().map(|text| TlsServer::parse(text).unwrap()).collect();
                let by = if until == WaitFor::Revoked { &[StatusSource::Crl, StatusSource::Ocsp][..] } else { &[] };
                let by = by.iter().copied().collect();
                let old = (until == WaitFor::Served).then(|| SerialNumber::parse("0x10").unwrap());
                let wait = Wait { until, of: "shop/revoke".to_owned(), within, at, old, by };
                assert_eq!(Wait::of_action(&until.operation(), &wait.parameters()), Some(wait));
            }
        }
        assert_eq!(entry_and_step("lists/a.csv:2/revoke"), Some(("lists/a.csv:2", "revoke")));
        assert_eq!(entry_and_step("lists/a.csv:2"), None);
        assert_eq!(Wait::of_action("revoke", &Parameters::default()), None);
        assert_eq!(Wait::of_action("wait issued", &Parameters::default()), None);
    }
}
