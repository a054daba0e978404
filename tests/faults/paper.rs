//! docs/promise.md and the tests say the same numbers.

use super::{kills, making, processes, syncs};

#[test]
fn the_paper_says_how_often_each_fault_is_tried() {
    let paper = include_str!("../../docs/promise.md");
    let places: usize = making::CALLS.iter().map(|(_, times)| times).sum();
    for words in [
        format!("{} runs of {} actions, each killed up to {} times", kills::RUNS, kills::ACTIONS, kills::ROUNDS),
        format!("for each n up to {}, runs of {} actions", syncs::KILLED_SYNCS, syncs::ACTIONS),
        format!("{} places, runs of {} actions", syncs::FAILING_SYNCS.len(), syncs::LONG),
        format!("up to {places} places, runs of {} actions", making::ACTIONS),
        format!("{} times in one run of {} actions", processes::SECONDS, processes::ACTIONS),
        format!("{} copies of a run of {} actions", processes::COPIES, processes::COPIED),
    ] {
        assert!(paper.contains(&words), "`{words}` is not in docs/promise.md");
    }
}
