//! The plan's digest: SHA-256 over what is sent, in order, and over the settings that say how fast, when, how often, and when to stop, as
//! they hold in the end, wherever they were written. Layout, comments, ids and the plan's name do not count.

use crate::pki::RevocationReason;
use crate::plan::checked::{Fingerprint, NeverSent};
use crate::plan::read::AccountDraft;
use crate::plan::settings::Settings;
use crate::run::Ordinal;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// A digest that is being made.
#[derive(Default)]
pub(super) struct PlanDigest(Sha256);

/// What an action does, over all plans: the whole hash of which its fingerprint is the half.
pub(super) struct ActionDigest([u8; 32]);

/// The part of a fingerprint that all actions of one account and operation share.
#[derive(Clone)]
pub(super) struct FingerprintBase(Sha256);

impl PlanDigest {
    /// Adds the next action.
    pub(super) fn action(
        &mut self,
        account: usize,
        reason: Option<RevocationReason>,
        not_before: Option<Timestamp>,
        never_sent: Option<&NeverSent>,
        digest: &ActionDigest,
    ) {
        // One buffer and one update, for this runs for every action. Letters (`a`, `d`, `n`, `p`, `s`) separate the kinds of input.
        let mut bytes = [0; 59];
        bytes[0] = b'a';
        bytes[1] = match never_sent {
            None => 0,
            Some(NeverSent::Repeats(_)) => 1,
            Some(NeverSent::Excepted(_)) => 2,
        };
        bytes[2] = reason.map_or(u8::MAX, RevocationReason::code);
        bytes[3..11].copy_from_slice(&(account as u64).to_le_bytes());
        bytes[11..27].copy_from_slice(&not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        bytes[27..].copy_from_slice(&digest.0);
        self.0.update(bytes);
    }

    /// Adds the names that the new certificate of the action that was added last may lack.
    pub(super) fn drop_names(&mut self, names: &[String]) {
        for name in names {
            self.0.update(b"d");
            self.0.update((name.len() as u64).to_le_bytes());
            self.0.update(name);
        }
    }

    /// Adds that one action needs another.
    pub(super) fn need(&mut self, action: Ordinal, needed: Ordinal) {
        self.0.update(b"n");
        self.0.update(action.to_le_bytes());
        self.0.update(needed.to_le_bytes());
    }

    /// Adds the next account that is used.
    pub(super) fn account(&mut self, draft: &AccountDraft) {
        let account = &draft.account;
        self.0.update(b"p");
        self.0.update(draft.provider.digest);
        add_text(&mut self.0, &account.base_url);
        add_text(&mut self.0, account.auth_url.as_deref().unwrap_or_default());
        for (name, value) in &account.variables {
            add_text(&mut self.0, name);
            add_text(&mut self.0, value);
        }
        add_text(&mut self.0, &draft.references);
        for (reason, spelling) in &account.reasons {
            add_text(&mut self.0, reason.name());
            add_text(&mut self.0, spelling);
        }
        // A preview is read for how fast it will go, too.
        for window in &account.windows {
            add_text(&mut self.0, &window.to_string());
        }
        self.0.update(b"c");
        self.0.update(account.concurrency.to_le_bytes());
        self.0.update([u8::from(account.concurrency_follows)]);
        if let Some(hook) = &account.challenge_hook {
            add_text(&mut self.0, &format!("{hook:?}"));
        }
    }

    /// Ends with the settings that decide when to send, how often, and when to stop; returns lower-case hexadecimal.
    pub(super) fn finish(mut self, settings: &Settings) -> String {
        self.0.update(b"s");
        // All of them by name, so that whoever adds one decides here. Accounts came one by one; a name and the columns that are kept change
        // nothing that is sent.
        let Settings { name: _, deadline, accounts: _, retry, timeout, schedule, safety, keep_columns: _, hooks } =
            settings;
        let when = serde_json::to_string(&(deadline, schedule, safety, retry, timeout));
        add_text(&mut self.0, &when.unwrap_or_default());
        // They send nothing to a provider, and they are programs that a run starts: whoever approves a plan approves them.
        if !hooks.is_empty() {
            self.0.update(b"h");
            add_text(&mut self.0, &serde_json::to_string(hooks).unwrap_or_default());
        }
        hex::encode(self.0.finalize())
    }
}

impl FingerprintBase {
    pub(super) fn new(draft: &AccountDraft, operation: &str) -> Self {
        let mut hash = Sha256::new();
        let texts = [draft.account.provider.as_str(), &same_place(&draft.account.base_url), operation];
        texts.iter().for_each(|text| add_text(&mut hash, text));
        // Up to a whole block, which need not be hashed again for each action. A text has its length before it.
        let length: usize = texts.iter().map(|text| size_of::<u64>() + text.len()).sum();
        hash.update(&[0; BLOCK][..length.next_multiple_of(BLOCK) - length]);
        Self(hash)
    }

    /// What an action with these parameters does, over all plans.
    pub(super) fn with(&self, parameters: &[u8]) -> ActionDigest {
        let mut hash = self.0.clone();
        hash.update(parameters);
        ActionDigest(hash.finalize().into())
    }

    /// What every action on this target does, whatever its other parameters say.
    pub(super) fn of_target(&self, target: &str) -> Fingerprint {
        let mut hash = self.0.clone();
        // Parameters are a JSON object, which begins otherwise.
        hash.update(b"target ");
        hash.update(target);
        ActionDigest(hash.finalize().into()).fingerprint()
    }
}

impl ActionDigest {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        Fingerprint(half)
    }
}

/// A base URL as it is compared: other letters of case, or the port that is meant anyway, are no other place.
fn same_place(base_url: &str) -> String {
    let url = base_url.to_ascii_lowercase();
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")] {
        if let Some(rest) = url.strip_prefix(scheme) {
            let end = rest.find('/').unwrap_or(rest.len());
            if let Some(host) = rest[..end].strip_suffix(port) {
                return format!("{scheme}{host}{}", &rest[end..]);
            }
        }
    }
    url
}

fn add_text(hash: &mut Sha256, text: &str) {
    // The length first: otherwise `ab`, `c` and `a`, `bc` would have one hash.
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Of SHA-256.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_written_in_several_ways() {
        for (url, expected) in [
            ("https://CA.example/Api", "https://ca.example/api"),
            ("HTTPS://ca.example:443/api", "https://ca.example/api"),
            ("https://ca.example:443", "https://ca.example"),
            ("https://ca.example:4430", "https://ca.example:4430"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1/x"),
            ("http://127.0.0.1:443/x", "http://127.0.0.1:443/x"),
        ] {
            assert_eq!(same_place(url), expected);
        }
    }
}
