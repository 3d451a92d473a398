"""`params:training`: device, precision, seeds and checkpoints of every training pipeline."""

from typing import Literal

from pydantic import Field

from semiser.options.base import Options

UnlabelledScaling = Literal["none", "self", "shift", "combine"]


class ScalingOptions(Options):
    """How features are standardised in each fold, see `semiser.data.scaling`.

    Attributes:
        strategy: `global`, or `speaker`, which is transductive.
        unlabelled: for unlabelled utterances of further corpora.
    """

    strategy: Literal["global", "speaker"] = "global"
    unlabelled: UnlabelledScaling = "self"


class TrainingOptions(Options):
    """What all systems share.

    Attributes:
        seeds: one run of every fold per seed.
        accelerator: `auto` takes a GPU where there is one.
        devices: processes of this host that train one fold together, each on a GPU or, where there is none, on the CPU.
            They share every batch: `batch_size` of a system is that of all together. A run under torchrun takes its
            number of processes instead (docs/scale.md).
        side_by_side: trainings (folds, seeds) that run at once on a CPU, each in a process of its own, with the same
            predictions as one after the other. 1: one after the other. None: one per core, as far as half of the free
            memory goes, once a run has trained for a few seconds (docs/speed.md).
        precision: as Lightning Fabric names it; parameters, Fourier transforms, covariances, losses and statistics
            stay float32. `32-true` is what the published tables were made with. `bf16-mixed` is for GPUs from NVIDIA's
            Ampere on, and CPUs that compute in bfloat16 (AVX512_BF16, AMX). `16-mixed` is for older GPUs, whose host
            then waits in every step to see whether gradients overflowed; a CPU refuses it.
        compile: the networks' steps as graphs without breaks by `torch.compile`, which needs a C++ compiler; with
            `cuda_graphs` those of one size also as CUDA graphs on a GPU. Draws are as without. Not tried on a GPU; a
            minute of compiling is worth it in long trainings only.
        threads: of torch on a CPU; the networks here are small enough for one, and on a busy machine more are slower
            by far. None leaves it to torch.
        checkpoint_every_s: seconds between two checkpoints inside a fold; 0 writes one whenever it may.
        confound_margin: where a small tree on duration or level alone scores by so much UAR above chance, log and the
            report's first line say that the class can be told from the files.
        reuse: a fold that was finished with the same data, options and seed is read, not trained again.
    """

    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(default=1, ge=1)
    side_by_side: int | None = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    compile: Literal["none", "default", "cuda_graphs"] = "none"
    threads: int | None = Field(default=1, ge=1)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    confound_margin: float = Field(default=0.15, ge=0, le=1)
    reuse: bool = True

    def in_one_process(self) -> "TrainingOptions":
        """The same for what this process does alone; where several train, their data lie on the CPU before."""
        if self.devices == 1:
            return self
        return self.model_copy(update={"devices": 1, "accelerator": "cpu", "precision": "32-true"})


class SystemOptions(Options):
    """The base of a system's parameter group, `train_<system>`."""

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        raise NotImplementedError
