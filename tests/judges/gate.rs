//! That the gate skips no judge, tried on its own lines: a judge that cannot be installed ends it, and so does one that was not asked.
//! What the lines call is played here; nothing is installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const GATE: &str = include_str!("../../.ci/run");

/// The gate's lines from one text to before another.
fn lines(from: &str, to: &str) -> &'static str {
    let begin = GATE.find(from).unwrap_or_else(|| panic!("`{from}` is not in .ci/run"));
    let length = GATE[begin..].find(to).unwrap_or_else(|| panic!("`{to}` does not follow `{from}` in .ci/run"));
    &GATE[begin..begin + length]
}

/// Runs lines of the gate where there are no programs but those in a directory.
fn run(directory: &Path, script: &str) -> Output {
    let begin = lines("set -euo pipefail", "\n");
    let script = format!("{begin}\n{script}\necho went on\n");
    let mut command = Command::new("/bin/bash");
    command.args(["-c", &script]).env_clear().env("PATH", directory.join("bin")).env("temporary", directory);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// A program that does as this script says.
fn program(directory: &Path, name: &str, script: &str) {
    let path = directory.join("bin").join(name);
    fs::create_dir_all(directory.join("bin")).unwrap();
    fs::write(&path, format!("#!/bin/bash\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_judge_that_cannot_be_installed_ends_the_gate() {
    let install = format!(
        "{}{}",
        lines("# Installs Debian packages", "headline \"tools\""),
        lines("# The judges of tests/judges", "headline \"format\"")
    );
    // What is not there, and what fails.
    for (missing, failing) in [
        (None, None),
        (Some("openssl"), None),
        (Some("pebble"), None),
        (Some("lego"), None),
        (Some("node"), None),
        (Some("npm"), None),
        (None, Some("npm")),
        (None, Some("python3")),
        (None, Some("pip")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let exit = |name: &str| if failing == Some(name) { "exit 1" } else { "exit 0" };
        program(
            directory.path(),
            "apt-get",
            "[ \"$1\" = update ] || { echo 'E: Unable to locate package' >&2; exit 100; }",
        );
        program(directory.path(), "mkdir", "mkdir \"$@\"");
        program(directory.path(), "cp", "cp \"$@\"");
        let pip = format!(
            "mkdir -p \"$3/bin\"; printf '#!/bin/bash\\n{}\\n' >\"$3/bin/pip\"; chmod +x \"$3/bin/pip\"",
            exit("pip")
        );
        program(directory.path(), "python3", &format!("{pip}; {}", exit("python3")));
        for name in ["openssl", "pebble", "lego", "node", "npm"].into_iter().filter(|name| missing != Some(name)) {
            program(directory.path(), name, exit(name));
        }
        let done = run(directory.path(), &install);
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let went_on = done.status.success() && out.ends_with("went on\n");
        assert_eq!(went_on, missing.or(failing).is_none(), "{missing:?} {failing:?}: {out}{err}");
    }
}

#[test]
fn a_judge_that_was_not_asked_ends_the_gate() {
    let judges = lines("for judge in ", "; do").trim_start_matches("for judge in ");
    let judges: Vec<&str> = judges.split(' ').collect();
    assert_eq!(
        judges,
        [
            "openapi-spec-validator",
            "Prism",
            "ncloud-server",
            "huaweicloudsdkcore",
            "huaweicloudsdkccm",
            "openssl",
            "pebble"
        ]
    );
    let check = format!("{}done", lines("for judge in ", "done"));
    for missing in std::iter::once(None).chain(judges.iter().map(Some)) {
        let directory = tempfile::tempdir().unwrap();
        program(directory.path(), "grep", "grep \"$@\"");
        let asked = judges.iter().filter(|judge| missing != Some(judge));
        let judged: String = asked.map(|judge| format!("judged by {judge} 1.0: 7 requests\n")).collect();
        fs::write(directory.path().join("judged"), judged).unwrap();
        let done = run(directory.path(), &format!("CERTSWEEP_JUDGES=$temporary\n{check}"));
        assert_eq!(done.status.success(), missing.is_none(), "{missing:?}");
        let words = missing.map(|judge| format!("{judge} was not asked\n")).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&done.stderr), words);
    }
}
