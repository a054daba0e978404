//! Which of a file's certificates is meant: the one that is no CA's, wherever it stands. Bundles come in any order, and the first of a
//! reversed chain is the certificate of a CA. Reads no files.

use super::certificate::Certificate;

/// The certificate that a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// The one end-entity certificate.
    EndEntity(usize),
    /// The certificate of a CA, where there are none but of CAs: of a chain the last link.
    Ca(usize),
}

/// There is no telling which certificate is meant; those that could be, at least two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// Several end-entity certificates.
    EndEntities(Vec<usize>),
    /// Several certificates of CAs, and none of an end entity.
    Cas(Vec<usize>),
}

/// Finds the certificate that a file is about, by what the certificates are; a file has at least one.
///
/// # Errors
/// There are several.
pub fn meant(all: &[Certificate]) -> Result<Meant, Undecided> {
    let first_of = |index: usize| all.iter().position(|other| other.der == all[index].der) == Some(index);
    // A precertificate beside its certificate is the same one.
    let is_repeated =
        |one: &Certificate| one.is_precertificate && all.iter().any(|other| is_certificate_of(other, one));
    let mut end_entities = Vec::new();
    let mut cas = Vec::new();
    for index in (0..all.len()).filter(|index| first_of(*index)) {
        match &all[index] {
            one if acts_as_ca(one, all) => cas.push(index),
            one if is_repeated(one) => {}
            _ => end_entities.push(index),
        }
    }
    match end_entities[..] {
        [one] => return Ok(Meant::EndEntity(one)),
        [] => {}
        _ => return Err(Undecided::EndEntities(end_entities)),
    }
    // Two CAs that have certified each other have both issued one.
    let last: Vec<usize> = cas.iter().copied().filter(|index| !has_issued(&all[*index], all)).collect();
    match (&last[..], &cas[..]) {
        ([one], _) | ([], [one]) => Ok(Meant::Ca(*one)),
        ([], _) => Err(Undecided::Cas(cas)),
        _ => Err(Undecided::Cas(last)),
    }
}

/// Whether a certificate is a CA's, as it says itself, or as the others show: one of version 1 says nothing.
pub fn acts_as_ca(one: &Certificate, all: &[Certificate]) -> bool {
    says_to_be_ca(one) || has_issued(one, all)
}

/// Whether a certificate is a CA's by its own words. `openssl req -x509` says so of every certificate that it makes, which is how most
/// self-signed ones of servers come about: one that signs itself, names a host, and leaves out the key usage that a CA's must have
/// (RFC 5280, section 4.2.1.3) is a server's.
pub fn says_to_be_ca(one: &Certificate) -> bool {
    let is_servers = one.issuer == one.subject && !one.has_key_usage && one.names_host();
    one.is_ca && !is_servers
}

/// Whether a certificate is what became of a precertificate.
pub fn is_certificate_of(one: &Certificate, precertificate: &Certificate) -> bool {
    !one.is_precertificate && one.serial == precertificate.serial && one.issuer == precertificate.issuer
}

