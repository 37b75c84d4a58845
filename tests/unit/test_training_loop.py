from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.brief import Brief
from core.catalog import Catalog
from core.decoders import choose_decoders
from core.errors import InvalidField, TrainingDiverged
from core.generate import generate
from core.model import Dropout
from core.sampling_params import SamplingParams
from core.training import loop, run
from core.training.batches import ALL_ROWS, Batch, Score
from core.training.export import export
from core.training.loop import Trainer, evaluate, negative_log_likelihood
from core.training.recipes import RECIPES, Recipe
from core.training.run import build_model, open_corpus
from core.training.shakespeare import TextCorpus

SENTENCE = "to be or not to be, that is the question.\n"
RECIPE = Recipe(
    corpus="shakespeare",
    embedding=8,
    hidden=16,
    layers=2,
    residual=True,
    head=0,
    dropout=Dropout(recurrent=0.1),
    rows=8,
    chunk=24,
    learning_rate=2e-2,
    weight_decay=0.01,
    minutes=1.0,
    warmup_updates=5,
    evaluate_every_minutes=0.25,
)


class Clock:
    """Every look at it is a quarter of a second later: an update takes so long, whatever the machine does meanwhile."""

    tick = 0.25

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "time", Clock())


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # threads that wait for each other on a busy machine take minutes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "input.txt"
    path.write_text(SENTENCE * 500)
    return path


def trainer(data: Path, out: Path, **changes: Any) -> Trainer:
    recipe = replace(RECIPE, **changes)
    torch.manual_seed(recipe.seed)
    corpus = open_corpus(recipe, data)
    return Trainer(build_model(recipe, corpus), corpus, recipe, out)


def log(out: Path, kind: str) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["kind"] == kind]


def test_a_tiny_corpus_trains_and_its_loss_falls(data: Path, tmp_path: Path) -> None:
    run_ = trainer(data, tmp_path / "out", minutes=0.5)
    run_.run()
    assert run_.updates == 120  # half a minute of quarter seconds
    assert run_.tokens == 120 * 8 * 24
    losses = [entry["loss"] for entry in log(tmp_path / "out", "train")]
    held_out = [entry["nats"] for entry in log(tmp_path / "out", "validation")]
    assert losses[-1] < 0.5 * losses[0]
    assert held_out[-1] == min(held_out) == run_.best < 1.5
    assert all(entry["gradient_norm"] > 0 for entry in log(tmp_path / "out", "train"))
    rates = [entry["rate"] for entry in log(tmp_path / "out", "train")]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.05 * RECIPE.learning_rate


