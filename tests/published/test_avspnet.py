"""AV-SpNET's Table 3 in small: front ends from television, IEMOCAP and NNIME with 25 to 100 % of the labels."""

import csv

import pytest
from published.layouts import Turn, write_iemocap, write_nnime, write_ntusd, write_television

from semiser.evaluation.published import read_published
from semiser.systems.avspnet.options import PUBLISHED

pytestmark = pytest.mark.published
EMOTIONS = ("neu", "hap", "ang", "sad")
TURNS = [
    *(
        Turn(speaker, code, votes=(1 + n % 4, 2 + n % 3), seconds=0.85)
        for n, code in enumerate((*EMOTIONS, "exc", *EMOTIONS))
        for speaker in "FM"
    ),
    Turn("F", "fru", votes=(5, 5), seconds=0.4),  # shorter than a segment
    Turn("F", "neu", votes=(4, 5), seconds=0.9),
    Turn("M", "hap", votes=(4, 5), seconds=0.9, start_s=16.0),  # while she speaks
]
SMALL = {
    "train_avspnet.network.kernels": 2,
    "train_avspnet.network.dense": 8,
    "train_avspnet.network.latent": 4,
    "train_avspnet.network.proxy_hidden": "[4]",
    "train_avspnet.pretraining.epochs": 1,
    "train_avspnet.recognition.published.hidden": "[4]",
    "train_avspnet.recognition.published.epochs": 1,
    "features.valence.ntusd.positive": "ntusd/positive.txt",
    "features.valence.ntusd.negative": "ntusd/negative.txt",
    "ingest.corpora.daai.root": "daai",
}
SHARES = ("0.25", "0.5", "0.75", "1")


def variants(*tasks):
    return {f"{name}/task={task}/share={share}" for name in PUBLISHED for task in tasks for share in SHARES}


@pytest.fixture(scope="module")
def television(project):
    write_television(project.folder / "daai")
    write_ntusd(project.folder / "ntusd")


@pytest.fixture(scope="module")
def iemocap(project, television):
    write_iemocap(project.folder / "iemocap", TURNS)
    params = SMALL | {"ingest.corpora.iemocap.root": "iemocap"}
    return project.run("avspnet_iemocap", "features,train_avspnet,report", params)


@pytest.fixture(scope="module")
def nnime(project, television):
    write_nnime(project.folder / "nnime")
    return project.run("avspnet_nnime", "features,train_avspnet,report", SMALL | {"ingest.corpora.nnime.root": "nnime"})


def rows(finished):
    with finished.at("08_reporting", "report.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_three_tasks_of_iemocap_on_every_front_end_with_every_share(iemocap):
    metrics = iemocap.metrics("avspnet")
    assert set(metrics["variants"]) == variants("arousal", "valence", "emotion")
    protocol = metrics["protocol"]
    assert protocol["background"]["left_out"] == {} and protocol["background"]["corpora"] == ["daai"]
    assert list(protocol["recognition"]) == ["published"] and protocol["recognition"]["published"]["optimiser"] == "sgd"
    assert protocol["tasks"]["emotion"]["classes"] == ["happiness", "anger", "sadness", "neutral"]


def test_partners_are_tested_together_and_overlaps_and_short_utterances_are_left_out(iemocap):
    protocol = iemocap.metrics("avspnet")["protocol"]["tasks"]["arousal"]
    assert [fold["test"].count(" and ") for fold in protocol["folds"]] == [1] * 5
    overlaps = [row for row in protocol["left_out"] if "meanwhile" in row["reason"]]
    assert overlaps == [
        {"corpus": "iemocap", "reason": "someone else of the dialogue speaks meanwhile", "utterances": 5 * 2}
    ]
    quarantine = iemocap.table("03_primary", "quarantine.parquet")
    short = quarantine[quarantine["corpus"] == "iemocap"]
    assert len(short) == 5 and short["reason"].str.contains("0.400 s of audio").all()


def test_counts_stand_beside_the_papers_table_1(iemocap):
    rows = iemocap.metrics("avspnet")["protocol"]["counts"]
    found = {(row["corpus"], row["what"]): row["found"] for row in rows}
    assert len(rows) == 7 + 11 and found["iemocap", "utterances"] == 5 * 18 and found["daai", "utterances"] == 23
    assert found["iemocap", "arousal: high"] + found["iemocap", "arousal: low"] == 5 * 18
    assert found["daai", "arousal: high"] + found["daai", "arousal: low"] > 0
    ingested = iemocap.document("02_intermediate", "ingest_summary.json")["iemocap"]["papers"]
    assert sum(row["found"] for row in ingested if row["what"].startswith("arousal")) == 5 * 21


def test_proxies_are_counted_by_every_reading_of_ties(iemocap):
    summary = iemocap.document("03_primary", "summary.json")["proxy_valence"]
    assert summary["missing"].get("no transcript") == 4  # one in each of four episodes
    by_ties = summary["labels_by_ties"]
    assert list(by_ties) == ["strict", "half", "at_least"] and by_ties["strict"] == summary["labels"]
    assert by_ties["at_least"]["positive"] > by_ties["strict"]["positive"]


def test_every_row_of_table_3_has_ours_beside_it(iemocap, nnime):
    published = len(read_published("avspnet"))
    beside = rows(iemocap)
    assert len(beside) == published and all(row["ours"] for row in beside)
    same = [row for row in beside if row["comparable"] == "same corpus"]
    assert len(same) == 8 * 3 * 4 and {row["corpus"] for row in same} == {"IEMOCAP"}
    without = [row for row in rows(nnime) if not row["ours"]]
    assert {(row["corpus"], row["task"]) for row in without} == {("IEMOCAP", "4-class emotion")}
    assert sum(row["comparable"] == "same corpus" for row in rows(nnime)) == 8 * 2 * 4


def test_nnime_is_recognised_by_the_mean_of_its_raters_traces(nnime):
    assert set(nnime.metrics("avspnet")["variants"]) == variants("arousal", "valence")
    tested = nnime.metrics("avspnet")["protocol"]["tasks"]["valence"]["folds"]
    assert sum(fold["test"].count("nnime/") for fold in tested) == 12


def test_without_folders_one_line_says_which_corpora_and_where_they_come_from(project):
    run = project.kedro("avspnet_iemocap", "features,train_avspnet", {})
    assert run.returncode != 0
    said = next(line for line in run.stderr.splitlines() if "daai" in line and "iemocap" in line)
    assert "DaAi Media Corpus" in said and "https://sail.usc.edu/iemocap" in said
