"""AWS on loopback: moto's server for EC2, and what moto lacks of the price list and of Outposts, on the wire.

What this file answers itself is held against botocore's own model of the service, request and answer alike,
so that it cannot come to say what AWS does not. Any call can be made to fail as AWS fails.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
from botocore.validate import ParamValidator

MODELS = {name: botocore.session.get_session().get_service_model(name) for name in ("pricing", "outposts")}
PAGE = 3


@dataclass
class Fault:
    """One way in which a call fails, ``times`` over; ``dies``: the connection breaks within the answer."""

    action: str
    code: str = ""
    message: str = "said by the server"
    status: int = 400
    times: int = 10**9
    region: str | None = None
    date: str | None = None
    dies: bool = False
    after: int = 0


@dataclass
class Aws:
    """What is answered, and what was asked. ``products`` are (service code, item of the list)."""

    moto: tuple[str, int]
    products: list[tuple[str, dict]] = field(default_factory=list)
    outposts: dict[str, list[dict]] = field(default_factory=dict)
    rack_types: dict[str, list[str]] = field(default_factory=dict)
    items: list[dict] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str, dict]] = field(default_factory=list)
    during: Callable[[str], None] | None = None
    url: str = ""

    def calls(self, action: str) -> list[dict]:
        return [given for name, _, given in self.asked if name == action]

    def fault(self, action: str, region: str) -> Fault | None:
        for each in self.faults:
            if each.action == action and each.region in (None, region) and each.times > 0:
                if each.after > 0:
                    each.after -= 1
                    continue
                each.times -= 1
                return each
        return None


def checked(service: str, operation: str, kind: str, value: dict) -> dict:
    """``value``, which botocore's model of the operation must know."""
    model = MODELS[service].operation_model(operation)
    shape = model.input_shape if kind == "input" else model.output_shape
    unknown = set(value) - set(shape.members)
    report = ParamValidator().validate(value, shape)
    assert not unknown, f"{operation} has no {unknown}"
    assert not report.has_errors(), report.generate_report()
    return value


def paged(elements: list, given: dict, page: int = PAGE) -> tuple[list, dict]:
    start = int(given.get("NextToken", "0"))
    rest = {"NextToken": str(start + page)} if start + page < len(elements) else {}
    return elements[start : start + page], rest


def get_products(aws: Aws, region: str, given: dict) -> dict:
    def matches(service: str, item: dict) -> bool:
        attributes = item["product"]["attributes"]
        terms = given.get("Filters", ())
        return service == given["ServiceCode"] and all(
            attributes.get(term["Field"]) == term["Value"] for term in terms
        )

    found = [json.dumps(item) for service, item in aws.products if matches(service, item)]
    page, rest = paged(found, given)
    return {"FormatVersion": "aws_v1", "PriceList": page, **rest}


def list_outposts(aws: Aws, region: str, given: dict) -> dict:
    page, rest = paged(aws.outposts.get(region, []), given)
    return {"Outposts": page, **rest}


def get_outpost_instance_types(aws: Aws, region: str, given: dict) -> dict:
    types = [{"InstanceType": name, "VCPUs": 4} for name in aws.rack_types[given["OutpostId"]]]
    page, rest = paged(types, given)
    return {"InstanceTypes": page, "OutpostId": given["OutpostId"], **rest}


def list_catalog_items(aws: Aws, region: str, given: dict) -> dict:
    page, rest = paged(aws.items, given)
    return {"CatalogItems": page, **rest}


ANSWERS = {
    "GetProducts": get_products,
    "ListOutposts": list_outposts,
    "GetOutpostInstanceTypes": get_outpost_instance_types,
    "ListCatalogItems": list_catalog_items,
}


def routed(path: str) -> tuple[str, dict]:
    """The operation of Outposts that a path is for, and what the path says."""
    for name in ("ListOutposts", "GetOutpostInstanceTypes", "ListCatalogItems"):
        template = MODELS["outposts"].operation_model(name).http["requestUri"]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        if found := re.fullmatch(pattern, path):
            return name, {key: unquote(text) for key, text in found.groupdict().items()}
    raise AssertionError(path)


