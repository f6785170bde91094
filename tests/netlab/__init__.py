"""A network whose truth is known: a near and a far host, and between them a link that logs every packet.

Linux may lack netem, and a table of configured delays is not what a packet met. Here two network namespaces
are joined by TUN devices through a small program (``link.c``, compiled when first needed) that delays, loses,
reorders and duplicates packets by far address, and logs what the kernel saw at the near device and when. A
measurement made in the near namespace is then held against the wire.

    from tests.netlab import Netlab, Way
    from tests.netlab.servers import acceptor
    from tests.netlab.wire import handshakes, pair

    ways = {"10.77.0.0/16": Way(rtt_ms=20), "10.77.0.9": Way(rtt_ms=80, loss=0.05)}
    with Netlab(ways, seed=1) as lab, acceptor(lab, 443):
        done = lab.near.run([sys.executable, "-m", "probes", "run", configuration, "--json"])
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        for row, exchange in pair(rows, handshakes(lab.wire())):
            print(row["rtt_ms"], exchange.rtt_ms, exchange.asked, exchange.lost)

Near is 10.76.0.1 and fd76::1. Far has every address of 10.77.0.0/16 and fd77::/64 (``networks=`` gives it
others); a server that listens on :: or 0.0.0.0 there answers on all of them, the kernel answers ICMP echoes,
and a port nobody listens on refuses.

- ``lab.near`` and ``lab.far`` start processes: ``run`` and ``popen`` as in ``subprocess``, with ``files=`` to
  replace ``/etc/resolv.conf`` and the like for that process, and ``contained=True`` for one that forks.
- ``lab.set({...})`` changes ways at any time; ``lab.counters()`` tells what the link did and how late it was.
- ``lab.wire()`` gives the packets so far (``wire.Packet``), or raises when one escaped the log.
- ``wire.handshakes``, ``dns_exchanges``, ``echoes``, ``tls_flights`` and ``first_bytes`` compute exchanges
  from packets; ``wire.pair`` puts an agent's rows beside them.
- ``servers`` has the far host's servers (``acceptor``, nginx as ``web``, NSD as ``name_server``, and
  ``serving`` for any other), ``authority`` makes their certificates.
- ``Netlab(turn_us=200)`` leaves more of the processor to what is measured, for measurements of many at once.

A lab needs root, /dev/net/tun, and of Debian's packages gcc, libc6-dev, iproute2 and util-linux
(``missing()`` says what is not there); the servers nginx-light, nsd and openssl; the tests iputils-ping. The
namespaces have no names: they end with their last process, and every process ends with the lab, or with the
one that made it.
"""

from tests.netlab.lab import FAR, NEAR, SILENCE, Host, Netlab, Way, missing, spread
from tests.netlab.wire import Exchange, Packet

__all__ = ["FAR", "NEAR", "SILENCE", "Exchange", "Host", "Netlab", "Packet", "Way", "missing", "spread"]
