"""One fold without a test part, of all folds of an experiment: what its final model is trained on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.table import FOLDS_SCHEMA, with_strings


def join_folds(folds: pa.Table, keep_validation: bool = False) -> pa.Table:
    """Every utterance once, in the role that it has in the first fold that does not test it; labelled ones train.

    What a label budget hides stays hidden, in about the same share as in the folds. An utterance that every fold tests,
    such as that of an official test part, trains with its label.

    Args:
        folds: the folds of one experiment.
        keep_validation: leaves the validation part of the first fold what it is, for a training that selects its epoch;
            otherwise it trains.

    Returns:
        A table of `FOLDS_SCHEMA` with the protocol of the folds: fold 0, in the order of ids, without a test part.
    """
    table = with_strings(folds).append_column("tested", pc.equal(folds["role"], "test"))
    order = pc.sort_indices(table, [("utterance_id", "ascending"), ("tested", "ascending"), ("fold", "ascending")])
    table = table.take(order).combine_chunks()
    ids = table["utterance_id"].combine_chunks()
    first = np.ones(len(ids), bool)
    first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    chosen = table.filter(pa.array(first))
    validating = pc.and_(pc.equal(chosen["role"], "validation"), pc.equal(chosen["fold"], pc.min(folds["fold"])))
    trains = pc.is_in(chosen["role"], pa.array(["train", "validation", "test"]))
    if keep_validation:
        trains = pc.and_not(trains, validating)
    columns = {name: chosen[name] for name in FOLDS_SCHEMA.names}
    columns["role"] = pc.if_else(trains, "train", chosen["role"])
    columns["fold"] = pa.array(np.zeros(len(chosen), np.int32))
    return pa.table(columns).cast(FOLDS_SCHEMA).replace_schema_metadata(folds.schema.metadata)
