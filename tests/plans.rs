//! Good and bad plans as files: `tests/data/plans/{good,bad}`, one defect a bad plan, its name says which. Beside each is
//! `NAME.expect`, one finding a line: `[warning ][FILE:]LINE:COLUMN TEXT`. All errors must be listed, unless a line is `...`; good
//! plans list their warnings and `actions N`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what a test writes need not survive a crash")]

use certsweep::diag::{Diagnostics, Severity};
use certsweep::plan::{self, Action, CheckedPlan, CsvOptions, IgnoreColumns, Input, Request};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::built_in);

const FOLDER: &str = "tests/data/plans";

struct Checked {
    plan: Option<CheckedPlan>,
    actions: Vec<Action>,
    findings: Vec<(Severity, String)>,
    diagnostics: Diagnostics,
}

fn check(input: Input, settings: Option<PathBuf>, columns: CsvOptions) -> Checked {
    let mut sources = SourceMap::default();
    let mut actions = Vec::new();
    let now = "2026-11-22T06:00:00Z".parse().unwrap();
    let request = Request { plan: input, settings, catalog: &CATALOG, columns, now };
    let (plan, diagnostics) = plan::check(&request, &mut sources, &mut |action| actions.push(action));
    let findings = diagnostics.sorted().into_iter().map(|found| {
        let place = found.span.map_or_else(|| "-:-".to_owned(), |span| sources.place(span));
        (found.severity, format!("{place} {}", found.what))
    });
    Checked { plan, actions, findings: findings.collect(), diagnostics: diagnostics.clone() }
}

fn check_file(path: &Path) -> Checked {
    let settings = path.with_file_name("files").join(path.file_name().unwrap()).with_extension("settings.yaml");
    check(Input::Path(path.to_owned()), settings.exists().then_some(settings), CsvOptions::default())
}

fn check_text(text: impl Into<Vec<u8>>) -> Checked {
    check(Input::Stdin(text.into()), None, CsvOptions::default())
}

fn plans(folder: &str) -> Vec<PathBuf> {
    let mut plans: Vec<PathBuf> = std::fs::read_dir(Path::new(FOLDER).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending != "expect"))
        .collect();
    plans.sort();
    plans
}

/// What differs from the file of expectations; empty where nothing does.
fn compare(path: &Path, checked: &Checked) -> String {
    let mut wrong = String::new();
    let expected = std::fs::read_to_string(path.with_extension("expect")).unwrap();
    let mut left: Vec<&(Severity, String)> = checked.findings.iter().collect();
    let mut all = true;
    for line in expected.lines() {
        if line == "..." {
            all = false;
            continue;
        }
        if let Some(count) = line.strip_prefix("actions ") {
            if checked.actions.len().to_string() != count {
                writeln!(wrong, "  {} actions instead of {count}", checked.actions.len()).unwrap();
            }
            continue;
        }
        let (severity, line) = match line.strip_prefix("warning ") {
            Some(line) => (Severity::Warning, line),
            None => (Severity::Error, line),
        };
        let (place, words) = line.split_once(' ').unwrap();
        let own = path.display().to_string();
        let place = match place.split(':').count() {
            _ if place == "-:-" => place.to_owned(),
            2 => format!("{own}:{place}"),
            _ => path.with_file_name(place).display().to_string(),
        };
        let found = left
            .iter()
            .position(|(is, text)| *is == severity && text.starts_with(&format!("{place} ")) && text.contains(words));
        match found {
            Some(index) => {
                left.remove(index);
            }
            None => writeln!(wrong, "  lacks: {line}").unwrap(),
        }
    }
    let is_good = path.parent().unwrap().ends_with("good");
    for (severity, text) in left {
        if (all && *severity == Severity::Error) || is_good {
            writeln!(wrong, "  too much: {severity:?} {text}").unwrap();
        }
    }
    if wrong.is_empty() { wrong } else { format!("{}\n{wrong}", path.display()) }
}

#[test]
fn good_plans_pass() {
    let wrong: String = plans("good")
        .iter()
        .map(|path| {
            let checked = check_file(path);
            assert_eq!(checked.plan.is_some(), !checked.diagnostics.has_errors(), "{}", path.display());
            let wrong = compare(path, &checked);
            if checked.plan.is_none() { format!("{wrong}  is refused: {}\n", path.display()) } else { wrong }
        })
        .collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(plans("good").len() >= 15);
}

