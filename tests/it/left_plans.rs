//! What is left of a run, written as a plan of its own: `check` takes it, and it does the same.

use super::mock::{Mock, empty, json};
use super::place::{Place, plan};

#[test]
fn a_run_of_a_bare_list_is_left_as_a_bare_list() {
    let place = Place::new();
    place
        .file("leaked.csv", "provider,action,certificate_id,reason,skip_approval\ndigicert,revoke,1,superseded,true\n");
    place.certsweep(&["run", "leaked.csv", "--simulate", "--run-dir", "run"]).exits(0);
    let list = place.certsweep(&["report", "run", "--format", "plan"]).exits(0).out;
    assert!(
        list.starts_with("id,provider,action,reason,not_before,certificate_id,skip_approval\r\nleaked.csv:2,"),
        "{list}"
    );
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(0);
    assert_eq!(place.read("left.csv"), list);
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.yaml"]).exits(0);
    assert!(
        place
            .read("left.yaml")
            .starts_with("# 1 of the 1 actions of the run run.\nversion: 1\nname: leaked\nactions:\n")
    );
    for left in ["left.csv", "left.yaml"] {
        place.certsweep(&["check", left]).exits(0);
    }
}

#[test]
fn nothing_left_is_said_and_no_file_is_written() {
    let place = Place::new();
    place.file("leaked.csv", "provider,action,certificate_id,skip_approval\ndigicert,revoke,1,true\n");
    place.certsweep(&["run", "leaked.csv", "--simulate", "--run-dir", "run"]).exits(0);
    for output in [&["-o", "left.csv"][..], &["-o", "left.yaml"], &[]] {
        let report = ["report", "run", "--format", "plan", "--outcome", "failed,in-doubt"];
        let done = place.certsweep(&[&report[..], output].concat()).exits(0).says(&["nothing is left"]);
        assert_eq!(done.out, "");
    }
    assert!(!place.names().iter().any(|name| name.starts_with("left")));
}

#[test]
fn what_is_left_keeps_its_settings_its_needs_and_what_is_meant() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.rsplit('/').nth(1) {
        Some("1") => empty(204),
        _ => json(400, r#"{"errors":[{"code":"bad","message":"no"}]}"#),
    });
    place.file("hold.csv", "id\nheld\n");
    let actions = "  - {id: done, action: revoke, certificate_id: 1}\n\
                   \x20 - {id: one two, action: revoke, certificate_id: 2, needs: [done]}\n\
                   \x20 - {id: next, provider: naver, action: revoke, reason: superseded, orderId: \"<id>\", certificateNo: 3, as_written: [\"<id>\"], needs: [one two, done]}\n\
                   \x20 - {id: held, action: revoke, certificate_id: 4}\n\
                   \x20 - {id: twice, action: revoke, certificate_id: 2}\n";
    let settings = "deadline: 24h\nexcept: hold.csv\nsafety: {stop_when: {failures: 7}}\n\
                    defaults: {provider: digicert, reason: keyCompromise, skip_approval: true}";
    place.run(&plan(&mock, &["digicert", "naver"], settings, actions)).exits(1);
    let left = ["report", "run", "--format", "plan", "--outcome", "failed,rejected,in-doubt,skipped", "-o"];
    place.certsweep(&[&left[..], &["left.yaml"]].concat()).exits(0);
    let text = place.read("left.yaml");
    // Neither a duplicate nor an exception becomes an action that is sent.
    assert!(text.starts_with("# 2 of the 5 actions of the run run.\nversion: 1\nname: test\ndeadline: \"20"), "{text}");
    for line in [
        "safety: {stop_when: {failures: 7}}\n",
        "  - {id: \"one two\", provider: digicert, action: revoke, reason: keyCompromise, certificate_id: \"2\", skip_approval: true}\n",
        "  - {id: next, provider: naver, action: revoke, reason: superseded, needs: [\"one two\"], certificateNo: 3, \
         orderId: \"<id>\", as_written: [\"<id>\"]}\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let checked = place.certsweep(&["check", "left.yaml"]).exits(0);
    assert!(checked.out.contains("ok: 2 actions"), "{}", checked.out);
    // A refusal on a kept connection is asked for once more, so the count alone says nothing.
    let before = mock.count("/certificate/2/revoke");
    place.certsweep(&["run", "left.yaml", "--yes", "--run-dir", "again"]).exits(1);
    assert!(mock.count("/certificate/2/revoke") > before, "{:?}", mock.lines());
    // A list cannot hold the settings, and says so.
    place.certsweep(&[&left[..], &["left.csv"]].concat()).exits(0).says(&["`deadline`, `providers`", "-o left.yaml"]);
}
