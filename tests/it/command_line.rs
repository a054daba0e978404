//! The command line: what needs an explicit yes, what is refused before anything is sent, where results and messages go.

use super::limits::revokes;
use super::mock::{Mock, empty, naver_list};
use super::place::{BINARY, Place, finish, plan, reissue};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const DEFAULTS: &str = "defaults: {provider: digicert}";

#[test]
fn a_run_off_a_terminal_needs_a_yes() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    place.certsweep(&["run", "plan.yaml"]).exits(2).says(&["--yes"]);
    assert!(mock.seen().is_empty());
    assert_eq!(place.names(), ["plan.yaml"]);
    let done = place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    assert!(done.out.contains("runs/"), "{}", done.out);
    let runs = std::fs::read_dir(place.path("runs")).unwrap().count();
    assert_eq!((runs, mock.seen().len()), (1, 1));
    // So does going on with one that has something left.
    place.certsweep(&["resume", "run"]).exits(2);
}

#[test]
fn another_plan_than_the_one_previewed_is_refused() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let digest =
        place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json()["digest"].as_str().unwrap().to_owned();
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 3));
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--digest", digest.as_str()];
    place.certsweep(&run).exits(2).says(&["digest"]);
    assert!(mock.seen().is_empty() && !place.path("run").exists());
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    // Its first characters will do, but not too few of them.
    let begins_with = |digest| ["run", "plan.yaml", "--yes", "--run-dir", "run", "--digest", digest];
    place.certsweep(&begins_with(&digest[..11])).exits(2).says(&["at least 12 characters"]);
    place.certsweep(&begins_with(&digest[..12])).exits(0);
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn a_run_directory_that_is_there_is_left_alone() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("run/precious.txt", "mine");
    place.run(&revokes(&mock, "rate: [1000/1s]", 1)).exits(2);
    assert!(mock.seen().is_empty());
    assert_eq!(place.read("run/precious.txt"), "mine");
}

#[test]
fn a_run_directory_holds_the_plan_and_its_files_for_its_owner_alone() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("list.csv", "certificate_id\n1\n2\n");
    place.run(&plan(&mock, &["digicert"], DEFAULTS, "  - {from: list.csv, action: revoke}\n")).exits(0);
    let mode = std::fs::metadata(place.path("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let files = place.bytes_below("run");
    for (name, text) in [("plan.yaml", place.read("plan.yaml")), ("list.csv", place.read("list.csv"))] {
        let copy = files.iter().find(|(path, _)| path.to_string_lossy().ends_with(name));
        let copy = copy.unwrap_or_else(|| {
            panic!("no copy of {name} in {:?}", files.iter().map(|(path, _)| path).collect::<Vec<_>>())
        });
        assert_eq!(copy.1, text.into_bytes(), "{name}");
    }
}

#[test]
fn usage_errors_are_two_and_help_is_zero() {
    let place = Place::bare();
    for args in [
        &["run"][..],
        &["--nonsense"],
        &["run", "plan.yaml", "--nonsense"],
        &["frobnicate"],
        &["check", "not-there.yaml"],
        &["preview", "not-there.yaml"],
        &["run", "not-there.yaml", "--yes"],
        &["status", "not-there"],
        &["report", "not-there"],
        &["resume", "not-there", "--yes"],
        &["report", ".", "--format", "pdf"],
        &["resume", ".", "--retry", "succeeded"],
        &["providers", "show", "nobody"],
        &["providers", "check", "not-there.yaml"],
        &["completions", "nushell-of-the-future"],
        &["check", "-q", "-v", "plan.yaml"],
        &["check", "--color", "purple", "plan.yaml"],
    ] {
        let done = place.certsweep(args);
        assert_eq!(done.code, 2, "{args:?}: {done:?}");
        assert!(done.out.is_empty() && !done.err.is_empty(), "{args:?}: {done:?}");
    }
    for args in [&["--help"][..], &["-h"], &["--version"], &["help"], &["help", "run"]] {
        let done = place.certsweep(args).exits(0);
        assert!(done.out.contains("certsweep") && done.err.is_empty(), "{args:?}");
    }
    assert!(place.names().is_empty());
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let quiet = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "quiet", "-q"]).exits(0);
    assert_eq!(quiet.err, "");
    let loud = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "loud", "-vv", "--no-progress"]).exits(0);
    assert!(loud.err.len() > quiet.err.len());
    let json = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "json", "--json"]).exits(0).json();
    assert_eq!(
        (&json["exit_code"], &json["outcomes"]["succeeded"], &json["actions"]),
        (&0.into(), &2.into(), &2.into())
    );
    let plain = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    assert!(!plain.out.contains('\u{1b}') && !plain.err.contains('\u{1b}'));
    place.file("bad.yaml", "version: 1\nactions: [{}]\n");
    let colored = place.certsweep(&["check", "bad.yaml", "--color", "always"]).exits(2);
    assert!(colored.err.contains('\u{1b}'), "{}", colored.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_no_panic() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.run(&revokes(&mock, "rate: [1000/1s]", 300)).exits(0);
    for args in [
        &["report", "run"][..],
        &["schema"],
        &["providers", "show", "digicert"],
        &["preview", "plan.yaml"],
        &["--help"],
    ] {
        let mut child = place.command(BINARY, args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = finish(child);
        assert!(!done.err.contains("panicked"), "{args:?}: {}", done.err);
        assert_ne!(done.code, 101, "{args:?}");
    }
    // A run's reports are written whatever becomes of its standard output.
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 5));
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "other", "-vv"]);
    drop(child.stdout.take());
    drop(child.stderr.take());
    let status = child.wait().unwrap();
    assert_ne!(status.code(), Some(101));
    assert_eq!(super::place::rows(&place.read("other/report.csv")).len(), 5);
}

