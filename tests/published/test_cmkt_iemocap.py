"""CMKT's English experiment in small: IEMOCAP, EmoVoxCeleb with its face network's words; Tables 5 and 6."""

import pytest
from published.layouts import Turn, write_emovoxceleb, write_iemocap
from transformers import Wav2Vec2Config, Wav2Vec2Model

from semiser.systems.cmkt.options import PUBLISHED

pytestmark = pytest.mark.published
TURNS = [
    *(Turn(speaker, code) for code in ("neu", "hap", "exc", "ang", "sad") for speaker in "FM"),
    Turn("F", "xxx", votes=(1, 5)),  # the evaluators did not agree: no part of X^U
    Turn("M", "neu", seconds=0.2, start_s=5.0),
]
FACES = ["neutral", "happiness", "anger", "sadness", "surprise", "contempt"]
SMALL = {
    "train_cmkt.network.blocks": 1,
    "train_cmkt.network.hidden": 16,
    "train_cmkt.network.feedforward": 16,
    "train_cmkt.network.mlp": 8,
    "train_cmkt.optimisation.epochs": 2,
    "train_cmkt.optimisation.epoch_steps": 2,
    "train_cmkt.pool_frames": 8,
    "train_cmkt.threshold": 0.1,
    "training.precision": "32-true",
}


@pytest.fixture(scope="module")
def finished(project):
    write_iemocap(project.folder / "iemocap", TURNS)
    seen = {f"id1000{n % 3}/video{n % 3}/{n:05d}": FACES[n % len(FACES)] for n in range(24)}
    write_emovoxceleb(project.folder / "emovoxceleb", seen)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(project.folder / "wav2vec")
    given = {"ingest.corpora.iemocap.root": "iemocap", "ingest.corpora.emovoxceleb.root": "emovoxceleb"}
    given |= {"features.wav2vec.checkpoint": "wav2vec"}
    return project.run("cmkt_iemocap", "features,train_cmkt,report", given | SMALL)


def test_four_sessions_train_one_speaker_of_the_fifth_validates_and_the_other_is_tested(finished):
    folds = finished.table("05_model_input", "train_cmkt", "folds.parquet")
    counts = folds.groupby("role").size().to_dict()
    assert set(folds["fold"]) == {0} and counts["train"] == 4 * 11
    assert counts["test"] + counts["validation"] == 11 and counts["unlabelled"] == 16
    held = folds[folds["role"].isin(["test", "validation"])].groupby("role")["utterance_id"]
    assert held.agg(lambda ids: set(ids.str[8:13])).map(len).eq(1).all()


def test_x_u_is_the_same_for_every_variant_and_has_no_utterance_of_iemocap(finished):
    folds = finished.table("05_model_input", "train_cmkt", "folds.parquet")
    assert set(folds[folds["role"] == "unlabelled"]["utterance_id"].str[:11]) == {"emovoxceleb"}
    protocol = finished.metrics("cmkt")["protocol"]
    assert protocol["visual"]["unlabelled_utterances"] == protocol["visual"]["with_knowledge"] == 16
    assert {"corpus": "emovoxceleb", "reason": "unlabelled, without visual knowledge", "utterances": 8} in protocol[
        "left_out"
    ]


def test_every_row_of_tables_5_and_6_has_ours_beside_it(finished):
    assert finished.rows_without_ours("cmkt", "Table 5", "Table 6") == []
    assert set(finished.metrics("cmkt")["variants"]) == set(PUBLISHED) - {"cmkt_labels"}
    ours = finished.beside()["Table 5", "Weighted fusion", "alpha=0.2", "uar"]
    assert (ours["ours_variant"], ours["comparable"]) == ("weighted_fusion", "same corpus")
