"""What a bench prints can be read by people and, on its last line, by programs; what it writes into a card replaces the old."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_toys import toy_checkpoint, write_text

from bench.card import update_card
from bench.options import DataSet, read_options
from bench.report import Measurement, machine, show, table
from core.catalog import Card, Catalog
from core.training.shakespeare import TextCorpus

TEXT = DataSet("some text", "texts", "input.txt")
FOUND = [
    Measurement("nats per character", 1.23456, "nats per character", "lower", "test", floor=1.7, floor_is="an n-gram"),
    Measurement("nats per character", 1.3, "nats per character", "lower", "validation"),
    Measurement("speed", 120.0, "tokens/s", "higher", peer=60.0, peer_is="a loop"),
]


@pytest.fixture
def card(tmp_path: Path) -> Card:
    write_text(tmp_path / "texts")
    return toy_checkpoint(tmp_path / "models", "shakespeare", TextCorpus(tmp_path / "texts", {}))


def test_the_last_line_is_one_json_object_with_every_figure(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    show("toy", card, FOUND, quick=False)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["bench"] == "toy"
    assert last["checkpoint"] == {"name": "shakespeare", "sha256": card.sha256}
    assert [set(figure) for figure in last["figures"]] == [
        {"what", "split", "value", "unit", "better", "floor", "floor_is", "peer", "peer_is"}
    ] * len(FOUND)
    assert last["figures"][0]["value"] == 1.2346
    assert last["machine"]["cores"] >= 1


def test_the_table_puts_numbers_under_each_other_and_dashes_for_what_is_missing() -> None:
    assert table(["what", "value", "floor"], [("a", 1.5, None), ("long name", 12.25, 3.0)]).splitlines() == [
        "what        value   floor",
        "a          1.5000       –",
        "long name   12.25  3.0000",
    ]


def test_the_machine_line_tells_no_host_name() -> None:
    assert set(machine()) == {"cpu", "cores", "load", "system", "python", "torch", "threads"}


def test_a_card_gets_the_test_figures_in_place_of_older_ones(card: Card, tmp_path: Path) -> None:
    older = Measurement("nats per character", 9.9, "nats per character", "lower", "test")
    other = Measurement("words invented", 3.0, "%", "lower", "test")
    card = update_card(card, tmp_path / "models", [older, other], "python -m bench.toy")
    update_card(card, tmp_path / "models", FOUND, "python -m bench.toy --data DIR")
    first, second = Catalog(tmp_path / "models").card("shakespeare").figures
    assert (first.value, first.floor, first.floor_is, first.split) == (1.2346, 1.7, "an n-gram", "test")
    assert first.command == "python -m bench.toy --data DIR"
    assert second.what == "words invented"


def test_data_is_found_in_its_own_folder_and_beside_others(tmp_path: Path) -> None:
    write_text(tmp_path / "texts")
    for given in (tmp_path, tmp_path / "texts"):
        assert read_options("toy", None, ["--data", str(given)]).data(TEXT) == tmp_path / "texts"


@pytest.mark.parametrize("arguments", [[], ["--data", "no/such/folder"]])
def test_missing_data_is_one_sentence_and_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options("toy", None, arguments).data(TEXT)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--data" in line
    assert "some text" in line


def test_a_missing_checkpoint_is_one_sentence_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options("toy", None, ["--checkpoints", str(tmp_path)]).load("folk")
    assert ended.value.code == 2
    assert "no model named 'folk'" in capsys.readouterr().err


def test_a_part_is_never_written_into_a_card() -> None:
    with pytest.raises(SystemExit) as ended:
        read_options("toy", None, ["--quick", "--update-card"])
    assert ended.value.code == 2