#[test]
fn an_unfinished_run_of_the_same_plan_is_pointed_at() {
    let (place, mock) = (Place::new(), Mock::start(|_, nth| empty(if nth == 0 { 401 } else { 204 })));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(4);
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(2).says(&["certsweep resume runs/"]);
    assert_eq!(mock.seen().len(), 1);
    place.certsweep(&["run", "plan.yaml", "--yes", "--new"]).exits(0);
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn an_action_that_another_plans_run_left_in_doubt_is_not_bought_twice_unasked() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => naver_list("9", 5, "1"),
        _ => empty(504),
    });
    place.file("plan.yaml", plan(&mock, &["naver"], "", &reissue("new", 5)));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(1);
    assert_eq!(mock.count("/5/reissue"), 1);
    // Another plan: another digest, and the same action in it under another id.
    place.file("other.yaml", plan(&mock, &["naver"], "", &(reissue("again", 5) + &reissue("more", 6))));
    let refused = place.certsweep(&["run", "other.yaml", "--yes"]).exits(2);
    refused.says(&["`again`", "costs each time", "--retry in-doubt", "--again"]);
    assert_eq!(mock.count("reissue"), 1);
    place.certsweep(&["run", "other.yaml", "--yes", "--again"]).exits(1).says(&["warning", "`again`"]);
    assert_eq!((mock.count("/5/reissue"), mock.count("/6/reissue")), (2, 1));
}

#[test]
fn json_is_json_everywhere() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("good.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    let twice = "  - {action: revoke, certificate_id: 1}\n  - {action: revoke, certificate_id: 1}\n";
    place.file("warned.yaml", plan(&mock, &["digicert"], DEFAULTS, twice));
    place.file("bad.yaml", "version: 1\nactions: 7\n");
    place.file("empty.yaml", "version: 1\nactions: []\n");
    for (args, code) in [
        (&["check", "good.yaml"][..], 0),
        (&["check", "warned.yaml"], 0),
        (&["check", "bad.yaml"], 2),
        (&["preview", "good.yaml"], 0),
        (&["preview", "bad.yaml"], 2),
        (&["preview", "warned.yaml"], 0),
        (&["run", "good.yaml", "--dry-run"], 0),
        (&["run", "bad.yaml", "--yes"], 2),
        (&["run", "good.yaml", "--yes", "--run-dir", "a/b/run"], 0),
        (&["run", "warned.yaml", "--yes", "--run-dir", "two"], 0),
        (&["resume", "two", "--yes"], 0),
        (&["status", "two"], 0),
        (&["report", "two"], 0),
        (&["providers"], 0),
        (&["providers", "show", "naver"], 0),
        (&["schema"], 0),
    ] {
        let done = place.certsweep(&[args, &["--json"]].concat());
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        done.json();
    }
}

#[test]
fn quiet_prints_errors_all_the_same() {
    let place = Place::bare();
    place.file("bad.yaml", "version: 1\nactions: [{provider: digicert, action: revok, certificate_id: 1}]\n");
    let done = place.certsweep(&["check", "bad.yaml", "-q"]).exits(2);
    assert!(done.err.contains("bad.yaml:2:"), "{done:?}");
    place.certsweep(&["status", "nowhere", "-q"]).exits(2).says(&["nowhere"]);
}

