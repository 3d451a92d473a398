"""The classifier on feature maps and on chunks: losses and means by hand, learning, resuming, the saved model."""

import hashlib
import json

import numpy as np
import pytest
import torch
from helpers import fitted
from safetensors.torch import load_file

from semiser.data.samples import SampleData
from semiser.evaluation.metrics import ccc_of_moments, moments
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.began import classifier as began_classifier
from semiser.systems.began.encoder import save_random_encoder
from semiser.systems.began.options import BeganFitOptions, BeganNetworkOptions, CepstrumOptions, ClassifierOptions
from semiser.training.run import TrainingRun

MAP = (2, 3, 4)
TINY = ClassifierOptions(filters=[4], epochs=12, batch_size=8, learning_rate=0.01, dropout=0.2, input_noise=0.1)
OPTIONS = BeganFitOptions(classifier=TINY, shape=MAP)
RICH = OPTIONS.model_copy(
    update={
        "classifier": TINY.model_copy(
            update={"filters": (), "hidden": (8,), "standardise": True, "statistics": ("mean", "change")}
        )
    }
)
SCRATCH = BeganFitOptions(
    classifier=TINY,
    shape=(9, 8),
    encoder=BeganNetworkOptions(filters=2, code=2, convolutions=1, smallest=(4, 4)),
)


def _with(options=OPTIONS, task="emotion", **changes):
    return options.model_copy(update={"task": task, "classifier": TINY.model_copy(update=changes)})


