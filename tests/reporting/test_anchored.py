"""Published figures of a corpus beside the best of ours."""

from reporting.test_findings import metrics

from semiser.reporting.anchored import anchored
from semiser.reporting.findings import find_best


def findings(**given):
    found = metrics({"svm": 0.5, "mmd": 0.6}, [("mmd - svm", 0.1, 0.2)], units=4, **given)
    return [(finding, found) for finding in find_best("train_mmmd", found)]


def test_ours_stands_with_those_whose_speakers_are_apart():
    (casia,) = anchored(findings(corpora=("casia",)))
    assert casia.corpus == "casia" and casia.others == []
    ours, *others = casia.apart
    assert (ours.method, ours.source, ours.figures["uar"]) == ("mmmd: mmd", "", 0.6)
    assert len(others) == 7 and all("EmoBox" in line.source and line.classes == 6 for line in others)


def test_shared_speakers_never_stand_in_the_same_table():
    (emodb,) = anchored(findings(corpora=("emodb",)))
    assert {speakers for speakers, _ in emodb.others} == {"shared", "not checked"}
    assert max(line.figures["uar"] or 0 for _, line in emodb.others) == 0.9258
    assert all(line.figures["uar"] != 0.9258 for line in emodb.apart)
    own = findings(corpora=("emodb",))
    own[0][1]["protocol"]["speaker_dependent"] = True  # ours are trained on, too: they stand in neither
    (emodb,) = anchored(own)
    assert all(line.source for line in emodb.apart)


def test_corpora_of_which_nothing_is_published_have_no_table():
    assert anchored(findings(corpora=("mine",))) == anchored(findings(corpora=("casia", "emodb"))) == []
