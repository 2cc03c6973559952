//! From which address a caller comes, behind proxies too.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Once;

/// Says once in the life of a process that a proxy is not believed.
static UNBELIEVED: Once = Once::new();

/// Is a block of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Says why a text is not a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network such as 10.0.0.0/8 or an address")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let bad = || NetworkError(text.into());
        let address: IpAddr = address.trim().parse().ok().ok_or_else(bad)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.trim().parse().ok().ok_or_else(bad)?,
            None => most,
        };
        if bits > most {
            return Err(bad());
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    /// Tells whether `address` lies in the block; an IPv4 address written as IPv6 is the same address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(self.bits.into());
                let cut = |a: Ipv4Addr| u64::from(a.to_bits()) >> shift;
                cut(net) == cut(address)
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(self.bits.into());
                let cut = |a: Ipv6Addr| a.to_bits().checked_shr(shift).unwrap_or(0);
                cut(net) == cut(address)
            }
            _ => false,
        }
    }
}

/// Lists the proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<Network>);

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Finds the caller: the socket's peer, or the right-most forwarded address that is not a trusted proxy.
    pub fn caller(&self, peer: IpAddr, forwarded: &str) -> IpAddr {
        let mut caller = peer.to_canonical();
        for entry in forwarded.rsplit(',') {
            if !self.trusts(caller) {
                break;
            }
            let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
            caller = address.to_canonical();
        }
        caller
    }
}

/// Is the caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl FromRequest for Peer {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Peer {
    /// Finds the caller of a request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let lines = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
        let Some(proxies) = request.app_data::<web::Data<TrustedProxies>>() else {
            return Self(peer.to_canonical());
        };
        if !forwarded.is_empty() && !proxies.trusts(peer) {
            UNBELIEVED.call_once(|| {
                tracing::warn!(
                    %peer,
                    "X-Forwarded-For is not believed, as its sender is none of --trusted-proxies: if that is a proxy, all \
                     who come through it count as one caller"
                );
            });
        }
        Self(proxies.caller(peer, &forwarded.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_cannot_choose_its_address() {
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (peer, forwarded, want) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
            ("10.1.1.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("10.1.1.1", "198.51.100.7, 10.2.2.2", "198.51.100.7"),
            ("::ffff:10.1.1.1", "198.51.100.7", "198.51.100.7"),
            ("10.1.1.1", "nonsense", "10.1.1.1"),
            ("::1", "2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(trusted.caller(ip(peer), forwarded), ip(want), "{peer} {forwarded}");
        }
    }

    /// Counts the warnings.
    #[derive(Default)]
    struct Warnings(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            if *event.metadata().level() == tracing::Level::WARN {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_proxy_that_is_not_believed_is_told_of_once() {
        let warnings = Warnings::default();
        let count = std::sync::Arc::clone(&warnings.0);
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let ask = |from: &str, forwarded: Option<&str>| {
            let mut request = actix_web::test::TestRequest::default()
                .peer_addr(format!("{from}:1").parse().unwrap())
                .app_data(web::Data::new(trusted.clone()));
            if let Some(forwarded) = forwarded {
                request = request.insert_header(("x-forwarded-for", forwarded));
            }
            let address = Peer::of(&request.to_http_request()).0.to_string();
            (address, count.load(std::sync::atomic::Ordering::Relaxed))
        };
        tracing::subscriber::with_default(warnings, || {
            assert_eq!(ask("192.0.2.1", None), ("192.0.2.1".into(), 0));
            assert_eq!(ask("10.0.0.1", Some("192.0.2.9")), ("192.0.2.9".into(), 0));
            assert_eq!(ask("192.0.2.1", Some("192.0.2.9")), ("192.0.2.1".into(), 1));
            assert_eq!(ask("192.0.2.1", Some("192.0.2.9")), ("192.0.2.1".into(), 1));
        });
    }

    #[test]
    fn networks_end_where_they_say() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.1.2.3".parse().unwrap()));
        let six: Network = "2001:db8::/33".parse().unwrap();
        assert!(six.contains("2001:db8:7fff::1".parse().unwrap()));
        assert!(!six.contains("2001:db8:8000::1".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
