//! On a terminal: a run shows the preview's summary and asks. The terminal is that of `script` (util-linux), which must be there.

use super::limits::revokes;
use super::mock::{Mock, empty, json};
use super::place::{BINARY, CommandOutput, Place, finish, plan};
use std::io::{Read, Write};
use std::process::Stdio;

/// Runs certsweep on a pseudo-terminal, typing a line of this whenever something is asked; what it shows comes back as standard output.
pub(super) fn typing(place: &Place, arguments: &str, typed: &str) -> CommandOutput {
    let line = format!("{BINARY} {arguments}");
    let mut command = place.command("script", &["-qec", &line, "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("these tests need `script` (util-linux)");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let typed: Vec<String> = typed.split_inclusive('\n').map(str::to_owned).collect();
    let shown = std::thread::spawn(move || {
        let (mut shown, mut byte, mut typed) = (Vec::new(), [0], typed.into_iter());
        while screen.read(&mut byte).unwrap() > 0 {
            shown.push(byte[0]);
            if shown.ends_with(QUESTION.as_bytes()) {
                drop(typed.next().map(|line| keyboard.write_all(line.as_bytes())));
            }
        }
        String::from_utf8(shown).unwrap()
    });
    let done = finish(child);
    CommandOutput { out: shown.join().unwrap(), ..done }
}

/// How each question ends.
const QUESTION: &str = "Type `yes` to go on: ";

/// What the screen shows up to and with this.
fn read_until(screen: &mut impl Read, end: &str) -> String {
    let mut shown = Vec::new();
    while !shown.ends_with(end.as_bytes()) {
        let mut byte = [0];
        screen.read_exact(&mut byte).unwrap_or_else(|_| panic!("no {end}: {}", String::from_utf8_lossy(&shown)));
        shown.push(byte[0]);
    }
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_run_on_a_terminal_shows_what_it_will_do_and_asks() {
    for (typed, code, sent) in
        [("yes\n", 0, 2), ("y\n", 2, 0), ("no\n", 2, 0), ("\n", 2, 0), ("yess\n", 2, 0), ("\u{4}", 2, 0)]
    {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
        let done = typing(&place, "run plan.yaml --run-dir run --no-progress", typed).exits(code);
        assert!(
            done.out.contains("digicert") && done.out.contains("revoke") && done.out.contains("2 actions"),
            "{}",
            done.out
        );
        assert_eq!((mock.seen().len(), place.path("run").exists()), (sent, sent > 0), "{typed:?}");
    }
}

#[test]
fn the_question_tells_of_a_deadline_that_will_be_missed() {
    for (deadline, warned) in [("5s", true), ("24h", false)] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        let plan = revokes(&mock, "rate: [1/10s]", 2).replace("defaults:", &format!("deadline: {deadline}\ndefaults:"));
        place.file("plan.yaml", plan);
        let done = typing(&place, "run plan.yaml --run-dir run --no-progress", "no\n").exits(2);
        assert_eq!(done.out.contains("undone. The deadline will be MISSED."), warned, "{}", done.out);
        assert!(mock.seen().is_empty());
    }
}

#[test]
fn a_run_on_a_terminal_with_a_yes_does_not_ask_and_shows_bars() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 3));
    let done = typing(&place, "run plan.yaml --run-dir run --yes", "").exits(0);
    assert!(!done.out.contains("Type `yes`"), "{}", done.out);
    assert_eq!(mock.seen().len(), 3);
    assert_eq!(place.rows().len(), 3);
}

#[test]
fn going_on_on_a_terminal_asks_too() {
    let (place, mock) = (Place::new(), Mock::start(|_, nth| empty(if nth == 0 { 401 } else { 204 })));
    place.run(&revokes(&mock, "rate: [1000/1s]", 1)).exits(4);
    typing(&place, "resume run", "no\n").exits(2);
    assert_eq!(mock.seen().len(), 1);
    typing(&place, "resume run", "yes\n").exits(0);
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn a_run_on_a_terminal_asks_between_waves() {
    for (typed, code, sent) in [("yes\nyes\n", 0, 6), ("yes\nno\n", 3, 2)] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        let waves = "safety: {waves: [2, 100%]}\ndefaults:";
        place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 6).replace("defaults:", waves));
        let done = typing(&place, "run plan.yaml --run-dir run", typed).exits(code);
        let words = "wave 1 of 2 has ended: 2 succeeded. Go on with wave 2 (4 actions)?";
        assert!(done.out.contains(words), "{}", done.out);
        assert_eq!(mock.seen().len(), sent, "{typed:?}");
    }
}

