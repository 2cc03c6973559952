//! How many connections this machine can have: an agent that waits for work has one of its own.

use super::config::Cli;
use super::say;
use anyhow::bail;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr};

/// So many descriptors are for all but agents.
const OTHERS: u64 = 200;
/// How many ports an address has for one server where the kernel does not tell: Linux' default.
const PORTS: u32 = 28_232;
/// How many addresses agents come from at most.
const ADDRESSES: u32 = 250;

/// Lets this process have as many descriptors as it may.
pub(super) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        say(&format!("the number of open files stays as it is: {error}"));
    }
}

/// Gives the addresses that agents come from, or none when it is all the same; fails when there cannot be so many
/// connections.
pub(super) fn addresses(cli: &Cli) -> anyhow::Result<Vec<Option<IpAddr>>> {
    if cli.wait == 0 {
        return Ok(vec![None]);
    }
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ports = range.ok().and_then(|range| ports(&range)).unwrap_or(PORTS);
    let count = count(cli.agents, descriptors, ports, is_local(&cli.server))?;
    if count == 1 {
        return Ok(vec![None]);
    }
    let of = |place: u32| u8::try_from(place).ok().map(|at| Ipv4Addr::new(127, 0, 1, at).into());
    Ok((1..=count).map(of).collect())
}

/// Gives from how many addresses so many connections come.
fn count(agents: u32, descriptors: u64, ports: u32, local: bool) -> anyhow::Result<u32> {
    let needed = u64::from(agents) + OTHERS;
    if needed > descriptors {
        bail!(
            "{agents} agents that wait for work have a connection each and need {needed} open files, and this process may \
             have {descriptors}: raise the limit (ulimit -Hn), or give --wait 0"
        );
    }
    // others use some as well
    let each = (ports - ports / 4).max(1);
    let count = agents.div_ceil(each).max(1);
    if count == 1 || (local && count <= ADDRESSES) {
        return Ok(count);
    }
    bail!(
        "{agents} agents that wait for work have a connection each, and one machine has {ports} ports for a server elsewhere: \
         start at most {each} here, or give --wait 0"
    )
}

/// Counts the ports of a range as the kernel writes it.
fn ports(range: &str) -> Option<u32> {
    let mut ends = range.split_whitespace().map(str::parse::<u32>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    last.checked_sub(first).map(|ports| ports + 1)
}

fn is_local(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default();
    host == "localhost" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_come_from_as_many_addresses_as_they_need() {
        assert_eq!(count(20_000, 1 << 20, PORTS, false).unwrap(), 1);
        assert_eq!(count(50_000, 1 << 20, PORTS, true).unwrap(), 3);
        let far = count(50_000, 1 << 20, PORTS, false).unwrap_err().to_string();
        assert!(far.contains("28232 ports") && far.contains("21174"), "{far}");
        let few = count(50_000, 20_000, PORTS, true).unwrap_err().to_string();
        assert!(few.contains("50200 open files") && few.contains("20000"), "{few}");
    }

    #[test]
    fn what_the_kernel_says_of_ports_is_read() {
        assert_eq!(ports("32768\t60999\n"), Some(PORTS));
        assert_eq!(ports("9\n"), None);
        for (server, local) in [
            ("http://127.0.0.1:80/", true),
            ("http://localhost/", true),
            ("https://127.9.0.1/", true),
            ("https://192.0.2.1/", false),
            ("https://example.org/", false),
        ] {
            assert_eq!(is_local(&server.parse().unwrap()), local, "{server}");
        }
    }
}
