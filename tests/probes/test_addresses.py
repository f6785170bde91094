"""What an address tells."""

from ipaddress import ip_address, ip_network

import pytest

from probes.addresses import NOWHERE, Prefixes, nowhere, true_address


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("10.1.2.3", "a private"),
        ("172.31.255.255", "a private"),
        ("172.32.0.0", None),
        ("192.168.0.1", "a private"),
        ("127.0.0.53", "a loopback"),
        ("169.254.169.254", "a link-local"),
        ("100.64.0.1", "a shared (CGNAT)"),
        ("100.128.0.1", None),
        ("0.0.0.0", "an unspecified"),
        ("198.18.0.7", "a benchmarking"),
        ("203.0.113.9", "a documentation"),
        ("255.255.255.255", "a reserved"),
        ("3.80.0.0", None),
        ("::1", "a loopback"),
        ("::", "an unspecified"),
        ("fd00::1", "a unique local"),
        ("fe80::1", "a link-local"),
        ("2001:db8::1", "a documentation"),
        ("2600:1f00::1", None),
    ],
)
def test_what_no_public_host_has_as_its_address(address, what):
    assert nowhere().name(ip_address(address)) == what


def test_nothing_stands_in_the_list_twice():
    networks = [ip_network(text) for text, _ in NOWHERE]
    assert not [
        (one, other)
        for one in networks
        for other in networks
        if one is not other and one.version == other.version and one.overlaps(other)
    ]


def test_the_longest_prefix_decides():
    prefixes = Prefixes([(ip_network("15.0.0.0/8"), "wide"), (ip_network("15.181.232.0/21"), "narrow")])
    assert prefixes.name(ip_address("15.181.239.255")) == "narrow"
    assert prefixes.name(ip_address("15.181.240.0")) == "wide"
    assert prefixes.name(ip_address("16.0.0.0")) is None
    # The same bits in the other family are another address.
    assert prefixes.name(ip_address("f00::")) is None
    assert (prefixes.lists("wide", 4), prefixes.lists("wide", 6)) == (True, False)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("3.5.0.1", "3.5.0.1"),
        ("::ffff:3.5.0.1", "3.5.0.1"),
        ("64:ff9b::a00:1", "10.0.0.1"),
        ("2600:1f00::1", "2600:1f00::1"),
    ],
)
def test_a_translated_address_is_the_one_it_stands_for(text, true):
    assert true_address(text) == ip_address(true)


def test_what_is_no_address():
    with pytest.raises(ValueError, match="does not appear"):
        true_address("example.org")
