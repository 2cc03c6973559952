//! Makes the archive of a manifest: the same files give the same bytes.

use super::tar::BLOCK;
use flate2::{Compression, GzBuilder, write::GzEncoder};
use std::io::{self, Read, Write};

/// Says why an archive was not made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The name does not fit into a header.
    #[error("the name {0:?} is empty, longer than 100 bytes, or holds a slash")]
    Name(String),
    /// A file had another size than was said.
    #[error("the file {name:?} changed while it was read")]
    Changed {
        /// Its name.
        name: String,
    },
    /// A file could not be read, or the archive not written.
    #[error("the file {name:?} could not be packed")]
    File {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// Packs files into a gzip'd tar archive.
pub struct Builder {
    gzip: GzEncoder<Vec<u8>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { gzip: GzBuilder::new().write(Vec::new(), Compression::default()) }
    }
}

impl Builder {
    /// Adds a file of `size` bytes.
    pub fn add(&mut self, name: &str, size: u64, content: impl Read) -> Result<(), BuildError> {
        if name.is_empty() || name.len() > 100 || name.contains('/') {
            return Err(BuildError::Name(name.into()));
        }
        let failed = |source| BuildError::File { name: name.into(), source };
        self.gzip.write_all(&header(name, size)).map_err(failed)?;
        let copied = io::copy(&mut content.take(size + 1), &mut self.gzip).map_err(failed)?;
        if copied != size {
            return Err(BuildError::Changed { name: name.into() });
        }
        let block = u64::try_from(BLOCK).unwrap_or(512);
        let fill = usize::try_from((block - size % block) % block).unwrap_or_default();
        self.gzip.write_all(&vec![0; fill]).map_err(failed)
    }

    /// Gives the archive.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.gzip.write_all(&[0; 2 * BLOCK])?;
        self.gzip.finish()
    }
}

/// Writes a ustar header: owner root, mode 0644, no time.
fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    header
}
