//! `find --at`: what the providers' own lists tell, joined with files, written so that a plan takes it; and everything that can be wrong with
//! a list, told in words.

use super::find::Ca;
use super::mock::{Act, Mock, empty, json};
use super::place::{Place, Row, finish, rows, signal};
use rcgen::KeyPair;

fn order(id: u32, certificate: u32, status: &str) -> String {
    format!(
        r#"{{"id":{id},"status":"{status}","certificate":{{"id":{certificate},"common_name":"n{id}.example.com","dns_names":[],"valid_till":"2090-12-31"}}}}"#
    )
}

fn page(orders: &[String], total: usize) -> Act {
    json(200, &format!(r#"{{"orders":[{}],"page":{{"total":{total},"limit":2,"offset":0}}}}"#, orders.join(",")))
}

fn detail(id: u32, certificate: u32, serial: &str) -> Act {
    json(
        200,
        &format!(
            r#"{{"id":{id},"status":"issued","certificate":{{"id":{certificate},"serial_number":"{serial}","valid_till":"2090-12-31"}}}}"#
        ),
    )
}

fn settings(mock: &Mock, accounts: &[(&str, &str)]) -> String {
    let mut text = "retry: {attempts: 2, max_delay: 20ms}\ntimeout: 20s\nproviders:\n".to_owned();
    for (name, uses) in accounts {
        let path = if *uses == "naver" { "/api/v2" } else { "" };
        let line = format!("  {name}: {{uses: {uses}, base_url: \"{}{path}\", rate: [1000/1s]}}\n", mock.url());
        text.push_str(&line);
    }
    text
}

fn read(place: &Place, name: &str) -> Vec<Row> {
    rows(&place.read(name))
}

/// Three orders on two pages; the first has a duplicate; the second is revoked, and the last is of somebody else's key.
fn digicert() -> Mock {
    Mock::start(|seen, _| match seen.line().as_str() {
        "GET /order/certificate?limit=1000&offset=0" => {
            page(&[order(55, 1001, "issued"), order(56, 1002, "revoked")], 4)
        }
        "GET /order/certificate?limit=1000&offset=2" => {
            page(&[order(57, 1003, "issued"), order(58, 1004, "pending")], 4)
        }
        "GET /order/certificate/55" => detail(55, 1001, "0A1B2C3D4E5F60"),
        "GET /order/certificate/57" => detail(57, 1003, "0F1B2C3D4E5F60"),
        "GET /order/certificate/55/duplicate" => json(
            200,
            r#"{"certificates":[{"id":1009,"serial_number":"0B1B2C3D4E5F61","common_name":"d.example.com","status":"approved","valid_till":"2090-12-31"},
                {"id":1010,"common_name":"waits.example.com","status":"pending"}]}"#,
        ),
        line if line.ends_with("/duplicate") || line.ends_with("/reissue") => json(200, r#"{"certificates":[]}"#),
        _ => empty(404),
    })
}

#[test]
fn a_list_and_files_together_name_the_certificates_of_a_leaked_key() {
    let (place, mock) = (Place::new(), digicert());
    let (ca, leaked, other) = (Ca::new("Example CA"), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    place.file("leaked.key", leaked.serialize_pem());
    place.file("pems/shop.pem", ca.issue("shop.example.com", &leaked, 0x0a_1b2c_3d4e_5f60, 2090));
    place.file("pems/double.pem", ca.issue("d.example.com", &leaked, 0x0b_1b2c_3d4e_5f61, 2090));
    place.file("pems/safe.pem", ca.issue("safe.example.com", &other, 0x0f_1b2c_3d4e_5f60, 2090));
    place.file("pems/elsewhere.pem", ca.issue("elsewhere.example.com", &leaked, 0x77_1b2c_3d4e_5f60, 2090));
    place.file("accounts.yaml", settings(&mock, &[("digicert-eu", "digicert")]));
    let args = [
        "find",
        "--key",
        "leaked.key",
        "--in",
        "pems",
        "--at",
        "digicert",
        "--settings",
        "accounts.yaml",
        "-o",
        "targets.csv",
    ];
    let found = place.certsweep(&args).exits(0).says(&["1 certificate: no account that was asked knows it"]);
    let list = read(&place, "targets.csv");
    let told = |row: &Row| {
        ["provider", "certificate_id", "order_id", "common_name", "status"].map(|name| row[name].clone()).join(" ")
    };
    let mut told: Vec<String> = list.iter().map(told).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "   elsewhere.example.com valid",
            "digicert-eu 1001 55 shop.example.com valid",
            "digicert-eu 1009 55 d.example.com valid"
        ],
        "{}",
        found.err
    );
    let shop = list.iter().find(|row| row["certificate_id"] == "1001").unwrap();
    assert_eq!(shop["found_in"], "digicert-eu; pems/shop.pem");
    assert_eq!(shop["certificate"], "file:pems/shop.pem");
    // Of what is revoked or never was nothing more is asked; nor of what is asked about already.
    assert_eq!(mock.count("/certificate/56"), 0, "{:?}", mock.lines());
    assert_eq!(mock.count("/certificate/58"), 0);
    assert!(mock.lines().iter().all(|line| line.starts_with("GET ")));
}

