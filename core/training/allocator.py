"""Keeps the memory of one update for the next."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
NEVER_BYTES = 2**31 - 1
PAD_BYTES = 2**28


def keep_memory() -> None:
    """Ask glibc not to return big buffers to the system; elsewhere nothing.

    By default each update's activations are mapped, cleared by the kernel page by page, and given back: of a small model's
    training a fifth of the time. https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for option, size in ((MMAP_THRESHOLD, NEVER_BYTES), (TRIM_THRESHOLD, NEVER_BYTES), (TOP_PAD, PAD_BYTES)):
            mallopt(option, size)
