//! Reads the headers of a tar archive that anyone may have written: ustar, GNU long names and PAX records, nothing
//! else.

use super::archive::ArchiveError;
use std::io::{self, Read};

/// Is the unit of the format.
pub(super) const BLOCK: usize = 512;
/// Says how many bytes the long names and records before one file may take.
const MOST_RECORDS: u64 = 64 << 10;
/// Says how much may follow the end mark: writers fill up their last record with zeros.
const MOST_PADDING: u64 = 1 << 20;

/// Is the head of one regular file.
pub(super) struct Head {
    pub(super) path: String,
    pub(super) size: u64,
}

/// Reads an archive and knows where it is.
pub(super) struct Tar<R> {
    inner: R,
    /// How many bytes were read.
    pub(super) at: u64,
    /// How many may be read.
    limit: u64,
}

#[derive(Default)]
struct Records {
    path: Option<String>,
    size: Option<u64>,
}

impl<R: Read> Tar<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, at: 0, limit }
    }

    /// Finds the next regular file; what is neither that nor a directory is refused.
    pub(super) fn next(&mut self) -> Result<Option<Head>, ArchiveError> {
        let mut records = Records::default();
        let mut bytes = 0_u64;
        loop {
            let Some(block) = self.block()? else { return Ok(None) };
            if block.iter().all(|byte| *byte == 0) {
                self.end()?;
                return Ok(None);
            }
            let header = Header(&block);
            header.check().ok_or_else(|| self.broken("there is no header"))?;
            let size = header.size().ok_or_else(|| self.broken("a size does not parse"))?;
            let kind = header.kind();
            match kind {
                b'x' | b'g' | b'L' => {
                    bytes = bytes.saturating_add(size);
                    if bytes > MOST_RECORDS {
                        return Err(self.broken("a name or a record is too long"));
                    }
                    let text = self.text(size)?;
                    match kind {
                        b'L' => records.path = Some(text.trim_end_matches('\0').to_owned()),
                        _ => self.pax(&text, kind == b'g', &mut records)?,
                    }
                }
                b'0' | 0 => {
                    let path = match records.path.take() {
                        Some(path) => path,
                        None => header.path().ok_or_else(|| self.broken("a name is not UTF-8"))?,
                    };
                    let size = records.size.take().unwrap_or(size);
                    if kind == 0 && path.ends_with('/') {
                        continue;
                    }
                    return Ok(Some(Head { path, size }));
                }
                // a directory has no content, whatever its size says
                b'5' => records = Records::default(),
                other => {
                    let path = records.path.or_else(|| header.path()).unwrap_or_default();
                    return Err(ArchiveError::Kind { path, kind: name_of(other) });
                }
            }
        }
    }

    /// Reads some of a file's content; nothing at its end.
    pub(super) fn content<'a>(
        &mut self,
        left: u64,
        buffer: &'a mut [u8],
    ) -> Result<&'a [u8], ArchiveError> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let (part, _) = buffer.split_at_mut(most);
        self.fill(part)?;
        Ok(part)
    }

    /// Passes over what fills up the last block of `size` bytes.
    pub(super) fn pad(&mut self, size: u64) -> Result<(), ArchiveError> {
        let block = u64::try_from(BLOCK).unwrap_or(512);
        self.skip((block - size % block) % block)
    }

    fn text(&mut self, size: u64) -> Result<String, ArchiveError> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.fill(&mut bytes)?;
        self.pad(size)?;
        String::from_utf8(bytes).map_err(|_bytes| self.broken("a name or a record is not UTF-8"))
    }

    /// Reads PAX records: `length key=value\n`.
    fn pax(&self, text: &str, global: bool, records: &mut Records) -> Result<(), ArchiveError> {
        let mut rest = text;
        while !rest.is_empty() {
            let record = rest.split_once(' ').and_then(|(length, _)| {
                let length: usize = length.parse().ok()?;
                let (record, after) = rest.split_at_checked(length)?;
                let (key, value) = record.split_once(' ')?.1.strip_suffix('\n')?.split_once('=')?;
                Some((key, value, after))
            });
            let (key, value, after) = record.ok_or_else(|| self.broken("a record is broken"))?;
            match key {
                "path" | "size" if global => {
                    return Err(self.broken("a record for all files names one"));
                }
                "path" => records.path = Some(value.to_owned()),
                "size" => {
                    let size =
                        value.parse().map_err(|_size| self.broken("a size does not parse"))?;
                    records.size = Some(size);
                }
                key if key.starts_with("GNU.sparse") => {
                    return Err(self.broken("a file is stored with holes"));
                }
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    /// Reads to the end of what was packed; after the end mark there may be zeros only.
    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut left = MOST_PADDING;
        let mut buffer = [0; 4096];
        loop {
            let count = self.some(&mut buffer)?;
            let part = buffer.get(..count).unwrap_or_default();
            if part.is_empty() {
                return Ok(());
            }
            let Some(rest) = left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)) else {
                return Err(self.broken("too much follows its end"));
            };
            left = rest;
            if part.iter().any(|byte| *byte != 0) {
                return Err(self.broken("something follows its end"));
            }
        }
    }

    /// Reads a block; nothing where the archive ends without a mark.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        let first = self.some(&mut block)?;
        if first == 0 {
            return Ok(None);
        }
        let (_, rest) = block.split_at_mut(first);
        self.fill(rest)?;
        Ok(Some(block))
    }

    fn skip(&mut self, mut count: u64) -> Result<(), ArchiveError> {
        let mut buffer = [0; 4096];
        while count > 0 {
            let part = self.content(count, &mut buffer)?;
            count -= u64::try_from(part.len()).unwrap_or(count);
        }
        Ok(())
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), ArchiveError> {
        while !buffer.is_empty() {
            let count = self.some(buffer)?;
            if count == 0 {
                return Err(self.broken("it ends in the middle"));
            }
            (_, buffer) = buffer.split_at_mut(count);
        }
        Ok(())
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Gzip(error.to_string())),
                Ok(count) => {
                    self.at += u64::try_from(count).unwrap_or_default();
                    if self.at > self.limit {
                        return Err(ArchiveError::TooLarge { most: self.limit });
                    }
                    return Ok(count);
                }
            }
        }
    }

    fn broken(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Tar { at: self.at, what }
    }
}

