import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.systems.avspnet.options import TrainAvspnetOptions
from semiser.systems.avspnet.segments import segments_of, to_segments


def test_frames_are_cut_into_segments_that_follow_each_other():
    frames = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert to_segments(frames, "fbank", 2).tolist() == [[[0, 2], [1, 3]], [[4, 6], [5, 7]]]  # the fifth is dropped
    assert to_segments(frames[:1], "fbank", 2).tolist() == [[[0, 0], [1, 1]]]  # the last is repeated
    padded = np.concatenate([np.zeros((4, 2)), frames + 1])[None]
    assert to_segments(padded, "stft", 4).tolist() == [[[1, 3, 5, 7], [2, 4, 6, 8]]]  # zeros at the head are no frames
    chunks = np.zeros((3, 4, 5))
    assert to_segments(chunks, "chunks", 2) is chunks


def test_vectors_are_no_segments(tmp_path):
    vectors = pa.dataset.dataset(pa.table({"utterance_id": ["a"], "speech_encoder": [[1.0]]}))
    with pytest.raises(ValueError, match=r"one vector per utterance: set features\.speech_encoder\.pooling to frames"):
        segments_of(vectors, "speech_encoder", 80, tmp_path)
    assert segments_of(vectors, "segments", 80, tmp_path) is vectors


def test_what_cannot_be_the_input_is_refused_with_what_can():
    given = {"background": {"corpora": ["b"]}, "corpora": ["c"], "tasks": {"emotion": {}}}
    assert TrainAvspnetOptions(**given).families()[0] == "segments"
    chosen = TrainAvspnetOptions(**given, input="fbank", variants=["autoencoder"])
    assert (chosen.families(), chosen.input_frames) == (("fbank",), 80)
    with pytest.raises(ValueError, match=r"input\n.*'segments'.*'chunks'.*'fbank'"):
        TrainAvspnetOptions(**given, input="is10")
