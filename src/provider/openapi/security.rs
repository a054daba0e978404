//! `security` and the security schemes: which signer puts which credentials on a request, and where a token comes from.

use super::reader::{DocumentReader, EXTENSION, is_header_name, undeclared};
use crate::diag::Diagnostic;
use crate::provider::model::ServerVariable;
use crate::provider::security::{
    self, BASIC, BEARER, CLIENT_CREDENTIALS, CredentialForm, CredentialNames, FORMS, MUTUAL_TLS, Preparation,
    SchemeForm, SecurityRequirement, SecurityScheme, SignerKind, TokenGrant, TokenScheme,
};
use crate::text::Span;
use crate::tree::{Field, Node};
use jiff::SignedDuration;
use std::collections::BTreeMap;

type Variables = BTreeMap<String, ServerVariable>;

/// What the document as a whole says of signing, where its operations say more.
pub(super) struct Signing<'s> {
    /// Its server variables.
    pub(super) variables: &'s Variables,
    /// Its own ways to authenticate.
    pub(super) auth: &'s [SecurityRequirement],
}

/// Reads `security`: each requirement becomes one way to authenticate, in the order of preference. None where the document leaves it to its
/// operations.
pub(super) fn read<'a>(reader: &mut DocumentReader<'a>, variables: &Variables) -> Vec<SecurityRequirement> {
    let root = reader.root();
    let Some(requirements) = root.get("security") else { return Vec::new() };
    let list = reader.list(requirements);
    if list.is_empty() {
        reader.error("security", requirements.span, "there must be at least one way to authenticate");
    }
    list.iter().filter_map(|node| requirement(reader, node, variables)).collect()
}

/// Reads the `security` of one operation, which stands in the place of the document's: an empty list, or an empty requirement in it, means that
/// requests go out unsigned (OpenAPI 3.1, Operation Object). A token is fetched once for an account, so that it must be the document's.
pub(super) fn of_operation<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    signing: &Signing<'_>,
) -> Vec<SecurityRequirement> {
    let mut all = Vec::new();
    for item in reader.list(node) {
        let read = match reader.map(item).is_empty() {
            true => Some(SecurityRequirement { schemes: Vec::new() }),
            false => requirement(reader, item, signing.variables),
        };
        let Some(read) = read else { continue };
        let has = |scheme: &&SecurityScheme| signing.auth.iter().any(|one| one.schemes.contains(scheme));
        let prepares = |scheme: &&SecurityScheme| scheme.form().first != Preparation::Nothing;
        if let Some(scheme) =
            read.schemes.iter().filter(prepares).find(|scheme| !has(scheme) && !signing.auth.is_empty())
        {
            let what =
                format!("`{}` asks for a token or a session first, which one operation alone cannot have", scheme.name);
            let help = "name it in the document's own `security`, too";
            reader.push(Diagnostic::error("security", item.span, what).help(help));
        }
        all.push(read);
    }
    if all.is_empty() {
        all.push(SecurityRequirement { schemes: Vec::new() });
    }
    all
}

/// All schemes of a requirement are applied. One that no signer stands beside must be what another one's signer sets.
fn requirement<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    variables: &Variables,
) -> Option<SecurityRequirement> {
    let mut schemes: Vec<SecurityScheme> = Vec::new();
    let mut is_whole = true;
    let mut companions: Vec<(&Field, String)> = Vec::new();
    for field in reader.map(node) {
        let all = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
        let Some(found) = all.and_then(|schemes| schemes.get(&field.name)) else {
            is_whole = false;
            let names = all.into_iter().flat_map(Node::fields).map(|field| field.name.as_str());
            let what = format!("there is no security scheme `{}`", field.name);
            reader.no_such(field.span, what, &field.name, names);
            continue;
        };
        let found = reader.resolve(found)?;
        let declared = declared(reader, found)?;
        if let (DeclaredScheme::Header(header), None) = (&declared, found.get(EXTENSION)) {
            companions.push((field, header.clone()));
            continue;
        }
        let place = Place { name: &field.name, node: found, scopes: &field.value };
        let read = scheme(reader, place, &declared, variables)?;
        for other in &schemes {
            cannot_stand_together(reader, field, other, &read);
        }
        schemes.push(read);
    }
    if schemes.is_empty() {
        if is_whole {
            let what = format!("no scheme of this requirement says by `{EXTENSION}` which signer it needs");
            reader.error("security", node.span, what);
        }
        return None;
    }
    for (field, header) in companions {
        if !schemes.iter().flat_map(SecurityScheme::fields).any(|(name, _)| name == header) {
            let names = schemes.iter().map(|scheme| format!("`{}`", scheme.name)).collect::<Vec<_>>().join(" and ");
            let what = format!("the signer of {names} does not set what `{}` asks for", field.name);
            reader.error("security", field.span, what);
        }
    }
    Some(SecurityRequirement { schemes })
}

