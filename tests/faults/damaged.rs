//! A run's database that somebody else has changed.

use super::authority::Authority;
use super::invariants::{ends_and_holds, stopped_holds};
use super::place::{Place, finish, signal};
use std::time::Duration;

#[test]
fn what_cannot_be_read_any_more_stops_the_run_before_anything_of_it_is_begun() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(30)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    authority.mock.wait_for(3);
    signal(&child, "HUP");
    finish(child).exits(129);

    let last = i64::try_from(ACTIONS - 1).unwrap();
    let set = |parameters: &str| -> String {
        let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
        let select = "SELECT parameters FROM action WHERE ordinal = ?1";
        let before = database.query_row(select, [last], |row| row.get(0)).unwrap();
        database.execute("UPDATE action SET parameters = ?1 WHERE ordinal = ?2", (parameters, last)).unwrap();
        before
    };
    let before = set("{\"certificate_id\":");
    let told = place.certsweep(&["resume", "run", "--yes"]).exits(4).err;
    assert!(told.contains(&format!("action {last}: parameters: ")), "{told}");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(status["in_flight"], 0, "{status}");
    set(&before);
    stopped_holds(&place, &authority, ACTIONS);
    ends_and_holds(&place, &authority, ACTIONS, 0);
}

/// Actions of a run.
const ACTIONS: u64 = 60;
