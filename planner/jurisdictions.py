"""Countries, and the named sets of countries that residency rules speak of [I/O].

The sets are inputs to a planner, not legal advice: several memberships carry a condition (see the file),
and who edits the file edits the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from planner.csv_rows import Row, read_rows
from planner.datadir import data_dir
from probes.strict_toml import InputError, nearest_name

_OTHER_CODES: Final[Mapping[str, str]] = {
    "UK": "GB",
    "EL": "GR",
    "UAE": "AE",
    "KSA": "SA",
    "GER": "DE",
    "SUI": "CH",
    "NED": "NL",
    "POR": "PT",
    "ARE": "AE",
    "ARG": "AR",
    "AUS": "AU",
    "AUT": "AT",
    "BEL": "BE",
    "BGR": "BG",
    "BRA": "BR",
    "CAN": "CA",
    "CHE": "CH",
    "CHL": "CL",
    "CHN": "CN",
    "COL": "CO",
    "CZE": "CZ",
    "DEU": "DE",
    "DNK": "DK",
    "EGY": "EG",
    "ESP": "ES",
    "EST": "EE",
    "FIN": "FI",
    "FRA": "FR",
    "GBR": "GB",
    "GRC": "GR",
    "HKG": "HK",
    "HRV": "HR",
    "HUN": "HU",
    "IDN": "ID",
    "IND": "IN",
    "IRL": "IE",
    "ISL": "IS",
    "ISR": "IL",
    "ITA": "IT",
    "JPN": "JP",
    "KEN": "KE",
    "KOR": "KR",
    "LTU": "LT",
    "LUX": "LU",
    "LVA": "LV",
    "MAR": "MA",
    "MEX": "MX",
    "MYS": "MY",
    "NGA": "NG",
    "NLD": "NL",
    "NOR": "NO",
    "NZL": "NZ",
    "PAK": "PK",
    "PER": "PE",
    "PHL": "PH",
    "POL": "PL",
    "PRT": "PT",
    "ROU": "RO",
    "SAU": "SA",
    "SGP": "SG",
    "SVK": "SK",
    "SVN": "SI",
    "SWE": "SE",
    "THA": "TH",
    "TUR": "TR",
    "TWN": "TW",
    "UKR": "UA",
    "USA": "US",
    "VNM": "VN",
    "ZAF": "ZA",
}
"""What people write for a country although ISO 3166 does not."""


class JurisdictionError(InputError):
    """The file of countries or of jurisdictions is malformed."""


@cache
def load_countries() -> Mapping[str, str]:
    """Country code (ISO 3166-1 alpha-2, and XK as GeoNames writes it) to its short English name."""
    path = data_dir() / "countries.csv"
    rows = read_rows(path, ("code", "name", "source", "as_of"), ("note",), JurisdictionError)
    return {row.text("code"): row.text("name") for row in rows}


def nearest_country(text: str) -> str | None:
    """The code that was probably meant by ``text``: a code in lower case, a name, or None."""
    countries = load_countries()
    code = _OTHER_CODES.get(text.upper(), text.upper())
    if code in countries:
        return code
    by_name = {name: code for code, name in countries.items()}
    name = nearest_name(text, by_name) if len(text) > 3 else None
    return by_name[name] if name else None


def country_cell(row: Row, column: str = "country") -> str:
    """The country code in a cell. Raises the file's error with the code that was probably meant."""
    hint = nearest_country(row.text(column))
    code: str = row.choice(column, load_countries(), what="ISO 3166 country code", nearest=hint)
    return code


def load_jurisdictions(path: Path | None = None) -> Mapping[str, frozenset[str]]:
    """Name of the jurisdiction to its country codes. Raises :class:`JurisdictionError`."""
    file = path or data_dir() / "jurisdictions.csv"
    found: dict[str, set[str]] = {}
    for row in read_rows(file, ("name", "country", "condition", "source", "as_of"), (), JurisdictionError):
        name, country = row.text("name"), country_cell(row)
        row.text("source"), row.date("as_of")
        if country in found.setdefault(name, set()):
            raise row.fault("country", f"{country} is already in {name}")
        found[name].add(country)
    return {name: frozenset(countries) for name, countries in found.items()}
