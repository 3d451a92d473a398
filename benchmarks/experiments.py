"""The trainings of the papers at their size, on made-up data: what `device_memory.py` and `device.py` go through.

Options are those of the papers' envs in `conf`. Features are one value that looks as large as the paper's corpora; what
is streamed comes from a small table.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from avspnet_pretrain import SIZE as SEGMENT
from avspnet_pretrain import make_table_of_segments
from began_step import SHAPE as CHUNK
from began_step import make_stream
from mmmd_step import SIZES
from mssgan_step import WIDTHS
from torch import Tensor, nn

from semiser.data.frames import FrameData, FrameFeatures
from semiser.data.samples import SampleData
from semiser.data.vectors import FoldData
from semiser.effective import experiment_parameters
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.systems.avspnet import pretraining, recognition
from semiser.systems.avspnet.options import EndToEndOptions
from semiser.systems.began import classifier, encoder
from semiser.systems.cmkt import fit as cmkt
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import VariantName
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.system import get_system

CONF = Path(__file__).parents[1] / "conf"


BATCHES = 32  # of what is streamed


class Training(NamedTuple):
    """A training of a paper.

    Attributes:
        env: of `conf`.
        variant: of its system.
        fit, data, options: `fit(data, options, run)`.
        precision: that the env trains in.
        first: steps of an epoch before those that are typical of it.
    """

    env: str
    variant: str
    fit: Callable[[Any, Any, Any], Tensor]
    data: Any
    options: Any
    precision: str
    first: int = 0


def published(folder: Path) -> Iterator[Training]:
    """All of them; small tables go into the folder."""
    rows = _rows(train=2357, acted=2357, unlabelled=500_000, test=589)  # four fifths of 2,946, as many acted ones
    yield from _mmmd("mmmd_ivd", tuple(SIZES), rows, ("dnn", "mixmatch", "mmmd_epoch_wise"))
    yield from _mmmd("mmmd_iemocap", ("is10", "word2vec"), _rows(train=4978, test=553), ("mmd",))
    rows = _rows(train=8031, unlabelled=20_000, test=2008)  # four of IEMOCAP's sessions, and AMI
    sets = (("fsbase", "fbank"), ("ssgan", "fbank"), ("ssgan", "dface"), ("mssgan", "fbank+dface"))
    yield from _mssgan("mssgan", rows, sets, tuple(WIDTHS.items()))
    variants = ("supervised", "pi_model", "weighted_fusion")
    yield from _cmkt("cmkt_ch_sims", _rows(train=1368, test=457, unlabelled=14_502), (555, 512), variants)
    yield from _cmkt("cmkt_iemocap", _rows(train=4290, test=620, unlabelled=153_500), (445, 512), variants)
    yield from _avspnet("avspnet_iemocap", folder, 23_360)
    yield from _began("began_omg", folder, 10_000)


def small(folder: Path) -> Iterator[Training]:
    """Those that were made for a CPU, CASIA's and EmoDB's."""
    yield from _mmmd(
        "casia_ssl", ("is10",), _rows(train=90, acted=400, unlabelled=8100), ("mixmatch", "mmmd_epoch_wise")
    )
    rows = _rows(train=90, unlabelled=810)
    yield from _mssgan("ssgan_casia", rows, (("fsbase", "fbank"), ("ssgan", "fbank")), (("fbank", 32),))
    yield from _cmkt("cmkt_casia", rows, (24, 128), ("pi_model", "weighted_fusion"))
    yield from _avspnet("avspnet_casia", folder, 2000)
    yield from _began("began_emodb", folder, 2000)


def _options(env: str, system: str) -> tuple[Any, str]:
    """A system's options in an env, and its precision."""
    parameters = experiment_parameters(CONF, env)
    training = TrainingOptions(**parameters["training"])
    return get_system(system).options(**parameters[f"train_{system}"]), training.precision


def _values(*shape: int) -> Tensor:
    """Noise, or where that is large 0 that looks so; it is as large where it is copied."""
    return torch.randn(shape) if math.prod(shape) < 5e7 else torch.zeros([1] * len(shape)).expand(shape)


def _rows(**sizes: int) -> dict[str, Tensor]:
    """Numbers by role, one role behind the other; nobody validates."""
    parts = torch.arange(sum(sizes.values())).split(list(sizes.values()))
    nobody = {"validation": parts[0][:0], "unlabelled": parts[0][:0], "test": parts[0][:0]}
    return nobody | dict(zip(sizes, parts, strict=True))


def _mmmd(
    env: str, columns: tuple[str, ...], rows: dict[str, Tensor], variants: tuple[VariantName, ...]
) -> Iterator[Training]:
    """Vectors of these columns; mixed steps come behind those on labels alone."""
    options, precision = _options(env, "mmmd")
    ends = [sum(SIZES[name] for name in columns[: number + 1]) for number in range(len(columns))]
    ranges = {name: (end - SIZES[name], end) for name, end in zip(columns, ends, strict=True)}
    names = (*set_names("IS10"), *(f"other_{number}" for number in range(ends[-1] - SIZES["is10"])))
    count = sum(map(len, rows.values()))
    data = FoldData(_values(count, ends[-1]), torch.arange(count) % 6, rows, tuple("abcdef"), names, ranges)
    for variant in variants:
        how = options.neural(variant)
        roles = ("acted", "train") if how.acted == "first" else ("train",)
        before = [math.ceil(len(rows[role]) / how.network.batch_size) for role in roles] if how.mixmatch else []
        yield Training(env, variant, mmmd.fit, data, how, precision, sum(before))


