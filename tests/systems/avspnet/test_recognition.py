import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from helpers import fitted
from safetensors.torch import load_file
from segment_tables import SIZE, proxy_table, segment_table, utterance_table, utterances

from semiser.data.samples import SampleData
from semiser.options.training import TrainingOptions
from semiser.systems.avspnet import pretraining
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.front_end import load_front_end
from semiser.systems.avspnet.network import Outputs
from semiser.systems.avspnet.options import (
    FRONT_ENDS,
    PUBLISHED,
    AvspnetNetworkOptions,
    EndToEndOptions,
    PretrainingOptions,
    RecognitionOptions,
)
from semiser.training.run import TrainingRun

CPU = TrainingOptions(accelerator="cpu")
EVERY_STEP = TrainingOptions(accelerator="cpu", checkpoint_every_s=0)
NETWORK = AvspnetNetworkOptions(kernels=4, dense=12, latent=6, proxy_hidden=(8,))
PRETRAINING = PretrainingOptions(epochs=2, batch_size=5, held_out_share=0.2, learning_rate=3e-3)
ROWS = utterances("abcd", "bg", per_class=4)
FRONT_END = {"folder": "somewhere", "weights_sha256": "0" * 64}
FIT = partial(avspnet.fit, front_end=FRONT_END)


@pytest.fixture
def background(tmp_path):
    return make_background(tmp_path)


def make_background(folder, options=PRETRAINING, valence=("negative", "positive")):
    table = segment_table(folder / "segments", ROWS)
    proxies = {"arousal": proxy_table(ROWS, ("low", "high")), "valence": proxy_table(ROWS, valence)}
    return pretraining.make_background(table, utterance_table(ROWS), proxies, options, seed=0)


def train(variant, background, folder, options=PRETRAINING, seed=0, initial=None, training=CPU):
    """The card, with the front end's own folder."""
    card = pretraining.train_front_end(variant, background, NETWORK, options, training, seed, folder, initial)
    return card | {"folder": folder / card["folder"]}


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_the_losses_are_those_of_the_paper():
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    outputs = Outputs(x + torch.tensor([[[1.0, 0.0], [0.0, 3.0]]]), torch.log(torch.tensor([[0.2, 0.8]])))
    losses = pretraining.front_end_losses(outputs, x, torch.tensor([1]))
    assert losses["reconstruction_loss"].item() == pytest.approx((1 + 9) / 4)  # Eq. 5
    assert losses["proxy_loss"].item() == pytest.approx(-math.log(0.8))  # Eq. 6
    assert pretraining.total_loss(losses, 0.3).item() == pytest.approx(0.3 * 2.5 - 0.7 * math.log(0.8))  # Eq. 7
    summed = pretraining.front_end_losses(outputs, x, torch.tensor([1]), reduction="sum")
    assert summed["reconstruction_loss"].item() == pytest.approx(1 + 9)  # as printed: no mean
    alone = pretraining.front_end_losses(Outputs(None, outputs.proxy), x, torch.tensor([1]))
    assert list(alone) == ["proxy_loss"] and pretraining.total_loss(alone, 0.3) == alone["proxy_loss"]


def test_sums_are_over_the_whole_batch_whatever_a_process_has_of_it():
    """Of four segments a process has one: its part of the mean is a quarter, of the sum all of it."""
    x, logits = torch.zeros(1, 2, 2), torch.log(torch.tensor([[0.2, 0.8]]))
    outputs = Outputs(x + 1, logits)
    given = {"outputs": outputs, "x": x, "y": torch.tensor([1]), "size": 4, "segments": 4}
    mean, total = (pretraining.front_end_losses(**given, reduction=how) for how in ("mean", "sum"))
    assert mean["reconstruction_loss"].item() == pytest.approx(1 / 4)
    assert total["reconstruction_loss"].item() == pytest.approx(4)
    assert total["proxy_loss"].item() == pytest.approx(-math.log(0.8)) == pytest.approx(4 * mean["proxy_loss"].item())


