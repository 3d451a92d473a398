"""CMKT's Chinese experiment in small: CH-SIMS, clips as of iQIYI-VID, RAF-DB; Tables 3 and 4, Figure 4."""

import pytest
from published.layouts import Clip, write_ch_sims, write_clips, write_rafdb

from semiser.systems.cmkt.options import PUBLISHED

pytestmark = pytest.mark.published
SENTIMENTS = {"train": (-0.8, -0.2, -0.1, 0.0, 0.1, 0.2, 0.6, 0.8), "valid": (-0.6, 0.0, 0.6), "test": (-0.4, 0.1, 1.0)}
SEEN = ["happiness", "anger", "neutral", "surprise", "sadness", "happiness", "fear", "neutral", None]
SMALL = {
    "train_faces.expression.training.epochs": 1,
    "train_faces.expression.training.network.width": 0.35,
    "train_faces.expression.training.network.input_size": 32,
    "train_cmkt.network.blocks": 1,
    "train_cmkt.network.hidden": 16,
    "train_cmkt.network.feedforward": 16,
    "train_cmkt.network.mlp": 8,
    "train_cmkt.optimisation.epochs": 1,
    "train_cmkt.pool_frames": 8,
    "train_cmkt.threshold": 0.1,
    "training.precision": "32-true",
}


@pytest.fixture(scope="module")
def finished(project):
    clips = [
        Clip(f"video_{n:04d}/{m:04d}", None if (n, m) == (2, 3) else "neutral", value, split, 0.7)
        for n, (split, values) in enumerate(SENTIMENTS.items(), 1)
        for m, value in enumerate(values, 1)
    ]
    write_ch_sims(project.folder / "ch_sims", clips)
    write_clips(project.folder / "iqiyi", [Clip(f"clip{n}", seen) for n, seen in enumerate(SEEN)])
    write_rafdb(project.folder / "rafdb")
    roots = {"ingest.corpora.ch_sims.root": "ch_sims", "ingest.corpora.iqiyi.root": "iqiyi"}
    roots |= {"train_faces.expression.images.root": "rafdb"}
    return project.run("cmkt_ch_sims", "features,train_cmkt,cmkt_sweeps,report", roots | SMALL)


def test_three_states_in_the_corpus_s_own_split(finished):
    folds = finished.table("05_model_input", "train_cmkt", "folds.parquet")
    counts = folds.groupby(["role", "label"], dropna=False).size().to_dict()
    assert {key: counts[key] for key in counts if key[0] != "unlabelled"} == {
        ("train", "negative"): 2, ("train", "neutral"): 3, ("train", "positive"): 3,
        ("validation", "negative"): 1, ("validation", "neutral"): 1, ("validation", "positive"): 1,
        ("test", "negative"): 1, ("test", "neutral"): 1, ("test", "positive"): 1,
    }  # fmt: skip


def test_x_u_is_the_clips_with_a_face_for_every_variant_and_the_face_network_learnt_from_rafdb(finished):
    """Nine clips, one of a wall; faces are looked for in them alone, and CH-SIMS's own may be without one."""
    protocol = finished.metrics("cmkt")["protocol"]
    assert protocol["visual"]["unlabelled_utterances"] == protocol["visual"]["with_knowledge"] == 8
    assert protocol["visual"]["network"] == {"images": "rafdb", "count": 21}
    card = finished.document("06_models", "faces", "expression.json")
    assert card["learned_from"] == protocol["visual"]["network"] and "faces of rafdb: 21 images" in finished.log
    assert {"corpus": "iqiyi", "reason": "unlabelled, without visual knowledge", "utterances": 1} in protocol[
        "left_out"
    ]
    faces = finished.table("03_primary", "quarantine.parquet")
    assert faces["path"].tolist() == ["clip8.mp4"]


def test_every_row_of_tables_3_and_4_has_ours_beside_it(finished):
    assert finished.rows_without_ours("cmkt", "Table 3", "Table 4") == []
    beside = finished.beside()
    ablation = beside["Table 4", "Consistent & random", "epsilon=0.9", "uar"]
    assert ablation["ours_variant"] == "consistent_random/epsilon=0.9" and ablation["comparable"] == "same corpus"
    assert set(finished.metrics("cmkt")["variants"]) == set(PUBLISHED)


def test_figure_4_is_swept_in_the_paper_s_steps(finished):
    for sweep, steps in (("epsilon", 10), ("alpha", 11)):
        variants = finished.document("08_reporting", "cmkt_sweeps", f"{sweep}.json")["variants"]
        assert len(variants) == steps
