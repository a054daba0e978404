//! What certificates some bytes hold: PEM, DER, PKCS #7, PKCS #12, and Kubernetes secrets and config maps. Opens no file, judges no
//! certificate.

use crate::diag::Diagnostics;
use crate::pki::Certificate;
use crate::pki::certificate::CertificateError;
use crate::pki::pem::{is_der, text};
use crate::pki::pkcs12;
use crate::text::{Secret, SourceMap, safe};
use crate::tree::{Node, read_yaml};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A certificate of a file, or why it cannot be read; where in the file it is, empty where that is the whole.
pub type PlacedCertificate = (String, Result<Certificate, String>);

/// The certificates in some bytes; none where they hold something else.
///
/// # Errors
/// It may hold some, and cannot be read: why, and what would help.
pub fn certificates(bytes: &[u8], passwords: &[Secret]) -> Result<Vec<PlacedCertificate>, String> {
    if !is_der(bytes) && !bytes.starts_with(b"-----BEGIN ") {
        let text = text(bytes);
        if seems_kubernetes(&text)
            && let Some(found) = of_kubernetes(&text, passwords)
        {
            return Ok(found);
        }
    }
    match Certificate::parse_each(bytes) {
        // Keys and requests are DER, too, and so is much else.
        Ok(all) if is_der(bytes) && all.iter().all(|(_, certificate)| certificate.is_err()) => Ok(Vec::new()),
        Ok(all) => {
            let is_one = all.len() == 1;
            let place = |line: u32| if is_one { String::new() } else { format!(":{line}") };
            Ok(all
                .into_iter()
                .map(|(line, certificate)| match certificate {
                    Ok(certificate) => (place(line), Ok(certificate)),
                    Err(CertificateError::Broken(line, why)) => (format!(":{line}"), Err(why)),
                    Err(why) => (format!(":{line}"), Err(why.to_string())),
                })
                .collect())
        }
        Err(CertificateError::Pkcs12) if is_der(bytes) => of_store(bytes, passwords),
        Err(why @ (CertificateError::Pkcs12 | CertificateError::JavaKeyStore)) => Err(format!("{why}; {}", why.help())),
        Err(_) => Ok(Vec::new()),
    }
}

fn of_store(bytes: &[u8], passwords: &[Secret]) -> Result<Vec<PlacedCertificate>, String> {
    // Many stores have an empty password, which protects nothing and need not be told.
    let all = std::iter::once("").chain(passwords.iter().map(Secret::reveal));
    match pkcs12::certificates(bytes, all) {
        Ok(found) => Ok(found.into_iter().map(|certificate| (String::new(), Ok(certificate))).collect()),
        Err(pkcs12::StoreError::WrongPassword) if passwords.is_empty() => {
            Err("this PKCS#12 store has a password; give it with `--password env:NAME` or `--password file:PATH`"
                .to_owned())
        }
        Err(pkcs12::StoreError::WrongPassword) => {
            Err("none of the passwords given opens this PKCS#12 store; `--password` may be given several times"
                .to_owned())
        }
        Err(why) => Err(why.to_string()),
    }
}

fn seems_kubernetes(text: &str) -> bool {
    let names_kind = text.contains("kind:") || text.contains("\"kind\"");
    names_kind && ["Secret", "ConfigMap"].iter().any(|kind| text.contains(kind))
}

/// The certificates of objects as `kubectl get -o yaml` or `-o json` writes them; `None` where it is something else.
fn of_kubernetes(text: &str, passwords: &[Secret]) -> Option<Vec<PlacedCertificate>> {
    let mut found = None;
    for document in documents(text) {
        let mut sources = SourceMap::default();
        let source = sources.add_text("", None, document.into());
        // JSON is YAML.
        let Some(root) = read_yaml(document, source, &mut Diagnostics::default()) else { continue };
        let items = root.get("items").map_or(std::slice::from_ref(&root), Node::items);
        for item in items {
            let kind = item.get("kind").and_then(Node::text).unwrap_or_default();
            if matches!(kind, "Secret" | "ConfigMap") {
                of_object(item, kind, passwords, found.get_or_insert_default());
            }
        }
    }
    found
}

