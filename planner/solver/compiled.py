"""Kernels: small loops over plain arrays, compiled by numba to machine code, and their cache on disk.

numba keeps compiled code beside the source and tells a stale entry by the source file alone; a kernel that
calls one of another file would be kept when that other file changes. So the cache lies in a folder named by
the content of every file with kernels: change one, and all are compiled afresh. Where the installation may
not be written, numba's own per-user folder serves. Measured against numpy in docs/design/0007.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

PACKAGE = Path(__file__).resolve().parent


def _cache_folder() -> str:
    """The folder for this state of the kernels; those of earlier states are removed. Empty = numba's
    choice."""
    digest = hashlib.sha256(numba.__version__.encode())
    for module in sorted(PACKAGE.rglob("*.py")):
        content = module.read_bytes()
        if b"@compiled" in content:
            digest.update(content)
    place = PACKAGE / "__pycache__"
    folder = place / f"kernels-{digest.hexdigest()[:16]}"
    if folder.is_dir():
        return str(folder)
    try:
        folder.mkdir(parents=True)
    except OSError:
        return ""
    for old in place.glob("kernels-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return str(folder)


CACHE = os.environ.get("NUMBA_CACHE_DIR") or _cache_folder()


def compiled(function: Kernel) -> Kernel:
    """``function`` as machine code, compiled at its first call with new types and kept on disk.

    It releases the interpreter while it runs, so that a page stays alive beside it.
    """
    config: Any = numba.config
    others, config.CACHE_DIR = config.CACHE_DIR, CACHE
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(function))
    finally:
        config.CACHE_DIR = others
