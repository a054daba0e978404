//! One request after another, decided: faults, credentials, parameters, limits, state. Pure but for its own state: no socket, no
//! clock; the server does what is decided here. The limits are exact: no window admits more than its count.

use super::acme::{self, Acme, Finalization, OrderReply};
use super::answers::{self, Reference};
use super::authentication::verify;
use super::authority::Authority;
use super::message::{Reaction, ReactionKind, Received, Response};
use super::options::{Fault, FaultDraw, KnownTarget, Limits, SimulatedAccount, SimulatorOptions};
use super::queries;
use super::routes::{Route, Routes, StatusService, account_path, base_path, is_acme, request_parameters};
use super::targets::{self, AccountEffects, Counters, Effects, TargetStore};
use super::tokens::Tokens;
use crate::pki::SerialNumber;
use crate::provider::model::TargetKind;
use crate::provider::{Answer, AnswerClass, Idempotency, Operation, Provider, TargetState, verdict};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the simulator is at one moment.
pub(super) struct RequestHandler {
    options: SimulatorOptions,
    routes: Routes,
    targets: TargetStore,
    authority: Option<Authority>,
    accounts: Vec<AccountState>,
    /// Effects so far, over all accounts; makes references unique.
    effects: u64,
    /// How often each stage was asked with the same parameters.
    polls: HashMap<(usize, usize, String), u64>,
    /// Account and the name by which a stage asks for it → the certificate that was issued.
    named: HashMap<(usize, String), String>,
    /// Target and idempotency key → what was answered.
    keyed: HashMap<(usize, String), Response>,
}

/// What an account has seen.
struct AccountState {
    limits: Limits,
    tokens: Tokens,
    /// Where it is an ACME server.
    acme: Option<Acme>,
    requests: u64,
    not_found: u64,
    counters: Vec<Counters>,
}

/// A request at its operation.
struct OperationRequest<'a> {
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

impl RequestHandler {
    pub(super) fn new(mut options: SimulatorOptions) -> Self {
        let accounts = options.accounts.iter().map(|account| AccountState {
            limits: Limits::new(&options.faults.limits(&account.name, &account.windows)),
            tokens: Tokens::default(),
            acme: is_acme(&account.provider).then(Acme::default),
            requests: 0,
            not_found: 0,
            counters: vec![Counters::default(); account.provider.operations.len()],
        });
        let accounts = accounts.collect();
        let known = std::mem::take(&mut options.known);
        let routes = Routes::new(&options.accounts);
        let targets = TargetStore::new(&options.accounts);
        let mut handler = Self {
            routes,
            targets,
            authority: Authority::new(),
            accounts,
            effects: 0,
            polls: HashMap::new(),
            named: HashMap::new(),
            keyed: HashMap::new(),
            options,
        };
        for target in &known {
            handler.learn(target);
        }
        handler
    }

    /// Learns that a target exists; `false` where there is no such account, operation or target.
    pub(super) fn learn(&mut self, known: &KnownTarget) -> bool {
        let Some((account, provider)) = self.account(&known.account) else { return false };
        let Some(operation) = targets::index(&provider, &known.operation) else { return false };
        let Some(target) = self.targets.learn(account, &provider, operation, &known.parameters) else { return false };
        if let Some(serial) = &known.serial_number {
            self.targets.set_serial_number(account, target, serial.clone());
        }
        let order = self.learn_order((account, &provider, operation), target, known);
        // Before an order is finalized, nothing of it has taken effect.
        if let Some(effect) = known.done.filter(|_| order != Some(None)) {
            let given = known.reference.as_deref().map(Reference::Given);
            let reference = given.unwrap_or(Reference::Fresh(self.effects + 1));
            // What comes later must get no reference that was given before.
            let number = reference.number().unwrap_or(self.effects);
            self.effects = self.effects.max(number);
            let again = || self.issue(&provider.operations[operation], &known.parameters, number, effect.at);
            let issued = order.flatten().or_else(again);
            self.targets.set_issued(target, issued);
            let granted = answers::granted(&provider.operations[operation], &known.parameters, reference);
            let state = if effect.pending { TargetState::Pending } else { TargetState::Done };
            self.targets.take_effect(account, &provider, target, (state, effect.at), granted.body, self.effects);
        }
        true
    }

