"""Compiles the kernel with the system's compiler: one library for each dispatch path, beside its sources.

`python -m core.native.build` builds what this processor can run and says what it did, with `--all` every path of its kind, for an
image that is to run anywhere; it exits with 1 when there is no compiler. A library's name holds a hash of its sources and flags,
so one that is out of date is never loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.errors import KernelUnavailable

SOURCES = Path(__file__).parent
BUILT = SOURCES / "built"
COMPILERS = ("c++", "g++", "clang++")

# No contraction: a fused multiply-add rounds once where two operations round twice, and not every processor has one.
FLAGS = (
    "-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
    "-fvisibility=hidden", "-Wall", "-Wextra",
)  # fmt: skip
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni", "-mprefer-vector-width=512")
PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    "x86_64": {
        "portable": (),
        "avx2": ("-DRITORNELLO_AVX2", "-mavx2"),
        "avx512vnni": ("-DRITORNELLO_VNNI", *AVX512),
        "amx": ("-DRITORNELLO_AMX", *AVX512, "-mamx-tile", "-mamx-int8"),
    },
    "aarch64": {"portable": (), "neon": ("-DRITORNELLO_NEON", "-march=armv8.2-a+dotprod")},
}
"""By machine: each dispatch path and the flags that it takes."""


def machine() -> str:
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def paths() -> dict[str, tuple[str, ...]]:
    """The dispatch paths of this kind of machine."""
    return PATHS.get(machine(), {"portable": ()})


def find_compiler() -> str | None:
    """What CXX names, else the system's C++ compiler."""
    wanted = os.environ.get("CXX")
    return next((found for name in ([wanted] if wanted else COMPILERS) if (found := shutil.which(name))), None)


def library_file(path: str, flags: Sequence[str]) -> Path:
    """Where the library of a dispatch path is, or would be."""
    digest = hashlib.sha256(" ".join([*FLAGS, *flags]).encode())
    for source in sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.hpp"), *SOURCES.glob("*.cpp")]):
        digest.update(source.read_bytes())
    return BUILT / f"{path}-{machine()}-{digest.hexdigest()[:12]}.so"


def compile_library(compiler: str, flags: Sequence[str], target: Path) -> None:
    """Raises CalledProcessError with what the compiler said."""
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}.tmp")
    command = [compiler, *FLAGS, *flags, str(SOURCES / "kernel.cpp"), "-o", str(unfinished)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    unfinished.replace(target)


def build(names: Collection[str]) -> dict[str, Path | None]:
    """Build these paths' libraries where missing; None for one that this compiler does not know. Raises KernelUnavailable."""
    compiler = find_compiler()
    if compiler is None:
        looked_for = os.environ.get("CXX") or ", ".join(COMPILERS)
        raise KernelUnavailable(f"There is no C++ compiler here (looked for {looked_for}; CXX names another).")

    def one(path: str) -> Path | None:
        target = library_file(path, paths()[path])
        if target.exists():
            return target
        try:
            compile_library(compiler, paths()[path], target)
        except subprocess.CalledProcessError as error:
            if path == "portable":
                raise KernelUnavailable(f"The kernel does not compile: {error.stderr.strip()[-2000:]}") from error
            return None
        for old in BUILT.glob(f"{path}-{machine()}-*.so"):
            if old != target:
                old.unlink(missing_ok=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def fastest_here(portable: Path) -> str:
    """The dispatch path that suits this processor best; the portable library knows."""
    answer = ctypes.CDLL(str(portable)).ritornello_best_path
    answer.restype = ctypes.c_char_p
    return str(answer().decode())


def main(arguments: Sequence[str]) -> int:
    try:
        built = build(["portable"])
        portable = built["portable"]
        assert portable is not None
        built |= build(list(paths()) if "--all" in arguments else [fastest_here(portable)])
    except KernelUnavailable as error:
        print(error.message, file=sys.stderr)
        return 1
    left_out = [path for path, library in built.items() if library is None]
    made = ", ".join(path for path, library in built.items() if library is not None)
    print(f"The decode kernel is built for: {made}.")
    if left_out:
        print(f"This compiler does not know the instructions of: {', '.join(left_out)}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
