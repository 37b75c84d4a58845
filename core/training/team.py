"""The processes of one run, seen from one of them: which rows are its own, and what they tell each other.

Data parallel: every process has the same weights, trains on its own rows and adds its gradients to the others'. They are
added here, in one flat sum per update, and not by DistributedDataParallel: that averages the processes' means, which is the
gradient of no batch when their batches hold different numbers of tokens; and its overlap with the backward pass saves a few
milliseconds of an update of seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

PATIENCE = timedelta(minutes=10)
"""How long one waits for another that hangs. A process that died is noticed at once, without this."""


@dataclass(frozen=True)
class Team:
    """A process alone is a team of one, and needs no set-up."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def rows(self) -> slice:
        """Its share of the run's rows."""
        return slice(self.rank, None, self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the team: the same bits in every process."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, total in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def agree(self, value: Any) -> Any:
        """The first process's value, in every process."""
        if self.size == 1:
            return value
        told = [value]
        distributed.broadcast_object_list(told)
        return told[0]

    def collect(self, value: Any) -> list[Any]:
        """Everybody's value by rank, in every process."""
        if self.size == 1:
            return [value]
        told: list[Any] = [None] * self.size
        distributed.all_gather_object(told, value)
        return told


@contextmanager
def joined(rank: int, size: int, meeting: Path) -> Iterator[Team]:
    """A team over gloo, or on GPUs over NCCL with one for each process. `meeting`: a file that does not exist yet."""
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "nccl" if on_gpus else "gloo", init_method=meeting.as_uri(), rank=rank, world_size=size, timeout=PATIENCE
    )
    yield Team(rank, size)
    distributed.destroy_process_group()  # not after an error: a peer that is gone could keep it waiting
