"""drums, folk and shakespeare measure what they say, on toy data and an untrained model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bench_toys import last_json, toy_checkpoint, write_performances, write_text, write_tunes

from bench import drums, folk, shakespeare
from core.catalog import Catalog
from core.checkpoint import LoadedModel, load_checkpoint
from core.music.context import MusicContext
from core.music.vocabulary import END, MusicVocabulary
from core.training.drums import DrumCorpus
from core.training.folk import FolkCorpus
from core.training.loop import evaluate
from core.training.shakespeare import TextCorpus


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # as the benches have: threads that wait for each other on a busy machine take minutes


Toy = tuple[Path, Path, LoadedModel]
"""The data, the folder of checkpoints, and the model in it."""


@pytest.fixture(scope="module")
def toy_drums(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("drums")
    write_performances(folder / "data")
    card = toy_checkpoint(folder / "models", "drums", DrumCorpus(folder / "data", {}))
    return folder / "data", folder / "models", load_checkpoint(folder / "models", card)


@pytest.fixture(scope="module")
def toy_folk(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("folk")
    write_tunes(folder / "data")
    card = toy_checkpoint(folder / "models", "folk", FolkCorpus(folder / "data", {}))
    return folder / "data", folder / "models", load_checkpoint(folder / "models", card)


@pytest.fixture(scope="module")
def toy_shakespeare(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("shakespeare")
    write_text(folder / "data")
    card = toy_checkpoint(folder / "models", "shakespeare", TextCorpus(folder / "data", {}))
    return folder / "data", folder / "models", load_checkpoint(folder / "models", card)


def arguments(toy: Toy, *more: str) -> list[str]:
    return ["--data", str(toy[0]), "--checkpoints", str(toy[1]), *more]


def slow_nats(loaded: LoadedModel, v: MusicVocabulary, tokens: np.ndarray, ending: bool) -> list[float]:
    """−log P of each body token, one after another."""
    context, state, nats = MusicContext(v, 1), loaded.model.empty_state(1), []
    context.reset(0)
    for place, token in enumerate(tokens[1:].tolist(), start=1):
        features, references, allowed = context.inputs()
        with torch.no_grad():
            steps = torch.from_numpy(features)[None], torch.from_numpy(references)[None]
            logits, state = loaded.model(*steps, state)
        allowed[:, END] &= ending
        if place >= v.header_length:
            chances = np.exp(np.where(allowed[0], logits[0, 0].double().numpy(), -np.inf))
            nats.append(-math.log(chances[token] / chances.sum()))
        context.advance(np.array([token]))
    return nats


def test_drum_steps_cost_what_decoding_them_would_cost(toy_drums: Toy) -> None:
    corpus, loaded = DrumCorpus(toy_drums[0], {}), toy_drums[2]
    found = drums.score(loaded.model, corpus.scoring("test", drums.ROWS, 32))
    total, steps = 0.0, 0
    for tokens, count in corpus.encoded["test"]:
        nats = slow_nats(loaded, drums.VOCABULARY, tokens, ending=False)
        closes = tokens[drums.VOCABULARY.header_length :] >= drums.VOCABULARY.first_duration
        done = np.cumsum(closes) - closes
        total += float(np.array(nats)[done >= drums.STEPS_PER_BAR].sum())
        steps += count - drums.STEPS_PER_BAR
    assert found.steps == steps
    assert found.nats == pytest.approx(total, rel=1e-4)


def test_a_drum_step_is_right_when_all_of_it_is(toy_drums: Toy) -> None:
    corpus, model = DrumCorpus(toy_drums[0], {}), toy_drums[2].model
    assert drums.score(model, corpus.scoring("test", drums.ROWS, 32)).right <= sum(n for _, n in corpus.encoded["test"])
    with torch.no_grad():
        before = model.head.bias.clone()
        model.head.bias[drums.VOCABULARY.first_duration] += 1e4  # always "nothing more in this step"
    found = drums.score(model, corpus.scoring("test", drums.ROWS, 32))
    with torch.no_grad():
        model.head.bias.copy_(before)
    here = drums.Steps(corpus.encoded["test"])
    assert found.right == int((here.codes[here.scored] == 0).sum())
    assert found.right < found.steps


def test_withholding_style_and_tempo_changes_nothing_else(toy_drums: Toy) -> None:
    corpus = DrumCorpus(toy_drums[0], {})
    v = drums.VOCABULARY
    for (told, _), (untold, _) in zip(corpus.encoded["test"], drums.withheld(corpus).encoded["test"], strict=True):
        changed = [name for place, name in enumerate(v.attributes, start=1) if told[place] != untold[place]]
        assert changed == ["style", "tempo"]
        assert np.array_equal(told[v.header_length :], untold[v.header_length :])


def test_bench_drums_quick(toy_drums: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    drums.main(arguments(toy_drums, "--quick"))
    found = last_json(capsys.readouterr().out)
    assert found["quick"] is True
    assert {figure["what"] for figure in found["figures"]} == {
        "nats per step",
        "nats per step, style and tempo withheld",
        "steps wholly right",
    }


def test_folk_notes_cost_what_decoding_the_tune_would_cost(toy_folk: Toy) -> None:
    corpus, loaded = FolkCorpus(toy_folk[0], {}), toy_folk[2]
    found = evaluate(loaded.model, corpus.scoring("test", folk.ROWS, folk.CHUNK))
    tunes = [corpus.encode(tune) for tune in corpus.tunes if tune.split == "test"]
    slowly = sum(sum(slow_nats(loaded, folk.VOCABULARY, tune, ending=True)) for tune in tunes)
    assert found.nats == pytest.approx(slowly, rel=1e-4)
    assert found.units == folk.Bodies(tunes).notes


def test_the_grammar_allows_every_token_of_a_tune(toy_folk: Toy) -> None:
    corpus = FolkCorpus(toy_folk[0], {})
    tunes = [corpus.encode(tune) for tune in corpus.tunes]
    bodies, allowed = folk.Bodies(tunes), folk.grammar(tunes)
    assert allowed.shape == (len(bodies.tokens), folk.VOCABULARY.size)
    assert allowed[np.arange(len(bodies.tokens)), bodies.tokens].all()
    assert not allowed.all(axis=1).any()


def test_a_tune_in_all_keys_is_the_same_tune(toy_folk: Toy) -> None:
    corpus = FolkCorpus(toy_folk[0], {})
    tune = corpus.encode(corpus.tunes[0])
    keys = folk.in_all_keys(tune)
    assert len(keys) == 12
    assert sum(np.array_equal(key, tune) for key in keys) == 1
    place = 1 + folk.VOCABULARY.attributes.index("key")
    assert len({int(key[place]) for key in keys}) == 12
    pitched = (tune >= folk.VOCABULARY.first_pitch) & (tune < folk.VOCABULARY.first_duration)
    assert all(np.array_equal(np.diff(key[pitched]), np.diff(tune[pitched])) for key in keys)


def test_bench_folk_quick(toy_folk: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    folk.main(arguments(toy_folk, "--quick"))
    figures = last_json(capsys.readouterr().out)["figures"]
    assert [figure["what"] for figure in figures] == ["nats per note", "nats per note"]
    assert [figure["split"] for figure in figures] == ["test", "validation"]
    assert all(figure["floor"] > 0 for figure in figures)


def test_a_carried_state_reads_the_text_as_one(toy_shakespeare: Toy) -> None:
    model = toy_shakespeare[2].model
    corpus = TextCorpus(toy_shakespeare[0], {})
    tokens = np.array(corpus.tokenizer.encode(corpus.test_text))[: 3 * shakespeare.WINDOW + 1]
    found = evaluate(model, shakespeare.carried(tokens))
    features = torch.from_numpy(tokens[:-1])[:, None, None]
    logits, _ = model(features, torch.zeros(len(tokens) - 1, 1, 0, dtype=torch.long), model.empty_state(1))
    assert found.units >= 2 * shakespeare.WINDOW
    read = slice(0, found.units)
    nats = torch.nn.functional.cross_entropy(logits[read, 0], torch.from_numpy(tokens[1:])[read], reduction="sum")
    assert found.nats == pytest.approx(float(nats), rel=1e-5)


def test_bench_shakespeare_writes_its_figures_into_the_card(toy_shakespeare: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    shakespeare.main(arguments(toy_shakespeare, "--update-card"))
    figures = last_json(capsys.readouterr().out)["figures"]
    written = Catalog(toy_shakespeare[1]).card("shakespeare").figures
    assert [(figure.what, figure.value) for figure in written] == [(figure["what"], figure["value"]) for figure in figures]
    assert all(figure.command == "python -m bench.shakespeare --data DIR" for figure in written)


def test_another_alphabet_is_refused(toy_shakespeare: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "input.txt").write_text("0123456789 " * 100)
    with pytest.raises(SystemExit) as ended:
        shakespeare.main(["--data", str(tmp_path), "--checkpoints", str(toy_shakespeare[1])])
    assert ended.value.code == 2
    assert "alphabet" in capsys.readouterr().err
