"""A front end as a model of its own: an encoder and the statistics of its input, saved once and used by anyone.

Three lines, `front_end = load_front_end(folder)`, `segments = front_end.segments(signal)` and
`embeddings = front_end(segments)`, take a mono signal at `front_end.sample_rate_hz` to (segments, 1024).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from pydantic import Field
from torch import Tensor

from semiser.card import Card
from semiser.data.stream import SampleStream
from semiser.data.tables import family_of
from semiser.features.segments import compute_segments
from semiser.options.audio_features import SegmentsOptions
from semiser.options.base import Options
from semiser.options.families import DECLARED
from semiser.shards.store import ShardFolder, shard_path
from semiser.shards.table import footer_facts
from semiser.systems.avspnet.axis import on_mel_axis
from semiser.systems.avspnet.network import AvSpNet
from semiser.systems.avspnet.options import AvspnetNetworkOptions, Layer, MelAxisOptions, PretrainingOptions
from semiser.training.channels_last import channels_last
from semiser.training.saved import CARD, read_saved

COLUMN = "segments"  # of the feature table
_BATCH = 64  # segments that are embedded at a time
LEAST_STD = 1e-3  # ln magnitude: a bin that is constant (digital silence) becomes 0 instead of amplified rounding


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of every bin, of G groups of utterances.

    Attributes:
        mean, std: float32 of shape (G, bins).
    """

    mean: Tensor
    std: Tensor

    def standardise(self, x: Tensor, group: Tensor) -> Tensor:
        """Segments (B, bins, frames) of the groups (B,), standardised per bin."""
        return (x - self.mean[group, :, None]) / self.std[group, :, None]

    def to(self, device: torch.device) -> "Statistics":
        """The same on a device."""
        return Statistics(self.mean.to(device), self.std.to(device))


@dataclass(frozen=True)
class Moments:
    """Sums over the frames of G groups, float64: count (G,), of values and of squares (G, bins)."""

    count: Tensor
    total: Tensor
    squares: Tensor

    def by_group(self) -> Statistics:
        """Statistics of every group; of one without a frame 0 and 1."""
        count = self.count.clamp(min=1)[:, None]
        mean = self.total / count
        std = (self.squares / count - mean.square()).clamp(min=0).sqrt()
        std = torch.where(self.count[:, None] > 0, std.clamp(min=LEAST_STD), 1.0)
        return Statistics(mean.float(), std.float())

    def of_all(self) -> Statistics:
        """Statistics of all groups together, shape (1, bins)."""
        return Moments(*(values.sum(0, keepdim=True) for values in (self.count, self.total, self.squares))).by_group()


def sum_moments(stream: SampleStream, group: Tensor, batch_size: int = 256) -> Moments:
    """The moments of all segments of a stream, in one pass.

    Args:
        stream: of the column `segments`.
        group: number of each utterance's group, int64 of shape (U,).
        batch_size: segments at a time.
    """
    groups, moments = int(group.max()) + 1, None
    for batch in stream.in_order(batch_size):
        x, of_segment = batch.x[COLUMN].double(), group[batch.utterance]
        if moments is None:
            moments = [torch.zeros(groups, dtype=torch.float64)]
            moments += [torch.zeros(groups, x.shape[1], dtype=torch.float64) for _ in range(2)]
        sums = torch.full((len(x),), x.shape[2], dtype=torch.float64), x.sum(2), x.square().sum(2)
        for kept, values in zip(moments, sums, strict=True):
            kept.index_add_(0, of_segment, values)
    if moments is None:
        raise ValueError("no segment of these utterances: is the table `segments` complete for their corpus?")
    return Moments(*moments)


