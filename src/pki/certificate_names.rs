//! What people call a certificate by: its common name and its DNS names.

use super::Certificate;
use der::oid::db::rfc4519::COMMON_NAME;
use der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

impl Certificate {
    /// The common names and the DNS names, as they are written; none where they cannot be read.
    pub fn host_names(&self) -> Vec<String> {
        let Ok(certificate) = x509_cert::Certificate::from_der(&self.der) else { return Vec::new() };
        let attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|name| name.0.iter());
        let common = attributes.filter(|attribute| attribute.oid == COMMON_NAME).filter_map(|attribute| {
            let is_text = matches!(attribute.value.tag(), Tag::PrintableString | Tag::Utf8String | Tag::Ia5String);
            is_text.then(|| std::str::from_utf8(attribute.value.value()).ok()).flatten().map(str::to_owned)
        });
        let mut names: Vec<String> = common.collect();
        if let Ok(Some((_, alternative))) = certificate.tbs_certificate.get::<SubjectAltName>() {
            names.extend(alternative.0.into_iter().filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
                _ => None,
            }));
        }
        names
    }
}
