"""What is written of a configuration is read back as it was."""

import dataclasses

from probes.settings import parse_settings
from probes.settings_writing import render_settings
from probes.target import Target


def test_where_an_agent_stands_and_what_its_targets_say():
    targets = (
        Target("eu-south-2", "ec2.eu-south-2.amazonaws.com", 443, ("dns", "tcp")),
        Target("op-1", "10.20.0.10", 8443, ("tcp",), lat=40.42, lon=-3.7),
        Target("op-2", "rack.example.org", 8080, ("tcp",), "/ping", 6, 40.0, -3.0, "http"),
    )
    text = render_settings(
        vantage="op-1",
        country="ES",
        lat=40.42,
        lon=-3.7,
        targets=targets,
        carrier="Verizon",
        outpost="op-1",
        parent="eu-south-2",
    )
    settings = parse_settings(text, "/etc/edge/probes.toml")
    assert settings.targets == targets
    assert (settings.carrier, settings.outpost, settings.parent) == ("Verizon", "op-1", "eu-south-2")


def test_every_field_of_a_target_is_written():
    full = Target("op-2", "rack.example.org", 8080, ("tcp",), "/ping", 6, 40.0, -3.0, "http")
    assert all(getattr(full, field.name) is not None for field in dataclasses.fields(Target))
    text = render_settings(vantage="v", country="ES", lat=0, lon=0, targets=[full])
    written = {line.split(" = ")[0] for line in text.partition("[[target]]\n")[2].splitlines()}
    assert written == {field.name for field in dataclasses.fields(Target)}
