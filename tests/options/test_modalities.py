import pytest

from semiser.options.modalities import ATTRIBUTES, families_of, feature_columns


@pytest.mark.parametrize(
    "modalities, columns",
    [
        (["acoustic"], ("is10",)),
        (["social", "text", "egemaps", "acoustic"], ("is10", "egemaps", "word2vec", "query_topic", "accent")),
        (["fbank", "egemaps"], ("fbank", "egemaps")),
    ],
)
def test_columns_stand_as_named_but_is10_first_and_text_and_social_last(modalities, columns):
    assert feature_columns(modalities, ATTRIBUTES) == columns


def test_the_families_behind_columns():
    assert families_of(["is10", "fbank", "query_topic", "accent"]) == ("is10", "fbank", "social")


@pytest.mark.parametrize(
    "modalities, message",
    [
        (["egemap"], "modalities names egemap, which is none: there are acoustic, text, is10, "),
        (["voice"], "modalities names voice, which is none"),
        (["acoustic", "is10"], "modalities names is10 twice"),
    ],
)
def test_what_is_no_modality_and_what_is_one_twice_are_refused(modalities, message):
    with pytest.raises(ValueError, match=message):
        feature_columns(modalities, ATTRIBUTES)