#[test]
fn bad_plans_are_refused_with_their_defects() {
    let wrong: String = plans("bad")
        .iter()
        .map(|path| {
            let checked = check_file(path);
            assert!(checked.plan.is_none(), "{} is taken", path.display());
            compare(path, &checked)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(plans("bad").len() >= 100);
}

/// What an editor marks is what the check refuses, and nothing else.
#[test]
fn the_schemas_patterns_and_the_check_agree() {
    let validator = jsonschema::draft202012::new(&plan::schema(&CATALOG)).unwrap();
    let window = |from: &str, days: &str| {
        format!("schedule: {{window: {{from: \"{from}\", to: \"05:00\", timezone: Asia/Seoul, days: {days}}}}}")
    };
    let rate = |rate: &str| format!("providers: {{digicert: {{rate: {rate}}}}}");
    let mut cases: Vec<(String, bool)> = Vec::new();
    for (text, good) in [
        ("100/5s", true),
        ("[100/5s, 1000/180s]", true),
        ("'100/5s 1000/3m'", true),
        ("1/1d", true),
        ("20/500ms", true),
        ("[7/1]", true),
        ("100 per 5s", false),
        ("100", false),
        ("0/5s", false),
        ("100/0s", false),
        ("100/5w", false),
        ("/5s", false),
        ("[100/5s, x]", false),
        ("-1/5s", false),
        ("1.5/5s", false),
    ] {
        cases.push((rate(text), good));
    }
    for (text, good) in [
        ("30s", true),
        ("500ms", true),
        ("45", true),
        ("2m", true),
        ("24 hours", false),
        ("1.5h", false),
        ("-5s", false),
        ("0s", false),
        ("0", false),
        ("5w", false),
        ("soon", false),
    ] {
        cases.push((format!("timeout: {text}"), good));
    }
    for (text, good) in [
        ("24h", true),
        ("2026-12-01T01:00:00+09:00", true),
        ("2026-12-01T01:00Z", true),
        ("2026-12-01 01:00:00.5-0300", true),
        ("2026-12-01T01:00:00", false),
        ("2026-12-01", false),
        ("2026-13-01T01:00:00Z", false),
        ("2026-12-01T25:00:00Z", false),
        ("24 hours", false),
        ("tomorrow", false),
    ] {
        cases.push((format!("deadline: {text}"), good));
    }
    for (from, days, good) in [
        ("01:00", "[mon, tue]", true),
        ("1:00", "mon", true),
        ("23:59", "'mon tue sun'", true),
        ("25:00", "[mon]", false),
        ("24:00", "[mon]", false),
        ("01:60", "[mon]", false),
        ("1am", "[mon]", false),
        ("01:0", "[mon]", false),
        ("01:00", "[monday]", false),
        ("01:00", "[Mon]", false),
        ("01:00", "[]", false),
        ("01:00", "every", false),
    ] {
        cases.push((window(from, days), good));
    }
    for (text, good) in [("ask", true), ("10m", true), ("0", true), ("0s", true), ("never", false), ("-1s", false)] {
        cases.push((format!("safety: {{waves: [1, 100%], between_waves: {text}}}"), good));
    }
    for (head, good) in cases {
        let text = format!(
            "version: 1\n{head}\nactions: [{{provider: digicert, action: revoke, certificate_id: 1}}, {{provider: digicert, action: revoke, certificate_id: 2}}]\n"
        );
        let checked = check_text(text.clone());
        assert_eq!(!checked.diagnostics.has_errors(), good, "the check of {head}: {:?}", checked.findings);
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let marked = validator.iter_errors(&value).next().map(|error| error.to_string());
        assert_eq!(marked.is_none(), good, "the schema of {head}: {marked:?}");
    }
}

#[test]
fn the_schema_accepts_good_plans_and_refuses_misspelled_ones() {
    let schema = plan::schema(&CATALOG);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    // As an editor reads it, which knows nothing of our own reading.
    let value =
        |path: &Path| -> serde_json::Value { serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
    let is_yaml = |path: &&PathBuf| path.extension().is_some_and(|ending| ending != "csv");
    for path in plans("good").iter().filter(is_yaml) {
        let errors: Vec<String> = validator.iter_errors(&value(path)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    for name in [
        "version-missing",
        "top-key-misspelled",
        "actions-empty",
        "field-misspelled",
        "field-of-another-action",
        "action-misspelled",
        "reason-misspelled",
        "reason-own-spelling-wrong",
        "field-wrong-type",
        "field-missing",
        "secret-literal",
        "retry-unknown-key",
        "uses-unknown",
        "defaults-misspelled",
        "stop-when-two-rules",
        "window-without-zone",
    ] {
        let path = Path::new(FOLDER).join("bad").join(name).with_extension("yaml");
        assert!(!validator.is_valid(&value(&path)), "{name} passes");
    }
}

/// A small deterministic generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap()
    }
}

#[test]
fn no_bytes_make_the_check_panic() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let fixtures = [
        "good/contract.yaml",
        "good/csr-inline.yaml",
        "good/bare-semicolon.csv",
        "good/keep-columns.yaml",
        "good/files/crtsh.json",
        "good/files/titles.csv",
        "bad/csv-unclosed-quote.csv",
    ];
    for name in fixtures {
        let text = std::fs::read(Path::new(FOLDER).join(name)).unwrap();
        for cut in (0..text.len()).step_by(text.len() / 60 + 1) {
            check_text(&text[..cut]);
            check_text(&text[cut..]);
        }
        for _ in 0..300 {
            let mut changed = text.clone();
            for _ in 0..=dice.next(3) {
                let at = dice.next(changed.len());
                match dice.next(4) {
                    0 => changed[at] ^= 1 << dice.next(8),
                    1 => changed[at] = b"\"',;\t\r\n\0:{}[]&*!|>%#-"[dice.next(21)],
                    2 => {
                        changed.remove(at);
                    }
                    _ => {
                        let copy: Vec<u8> = changed[at..(at + dice.next(40)).min(changed.len())].to_vec();
                        let into = dice.next(changed.len());
                        changed.splice(into..into, copy);
                    }
                }
            }
            let checked = check_text(changed);
            assert_eq!(checked.plan.is_some(), !checked.diagnostics.has_errors());
        }
    }
}

#[test]
fn a_secret_is_never_repeated() {
    for name in ["secret-literal", "secret-in-url", "secret-at-the-wrong-place", "certificate-key-literal"] {
        let checked = check_file(&Path::new(FOLDER).join("bad").join(name).with_extension("yaml"));
        assert!(!format!("{:?}", checked.diagnostics).contains("hunter2"), "{name}");
        assert!(checked.diagnostics.sorted().iter().any(|found| found.code == "literal-secret"), "{name}");
    }
}

#[test]
fn a_reason_that_the_provider_lacks_is_resolved_by_the_line_shown() {
    let checked = check_file(&Path::new(FOLDER).join("bad/reason-not-had.yaml"));
    let found = checked.diagnostics.sorted()[0].clone();
    let help = found.help.unwrap();
    assert!(help.contains("`providers: {naver: {reasons: {keyCompromise: unspecified}}}`"), "{help}");
    assert!(help.contains("report it to the CA by other means"), "{help}");
    for has in ["unspecified", "affiliationChanged", "superseded", "cessationOfOperation"] {
        assert!(found.what.contains(has), "{}", found.what);
    }
    let text = std::fs::read_to_string(Path::new(FOLDER).join("bad/reason-not-had.yaml")).unwrap();
    let settled = text.replace("actions:", "providers: {naver: {reasons: {keyCompromise: unspecified}}}\nactions:");
    let checked = check_text(settled);
    assert_eq!(checked.actions[0].reason_sent.as_deref(), Some("unspecified"));
    assert_eq!(checked.actions[0].reason.unwrap().name(), "keyCompromise");
}

#[test]
fn a_letter_that_only_looks_right_is_named_wherever_a_name_is_asked_for() {
    let step = |step: &str| {
        format!(
            "version: 1\nactions:\n- provider: digicert\n  order_id: \"1\"\n  steps:\n    - {{action: reissue}}\n    - {step}\n"
        )
    };
    for text in [
        step("{wait: iss\u{443}ed}"),
        step("{wait: issued, withi\u{578}\u{435}: 1h}").replace('\u{578}', "n"),
        step("{action: revoke, certificate_id: \"1\", comments: $steps.reiss\u{443}e.outputs.reference}"),
        "version: 1\nschedule: {window: {from: \"09:00\", to: \"10:00\", timezone: \"Asia/S\u{435}oul\"}}\nactions: []\n".to_owned(),
        "version: 1\nhooks: [{on: [st\u{43e}pped], command: x}]\nactions: []\n".to_owned(),
    ] {
        let found = check_text(text.clone()).diagnostics;
        let helps: Vec<&str> = found.sorted().iter().filter_map(|found| found.help.as_deref()).collect();
        let named = helps.iter().any(|help| help.contains("only looks like a usual one"));
        assert!(named, "{text}{:?}", found.sorted());
    }
}

#[test]
fn an_alias_of_actions_is_read_too() {
    let text = "version: 1\ndefaults: {provider: digicert}\nactions: [{action: revoke, certificate_id: &c 1}, {action: revoke-order, order_id: *c}]\n";
    assert_eq!(check_text(text).actions.len(), 2);
}

#[test]
fn the_digest_is_that_of_what_is_sent() {
    let digest = |text: &str| {
        let checked = check_text(text);
        checked.plan.unwrap_or_else(|| panic!("{:?}", checked.findings)).digest().to_owned()
    };
    let plan = "version: 1\nactions:\n  - {id: a, provider: digicert, action: revoke, certificate_id: \"1\"}\n";
    let with = |settings: &str| plan.replace("version: 1", &format!("version: 1\n{settings}"));
    let same = [
        "actions: [{certificate_id: 1, action: revoke, provider: digicert}]\nversion: 1\nname: other\n".to_owned(),
        "# a comment\nversion: 1\ndefaults: {provider: digicert}\nactions:\n\n - {action: revoke, certificate_id: 1}"
            .to_owned(),
        "provider,action,certificate_id\ndigicert,revoke,1\n".to_owned(),
        // What holds anyway, written out.
        with("retry: {attempts: 5, max_delay: 60s}\ntimeout: 30000ms\nsafety: {canary: 0}"),
        with("providers: {digicert: {rate: [100/5s, 1000/180s]}}"),
        // An account that no action uses.
        with("providers: {naver: {rate: [1/1s]}}"),
    ];
    let others = [
        plan.replace("\"1\"", "\"2\""),
        with("deadline: 5h"),
        with("providers: {digicert: {base_url: https://certcentral.digicert.eu/services/v2}}"),
        with("providers: {digicert: {credentials: {api_key: env:OTHER}}}"),
        with("providers: {digicert: {rate: [500/1s]}}"),
        with("providers: {digicert: {rate: [5/1s]}}"),
        with("providers: {digicert: {rate: [1000/180s]}}"),
        with("providers: {digicert: {concurrency: 1}}"),
        with("providers: {digicert: {concurrency: 64}}"),
        with("retry: {attempts: 2}"),
        with("retry: {max_delay: 1s}"),
        with("timeout: 31s"),
        with("safety: {canary: 1}"),
        with("safety: {max_actions: 10}"),
        with("safety: {waves: [1, 100%]}"),
        with("safety: {waves: [1, 100%], between_waves: 10m}"),
        with("safety: {stop_when: {failures: 3}}"),
        with("safety: {stop_when: {failures: 4}}"),
        with("schedule: {start: 2026-12-01T00:00:00Z}"),
        with("schedule: {window: {from: \"01:00\", to: \"05:00\", timezone: Asia/Seoul}}"),
        plan.replace("}", ", reason: superseded}"),
        plan.replace("}", ", not_before: 2026-12-01T00:00:00Z}"),
    ];
    assert_eq!(digest(plan).len(), 64);
    for text in same {
        assert_eq!(digest(&text), digest(plan), "{text}");
    }
    let mut all: Vec<String> = others.iter().map(|text| digest(text)).chain([digest(plan)]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), others.len() + 1, "each differs from all others");
}

#[test]
fn a_second_purchase_is_known_by_its_target_whatever_else_it_says() {
    let plan = "version: 1\nproviders: {other: {uses: naver, credentials: {access_key: \"env:A\", secret_key: \"env:B\"}}}\n\
         actions: [{provider: naver, action: reissue, certificateNo: \"7\", certificateName: one, commonName: shop.example.com, \
         dnsName: [shop.example.com], validationMethod: D, csr: \"file:tests/data/plans/shop.csr\"}]\n";
    let fingerprint = |from: &str, to: &str| {
        let mut checked = check_text(plan.replace(from, to));
        assert!(checked.plan.is_some(), "{to}: {:?}", checked.findings);
        checked.actions.remove(0).fingerprint
    };
    let one = fingerprint("", "");
    for (from, to) in [
        ("{provider", "{id: x, provider"),
        ("certificateName: one", "certificateName: other"),
        ("provider: naver,", "provider: other,"),
        ("uses: naver,", "uses: naver, rate: [1/1s],"),
    ] {
        assert_eq!(fingerprint(from, to), one, "{to}");
    }
    assert_ne!(fingerprint("\"7\"", "\"8\""), one);
    let elsewhere = plan.replace("uses: naver,", "uses: naver, base_url: https://elsewhere.example,");
    let elsewhere = check_text(elsewhere.replace("provider: naver,", "provider: other,")).actions.remove(0).fingerprint;
    assert_ne!(elsewhere, one);
    // Of an idempotent action every parameter counts: another reason is another request, and costs nothing.
    let revoke = |reason: &str| {
        let text = format!("provider,action,certificate_id,reason\ndigicert,revoke,1,{reason}\n");
        check_text(text).actions.remove(0).fingerprint
    };
    assert_ne!(revoke("superseded"), revoke("keyCompromise"));
}

/// A plan of six actions beside a list of exceptions, in a directory of its own; the ids of those that it names.
fn excepted(hold: &str) -> (Vec<String>, Vec<String>) {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    let here = std::env::current_dir().unwrap().join(FOLDER);
    let here = here.display();
    write("hold.csv", hold);
    write("list.csv", "id,Cert ID,common_name,Serial\nf,77,pay.example.com,0D:0E:0F\n");
    let plan = format!(
        "version: 1\nexcept: hold.csv\ndefaults: {{reason: superseded}}\nactions:\n  \
         - {{id: a, provider: digicert, action: revoke, certificate_id: \"112358\"}}\n  \
         - {{id: b, provider: digicert, action: revoke, certificate_id: 0AB8C0FFEE11}}\n  \
         - {{id: c, provider: naver, action: revoke, orderId: \"1\", certificateNo: 7}}\n  \
         - {{id: d, provider: naver, action: revoke, orderId: \"1\", certificateNo: 8}}\n  \
         - {{id: e, provider: naver, action: reissue, certificateNo: \"9\", certificateName: one, commonName: shop.example.com, \
         dnsName: [shop.example.com], validationMethod: D, csr: \"file:{here}/shop.csr\"}}\n  \
         - {{from: list.csv, provider: digicert, action: revoke, columns: {{certificate_id: \"Cert ID\", id: id}}, ignore_columns: true}}\n  \
         - {{id: g, provider: digicert, action: revoke, certificate_id: 78, issuer: \"file:{here}/certificates/ca.pem\", \
         certificate: \"file:{here}/certificates/shop.pem\"}}\n"
    );
    write("plan.yaml", &plan);
    let checked = check_file(&place.path().join("plan.yaml"));
    assert!(checked.plan.is_some(), "{hold}: {:?}", checked.findings);
    let is_excepted = |action: &&Action| matches!(action.never_sent, Some(plan::checked::NeverSent::Excepted(_)));
    let ids = checked.actions.iter().filter(is_excepted).map(|action| action.id.clone()).collect();
    let warned = checked.findings.iter().filter(|(_, what)| what.contains("on the exception list"));
    (ids, warned.map(|(_, what)| what.rsplit_once("hold.csv:").unwrap().1.to_owned()).collect())
}

#[test]
fn an_exception_list_names_actions_by_id_target_serial_number_and_name() {
    for (hold, expected) in [
        // One a line, with a header or without.
        ("a\n", "a"),
        ("112358", "a"),
        ("certificate_id\r\n112358\r\n", "a"),
        ("Certificate ID,Owner\n112358,78\n", "a"),
        ("Owner;certificateId\n78;112358\n", "a"),
        ("\u{feff}id\na\nb\n", "a b"),
        // The list's own header.
        ("Cert ID,common_name\n77,none.example\n", "f"),
        // Serial numbers in every spelling, where a plan has them as a target, as a column, or in a certificate.
        ("0a:b8:c0:ff:ee:11\n", "b"),
        ("Serial Number\n0x0ab8c0ffee11\n", "b"),
        ("serial=AB8C0FFEE11\n", "b"),
        ("00 0A B8 C0 FF EE 11\n", "b"),
        ("d0e0f\n", "f"),
        ("1000\n", "g"),
        // A target of several parameters is named by all of them, or by any where nothing says which it is.
        ("orderId,certificateNo\n1,7\n", "c"),
        ("certificateNo\n7\n", "c"),
        ("1/8\n", "d"),
        ("orderId\n1\n", "c d"),
        // Names: of the request, of the list's row, of the certificate.
        ("shop.example.com.\n", "e"),
        ("PAY.example.com\n", "f"),
        ("good.example.com\n", "g"),
        ("# forbidden\ncommon_name;note\npay.example.com;a\n", "f"),
        ("name_value\n\"shop.example.com\nPAY.example.com\"\n", "e f"),
        ("names\n\"shop.example.com, pay.example.com\"\n", "e f"),
    ] {
        let (ids, unmet) = excepted(hold);
        assert_eq!((ids.join(" ").as_str(), unmet), (expected, vec![]), "{hold}");
    }
    for (hold, ids, unmet) in [
        ("a\n112359\n", "a", "2:1 `112359`"),
        ("example.com\n", "", "1:1 `example.com`"),
        ("orderId,certificateNo\n1,99\n2,7\n", "", "2:1 `1, 99`"),
        // A column that says nothing of the kind is not looked at.
        ("certificate_id,days\n999,78\n", "", "2:1 `999, 78`"),
    ] {
        let (found, warned) = excepted(hold);
        assert_eq!(found.join(" "), ids, "{hold}");
        assert!(warned[0].starts_with(unmet), "{hold}: {warned:?}");
    }
    let many: String = (0..1000).map(|number| format!("no-{number}.example\n")).collect();
    let (_, warned) = excepted(&many);
    assert_eq!(
        (warned.len(), warned[100].as_str()),
        (101, "101:1 900 more entries on the exception list are no actions of this plan")
    );
}

#[test]
fn exceptions_and_filters_of_a_bare_list_come_from_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let hold = place.path().join("hold.txt");
    std::fs::write(&hold, "0013\n").unwrap();
    let list = "provider,action,Cert ID,status\ndigicert,revoke,0012,issued\ndigicert,revoke,0013,issued\ndigicert,revoke,0014,gone\n";
    let options = CsvOptions {
        columns: vec![("certificate_id".to_owned(), "Cert ID".to_owned())],
        ignore: IgnoreColumns::All,
        keep: Vec::new(),
        header_row: None,
        filter: Some("status == \"issued\"".to_owned()),
        except: vec![hold.clone()],
    };
    let checked = check(Input::Stdin(list.into()), None, options.clone());
    let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.findings));
    assert_eq!((plan.actions(), plan.left_out()), (2, 1));
    assert_eq!(
        checked.actions[1].never_sent.as_ref().unwrap().to_string(),
        format!("on the exception list: {}:1", hold.display())
    );
    // What goes is in the digest, and the list in the run directory.
    assert!(plan.files().iter().any(|file| file.path.as_ref() == Some(&hold)));
    let all = check(Input::Stdin(list.into()), None, CsvOptions { except: Vec::new(), ..options.clone() });
    assert_ne!(all.plan.unwrap().digest(), plan.digest());
    let other = CsvOptions { filter: Some("Status == \"issued\"".to_owned()), ..options };
    assert!(check(Input::Stdin(list.into()), None, other).findings[0].1.contains("no column `Status`"));
}