/// Reports what keeps two schemes of one requirement from being applied to the same request.
fn cannot_stand_together(reader: &mut DocumentReader<'_>, field: &Field, one: &SecurityScheme, other: &SecurityScheme) {
    let needs = |scheme: &SecurityScheme| scheme.form().first != Preparation::Nothing;
    let is_session = |scheme: &SecurityScheme| scheme.form().first == Preparation::Session;
    let shared = one.fields().find(|(name, _)| other.fields().any(|(second, _)| *name == second));
    let what = if is_session(one) || is_session(other) {
        format!("`{}` and `{}` cannot both be applied: a signed body stands alone", one.name, other.name)
    } else if needs(one) && needs(other) {
        format!("`{}` and `{}` both fetch a token; one requirement can have one", one.name, other.name)
    } else if let Some((name, _)) = shared {
        format!("`{}` and `{}` both set the header `{name}`", one.name, other.name)
    } else {
        return;
    };
    reader.error("security", field.span, what);
}

/// What OpenAPI itself says of a scheme.
enum DeclaredScheme<'a> {
    /// An `apiKey` in this header, in lower case.
    Header(String),
    /// `http` `bearer`.
    Bearer,
    /// `http` `basic`.
    Basic,
    /// `oauth2` with the flow `clientCredentials`.
    OAuth2(&'a Node),
    /// `mutualTLS`.
    MutualTls,
}

fn declared<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<DeclaredScheme<'a>> {
    let kind = reader.required(node, "type")?;
    match reader.text(kind)? {
        "apiKey" => header_name(reader, node).map(DeclaredScheme::Header),
        "http" => {
            // RFC 9110, section 11.1: the scheme's name in any case.
            reader.object(node, &["type", "scheme", EXTENSION], &["description", "bearerFormat"]);
            let scheme = reader.required(node, "scheme")?;
            match reader.text(scheme)?.to_ascii_lowercase().as_str() {
                "bearer" => Some(DeclaredScheme::Bearer),
                "basic" => Some(DeclaredScheme::Basic),
                other => {
                    let what = format!("of `http` schemes `bearer` and `basic` are honoured, not `{other}`");
                    let help = "another one is an `apiKey` in the header `Authorization`, with a signer";
                    reader.push(Diagnostic::error("not-honoured", scheme.span, what).help(help));
                    None
                }
            }
        }
        "oauth2" => {
            reader.object(node, &["type", "flows", EXTENSION], &["description"]);
            let flows = reader.required(node, "flows")?;
            let flow = flows.get("clientCredentials");
            if flow.is_none() {
                let what =
                    "of OAuth 2.0 the flow `clientCredentials` is honoured: the others need a person at a browser";
                reader.error("not-honoured", flows.span, what);
            }
            flow.map(DeclaredScheme::OAuth2)
        }
        "mutualTLS" => {
            reader.object(node, &["type"], &["description"]);
            Some(DeclaredScheme::MutualTls)
        }
        other => {
            let what = format!("security schemes of type `{other}` are not honoured");
            let help = "`apiKey` in a header, `http`, `oauth2` and `mutualTLS` are; a token that somebody fetched is `http` `bearer`";
            reader.push(Diagnostic::error("not-honoured", kind.span, what).help(help));
            None
        }
    }
}

/// Where a scheme stands.
#[derive(Clone, Copy)]
struct Place<'a, 'n> {
    name: &'n str,
    node: &'a Node,
    /// What the requirement asks for.
    scopes: &'a Node,
}

fn scheme<'a>(
    reader: &mut DocumentReader<'a>,
    place: Place<'a, '_>,
    declared: &DeclaredScheme<'a>,
    variables: &Variables,
) -> Option<SecurityScheme> {
    let extension = place.node.get(EXTENSION);
    let form = form(reader, place.node, declared)?;
    let scopes = reader.texts(place.scopes);
    if !scopes.is_empty() && *form != CLIENT_CREDENTIALS {
        reader.error("not-honoured", place.scopes.span, "scopes are honoured of `oauth2` only; write `[]`");
    }
    if let Some(extension) = extension {
        reader.closed(extension, &[&["credentials", "optional"], form.keys].concat());
    }
    let (required, optional) = credentials(reader, place.node, form);
    let header = match declared {
        DeclaredScheme::Header(header) => header.clone(),
        DeclaredScheme::Bearer | DeclaredScheme::Basic | DeclaredScheme::OAuth2(_) | DeclaredScheme::MutualTls => {
            "authorization".to_owned()
        }
    };
    // Where a form has no name for its field, the document has.
    let own = form.fields.first().map_or("", |field| field.name);
    if !own.is_empty() && own != header {
        let what = format!("this signer sets the header `{own}`, not `{header}`");
        reader.error("security", place.node.get("name").unwrap_or(place.node).span, what);
    }
    let signer = match form.word {
        "http bearer" => SignerKind::Bearer,
        "http basic" => SignerKind::Basic,
        "mutualTLS" => SignerKind::MutualTls,
        "ncp-signature-v2" => SignerKind::NcpSignatureV2,
        "huawei-sdk-hmac-sha256" => SignerKind::HuaweiSdkHmacSha256,
        "acme-jws" => SignerKind::AcmeJws,
        "header" => SignerKind::Header(header),
        "aws-sigv4" => sig_v4(reader, extension?, variables)?,
        _ => {
            let is_bearer = !matches!(declared, DeclaredScheme::Header(_)) || form.word == "google-service-account";
            let (grant, url) = grant(reader, place.node, form, (declared, scopes), variables)?;
            let lifetime = extension.and_then(|extension| lifetime(reader, extension));
            SignerKind::Token(TokenScheme { grant, url, header, is_bearer, lifetime })
        }
    };
    Some(SecurityScheme { name: place.name.to_owned(), signer, required, optional })
}

