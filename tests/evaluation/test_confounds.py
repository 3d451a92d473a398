"""Files that tell the class: by their length, by their level, or not at all."""

import numpy as np
import pyarrow as pa
import pytest

from semiser.evaluation.confounds import confounded, confounds_of, over_draws, say_confounds
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions

CLASSES = ("anger", "joy", "sadness")


def utterances(duration_s, level_db):
    names = [f"c/{speaker}{number:02d}" for speaker in "abc" for number in range(30)]
    emotions = [CLASSES[int(name[3:]) % 3] for name in names]
    columns = {"utterance_id": names, "corpus": ["c"] * 90, "speaker_id": [f"c/{name[2]}" for name in names]}
    columns |= {"emotion": emotions, "duration_s": duration_s(emotions), "level_db": level_db(emotions)}
    return pa.table(columns)


def found(duration_s, level_db, margin=0.15):
    table = utterances(duration_s, level_db)
    options = {"corpora": ["c"], "classes": CLASSES, "protocol": {"kind": "leave_one_speaker_out"}}
    folds = make_folds(table, FoldOptions(experiment="e", validation={"kind": "none"}, **options))
    return confounds_of(folds, table, margin)


def drawn(emotions):
    return np.random.default_rng(0).uniform(1, 4, len(emotions)).tolist()


def by_class(emotions):
    spread = np.random.default_rng(1).uniform(0, 0.5, len(emotions))
    return [1.0 + CLASSES.index(emotion) + more for emotion, more in zip(emotions, spread, strict=True)]


def test_a_corpus_whose_files_differ_in_length_by_class_is_told_from_it():
    (entry,) = found(by_class, drawn)
    assert entry["experiment"] == "e" and entry["chance"] == pytest.approx(1 / 3)
    assert entry["uar"]["duration"] == 1.0 and entry["uar"]["level"] < 0.5
    assert confounded(entry) == ["duration"]
    (lenient,) = found(by_class, drawn, margin=0.7)
    assert confounded(lenient) == [] and lenient["uar"] == entry["uar"]
    assert say_confounds(entry).startswith("UAR of a small tree on duration alone 1.00, on level alone 0.")
    assert say_confounds(entry).endswith("; guessing 0.33")


def test_a_corpus_levelled_by_class_is_told_from_it_and_others_are_not():
    (entry,) = found(drawn, lambda emotions: [-20.0 * value for value in by_class(emotions)])
    assert confounded(entry) == ["level"]
    (entry,) = found(drawn, drawn)
    assert confounded(entry) == []


def test_a_quantity_that_too_few_have_is_not_judged():
    (entry,) = found(drawn, lambda emotions: [None] * 10 + drawn(emotions)[10:])
    assert set(entry["uar"]) == {"duration"}
    (entry,) = found(drawn, lambda emotions: [None] * 2 + drawn(emotions)[2:])
    assert set(entry["uar"]) == {"duration", "level"}


def test_draws_of_labels_are_one_entry():
    entries = [
        {"experiment": f"e/share=0.1/draw={draw}", "chance": 0.5, "uar": uar}
        for draw, uar in enumerate([{"duration": 0.5, "level": 0.6}, {"duration": 0.7}])
    ]
    entries.append({"experiment": "e/share=1/draw=0", "chance": 0.5, "uar": {"duration": 0.9}})
    first, second = over_draws(entries)
    assert first == {"experiment": "e/share=0.1", "chance": 0.5, "uar": {"duration": pytest.approx(0.6)}}
    assert second == entries[2] | {"experiment": "e/share=1"}
