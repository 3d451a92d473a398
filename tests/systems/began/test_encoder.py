"""BEGAN: its losses by hand, whom a step changes, resuming, collapse, and the saved encoder."""

import copy
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch

from semiser.data.stream import SampleStream
from semiser.evaluation.plots import curves_figure, spectrograms_figure
from semiser.options.training import TrainingOptions
from semiser.shards.store import METADATA_KEY
from semiser.systems.began import encoder as began
from semiser.systems.began.options import BeganNetworkOptions, EncoderOptions
from semiser.training.run import TrainingRun

SHAPE = (9, 8)
NETWORK = BeganNetworkOptions(filters=4, code=4, convolutions=1, smallest=(4, 4))
TINY = EncoderOptions(network=NETWORK, gamma=1.0, epochs=3, batch_size=8, learning_rate=1e-3, log_every_steps=2)
CPU = TrainingOptions(accelerator="cpu", checkpoint_every_s=0)
IDS = [f"u{number:02d}" for number in range(20)]


def _table(path, key="k", seed=0):
    """Two smooth chunks of every utterance in [-1, 1], as a shard with its key in the footer."""
    random = np.random.default_rng(seed)
    slope, level = random.uniform(-0.5, 0.5, (2, 2 * len(IDS), 1, 1))
    values = (level + slope * np.linspace(-1, 1, SHAPE[0])[:, None] + np.zeros(SHAPE)).astype(np.float32)
    field = pa.field("chunks", pa.list_(pa.float32(), math.prod(SHAPE)), metadata={"shape": json.dumps(SHAPE)})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    columns = [pa.array(np.repeat(IDS, 2)), pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values[0].size)]
    with pq.ParquetWriter(path, schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
        writer.add_key_value_metadata({METADATA_KEY: json.dumps({"key": key})})
    return pa.dataset.dataset(path)


@pytest.fixture
def chunks(tmp_path):
    return _table(tmp_path / "chunks.parquet")


def _stream(chunks):
    return SampleStream(chunks, ["chunks"], IDS)


def _run(folder, seed=0):
    return TrainingRun(folder, seed, CPU, "k")


def test_the_losses_by_hand():
    v, d = torch.tensor([[[1.0, -1.0]], [[0.5, 0.5]]]), torch.tensor([[[0.0, -0.5]], [[0.5, 0.1]]])
    torch.testing.assert_close(began.reconstruction_loss(v, d), torch.tensor([0.75, 0.2]))
    real, generated, k = torch.tensor(0.4), torch.tensor(0.1), torch.tensor(0.5)
    assert began.discriminator_loss(real, generated, k).item() == pytest.approx(0.4 - 0.5 * 0.1)
    options = EncoderOptions(gamma=0.7, lambda_k=0.1)
    assert began.next_k(k, real, generated, options).item() == pytest.approx(0.5 + 0.1 * (0.28 - 0.1))
    assert began.convergence(real, generated, 0.7).item() == pytest.approx(0.4 + 0.18)
    assert began.convergence(real, torch.tensor(0.5), 0.7).item() == pytest.approx(0.4 + 0.22)


@pytest.mark.parametrize(("k", "real", "generated", "expected"), [(0.0, 0.1, 1.0, 0.0), (1.0, 1.0, 0.0, 1.0)])
def test_k_stays_in_the_unit_interval(k, real, generated, expected):
    found = began.next_k(*map(torch.tensor, (k, real, generated)), EncoderOptions(lambda_k=1.0))
    assert found.item() == expected


def _weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _same(module, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_step_of_d_leaves_g_untouched_and_the_reverse(tmp_path):
    run = _run(tmp_path)
    state = began._fresh_state(SHAPE, TINY, run)
    state["k"] = torch.tensor(0.5)
    d, g = state["discriminator"], state["generator"]
    x, z = (torch.rand(*shape).to(run.fabric.device) for shape in ((8, 8, 8), (8, 4)))
    before_d, before_g = _weights(d), _weights(g)
    began.step_discriminator(state, x, z, run)
    assert _same(g, before_g) and not _same(d, before_d)
    assert all(parameter.grad is None for parameter in g.parameters())
    before_d, gradients = _weights(d), [parameter.grad.clone() for parameter in d.parameters()]
    began.step_generator(state, z, run)
    assert _same(d, before_d) and not _same(g, before_g)
    assert all(torch.equal(p.grad, kept) and p.requires_grad for p, kept in zip(d.parameters(), gradients, strict=True))


def test_the_gradient_of_d_is_that_of_its_loss_with_g_given(tmp_path):
    run = _run(tmp_path)
    state = began._fresh_state(SHAPE, TINY, run)
    state["k"] = torch.tensor(0.5)
    twin = copy.deepcopy(state["discriminator"].module)
    x, z = (torch.rand(*shape).to(run.fabric.device) for shape in ((4, 8, 8), (4, 4)))
    fake = state["generator"](z).detach()
    ((x - twin(x)).abs().mean() - 0.5 * (fake - twin(fake)).abs().mean()).backward()
    returned = began.step_discriminator(state, x, z, run)
    for ours, theirs in zip(state["discriminator"].module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    with torch.no_grad():
        torch.testing.assert_close(returned, (x - copy.deepcopy(twin)(x)).abs().mean())


@pytest.mark.parametrize("steps", [7, 9, 12])
def test_a_killed_training_goes_on_to_the_undisturbed_weights_with_its_k(chunks, tmp_path, monkeypatch, steps):
    began.fit(_stream(chunks), SHAPE, TINY, _run(tmp_path / "a"))
    save, seen = TrainingRun.save_checkpoint, []

    def save_and_die(run, state, force=False):
        save(run, state, force)
        seen.append(float(state["k"]))
        if len(seen) == steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        began.fit(_stream(chunks), SHAPE, TINY, _run(tmp_path / "b"))
    monkeypatch.undo()
    assert seen[-1] > 0
    state = began._fresh_state(SHAPE, TINY, run := _run(tmp_path / "b"))
    assert run.resume(state) and float(state["k"]) == seen[-1]
    torch.manual_seed(99)  # whatever the new process drew before
    began.fit(_stream(chunks), SHAPE, TINY, _run(tmp_path / "b"))
    for name in ("model.safetensors", "curves.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_training_lowers_the_loss_and_the_card_says_what_was_done(chunks, tmp_path):
    options = TINY.model_copy(update={"epochs": 30})
    card, curves = began.train_encoder(chunks, IDS, options, CPU, tmp_path / "encoder")
    assert (card["chunks"], card["epochs"], card["collapse"], card["shape"]) == (40, 30, None, [9, 8])
    assert EncoderOptions(**card["training"]) == options and card["diversity"] > 0
    real = curves.filter(pa.compute.equal(curves["name"], "real_loss"))
    assert real["epoch"].to_pylist()[:4] == [0, 0, 0, 1]  # 5 steps of an epoch: points after 2, 4 and at its end
    assert real["value"][-1].as_py() < 0.5 * real["value"][0].as_py()
    assert [axis.get_title() for axis in curves_figure(curves).axes] == ["real_loss", "generator_loss", "k", "m_global"]


def test_a_finished_encoder_is_reused_until_chunks_or_options_change(chunks, tmp_path, monkeypatch):
    folder, trained, fit = tmp_path / "encoder", [], began.fit
    monkeypatch.setattr(began, "fit", lambda *arguments: trained.append(1) or fit(*arguments))
    for _ in range(2):
        began.train_encoder(chunks, IDS, TINY, CPU, folder)
    assert len(trained) == 1
    began.train_encoder(chunks, IDS, TINY.model_copy(update={"gamma": 0.5}), CPU, folder)
    assert len(trained) == 2
    other = _table(tmp_path / "other.parquet", key="other")
    began.train_encoder(other, IDS, TINY.model_copy(update={"gamma": 0.5}), CPU, folder)
    assert len(trained) == 3


def test_a_saved_encoder_computes_what_the_trained_one_did(chunks, tmp_path):
    card, _ = began.train_encoder(chunks, IDS, TINY, CPU, tmp_path)
    folder = tmp_path / card["folder"]
    d, g = began.load_networks(folder)
    x = torch.rand(3, 9, 8)
    torch.testing.assert_close(began.load_feature_map(folder)(x), d.encoder.map(x))
    assert began.load_feature_map(folder, stage=0)(x).shape == (3, 4, 8, 8)
    assert not any(parameter.requires_grad for module in (d, g) for parameter in module.parameters())
    shown = began.sample_chunks(chunks, IDS, folder, count=3)
    assert {title: values.shape for title, values in shown.items()} == dict.fromkeys(
        ("x", "D(x)", "G(z)", "D(G(z))"), (3, 8, 8)
    )
    figure = spectrograms_figure(shown)
    np.testing.assert_array_equal(figure.axes[3].images[0].get_array(), shown["D(x)"][0])


def test_a_random_encoder_is_saved_alike_and_repeats(tmp_path):
    made = (("a", 0), ("b", 0), ("b", 1))
    places = [began.save_random_encoder(SHAPE, NETWORK, CPU, seed, tmp_path / name) for name, seed in made]
    x = torch.rand(2, 9, 8)
    first, second, other = (
        began.load_feature_map(tmp_path / name / place)(x) for name, place in zip("abb", places, strict=True)
    )
    assert torch.equal(first, second) and first.std() > 0 and not torch.equal(first, other)


def _curves(m_global, k):
    return [{"name": "m_global", "value": value} for value in m_global] + [{"name": "k", "value": v} for v in k]


FALLING = [9.0] * 5 + [7.0] * 5 + [4.0] * 5


@pytest.mark.parametrize(
    ("m_global", "k", "expected"),
    [
        ([*FALLING, *[3.0] * 5], [*[0.0] * 5, *[0.3] * 15], None),
        ([*FALLING, *[4.3] * 5], [0.1] * 20, None),  # 7.5 % above the lowest quarter
        ([*FALLING, *[4.5] * 5], [0.1] * 20, "M_global rises: 4.5000 over the last quarter of the training after 4.0"),
        ([9.0, 9.0, *FALLING, *[3.0] * 5], [0.1] * 17 + [1.0] * 5, "k_t stuck at 1"),
        ([*FALLING, *[3.0] * 5], [0.1] * 15 + [0.0] * 5, "k_t stuck at 0"),
        ([*FALLING, *[3.0] * 5], [0.1] * 16 + [0.0] * 4, None),
        ([*FALLING, 3.0, math.nan, 3.0, 3.0, 3.0], [0.1] * 20, "M_global is not finite"),
        ([float(point) for point in range(19)], [0.0] * 19, None),  # too few points to say
    ],
)
def test_what_counts_as_collapse(m_global, k, expected):
    found = began.find_collapse(_curves(m_global, k))
    assert found is None if expected is None else found.startswith(expected)


def test_diversity_is_the_spread_of_generated_chunks_against_that_of_chunks():
    x = torch.tensor([[[0.0, 1.0]], [[2.0, 1.0]]])  # deviations sqrt(2) and 0
    z = torch.tensor([[0.0], [1.0]])
    assert began.diversity(lambda z: z[:, :, None].expand(-1, 1, 2), x, z) == pytest.approx(1.0)
    assert began.diversity(lambda z: torch.zeros(2, 1, 2), x, z) == 0


def test_a_deliberately_collapsed_training_is_reported_and_a_healthy_one_is_not(chunks, tmp_path, caplog):
    """With gamma 0 the balance asks for L(G(z)) = 0: k_t never leaves 0, and D has no opponent."""
    healthy = TINY.model_copy(update={"epochs": 20})
    assert began.fit(_stream(chunks), SHAPE, healthy, _run(tmp_path / "healthy"))["collapse"] is None
    broken = healthy.model_copy(update={"gamma": 0.0})
    collapse = began.fit(_stream(chunks), SHAPE, broken, _run(tmp_path / "broken"))["collapse"]
    assert collapse and collapse in caplog.text
    assert json.loads((tmp_path / "broken" / "card.json").read_bytes())["collapse"] == collapse
