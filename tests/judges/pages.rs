//! The form of what a vendor's page says about one operation, and the requests that follow from it: right ones, and wrong ones with
//! why they are. Reads no document: where a document says something else than the page, these requests show it.

use super::prism::Plain;
use crate::support::client::Headers;
use certsweep::provider::request::encode;
use serde_json::{Map, Value};

/// One operation, as its page describes it.
pub(crate) struct Page {
    pub(crate) provider: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// The page's URL up to where the document's paths begin.
    pub(crate) base: &'static str,
    /// The rest of it, with `{name}` where a path parameter stands.
    pub(crate) path: &'static str,
    /// The ways to authenticate: each all of these header fields.
    pub(crate) auth: &'static [&'static [&'static str]],
    /// The parameters of the page's example, as JSON and as a plan for certsweep gives them.
    pub(crate) example: &'static str,
    /// Every parameter that it takes.
    pub(crate) fields: &'static [Field],
}

/// One parameter.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) required: bool,
    /// JSON values that it takes.
    pub(crate) right: &'static [&'static str],
    /// JSON values that it does not take.
    pub(crate) wrong: &'static [&'static str],
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
    Body,
}

/// A request that must be refused.
pub(crate) struct Wrong {
    pub(crate) why: String,
    pub(crate) request: Plain,
    pub(crate) status: u16,
    /// What Prism's report must hold, in lower case: the refusal is for this fault and no other.
    pub(crate) says: Vec<String>,
}

/// Whether another operation of the provider stands on the page's path with this method, if only since a word of it could be an id.
fn shares_its_path(page: &Page, method: &str) -> bool {
    let may_be = |(theirs, ours): (&str, &str)| theirs == ours || theirs.starts_with('{');
    let is_same = |path: &str| {
        path.split('/').count() == page.path.split('/').count() && path.split('/').zip(page.path.split('/')).all(may_be)
    };
    let shares = |other: &Page| (other.provider, other.method) == (page.provider, method) && is_same(other.path);
    super::said::all().any(shares)
}

