"""Vectors for compiled loops: some 32-bit floats that are loaded, computed with and stored together.

numba has no such type, and LLVM finds vectors in plain loops only where it can prove that arrays do not overlap, which
blurs in place do. LLVM turns `Lanes` into the widest instructions of the processor at hand, whichever that is. How many
lanes a loop uses is the length of a tuple of nothing it is given, `like`: numba compiles a loop once for each length.

Compiled loops are kept on disk by the time of their own file: whoever changes this one removes `__pycache__`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, codegen, config, types
from numba.extending import intrinsic, models, register_model

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_CACHE_LINE = 64  # bytes
# 2^x on [0, 1]: the polynomial of degree 5 of least relative error, 1.6e-7 in 32-bit arithmetic (fitted, measured)
_EXP2 = (0.0018775766, 0.0089893403, 0.055826318, 0.24015362, 0.69315307, 0.99999993)


class Lanes(types.Type):
    """`width` 32-bit floats that are computed with together."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(_FLOAT, lanes.width))


def _emit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that says what it returns, and how, for given types into one that compiled code can call."""
    return cast(Callable[..., Any], intrinsic(function))


def _constant(vector: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def _broadcast(builder: Any, vector: ir.VectorType, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, first, _constant(ir.VectorType(_INT, vector.count), 0))


def _call(builder: Any, name: str, vector: ir.VectorType, *arguments: Any) -> Any:
    signature = ir.FunctionType(vector, [vector] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{vector.count}f32")
    return builder.call(function, arguments)


def _reduce(builder: Any, vector: Any, fold: Callable[[Any, Any], Any]) -> Any:
    """Fold halves onto each other until one number is left, the same way on every processor."""
    size = vector.type.count
    while size > 1:
        size //= 2
        low, high = (ir.Constant(ir.VectorType(_INT, size), [*range(start, start + size)]) for start in (0, size))
        vector = fold(*(builder.shuffle_vector(vector, vector, half) for half in (low, high)))
    return builder.extract_element(vector, ir.Constant(_INT, 0))


def _larger(builder: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _address(context: Any, builder: Any, signature: Any, arguments: Any, to: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), to.as_pointer())


def has_halves() -> bool:
    """Whether the processor converts between 32 and 16-bit floats itself: all x86 since AVX2 and all 64-bit ARM do."""
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else codegen.get_host_cpu_features()
    return "+f16c" in features.split(",") or platform.machine().lower() in ("aarch64", "arm64")


def _stored(array: Any, count: int) -> ir.VectorType:
    """What numbers of an array are in memory: uint16 are whole numbers, and the bits of 16-bit floats are in int16."""
    kinds = {types.float32: _FLOAT, types.uint16: ir.IntType(16), types.int16: ir.HalfType()}
    return ir.VectorType(kinds[array.dtype], count)


@_emit
def load(_: Any, like: Any, array: Any, index: Any) -> Any:
    """`len(like)` numbers of a flat array from `index` on: float32, whole ones in uint16, or 16-bit floats in int16."""
    lanes = Lanes(len(like))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored, vector = _stored(array, lanes.width), ir.VectorType(_FLOAT, lanes.width)
        address = _address(context, builder, types.void(*signature.args[1:]), arguments[1:], stored)
        numbers = builder.load(address, align=array.dtype.bitwidth // 8)
        if array.dtype == types.uint16:
            return builder.sitofp(builder.zext(numbers, ir.VectorType(_INT, lanes.width)), vector)
        return numbers if array.dtype == types.float32 else builder.fpext(numbers, vector)

    return lanes(like, array, types.intp), generate


@_emit
def store(_: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write lanes to a flat array, of what `load` reads, from `index` on, each as the nearest number there is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored, numbers = _stored(array, lanes.width), arguments[2]
        if array.dtype == types.uint16:
            rounded = builder.fadd(numbers, _constant(numbers.type, 0.5))
            numbers = builder.trunc(builder.fptosi(rounded, ir.VectorType(_INT, lanes.width)), stored)
        elif array.dtype == types.int16:
            numbers = builder.fptrunc(numbers, stored)
        address = _address(context, builder, signature, arguments, stored)
        builder.store(numbers, address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@_emit
def at(_: Any, array: Any, index: Any) -> Any:
    """A number of an array as it lies in memory, for an `index` from 0: numba would ask whether it is below."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        return context.unpack_value(builder, array.dtype, builder.gep(data, [arguments[1]]))

    return array.dtype(array, types.intp), generate


