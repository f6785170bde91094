"""Memory as a compiled kernel sees it: bare pointers, and comparing bytes thirty-two at a time.

An array that is handed from function to function has its references counted each time, which costs a kernel
of many small functions more than its work. Numba does not see a change in here from the file of a kernel
that calls it: ``planner.store.scanning.COMPILED_IN`` changes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic


def _memory(typing: Any, array: Any) -> Any:
    """A pointer to the first item of a contiguous array, which the caller keeps alive."""

    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy
        return proxy(signature.args[0])(context, builder, value=arguments[0]).data

    pointer: Any = numba.types.CPointer
    return pointer(array.dtype)(array), written


def _alike_32(typing: Any, data: Any, one: Any, other: Any) -> Any:
    """How many of the 32 bytes from ``one`` on are those from ``other`` on; reads all 32 of both."""

    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_32 = ir.VectorType(ir.IntType(8), 32)
        loaded = [
            builder.load(builder.bitcast(builder.gep(arguments[0], [at]), bytes_32.as_pointer()), align=1)
            for at in arguments[1:]
        ]
        differs = builder.bitcast(builder.icmp_unsigned("!=", *loaded), ir.IntType(32))
        return builder.zext(builder.cttz(differs, ir.IntType(1)(0)), ir.IntType(64))

    return numba.types.int64(data, numba.types.int64, numba.types.int64), written


memory: Callable[..., Any] = intrinsic(_memory)
alike_32: Callable[..., int] = intrinsic(_alike_32)
