import json
from pathlib import Path

import numpy as np
import pytest

from semiser.features.family import Source
from semiser.features.social import TOPICS, Social, accent_vocabulary, one_hot
from semiser.options.text_features import SocialOptions
from semiser.shards.task import table_schema


@pytest.mark.parametrize(
    ("value", "place"),
    [("Chat", 0), ("chat ", 0), ("Search", 5), ("Other", 6), ("Weather", 6), (None, None), (" ", None)],
)
def test_topics(value, place):
    expected = np.zeros(7)
    if place is not None:
        expected[place] = 1
    np.testing.assert_array_equal(one_hot(value, TOPICS), expected)


def test_topics_are_the_papers():
    assert TOPICS == ("Chat", "Consultation", "Joke", "Entertainment", "Operation", "Search", "Other")


def test_a_row_has_both_attributes_and_a_flag_for_what_is_not_known():
    family = Social(SocialOptions(accents=("Beijing", "四川")))
    row = next(family.rows(Source({"query_topic": "Joke", "accent": None}, Path())))
    np.testing.assert_array_equal(row["query_topic"], [0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(row["accent"], [0, 0, 0])
    assert (row["no_query_topic"], row["no_accent"]) == (False, True)
    row = next(family.rows(Source({"query_topic": None, "accent": "四川"}, Path())))
    np.testing.assert_array_equal(row["accent"], [0, 1, 0])
    assert (row["no_query_topic"], row["no_accent"]) == (True, False)
    row = next(family.rows(Source({"query_topic": None, "accent": "London"}, Path())))
    np.testing.assert_array_equal(row["accent"], [0, 0, 1])


def test_columns_name_their_values():
    schema = table_schema(Social(SocialOptions(accents=("Beijing",))))
    assert schema.names == ["utterance_id", "query_topic", "no_query_topic", "accent", "no_accent"]
    assert json.loads(schema.field("accent").metadata[b"names"]) == ["accent_Beijing", "accent_Other"]
    assert schema.field("query_topic").type.list_size == 7
    assert table_schema(Social(SocialOptions())).field("accent").type.list_size == 35  # provinces and `Other`


def test_the_vocabulary_ends_in_one_other():
    assert accent_vocabulary(["other", "Beijing"]) == ("Beijing", "Other")
    with pytest.raises(ValueError, match=r"features.social.accents must be different words"):
        accent_vocabulary(["Beijing", "beijing"])
    with pytest.raises(ValueError, match=r"features.social.accents"):
        accent_vocabulary([""])
