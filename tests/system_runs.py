"""The pipeline of a declared system, run node by node in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from semiser.features.registry import table_name
from semiser.options.base import Options
from semiser.options.final import FinalOptions
from semiser.options.places import PlacesOptions
from semiser.options.training import TrainingOptions
from semiser.pipelines.system import create_sweeps, create_training
from semiser.shards.utterances import UtteranceFile
from semiser.systems.system import get_system

CPU = TrainingOptions(accelerator="cpu")


def run_system(
    name: str,
    data: dict[str, Any],
    options: Options,
    folder: Path,
    training: TrainingOptions = CPU,
    sweeps: Options | None = None,
    upto: str | None = None,
    final: FinalOptions | None = None,
    change: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """What every node made, by its name inside the pipeline.

    Args:
        name: of the system.
        data: `utterances`, feature tables by family, and proxies; a table that is not named is off.
        options: of the system.
        folder: models lie in `<folder>/<pipeline>`.
        training: seeds and device.
        sweeps: options of its sweeps, which are then run in place of the training.
        upto: what is wanted; nodes that it does not need are not run.
        final: None: of what did best, in `<folder>/final`.
        change: is called with everything made so far before every node.
    """
    system = get_system(name)
    pipeline = create_training(system) if sweeps is None else create_sweeps(system)
    prefix = f"{name}_sweeps" if sweeps else system.pipeline
    if upto:
        pipeline = pipeline.to_outputs(upto if upto in pipeline.all_outputs() else f"{prefix}.{upto}")
    made: dict[str, Any] = {table_name(family): data.get(family) for family in system.tables}
    made |= {name: data.get(name) for stage in system.stages for name in stage.reads}
    made["utterances"] = UtteranceFile.in_memory(data["utterances"])
    made |= {
        f"params:{system.pipeline}": options,
        "params:training": training,
        "params:final": final or FinalOptions(model=system.pipeline),
        "params:places": PlacesOptions(features="", models=str(folder), reporting=""),
    }
    made |= {f"params:{prefix}": sweeps} if sweeps else {}
    for node in pipeline.nodes:
        if change:
            change(made)
        made |= node.run({name: made[name] for name in node.inputs})
    return {name.removeprefix(f"{prefix}."): value for name, value in made.items()}
