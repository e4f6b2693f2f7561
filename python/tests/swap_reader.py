"""Loads a file again and again while somebody changes it: `swap_reader.py HOW PATH GOOD ROUNDS OPTIONS`.

What is loaded must be what is in GOOD, or be an error of mverify. Prints how often it was the one and the other.
"""

import contextlib
import json
import sys

import torch
from safetensors.torch import load_file

import mverify

HOW, PATH, GOOD, ROUNDS, OPTIONS = sys.argv[1:]
options = json.loads(OPTIONS)


def checkpoint(path, **more):
    return mverify.torch.load(path, **options, **more)["w"]


def mapped(path):
    return checkpoint(path, mmap=True)


def tensors(path):
    return mverify.safetensors.load_file(path, **options)["w"]


def parts(path):
    with mverify.safetensors.safe_open(path, framework="pt", **options) as file:
        assert not OPTIONS.count("manifest") or file.proven != [], "proven in parts"
        return file.get_tensor("w")


load = {"checkpoint": checkpoint, "mapped": mapped, "tensors": tensors, "parts": parts}[HOW]
plain = load_file(GOOD) if HOW in ("tensors", "parts") else torch.load(GOOD, weights_only=True)
loaded = 0
for _ in range(int(ROUNDS)):
    with contextlib.suppress(mverify.MverifyError, OSError):
        tensor = load(PATH)
        assert torch.equal(tensor, plain["w"]), "what was loaded is not what was proven"
        loaded += 1
print(loaded, int(ROUNDS) - loaded)