/// The row of the table that a scheme is.
fn form<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    declared: &DeclaredScheme<'a>,
) -> Option<&'static SchemeForm> {
    let signer = node.get(EXTENSION).and_then(|extension| extension.get("signer"));
    let (by_itself, word) = match declared {
        DeclaredScheme::Header(_) => {
            let signer = reader.required(node.get(EXTENSION)?, "signer")?;
            let known = FORMS.map(|form| (form, form.word));
            return reader.word(signer, &known);
        }
        DeclaredScheme::Bearer => (&BEARER, "http"),
        DeclaredScheme::Basic => (&BASIC, "http"),
        DeclaredScheme::OAuth2(_) => (&CLIENT_CREDENTIALS, "oauth2"),
        DeclaredScheme::MutualTls => (&MUTUAL_TLS, "mutualTLS"),
    };
    let Some(signer) = signer else { return Some(by_itself) };
    // A bearer token may be fetched.
    let fetched = FORMS.into_iter().filter(|form| form.first == Preparation::Token && form.word != "huawei-iam-token");
    let known: Vec<(&SchemeForm, &str)> =
        fetched.filter(|_| matches!(declared, DeclaredScheme::Bearer)).map(|form| (form, form.word)).collect();
    if known.is_empty() {
        let what = format!("a scheme of type `{word}` says by itself how it is sent; leave `signer` out");
        reader.error("security", signer.span, what);
        return None;
    }
    reader.word(signer, &known)
}

fn sig_v4<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node, variables: &Variables) -> Option<SignerKind> {
    let service = reader.required_text(extension, "service");
    let node = reader.required(extension, "region")?;
    let region = reader.text(node)?;
    undeclared(reader, region, variables, node.span);
    let filled = variables
        .iter()
        .fold(region.to_owned(), |text, (name, variable)| text.replace(&format!("{{{name}}}"), &variable.default));
    if !filled.contains('{')
        && let Err((what, help)) = security::check_region(&filled)
    {
        reader.push(Diagnostic::error("wrong-value", node.span, what).help(help));
    }
    Some(SignerKind::AwsSigV4 { service: service?.to_owned(), region: region.to_owned() })
}

/// What is asked for a token, and where.
fn grant<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    form: &SchemeForm,
    (declared, scopes): (&DeclaredScheme<'a>, Vec<String>),
    variables: &Variables,
) -> Option<(TokenGrant, String)> {
    let extension = node.get(EXTENSION);
    let key = |name: &str| extension.and_then(|extension| extension.get(name));
    if let DeclaredScheme::OAuth2(flow) = declared {
        reader.object(flow, &["tokenUrl", "scopes"], &["refreshUrl"]);
        let url = reader.required(flow, "tokenUrl")?;
        let text = reader.text(url)?;
        check_token_url(reader, text, url.span, variables);
        if let Some(declared) = flow.get("scopes") {
            for scope in scopes.iter().filter(|scope| declared.get(scope).is_none()) {
                let names = declared.fields().iter().map(|field| field.name.as_str());
                reader.no_such(declared.span, format!("the flow declares no scope `{scope}`"), scope, names);
            }
        }
        let audience = key("audience").and_then(|node| reader.text(node)).map(ToOwned::to_owned);
        let ways = [(false, "basic"), (true, "body")];
        let in_body = key("client_authentication").and_then(|node| reader.word(node, &ways)).unwrap_or(false);
        return Some((TokenGrant::ClientCredentials { scopes, audience, in_body }, text.to_owned()));
    }
    let extension = extension?;
    let url = match extension.get("url") {
        Some(url) => {
            let text = reader.text(url)?;
            check_token_url(reader, text, url.span, variables);
            text.to_owned()
        }
        None if form.word == "google-service-account" => GOOGLE_TOKENS.to_owned(),
        None => {
            reader.error("missing-key", extension.span, "`url` is missing here: where the token is fetched");
            return None;
        }
    };
    let grant = match form.word {
        "google-service-account" => {
            let scopes = reader.required(extension, "scopes").map(|node| reader.texts(node)).unwrap_or_default();
            TokenGrant::ServiceAccount { scopes, audience: url.clone() }
        }
        "login" => {
            let token = reader.required(extension, "token").and_then(|node| reader.pointer(node))?;
            let lifetime = extension.get("expires_in").and_then(|node| reader.pointer(node));
            TokenGrant::Login { token, lifetime }
        }
        _ => TokenGrant::HuaweiIam,
    };
    Some((grant, url))
}

