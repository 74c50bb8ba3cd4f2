"""How the process holds memory: one heap for all threads, and what is free goes back."""

from __future__ import annotations

import ctypes
import gc
import sys

#: mallopt(3), from <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

#: Bytes from which a block is mapped by itself and unmapped when it is freed, and which may stay
#: free at the top of the heap. It is above the 256 KiB that asyncio asks for at each read of a
#: socket (mapping each costs a fifth of the throughput) and below the 19 MiB of a password check
#: (glibc would raise its own value to these and keep them).
_THRESHOLD = 1024 * 1024

#: glibc gives each thread a heap of its own, which pays when threads allocate at once; ours
#: take turns with the interpreter, and each heap keeps its peak for ever.
_ARENAS = 1

#: Objects made and not freed until the collector looks: while we start, and as Python has it.
_WHILE_STARTING = 100_000
_USUAL = gc.get_threshold()


def bound() -> None:
    """Bound what the C library keeps; call it before the first thread starts.

    Does nothing with a C library that has no mallopt(3), as musl.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return
    set_option(_ARENA_MAX, _ARENAS)
    set_option(_MMAP_THRESHOLD, _THRESHOLD)
    set_option(_TRIM_THRESHOLD, _THRESHOLD)


def begin() -> None:
    """Let the collector look less often while the process starts, for most that is made stays.

    As it is set by Python it would look through all of it again and again, a tenth of a start.
    """
    gc.set_threshold(_WHILE_STARTING)


def keep() -> None:
    """Free what the imports left, and let the collector pass over the libraries."""
    gc.collect()
    gc.freeze()


def forget(package: str) -> None:
    """Let go of a package that has done its work, in a process where nobody else has loaded it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    gc.collect()  # modules know each other; what comes next takes their room


def settle() -> None:
    """Give back what the start left, and let the collector pass over what stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_USUAL)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
