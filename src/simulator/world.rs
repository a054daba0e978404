//! One request after another, decided: faults, credentials, parameters, limits, state. Pure but for its own state: no socket, no
//! clock; the server does what it says.

use super::acme::{self, Acme};
use super::effects::{AccountEffects, Counters, Effects};
use super::faults::{Accident, Turn};
use super::limits::Limits;
use super::request::{Deed, Received, Reply, Response};
use super::routes::{Route, Routes, account_path, base_path, is_acme};
use super::state::{self, State};
use super::{KnownTarget, Options, SimulatedAccount, answers, judge, lookups, tokens, verify};
use crate::provider::{Answer, Meaning, Operation, Provider, Repeat, Standing, verdict};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Everything that the simulator is at one moment.
pub(super) struct World {
    options: Options,
    routes: Routes,
    state: State,
    accounts: Vec<Account>,
    /// Effects so far, over all accounts; makes references unique.
    effects: u64,
}

/// What an account has seen.
struct Account {
    limits: Limits,
    tokens: tokens::Tokens,
    /// Where it is an ACME server.
    acme: Option<Acme>,
    requests: u64,
    not_found: u64,
    counters: Vec<Counters>,
}

/// A request at its operation.
struct Asked<'a> {
    account: usize,
    operation: usize,
    provider: &'a Provider,
    request: &'a Received,
    parameters: Result<Map<String, Value>, String>,
    /// The target, where the operation is an action.
    target: Option<usize>,
    now: Timestamp,
    elapsed: Duration,
}

impl World {
    pub(super) fn new(mut options: Options) -> Self {
        let accounts = options.accounts.iter().map(|account| Account {
            limits: Limits::new(&options.faults.limits(&account.name, &account.windows)),
            tokens: tokens::Tokens::default(),
            acme: is_acme(&account.provider).then(Acme::default),
            requests: 0,
            not_found: 0,
            counters: vec![Counters::default(); account.provider.operations.len()],
        });
        let accounts = accounts.collect();
        let known = std::mem::take(&mut options.known);
        let routes = Routes::new(&options.accounts);
        let mut world = Self { routes, state: State::new(&options.accounts), accounts, effects: 0, options };
        for target in &known {
            world.learn(target);
        }
        world
    }

    /// Learns that a target exists; `false` where there is no such account, operation or target.
    pub(super) fn learn(&mut self, known: &KnownTarget) -> bool {
        let Some((account, provider)) = self.account(&known.account) else { return false };
        let operation = state::index(&provider, &known.operation);
        operation.and_then(|operation| self.state.learn(account, &provider, operation, &known.parameters)).is_some()
    }

    /// How often something took effect upon a target.
    pub(super) fn effects_on(&self, account: &str, operation: &str, target: &str) -> u64 {
        let found =
            self.account(account).and_then(|(account, provider)| Some((account, state::index(&provider, operation)?)));
        found.map_or(0, |(account, operation)| self.state.effects_on(account, operation, target))
    }

    /// The counters so far.
    pub(super) fn effects(&self) -> Effects {
        let each = |(simulated, account): (&SimulatedAccount, &Account)| {
            let names = simulated.provider.operations.iter().map(|operation| operation.name.clone());
            let asked = names.zip(account.counters.iter().cloned()).filter(|(_, counters)| counters.requests > 0);
            let effects = AccountEffects {
                operations: asked.collect(),
                tokens: account.tokens.issued() + account.acme.as_ref().map_or(0, |acme| acme.fetched),
                not_found: account.not_found,
            };
            (simulated.name.clone(), effects)
        };
        Effects { accounts: self.options.accounts.iter().zip(&self.accounts).map(each).collect() }
    }

