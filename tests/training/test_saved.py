"""Weights and cards: what is written belongs together, and what does not is refused before memory is taken."""

import json
import struct

import pytest
import torch
from helpers import resaved
from safetensors.torch import load_file, save_file
from torch import nn

from semiser.card import Card
from semiser.training.saved import is_whole, keyed_folder, read_saved, write_saved

MADE = {"system": "toy", "seed": 0, "key": "k", "classes": ["a", "b"]}


class ToyCard(Card):
    widths: tuple[int, int]


@pytest.fixture
def folder(tmp_path):
    network = nn.Linear(3, 2)
    scaling = {"scaling.mean": torch.zeros(3), "scaling.std": torch.ones(3)}
    write_saved(tmp_path / "m", network.state_dict() | scaling, {**MADE, "widths": (3, 2), "loss": float("nan")})
    return tmp_path / "m"


def build(folder):
    saved = read_saved(folder, ToyCard)
    return saved.build(lambda: nn.Linear(*saved.card.widths)), saved.statistics((saved.card.widths[0],))


def test_what_was_saved_is_built_again(folder):
    network, (mean, std) = build(folder)
    assert network.weight.tolist() == load_file(folder / "model.safetensors")["weight"].tolist()
    assert (mean.tolist(), std.tolist(), network.training) == ([0.0] * 3, [1.0] * 3, False)
    assert read_saved(folder, Card).facts["loss"] is None, "JSON has no NaN"


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["b", "a"]},
        {"seed": 1},
        {"weights_sha256": "0" * 64},
        {"more": 1},
    ],
)
def test_a_card_that_was_changed_is_not_that_of_the_weights(folder, change):
    facts = json.loads((folder / "card.json").read_text()) | change
    (folder / "card.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=f"{folder}: card.json and model.safetensors do not belong together"):
        build(folder)
    assert not is_whole(folder)


def test_weights_of_another_training_are_not_those_of_the_card(folder, tmp_path):
    write_saved(tmp_path / "other", load_file(folder / "model.safetensors"), {**MADE, "widths": (3, 2), "seed": 7})
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(ValueError, match="do not belong together"):
        build(folder)


def test_a_flipped_bit_is_noticed(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match="do not belong together"):
        build(folder)


def test_the_layout_of_a_card_is_nobody_s_concern(folder):
    facts = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(dict(reversed(facts.items())), indent=4))
    build(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"widths": [10**6, 10**6]},
            r"does not fit .*: weight: float32 \[1000000, 1000000\] by",
        ),
        ({"widths": [10**12, 10**12]}, "no network can be built as it says"),
        ({"widths": [-1, 2]}, "no network can be built as it says"),
        ({"widths": "ab"}, "card.json is no card of such a network: widths"),
        ({"classes": ["a", "a"]}, "classes: 'a' stands there twice"),
        ({"classes": "ab"}, "classes: "),
        ({"classes": []}, "classes: "),
        ({"classes": [1, 2]}, "classes.0: "),
        ({"seed": -1}, "seed: "),
        ({"seed": 10**400}, "seed: "),
        ({"seed": None}, "seed: "),
        ({"system": "../x"}, "system: "),
        ({"system": ["toy"]}, "system: "),
        ({"families": [1]}, "families: "),
    ],
)
def test_a_card_that_says_something_impossible_is_refused_though_its_hash_is_right(folder, changes, message):
    resaved(folder, **changes)
    with pytest.raises(ValueError, match=message) as refusal:
        build(folder)
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("weight", lambda x: x * float("nan"), "weight holds values that are not finite"),
        ("weight", lambda x: x.bfloat16(), r"weight: float32 \[2, 3\] by the card, bfloat16 \[2, 3\] in the file"),
        ("weight", lambda x: x[:1], r"weight: float32 \[2, 3\] by the card, float32 \[1, 3\] in the file"),
        ("weight", None, r"weight: float32 \[2, 3\] by the card, none in the file"),
        ("scaling.mean", lambda x: x + float("inf"), "scaling.mean holds values that are not finite"),
        ("scaling.mean", None, r"scaling.mean: expected numbers of shape \(3,\), found none"),
        ("scaling.std", lambda x: x * 0, "not 0 throughout"),
        ("scaling.std", lambda x: -x, "a standard deviation is 0 or more"),
        ("scaling.std", lambda x: x[:2], r"expected numbers of shape \(3,\), found float32 \[2\]"),
        ("scaling.std", lambda x: x.half(), r"expected numbers of shape \(3,\), found float16 \[3\]"),
    ],
)
def test_weights_that_cannot_be_right_are_refused_though_their_hash_is(folder, name, change, message):
    tensors = load_file(folder / "model.safetensors")
    tensor = tensors.pop(name)
    resaved(folder, tensors | ({name: change(tensor)} if change else {}))
    with pytest.raises(ValueError, match=message) as refusal:
        build(folder)
    assert str(folder) in str(refusal.value)


