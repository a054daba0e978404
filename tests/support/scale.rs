//! How much the long tests do: a small part by default, `CERTSWEEP_TEST_SCALE` times as much where that variable is set, as in the gate.

/// So many times the count.
pub(crate) fn scaled(count: u64) -> u64 {
    let scale = std::env::var("CERTSWEEP_TEST_SCALE").ok();
    count * scale.map_or(1, |scale| scale.parse::<u64>().expect("CERTSWEEP_TEST_SCALE must be a whole number"))
}