def killed_at(updates: int) -> Any:
    """Trainer.update, but the run ends when it has done so many."""
    update = Trainer.update

    def killed(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if self.updates == updates:
            raise KeyboardInterrupt
        return update(self, *arguments, **options)

    return killed


def test_a_killed_run_goes_on_where_it_was(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    first = trainer(data, tmp_path / "out", minutes=0.25)
    update = Trainer.update
    monkeypatch.setattr(Trainer, "update", killed_at(20))
    with pytest.raises(KeyboardInterrupt):
        first.run()
    monkeypatch.setattr(Trainer, "update", update)
    second = trainer(data, tmp_path / "out", minutes=0.25)
    second.resume()
    assert (second.updates, second.tokens, second.seconds) == (first.updates, first.tokens, first.seconds)
    for one, other in ((first.model, second.model), (first.mean, second.mean)):
        assert all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())
    moments, restored = (each.optimizer.state_dict()["state"] for each in (first, second))
    assert all(torch.equal(moments[n]["exp_avg_sq"], restored[n]["exp_avg_sq"]) for n in moments)
    assert all(torch.equal(one, other) for one, other in zip(first.state, second.state, strict=True))
    second.run()
    assert second.updates == 60
    assert [entry["update"] for entry in log(tmp_path / "out", "train")] == [20, 40, 60]


def test_how_many_updates_fit_is_measured_once_and_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trainer(data, tmp_path / "out", minutes=0.5)
    update = Trainer.update
    monkeypatch.setattr(Trainer, "update", killed_at(50))
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert first.total == 120  # half a minute of quarter seconds
    monkeypatch.setattr(Trainer, "update", update)
    monkeypatch.setattr(Clock, "tick", 5.0)  # the machine has become slow: that does not change the run
    second = trainer(data, tmp_path / "out", minutes=0.5)
    second.resume()
    second.run()
    assert (second.updates, second.total) == (120, 120)
    longer = trainer(data, tmp_path / "out", minutes=1.0)
    longer.resume()
    assert longer.total == 240
    other = trainer(data, tmp_path / "out", updates=130)
    other.resume()
    assert other.total == 130


def test_what_was_logged_after_the_last_save_is_forgotten(data: Path, tmp_path: Path) -> None:
    first = trainer(data, tmp_path / "out", updates=40)
    first.run()
    with (tmp_path / "out" / "log.jsonl").open("a") as written:
        written.write(json.dumps({"kind": "train", "update": 60}) + "\n" + '{"kind": "tra')
    second = trainer(data, tmp_path / "out", updates=60)
    second.resume()
    second.run()
    assert [entry["update"] for entry in log(tmp_path / "out", "train")] == [20, 40, 60]
    anew = trainer(data, tmp_path / "out", updates=20)
    anew.run()
    assert [entry["update"] for entry in log(tmp_path / "out", "train")] == [20]


def test_the_log_tells_the_precision_and_the_padding(data: Path, tmp_path: Path) -> None:
    run_ = trainer(data, tmp_path / "out", updates=20)
    run_.run()
    (start,) = log(tmp_path / "out", "start")
    assert start["precision"] == str(run_.precision)
    assert start["processes"] == 1
    assert [entry["padding"] for entry in log(tmp_path / "out", "train")] == [0.0]  # text has none


def test_a_kill_while_it_is_saved_costs_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trainer(data, tmp_path / "out", minutes=0.25)
    first.run()

    def half(saved: Any, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    for save in (first._save, first._evaluate):
        first.best = float("inf")
        with pytest.raises(KeyboardInterrupt):
            save()
    second = trainer(data, tmp_path / "out")
    second.resume()
    assert second.updates == first.updates
    torch.load(tmp_path / "out" / "best.pt", weights_only=True)


def test_a_run_with_nothing_to_resume_starts_anew(data: Path, tmp_path: Path) -> None:
    run_ = trainer(data, tmp_path / "out")
    run_.resume()
    assert run_.updates == 0


def test_it_stops_early_when_validation_no_longer_improves(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ = trainer(data, tmp_path / "out", patience=2, evaluate_every_minutes=0.05)
    scores = iter([2.0, 1.5, 1.6, 1.7, 1.0])
    monkeypatch.setattr(loop, "evaluate", lambda *_: Score(next(scores), 1))
    run_.run()
    assert run_.best == 1.5
    assert len(log(tmp_path / "out", "validation")) == 4
    assert run_.seconds < 60


class Given:
    """A corpus of batches that are given."""

    unit = "token"

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def architecture_sizes(self) -> dict[str, Any]:
        return {"vocabulary": 4, "features": (4,), "references": 0, "pitch_tokens": (0, 0)}

    def tokenizer_config(self) -> dict[str, Any]:
        return {}

    def batch(self) -> Batch:
        ones = np.ones((3, 2), np.int64)
        weights = np.full((3, 2), self.weight, np.float32)
        return Batch(ones[:, :, None], np.zeros((3, 2, 0), np.int64), None, ones, weights, np.ones(2, bool))

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        while True:
            yield self.batch()

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        yield self.batch(), 6


def given_trainer(out: Path, corpus: Given) -> Trainer:
    recipe = replace(RECIPE, rows=2)
    return Trainer(build_model(recipe, corpus), corpus, recipe, out)


def test_a_loss_that_is_no_number_ends_the_run_with_a_clear_word(tmp_path: Path) -> None:
    run_ = given_trainer(tmp_path, Given())
    with torch.no_grad():
        run_.model.head.bias[0] = float("nan")
    before = run_.model.tables.clone()
    with pytest.raises(TrainingDiverged, match=r"exploded at update 0.*Lower the learning rate"):
        run_.run()
    assert torch.equal(run_.model.tables, before)  # the broken gradient was not applied


def test_gradients_that_vanish_end_the_run_with_a_clear_word(tmp_path: Path) -> None:
    run_ = given_trainer(tmp_path, Given())
    with torch.no_grad():
        run_.model.head.bias[1] = 1e4  # sure of the one token that ever comes
    with pytest.raises(TrainingDiverged, match=r"vanished.*100 updates"):
        run_.run()
    assert run_.updates == 99


def test_the_likelihood_counts_among_what_is_allowed_and_by_its_weight() -> None:
    logits = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]])
    allowed = np.array([[[True, True, False, False], [True, False, False, True]]])
    batch = Batch(
        np.zeros((1, 2, 1), np.int64), np.zeros((1, 2, 0), np.int64), allowed, np.array([[1, 1]]),
        np.array([[0.5, 0.0]], np.float32), np.ones(2, bool),
    )  # fmt: skip
    nats = negative_log_likelihood(logits, batch)
    assert nats[0, 0].item() == pytest.approx(0.5 * np.log(1 + np.exp(-1)), rel=1e-6)
    assert nats[0, 1] == 0.0


