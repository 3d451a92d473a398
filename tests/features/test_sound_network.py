"""ONNX networks on sound, made here, against numpy."""

import json

import numpy as np
import pytest
from helpers import voice
from onnx_networks import write_network

from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.features.mel_frames import mel_frames
from semiser.features.sound_network import SoundNetwork
from semiser.options.onnx import MelOptions, SoundNetworkOptions
from semiser.shards.task import family_facts

MEL = {"bands": 8}


@pytest.fixture(autouse=True)
def extra():
    pytest.importorskip("onnxruntime")


@pytest.fixture
def speaker(tmp_path):
    """Like a speaker encoder: windows of 20 mel frames x 8, flattened, times a matrix; and the matrix."""
    weight = np.random.default_rng(0).normal(0, 0.1, (160, 5)).astype(np.float32)
    nodes = [
        (
            "Flatten",
            [
                "mel",
            ],
            "flat",
            {"axis": 1},
        ),
        ("MatMul", ["flat", "weight"], "vector", {}),
    ]
    write_network(tmp_path / "s.onnx", nodes, {"mel": ["n", 20, 8]}, {"vector": ["n", 5]}, {"weight": weight})
    return tmp_path / "s.onnx", weight


@pytest.fixture
def events(tmp_path):
    """Like YAMNet: a waveform without an axis for windows, two outputs; of each stretch of 100 samples three values."""
    weight = np.random.default_rng(1).normal(0, 0.1, (100, 3)).astype(np.float32)
    nodes = [
        ("Reshape", ["wave", "shape"], "stretches", {}),
        ("MatMul", ["stretches", "weight"], "embeddings", {}),
        ("ReduceMean", ["embeddings"], "scores", {"axes": [0], "keepdims": 0}),
    ]
    weights = {"weight": weight, "shape": np.array([-1, 100])}
    outputs = {"scores": [3], "embeddings": ["frames", 3]}
    write_network(tmp_path / "e.onnx", nodes, {"wave": ["samples"]}, outputs, weights)
    return tmp_path / "e.onnx", weight


def family_and_source(monkeypatch, signal, file, **options):
    monkeypatch.setattr(Source, "audio", lambda self, rate: signal)
    return SoundNetwork(SoundNetworkOptions(model=file, **options)), Source({}, None)


def row_of(*arguments, **options):
    family, source = family_and_source(*arguments, **options)
    (row,) = family.rows(source)
    return family, row


def windows_of(frames, length, hop):
    return np.stack([frames[start : start + length] for start in range(0, len(frames) - length + 1, hop)])


def test_windows_of_mel_frames_give_a_vector_each(monkeypatch, speaker):
    file, weight = speaker
    signal = voice(0.6)
    options = {"mel": MEL, "window_s": 0.2, "hop_s": 0.05, "scale": 32768}
    _, row = row_of(monkeypatch, signal, file, **options, pooling="frames")
    windows = windows_of(mel_frames(signal * 32768, 16_000, MelOptions(**MEL)), 20, 5)
    expected = windows.reshape(len(windows), -1) @ weight
    assert (row["frames"], row["cut_s"]) == (len(windows), 0) and len(windows) == 8  # 58 frames
    np.testing.assert_allclose(row["sound_network"].reshape(-1, 5), expected, rtol=1e-5, atol=1e-4)
    family, row = row_of(monkeypatch, signal, file, **options, pooling="mean_std")
    np.testing.assert_allclose(row["sound_network"], np.r_[expected.mean(0), expected.std(0)], rtol=1e-5, atol=1e-4)
    field = family.fields()[0]
    assert field.type.list_size == 10 and json.loads(field.metadata[b"names"])[4:6] == ["mean_004", "std_000"]


def test_a_waveform_of_any_length_gives_frames_of_a_named_output(monkeypatch, events):
    file, weight = events
    signal = voice(0.5)[:7900]
    _, row = row_of(monkeypatch, signal, file, output="embeddings", pooling="frames", window_s=None)
    np.testing.assert_allclose(row["sound_network"].reshape(-1, 3), signal.reshape(79, 100) @ weight, atol=1e-5)
    _, row = row_of(monkeypatch, signal, file)
    np.testing.assert_allclose(row["sound_network"], (signal.reshape(79, 100) @ weight).mean(0), atol=1e-5)


def test_windows_of_a_waveform_without_an_axis_for_them(monkeypatch, events):
    file, weight = events
    signal = voice(0.05)  # 800 samples: windows of 200 begin at 0, 300, 600
    options = {"output": "embeddings", "window_s": 0.0125, "hop_s": 0.01875}
    _, row = row_of(monkeypatch, signal, file, **options, pooling="frames")
    expected = np.concatenate([signal[start : start + 200].reshape(2, 100) @ weight for start in (0, 300, 600)])
    np.testing.assert_allclose(row["sound_network"].reshape(-1, 3), expected, atol=1e-5)


