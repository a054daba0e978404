//! The plan's digest: SHA-256 over what is sent, in order, and over the settings that change it. Layout, comments, ids and the
//! plan's name do not count.

use crate::plan::checked::Fingerprint;
use crate::plan::read::AccountDraft;
use crate::plan::settings::Settings;
use crate::run::Ordinal;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// A digest that is being made.
#[derive(Default)]
pub(super) struct Digest {
    hash: Sha256,
    /// What is to be added next: many small additions cost more than one.
    next: Vec<u8>,
}

/// The part of a fingerprint that all actions of one account and operation share.
#[derive(Clone)]
pub(super) struct FingerprintBase(Sha256);

impl Digest {
    /// Adds the next action.
    pub(super) fn action(
        &mut self,
        account: usize,
        operation: &str,
        reason: Option<&str>,
        not_before: Option<Timestamp>,
        duplicate: bool,
        parameters: &[u8],
    ) {
        self.next.extend([b'a', u8::from(duplicate)]);
        self.next.extend((account as u64).to_le_bytes());
        self.next.extend(not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        text(&mut self.next, operation.as_bytes());
        text(&mut self.next, reason.unwrap_or_default().as_bytes());
        text(&mut self.next, parameters);
        self.hash();
    }

    /// Adds that one action needs another.
    pub(super) fn need(&mut self, action: Ordinal, needed: Ordinal) {
        self.next.push(b'n');
        self.next.extend(action.to_le_bytes());
        self.next.extend(needed.to_le_bytes());
        self.hash();
    }

    /// Adds the next account that is used.
    pub(super) fn account(&mut self, draft: &AccountDraft) {
        let account = &draft.account;
        self.next.push(b'p');
        self.next.extend(draft.provider.digest);
        text(&mut self.next, account.base_url.as_bytes());
        text(&mut self.next, account.auth_url.as_deref().unwrap_or_default().as_bytes());
        for (name, value) in &account.variables {
            text(&mut self.next, name.as_bytes());
            text(&mut self.next, value.as_bytes());
        }
        text(&mut self.next, draft.references.as_bytes());
        for (reason, spelling) in &account.reasons {
            text(&mut self.next, reason.name().as_bytes());
            text(&mut self.next, spelling.as_bytes());
        }
        self.hash();
    }

    /// Ends with the settings that say when to send and when to stop.
    pub(super) fn finish(mut self, settings: &Settings) -> String {
        self.next.push(b's');
        let when = serde_json::to_vec(&(&settings.deadline, &settings.schedule, &settings.safety));
        text(&mut self.next, &when.unwrap_or_default());
        self.hash();
        hex::encode(self.hash.finalize())
    }

    fn hash(&mut self) {
        self.hash.update(&self.next);
        self.next.clear();
    }
}

impl FingerprintBase {
    pub(super) fn new(draft: &AccountDraft, operation: &str) -> Self {
        let mut shared = Vec::new();
        text(&mut shared, draft.account.provider.as_bytes());
        text(&mut shared, draft.account.base_url.as_bytes());
        text(&mut shared, operation.as_bytes());
        Self(Sha256::new_with_prefix(&shared))
    }

    /// What an action does, over all plans.
    pub(super) fn fingerprint(&self, parameters: &[u8]) -> Fingerprint {
        let mut hash = self.0.clone();
        hash.update((parameters.len() as u64).to_le_bytes());
        hash.update(parameters);
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Fingerprint(half)
    }
}

fn text(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_le_bytes());
    to.extend(bytes);
}