fn has_issued(one: &Certificate, all: &[Certificate]) -> bool {
    // Not its own: many end entities sign themselves. Nor another one of its own name and key, which is its renewal.
    let is_other = |other: &Certificate| other.subject != one.subject || other.spki != one.spki;
    all.iter().any(|other| is_other(other) && other.is_signed_by(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};

    struct Made {
        certificate: Certificate,
        parameters: CertificateParams,
        key: KeyPair,
    }

    fn made(name: &str, is_ca: IsCa, issuer: Option<&Made>, poison: bool) -> Made {
        let key = KeyPair::generate().unwrap();
        made_with(name, is_ca, issuer, poison, key, 1)
    }

    fn made_with(name: &str, is_ca: IsCa, issuer: Option<&Made>, poison: bool, key: KeyPair, serial: u64) -> Made {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = is_ca;
        parameters.serial_number = Some(serial.into());
        if poison {
            let mut extension =
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3], vec![0x05, 0x00]);
            extension.set_criticality(true);
            parameters.custom_extensions.push(extension);
        }
        let signed = match issuer {
            None => parameters.self_signed(&key).unwrap(),
            Some(issuer) => {
                let by = Issuer::from_params(&issuer.parameters, &issuer.key);
                parameters.signed_by(&key, &by).unwrap()
            }
        };
        Made { certificate: Certificate::parse(signed.der()).unwrap(), parameters, key }
    }

    #[test]
    fn the_certificate_that_is_meant_is_found_by_content() {
        let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        let root = made("root", ca(), None, false);
        let other_root = made("other root", ca(), None, false);
        let middle = made("middle", ca(), Some(&root), false);
        // Of the same name and key, certified by another: a cross-signed chain.
        let key = KeyPair::from_pem(&middle.key.serialize_pem()).unwrap();
        let crossed = made_with("middle", ca(), Some(&other_root), false, key, 7);
        let leaf = made("leaf", IsCa::NoCa, Some(&middle), false);
        let explicit = made("explicit", IsCa::ExplicitNoCa, Some(&middle), false);
        let poisoned = made("leaf", IsCa::NoCa, Some(&middle), true);
        let own = made("own", IsCa::NoCa, None, false);
        // As a CA of version 1: it does not say that it is one.
        let silent = made("silent", IsCa::NoCa, None, false);
        let below_silent = made("below", IsCa::NoCa, Some(&silent), false);
        let openssl = made("shop.example.com", ca(), None, false);
        let below_openssl = made("below", IsCa::NoCa, Some(&openssl), false);
        for (what, all, expected) in [
            ("in order", vec![&leaf, &middle, &root], Ok(Meant::EndEntity(0))),
            ("reversed", vec![&root, &middle, &leaf], Ok(Meant::EndEntity(2))),
            ("issuer first", vec![&middle, &leaf, &root], Ok(Meant::EndEntity(1))),
            ("twice the same", vec![&leaf, &leaf, &middle], Ok(Meant::EndEntity(0))),
            ("the chain of another", vec![&other_root, &leaf], Ok(Meant::EndEntity(1))),
            ("cross-signed", vec![&crossed, &middle, &other_root, &root, &leaf], Ok(Meant::EndEntity(4))),
            ("self-signed", vec![&own], Ok(Meant::EndEntity(0))),
            ("as `openssl req -x509` makes a server's", vec![&openssl], Ok(Meant::EndEntity(0))),
            ("the same, where it has issued another", vec![&openssl, &below_openssl], Ok(Meant::EndEntity(1))),
            ("with CA false", vec![&middle, &explicit], Ok(Meant::EndEntity(1))),
            ("a CA that does not say so", vec![&silent, &below_silent], Ok(Meant::EndEntity(1))),
            ("the same alone", vec![&silent], Ok(Meant::EndEntity(0))),
            ("a precertificate with its certificate", vec![&poisoned, &leaf, &middle], Ok(Meant::EndEntity(1))),
            ("a precertificate alone", vec![&middle, &poisoned], Ok(Meant::EndEntity(1))),
            ("a CA alone", vec![&middle], Ok(Meant::Ca(0))),
            ("a chain of CAs", vec![&root, &middle], Ok(Meant::Ca(1))),
            ("several", vec![&leaf, &own, &middle], Err(Undecided::EndEntities(vec![0, 1]))),
            ("several of one CA", vec![&middle, &leaf, &explicit], Err(Undecided::EndEntities(vec![1, 2]))),
            ("CAs that have nothing in common", vec![&root, &other_root], Err(Undecided::Cas(vec![0, 1]))),
            ("one CA in two certificates", vec![&middle, &crossed], Err(Undecided::Cas(vec![0, 1]))),
        ] {
            let all: Vec<Certificate> = all.into_iter().map(|made| made.certificate.clone()).collect();
            assert_eq!(meant(&all), expected, "{what}");
        }
    }
}
