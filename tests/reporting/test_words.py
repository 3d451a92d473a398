"""What a protocol and options read like."""

import pytest

from semiser.reporting.words import describe_folds, describe_option, describe_protocol, format_hours, short_hashes


def test_a_protocol_reads_as_sentences_do():
    protocol = {
        "corpora": {"a": {"utterances": 1200, "speakers": 4}},
        "protocol": {"kind": "k_fold", "k": 5, "group": "speaker"},
        "validation": {"kind": "none"},
        "transductive": False,
        "scaling": "speaker",
        "seeds": [0, 1],
        "statistics": {"std": "over seeds", "pooled": "another UAR"},
        "folds_hash": "0123456789abcdef" * 4,
    }
    assert describe_protocol(protocol) == [
        ("trained and tested on", "a (1,200 utterances, 4 speakers)"),
        ("folds", "5 folds over speakers"),
        ("validation", "no part of its own: every epoch is trained, the last one counts"),
        ("further speech of tested speakers", "kept out of training"),
        (
            "scaling",
            "each speaker by their own mean and deviation, tested ones by those of all their tested utterances",
        ),
        ("seeds", "2 seeds: 0, 1"),
        ("std", "over seeds"),
        ("folds hash", "0123456789ab"),
    ]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ({"kind": "leave_one_speaker_out"}, "leave one speaker out (4 folds)"),
        ({"kind": "official_split"}, "official split"),
        (
            {"kind": "speaker_dependent_share", "train_share": 0.6, "repeats": 10},
            "60 % of each speaker's utterances train, the others are tested, 10 times",
        ),
    ],
)
def test_protocols_of_every_kind(protocol, words):
    assert describe_folds(protocol, 4) == words


def test_options_have_no_brackets_no_long_lists_and_no_bare_hashes():
    options = {"track": {"step_s": 0.24, "yunet_sha256": None}, "log": False, "weights": "ab" * 32, "ntusd": {}}
    assert describe_option(options) == "track step s 0.24, log no, weights abababababab…"
    assert describe_option([f"p{n}" for n in range(10)]) == "p0, p1, p2, p3, p4, p5, p6, p7, and 2 more"
    assert short_hashes('"a": "' + "0" * 64 + '"') == '"a": "000000000000…"'


def test_minutes_below_an_hour():
    assert format_hours(0.04) == "2.4 min" and format_hours(3.1) == "3.10 h"