@_emit
def prefetch(_: Any, count: Any, array: Any, index: Any) -> Any:
    """Ask for the cache lines of `len(count)` numbers of a flat array from `index` on, which will be needed soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        inner = types.void(*signature.args[1:])
        address = _address(context, builder, inner, arguments[1:], ir.IntType(8))
        for line in range(0, len(count) * array.dtype.bitwidth // 8, _CACHE_LINE):
            there = builder.gep(address, [ir.Constant(_INT, line)])
            builder.call(function, [there, *(ir.Constant(_INT, value) for value in (0, 3, 1))])  # data, to read, often
        return context.get_dummy_value()

    return types.void(count, array, types.intp), generate


@_emit
def full(_: Any, like: Any, value: Any) -> Any:
    """The same number in every lane."""
    lanes = Lanes(len(like))
    vector = ir.VectorType(_FLOAT, lanes.width)
    return lanes(like, types.float32), lambda c, builder, s, arguments: _broadcast(builder, vector, arguments[1])


@_emit
def scale(_: Any, factor: Any, lanes: Any) -> Any:
    """A number times lanes."""
    return lanes(types.float32, lanes), lambda c, builder, s, arguments: builder.fmul(
        _broadcast(builder, arguments[1].type, arguments[0]), arguments[1]
    )


@_emit
def muladd(_: Any, factor: Any, lanes: Any, term: Any) -> Any:
    """A number times lanes, plus lanes; rounded once where the processor can."""
    return lanes(types.float32, lanes, lanes), lambda c, builder, s, arguments: _call(
        builder,
        "fmuladd",
        arguments[1].type,
        _broadcast(builder, arguments[1].type, arguments[0]),
        arguments[1],
        arguments[2],
    )


@_emit
def plus(_: Any, first: Any, second: Any) -> Any:
    """Sum, lane by lane."""
    return first(first, first), lambda c, builder, s, arguments: builder.fadd(*arguments)


@_emit
def times(_: Any, first: Any, second: Any) -> Any:
    """Product, lane by lane."""
    return first(first, first), lambda c, builder, s, arguments: builder.fmul(*arguments)


@_emit
def larger(_: Any, first: Any, second: Any) -> Any:
    """The larger one, lane by lane."""
    return first(first, first), lambda c, builder, s, arguments: _larger(builder)(*arguments)


@_emit
def total(_: Any, lanes: Any) -> Any:
    """Sum over lanes."""
    return types.float32(lanes), lambda c, builder, s, arguments: _reduce(builder, arguments[0], builder.fadd)


@_emit
def largest(_: Any, lanes: Any) -> Any:
    """Maximum over lanes."""
    return types.float32(lanes), lambda c, builder, s, arguments: _reduce(builder, arguments[0], _larger(builder))


@_emit
def exp(_: Any, lanes: Any) -> Any:
    """Powers of e, lane by lane, of numbers up to 0 (2^-126 at the least): 2^floor, by its bits, times a polynomial."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0].type
        whole = ir.VectorType(_INT, vector.count)
        power = builder.fmul(arguments[0], _constant(vector, float(np.float32(np.log2(np.e)))))
        power = _larger(builder)(power, _constant(vector, -126.0))
        floor = _call(builder, "floor", vector, power)
        rest = builder.fsub(power, floor)
        value = _constant(vector, float(np.float32(_EXP2[0])))
        for coefficient in _EXP2[1:]:
            value = _call(builder, "fmuladd", vector, value, rest, _constant(vector, float(np.float32(coefficient))))
        shift = builder.shl(builder.fptosi(floor, whole), ir.Constant(whole, [23] * vector.count))
        return builder.bitcast(builder.add(builder.bitcast(value, whole), shift), vector)

    return lanes(lanes), generate
