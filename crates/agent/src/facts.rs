//! Describes the machine, in the words that targets use.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::fs;
use std::net::IpAddr;
use types::Environment;
use types::api::work::AgentReport;

/// Describes this machine and this program as they are now.
pub(crate) fn report(proxy: Option<&str>) -> AgentReport {
    AgentReport {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        environment: Environment {
            init: init(),
            ident: ident(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
            os: go_os(std::env::consts::OS).into(),
            arch: go_arch(std::env::consts::ARCH).into(),
            isproxied: proxy.is_some(),
            proxy: proxy.unwrap_or_default().into(),
            addresses: addresses(),
            modules: crate::modules::BUILT_IN.iter().map(|name| (*name).to_owned()).collect(),
            ..Environment::default()
        },
    }
}

/// Says on which machine this is, for the person who approves it: system, processor and host name.
pub(crate) fn machine() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (os, arch) = (go_os(std::env::consts::OS), go_arch(std::env::consts::ARCH));
    format!("{os} {arch}; {}", host.to_string_lossy())
}

/// Names a system as Go does.
fn go_os(os: &str) -> &str {
    match os {
        "macos" => "darwin",
        other => other,
    }
}

/// Names a processor as Go does.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Names the distribution as MIG does, `Debian 12 bookworm`, from the text of `/etc/os-release`.
fn ident(release: &str) -> String {
    let value = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let name = value("NAME").unwrap_or_default();
    let name = name.trim_end_matches(" Linux").trim_end_matches(" GNU/Linux").to_owned();
    let parts = [Some(name), value("VERSION_ID"), value("VERSION_CODENAME")];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// Names the service manager.
fn init() -> String {
    if fs::exists("/run/systemd/system").unwrap_or_default() {
        return "systemd".into();
    }
    if fs::exists("/run/openrc").unwrap_or_default() {
        return "openrc".into();
    }
    let first = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    match first.trim() {
        "init" => "sysvinit".into(),
        other => other.into(),
    }
}

/// Lists the machine's addresses with prefix lengths, without those of loopback interfaces, sorted.
fn addresses() -> Vec<String> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<String> = interfaces
        .filter(|interface| !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .filter_map(|interface| {
            let address = ip(interface.address?)?;
            let prefix = interface.netmask.and_then(ip).map_or(0, |mask| match mask {
                IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                IpAddr::V6(mask) => mask.to_bits().leading_ones(),
            });
            Some(format!("{address}/{prefix}"))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn ip(address: nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_named_as_in_mig() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
        assert_eq!(ident(debian), "Debian 12 bookworm");
        assert_eq!(ident("NAME='Fedora Linux'\nVERSION_ID=39\nVERSION_CODENAME=\"\""), "Fedora 39");
        assert_eq!(
            ident("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble"),
            "Ubuntu 24.04 noble"
        );
        assert_eq!(ident(""), "");
    }

    #[test]
    fn this_machine_is_described() {
        let report = report(Some("http://proxy:3128/"));
        assert_eq!(report.pid, std::process::id());
        assert_eq!(report.environment.modules, ["file"]);
        assert!(report.environment.isproxied && report.version.len() <= 128);
        assert!(!report.environment.os.is_empty() && !report.environment.arch.is_empty());
        for address in &report.environment.addresses {
            let (ip, prefix) = address.split_once('/').unwrap();
            assert!(!ip.parse::<IpAddr>().unwrap().is_loopback(), "{address}");
            assert!(prefix.parse::<u8>().unwrap() <= 128);
        }
        assert!(!machine().is_empty());
    }
}
