"""Every way in which AWS does not answer is one error in words; nothing is written, whenever it happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.cli import main
from tests.planner.refresh.aws_server import Fault


def failing(capsys, tmp_path, *arguments: str) -> str:
    """What a refresh says that fails; it leaves nothing behind."""
    capsys.readouterr()
    code = main(["catalog", "refresh", "--write", "--out", str(tmp_path / "mine"), *arguments])
    printed, said = capsys.readouterr()
    assert (code, printed) == (5, ""), said
    assert said.startswith("edgeplan: error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "mine").exists()
    return said


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault("ec2:DescribeRegions", "UnauthorizedOperation", status=403),
            "no permission for ec2:DescribeRegions in us-east-1: an administrator has to allow ec2:Describe",
        ),
        (
            Fault("ec2:DescribeAvailabilityZones", "UnauthorizedOperation", status=403),
            "no permission for ec2:DescribeAvailabilityZones in",
        ),
        (
            Fault("ec2:DescribeInstanceTypeOfferings", "UnauthorizedOperation", status=403),
            "no permission for ec2:DescribeInstanceTypeOfferings in",
        ),
        (
            Fault("pricing:GetProducts", "AccessDeniedException"),
            "no permission for pricing:GetProducts in us-east-1: an administrator has to allow pricing:Get",
        ),
        (
            Fault("ec2:DescribeRegions", "ExpiredToken"),
            "ec2:DescribeRegions in us-east-1: the credentials have expired; sign in again (aws sso login)",
        ),
        (Fault("pricing:GetProducts", "ExpiredTokenException", after=2), "the credentials have expired"),
        (Fault("ec2:DescribeRegions", "AuthFailure", status=401), "the credentials were not accepted (AuthF"),
        (Fault("pricing:GetProducts", "UnrecognizedClientException"), "the credentials were not accepted"),
        (
            Fault("ec2:DescribeRegions", "RequestLimitExceeded", status=503),
            "throttled, after 2 tries; wait a",
        ),
        (Fault("pricing:GetProducts", "ThrottlingException", after=3), "throttled, after 2 tries"),
        (
            Fault("pricing:GetProducts", "InternalErrorException", status=500),
            "failed after 2 tries (Internal",
        ),
        (
            Fault("pricing:GetProducts", "InvalidParameterException", "no such filter"),
            "failed after 1 tries (InvalidParameterException: no such filter)",
        ),
        (
            Fault(
                "ec2:DescribeRegions",
                "RequestExpired",
                date="Thu, 01 May 2031 00:00:00 GMT",
            ),
            "minutes behind, so no signature is accepted; set the clock",
        ),
        (
            Fault("pricing:GetProducts", "InvalidSignatureException", date="Mon, 01 Jan 2001 00:00:00 GMT"),
            "minutes ahead, so no signature is accepted; set the clock",
        ),
        (
            Fault("ec2:DescribeRegions", dies=True),
            "ec2:DescribeRegions in us-east-1: the answer could not be read",
        ),
        (
            Fault("pricing:GetProducts", dies=True, after=2),
            "the answer could not be read: 42 read, but",
        ),
    ],
    ids=lambda value: f"{value.action}-{value.code or 'dies'}" if isinstance(value, Fault) else "",
)
def test_a_refusal_in_words(base, aws, capsys, tmp_path, fault, words):
    aws.faults.append(fault)
    assert words in failing(capsys, tmp_path)


def test_throttled_and_then_answered(base, aws, capsys, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    aws.faults += [
        Fault("ec2:DescribeRegions", "RequestLimitExceeded", status=503, times=1),
        Fault("pricing:GetProducts", "ThrottlingException", times=1, after=1),
    ]
    assert main(["catalog", "refresh", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confirmed"]["sites"] == 5
    assert len(aws.calls("ec2:DescribeRegions")) == 2


def test_one_region_denied_is_silent_and_its_rows_stay(base, aws, world, capsys, tmp_path):
    denied = Fault("ec2:DescribeAvailabilityZones", "UnauthorizedOperation", "by a policy", 403)
    denied.region = "us-west-2"
    aws.faults.append(denied)
    world["zones"]["us-west-2"] = []
    assert main(["catalog", "refresh", "--json", "--write", "--out", str(tmp_path / "mine")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sites"] == []  # the Local Zone there is not taken for gone
    assert "no permission for ec2:DescribeAvailabilityZones in us-west-2" in found["silent"]["us-west-2"]
    assert any("by a policy" in words for words in found["not_told"])
    old, new = base / "sites.csv", Path(found["written"]) / "sites.csv"
    (row,) = (line for line in old.read_text("utf-8").splitlines() if line.startswith("us-west-2-lax-1a"))
    assert row in new.read_text("utf-8").splitlines()


def test_a_region_that_turns_out_closed_is_silent(base, aws, capsys):
    aws.faults.append(Fault("ec2:DescribeAvailabilityZones", "OptInRequired", status=401, region="eu-west-1"))
    assert main(["catalog", "refresh", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["silent"]["eu-west-1"] == "not opted in"


def test_outposts_need_no_permission(base, aws, capsys):
    aws.faults.append(Fault("outposts:ListOutposts", "AccessDeniedException", status=403))
    assert main(["catalog", "refresh", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert any("no permission for outposts:ListOutposts" in words for words in found["not_told"])
    assert len(aws.calls("outposts:ListOutposts")) == 1


def test_no_credentials(base, aws, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "no AWS credentials were found: set AWS_PROFILE, or" in failing(capsys, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "the AWS credentials are incomplete" in failing(capsys, tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "(nobody) could not be found; AWS_PROFILE names one of" in failing(capsys, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_ENDPOINT_URL", "nowhere", "Invalid endpoint: nowhere"),
        ("AWS_MAX_ATTEMPTS", "many", "many"),
        ("AWS_REGION", "the moon", "the moon"),
    ],
)
def test_a_configuration_that_is_none(base, aws, capsys, tmp_path, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "the moon" if name == "AWS_REGION" else "us-east-1")
    assert words in failing(capsys, tmp_path)


def test_no_network(base, aws, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert "ec2:DescribeRegions in us-east-1: no network path: Could not conn" in failing(capsys, tmp_path)


def test_an_answer_that_is_no_price_list(base, aws, capsys, tmp_path):
    aws.products.append(
        ("AmazonEC2", {"product": {"attributes": aws.products[0][1]["product"]["attributes"]}})
    )
    said = failing(capsys, tmp_path)
    assert "pricing:GetProducts: an item of the price list could not be read" in said


def test_what_makes_no_catalog_is_not_written(base, aws, capsys, tmp_path, monkeypatch):
    before = (base / "services.csv").read_text("utf-8")
    (base / "services.csv").write_text(before, "utf-8")

    def spoil(action: str) -> None:
        # Somebody edits the catalog while it is compared.
        if action == "pricing:GetProducts":
            (base / "services.csv").write_text(
                before.replace("ec2,region,,,yes", "ec2,region,,,perhaps"), "utf-8"
            )

    aws.during = spoil
    capsys.readouterr()
    code = main(["catalog", "refresh", "--write", "--out", str(tmp_path / "mine")])
    printed, said = capsys.readouterr()
    assert (code, printed) == (5, "")
    assert "what was answered makes no catalog (services.csv, 2, offered: 'perhaps' is not one of" in said
    assert not (tmp_path / "mine").exists()