#[test]
fn a_serial_number_is_one_target_however_it_is_written() {
    let check = |number: &str, more: &str| {
        let text = format!(
            "version: 1\nactions:\n  - {{id: a, provider: digicert, action: revoke, certificate_id: \"{number}\"{more}}}\n"
        );
        let checked = check_text(text);
        let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.findings));
        let [action] = checked.actions.as_slice() else { panic!("{:?}", checked.actions) };
        (action.target.clone(), action.fingerprint, plan.digest().to_owned())
    };
    let plain = check("0AB8ED5AB0066F905671516CC5B8A659", "");
    assert_eq!(plain.0, "0AB8ED5AB0066F905671516CC5B8A659");
    for (number, more) in [
        ("0ab8ed5ab0066f905671516cc5b8a659", ""),
        ("ab8ed5ab0066f905671516cc5b8a659", ""),
        ("000ab8ed5ab0066f905671516cc5b8a659", ""),
        ("0a:b8:ed:5a:b0:06:6f:90:56:71:51:6c:c5:b8:a6:59", ""),
        ("0A-B8-ED-5A-B0-06-6F-90-56-71-51-6C-C5-B8-A6-59", ""),
        ("0A B8 ED 5A B0 06 6F 90 56 71 51 6C C5 B8 A6 59", ""),
        (" 0x0AB8ED5AB0066F905671516CC5B8A659 ", ""),
        ("serial=0AB8ED5AB0066F905671516CC5B8A659", ""),
        ("14252476695907400871082555147539752537", ", serial_notation: decimal"),
    ] {
        assert_eq!(check(number, more), plain, "{number}");
    }
}