#[test]
fn each_verbose_flag_prints_more() {
    let mut outputs = Vec::new();
    for more in [&["-q"][..], &[], &["-v"], &["-vv"]] {
        let place = Place::new();
        let mock = Mock::start(|_, nth| empty(if nth == 0 { 500 } else { 204 }));
        place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
        let err = place.certsweep(&[&["run", "plan.yaml", "--yes"][..], more].concat()).exits(0).err;
        assert!(!err.contains(super::place::CREDENTIALS[0].1));
        outputs.push(err.replace(&mock.url(), "MOCK"));
    }
    assert_eq!(outputs[0], "");
    for (words, from) in [
        ("attempt 1 of action 1 (digicert) failed: HTTP 500", 2),
        ("plan.yaml:9 (digicert) succeeded", 2),
        ("digicert: PUT MOCK/services/v2/certificate/1/revoke -> HTTP 500", 3),
        ("digicert: PUT MOCK/services/v2/certificate/1/revoke -> HTTP 204", 3),
    ] {
        let saying: Vec<usize> = (0..4).filter(|index| outputs[*index].contains(words)).collect();
        assert_eq!(saying, (from..4).collect::<Vec<_>>(), "{words}: {outputs:#?}");
    }
}

#[test]
fn a_directory_that_the_user_made_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    place.file("bad.yaml", "version: 1\nactions: 7\n");
    place.certsweep(&["run", "bad.yaml", "--yes", "--run-dir", "mine/run"]).exits(2);
    assert!(place.path("mine").exists());
    place.certsweep(&["run", "bad.yaml", "--yes", "--run-dir", "ours/run"]).exits(2);
    assert!(!place.path("ours").exists());
}

#[test]
fn a_list_or_a_certificate_that_has_changed_since_the_preview_is_told() {
    let made = |serial: u8| {
        let mut parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        parameters.serial_number = Some(rcgen::SerialNumber::from(vec![0x0a, serial]));
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let (mut place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.set("VAULT_TOKEN", "hvs.a-token-of-some-length");
    place.file("a.pem", made(1));
    place.file("b.pem", made(2));
    let list = "serial_number,certificate\n0a:01,file:a.pem\n0a:02,file:b.pem\n";
    place.file("targets.csv", list);
    let actions = "  - {from: targets.csv, provider: vault, action: revoke}\n";
    place.file("plan.yaml", plan(&mock, &["vault"], "", actions));
    let digest =
        place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json()["digest"].as_str().unwrap().to_owned();
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--digest", digest.as_str()];
    let refused = |words: &[&str]| {
        place.certsweep(&run).exits(2).says(words);
        assert!(mock.seen().is_empty() && !place.path("run").exists());
    };
    place.file("targets.csv", list.replace("0a:02,file:b.pem\n", ""));
    refused(&["this is another plan than the one previewed"]);
    place.file("targets.csv", list);
    place.file("b.pem", made(3));
    refused(&["the certificate's serial number is 0a03, not 0a02", "targets.csv:3:7", "is it the right file?"]);
    std::fs::remove_file(place.path("b.pem")).unwrap();
    refused(&["the file b.pem cannot be read: there is no such file", "targets.csv:3:7"]);
}

#[test]
fn a_path_of_the_wrong_kind_is_told_in_words() {
    let place = Place::new();
    place.file("file", "x");
    place.file("directory/file", "x");
    place.file("list.csv", "provider,action,certificate_id\ndigicert,revoke,1\n");
    for (line, code, expected) in [
        (&["check", "file/below"][..], 2, "cannot be read: a part of its path is a file, and no directory"),
        (&["check", "list.csv", "--provider-dir", "none"], 2, "none cannot be read: there is no such directory"),
        (&["check", "list.csv", "--provider-dir", "file"], 2, "file cannot be read: it is no directory"),
        (&["preview", "list.csv", "--report", "/dev/full"], 4, "/dev/full: writing failed: No space left on device"),
        (&["init", "--from", "directory"], 2, "directory: it is a directory"),
        (&["init", "--provider", "digicert", "-o", "directory"], 2, "-o directory: it is a directory; name a file"),
        (&["init", "--provider", "digicrt"], 2, "did you mean `digicert`?"),
        (&["init", "--provider", "nobody-at-all"], 2, "there are acme, aws-acm, "),
        (&["find", "--in", "list.csv", "--names", "none/names"], 2, "none/names cannot be read: there is no such file"),
        (&["find", "--in", "list.csv", "--out", "file"], 4, "--out file: something stands there that is no directory"),
        (&["csr", "--from", "list.csv", "--out", "file"], 4, "--out file: something stands there that is no directory"),
        (&["man", "file"], 4, "file: something stands there that is no directory"),
        (
            &["run", "list.csv", "--simulate", "--run-dir", "file"],
            2,
            "--run-dir file: it is no directory; name another",
        ),
        (&["status", "file"], 2, "file: this is no run directory of certsweep"),
    ] {
        let told = place.certsweep(line).exits(code).says(&[expected]);
        assert!(!told.err.contains("os error"), "{line:?}: {}", told.err);
    }
    // What stands in a path is the user's own, and still must not act on the terminal.
    let done = place.certsweep(&["run", "list.csv", "--simulate", "--run-dir", "r\u{1b}[31m"]).exits(0);
    assert!(done.err.contains("run directory: r\\u{1b}[31m") && !done.err.contains('\u{1b}'), "{}", done.err);
}
