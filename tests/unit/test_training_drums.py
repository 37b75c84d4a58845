from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.music.midi import write_midi
from core.music.piece import Note, Piece, TempoChange, Track
from core.music.vocabulary import END
from core.training.drums import GENERAL_MIDI_DRUMS, STEPS_PER_BAR, VOCABULARY, DrumCorpus, performances, step_count


def groove(bars: int, drum: int = 36) -> Piece:
    """A kick on every beat, played a little late, and a hat on every 16th."""
    kicks = [Note(480 * beat + 20, 40, drum) for beat in range(4 * bars)]
    hats = [Note(120 * step, 30, 42) for step in range(16 * bars)]
    return Piece(480, (Track(tuple(sorted(kicks + hats)), percussion=True),), (TempoChange(0, 500_000),))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one of the same make as the data set."""
    rows = [
        ("drummer1/a.mid", "funk/purdie", 95, "4-4", "train", groove(4)),
        ("drummer1/b.mid", "rock", 130, "4-4", "train", groove(6)),
        ("drummer2/c.mid", "jazz", 180, "4-4", "validation", groove(3, 35)),
        ("drummer2/d.mid", "latin/samba", 110, "4-4", "test", groove(5)),
        ("drummer2/short.mid", "rock", 110, "4-4", "train", groove(1)),
        ("drummer2/waltz.mid", "jazz", 110, "3-4", "train", groove(4)),
    ]
    path = tmp_path_factory.mktemp("groove") / "groove.zip"
    table = io.StringIO()
    table.write("midi_filename,style,bpm,time_signature,split\n")
    with zipfile.ZipFile(path, "w") as files:
        for name, style, tempo, meter, split, piece in rows:
            table.write(f"{name},{style},{tempo},{meter},{split}\n")
            files.writestr(f"groove/{name}", write_midi(piece))
        files.writestr("groove/info.csv", table.getvalue())
    return path


def test_the_performances_in_four_four_that_are_long_enough_are_read(archive: Path) -> None:
    found = performances(archive.parent)
    assert [(each.name, each.style, each.tempo, each.split) for each in found] == [
        ("drummer1/a.mid", "funk", 95, "train"),
        ("drummer1/b.mid", "rock", 130, "train"),
        ("drummer2/c.mid", "jazz", 180, "validation"),
        ("drummer2/d.mid", "latin", 110, "test"),
    ]


def test_every_drum_is_read_as_one_of_nine() -> None:
    assert [VOCABULARY.reading(note) for notes in GENERAL_MIDI_DRUMS.values() for note in notes] == [
        index for index, notes in enumerate(GENERAL_MIDI_DRUMS.values()) for _ in notes
    ]
    assert step_count(groove(2)) == 32


def test_a_performance_is_one_duration_token_for_each_step(archive: Path) -> None:
    corpus = DrumCorpus(archive, {})
    for tokens, steps in corpus.encoded["train"]:
        assert (tokens >= VOCABULARY.first_duration).sum() == steps
        assert tokens[-1] == VOCABULARY.first_duration


def test_every_batch_of_training_can_be_learnt_and_never_ends_a_piece(archive: Path) -> None:
    batches = DrumCorpus(archive, {}).training(rows=3, chunk=40, seed=1)
    for _ in range(12):
        batch = next(batches)
        assert batch.allowed is not None
        at = np.arange(len(batch.targets))[:, None], np.arange(3)[None, :], batch.targets
        assert batch.allowed[at].all()
        assert not (batch.targets[batch.weights > 0] == END).any()


def test_a_score_is_of_the_steps_after_the_first_bar(archive: Path) -> None:
    corpus = DrumCorpus(archive, {})
    scored = list(corpus.scoring("test", rows=2, chunk=64))
    assert sum(units for _, units in scored) == 5 * STEPS_PER_BAR - STEPS_PER_BAR
    (tokens, _) = corpus.encoded["test"][0]
    durations = np.flatnonzero(tokens >= VOCABULARY.first_duration)
    after_first_bar = len(tokens) - 1 - durations[STEPS_PER_BAR - 1]
    assert sum(float(batch.weights.sum()) for batch, _ in scored) == after_first_bar
