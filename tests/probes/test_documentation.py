"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import probes

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(probes.__path__, "probes.")
    if not found.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples
    ]
    assert len(examples) >= 8
