//! Bodies that come in a coding (RFC 9110, section 8.4), which nobody asked for: gateways compress all the same. What a coding hides is
//! bounded like any other body.

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io::Read;

/// The codings of a body, in the order in which they were put on it.
pub(super) fn codings(fields: &HeaderMap) -> String {
    let values = fields.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

/// Takes the codings of a body away, those of its `Content-Encoding` field, the last one first.
///
/// # Errors
/// Why it cannot be read, as a sentence about the body.
pub(super) fn decode(codings: &str, mut body: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
    // An empty body, such as that of a 204, is in no coding, whatever a gateway says of it.
    if body.is_empty() {
        return Ok(body);
    }
    for coding in codings.rsplit(',').map(str::trim).filter(|coding| !coding.is_empty()) {
        let read = match coding.to_ascii_lowercase().as_str() {
            "identity" => Some(body),
            "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&*body), most),
            // Named after RFC 1950, and sent by some as RFC 1951 alone.
            "deflate" => inflate(ZlibDecoder::new(&*body), most).or_else(|| inflate(DeflateDecoder::new(&*body), most)),
            _ => return Err(format!("it is in the content coding `{coding}`, which is not read here")),
        };
        body = read.ok_or_else(|| format!("it is not what its content coding `{coding}` says"))?;
        if body.len() > most {
            return Err(format!(
                "it is longer than {} MiB once its content coding `{coding}` is taken away",
                most >> 20
            ));
        }
    }
    Ok(body)
}

/// The whole, or one byte more than is read at most.
fn inflate(coded: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    coded.take(most as u64 + 1).read_to_end(&mut plain).ok().map(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    const MOST: usize = 1 << 20;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut coder = GzEncoder::new(Vec::new(), Compression::default());
        coder.write_all(plain).unwrap();
        coder.finish().unwrap()
    }

    #[test]
    fn codings_are_taken_away_or_named() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"plain").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"plain").unwrap();
        let cut = gzip(b"plain")[..12].to_vec();
        for (codings, body, expected) in [
            ("gzip", gzip(b"plain"), Ok("plain")),
            ("X-GZIP", gzip(b"plain"), Ok("plain")),
            ("gzip", [gzip(b"pl"), gzip(b"ain")].concat(), Ok("plain")),
            ("gzip, gzip", gzip(&gzip(b"plain")), Ok("plain")),
            ("identity, gzip", gzip(b"plain"), Ok("plain")),
            ("deflate", zlib.finish().unwrap(), Ok("plain")),
            ("deflate", raw.finish().unwrap(), Ok("plain")),
            ("identity", b"plain".to_vec(), Ok("plain")),
            ("", b"plain".to_vec(), Ok("plain")),
            ("gzip", Vec::new(), Ok("")),
            ("br", Vec::new(), Ok("")),
            ("br", b"?".to_vec(), Err("it is in the content coding `br`, which")),
            ("zstd, gzip", gzip(b"?"), Err("it is in the content coding `zstd`, which")),
            ("gzip", b"plain".to_vec(), Err("it is not what its content coding `gzip` says")),
            ("gzip", cut, Err("it is not what its content coding `gzip` says")),
            ("deflate", b"plain".to_vec(), Err("it is not what its content coding `deflate` says")),
            ("gzip", gzip(&vec![b'x'; MOST]), Ok("")),
            ("gzip", gzip(&vec![b'x'; 40 * MOST]), Err("it is longer than 1 MiB")),
            ("gzip, gzip", gzip(&gzip(&vec![0; 200 * MOST])), Err("it is longer than 1 MiB")),
        ] {
            match (decode(codings, body, MOST), expected) {
                (Ok(plain), Ok("")) => assert!(plain.is_empty() || plain.len() == MOST, "{codings}"),
                (Ok(plain), expected) => assert_eq!(Ok(std::str::from_utf8(&plain).unwrap()), expected, "{codings}"),
                (Err(why), Err(expected)) => assert!(why.starts_with(expected), "{codings}: {why}"),
                (Err(why), Ok(_)) => panic!("{codings}: {why}"),
            }
        }
    }
}
