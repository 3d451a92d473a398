"""MMMD's Table 1 and Figure 5 in small: queries to a voice assistant, many without a label, and acted speech."""

import pytest
from published.layouts import Query, write_manifest

from semiser.systems.mmmd.options import PUBLISHED

pytestmark = pytest.mark.published
EMOTIONS = {"neutral": 120, "sadness": 90, "disgust": 110, "anger": 210, "happiness": 180, "boredom": 100}
SMALL = {
    "features.word2vec.vector_size": 8,
    "features.word2vec.min_count": 1,
    "train_mmmd.mmd.epochs": 1,
    "train_mmmd.dnn.epochs": 1,
    "train_mmmd.mmd.pooled": 64,
    "train_mmmd.sae.epochs": 1,
    "mmmd_sweeps.epochs": 1,
}
TEXTS = ["今天天气怎么样", "你真没意思", "放一首歌", "讲个笑话吧"]
TOPICS = ["Search", "Chat", "Operation", "Joke"]


def _query(user: int, number: int, emotion: str) -> Query:
    cells = {"transcript": TEXTS[number % 4], "emotion": emotion, "query_topic": TOPICS[number % 4]}
    cells |= {"accent": "" if user == 3 else "Sichuan"}
    seconds = 0.2 if number == 5 else 0.5
    return Query(f"q{user}_{number}", f"u{user}", cells, seconds, EMOTIONS.get(emotion, 130) + 3 * user)


@pytest.fixture(scope="module")
def finished(project):
    labels = [*EMOTIONS, "", ""]
    queries = [_query(user, number, emotion) for user in range(5) for number, emotion in enumerate(labels)]
    queries += [_query(user, 9, "") for user in range(5, 25)]  # users of one query
    write_manifest(project.folder / "ivd", queries)
    acted = [
        Query(f"r{reader}_{emotion}", f"r{reader}", {"transcript": "真恶心", "emotion": emotion}, 0.5, pitch_hz)
        for reader in range(2)
        for emotion, pitch_hz in EMOTIONS.items()
        if emotion != "boredom"
    ]
    write_manifest(project.folder / "avd", acted)
    roots = {"ingest.corpora.ivd.root": "ivd", "ingest.corpora.avd.root": "avd"}
    return project.run("mmmd_ivd", "features,train_mmmd,mmmd_sweeps,report", roots | SMALL)


def test_users_are_parted_into_five_folds_and_nothing_unlabelled_of_a_tested_user_is_heard(finished):
    folds = finished.table("05_model_input", "train_mmmd", "folds.parquet")
    counts = folds.groupby(["fold", "role"]).size().unstack()
    assert counts.to_dict("list") == {
        "acted": [10] * 5, "test": [6] * 5, "train": [24] * 5, "unlabelled": [28] * 5
    }  # fmt: skip
    assert finished.metrics("mmmd")["protocol"]["acted_corpora"]["avd"]["per_class"]["boredom"] == 0


def test_every_row_of_table_1_has_ours_beside_it(finished):
    variants = finished.metrics("mmmd")["variants"]
    assert set(variants) == set(PUBLISHED) - {"svm", "mmd"}
    assert finished.rows_without_ours("mmmd", "Table 1") == []
    ours = finished.beside()["Table 1", "epoch-wise MMMD", "", "f1/boredom"]
    assert (ours["ours_variant"], ours["comparable"]) == ("mmmd_epoch_wise", "same corpus")


@pytest.mark.parametrize(
    "sweep, settings", [("unlabelled_weight", 6), ("temperature", 5), ("unlabelled_share", 4), ("modalities", 6)]
)
def test_figure_5_is_swept(finished, sweep, settings):
    variants = finished.document("08_reporting", "mmmd_sweeps", f"{sweep}.json")["variants"]
    assert len(variants) == settings and all(name.startswith("mmmd_epoch_wise/") for name in variants)
