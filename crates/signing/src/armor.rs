//! OpenPGP packets as text: blocks with `-----BEGIN PGP …-----`, and the one-line form that MIG puts into headers and
//! JSON, which is a block's body joined to one line: base64, `=`, and the checksum.
//!
//! The value of the checksum is not judged: RFC 9580 §6.1 forbids to refuse for it, and a signature proves more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{self, Write as _};

/// Is the longest one-line signature that is read, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Is the longest block that is read, in bytes.
pub const MAX_BLOCK: usize = 64 * 1024;

/// Says why a text is not armor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// It is longer than anything this house reads.
    #[error("the text is longer than {limit} bytes")]
    TooLong {
        /// The most that is read.
        limit: usize,
    },
    /// The line does not end in `=` and four characters.
    #[error(
        "the line does not end in a checksum: it must be the body of an armored signature joined to one line, \
         base64 and then =XXXX"
    )]
    NoChecksum,
    /// The payload is not base64.
    #[error("the text is not base64 at character {at}")]
    Base64 {
        /// The offset in the payload, from 0.
        at: usize,
    },
    /// There is no block.
    #[error("there is no line that begins with -----BEGIN PGP")]
    NoBlock,
    /// The block is of a kind that is not read here.
    #[error("a block of kind {0:?} is not read here")]
    UnknownBlock(String),
    /// The block has no end.
    #[error("the line -----END PGP …----- is missing")]
    Unfinished,
    /// A second block follows.
    #[error("there is more than one block")]
    SeveralBlocks,
}

/// Names what a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// A public key.
    PublicKey,
    /// A private key.
    PrivateKey,
    /// A detached signature.
    Signature,
}

impl Block {
    /// Gives the words in the block's first and last line.
    pub fn label(self) -> &'static str {
        match self {
            Self::PublicKey => "PGP PUBLIC KEY BLOCK",
            Self::PrivateKey => "PGP PRIVATE KEY BLOCK",
            Self::Signature => "PGP SIGNATURE",
        }
    }

    fn parse(label: &str) -> Option<Self> {
        [Self::PublicKey, Self::PrivateKey, Self::Signature]
            .into_iter()
            .find(|block| block.label() == label)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Writes `packets` in the one-line form.
pub fn to_line(packets: &[u8]) -> String {
    format!("{}={}", STANDARD.encode(packets), checksum(packets))
}

/// Reads the one-line form; the checksum follows the last `=`, so padding before it stays with the payload.
pub fn from_line(line: &str) -> Result<Vec<u8>, ArmorError> {
    if line.len() > MAX_LINE {
        return Err(ArmorError::TooLong { limit: MAX_LINE });
    }
    let (payload, sum) = line.trim().rsplit_once('=').ok_or(ArmorError::NoChecksum)?;
    if sum.len() != 4 {
        return Err(ArmorError::NoChecksum);
    }
    decode(payload)
}

/// Writes `packets` as a block of lines of 64 characters, with its checksum and without headers.
pub fn to_block(block: Block, packets: &[u8]) -> String {
    let mut out = format!("-----BEGIN {block}-----\n\n");
    for (n, c) in STANDARD.encode(packets).chars().enumerate() {
        if n > 0 && n % 64 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    let _ = write!(out, "\n={}\n-----END {block}-----\n", checksum(packets));
    out
}

/// Reads the one block in `text`: with or without headers, blank lines, checksum, and whatever the line ends are.
/// Text before and after it is passed over, unless it is another block.
pub fn from_block(text: &str) -> Result<(Block, Vec<u8>), ArmorError> {
    if text.len() > MAX_BLOCK {
        return Err(ArmorError::TooLong { limit: MAX_BLOCK });
    }
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| fence(line, "BEGIN")).ok_or(ArmorError::NoBlock)?;
    let block = Block::parse(label).ok_or_else(|| ArmorError::UnknownBlock(label.into()))?;
    let mut body = String::new();
    loop {
        let line = lines.next().ok_or(ArmorError::Unfinished)?;
        if fence(line, "END") == Some(label) {
            break;
        }
        let checksum = line.len() == 5 && line.starts_with('=');
        if !checksum && !line.contains(':') {
            body.push_str(line);
        }
    }
    if lines.any(|line| fence(line, "BEGIN").is_some()) {
        return Err(ArmorError::SeveralBlocks);
    }
    Ok((block, decode(&body)?))
}

/// Gives what stands between `-----BEGIN ` (or `END `) and `-----`, if it is OpenPGP's.
fn fence<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?
        .strip_prefix(word)?
        .strip_prefix(' ')?
        .strip_suffix("-----")
        .filter(|label| label.starts_with("PGP "))
}