def from_query(operation: str, query: str) -> dict:
    """A query string as the parameters that botocore's model names."""
    members = MODELS["outposts"].operation_model(operation).input_shape.members
    by_wire = {shape.serialization.get("name", name): (name, shape) for name, shape in members.items()}
    given = {}
    for wire, values in parse_qs(query).items():
        name, shape = by_wire[wire]
        one = int(values[0]) if shape.type_name == "integer" else values[0]
        given[name] = values if shape.type_name == "list" else one
    return given


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def serve(self) -> None:
        aws = self.server.aws
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", self.headers.get("Authorization", ""))
        assert scope, "unsigned"
        region, service = scope.groups()
        if service == "ec2":
            given = {key: values[0] for key, values in parse_qs(body.decode()).items()}
            operation = given.pop("Action")
        elif service == "pricing":
            prefix = MODELS["pricing"].metadata["targetPrefix"]
            operation = self.headers["X-Amz-Target"].removeprefix(f"{prefix}.")
            assert self.headers["Content-Type"] == "application/x-amz-json-1.1"
            given = checked("pricing", operation, "input", json.loads(body))
        else:
            url = urlsplit(self.path)
            operation, given = routed(url.path)
            given = checked("outposts", operation, "input", given | from_query(operation, url.query))
        action = f"{service}:{operation}"
        aws.asked.append((action, region, given))
        if aws.during:
            aws.during(action)
        if (fault := aws.fault(action, region)) is not None:
            self.fail(service, fault)
        elif service == "ec2":
            self.forward(body, operation, given)
        else:
            answer = checked(service, operation, "output", ANSWERS[operation](aws, region, given))
            self.answer(200, json.dumps(answer).encode(), "application/x-amz-json-1.1")

    def forward(self, body: bytes, operation: str, given: dict) -> None:
        connection = http.client.HTTPConnection(*self.server.aws.moto, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers | {"Host": "ec2.amazonaws.com"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if operation == "DescribeInstanceTypeOfferings":  # moto gives all of them on one page
            items = re.findall(r"<item>.*?</item>", text, re.DOTALL)
            page, rest = paged(items, given)
            more = f"<nextToken>{rest['NextToken']}</nextToken>" if rest else ""
            text = re.sub(r"<item>.*</item>", "".join(page), text, flags=re.DOTALL)
            text = text.replace("</instanceTypeOfferingSet>", f"</instanceTypeOfferingSet>{more}")
        self.answer(answer.status, text.encode(), answer.getheader("Content-Type", "text/xml"))
        connection.close()

    def fail(self, service: str, fault: Fault) -> None:
        if fault.dies:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"FormatVersion": "aws_v1", "PriceList": [')
            self.close_connection = True
            return
        if service == "ec2":
            error = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
            text = f"<Response><Errors>{error}</Errors><RequestID>1-2</RequestID></Response>"
            self.answer(fault.status, text.encode(), "text/xml", date=fault.date)
        else:
            error = {"__type": fault.code, "message": fault.message}
            self.answer(
                fault.status,
                json.dumps(error).encode(),
                "application/x-amz-json-1.1",
                date=fault.date,
                kind=fault.code,
            )

    def answer(
        self, status: int, body: bytes, content: str, date: str | None = None, kind: str | None = None
    ) -> None:
        self.send_response_only(status)
        self.send_header("Date", date or self.date_time_string())
        self.send_header("Content-Type", content)
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    aws: Aws


@contextmanager
def serving(aws: Aws) -> Iterator[Aws]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.aws = aws
        aws.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield aws
        finally:
            server.shutdown()
            thread.join()


# What is on the price list


def dimensions(sku: str, tiers: list[tuple[str, str]], unit: str, currency: str) -> dict:
    ends = [start for start, _ in tiers[1:]] + ["Inf"]
    return {
        f"{sku}.JRTCKXETXF.{number}": {
            "unit": unit,
            "beginRange": start,
            "endRange": end,
            "rateCode": f"{sku}.JRTCKXETXF.{number}",
            "appliesTo": [],
            "description": "as listed",
            "pricePerUnit": {currency: price},
        }
        for number, ((start, price), end) in enumerate(zip(tiers, ends, strict=True))
    }


def product(attributes: dict, tiers: list[tuple[str, str]], *, unit: str, currency: str = "USD") -> dict:
    """An item as the price list gives it: beside the term in force an older one, and one that is to come."""
    sku = f"SKU{abs(hash(tuple(sorted(attributes.items())))) % 10**10}"
    return {
        "product": {"productFamily": "-", "attributes": attributes, "sku": sku},
        "serviceCode": "-",
        "terms": {
            "OnDemand": {
                f"{sku}.NEW": {
                    "priceDimensions": dimensions(sku, tiers, unit, currency),
                    "sku": sku,
                    "effectiveDate": "2026-11-01T00:00:00Z",
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                },
                f"{sku}.NEXT": {
                    "priceDimensions": dimensions(sku, [("0", "88.8")], unit, currency),
                    "sku": sku,
                    "effectiveDate": "2999-01-01T00:00:00Z",
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                },
                f"{sku}.OLD": {
                    "priceDimensions": dimensions(sku, [("0", "77.7")], unit, currency),
                    "sku": sku,
                    "effectiveDate": "2019-01-01T00:00:00Z",
                    "offerTermCode": "JRTCKXETXF",
                    "termAttributes": {},
                },
            },
            "Reserved": {},
        },
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


def instance(name: str, region: str, price: str, **more: str) -> tuple[str, dict]:
    attributes = {
        "servicecode": "AmazonEC2",
        "instanceType": name,
        "regionCode": region,
        "locationType": "AWS Region",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
        "marketoption": "OnDemand",
        "operation": "RunInstances",
        "usagetype": f"BoxUsage:{name}",
    }
    currency = more.pop("currency", "USD")
    return "AmazonEC2", product(attributes | more, [("0", price)], unit="Hrs", currency=currency)


def egress(region: str, *tiers: tuple[str, str]) -> tuple[str, dict]:
    attributes = {
        "servicecode": "AWSDataTransfer",
        "transferType": "AWS Outbound",
        "fromRegionCode": region,
        "toLocation": "External",
        "usagetype": f"{region.upper()}-DataTransfer-Out-Bytes",
    }
    return "AWSDataTransfer", product(attributes, list(tiers), unit="GB")


def onward(source: str, destination: str, price: str) -> tuple[str, dict]:
    attributes = {
        "servicecode": "AWSDataTransfer",
        "transferType": "InterRegion Outbound",
        "fromRegionCode": source,
        "toRegionCode": destination,
        "toLocationType": "AWS Region",
        "usagetype": f"{source}-{destination}-AWS-Out-Bytes",
    }
    return "AWSDataTransfer", product(attributes, [("0", price)], unit="GB")


def within(region: str, price: str) -> tuple[str, dict]:
    attributes = {
        "servicecode": "AWSDataTransfer",
        "transferType": "IntraRegion",
        "fromRegionCode": region,
        "toRegionCode": region,
        "usagetype": f"{region}-DataTransfer-Regional-Bytes",
    }
    return "AWSDataTransfer", product(attributes, [("0", price)], unit="GB")
