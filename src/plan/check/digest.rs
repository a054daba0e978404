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
pub(super) struct Digest(Sha256);

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
        self.0.update([b'a', u8::from(duplicate)]);
        self.0.update((account as u64).to_le_bytes());
        self.0.update(not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        self.text(operation.as_bytes());
        self.text(reason.unwrap_or_default().as_bytes());
        self.text(parameters);
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
        self.text(account.base_url.as_bytes());
        self.text(account.auth_url.as_deref().unwrap_or_default().as_bytes());
        for (name, value) in &account.variables {
            self.text(name.as_bytes());
            self.text(value.as_bytes());
        }
        self.text(draft.references.as_bytes());
        for (reason, spelling) in &account.reasons {
            self.text(reason.name().as_bytes());
            self.text(spelling.as_bytes());
        }
    }

    /// Ends with the settings that say when to send and when to stop.
    pub(super) fn finish(mut self, settings: &Settings) -> String {
        self.0.update(b"s");
        let when = serde_json::to_vec(&(&settings.deadline, &settings.schedule, &settings.safety));
        self.text(&when.unwrap_or_default());
        hex::encode(self.0.finalize())
    }

    /// What an action does, over all plans.
    pub(super) fn fingerprint(draft: &AccountDraft, operation: &str, parameters: &[u8]) -> Fingerprint {
        let mut digest = Self::default();
        digest.text(draft.account.provider.as_bytes());
        digest.text(draft.account.base_url.as_bytes());
        digest.text(operation.as_bytes());
        digest.text(parameters);
        let mut half = [0; 16];
        half.copy_from_slice(&digest.0.finalize()[..16]);
        Fingerprint(half)
    }

    fn text(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
