//! The rate limit of pages for people: how often somebody may be wrong there. Each process counts for itself: with n
//! replicas an address may be wrong n times as often, which does not bring it near a code or a key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// How many wrong codes or keys are taken from one address in [`WINDOW`].
const MOST: u32 = 10;
const WINDOW: Duration = Duration::minutes(5);
/// Bounds what is remembered.
const ADDRESSES: usize = 10_000;
/// Stands for all who came when so many were known.
const OTHERS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Remembers who was wrong lately.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<HashMap<IpAddr, (OffsetDateTime, u32)>>);

impl Guesses {
    /// Tells whether an address has been wrong too often.
    pub fn is_shut(&self, address: IpAddr, now: OffsetDateTime) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = known.get(&asker(address));
        let all = || known.get(&OTHERS).filter(|_| known.len() >= ADDRESSES);
        one.or_else(all).is_some_and(|(since, count)| *count >= MOST && now - *since < WINDOW)
    }

    /// Notes that an address was wrong.
    pub fn note(&self, address: IpAddr, now: OffsetDateTime) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES {
            known.retain(|_, (since, _)| now - *since < WINDOW);
        }
        // when so many are wrong at once, they are one
        let address = asker(address);
        let full = known.len() >= ADDRESSES && !known.contains_key(&address);
        let key = if full { OTHERS } else { address };
        let entry = known.entry(key).or_insert((now, 0));
        if now - entry.0 >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

/// Gives what counts as one asker: the IPv4 address, or the 64 bits of an IPv6 one that a network hands out at once.
pub fn asker(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn ten_times_wrong_is_too_often_for_five_minutes() {
        let (guesses, now) = (Guesses::default(), datetime!(2026-01-01 00:00 UTC));
        let (one, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..10 {
            assert!(!guesses.is_shut(one, now));
            guesses.note(one, now);
        }
        assert!(guesses.is_shut(one, now) && !guesses.is_shut(other, now));
        let later = now + WINDOW;
        assert!(!guesses.is_shut(one, later));
        guesses.note(one, later);
        assert!(!guesses.is_shut(one, later));
    }

    #[test]
    fn nobody_gets_in_by_being_many() {
        let (guesses, now) = (Guesses::default(), datetime!(2026-01-01 00:00 UTC));
        let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from(number));
        for number in 1..10_011 {
            guesses.note(address(number), now);
        }
        assert!(guesses.is_shut(address(20_000), now));
        assert!(!guesses.is_shut(address(1), now), "who was wrong once may try again");
        assert!(!guesses.is_shut(address(20_000), now + WINDOW));
    }

    #[test]
    fn a_whole_ipv6_network_is_one_asker() {
        let asker = |text: &str| asker(text.parse().unwrap()).to_string();
        assert_eq!(asker("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(asker("192.0.2.1"), "192.0.2.1");
        assert_eq!(asker("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
