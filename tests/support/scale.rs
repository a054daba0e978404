//! How much the long tests do: a small part by default, `CERTSWEEP_TEST_SCALE` times as much where that variable is set, as in the gate.

/// So many times the count.
pub(crate) fn scaled(count: u64) -> u64 {
    count * scale()
}

/// One in so many cases; with the variable, so many times as many, up to all of them.
#[allow(dead_code, reason = "not every binary has such cases")]
pub(crate) fn thinned<C>(cases: impl IntoIterator<Item = C>, nth: u64) -> impl Iterator<Item = C> {
    cases.into_iter().step_by(usize::try_from(stride(nth)).expect("it is no larger than `nth`"))
}

/// How far apart cases are of which one in so many is tried, where nobody knows beforehand how many there are.
#[allow(dead_code, reason = "not every binary has such cases")]
pub(crate) fn stride(nth: u64) -> u64 {
    nth.div_ceil(scale())
}

fn scale() -> u64 {
    let scale = std::env::var("CERTSWEEP_TEST_SCALE").ok();
    scale.map_or(1, |scale| scale.parse().expect("CERTSWEEP_TEST_SCALE must be a whole number"))
}
