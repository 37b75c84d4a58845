from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Catalog
from core.errors import InvalidField, MidiError, NotationError, RequestError, UnknownModel, UnplayablePrime, UnsupportedTask
from core.music.midi import write_midi
from core.music.piece import MeterChange, Note, Piece, Track
from worker.jobs.admission import Admitted, admit
from worker.jobs.prime import bar_and_beat, pitch_name
from worker.jobs.request import GenerationRequest

SPANS = {"tempo": {"minimum": 40, "maximum": 240}, "bars": {"minimum": 1, "maximum": 64, "default": 12}}
CARDS: list[dict[str, Any]] = [
    {
        "name": "drums",
        "attributes": {"style": ["rock", "funk"], **SPANS},
        "playable": {"percussion": True, "pitches": [36, 38, 42, 46], "voices": 4, "ticks_per_quarter": 4},
        "default_sampling": {"temperature": 0.9, "top_k": 5},
    },
    {
        "name": "folk",
        "attributes": {"style": ["jig", "slip jig"], "key": ["D minor", "Bb major"], "meter": ["4/4", "6/8"], **SPANS},
        "playable": {"percussion": False, "pitches": list(range(48, 85)), "voices": 1, "ticks_per_quarter": 24},
        "default_sampling": {"temperature": 0.8, "top_p": 0.9},
    },
    {
        "name": "piano",
        "tasks": ["continue"],
        "playable": {"percussion": False, "pitches": list(range(30, 100)), "voices": 4, "ticks_per_quarter": 12},
    },
    {"name": "shakespeare", "kind": "text", "words": {"minimum": 1, "maximum": 1000, "default": 150}},
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("checkpoints")
    common = {
        "format": 1, "title": {"en": ""}, "summary": {"en": ""}, "kind": "music", "tasks": ["continue", "compose"],
        "architecture": {}, "tokenizer": {}, "parameters": 1, "sha256": "", "packed_sha256": "",
        "default_sampling": {}, "data": [],
        "licence": "MIT", "figures": [], "limits": {"en": ""}, "trained": {},
    }  # fmt: skip
    for card in CARDS:
        path = folder / card["name"]
        path.mkdir()
        (path / "card.json").write_text(json.dumps(common | card))
    return Catalog(folder)


def ask(catalog: Catalog, **fields: Any) -> Admitted:
    return admit(GenerationRequest.model_validate(fields), catalog)


def notes(text: str) -> dict[str, str]:
    return {"format": "notes", "notes": text}


def midi(*pitches: Note, percussion: bool = False, **more: Any) -> dict[str, str]:
    data = write_midi(Piece(480, (Track(tuple(pitches), percussion=percussion),), **more))
    return {"format": "midi", "midi": base64.b64encode(data).decode()}


def refused(catalog: Catalog, expected: type[RequestError], field: str, /, **fields: Any) -> str:
    with pytest.raises(expected) as error:
        ask(catalog, **fields)
    assert error.value.field == field
    return error.value.message


def test_a_prime_alone_is_continued_with_the_defaults_of_its_model(catalog: Catalog) -> None:
    admitted = ask(catalog, prime=notes("D4:1 F4:0.5 A4:0.5 r:1"))
    request = admitted.request
    assert (request.task, request.model, request.attributes.bars, request.prime) == ("continue", "folk", 12, None)
    assert admitted.prime is not None
    assert [note.pitch for note in admitted.prime.tracks[0].notes] == [62, 65, 69]
    assert admitted.card.name == "folk"


def test_beats_go_to_the_drums_without_being_told(catalog: Catalog) -> None:
    admitted = ask(catalog, prime={"format": "beats", "beats": {"kick": "x...x...", "snare": "....x..."}})
    assert (admitted.request.model, admitted.request.task) == ("drums", "continue")


def test_without_a_name_a_model_is_taken_that_can_do_it(catalog: Catalog) -> None:
    assert ask(catalog, prime=notes("C4:1")).request.model == "folk"  # the first that plays pitches
    assert ask(catalog, prime=midi(Note(0, 480, 60), Note(0, 480, 64))).request.model == "piano"
    said = refused(catalog, UnplayablePrime, "prime", prime=notes("C1:1"))
    assert "No other model" in said


def test_an_empty_request_composes(catalog: Catalog) -> None:
    request = ask(catalog).request
    assert (request.kind, request.task, request.model) == ("music", "compose", "folk")


def test_text_is_continued_with_a_prompt_and_composed_without(catalog: Catalog) -> None:
    continued = ask(catalog, kind="text", prompt="Shall I").request
    assert (continued.task, continued.model, continued.prompt) == ("continue", "shakespeare", "Shall I")
    assert continued.length is not None
    assert continued.length.words == 150
    composed = ask(catalog, kind="text", prompt="", length={"sentences": 3}).request
    assert (composed.task, composed.prompt) == ("compose", None)
    assert composed.length is not None
    assert (composed.length.words, composed.length.sentences) == (None, 3)


def test_knobs_left_out_or_null_take_the_cards_defaults_and_those_set_stay(catalog: Catalog) -> None:
    sampling = ask(catalog, sampling={"temperature": None, "top_k": 0, "seed": 7}).request.sampling
    assert sampling.params() == sampling.params().__class__(temperature=0.8, top_k=0, top_p=0.9, repetition_penalty=1.0, seed=7)
    drums = ask(catalog, model="drums", sampling={"temperature": 0}).request.sampling
    assert (drums.temperature, drums.top_k, drums.top_p) == (0, 5, 0.95)
    assert isinstance(drums.top_k, int)


def test_a_seed_is_drawn_when_there_is_none(catalog: Catalog) -> None:
    seeds = {ask(catalog).request.sampling.seed for _ in range(5)}
    assert None not in seeds
    assert len(seeds) == 5
    assert ask(catalog, sampling={"seed": 0}).request.sampling.seed == 0


def test_what_was_admitted_is_admitted_again_unchanged(catalog: Catalog) -> None:
    once = ask(catalog, attributes={"key": "Dm", "style": "JIG"}, sampling={"temperature": 0.5}, variations=3).request
    assert admit(GenerationRequest.model_validate_json(once.model_dump_json()), catalog).request == once


def test_attributes_are_spelt_as_the_card_spells_them(catalog: Catalog) -> None:
    asked = {"key": "A# major", "meter": " 6 / 8", "style": "  Slip  JIG ", "tempo": 96, "bars": 4}
    asked["key"] = "bb Major"
    attributes = ask(catalog, model="folk", attributes=asked).request.attributes
    assert (attributes.key, attributes.meter, attributes.style) == ("Bb major", "6/8", "slip jig")
    assert (attributes.tempo, attributes.bars) == (96, 4)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("key", "E minor", "D minor, Bb major"),
        ("key", "H minor", "such as D minor"),
        ("meter", "7/8", "4/4, 6/8"),
        ("meter", "six", "such as"),
        ("style", "polka", "jig, slip jig"),
        ("tempo", 300, "40 to 240"),
        ("tempo", 20, "40 to 240"),
        ("bars", 65, "1 to 64"),
        ("instruments", ["violin"], "one instrument"),
        ("without", ["violin"], "one instrument"),
    ],
)
def test_an_attribute_that_the_model_does_not_know_is_named_with_what_there_is(
    catalog: Catalog, name: str, value: object, said: str
) -> None:
    assert said in refused(catalog, InvalidField, f"attributes.{name}", model="folk", attributes={name: value})


