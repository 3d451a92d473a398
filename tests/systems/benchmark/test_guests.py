"""Systems whose utterances are no vectors, in small beside methods on vectors: the same folds, budgets and draws."""

import json
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from segment_tables import proxy_table, segment_table
from system_runs import run_system

from semiser.folds.settings import take_experiment
from semiser.systems.benchmark.guests import METHODS, SUPERVISED, GuestName
from semiser.systems.benchmark.options import TrainBenchmarkOptions
from semiser.systems.system import get_system

IDS = [f"c/{speaker}{number}" for speaker in "abcd" for number in range(4)]
SYSTEMS = {
    "cmkt": {
        "input": "fbank",
        "network": {"blocks": 1, "heads": 2, "hidden": 8, "feedforward": 8, "mlp": 8},
        "optimisation": {"epochs": 1, "batch_size": 4},
    },
    "mssgan": {
        "features": ["fbank"],
        "crop": {"frames": 16, "kept_frames": 16},
        "network": {"noise": 4, "generator_channels": [4], "discriminator_channels": [4]},
        "optimisation": {"epochs": 1, "batches": 1, "batch_size": 4, "select": "last"},
    },
    "avspnet": {
        "background": {"corpora": ["b"]},
        "network": {"kernels": 2, "dense": 6, "latent": 3, "proxy_hidden": [4]},
        "recognition": {"published": {"front_end": "dense", "hidden": [4], "epochs": 1}},
    },
}
PROXIES = {"arousal": ("low", "high"), "valence": ("negative", "positive")}
VARIANTS = ["svm", "cmkt_supervised", "cmkt_fixmatch", "mssgan_fsbase", "mssgan_ssgan", "avspnet_random"]


def options(**given):
    folds = {"experiment": "e", "corpora": ["c"], "classes": ["low", "high"], "validation": {"kind": "none"}}
    folds["protocol"] = {"kind": "k_fold", "k": 2}
    chosen = {"folds": folds, "modalities": ["egemaps"], "shares": [0.5, 1], "draws": [0, 1], "variants": VARIANTS}
    return TrainBenchmarkOptions(**chosen | {"systems": SYSTEMS} | given)