def test_the_score_does_not_depend_on_how_many_rows_are_read_at_once(data: Path, tmp_path: Path) -> None:
    run_ = trainer(data, tmp_path / "out")
    corpus = run_.corpus
    scores = [evaluate(run_.model, corpus.validation(rows, 24)) for rows in (1, 3, 64)]
    assert len({score.units for score in scores}) == 1
    assert max(score.nats for score in scores) == pytest.approx(min(score.nats for score in scores), rel=1e-5)


def test_a_finished_run_becomes_a_checkpoint_that_writes(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_ = trainer(data, out, minutes=0.3)
    run_.run()
    card = export("shakespeare", run_.recipe, run_.corpus, run_, out / "shakespeare")
    catalog = Catalog(out)
    assert catalog.card("shakespeare") == card  # what is read is what was written
    assert card.figures[0].value == pytest.approx(run_.best, abs=0.02)  # measured again, in half precision
    assert card.trained["updates"] == run_.updates
    decoder = choose_decoders("cpu").load(out, card)
    (result,) = generate(decoder, Brief(SamplingParams(seed=1), prompt="to be", words=5))
    assert result.rendered.data.startswith(b"to be")


def test_train_goes_from_data_to_a_checkpoint(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(RECIPES, "shakespeare", RECIPE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = run.train("shakespeare", data, tmp_path / "out", minutes=0.2)
    assert folder == tmp_path / "out" / "shakespeare"
    assert Catalog(tmp_path / "out").card("shakespeare").trained["minutes"] == 0.2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"log.jsonl", "loss.png", "last.pt", "best.pt", "shakespeare"}
    assert (tmp_path / "out" / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("config", "folder", "processes", "field"),
    [("waltz", ".", 1, "config"), ("shakespeare", "nowhere", 1, "data"), ("shakespeare", ".", 7, "processes")],
)
def test_what_cannot_be_is_named(tmp_path: Path, config: str, folder: str, processes: int, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        run.train(config, tmp_path / folder, tmp_path / "out", processes=processes)
    assert refused.value.field == field


def test_the_text_is_split_in_order_and_rows_read_on(data: Path) -> None:
    corpus = TextCorpus(data, {"reset_probability": 0.0})
    assert corpus.text + corpus.test_text == SENTENCE * 500
    assert len(corpus.test_text) == pytest.approx(0.1 * len(SENTENCE * 500), abs=1)
    batches = corpus.training(4, 10, seed=3)
    first, second = next(batches), next(batches)
    assert first.fresh.all()
    for row in np.flatnonzero(~second.fresh):
        assert second.features[0, row, 0] == first.targets[-1, row]
    resumed = next(corpus.training(4, 10, seed=3, skip=1, mine=slice(1, None, 2)))
    assert np.array_equal(resumed.features, second.features[:, 1::2])
    assert np.array_equal(resumed.fresh, second.fresh[1::2])