def test_an_attribute_that_the_model_lacks_is_refused(catalog: Catalog) -> None:
    assert "no key" in refused(catalog, InvalidField, "attributes.key", model="drums", attributes={"key": "D minor"})
    assert "no tempo" in refused(
        catalog, InvalidField, "attributes.tempo", model="piano", prime=notes("C4:1"), attributes={"tempo": 96}
    )
    assert ask(catalog, model="piano", prime=notes("C4:1")).request.attributes.bars == 8


def test_models_are_checked(catalog: Catalog) -> None:
    assert "folk" in refused(catalog, UnknownModel, "model", model="jazz")
    assert "shakespeare" in refused(catalog, InvalidField, "model", kind="text", model="folk")
    assert "drums, folk" in refused(catalog, InvalidField, "model", model="shakespeare")
    assert "continue" in refused(catalog, UnsupportedTask, "task", model="piano", task="compose")


def test_tasks_need_what_they_continue(catalog: Catalog) -> None:
    refused(catalog, InvalidField, "prime", task="continue")
    refused(catalog, InvalidField, "prime", task="compose", prime=notes("C4:1"))
    refused(catalog, InvalidField, "prompt", kind="text", task="continue")
    refused(catalog, InvalidField, "prompt", kind="text", task="compose", prompt="Once")


