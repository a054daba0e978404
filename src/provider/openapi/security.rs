//! `security` and the security schemes: which signer puts which credentials on a request.

use super::operation::undeclared;
use super::reader::{DocumentReader, EXTENSION, is_header_name};
use crate::diag::Diagnostic;
use crate::provider::model::ServerVariable;
use crate::provider::security::{
    CredentialForm, CredentialNames, FORMS, Prerequisite, SchemeForm, SecurityRequirement, SecurityScheme, SignerKind,
    TokenGrant, TokenScheme,
};
use crate::text::Span;
use crate::tree::{Field, Node};
use std::collections::BTreeMap;

type Variables = BTreeMap<String, ServerVariable>;

/// Reads `security`: each requirement becomes one way to authenticate, in the order of preference.
pub(super) fn read<'a>(reader: &mut DocumentReader<'a>, variables: &Variables) -> Vec<SecurityRequirement> {
    let root = reader.root();
    let Some(requirements) = reader.required(root, "security") else { return Vec::new() };
    let list = reader.list(requirements);
    if list.is_empty() {
        reader.error("security", requirements.span, "there must be at least one way to authenticate");
    }
    list.iter().filter_map(|node| requirement(reader, node, variables)).collect()
}

/// All schemes of a requirement are applied. One that no signer stands beside must be what another one's signer sets.
fn requirement<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    variables: &Variables,
) -> Option<SecurityRequirement> {
    let mut schemes: Vec<SecurityScheme> = Vec::new();
    let mut is_whole = true;
    let mut companions: Vec<(&Field, &Node)> = Vec::new();
    for field in reader.map(node) {
        if !reader.list(&field.value).is_empty() {
            reader.error("not-honoured", field.value.span, "scopes are not honoured; write `[]`");
        }
        let declared = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
        let Some(found) = declared.and_then(|schemes| schemes.get(&field.name)) else {
            is_whole = false;
            let names = declared.into_iter().flat_map(Node::fields).map(|field| field.name.as_str());
            let what = format!("there is no security scheme `{}`", field.name);
            reader.no_such(field.span, what, &field.name, names);
            continue;
        };
        let found = reader.resolve(found)?;
        if found.get(EXTENSION).is_none() {
            companions.push((field, found));
            continue;
        }
        let read = scheme(reader, &field.name, found, variables)?;
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
    for (field, companion) in companions {
        let header = header_name(reader, companion).unwrap_or_default();
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
    let needs = |scheme: &SecurityScheme| scheme.form().first != Prerequisite::Nothing;
    let is_session = |scheme: &SecurityScheme| scheme.form().first == Prerequisite::Session;
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

/// A scheme that says which signer it needs.
fn scheme<'a>(
    reader: &mut DocumentReader<'a>,
    name: &str,
    node: &'a Node,
    variables: &Variables,
) -> Option<SecurityScheme> {
    let header = header_name(reader, node)?;
    let extension = node.get(EXTENSION)?;
    reader.closed(extension, &["signer", "credentials", "optional", "url"]);
    let signer = reader.required(extension, "signer")?;
    let known = FORMS.map(|form| (form, form.word));
    let form = reader.word(signer, &known)?;
    let (required, optional) = credentials(reader, extension, form);
    // Where a form has no name for its field, the document has.
    let own = form.fields[0].name;
    if !own.is_empty() && own != header {
        let what = format!("this signer sets the header `{own}`, not `{header}`");
        reader.error("security", node.get("name").unwrap_or(node).span, what);
    }
    let url = extension.get("url").and_then(|url| Some((reader.text(url)?, url.span)));
    let token_url = match (form.first, url) {
        (Prerequisite::Token, Some((url, span))) => {
            check_token_url(reader, url, span, variables);
            url.to_owned()
        }
        (Prerequisite::Token, None) => {
            reader.error("missing-key", extension.span, "`url` is missing here: where the token is fetched");
            return None;
        }
        (_, Some((_, span))) => {
            reader.error("unknown-key", span, "this signer has no `url`");
            return None;
        }
        (_, None) => String::new(),
    };
    let signer = match form.word {
        "ncp-signature-v2" => SignerKind::NcpSignatureV2,
        "huawei-sdk-hmac-sha256" => SignerKind::HuaweiSdkHmacSha256,
        "huawei-iam-token" => SignerKind::Token(TokenScheme { grant: TokenGrant::HuaweiIam, url: token_url, header }),
        "acme-jws" => SignerKind::AcmeJws,
        _ => SignerKind::Header(header),
    };
    Some(SecurityScheme { name: name.to_owned(), signer, required, optional })
}

fn check_token_url(reader: &mut DocumentReader<'_>, url: &str, span: Span, variables: &Variables) {
    reader.check_url(url, span);
    undeclared(reader, url, variables, span);
}

/// The names of a scheme's credentials: those that are needed, and those that are taken.
fn credentials<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    form: &SchemeForm,
) -> (Vec<String>, Vec<String>) {
    let required = reader.required(extension, "credentials").map(|node| reader.texts(node)).unwrap_or_default();
    let optional = extension.get("optional").map(|node| reader.texts(node)).unwrap_or_default();
    let place = extension.get("credentials").unwrap_or(extension).span;
    let names = |is_required: bool| {
        let all = form.credentials.iter().filter(move |one: &&CredentialForm| one.required == is_required);
        all.map(|one| one.name).collect::<Vec<_>>()
    };
    match form.names {
        CredentialNames::Own => {
            if required.len() != form.credentials.len() {
                reader.error("security", place, "this signer takes exactly one credential, under a name of your own");
            }
            if !optional.is_empty() {
                reader.error("security", place, "this signer takes no optional credential");
            }
        }
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

/// The header that a scheme fills, in lower case.
fn header_name<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<String> {
    let kind = reader.required(node, "type")?;
    if reader.text(kind)? != "apiKey" {
        let what = format!("security schemes of type `{}` are not honoured", kind.text().unwrap_or_default());
        let help =
            "declare an `apiKey` in a header; a bearer token is one in `Authorization`, given with its `Bearer `";
        reader.push(Diagnostic::error("not-honoured", kind.span, what).help(help));
        return None;
    }
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