    /// Receives a request, and says what is done in return.
    pub(super) fn receive(&mut self, request: &Received, now: Timestamp, elapsed: Duration) -> Reply {
        let answer = |response| Reply { after: Duration::ZERO, deed: Deed::Answer(response) };
        match self.routes.find(&request.method, request.path()) {
            Route::Nowhere => answer(Response::json(404, None)),
            Route::Unknown { account } => {
                self.accounts[account].not_found += 1;
                answer(Response::json(404, None))
            }
            Route::Tokens { account } => {
                let provider = &self.options.accounts[account].provider.id;
                answer(self.accounts[account].tokens.issue(provider, request, now, self.options.verify))
            }
            Route::Acme { account, manner } => {
                let (base, verify) = (self.base(account), self.options.verify);
                let acme = self.accounts[account].acme.as_mut();
                answer(acme.map_or_else(Response::default, |acme| acme.serve(manner, request, &base, verify)))
            }
            Route::Operation { account, operation, path } => {
                let provider = Arc::clone(&self.options.accounts[account].provider);
                let declared = &provider.operations[operation];
                let parameters = match self.accounts[account].acme {
                    Some(_) => judge::parameters(declared, &path, &acme::opened(request))
                        .and_then(|parameters| certificate_named(declared, parameters)),
                    None => judge::parameters(declared, &path, request),
                };
                let target = parameters
                    .as_ref()
                    .ok()
                    .and_then(|parameters| self.state.learn(account, &provider, operation, parameters));
                let asked =
                    Asked { account, operation, provider: &provider, request, parameters, target, now, elapsed };
                self.befall(&asked)
            }
        }
    }

    /// Lets a fault befall the request, or grants it its answer.
    fn befall(&mut self, asked: &Asked<'_>) -> Reply {
        let account = &mut self.accounts[asked.account];
        let name = &self.options.accounts[asked.account].name;
        let turn = self.options.faults.turn(self.options.seed, name, account.requests);
        account.requests += 1;
        let counters = &mut account.counters[asked.operation];
        counters.requests += 1;
        if let Some(accident) = turn.accident {
            *counters.faults.entry(accident.word().to_owned()).or_default() += 1;
        }
        let mut deed = self.deed(asked, turn);
        if let (Deed::Answer(response), Some(acme)) = (&mut deed, &mut self.accounts[asked.account].acme)
            && turn.accident != Some(Accident::Html)
        {
            *response = acme.with_nonce(std::mem::take(response));
        }
        Reply { after: turn.latency, deed }
    }

    fn deed(&mut self, asked: &Asked<'_>, turn: Turn) -> Deed {
        let operation = &asked.provider.operations[asked.operation];
        match turn.accident {
            None => Deed::Answer(self.serve(asked)),
            Some(Accident::BadNonce) if self.accounts[asked.account].acme.is_none() => Deed::Answer(self.serve(asked)),
            Some(Accident::BadNonce) => Deed::Answer(acme::bad_nonce()),
            Some(Accident::Reset) => Deed::Close,
            Some(Accident::Html) => Deed::Answer(answers::proxy_page()),
            Some(Accident::Throttled) => {
                let mut response = answers::throttled(asked.provider, operation);
                response.headers.retain(|(name, _)| name != "retry-after");
                Deed::Answer(response.with("retry-after", "1"))
            }
            Some(Accident::ServerError) => {
                let response = answers::server_error(asked.provider, operation, turn.chance);
                let headers = response.headers.iter().map(|(name, value)| (name, value)).collect();
                let read = Answer::new(response.status, headers, response.body.clone());
                // Only where the answer leaves it open may it have taken effect.
                if verdict::read(operation, &read, asked.now).meaning == Meaning::Unknown && turn.chance & COIN != 0 {
                    self.serve(asked);
                }
                Deed::Answer(response)
            }
            Some(Accident::Hang) => {
                if turn.chance & COIN != 0 {
                    self.serve(asked);
                }
                Deed::Hang
            }
            Some(Accident::LostAnswer) => {
                self.serve(asked);
                Deed::Close
            }
        }
    }