@pytest.mark.parametrize(
    "probabilities, winner, score",
    [
        ([[0.9, 0.1]], 0, (1 + 0.9) / 2),  # an utterance of one segment
        ([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]], 1, (2 + 1.3 / 3) / 4),  # two votes beat a sure one
        ([[0.9, 0.1], [0.4, 0.6]], 0, (1 + 0.65) / 3),  # a tie: the higher mean probability
        ([[0.6, 0.4], [0.4, 0.6]], 0, (1 + 0.5) / 3),  # equal in both: the first class
        ([[0.34, 0.33, 0.33], [0.34, 0.33, 0.33], [0.0, 1.0, 0.0]], 0, (2 + 0.68 / 3) / 4),
    ],
)
def test_segments_vote_and_ties_go_to_the_higher_mean_probability(probabilities, winner, score):
    found = avspnet.majority_vote(torch.tensor(probabilities), torch.zeros(len(probabilities), dtype=torch.long), 1)
    assert found.argmax(1).tolist() == [winner] and found.sum().item() == pytest.approx(1)
    assert found[0, winner].item() == pytest.approx(score, rel=1e-5)


def test_votes_are_counted_by_utterance_whatever_the_order_of_segments():
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.2, 0.8]])
    found = avspnet.majority_vote(probabilities, torch.tensor([1, 0, 1, 0]), 2)
    assert found.argmax(1).tolist() == [1, 0]


def test_utterances_are_held_out_and_labels_that_are_missing_stay_missing(background):
    assert len(background.held_out) == 32 and int(background.held_out.sum()) == 6
    assert background.proxies["arousal"].tolist() == [-1] * 8 + [0, 1] * 12
    train_part, held_out = background.parts("arousal")
    assert len(train_part.y) + len(held_out.y) == 24 and (train_part.y >= 0).all()
    everything = background.parts(None)
    assert sum(len(part.y) for part in everything) == 32
    assert sum(len(part.stream) for part in everything) == sum(row["segments"] for row in ROWS)


@pytest.mark.parametrize("variant", [name for name in FRONT_ENDS if name in PUBLISHED])
def test_every_front_end_of_table_2_comes_with_weights_and_a_card(tmp_path, background, variant):
    after = variant.startswith("autoencoder_then")
    initial = train("autoencoder", background, tmp_path)["folder"] if after else None
    card = train(variant, background, tmp_path, initial=initial)
    folder = card.pop("folder")
    names = {name.split(".")[0] for name in weights(folder)}
    heads = {"reconstruction"} if variant.startswith("avspnet") or variant == "autoencoder" else set()
    heads |= {"proxy"} if variant not in ("random", "autoencoder") else set()
    assert names == {"encoder", "scaling"} | heads
    assert card["variant"] == variant and json.loads((folder / "card.json").read_text()) == card
    used = 0 if variant == "random" else 26 if variant == "autoencoder" else card["background"]["utterances"]
    assert card["background"]["utterances"] == used and len({row["epoch"] for row in card["curves"]}) in (0, 2)
    assert load_front_end(folder)(np.zeros((3, *SIZE), np.float32)).shape == (3, 12)


def test_front_ends_of_a_seed_start_from_the_same_encoder_and_two_stages_go_on_from_the_first(tmp_path, background):
    still = PRETRAINING.model_copy(update={"learning_rate": 1e-12, "epochs": 1})
    random = train("random", background, tmp_path)["folder"]
    for variant in ("proxy_arousal", "avspnet_valence"):
        _equal_encoders(random, train(variant, background, tmp_path, still)["folder"])
    first = train("autoencoder", background, tmp_path)["folder"]
    second = train("autoencoder_then_arousal", background, tmp_path, still, initial=first)["folder"]
    _equal_encoders(first, second)
    with pytest.raises(AssertionError):
        _equal_encoders(random, first)


def _equal_encoders(first, second):
    one, other = weights(first), weights(second)
    names = [name for name in one if name.startswith("encoder") and name.endswith(("weight", "bias"))]
    assert len(names) == 18
    for name in names:
        torch.testing.assert_close(one[name], other[name], atol=1e-9, rtol=0)


def test_a_front_end_learns_its_proxy_and_its_input(tmp_path, background):
    longer = PRETRAINING.model_copy(update={"epochs": 8})
    card = train("avspnet_arousal", background, tmp_path, longer)
    curve = {name: [row["value"] for row in card["curves"] if row["name"] == name] for name in
             ("reconstruction_loss", "proxy_loss", "held_out_proxy_uar")}  # fmt: skip
    assert curve["reconstruction_loss"][-1] < 0.9 * curve["reconstruction_loss"][0]
    assert curve["proxy_loss"][-1] < 0.25 < curve["proxy_loss"][0] and curve["held_out_proxy_uar"][-1] == 1.0
    assert card["figures"]["held_out_proxy_uar"] == 1.0