fn decode(payload: &str) -> Result<Vec<u8>, ArmorError> {
    STANDARD.decode(payload).map_err(|error| ArmorError::Base64 {
        at: match error {
            base64::DecodeError::InvalidByte(at, _)
            | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                payload.len()
            }
        },
    })
}

/// Gives the CRC-24 of RFC 9580 §6.1.1 in base64.
fn checksum(packets: &[u8]) -> String {
    let mut crc: u32 = 0x00B7_04CE;
    for byte in packets {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4CFB;
            }
        }
    }
    let [_, high, middle, low] = crc.to_be_bytes();
    STANDARD.encode([high, middle, low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(to_line(b""), "=twTO");
        assert_eq!(
            to_line(b"123456789"),
            format!("MTIzNDU2Nzg5={}", STANDARD.encode([0x21, 0xCF, 0x02]))
        );
    }

    #[test]
    fn a_line_is_split_at_the_last_equals_sign() {
        assert_eq!(from_line("AA===ydYB").unwrap(), [0]);
        assert_eq!(from_line(" AAAA=ydYB\n").unwrap(), [0, 0, 0]);
        assert_eq!(from_line("garbage"), Err(ArmorError::NoChecksum));
        assert_eq!(from_line(""), Err(ArmorError::NoChecksum));
        assert_eq!(from_line("AA=="), Err(ArmorError::NoChecksum));
        assert_eq!(from_line("!!!!=abcd"), Err(ArmorError::Base64 { at: 0 }));
        assert_eq!(from_line("AAAA\nAAAA=abcd"), Err(ArmorError::Base64 { at: 4 }));
        assert_eq!(from_line("AAA=abcd"), Err(ArmorError::Base64 { at: 3 }));
        assert_eq!(
            from_line(&"A".repeat(MAX_LINE + 1)),
            Err(ArmorError::TooLong { limit: MAX_LINE })
        );
    }

    #[test]
    fn blocks_are_read_with_headers_and_without() {
        let plain = to_block(Block::Signature, &[7; 100]);
        let want = (Block::Signature, vec![7; 100]);
        assert_eq!(from_block(&plain).unwrap(), want);
        let headers = plain.replacen("\n\n", "\nVersion: GnuPG v1\nComment: é: x\n\n", 1);
        assert_eq!(from_block(&headers).unwrap(), want);
        assert_eq!(from_block(&headers.replace('\n', "\r\n")).unwrap(), want);
        assert_eq!(from_block(&plain.replacen("\n\n", "\n", 1)).unwrap(), want);
        assert_eq!(from_block(&format!("Dear all,\n\n{plain}\n-- \nB.")).unwrap(), want);
        let bare: Vec<_> = plain.lines().filter(|line| !line.starts_with('=')).collect();
        assert_eq!(from_block(&bare.join("\n")).unwrap(), want);
    }

    #[test]
    fn what_is_not_one_block_is_refused() {
        let block = to_block(Block::PublicKey, b"x");
        assert_eq!(from_block("hello"), Err(ArmorError::NoBlock));
        assert_eq!(from_block(&block.replace("-----END", "----END")), Err(ArmorError::Unfinished));
        assert_eq!(from_block(&format!("{block}{block}")), Err(ArmorError::SeveralBlocks));
        let message = block.replace("PUBLIC KEY BLOCK", "MESSAGE");
        assert_eq!(from_block(&message), Err(ArmorError::UnknownBlock("PGP MESSAGE".into())));
        let long = " ".repeat(MAX_BLOCK) + &block;
        assert_eq!(from_block(&long), Err(ArmorError::TooLong { limit: MAX_BLOCK }));
    }

    proptest! {
        #[test]
        fn a_line_reads_back(packets: Vec<u8>) {
            prop_assert_eq!(from_line(&to_line(&packets)).unwrap(), packets);
        }

        #[test]
        fn a_block_reads_back(packets: Vec<u8>) {
            let read = from_block(&to_block(Block::PrivateKey, &packets)).unwrap();
            prop_assert_eq!(read, (Block::PrivateKey, packets));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in any::<String>(), tail in "[A-Za-z0-9+/=\\-]{0,40}") {
            let _ = from_line(&format!("{text}{tail}"));
            let _ = from_block(&text);
            let _ = from_block(&format!("-----BEGIN PGP SIGNATURE-----\n{text}\n{tail}\n-----END PGP SIGNATURE-----"));
        }
    }
}
