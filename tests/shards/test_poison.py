from itertools import combinations, product
from pathlib import Path

import pyarrow as pa
import pytest

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.functionals import Is10
from semiser.features.social import Social
from semiser.options.audio_features import OpenSmileOptions
from semiser.options.text_features import SocialOptions
from semiser.shards.engine_protocol import WorkerLost
from semiser.shards.poison import find_poison
from semiser.shards.task import Part, ShardTask


def _task(size):
    rows = [{"utterance_id": f"c/{number}", "corpus": "c", "audio_path": str(number)} for number in range(size)]
    families = Social(SocialOptions()), Is10(OpenSmileOptions())
    parts = tuple(Part(family, family.name, "c/00000.parquet", "k") for family in families)
    return ShardTask(pa.Table.from_pylist(rows, UTTERANCES_SCHEMA), Path("."), parts)


class Deadly:
    """An engine that loses every task with one of the deadly pairs, and counts."""

    def __init__(self, pairs):
        self.pairs, self.deaths = set(pairs), 0

    def map(self, function, tasks, pool):
        for task in tasks:
            dies = bool(self.pairs & task.pairs())
            self.deaths += dies
            yield task, WorkerLost() if dies else None


ALL = [(family, f"c/{number}") for number, family in product(range(3), ("social", "is10"))]


@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_the_pairs_of_family_and_utterance_that_kill_are_found_whichever_they_are(count):
    for pairs in combinations(ALL, count):
        assert find_poison(_task(3), Deadly(pairs), "processes") == set(pairs)


def test_one_in_a_hundred_is_found_in_eight_deaths():
    engine = Deadly([("is10", "c/77")])
    assert find_poison(_task(100), engine, "processes") == {("is10", "c/77")}
    assert engine.deaths <= 8  # ceil(log2(100)) halvings of the utterances, one of the families


def test_more_killers_than_can_be_the_utterances_fault_stop_the_run():
    engine = Deadly((family, f"c/{number}") for number, family in product(range(100), ("social", "is10")))
    with pytest.raises(WorkerLost, match=r"the worker died over each of 10 utterances"):
        find_poison(_task(100), engine, "processes")
    assert engine.deaths < 40
