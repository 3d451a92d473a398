"""Accuracy by the side of the picture on which the speaker sits (MSSGAN, ACII 2019, section V-C, Table VIII)."""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

# In IEMOCAP's pictures the left person is seen from the front, the right one mostly from the side (Figure 9).
VIEWS = {"left": "frontal", "right": "side"}


def accuracy_by_side(predictions: pa.Table, utterances: pa.Table) -> "pd.DataFrame":
    """Right and wrong predictions of every variant by the side of the picture, over all folds and seeds.

    Args:
        predictions: table with `variant`, `utterance_id`, `target` and `prediction`.
        utterances: table with `utterance_id` and `video_side`.

    Returns:
        Columns `variant`, `face` (frontal, side, or whole picture where it shows one person), `correct`, `wrong`,
        `accuracy`.
    """
    import pandas as pd

    place = pc.index_in(predictions["utterance_id"], utterances["utterance_id"])
    face = utterances["video_side"].take(place).to_pandas().map(VIEWS).fillna("whole picture")
    right = pc.equal(predictions["target"], predictions["prediction"]).to_pandas()
    frame = pd.DataFrame({"variant": predictions["variant"].to_pandas(), "face": face, "right": right})
    table = (
        frame.groupby(["variant", "face"], sort=False)["right"].agg(correct="sum", predictions="count").reset_index()
    )
    table["wrong"] = table["predictions"] - table["correct"]
    table["accuracy"] = table["correct"] / table["predictions"]
    return table[["variant", "face", "correct", "wrong", "accuracy"]]
