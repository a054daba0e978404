//! What the simulator is asked to play: accounts, targets and [`Faults`], which of them strikes which request, and the credentials that
//! it accepts. Plays nothing. Every draw depends on the seed, the account, the request's number and the kind of fault alone, so a drill can
//! be repeated.

use crate::pki::SerialNumber;
use crate::provider::Provider;
use crate::provider::model::Window;
use crate::provider::security::CredentialUse;
use crate::text::damage::did_you_mean;
use crate::text::{Secret, nearest};
use crate::time::{Clock, parse_duration};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What to play, and how badly.
pub struct SimulatorOptions {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The accounts, each with its own state and limits.
    pub accounts: Vec<SimulatedAccount>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Decides, with a request's number, which faults strike: the same seed gives the same faults.
    pub seed: u64,
    /// Whether keys and signatures are verified.
    pub verify: bool,
    /// What the accounts hold before the first request. A target is learned too when a request names it.
    pub known: Vec<KnownTarget>,
    /// The time, for signatures and limits.
    pub clock: Arc<dyn Clock + Send + Sync>,
}

/// One account at one provider.
#[derive(Debug, Clone)]
pub struct SimulatedAccount {
    /// Its name in plans, and the first part of its paths here.
    pub name: String,
    /// What it is an account of.
    pub provider: Arc<Provider>,
    /// The limits that are enforced; none for no limits.
    pub windows: Vec<Window>,
}

/// A target that exists.
#[derive(Debug, Clone, Default)]
pub struct KnownTarget {
    /// The account's name.
    pub account: String,
    /// The operation that may be asked for it.
    pub operation: String,
    /// The action's parameters, with those that only status queries use.
    pub parameters: Map<String, Value>,
    /// The serial number of the certificate that it is, where the parameters do not say it.
    pub serial_number: Option<SerialNumber>,
    /// The reference of the answer to its request: where that made an order, its URL.
    pub reference: Option<String>,
    /// How many of its requests were carried out: its own, then its stages.
    pub carried_out: u8,
    /// What was done upon it before this simulator began.
    pub done: Option<KnownEffect>,
}

/// What an earlier simulator has done upon a target, as the journal of its run tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownEffect {
    /// When.
    pub at: Timestamp,
    /// Whether a person had still to approve it.
    pub pending: bool,
}

/// The credential that the simulator accepts: dummy text that is the same in every run, such as `simulated-digicert-api_key`.
pub fn credential(provider: &str, name: &str) -> Secret {
    // The products of one house are entered by the same variables, and so by the same text: `naver` and `naver-pca`.
    let house = provider.split('-').next().unwrap_or_default();
    Secret::new(format!("simulated-{house}-{name}"))
}

/// As [`credential()`], for a provider whose signers may want more than any text: a key.
pub fn credential_of(provider: &Provider, name: &str) -> Secret {
    match provider.requirements().find_map(|requirement| requirement.uses_of(name).next()) {
        Some(CredentialUse::JwsKey) => Secret::new(ACCOUNT_KEY),
        Some(CredentialUse::ServiceAccount) => {
            let file = json!({
                "type": "service_account",
                "client_email": SERVICE_ACCOUNT_EMAIL,
                "private_key_id": "simulated",
                "private_key": SERVICE_ACCOUNT_KEY,
            });
            Secret::new(file.to_string())
        }
        // By the simulator's own CA, which is the one that it believes.
        Some(CredentialUse::ClientCertificate) => Secret::new(format!("{CLIENT_CERTIFICATE}{CLIENT_KEY}")),
        Some(CredentialUse::ClientKey) => Secret::new(CLIENT_KEY),
        Some(
            CredentialUse::Field
            | CredentialUse::Text
            | CredentialUse::BearerToken
            | CredentialUse::BasicUser
            | CredentialUse::ClientCertificatePassword,
        )
        | None => credential(&provider.id, name),
    }
}

/// The service account that may ask for tokens, and its key: it is the same in every run, and protects nothing.
pub(super) const SERVICE_ACCOUNT_EMAIL: &str = "simulated@simulated.iam.gserviceaccount.com";
pub(super) const SERVICE_ACCOUNT_KEY: &str = include_str!("service-account-key.pem");

/// A certificate and its key, for accounts that sign in by one: they are the same in every run, and protect nothing.
const CLIENT_CERTIFICATE: &str = include_str!("client.pem");
const CLIENT_KEY: &str = include_str!("client-key.pem");

/// The private key of the one ACME account: it is the same in every run, and protects nothing.
pub(super) const ACCOUNT_KEY: &str = include_str!("account-key.pem");

impl fmt::Debug for SimulatorOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatorOptions")
            .field("port", &self.port)
            .field("accounts", &self.accounts.iter().map(|account| &account.name).collect::<Vec<_>>())
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

