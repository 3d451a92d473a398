"""The baselines' pipeline on a dozen utterances: every variant on every set of features, on the same folds."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
from system_runs import run_system

from semiser.systems.baselines.train_options import VARIANTS, TrainBaselinesOptions
from semiser.systems.system import get_system


def table(ids, column, width):
    names = [f"{column}_{place}" for place in range(width)]
    values = np.random.default_rng(width).normal(size=(len(ids), width)).astype(np.float32)
    field = pa.field(column, pa.list_(pa.float32(), width), metadata={"names": json.dumps(names)})
    arrays = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)]
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    return pa.dataset.dataset(pa.table(arrays, schema=schema))


def test_every_variant_on_every_set_of_features(tmp_path):
    ids = [f"c/{speaker}{number}" for speaker in "ab" for number in range(6)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": ["c"] * 12,
            "speaker_id": [name[:3] for name in ids],
            "emotion": ["low", "high", None] * 4,
        }
    )
    folds = {"experiment": "e", "corpora": ["c"], "classes": ["low", "high"], "validation": {"kind": "none"}}
    options = TrainBaselinesOptions(
        folds=folds,
        modality_sets=[["egemaps"], ["egemaps", "emobase"]],
        mlp={"grouping": "joint", "hidden": [4, 4], "epochs": 1},
        knn={"k": 2},
        label_spreading={"k": 2},
    )
    data = {"utterances": utterances, "egemaps": table(ids, "egemaps", 3), "emobase": table(ids, "emobase", 4)}
    made = run_system("baselines", data, options, tmp_path)
    metrics = made["train_baselines_metrics"]
    ends = ("modalities=egemaps", "modalities=egemaps+emobase")
    assert set(metrics["variants"]) == {f"{variant}/{end}" for variant in VARIANTS for end in ends}
    for variant in VARIANTS:
        assert made[f"{variant}_predictions"].num_rows == 16  # 2 sets x 8 labelled
        assert len(made[f"{variant}_models"]) == 4


def test_every_variant_says_what_it_is():
    assert set(get_system("baselines").variants) == set(VARIANTS)