#[test]
fn what_is_typed_before_a_question_is_no_answer_to_it() {
    let (place, mock) = (Place::new(), Mock::start(|_, nth| if nth == 1 { empty(204).held() } else { empty(204) }));
    let waves = "safety: {waves: [2, 100%]}\ndefaults:";
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 6).replace("defaults:", waves));
    let line = format!("{BINARY} run plan.yaml --run-dir run --no-progress");
    let mut child = place.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    read_until(&mut screen, QUESTION);
    // The terminal shows what is typed once it has it.
    keyboard.write_all(b"yes\n").unwrap();
    read_until(&mut screen, "yes\r\n");
    mock.wait_for(2);
    // The first wave still goes on.
    keyboard.write_all(b"yes\n").unwrap();
    read_until(&mut screen, "yes\r\n");
    mock.release();
    read_until(&mut screen, "(4 actions)? Type `yes` to go on: ");
    keyboard.write_all(b"no\n").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    finish(child).exits(3);
    assert_eq!(mock.seen().len(), 2, "{rest}");
}

#[test]
fn the_question_between_waves_stands_alone_until_it_is_answered_here_or_elsewhere() {
    let refused = r#"{"errors":[{"code":"not_found|certificate","message":"no such certificate"}]}"#;
    let is_refused = |target: &str| ["/1/", "/2/"].iter().any(|id| target.contains(id));
    let mock = Mock::start(move |seen, _| if is_refused(&seen.target) { json(404, refused) } else { empty(204) });
    let place = Place::new();
    let waves = "safety: {waves: [2, 4, 100%]}\ndefaults:";
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 6).replace("defaults:", waves));
    let line = format!("{BINARY} run plan.yaml --run-dir run");
    let mut child = place.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    read_until(&mut screen, QUESTION);
    keyboard.write_all(b"yes\n").unwrap();
    let asked = read_until(&mut screen, "Send wave 2 (2 actions) all the same? Type `yes` to go on: ");
    assert!(asked.contains("wave 1 of 3 has ended: 2 rejected. NONE of its 2 actions ended well."), "{asked}");
    let status = loop {
        let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        if status["state"] == "waiting" {
            break status;
        }
    };
    assert_eq!((&status["question"]["wave"], &status["question"]["actions"]), (&2.into(), &2.into()), "{status}");
    assert_eq!(status["unpause"], "certsweep unpause run");
    assert_eq!(status["providers"][0]["done"], 2, "the counts of one answer agree: {status}");
    place.certsweep(&["unpause", "run"]).exits(0);
    let meanwhile = read_until(&mut screen, "Go on with wave 3 (2 actions)? Type `yes` to go on: ");
    assert!(meanwhile.starts_with("\r\n"), "nothing was drawn over the question: {meanwhile:?}");
    keyboard.write_all(b"yes\n").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    finish(child).exits(1);
    assert_eq!(place.outcomes().iter().filter(|(_, outcome)| outcome == "succeeded").count(), 4, "{rest}");
}

#[test]
fn nobody_is_asked_about_a_wave_whose_provider_was_stopped() {
    let refused = r#"{"errors":[{"code":"not_found|certificate","message":"no such certificate"}]}"#;
    let (place, mock) = (Place::new(), Mock::start(move |_, _| json(404, refused)));
    let waves = "safety: {waves: [20, 100%]}\ndefaults:";
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 25).replace("defaults:", waves));
    let done = typing(&place, "run plan.yaml --run-dir run", "yes\n").exits(3);
    assert!(done.out.contains("refused alike") && !done.out.contains("wave 2"), "{}", done.out);
    assert!(done.out.contains("not finished: digicert 5"), "{}", done.out);
}

#[test]
fn credentials_are_looked_for_before_anybody_is_asked() {
    let (place, mock) = (Place::bare(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let done = typing(&place, "run plan.yaml --run-dir run", "yes\n").exits(4);
    assert!(done.out.contains("DIGICERT_API_KEY") && !done.out.contains("Type `yes`"), "{}", done.out);
    assert!(!place.path("run").exists());
}

#[test]
fn an_interrupt_at_the_question_between_waves_leaves_a_run_to_resume() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let waves = "safety: {waves: [2, 100%]}\ndefaults:";
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 6).replace("defaults:", waves));
    let line = format!("{BINARY} run plan.yaml --run-dir run");
    let mut child = place.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    read_until(&mut screen, QUESTION);
    keyboard.write_all(b"yes\n").unwrap();
    read_until(&mut screen, "(4 actions)? Type `yes` to go on: ");
    keyboard.write_all(b"\x03").unwrap();
    finish(child).exits(130);
    assert_eq!(mock.seen().len(), 2);
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), 6);
}

#[test]
fn an_interrupt_at_the_question_sends_nothing() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    // Whoever starts these tests in the background may have interrupts ignored, which programs inherit.
    let line = format!("env --default-signal=INT {BINARY} run plan.yaml");
    let mut child = place.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut screen = child.stdout.take().unwrap();
    read_until(&mut screen, "to go on: ");
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    finish(child).exits(130);
    assert!(mock.seen().is_empty());
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    let runs: Vec<String> = std::fs::read_dir(place.path("runs"))
        .unwrap()
        .map(|run| run.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(runs.len() == 1 && runs[0].ends_with("-test"), "what was half made is gone: {runs:?}");
}

