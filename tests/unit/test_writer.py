from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import TEXT

from core.brief import Brief, Rendered
from core.sampling_params import SamplingParams
from core.text.context import TextContext
from core.text.writer import WORD, TextPlan


def write(text: str, prompt: str = "", **asked: object) -> tuple[str | None, Rendered, str]:
    """Feed a text to a plan as if it were drawn: the finish reason, the result, and what was not needed."""
    plan = TextPlan(TEXT, Brief(SamplingParams(seed=1), prompt=prompt, **asked))
    for place, token in enumerate(TEXT.encode(text)):
        if (reason := plan.take(token)) is not None:
            return reason, plan.render(), text[place + 1 :]
    return None, plan.render(), ""


@pytest.mark.parametrize(
    ("text", "words", "written"),
    [
        ("to be or not", 2, "to be"),
        ("don't go now ", 2, "don't go"),
        ("well-worn shoes ", 1, "well-worn"),
        ("love--and be gone ", 2, "love--and"),
        ("the lords' heads ", 3, "the lords' heads"),
        ("o, what a 'thing ", 4, "o, what a 'thing"),
        ("ab- cd ef ", 2, "ab- cd"),
        ("...a b ", 1, "...a"),
    ],
)
def test_as_many_words_as_were_asked_for(text: str, words: int, written: str) -> None:
    reason, rendered, _ = write(text, words=words)
    assert (reason, rendered.data.decode(), rendered.figures["words"]) == ("words", written, words)


@given(st.text(st.sampled_from("ab '-.\n"), min_size=1, max_size=60), st.integers(1, 6))
def test_the_words_of_a_finished_text_are_the_words_asked_for(text: str, words: int) -> None:
    reason, rendered, _ = write(text, words=words)
    found = WORD.findall(rendered.data.decode())
    assert len(found) == rendered.figures["words"]
    if reason == "words":
        assert len(found) == words
    else:
        assert len(found) <= words  # the last may still grow


@pytest.mark.parametrize(
    ("text", "sentences", "written"),
    [
        ("come. go! no", 2, "come. go!"),
        ("come.\n\ngo.\n\nno", 2, "come.\n\ngo."),
        ("he said 'go.' and. a ", 2, "he said 'go.' and."),
        ("why...? so. ", 2, "why...? so."),
        ("a.b c. d", 1, "a.b c."),
    ],
)
def test_as_many_sentences_as_were_asked_for(text: str, sentences: int, written: str) -> None:
    reason, rendered, _ = write(text, sentences=sentences)
    assert (reason, rendered.data.decode()) == ("sentences", written)


def test_a_text_ends_before_the_first_of_its_stops() -> None:
    reason, rendered, rest = write("to be or not to be", words=50, stop=("not", " or"))
    assert (reason, rendered.data.decode(), rest) == ("stop", "to be", " not to be")


def test_a_text_that_never_says_a_word_ends_within_its_budget() -> None:
    plan = TextPlan(TEXT, Brief(SamplingParams(seed=1), words=2))
    reasons = [plan.take(TEXT.encode(" ")[0]) for _ in range(plan.budget)]
    assert reasons == [None] * (plan.budget - 1) + ["length"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_the_prompt_comes_back_verbatim_with_every_character_the_model_does_not_know(prompt: str) -> None:
    _, rendered, _ = write("be not ", prompt, words=2)
    whole = rendered.data.decode()
    assert whole == prompt + "be not"
    assert whole[rendered.figures["prompt_characters"] :] == "be not"
    assert rendered.figures["characters"] == 6
    assert rendered.figures["tokens"] == 7


def test_a_text_begins_as_after_a_line_break() -> None:
    plan = TextPlan(TEXT, Brief(SamplingParams(seed=1), prompt="to"))
    assert TEXT.decode(plan.prefix) == "\nto"
    context = TextContext(TEXT, 2)
    assert context.inputs()[0].tolist() == [[TEXT.encode("\n")[0]]] * 2
    context.advance(np.array(TEXT.encode("ab")))
    context.reset(1)
    assert context.inputs()[0].tolist() == [TEXT.encode("a"), TEXT.encode("\n")]


def test_the_unknown_character_is_never_drawn() -> None:
    plan = TextPlan(TEXT, Brief(SamplingParams(seed=1), words=9))
    assert not plan.wanted[:, TEXT.UNKNOWN].any()
    assert plan.wanted[:, 1:].all()


def test_what_was_written_is_shown_once() -> None:
    plan = TextPlan(TEXT, Brief(SamplingParams(seed=1), words=9))
    shown = []
    for token in TEXT.encode("to be or"):
        plan.take(token)
        shown.append(plan.fresh_text() if TEXT.decode([token]) == " " else "")
    assert re.sub(r"(?<=.)$", plan.fresh_text(), "".join(shown)) == "to be or"
