//! The plan's digest: SHA-256 over what is sent, in order, and over the settings that change it. Layout, comments, ids and the
//! plan's name do not count.

use crate::pki::RevocationReason;
use crate::plan::checked::Fingerprint;
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
        is_duplicate: bool,
        digest: &ActionDigest,
    ) {
        // One buffer and one update, for this runs for every action. Letters (`a`, `n`, `p`, `s`) separate the kinds of input.
        let mut bytes = [0; 59];
        bytes[0] = b'a';
        bytes[1] = u8::from(is_duplicate);
        bytes[2] = reason.map_or(u8::MAX, RevocationReason::code);
        bytes[3..11].copy_from_slice(&(account as u64).to_le_bytes());
        bytes[11..27].copy_from_slice(&not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        bytes[27..].copy_from_slice(&digest.0);
        self.0.update(bytes);
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
    }

    /// Ends with the settings that decide when to send and when to stop; returns lower-case hexadecimal.
    pub(super) fn finish(mut self, settings: &Settings) -> String {
        self.0.update(b"s");
        let when = serde_json::to_string(&(&settings.deadline, &settings.schedule, &settings.safety));
        add_text(&mut self.0, &when.unwrap_or_default());
        hex::encode(self.0.finalize())
    }
}

impl FingerprintBase {
    pub(super) fn new(draft: &AccountDraft, operation: &str) -> Self {
        let mut hash = Sha256::new();
        let texts = [&draft.account.provider, &draft.account.base_url, operation];
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
}

impl ActionDigest {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        Fingerprint(half)
    }
}

fn add_text(hash: &mut Sha256, text: &str) {
    // The length first: otherwise `ab`, `c` and `a`, `bc` would have one hash.
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Of SHA-256.
const BLOCK: usize = 64;
