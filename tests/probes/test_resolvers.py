"""Which servers are asked, from files as systems write them."""

from probes.resolvers import Resolver, expand, hosts_file, parse_resolver, system_resolvers


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


def test_a_resolver_is_written_as_it_is_read():
    for text in ("1.1.1.1", "1.1.1.1:5353", "::1", "[::1]:5353"):
        assert str(parse_resolver(text)) == text


def test_what_is_no_resolver():
    for text in ("dns.google", "1.1.1.1:0", "1.1.1.1:65536", "[1.1.1.1]:53", "1.1.1", "[::1", ""):
        assert parse_resolver(text) is None, text


def test_hosts_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost Here # us\n::1 localhost\nnonsense line\n10.0.0.1\n")
    assert hosts_file(path) == {"localhost": ("127.0.0.1", "::1"), "here": ("127.0.0.1",)}
