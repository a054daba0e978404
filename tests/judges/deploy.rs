//! systemd reads the units of `deploy`, and the schemas of Kubernetes' API, strictly, its manifests.

use super::installed::{log, path};
use crate::support::place::{BINARY, Place};
use std::path::Path;
use std::process::Command;

fn deployed(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

#[test]
#[ignore = "asks systemd-analyze; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn systemd_finds_nothing_to_say_of_the_units() {
    let place = Place::bare();
    // systemd looks for the program, which nobody has installed here.
    let service = std::fs::read_to_string(deployed("systemd/certsweep@.service")).unwrap();
    place.file("certsweep@.service", service.replace("/usr/bin/certsweep", BINARY));
    place.file("certsweep@.timer", std::fs::read_to_string(deployed("systemd/certsweep@.timer")).unwrap());
    let verify = |units: &[&str]| {
        let checked = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(units.iter().map(|unit| place.path(unit)))
            .output()
            .unwrap();
        (checked.status.success(), String::from_utf8(checked.stderr).unwrap())
    };
    let told = verify(&["certsweep@.service", "certsweep@.timer"]);
    assert_eq!(told, (true, String::new()));
    // It does read them.
    place.file("certsweep@.service", service.replace("StateDirectory=", "StateDirectroy="));
    assert!(verify(&["certsweep@.service"]).1.contains("StateDirectroy"));
    let version = Command::new("systemd-analyze").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    log("systemd-analyze", version.split(' ').nth(1).unwrap_or("?"), "2 units of deploy");
}

#[test]
#[ignore = "asks kubernetes-validate; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn the_manifests_are_as_kubernetes_api_wants_them() {
    let place = Place::bare();
    let validate = |file: &Path| {
        Command::new(path("kubernetes/bin/kubernetes-validate"))
            .args(["--strict", "--kubernetes-version", API])
            .arg(file)
            .output()
            .unwrap()
    };
    for name in ["kubernetes/job.yaml", "kubernetes/indexed-job.yaml"] {
        let checked = validate(&deployed(name));
        assert!(checked.status.success(), "{name}: {checked:?}");
    }
    let job = std::fs::read_to_string(deployed("kubernetes/indexed-job.yaml")).unwrap();
    let wrong = place.file("wrong.yaml", job.replace("backoffLimitPerIndex", "backoffLimitPerPod"));
    assert!(!validate(&wrong).status.success(), "it does read them");
    log("kubernetes-validate", "1.37.0", &format!("2 files of deploy against the API of {API}"));
}

/// The version of Kubernetes whose API they are held against.
const API: &str = "1.33";
