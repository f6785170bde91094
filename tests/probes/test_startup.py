"""The agent starts light: nothing is imported before it is needed."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "pandas",
    "scipy",
    "pyarrow",
    "duckdb",
    "streamlit",
    "numpy",
    "httpx",
    "dns",
    "obstore",
    "plotly",
    "planner",
}

REPORT = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"


def modules_after(program):
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{REPORT}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_command():
    assert not modules_after("import probes.cli") & HEAVY


def test_a_round_of_addresses_over_tcp(configured, start):
    server = start("tcp", "127.0.0.2")
    config = configured([{"site": "us-west-2", "host": server.address, "port": server.port}])
    program = f"import probes.cli; assert probes.cli.main(['run', {str(config)!r}, '--json']) == 0"
    assert not modules_after(program) & HEAVY


def test_a_round_that_resolves_imports_dnspython_and_no_more(configured, start):
    server = start("dns", "127.0.0.53")
    config = configured(
        [{"site": "us-west-2", "host": "site.test", "protocols": ["dns"]}], resolvers=[server.resolver]
    )
    program = f"import probes.cli; assert probes.cli.main(['run', {str(config)!r}, '--json']) == 0"
    assert modules_after(program) & HEAVY == {"dns"}
