from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from semiser.demo import face_data
from semiser.demo.faces import EXPRESSIONS as DRAWN_EXPRESSIONS
from semiser.faces import fit as expression
from semiser.faces.options import FaceNetworkOptions
from semiser.options.face_features import (
    EXPRESSIONS,
    DenseNetOptions,
    DrawnFacesOptions,
    ExpressionTrainingOptions,
    MobileNetOptions,
)
from semiser.options.training import TrainingOptions
from semiser.training import side_by_side
from semiser.training.run import TrainingRun
from semiser.training.saved import write_saved

MOBILE = MobileNetOptions(
    input_size=16, channels=1, stem_channels=4, stages=((1, 4, 1, 1),), last_channels=8, divisor=4, dropout=0.1
)
DENSE = DenseNetOptions(input_size=16, depth=10, growth=4)


def options_of(network=MOBILE, **changes) -> ExpressionTrainingOptions:
    defaults = {"classes": ("neutral", "happiness"), "epochs": 6, "batch_size": 8, "learning_rate": 0.02}
    return ExpressionTrainingOptions(network=network, **(defaults | changes))


@pytest.fixture
def data() -> expression.FaceData:
    """48 noisy grey faces; those of class 1 are bright below. 32 to train, 16 to validate."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 2
    faces = torch.randint(0, 80, (48, 1, 16, 16), generator=generator, dtype=torch.uint8)
    faces[labels == 1, :, 8:] += 120
    rows = {"train": torch.arange(32), "validation": torch.arange(32, 48), "test": torch.arange(0)}
    return expression.FaceData(faces, labels, rows)


def run_of(folder, seed=0, key="k") -> TrainingRun:
    return TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)


@pytest.mark.parametrize("network", [MOBILE, DENSE])
def test_both_networks_learn_and_come_back_from_their_folder(data, tmp_path, network):
    run = run_of(tmp_path)
    figures = expression.fit(data, options_of(network), run)

    assert figures == {"validation_accuracy": 1.0, "validation_uar": 1.0}
    losses = [row["value"] for row in run.curves if row["name"] == "loss"]
    assert len(losses) == 6 and losses[-1] < 0.6 * losses[0]
    loaded, card = expression.load_expression_network(tmp_path)
    assert card["classes"] == ["neutral", "happiness"] and card["figures"] == figures
    assert card["num_features"] == loaded.num_features
    assert not loaded.training
    predicted = expression.predict_probabilities(loaded, data.faces).argmax(1)
    assert torch.equal(predicted[32:], data.labels[32:])


def test_a_killed_training_goes_on_to_the_same_weights(data, tmp_path, monkeypatch):
    options = options_of(epochs=4, select="validation")
    expression.fit(data, options, run_of(tmp_path / "whole"))

    steps, step = [], expression._step

    def dies(*arguments):
        steps.append(1)
        if len(steps) > 10:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(expression, "_step", dies)
    with pytest.raises(KeyboardInterrupt):
        expression.fit(data, options, run_of(tmp_path / "halved"))
    monkeypatch.setattr(expression, "_step", step)
    resumed = run_of(tmp_path / "halved")
    expression.fit(data, options, resumed)

    for name in ("model.safetensors", "card.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halved" / name).read_bytes()
    assert [row["epoch"] for row in resumed.curves if row["name"] == "loss"] == [0, 1, 2, 3]


def test_validation_selects_the_best_epoch(data, tmp_path, monkeypatch):
    scores = iter([0.5, 0.9, 0.4])
    weights = []

    def score(network, data, role):
        if role == "test":
            return {}
        weights.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"validation_uar": next(scores, 0.0)}

    monkeypatch.setattr(expression, "_score", score)
    expression.fit(data, options_of(epochs=3, select="validation"), run_of(tmp_path))

    kept = expression.load_expression_network(tmp_path)[0].state_dict()
    assert all(torch.equal(kept[name], weights[1][name]) for name in kept)
    assert not torch.equal(kept["classifier.1.weight"], weights[2]["classifier.1.weight"])


@pytest.mark.parametrize(
    "schedule, progress, expected",
    [
        ("constant", 0.9, 0.1),
        ("cosine", 0.5, 0.05),
        ("cosine", 1.0, 0.0),
        ("step", 0.49, 0.1),
        ("step", 0.6, 0.01),
        ("step", 0.75, 0.001),
        ("constant", 0.049, 0.05),  # warming up over the first tenth
    ],
)
def test_the_learning_rate(schedule, progress, expected):
    options = options_of(schedule=schedule, learning_rate=0.1, warmup=0.1)
    assert expression.learning_rate(options, progress) == pytest.approx(expected)


def test_augmentation_shifts_and_mirrors_and_nothing_else():
    face = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    torch.manual_seed(0)
    augmented = expression.augment(face.expand(400, 1, 4, 4), flip=True, max_shift=0.25)

    padded = np.pad(face[0, 0].numpy(), 1, mode="edge")
    shifted = [padded[top : top + 4, left : left + 4] for top in range(3) for left in range(3)]
    mirrored = [
        np.pad(face[0, 0].numpy()[:, ::-1], 1, mode="edge")[t : t + 4, c : c + 4] for t in range(3) for c in range(3)
    ]
    allowed = {image.tobytes() for image in shifted + mirrored}
    assert {image.numpy().tobytes() for image in augmented[:, 0]} == allowed


def test_no_augmentation_leaves_the_faces_alone():
    faces = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(expression.augment(faces, flip=False, max_shift=0.0), faces)


def test_drawn_faces_hold_people_out_and_repeat(monkeypatch):
    people = []
    real = face_data.random_identity
    monkeypatch.setattr(face_data, "random_identity", lambda person: people.append(person) or real(person))
    options = options_of(drawn=DrawnFacesOptions(train_identities=2, validation_identities=1, pictures=2))

    data = face_data.draw_faces(options, seed=0)

    assert data.faces.shape == (12, 1, 16, 16) and data.faces.dtype == torch.uint8
    assert data.labels.tolist() == [0, 1] * 6
    trained, held = ({people[row] for row in data.rows[role].tolist()} for role in ("train", "validation"))
    assert (len(trained), len(held), trained & held) == (2, 1, set())
    assert not torch.equal(data.faces, face_data.draw_faces(options, seed=1).faces)
    assert torch.equal(data.faces, face_data.draw_faces(options, seed=0).faces)  # not those that were kept
    assert data.faces.float().std(dim=0).min() > 1  # the pictures differ everywhere


def test_the_drawn_expressions_are_the_classes():
    assert DRAWN_EXPRESSIONS == EXPRESSIONS


def write_image(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])  # OpenCV writes blue first


def table_of(*rows) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(("path", "split", "expression"), row, strict=True)) for row in rows])


def test_a_table_of_files_is_read_in_colour_and_squared(tmp_path):
    oblong = np.zeros((20, 40, 3), np.uint8)
    oblong[:, 10:30] = (200, 110, 0)  # the middle square
    write_image(tmp_path / "a/1.png", oblong)
    write_image(tmp_path / "2.png", np.full((16, 16, 3), 60, np.uint8))
    table = table_of(
        ("a/1.png", "train", "happiness"), ("2.png", "validation", "neutral"), ("gone.png", "train", "contempt")
    )

    data = expression.read_faces(table, tmp_path, options_of(MOBILE.model_copy(update={"channels": 3})), seed=0)

    assert data.faces.shape == (2, 3, 16, 16)
    assert data.faces[0].flatten(1).unique(dim=1).flatten().tolist() == [200, 110, 0]
    assert (data.faces[1] == 60).all()
    assert data.labels.tolist() == [1, 0]
    assert {role: rows.tolist() for role, rows in data.rows.items()} == {"train": [0], "validation": [1], "test": []}
    grey = expression.read_faces(table, tmp_path, options_of(), seed=0)
    assert grey.faces[0].unique().tolist() == [round(0.299 * 200 + 0.587 * 110)]


def test_grey_values_in_the_table_serve_as_an_image(tmp_path):
    pixels = np.arange(0, 256, dtype=np.uint8).tobytes()
    rows = [{"path": None, "pixels": pixels, "split": "train", "expression": name} for name in ("neutral", None)]
    data = expression.read_faces(pa.Table.from_pylist(rows), tmp_path, options_of(), seed=0)
    assert data.faces.numpy().tobytes() == pixels
    assert data.labels.tolist() == [0]


def test_without_a_validation_part_a_share_of_every_class_is_held_out(tmp_path):
    write_image(tmp_path / "x.png", np.zeros((16, 16, 3), np.uint8))
    rows = [("x.png", None, "neutral")] * 20 + [("x.png", "train", "happiness")] * 10 + [("x.png", "test", "neutral")]
    data = expression.read_faces(table_of(*rows), tmp_path, options_of(validation_share=0.2), seed=0)

    held = data.rows["validation"]
    assert data.labels[held].bincount().tolist() == [4, 2]
    assert sorted(torch.cat([data.rows["train"], held]).tolist()) == list(range(30))
    assert data.rows["test"].tolist() == [30]


@pytest.mark.parametrize(
    "row, content, message",
    [
        (("x.png", "train", "neutral"), None, "faces: x.png: not readable as an image.*mend the image"),
        (("x.png", "train", "neutral"), b"", "x.png: not readable as an image"),
        (("x.png", "train", "neutral"), b"text", "x.png: not readable as an image"),
        (("x.png", "dev", "neutral"), b"text", "split must be one of train, validation, test, not dev"),
        (("x.png", "test", "neutral"), b"text", "none of 1 rows is for training"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, content, message):
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        expression.read_faces(table_of(row), tmp_path, options_of(), seed=0)


def test_a_folder_without_a_network_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no card.json.*kedro run --pipelines=train_faces"):
        expression.load_expression_network(tmp_path)


CARD = {"network": MOBILE.model_dump(mode="json"), "classes": ["a", "b"], "seed": 0, "key": "k"}


def test_weights_that_do_not_fit_the_card_are_refused(tmp_path):
    write_saved(tmp_path, {"stem.weight": torch.zeros(1)}, CARD)
    with pytest.raises(ValueError, match=r"does not fit the network in card.json"):
        expression.load_expression_network(tmp_path)


@pytest.mark.parametrize(
    "card",
    [
        "{",
        "[]",
        "{}",
        '{"network": {"kind": "densenet_bc"}}',
        '{"network": {"kind": "densenet_bc"}, "classes": "ab"}',
        '{"network": {"kind": "densenet_bc", "depth": 600000004}, "classes": ["a", "b"]}',
        '{"network": {"kind": "vgg"}, "classes": ["a", "b"]}',
    ],
)
def test_a_card_that_is_none_is_named(tmp_path, card):
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(ValueError, match=r"card\.json is no (card of such a network|model card)"):
        expression.load_expression_network(tmp_path)


@pytest.mark.parametrize("weights", [b"", b"text", (1 << 62).to_bytes(8, "little") + b"{}"])
def test_weights_that_are_none_are_refused(tmp_path, weights):
    write_saved(tmp_path, {"stem.weight": torch.zeros(1)}, CARD)
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match=r"model\.safetensors is no file of weights"):
        expression.load_expression_network(tmp_path)


def test_a_network_is_trained_once_for_each_seed_precision_and_options(tmp_path):
    drawn = []

    def draw(options, seed):
        drawn.append((options.epochs, seed))
        faces = torch.full((4, 1, 16, 16), 100, dtype=torch.uint8)
        rows = {"train": torch.arange(4), "validation": torch.arange(0), "test": torch.arange(0)}
        return expression.FaceData(faces, torch.tensor([0, 1, 0, 1]), rows)

    def train(epochs=1, **training):
        network = FaceNetworkOptions(images="drawn", training=options_of(epochs=epochs))
        (card,) = expression.train({tmp_path: network}, TrainingOptions(accelerator="cpu", **training), draw)
        return card

    first = train()
    assert train() == first and drawn == [(1, 0)]
    keys = {train(**other)["key"] for other in ({"seeds": (1,)}, {"epochs": 2}, {"precision": "bf16-mixed"})}
    assert len(keys | {first["key"]}) == 4 and drawn == [(1, 0), (1, 1), (2, 0), (1, 0)]
    assert (first["torch"], first["device"]) == (torch.__version__, "cpu")


def test_networks_side_by_side_have_the_bytes_that_each_has_alone(tmp_path):
    """Faces are drawn here, networks trained in workers."""

    def draw(options, seed):
        faces = torch.full((4, 1, 16, 16), 100, dtype=torch.uint8)
        rows = {"train": torch.arange(4), "validation": torch.arange(0), "test": torch.arange(0)}
        return expression.FaceData(faces, torch.tensor([0, 1, 0, 1]), rows)

    networks = {
        "a": FaceNetworkOptions(images="drawn", training=options_of(epochs=1)),
        "b": FaceNetworkOptions(images="drawn", training=options_of(epochs=2)),
    }
    found = []
    for at_once in (1, 2):
        wanted = {tmp_path / str(at_once) / name: network for name, network in networks.items()}
        cards = expression.train(wanted, TrainingOptions(accelerator="cpu", side_by_side=at_once), draw)
        found.append([(Path(card["folder"]) / "model.safetensors").read_bytes() for card in cards])
    side_by_side.stop()
    assert found[0] == found[1] and found[0][0] != found[0][1]


def _given_weights(folder, classes=5):
    """A file as of another training, of five classes, each of its tensors full of a number of its own."""
    network = expression.build_expression_network(MOBILE, classes)
    state = {name: torch.full_like(value, number) for number, (name, value) in enumerate(network.state_dict().items())}
    save_file(state, folder / "given.safetensors")
    return folder / "given.safetensors", state


def test_a_network_starts_from_given_weights_but_for_its_classifier(data, tmp_path, monkeypatch):
    file, state = _given_weights(tmp_path)
    started = {}
    build = expression.build_expression_network
    monkeypatch.setattr(
        expression, "build_expression_network", lambda *given: started.setdefault("network", build(*given))
    )
    monkeypatch.setattr(expression, "_make_optimiser", lambda network, _: _Stop.raise_it())
    with pytest.raises(_Stop):
        expression.fit(data, options_of(initial_weights=str(file)), run_of(tmp_path / "run"))
    for name, value in started["network"].state_dict().items():
        if name.startswith("classifier"):
            assert len(value) == 2 and not (value == state[name].flatten()[0]).all()
        else:
            assert torch.equal(value, state[name])


class _Stop(Exception):
    @classmethod
    def raise_it(cls):
        raise cls


def test_given_weights_are_told_in_the_card_and_known_by_their_hash(tmp_path, caplog):
    def draw(options, seed):
        faces = torch.full((4, 1, 16, 16), 100, dtype=torch.uint8)
        rows = {"train": torch.arange(4), "validation": torch.arange(0), "test": torch.arange(0)}
        return expression.FaceData(faces, torch.tensor([0, 1, 0, 1]), rows)

    def train(**changes):
        options = FaceNetworkOptions(images="drawn", training=options_of(epochs=1, **changes))
        (card,) = expression.train({tmp_path / "networks": options}, TrainingOptions(accelerator="cpu"), draw)
        return card

    file, _ = _given_weights(tmp_path)
    without, given = train(), train(initial_weights=str(file))
    assert without["learned_from"] == {"images": "drawn"} and "DRAWN faces" in caplog.text
    assert given["learned_from"]["initial_weights"] == "given.safetensors" and given["key"] != without["key"]
    sha256 = given["learned_from"]["initial_weights_sha256"]
    assert train(initial_weights=str(file), initial_weights_sha256=sha256)["folder"] == given["folder"]
    with pytest.raises(ValueError, match="must have the hash 00, not"):
        train(initial_weights=str(file), initial_weights_sha256="00")
    with pytest.raises(FileNotFoundError, match=r"initial_weights: no file .*gone"):
        train(initial_weights=str(tmp_path / "gone"))


def test_weights_of_another_network_are_refused_with_the_tensor_that_differs(data, tmp_path):
    file, _ = _given_weights(tmp_path)
    with pytest.raises(ValueError, match=r"must have a tensor \S+ of shape .*, it has (none|\()"):
        expression.fit(data, options_of(DENSE, initial_weights=str(file)), run_of(tmp_path / "run"))
    file.write_bytes(b"text")
    with pytest.raises(ValueError, match="is no safetensors file"):
        expression.fit(data, options_of(initial_weights=str(file)), run_of(tmp_path / "run"))
