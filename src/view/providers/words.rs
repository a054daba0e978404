//! The words for parts of a provider document that text and JSON share.

use crate::provider::model::{Kind, Location, SignerKind};

pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Strings => "list of strings",
        Kind::Integers => "list of integers",
    }
}

pub(super) const fn location(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Body => "body",
        Location::Lookup => "lookup",
        Location::Signer => "signer",
    }
}

pub(super) fn signer(signer: &SignerKind) -> String {
    match signer {
        SignerKind::Header(name) => format!("header {name}"),
        SignerKind::NcpSignatureV2 => "ncp-signature-v2".to_owned(),
        SignerKind::HuaweiSdkHmacSha256 => "huawei-sdk-hmac-sha256".to_owned(),
        SignerKind::AcmeJws => "acme-jws".to_owned(),
        SignerKind::HuaweiIamToken(url) => format!("huawei-iam-token from {url}"),
    }
}
