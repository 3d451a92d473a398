"""What tensors give back stays with the process."""

import platform
import subprocess
import sys

import pytest

# A process of its own: the heap of one that did much before lies in pieces. Tensors of 40 MiB, since glibc keeps up to
# 32 MiB by itself once it saw some; ten to begin with, since the first aligned ones do not fit where the last one was.
_FAULTS_OF_TEN_TENSORS = """
import resource, sys, torch
from semiser.training.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(10):
    torch.ones(10 * 2**20)
before = faults()
for _ in range(10):
    torch.ones(10 * 2**20)
print((faults() - before) * resource.getpagesize())
"""


def _new_bytes(heap: str) -> int:
    """Bytes of pages that ten tensors of 40 MiB took new from the system."""
    command = [sys.executable, "-c", _FAULTS_OF_TEN_TENSORS, heap]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
def test_tensors_take_the_pages_that_earlier_ones_gave_back():
    assert _new_bytes("keep") < 40 * 2**20 <= _new_bytes("as it is")
