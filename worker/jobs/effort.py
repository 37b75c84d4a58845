"""How many tokens a job will take, about: the queue is fair between owners by the work they ask for, not by their jobs."""

from __future__ import annotations

from worker.jobs.admission import Admitted
from worker.jobs.request import Length

# What the shipped models take at their defaults; a guess need not be exact to be fair.
TOKENS_A_BAR, TOKENS_A_DRUM_BAR = 13, 35
TOKENS_A_WORD, TOKENS_A_SENTENCE = 5, 140
TOKENS_A_PRIMES_NOTE = 2
TOKENS_A_CHARACTER = 1


def tokens_asked_for(admitted: Admitted) -> int:
    """All variations together, and what is read once before them."""
    request = admitted.request
    if request.kind == "text":
        read = TOKENS_A_CHARACTER * len(request.prompt or "")
        each = _tokens_of_text(request.length or Length())
    else:
        percussion = admitted.card.playable is not None and admitted.card.playable.percussion
        read = TOKENS_A_PRIMES_NOTE * admitted.prime.note_count if admitted.prime else 0
        each = (TOKENS_A_DRUM_BAR if percussion else TOKENS_A_BAR) * (request.attributes.bars or 0)
    return max(1, read + request.variations * each)


def _tokens_of_text(length: Length) -> int:
    return TOKENS_A_WORD * (length.words or 0) + TOKENS_A_SENTENCE * (length.sentences or 0)
