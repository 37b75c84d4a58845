"""Which decoder serves here: the native kernel on any CPU, torch on CUDA, and torch on the CPU where the kernel was not built.

Torch is imported only when it is to compute: a worker on the native kernel never loads it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.authors import author_of
from core.catalog import Card
from core.decoding import Decoder
from core.errors import CheckpointError, KernelUnavailable
from core.native.decoder import NUMERICS, NativeDecoder
from core.native.library import best_path
from core.packed import read_packed

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Decoders:
    """`load(folder, card)` opens a checkpoint; raises CheckpointError."""

    numerics: str
    load: Callable[[Path, Card], Decoder]


def choose_decoders(device: Device = "auto", threads: int = 1) -> Decoders:
    """`threads` share each step of the native kernel.

    Raises KernelUnavailable, with what to do, when nothing here can serve (`cuda`: when there is no CUDA device).
    """
    if device == "cuda" and not (cuda_device_here() and torch_installed()):
        raise KernelUnavailable("The device is to be cuda, but here is no CUDA device, or torch is not installed.")
    if device != "cpu" and torch_installed() and cuda_device_here():
        return torch_decoders("cuda")
    try:
        logger.info("decoding on the native kernel (%s)", best_path())
        return native_decoders(threads)
    except KernelUnavailable as error:
        if not torch_installed():
            raise KernelUnavailable(
                f"{error.message} Without it torch can decode, more slowly: pip install 'ritornello[torch]'."
            ) from error
        logger.warning("%s Until then torch decodes, more slowly.", error.message)
        return torch_decoders("cpu")


def torch_installed() -> bool:
    return importlib.util.find_spec("torch") is not None


def cuda_device_here() -> bool:
    """Asks the driver, which costs milliseconds; torch would take seconds to import."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def native_decoders(threads: int = 1) -> Decoders:
    """On the kernel, which must have been built."""

    def load(folder: Path, card: Card) -> Decoder:
        return _opened(card, lambda: NativeDecoder(card, author_of(card), read_packed(folder, card), threads=threads))

    return Decoders(NUMERICS, load)


def torch_decoders(device: Literal["cpu", "cuda"]) -> Decoders:
    import torch

    from core.torch_decoder import NUMERICS as TORCH_NUMERICS
    from core.torch_decoder import TorchDecoder

    torch.set_num_threads(1)  # more workers fill more cores

    def load(folder: Path, card: Card) -> Decoder:
        return _opened(card, lambda: TorchDecoder(card, author_of(card), read_packed(folder, card), device))

    return Decoders(TORCH_NUMERICS[device], load)


def _opened(card: Card, opens: Callable[[], Decoder]) -> Decoder:
    try:
        return opens()
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"The packed weights of {card.name!r} do not fit its card: {error!r}") from error