    /// Learns the order that an earlier simulator has made for a target, if it has: its certificate, where it was finalized.
    fn learn_order(
        &mut self,
        (account, provider, operation): (usize, &Provider, usize),
        target: usize,
        known: &KnownTarget,
    ) -> Option<Option<String>> {
        let finalized_after = acme::finalized_after(provider, operation)?;
        let order = acme::order_number(known.reference.as_deref()?)?;
        let is_finalized = usize::from(known.carried_out) >= finalized_after;
        let at = known.done.map_or_else(|| self.options.clock.now(), |effect| effect.at);
        let number = acme::certificate_number(account, order);
        let issue = || self.issue(&provider.operations[operation], &known.parameters, number, at);
        let chain = if is_finalized { issue() } else { None };
        let acme = self.accounts[account].acme.as_mut()?;
        acme.orders.learn(order, &known.parameters, target, chain.clone());
        Some(chain)
    }

    /// How often something took effect upon a target.
    pub(super) fn effects_on(&self, account: &str, operation: &str, target: &str) -> u64 {
        let found = self
            .account(account)
            .and_then(|(account, provider)| Some((account, targets::index(&provider, operation)?)));
        found.map_or(0, |(account, operation)| self.targets.effects_on(account, operation, target))
    }

    /// The counters so far.
    pub(super) fn effects(&self) -> Effects {
        let each = |(simulated, account): (&SimulatedAccount, &AccountState)| {
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

    /// Decides what is done in return for a request.
    pub(super) fn handle(&mut self, request: &Received, now: Timestamp, elapsed: Duration) -> Reaction {
        let answer = |response| Reaction { delay: Duration::ZERO, kind: ReactionKind::Answer(response) };
        self.targets.approve(now);
        match self.routes.find(request) {
            Route::Nowhere => answer(Response::json(404, None)),
            Route::Unknown { account } => {
                self.accounts[account].not_found += 1;
                answer(Response::json(404, None))
            }
            Route::Tokens { account } => {
                let provider = Arc::clone(&self.options.accounts[account].provider);
                answer(self.accounts[account].tokens.issue(&provider, request, now, self.options.verify))
            }
            Route::Acme { account, endpoint } => {
                let (base, verify) = (self.base(account), self.options.verify);
                let acme = self.accounts[account].acme.as_mut();
                answer(acme.map_or_else(Response::default, |acme| acme.serve(endpoint, request, &base, verify)))
            }
            Route::Published { account, what } => answer(self.publish(account, &what, request, now)),
            Route::Operation { account, operation, path } => {
                let provider = Arc::clone(&self.options.accounts[account].provider);
                let declared = &provider.operations[operation];
                let parameters = match self.accounts[account].acme {
                    Some(_) => {
                        // What is told by a URL has the URL of the request.
                        let url = |name: String| (name, acme::url(request));
                        let is_told = request.method != "GET";
                        let path = path.into_iter().map(|(name, text)| if is_told { url(name) } else { (name, text) });
                        let path: Vec<(String, String)> = path.collect();
                        request_parameters(declared, &path, &acme::opened(request))
                            .and_then(|parameters| certificate_named(declared, parameters))
                    }
                    None => request_parameters(declared, &path, request),
                };
                let target = parameters
                    .as_ref()
                    .ok()
                    .and_then(|parameters| self.targets.learn(account, &provider, operation, parameters));
                let asked = OperationRequest {
                    account,
                    operation,
                    provider: &provider,
                    request,
                    parameters,
                    target,
                    now,
                    elapsed,
                };
                self.inject_fault(&asked)
            }
        }
    }

    /// What the account's CA publishes: for everybody, without credentials or limits.
    fn publish(&self, account: usize, what: &StatusService, request: &Received, now: Timestamp) -> Response {
        let provider = &self.options.accounts[account].provider;
        let authority = self.authority.as_ref();
        let find = |serial: &SerialNumber| self.targets.status(account, provider, serial);
        let (media_type, body) = match what {
            StatusService::Crl => {
                let revocations = self.targets.revocations(account, provider);
                ("application/pkix-crl", authority.and_then(|authority| authority.crl(revocations, now)))
            }
            StatusService::Ocsp(asked) => {
                let asked = asked.as_deref().unwrap_or(&request.body);
                ("application/ocsp-response", authority.and_then(|authority| authority.ocsp(asked, find, now)))
            }
        };
        let status = if body.is_some() { 200 } else { 500 };
        Response { status, media_type: media_type.into(), body: body.unwrap_or_default(), ..Response::default() }
    }

    /// Lets a fault strike the request, or grants it its answer.
    fn inject_fault(&mut self, asked: &OperationRequest<'_>) -> Reaction {
        let account = &mut self.accounts[asked.account];
        let name = &self.options.accounts[asked.account].name;
        let drawn = self.options.faults.draw(self.options.seed, name, account.requests);
        account.requests += 1;
        let counters = &mut account.counters[asked.operation];
        counters.requests += 1;
        if let Some(fault) = drawn.fault {
            *counters.faults.entry(fault.word().to_owned()).or_default() += 1;
        }
        let mut kind = self.react(asked, drawn);
        // RFC 8555, 6.5: every answer brings a nonce, refusals too; a page of some proxy does not.
        if let (ReactionKind::Answer(response), Some(acme)) = (&mut kind, &mut self.accounts[asked.account].acme)
            && drawn.fault != Some(Fault::Html)
        {
            *response = acme.with_nonce(std::mem::take(response));
        }
        Reaction { delay: drawn.latency, kind }
    }

    fn react(&mut self, asked: &OperationRequest<'_>, drawn: FaultDraw) -> ReactionKind {
        let operation = &asked.provider.operations[asked.operation];
        match drawn.fault {
            None => ReactionKind::Answer(self.serve(asked)),
            Some(Fault::BadNonce) if self.accounts[asked.account].acme.is_none() => {
                ReactionKind::Answer(self.serve(asked))
            }
            Some(Fault::BadNonce) => ReactionKind::Answer(acme::bad_nonce()),
            Some(Fault::Reset) => ReactionKind::Close,
            Some(Fault::Html) => ReactionKind::Answer(answers::proxy_page()),
            Some(fault @ (Fault::Throttled | Fault::BareThrottled)) => {
                let mut response = answers::throttled(asked.provider, operation);
                response.headers.retain(|(name, _)| name != "retry-after");
                let asks = fault == Fault::Throttled;
                ReactionKind::Answer(if asks { response.with("retry-after", "1") } else { response })
            }
            Some(Fault::ServerError) => {
                let response = answers::server_error(asked.provider, operation, drawn.chance);
                let headers = response.headers.iter().map(|(name, value)| (name, value)).collect();
                let read = Answer::new(response.status, headers, response.body.clone());
                // Only where the answer leaves it open may it have taken effect.
                if verdict::read(operation, &read, asked.now).class == AnswerClass::Unknown && drawn.chance & COIN != 0
                {
                    self.serve(asked);
                }
                ReactionKind::Answer(response)
            }
            Some(Fault::Hang) => {
                if drawn.chance & COIN != 0 {
                    self.serve(asked);
                }
                ReactionKind::Hang
            }
            Some(Fault::LostAnswer) => {
                self.serve(asked);
                ReactionKind::Close
            }
        }
    }

    /// What the provider itself does.
    fn serve(&mut self, asked: &OperationRequest<'_>) -> Response {
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
            if let Err(why) = verify(asked.provider, operation, asked.request, asked.now, &issued) {
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
        // After keys and parameters, as gateways do: what they refuse does not count against the limit.
        if !account.limits.admit(asked.elapsed) {
            counters.limited += 1;
            return answers::throttled(asked.provider, operation);
        }
        if let Some(acme) = &mut account.acme {
            let directory = acme::directory(asked.request, &base);
            match acme.orders.serve(&operation.path, parameters, asked.target, &directory) {
                None => {}
                Some(OrderReply::Answer(response)) => {
                    let is_taken = response.status < 300;
                    counters.accepted += u64::from(is_taken);
                    counters.refused += u64::from(!is_taken);
                    return response;
                }
                Some(OrderReply::Finalize(order)) => return self.finalize(asked, &order, &directory),
            }
        }
        if let Some(target) = asked.target {
            return self.act(asked, target, parameters);
        }
        let counters = &mut self.accounts[asked.account].counters[asked.operation];
        counters.accepted += 1;
        let is_status_query = self.targets.is_status_query(asked.account, asked.operation);
        let found = self.targets.found(asked.account, asked.operation, parameters);
        // What is known shows its state; else it is asked for the sake of an action that goes on.
        if found.iter().all(|targets| targets.is_empty())
            && let Some(response) = self.stage(asked, parameters)
        {
            return response;
        }
        // One that is a status query, too, shows the targets as those do, once there are any.
        let is_list = !is_status_query || self.targets.of_account(asked.account).next().is_none();
        if let Some(list) = operation.list.as_ref().filter(|_| is_list) {
            let targets = self.targets.of_account(asked.account);
            return queries::answer_list(asked.provider, operation, list, parameters, targets);
        }
        if !is_status_query {
            return answers::granted(operation, parameters, Reference::Fresh(self.effects)).response;
        }
        let found = self.targets.found(asked.account, asked.operation, parameters);
        let mut response = queries::answer(asked.provider, operation, parameters, &self.targets, &found);
        let issuer = (self.authority.as_ref(), asked.now);
        queries::with_certificate(asked.provider, asked.operation, parameters, &mut response, issuer);
        response
    }

    /// Answers a request that is a stage of an action.
    fn stage(&mut self, asked: &OperationRequest<'_>, parameters: &Map<String, Value>) -> Option<Response> {
        let operation = &asked.provider.operations[asked.operation];
        let mut stages = answers::asked_stages(asked.provider, asked.operation).peekable();
        stages.peek()?;
        let of_action = stages.peek().and_then(|stage| stage.of_action(parameters));
        let is_begun =
            of_action.is_none_or(|(action, target)| self.targets.effects_on(asked.account, action, &target) > 0);
        // What is read before the action was asked for is no poll: nothing is under way yet.
        let times = if is_begun {
            let key = (asked.account, asked.operation, Value::Object(parameters.clone()).to_string());
            let times = self.polls.entry(key).or_default();
            *times += 1;
            *times - 1
        } else {
            u64::MAX
        };
        stages.find_map(|stage| {
            let target = stage.target(parameters);
            let issued = target.and_then(|name| self.targets.issued(asked.account, stage.action, &name));
            let mut names = stage.names(parameters);
            let mut named = || names.find_map(|name| self.named.get(&(asked.account, name.to_owned())));
            let issued = issued.or_else(|| named().map(String::as_str));
            stage.answer(operation, parameters, times, issued)
        })
    }

    /// Lets an action take effect, or refuses it because it has. What is not idempotent takes effect each time: that is what a run must
    /// never cause twice.
    fn act(&mut self, asked: &OperationRequest<'_>, target: usize, parameters: &Map<String, Value>) -> Response {
        let operation = &asked.provider.operations[asked.operation];
        let idempotency = operation.action.as_ref().map_or(Idempotency::Idempotent, |action| action.idempotency);
        let rule = operation.action.as_ref().and_then(|action| action.idempotency_key.as_ref());
        let key = rule.and_then(|rule| Some((target, parameters.get(&rule.parameter)?.as_str()?.to_owned())));
        // The same request once more: it is answered as the first was, and nothing happens.
        if let Some(known) = key.as_ref().and_then(|key| self.keyed.get(key)) {
            self.accounts[asked.account].counters[asked.operation].accepted += 1;
            return known.clone();
        }
        // What only reads is done each time.
        let is_done = self.targets.target(target).state != TargetState::NotDone && operation.method != "GET";
        if idempotency == Idempotency::Idempotent && is_done {
            self.accounts[asked.account].counters[asked.operation].refused += 1;
            return answers::already(asked.provider, operation, "the request cannot be carried out in this state");
        }
        self.effects += 1;
        let mut granted = answers::granted(operation, parameters, Reference::Fresh(self.effects));
        let issued = match operation.method == "GET" {
            // What only reads shows what another operation has made of the same thing.
            true => self.known_certificate(asked, target),
            false => self.issue(operation, parameters, self.effects, asked.now),
        };
        if let Some(chain) = &issued {
            granted = granted.with_certificate(chain);
        }
        if let Some(action) = &operation.action {
            let (own, names) = answers::with_own_names(granted, action, self.effects);
            granted = own;
            let chains = names.into_iter().zip(issued.iter().cycle());
            self.named.extend(chains.map(|(name, chain)| ((asked.account, name), chain.clone())));
        }
        self.targets.set_issued(target, issued);
        let waits = ["pending-approval", "pending"].contains(&granted.class.as_str());
        let state = if waits { TargetState::Pending } else { TargetState::Done };
        let state = (state, asked.now);
        self.targets.take_effect(asked.account, asked.provider, target, state, granted.body, self.effects);
        if operation.action.as_ref().is_some_and(|action| action.target.kind == TargetKind::Request) {
            self.decide(asked.provider, target, asked.now);
        }
        let upon = self.targets.target(target).effects;
        let counters = &mut self.accounts[asked.account].counters[asked.operation];
        counters.accepted += 1;
        counters.effects += 1;
        counters.targets += u64::from(upon == 1);
        counters.max_effects_per_target = counters.max_effects_per_target.max(upon);
        if let Some(key) = key {
            self.keyed.insert(key, granted.response.clone());
        }
        granted.response
    }

    /// The certificate of a target that is read: that which was issued for it, else one for the request that the run has for it.
    fn known_certificate(&self, asked: &OperationRequest<'_>, target: usize) -> Option<String> {
        let known = self.targets.target(target);
        let operation = &asked.provider.operations[asked.operation];
        let issued = self.targets.issued_by_any(asked.account, asked.provider, target).or(known.issued.as_deref());
        issued.map(str::to_owned).or_else(|| self.issue(operation, &known.parameters, self.effects, asked.now))
    }

    /// Makes the certificate of an order: the effect of the action that has made the order.
    fn finalize(&mut self, asked: &OperationRequest<'_>, order: &Finalization, directory: &str) -> Response {
        self.effects += 1;
        let number = acme::certificate_number(asked.account, order.number);
        let chain = self.authority.as_ref().and_then(|own| own.issue(&order.request, &order.names, number, asked.now));
        if let Some(target) = order.target {
            self.targets.set_issued(target, chain.clone());
            let state = (TargetState::Done, asked.now);
            self.targets.take_effect(asked.account, asked.provider, target, state, Value::Null, self.effects);
        }
        let upon = order.target.map_or(1, |target| self.targets.target(target).effects);
        let action = order.target.map_or(asked.operation, |target| self.targets.target(target).operation);
        let account = &mut self.accounts[asked.account];
        account.counters[asked.operation].accepted += 1;
        let counters = &mut account.counters[action];
        counters.effects += 1;
        counters.targets += u64::from(upon == 1);
        counters.max_effects_per_target = counters.max_effects_per_target.max(upon);
        account.acme.as_mut().map(|acme| acme.orders.finalized(order, chain, directory)).unwrap_or_default()
    }

    /// A person has decided about a request: whatever waits for it is done, or never will be, at every account of that provider.
    fn decide(&mut self, provider: &Provider, decision: usize, now: Timestamp) {
        let same = |account: &SimulatedAccount| account.provider.id == provider.id;
        let accounts: Vec<usize> =
            (0..self.options.accounts.len()).filter(|account| same(&self.options.accounts[*account])).collect();
        for (target, state) in queries::decided(provider, &self.targets, &accounts, decision) {
            self.targets.settle(target, state, now);
        }
    }

    /// The certificate that an operation with a request is answered with, now or once it was approved; its serial number is
    /// made of `number`.
    fn issue(
        &self,
        operation: &Operation,
        parameters: &Map<String, Value>,
        number: u64,
        now: Timestamp,
    ) -> Option<String> {
        let rule = operation.action.as_ref()?.csr.as_ref()?;
        let listed = rule.dns_names.as_ref().and_then(|name| parameters.get(name)?.as_array());
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let common_name = rule.common_name.as_ref().and_then(|name| parameters.get(name)?.as_str());
        let names: Vec<String> = common_name.into_iter().chain(listed).map(str::to_owned).collect();
        self.authority.as_ref()?.issue(parameters.get(&rule.field)?.as_str()?, &names, number, now)
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

/// The parameters with the serial number of the certificate among them.
fn certificate_named(operation: &Operation, mut parameters: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let action = operation.action.as_ref();
    // An order names what it is for, and not the request, which comes later.
    let order = action.and_then(|action| action.csr.as_ref()).and_then(|rule| {
        let first = parameters.get(rule.dns_names.as_ref()?)?.get(0)?.clone();
        Some((rule.common_name.clone()?, first))
    });
    parameters.extend(order);
    let rule = action.and_then(|action| action.certificate.as_ref());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostics;
    use crate::provider::model::Window;
    use crate::provider::openapi;
    use crate::simulator::{Faults, credential};
    use crate::text::SourceMap;
    use crate::time::Clock;
    use serde_json::json;

    struct Unused;

    impl Clock for Unused {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn boot(&self) -> Option<String> {
            None
        }
    }

    struct Played {
        handler: RequestHandler,
        seconds: u64,
    }

    impl Played {
        fn new(faults: &str, windows: &[&str]) -> Self {
            let mut diagnostics = Diagnostics::default();
            let source = SourceMap::default().add_text("test.yaml", None, DOCUMENT.into());
            let provider = openapi::read(&DOCUMENT.into(), source, &mut diagnostics);
            assert!(!diagnostics.has_errors(), "{diagnostics:?}");
            let account = SimulatedAccount {
                name: "test".to_owned(),
                provider: Arc::new(provider.unwrap()),
                windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            };
            let options = SimulatorOptions {
                port: 0,
                accounts: vec![account],
                faults: if faults.is_empty() { Faults::default() } else { Faults::parse(faults).unwrap() },
                seed: 3,
                verify: true,
                known: Vec::new(),
                clock: Arc::new(Unused),
            };
            Self { handler: RequestHandler::new(options), seconds: 0 }
        }

        fn react(&mut self, method: &str, target: &str, body: Option<&Value>) -> ReactionKind {
            let key = credential("test", "key").reveal().to_owned();
            let headers = [("x-key", key), ("content-type", "application/json".to_owned())];
            let request = Received {
                shows_certificate: false,
                method: method.to_owned(),
                target: format!("/test/api{target}"),
                headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
                body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
            };
            let elapsed = Duration::from_secs(self.seconds);
            self.handler.handle(&request, Timestamp::UNIX_EPOCH + elapsed, elapsed).kind
        }

        fn send(&mut self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
            let kind = self.react(method, target, body);
            let ReactionKind::Answer(Response { status, body, .. }) = kind else { panic!("{kind:?}") };
            (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
        }

        fn revoke(&mut self, order: &str, number: i64) -> u16 {
            self.send("POST", "/revoke", Some(&json!({"order": order, "number": number}))).0
        }

        fn know(&mut self, order: &str, number: i64) {
            let parameters = json!({"order": order, "number": number}).as_object().unwrap().clone();
            let known = KnownTarget {
                account: "test".into(),
                operation: "revoke".into(),
                parameters,
                ..KnownTarget::default()
            };
            assert!(self.handler.learn(&known));
        }

        /// The rows of a page as `order/number status`, and how many rows there are in all.
        fn page(&mut self, page: u32) -> (Vec<String>, u64) {
            let (status, body) = self.send("GET", &format!("/list?page={page}"), None);
            assert_eq!(status, 200);
            let row = |order: &Value| {
                let row = &order["rows"][0];
                let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                format!("{}/{} {}", word(&order["id"]), word(&row["no"]), word(&row["state"]))
            };
            (body["orders"].as_array().unwrap().iter().map(row).collect(), body["total"].as_u64().unwrap())
        }
    }

    #[test]
    fn lists_show_what_is_known_page_by_page() {
        let mut played = Played::new("", &[]);
        assert_eq!(played.page(1), (vec![], 0));
        played.know("a", 1);
        played.know("a", 2);
        assert_eq!(played.revoke("b", 7), 200);
        assert_eq!(played.revoke("a", 2), 200);
        assert_eq!(played.page(1), (vec!["a/1 GOOD".to_owned(), "a/2 REVOKED".to_owned()], 3));
        assert_eq!(played.page(2), (vec!["b/7 REVOKED".to_owned()], 3));
        assert_eq!(played.page(3), (vec![], 3));
    }

    #[test]
    fn what_is_done_for_all_is_done_for_each() {
        let mut played = Played::new("", &[]);
        played.know("a", 1);
        played.know("b", 1);
        assert_eq!(played.revoke("a", 0), 200);
        assert_eq!(played.revoke("a", 1), 400);
        let (rows, _) = played.page(1);
        assert_eq!(rows, ["a/1 REVOKED", "b/1 GOOD"]);
        let counters = played.handler.effects().of("test", "revoke");
        assert_eq!((counters.effects, counters.refused, counters.targets), (1, 1, 1));
    }

    #[test]
    fn an_unsafe_operation_takes_effect_each_time() {
        let mut played = Played::new("", &[]);
        let first = played.send("POST", "/certificates/9/reissue", Some(&json!({})));
        let second = played.send("POST", "/certificates/9/reissue", Some(&json!({})));
        assert_eq!((first.0, second.0), (201, 201));
        assert_ne!(first.1["id"], second.1["id"]);
        let counters = played.handler.effects().of("test", "reissue");
        assert_eq!((counters.effects, counters.targets, counters.max_effects_per_target), (2, 1, 2));
        let found = played.send("GET", &format!("/requests/{}", second.1["id"]), None);
        assert_eq!(found, (200, json!({"id": second.1["id"], "state": "open"})));
        // A request that nobody made is not found to be anything.
        assert_eq!(played.send("GET", "/requests/12", None).1["state"], json!("closed"));
    }

    #[test]
    fn the_sample_with_the_same_switches_answers() {
        let mut played = Played::new("", &[]);
        let now = played.send("POST", "/certificates/1/reissue", Some(&json!({"now": true, "note": "n"})));
        let later = played.send("POST", "/certificates/2/reissue", Some(&json!({"now": false, "note": "n"})));
        assert_eq!((now.0, now.1, later.0), (204, Value::Null, 201));
    }

    #[test]
    fn limits_slide_with_the_clock_and_only_the_granted_count() {
        let mut played = Played::new("", &["1/10s"]);
        for (seconds, expected) in [(0, 200), (0, 429), (9, 429), (10, 200), (19, 429), (20, 200)] {
            played.seconds = seconds;
            assert_eq!(played.revoke("a", i64::try_from(seconds).unwrap() + 1), expected, "{seconds}");
        }
        let counters = played.handler.effects().of("test", "revoke");
        assert_eq!((counters.requests, counters.accepted, counters.limited), (6, 3, 3));
    }

    #[test]
    fn refusals_say_why_in_the_providers_own_shape() {
        let mut played = Played::new("", &[]);
        let (status, body) = played.send("POST", "/revoke", Some(&json!({"order": "a", "number": -1})));
        assert_eq!((status, &body["error"]["code"]), (400, &json!("E400")));
        assert!(body["error"]["message"].as_str().unwrap().contains("-1"), "{body}");
        assert_eq!(played.send("GET", "/list?page=1&page=2", None).0, 400);
        assert_eq!(played.send("GET", "/nothing", None).0, 404);
    }

    #[test]
    fn what_is_issued_stands_in_the_answer_and_later_in_the_state() {
        let mut played = Played::new("", &[]);
        let csr = include_str!("../../examples/shop.csr");
        let order = json!({"csr": csr, "names": ["more.example.com"]});
        let certificates = |body: &Value| {
            let certificate = body["certificate"].as_str().unwrap().to_owned();
            let all = crate::pki::Certificate::parse_all(certificate.as_bytes()).unwrap();
            let spki = crate::pki::SpkiFingerprint::of(&all[0].spki);
            assert_eq!(spki, crate::pki::Csr::parse(csr.as_bytes()).unwrap().spki());
            certificate
        };
        let (status, first) = played.send("POST", "/orders/7", Some(&order));
        assert_eq!(status, 200);
        let (_, second) = played.send("POST", "/orders/7", Some(&order));
        let (first, second) = (certificates(&first), certificates(&second));
        assert_ne!(first, second, "each has a serial number of its own");
        let (_, later) = played.send("GET", "/orders/7", None);
        assert_eq!(certificates(&later), second);
    }

    #[test]
    fn what_waits_for_a_person_is_approved_after_a_moment() {
        let mut played = Played::new("", &[]);
        let (_, made) = played.send("POST", "/certificates/9/reissue", Some(&json!({})));
        let path = format!("/requests/{}", made["id"]);
        for (seconds, expected) in [(0, "open"), (59, "open"), (60, "granted")] {
            played.seconds = seconds;
            assert_eq!(played.send("GET", &path, None).1["state"], json!(expected), "{seconds}");
        }
    }

    #[test]
    fn a_fault_leaves_an_effect_only_where_it_may() {
        for (fault, may) in
            [("reset", false), ("html", false), ("429", false), ("bare-429", false), ("5xx", true), ("hang", true)]
        {
            let mut played = Played::new(&format!("{fault}=1/1"), &[]);
            for number in 1..=40 {
                played.react("POST", "/revoke", Some(&json!({"order": "a", "number": number})));
            }
            let counters = played.handler.effects().of("test", "revoke");
            assert_eq!(counters.faults[fault], 40);
            let (some, all) = (counters.effects > 0, counters.effects == 40);
            assert!(some == may && !all, "{fault}: {} effects", counters.effects);
            // What was asked for is known, whether or not it was done.
            let asked = json!({"order": "a", "number": 41});
            assert!(played.handler.learn(&KnownTarget {
                account: "test".into(),
                operation: "revoke".into(),
                parameters: asked.as_object().unwrap().clone(),
                ..KnownTarget::default()
            }));
        }
    }

    #[test]
    fn what_a_document_declares_harmless_does_no_harm() {
        let mut played = Played::new("5xx=1/1", &[]);
        for number in 1..=60 {
            let (status, _) = played.send("POST", "/revoke", Some(&json!({"order": "a", "number": number})));
            let effects = played.handler.effects_on("test", "revoke", &format!("a/{number}"));
            assert!(effects == 0 || status != 502, "the document says that a 502 is without effect");
        }
    }

    const DOCUMENT: &str = include_str!("test-provider.yaml");
}
