//! The same thing a second time: what costs each time is bought once, by whatever plan, account, run directory or moment it is asked for
//! again, unless `--again` insists.

use super::limits::revokes;
use super::mock::{Mock, empty, naver_done, naver_list};
use super::place::{Place, finish, plan, reissue};

/// NAVER, where every reissue succeeds.
fn buys() -> Mock {
    Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => naver_list("9", 5, "1"),
        _ => naver_done(),
    })
}

/// NAVER, where every reissue takes effect and its answer is lost.
fn loses() -> Mock {
    Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => naver_list("9", 5, "1"),
        _ => empty(504),
    })
}

fn three() -> String {
    reissue("one", 5) + &reissue("two", 6) + &reissue("three", 7)
}

#[test]
fn what_was_bought_is_not_bought_again_by_the_same_plan() {
    let (place, mock) = (Place::new(), buys());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &three()));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    assert_eq!(mock.count("reissue"), 3);
    let refused = place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2);
    let run =
        std::fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    refused.says(&["error", "3 actions, `one` the first", "took effect", &format!("runs/{run}"), "--again"]);
    assert_eq!(mock.count("reissue"), 3);
    // Nothing is left of the attempt.
    assert_eq!(std::fs::read_dir(place.path("runs")).unwrap().count(), 1);
    // Also where it says so quietly.
    place.certsweep(&["run", "plan.yaml", "--yes", "-q"]).exits(2).says(&["took effect"]);
    place.certsweep(&["run", "plan.yaml", "--yes", "--again"]).exits(0).says(&["warning", "took effect"]);
    assert_eq!(mock.count("reissue"), 6);
}

#[test]
fn what_ended_in_doubt_is_settled_and_not_sent_again() {
    let (place, mock) = (Place::new(), loses());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &three()));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(1);
    assert_eq!(mock.count("reissue"), 3);
    for _ in 0..2 {
        let refused = place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2);
        refused.says(&[
            "3 actions, `one` the first",
            "may have taken effect",
            "certsweep resume runs/",
            "--retry in-doubt",
            "--again",
        ]);
    }
    assert_eq!(mock.count("reissue"), 3);
}

#[test]
fn a_run_elsewhere_is_known_from_anywhere() {
    let (place, mock) = (Place::new(), buys());
    place.file("a/plan.yaml", plan(&mock, &["naver"], "", &three()));
    place.certsweep(&["run", "a/plan.yaml", "--yes", "--run-dir", "elsewhere/deep/run 1"]).exits(0);
    let said = "'elsewhere/deep/run 1'";
    place.certsweep(&["run", "a/plan.yaml", "--yes"]).exits(2).says(&["took effect", said, "--again"]);
    place.certsweep(&["run", "a/plan.yaml", "--yes", "--run-dir", "third"]).exits(2).says(&["took effect", said]);
    // From another working directory the path is absolute.
    let mut command = place.command(super::place::BINARY, &["run", "plan.yaml", "--yes"]);
    let refused = finish(command.current_dir(place.path("a")).spawn().unwrap()).exits(2);
    refused.says(&[&place.path("elsewhere/deep/run 1").canonicalize().unwrap().display().to_string()]);
    assert_eq!(mock.count("reissue"), 3);
}

#[test]
fn another_plan_another_account_and_other_words_are_the_same_purchase() {
    let (place, mock) = (Place::new(), buys());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("one", 5)));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    let text = plan(&mock, &["naver"], "", &(reissue("x", 5) + &reissue("more", 8)));
    let account = text.replace(
        "  naver: {",
        "  second: {uses: naver, credentials: {access_key: \"env:NCP_ACCESS_KEY\", secret_key: \"file:key\"}, ",
    );
    let account = account.replace("provider: naver", "provider: second");
    place.file("key", super::place::CREDENTIALS[2].1);
    for (name, other) in [
        ("ids.yaml", text.clone()),
        ("words.yaml", text.replace("certificateName: shop", "certificateName: other")),
        ("account.yaml", account),
    ] {
        place.file(name, other);
        let refused = place.certsweep(&["run", name, "--yes"]).exits(2);
        refused.says(&["the action `x` took effect", "--again"]);
    }
    assert_eq!(mock.count("reissue"), 1);
    // What is new goes by itself.
    place.file("new.yaml", plan(&mock, &["naver"], "", &reissue("more", 8)));
    place.certsweep(&["run", "new.yaml", "--yes"]).exits(0);
}

