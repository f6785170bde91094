"""httpx as a prober: one connection per probe, its own trace as the clock.

    python httpx_peer.py TARGETS TOTAL RATE [CAFILE NAME]

Prints a JSON line per probe: peer, port, failure, connect_ms, tls_ms, ttfb_ms (None where there is none).
With CAFILE the targets are asked over TLS, all by the one NAME, so that none has to be resolved. The trace is
told the time by the event loop that carries it, which is what is being compared.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

import httpx

PHASES = {
    "connect_ms": "connection.connect_tcp",
    "tls_ms": "connection.start_tls",
    "ttfb_ms": "http11.receive_response_headers",
}


async def probe(client: httpx.AsyncClient, url: str, extensions: dict[str, str]) -> dict[str, object]:
    """One GET; how long each phase took by the trace, in ms, and the failure's name."""
    moments: dict[str, float] = {}

    async def trace(name: str, _: object) -> None:
        moments[name] = time.perf_counter()

    row: dict[str, object] = dict.fromkeys(("failure", *PHASES))
    try:
        await client.get(url, extensions={**extensions, "trace": trace})
    except httpx.HTTPError as fault:
        row["failure"] = type(fault).__name__
    for key, phase in PHASES.items():
        begin, end = moments.get(f"{phase}.started"), moments.get(f"{phase}.complete")
        if begin is not None and end is not None:
            row[key] = (end - begin) * 1000
    return row


async def main() -> None:
    targets = [line.split() for line in Path(sys.argv[1]).read_text().splitlines()]
    total, rate = int(sys.argv[2]), float(sys.argv[3])
    authority, name = sys.argv[4:] or (None, None)
    verify = ssl.create_default_context(cafile=authority) if authority else False
    scheme, extensions = ("https", {"sni_hostname": name}) if name else ("http", {})
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    begin = time.perf_counter()
    async with httpx.AsyncClient(verify=verify, limits=limits, timeout=20, trust_env=False) as client:
        asked, tasks = [], []
        for number in range(total):
            await asyncio.sleep(max(begin + number / rate - time.perf_counter(), 0))
            address, port = targets[number % len(targets)]
            asked.append({"peer": address, "port": int(port)})
            tasks.append(asyncio.create_task(probe(client, f"{scheme}://{address}:{port}/", extensions)))
        for target, row in zip(asked, await asyncio.gather(*tasks), strict=True):
            print(json.dumps(target | row))


if __name__ == "__main__":
    asyncio.run(main())
