//! An ACME server (RFC 8555): the directory, nonces, one account, and whether a JWS is good; and its orders, made, finalized and fetched, whose names
//! are all validated already, as for a client that has done so before. Signs no certificate.
//!
//! Written from the RFCs, apart from the signer that it checks, so that an error in either shows.

use super::message::{Received, Response};
use super::options::ACCOUNT_KEY;
use crate::pki::Csr;
use crate::provider::Provider;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use x509_cert::Certificate;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::oid::db::rfc5912::{ID_EC_PUBLIC_KEY, RSA_ENCRYPTION};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

/// What one account's server has given out.
#[derive(Debug, Default)]
pub(super) struct Acme {
    nonces: HashSet<String>,
    issued: u64,
    pub(super) orders: Orders,
    /// Nonces that were asked for, apart from those that answers brought along.
    pub(super) fetched: u64,
}

/// What a client asks for before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AcmeEndpoint {
    Directory,
    Nonce,
    Account,
}

/// All orders of one server, by number.
#[derive(Debug, Default)]
pub(super) struct Orders(BTreeMap<u32, AcmeOrder>);

/// An order.
#[derive(Debug)]
struct AcmeOrder {
    /// What it is about, of all targets.
    target: Option<usize>,
    names: Vec<String>,
    /// The certificate with its chain, in PEM, once it is finalized.
    certificate: Option<String>,
    /// Whether it was looked at since: until then the certificate is being made.
    seen: bool,
}

/// What a request to an order comes to.
pub(super) enum OrderReply {
    /// An answer.
    Answer(Response),
    /// The order is to be finalized with this request, in PEM.
    Finalize(Finalization),
}

/// A finalization that may be carried out.
pub(super) struct Finalization {
    pub(super) number: u32,
    pub(super) target: Option<usize>,
    pub(super) names: Vec<String>,
    pub(super) request: String,
}

impl Acme {
    /// Answers what is asked before anything else; `base` is the path of the directory.
    pub(super) fn serve(&mut self, endpoint: AcmeEndpoint, request: &Received, base: &str, verify: bool) -> Response {
        let url = |name: &str| format!("{}/{name}", directory(request, base));
        match endpoint {
            AcmeEndpoint::Directory => {
                let own = ["newOrder", "revokeCert", "renewalInfo"].map(|name| (name, name));
                let names = [("newNonce", NEW_NONCE), ("newAccount", NEW_ACCOUNT)].into_iter().chain(own);
                let members = names.map(|(name, path)| (name.to_owned(), json!(url(path))));
                Response::json(200, Some(&Value::Object(members.into_iter().collect())))
            }
            AcmeEndpoint::Nonce => {
                self.fetched += 1;
                let response = Response { status: 200, ..Response::default() };
                self.with_nonce(response.with("cache-control", "no-store"))
            }
            AcmeEndpoint::Account => {
                let answer = match self.admit(request, base, None, verify) {
                    Ok(()) => Response::json(200, Some(&json!({"status": "valid"}))).with("location", url("account/1")),
                    Err(refusal) => refusal,
                };
                self.with_nonce(answer)
            }
        }
    }

    /// Every answer brings a nonce.
    pub(super) fn with_nonce(&mut self, response: Response) -> Response {
        self.issued += 1;
        let nonce = format!("simulated-nonce-{}", self.issued);
        self.nonces.insert(nonce.clone());
        response.with("replay-nonce", nonce)
    }

