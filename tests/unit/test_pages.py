"""The HTML pages over a store in memory, used as a browser without JavaScript uses them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from page_reader import PageReader
from web_app import make_app, play, tune
from werkzeug.test import TestResponse

from core.music.abc_in import read_abc
from core.music.beats import DRUMS
from core.music.codec import piece_from_json
from core.music.midi import read_midi, write_midi
from core.music.notes import read_notes
from core.music.piece import Piece
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings
from worker.jobs.store import JobRecord, NewJob

NOTES = "D4:1 F4:0.5 A4:0.5 D5:1"
FOLK = {"model": "folk", "prime_format": "notes", "notes": NOTES}
DRUM = {"model": "drums", "prime_format": "beats"}


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings(queue_limit=30))


@pytest.fixture
def client(store: MemoryJobStore, tmp_path: Path) -> FlaskClient:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests")
    return make_app(store, settings, tmp_path).test_client()


def send(client: FlaskClient, path: str = "/", **changes: Any) -> TestResponse:
    """Open the page, change these fields, and press the button. `do` is another button's value."""
    fields: dict[str, Any] = PageReader(client.get(path).text).fields
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    return client.post("/", data={"do": "generate"} | fields, content_type="multipart/form-data")


def job_of(answer: TestResponse, store: MemoryJobStore) -> JobRecord:
    assert answer.status_code == 303, re.findall(r'class="fault".*', answer.text)
    return store.get(answer.headers["Location"].rpartition("/")[2])


def request_of(record: JobRecord) -> GenerationRequest:
    return GenerationRequest.model_validate_json(record.request)


def prime_of(record: JobRecord, store: MemoryJobStore) -> Piece:
    stored = store.prime(record.id)
    assert stored is not None
    return piece_from_json(stored)


def faults(answer: TestResponse) -> set[str]:
    """The fields at which the page shows a fault."""
    return {name.removesuffix("-fault") for name in PageReader(answer.text).ids if name.endswith("-fault")}


def test_the_first_press_of_the_button_makes_a_job(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client), store)
    assert record.has_prime
    assert client.get(f"/jobs/{record.id}").status_code == 200


def test_what_is_typed_becomes_the_request(client: FlaskClient, store: MemoryJobStore) -> None:
    typed = {"bars": "4", "style": "jig", "key": "D minor", "meter": "6/8", "tempo": "96", "temperature": "0,85", "top_k": "12",
             "top_p": "0.9", "repetition_penalty": "1.1", "seed": "42", "variations": "3"}  # fmt: skip
    record = job_of(send(client, **FOLK, **typed), store)
    asked = request_of(record)
    assert (asked.model, asked.task, asked.variations) == ("folk", "continue", 3)
    assert asked.attributes.model_dump(exclude_defaults=True) == {
        "key": "D minor", "meter": "6/8", "tempo": 96.0, "style": "jig", "bars": 4
    }  # fmt: skip
    assert asked.sampling.model_dump() == {
        "temperature": 0.85, "top_k": 12, "top_p": 0.9, "repetition_penalty": 1.1, "seed": 42
    }  # fmt: skip
    assert prime_of(record, store) == read_notes(NOTES)


def test_what_is_left_empty_is_left_to_the_model(client: FlaskClient, store: MemoryJobStore) -> None:
    attributes = request_of(job_of(send(client, **FOLK), store)).attributes
    assert (attributes.key, attributes.meter, attributes.style, attributes.tempo) == (None, None, None, None)


def test_a_start_from_nothing_has_no_prime(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, model="folk", prime_format="none", key="D major"), store)
    assert (record.has_prime, request_of(record).task) == (False, "compose")


