"""Published figures of corpora: what is read, and that shared speakers are told."""

from semiser.evaluation.anchors import anchors_on, read_anchors
from semiser.evaluation.metrics import AVERAGES


def test_the_five_anchors_are_as_printed():
    def value(corpus, method, metric="uar", labels=1.0):
        (found,) = [
            anchor.value
            for anchor in anchors_on(corpus)
            if anchor.method == method and (anchor.metric, anchor.labels) == (metric, labels)
        ]
        return found

    assert value("casia", "Whisper large v3, frozen, small head") == 0.5958
    assert value("RAVDESS", "HuBERT base, frozen, small head") == 0.6543
    assert value("emo-db", "IS10, SVM", "wa") == 0.73
    assert value("savee", "data2vec 2.0 large, frozen, small head") == 0.7575
    assert value("IEMOCAP", "Emo-Base, MLP, federated", labels=0.2) == 0.5849
    assert value("IEMOCAP", "Emo-Base, MLP, federated, multi-view pseudo-labels", labels=0.2) == 0.6013


def test_every_anchor_is_a_share_of_a_known_metric_and_says_whether_speakers_are_apart():
    for anchor in read_anchors():
        assert 0 < anchor.value < 1 and 0 < anchor.labels <= 1 and anchor.metric in AVERAGES
        assert anchor.speakers in ("apart", "shared", "not checked") and anchor.source and anchor.protocol


def test_folds_of_emobox_that_share_speakers_are_said_to():
    shared = {anchor.corpus for anchor in read_anchors() if "EmoBox" in anchor.source and anchor.speakers == "shared"}
    assert shared == {"EmoDB", "ASED", "CREMA-D", "AESDD"}
