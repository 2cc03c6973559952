//! Addresses with a prefix length, ordered as PostgreSQL orders `inet`.

use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::net::IpAddr;

/// Is an address and how many of its bits name the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inet {
    address: IpAddr,
    bits: u8,
}

impl Inet {
    /// Reads `address[/bits]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        (bits <= most).then_some(Self { address, bits })
    }

    /// Gives the family and the bits, left-aligned.
    fn parts(self) -> (u8, u128) {
        match self.address {
            IpAddr::V4(address) => (4, u128::from(u32::from(address)).wrapping_shl(96)),
            IpAddr::V6(address) => (6, u128::from(address)),
        }
    }
}

impl PartialOrd for Inet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Inet {
    /// Compares family, then the bits that both networks have, then the prefix lengths, then all bits.
    fn cmp(&self, other: &Self) -> Ordering {
        let ((family, mine), (other_family, theirs)) = (self.parts(), other.parts());
        let common = u32::from(self.bits.min(other.bits));
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub(common)).unwrap_or(0);
        family
            .cmp(&other_family)
            .then((mine & mask).cmp(&(theirs & mask)))
            .then(self.bits.cmp(&other.bits))
            .then(mine.cmp(&theirs))
    }
}

impl Display for Inet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_postgresql() {
        let addresses = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.1/8",
            "10.0.0.0",
            "10.0.0.1",
            "10.0.0.1/32",
            "192.168.0.1/16",
            "::/0",
            "::1",
            "2001:db8::/32",
            "2001:db8::1",
        ];
        let read: Vec<Inet> = addresses.iter().map(|a| Inet::parse(a).unwrap()).collect();
        assert!(read.is_sorted());
        assert_eq!(Inet::parse("10.0.0.1"), Inet::parse("10.0.0.1/32"));
        assert_ne!(Inet::parse("10.0.0.1/8"), Inet::parse("10.0.0.1"));
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.256",
            "10.0.0.1/33",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "::1/129",
            " ::1",
            "fe80::1%eth0",
        ] {
            assert_eq!(Inet::parse(text), None, "{text}");
        }
    }
}