#[test]
fn a_checked_plan_holds_what_the_run_needs() {
    let checked = check_file(&Path::new(FOLDER).join("good/contract.yaml"));
    let plan = checked.plan.unwrap();
    let settings = plan.settings();
    assert_eq!(settings.name, "leaked-build-key");
    let accounts: Vec<&str> = settings.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(accounts, ["digicert", "naver-kr", "huawei"]);
    assert_eq!(settings.accounts[2].base_url, "https://ccm.ae-ad-1.myhuaweicloud.com");
    assert_eq!(settings.accounts[0].windows.len(), 2);
    let ids: Vec<&str> = checked.actions.iter().map(|action| action.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "shop",
            "contract.yaml:28",
            "contract.yaml:29",
            "new",
            "contract.yaml:32",
            "files/leaked.csv:2",
            "files/leaked.csv:3"
        ]
    );
    let sent: Vec<_> = checked.actions.iter().map(|action| action.reason_sent.as_deref().unwrap_or("-")).collect();
    assert_eq!(
        sent,
        ["key_compromise", "key_compromise", "superseded", "-", "KEY_COMPROMISE", "key_compromise", "key_compromise"]
    );
    let targets: Vec<&str> = checked.actions.iter().map(|action| action.target.as_str()).collect();
    assert_eq!(targets, ["112358", "55", "1/1", "55882", "6434f74f-2d13-4e6a-89eb-93ee313f1a43", "112358", "0012"]);
    assert_eq!(checked.actions[5].never_sent, Some(plan::checked::NeverSent::Repeats("shop".to_owned())));
    assert!(checked.actions[6].source.ends_with("files/leaked.csv:3"));
    assert!(checked.actions[3].parameters["csr"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    let files: Vec<&str> = plan.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["tests/data/plans/good/contract.yaml", "../shop.csr", "files/leaked.csv"]);
    assert_eq!(plan.documents().len(), 3);
    let text = serde_json::to_string(settings).unwrap();
    assert_eq!(&serde_json::from_str::<plan::Settings>(&text).unwrap(), settings);
}

