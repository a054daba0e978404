//! `certsweep simulate`, and the simulator that `run --simulate`, and `resume` and `verify` of such a run, start.

use super::context::{Context, Exit};
use super::options::SimulateArgs;
use super::process::with_signals;
use crate::journal::{History, JournalError, Phase, Reader, RunFacts};
use crate::plan::Settings;
use crate::provider::model::Window;
use crate::provider::security::CredentialUse;
use crate::provider::{Catalog, Provider, SecurityRequirement};
use crate::run::Outcome;
use crate::simulator::{
    CA_CERTIFICATE, Faults, KnownEffect, KnownTarget, SimulatedAccount, Simulator, SimulatorOptions, credential_of,
    is_free, start,
};
use crate::text::Secret;
use std::sync::Arc;

/// Plays the providers on loopback until it is interrupted.
pub fn simulate(context: &Context, args: &SimulateArgs) -> Exit {
    let catalog = match context.catalog(&context.provider_directories()) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    let accounts = catalog.iter().map(|provider| SimulatedAccount {
        name: provider.id.clone(),
        provider: Arc::clone(provider),
        windows: provider.windows.clone(),
    });
    let simulator = match begin(context, args.port, accounts.collect(), &args.faults, args.seed) {
        Ok(simulator) => simulator,
        Err(exit) => return exit,
    };
    if context.global.json {
        let accounts = catalog.iter().map(|provider| {
            let credentials = dummy_credentials(provider)
                .map(|(variable, credential)| (variable.to_owned(), credential.reveal().to_owned().into()));
            let credentials: serde_json::Map<String, serde_json::Value> = credentials.collect();
            let mut account = serde_json::json!({"provider": provider.id, "base_url": simulator.base_url(&provider.id), "environment": credentials});
            if let Some(secure) = simulator.secure_base_url(&provider.id) {
                account["secure_base_url"] = secure.into();
            }
            if fetches_token(provider) {
                account["auth_url"] = simulator.auth_url(&provider.id).into();
            }
            account
        });
        let accounts: Vec<_> = accounts.collect();
        context
            .printer
            .result_json(&serde_json::json!({"address": simulator.address().to_string(), "ca_certificate": CA_CERTIFICATE, "providers": accounts}));
    } else {
        let mut text =
            format!("# the simulator listens on {}; put these into a plan's `providers`:\n", simulator.address());
        for provider in catalog.iter() {
            let (base, auth) = (simulator.base_url(&provider.id), simulator.auth_url(&provider.id));
            let auth = if fetches_token(provider) { format!(", auth_url: \"{auth}\"") } else { String::new() };
            // Who signs in by a certificate alone is played nowhere else.
            let secure = simulator.secure_base_url(&provider.id);
            let (base, beside) = match (secure, provider.auth.first().is_some_and(SecurityRequirement::is_mutual_tls)) {
                (Some(secure), true) => (secure, String::new()),
                (Some(secure), false) => (base, format!("  # with a client's certificate: {secure}")),
                (None, _) => (base, String::new()),
            };
            text.push_str(&["#   ", &provider.id, ": {base_url: \"", &base, "\"", &auth, "}", &beside, "\n"].concat());
        }
        text.push_str("# and these into the environment (dummy credentials that it accepts):\n");
        for provider in catalog.iter() {
            for (variable, value) in dummy_credentials(provider) {
                // A key has several lines.
                let quote = if value.reveal().contains('\n') { "'" } else { "" };
                text.push_str(&["export ", variable, "=", quote, value.reveal().trim_end(), quote, "\n"].concat());
            }
        }
        if catalog.iter().any(|provider| simulator.secure_base_url(&provider.id).is_some()) {
            text.push_str(
                "# what https has here is issued by this CA; write it into a file, and give that by --ca-file:\n",
            );
            text.push_str(&["export CERTSWEEP_SIMULATOR_CA='", CA_CERTIFICATE.trim_end(), "'\n"].concat());
        }
        context.printer.result(text.trim_end());
    }
    context.printer.note("interrupt to end");
    match with_signals(context, async |mut signals| Ok(signals.recv().await)) {
        Ok(_) => {
            context.printer.result_json(&simulator.effects());
            Exit::Well
        }
        Err(exit) => exit,
    }
}

/// The variables of an account with what the simulator accepts in them. A client's certificate holds its own key, which has no password.
fn dummy_credentials(provider: &Provider) -> impl Iterator<Item = (&str, Secret)> {
    let is_of_certificate = |name: &str| {
        let mut uses = provider.requirements().flat_map(|requirement| requirement.uses_of(name));
        uses.any(|used| matches!(used, CredentialUse::ClientCertificatePassword | CredentialUse::ClientKey))
    };
    let named = provider.environment.iter().filter(move |(name, _)| !is_of_certificate(name));
    named.map(|(name, variable)| (variable.as_str(), credential_of(provider, name)))
}

/// Whether one of its ways to sign in begins with a token.
fn fetches_token(provider: &Provider) -> bool {
    provider.auth.iter().any(|requirement| requirement.token().is_some())
}

