"""Every dispatch path draws the same tokens: run here, emulated where this processor lacks the instructions, NEON under qemu."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from service import missing

from core.native.build import FLAGS, PATHS, SOURCES, find_compiler, machine, paths
from core.native.library import best_path, usable_paths

NATIVE = Path(__file__).parent.parent / "native"
EMULATED = {"avx512vnni": ("-DRITORNELLO_VNNI",), "amx": ("-DRITORNELLO_AMX",)}
CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"


def program(compiler: str, flags: tuple[str, ...], folder: Path) -> str:
    """tests/native/replay.cpp with the kernel, compiled for a path."""
    target = folder / "replay"
    kept = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC", "-O3")] + ["-O1"]  # it compiles in half the time
    sources = [str(SOURCES / "kernel.cpp"), str(NATIVE / "replay.cpp")]
    command = [compiler, *kept, "-Werror", f"-I{SOURCES}", f"-I{NATIVE}", *flags, *sources, "-o", str(target)]
    subprocess.run(command, check=True)
    return str(target)


def drawn(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=200).stdout


pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def compiler() -> str:
    found = find_compiler()
    if found is None:
        missing("a C++ compiler")
    return str(found)


@pytest.fixture(scope="session")
def portable(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    said = drawn(program(compiler, (), tmp_path_factory.mktemp("portable")))
    assert len(set(said.splitlines())) == 2 * 40  # 40 streams of 2 models, each the same alone, in company, on 1 thread and on 2
    return said


@pytest.mark.parametrize("path", [path for path in usable_paths() if path != "portable"])
def test_a_path_of_this_processor_draws_what_the_portable_one_draws(
    path: str, compiler: str, portable: str, tmp_path: Path
) -> None:
    assert drawn(program(compiler, paths()[path], tmp_path)) == portable


@pytest.mark.parametrize("path", EMULATED)
def test_a_path_draws_the_same_with_its_instructions_emulated(
    path: str, compiler: str, portable: str, tmp_path: Path
) -> None:
    assert drawn(program(compiler, (*EMULATED[path], "-DRITORNELLO_EMULATED"), tmp_path)) == portable


@pytest.mark.parametrize("path", PATHS["aarch64"])
def test_an_arm_processor_draws_the_same(path: str, portable: str, tmp_path: Path) -> None:
    if machine() == "aarch64":
        pytest.skip("this is one: the test above has run it")
    for tool in (CROSS_COMPILER, EMULATOR):
        if shutil.which(tool) is None:
            missing(f"{tool} (Debian: g++-aarch64-linux-gnu, qemu-user)")
    built = program(CROSS_COMPILER, (*PATHS["aarch64"][path], "-static"), tmp_path)
    assert drawn(EMULATOR, built) == portable


def test_the_fastest_path_is_one_that_was_built() -> None:
    assert usable_paths()[0] == "portable"
    assert best_path() == usable_paths()[-1]
