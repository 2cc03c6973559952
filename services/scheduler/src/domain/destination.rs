//! Where commands may go: nowhere, unless the operators said so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use web::Network;

/// Is one entry of a list of destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    host: Host,
    /// Nothing for every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Every host whose addresses are public.
    Public,
    Name(String),
    /// Every host below a domain, not the domain itself.
    Below(String),
    Network(Network),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(network) = text.parse::<Network>() {
            return Ok(Self { host: Host::Network(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port = port
                    .parse()
                    .map_err(|error| format!("{text:?} has no port behind the colon: {error}"))?;
                (host, Some(port))
            }
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(network) = bare.parse::<Network>() {
            return Ok(Self { host: Host::Network(network), port });
        }
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => Host::Public,
            Some(domain) if is_host(domain) => Host::Below(format!(".{domain}")),
            None if is_host(&host) => Host::Name(host),
            _ => {
                return Err(format!(
                    "{text:?} is no host, *.domain, host:port, address or network"
                ));
            }
        };
        Ok(Self { host, port })
    }
}

/// Tells whether `text` can be the name of a host.
pub(crate) fn is_host(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

/// Says whether a name may be asked for, before its addresses are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// It is on the list: its public addresses may be used.
    Listed,
    /// It is not: only addresses that are on the list themselves may be used.
    Unlisted,
}

/// Looks for a name.
pub(crate) fn named(list: &[Destination], host: &str, port: u16) -> Named {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let listed =
        list.iter().filter(|entry| entry.port.is_none_or(|own| own == port)).any(|entry| {
            match &entry.host {
                Host::Public => true,
                Host::Name(name) => *name == host,
                Host::Below(domain) => host.ends_with(domain.as_str()),
                Host::Network(_) => false,
            }
        });
    if listed { Named::Listed } else { Named::Unlisted }
}

/// Tells whether a name that is not on the list itself could lead to an address that is.
pub(crate) fn has_networks(list: &[Destination]) -> bool {
    list.iter().any(|entry| matches!(entry.host, Host::Network(_)))
}

/// Tells whether an address may be used: it, or its network, is on the list, or it is public and its name is.
pub(crate) fn allows(list: &[Destination], named: Named, address: IpAddr, port: u16) -> bool {
    let address = address.to_canonical();
    let itself = list
        .iter()
        .filter(|entry| entry.port.is_none_or(|own| own == port))
        .any(|entry| matches!(&entry.host, Host::Network(network) if network.contains(address)));
    itself || (named == Named::Listed && is_public(address))
}

/// Tells whether a host, by name or address, is itself on the list, or its network or domain is; `*` alone is not
/// enough.
pub(crate) fn lists(list: &[Destination], host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    list.iter().filter(|entry| entry.port.is_none_or(|own| own == port)).any(|entry| {
        match (&entry.host, address) {
            (Host::Network(network), Some(address)) => network.contains(address),
            (Host::Name(name), None) => *name == host,
            (Host::Below(domain), None) => host.ends_with(domain.as_str()),
            _ => false,
        }
    })
}

/// Tells whether every public host is on the list.
pub(crate) fn is_open(list: &[Destination], port: u16) -> bool {
    list.iter()
        .filter(|entry| entry.port.is_none_or(|own| own == port))
        .any(|entry| matches!(entry.host, Host::Public))
}

/// Tells whether an address is one of the open internet: not private, not this machine, not the metadata of a cloud.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT, where some clouds keep their metadata
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // 2000::/3 is what was given out; the tunnels inside of it lead to IPv4 addresses that nobody looked at
    let tunnel = first == 0x2002 || (first == 0x2001 && second == 0);
    let documentation = first == 0x2001 && second == 0x0db8;
    first & 0xe000 == 0x2000 && !tunnel && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Destination> {
        text.split(',').filter(|one| !one.is_empty()).map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_is_listed_is_reached() {
        for (entries, host, port, address, want) in [
            ("", "example.org", 443, "93.184.215.14", false),
            ("example.org", "example.org", 443, "93.184.215.14", true),
            ("example.org", "EXAMPLE.org.", 443, "93.184.215.14", true),
            ("example.org", "www.example.org", 443, "93.184.215.14", false),
            ("*.example.org", "www.example.org", 443, "93.184.215.14", true),
            ("*.example.org", "example.org", 443, "93.184.215.14", false),
            ("*.example.org", "badexample.org", 443, "93.184.215.14", false),
            ("example.org:8443", "example.org", 443, "93.184.215.14", false),
            ("example.org:8443", "example.org", 8443, "93.184.215.14", true),
            // a name that leads inside
            ("example.org", "example.org", 443, "10.0.0.1", false),
            ("example.org", "example.org", 80, "127.0.0.1", false),
            ("*", "metadata.example", 80, "169.254.169.254", false),
            ("*", "metadata.example", 80, "100.100.100.200", false),
            ("*", "x", 80, "::1", false),
            ("*", "x", 80, "::ffff:127.0.0.1", false),
            ("*", "x", 80, "fd00:ec2::254", false),
            ("*", "x", 80, "fe80::1", false),
            ("*", "x", 80, "64:ff9b::7f00:1", false),
            ("*", "x", 80, "2002:7f00:1::", false),
            ("*", "x", 80, "0.0.0.0", false),
            ("*", "x", 80, "2606:4700::1", true),
            // named with its address
            ("127.0.0.0/8", "localhost", 8080, "127.0.0.1", true),
            ("127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1", true),
            ("127.0.0.1:8080", "127.0.0.1", 9090, "127.0.0.1", false),
            ("[::1]:8080", "::1", 8080, "::1", true),
            ("10.1.0.0/16,example.org", "example.org", 1, "10.1.2.3", true),
            ("10.1.0.0/16", "other.example", 1, "10.2.2.3", false),
        ] {
            let list = list(entries);
            let found = allows(&list, named(&list, host, port), address.parse().unwrap(), port);
            assert_eq!(found, want, "{entries} {host}:{port} {address}");
        }
    }

    #[test]
    fn an_entry_that_means_nothing_is_refused() {
        for text in [
            "",
            "*.",
            "a b",
            "host:port",
            "host:70000",
            "10.0.0.0/40",
            "http://example.org",
            "*x.org",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