/// Where a token is fetched: a whole URL; or, for servers of one's own, a reference that is resolved against the base URL (OpenAPI 3.1, "Relative
/// References in URLs"; RFC 3986, section 5): a path at its host, or what stands beside its last segment.
fn check_token_url(reader: &mut DocumentReader<'_>, url: &str, span: Span, variables: &Variables) {
    let is_whole = url.contains("://");
    let whole = if is_whole { url.to_owned() } else { format!("https://host/{}", url.trim_start_matches('/')) };
    reader.check_url(&whole, span);
    undeclared(reader, url, variables, span);
}

fn lifetime<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node) -> Option<SignedDuration> {
    let node = extension.get("lifetime")?;
    let read = crate::time::parse_duration(reader.text(node)?);
    match read.map(SignedDuration::try_from) {
        Ok(Ok(lifetime)) if lifetime.is_positive() => Some(lifetime),
        _ => {
            reader.error("wrong-value", node.span, "a lifetime is a length of time such as `10m`");
            None
        }
    }
}

/// The names of a scheme's credentials: those that are needed, and those that are taken.
fn credentials<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, form: &SchemeForm) -> (Vec<String>, Vec<String>) {
    let names = |is_required: bool| {
        let all = form.credentials.iter().filter(move |one: &&CredentialForm| one.required == is_required);
        all.map(|one| one.name).collect::<Vec<_>>()
    };
    let owned = |names: Vec<&str>| names.into_iter().map(ToOwned::to_owned).collect::<Vec<String>>();
    let extension = node.get(EXTENSION);
    let given = extension.and_then(|extension| extension.get("credentials"));
    let is_named = form.names != CredentialNames::Any && names(true).iter().all(|name| !name.is_empty());
    let required = match (given, extension) {
        (Some(given), _) => reader.texts(given),
        (None, Some(extension)) if !is_named => {
            reader.required(extension, "credentials");
            return Default::default();
        }
        (None, _) => owned(names(true)),
    };
    let optional = match extension.and_then(|extension| extension.get("optional")) {
        Some(optional) => reader.texts(optional),
        None if given.is_none() => owned(names(false)),
        None => Vec::new(),
    };
    let place = given.or(extension).unwrap_or(node).span;
    match form.names {
        CredentialNames::Own => {
            match form.credentials.len() {
                count if required.len() == count => {}
                1 => {
                    let what = "this signer takes exactly one credential, under a name of your own";
                    reader.error("security", place, what);
                }
                count => {
                    let what = format!(
                        "this scheme takes {count} credentials, under names of your own, as `{}` otherwise",
                        names(true).join(", ")
                    );
                    reader.error("security", place, what);
                }
            }
            if !optional.is_empty() {
                reader.error("security", place, "this signer takes no optional credential");
            }
        }
        CredentialNames::Any if required.is_empty() => {
            reader.error("security", place, "a log-in takes at least one credential");
        }
        CredentialNames::Any => {}
        CredentialNames::Fixed => {
            if required != names(true) || optional.iter().any(|name| !names(false).contains(&name.as_str())) {
                let optional = match names(false)[..] {
                    [] => String::new(),
                    ref names => format!(", and optional {}", names.join(", ")),
                };
                let what = format!("this signer takes the credentials {}{optional}", names(true).join(", "));
                reader.error("security", place, what);
            }
        }
    }
    (required, optional)
}

/// The header that an `apiKey` names, in lower case.
fn header_name<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<String> {
    reader.object(node, &["type", "in", "name", EXTENSION], &["description"]);
    let place = reader.required(node, "in")?;
    if reader.text(place)? != "header" {
        reader.error("not-honoured", place.span, "API keys are honoured in headers only");
        return None;
    }
    let name = reader.required(node, "name")?;
    let text = reader.text(name)?;
    if !is_header_name(text) {
        reader.error("wrong-value", name.span, format!("`{text}` is not a header name"));
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Where Google gives tokens out, and for whom its service accounts' JWTs are.
const GOOGLE_TOKENS: &str = "https://oauth2.googleapis.com/token";
