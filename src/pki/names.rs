//! Names in certificates and requests: the alternative names (RFC 5280, section 4.2.1.6) by their kinds, the letters of a distinguished
//! name's values, and when two DNS names are the same. Compares none with a plan.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use std::net::IpAddr;

/// Alternative names, each as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneralNames {
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ip: Vec<IpAddr>,
    /// The others, as kind and value: `e-mail a@b.example`.
    pub others: Vec<String>,
}

impl GeneralNames {
    /// Reads the extension's value; `None` where it cannot be read.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut reader = SliceReader::new(value).ok()?;
        let names: AnyRef<'_> = reader.decode().ok().filter(|names: &AnyRef<'_>| names.tag() == Tag::Sequence)?;
        let mut reader = SliceReader::new(names.value()).ok()?;
        while !reader.is_finished() {
            let name = AnyRef::decode(&mut reader).ok()?;
            found.add(name.tag(), name.value())?;
        }
        Some(found)
    }

    fn add(&mut self, tag: Tag, value: &[u8]) -> Option<()> {
        let Tag::ContextSpecific { number, .. } = tag else { return None };
        let text = || String::from_utf8_lossy(value).into_owned();
        match number {
            // Not checked to be ASCII: a name that a tool wrote with its own letters must be told of, not lost.
            TagNumber::N2 => self.dns.push(std::str::from_utf8(value).ok()?.to_owned()),
            TagNumber::N7 => self.ip.push(ip_address(value)?),
            TagNumber::N1 => self.others.push(format!("e-mail {}", text())),
            TagNumber::N6 => self.others.push(format!("URI {}", text())),
            TagNumber::N0 => self.others.push("a name of its own kind (otherName)".to_owned()),
            TagNumber::N4 => self.others.push("a directory name".to_owned()),
            _ => self.others.push("a name of a rare kind".to_owned()),
        }
        Some(())
    }
}

/// Whether a common name can be a host's.
pub fn is_host(name: &str) -> bool {
    name.contains('.') && !name.contains([' ', '@', '/'])
}

/// A host's name as it is compared: a DNS name in lower case and A-labels (RFC 5890, section 2.3.2.1), an IP address in its one form
/// (RFC 5952).
pub fn comparable(name: &str) -> String {
    // In URLs such addresses stand in brackets.
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        // What IDNA refuses is a name of its own, and the same only to itself.
        Err(_) => idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_lowercase()),
    }
}

/// The text of a value in a distinguished name (RFC 5280, section 4.1.2.4); `None` where it is none.
pub(super) fn letters(tag: Tag, value: &[u8]) -> Option<String> {
    match tag {
        // The letters are not looked at: `*` is none of a PrintableString's, and tools write it there.
        Tag::NumericString | Tag::PrintableString | Tag::Utf8String | Tag::Ia5String | Tag::VisibleString => {
            std::str::from_utf8(value).ok().map(str::to_owned)
        }
        // In the field it is Latin-1.
        Tag::TeletexString => Some(value.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_field_means_them() {
        for (one, other, same) in [
            ("Shop.Example", "shop.example", true),
            ("b\u{fc}cher.example", "xn--bcher-kva.example", true),
            ("B\u{dc}CHER.example", "XN--BCHER-KVA.example", true),
            ("bu\u{308}cher.example", "b\u{fc}cher.example", true),
            ("*.shop.example", "*.SHOP.example", true),
            ("_acme.shop.example", "_ACME.shop.example", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("2001:DB8:0:0::1", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("xn--zz--invalid-.example", "XN--zz--invalid-.example", true),
            ("shop.example", "shop.example.", false),
            ("shop.example", "shop-example", false),
            ("192.0.2.1", "192.0.2.10", false),
        ] {
            assert_eq!(comparable(one) == comparable(other), same, "{one} {other}: {}", comparable(one));
        }
    }

    #[test]
    fn alternative_names_are_told_apart_by_kind() {
        // [2] a.example, [7] 192.0.2.1, [1] a@b, [6] u:x, [4] {}
        let value = b"\x30\x1b\x82\x09a.example\x87\x04\xc0\x00\x02\x01\x81\x03a@b\x86\x03u:x";
        let mut value = value.to_vec();
        value[1] = u8::try_from(value.len() - 2).unwrap();
        let names = GeneralNames::parse(&value).unwrap();
        assert_eq!(names.dns, ["a.example"]);
        assert_eq!(names.ip, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(names.others, ["e-mail a@b", "URI u:x"]);
        for end in 0..value.len() {
            assert_eq!(GeneralNames::parse(&value[..end]), None, "{end}");
        }
        assert_eq!(GeneralNames::parse(b"\x30\x05\x87\x03\x01\x02\x03"), None);
    }
}