@pytest.mark.parametrize(("hits", "steps"), [(["kick:0", "snare:4"], 16), (["kick:0", "snare:20"], 32)])
def test_ticked_beats_are_one_bar_or_two(client: FlaskClient, store: MemoryJobStore, hits: list[str], steps: int) -> None:
    piece = prime_of(job_of(send(client, **DRUM, hit=hits), store), store)
    assert piece.end == steps * piece.ticks_per_quarter // 4
    struck = [(note.pitch, 4 * note.start // piece.ticks_per_quarter) for note in piece.tracks[0].notes]
    assert struck == [(DRUMS[hit.split(":")[0]], int(hit.split(":")[1])) for hit in hits]


def test_an_uploaded_midi_file_is_the_prime(client: FlaskClient, store: MemoryJobStore) -> None:
    upload = (io.BytesIO(write_midi(tune())), "tune.mid")
    record = job_of(send(client, model="folk", prime_format="midi", prime_file=upload), store)
    assert [note.pitch for note in prime_of(record, store).tracks[0].notes] == [62, 65, 69, 74]


def test_a_text_keeps_its_prompt_letter_for_letter(client: FlaskClient, store: MemoryJobStore) -> None:
    typed = {"prompt": "\r\n ROMEO:\r\nBut soft, ", "length": "3", "length_unit": "sentences", "stop": "\\n\\n\r\nEXEUNT"}
    asked = request_of(job_of(send(client, "/?kind=text", **typed), store))
    assert (asked.kind, asked.prompt, asked.stop) == ("text", "\n ROMEO:\nBut soft, ", ("\n\n", "EXEUNT"))
    assert asked.length is not None
    assert asked.length.sentences == 3


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"bars": "0"}, "bars"),
        ({"bars": "65"}, "bars"),
        ({"bars": "many"}, "bars"),
        ({"bars": "1.5"}, "bars"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "3"}, "temperature"),
        ({"top_k": "-1"}, "top-k"),
        ({"top_p": "0"}, "top-p"),
        ({"repetition_penalty": "9"}, "repetition-penalty"),
        ({"seed": "-1"}, "seed"),
        ({"variations": "9"}, "variations"),
        ({"tempo": "1000"}, "tempo"),
        ({"key": "H minor"}, "key"),
        ({"style": "tango"}, "style"),
        ({"notes": ""}, "notes"),
        ({"notes": "C4:1 H4:1"}, "notes"),
        ({"notes": "[C4 E4]:1"}, "notes"),
        ({"prime_format": "abc", "abc": "X:1\nK:Q\nabc"}, "abc"),
        ({"prime_format": "midi"}, "prime-file"),
        ({"prime_format": "midi", "prime_file": b"not music"}, "prime-file"),
        ({"model": "drums", "prime_format": "beats", "hit": None}, "beats"),
        ({"model": "drums"}, "notes"),
        ({"model": "opera"}, "model"),
    ],
)
def test_a_fault_is_told_at_its_field(client: FlaskClient, store: MemoryJobStore, typed: dict[str, Any], field: str) -> None:
    if "prime_file" in typed:
        typed = typed | {"prime_file": (io.BytesIO(typed["prime_file"]), "tune.mid")}
    answer = send(client, "/?model=folk", **(FOLK | typed))
    assert answer.status_code == 422
    assert faults(answer) == {field}
    page = PageReader(answer.text)
    assert page.all("a", href=f"#{field}"), "the summary links to the field"
    assert field in page.ids
    assert store.stats().queued == 0