fn of_object(object: &Node, kind: &str, passwords: &[Secret], found: &mut Vec<PlacedCertificate>) {
    let word = |name: &str| object.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Node::text);
    let (namespace, name) = (word("namespace").unwrap_or("default"), word("name").unwrap_or_default());
    for (member, is_base64) in [("data", kind == "Secret"), ("stringData", false), ("binaryData", true)] {
        for field in object.get(member).map(Node::fields).unwrap_or_default() {
            let place = safe::terminal(&format!(" {kind} {namespace}/{name} {}", field.name)).into_owned();
            let Some(value) = field.value.text() else { continue };
            let bytes = if is_base64 {
                let letters: String = value.split_whitespace().collect();
                STANDARD.decode(letters)
            } else {
                Ok(value.as_bytes().to_vec())
            };
            // A secret in a secret would be read for ever.
            let inside = match bytes {
                Ok(bytes) if seems_kubernetes(&String::from_utf8_lossy(&bytes)) => Ok(Vec::new()),
                Ok(bytes) => certificates(&bytes, passwords),
                Err(_) => Err("its value is not base64".to_owned()),
            };
            match inside {
                Ok(inside) => found.extend(inside.into_iter().map(|(within, one)| (format!("{place}{within}"), one))),
                Err(why) => found.push((place, Err(why))),
            }
        }
    }
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            all.push(&text[begin..end]);
            begin = end + line.len();
        }
        end += line.len();
    }
    all.push(&text[begin..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = include_str!("../pki/testdata/keys/p256-certificate.pem");

    fn places(bytes: &[u8], passwords: &[&str]) -> Result<Vec<String>, String> {
        let passwords: Vec<Secret> = passwords.iter().map(|password| Secret::new(*password)).collect();
        let shown = |(place, one): PlacedCertificate| match one {
            Ok(certificate) => format!("{place}={}", certificate.common_name().unwrap_or_default()),
            Err(why) => format!("{place}!{why}"),
        };
        certificates(bytes, &passwords).map(|all| all.into_iter().map(shown).collect())
    }

    #[test]
    fn certificates_are_found_in_every_form() {
        let store = include_bytes!("../pki/testdata/stores/modern.p12");
        let broken = SHOP.replace("MII", "MI!");
        let shop = "shop.example.com";
        for (what, bytes, expected) in [
            ("PEM", SHOP.as_bytes().to_vec(), vec![format!("={shop}")]),
            (
                "two",
                format!("{SHOP}{SHOP}").into_bytes(),
                vec![format!(":1={shop}"), format!(":{}={shop}", SHOP.lines().count() + 1)],
            ),
            ("DER", Certificate::parse(SHOP.as_bytes()).unwrap().der, vec![format!("={shop}")]),
            ("a store", store.to_vec(), vec![format!("={shop}")]),
            ("a key", include_bytes!("../pki/testdata/keys/p256.pem").to_vec(), vec![]),
            (
                "a good one below a broken one",
                format!("{broken}{SHOP}").into_bytes(),
                vec![
                    ":1!the PEM block's content is not valid base64".to_owned(),
                    format!(":{}={shop}", SHOP.lines().count() + 1),
                ],
            ),
            ("words", b"hello".to_vec(), vec![]),
        ] {
            assert_eq!(places(&bytes, &["secret"]).unwrap(), expected, "{what}");
        }
        assert!(places(store, &[]).unwrap_err().contains("--password env:NAME"));
        assert!(places(store, &["wrong"]).unwrap_err().contains("none of the passwords"));
        assert!(places(b"\xfe\xed\xfe\xed\0\0\0\x02", &[]).unwrap_err().contains("keytool"));
    }

    #[test]
    fn kubernetes_secrets_are_opened() {
        let encoded = STANDARD.encode(SHOP);
        let store = STANDARD.encode(include_bytes!("../pki/testdata/stores/modern.p12"));
        let yaml = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: tls, namespace: prod}}\ndata:\n  tls.crt: {encoded}\n  tls.key: aGVsbG8=\n\
             ---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: bad\ndata:\n  tls.crt: '*'\n---\nkind: Service\n"
        );
        assert_eq!(
            places(yaml.as_bytes(), &[]).unwrap(),
            [" Secret prod/tls tls.crt=shop.example.com", " Secret default/bad tls.crt!its value is not base64"]
        );
        let json = format!(
            r#"{{"kind": "List", "items": [{{"kind": "Secret", "metadata": {{"name": "s", "namespace": "n"}}, "data": {{"keystore.p12": "{store}"}}}},
                {{"kind": "ConfigMap", "metadata": {{"name": "m", "namespace": "n"}}, "data": {{"ca.crt": {}}}}}]}}"#,
            serde_json::Value::from(SHOP)
        );
        assert_eq!(
            places(json.as_bytes(), &["secret"]).unwrap(),
            [" Secret n/s keystore.p12=shop.example.com", " ConfigMap n/m ca.crt=shop.example.com"]
        );
    }
}
