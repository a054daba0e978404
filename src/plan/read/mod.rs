//! A plan's settings: from the tree to checked values, with every finding. Knows the plan's keys and the providers'
//! documents; reads no action.

mod accounts;
mod base_url;
mod draft;
mod safety;
mod scalar;
mod schedule;

pub(super) use accounts::AccountDraft;
pub(super) use base_url::{UnusableUrl, published};
pub(super) use draft::Draft;
pub(super) use scalar::{SettingsReader, instant, texts};
pub(super) use schedule::fixed;