#[test]
fn what_had_no_effect_may_be_bought_again() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match seen.method.as_str() {
        "GET" => naver_list("9", 5, "1"),
        _ if nth == 0 => empty(401),
        _ => naver_done(),
    });
    place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("one", 5)));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(4);
    // It waits in that run, which would send it when it is resumed.
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2).says(&["certsweep resume runs/"]);
    place.file("other.yaml", plan(&mock, &["naver"], "", &(reissue("one", 5) + &reissue("two", 6))));
    let refused = place.certsweep(&["run", "other.yaml", "--yes"]).exits(2);
    refused.says(&["`one` is not settled in an earlier run", "go on with `certsweep resume runs/"]);
    assert_eq!(mock.count("reissue"), 1);
}

#[test]
fn revokes_may_be_sent_again_and_rehearsals_do_not_count() {
    let (place, mock) = (Place::new(), buys());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &three()));
    for _ in 0..2 {
        place.certsweep(&["run", "plan.yaml", "--simulate"]).exits(0);
    }
    assert!(!place.index().exists(), "a rehearsal is nobody's business");
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    place.certsweep(&["run", "plan.yaml", "--simulate"]).exits(0);
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    for run_dir in ["one", "two", "three"] {
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", run_dir]).exits(0);
    }
    let said = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "four"]).exits(0);
    said.says(&["this plan was carried out before: three, and 2 times more"]);
}

#[test]
fn where_no_index_can_be_it_is_said_and_no_error() {
    for state in ["none", "file"] {
        let (mut place, mock) = (Place::new(), buys());
        place.file("file", "");
        let below = if state == "none" { String::new() } else { place.path("file").display().to_string() };
        place.set("XDG_STATE_HOME", &below);
        place.set("HOME", "");
        place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("one", 5)));
        place.file("revoke.yaml", revokes(&mock, "rate: [1000/1s]", 1));
        let done = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "deep/run"]).exits(0);
        let warnings: Vec<&str> = done.err.lines().filter(|line| line.contains("earlier runs")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("only those in runs and deep are known"), "{}", done.err);
        // Beside it and in `runs/` it is known all the same; elsewhere it is not.
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "deep/other"]).exits(2).says(&["took effect"]);
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "second/run"]).exits(0).says(&["earlier runs"]);
        assert_eq!(mock.count("reissue"), 2);
    }
}

#[test]
fn a_run_that_is_gone_or_cannot_be_read_is_told_of() {
    let (place, mock) = (Place::new(), buys());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("one", 5)));
    place.file("other.yaml", plan(&mock, &["naver"], "", &reissue("two", 6)));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "deep/run"]).exits(0);
    std::fs::write(place.path("deep/run/run.sqlite"), "no database").unwrap();
    let refused = place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2);
    refused.says(&["an earlier run of this plan cannot be read", "deep/run", "--again"]);
    place.certsweep(&["run", "other.yaml", "--yes"]).exits(0).says(&["warning", "an earlier run cannot be read"]);
    std::fs::remove_dir_all(place.path("deep/run")).unwrap();
    // Of another plan's run that is gone nobody wants to hear.
    place.file("third.yaml", plan(&mock, &["naver"], "", &reissue("three", 7)));
    let done = place.certsweep(&["run", "third.yaml", "--yes"]).exits(0);
    assert!(!done.err.contains("gone"), "{}", done.err);
    let done = place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    done.says(&["warning", "an earlier run of this plan, deep/run, is gone"]);
    assert_eq!(mock.count("/5/reissue"), 2);
}

#[test]
fn a_run_that_was_moved_is_known_once_it_was_resumed() {
    let (place, mock) = (Place::new(), loses());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("one", 5)));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "deep/run"]).exits(1);
    std::fs::create_dir(place.path("new")).unwrap();
    std::fs::rename(place.path("deep/run"), place.path("new/place")).unwrap();
    place.certsweep(&["resume", "new/place", "--yes"]).exits(1);
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2).says(&["new/place", "may have taken effect"]);
    assert_eq!(mock.count("reissue"), 1);
}

#[test]
fn of_several_runs_at_the_same_moment_one_buys() {
    let (place, mock) = (Place::new(), buys());
    place.file("plan.yaml", plan(&mock, &["naver"], "", &three()));
    let names: Vec<String> = (0..6).map(|number| format!("d{number}/run")).collect();
    let running: Vec<_> =
        names.iter().map(|name| place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", name])).collect();
    let mut codes: Vec<i32> = running.into_iter().map(|child| finish(child).code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 2, 2, 2, 2, 2]);
    assert_eq!(mock.count("reissue"), 3);
}