#[test]
fn what_a_list_tells_goes_into_a_plan_as_it_is() {
    let (place, mock) = (Place::new(), digicert());
    place.file("accounts.yaml", settings(&mock, &[("digicert", "digicert")]));
    let base = ["find", "--at", "digicert", "--settings", "accounts.yaml"];
    place
        .certsweep(&[&base[..], &["-o", "targets.csv"]].concat())
        .exits(0)
        .says(&["found 3 certificates", "left out: 1 revoked, 2 not issued"]);
    // Nothing was in question: the list itself tells enough.
    assert_eq!(mock.lines().iter().filter(|line| line.ends_with("/55") || line.ends_with("/57")).count(), 0);
    place.certsweep(&["init", "--from", "targets.csv", "-o", "plan.yaml"]).exits(0);
    place.certsweep(&["check", "plan.yaml", "--settings", "accounts.yaml"]).exits(0);
    let all = place.certsweep(&[&base[..], &["--all", "--json"]].concat()).exits(0).json();
    assert_eq!(all["found"].as_array().unwrap().len(), 6, "{all}");
    // By names, and by serial numbers that only the detail tells.
    place.file("serials.txt", "0F:1B:2C:3D:4E:5F:60\n");
    for (option, value, expected) in [("--names", "n57*", "1003"), ("--serials", "serials.txt", "1003")] {
        let found = place.certsweep(&[&base[..], &[option, value, "--json"]].concat()).exits(0).json();
        assert_eq!(found["found"].as_array().unwrap().len(), 1, "{option} {found}");
        assert_eq!(found["found"][0]["certificate_id"], expected, "{option}");
    }
    place.certsweep(&[&base[..], &["--names", "nobody.example.com"]].concat()).exits(1).says(&["found 0 certificates"]);
}