def _mssgan(
    env: str, rows: dict[str, Tensor], sets: tuple[tuple[str, str], ...], widths: tuple[tuple[str, int], ...]
) -> Iterator[Training]:
    """Crops of modalities of these widths: a variant on each set of them."""
    options, precision = _options(env, "mssgan")
    count = sum(map(len, rows.values()))
    about = {"target": torch.nn.functional.one_hot(torch.arange(count) % 3, 3).float()}
    kept = options.crop.kept_frames // options.crop.frames_averaged
    for variant, columns in sets:
        x = {name: _values(count, kept, dict(widths)[name]) for name in columns.split("+")}
        data = SampleData(x, torch.arange(count), torch.arange(count) % 3, rows, ("low", "medium", "high"), about)
        yield Training(env, f"{variant}, {columns}", mssgan.fit, data, options.system(variant), precision)


def _cmkt(env: str, rows: dict[str, Tensor], shape: tuple[int, int], variants: tuple[str, ...]) -> Iterator[Training]:
    """Utterances of full length; where they take more than half of a device they lie on the host."""
    options, precision = _options(env, "cmkt")
    count = sum(map(len, rows.values()))
    visual = np.full((count, 3), 1 / 3, np.float32)
    features = FrameFeatures(
        table=None,
        column="stft",
        shape=shape,
        utterance_ids=[str(number) for number in range(count)],
        frames=torch.full((count,), shape[0]),
        x=_values(count, *shape),
        place=torch.arange(count),
        visual=visual,
        pool=1,
        fit_frames=None,
        block_rows=1,
        longest=shape[0],
        scalers=None,
    )
    data = FrameData(features, features.place, torch.arange(count) % 3, rows, tuple("abc"), torch.device("cpu"))
    for variant in variants:
        yield Training(env, variant, cmkt.fit, data, options.neural(variant), precision)


def _avspnet(env: str, folder: Path, segments: int) -> Iterator[Training]:
    """A front end with both heads; recognition of so many segments on what it gives, and with it from scratch."""
    options, precision = _options(env, "avspnet")
    table = make_table_of_segments(folder / env, BATCHES * options.pretraining.batch_size, options.pretraining)
    how = pretraining.FrontEndOptions("avspnet_arousal", options.network, options.pretraining, None)
    precise = options.pretraining.precision or precision
    yield Training(env, "avspnet_arousal", pretraining.fit_front_end, table, how, precise)
    head = list(options.active_recognition.values())[-1]
    whole = EndToEndOptions(network=options.network, recognition=head, size=SEGMENT)
    data = _segments("segments", segments, *SEGMENT)
    yield Training(env, "random_end_to_end", recognition.fit_end_to_end, data, whole, precision)
    layers = recognition.EndToEnd(whole, 4).head.modules()
    width = next(layer.in_features for layer in layers if isinstance(layer, nn.Linear))
    fit = partial(recognition.fit, front_end={"folder": "any", "weights_sha256": "0" * 64})
    yield Training(env, "recognition", fit, _segments("embedding", segments, width), head, precision)


def _segments(column: str, count: int, *shape: int) -> SampleData:
    y = torch.arange(count) % 4
    rows = _rows(train=count * 4 // 5, test=count - count * 4 // 5)
    return SampleData({column: _values(count, *shape)}, torch.arange(count), y, rows, tuple("abcd"))


def _began(env: str, folder: Path, chunks: int) -> Iterator[Training]:
    """The encoder; classifiers of so many chunks on its maps, and with it from scratch."""
    options, precision = _options(env, "began")
    stream = make_stream(folder, BATCHES * options.encoder.batch_size)
    data = encoder.EncoderData(stream, CHUNK)
    yield Training(env, "encoder", encoder.fit_part, data, options.encoder, precision)
    scratch = options.from_scratch_options("emotion", CHUNK)
    yield Training(env, "from_scratch", classifier.fit, _chunks("chunks", chunks, *CHUNK), scratch, precision)
    with torch.device("meta"):
        shape = encoder.FeatureMap(CHUNK, options.encoder.network, options.stage, options.cepstrum).map_shape
    maps = _chunks("map", chunks, shape[0] * shape[1], shape[2])
    yield Training(env, "began", classifier.fit, maps, options.fit_options("emotion", shape, None), precision)


def _chunks(column: str, count: int, *shape: int) -> SampleData:
    rows = _rows(train=count // 2, test=count // 2)
    x, y = {column: _values(count, *shape)}, torch.arange(count) % 7
    return SampleData(x, torch.arange(count), y, rows, tuple("abcdefg"))
