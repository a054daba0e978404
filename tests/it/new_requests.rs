//! `csr` and `init`: from a list to keys, requests and a plan.

use super::place::Place;
use std::os::unix::fs::PermissionsExt;

const LIST: &str = "\
provider,certificateNo,serial_number,common_name,dns_names,not_after,key_sha256,status,certificate,found_in\r\n\
naver,55882,0a1b2c3d4e5f60,shop.example.com,shop.example.com www.shop.example.com,2090-12-31T00:00:00Z,aa,valid,,orders.csv:2\r\n\
naver,55883,0b1b2c3d4e5f61,mail.example.com,mail.example.com,2090-12-31T00:00:00Z,aa,valid,,orders.csv:3\r\n";

fn cells(place: &Place, list: &str, column: &str) -> Vec<String> {
    let text = place.read(list);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let index = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    reader.records().map(|record| record.unwrap()[index].to_owned()).collect()
}

#[test]
fn a_list_becomes_requests_and_a_plan() {
    let place = Place::new();
    place.file("targets.csv", LIST);
    place.certsweep(&["csr", "--from", "targets.csv", "--out", "keys"]).exits(0).says(&["made 2 keys with requests"]);
    let requests = cells(&place, "targets.csv", "csr");
    let mut contents = Vec::new();
    for request in &requests {
        let path = request.strip_prefix("file:").unwrap().to_owned();
        let key = path.replace(".csr", ".key");
        let mode = std::fs::metadata(place.path(&key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
        contents.extend([place.read(&path), place.read(&key)]);
        // As openssl reads them.
        let names = place.command("openssl", &["req", "-in", &path, "-noout", "-text", "-verify"]).output().unwrap();
        let said = String::from_utf8_lossy(&names.stdout).into_owned();
        let name = if path.contains("shop") {
            "DNS:shop.example.com, DNS:www.shop.example.com"
        } else {
            "DNS:mail.example.com"
        };
        assert!(names.status.success() && said.contains(name), "{said}");
    }
    // Run twice, it makes nothing; with a request that is gone, that alone, of the same key.
    place
        .certsweep(&["csr", "--from", "targets.csv", "--out", "keys"])
        .exits(0)
        .says(&["made 0 keys", "2 requests there already"]);
    std::fs::remove_file(place.path(requests[0].strip_prefix("file:").unwrap())).unwrap();
    place
        .certsweep(&["csr", "--from", "targets.csv", "--out", "keys"])
        .exits(0)
        .says(&["1 request for keys that were there"]);
    assert_eq!(place.read(&requests[0].strip_prefix("file:").unwrap().replace(".csr", ".key")), contents[1]);
    assert_eq!(cells(&place, "targets.csv", "csr"), requests);
    let made = place.certsweep(&["init", "--from", "targets.csv", "--action", "reissue", "-o", "plan.yaml"]).exits(0);
    assert!(made.err.contains("no column `certificateName`") && !made.err.contains("`csr`"), "{}", made.err);
    let plan = place
        .read("plan.yaml")
        .replace("from: targets.csv", "from: targets.csv, certificateName: shop, validationMethod: D");
    assert!(plan.starts_with("# yaml-language-server: $schema=") && plan.contains("commonName: common_name"), "{plan}");
    place.file("plan.yaml", plan);
    place.certsweep(&["check", "plan.yaml"]).exits(0);
    // The same list, with its requests, goes into a revocation as well; the plan that is there is not overwritten.
    place.file("ids.csv", LIST.replace("certificateNo", "certificate_id").replace("naver", "digicert"));
    place.certsweep(&["csr", "--from", "ids.csv", "--out", "keys"]).exits(0);
    place.certsweep(&["init", "--from", "ids.csv", "-o", "plan.yaml"]).exits(2).says(&["is not overwritten"]);
    place.certsweep(&["init", "--from", "ids.csv", "--action", "revoke", "-o", "revoke.yaml"]).exits(0);
    place.certsweep(&["check", "revoke.yaml"]).exits(0);
    // A reissue goes by the order, which files do not tell: it is asked for, before anything is revoked.
    let made = place.certsweep(&["init", "--from", "ids.csv", "-o", "both.yaml"]).exits(0);
    made.says(&["no column `order_id`", "`certsweep init --from LIST --action revoke` only revokes"]);
    place.certsweep(&["check", "both.yaml"]).exits(2).says(&["`order_id` is missing for the action `reissue`"]);
}

/// A list of find's with servers, as `init` makes a campaign of it.
#[test]
fn a_list_with_requests_becomes_a_campaign_that_passes_the_check() {
    let place = Place::new();
    let list = "\
provider,serial_number,common_name,dns_names,not_after,key_sha256,status,certificate,found_in,host,Owner\r\n\
vault,01C0FFEE00,shop.example.com,shop.example.com,2090-12-31T00:00:00Z,aa,valid,,x,shop.example.com:8443,web\r\n\
vault,02C0FFEE01,mail.example.com,mail.example.com,2090-12-31T00:00:00Z,aa,valid,,x,mail.example.com smtp://mail.example.com:25,mail\r\n";
    place.file("targets.csv", list);
    place.certsweep(&["csr", "--from", "targets.csv", "--out", "keys"]).exits(0);
    let made = place.certsweep(&["init", "--from", "targets.csv", "-o", "plan.yaml"]).exits(0);
    assert!(made.err.contains("the list has no column `role`, which `reissue` needs"), "{}", made.err);
    // What nobody but the person knows is asked for, not made up.
    place.certsweep(&["check", "plan.yaml"]).exits(2).says(&["`role` is missing for the action `reissue`"]);
    let plan = place.read("plan.yaml").replace("    # role: web ", "    role: web ");
    place.file("plan.yaml", &plan);
    let steps = "    steps:\n      - {action: reissue}\n      - {wait: issued, within: 24h}\n      # A server that still shows the old certificate keeps it: \
                 nothing is revoked that is in use.\n      - {wait: served, at: host, within: 72h}\n      - {action: revoke}\n      - {wait: revoked, within: 24h}\n";
    assert!(plan.ends_with(steps) && plan.contains("ignore_columns: [Owner]") && !plan.contains("where:"), "{plan}");
    place.certsweep(&["check", "plan.yaml"]).exits(0);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0).says(&["10 succeeded"]);
    // One action is asked for: that one alone.
    place.certsweep(&["init", "--from", "targets.csv", "--action", "revoke", "-o", "revoke.yaml"]).exits(0);
    assert!(!place.read("revoke.yaml").contains("steps"));
    // What nobody asks a new one for is revoked, and who knows no server is told what that means.
    let text = place.read("targets.csv");
    let (shop, mail) = (text.lines().nth(1).unwrap(), text.lines().nth(2).unwrap());
    let third = shop.replace("01C0FFEE00", "03C0FFEE02").replace("shop.example.com:8443", "");
    let fourth = mail.replace("02C0FFEE01", "04C0FFEE03").rsplit_once(',').unwrap().0.to_owned() + ",";
    place.file("some.csv", format!("{text}{third}\r\n{fourth}\r\n"));
    let made = place.certsweep(&["init", "--from", "some.csv", "-o", "some.yaml"]).exits(0);
    assert!(made.err.contains("the plan does not revoke by itself: the list has no column `host`"), "{}", made.err);
    let plan = place.read("some.yaml").replace("    # role: web ", "    role: web ");
    place.file("some.yaml", &plan);
    for part in [
        "where: \"csr != \\\"\\\" && host != \\\"\\\"\"",
        "where: \"csr != \\\"\\\" && host == \\\"\\\"\"",
        "action: revoke, from: some.csv, ignore_columns: [host, Owner], where: \"csr == \\\"\\\"\"",
        // What nobody sees served is not revoked by itself.
        "      # - {wait: served, at: host, within: 72h}\n      # - {action: revoke}\n      # - {wait: revoked, within: 24h}\n",
    ] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    place.certsweep(&["check", "some.yaml"]).exits(0);
    let run = place.certsweep(&["run", "some.yaml", "--simulate", "--run-dir", "some"]).exits(0);
    run.says(&["11 succeeded"]);
}

/// At some providers the id of a certificate stands for the new one after a reissue: `init` revokes by what stays the old one's, or not at all.
#[test]
fn a_campaign_never_revokes_what_it_has_just_made() {
    let place = Place::new();
    for (provider, id, fill, steps) in [
        (
            "sectigo",
            "sslId",
            &["comments"][..],
            "at: Server, within: 72h}\n      - {action: revoke-by-serial}\n      - {wait: revoked",
        ),
        (
            "naver",
            "certificateNo",
            &["certificateName", "validationMethod"],
            "- {action: fetch-certificate}\n      - {wait: issued",
        ),
        ("digicert", "order_id", &[], "at: Server, within: 72h}\n      - {action: revoke}\n      - {wait: revoked"),
    ] {
        let list = format!(
            "provider,certificate_id,{id},serial_number,common_name,dns_names,not_after,key_sha256,status,certificate,found_in,Server\n\
             {provider},7,8,0a1b2c3d,shop.example.com,shop.example.com,2090-12-31T00:00:00Z,aa,valid,,x,shop.example.com\n"
        );
        let (list_name, plan_name) = (format!("{provider}.csv"), format!("{provider}.yaml"));
        place.file(&list_name, list);
        place.certsweep(&["csr", "--from", &list_name, "--out", provider]).exits(0);
        let made = place.certsweep(&["init", "--from", &list_name, "-o", &plan_name]).exits(0);
        let mut plan = place.read(&plan_name);
        assert!(plan.contains(steps), "{plan}");
        assert_eq!(provider == "naver", made.err.contains("the plan of `naver` revokes nothing"), "{}", made.err);
        assert!(provider != "naver" || !plan.contains("{action: revoke"), "{plan}");
        for name in fill {
            place.certsweep(&["check", &plan_name]).exits(2).says(&[&format!("`{name}` is missing")]);
            plan = plan.replace(&format!("    # {name}: "), &format!("    {name}: "));
            place.file(&plan_name, &plan);
        }
        let check = place.certsweep(&["check", &plan_name]).exits(0);
        assert!(!check.err.contains("new certificate"), "{}", check.err);
        place.certsweep(&["run", &plan_name, "--simulate", "--run-dir", &format!("run-{provider}")]).exits(0);
    }
}

#[test]
fn a_name_that_no_ca_takes_is_not_asked_for() {
    let place = Place::bare();
    place.file("list.csv", "common_name,dns_names\na.example,a.example https://b.example/\nb..example,\nc.example,\n");
    place.certsweep(&["csr", "--from", "list.csv", "--out", "keys"]).exits(1).says(&[
        "list.csv:2: `https://b.example/` is no DNS name: it is a URL; write the host's name alone",
        "list.csv:3: `b..example` is no DNS name",
        "made 1 key",
    ]);
}

#[test]
fn a_starter_plan_takes_a_list_whose_columns_have_other_names() {
    let place = Place::new();
    place.file(
        "export.csv",
        "Order ID,Certificate ID,Common Name,Status,Serial Number\n55,112358,a.example,Issued,0a1b2c\n",
    );
    place.certsweep(&["init", "--from", "export.csv", "--provider", "digicert", "-o", "plan.yaml"]).exits(0);
    let plan = place.read("plan.yaml");
    assert!(plan.contains("columns: {certificate_id: \"Certificate ID\"}"), "{plan}");
    place.certsweep(&["check", "plan.yaml"]).exits(0);
    place.file("list.csv", "Serial Number,Domain\n0a1b2c,a.example\n");
    place.certsweep(&["init", "--from", "list.csv", "--provider", "vault", "-o", "vault.yaml"]).exits(0);
    place.certsweep(&["check", "vault.yaml"]).exits(0);
}

#[test]
fn a_starter_plan_whose_list_is_of_another_provider_is_told_of() {
    let place = Place::new();
    place.file("list.csv", "provider,serial_number\nvault,0a1b2c\ndigicert,0a1b2d\n");
    let words = "rows of the list are of `vault`, and a row's `provider` counts before `--provider digicert`; \
                 to act at `digicert`, take the column out of the list";
    place.certsweep(&["init", "--from", "list.csv", "--provider", "digicert"]).exits(0).says(&[words]);
    // An account's name says nothing of its provider.
    place.file("list.csv", "provider,serial_number\nold-ca,0a1b2c\nvault,0a1b2d\n");
    let of_vault = place.certsweep(&["init", "--from", "list.csv", "--provider", "vault"]).exits(0);
    assert!(!of_vault.err.contains("counts before"), "{}", of_vault.err);
}

#[test]
fn a_key_is_never_overwritten_and_what_does_not_fit_is_told() {
    let place = Place::bare();
    place.file("list.csv", "common_name,dns_names\na.example,a.example\n,\nclient 7,\nb.example,b.example\n");
    let first =
        place.certsweep(&["csr", "--from", "list.csv", "--out", "keys", "--algorithm", "rsa2048", "-o", "new.csv"]);
    first.exits(0).says(&["made 3 keys"]);
    let requests = cells(&place, "new.csv", "csr");
    let path = |request: &str, ending: &str| request.strip_prefix("file:").unwrap().replace(".csr", ending);
    let (a, b) = (path(&requests[0], ".key"), path(&requests[2], ".key"));
    // Another's request beside the key; a key that is gone; a key that is none.
    std::fs::copy(place.path(&path(&requests[2], ".csr")), place.path(&path(&requests[0], ".csr"))).unwrap();
    std::fs::remove_file(place.path(&b)).unwrap();
    let key = place.read(&a);
    let again = place.certsweep(&["csr", "--from", "list.csv", "--out", "keys", "-o", "new.csv"]);
    again.exits(1).says(&["this request is not of the key beside it", "the request is there, and its key is not"]);
    assert_eq!(place.read(&a), key);
    std::fs::remove_file(place.path(&path(&requests[0], ".csr"))).unwrap();
    place.file(&a, "secret words");
    let broken = place.certsweep(&["csr", "--from", "list.csv", "--out", "keys", "-o", "new.csv"]).exits(1);
    assert!(broken.err.contains("it is no private key") && !broken.err.contains("secret words"), "{}", broken.err);
    for (args, code, expected) in [
        (&["--from", "none.csv", "--out", "keys"][..], 2, "there is no such file"),
        (&["--from", "list.csv", "--out", "keys", "--algorithm", "dsa"], 2, "p256, p384, rsa2048, rsa3072, rsa4096"),
    ] {
        place.certsweep(&[&["csr"][..], args].concat()).exits(code).says(&[expected]);
    }
}

#[test]
fn every_starter_plan_passes_the_check() {
    let place = Place::new();
    for (provider, action) in
        [("digicert", "revoke"), ("digicert", "revoke-order"), ("naver", "revoke"), ("huawei", "revoke-ca")]
    {
        let file = format!("{provider}-{action}.yaml");
        place.certsweep(&["init", "--provider", provider, "--action", action, "-o", &file]).exits(0);
        place.certsweep(&["check", &file]).exits(0);
    }
    for (args, expected) in [
        (&["--provider", "acme"][..], "init --from targets.csv"),
        (&["--provider", "digicrt"], "did you mean `digicert`?"),
        (&["--provider", "digicert", "--action", "revok"], "it has revoke, revoke-order"),
        (&[], "say at which provider"),
    ] {
        place.certsweep(&[&["init"][..], args].concat()).exits(2).says(&[expected]);
    }
}