#[test]
fn columns_of_a_bare_list_are_mapped_ignored_and_kept() {
    let list = "Cert ID,Owner,Notes,provider,action\n0012,shop team,x,digicert,revoke\n";
    let columns = vec![("certificate_id".to_owned(), "Cert ID".to_owned())];
    let keep = vec!["Owner".to_owned()];
    for (ignore, good) in [
        (IgnoreColumns::None, false),
        (IgnoreColumns::All, true),
        (IgnoreColumns::Named(vec!["Notes".to_owned()]), true),
        (IgnoreColumns::Named(vec!["Note".to_owned()]), false),
    ] {
        let options = CsvOptions { columns: columns.clone(), ignore, keep: keep.clone(), ..CsvOptions::default() };
        let checked = check(Input::Stdin(list.into()), None, options.clone());
        assert_eq!(checked.plan.is_some(), good, "{options:?}: {:?}", checked.findings);
        if let Some(plan) = checked.plan {
            assert_eq!(plan.settings().keep_columns, ["Owner"]);
            assert_eq!(checked.actions[0].kept, ["shop team"]);
            assert_eq!(checked.actions[0].target, "0012");
            assert_eq!(checked.actions[0].id, "<stdin>:2");
        }
    }
    let options = CsvOptions { keep, ..CsvOptions::default() };
    assert!(check(Input::Stdin(b"version: 1\nactions: []".to_vec()), None, options).findings[0].1.contains("bare CSV"));
}