def test_fields_of_the_other_kind_are_refused_by_name(catalog: Catalog) -> None:
    refused(catalog, InvalidField, "prime", kind="text", prime=notes("C4:1"))
    refused(catalog, InvalidField, "attributes.key", kind="text", attributes={"key": "D minor"})
    refused(catalog, InvalidField, "attributes.instruments", kind="text", attributes={"instruments": ["x"]})
    refused(catalog, InvalidField, "length", length={"words": 3})
    refused(catalog, InvalidField, "stop", stop=["x"])
    assert "No model reads" in refused(catalog, InvalidField, "prompt", prompt="jazz, slow")
    assert "4,000" in refused(catalog, InvalidField, "prompt", prompt="x" * 4001)


def test_lengths_and_stops_of_texts_are_checked(catalog: Catalog) -> None:
    refused(catalog, InvalidField, "length", kind="text", length={"words": 3, "sentences": 2})
    assert "1 to 1000" in refused(catalog, InvalidField, "length.words", kind="text", length={"words": 1001})
    refused(catalog, InvalidField, "stop", kind="text", stop=["a", ""])


def test_a_prime_too_high_is_refused_and_the_model_that_can_is_named(catalog: Catalog) -> None:
    said = refused(catalog, UnplayablePrime, "prime", model="folk", prime=notes("C4:3 C6:1 D6:0.5 E6:0.5 F6:1 G6:1"))
    assert "C3 to C6" in said
    assert "D6 (bar 2, beat 1), E6 (bar 2, beat 1.5), F6 (bar 2, beat 2) and more" in said
    assert "piano" in said


def test_a_drum_that_the_model_lacks_is_named(catalog: Catalog) -> None:
    said = refused(catalog, UnplayablePrime, "prime", prime=midi(Note(0, 120, 36), Note(480, 120, 56), percussion=True))
    assert "drum 56 (bar 1, beat 2)" in said
    assert "No other model" in said


def test_pitches_for_drums_and_drums_for_pitches_are_refused(catalog: Catalog) -> None:
    assert "folk" in refused(catalog, UnplayablePrime, "prime", model="drums", prime=notes("C4:1"))
    beats = {"format": "beats", "beats": {"kick": "x..."}}
    assert "These models can play the prime: drums." in refused(catalog, UnplayablePrime, "prime", model="folk", prime=beats)


def test_a_chord_is_refused_by_a_model_with_one_voice(catalog: Catalog) -> None:
    chord = midi(Note(0, 480, 60), Note(0, 480, 64), Note(480, 480, 67))
    said = refused(catalog, UnplayablePrime, "prime", model="folk", prime=chord)
    assert "one note at a time" in said
    assert "E4 (bar 1, beat 1)" in said
    assert ask(catalog, model="piano", prime=chord).prime is not None


