"""What systems on vectors share."""

from types import SimpleNamespace

import pytest

from semiser.options.training import TrainingOptions
from semiser.systems.on_vectors import OnVectorsOptions, read


@pytest.mark.parametrize("free, expected", [(8e9, 4096), (4e9, 3000), (float("inf"), 4096)])
def test_unlabelled_vectors_may_take_three_quarters_of_what_is_free_on_a_gpu(monkeypatch, free, expected):
    asked = []
    monkeypatch.setattr("semiser.devices.free_bytes", lambda device: free)
    monkeypatch.setattr("semiser.data.streamed.read_vectors", lambda *given: asked.append(given[5]))
    work = SimpleNamespace(
        options=OnVectorsOptions(folds={"experiment": "e", "corpora": ["c"]}),
        training=TrainingOptions(accelerator="cpu"),
        folds=None,
        table=lambda *_: None,
        open=lambda features, folds: features([]),
    )
    read(work, None)
    assert asked == [expected]