#[test]
fn what_acts_on_a_terminal_is_shown_and_not_done_and_files_keep_it() {
    let place = Place::new();
    let mock = Mock::start(|_, _| {
        json(400, r#"{"errors":[{"code":"c\u009b","message":"\u009b31m\u202e\u2066\u2028red\u0085"}]}"#)
    });
    let comments = r#"comments: "\u200ftitle\L""#;
    place.file(
        "plan.yaml",
        plan(
            &mock,
            &["digicert"],
            "",
            &format!("  - {{provider: digicert, action: revoke, certificate_id: 1, {comments}}}\n"),
        ),
    );
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(1);
    let acts = |text: &str| {
        text.replace(['\n', '\r'], "").contains(|letter: char| {
            letter.is_control() || matches!(letter, '\u{2028}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
    };
    for words in [
        "report run",
        "report run --json",
        "report run --format html",
        "report run --format plan",
        "status run --json",
        "preview plan.yaml --json",
        "check plan.yaml --json",
    ] {
        let shown = typing(&place, words, "").out;
        assert!(!acts(&shown) && !shown.is_empty(), "{words}: {shown:?}");
    }
    let shown = place.certsweep(&["report", "run", "--json"]).exits(0);
    assert!(shown.out.contains(r"\u009b31m\u202e\u2066\u2028red\u0085"), "{}", shown.out);
    assert_eq!(shown.json()[0]["provider_message"], "\u{9b}31m\u{202e}\u{2066}\u{2028}red\u{85}");
    // A list to go on with keeps every letter, in a file and in a pipe.
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(0);
    let list = place.read("left.csv");
    assert!(list.contains("\u{200f}title\u{2028}"), "{list:?}");
}

#[test]
fn a_rehearsal_on_a_terminal_asks_between_waves_and_nothing_else() {
    for (typed, code, rows) in [("yes\n", 0, 3), ("no\n", 3, 1)] {
        let place = Place::bare();
        place.file(
            "plan.yaml",
            "version: 1\nsafety: {waves: [1, 100%]}\ndefaults: {provider: naver, action: revoke, orderId: \"1\", reason: superseded}\n\
             actions: [{certificateNo: 1}, {certificateNo: 2}, {certificateNo: 3}]\n",
        );
        let done = typing(&place, "run plan.yaml --simulate --run-dir run --no-progress", typed).exits(code);
        assert_eq!(done.out.matches("Type `yes`").count(), 1, "{}", done.out);
        assert!(done.out.contains("Go on with wave 2 (2 actions)?"), "{}", done.out);
        let ended = place.rows().iter().filter(|row| row["outcome"] == "succeeded").count();
        assert_eq!(ended, rows, "{}", done.out);
    }
}

#[test]
fn tables_fit_the_terminal_and_leave_nothing_out() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(0);
    let run = std::fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().file_name();
    let run = run.into_string().unwrap();
    let shown = |columns: usize, words: &str| {
        let line = format!("stty rows 24 cols {columns}; {BINARY} {words}");
        let mut child = place.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
        let keyboard = child.stdin.take();
        let done = finish(child).exits(0);
        drop(keyboard);
        done.out
    };
    let is_row = |line: &&str| line.starts_with("  ");
    for columns in [80, 160] {
        let runs = shown(columns, "runs");
        for part in ["finished", "2 succeeded", &run] {
            assert!(runs.contains(part), "{runs}");
        }
        assert!(runs.lines().filter(is_row).all(|line| line.chars().count() <= columns), "{runs}");
        assert_eq!(runs.lines().count(), if columns == 80 { 4 } else { 2 }, "{runs}");
    }
    // Whoever reads it by a program gets one line a run.
    let runs = place.certsweep(&["runs"]).exits(0).out;
    assert_eq!(runs.lines().count(), 2, "{runs}");
    let preview = shown(60, "preview plan.yaml");
    // Behind the tables are sentences, which the terminal folds.
    let tables = preview.split("Estimated time").next().unwrap();
    let is_fit = tables.lines().filter(is_row).all(|line| line.chars().count() <= 60);
    assert!(preview.contains("because of") && is_fit, "{preview}");
    assert!(preview.contains("carry out this plan and no other: certsweep run plan.yaml --digest "), "{preview}");
    // The next command knows the providers that this one knew.
    std::fs::create_dir(place.path("own")).unwrap();
    let checked = shown(160, "check plan.yaml --provider-dir own");
    assert!(checked.contains("certsweep preview plan.yaml --provider-dir own"), "{checked}");
}