class FrontEnd:
    """A frozen encoder with what its input needs; nothing here changes a weight or a batch-norm statistic.

    Attributes:
        encoder: in evaluation mode, without gradients.
        statistics: of the background, shape (1, bins).
        card: how it came to be; `key` is its fingerprint.
    """

    def __init__(self, network: AvSpNet, statistics: Statistics, card: Mapping[str, Any]):
        self.network = channels_last(network.eval().requires_grad_(False))
        self.encoder, self.statistics, self.card = network.encoder, statistics, card

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the signals that its family of features takes."""
        options = DECLARED[self.card.get("family", COLUMN)].options(**self.card["segments"])
        return int(options.model_dump()["sample_rate_hz"])

    def segments(self, signal: np.ndarray) -> np.ndarray:
        """Spectrogram segments of a mono signal, (samples,) -> (S, bins, frames); see `compute_segments`.

        Those of a front end of ours are on its mel axis.

        Raises:
            ValueError: the front end takes segments of another family.
        """
        if (family := self.card.get("family", COLUMN)) != COLUMN:
            raise ValueError(f"this front end takes segments of the family {family}: extract it, and cut them of it")
        return self.on_its_axis(compute_segments(signal, SegmentsOptions(**self.card["segments"])))

    def on_its_axis(self, segments: np.ndarray) -> np.ndarray:
        """Segments of the family, (S, bins, frames), as the front end takes them: on its mel axis, where it has one."""
        if not (mel := self.card.get("mel")):
            return segments
        return on_mel_axis(segments, SegmentsOptions(**self.card["segments"]), MelAxisOptions(**mel))

    @torch.no_grad()
    def __call__(
        self, segments: np.ndarray | Tensor, layer: Layer = "dense", statistics: Statistics | None = None
    ) -> Tensor:
        """Embeddings of segments as extracted, in 32 bits.

        Args:
            segments: ln magnitudes, or what `on_its_axis` makes of them, (S, bins, frames).
            layer: `dense`, or of the feature maps before it: `maps`, flattened, or `statistics` over time.
            statistics: of shape (S, bins) or (1, bins), such as the speaker's own; None takes the background's.

        Returns:
            (S, D), float32, on the encoder's device.
        """
        statistics = statistics or self.statistics
        device = self.encoder.dense.weight.device
        x = torch.tensor(np.asarray(segments), dtype=torch.float32, device=device)
        group = torch.arange(len(x)) if len(statistics.mean) > 1 else torch.zeros(len(x), dtype=torch.long)
        x = statistics.to(device).standardise(x, group.to(device))
        return torch.cat([self.encoder.layer(part, layer) for part in x.split(_BATCH)])

    @torch.no_grad()
    def reconstruct(self, segments: np.ndarray, statistics: Statistics | None = None) -> np.ndarray | None:
        """What the reconstruction head makes of segments, in ln magnitude; None without that head.

        Args:
            segments: ln magnitudes, (S, bins, frames).
            statistics: of shape (1, bins); None takes the background's.

        Returns:
            (S, bins, frames).
        """
        if self.network.reconstruction is None:
            return None
        statistics, first = statistics or self.statistics, torch.zeros(len(segments), dtype=torch.long)
        made = self.network(statistics.standardise(torch.tensor(segments), first)).reconstruction
        return (made * statistics.std[first, :, None] + statistics.mean[first, :, None]).numpy()

    def to(self, device: torch.device) -> "FrontEnd":
        """The same on a device."""
        return FrontEnd(self.network.to(device), self.statistics.to(device), self.card)


class FrontEndParts(Options):
    """Options of a front end and of its training."""

    network: AvspnetNetworkOptions
    pretraining: PretrainingOptions


class FrontEndCard(Card):
    """What pre-training says of a front end, as far as it is built and fed by it.

    Attributes:
        options: `network` and `pretraining`.
        size: bins and frames of a segment.
        family: that the segments are of.
        segments: its options.
        mel: the frequency axis, where it is not that of the family.
        reconstruction: whether it has that head.
        proxy_classes: of the head for proxy labels; none without it.
    """

    system: Literal["avspnet"]
    network: Literal["avspnet_front_end"]
    options: FrontEndParts
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    family: str = COLUMN
    segments: dict[str, Any]
    mel: MelAxisOptions | None = None
    reconstruction: bool
    proxy_classes: tuple[str, ...]


def load_front_end(folder: str | Path) -> FrontEnd:
    """A front end, on the CPU.

    Args:
        folder: with `model.safetensors` and `card.json`.

    Raises:
        FileNotFoundError: there is no card; the message names the command that makes one.
        ValueError: card and weights are not sound (`read_saved`).
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise FileNotFoundError(f"no front end at {folder} (no card.json): `kedro run --pipelines=train_avspnet`")
    saved = read_saved(folder, FrontEndCard)
    card = saved.card
    network = saved.build(
        lambda: AvSpNet(card.options.network, card.size, card.reconstruction, len(card.proxy_classes))
    )
    return FrontEnd(network, Statistics(*saved.statistics((1, card.size[0]))), saved.facts)


@dataclass(frozen=True)
class Speakers:
    """Utterances by who speaks, for statistics.

    Attributes:
        utterance_ids: names.
        group: number of each one's speaker, or of its corpus where the speaker is unknown; int64 of shape (U,).
        names: of the groups.
    """

    utterance_ids: list[str]
    group: Tensor
    names: list[str]

    @classmethod
    def of(cls, utterances: pa.Table) -> "Speakers":
        """Of rows of the `utterances` table."""
        who = [
            speaker or f"corpus {corpus}"
            for speaker, corpus in zip(
                utterances["speaker_id"].to_pylist(), utterances["corpus"].to_pylist(), strict=True
            )
        ]
        names = sorted(set(who))
        place = {name: number for number, name in enumerate(names)}
        return cls(utterances["utterance_id"].to_pylist(), torch.tensor([place[name] for name in who]), names)