#[test]
fn a_list_that_cannot_be_read_whole_is_told_of() {
    let row = |number: u32| {
        format!(r#"{{"orderID":"{number}","certificates":[{{"certificateNo":{number},"statusCode":"1"}}]}}"#)
    };
    let naver = move |numbers: &[u32], total: &str| {
        let orders: Vec<String> = numbers.iter().map(|number| row(*number)).collect();
        json(200, &format!(r#"{{"returnCode":"0","orders":[{}]{total}}}"#, orders.join(",")))
    };
    let html = || Act::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "text/html".into())],
        body: b"<title>Sign in</title>".to_vec(),
    };
    let total = r#","totalCount":3"#;
    type Script = Box<dyn Fn(usize) -> Act + Send + Sync>;
    let cases: Vec<(Script, i32, &str, bool)> = vec![
        (Box::new(move |_| naver(&[1, 2], total)), 1, "page 2 is the same as an earlier one", true),
        (
            Box::new(move |page| if page == 1 { naver(&[1, 2], total) } else { naver(&[], total) }),
            1,
            "/totalCount says 3 rows, and no more than 2 came",
            true,
        ),
        (Box::new(move |_| naver(&[1], "")), 1, "does not say at /totalCount how many rows there are in all", true),
        (
            Box::new(move |page| if page == 1 { naver(&[1, 2], total) } else { html() }),
            1,
            "HTTP 200 text/html \"Sign in\" is not an answer that the provider documents",
            true,
        ),
        (
            Box::new(move |_| json(200, r#"{"returnCode":"2101","returnMessage":"Invalid parameter"}"#)),
            1,
            "HTTP 200 Invalid parameter; NAVER answered 200 with an error inside",
            false,
        ),
        (
            Box::new(move |_| empty(403)),
            4,
            "the credentials were refused: HTTP 403 /api/v2 takes keys of the main account only",
            false,
        ),
        (Box::new(move |_| empty(500)), 1, "HTTP 500", false),
        (
            Box::new(move |page| if page == 1 { naver(&[1, 2], total) } else { naver(&[3], total) }),
            0,
            "found 3 certificates",
            true,
        ),
    ];
    for (script, code, words, has_rows) in cases {
        let place = Place::new();
        let mock = Mock::start(move |seen, _| script(if seen.line().contains("page=2&") { 2 } else { 1 }));
        place.file("accounts.yaml", settings(&mock, &[("naver", "naver")]));
        let found = place.certsweep(&["find", "--at", "naver", "--settings", "accounts.yaml", "-o", "targets.csv"]);
        assert_eq!(found.code, code, "{words}: {}", found.err);
        assert!(found.err.contains(words), "{words}: {}", found.err);
        // What was read is there all the same.
        assert_eq!(place.path("targets.csv").exists(), has_rows, "{words}");
    }
}

#[test]
fn a_list_that_is_held_back_is_waited_for() {
    let place = Place::new();
    let mock = Mock::start(|_, before| match before {
        0 => json(429, r#"{"error":{"errorCode":"410","message":"Throttle Limited"}}"#).with("Retry-After", "1"),
        _ => super::mock::naver_list("1", 7, "1"),
    });
    place.file("accounts.yaml", settings(&mock, &[("naver", "naver")]));
    let found =
        place.certsweep(&["find", "--at", "naver", "--settings", "accounts.yaml", "-o", "targets.csv"]).exits(0);
    let list = read(&place, "targets.csv");
    assert_eq!((list[0]["orderId"].as_str(), list[0]["certificateNo"].as_str()), ("1", "7"), "{}", found.err);
}

#[test]
fn an_account_must_be_known_and_meant() {
    let place = Place::new();
    let mock = Mock::start(|_, _| super::mock::naver_list("1", 7, "1"));
    place.file("accounts.yaml", settings(&mock, &[("naver-kr", "naver"), ("naver-jp", "naver")]));
    for (at, words) in [
        ("naver", "`naver` could mean several accounts: naver-kr, naver-jp"),
        ("naver-kt", "there is neither an account nor a provider `naver-kt`"),
        ("acme", "`acme` has no list of what there is"),
        ("naver-pca", "write `--at naver-pca,caTag=…`"),
        ("huawei-scm", "write `--at huawei-scm,project_id=…`"),
        ("naver-kr,color=red", "no list is asked with `color`"),
        ("naver-kr,pageSize=many", "`pageSize`"),
    ] {
        let found = place.certsweep(&["find", "--at", at, "--settings", "accounts.yaml"]);
        assert_eq!(found.code, 2, "{at}: {}", found.err);
        assert!(found.err.contains(words), "{at}: {}", found.err);
    }
    // What is seen at two accounts is at neither until somebody says so.
    let args = ["find", "--at", "naver-kr", "--at", "naver-jp", "--settings", "accounts.yaml", "-o", "targets.csv"];
    place.certsweep(&args).exits(0);
    let list = read(&place, "targets.csv");
    assert_eq!(list.len(), 2, "two accounts of one provider have ids of their own");
    assert!(Place::bare().certsweep(&["find", "--at", "naver"]).exits(4).err.contains("NCP_ACCESS_KEY"));
}

#[test]
fn a_certificate_at_two_accounts_is_a_question() {
    let place = Place::new();
    let ca = Ca::new("Example CA");
    let pem =
        ca.issue("shop.example.com", &KeyPair::generate().unwrap(), 0x0a_1b2c_3d4e_5f60, 2090).replace('\n', "\\n");
    let mock = Mock::start(move |seen, _| match seen.line().as_str() {
        "GET /certs?list=true" => json(200, r#"{"data":{"keys":["0a:1b:2c:3d:4e:5f:60"]}}"#),
        "GET /cert/0a%3A1b%3A2c%3A3d%3A4e%3A5f%3A60" => {
            json(200, &format!(r#"{{"data":{{"certificate":"{pem}","revocation_time":0}}}}"#))
        }
        // As Vault says that a list is empty.
        "GET /certs/revoked?list=true" => json(404, r#"{"errors":[]}"#),
        _ => empty(404),
    });
    let mut place = place;
    place.set("VAULT_TOKEN", "hvs.EXAMPLE");
    place.file("accounts.yaml", settings(&mock, &[("vault-a", "vault"), ("vault-b", "vault")]));
    let args = ["find", "--at", "vault-a", "--at", "vault-b", "--settings", "accounts.yaml", "-o", "targets.csv"];
    place.certsweep(&args).exits(0).says(&["1 certificate: it may be at each of vault-a, vault-b"]);
    let list = read(&place, "targets.csv");
    assert_eq!(
        (list.len(), list[0]["provider"].as_str(), list[0]["common_name"].as_str()),
        (1, "", "shop.example.com")
    );
    let one = ["find", "--at", "vault-a", "--settings", "accounts.yaml", "--out", "found", "-o", "targets.csv"];
    place.certsweep(&one).exits(0);
    let list = read(&place, "targets.csv");
    assert_eq!(list[0]["serial_number"], "0a1b2c3d4e5f60");
    assert!(place.read(list[0]["certificate"].trim_start_matches("file:")).contains("BEGIN CERTIFICATE"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_search_and_writes_nothing() {
    let place = Place::new();
    let mock = Mock::start(|_, _| super::mock::naver_list("1", 7, "1").held());
    place.file("accounts.yaml", settings(&mock, &[("naver", "naver")]));
    let child = place.spawn(&["find", "--at", "naver", "--settings", "accounts.yaml", "-o", "targets.csv"]);
    mock.wait_for(1);
    signal(&child, "INT");
    let ended = finish(child);
    assert_eq!(ended.code, 130, "{}", ended.err);
    assert!(ended.err.contains("interrupted while lists were read; nothing was written"), "{}", ended.err);
    assert!(!place.path("targets.csv").exists());
    mock.release();
}