/// Faults, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<FaultRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FaultRule {
    /// `None` for every account.
    account: Option<String>,
    kind: FaultRuleKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FaultRuleKind {
    Latency(Duration),
    /// Only this share of the declared limits is allowed.
    Limit {
        times: u64,
        of: u64,
    },
    Strike {
        fault: Fault,
        times: u64,
        of: u64,
    },
}

/// What can go wrong with a request; at most one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The connection is closed before anything is done. `reset`.
    Reset,
    /// A page from some proxy, with status 200; nothing is done. `html`.
    Html,
    /// 429 with `Retry-After: 1`; nothing is done. `429`.
    Throttled,
    /// 429 without a word of how long to wait, as from a gateway before the provider; nothing is done. `bare-429`.
    BareThrottled,
    /// An ACME server's refusal of a good nonce; nothing is done. `bad-nonce`.
    BadNonce,
    /// A 500, 502, 503 or 504. `5xx`.
    ServerError,
    /// No answer until the client gives up; done or not, as the coin falls. `hang`.
    Hang,
    /// Done, then the connection is closed without an answer. `lost-answer`.
    LostAnswer,
}

/// What was drawn for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FaultDraw {
    /// The answer waits so long.
    pub(super) latency: Duration,
    /// What goes wrong.
    pub(super) fault: Option<Fault>,
    /// Chance, for what the fault leaves open.
    pub(super) chance: u64,
}

impl Faults {
    /// Reads faults, separated by commas or spaces: `limit=1/3`, `latency=200ms`, `429=1/20`, `bare-429=1/500`, `5xx=1/50`, `reset=1/100`, `lost-answer=1/100`,
    /// `hang=1/1000`, `html=1/500`, `bad-nonce=1/5`; each may begin with an account's name and a colon.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let list = words.map(parse_one).collect::<Result<Vec<_>, String>>()?;
        if list.is_empty() { Err(format!("`{text}` names no fault; {EXPECTED}")) } else { Ok(Self { list }) }
    }

    /// Adds more faults. Of several latencies the last that fits an account holds.
    pub fn extend(&mut self, more: Self) {
        self.list.extend(more.list);
    }

    /// The accounts that the faults name, for whoever knows which there are.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(|rule| rule.account.as_deref())
    }

    /// The limits that an account really has, where these are declared. Of several shares the last that fits holds.
    pub(super) fn limits(&self, account: &str, declared: &[Window]) -> Vec<Window> {
        let fitting = self.list.iter().filter(|rule| rule.account.as_deref().is_none_or(|name| name == account));
        let share = fitting.rev().find_map(|rule| match rule.kind {
            FaultRuleKind::Limit { times, of } => Some((times, of)),
            _ => None,
        });
        let Some((times, of)) = share else { return declared.to_vec() };
        let part = |count: u32| u32::try_from(u64::from(count).saturating_mul(times) / of).unwrap_or(count).max(1);
        declared.iter().map(|window| Window { count: part(window.count), length: window.length }).collect()
    }

    /// How long each answer to an account waits.
    pub fn latency(&self, account: &str) -> Duration {
        self.draw(0, account, 0).latency
    }

    /// What goes wrong with an account's request of this number.
    pub(super) fn draw(&self, seed: u64, account: &str, number: u64) -> FaultDraw {
        let mut drawn =
            FaultDraw { latency: Duration::ZERO, fault: None, chance: random(seed, account, number, u64::MAX) };
        let fitting = self.list.iter().filter(|rule| rule.account.as_deref().is_none_or(|name| name == account));
        for (place, rule) in (0_u64..).zip(fitting) {
            match rule.kind {
                FaultRuleKind::Latency(latency) => drawn.latency = latency,
                FaultRuleKind::Limit { .. } => {}
                FaultRuleKind::Strike { fault, times, of } => {
                    if drawn.fault.is_none() && random(seed, account, number, place) % of < times {
                        drawn.fault = Some(fault);
                    }
                }
            }
        }
        drawn
    }
}

impl Fault {
    /// All faults with the words that people use for them.
    const ALL: [(Self, &'static str); 8] = [
        (Self::Reset, "reset"),
        (Self::Html, "html"),
        (Self::Throttled, "429"),
        (Self::BareThrottled, "bare-429"),
        (Self::BadNonce, "bad-nonce"),
        (Self::ServerError, "5xx"),
        (Self::Hang, "hang"),
        (Self::LostAnswer, "lost-answer"),
    ];

    /// The word that people use for it.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, word)| word)
    }
}