struct Header<'a>(&'a [u8; BLOCK]);

impl Header<'_> {
    fn field(&self, from: usize, length: usize) -> &[u8] {
        self.0.get(from..from + length).unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    /// Compares the checksum: the sum of all bytes, those of the checksum counted as spaces.
    fn check(&self) -> Option<()> {
        let told = octal(self.field(148, 8))?;
        let sum = |part: &[u8]| part.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let own = sum(self.0) - sum(self.field(148, 8)) + 8 * u64::from(b' ');
        (told == own).then_some(())
    }

    fn size(&self) -> Option<u64> {
        let field = self.field(124, 12);
        match field.split_first()? {
            // large sizes as a number of 95 bits
            (first, rest) if first & 0x80 != 0 => {
                let (high, low) = rest.split_at_checked(3)?;
                let zero = *first == 0x80 && high.iter().all(|byte| *byte == 0);
                zero.then(|| low.try_into().ok().map(u64::from_be_bytes)).flatten()
            }
            _ => octal(field),
        }
    }

    fn path(&self) -> Option<String> {
        let name = text(self.field(0, 100))?;
        let prefix =
            if self.field(257, 6) == b"ustar\0" { text(self.field(345, 155))? } else { "" };
        Some(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") })
    }
}

fn text(field: &[u8]) -> Option<&str> {
    let text = field.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok()
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c| matches!(c, ' ' | '\0'));
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn name_of(kind: u8) -> &'static str {
    match kind {
        b'1' => "a hard link",
        b'2' | b'K' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'6' => "a pipe",
        b'S' => "a file with holes",
        _ => "of an unknown kind",
    }
}
