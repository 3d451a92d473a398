"""Models that somebody hands over: cards and weights that are damaged, tampered with, or made to harm."""

import json
import shutil
import struct

import numpy as np
import pytest
import torch
from fuzz.cases import damaged_json, examples, mutated_bytes, outcome
from helpers import resaved, voice, write_wav
from hypothesis import given
from safetensors.torch import load_file, save

import semiser
from semiser.data.vectors import FoldData
from semiser.features.registry import make_families
from semiser.options.features import FeaturesOptions
from semiser.options.training import TrainingOptions
from semiser.prediction.model import NOT_FINITE
from semiser.systems.mmmd.fit import network_paths
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

CLASSES = ("anger", "boredom", "joy")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A card and weights of MMMD's DNN on IS10, as training writes them; the weights are random."""
    folder = tmp_path_factory.mktemp("model")
    options = MmmdOptions(network=MmdOptions(grouping="joint", hidden=(4, 4)))
    family = make_families(("is10",), FeaturesOptions(extract=("is10",)))["is10"]
    names = json.loads(family.fields()[0].metadata[b"names"])
    data = FoldData(torch.empty(0), torch.empty(0), {}, CLASSES, tuple(names), {"is10": (0, len(names))})
    network = Mmd(*network_paths(data, "joint"), len(CLASSES), options.network, seed=0)
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu"), "key")
    made = {"family": "is10", "version": family.version, "options": family.options.model_dump(mode="json")}
    card = {
        "system": "mmmd",
        "network": "mmd",
        "options": options.model_dump(mode="json"),
        "classes": CLASSES,
        "features": {"is10": names},
        "scaling": "global",
        "families": {"is10": made},
    }
    scaling = {"scaling.mean": torch.zeros(len(names)), "scaling.std": torch.ones(len(names))}
    run.save_model(network.state_dict() | scaling, card)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("clip") / "a.wav", voice(0.5))


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def test_the_model_predicts(model, clip):
    (row,) = semiser.load(model).predict(clip).to_pylist()
    assert row["prediction"] in CLASSES and row["reason"] is None


def test_cards_of_models(copy):
    original = json.loads((copy / "card.json").read_text())
    original["features"]["is10"] = original["features"]["is10"][:3]

    @examples(120)
    @given(data=damaged_json(original))
    def check(data: bytes) -> None:
        (copy / "card.json").write_bytes(data)
        assert outcome("card of a model", lambda: semiser.load(copy), str(copy)) is None

    check()


def test_cards_of_models_whose_hashes_were_mended(copy, clip):
    """Whatever is accepted describes the network of the weights: it predicts."""
    original = json.loads((copy / "card.json").read_text())
    original.pop("weights_sha256")
    small = {name: value for name, value in original.items() if name not in ("features", "families")}
    tensors = load_file(copy / "model.safetensors")

    @examples(120)
    @given(data=damaged_json(small))
    def check(data: bytes) -> None:
        try:
            changed = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(changed, dict):
            return
        (copy / "card.json").write_text(json.dumps({**original, "weights_sha256": "0" * 64}))
        resaved(copy, tensors, **{name: changed.get(name) for name in small})
        found = outcome("card with mended hash", lambda: semiser.load(copy), str(copy))
        assert found is None or (len(set(found.classes)) == 3 and all(found.classes))

    check()


def test_weights_of_models(copy):
    original = (copy / "model.safetensors").read_bytes()

    @examples(60)
    @given(data=mutated_bytes(original, header=2000))
    def check(data: bytes) -> None:
        (copy / "model.safetensors").write_bytes(data)
        found = outcome("weights of a model", lambda: semiser.load(copy), str(copy))
        assert found is None or data == original

    check()


def _with(facts, place, value):
    """A card with one value replaced, or removed where it is `...`."""
    facts = json.loads(json.dumps(facts))
    inner, (*path, last) = facts, place.split(".")
    for name in path:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return facts


CARDS = {
    "options.network.hidden": ([10**6, 10**6], [10**9], [10**12, 1], [64, 64], [0, 0], "ab"),
    "options": (..., [1], None, {"evil": 1}),
    "options.evil": (1,),
    "options.network.pooled": (10**18, -1, 1.5),
    "options.network.grouping": ("other", None),
    "classes": (["a", "b"], ["a"] * 10**5, ["a"] * 3, "abc", [1, 2, 3], [], ["a", "b", ""], None, ...),
    "features": (..., ["is10"], {}, {"is10": []}, {"evil": ["a"]}, {"is10": "abc"}, None),
    "families": ([1, 2], {}, None, ..., {"is10": []}, {"is10": {}}, {"other": {"family": "is10"}}),
    "families.is10.family": ("__class__", "shards", "os", None, "../x", ["is10"]),
    "families.is10.version": ("1", None, -1, 10**30),
    "families.is10.options": (..., None, [], "x", {"sample_rate_hz": 10**9}),
    "families.is10.libraries": ({"../../etc": "1"}, [1], {"a": None}),
    "system": ("../../x", "os", ["mmmd"], None, "avspnet", "began", "cmkt", "mssgan", ...),
    "scaling": (..., 7, None, "other", ["global"]),
    "seed": (..., -1, "x", None, 1.5, 10**30),
    "key": (..., None, 1),
}


