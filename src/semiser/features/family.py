"""What a feature family is to the shard map: options, columns, and a function from one utterance to its rows."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.options.family import FamilyOptions

OptionsT = TypeVar("OptionsT", bound=FamilyOptions)
PreparedT = TypeVar("PreparedT")

# Columns of `utterances` that decide what a decoded signal is.
AUDIO_COLUMNS = ("audio_path", "start_s", "end_s", "audio_bytes", "audio_modified_ns")


@dataclass
class Source:
    """One utterance to compute from: its row of `utterances`, and its audio decoded once per rate, on demand."""

    row: Mapping[str, Any]
    root: Path
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for all families that ask with the same key.

        Raises:
            Unusable: `make` did, now or before: what fails is not tried again for every family.
        """
        if key not in self._made:
            try:
                self._made[key] = make()
            except Unusable as error:
                self._made[key] = error
        if isinstance(self._made[key], Unusable):
            raise Unusable(str(self._made[key]))
        return self._made[key]

    def audio(self, sample_rate_hz: int) -> np.ndarray:
        """Mono float32 samples of the utterance at that rate, shape (samples,).

        Raises:
            Unusable: the audio cannot be decoded.
        """
        from semiser.media.audio import decode_audio

        path, bounds = self.root / self.row["audio_path"], (self.row["start_s"], self.row["end_s"])
        return self.once(("audio", sample_rate_hz), lambda: decode_audio(path, sample_rate_hz, *bounds))


class Family(ABC, Generic[OptionsT]):
    """A feature family with its options; instances travel to workers, so they hold options and nothing heavy.

    Class attributes:
        name: of the family and its table.
        version: raised when the code gives other values than before: what was computed is then computed again.
        inputs: columns of `utterances` that the values depend on.
        requires: column of `utterances` without which there is nothing to compute: a corpus in which it is empty
            throughout is passed over.
        pool: `threads` where the work leaves Python's lock, else `processes`: whichever measured faster.
        libraries: distributions whose versions are recorded beside the values.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    inputs: ClassVar[tuple[str, ...]] = AUDIO_COLUMNS
    requires: ClassVar[str | None] = None
    pool: ClassVar[Literal["threads", "processes"]] = "processes"
    libraries: tuple[str, ...] = ()

    def __init__(self, options: OptionsT):
        self.options = options

    @property
    def whole_s(self) -> tuple[float, float]:
        """Seconds: an utterance below the first is padded, one from the second on is cut; families take any length."""
        return 0.0, math.inf

    @abstractmethod
    def fields(self) -> list[pa.Field]:
        """Columns of the table beside `utterance_id`; names, units and shapes in the fields' metadata."""

    @abstractmethod
    def rows(self, source: Source) -> Iterator[Mapping[str, Any]]:
        """The rows of one utterance: a value for each field; vectors as arrays of the field's size.

        Raises:
            Unusable: the utterance cannot have this feature; the message is the reason.
        """


class BatchedFamily(Family[OptionsT], Generic[OptionsT, PreparedT]):
    """A family whose network takes several utterances at once: what is done for one alone, and what for many.

    What `compute` gives for an utterance must not depend on those beside it (1e-5).
    """

    @property
    @abstractmethod
    def budget(self) -> float:
        """The largest `size` of a batch: its utterances times the size of the largest. One alone may be larger."""

    @abstractmethod
    def prepare(self, source: Source) -> PreparedT:
        """Decode an utterance, as far as nothing of the network is needed.

        Raises:
            Unusable: the utterance cannot have this feature; the message is the reason.
        """

    @abstractmethod
    def size(self, prepared: PreparedT) -> float:
        """What an utterance takes in a batch, in the unit of `budget`: seconds, tokens, pictures."""

    @abstractmethod
    def compute(self, batch: Sequence[PreparedT]) -> Iterable[Mapping[str, Any]]:
        """The row of each utterance, as of `rows`.

        Raises:
            Unusable: one of them cannot have this feature; they are then computed one by one.
            MemoryError: they are too many; likewise.
        """

    def rows(self, source: Source) -> Iterator[Mapping[str, Any]]:
        return iter(self.compute([self.prepare(source)]))
