//! A run's database that somebody else has changed.

use super::invariants::{ends_and_holds, stopped_holds};
use super::signals::{ACTIONS, hung_up};

#[test]
fn what_cannot_be_read_any_more_stops_the_run_before_anything_of_it_is_begun() {
    let (place, authority) = hung_up();
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
