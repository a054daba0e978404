//! The quick ways and the long ones lead to the same: actions, digest and findings, for whatever rows.

use super::{CsvOptions, IgnoreColumns, Input, Request, Ways, attempt};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::checked::Action;
use crate::provider::Catalog;
use crate::text::SourceMap;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::built_in(&mut SourceMap::default(), &mut Diagnostics::default()));

type Told = (Vec<Action>, Option<(String, u64)>, Vec<Diagnostic>);

/// What a check comes to: its actions, the digest with their number, and the findings.
fn told(text: &str, columns: &CsvOptions, ways: Ways) -> Option<Told> {
    let mut actions = Vec::new();
    let request = Request {
        plan: Input::Stdin(text.as_bytes().to_vec()),
        settings: None,
        catalog: &CATALOG,
        columns: columns.clone(),
        now: "2026-11-22T06:00:00Z".parse().unwrap(),
    };
    let mut each = |action: &Action| actions.push(action.clone());
    let (plan, findings) = attempt(&request, &mut SourceMap::default(), &mut each, ways)?;
    // What actions there are counts only where there is a plan; but even without, the ways agree.
    let plan = plan.map(|plan| (plan.digest().to_owned(), plan.actions()));
    Some((actions, plan, findings.sorted().into_iter().cloned().collect()))
}

fn agree(text: &str, columns: &CsvOptions) {
    let long = told(text, columns, Ways { ahead: false, short: false }).unwrap();
    for ways in
        [Ways { ahead: false, short: true }, Ways { ahead: true, short: false }, Ways { ahead: true, short: true }]
    {
        match told(text, columns, ways) {
            Some(quick) => assert_eq!(quick, long, "{text}"),
            None => assert!(ways.ahead && long.1.is_none(), "{text}"),
        }
    }
}

/// The values of a column: most of them good, some often the same, some wrong in each way that there is.
fn values(column: &str) -> Vec<&'static str> {
    match column {
        "id" => vec!["", "", "a", "b", "c", "d", "e", "f", "<stdin>:3", "<stdin>:5#2", " g ", "\"h\"", "\" i \"", "철"],
        "provider" => vec!["digicert", "digicert", "digicert", "digicert", "naver", "huawei", "digicrt", ""],
        "action" => vec!["revoke", "revoke", "revoke", "revoke", "revoke-order", "revoke-ca", "get-order", "", "revok"],
        "certificate_id" => {
            vec!["1", "2", "3", "4", "5", "6", "7", "8", "0A:b", "x", " 9 ", "\"10\"", "\" 11\"", "", "é"]
        }
        "order_id" | "ca_id" | "orderId" => vec!["", "", "1", "2", "3", "02", "-0", "0", "99999999999999999999", "1e3"],
        "certificateNo" => vec!["", "0", "1", "2"],
        "reason" => {
            vec!["keyCompromise", "keyCompromise", "superseded", "unspecified", "", "key_compromise", "nothing"]
        }
        "revocation_reason" | "revokeType" => vec!["", "", "", "superseded", "key_compromise", "x"],
        "comments" | "comment" => {
            vec!["INC-42", "INC-42", "", "\"a \"\"b\"\"\"", "\"two\nlines\"", "tab\there", "\\", "日本"]
        }
        "skip_approval" => vec!["true", "true", "false", "", "yes"],
        "not_before" => vec!["", "", "2026-12-01T00:00:00Z", "2020-01-01T00:00:00Z", "soon"],
        "needs" => vec!["", "", "", "a", "<stdin>:2", "a b"],
        _ => vec!["", "k", "\"k,l\""],
    }
}

const COLUMNS: [&str; 16] = [
    "provider",
    "action",
    "certificate_id",
    "reason",
    "comments",
    "skip_approval",
    "id",
    "order_id",
    "orderId",
    "certificateNo",
    "revocation_reason",
    "comment",
    "not_before",
    "needs",
    "ca_id",
    "ticket",
];

fn table() -> impl Strategy<Value = (Vec<&'static str>, Vec<Vec<&'static str>>)> {
    let columns = prop_oneof![
        3 => Just(COLUMNS[..6].to_vec()),
        1 => Just([&COLUMNS[..4], &["id", "ticket"]].concat()),
        2 => proptest::sample::subsequence(COLUMNS.to_vec(), 3..=10),
    ];
    columns.prop_flat_map(|columns| {
        let row: Vec<_> = columns.iter().map(|column| proptest::sample::select(values(column))).collect();
        (Just(columns), proptest::collection::vec(row, 1..20))
    })
}

fn csv(columns: &[&str], rows: &[Vec<&str>], ending: &str) -> String {
    let mut text = columns.join(",") + ending;
    for row in rows {
        text.push_str(&row.join(","));
        text.push_str(ending);
    }
    text
}

fn yaml(columns: &[&str], rows: &[Vec<&str>], defaults: &str, last: &str) -> String {
    let mut text = format!("version: 1\ndefaults: {defaults}\nactions:\n");
    for row in rows {
        let fields = columns.iter().zip(row).filter(|(_, value)| !value.is_empty() && !value.contains('\n'));
        let fields = fields.map(|(column, value)| format!("{column}: {}", value.replace("\"\"", "\\\"").trim()));
        let fields: Vec<String> = fields.collect();
        if fields.len().is_multiple_of(2) {
            writeln!(text, "  - {{{}}}", fields.join(", ")).unwrap();
        } else {
            writeln!(text, "  - {}", fields.join("\n    ")).unwrap();
        }
    }
    text + last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_read_alike((columns, rows) in table(), crlf: bool) {
        let text = csv(&columns, &rows, if crlf { "\r\n" } else { "\n" });
        let keep = columns.contains(&"ticket").then(|| "ticket".to_owned());
        agree(&text, &CsvOptions { keep: keep.into_iter().collect(), ignore: IgnoreColumns::None, columns: vec![] });
    }

    #[test]
    fn a_plan_is_read_alike(
        (columns, rows) in table(),
        defaults in proptest::sample::select(vec![
            "{}", "{provider: digicert}", "{reason: superseded}", "{comments: all, reason: nothing}",
            "{not_before: 2020-01-01T00:00:00Z}", "{needs: a}", "&d {action: revoke, skip_approval: true}",
        ]),
        last in proptest::sample::select(vec![
            "", "# the end\n", "name: x\n", "  - *d\n", "  - {a: 1, a: 2}\n", "---\n", "deadline: 1h\nversion: 1\n", "  - [",
            "...\n", "  - {<<: *d}\n", " name: x\n",
        ]),
    ) {
        agree(&yaml(&columns, &rows, defaults, last), &CsvOptions::default());
    }
}
