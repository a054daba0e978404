//! The plan's digest: SHA-256 over what is sent, in order, and over the settings that change it. Layout, comments, ids and the
//! plan's name do not count.

use super::beside::Beside;
use crate::pki::RevocationReason;
use crate::plan::checked::Fingerprint;
use crate::plan::read::AccountDraft;
use crate::plan::settings::Settings;
use crate::run::Ordinal;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// A digest that is being made, on a thread beside the check where there is much of it.
#[derive(Default)]
pub(super) struct Digest {
    /// What is to be added next: many small additions cost more than one.
    next: Vec<u8>,
    /// Both but for the times at which they are beside.
    hash: Option<(Sha256, Vec<u8>)>,
    thread: Option<Beside<(Sha256, Vec<u8>)>>,
}

/// What an action does, over all plans: the whole hash of which its fingerprint is the half.
#[derive(Default)]
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
            self.hash_beside();
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
        let (mut hash, _) = self.so_far();
        hash.update(&self.next);
        hex::encode(hash.finalize())
    }

    fn hash_beside(&mut self) {
        let (hash, emptied) = self.so_far();
        let next = std::mem::replace(&mut self.next, emptied);
        let update = |(hash, bytes): &mut (Sha256, Vec<u8>)| {
            hash.update(&bytes);
            bytes.clear();
        };
        if self.thread.is_none() {
            self.thread = Beside::begin("digest", update);
        }
        if let Some(thread) = &self.thread {
            thread.give((hash, next));
        } else {
            let mut here = (hash, next);
            update(&mut here);
            self.hash = Some(here);
        }
    }

    /// The hash of all but what is to be added next, and room for more.
    fn so_far(&mut self) -> (Sha256, Vec<u8>) {
        let beside = || self.thread.as_ref().map(Beside::take);
        self.hash.take().or_else(beside).unwrap_or_default()
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

/// So much is hashed at once; little in tests, so that they meet its end.
const MANY_BYTES: usize = if cfg!(test) { 1 << 8 } else { 1 << 15 };
/// Of SHA-256.
const BLOCK: usize = 64;
