import pytest
from fold_tables import options, speech, table

from semiser.folds.make import folds_hash, make_folds, protocol_facts
from semiser.folds.settings import join_experiments, take_experiment


def test_experiments_come_out_of_a_joined_table_as_they_went_in():
    utterances = table(speech("abc"))
    made = [make_folds(utterances, options(experiment=name)) for name in ("e/task=x", "e/task=y")]
    joined = join_experiments(made)
    assert len(joined) == sum(map(len, made))
    for one, name in zip(made, ("e/task=x", "e/task=y"), strict=True):
        taken = take_experiment(joined, name)
        assert folds_hash(taken) == folds_hash(one) and protocol_facts(taken) == protocol_facts(one)
    with pytest.raises(ValueError, match="no experiment 'e/task=z'; there are e/task=x, e/task=y"):
        take_experiment(joined, "e/task=z")
