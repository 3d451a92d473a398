import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers import voice
from segment_tables import SIZE, segment_table, utterance_table, utterances

from semiser.data.stream import SampleStream
from semiser.systems.avspnet.front_end import (
    FrontEnd,
    Moments,
    Speakers,
    Statistics,
    embed_utterances,
    first_segment,
    load_front_end,
    own_statistics,
    segments_options,
    shard_keys,
    sum_moments,
)
from semiser.systems.avspnet.network import AvSpNet
from semiser.systems.avspnet.options import AvspnetNetworkOptions
from semiser.training.saved import write_saved

NETWORK = AvspnetNetworkOptions(kernels=2, dense=6, latent=3, proxy_hidden=(4,))
ROWS = utterances("ab", "tg") + utterances("c", "bg")


@pytest.fixture
def table(tmp_path):
    return segment_table(tmp_path / "segments", ROWS)


def front_end(scaling="background", seed=0) -> FrontEnd:
    torch.manual_seed(seed)
    card = {"weights_sha256": f"k{seed}", "options": {"pretraining": {"scaling": scaling}}}
    statistics = Statistics(torch.full((1, SIZE[0]), 0.5), torch.full((1, SIZE[0]), 2.0))
    return FrontEnd(AvSpNet(NETWORK, SIZE, True, 2), statistics, card)


def values_of(table, name):
    found = table.to_table().filter(pq.filters_to_expression([("utterance_id", "=", name)]))
    return np.array(found["segments"].to_pylist(), np.float32).reshape(-1, *SIZE)


def test_statistics_are_of_every_bin_by_group_and_together():
    moments = Moments(  # group 0: bin values 1 and 3; group 1: 5; group 2: nothing
        torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64),
        torch.tensor([[4.0], [5.0], [0.0]], dtype=torch.float64),
        torch.tensor([[10.0], [25.0], [0.0]], dtype=torch.float64),
    )
    groups, together = moments.by_group(), moments.of_all()
    assert groups.mean[:, 0].tolist() == [2, 5, 0]
    torch.testing.assert_close(groups.std[:, 0], torch.tensor([1.0, 1e-3, 1.0]))  # a constant bin becomes 0
    assert together.mean.tolist() == [[3.0]]
    torch.testing.assert_close(together.std, torch.tensor([[(8 / 3) ** 0.5]]))


def test_one_streaming_pass_sums_what_numpy_finds(table):
    speakers = Speakers.of(utterance_table(ROWS))
    assert speakers.names == ["bg/c", "tg/a", "tg/b"]
    stream = SampleStream(table, ["segments"], speakers.utterance_ids, block_rows=3)
    found = sum_moments(stream, speakers.group, batch_size=2).by_group()
    own = np.concatenate([values_of(table, row["utterance_id"]) for row in ROWS if row["speaker_id"] == "tg/b"])
    np.testing.assert_allclose(found.mean[2].numpy(), own.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.std[2].numpy(), own.std((0, 2)), rtol=1e-5)


def test_an_utterance_without_speaker_is_scaled_with_its_corpus():
    rows = [{**row, "speaker_id": None if row["corpus"] == "tg" else row["speaker_id"]} for row in ROWS]
    speakers = Speakers.of(utterance_table(rows))
    assert speakers.names == ["bg/c", "corpus tg"] and speakers.group.tolist() == [1] * 8 + [0] * 4


def test_embeddings_are_those_of_standardised_segments_by_the_frozen_encoder():
    model = front_end()
    segments = torch.randn(3, *SIZE)
    expected = model.encoder((segments - 0.5) / 2)
    torch.testing.assert_close(model(segments.numpy()), expected)
    assert model(segments, "maps").shape == (3, model.encoder.widths["maps"])
    assert model(segments, "statistics").shape == (3, model.encoder.widths["statistics"])
    own = Statistics(segments.mean(2), segments.std(2))  # of each segment
    standardised = (segments - segments.mean(2, keepdim=True)) / segments.std(2, keepdim=True)
    torch.testing.assert_close(model(segments, statistics=own), model.encoder(standardised))
    assert not any(weight.requires_grad for weight in model.encoder.parameters()) and not model.encoder.training