fn parse_one(text: &str) -> Result<FaultRule, String> {
    let (account, rest) = match text.split_once(':') {
        Some((account, rest)) => (Some(account.to_owned()), rest),
        None => (None, text),
    };
    let (name, value) = rest.split_once('=').ok_or_else(|| format!("`{text}` is not a fault; {EXPECTED}"))?;
    if name == "latency" {
        let latency = parse_duration(value)?;
        return Ok(FaultRule { account, kind: FaultRuleKind::Latency(latency) });
    }
    if name == "limit" {
        let share = parse_share(value).filter(|(times, _)| *times > 0);
        let (times, of) =
            share.ok_or_else(|| format!("`{value}` is not a share of the limits; write it as `1/3`, for a third"))?;
        return Ok(FaultRule { account, kind: FaultRuleKind::Limit { times, of } });
    }
    let Some((fault, _)) = Fault::ALL.iter().find(|(_, word)| *word == name) else {
        let words = Fault::ALL.iter().map(|(_, word)| *word).chain(["latency", "limit"]);
        let hint = nearest(name, words).map_or_else(String::new, |word| format!("{} ", did_you_mean(name, word)));
        return Err(format!("there is no fault `{name}`; {hint}{EXPECTED}"));
    };
    let (times, of) = parse_share(value).ok_or_else(|| {
        format!("`{value}` is not a share of the requests; write it as `1/100`, for one request in a hundred")
    })?;
    Ok(FaultRule { account, kind: FaultRuleKind::Strike { fault: *fault, times, of } })
}

fn parse_share(text: &str) -> Option<(u64, u64)> {
    let (times, of) = text.split_once('/')?;
    let (times, of) = (times.parse().ok()?, of.parse().ok()?);
    (of > 0 && times <= of).then_some((times, of))
}

/// A number that looks random, and is the same for the same arguments (SplitMix64 over an FNV-1a of the name).
fn random(seed: u64, account: &str, number: u64, place: u64) -> u64 {
    let name = account.bytes().fold(FNV_START, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    [name, number, place].into_iter().fold(seed, |state, word| mix(state ^ word))
}

fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
const EXPECTED: &str = "write one of latency=200ms, 429=1/20, bare-429=1/500, 5xx=1/50, reset=1/100, lost-answer=1/100, hang=1/1000, html=1/500, limit=1/3, \
                        bad-nonce=1/5 (of ACME's), \
                        each with an account in front where it is for one alone (naver:hang=1/10)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read() {
        for (text, good) in [
            ("latency=200ms", true),
            ("429=1/20", true),
            ("naver:5xx=1/50", true),
            ("reset=1/100,lost-answer=1/100 hang=0/1", true),
            ("digicert:limit=1/3", true),
            ("limit=0/3", false),
            ("limit=4/3", false),
            ("html=3/2", false),
            ("html=1/0", false),
            ("html=1", false),
            ("reset", false),
            ("", false),
            ("latency=fast", false),
            ("resets=1/2", false),
        ] {
            assert_eq!(Faults::parse(text).is_ok(), good, "{text}");
        }
        assert!(Faults::parse("resets=1/2").unwrap_err().contains("`reset`"));
        assert_eq!(Faults::parse("a:hang=1/2,429=1/2").unwrap().accounts().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_share_of_the_requests_is_struck_and_always_the_same() {
        let faults = Faults::parse("naver:reset=1/10,latency=5ms").unwrap();
        let struck = |seed, account| {
            let numbers = (0..10_000).filter(|number| faults.draw(seed, account, *number).fault.is_some());
            numbers.collect::<Vec<u64>>()
        };
        assert!((800..1200).contains(&struck(7, "naver").len()), "{}", struck(7, "naver").len());
        assert_eq!(struck(7, "naver"), struck(7, "naver"));
        assert_ne!(struck(7, "naver"), struck(8, "naver"));
        assert!(struck(7, "digicert").is_empty());
        assert_eq!(faults.draw(7, "digicert", 0).latency, Duration::from_millis(5));
    }

    #[test]
    fn a_provider_may_allow_less_than_it_declares() {
        let windows = |texts: &[&str]| texts.iter().map(|text| Window::parse(text).unwrap()).collect::<Vec<_>>();
        let faults = Faults::parse("limit=1/2,naver:limit=1/3").unwrap();
        let declared = windows(&["100/5s", "1000/180s", "2/1s"]);
        assert_eq!(faults.limits("naver", &declared), windows(&["33/5s", "333/180s", "1/1s"]));
        assert_eq!(faults.limits("digicert", &declared), windows(&["50/5s", "500/180s", "1/1s"]));
        assert_eq!(Faults::parse("429=1/2").unwrap().limits("naver", &declared), declared);
    }

    #[test]
    fn always_and_never_hold() {
        let always = Faults::parse("html=1/1").unwrap();
        let never = Faults::parse("html=0/1").unwrap();
        for number in 0..100 {
            assert_eq!(always.draw(1, "a", number).fault, Some(Fault::Html));
            assert_eq!(never.draw(1, "a", number).fault, None);
        }
    }
}