/// A simulator for a plan's accounts, with their own limits, on this port if it is free: where the URLs lead that an earlier one gave.
///
/// # Errors
/// The exit code; the failure was printed.
pub fn simulator_for(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    faults: &[String],
    seed: Option<u64>,
    port: Option<u16>,
) -> Result<Simulator, Exit> {
    let mut accounts = Vec::new();
    for account in &settings.accounts {
        if let Some(provider) = catalog.get(&account.provider) {
            let windows: Vec<Window> = account.windows.clone();
            accounts.push(SimulatedAccount { name: account.name.clone(), provider: Arc::clone(provider), windows });
        }
    }
    // Taken by somebody else, it is no reason to do nothing: most providers give no URLs.
    let taken = port.filter(|port| !is_free(*port));
    if let Some(taken) = taken {
        context.printer.note(&format!(
            "another program has port {taken} of this machine, where the simulator of this rehearsal was: an order whose URL names it cannot be \
             followed until that program ends"
        ));
    }
    begin(context, port.filter(|_| taken.is_none()).unwrap_or(0), accounts, faults, seed)
}

/// What a later command starts from where the run was a rehearsal: its clock, which goes on from where the rehearsal got.
///
/// # Errors
/// The exit code; the failure was printed.
pub fn rehearsal_of(context: &Context, reader: &Reader, facts: &RunFacts) -> Result<Option<Context>, Exit> {
    if !facts.simulated {
        return Ok(None);
    }
    let reached = reader.overview().map_err(|error| context.failed(&error))?.last_at;
    Ok(Some(context.rehearsal(reached)))
}

/// Registers the run's targets with the simulator, as a CA knows its certificates before anybody asks about them, and what an earlier
/// simulator has done: the journal knows, and no simulator keeps anything.
///
/// # Errors
/// Where the run cannot be read.
pub fn register_targets(simulator: &Simulator, reader: &Reader, facts: &RunFacts) -> Result<(), JournalError> {
    for found in reader.histories() {
        let (action, history) = found?;
        let serial_number = action.certificate.as_deref().and_then(|known| known.serial_number.clone());
        simulator.learn(&KnownTarget {
            account: facts.settings.accounts[action.account].name.clone(),
            operation: action.operation,
            parameters: (*action.parameters).clone(),
            serial_number,
            done: effect(&history),
            reference: history.reply.reference,
            carried_out: history.state.stage,
        });
    }
    Ok(())
}

/// What a simulator that knows nothing must take for done.
fn effect(history: &History) -> Option<KnownEffect> {
    let state = &history.state;
    let (pending, at) = match state.phase {
        Phase::Ended(Outcome::Succeeded | Outcome::AlreadyDone) => (false, history.finished_at),
        Phase::Ended(Outcome::PendingApproval) => (true, history.finished_at),
        // Its request was accepted and a later stage of it was not done yet: what the next process fetches must be of that request.
        Phase::Waiting | Phase::InFlight | Phase::Ended(Outcome::Pending) if state.stage > 0 => {
            (false, history.started_at)
        }
        _ => return None,
    };
    Some(KnownEffect { at: at?, pending })
}

fn begin(
    context: &Context,
    port: u16,
    accounts: Vec<SimulatedAccount>,
    specs: &[String],
    seed: Option<u64>,
) -> Result<Simulator, Exit> {
    let mut faults = Faults::default();
    for spec in specs {
        match Faults::parse(spec) {
            Ok(more) => faults.extend(more),
            Err(what) => {
                context.printer.error(&what);
                return Err(Exit::Usage);
            }
        }
    }
    if let Some(unknown) = faults.accounts().find(|name| !accounts.iter().any(|account| account.name == *name)) {
        context.printer.error(&format!("no provider `{unknown}` is simulated, so it can have no fault"));
        return Err(Exit::Usage);
    }
    let options = SimulatorOptions {
        port,
        accounts,
        faults,
        seed: seed.unwrap_or(0),
        // A wrong signature is refused as by the provider, so that a rehearsal finds it.
        verify: true,
        known: Vec::new(),
        clock: Arc::new(context.clock.clone()),
    };
    start(options).map_err(|error| context.failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ActionState;

    #[test]
    fn what_was_accepted_is_known_to_the_next_simulator() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        for (stage, phase, pending) in [
            (0, Phase::Waiting, None),
            (0, Phase::InFlight, None),
            (1, Phase::Waiting, Some(false)),
            (1, Phase::InFlight, Some(false)),
            (1, Phase::Ended(Outcome::Pending), Some(false)),
            (1, Phase::Ended(Outcome::InDoubt), None),
            (0, Phase::Ended(Outcome::Succeeded), Some(false)),
            (0, Phase::Ended(Outcome::PendingApproval), Some(true)),
            (0, Phase::Ended(Outcome::Rejected), None),
        ] {
            let state = ActionState { stage, phase, ..ActionState::default() };
            let history = History { state, started_at: Some(at), finished_at: Some(at), ..History::default() };
            assert_eq!(effect(&history).map(|effect| effect.pending), pending, "{stage} {phase:?}");
        }
    }
}
