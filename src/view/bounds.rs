//! The words of [`WaitReason`], under the names that views use. Decides nothing.

use crate::run::WaitReason;

pub(crate) fn words(reason: &WaitReason) -> String {
    reason.words()
}

pub(crate) const fn stands_still(reason: &WaitReason) -> bool {
    reason.sends_nothing()
}

pub(crate) fn is_same_wait(one: &WaitReason, other: &WaitReason) -> bool {
    one.is_same_wait(other)
}
