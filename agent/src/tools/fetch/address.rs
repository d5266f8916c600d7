//! Which addresses belong to the public internet. Everything else, from this machine to the metadata services of
//! clouds, is out of reach for a page that a model asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not, or not surely, part of the public internet: those that the IANA IPv4 Special-Purpose
/// Address Registry (RFC 6890 and later) does not call globally reachable, as whole blocks, and multicast.
const V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by customers of a provider, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // this machine, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, RFC 3927; metadata of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays from 6to4, RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, RFC 1112; broadcast
];

/// The part of IPv6 that is given out for the public internet (RFC 4291, §2.4, and the IANA registry of it).
const V6_GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What of that part is special, by the IANA IPv6 Special-Purpose Address Registry.
const V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, RFC 2928: Teredo, ORCHID, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, RFC 3056: holds any address of IPv4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation, RFC 9637
];

/// Addresses of IPv4 written as IPv6: mapped (RFC 4291), and as networks without IPv4 reach them (NAT64, RFC 6052).
const V4_INSIDE: [(Ipv6Addr, u32); 2] =
    [(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96)];

/// Tells whether an address belongs to the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) if V4_INSIDE.iter().any(|net| is_in_v6(address, *net)) => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => is_in_v6(address, V6_GLOBAL) && !V6.iter().any(|net| is_in_v6(address, *net)),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_in = |(net, bits): &(Ipv4Addr, u32)| (address.to_bits() ^ net.to_bits()) >> (32 - bits) == 0;
    !V4.iter().any(is_in)
}

fn is_in_v6(address: Ipv6Addr, (net, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ net.to_bits()) >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], expected: bool) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_internet_is_public() {
        check(&["1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "192.0.1.1", "198.20.0.1"], true);
        check(&["2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "2620:4f:8000::1"], true);
        check(&["::ffff:8.8.8.8", "64:ff9b::808:808"], true);
    }

    #[test]
    fn blocks_end_where_the_registry_says() {
        check(&["9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"], true);
        check(&["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"], true);
        check(&["192.169.0.0", "198.17.255.255", "192.88.98.255", "203.0.112.255", "203.0.114.0"], true);
        check(&["2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "3ffe::1", "2000::1"], true);
        check(&["10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "172.16.0.0", "172.31.255.255"], false);
        check(&["198.18.0.0", "198.19.255.255", "2001:1ff::", "3fff:fff::", "1fff::", "4000::"], false);
    }

    #[test]
    fn what_is_private_or_special_is_not() {
        check(&["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.169.254", "192.168.1.1"], false);
        check(&["192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.51.100.7", "203.0.113.9"], false);
        check(&["224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"], false);
        check(&["::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"], false);
        check(&["100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1"], false);
        check(&["5f00::1", "64:ff9b:1::1"], false);
    }

    #[test]
    fn ipv4_in_ipv6_is_seen_through() {
        check(&["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1"], false);
        check(&["64:ff9b::7f00:1", "2002:7f00:1::", "2002:808:808::1", "::127.0.0.1", "::8.8.8.8"], false);
        check(&["::ffff:0:127.0.0.1"], false);
    }
}
