"""Weights, cards and checkpoints: damaged, forged, or made to run code when they are read."""

import gzip
import json
import os
import pickle
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from fuzz.cases import damaged_json, examples, mutated_bytes, outcome
from hypothesis import given

from semiser.faces.network import build_expression_network, load_expression_network
from semiser.features.checkpoint import read_config
from semiser.features.word_vectors import load_word_vectors
from semiser.options.face_features import DenseNetOptions
from semiser.options.training import TrainingOptions
from semiser.training.run import TrainingRun
from semiser.training.saved import write_saved


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    options = DenseNetOptions(input_size=16, depth=10, growth=2)
    card = {"network": options.model_dump(), "classes": ["neutral", "anger"], "seed": 0, "key": "k"}
    write_saved(folder, build_expression_network(options, 2).state_dict(), card)
    return folder


def test_cards_of_networks(tmp_path, network):
    folder = shutil.copytree(network, tmp_path / "n")

    @examples(80)
    @given(data=damaged_json(json.loads((network / "card.json").read_text())))
    def check(data: bytes) -> None:
        (folder / "card.json").write_bytes(data)
        outcome("model card", lambda: load_expression_network(folder), str(folder))

    check()


def test_weights_of_networks(tmp_path, network):
    folder = shutil.copytree(network, tmp_path / "n")
    original = (folder / "model.safetensors").read_bytes()

    @examples(60)
    @given(data=mutated_bytes(original, header=2000))
    def check(data: bytes) -> None:
        (folder / "model.safetensors").write_bytes(data)
        outcome("model weights", lambda: load_expression_network(folder), str(folder))

    check()


def test_configurations_of_wav2vec_checkpoints(tmp_path):
    config = {
        "model_type": "wav2vec2",
        "conv_kernel": [10, 3],
        "conv_stride": [5, 2],
        "conv_dim": [8, 8],
        "hidden_size": 8,
    }

    @examples(60)
    @given(data=damaged_json(config))
    def check(data: bytes) -> None:
        (tmp_path / "config.json").write_bytes(data)
        read_config.cache_clear()
        read = partial(read_config, tmp_path, "features.wav2vec.checkpoint", ("wav2vec2",))
        found = outcome("wav2vec config", read, str(tmp_path))
        assert found is None or found["model_type"] == "wav2vec2"

    check()


def _run(folder: Path) -> TrainingRun:
    return TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "key")


def test_damaged_checkpoints_are_not_resumed(tmp_path):
    module = torch.nn.Linear(2, 2)
    _run(tmp_path).save_checkpoint({"module": module, "epoch": 3}, force=True)
    path = tmp_path / "checkpoint.ckpt"
    original, run = path.read_bytes(), _run(tmp_path)

    @examples(60)
    @given(data=mutated_bytes(original, header=len(original)))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        state = {"module": torch.nn.Linear(2, 2), "epoch": 0}
        resumed = outcome("checkpoint", lambda: run.resume(state))
        assert resumed in (True, False) and state["epoch"] == (3 if resumed else 0)
        assert not resumed or torch.equal(state["module"].weight, module.weight)

    check()


@pytest.mark.parametrize("content", ["checkpoint", "bare pickle"])
def test_a_checkpoint_runs_no_code(tmp_path, content):
    touched, path = tmp_path / "touched", tmp_path / "checkpoint.ckpt"
    if content == "checkpoint":
        torch.save({"key": "key", "curves": [], "random": Evil(touched)}, path)
    else:
        path.write_bytes(pickle.dumps(Evil(touched)))
    assert _run(tmp_path).resume({"epoch": 0}) is False
    assert not touched.exists()
    pickle.loads(pickle.dumps(Evil(touched)))
    assert touched.exists()  # it would have


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["v.kv", "v.bin", "v.txt", "v.bin.gz"])
def test_word_vectors_run_no_code(tmp_path, name, protocol):
    data, touched = pickle.dumps(Evil(tmp_path / "touched"), protocol), tmp_path / "touched"
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(ValueError, match=name):
        load_word_vectors(tmp_path / name)
    assert not touched.exists()


def test_weights_of_a_network_run_no_code(tmp_path, network):
    folder, touched = shutil.copytree(network, tmp_path / "n"), tmp_path / "touched"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil(touched)))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_expression_network(folder)
    assert not touched.exists()
