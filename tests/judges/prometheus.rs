//! node-exporter's textfile collector takes the file that `--metrics` keeps, and Prometheus scrapes it.

use super::installed::{free_port, log};
use crate::support::place::Place;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ended with the test, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn server(program: &str, args: &[String]) -> Server {
    let started = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Server(started.unwrap_or_else(|error| panic!("{program} (Debian) is not installed: {error}")))
}

/// What is answered once it contains this.
fn wait_for(url: &str, words: &str) -> String {
    let began = Instant::now();
    loop {
        let got = Command::new("curl").args(["--silent", "--noproxy", "*", url]).output().unwrap();
        let answer = String::from_utf8(got.stdout).unwrap();
        if answer.contains(words) {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{url} never says {words}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "asks Prometheus and node-exporter; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn prometheus_scrapes_the_figures_of_a_run() {
    let place = Place::bare();
    place.file("textfiles/.keep", "");
    // A name with what a label must escape.
    let head = r#"name: 'a "b" c'"#;
    let actions = "  - {orderId: \"1\", certificateNo: 1}\n  - {orderId: \"1\", certificateNo: 2}\n";
    let defaults = "{provider: naver, action: revoke, reason: superseded}";
    place.file("plan.yaml", format!("version: 1\n{head}\ndeadline: 24h\ndefaults: {defaults}\nactions:\n{actions}"));
    place
        .certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run", "--metrics", "textfiles/certsweep.prom"])
        .exits(0);
    let (exporter, prometheus) = (free_port(), free_port());
    let directory = place.path("textfiles").display().to_string();
    let _exporter = server(
        "prometheus-node-exporter",
        &[
            format!("--web.listen-address=127.0.0.1:{exporter}"),
            "--collector.disable-defaults".to_owned(),
            "--collector.textfile".to_owned(),
            format!("--collector.textfile.directory={directory}"),
        ],
    );
    let told = wait_for(&format!("http://127.0.0.1:{exporter}/metrics"), "certsweep_up{");
    assert!(told.contains("node_textfile_scrape_error 0"), "{told}");
    let config = place.file(
        "prometheus.yml",
        format!("scrape_configs: [{{job_name: node, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}]\n"),
    );
    let _prometheus = server(
        "prometheus",
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", place.path("data").display()),
            format!("--web.listen-address=127.0.0.1:{prometheus}"),
        ],
    );
    let query =
        format!("http://127.0.0.1:{prometheus}/api/v1/query?query=certsweep_actions%7Boutcome%3D%22succeeded%22%7D");
    let answer = wait_for(&query, "\"value\"");
    assert!(answer.contains("\"provider\":\"naver\"") && answer.contains(",\"2\"]"), "{answer}");
    let up = wait_for(&format!("http://127.0.0.1:{prometheus}/api/v1/query?query=certsweep_up"), "\"value\"");
    assert!(up.contains(r#""plan":"a \"b\" c""#) && up.contains(",\"0\"]"), "{up}");
    log("Prometheus", "(Debian)", "a run's figures, through node-exporter's textfile collector");
}
