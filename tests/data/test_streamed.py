import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from interruption import killed_after

from semiser.data.matrix import MatrixFeatures
from semiser.data.scaling import Moments, Scaler
from semiser.data.stream import SampleStream
from semiser.data.streamed import StreamedFeatures, read_vectors
from semiser.features.opensmile_sets import set_names
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MixMatchOptions, MmdOptions, MmmdOptions
from semiser.training import batches
from semiser.training.experiment import Experiment, _rows_of, experiment_on, run_variant
from semiser.training.run import TrainingRun

LABELLED, WILD = 18, 24  # utterances of the corpus c, six of each of three speakers; of the corpora w and v
TINY = MmmdOptions(
    network=MmdOptions(hidden=(8, 4), pooled=16, epochs=3, batch_size=8, learning_rate=0.01, input_noise=0.1),
    mixmatch=MixMatchOptions(unlabelled_weight=1),
)
IDS = [
    *(f"c/{speaker}{number}" for speaker in "abc" for number in range(6)),
    *(f"{'wv'[number % 2]}/{number:02d}" for number in range(WILD)),
]


def _write(folder, column, values, names, ids, shards, key="k"):
    """Shards of the given sizes in row groups of 4 rows, as the features pipeline writes them."""
    field = pa.field(column, pa.list_(pa.float32(), values.shape[1]), metadata={"names": json.dumps(names)})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), values.shape[1])
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    whole, paths, start = pa.table([pa.array(ids), vectors], schema=schema), [], 0
    folder.mkdir(parents=True)
    for number, count in enumerate(shards):
        paths.append(str(folder / f"{number}.parquet"))
        with pq.ParquetWriter(paths[-1], schema) as writer:
            writer.write_table(whole.slice(start, count), row_group_size=4)
            writer.add_key_value_metadata({"semiser": json.dumps({"key": f"{key}{number}"})})
        start += count
    return pa.dataset.dataset(paths)


@pytest.fixture
def tables(tmp_path):
    """IS10, six textual values without two quarantined utterances that nobody wants, and a one-hot accent."""
    rng = np.random.default_rng(0)
    y = np.arange(len(IDS)) % 3
    is10 = rng.normal(3, 2, (len(IDS), 1582)) + (y[:, None] - 1)
    text = rng.normal(0, 1, (len(IDS), 6)) + (y[:, None] - 1)
    is10[18:] += 500  # the wild corpora were recorded elsewhere
    gone = ["x/0", *IDS[:20], "x/1", *IDS[20:]]  # is10 has two utterances more, so rows lie elsewhere
    first = np.concatenate([is10[:1], is10[:20], is10[:1], is10[20:]])
    names = [f"t{number}" for number in range(6)]
    return {
        "is10": _write(tmp_path / "is10", "is10", first, list(set_names("IS10")), gone, [22, 22]),
        "word2vec": _write(tmp_path / "text", "word2vec", text, names, IDS, [20, 15, 7]),
        "accent": _write(tmp_path / "accent", "accent", np.eye(3)[y], ["a0", "a1", "a2"], IDS, [42]),
    }


def _folds(hidden=0):
    """Speaker a is tested, b and c are trained on, but for some utterances whose labels are hidden."""
    corpora = ["c"] * LABELLED + [name[0] for name in IDS[LABELLED:]]
    roles = ["test"] * 6 + ["train"] * (12 - hidden) + ["unlabelled"] * (WILD + hidden)
    columns = {
        "experiment": ["e"] * len(IDS),
        "fold": pa.array([0] * len(IDS), pa.int32()),
        "utterance_id": IDS,
        "role": roles,
        "label": ["lmh"[n % 3] if role != "unlabelled" else None for n, role in enumerate(roles)],
    }
    protocol = json.dumps({"classes": ["l", "m", "h"]})
    utterances = pa.table(
        {"utterance_id": IDS, "corpus": corpora, "speaker_id": [f"{n[:3]}" if n[0] == "c" else n[:2] for n in IDS]}
    )
    return pa.table(columns, metadata={"protocol": protocol}), utterances


def _experiment(folder, tables, scaling=None, limit_mb=0.0, block_rows=7, hidden=0) -> Experiment:
    folds, utterances = _folds(hidden)
    scaling = scaling or ScalingOptions()

    def features(ids):
        return read_vectors(tables, ids, folds, scaling, ("accent",), limit_mb, block_rows)

    return experiment_on(folds, utterances, features, str(folder))


def _run(folder):
    return TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "key")


def _data(experiment, folder):
    run = _run(folder)
    data, run.provenance = experiment.features.of_fold(_rows_of(experiment, experiment.folds), run.fabric.device)
    return data, run


def test_unlabelled_utterances_stay_out_of_memory_where_they_are_too_large(tables, tmp_path):
    streamed, all_in_memory = _experiment(tmp_path, tables), _experiment(tmp_path, tables, limit_mb=1.0)
    assert isinstance(streamed.features, StreamedFeatures) and isinstance(all_in_memory.features, MatrixFeatures)
    assert streamed.features.resident.x.shape == (LABELLED, 1591)
    assert all_in_memory.features.x.shape == (LABELLED + WILD, 1591)


