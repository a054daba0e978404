//! The orders of an ACME server (RFC 8555, section 7.4): made, finalized, fetched. All names are validated already, as for a client that has
//! done so before. Signs no certificate, and knows no nonce.

use super::message::Response;
use crate::pki::Csr;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// All orders of one server.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<AcmeOrder>);

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
    number: usize,
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
        if path == "/newOrder" {
            let names = parameters.get("identifiers").and_then(Value::as_array).into_iter().flatten();
            let names = names.filter_map(Value::as_str).map(str::to_owned).collect();
            self.0.push(AcmeOrder { target, names, certificate: None, seen: false });
            let number = self.0.len() - 1;
            let shown = Response::json(201, Some(&self.0[number].shown(number, base)));
            return Some(OrderReply::Answer(shown.with("location", format!("{base}/order/{number}"))));
        }
        let (_, name) = path.split_once("/{").filter(|(kind, _)| KINDS.contains(kind))?;
        let url = parameters.get(name.trim_end_matches('}')).and_then(Value::as_str)?;
        let number = url.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
        let Some((number, order)) = number.and_then(|number| Some((number, self.0.get_mut(number)?))) else {
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
        let Some(known) = self.0.get_mut(order.number).filter(|_| chain.is_some()) else {
            return problem(500, "serverInternal", "the simulator could sign no certificate");
        };
        known.certificate = chain;
        Response::json(200, Some(&known.shown(order.number, base)))
    }
}

impl AcmeOrder {
    fn shown(&self, number: usize, base: &str) -> Value {
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
}