def test_two_voices_at_different_places_are_refused_and_legato_is_not(catalog: Catalog) -> None:
    refused(catalog, UnplayablePrime, "prime", model="folk", prime=midi(Note(0, 960, 60), Note(480, 480, 64)))
    assert ask(catalog, model="folk", prime=midi(Note(0, 530, 60), Note(480, 480, 64), Note(960, 240, 64))).prime is not None


def test_a_prime_without_notes_is_refused(catalog: Catalog) -> None:
    for silent in (notes("r:4"), {"format": "beats", "beats": {"kick": "...."}}, midi()):
        with pytest.raises(RequestError) as error:
            ask(catalog, prime=silent)
        assert error.value.field == "prime"


def test_what_does_not_parse_is_refused_for_the_field_prime(catalog: Catalog) -> None:
    refused(catalog, NotationError, "prime", prime=notes("D4:1 what"))
    refused(catalog, NotationError, "prime", prime={"format": "abc", "abc": "X:1\nK:C\n\x00"})
    refused(catalog, MidiError, "prime", prime={"format": "midi", "midi": base64.b64encode(b"no MIDI at all").decode()})
    for wrong in ("!!!!", "TVRoZA", "TVRo\nZA==", "é" * 8):
        refused(catalog, MidiError, "prime", prime={"format": "midi", "midi": wrong})


def test_a_midi_file_over_a_megabyte_is_refused_before_it_is_decoded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base64, "b64decode", None)
    text = "A" * (4 * 333_334)  # 1,000,002 bytes
    assert "1,000,000" in refused(catalog, MidiError, "prime", prime={"format": "midi", "midi": text})


def test_music_beyond_thirty_minutes_is_refused_in_every_format(catalog: Catalog) -> None:
    refused(catalog, NotationError, "prime", prime=notes("C4:4 " * 910))


def test_a_metre_that_the_grid_cannot_count_is_refused(catalog: Catalog) -> None:
    hit = Note(0, 120, 36)
    odd = midi(hit, percussion=True, meters=(MeterChange(0, 5, 32),))
    assert "5/32" in refused(catalog, InvalidField, "attributes.meter", prime=odd)
    assert ask(catalog, prime=midi(hit, percussion=True, meters=(MeterChange(0, 5, 4),))).prime is not None


def test_bars_and_beats_follow_the_metre() -> None:
    piece = Piece(480, (), meters=(MeterChange(0, 6, 8), MeterChange(2880, 3, 4)))
    assert bar_and_beat(piece, 0) == (1, 1)
    assert bar_and_beat(piece, 1440 + 240) == (2, 2)
    assert bar_and_beat(piece, 2880) == (3, 1)
    assert bar_and_beat(piece, 2880 + 1440 + 720) == (4, 2.5)
    assert bar_and_beat(Piece(480, ()), 1920) == (2, 1)
    assert [pitch_name(pitch) for pitch in (0, 60, 70, 127)] == ["C-1", "C4", "Bb4", "G9"]


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from(["music", "text"]),
            "task": st.sampled_from(["continue", "compose"]),
            "model": st.sampled_from([card["name"] for card in CARDS]),
            "prompt": st.sampled_from(["", "Once"]),
            "prime": st.sampled_from([notes("C4:1 D4:1"), {"format": "beats", "beats": {"kick": "x."}}]),
            "attributes": st.fixed_dictionaries({}, optional={"bars": st.integers(1, 256), "key": st.sampled_from(["Dm", "E"])}),
            "length": st.fixed_dictionaries({}, optional={"words": st.integers(1, 2000), "sentences": st.integers(1, 3)}),
        },
    )
)
def test_a_request_is_refused_with_a_field_or_complete(catalog: Catalog, fields: dict[str, Any]) -> None:
    try:
        request = ask(catalog, **fields).request
    except RequestError as error:
        refusal = error
        assert refusal.field
        return
    assert request.model is not None
    assert request.task is not None
    assert request.prime is None
    assert None not in request.sampling.model_dump().values()
    assert request.attributes.bars if request.kind == "music" else request.length