@pytest.mark.parametrize(
    "hidden, strategy, unlabelled",
    [
        (0, "global", "none"),
        (2, "global", "shift"),
        (2, "global", "self"),
        (0, "speaker", "self"),
    ],
)
def test_streamed_vectors_are_those_in_memory_joined_and_scaled(tables, tmp_path, hidden, strategy, unlabelled):
    options = {"scaling": ScalingOptions(strategy=strategy, unlabelled=unlabelled), "hidden": hidden}
    data, _ = _data(_experiment(tmp_path, tables, **options), tmp_path / "a")
    expected, _ = _data(_experiment(tmp_path, tables, **options, limit_mb=1.0), tmp_path / "b")
    for role in ("train", "test"):
        assert torch.equal(data.x[data.rows[role]], expected.x[expected.rows[role]])
        assert torch.equal(data.y[data.rows[role]], expected.y[expected.rows[role]])
    size = WILD + hidden
    assert len(data.rows["unlabelled"]) == 0 and len(data.unlabelled) == size
    batches = data.unlabelled.batches(size, seed=0, epoch=0)
    found, wanted = next(batches), expected.x[expected.rows["unlabelled"]]
    place = torch.cdist(found.double(), wanted.double()).argmin(1)
    assert sorted(place.tolist()) == list(range(size)) != place.tolist()
    torch.testing.assert_close(found, wanted[place], rtol=1e-5, atol=1e-5)
    assert next(batches).shape == (size, 1591), "the next pass follows"


@pytest.mark.parametrize("hidden, strategy, unlabelled", [(0, "global", "combine"), (2, "speaker", "self")])
def test_statistics_over_labelled_and_streamed_utterances_are_refused(tables, tmp_path, hidden, strategy, unlabelled):
    scaling = ScalingOptions(strategy=strategy, unlabelled=unlabelled)
    with pytest.raises(ValueError, match=r"raise train_mmmd\.unlabelled_in_memory_mb"):
        _data(_experiment(tmp_path, tables, scaling, hidden=hidden), tmp_path)


def test_an_utterance_that_a_table_lacks_is_named(tables, tmp_path):
    short = _write(tmp_path / "short", "word2vec", np.zeros((30, 6)), list("abcdef"), IDS[:30], [30])
    with pytest.raises(KeyError, match=f"12 utterances have no word2vec, the first is {IDS[30]}"):
        _data(_experiment(tmp_path, tables | {"word2vec": short}), tmp_path)


def test_training_with_streamed_utterances_equals_training_in_memory_where_the_order_is_the_same(
    tables, tmp_path, monkeypatch
):
    for module in (mmmd, batches):
        monkeypatch.setattr(module, "shuffled", lambda rows: rows)
    monkeypatch.setattr(np.random, "default_rng", lambda *seeds: SimpleNamespace(permutation=np.arange))
    found, run = _fit(tables, tmp_path / "a", limit_mb=0.0)
    expected, expected_run = _fit(tables, tmp_path / "b", limit_mb=1.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert {row["name"] for row in run.curves} == {"loss", "mixed_loss", "unlabelled_loss"}
    values = [torch.tensor([row["value"] for row in r.curves]) for r in (run, expected_run)]
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-5)


def _fit(tables, folder, options=TINY, **experiment):
    data, run = _data(_experiment(folder, tables, **experiment), folder)
    return mmmd.fit(data, options, run), run


@pytest.mark.parametrize("steps", [4, 9])
def test_a_streamed_training_killed_inside_an_epoch_ends_with_the_undisturbed_predictions(tables, tmp_path, steps):
    options = TINY.model_copy(update={"mixmatch": MixMatchOptions(unlabelled_share=0.7)})
    expected, _ = _fit(tables, tmp_path / "a", options)
    with killed_after(steps) as done:
        _fit(tables, tmp_path / "b", options)
    assert done[-1] > 2, "the kill is to fall into the mixed phase"
    assert torch.equal(_fit(tables, tmp_path / "b", options)[0], expected)


def test_a_share_of_the_stream_is_part_of_a_larger_share(tables, tmp_path):
    data, _ = _data(_experiment(tmp_path, tables), tmp_path)
    small, large = (set(data.unlabelled.share(share, 0).samples.utterances.tolist()) for share in (0.25, 0.75))
    assert (len(small), len(large)) == (6, 18) and small < large


def test_pre_training_on_streamed_utterances_is_refused(tables, tmp_path):
    with pytest.raises(ValueError, match="leave the variant sae out"):
        _fit(tables, tmp_path, MmmdOptions(network=TINY.network, sae={"epochs": 1}))


def test_a_finished_fold_is_trained_again_when_a_streamed_shard_changed(tables, tmp_path):
    calls = []

    def fit(data, options, run):
        calls.append(len(data.unlabelled))
        return torch.eye(3)[torch.zeros(6, dtype=torch.long)]

    def train(tables):
        run_variant(_experiment(tmp_path / "m", tables), "v", fit, TINY, TrainingOptions(accelerator="cpu"))

    train(tables)
    train(tables)
    assert calls == [WILD]
    again = _write(tmp_path / "again", "accent", np.eye(3)[np.zeros(42, int)], ["a0", "a1", "a2"], IDS, [42], "other")
    train(tables | {"accent": again})
    assert calls == [WILD, WILD]


def test_a_file_without_key_is_no_shard(tables, tmp_path):
    pq.write_table(tables["accent"].to_table(), tmp_path / "plain.parquet")
    stream = SampleStream(pa.dataset.dataset(str(tmp_path / "plain.parquet")), ["accent"], IDS)
    with pytest.raises(ValueError, match="has no key in its footer"):
        stream.keys()


def test_moments_of_parts_are_those_of_the_whole():
    x = np.random.default_rng(0).normal(1e4, 1, (50, 3)).astype(np.float32)
    x[:, 2] = 0.1
    moments = Moments()
    for part in np.split(x, [7, 8, 30]):
        moments.add(part)
    found, expected = moments.scaler(), Scaler.fit(x)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-9)
    assert found.std[2] == 0
    moments.add(np.array([[0.0, np.nan, 0.0]]))
    with pytest.raises(ValueError, match="feature column 1"):
        moments.scaler()