def tables(folder):
    """Sixteen utterances of four speakers with vectors, frames of four bands and segments, which the last has not.

    Another corpus, b, is the background of front ends.
    """
    everyone = [*IDS, *(f"b/e{number}" for number in range(4))]
    columns = {
        "utterance_id": everyone,
        "corpus": [name[0] for name in everyone],
        "speaker_id": [name[:3] for name in everyone],
        "emotion": ["low", "high"] * 10,
        "audio_path": everyone,
        "duration_s": [0.3] * 20,
    }
    nothing = dict.fromkeys(("start_s", "end_s"), pa.nulls(20, pa.float64()))
    random = np.random.default_rng(0)
    vector = pa.field("egemaps", pa.list_(pa.float32(), 2), metadata={"names": json.dumps(["a", "b"])})
    values = pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=32).astype(np.float32)), 2)
    ids = pa.field("utterance_id", pa.string())
    egemaps = pa.dataset.dataset(pa.table([pa.array(IDS), values], schema=pa.schema([ids, vector])))
    frames = pa.field("fbank", pa.list_(pa.float32()), metadata={"shape": json.dumps((None, 4))})
    schema = pa.schema([ids, pa.field("frames", pa.int32()), frames])
    rows = [pa.array(IDS), pa.array([28] * 16, pa.int32()),
            pa.array([random.normal(size=28 * 4).astype(np.float32) for _ in IDS])]  # fmt: skip
    pq.write_table(pa.table(rows, schema=schema), folder / "fbank.parquet")
    with_segments = [name for name in everyone if name != IDS[-1]]
    spoken = [{"utterance_id": name, "corpus": name[0], "emotion": "low", "segments": 2} for name in with_segments]
    segments = segment_table(folder / "segments", spoken)
    speech = [{"utterance_id": name, "speaker_id": name, "emotion": "low"} for name in everyone[-4:]]
    proxies = {f"proxy_{name}": proxy_table(speech, classes) for name, classes in PROXIES.items()}
    found = proxies | {"utterances": pa.table(columns | nothing), "egemaps": egemaps, "segments": segments}
    return found | {"fbank": pa.dataset.dataset(str(folder / "fbank.parquet"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guests")


@pytest.fixture(scope="module")
def made(folder):
    return run_system("benchmark", tables(folder), options(), folder)


def test_guests_are_trained_on_the_same_folds_budgets_and_draws(made):
    variants = made["train_benchmark_metrics"]["variants"]
    assert {name.split("/")[0] for name in variants} == set(VARIANTS)
    assert set(variants) >= {
        "cmkt_fixmatch/share=0.5",
        "mssgan_ssgan/features=fbank/share=0.5",
        "avspnet_random/share=1",
    }
    assert "cmkt_supervised/share=1" in variants and "cmkt_fixmatch/share=1" not in variants  # nothing is unlabelled
    rows = {}
    for method in VARIANTS:
        table = made[f"{method}_predictions"]
        shares = 1 if method in ("cmkt_fixmatch", "mssgan_ssgan") else 2
        assert len(table) == shares * 2 * 15  # draws, and the utterances that have the features of all
        half = table.filter(pc.match_substring(table["variant"], "share=0.5"))
        rows[method] = sorted(zip(*(half[name].to_pylist() for name in ("seed", "fold", "utterance_id")), strict=True))
        assert pc.unique(half["experiment"]).to_pylist() == ["e/share=0.5"]
    assert all(found == rows["svm"] for found in rows.values())


def test_what_a_guest_has_learnt_from_is_what_the_budget_left_unlabelled(made, folder):
    own = take_experiment(made["folds"], "e/share=0.5/draw=1")
    unlabelled = own.filter(pc.and_(pc.equal(own["role"], "unlabelled"), pc.equal(own["fold"], 0)))
    (row,) = [row for row in made["cmkt_fixmatch_models"] if (row["variant"], row["seed"], row["fold"])
              == ("cmkt_fixmatch/share=0.5", 1, 0)]  # fmt: skip
    seen = pq.read_table(folder / "train_benchmark" / row["folder"] / "pseudo_labels.parquet")
    assert len(pc.unique(seen["row"])) == len(unlabelled) >= 3


def test_guests_stand_in_the_tables_beside_what_they_are_without_unlabelled_speech(made):
    table = made["efficiency_table"].set_index(["method", "share"])
    assert table.loc[("mssgan_ssgan", "0.5"), "features"] == "fbank"
    assert table.loc[("cmkt_fixmatch", "0.5"), "seconds"] > 0
    tests = made["tests_table"]
    found = tests[tests["supervised"] & (tests["share"] == "0.5")]
    assert {tuple(sorted(pair)) for pair in zip(found["a"], found["b"], strict=True)} == {
        ("cmkt_fixmatch", "cmkt_supervised"),
        ("mssgan_fsbase/features=fbank", "mssgan_ssgan/features=fbank"),
    }


def test_every_guest_is_a_variant_of_its_system_and_has_a_counterpart():
    assert set(METHODS) == set(get_args(GuestName)) <= set(get_system("benchmark").variants)
    assert set(SUPERVISED.values()) <= set(METHODS)
    assert "cmkt_supervised" not in options(variants="all").variants  # `all` are those that read vectors
    needed = options(variants=["svm", "began_no_encoder"]).families()
    assert needed == ("egemaps", "chunks")


@pytest.mark.parametrize(
    "given, message",
    [
        ({"systems": {"gan": {}}}, "systems names gan: there are cmkt, mssgan, avspnet, began"),
        ({"systems": {"cmkt": {"input": "none"}}}, "systems.cmkt"),
    ],
)
def test_options_of_a_guest_are_looked_at_before_anything_is_trained(given, message):
    with pytest.raises(ValueError, match=message):
        options(**given)
