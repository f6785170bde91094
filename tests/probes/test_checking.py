"""What ``check`` and ``units`` say of a configuration, whatever its names hold."""

import json

import certifi


def test_a_note_is_one_line_whatever_it_names(edgeprobe, configured, tmp_path):
    config = tmp_path / "a\nb.toml"
    configured([{"site": "own", "host": "127.0.0.1"}], metrics="c\nd", spool="e\nf", splay_s=5).rename(config)
    done = edgeprobe("check", config)
    assert done.returncode == 0
    shown = str(config).replace("\n", "\\n")
    metrics, site = done.stderr.splitlines()
    assert metrics.startswith(f"edgeprobe: {shown}: note: node_exporter reads no file")
    assert metrics.endswith("agent.metrics, c\\nd")
    assert site.startswith(f"edgeprobe: {shown}: note: 'own' is not in the shipped catalog")
    assert f"spool    {tmp_path}/e\\nf\n" in done.stdout
    assert json.loads(edgeprobe("check", config, "--json").stdout)["spool"] == f"{tmp_path}/e\nf"


def test_a_complaint_is_one_line_whatever_it_names(edgeprobe, configured, tmp_path):
    config = tmp_path / "a\nb.toml"
    configured([{"site": "own", "host": "127.0.0.1", "k\ney": 1}]).rename(config)
    config.write_text(config.read_text("utf-8").replace("k\ney", '"k\\ney"'), "utf-8")
    done = edgeprobe("check", config)
    shown = str(config).replace("\n", "\\n")
    assert (done.returncode, done.stdout) == (2, "")
    line = config.read_text("utf-8").splitlines().index('"k\\ney" = 1') + 1
    assert done.stderr == f"edgeprobe: {shown}, line {line}, target[1].k\\ney: unknown key\n"


def test_check_shows_what_is_trusted_and_how_a_host_is_known(edgeprobe, configured, tmp_path):
    (tmp_path / "ca.pem").write_bytes(certifi.contents().encode())
    target = {"site": "us-west-2", "host": "bücher.example", "scheme": "http"}
    config = configured([target], ca_file="ca.pem")
    done = edgeprobe("check", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nca_file  {tmp_path}/ca.pem\n" in done.stdout
    assert " xn--bcher-kva.example " in done.stdout
    document = json.loads(edgeprobe("check", config, "--json").stdout)
    assert document["ca_file"] == f"{tmp_path}/ca.pem"
    assert document["targets"][0]["scheme"] == "http"
    assert document["targets"][0]["host"] == "xn--bcher-kva.example"
