"""The command line that the benches share, and what it points to: the data and the checkpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from core.catalog import CHECKPOINTS, Catalog
from core.checkpoint import LoadedModel, load_checkpoint
from core.errors import AppError

WRONG_COMMAND_LINE = 2


@dataclass(frozen=True)
class DataSet:
    """What a bench reads: the folder's usual name, and a pattern of the file in it."""

    title: str
    folder: str
    pattern: str


@dataclass(frozen=True)
class Options:
    bench: str
    given: Path | None
    """What --data says: the data set's own folder, or the one that holds several by their usual names."""
    checkpoints: Path
    quick: bool
    update_card: bool

    @property
    def command(self) -> str:
        """What a card says a figure was measured with."""
        return f"python -m bench.{self.bench} --data DIR"

    def data(self, wanted: DataSet) -> Path:
        """The data set's folder; ends the program when it is not there."""
        if self.given is None:
            self.stop(f"needs {wanted.title}: name the folder with --data")
        for folder in (self.given / wanted.folder, self.given):
            if next(folder.glob(wanted.pattern), None) is not None:
                return folder
        return self.stop(f"finds no {wanted.pattern} ({wanted.title}) in {self.given}; name the folder that holds it with --data")

    def load(self, name: str) -> LoadedModel:
        """The checkpoint of that name; ends the program when it is not there or not whole."""
        try:
            return load_checkpoint(self.checkpoints, Catalog(self.checkpoints).card(name))
        except AppError as error:
            return self.stop(f"cannot load the checkpoint: {error.message}")

    def stop(self, sentence: str) -> NoReturn:
        print(f"bench.{self.bench} {sentence}", file=sys.stderr)
        raise SystemExit(WRONG_COMMAND_LINE)


def read_options(bench: str, about: str | None, arguments: Sequence[str] | None = None) -> Options:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"python -m bench.{bench}", description=about, formatter_class=as_written)
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data set's folder, or the folder that holds all of them")
    parser.add_argument("--quick", action="store_true", help="a part only, in seconds: to see that it works")
    parser.add_argument("--update-card", action="store_true", help="write the figures on the test split into the model's card")
    parser.add_argument(
        "--checkpoints", type=Path, metavar="DIR", default=CHECKPOINTS, help="other checkpoints than those shipped"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch (default: 1, as a worker has)")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    options = Options(bench, given.data, given.checkpoints, given.quick, given.update_card)
    if options.quick and options.update_card:
        options.stop("writes no card from --quick: its figures are of a part only")
    return options
