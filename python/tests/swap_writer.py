"""Changes a file in every way there is, until its parent ends: `swap_writer.py PATH GOOD EVIL`.

GOOD and EVIL are files of one length; at PATH there is now one, now the other, now something between.
"""

import mmap
import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATH, GOOD, EVIL = map(Path, sys.argv[1:])
good, evil = GOOD.read_bytes(), EVIL.read_bytes()


def mapped() -> mmap.mmap:
    """A mapping that is dirty already: what is written through it later changes no time of the file."""
    descriptor = os.open(PATH, os.O_RDWR)
    try:
        mapping = mmap.mmap(descriptor, len(good))
    finally:
        os.close(descriptor)
    mapping[0:1] = mapping[0:1]
    return mapping


mapping = mapped()


def opened(write: Callable[[int], object]) -> None:
    descriptor = os.open(PATH, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        write(descriptor)
        os.pwrite(descriptor, good, 0)
    finally:
        os.close(descriptor)


def rewrite() -> None:
    opened(lambda descriptor: os.pwrite(descriptor, evil, 0))


def truncate() -> None:
    opened(lambda descriptor: os.ftruncate(descriptor, random.choice((0, 40, len(good) // 2))))


def replace() -> None:
    new = PATH.with_suffix(".new")
    new.write_bytes(random.choice((good, evil)))
    new.rename(PATH)


def link() -> None:
    new = PATH.with_suffix(".link")
    new.unlink(missing_ok=True)
    new.symlink_to(random.choice((GOOD, EVIL)))
    new.rename(PATH)


def write_through() -> None:
    mapping[:] = evil
    mapping[:] = good


def start_again() -> None:
    """A new file, and a mapping of it."""
    global mapping
    new = PATH.with_suffix(".new")
    new.write_bytes(good)
    new.rename(PATH)
    mapping.close()
    mapping = mapped()


print("ready", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    with suppress(OSError):  # PATH is a link just now
        random.choice((rewrite, truncate, replace, link, write_through, start_again))()