def test_a_frontend_makes_the_frames(monkeypatch, tmp_path):
    """As openWakeWord has it: samples -> frames x bands, shifted and scaled -> a vector for a window."""
    spread = np.random.default_rng(2).normal(0, 0.1, (160, 4)).astype(np.float32)
    nodes = [("Reshape", ["wave", "shape"], "steps", {}), ("MatMul", ["steps", "spread"], "frames", {})]
    weights = {"spread": spread, "shape": np.array([1, 1, -1, 160])}
    write_network(tmp_path / "f.onnx", nodes, {"wave": ["b", "samples"]}, {"frames": ["b", 1, "t", 4]}, weights)
    weight = np.random.default_rng(3).normal(0, 0.1, (12, 2)).astype(np.float32)
    nodes = [
        ("Reshape", ["x", "shape"], "flat", {}), ("MatMul", ["flat", "weight"], "v", {}),
        ("Unsqueeze", ["v", "axes"], "vector", {}),
    ]  # fmt: skip
    weights = {"weight": weight, "shape": np.array([-1, 12]), "axes": np.array([1, 2])}
    write_network(tmp_path / "n.onnx", nodes, {"x": ["b", 3, 4, 1]}, {"vector": ["b", 1, 1, 2]}, weights)
    signal = voice(0.1)
    frontend = {"model": tmp_path / "f.onnx", "multiply": 0.1, "add": 2}
    options = {"frontend": frontend, "window_s": 0.03, "hop_s": 0.02, "scale": 32768}
    family, row = row_of(monkeypatch, signal, tmp_path / "n.onnx", **options, pooling="frames")
    frames = (signal * 32768).reshape(10, 160) @ spread * 0.1 + 2
    expected = windows_of(frames, 3, 2).reshape(-1, 12) @ weight
    np.testing.assert_allclose(row["sound_network"].reshape(-1, 2), expected, rtol=1e-4, atol=1e-3)
    hashes = family_facts(family)["options"]
    assert len(hashes["model_sha256"]) == len(hashes["frontend"]["model_sha256"]) == 64
    assert "model" not in hashes and "model" not in hashes["frontend"]


def test_a_batch_gives_what_single_utterances_give(monkeypatch, speaker, events):
    for file, options in (
        (speaker[0], {"mel": MEL, "window_s": 0.2, "hop_s": 0.05}),
        (events[0], {"output": "embeddings"}),
    ):
        signals = [voice(0.5)[:7900], voice(0.3, seed=1), voice(0.9, seed=2)]
        singles, prepared = [], []
        for signal in signals:
            family, source = family_and_source(monkeypatch, signal, file, **options, pooling="frames", batch=7)
            prepared.append(family.prepare(source))
            singles += list(family.rows(source))
        for row, alone in zip(family.compute(prepared), singles, strict=True):
            assert row["frames"] == alone["frames"]
            np.testing.assert_allclose(row["sound_network"], alone["sound_network"], atol=1e-5)


def test_a_network_for_one_at_a_time_and_channels_before_time(monkeypatch, tmp_path):
    weight = np.random.default_rng(0).normal(0, 0.1, (32, 3)).astype(np.float32)
    nodes = [("Flatten", ["x"], "flat", {"axis": 1}), ("MatMul", ["flat", "weight"], "v", {})]
    write_network(tmp_path / "a.onnx", nodes, {"x": [1, 1, 8, 4]}, {"v": [1, 3]}, {"weight": weight})
    signal = voice(0.2)
    options = {"mel": MEL, "window_s": 0.04, "axes": "b1mt", "pooling": "frames"}
    _, row = row_of(monkeypatch, signal, tmp_path / "a.onnx", **options)
    windows = windows_of(mel_frames(signal, 16_000, MelOptions(**MEL)), 4, 4)
    expected = windows.transpose(0, 2, 1).reshape(len(windows), -1) @ weight
    np.testing.assert_allclose(row["sound_network"].reshape(-1, 3), expected, atol=1e-4)


def test_the_end_is_cut_and_said_and_short_ones_are_refused_or_padded(monkeypatch, speaker):
    file, weight = speaker
    options = {"mel": MEL, "window_s": 0.2}
    _, row = row_of(monkeypatch, voice(0.9), file, **options, longest_s=0.45, pooling="frames")
    assert (row["frames"], row["cut_s"]) == (2, pytest.approx(0.45))  # 43 frames
    with pytest.raises(Unusable, match=r"0\.100 s of audio: a window takes 0\.2 s \(.*pad_short"):
        row_of(monkeypatch, voice(0.1), file, **options)
    signal = voice(0.1)
    _, row = row_of(monkeypatch, signal, file, **options, pad_short=True)
    padded = mel_frames(np.r_[signal, np.zeros(12 * 160, np.float32)], 16_000, MelOptions(**MEL))  # 8 frames of 20
    np.testing.assert_allclose(row["sound_network"], padded[:20].ravel() @ weight, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options, said",
    [
        (
            {"mel": {"bands": 9}, "window_s": 0.2},
            r"takes \(any, 20, 8\), and the options make \(any, 20, 9\) \(axes btm",
        ),
        ({"mel": MEL, "window_s": 0.3}, r"the options make \(any, 30, 8\)"),
        ({"mel": MEL, "window_s": 0.2, "axes": "bmt"}, r"the options make \(any, 8, 20\) \(axes bmt\)"),
        ({"mel": MEL, "window_s": 0.2, "axes": "btm1"}, r"the options make \(any, 20, 8, 1\)"),
        ({}, r"takes \(any, 20, 8\), and the options make \(any, 1, any\) \(axes b1t\)"),
        ({"mel": MEL, "window_s": 0.2, "provider": "gpu"}, r"provider: this onnxruntime has no CUDAExecutionProvider"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(speaker, options, said):
    with pytest.raises(ValueError, match=said):
        SoundNetwork(SoundNetworkOptions(model=speaker[0], **options))


def test_options_that_do_not_go_together():
    for options, said in (
        ({"mel": {}, "frontend": {"model": "f"}}, "mel and frontend are both given"),
        ({"hop_s": 1}, "hop_s is given without window_s"),
        ({"axes": "btm"}, "axes must have each of t once, not btm"),
        ({"axes": "btt", "mel": {}}, "axes must have each of t, m once"),
    ):
        with pytest.raises(ValueError, match=said):
            SoundNetworkOptions(model="x.onnx", **options)