    /// Whether a request may be carried out: its JWS is of the account's key, or of the key of the certificate that it is about. A
    /// request for the account itself is about none, and must show the account's key.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub(super) fn admit(
        &mut self,
        request: &Received,
        base: &str,
        certificate: Option<&str>,
        verify: bool,
    ) -> Result<(), Response> {
        let malformed = |why: &str| problem(400, "malformed", why);
        // What is asked by GET is for everybody.
        if request.method == "GET" {
            return Ok(());
        }
        if request.header("content-type") != Some("application/jose+json") {
            return Err(problem(415, "malformed", "the content type must be application/jose+json"));
        }
        let jws = Jws::read(&request.body).ok_or_else(|| malformed("the body is not a flattened JWS"))?;
        let text = |name: &str| jws.protected.get(name).and_then(Value::as_str).unwrap_or_default();
        // RFC 8555, section 6.5: a nonce is good for one request, also where that is then refused.
        if !self.nonces.remove(text("nonce")) {
            return Err(bad_nonce());
        }
        if !verify {
            return Ok(());
        }
        if text("url") != url(request) {
            return Err(problem(403, "unauthorized", "the url of the JWS is not that of the request"));
        }
        let (own, shown) = (own_jwk(), jws.protected.get("jwk"));
        let jwk = match (shown, text("kid")) {
            (Some(_), kid) if !kid.is_empty() => return Err(malformed("a JWS has a jwk or a kid, not both")),
            (Some(jwk), _) => jwk,
            (None, kid) if kid == format!("{}/account/1", directory(request, base)) => &own,
            (None, _) => return Err(problem(400, "accountDoesNotExist", "there is no such account")),
        };
        if !jws.is_signed_by(jwk, text("alg")) {
            return Err(malformed("the JWS is not signed by its key"));
        }
        match (certificate, shown) {
            (None, Some(jwk)) if *jwk == own => Ok(()),
            (None, Some(_)) => Err(problem(400, "accountDoesNotExist", "there is no account with this key")),
            (None, None) => Err(malformed("a request for an account shows its key")),
            (Some(_), None) => Ok(()),
            (Some(certificate), Some(jwk)) if certifies(certificate, jwk) => Ok(()),
            (Some(_), Some(_)) => Err(problem(403, "unauthorized", "the JWS is not signed by the certificate's key")),
        }
    }
}

impl Orders {
    /// What a request to an operation comes to; `None` where it is about no order. `base` is the URL of the directory.
    pub(super) fn serve(
        &mut self,
        path: &str,
        parameters: &Map<String, Value>,
        target: Option<usize>,
        base: &str,
    ) -> Option<OrderReply> {
        if path == NEW_ORDER {
            let number = self.0.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
            let order = AcmeOrder { target, names: identifiers(parameters), certificate: None, seen: false };
            let shown = Response::json(201, Some(&order.shown(number, base)));
            self.0.insert(number, order);
            return Some(OrderReply::Answer(shown.with("location", format!("{base}/order/{number}"))));
        }
        let (_, name) = path.split_once("/{").filter(|(kind, _)| KINDS.contains(kind))?;
        let url = parameters.get(name.trim_end_matches('}')).and_then(Value::as_str)?;
        let Some((number, order)) = order_number(url).and_then(|number| Some((number, self.0.get_mut(&number)?)))
        else {
            return Some(OrderReply::Answer(problem(404, "malformed", "there is no such order")));
        };
        Some(match (path, &order.certificate) {
            ("/order/{order}", _) => {
                let shown = Response::json(200, Some(&order.shown(number, base)));
                order.seen |= order.certificate.is_some();
                OrderReply::Answer(shown)
            }
            ("/certificate/{certificate}", Some(chain)) => OrderReply::Answer(Response {
                status: 200,
                media_type: "application/pem-certificate-chain".into(),
                body: chain.clone().into_bytes(),
                ..Response::default()
            }),
            ("/certificate/{certificate}", None) => {
                OrderReply::Answer(problem(404, "malformed", "there is no such certificate"))
            }
            (_, Some(_)) => {
                OrderReply::Answer(problem(403, "orderNotReady", "the order is not in a state to be finalized"))
            }
            (_, None) => {
                let request = parameters.get("csr").and_then(Value::as_str);
                let der = request.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                match der.map(|der| Csr::parse_der(&der)) {
                    Some(Ok(csr)) => OrderReply::Finalize(Finalization {
                        number,
                        target: order.target,
                        names: order.names.clone(),
                        request: csr.to_pem(),
                    }),
                    Some(Err(why)) => OrderReply::Answer(problem(400, "badCSR", &why)),
                    None => OrderReply::Answer(problem(400, "malformed", "`csr` is not base64url")),
                }
            }
        })
    }

    /// An order's certificate is made.
    pub(super) fn finalized(&mut self, order: &Finalization, chain: Option<String>, base: &str) -> Response {
        let Some(known) = self.0.get_mut(&order.number).filter(|_| chain.is_some()) else {
            return problem(500, "serverInternal", "the simulator could sign no certificate");
        };
        known.certificate = chain;
        Response::json(200, Some(&known.shown(order.number, base)))
    }