def test_a_file_that_is_too_large_is_told_at_its_field(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.forms.MAX_MIDI_BYTES", 20)
    answer = send(client, model="folk", prime_format="midi", prime_file=(io.BytesIO(write_midi(tune())), "tune.mid"))
    assert (answer.status_code, faults(answer)) == (422, {"prime-file"})
    assert "The file is larger than 1 MB." in answer.text


def test_all_faults_are_told_at_once_and_the_input_is_kept(client: FlaskClient) -> None:
    typed = {"bars": "many", "temperature": "3", "notes": " ", "seed": "12", "key": "D minor", "variations": "4"}
    answer = send(client, **(FOLK | typed))
    assert faults(answer) == {"bars", "temperature", "notes"}
    kept = PageReader(answer.text).fields
    assert {name: kept[name] for name in typed} == {name: [value] for name, value in typed.items()}


def test_a_fault_in_portuguese_is_a_sentence_in_portuguese(client: FlaskClient) -> None:
    client.set_cookie("language", "pt")
    assert "Deve ser no máximo 2." in send(client, **FOLK, temperature="3").text
    parsed = send(client, **(FOLK | {"notes": "H4:1"})).text
    assert re.search(r'Não conseguimos ler estas notas\. <span lang="en">Typed notes', parsed)


def test_a_full_queue_keeps_what_was_typed(client: FlaskClient, store: MemoryJobStore) -> None:
    for _ in range(30):
        store.enqueue(NewJob("local", "music", "{}"))
    answer = send(client, **FOLK)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (429, True)
    assert PageReader(answer.text).fields["notes"] == [NOTES]


def test_a_double_click_is_one_job_and_a_change_is_another(client: FlaskClient, store: MemoryJobStore) -> None:
    fields = PageReader(client.get("/?model=folk").text).fields
    jobs = [client.post("/", data=fields | {"bars": bars}).headers["Location"] for bars in ("4", "4", "5")]
    assert jobs[0] == jobs[1] != jobs[2]


def test_a_form_without_its_token_is_refused(client: FlaskClient, store: MemoryJobStore) -> None:
    assert client.post("/", data=FOLK).status_code == 400
    assert send(client, csrf_token="forged").status_code == 400


@pytest.mark.parametrize(
    ("button", "change", "check"),
    [
        ("show", {"model": "drums"}, lambda sent: len(sent["hit"]) > 4),
        ("show", {"model": "folk"}, lambda sent: sent["prime_format"] == ["notes"]),
        ("preset:samba", {"model": "drums"}, lambda sent: "ride:0" in sent["hit"]),
        ("preset:empty", {"model": "drums"}, lambda sent: "hit" not in sent),
        ("example:abc", {"model": "folk"}, lambda sent: sent["abc"][0].startswith("X:1")),
    ],
)
def test_the_other_buttons_change_the_form_and_make_no_job(
    client: FlaskClient, store: MemoryJobStore, button: str, change: dict[str, str], check: Callable[[dict[str, list[str]]], bool]
) -> None:
    answer = send(client, **change, do=button, bars="12", seed="5")
    sent = PageReader(answer.text).fields
    assert (answer.status_code, sent["bars"], sent["seed"], sent["model"]) == (200, ["12"], ["5"], [change["model"]])
    assert check(sent)
    assert store.stats().queued == 0


def test_a_model_shows_only_what_it_offers(client: FlaskClient) -> None:
    folk, drums = PageReader(client.get("/?model=folk").text), PageReader(client.get("/?model=drums").text)
    assert {"key", "meter", "notes", "abc"} <= set(folk.ids)
    assert {"key", "meter", "notes", "abc"}.isdisjoint(drums.ids)
    assert len([box for box in drums.all("input", type="checkbox") if box["name"] == "hit"]) == 9 * 16 * 2
    assert drums.all("input", value="snare:6")[0]["aria-label"] == "snare, beat 2, and"


@pytest.mark.parametrize(
    "typed",
    [
        FOLK | {"bars": "4", "key": "D minor", "tempo": "96.5", "temperature": "0.85", "seed": "42", "variations": "3"},
        FOLK | {"prime_format": "none"},
        DRUM | {"hit": ["kick:0", "snare:20", "open hat:31"], "style": "rock"},
        {"kind": "text", "model": "shakespeare", "prompt": "\nO\r\n", "length": "30", "stop": "\\n\\n\r\nEXIT", "top_p": "1"},
    ],
)
def test_again_asks_for_the_very_same(client: FlaskClient, store: MemoryJobStore, typed: dict[str, Any]) -> None:
    first = job_of(send(client, f"/?kind={typed.get('kind', 'music')}", **typed), store)
    again = job_of(send(client, f"/?again={first.id}"), store)
    assert again.id != first.id
    assert again.request == first.request
    assert store.prime(again.id) == store.prime(first.id)


def test_again_with_a_file_refers_to_the_first_job(client: FlaskClient, store: MemoryJobStore) -> None:
    chords = Piece(96, (tune().tracks[0],))
    upload = (io.BytesIO(write_midi(chords)), "tune.mid")
    first = job_of(send(client, model="folk", prime_format="midi", prime_file=upload), store)
    sent = PageReader(client.get(f"/?again={first.id}").text).fields
    assert (sent["prime_format"], sent["prime_from"]) == (["result"], [f"{first.id}/prime.mid"])
    assert store.prime(job_of(send(client, f"/?again={first.id}"), store).id) == store.prime(first.id)


def test_again_shows_the_seed_and_can_draw_a_new_one(client: FlaskClient, store: MemoryJobStore) -> None:
    first = job_of(send(client, **FOLK), store)
    seed = request_of(first).sampling.seed
    assert PageReader(client.get(f"/?again={first.id}").text).fields["seed"] == [str(seed)]
    assert request_of(job_of(send(client, f"/?again={first.id}", new_seed="1"), store)).sampling.seed != seed


def test_a_result_becomes_the_prime(client: FlaskClient, store: MemoryJobStore) -> None:
    first = job_of(send(client, **FOLK, bars="3", seed="8", variations="2"), store)
    play(store, variations=2)
    onwards = PageReader(client.get(f"/jobs/{first.id}").text).all("a", **{"class": "onwards"})[1]["href"]
    assert PageReader(client.get(onwards).text).fields["seed"] == [""]
    record = job_of(send(client, onwards), store)
    assert prime_of(record, store) == read_midi(store.artifact(first.id, "continuation-2.mid").data)
    assert request_of(record).attributes.bars == 3


def test_a_written_text_becomes_the_prompt(client: FlaskClient, store: MemoryJobStore) -> None:
    first = job_of(send(client, "/?kind=text", prompt="Shall"), store)
    play(store, text="Shall I compare")
    assert PageReader(client.get(f"/?prime_from={first.id}/continuation-1.txt").text).fields["prompt"] == ["Shall I compare"]


def test_nobody_sees_or_continues_another_owners_job(client: FlaskClient, store: MemoryJobStore) -> None:
    other = store.enqueue(NewJob("somebody", "music", '{"kind": "music"}'))[0].id
    for path in (f"/jobs/{other}", f"/?again={other}", f"/?prime_from={other}/prime.mid", f"/jobs/{other}/notes/prime.mid"):
        assert client.get(path).status_code == 404
    assert other not in client.get("/jobs").text
    answer = send(client, model="folk", prime_format="result", prime_from=f"{other}/prime.mid")
    assert (answer.status_code, faults(answer)) == (404, {"prime-from"})


def test_a_waiting_job_tells_its_place_and_looks_again_without_script(client: FlaskClient, store: MemoryJobStore) -> None:
    job_of(send(client, **FOLK), store)
    waiting = job_of(send(client, **FOLK), store)
    page = client.get(f"/jobs/{waiting.id}").text
    assert "Jobs before yours: 1." in page
    assert re.search(r'<noscript><meta http-equiv="refresh" content="2"></noscript>', page)
    reader = PageReader(page)
    assert {"progress", "cancel"} <= set(reader.ids)
    assert reader.all("p", role="status", id="status")


def test_a_job_is_cancelled_from_its_page(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, **FOLK), store)
    fields = PageReader(client.get(f"/jobs/{record.id}").text).fields
    answer = client.post(f"/jobs/{record.id}/cancel", data=fields, follow_redirects=True)
    assert store.get(record.id).status == "cancelled"
    assert "This job was cancelled." in answer.text
    assert "refresh" not in answer.text


