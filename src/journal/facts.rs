//! What is true of a run from its first moment, as the run directory keeps it. Reads and writes nothing.

use crate::plan::{CheckedPlan, Settings};
use crate::run::{PlanPart, RunOrigin};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is true of a run from its first moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// How the plan is to be carried out.
    pub settings: Settings,
    /// The plan's digest.
    pub digest: String,
    /// Actions, duplicates included.
    pub actions: u64,
    /// Provider id → SHA-256 of its document.
    pub documents: BTreeMap<String, String>,
    /// When the run was made.
    pub made_at: Timestamp,
    /// The directories of the user's own provider documents.
    pub provider_directories: Vec<PathBuf>,
    /// Whether it runs against the built-in simulator.
    pub simulated: bool,
    /// Where that simulator listened: the URLs that it gave out lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator_port: Option<u16>,
    /// Certificates of issuers that the plan's files gave beside those that it sends: DER in base64url.
    pub issuers: Vec<String>,
    /// Which part of the plan it is, where it is not the whole; its limits are those of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PlanPart>,
    /// Who began it, where, and with which command; empty in runs of earlier versions.
    #[serde(default)]
    pub origin: RunOrigin,
}

impl RunFacts {
    /// Of a checked plan whose run is made at this moment, by this version, against the providers themselves.
    pub fn of(plan: &CheckedPlan, made_at: Timestamp, origin: RunOrigin) -> Self {
        Self {
            settings: plan.settings().clone(),
            digest: plan.digest().to_owned(),
            actions: plan.actions(),
            documents: plan.documents().clone(),
            made_at,
            provider_directories: Vec::new(),
            simulated: false,
            simulator_port: None,
            issuers: plan.issuers().to_vec(),
            part: plan.part(),
            origin: RunOrigin { version: env!("CARGO_PKG_VERSION").to_owned(), ..origin },
        }
    }
}
