//! Any bytes, read as a plan (YAML, or CSV as its first line tells), end in findings or in a checked plan; never in a panic.
#![no_main]

use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in());

fuzz_target!(|bytes: &[u8]| {
    let request = Request {
        plan: Input::Stdin(bytes.to_vec()),
        settings: None,
        catalog: &CATALOG,
        columns: CsvOptions::default(),
        now: Timestamp::UNIX_EPOCH,
    };
    let mut actions = 0;
    let (plan, findings) = check(&request, &mut SourceMap::default(), &mut |_| actions += 1);
    assert_eq!(plan.is_none(), findings.has_errors(), "a plan comes exactly where there is no error");
    if let Some(plan) = plan {
        assert_eq!(plan.actions(), actions);
    }
});
