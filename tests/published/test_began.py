"""BEGAN's three experiments in small: SAVEE inside speakers, OMG-Emotion's own split, EmoDB leaving one speaker out."""

import json

import pytest
from published.layouts import write_emodb, write_librispeech, write_omg, write_savee

pytestmark = pytest.mark.published
SMALL = {
    "train_began.encoder.epochs": 1,
    "train_began.encoder.network.filters": 2,
    "train_began.encoder.network.code": 4,
    "train_began.encoder.network.convolutions": 1,
    "train_began.classifier.filters": "[2]",
    "train_began.classifier.epochs": 2,
    "train_began.from_scratch.filters": "[2]",
    "train_began.from_scratch.epochs": 1,
    "ingest.corpora.librispeech.root": "librispeech",
}
VARIANTS = {"svm", "no_encoder", "random_encoder", "from_scratch", "began"}


@pytest.fixture(scope="module")
def librispeech(project):
    write_librispeech(project.folder / "librispeech")


@pytest.fixture(scope="module")
def savee(project, librispeech):
    write_savee(project.folder / "savee", takes=3)
    return project.run("began_savee", "features,train_began,report", SMALL | {"ingest.corpora.savee.root": "savee"})


@pytest.fixture(scope="module")
def omg(project, librispeech):
    write_omg(project.folder / "omg")
    return project.run("began_omg", "features,train_began,report", SMALL | {"ingest.corpora.omg.root": "omg"})


@pytest.fixture(scope="module")
def emodb(project, librispeech):
    write_emodb(project.folder / "emodb")
    return project.run(
        "began_emodb_librispeech", "features,train_began,report", SMALL | {"ingest.corpora.emodb.root": "emodb"}
    )


def test_savee_is_drawn_ten_times_and_every_speaker_has_an_accuracy(savee):
    folds = savee.table("05_model_input", "train_began", "folds.parquet")
    first = folds[(folds["fold"] == 0) & (folds["role"] != "unlabelled")]
    assert folds["fold"].nunique() == 10
    assert first["role"].astype(str).value_counts().to_dict() == {
        "train": 4 * 7 * 2,
        "test": 4 * 7,
    }  # 2 and 1 of three takes
    metrics = savee.metrics("began")
    assert set(metrics["variants"]) == VARIANTS and metrics["protocol"]["speaker_dependent"] is True
    assert {f"wa/{name}" for name in ("DC", "JE", "JK", "KL")} < set(metrics["variants"]["began"])


def test_table_1_stands_beside_the_speakers(savee):
    assert savee.rows_without_ours("began", "Table 1") == []
    row = savee.beside()["Table 1", "This work", "speaker=KL", "wa/KL"]
    assert (row["ours_variant"], row["comparable"]) == ("began", "same corpus")


def test_only_a_part_of_librispeech_is_read_and_no_functionals_of_it(savee):
    utterances = savee.table("02_intermediate", "utterances.parquet")
    parts = utterances[utterances["corpus"] == "librispeech"]
    assert len(parts) == 6 and set(parts["split"]) == {"train-clean-100"}
    shards = {family: json.dumps(savee.document("03_primary", f"{family}.json")) for family in ("chunks", "is10")}
    assert "librispeech/" in shards["chunks"] and "librispeech/" not in shards["is10"] and "savee/" in shards["is10"]


def test_table_2_has_f_score_and_concordances_beside_it(omg):
    assert omg.rows_without_ours("began", "Table 2") == []
    beside = omg.beside()
    names = {"weighted_f1": "began", "ccc/arousal": "began/task=dimensions", "ccc/valence": "began/task=dimensions"}
    for metric, variant in names.items():
        row = beside["Table 2", "This work", "", metric]
        assert (row["ours_variant"], row["comparable"]) == (variant, "same corpus")
    counts = omg.table("05_model_input", "train_began", "folds.parquet")["role"].astype(str).value_counts().to_dict()
    assert counts == {"train": 14, "validation": 7, "test": 7, "unlabelled": 6}


def test_table_3_is_emodb_on_librispeech_leaving_each_speaker_out(emodb):
    assert emodb.rows_without_ours("began", "Table 3") == []
    metrics = emodb.metrics("began")
    assert set(metrics["variants"]) == VARIANTS and len(metrics["variants"]["began"]["wa"]["per_fold"]) == 3
    assert metrics["protocol"]["scaling"] == "global" and metrics["protocol"]["encoder"]["epochs"] == 1


def test_without_folders_one_line_says_which_corpora_and_where_they_come_from(project):
    run = project.kedro("began_savee", "features,train_began", {})
    assert run.returncode != 0
    said = next(line for line in run.stderr.splitlines() if "savee" in line and "librispeech" in line)
    assert "the University of Surrey" in said and "https://www.openslr.org/12" in said