def test_a_tensor_too_many_is_refused(folder):
    resaved(folder, load_file(folder / "model.safetensors") | {"extra": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"extra: none by the card, float32 \[3\] in the file"):
        build(folder)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"null", "it names no system"),
        (b"NaN", "NaN is no number of JSON"),
        (b'{"seed": 1, "seed": 2}', "'seed' stands there twice"),
        (b'{"system":' + b"[" * 100_000, "no model card"),
        (b"\xff\xfe{}", "no model card"),
        (b"", "no model card"),
    ],
)
def test_a_card_that_is_no_json_object_is_refused(folder, text, message):
    (folder / "card.json").write_bytes(text)
    with pytest.raises(ValueError, match=message) as refusal:
        build(folder)
    assert str(folder / "card.json") in str(refusal.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"text", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 12) + b'{"a": "b" } '],
)
def test_weights_that_are_none_are_refused(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=f"{folder / 'model.safetensors'} is no file of weights"):
        build(folder)


def test_what_an_older_semiser_wrote_says_so(folder):
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors")
    (folder / "card.json").write_text(json.dumps({**MADE, "widths": [3, 2]}))
    with pytest.raises(ValueError, match="does not say weights_sha256"):
        build(folder)


def test_what_was_killed_behind_its_card_is_trained_again_in_its_place(tmp_path):
    key = "0123456789abcdef"
    folder, _ = keyed_folder(tmp_path, key)
    write_saved(folder, {"w": torch.zeros(1)}, MADE)

    def finished(place):
        return (place / "predictions.parquet").exists()

    assert keyed_folder(tmp_path, key, finished) == (folder, False)
    (folder / "predictions.parquet").touch()
    assert keyed_folder(tmp_path, key, finished) == (folder, True)


def test_a_repeated_training_writes_over_nothing(tmp_path):
    key = "0123456789abcdef"
    first, there = keyed_folder(tmp_path, key)
    assert (first, there) == (tmp_path / "0123456789ab", False)
    write_saved(first, {"w": torch.zeros(1)}, MADE)
    assert keyed_folder(tmp_path, key) == (first, True)
    second, there = keyed_folder(tmp_path, key, reuse=False)
    assert (second, there) == (tmp_path / "0123456789ab-2", False)
    second.mkdir()  # a checkpoint of a training that goes on lies there
    assert keyed_folder(tmp_path, key, reuse=False) == (second, False)
    assert keyed_folder(tmp_path, key) == (first, True)
    write_saved(second, {"w": torch.ones(1)}, MADE)
    assert keyed_folder(tmp_path, key) == (second, True)
    (second / "model.safetensors").unlink()
    assert keyed_folder(tmp_path, key) == (first, True)
    (first / "model.safetensors").unlink()
    assert keyed_folder(tmp_path, key) == (tmp_path / "0123456789ab-3", False)