    /// What the provider itself does.
    fn serve(&mut self, asked: &Asked<'_>) -> Response {
        let operation = &asked.provider.operations[asked.operation];
        let base = self.base(asked.account);
        let account = &mut self.accounts[asked.account];
        let counters = &mut account.counters[asked.operation];
        if let Some(acme) = &mut account.acme {
            let certificate = asked.parameters.as_ref().ok().and_then(|known| certificate_of(operation, known));
            let admitted = acme.admit(asked.request, &base, Some(certificate.unwrap_or_default()), self.options.verify);
            if let Err(refusal) = admitted {
                counters.bad_signatures += 1;
                return refusal;
            }
        } else if self.options.verify {
            let issued = |token: &str| account.tokens.holds(token, asked.now);
            if let Err(why) = verify::verify(asked.provider, asked.request, asked.now, &issued) {
                counters.bad_signatures += 1;
                return answers::refused_credentials(asked.provider, operation, &why);
            }
        }
        let parameters = match &asked.parameters {
            Ok(parameters) => parameters,
            Err(why) => {
                counters.refused += 1;
                return answers::rejected(asked.provider, operation, why);
            }
        };
        if !account.limits.admit(asked.elapsed) {
            counters.limited += 1;
            return answers::throttled(asked.provider, operation);
        }
        if let Some(target) = asked.target {
            return self.act(asked, target, parameters);
        }
        counters.accepted += 1;
        if !self.state.is_lookup(asked.account, asked.operation) {
            return answers::granted(operation, parameters, self.effects).response;
        }
        let found = self.state.found(asked.account, asked.operation, parameters);
        lookups::answer(asked.provider, operation, parameters, &self.state, &found)
    }

    /// Lets an action take effect, or refuses it because it has.
    fn act(&mut self, asked: &Asked<'_>, target: usize, parameters: &Map<String, Value>) -> Response {
        let operation = &asked.provider.operations[asked.operation];
        let counters = &mut self.accounts[asked.account].counters[asked.operation];
        let repeat = operation.action.as_ref().map_or(Repeat::Safe, |action| action.repeat);
        if repeat == Repeat::Safe && self.state.target(target).standing != Standing::NotDone {
            counters.refused += 1;
            return answers::already(asked.provider, operation, "the request cannot be carried out in this state");
        }
        self.effects += 1;
        let granted = answers::granted(operation, parameters, self.effects);
        let standing = if granted.means == "pending-approval" { Standing::Pending } else { Standing::Done };
        self.state.take_effect(asked.account, asked.provider, target, standing, granted.body, self.effects);
        let upon = self.state.target(target).effects;
        counters.accepted += 1;
        counters.effects += 1;
        counters.targets += u64::from(upon == 1);
        counters.max_effects_per_target = counters.max_effects_per_target.max(upon);
        granted.response
    }

    /// The path of an account's base URL here.
    fn base(&self, account: usize) -> String {
        let account = &self.options.accounts[account];
        format!("{}{}", account_path(&account.name), base_path(&account.provider))
    }

    fn account(&self, name: &str) -> Option<(usize, Arc<Provider>)> {
        let account = self.options.accounts.iter().position(|account| account.name == name)?;
        Some((account, Arc::clone(&self.options.accounts[account].provider)))
    }
}

/// The certificate among an operation's parameters.
fn certificate_of<'p>(operation: &Operation, parameters: &'p Map<String, Value>) -> Option<&'p str> {
    let rule = operation.action.as_ref()?.certificate.as_ref()?;
    parameters.get(&rule.field)?.as_str()
}

/// The parameters with what the certificate among them tells.
fn certificate_named(operation: &Operation, mut parameters: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let rule = operation.action.as_ref().and_then(|action| action.certificate.as_ref());
    if let (Some(text), Some(name)) =
        (certificate_of(operation, &parameters), rule.and_then(|rule| rule.serial.clone()))
    {
        let serial = acme::serial(text).ok_or("the certificate cannot be read")?;
        parameters.insert(name, serial.into());
    }
    Ok(parameters)
}

/// The bit of chance that is the coin; the lowest two choose among server errors.
const COIN: u64 = 4;
