from __future__ import annotations

import logging
from pathlib import Path

import pytest
from toys import write_toys

from core import decoders
from core.brief import Brief
from core.catalog import PACKED, Catalog
from core.decoders import choose_decoders
from core.errors import CheckpointError, KernelUnavailable
from core.generate import generate
from core.native import build
from core.sampling_params import SamplingParams


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return write_toys(tmp_path)


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine where nothing was built."""
    monkeypatch.setattr(decoders, "best_path", unbuilt)


def unbuilt() -> str:
    raise KernelUnavailable("The decode kernel was not built.")


def test_the_native_kernel_serves_where_it_was_built() -> None:
    assert choose_decoders("cpu").numerics == "int8-1"


def test_torch_serves_without_the_kernel_says_so_once_and_makes_the_same_files(
    catalog: Catalog, no_kernel: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = choose_decoders("auto")
    assert chosen.numerics == "torch-cpu-2"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "torch decodes, more slowly" in caplog.text
    brief = Brief(SamplingParams(seed=5), bars=1, variations=2)
    torch_made, native_made = (
        [result.rendered.data for result in generate(load(catalog.folder, catalog.card("folk")), brief)]
        for load in (chosen.load, decoders.native_decoders().load)
    )
    assert torch_made == native_made


def test_without_either_it_says_what_to_do(no_kernel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "torch_installed", lambda: False)
    with pytest.raises(KernelUnavailable, match=r"pip install 'ritornello\[torch\]'"):
        choose_decoders("cpu")


def test_cuda_that_is_demanded_and_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "cuda_device_here", lambda: False)
    with pytest.raises(KernelUnavailable, match="no CUDA device"):
        choose_decoders("cuda")


@pytest.mark.parametrize(("device", "numerics"), [("auto", "cuda-2"), ("cuda", "cuda-2"), ("cpu", "int8-1")])
def test_cuda_is_taken_when_it_is_there_and_not_forbidden(
    device: decoders.Device, numerics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "cuda_device_here", lambda: True)
    assert choose_decoders(device).numerics == numerics


def test_packed_weights_that_are_not_the_cards_are_an_error(catalog: Catalog) -> None:
    (catalog.folder / "folk" / PACKED).write_bytes(b"not what the card says")
    with pytest.raises(CheckpointError, match="not those"):
        choose_decoders("cpu").load(catalog.folder, catalog.card("folk"))


def test_packed_weights_of_another_architecture_are_an_error(catalog: Catalog) -> None:
    card = catalog.card("folk")
    other = card.model_copy(update={"architecture": card.architecture | {"hidden": 32}})
    with pytest.raises(CheckpointError, match="do not fit its card"):
        choose_decoders("cpu").load(catalog.folder, other)


def test_a_machine_without_a_compiler_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.main([]) == 1
    assert "There is no C++ compiler here" in capsys.readouterr().err


def test_a_library_of_other_sources_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.library_file("portable", ())
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DANOTHER"))
    assert build.library_file("portable", ()) != before
