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
pub(super) struct Digest {
    hash: Sha256,
    /// What is to be added next: many small additions cost more than one.
    next: Vec<u8>,
}

/// What an action does, over all plans: the whole hash of which its fingerprint is the half.
pub(super) struct Does([u8; 32]);

/// The part of a fingerprint that all actions of one account and operation share.
#[derive(Clone)]
pub(super) struct FingerprintBase(Sha256);

impl Digest {
    /// Adds the next action.
    pub(super) fn action(
        &mut self,
        account: usize,
        reason: Option<RevocationReason>,
        not_before: Option<Timestamp>,
        duplicate: bool,
        does: &Does,
    ) {
        let mut bytes = [0; 59];
        bytes[0] = b'a';
        bytes[1] = u8::from(duplicate);
        bytes[2] = reason.map_or(u8::MAX, RevocationReason::code);
        bytes[3..11].copy_from_slice(&(account as u64).to_le_bytes());
        bytes[11..27].copy_from_slice(&not_before.map_or(i128::MIN, Timestamp::as_nanosecond).to_le_bytes());
        bytes[27..].copy_from_slice(&does.0);
        self.next.extend_from_slice(&bytes);
        if self.next.len() > MANY_BYTES {
            self.hash();
        }
    }

    /// Adds that one action needs another.
    pub(super) fn need(&mut self, action: Ordinal, needed: Ordinal) {
        self.next.push(b'n');
        self.next.extend(action.to_le_bytes());
        self.next.extend(needed.to_le_bytes());
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
        // In whole blocks, which need not be hashed again for each action.
        shared.resize(shared.len().next_multiple_of(BLOCK), 0);
        Self(Sha256::new_with_prefix(&shared))
    }

    /// What an action with these parameters does, over all plans.
    pub(super) fn with(&self, parameters: &[u8]) -> Does {
        let mut hash = self.0.clone();
        hash.update(parameters);
        Does(hash.finalize().into())
    }
}

impl Does {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        Fingerprint(half)
    }
}

fn text(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_le_bytes());
    to.extend(bytes);
}

/// So much is hashed at once.
const MANY_BYTES: usize = 1 << 12;
/// Of SHA-256.
const BLOCK: usize = 64;