def test_what_was_trained_with_the_same_data_and_options_is_not_trained_again(tmp_path, background):
    card = train("proxy_arousal", background, tmp_path)
    made = (card["folder"] / "model.safetensors").stat().st_mtime_ns
    assert train("proxy_arousal", background, tmp_path) == card
    assert (card["folder"] / "model.safetensors").stat().st_mtime_ns == made
    assert train("proxy_arousal", background, tmp_path, seed=1)["key"] != card["key"]


@pytest.mark.parametrize("scaling", ["background", "speaker"])
def test_a_front_end_that_was_killed_inside_an_epoch_ends_as_an_undisturbed_one(tmp_path, monkeypatch, scaling):
    options = PRETRAINING.model_copy(update={"scaling": scaling, "block_rows": 7})
    background = make_background(tmp_path, options)
    undisturbed = train("avspnet_arousal", background, tmp_path / "whole", options)
    save, calls = TrainingRun.save_checkpoint, []

    def killed(run, state, force=False):
        save(run, state, force)
        calls.append(state["step"])
        if len(calls) == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        train("avspnet_arousal", background, tmp_path / "killed", options, training=EVERY_STEP)
    assert calls[-1] > 0 and 0 in calls  # inside the second epoch
    monkeypatch.undo()
    resumed = train("avspnet_arousal", make_background(tmp_path, options), tmp_path / "killed", options)
    whole, again = weights(undisturbed["folder"]), weights(resumed["folder"])
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert resumed["curves"] == undisturbed["curves"]


def test_the_batch_norm_of_a_front_end_that_learns_nothing_is_calibrated_on_the_background(tmp_path, background):
    calibrated = weights(train("random", background, tmp_path)["folder"])
    as_made = PRETRAINING.model_copy(update={"calibrate_random": False})
    plain = weights(train("random", background, tmp_path, as_made)["folder"])
    names = [name for name in plain if "running" in name]
    assert len(names) == 8 and all((plain[name] == ("var" in name)).all() for name in names)
    assert not any(torch.equal(plain[name], calibrated[name]) for name in names)
    assert all(torch.equal(plain[name], calibrated[name]) for name in plain if "weight" in name or "bias" in name)


def test_without_proxy_labels_a_front_end_is_left_out_and_says_why(tmp_path):
    background = make_background(tmp_path, valence=("negative", "negative"))
    reasons = pretraining.left_out(background, FRONT_ENDS)
    assert set(reasons) == {"proxy_valence", "autoencoder_then_valence", "avspnet_valence"}
    assert "proxy valence of bg: 18 negative, 0 positive among 26" in reasons["proxy_valence"]
    with pytest.raises(ValueError, match="front end proxy_valence: proxy valence of bg"):
        train("proxy_valence", background, tmp_path)


def test_a_background_with_a_tested_voice_is_refused():
    background, tested = utterances("ab", "bg"), utterances("cd", "tg")
    pretraining.refuse_tested_speakers(utterance_table(background), utterance_table(tested))
    heard = [*background, {**tested[0], "utterance_id": "other"}]
    with pytest.raises(
        ValueError, match=r"1 of its speakers are tested, such as tg/c; .*background.transductive: true"
    ):
        pretraining.refuse_tested_speakers(utterance_table(heard), utterance_table(tested))
    nameless = [{**background[0], "corpus": "tg", "speaker_id": None}]
    with pytest.raises(ValueError, match="a speaker of tg who is not named"):
        pretraining.refuse_tested_speakers(utterance_table([*background, *nameless]), utterance_table(tested))


def fold() -> SampleData:
    """Twelve utterances of one to three segments, two classes that differ in every value; the last four are tested."""
    generator = torch.Generator().manual_seed(0)
    counts = [1 + number % 3 for number in range(12)]
    utterance = torch.repeat_interleave(torch.arange(12), torch.tensor(counts))
    y = torch.arange(12) % 2
    x = torch.randn(len(utterance), 6, generator=generator) + 4 * y[utterance][:, None]
    rows = {"train": torch.arange(6), "validation": torch.arange(6, 8), "test": torch.tensor([11, 8, 9, 10])}
    return SampleData({"embedding": x}, utterance, y, rows, ("low", "high"))


