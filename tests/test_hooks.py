"""What the hooks leave behind."""

from semiser.hooks import command_line


def test_a_command_is_written_as_it_is_typed():
    assert command_line({"env": None, "pipeline_names": None, "runtime_params": {}}) == "kedro run"
    params = {"ingest": {"corpora": {"casia": {"root": "/my data"}}}, "training": {"reuse": False}, "mmmd": None}
    found = command_line({"env": "casia", "pipeline_names": ["features", "report"], "runtime_params": params})
    assert found == (
        "kedro run --env casia --pipelines=features,report --params "
        "'ingest.corpora.casia.root=/my data,training.reuse=False,mmmd=null'"
    )
    assert (
        command_line({"pipeline_names": ["__default__"], "node_names": ["train_svm"]}) == "kedro run --nodes=train_svm"
    )
