"""What one core of this machine can do at best: bytes read a second from each level of the memory, int8 multiply-adds a second.

    python -m bench.roofline

A step of a recurrent network reads all its weights once and multiplies them with every stream, so it can be no faster than
either. Roofline: Williams et al. 2009, https://doi.org/10.1145/1498765.1498785. The measuring loops are roofline.cpp's.
"""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.report import table
from core.native.build import COMPILERS, find_compiler

SOURCE = Path(__file__).with_suffix(".cpp")
COMPILE_SECONDS = 120
INSTRUCTIONS = {
    "avx2_maddubs": "AVX2 vpmaddubsw + vpmaddwd",
    "avx2_madd": "AVX2 vpmaddwd",
    "avx_vnni": "AVX-VNNI vpdpbusd",
    "avx512_vnni": "AVX-512 VNNI vpdpbusd",
    "amx_int8": "AMX tdpbusd",
    "neon_dot": "NEON sdot",
}
"""roofline.cpp's functions, and what each of them runs."""
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
MEMORY_SHARE = {1: 0.5, 2: 0.5, 3: 0.25}
"""How much of a cache is read to measure it: the rest is for what else the core does, and of the last one for other cores."""
BEYOND_CACHES = 8
MEMORY_BYTES = (128 << 20, 512 << 20)
"""Main memory is measured on BEYOND_CACHES times the last cache, within these bounds."""
PASS_BYTES = 64 << 20  # each round reads about so much
ROUNDS = 8


@dataclass(frozen=True)
class Level:
    """One level of the memory. `capacity_bytes` None: main memory, which holds whatever there is."""

    name: str
    capacity_bytes: int | None
    measured_bytes: int
    bytes_per_second: float


@dataclass(frozen=True)
class Roofline:
    """Of one thread. `multiply_adds`: int8 multiply-adds a second by instruction, those that the machine has."""

    levels: tuple[Level, ...]
    multiply_adds: dict[str, float]

    def home(self, weight_bytes: int) -> Level:
        """The fastest level in which so many bytes stay from step to step; near its capacity part of them may not."""
        return next(level for level in self.levels if level.capacity_bytes is None or weight_bytes <= level.capacity_bytes)

    @property
    def fastest(self) -> tuple[str, float]:
        """The instruction with the most int8 multiply-adds a second, and how many."""
        return max(self.multiply_adds.items(), key=lambda item: item[1], default=("none", 0.0))

    def least_step_seconds(self, weight_bytes: int, multiply_adds: int, streams: int = 1) -> float:
        """What one step of `streams` sequences takes at least: its weights read once, `multiply_adds` for each stream."""
        peak = self.fastest[1]
        return max(weight_bytes / self.home(weight_bytes).bytes_per_second, streams * multiply_adds / peak if peak else 0.0)

    def __str__(self) -> str:
        read = [
            (level.name, _size(level.capacity_bytes), _size(level.measured_bytes), level.bytes_per_second / 1e9)
            for level in self.levels
        ]
        multiplied = [(name, rate / 1e9) for name, rate in self.multiply_adds.items()]
        levels = table(["level", "holds", "measured on", "GB/s read"], read)
        return f"{levels}\n\n{table(['instruction', '10⁹ int8 multiply-adds/s'], multiplied)}"


def measure(say: Callable[[str], None] = print) -> Roofline | None:
    """Takes about two seconds. None when nothing here compiles it; `say` is told why in one sentence."""
    with tempfile.TemporaryDirectory(prefix="ritornello-roofline-") as folder:
        library = compiled(Path(folder), say)
        return None if library is None else _measure(library)


def compiled(folder: Path, say: Callable[[str], None] = print) -> ctypes.CDLL | None:
    """The loops, built for this very machine. None when there is no compiler, or it does not manage."""
    compiler = find_compiler()
    if compiler is None:
        say(f"No roofline: there is no C++ compiler here ({', '.join(COMPILERS)}, or the one that CXX names).")
        return None
    target = folder / "roofline.so"
    native = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    command = [compiler, "-O3", "-std=c++17", native, "-shared", "-fPIC", "-o", str(target), str(SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS)
        library = ctypes.CDLL(str(target))
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr[:200])
        say(f"No roofline: {compiler} does not compile {SOURCE.name}: {first}")
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"No roofline: {compiler} does not build {SOURCE.name} here: {error}")
        return None
    library.read_bytes_per_second.restype = ctypes.c_double
    library.read_bytes_per_second.argtypes = (ctypes.c_size_t, ctypes.c_int, ctypes.c_int)
    for name in INSTRUCTIONS:
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_double, (ctypes.c_int,)
    return library


def read_speed(library: ctypes.CDLL, size_bytes: int) -> float:
    """Bytes a second, reading a buffer of that size again and again, the best of several rounds."""
    return float(library.read_bytes_per_second(size_bytes, max(1, PASS_BYTES // size_bytes), ROUNDS))


def _measure(library: ctypes.CDLL) -> Roofline:
    caches = cache_bytes()
    buffers: list[tuple[str, int | None, int]] = [
        (f"L{level}", size, int(size * MEMORY_SHARE.get(level, 0.25))) for level, size in sorted(caches.items())
    ]
    least, most = MEMORY_BYTES
    buffers.append(("memory", None, min(most, max(least, BEYOND_CACHES * max(caches.values())))))
    levels = tuple(Level(name, holds, size, read_speed(library, size)) for name, holds, size in buffers)
    rates = {words: float(getattr(library, name)(ROUNDS)) for name, words in INSTRUCTIONS.items()}
    return Roofline(levels, {words: rate for words, rate in rates.items() if rate})


@cache
def cache_bytes() -> dict[int, int]:
    """Bytes of the data caches that the first core uses, by level, as the system reports them; usual sizes where it does not."""
    found: dict[int, int] = {}
    for index in sorted(CACHES.glob("index*")):
        kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        match = re.fullmatch(r"(\d+)([KM]?)", size)
        if kind != "Instruction" and match:
            found[int(level)] = int(match[1]) << {"": 0, "K": 10, "M": 20}[match[2]]
    if not found and sys.platform == "darwin":
        for level, name in ((1, "hw.l1dcachesize"), (2, "hw.l2cachesize")):
            asked = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
            if asked.stdout.strip().isdigit():
                found[level] = int(asked.stdout)
    return found or {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}


def _size(count: int | None) -> str:
    if count is None:
        return "–"
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} kB"


if __name__ == "__main__":
    found = measure()
    if found is None:
        sys.exit(1)
    print(found)
