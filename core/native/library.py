"""Loads the kernel's library and declares its C interface (kernel.h) to ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int32, c_int64, c_uint64, c_void_p
from functools import cache

from core.errors import KernelUnavailable
from core.native.build import fastest_here, library_file, paths

MAX_LAYERS = 8


class Matrix(Structure):
    _fields_ = (("weights", c_void_p), ("scale", c_void_p), ("rows", c_int32), ("columns", c_int32))


class Dense(Structure):
    _fields_ = (("first", Matrix), ("second", Matrix), ("bias", c_void_p), ("first_inverse", c_float))


class ModelSpec(Structure):
    _fields_ = (
        ("precision", c_int32),
        ("vocabulary", c_int32),
        ("hidden", c_int32),
        ("layers", c_int32),
        ("residual", c_int32),
        ("embedding", c_int32),
        ("features", c_int32),
        ("feature_starts", c_void_p),
        ("tables", c_void_p),
        ("token_gates", c_void_p),
        ("token_head", c_void_p),
        ("input_inverse", c_float),
        ("layer", Dense * MAX_LAYERS),
        ("head_hidden", Dense),
        ("head", Dense),
        ("references", c_int32),
        ("first_pitch", c_int32),
        ("pitches", c_int32),
        ("relative", c_void_p),
    )


class ContextSpec(Structure):
    _fields_ = (
        ("kind", c_int32),
        ("vocabulary", c_int32),
        ("percussion", c_int32),
        ("voices", c_int32),
        ("attributes", c_int32),
        ("attribute_start", c_int32 * 8),
        ("attribute_choices", c_int32 * 8),
        ("meter_attribute", c_int32),
        ("key_attribute", c_int32),
        ("hold", c_int32),
        ("first_pitch", c_int32),
        ("pitches", c_int32),
        ("first_duration", c_int32),
        ("durations", c_int32),
        ("lowest_pitch", c_int32),
        ("middle_pitch", c_int32),
        ("lags", c_int32),
        ("lag", c_int32 * 16),
        ("bar_lags", c_int32),
        ("bar_lag", c_int32 * 16),
        ("duration_ticks", c_void_p),
        ("bar_ticks_by_choice", c_void_p),
        ("tonic_by_choice", c_void_p),
        ("bar_max", c_int32),
        ("memory", c_int32),
    )


class SamplingSpec(Structure):
    _fields_ = (
        ("temperature", c_float),
        ("top_p", c_float),
        ("repetition_penalty", c_float),
        ("top_k", c_int32),
        ("key", c_uint64 * 2),
        ("wanted", c_void_p),
        ("wanted_rows", c_int32),
    )


_SIGNATURES = {
    "ritornello_path": (c_char_p, []),
    "ritornello_best_path": (c_char_p, []),
    "ritornello_layout": (None, [c_int64 * 3]),
    "ritornello_model": (c_void_p, [POINTER(ModelSpec), POINTER(ContextSpec)]),
    "ritornello_model_bytes": (c_int64, [c_void_p]),
    "ritornello_model_free": (None, [c_void_p]),
    "ritornello_sequence": (c_void_p, [c_void_p, c_int32, c_int32, c_int32]),
    "ritornello_read": (None, [c_void_p, c_void_p, c_int32]),
    "ritornello_unread": (c_int32, [c_void_p]),
    "ritornello_sample": (None, [c_void_p, POINTER(SamplingSpec)]),
    "ritornello_copy": (c_void_p, [c_void_p]),
    "ritornello_sequence_bytes": (c_int64, [c_void_p]),
    "ritornello_sequence_free": (None, [c_void_p]),
    "ritornello_advance": (None, [c_void_p, c_void_p, c_int32, c_int32, c_int32, c_void_p, c_void_p, c_void_p]),
    "ritornello_look": (None, [c_void_p, c_void_p, c_int32, c_void_p, c_void_p]),
    "ritornello_draw": (c_int32, [POINTER(SamplingSpec), c_void_p, c_void_p, c_int32, c_void_p, c_int32]),
}


@cache
def load(path: str) -> ctypes.CDLL:
    """The library of a dispatch path. Raises KernelUnavailable when it was not built. The caller answers for the processor."""
    file = library_file(path, paths().get(path, ()))
    if not file.exists():
        raise KernelUnavailable(f"The decode kernel was not built for {path}: run `python -m core.native.build --all`.")
    library = ctypes.CDLL(str(file))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    sizes = (c_int64 * 3)()
    library.ritornello_layout(sizes)
    assert tuple(sizes) == tuple(map(ctypes.sizeof, (ModelSpec, ContextSpec, SamplingSpec))), "kernel.h and library.py differ"
    return library


def best_path() -> str:
    """The fastest dispatch path that this processor can run and that was built. Raises KernelUnavailable."""
    portable = library_file("portable", paths()["portable"])
    if not portable.exists():
        raise KernelUnavailable("The decode kernel was not built: run `python -m core.native.build`.")
    wanted = fastest_here(portable)
    return wanted if library_file(wanted, paths()[wanted]).exists() else "portable"


def usable_paths() -> list[str]:
    """Every dispatch path that this processor can run and that was built, the plainest first. Raises KernelUnavailable."""
    ordered = list(paths())  # who can run one can run those before it
    last = ordered.index(best_path())
    return [path for path in ordered[: last + 1] if library_file(path, paths()[path]).exists()]
