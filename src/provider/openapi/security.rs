//! The ways to authenticate: which signer puts which credentials on a request.

use super::reader::{DocumentReader, EXTENSION};
use crate::diag::Diagnostic;
use crate::provider::model::{AuthScheme, SignerKind};
use crate::tree::node::{Field, Node};

/// Reads `security`: each requirement becomes one way to authenticate, in the order of preference.
pub(super) fn read<'a>(reader: &mut DocumentReader<'a>) -> Vec<AuthScheme> {
    let root = reader.root();
    let Some(requirements) = reader.required(root, "security") else { return Vec::new() };
    let list = reader.list(requirements);
    if list.is_empty() {
        reader.error("security", requirements.span, "there must be at least one way to authenticate");
    }
    list.iter().filter_map(|requirement| alternative(reader, requirement)).collect()
}

fn alternative<'a>(reader: &mut DocumentReader<'a>, requirement: &'a Node) -> Option<AuthScheme> {
    let mut signed: Option<(AuthScheme, &'static [&'static str])> = None;
    let mut is_whole = true;
    let mut companions: Vec<(&Field, &Node)> = Vec::new();
    for field in reader.map(requirement) {
        if !reader.list(&field.value).is_empty() {
            reader.error("not-honoured", field.value.span, "scopes are not honoured; write `[]`");
        }
        let schemes = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
        let Some(scheme) = schemes.and_then(|schemes| schemes.get(&field.name)) else {
            is_whole = false;
            let names = schemes.into_iter().flat_map(Node::fields).map(|field| field.name.as_str());
            let what = format!("there is no security scheme `{}`", field.name);
            reader.no_such(field.span, what, &field.name, names);
            continue;
        };
        let scheme = reader.resolve(scheme)?;
        if scheme.get(EXTENSION).is_none() {
            companions.push((field, scheme));
        } else if signed.is_some() {
            reader.error("security", field.span, "one requirement can have one signer only");
        } else {
            signed = Some(self::scheme(reader, &field.name, scheme)?);
        }
    }
    let Some((scheme, sets)) = signed else {
        if !is_whole {
            return None;
        }
        let what = format!("no scheme of this requirement says by `{EXTENSION}` which signer it needs");
        reader.error("security", requirement.span, what);
        return None;
    };
    for (field, companion) in companions {
        let header = header_name(reader, companion).unwrap_or_default();
        if !sets.contains(&header.as_str()) {
            let what = format!("the signer of `{}` does not set what `{}` asks for", scheme.name, field.name);
            reader.error("security", field.span, what);
        }
    }
    Some(scheme)
}

fn scheme<'a>(
    reader: &mut DocumentReader<'a>,
    name: &str,
    node: &'a Node,
) -> Option<(AuthScheme, &'static [&'static str])> {
    let header = header_name(reader, node)?;
    let extension = node.get(EXTENSION)?;
    reader.closed(extension, &["signer", "credentials", "optional", "url"]);
    let signer = reader.required(extension, "signer")?;
    let known = SIGNERS.iter().map(|signer| (signer, signer.word)).collect::<Vec<_>>();
    let signer_kind = reader.word(signer, &known)?;
    let required = reader.required(extension, "credentials").map(|node| reader.texts(node)).unwrap_or_default();
    let optional = extension.get("optional").map(|node| reader.texts(node)).unwrap_or_default();
    let place = extension.get("credentials").unwrap_or(extension).span;
    let own_name = signer_kind.required.is_empty();
    if own_name && required.len() != 1 {
        reader.error("security", place, "this signer takes exactly one credential, under a name of your own");
    } else if !own_name
        && (required != signer_kind.required
            || optional.iter().any(|name| !signer_kind.optional.contains(&name.as_str())))
    {
        let optional = match signer_kind.optional {
            [] => String::new(),
            names => format!(", and optional {}", names.join(", ")),
        };
        let what = format!("this signer takes the credentials {}{optional}", signer_kind.required.join(", "));
        reader.error("security", place, what);
    }
    if own_name && !optional.is_empty() {
        reader.error("security", place, "this signer takes no optional credential");
    }
    if !signer_kind.header.is_empty() && signer_kind.header != header {
        let what = format!("this signer sets the header `{}`, not `{header}`", signer_kind.header);
        reader.error("security", node.get("name").unwrap_or(node).span, what);
    }
    let url = extension.get("url").and_then(|url| Some((reader.text(url)?, url.span)));
    let signer = match (signer_kind.word, url) {
        ("huawei-iam-token", Some((url, span))) => {
            reader.check_url(url, span);
            SignerKind::HuaweiIamToken(url.to_owned())
        }
        ("huawei-iam-token", None) => {
            reader.error("missing-key", extension.span, "`url` is missing here: where the token is fetched");
            return None;
        }
        (_, Some((_, span))) => {
            reader.error("unknown-key", span, "this signer has no `url`");
            return None;
        }
        ("ncp-signature-v2", None) => SignerKind::NcpSignatureV2,
        ("acme-jws", None) => SignerKind::AcmeJws,
        ("huawei-sdk-hmac-sha256", None) => SignerKind::HuaweiSdkHmacSha256,
        _ => SignerKind::Header(header),
    };
    Some((AuthScheme { name: name.to_owned(), signer, required, optional }, signer_kind.sets))
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

/// Whether a text is a field name of HTTP.
pub(super) fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

struct SignerForm {
    word: &'static str,
    /// Empty where the one credential has a name of the document's own.
    required: &'static [&'static str],
    optional: &'static [&'static str],
    /// The header that its scheme must name; empty for any.
    header: &'static str,
    /// The other headers that it sets.
    sets: &'static [&'static str],
}

const SIGNERS: [SignerForm; 5] = [
    SignerForm { word: "header", required: &[], optional: &[], header: "", sets: &[] },
    SignerForm {
        word: "ncp-signature-v2",
        required: &["access_key", "secret_key"],
        optional: &[],
        header: "x-ncp-apigw-signature-v2",
        sets: &["x-ncp-apigw-timestamp", "x-ncp-iam-access-key"],
    },
    SignerForm {
        word: "huawei-sdk-hmac-sha256",
        required: &["access_key", "secret_key"],
        optional: &["security_token", "domain_id"],
        header: "authorization",
        sets: &["x-sdk-date", "x-security-token", "x-domain-id"],
    },
    SignerForm {
        word: "huawei-iam-token",
        required: &["iam_user", "iam_password", "iam_domain"],
        optional: &[],
        header: "x-auth-token",
        sets: &[],
    },
    // The signature is in the body; its media type is what a header shows of it.
    SignerForm { word: "acme-jws", required: &["account_key"], optional: &[], header: "content-type", sets: &[] },
];