@pytest.mark.parametrize("mended", [False, True], ids=["as it is", "hashes mended"])
def test_a_card_that_was_tampered_with_is_refused_before_memory_is_taken(copy, clip, mended):
    facts, tensors = json.loads((copy / "card.json").read_text()), load_file(copy / "model.safetensors")
    accepted = []
    for place, values in CARDS.items():
        for value in values:
            tampered = _with(facts, place, value)
            (copy / "card.json").write_text(json.dumps(tampered))
            if mended:
                resaved(copy, tensors)
            try:
                semiser.load(copy).predict(clip)
                accepted.append((place, value))
            except ValueError as error:
                assert str(copy) in str(error), (place, value, error)
    harmless = [("options.network.pooled", 10**18)]  # of no use with one modality
    assert accepted == (harmless if mended else [])


@pytest.mark.parametrize(
    "content", [b'{"system":' + b"[" * 100_000, b"null", b"\xff\xfe{}", b"NaN", b"", b'{"a": 1, "a": 2}']
)
def test_a_card_that_is_no_card_is_refused(copy, content):
    (copy / "card.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"{copy}/card.json is no model card"):
        semiser.load(copy)


@pytest.mark.parametrize("order", [(2, 1, 0)])
def test_the_order_of_classes_is_that_of_the_training(copy, order):
    facts = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(facts | {"classes": [CLASSES[place] for place in order]}))
    with pytest.raises(ValueError, match="do not belong together"):
        semiser.load(copy)


def test_weights_that_were_tampered_with_are_refused(copy, clip):
    raw, tensors = (copy / "model.safetensors").read_bytes(), load_file(copy / "model.safetensors")
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    name = next(name for name in header if name != "__metadata__")

    def packed(**changes):
        text = json.dumps({**header, name: {**header[name], **changes}}).encode()
        return struct.pack("<Q", len(text)) + text + raw[8 + length :]

    def changed(change, *only):
        return save({key: change(value) if key in only or not only else value for key, value in tensors.items()})

    cases = {
        "offsets beyond": packed(data_offsets=[0, 2**60]),
        "unknown type": packed(dtype="F128"),
        "shape of 2^80": packed(shape=[2**40, 2**40]),
        "shape of 2^31": packed(shape=[2**31], data_offsets=[0, 2**33]),
        "header of 2^62": struct.pack("<Q", 2**62) + b"{}",
        "header of blanks": struct.pack("<Q", 4 << 20) + b"{" + b" " * ((4 << 20) - 2) + b"}",
        "truncated": raw[:-10],
        "empty": b"",
        "text": b"text",
        "not finite": changed(lambda value: value * float("nan")),
        "mean not finite": changed(lambda value: value * float("nan"), "scaling.mean"),
        "deviation 0": changed(torch.zeros_like, "scaling.std"),
        "deviation short": changed(lambda value: value[:5], "scaling.std"),
        "half": changed(lambda value: value.bfloat16()),
        "one more": save(tensors | {"extra": torch.zeros(3)}),
        "one less": save({key: value for key, value in tensors.items() if key != "scaling.mean"}),
    }
    for case, data in cases.items():
        (copy / "model.safetensors").write_bytes(data)
        with pytest.raises(ValueError, match=str(copy)):
            semiser.load(copy)
            pytest.fail(case)
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors beside the card"):
        semiser.load(copy)


def test_a_row_whose_probabilities_are_not_finite_has_a_reason_in_place_of_a_class(copy, clip):
    tensors = load_file(copy / "model.safetensors")
    resaved(copy, {name: value * 3e38 if value.is_floating_point() and "scaling" not in name else value
                   for name, value in tensors.items()})  # fmt: skip
    (row,) = semiser.load(copy).predict(clip).to_pylist()
    assert (row["prediction"], row["reason"]) == (None, NOT_FINITE)
    assert [row[f"probability/{name}"] for name in CLASSES] == [None] * 3 and np.isfinite(3e38)
