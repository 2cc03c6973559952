//! What counts as one asker.

use std::net::IpAddr;

/// Gives the IPv4 address, or the 64 bits of an IPv6 one that a network hands out at once.
pub(crate) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_whole_ipv6_network_is_one_asker() {
        let origin = |text: &str| super::origin(text.parse().unwrap()).to_string();
        assert_eq!(origin("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(origin("192.0.2.1"), "192.0.2.1");
        assert_eq!(origin("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
