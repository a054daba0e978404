//! The certificates of a "certs-only" message (RFC 5652; PKCS#7, `.p7c`), as CAs publish them where certificates say that their issuers
//! are (RFC 5280, section 4.2.2.1). Takes it apart alone: what is in it is believed for its own signature, so none of the message's is read.

use x509_parser::asn1_rs::{Any, Class, FromBer, Tag, ToDer, oid};

/// The certificates in a message, each in DER; `None` where it is none. In BER it may have lengths that are left open.
pub(super) fn certificates(message: &[u8]) -> Option<Vec<&[u8]>> {
    let mut content_info = elements(inner(message, SEQUENCE)?);
    let kind = content_info.next()?;
    if oid!(1.2.840.113549.1.7.2).to_der_vec().ok()? != kind {
        return None;
    }
    let signed_data = inner(inner(content_info.next()?, FIRST)?, SEQUENCE)?;
    let set = elements(signed_data).find_map(|element| inner(element, FIRST));
    // What is no plain certificate there (an attribute certificate) has a tag of its own.
    let plain = |element: &&[u8]| inner(element, SEQUENCE).is_some();
    Some(set.map(|set| elements(set).filter(plain).collect()).unwrap_or_default())
}

/// What is in an element of this class and tag.
fn inner(element: &[u8], (class, tag): (Class, Tag)) -> Option<&[u8]> {
    let (_, any) = Any::from_ber(element).ok()?;
    (any.class() == class && any.tag() == tag).then_some(any.data)
}

/// The elements of a content, one after another, up to the first that is broken.
fn elements(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (after, _) = Any::from_ber(rest).ok()?;
        let (element, after) = rest.split_at(rest.len() - after.len());
        rest = after;
        Some(element)
    })
}

const SEQUENCE: (Class, Tag) = (Class::Universal, Tag::Sequence);
const FIRST: (Class, Tag) = (Class::ContextSpecific, Tag(0));

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = include_bytes!("testdata/world/cas.p7c");
    const CA: &[u8] = include_bytes!("testdata/world/ca.der");
    const OTHER: &[u8] = include_bytes!("testdata/world/other.der");

    /// The same message with its outer lengths left open, as streaming writers do.
    fn with_open_lengths() -> Vec<u8> {
        let mut message = vec![0x30, 0x80];
        message.extend(elements(inner(MESSAGE, SEQUENCE).unwrap()).next().unwrap());
        message.extend([0xA0, 0x80, 0x30, 0x80]);
        let signed_data = inner(elements(inner(MESSAGE, SEQUENCE).unwrap()).nth(1).unwrap(), FIRST).unwrap();
        message.extend(inner(signed_data, SEQUENCE).unwrap());
        message.extend([0; 6]);
        message
    }

    #[test]
    fn a_message_gives_its_certificates() {
        assert_eq!(certificates(MESSAGE), Some(vec![CA, OTHER]));
        assert_eq!(certificates(&with_open_lengths()), Some(vec![CA, OTHER]));
    }

    #[test]
    fn what_is_no_message_and_what_is_cut_off_gives_none_and_no_panic() {
        for bytes in [b"".as_slice(), b"\x30\x00", b"\x30\x80", b"<html>", CA] {
            assert_eq!(certificates(bytes), None, "{bytes:?}");
        }
        for end in 0..MESSAGE.len() {
            assert!(certificates(&MESSAGE[..end]).is_none(), "{end}");
        }
        for place in 0..MESSAGE.len() {
            let mut broken = MESSAGE.to_vec();
            broken[place] ^= 0x55;
            certificates(&broken);
        }
    }
}