/// What git would not keep as it is: other encodings, compressed files. The same list in each, its places as an editor shows them.
#[test]
fn lists_are_read_in_what_they_come_in() {
    let directory = tempfile::tempdir().unwrap();
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let gz = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text).unwrap();
        encoder.finish().unwrap()
    };
    let list = "certificate_id\tcomments\r\n112358\tMüller\r\nx!\t철회 \u{1f512}\r\n";
    let good = "certificate_id\tcomments\r\n112358\tMüller\r\n112359\t철회 \u{1f512}\r\n";
    let check_list = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path().join(name), bytes).unwrap();
        let plan = format!("version: 1\nactions:\n  - {{from: {name}, provider: digicert, action: revoke}}\n");
        std::fs::write(directory.path().join("plan.yaml"), plan).unwrap();
        check_file(&directory.path().join("plan.yaml"))
    };
    for (name, encode) in [
        ("utf8.txt", &(|text: &str| format!("\u{feff}{text}").into_bytes()) as &dyn Fn(&str) -> Vec<u8>),
        ("utf16le.txt", &|text| utf16(text, false)),
        ("utf16be.txt", &|text| utf16(text, true)),
        ("list.csv.gz", &|text| gz(text.as_bytes())),
        ("gz-by-its-bytes.csv", &|text| gz(text.as_bytes())),
        ("utf16.gz", &|text| gz(&utf16(text, false))),
        ("members.gz", &|text| [gz(&text.as_bytes()[..30]), gz(&text.as_bytes()[30..])].concat()),
    ] {
        let checked = check_list(name, &encode(good));
        assert_eq!(checked.actions.len(), 2, "{name}: {:?}", checked.findings);
        assert_eq!(checked.actions[1].parameters["comments"], "철회 \u{1f512}", "{name}");
        let checked = check_list(name, &encode(list));
        assert!(
            checked.findings[0].1.contains(&format!("{name}:3:1 `certificate_id`")),
            "{name}: {:?}",
            checked.findings
        );
        // As a plan by itself too, from a file and from standard input.
        let bare = encode("provider,action,certificate_id\ndigicert,revoke,1\n");
        std::fs::write(directory.path().join(name), &bare).unwrap();
        for input in [Input::Path(directory.path().join(name)), Input::Stdin(bare)] {
            assert_eq!(check(input, None, CsvOptions::default()).actions.len(), 1, "{name}");
        }
    }
    let long: String = (0..5000).map(|row| format!("{row}{}\n", row * 7919)).collect();
    let whole = gz(format!("certificate_id\n{long}").as_bytes());
    for (name, bytes, expected) in [
        ("cut.gz", whole[..whole.len() / 2].to_vec(), "it was cut"),
        ("cut-at-the-end.gz", whole[..whole.len() - 4].to_vec(), "it was cut"),
        ("cut.txt", utf16(good, false)[..81].to_vec(), "no UTF-16"),
        ("no-mark.txt", utf16(good, false)[2..].to_vec(), "UTF-16 without a byte order mark"),
        ("book.csv", b"PK\x03\x04\x14\0\x06\0".to_vec(), "an Excel workbook (XLSX)"),
        ("latin1.gz", gz(b"certificate_id,comments\n1,M\xfcller\n2,N\xfa\xf1ez\n"), "not UTF-8 text"),
    ] {
        let checked = check_list(name, &bytes);
        assert!(checked.plan.is_none(), "{name}");
        assert_eq!(checked.findings.len(), 1, "{name}: {:?}", checked.findings);
        assert!(checked.findings[0].1.contains(expected), "{name}: {:?}", checked.findings);
    }
}

