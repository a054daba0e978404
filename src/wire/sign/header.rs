//! The simplest signer: one credential, verbatim, in one header field.

use super::{SignError, header_credential, set_header};
use crate::wire::credentials::Credentials;
use crate::wire::transport::WireRequest;

/// Puts the scheme's one required credential, which stands first, into the header field `name`.
pub(super) fn sign(name: &str, request: &mut WireRequest, credentials: &Credentials) -> Result<(), SignError> {
    let credential = credentials.names().next().ok_or_else(|| SignError::Missing(name.to_owned()))?;
    sign_with(credential, name, request, credentials)
}

/// Puts the credential of a given name into the header field `name`.
pub(super) fn sign_with(
    credential: &str,
    name: &str,
    request: &mut WireRequest,
    credentials: &Credentials,
) -> Result<(), SignError> {
    let value = header_credential(credentials, credential)?;
    set_header(request, name.to_owned(), value.to_owned());
    Ok(())
}
