"""What tensors give back stays with the process."""

import platform
import resource

import pytest
import torch

from semiser.training.heap import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
def test_a_tensor_takes_the_pages_that_the_last_one_gave_back():
    keep_freed_memory()
    torch.ones(2**22)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**22)  # 16 MiB: 4,096 pages of 4 KiB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 4096
