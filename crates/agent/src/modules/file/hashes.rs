//! Hashes of file contents.

use sha2::digest::{Digest as _, DynDigest};

/// Names a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl Algorithm {
    /// Gives its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_224 => "SHA3-224",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
        }
    }

    /// Gives the number of bytes of the hash.
    pub(super) fn size(self) -> usize {
        self.start().output_size()
    }

    /// Starts hashing.
    pub(super) fn start(self) -> Box<dyn DynDigest> {
        match self {
            Self::Md5 => Box::new(md5::Md5::new()),
            Self::Sha1 => Box::new(sha1::Sha1::new()),
            Self::Sha256 => Box::new(sha2::Sha256::new()),
            Self::Sha384 => Box::new(sha2::Sha384::new()),
            Self::Sha512 => Box::new(sha2::Sha512::new()),
            Self::Sha3_224 => Box::new(sha3::Sha3_224::new()),
            Self::Sha3_256 => Box::new(sha3::Sha3_256::new()),
            Self::Sha3_384 => Box::new(sha3::Sha3_384::new()),
            Self::Sha3_512 => Box::new(sha3::Sha3_512::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_abc() {
        for (algorithm, start) in [
            (Algorithm::Md5, "900150983cd24fb0"),
            (Algorithm::Sha1, "a9993e364706816a"),
            (Algorithm::Sha256, "ba7816bf8f01cfea"),
            (Algorithm::Sha384, "cb00753f45a35e8b"),
            (Algorithm::Sha512, "ddaf35a193617aba"),
            (Algorithm::Sha3_224, "e642824c3f8cf24a"),
            (Algorithm::Sha3_256, "3a985da74fe225b2"),
            (Algorithm::Sha3_384, "ec01498288516fc9"),
            (Algorithm::Sha3_512, "b751850b1a57168a"),
        ] {
            let mut hash = algorithm.start();
            hash.update(b"abc");
            assert!(hex::encode(hash.finalize()).starts_with(start), "{}", algorithm.name());
        }
    }
}
