"""The far host's servers do what other tests rely on; asked by clients that are not ours."""

from __future__ import annotations

import sys

import pytest

from tests.netlab import Way
from tests.netlab.authority import Authority
from tests.netlab.servers import BODY, RECORD_OVER, acceptor, name_server, serving, web
from tests.netlab.wire import conversations, dns_exchanges, first_bytes, handshakes, tls_flights

# GETs a URL, with the authority of argv[1]; the status and the length of what came, or why it failed.
GET = """
import ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
for url in sys.argv[2:]:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            print(response.status, len(response.read()))
    except urllib.error.HTTPError as fault:
        print(fault.code, len(fault.read()))
    except urllib.error.URLError as fault:
        print(getattr(fault.reason, "verify_message", fault.reason))
"""

ASK = """
import sys, dns.message, dns.query, dns.rcode
name, kind, server, *trusted = sys.argv[1:]
query = dns.message.make_query(name, kind)
if trusted:
    reply = dns.query.tls(query, server, timeout=5, server_hostname="ns.netlab.test", verify=trusted[0])
else:
    reply = dns.query.udp(query, server, timeout=5)
print(dns.rcode.to_text(reply.rcode()), *(item for rrset in reply.answer for item in rrset))
"""


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


def get(lab, authority, *urls):
    done = lab.near.run([sys.executable, "-c", GET, authority.certificate, *urls])
    return done.stdout.splitlines()


def test_http(netlab, authority):
    lab = netlab({"10.77.0.0/16": Way(rtt_ms=10), "fd77::/64": Way(rtt_ms=20)})
    with web(lab, plain=[80]):
        paths = ("/", "/status/404", "/status/503")
        urls = [f"http://10.77.0.1{path}" for path in paths]
        assert get(lab, authority, *urls)[0] == f"200 {BODY}"
        assert [line.split()[0] for line in get(lab, authority, *urls)] == ["200", "404", "503"]
        assert get(lab, authority, "http://[fd77::9]/") == [f"200 {BODY}"]
    found = {exchange.peer: exchange.rtt_ms for exchange in first_bytes(lab.wire(), 80)}
    assert 10 <= found["10.77.0.1", 80] < 25
    assert 20 <= found["fd77::9", 80] < 35


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls(netlab, authority, version):
    lab = netlab({"10.77.0.0/16": Way(rtt_ms=30)})
    valid = authority.issue("valid", ["10.77.0.1"])
    with web(lab, tls={443: valid}, versions=version):
        assert get(lab, authority, "https://10.77.0.1/") == [f"200 {BODY}"]
    packets = lab.wire()
    (flight,) = tls_flights(packets, 443)
    (response,) = first_bytes(packets, 443, record_over=RECORD_OVER)
    assert 30 <= flight.rtt_ms < 60
    assert 30 <= response.rtt_ms < 60
    assert flight.end_ns < response.begin_ns


def test_certificates(netlab, authority):
    lab = netlab()
    certificates = {
        443: authority.issue("valid", ["*.netlab.test", "10.77.0.1"]),
        8441: authority.issue("expired", ["10.77.0.1"], begins_days=-60, ends_days=-30),
        8442: authority.issue("elsewhere", ["elsewhere.test"]),
        8443: authority.self_signed("alone", ["10.77.0.1"]),
    }
    with web(lab, tls=certificates):
        valid, expired, elsewhere, alone = get(
            lab, authority, *(f"https://10.77.0.1:{port}/" for port in certificates)
        )
    assert valid == f"200 {BODY}"
    assert expired == "certificate has expired"
    assert "IP address mismatch" in elsewhere
    assert alone == "self-signed certificate"


def test_names(netlab, authority):
    lab = netlab({"10.77.0.53": Way(rtt_ms=10), "10.77.9.53": Way(rtt_ms=40)})
    records = ["www A 10.77.0.1", "www AAAA fd77::1"]
    certificate = authority.issue("ns", ["ns.netlab.test"])
    with name_server(lab, ["10.77.0.53", "10.77.9.53", "fd77::53"], records, tls=certificate):

        def ask(*words):
            return lab.near.run([sys.executable, "-c", ASK, *words]).stdout.split()

        assert ask("www.netlab.test", "A", "10.77.0.53") == ["NOERROR", "10.77.0.1"]
        assert ask("www.netlab.test", "AAAA", "10.77.9.53") == ["NOERROR", "fd77::1"]
        assert ask("www.netlab.test", "A", "10.77.0.53", authority.certificate) == ["NOERROR", "10.77.0.1"]
        assert ask("nobody.netlab.test", "A", "fd77::53") == ["NXDOMAIN"]
        assert ask("www.elsewhere.test", "A", "fd77::53") == ["REFUSED"]
    near, far, *_ = dns_exchanges(lab.wire())
    assert 10 <= near.rtt_ms < 25
    assert 40 <= far.rtt_ms < 55


CONNECT_MANY = """
import resource, selectors, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
opened = []
for number in range(1500):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex((f"10.77.{1 + number // 250}.{1 + number % 250}", 443))
    opened.append(one)
with selectors.DefaultSelector() as selector:
    for one in opened:
        selector.register(one, selectors.EVENT_WRITE)
    left = len(opened)
    while left:
        for ready, _ in selector.select(10):
            assert not ready.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            selector.unregister(ready.fileobj)
            left -= 1
"""


def test_very_many_connect_at_once(netlab):
    lab = netlab({"10.77.0.0/16": Way(rtt_ms=100)})
    with acceptor(lab, 443):
        lab.near.run([sys.executable, "-c", CONNECT_MANY])
    found = handshakes(lab.wire())
    assert len(found) == 1500
    assert {(exchange.asked, exchange.refused) for exchange in found} == {(1, False)}
    assert len(conversations(lab.wire())) == 1500


def test_a_server_that_cannot_listen_says_why(netlab):
    lab = netlab()
    program = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(OSError, match="no such thing"), serving(lab, "broken", program, 1):
        pass