def embed_utterances(
    front_end: FrontEnd,
    table: pa.dataset.Dataset,
    utterances: pa.Table,
    layer: Layer,
    folder: Path,
    reuse: bool = True,
) -> pa.dataset.Dataset:
    """The embeddings of utterances as a feature table, streamed from their segments; computed once.

    Args:
        front_end: whose card says by which statistics its input is standardised.
        table: of `segments`.
        utterances: rows of the `utterances` table.
        layer: of the front end.
        folder: where the table goes.
        reuse: read what was computed before from the same segments by the same front end.

    Returns:
        Columns utterance_id and embedding, a row per segment in the order of the segments; its footer says which family
        made the segments.
    """
    speakers = Speakers.of(utterances)
    by_speaker = front_end.card["options"]["pretraining"]["scaling"] == "speaker"
    corpora = sorted(set(utterances["corpus"].to_pylist()))
    facts = {
        "front_end": front_end.card["weights_sha256"],
        "shards": shard_keys(table, corpora),
        "utterances": speakers.utterance_ids,
        "groups": speakers.group.tolist() if by_speaker else None,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    store = ShardFolder(str(folder))
    if not (reuse and store.report(layer, key)):
        stream = SampleStream(table, [COLUMN], speakers.utterance_ids, block_rows=_BATCH)
        statistics = sum_moments(stream, speakers.group).by_group() if by_speaker else None
        schema = _embedding_schema(front_end.encoder.widths[layer])
        with store.shard(layer, schema, family_of(table) | {"key": key}) as writer:
            for batch in stream.in_order(_BATCH):
                own = _of_segments(statistics, speakers.group[batch.utterance])
                values = front_end(batch.x[COLUMN], layer, own).numpy(force=True)
                for number, value in zip(batch.utterance.tolist(), values, strict=True):
                    writer.add({"utterance_id": speakers.utterance_ids[number], "embedding": value})
    return pa.dataset.dataset(str(folder / shard_path(layer, key)), format="parquet")


def segment_size(table: pa.dataset.Dataset) -> tuple[int, int]:
    """Bins and frames of a segment, as the table says."""
    return tuple(json.loads(table.schema.field(COLUMN).metadata[b"shape"]))


def first_segment(table: pa.dataset.Dataset, utterance_id: str) -> np.ndarray:
    """The first segment of an utterance, (bins, frames)."""
    return next(SampleStream(table, [COLUMN], [utterance_id]).in_order(1)).x[COLUMN][0].numpy()


def own_statistics(
    front_end: FrontEnd, table: pa.dataset.Dataset, utterances: pa.Table, utterance_id: str
) -> Statistics | None:
    """What the front end was trained to have an utterance standardised by: its speaker's statistics.

    Args:
        front_end: whose card says how its input is scaled.
        table: of `segments`.
        utterances: the `utterances` table.
        utterance_id: name.

    Returns:
        Shape (1, bins); None where it is the background's.
    """
    if front_end.card["options"]["pretraining"]["scaling"] != "speaker":
        return None
    speakers = Speakers.of(utterances)
    mine = speakers.group == speakers.group[speakers.utterance_ids.index(utterance_id)]
    ids = [speakers.utterance_ids[place] for place in mine.nonzero().flatten()]
    return sum_moments(SampleStream(table, [COLUMN], ids), torch.zeros(len(ids), dtype=torch.long)).of_all()


def _of_segments(statistics: Statistics | None, group: Tensor) -> Statistics | None:
    return statistics and Statistics(statistics.mean[group], statistics.std[group])


def _embedding_schema(size: int) -> pa.Schema:
    field = pa.field("embedding", pa.list_(pa.float32(), size), metadata={"shape": json.dumps([size])})
    return pa.schema([pa.field("utterance_id", pa.string()), field])


def shard_keys(table: pa.dataset.Dataset, corpora: Sequence[str]) -> dict[str, str]:
    """Fingerprints of the shards of some corpora by their path, `<corpus>/<number>-<key>.parquet`."""
    paths = {"/".join(shard.path.split("/")[-2:]): shard for shard in table.get_fragments()}
    return {path: footer_facts(shard)["key"] for path, shard in paths.items() if path.split("/")[0] in corpora}


def segments_options(table: pa.dataset.Dataset, corpora: Sequence[str]) -> dict[str, Any]:
    """The options that the segments of these corpora were made with.

    Raises:
        ValueError: the shards differ in them.
    """
    found = {
        json.dumps(footer_facts(shard)["options"], sort_keys=True)
        for shard in table.get_fragments()
        if shard.path.split("/")[-2] in corpora
    }
    if len(found) != 1:
        raise ValueError(
            f"segments of {', '.join(corpora)}: {len(found)} sets of options in one table; run "
            "`kedro run --pipelines=features` for all of them with the same options"
        )
    return json.loads(found.pop())
