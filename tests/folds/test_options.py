"""Options of folds that contradict each other."""

import pytest
from fold_tables import options
from pydantic import ValidationError


def test_what_is_not_said_is_drawn_by_seed_0():
    assert options().seed == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabelled_corpora": ["x"]}, "in corpora and in unlabelled_corpora"),
        ({"merges": {"fear": "joy"}, "classes": ["fear", "joy"]}, "classes names fear"),
        ({"label_budget": {}}, "exactly one"),
        ({"label_budget": {"share": 0}}, "greater than 0"),
        ({"validation": {"kind": "held_out_speakers"}}, "needs a held-out group"),
        ({"protocol": {"kind": "speaker_dependent_share"}, "validation": {"kind": "speakers"}}, "use share or none"),
        ({"protocol": {"kind": "leave_one_out"}}, "leave_one_speaker_out"),
        ({"sede": 1}, "sede"),
        ({"acted": [{"corpus": "x", "emotions": {"joy": "joy"}}]}, "x: in acted and in corpora"),
        (
            {"protocol": {"kind": "official_split", "validation": "dev"}, "validation": {"kind": "share"}},
            "set validation.kind to none",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        options(**changes)
