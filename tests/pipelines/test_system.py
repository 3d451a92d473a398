"""The pipelines that the builder makes of declarations."""

import pickle

import pytest
from kedro.validation.type_extractor import TypeExtractor

from semiser.options.training import TrainingOptions
from semiser.pipelines.system import create_sweeps, create_training
from semiser.systems.mmmd.options import TrainMmmdOptions
from semiser.systems.system import get_system, system_names


def test_the_systems_are_declared_in_their_folders():
    assert system_names() == ["avspnet", "baselines", "began", "benchmark", "cmkt", "mmmd", "mssgan"]
    with pytest.raises(
        ValueError, match="unknown system 'mmd': expected one of avspnet, baselines, began, benchmark, cmkt"
    ):
        get_system("mmd")


@pytest.mark.parametrize("name", system_names())
def test_a_pipeline_has_a_node_per_variant_in_its_namespace_with_tags(name):
    system = get_system(name)
    pipeline = create_training(system)
    assert {node.namespace for node in pipeline.nodes} == {f"train_{name}"}
    trainers = {node.name for node in pipeline.nodes if node.name.startswith(f"train_{name}.train_")}
    assert trainers == {f"train_{name}.train_{variant}" for variant in (*system.variants, "final")}
    assert {tag for node in pipeline.nodes for tag in node.tags} == {"training", "evaluation"}
    assert set(pipeline.inputs()) == {
        "utterances",
        *(f"{family}_features" for family in system.tables),
        *(table for stage in system.stages for table in stage.reads),
        f"params:train_{name}",
        "params:training",
        "params:final",
        "params:places",
    }
    assert {f"train_{name}_final", f"train_{name}_models"} <= set(pipeline.outputs())
    assert f"train_{name}_metrics" in pipeline.all_outputs()


@pytest.mark.parametrize("name", system_names())
def test_the_options_have_every_variant_that_is_declared(name):
    system = get_system(name)
    variants = system.options.model_fields["variants"].annotation.__args__[0].__args__
    assert set(system.variants) == set(variants)


def test_sweeps_share_the_trainings_options_and_nothing_of_its_folders():
    pipeline = create_sweeps(get_system("mmmd"))
    assert {node.namespace for node in pipeline.nodes} == {"mmmd_sweeps"}
    assert "mmmd_sweeps.folds" in pipeline.all_outputs() and "params:train_mmmd" in pipeline.inputs()
    with pytest.raises(ValueError, match="BEGAN has no sweeps"):
        create_sweeps(get_system("began"))


def test_kedro_sees_the_types_of_the_options_and_any_runner_can_take_the_nodes():
    pipeline = create_training(get_system("mmmd"))
    types = TypeExtractor({"train_mmmd": pipeline}).extract_types_from_pipelines()
    assert types["train_mmmd"] is TrainMmmdOptions and types["training"] is TrainingOptions
    again = pickle.loads(pickle.dumps(pipeline.nodes[0].func))
    assert again.__name__ == pipeline.nodes[0].func.__name__ and again.__annotations__