@pytest.mark.parametrize("scaling", ["background", "speaker"])
def test_the_embedding_table_has_a_row_per_segment_in_order(table, tmp_path, scaling):
    model, rows = front_end(scaling), utterance_table(ROWS[:8])
    found = embed_utterances(model, table, rows, "dense", tmp_path / "made").to_table()
    assert found["utterance_id"].to_pylist() == [
        row["utterance_id"] for row in ROWS[:8] for _ in range(row["segments"])
    ]
    statistics = None
    if scaling == "speaker":
        own = np.concatenate([values_of(table, row["utterance_id"]) for row in ROWS[4:8]])
        statistics = Statistics(torch.tensor(own.mean((0, 2)))[None], torch.tensor(own.std((0, 2)))[None])
    expected = model(values_of(table, "tg/b2"), statistics=statistics)  # the last but one, of three segments
    np.testing.assert_allclose(found["embedding"].to_pylist()[-4:-1], expected.tolist(), atol=1e-5)


def test_embeddings_are_computed_once_and_anew_for_another_front_end(table, tmp_path):
    rows, folder = utterance_table(ROWS[:8]), tmp_path / "made"
    first = embed_utterances(front_end(), table, rows, "dense", folder)
    (file,) = folder.rglob("*.parquet")
    made = file.stat().st_mtime_ns
    embed_utterances(front_end(), table, rows, "dense", folder)
    assert file.stat().st_mtime_ns == made
    other = embed_utterances(front_end(seed=1), table, rows, "dense", folder)
    assert other.to_table() != first.to_table() and len(list(folder.rglob("*.parquet"))) == 2


def test_shards_tell_their_keys_and_options(table, tmp_path):
    assert shard_keys(table, ["tg"]) == {"tg/00000-tg-0.parquet": "tg-0"}
    assert segments_options(table, ["tg", "bg"])["dft_size"] == 400


def test_three_lines_take_a_signal_to_embeddings(tmp_path):
    network = AvSpNet(AvspnetNetworkOptions(kernels=2, dense=6), (200, 80), False, 0)
    _save(tmp_path, network, (200, 80))
    signal = voice(2.0)

    front_end = load_front_end(tmp_path)
    segments = front_end.segments(signal)  # of a mono signal at front_end.sample_rate_hz
    embeddings = front_end(segments)

    assert front_end.sample_rate_hz == 16_000 and segments.shape == (2, 200, 80)
    assert embeddings.shape == (2, 6) and embeddings.std() > 0


def _save(folder, network, size):
    tensors = network.state_dict() | {"scaling.mean": torch.zeros(1, size[0]), "scaling.std": torch.ones(1, size[0])}
    options = {"network": {"kernels": 2, "dense": 6}, "pretraining": {}}
    card = {"options": options, "size": size, "reconstruction": False, "proxy_classes": [], "segments": {}}
    made = {"system": "avspnet", "network": "avspnet_front_end", "seed": 0, "key": "k"}
    write_saved(folder, tensors, made | card)


def test_what_is_no_front_end_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no front end at .*kedro run --pipelines=train_avspnet"):
        load_front_end(tmp_path)
    _save(tmp_path, AvSpNet(AvspnetNetworkOptions(kernels=3, dense=6), SIZE, False, 0), SIZE)
    with pytest.raises(ValueError, match=r"does not fit the network in card\.json"):
        load_front_end(tmp_path)


def test_an_utterance_has_its_speakers_statistics_where_the_front_end_was_trained_so(table):
    own = np.concatenate([values_of(table, row["utterance_id"]) for row in ROWS if row["speaker_id"] == "tg/b"])
    found = own_statistics(front_end("speaker"), table, utterance_table(ROWS), "tg/b1")
    np.testing.assert_allclose(found.mean[0].numpy(), own.mean((0, 2)), rtol=1e-4, atol=1e-6)
    assert own_statistics(front_end(), table, utterance_table(ROWS), "tg/b1") is None
    np.testing.assert_array_equal(first_segment(table, "tg/b1"), values_of(table, "tg/b1")[0])


def test_a_reconstruction_is_in_the_units_of_its_input():
    model, segments = front_end(), np.random.default_rng(0).normal(size=(2, *SIZE)).astype(np.float32)
    made = model.network(torch.from_numpy((segments - 0.5) / 2)).reconstruction.numpy()
    np.testing.assert_allclose(model.reconstruct(segments), 2 * made + 0.5, rtol=1e-5, atol=1e-6)