def test_a_finished_job_shows_pictures_seeds_and_downloads(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, **FOLK, variations="2"), store)
    play(store, variations=2)
    page = client.get(f"/jobs/{record.id}").text
    reader = PageReader(page)
    assert {"variation-1", "variation-2"} <= set(reader.ids)
    assert len(reader.all("button", **{"data-stop": "Stop"})) == 2
    links = {link["download"]: link["href"] for link in reader.all("a", **{"class": "download"})}
    assert set(links) == {f"continuation-{n}.{kind}" for n in (1, 2) for kind in ("mid", "musicxml", "abc")}
    assert client.get(links["continuation-2.mid"]).data == store.artifact(record.id, "continuation-2.mid").data
    assert "refresh" not in page


def test_a_text_tells_prompt_and_continuation_apart_in_words(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, "/?kind=text", prompt="Shall"), store)
    play(store, text="Shall <b>I</b>")
    page = client.get(f"/jobs/{record.id}").text
    assert re.search(r"Your prompt: </span>Shall</span>.*The continuation: </span> &lt;b&gt;I&lt;/b&gt;", page)


def test_a_failed_job_says_why(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, **FOLK), store)
    (claim,) = store.claim("toy", 8, "int8-1")
    store.fail(claim, "worker_lost", "The workers that ran this job died; it was tried three times.")
    client.set_cookie("language", "pt")
    assert "Os processos que faziam este trabalho caíram" in client.get(f"/jobs/{record.id}").text


def test_the_player_gets_the_notes_in_seconds(client: FlaskClient, store: MemoryJobStore) -> None:
    record = job_of(send(client, **FOLK), store)
    play(store)
    answer = client.get(f"/jobs/{record.id}/notes/continuation-1.mid").get_json()
    assert [note[:3] for note in answer["notes"]] == [[0.0, 0.5, 62], [0.5, 0.5, 65], [1.0, 0.5, 69], [1.5, 0.5, 74]]
    assert client.get(f"/jobs/{record.id}/notes/continuation-1.musicxml").status_code == 404


