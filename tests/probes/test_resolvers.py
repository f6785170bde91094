"""Which servers are asked, from files as systems write them."""

import pytest

from probes.resolvers import Resolver, bootstrap, expand, hosts_file, parse_resolver, system_resolvers


def test_resolv_conf(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# made by hand\nsearch example.org\nnameserver 192.0.2.53 # first\nnameserver\n"
        "nameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.54\n; end\n"
    )
    assert system_resolvers(path) == (Resolver("192.0.2.53"), Resolver("fe80::1%eth0"), Resolver("::1"))


def test_without_name_servers_the_local_one_is_asked(tmp_path):
    assert system_resolvers(tmp_path / "none") == (Resolver("127.0.0.1"),)


def test_only_the_first_system_server_is_measured(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
    measured, asked = expand(["system", "1.1.1.1", "192.0.2.53"], path)
    assert [str(one) for one in measured] == ["192.0.2.53", "1.1.1.1"]
    assert [str(one) for one in asked] == ["192.0.2.53", "192.0.2.54", "1.1.1.1"]


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "1.1.1.1:5353",
        "::1",
        "[::1]:5353",
        "tls://1.1.1.1",
        "tls://1.1.1.1:8853",
        "tls://[2606:4700:4700::1111]#one.one.one.one",
        "tls://[::1]:8853#dns.example",
        "https://dns.google/dns-query",
        "https://dns.google:8443/",
        "https://8.8.8.8/dns-query#dns.google",
        "https://[::1]:8443/dns-query?ct#dns.example",
    ],
)
def test_a_resolver_is_written_as_it_is_read(text):
    assert str(parse_resolver(text)) == text


def test_what_a_resolver_s_text_says():
    assert parse_resolver("tls://1.1.1.1:853#one.one") == Resolver("1.1.1.1", 853, "tls", "one.one")
    assert parse_resolver("tls://9.9.9.9").server_name == "9.9.9.9"
    assert parse_resolver("tls://9.9.9.9#dns.quad9.net").server_name == "dns.quad9.net"
    named = parse_resolver("https://dns.google:443/dns-query")
    assert named == Resolver("dns.google", 443, "https", path="/dns-query")
    assert (named.server_name, named.family) == ("dns.google", None)


def test_an_internationalised_resolver_is_known_by_its_a_label():
    assert (
        str(parse_resolver("https://Bücher.example/dns-query")) == "https://xn--bcher-kva.example/dns-query"
    )
    assert parse_resolver("tls://9.9.9.9#bücher.example").server_name == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "dns.google",
        "1.1.1.1:0",
        "1.1.1.1:65536",
        "[1.1.1.1]:53",
        "1.1.1",
        "[::1",
        "",
        "udp://1.1.1.1",
        "TLS://1.1.1.1",
        "tls://dns.google",  # whose address?
        "tls://::1",
        "tls://[1.1.1.1]",
        "tls://1.1.1.1/dns-query",
        "tls://1.1.1.1:0",
        "tls://1.1.1.1#",
        "tls://1.1.1.1#1.1.1.1",
        "tls://1.1.1.1#two words",
        "https://dns.google",
        "https://dns.google/dns query",
        "https://dns.google/dns-query#other.example",
        "https://you@dns.google/dns-query",
        "https://dns_google:443443/dns-query",
        "https:///dns-query",
    ],
)
def test_what_is_no_resolver(text):
    assert parse_resolver(text) is None


def test_who_knows_the_address_of_a_named_resolver(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\n")
    named, plain = parse_resolver("https://dns.google/dns-query"), Resolver("192.0.2.54")
    assert bootstrap([named, plain], path) == (plain,)
    assert bootstrap([named], path) == (Resolver("192.0.2.53"),)


def test_hosts_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost Here # us\n::1 localhost\nnonsense line\n10.0.0.1\n")
    assert hosts_file(path) == {"localhost": ("127.0.0.1", "::1"), "here": ("127.0.0.1",)}