def _data(shape=(6, 4), column="map"):
    """30 utterances of two chunks, two classes that shift all values; arousal is the shift, valence its opposite."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(30) % 2
    utterance = torch.arange(30).repeat_interleave(2)
    x = torch.randn(60, *shape, generator=generator) + (2 * y[utterance] - 1).view(-1, 1, 1)
    rows = {
        "train": torch.arange(18),
        "validation": torch.arange(18, 24),
        "test": torch.arange(24, 30),
        "unlabelled": torch.arange(0),
    }
    dimensions = torch.stack([y * 0.8 - 0.4, 0.3 - y * 0.6], 1)
    dimensions[3, 0] = torch.nan
    return SampleData({column: x}, utterance, y, rows, ("low", "high"), {"dimensions": dimensions})


def _run(folder, seed=0):
    run = TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "k")
    stats = {"mean": np.zeros(6), "std": np.ones(6)}
    run.provenance = Provenance({"strategy": "speaker", "map": stats, "chunks": stats})
    return run


def test_an_utterance_has_the_mean_of_its_chunks():
    values, utterance = torch.tensor([[1.0, 0.0], [0.0, 4.0], [3.0, 2.0]]), torch.tensor([1, 0, 1])
    found = began_classifier.utterance_mean(values, utterance, 3)
    torch.testing.assert_close(found, torch.tensor([[0.0, 4.0], [2.0, 1.0], [torch.nan] * 2]), equal_nan=True)


def test_probabilities_are_averaged_not_logits():
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return torch.log(x[:, :2, 0])

    x = torch.tensor([[0.9, 0.1], [0.2, 0.8]])[:, :, None]
    data = SampleData({"map": x}, torch.tensor([0, 0]), torch.tensor([0]), {}, ("a", "b"))
    found = began_classifier.predict(Fixed(), data, torch.tensor([0]), OPTIONS)
    torch.testing.assert_close(found, torch.tensor([[0.55, 0.45]]))


def test_the_losses_of_the_dimensions_by_hand():
    output, target = torch.tensor([[0.0, 1.0], [1.0, 3.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    # arousal: cov 0.5, variances 0.25 and 1, means 0.5 and 1; valence: cov -0.5, variances 1 and 0.25, means 2 and 0.5
    expected = [2 * 0.5 / (0.25 + 1 + 0.25), -2 * 0.5 / (1 + 0.25 + 2.25)]
    torch.testing.assert_close(began_classifier.concordance(output, target), torch.tensor(expected))
    assert began_classifier.dimension_loss(output, target, "ccc").item() == pytest.approx(1 - sum(expected) / 2)
    assert began_classifier.dimension_loss(output, target, "mse").item() == pytest.approx((0 + 1 + 0 + 9) / 4)


def test_the_concordance_is_that_of_the_evaluation():
    output, target = torch.randn(2, 20, 1, generator=torch.Generator().manual_seed(1)).double()
    sums = moments(target[:, 0].numpy(), output[:, 0].numpy()).sum(0)
    assert began_classifier.concordance(output, target).item() == pytest.approx(float(ccc_of_moments(sums)))


def test_class_weights_count_chunks():
    data = _data()
    data.rows["train"] = torch.tensor([0, 1, 2])  # two utterances of the first class, one of the second
    weights = began_classifier._class_weights(data, ClassifierOptions())
    torch.testing.assert_close(weights, torch.tensor([6 / (2 * 4), 6 / (2 * 2)]))
    assert began_classifier._class_weights(data, ClassifierOptions(balanced=False)) is None


CEPSTRAL = SCRATCH.model_copy(
    update={"classifier": RICH.classifier, "cepstrum": CepstrumOptions(bands=4, coefficients=2)}
)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        (OPTIONS, _data()),
        (RICH, _data()),
        (SCRATCH, _data((9, 8), "chunks")),
        (CEPSTRAL, _data((9, 8), "chunks")),
    ],
)
def test_both_kinds_learn_what_can_be_learnt(options, data, tmp_path):
    probabilities = fitted(began_classifier.fit, data, options, _run(tmp_path))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6))
    assert (probabilities.argmax(1) == data.y[24:]).float().mean() > 0.8


def test_the_pooled_values_are_standardised_by_the_training_chunks_alone(tmp_path):
    data = _data()
    data.x["map"][36:] += 100  # the chunks of validation and test
    fitted(began_classifier.fit, data, RICH, _run(tmp_path))
    weights = load_file(tmp_path / "model.safetensors")
    x = data.x["map"][:36]
    expected = torch.cat([x.mean(-1), x.diff(dim=-1).abs().mean(-1)], 1)
    torch.testing.assert_close(weights["classifier.standard.mean"], expected.mean(0))
    torch.testing.assert_close(weights["classifier.standard.deviation"], expected.std(0, unbiased=False))


@pytest.mark.parametrize("loss", ["ccc", "mse"])
def test_two_units_learn_arousal_and_valence_without_the_utterances_that_have_none(tmp_path, loss):
    data = _data()
    run = _run(tmp_path)
    found = fitted(began_classifier.fit, data, _with(task="dimensions", dimension_loss=loss, epochs=30), run)
    assert found.shape == (6, 2) and found.isfinite().all()
    assert (began_classifier.concordance(found, data.about["dimensions"][24:]) > 0.6).all()
    assert "validation_ccc" in {row["name"] for row in run.curves}


def test_weights_options_and_scaling_rebuild_the_classifier(tmp_path):
    place = save_random_encoder((9, 8), SCRATCH.encoder, TrainingOptions(accelerator="cpu"), 0, tmp_path)
    folder = tmp_path / "variant/fold-00"
    data, run = _data(), _run(folder)
    expected = fitted(began_classifier.fit, data, _with(OPTIONS.model_copy(update={"frozen": place})), run)
    card = json.loads((folder / "card.json").read_bytes())
    assert (card["system"], card["classes"], card["features"]) == ("began", ["low", "high"], "map")
    assert (card["scaling"], card["options"]["frozen"]) == ("speaker", place)
    options = BeganFitOptions(**card["options"])
    network = began_classifier.Classifier(options, len(card["classes"]))
    assert card["encoder_sha256"] == hashlib.sha256((tmp_path / place / "model.safetensors").read_bytes()).hexdigest()
    weights = load_file(folder / "model.safetensors")
    network.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("scaling.")})
    torch.testing.assert_close(began_classifier.predict(network, data, data.rows["test"], options), expected)


@pytest.mark.parametrize("options", [_with(), RICH, _with(select="validation"), _with(task="dimensions")])
def test_a_training_killed_inside_an_epoch_ends_with_the_undisturbed_predictions(tmp_path, monkeypatch, options):
    data, expected_run = _data(), _run(tmp_path / "a")
    undisturbed = fitted(began_classifier.fit, data, options, expected_run)
    save, done = TrainingRun.save_checkpoint, []

    def save_and_die(run, state, force=False):
        save(run, state, force)
        done.append(state["step"])
        if len(done) == 9:  # an epoch has five steps
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        fitted(began_classifier.fit, data, options, _run(tmp_path / "b"))
    monkeypatch.undo()
    assert done[-1] > 0, "the kill is to fall inside an epoch"
    torch.manual_seed(99)
    run = _run(tmp_path / "b")
    assert torch.equal(fitted(began_classifier.fit, data, options, run), undisturbed)
    assert run.curves == expected_run.curves


def test_selection_reads_no_test_label(tmp_path):
    data, permuted = _data(), _data()
    permuted.y[24:] = 1 - permuted.y[24:]
    options = _with(select="validation")
    first, second = (
        fitted(began_classifier.fit, d, options, _run(tmp_path / str(n))) for n, d in enumerate((data, permuted))
    )
    assert torch.equal(first, second)