    /// Brings back an order that an earlier server has made, with its certificate where that was made, too. Later orders get other numbers.
    pub(super) fn learn(
        &mut self,
        number: u32,
        parameters: &Map<String, Value>,
        target: usize,
        certificate: Option<String>,
    ) {
        let order = AcmeOrder { target: Some(target), names: identifiers(parameters), certificate, seen: true };
        self.0.insert(number, order);
    }
}

/// The request with what its JWS carries in the place of its body; as it is where it carries none.
pub(super) fn opened(request: &Received) -> Received {
    let payload = Jws::read(&request.body).map(|jws| jws.payload);
    let mut opened = Received { body: payload.unwrap_or_default(), ..request.clone() };
    opened.headers.retain(|(name, _)| name != "content-type");
    opened.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    opened
}

/// The URL of a request, as its client knows it.
pub(super) fn url(request: &Received) -> String {
    format!("http://{}{}", request.header("host").unwrap_or_default(), request.target)
}

/// The URL of the directory, as the client knows it.
pub(super) fn directory(request: &Received, base: &str) -> String {
    format!("http://{}{base}", request.header("host").unwrap_or_default())
}

/// The serial number of a certificate in base64url, as reports show it.
pub(super) fn serial(certificate: &str) -> Option<String> {
    let der = URL_SAFE_NO_PAD.decode(certificate).ok()?;
    let certificate = Certificate::from_der(&der).ok()?;
    let digits = hex::encode(certificate.tbs_certificate.serial_number.as_bytes());
    let digits = digits.trim_start_matches("00");
    Some(if digits.is_empty() { "00".to_owned() } else { digits.to_owned() })
}

/// The refusal of a nonce.
pub(super) fn bad_nonce() -> Response {
    problem(400, "badNonce", "the nonce is unknown, or it was used")
}

/// After how many of its requests an action has finalized its order; `None` where it makes none.
pub(super) fn finalized_after(provider: &Provider, operation: usize) -> Option<usize> {
    let operation = provider.operations.get(operation).filter(|operation| operation.path == NEW_ORDER)?;
    let mut stages = operation.action.as_ref()?.stages.iter();
    let finalizes = stages.position(|stage| provider.operations[stage.operation].path.starts_with("/finalize/"))?;
    // Its own request comes before the stages.
    Some(finalizes + 2)
}

/// The number of an order, a finalization or a certificate, at the end of its URL.
pub(super) fn order_number(url: &str) -> Option<u32> {
    url.rsplit('/').next()?.parse().ok()
}

/// What makes the serial number of an order's certificate: the same in each process, and no number of another effect.
pub(super) fn certificate_number(account: usize, order: u32) -> u64 {
    ((account as u64 + 1) << u32::BITS) | u64::from(order)
}

struct Jws {
    protected: Value,
    payload: Vec<u8>,
    signed: String,
    signature: Vec<u8>,
}

impl Jws {
    fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let (head, payload) = (text("protected")?, text("payload")?);
        Some(Self {
            protected: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?,
            payload: URL_SAFE_NO_PAD.decode(payload).ok()?,
            signed: format!("{head}.{payload}"),
            signature: URL_SAFE_NO_PAD.decode(text("signature")?).ok()?,
        })
    }

    fn is_signed_by(&self, jwk: &Value, algorithm: &str) -> bool {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let point = || Some([vec![4], number("x")?, number("y")?].concat());
        let message = self.signed.as_bytes();
        match (algorithm, text("kty"), text("crv")) {
            ("ES256", "EC", "P-256") => point().is_some_and(|point| {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &self.signature).is_ok()
            }),
            ("ES384", "EC", "P-384") => point().is_some_and(|point| {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, &self.signature).is_ok()
            }),
            ("RS256", "RSA", "") => number("n").zip(number("e")).is_some_and(|(n, e)| {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &self.signature).is_ok()
            }),
            _ => false,
        }
    }
}

