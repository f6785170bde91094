"""The link itself: what it does to packets, what its log says, and what is left of it afterwards."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.netlab import NEAR, Netlab, Way, spread
from tests.netlab.servers import acceptor
from tests.netlab.wire import UDP, echoes

ROOT = Path(__file__).resolve().parents[2]

# Sends numbered datagrams to port 9 of an address, so many s apart, from near to far.
SENDER = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sender = socket.socket(family, socket.SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    sender.sendto(number.to_bytes(4, "big"), (sys.argv[1], 9))
    time.sleep(float(sys.argv[3]))
"""

# Sends them back, from the address they came to.
ECHO = """
import socket, sys
address = sys.argv[1]
server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((address, 9))
print("listening", flush=True)
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data, peer)
"""


def send(lab, address, count, every_s=0.0002):
    server = lab.far.popen([sys.executable, "-c", ECHO, address], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "listening\n"
    lab.near.run([sys.executable, "-c", SENDER, address, count, every_s])
    settle(lab)
    return [packet for packet in lab.wire() if packet.protocol == UDP and packet.length == 4]


def settle(lab):
    """Until nothing is under way any more."""
    end = time.monotonic() + 10
    quiet = 0
    while quiet < 3 and time.monotonic() < end:
        time.sleep(0.05)
        quiet = quiet + 1 if lab.counters()["queued"] == 0 else 0


def numbers(packets, *, out, lost=False):
    return [
        int.from_bytes(packet.head, "big") for packet in packets if (packet.out, packet.lost) == (out, lost)
    ]


@pytest.mark.parametrize("version", [4, 6])
def test_each_address_has_its_delay(netlab, version):
    ways = spread(40, 1, 200, version)
    lab = netlab(ways)
    # The kernel of the far host answers at once, so that all delay is the link's.
    lab.near.run(["sh", "-c", 'for a; do ping -n -c 1 -W 2 "$a" & done; wait', "sh", *ways])
    found = {exchange.peer[0]: exchange.rtt_ms for exchange in echoes(lab.wire())}
    assert found.keys() == ways.keys()
    for address, way in ways.items():
        assert way.rtt_ms <= found[address]
    above = sorted(found[address] - way.rtt_ms for address, way in ways.items())
    assert above[len(above) // 2] < 2


def test_delay_by_direction_and_prefix(netlab):
    lab = netlab(
        {"10.77.0.0/16": Way(rtt_ms=10), "10.77.1.0/24": Way(out_ms=40, back_ms=0), "10.77.1.9": Way()}
    )

    def rtt_ms(address):
        lab.near.run(["ping", "-n", "-c", "1", "-W", "2", address])
        return echoes(lab.wire())[-1].rtt_ms

    assert 10 <= rtt_ms("10.77.0.1") < 25
    assert 40 <= rtt_ms("10.77.1.1") < 55
    assert rtt_ms("10.77.1.9") < 10
    lab.set({"10.77.1.0/24": Way(rtt_ms=20)})
    assert 20 <= rtt_ms("10.77.1.1") < 35
    assert rtt_ms("10.77.1.9") < 10


def test_jitter_keeps_the_order(netlab):
    packets = send(netlab({"10.77.0.1": Way(jitter_ms=20)}), "10.77.0.1", 200)
    assert numbers(packets, out=True) == list(range(200))
    assert numbers(packets, out=False) == list(range(200))


def test_reordering_reorders(netlab):
    packets = send(netlab({"10.77.0.1": Way(rtt_ms=2, reorder=0.1, hold_ms=20)}), "10.77.0.1", 200)
    came_back = numbers(packets, out=False)
    assert sorted(came_back) == list(range(200))
    assert came_back != list(range(200))


def test_duplicates(netlab):
    packets = send(netlab({"10.77.0.1": Way(duplicate=1)}), "10.77.0.1", 10)
    assert len(numbers(packets, out=True)) == 10
    assert sorted(numbers(packets, out=False)) == sorted(list(range(10)) * 4)


@pytest.mark.parametrize("address", ["10.77.0.1", "fd77::1"])
def test_loss_is_logged_and_follows_the_seed(netlab, address):
    def lost(seed):
        lab = netlab({address: Way(loss_out=0.2, loss_back=0.1)}, seed=seed)
        packets = send(lab, address, 500)
        gone_out = numbers(packets, out=True, lost=True)
        gone_back = numbers(packets, out=False, lost=True)
        arrived = numbers(packets, out=False)
        assert sorted(gone_out + gone_back + arrived) == list(range(500))
        counters = lab.counters()
        assert (counters["lost_out"], counters["lost_back"]) == (len(gone_out), len(gone_back))
        return gone_out, gone_back

    gone_out, gone_back = lost(3)
    # Binomial: five standard deviations around the mean.
    assert 55 <= len(gone_out) <= 145
    assert 10 <= len(gone_back) <= 70
    assert lost(3) == (gone_out, gone_back)
    assert lost(4) != (gone_out, gone_back)


def test_the_first_packets_are_lost(netlab):
    packets = send(netlab({"10.77.0.1": Way(lose_first_out=2, lose_first_back=1)}), "10.77.0.1", 5)
    assert numbers(packets, out=True, lost=True) == [0, 1]
    assert numbers(packets, out=False, lost=True) == [2]
    assert numbers(packets, out=False) == [3, 4]


def test_nothing_escapes_the_log(netlab):
    lab = netlab({"10.77.0.1": Way(rtt_ms=1)})
    packets = send(lab, "10.77.0.1", 2000)
    assert numbers(packets, out=True) == numbers(packets, out=False) == list(range(2000))
    counters = lab.counters()
    assert counters["captured"] == counters["read_out"] + counters["delivered_back"]
    assert counters["read_out"] == counters["delivered_out"] + counters["lost_out"]
    assert counters["read_back"] == counters["delivered_back"] + counters["lost_back"]


def test_packets_are_gathered_into_turns(netlab):
    lab = netlab({"10.77.0.1": Way(rtt_ms=10)}, turn_us=5000)
    packets = send(lab, "10.77.0.1", 200, every_s=0.001)
    assert numbers(packets, out=True) == numbers(packets, out=False) == list(range(200))
    came_back = [packet.ns for packet in packets if not packet.out]
    # They were sent a millisecond and more apart.
    close = sum(after - before < 300_000 for before, after in itertools.pairwise(came_back))
    assert close > 80


def test_the_stamps_are_of_the_same_clock(netlab):
    lab = netlab()
    before = time.time_ns()
    lab.near.run(["ping", "-n", "-c", "1", "10.77.0.1"])
    after = time.time_ns()
    (exchange,) = echoes(lab.wire())
    assert before < exchange.begin_ns < exchange.end_ns < after


def test_far_has_the_networks_it_is_given(netlab):
    lab = netlab({"203.0.113.0/24": Way(rtt_ms=10)}, networks=["203.0.113.0/24", "2001:db8:1::/48"])
    lab.near.run(["ping", "-n", "-c", "1", "203.0.113.77"])
    lab.near.run(["ping", "-n", "-c", "1", "2001:db8:1:2::3"])
    assert lab.near.run(["ping", "-n", "-c", "1", "-W", "0.2", "10.77.0.1"], check=False).returncode == 1
    assert [exchange.end_ns is None for exchange in echoes(lab.wire())] == [False, False, True]


def test_the_hosts_are_apart(netlab):
    """Near has loopback and reaches far; it does not reach this machine, nor what this machine reaches."""
    lab = netlab()
    with socket.create_server(("127.0.0.1", 0)) as outside:
        reach = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
        port = outside.getsockname()[1]
        done = lab.near.run([sys.executable, "-c", reach, "127.0.0.1", port], check=False)
        assert "ConnectionRefusedError" in done.stderr
    with acceptor(lab, 443):
        lab.near.run([sys.executable, "-c", reach, "10.77.3.4", 443])
        lab.near.run([sys.executable, "-c", reach, "fd77::3:4", 443])
    assert {packet.source for packet in lab.wire() if packet.out} == set(NEAR)


def test_files_are_replaced_for_one_process(netlab, tmp_path):
    hosts = tmp_path / "resolv.conf"
    hosts.write_text("nameserver 10.77.0.53\n", encoding="utf-8")
    before = Path("/etc/resolv.conf").read_text("utf-8")
    done = netlab().near.run(["cat", "/etc/resolv.conf"], files={"/etc/resolv.conf": hosts})
    assert done.stdout == "nameserver 10.77.0.53\n"
    assert Path("/etc/resolv.conf").read_text("utf-8") == before


def namespaces():
    """The network namespaces of all processes that can be looked at."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found[int(process.name)] = str((process / "ns" / "net").readlink())
            except OSError:
                continue
    return found


def spaces_of(link_pid):
    """The namespaces a link holds."""
    own = {str(entry.readlink()) for entry in Path(f"/proc/{link_pid}/fd").iterdir()}
    return {name for name in own if name.startswith("net:")}


def living_in(spaces):
    return [pid for pid, space in namespaces().items() if space in spaces]


def await_processes(spaces, count):
    """Until so many have entered the namespaces, which takes each a moment."""
    end = time.monotonic() + 5
    while len(living_in(spaces)) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def left(spaces):
    """Processes still there when they have had time to end."""
    end = time.monotonic() + 5
    while (found := living_in(spaces)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_nothing_is_left_of_it_even_after_a_fault(netlab):
    netlab()  # skips where there can be no lab
    lab = Netlab({"10.77.0.0/16": Way(rtt_ms=1)})
    spaces = set()

    def fail_in_the_middle():
        with lab, acceptor(lab, 443):
            spaces.update(spaces_of(lab.link_pid))
            lab.near.popen(["sleep", "60"])
            lab.far.popen(["sh", "-c", "sleep 60 & sleep 60"], contained=True)
            await_processes(spaces, 4)
            raise RuntimeError("a test fails")

    with pytest.raises(RuntimeError, match="a test fails"):
        fail_in_the_middle()
    assert len(spaces) == 2
    assert left(spaces) == []
    assert not lab.directory.exists()
    assert not Path(f"/proc/{lab.link_pid}").exists()


def test_nothing_is_left_of_it_when_its_maker_is_killed(netlab):
    netlab()
    code = (
        "import sys, time\n"
        "from tests.netlab import Netlab\n"
        "from tests.netlab.servers import acceptor\n"
        "with Netlab() as lab, acceptor(lab, 443):\n"
        "    lab.near.popen(['sleep', '60'])\n"
        "    lab.far.popen(['sh', '-c', 'sleep 60 & sleep 60'], contained=True)\n"
        "    time.sleep(0.3)\n"
        "    print(lab.link_pid, lab.directory, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
        link_pid, directory = maker.stdout.readline().split()
        spaces = spaces_of(link_pid)
        await_processes(spaces, 4)
        maker.send_signal(signal.SIGKILL)
    assert left(spaces) == []
    # Only its log is, as with any temporary file of a killed process.
    for path in Path(directory).iterdir():
        path.unlink()
    Path(directory).rmdir()
