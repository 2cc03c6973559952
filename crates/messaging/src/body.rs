//! Bodies: gzip above a size, limits on both sides.

use diesel::QueryResult;
use diesel::result::Error;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use std::io::Read;

/// Is the most that a body may take once it is unpacked.
pub const MAX_PLAIN: usize = 64 * 1024 * 1024;
/// Bodies above this size are packed.
const PACK_ABOVE: usize = 8 * 1024;

/// Is a body as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) gzip: bool,
}

/// Packs a body; refuses one that takes more than `most` bytes on the wire, naming its kind and size.
pub(crate) fn pack(kind: &str, most: usize, plain: Vec<u8>) -> QueryResult<Packed> {
    let size = plain.len();
    if size > MAX_PLAIN {
        return Err(too_large(kind, &format!("{size} bytes, at most {MAX_PLAIN} are taken")));
    }
    let packed = if size <= PACK_ABOVE {
        Packed { bytes: plain, gzip: false }
    } else {
        let mut bytes = Vec::with_capacity(size / 4);
        GzEncoder::new(plain.as_slice(), Compression::fast())
            .read_to_end(&mut bytes)
            .map_err(|e| Error::SerializationError(e.into()))?;
        Packed { bytes, gzip: true }
    };
    match packed.bytes.len() {
        wire if wire > most => {
            Err(too_large(kind, &format!("{wire} bytes on the wire, at most {most} are taken")))
        }
        _ => Ok(packed),
    }
}

fn too_large(kind: &str, what: &str) -> Error {
    Error::SerializationError(format!("a {kind} is too large: {what}").into())
}

/// Unpacks a body; refuses one that grows beyond [`MAX_PLAIN`].
pub(crate) fn unpack(bytes: &[u8], encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding {
        None | Some("" | "identity") => Ok(bytes.to_vec()),
        Some("gzip") => gunzip(bytes, MAX_PLAIN),
        Some(other) => Err(format!("the content encoding {other:?} is not known")),
    }
}

fn gunzip(bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| format!("the body does not unpack: {error}"))?;
    if plain.len() > most {
        return Err(format!("the body is larger than {most} bytes once unpacked"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::{MAX_PLAIN, PACK_ABOVE, Packed, gunzip, pack, unpack};

    const MOST: usize = 1024 * 1024;

    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..size).map(|_| next()).collect()
    }

    #[test]
    fn small_goes_plain_and_large_goes_packed() {
        let small = vec![b'x'; PACK_ABOVE];
        assert_eq!(pack("k", MOST, small.clone()).unwrap(), Packed { bytes: small, gzip: false });
        let large = vec![b'x'; PACK_ABOVE + 1];
        let packed = pack("k", MOST, large.clone()).unwrap();
        assert!(packed.gzip && packed.bytes.len() < 200);
        assert_eq!(unpack(&packed.bytes, Some("gzip")).unwrap(), large);
    }

    #[test]
    fn too_large_is_refused_on_both_sides() {
        let error = pack("k", MOST, noise(MOST + 1)).unwrap_err().to_string();
        assert!(error.contains("a k is too large") && error.contains("on the wire"), "{error}");
        assert!(pack("k", MOST, vec![0; MAX_PLAIN + 1]).is_err());
        let bomb = pack("k", MOST, vec![0; 100_000]).unwrap().bytes;
        assert_eq!(gunzip(&bomb, 100_000).unwrap().len(), 100_000);
        assert!(gunzip(&bomb, 99_999).unwrap_err().contains("larger than 99999"));
    }

    #[test]
    fn what_does_not_unpack_says_so() {
        assert!(unpack(b"no gzip", Some("gzip")).unwrap_err().contains("unpack"));
        assert!(unpack(&[], Some("br")).unwrap_err().contains("not known"));
    }
}
