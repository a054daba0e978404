//! What people see, whole: the help of every command, a preview, how a run is and how it ended, each provider. The
//! texts stand in `snapshots/`; a text that has changed fails here. `INSTA_UPDATE=always cargo test snapshots` takes the
//! new ones over, and `git diff` then shows what users will notice.

use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{CA, Place, plan, reissue};
use super::redact::redact;

/// Compares what was printed with the snapshot of that name.
#[track_caller]
fn same(name: &str, printed: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, printed));
}

/// The commands that a help lists, in its order.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A description goes on in lines that are indented further.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(place: &Place, command: &[&str]) {
    let text = place.certsweep(&[command, &["--help"]].concat()).exits(0).out;
    same(&[&["help"], command].concat().join("-"), &text);
    for under in commands(&text) {
        help(place, &[command, &[&under]].concat());
    }
}

#[test]
fn the_help_of_every_command() {
    help(&Place::bare(), &[]);
}

#[test]
fn each_built_in_provider() {
    let place = Place::bare();
    let providers = place.certsweep(&["providers", "--json"]).exits(0).json();
    for provider in providers.as_array().unwrap() {
        let id = provider["id"].as_str().unwrap();
        let shown = place.certsweep(&["providers", "show", id]).exits(0).out;
        same(&format!("providers-show-{id}"), &shown);
    }
    same("providers", &place.certsweep(&["providers"]).exits(0).out);
}

#[test]
fn a_preview() {
    let place = Place::bare();
    place.file(
        "leaked.csv",
        (100..120).map(|id| format!("{id}\n")).fold("certificate_id\n".to_owned(), |all, row| all + &row),
    );
    place.file(
        "plan.yaml",
        format!(
            "version: 1\nname: leaked-build-key\ndeadline: 24h\n\
             safety: {{canary: 1, waves: [50%, 100%], between_waves: 10m}}\n\
             providers:\n  digicert: {{rate: [5/5s]}}\n  naver: {{reasons: {{keyCompromise: unspecified}}}}\n  \
             huawei: {{variables: {{region: ae-ad-1}}}}\n\
             defaults: {{provider: digicert, reason: keyCompromise}}\nactions:\n\
             \x20 - {{from: leaked.csv, action: revoke}}\n\
             \x20 - {{action: revoke-order, order_id: 55, comments: INC-42}}\n\
             \x20 - {{action: revoke-order, order_id: 55, comments: INC-42}}\n{}\
             \x20 - {{provider: huawei, action: revoke-ca, ca_id: {CA}, needs: [new]}}\n",
            reissue("new", 7)
        ),
    );
    let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    // The request is named by a path of the repository.
    let repository = env!("CARGO_MANIFEST_DIR");
    same("preview", &redact(&place, &preview.out.replace(repository, "[repository]")));
    same("preview-warnings", &redact(&place, &preview.err.replace(repository, "[repository]")));
}

/// Succeeds, refuses, fails, or says what nobody knows, by the certificate.
fn answer(seen: &Seen, _: usize) -> Act {
    match seen.target.split('/').nth(4) {
        Some("2") => json(400, r#"{"errors":[{"code":"bad_request_format","message":"=comments <b>too</b> long"}]}"#),
        Some("3") => empty(503),
        // A success that the document does not declare.
        Some("4") => json(200, "{}"),
        _ => empty(204),
    }
}

#[test]
fn a_run_that_ended() {
    let (place, mock) = (Place::new(), Mock::start(answer));
    let actions = "  - {id: one, action: revoke, certificate_id: 1}\n  - {id: two, action: revoke, certificate_id: 2}\n  \
                   - {id: three, action: revoke, certificate_id: 3}\n  - {id: four, action: revoke, certificate_id: 4}\n  \
                   - {id: again, action: revoke, certificate_id: 1}\n  \
                   - {id: after, action: revoke, certificate_id: 5, needs: [two]}\n";
    let head = "deadline: 24h\ndefaults: {provider: digicert, reason: keyCompromise, skip_approval: true}";
    let done = place.run(&plan(&mock, &["digicert"], head, actions)).exits(1);
    same("run-ended", &redact(&place, &done.out));
    same("status-ended", &redact(&place, &place.certsweep(&["status", "run"]).exits(0).out));
}

#[test]
fn a_run_that_stopped() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(401)));
    let actions =
        "  - {id: one, action: revoke, certificate_id: 1}\n  - {id: two, action: revoke, certificate_id: 2}\n";
    let head = "defaults: {provider: digicert, skip_approval: true}";
    let done =
        place.run(&plan(&mock, &["digicert"], head, actions).replace("concurrency: 4", "concurrency: 1")).exits(4);
    same("run-stopped", &redact(&place, &done.out));
    same("status-stopped", &redact(&place, &place.certsweep(&["status", "run"]).exits(0).out));
}