RECOGNITION = RecognitionOptions(
    hidden=(8,), optimiser="adam", learning_rate=0.01, epochs=15, batch_size=4, reduction="mean"
)


def test_a_step_with_the_sum_of_a_batch_is_as_many_times_larger(tmp_path):
    """Plain SGD, one step over all 12 segments of training: weights move 12 times as far as with their mean."""
    moved, data = {}, fold()
    size = len(data.samples("train"))
    for reduction in ("mean", "sum"):
        how = RecognitionOptions(hidden=(), dropout=0, epochs=1, learning_rate=1e-3, reduction=reduction)
        fitted(FIT, data, how, TrainingRun(tmp_path / reduction, 0, CPU, "k"))
        moved[reduction] = load_file(tmp_path / reduction / "model.safetensors")["1.weight"]
    torch.manual_seed(0)
    begin = avspnet.dense_head(6, (), 2)[1].weight.detach()
    torch.testing.assert_close(moved["sum"] - begin, size * (moved["mean"] - begin), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("front_end", ["maps", "dense", "statistics"])
def test_end_to_end_the_encoder_is_trained_too(tmp_path, front_end):
    embedded = fold()
    x = embedded.x["embedding"].mean(1)[:, None, None] + torch.zeros(1, 20, 20)
    data = SampleData({"segments": x}, embedded.utterance, embedded.y, embedded.rows, embedded.classes)
    how = EndToEndOptions(
        network=NETWORK, recognition=RECOGNITION.model_copy(update={"front_end": front_end}), size=(20, 20)
    )
    scores = fitted(avspnet.fit_end_to_end, data, how, TrainingRun(tmp_path, 0, CPU, "k"))
    assert scores.argmax(1).tolist() == [1, 0, 1, 0]
    torch.manual_seed(0)
    before = avspnet.EndToEnd(how, 2).state_dict()
    after = load_file(tmp_path / "model.safetensors")
    first = "encoder.stages.0.weight"
    assert set(before) == set(after) and not torch.equal(before[first], after[first])
    assert ("encoder.dense.weight" in after) == (front_end == "dense")
    with pytest.raises(ValueError, match="trained end to end"):
        avspnet.load_avspnet(tmp_path)


def test_recognition_learns_and_answers_in_the_order_of_the_test_rows(tmp_path):
    run = TrainingRun(tmp_path, 0, CPU, "k")
    scores = fitted(FIT, fold(), RECOGNITION, run)
    assert scores.argmax(1).tolist() == [1, 0, 1, 0]
    assert [row["value"] for row in run.curves if row["name"] == "validation_uar"][-1] == 1.0
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["front_end"] == FRONT_END and card["inputs"] == 6 and card["classes"] == ["low", "high"]


def test_labels_of_tested_and_unlabelled_utterances_are_never_read(tmp_path):
    data = fold()
    changed = SampleData(data.x, data.utterance, data.y.clone(), data.rows, data.classes)
    changed.y[8:] = torch.tensor([1, 0, 0, -1])
    found = [fitted(FIT, part, RECOGNITION, TrainingRun(tmp_path / name, 0, CPU, "k"))
             for name, part in (("a", data), ("b", changed))]  # fmt: skip
    assert torch.equal(*found)


def test_a_recognition_that_was_killed_ends_as_an_undisturbed_one(tmp_path, monkeypatch):
    whole = fitted(FIT, fold(), RECOGNITION, TrainingRun(tmp_path / "whole", 0, CPU, "k"))
    log = TrainingRun.log

    def killed(run, epoch, epochs, **values):
        if epoch == 5:
            raise KeyboardInterrupt
        log(run, epoch, epochs, **values)

    monkeypatch.setattr(TrainingRun, "log", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(FIT, fold(), RECOGNITION, TrainingRun(tmp_path / "killed", 0, EVERY_STEP, "k"))
    monkeypatch.undo()
    run = TrainingRun(tmp_path / "killed", 0, CPU, "k")
    assert torch.equal(fitted(FIT, fold(), RECOGNITION, run), whole)
    assert len(run.curves) == 15 * 2