#[test]
fn columns_of_a_bare_list_go_by_number_too() {
    let number = |column: &str| CsvOptions {
        columns: vec![
            ("provider".into(), "1".into()),
            ("action".into(), "2".into()),
            ("certificate_id".into(), column.into()),
        ],
        ..CsvOptions::default()
    };
    let list = "digicert,revoke,0012\ndigicert,revoke,13\n";
    let checked = check(Input::Stdin(list.into()), None, number("3"));
    let targets: Vec<&str> = checked.actions.iter().map(|action| action.target.as_str()).collect();
    assert_eq!(targets, ["0012", "13"], "{:?}", checked.findings);
    assert_eq!(checked.actions[0].id, "<stdin>:1");
    assert!(check(Input::Stdin(list.into()), None, number("4")).findings[0].1.contains("no column `4`"));
    assert!(check(Input::Stdin(list.into()), None, number("Cert ID")).findings[0].1.contains("counts others"));
    let help = check_text(list).diagnostics.sorted()[0].help.clone().unwrap();
    assert!(help.contains("`--columns FIELD=3`") && help.contains("`--header-row 1`"), "{help}");
    // In quotes a number is a name; a header below a title is found where the option says.
    let options = CsvOptions { columns: vec![("certificate_id".into(), "\"2026\"".into())], ..CsvOptions::default() };
    let named = "provider,action,2026\ndigicert,revoke,1\n";
    assert_eq!(check(Input::Stdin(named.into()), None, options.clone()).actions.len(), 1);
    let below = CsvOptions { header_row: Some(3), ..options };
    assert_eq!(check(Input::Stdin(format!("Orders\n\n{named}").into()), None, below).actions.len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_a_finding() {
    for input in ["nowhere.yaml", "nowhere.csv", "tests"] {
        let checked = check(Input::Path(input.into()), None, CsvOptions::default());
        assert_eq!(checked.findings.len(), 1, "{:?}", checked.findings);
        assert!(checked.findings[0].1.contains(input));
    }
    let checked =
        check(Input::Stdin(b"provider,action\n".to_vec()), Some("nowhere.yaml".into()), CsvOptions::default());
    assert!(checked.findings[0].1.contains("settings file nowhere.yaml"));
}

#[test]
fn a_long_list_is_checked_row_by_row() {
    let mut list = "provider,action,certificate_id,reason,comments\n".to_owned();
    for row in 0..20_000 {
        writeln!(list, "digicert,revoke,{row},keyCompromise,INC-{row}").unwrap();
    }
    let checked = check_text(list.clone());
    assert_eq!(checked.plan.unwrap().actions(), 20_000);
    let wrong = list.replace("digicert,revoke,1", "digicert,revok,1").replace("keyCompromise,INC-2", "nothing,INC-2");
    let checked = check_text(wrong);
    assert_eq!(checked.diagnostics.count(Severity::Error), 12_222);
    assert_eq!(checked.findings.len(), 2000, "of each kind a thousand are held");
}
