"""What torchrun says of this process, from the environment that it starts processes with; nothing heavy to import."""

import os


def processes() -> int | None:
    """How many processes torchrun started, on all hosts together; None where it did not start this one."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def rank() -> int:
    """The number of this process among them; 0 without torchrun."""
    return 0 if processes() is None else int(os.environ["RANK"])


def processes_per_host() -> int:
    """How many of them each host has.

    Raises:
        ValueError: hosts have different numbers.
    """
    here, hosts = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    if here * hosts != processes():
        raise ValueError(
            f"torchrun started {processes()} processes on {hosts} hosts, {here} of them here: give all hosts the same "
            "--nproc-per-node"
        )
    return here
