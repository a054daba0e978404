//! The orders of an ACME server (RFC 8555, section 7.4): made, finalized, fetched. All names are validated already, as for a client that has
//! done so before. Signs no certificate, and knows no nonce.

use super::message::Response;
use crate::pki::Csr;
use crate::provider::Provider;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

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
            let order = AcmeOrder { target, names: names(parameters), certificate: None, seen: false };
            let shown = Response::json(201, Some(&order.shown(number, base)));
            self.0.insert(number, order);
            return Some(OrderReply::Answer(shown.with("location", format!("{base}/order/{number}"))));
        }
        let (_, name) = path.split_once("/{").filter(|(kind, _)| KINDS.contains(kind))?;
        let url = parameters.get(name.trim_end_matches('}')).and_then(Value::as_str)?;
        let Some((number, order)) = number_of(url).and_then(|number| Some((number, self.0.get_mut(&number)?))) else {
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
        let order = AcmeOrder { target: Some(target), names: names(parameters), certificate, seen: true };
        self.0.insert(number, order);
    }
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
pub(super) fn number_of(url: &str) -> Option<u32> {
    url.rsplit('/').next()?.parse().ok()
}

/// What makes the serial number of an order's certificate: the same in each process, and no number of another effect.
pub(super) fn certificate_number(account: usize, order: u32) -> u64 {
    ((account as u64 + 1) << u32::BITS) | u64::from(order)
}

fn names(parameters: &Map<String, Value>) -> Vec<String> {
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
pub(super) fn problem(status: u16, kind: &str, detail: &str) -> Response {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    let body = json!({"type": kind, "detail": detail, "status": status});
    Response { media_type: "application/problem+json".into(), ..Response::json(status, Some(&body)) }
}

const NEW_ORDER: &str = "/newOrder";
const KINDS: [&str; 3] = ["/order", "/finalize", "/certificate"];

#[cfg(test)]
mod tests {
    use super::*;

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
            orders.learn(number_of(&url).unwrap(), &named, 0, certificate);
            let parameters = Map::from_iter([("order".to_owned(), json!(url))]);
            let (_, shown) = answer(orders.serve("/order/{order}", &parameters, None, BASE));
            let expected = json!([{"type": "dns", "value": "shop.example.com"}]);
            assert_eq!((&shown["status"], &shown["identifiers"]), (&json!(status), &expected));
        }
        let (_, next) = answer(orders.serve("/newOrder", &named, None, BASE));
        assert_eq!(next["finalize"], json!(format!("{BASE}/finalize/6")));
        assert_eq!(number_of("https://ca.example/order/none"), None);
        assert_ne!(certificate_number(0, 6), certificate_number(1, 6));
    }
}
