"""What a model needs beside its own folder is found above it."""

import pytest

from semiser.prediction.loaded import find_above


def test_a_part_is_found_in_the_next_folder_above_that_has_it(tmp_path):
    model = tmp_path / "models/one/mmmd/fold_0"
    model.mkdir(parents=True)
    for above in (tmp_path, tmp_path / "models"):
        (above / "encoders/began").mkdir(parents=True)
    (tmp_path / "encoders/began/card.json").write_text("{}")
    assert find_above(model, "encoders/began") == tmp_path / "encoders/began"  # a folder without a card is none
    (tmp_path / "models/encoders/began/card.json").write_text("{}")
    assert find_above(model, "encoders/began") == tmp_path / "models/encoders/began"
    with pytest.raises(FileNotFoundError, match="encoders/other, which the model was trained on, is in no folder"):
        find_above(model, "encoders/other")
    for outside in ("../encoders/began", str(tmp_path / "encoders/began")):
        with pytest.raises(ValueError, match="is no path inside the folder of models"):
            find_above(model, outside)