def test_the_history_is_paged_newest_first(client: FlaskClient, store: MemoryJobStore) -> None:
    made = [job_of(send(client, **FOLK), store).id for _ in range(22)]
    first = PageReader(client.get("/jobs").text)
    older = PageReader(client.get(first.all("a", id="older")[0]["href"]).text)
    newest, oldest = ([a["href"][6:] for a in page.all("a") if a["href"].startswith("/jobs/")] for page in (first, older))
    assert (len(newest), len(oldest)) == (20, 2)
    assert newest + oldest == made[::-1]


def every_page(client: FlaskClient, store: MemoryJobStore) -> dict[str, str]:
    music = job_of(send(client, **FOLK), store).id
    play(store)
    waiting = job_of(send(client, **(DRUM | {"hit": ["kick:0"]})), store).id
    paths = ("/", "/?model=folk", "/?model=drums", "/?kind=text", f"/jobs/{music}", f"/jobs/{waiting}", f"/?again={music}",
             f"/?prime_from={music}/continuation-1.mid", "/jobs", "/models", "/help/notation", "/jobs/nothing")  # fmt: skip
    pages = {path: client.get(path).text for path in paths}
    return pages | {"faults": send(client, **(FOLK | {"notes": "H", "bars": "x"})).text}


@pytest.mark.parametrize("language", ["en", "pt"])
def test_every_control_has_a_name_and_every_reference_a_target(client: FlaskClient, store: MemoryJobStore, language: str) -> None:
    client.set_cookie("language", language)
    for path, text in every_page(client, store).items():
        page = PageReader(text)
        assert page.tags[0]["<"] == "html", path
        assert page.tags[0]["lang"] == language
        assert len(set(page.ids)) == len(page.ids), path
        targets = {word for tag in page.tags for name in ("aria-describedby", "aria-labelledby", "for") if name in tag
                   for word in tag[name].split()}  # fmt: skip
        targets |= {tag["href"][1:] for tag in page.all("a") if tag["href"].startswith("#")}
        assert targets <= set(page.ids), path
        labelled = {tag["for"] for tag in page.all("label")}
        for kind in ("input", "select", "textarea"):
            for control in page.all(kind):
                assert control.get("type") == "hidden" or "aria-label" in control or control["id"] in labelled, (path, control)


def test_no_page_needs_more_than_the_strict_policy_allows(client: FlaskClient, store: MemoryJobStore) -> None:
    for path, text in every_page(client, store).items():
        for tag in PageReader(text).tags:
            assert "style" not in tag, (path, tag)
            assert tag["<"] != "style", path
            assert tag["<"] != "script" or tag["src"].startswith("/static/"), path
            assert not any(name.startswith("on") for name in tag), (path, tag)


def test_the_language_is_the_browsers_until_one_is_chosen(client: FlaskClient) -> None:
    assert '<html lang="pt">' in client.get("/", headers={"Accept-Language": "pt-BR,en;q=0.5"}).text
    assert '<html lang="en">' in client.get("/", headers={"Accept-Language": "fr"}).text
    answer = client.get("/language/pt", query_string={"next": "/jobs?cursor=7"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?cursor=7")
    assert '<html lang="pt">' in client.get("/", headers={"Accept-Language": "en"}).text
    assert client.get("/language/tlh").status_code == 404


@pytest.mark.parametrize(
    "outside", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:1"]
)
def test_choosing_a_language_never_leads_away(client: FlaskClient, outside: str) -> None:
    assert client.get("/language/pt", query_string={"next": outside}).headers["Location"] == "/"


def test_the_examples_of_the_help_can_be_read(client: FlaskClient) -> None:
    notes, abc, beats = re.findall(r"<pre><code>(.*?)</code></pre>", client.get("/help/notation").text, re.DOTALL)
    assert read_notes(notes).end == 6 * 480
    assert read_abc(abc).note_count > 5
    assert beats.count("x") > 3


def test_the_models_page_shows_each_card(client: FlaskClient) -> None:
    assert {"model-folk", "model-drums", "model-shakespeare"} <= set(PageReader(client.get("/models").text).ids)
