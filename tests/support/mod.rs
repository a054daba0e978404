//! What the tests of this binary share: a directory to work in, a provider on loopback, a client by hand, a scale.

pub(crate) mod client;
pub(crate) mod mock;
pub(crate) mod place;
#[cfg(target_os = "linux")]
pub(crate) mod scale;

/// Tries all cases at once: they mostly wait, for processes and for what these wait for.
pub(crate) fn side_by_side<C: Send>(cases: impl IntoIterator<Item = C>, one: impl Fn(C) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            let one = &one;
            scope.spawn(move || one(case));
        }
    });
}
