"""Several processes train as one; a run that is killed ends as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bench_toys import write_text, write_tunes
from training_run import small

from core.errors import TrainingDiverged, WorkerLost
from core.model import Dropout
from core.training import run
from core.training.batches import Batch
from core.training.launch import _failure, run_together
from core.training.loop import Trainer
from core.training.precision import fastest_precision
from core.training.recipes import RECIPES
from core.training.run import build_model, open_corpus
from core.training.team import Team

PROGRAM = Path(__file__).with_name("training_run.py")
UPDATES = 40
RECIPE = replace(
    RECIPES["shakespeare"], embedding=8, hidden=16, dropout=Dropout(), rows=6, chunk=24, updates=UPDATES, warmup_updates=5
)


def first_updates(team: Team, data: Path, out: Path) -> None:
    """Three updates without dropout; each process leaves its weights and what it measured."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    corpus = open_corpus(RECIPE, data)
    trainer = Trainer(build_model(RECIPE, corpus), corpus, RECIPE, out, team)
    batches = corpus.training(RECIPE.rows, RECIPE.chunk, RECIPE.seed, mine=team.rows)
    measured = [trainer.update(weighted(next(batches), team)) for _ in range(3)]
    losses = [each.loss for each in measured]
    torch.save((trainer.model.state_dict(), losses, trainer.tokens), out / f"{team.rank}-of-{team.size}.pt")


def weighted(batch: Batch, team: Team) -> Batch:
    """The last rows have less to learn: the processes' batches then hold different numbers of tokens."""
    weights = batch.weights.copy()
    for place, row in enumerate(range(RECIPE.rows)[team.rows]):
        weights[24 - 3 * row :, place] = 0
    return replace(batch, weights=weights)


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    write_text(tmp_path / "text")
    run_together(first_updates, 2, tmp_path / "text", tmp_path)
    first_updates(Team(), tmp_path / "text", tmp_path)
    (alone, losses, tokens), *pair = (torch.load(tmp_path / f"{name}.pt") for name in ("0-of-1", "0-of-2", "1-of-2"))
    for weights, pair_losses, pair_tokens in pair:
        assert pair_tokens == tokens
        assert pair_losses == pytest.approx(losses, rel=1e-4)
        for name, weight in weights.items():
            torch.testing.assert_close(weight, alone[name], rtol=1e-3, atol=1e-4)
            assert torch.equal(weight, pair[0][0][name])  # between the two: to the bit


def fail(team: Team, how: str) -> None:
    if team.rank == 1 and how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "diverged":
        raise TrainingDiverged("The gradients exploded.")
    team.add_up([torch.ones(1)])  # in which the other waits


@pytest.mark.parametrize(
    ("how", "error", "sentence"),
    [
        ("killed", WorkerLost, r"^Training process 2 of 2 was killed \(SIGKILL\), so the others were ended\. Started again, "),
        ("diverged", TrainingDiverged, r"^The gradients exploded\.$"),
    ],
)
def test_a_process_that_dies_ends_the_run_with_a_clear_sentence(how: str, error: type[Exception], sentence: str) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=sentence):
        run_together(fail, 2, how)
    assert time.monotonic() - began < 60


def test_an_error_that_nobody_foresaw_is_named(caplog: pytest.LogCaptureFixture) -> None:
    member: Any = SimpleNamespace(process=SimpleNamespace(exitcode=1))
    lost = _failure(member, "Traceback …\nValueError: no such thing", "Training process 1 of 3")
    assert isinstance(lost, WorkerLost)
    assert lost.message.startswith("Training process 1 of 3 failed: ValueError: no such thing, so the others were ended.")
    assert "Traceback" in caplog.text


def killed_run(config: str, data: Path, out: Path, processes: int) -> None:
    """A program that trains, killed after a third of its updates."""
    command = [sys.executable, PROGRAM, config, data, out, str(UPDATES), str(processes)]
    paths = os.pathsep.join(str(path) for path in (PROGRAM.parents[2], PROGRAM.parent))
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, stderr=subprocess.DEVNULL) as program:
        while not (out / "last.pt").exists() or saved(out)["counters"]["updates"] < UPDATES // 3:
            assert program.poll() is None
            time.sleep(0.005)
        program.kill()
    time.sleep(0.5)  # the others of its team end with it


def saved(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "last.pt", weights_only=True)
    return found


def train_and_resume(team: Team, config: str, data: Path, unbroken: Path, broken: Path) -> None:
    """One run from its start, and the other from where it was killed."""
    for out in (unbroken, broken):
        run.train_in_team(team, config, replace(small(config), updates=UPDATES), data, out, resume=True)


@pytest.mark.parametrize(("config", "write", "processes"), [("folk", write_tunes, 1), ("shakespeare", write_text, 2)])
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(
    config: str, write: Any, processes: int, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    data, unbroken, broken = tmp_path / "data", tmp_path / "unbroken", tmp_path / "broken"
    write(data)
    killed_run(config, data, broken, processes)
    assert saved(broken)["counters"]["updates"] < UPDATES
    if processes == 1:
        train_and_resume(Team(), config, data, unbroken, broken)
    else:
        run_together(train_and_resume, processes, config, data, unbroken, broken)
    one, other = saved(unbroken), saved(broken)
    for part in ("model", "mean"):
        assert all(torch.equal(weight, other[part][name]) for name, weight in one[part].items())
    assert all(torch.equal(*states) for states in zip(one["state"], other["state"], strict=True))
    assert one["counters"] | {"seconds": 0} == other["counters"] | {"seconds": 0}
    for name in (f"{config}/model.safetensors", "best.pt"):
        assert (unbroken / name).read_bytes() == (broken / name).read_bytes()


@pytest.mark.parametrize(
    ("abilities", "dtype", "reason"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, torch.bfloat16, "AMX and AVX512-BF16"),
        ({"avx512_bf16": True}, torch.bfloat16, "AVX512-BF16"),
        ({"avx2": True, "amx_bf16": False}, torch.float32, "neither AMX nor AVX512-BF16"),
        ({}, torch.float32, "neither"),  # another architecture
    ],
)
def test_bfloat16_is_for_cpus_that_multiply_it(
    abilities: dict[str, bool], dtype: torch.dtype, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    precision = fastest_precision(torch.device("cpu"))
    assert precision.dtype is dtype
    assert reason in precision.reason
    with precision.autocast():
        assert torch.is_autocast_enabled("cpu") is (dtype is torch.bfloat16)
    assert fastest_precision(torch.device("cuda")).dtype is torch.bfloat16
