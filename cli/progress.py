"""Progress bars: on stderr, and only when a person looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Told how many of how many bars, words or sentences are made; 0 of 0 while nothing is known."""


@contextmanager
def progress_bar(what: str, quiet: bool = False) -> Iterator[Progress]:
    with tqdm(desc=what, unit="", leave=False, disable=quiet or not sys.stderr.isatty()) as bar:

        def show(step: int, total: int) -> None:
            bar.total = total or None
            bar.update(step - bar.n)

        yield show
