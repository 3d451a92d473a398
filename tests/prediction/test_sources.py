"""What is to be predicted: files, folders, manifests."""

import os
import sys

import pytest
from helpers import voice, write_wav

from semiser.prediction.sources import find_sources


@pytest.mark.skipif(sys.platform != "linux", reason="the longest path of Linux")
def test_a_folder_that_cannot_be_listed_is_rejected_and_the_others_are_read(tmp_path, monkeypatch):
    write_wav(tmp_path / "z.wav", voice(0.5))
    monkeypatch.chdir(tmp_path)
    for _ in range(22):  # names of 200 characters: more than the 4,096 of a path
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    found = find_sources(tmp_path)
    assert found.utterances["audio_path"].to_pylist() == ["z.wav"]
    (folder,) = found.rejected
    assert folder.path.startswith("ddd") and folder.reason.endswith("cannot be listed: File name too long")
