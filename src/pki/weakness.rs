//! What makes a certificate's key or signature weak: RSA below 2048 bits, keys of the ROCA generator, keys of Debian's broken OpenSSL, and
//! SHA-1 or older digests. Decides by the certificate alone, and by a list of Debian's keys where one is given. Reads no files.

use super::certificate::Certificate;
use super::x509::{Signed, bit_length, modulus};
use aws_lc_rs::digest;
use der::Decode;
use der::oid::db::rfc5912::{
    DSA_WITH_SHA_1, ID_RSASSA_PSS, MD_2_WITH_RSA_ENCRYPTION, MD_5_WITH_RSA_ENCRYPTION, RSA_ENCRYPTION,
    SHA_1_WITH_RSA_ENCRYPTION,
};
use std::collections::HashSet;
use std::fmt;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Why a certificate is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// An RSA key of so many bits, below 2048.
    ShortRsa(usize),
    /// The modulus has the form that Infineon's generator gave (CVE-2017-15361).
    Roca,
    /// The key is one of those that Debian's OpenSSL of 2006 to 2008 could make (CVE-2008-0166).
    Debian,
    /// The signature is over a digest for which collisions are made: MD2, MD5, SHA-1.
    Digest(&'static str),
}

/// Debian's weak RSA keys: the last ten octets of the SHA-1 of `Modulus=…`, as the lists of `openssl-blacklist` hold them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DebianKeys(HashSet<[u8; 10]>);

impl DebianKeys {
    /// Adds a list: twenty hexadecimal digits a line, `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn read(&mut self, text: &str) -> Result<(), u32> {
        for (line, number) in text.lines().zip(1_u32..) {
            let digits = line.split('#').next().unwrap_or_default().trim();
            if digits.is_empty() {
                continue;
            }
            // Lists of whole digests are as good: the end counts.
            let end = digits.len().checked_sub(20).and_then(|begin| digits.get(begin..)).unwrap_or_default();
            let mut octets = [0; 10];
            hex::decode_to_slice(end, &mut octets).map_err(|_| number)?;
            self.0.insert(octets);
        }
        Ok(())
    }

    fn has(&self, modulus: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let shown = format!("Modulus={}\n", hex::encode_upper(modulus));
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, shown.as_bytes());
        digest.as_ref().last_chunk().is_some_and(|end| self.0.contains(end))
    }
}

/// All that is weak about a certificate.
pub fn weaknesses(certificate: &Certificate, debian: &DebianKeys) -> Vec<Weakness> {
    let mut found = Vec::new();
    if let Some(modulus) = rsa_modulus(&certificate.spki) {
        let bits = bit_length(modulus);
        if bits < MIN_RSA_BITS {
            found.push(Weakness::ShortRsa(bits));
        }
        if is_roca(modulus) {
            found.push(Weakness::Roca);
        }
        if debian.has(modulus) {
            found.push(Weakness::Debian);
        }
    }
    if let Ok(signed) = Signed::from_der(&certificate.der)
        && let Some((_, name)) = OLD_DIGESTS.iter().find(|(oid, _)| *oid == signed.algorithm.oid)
    {
        found.push(Weakness::Digest(name));
    }
    found
}

impl fmt::Display for Weakness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortRsa(bits) => write!(formatter, "RSA {bits}"),
            Self::Roca => formatter.write_str("ROCA"),
            Self::Debian => formatter.write_str("Debian weak key"),
            Self::Digest(name) => formatter.write_str(name),
        }
    }
}

/// The modulus of an RSA key, whatever its signatures are like (RFC 4055, section 1.2).
fn rsa_modulus(spki: &[u8]) -> Option<&[u8]> {
    let key = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    [RSA_ENCRYPTION, ID_RSASSA_PSS].contains(&key.algorithm.oid).then(|| modulus(&key))?
}

/// Whether a modulus is in the group that 65537 generates, modulo each of the first primes: ROCA's primes are `k * M + (65537^a mod M)`
/// (Nemec and others, CCS 2017, section 3). By chance one modulus in some 2^27 is.
fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let residue = modulus.iter().fold(0, |rest, octet| (rest * 256 + u32::from(*octet)) % prime);
        let (generator, mut power) = (65537 % prime, 1);
        loop {
            if power == residue {
                return true;
            }
            power = power * generator % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

/// CA/Browser Forum, Baseline Requirements, section 6.1.5.
const MIN_RSA_BITS: usize = 2048;
/// The primes whose product is the smallest M of the generator (512-bit keys); all larger ones are multiples of it.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
/// `ecdsa-with-SHA1` (RFC 3279, section 2.2.3).
const ECDSA_WITH_SHA_1: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
const OLD_DIGESTS: [(der::asn1::ObjectIdentifier, &str); 5] = [
    (SHA_1_WITH_RSA_ENCRYPTION, "SHA-1"),
    (ECDSA_WITH_SHA_1, "SHA-1"),
    (DSA_WITH_SHA_1, "SHA-1"),
    (MD_5_WITH_RSA_ENCRYPTION, "MD5"),
    (MD_2_WITH_RSA_ENCRYPTION, "MD2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_roca_is_told() {
        // The product of two primes of that form would be 1 modulo all small primes where both exponents are 0; so is any number that is.
        let mut product = vec![1_u8];
        for prime in ROCA_PRIMES {
            let mut carry = 0_u32;
            for octet in product.iter_mut().rev() {
                carry += u32::from(*octet) * prime;
                *octet = u8::try_from(carry % 256).unwrap();
                carry /= 256;
            }
            while carry > 0 {
                product.insert(0, u8::try_from(carry % 256).unwrap());
                carry /= 256;
            }
        }
        assert!(product.len() > 20);
        let last = product.len() - 1;
        product[last] += 1;
        assert!(is_roca(&product));
        product[last] += 1;
        // 2 is no power of 65537 modulo 7, where that is 3 and gives all; but modulo 11, where it is 10, it is none.
        assert!(!is_roca(&product));
    }

    #[test]
    fn short_keys_old_digests_and_debians_keys_are_told() {
        let read = |pem: &str| Certificate::parse(pem.as_bytes()).unwrap();
        let short = read(include_str!("testdata/keys/rsa1024-certificate.pem"));
        let strong = read(include_str!("testdata/keys/rsa-certificate.pem"));
        let mut debian = DebianKeys::default();
        assert_eq!(debian.read("# a list\n\nzz"), Err(3));
        debian.read("# RSA\n00112233445566778899\n").unwrap();
        let shown = |certificate: &Certificate, debian: &DebianKeys| {
            weaknesses(certificate, debian).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(&short, &debian), "RSA 1024, SHA-1");
        assert_eq!(shown(&strong, &debian), "");
        assert_eq!(shown(&read(include_str!("testdata/keys/p256-certificate.pem")), &debian), "");
        let modulus = rsa_modulus(&strong.spki).unwrap();
        let digest = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            format!("Modulus={}\n", hex::encode_upper(modulus)).as_bytes(),
        );
        debian.read(&hex::encode(&digest.as_ref()[10..])).unwrap();
        assert_eq!(shown(&strong, &debian), "Debian weak key");
    }
}
