"""What torchrun says of this process, from the environment that it starts processes with; nothing heavy to import."""

import os


def processes() -> int | None:
    """How many processes torchrun started, on all hosts together; None where it did not start this one."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def rank() -> int:
    """The number of this process among them; 0 without torchrun."""
    return 0 if processes() is None else int(os.environ["RANK"])


def processes_per_host() -> int:
    """How many of them each host has."""
    return int(os.environ["LOCAL_WORLD_SIZE"])


def check() -> None:
    """Refuse what training does not offer.

    Raises:
        ValueError: hosts have different numbers of processes, or processes are to be started again.
    """
    here, hosts = processes_per_host(), int(os.environ["GROUP_WORLD_SIZE"])
    if here * hosts != processes():
        raise ValueError(
            f"torchrun started {processes()} processes on {hosts} hosts, {here} of them here: give all hosts the same "
            "--nproc-per-node"
        )
    if (restarts := os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) != "0":
        raise ValueError(
            f"torchrun is to start processes again {restarts} times, but those that are left cannot go on: start "
            "torchrun with --max-restarts=0, and once more after a failure; it goes on at the last checkpoint"
        )