impl Page {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.provider, self.operation)
    }

    pub(crate) fn parameters(&self) -> Map<String, Value> {
        serde_json::from_str(self.example).unwrap()
    }

    fn has_body(&self) -> bool {
        self.fields.iter().any(|field| field.place == Place::Body)
    }

    /// The request with these parameters and the header fields of one way to authenticate.
    pub(crate) fn request(&self, parameters: &Map<String, Value>, auth: &[&str]) -> Plain {
        let mut path = self.path.to_owned();
        let (mut query, mut body, mut headers) = (Vec::new(), Value::Object(Map::new()), Headers::new());
        for (name, value) in parameters {
            match self.place(name) {
                Place::Path => path = path.replace(&format!("{{{name}}}"), &encode(&text(value))),
                Place::Query => query.push(format!("{}={}", encode(name), encode(&text(value)))),
                Place::Header => headers.push((name.clone(), text(value))),
                // The name of a member of an object is the way to it.
                Place::Body => {
                    let place = name.split('.').fold(&mut body, |object, member| &mut object[member]);
                    *place = value.clone();
                }
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        // RFC 6750, section 2.1; the others take any text.
        let credential = |name: &str| if name.eq_ignore_ascii_case("authorization") { "Bearer x" } else { "x" };
        headers.extend(auth.iter().map(|name| ((*name).to_owned(), credential(name).to_owned())));
        let body = self.has_body().then(|| body.to_string());
        Plain { method: self.method.to_owned(), path, headers, body }
    }

    /// The page's example in every way to authenticate, every value that a field takes, and every optional field left out.
    pub(crate) fn right(&self) -> Vec<(String, Plain)> {
        let mut all: Vec<(String, Plain)> =
            self.auth.iter().map(|auth| (format!("by {auth:?}"), self.request(&self.parameters(), auth))).collect();
        for field in self.fields {
            for value in field.right {
                let request = self.request(&self.with(field.name, value), self.auth[0]);
                all.push((format!("{} {value}", field.name), request));
            }
            if !field.required {
                all.push((format!("without {}", field.name), self.request(&self.without(field.name), self.auth[0])));
            }
        }
        all
    }

    /// Every fault once.
    pub(crate) fn wrong(&self) -> Vec<Wrong> {
        let good = self.request(&self.parameters(), self.auth[0]);
        let mut all = self.wrong_ways(&good);
        for field in self.fields {
            let at = match field.place {
                Place::Path => "path",
                Place::Query => "query",
                Place::Header => "headers",
                Place::Body => "body",
            };
            for value in field.wrong {
                let said = format!("\"location\":[\"request\",\"{at}\",\"{}\"", field.name).to_lowercase();
                let request = self.request(&self.with(field.name, value), self.auth[0]);
                all.push(Wrong { why: format!("{} {value}", field.name), request, status: 422, says: vec![said] });
            }
            if field.required && field.place == Place::Body {
                // A member of an object within the body is named by itself.
                let member = field.name.rsplit('.').next().unwrap_or(field.name);
                let said = format!("required property '{member}'").to_lowercase();
                let request = self.request(&self.without(field.name), self.auth[0]);
                all.push(Wrong { why: format!("without {}", field.name), request, status: 422, says: vec![said] });
            }
        }
        if self.has_body() {
            all.extend(self.wrong_bodies(&good));
        }
        all
    }

    /// Wrong credentials, methods and paths.
    fn wrong_ways(&self, good: &Plain) -> Vec<Wrong> {
        let mut all = Vec::new();
        let mut wrong = |why: String, request: Plain, status: u16, says: &str| {
            all.push(Wrong { why, request, status, says: vec![says.to_owned()] });
        };
        for auth in self.auth {
            for left_out in *auth {
                let rest: Headers = self.request(&self.parameters(), auth).headers;
                let headers = rest.into_iter().filter(|(name, _)| name != left_out).collect();
                let request = Plain { headers, ..good.clone() };
                wrong(format!("without the header {left_out} of {auth:?}"), request, 401, "invalid security scheme");
            }
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            // Another page's operation may stand on the same path.
            if method != self.method && !shares_its_path(self, method) && !self.is_anothers(Some(method), &good.path) {
                let request = Plain { method: method.to_owned(), ..good.clone() };
                wrong(format!("by {method}"), request, 405, "no_method_matched");
            }
        }
        let (path, query) = good.path.split_once('?').unwrap_or((&good.path, ""));
        for (from, to) in [("", "/v0"), ("/certificate", "/certificat"), ("/private-", "/public-"), ("revoke", "revok")]
        {
            if path.contains(from) {
                let wrong_path = path.replacen(from, to, 1);
                if self.is_anothers(None, &wrong_path) {
                    continue;
                }
                let request = Plain { path: format!("{wrong_path}?{query}"), ..good.clone() };
                wrong(format!("at {}", request.path), request, 404, "no_path_matched");
            }
        }
        all
    }

    /// Whether a path is one of another page of the provider's, by its template: what is wrong with such a request is told otherwise.
    fn is_anothers(&self, method: Option<&str>, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |(template, part): (&str, &str)| match (template.split_once('{'), template.split_once('}')) {
            (Some((before, _)), Some((_, after))) => {
                part.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
            }
            _ => template == part,
        };
        let is_it = |other: &&Self| {
            let count = |text: &str| text.split('/').count();
            other.path != self.path
                && other.provider == self.provider
                && method.is_none_or(|method| other.method == method)
                && count(other.path) == count(path)
                && other.path.split('/').zip(path.split('/')).all(fits)
        };
        super::said::PAGES.iter().any(|page| is_it(&page))
    }

    /// Bodies that are none of the operation's.
    fn wrong_bodies(&self, good: &Plain) -> Vec<Wrong> {
        let mut with_more = self.request(&self.parameters(), self.auth[0]);
        let body = with_more.body.as_deref().unwrap();
        let comma = if body == "{}" { "" } else { "," };
        with_more.body = Some(format!("{}{comma}\"force\":true}}", body.strip_suffix('}').unwrap()));
        let of_type = |kind: &str, body: Option<String>| {
            let mut headers = good.headers.clone();
            headers.push(("content-type".to_owned(), kind.to_owned()));
            Plain { headers, body, ..good.clone() }
        };
        let json = "application/json";
        let whole = good.body.clone().unwrap();
        let array = format!("[{whole}]");
        let half = whole[..whole.len() - 1].to_owned();
        let cases = [
            ("a field more", with_more, 422, "\"code\":\"additionalproperties\""),
            ("no body", of_type(json, None), 422, "body parameter is required"),
            ("a list", of_type(json, Some(array)), 422, "request body must be object"),
            ("half of it", of_type(json, Some(half)), 400, "invalid json"),
            ("as plain text", of_type("text/plain", Some(whole)), 415, "supported content types: application/json"),
        ];
        let wrong = |(why, request, status, says): (&str, Plain, u16, &str)| Wrong {
            why: format!("body: {why}"),
            request,
            status,
            says: vec![says.to_owned()],
        };
        cases.into_iter().map(wrong).collect()
    }

    fn place(&self, name: &str) -> Place {
        let field = self.fields.iter().find(|field| field.name == name);
        field.unwrap_or_else(|| panic!("{}: the page has no `{name}`", self.name())).place
    }

    fn with(&self, name: &str, value: &str) -> Map<String, Value> {
        let mut parameters = self.parameters();
        parameters.insert(name.to_owned(), serde_json::from_str(value).unwrap());
        parameters
    }

    fn without(&self, name: &str) -> Map<String, Value> {
        let mut parameters = self.parameters();
        parameters.remove(name);
        parameters
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