/// Whether a certificate in base64url is about this key.
fn certifies(certificate: &str, jwk: &Value) -> bool {
    let Ok(der) = URL_SAFE_NO_PAD.decode(certificate) else { return false };
    let Ok(certificate) = Certificate::from_der(&der) else { return false };
    let same = |name: &str, bytes: &[u8]| jwk.get(name).and_then(Value::as_str) == Some(&URL_SAFE_NO_PAD.encode(bytes));
    let key = &certificate.tbs_certificate.subject_public_key_info;
    let Some(bits) = key.subject_public_key.as_bytes() else { return false };
    match key.algorithm.oid {
        RSA_ENCRYPTION => {
            let numbers = SliceReader::new(bits).and_then(|mut reader| {
                reader.sequence(|fields| Ok((UintRef::decode(fields)?, UintRef::decode(fields)?)))
            });
            numbers.is_ok_and(|(n, e)| same("n", n.as_bytes()) && same("e", e.as_bytes()))
        }
        ID_EC_PUBLIC_KEY => {
            let numbers = bits.get(1..).unwrap_or_default();
            let (x, y) = numbers.split_at(numbers.len() / 2);
            same("x", x) && same("y", y)
        }
        _ => false,
    }
}

/// The account's public key, cut from the private one's PKCS #8 text, which ends with the point.
fn own_jwk() -> Value {
    let lines = ACCOUNT_KEY.lines().filter(|line| !line.starts_with('-'));
    let der = base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).unwrap_or_default();
    let point = der.split_at(der.len().saturating_sub(64)).1;
    let (x, y) = point.split_at(point.len() / 2);
    json!({"crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

fn identifiers(parameters: &Map<String, Value>) -> Vec<String> {
    let names = parameters.get("identifiers").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl AcmeOrder {
    fn shown(&self, number: u32, base: &str) -> Value {
        let status = match (&self.certificate, self.seen) {
            (None, _) => "ready",
            (Some(_), false) => "processing",
            (Some(_), true) => "valid",
        };
        let names: Vec<Value> = self.names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
        let mut shown = json!({
            "status": status, "identifiers": names, "authorizations": [], "finalize": format!("{base}/finalize/{number}")
        });
        if status == "valid" {
            shown["certificate"] = json!(format!("{base}/certificate/{number}"));
        }
        shown
    }
}

/// A problem document of ACME's.
fn problem(status: u16, kind: &str, detail: &str) -> Response {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    let body = json!({"type": kind, "detail": detail, "status": status});
    Response { media_type: "application/problem+json".into(), ..Response::json(status, Some(&body)) }
}

/// The path of nonces below the directory.
pub(super) const NEW_NONCE: &str = "new-nonce";
/// The path of accounts below the directory.
pub(super) const NEW_ACCOUNT: &str = "new-account";
const NEW_ORDER: &str = "/newOrder";
const KINDS: [&str; 3] = ["/order", "/finalize", "/certificate"];

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3: an ES256 signature that somebody else made.
    #[test]
    fn the_example_of_rfc_7515_is_accepted() {
        let body = json!({
            "protected": "eyJhbGciOiJFUzI1NiJ9",
            "payload": "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "signature": "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        });
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let mut jws = Jws::read(body.to_string().as_bytes()).unwrap();
        assert!(jws.is_signed_by(&jwk, "ES256"));
        assert!(!jws.is_signed_by(&jwk, "ES384") && !jws.is_signed_by(&own_jwk(), "ES256"));
        jws.signature[0] ^= 1;
        assert!(!jws.is_signed_by(&jwk, "ES256"));
    }

    #[test]
    fn certificates_are_known_by_serial_number_and_key() {
        for (pem, expected) in [
            (include_str!("../pki/testdata/keys/p256-certificate.pem"), "c0ffee01"),
            (include_str!("../pki/testdata/keys/rsa-certificate.pem"), "7a01"),
        ] {
            let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let der = base64::engine::general_purpose::STANDARD.decode(lines).unwrap();
            let text = URL_SAFE_NO_PAD.encode(der);
            assert_eq!(serial(&text).as_deref(), Some(expected));
            assert!(!certifies(&text, &own_jwk()));
        }
        assert_eq!(serial("AAAA"), None);
    }

    #[test]
    fn what_is_no_jws_is_refused_and_a_nonce_serves_once() {
        let mut acme = Acme::default();
        let given = acme.with_nonce(Response::default());
        let nonce = &given.headers[0].1;
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "nonce": nonce}).to_string());
        let body = json!({"protected": head, "payload": "", "signature": ""}).to_string().into_bytes();
        let headers = vec![("content-type".to_owned(), "application/jose+json".to_owned())];
        let good = Received { headers, body, ..Received::default() };
        for (request, verify, expected) in [
            (Received { headers: vec![], ..good.clone() }, true, "content type"),
            (Received { body: b"{}".to_vec(), ..good.clone() }, true, "flattened JWS"),
            (good.clone(), true, "url of the JWS"),
            (good.clone(), true, "badNonce"),
            (good, false, "badNonce"),
        ] {
            let refusal = acme.admit(&request, "/acme/directory", None, verify).unwrap_err();
            let text = String::from_utf8(refusal.body).unwrap();
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    fn answer(reply: Option<OrderReply>) -> (u16, Value) {
        let Some(OrderReply::Answer(response)) = reply else { panic!("no answer") };
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    #[test]
    fn an_order_is_finalized_once() {
        const BASE: &str = "http://localhost/acme";
        let mut orders = Orders::default();
        let named = Map::from_iter([("identifiers".to_owned(), json!(["shop.example.com"]))]);
        let (status, made) = answer(orders.serve("/newOrder", &named, None, BASE));
        assert_eq!((status, &made["status"]), (201, &json!("ready")));
        let url = |kind: &str, number: usize| json!(format!("{BASE}/{kind}/{number}"));
        assert_eq!(made["finalize"], url("finalize", 0));
        let csr = Csr::parse(include_bytes!("../../examples/shop.csr")).unwrap();
        let der = crate::pki::csr::der_of_pem(&csr.to_pem()).unwrap();
        let parameters = json!({"finalize": url("finalize", 0), "csr": URL_SAFE_NO_PAD.encode(der)});
        let reply = orders.serve("/finalize/{finalize}", parameters.as_object().unwrap(), None, BASE);
        let Some(OrderReply::Finalize(order)) = reply else { panic!("it is not finalized") };
        assert_eq!(orders.finalized(&order, Some("chain".to_owned()), BASE).status, 200);
        let again = orders.serve("/finalize/{finalize}", parameters.as_object().unwrap(), None, BASE);
        assert_eq!(answer(again).0, 403);
        let mut show = || {
            let parameters = Map::from_iter([("order".to_owned(), url("order", 0))]);
            answer(orders.serve("/order/{order}", &parameters, None, BASE)).1
        };
        assert_eq!(show()["status"], json!("processing"));
        let seen = show();
        assert_eq!((&seen["status"], &seen["certificate"]), (&json!("valid"), &url("certificate", 0)));
        let unknown = Map::from_iter([("order".to_owned(), url("order", 7))]);
        assert_eq!(answer(orders.serve("/order/{order}", &unknown, None, BASE)).0, 404);
        assert!(orders.serve("/revokeCert", &unknown, None, BASE).is_none());
    }

    #[test]
    fn an_order_of_an_earlier_server_goes_on_where_it_stood() {
        const BASE: &str = "http://localhost/acme";
        let named = Map::from_iter([("identifiers".to_owned(), json!(["shop.example.com"]))]);
        let mut orders = Orders::default();
        for (number, certificate, status) in [(3, None, "ready"), (5, Some("chain".to_owned()), "valid")] {
            let url = format!("{BASE}/order/{number}");
            orders.learn(order_number(&url).unwrap(), &named, 0, certificate);
            let parameters = Map::from_iter([("order".to_owned(), json!(url))]);
            let (_, shown) = answer(orders.serve("/order/{order}", &parameters, None, BASE));
            let expected = json!([{"type": "dns", "value": "shop.example.com"}]);
            assert_eq!((&shown["status"], &shown["identifiers"]), (&json!(status), &expected));
        }
        let (_, next) = answer(orders.serve("/newOrder", &named, None, BASE));
        assert_eq!(next["finalize"], json!(format!("{BASE}/finalize/6")));
        assert_eq!(order_number("https://ca.example/order/none"), None);
        assert_ne!(certificate_number(0, 6), certificate_number(1, 6));
    }
}
