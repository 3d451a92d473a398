"""Small material that tests of several rooms make."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
from safetensors.torch import load_file

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.shards.table import Receipt, ShardedTable
from semiser.training.saved import write_saved


def fitted(fit: Any, data: Any, options: Any, run: Any) -> Any:
    """What a system's `fit` gives, on the CPU, of data that are put onto the run's device, as an experiment does."""
    return fit(data.to(run.fabric.device), options, run).cpu()


def voice(seconds: float = 1.0, rate: int = 16_000, pitch_hz: float = 120.0, seed: int = 0) -> np.ndarray:
    """A buzzing tone with harmonics, tremolo and noise, float32 in [-0.6, 0.6]: enough like a vowel for openSMILE."""
    t = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 8))
    tone = tone * (1 + 0.3 * np.sin(2 * np.pi * 4 * t)) + np.random.default_rng(seed).normal(0, 0.05, t.size)
    return (0.6 * tone / max(np.abs(tone).max(), 1e-9)).astype(np.float32)


def write_wav(path: Path, signal: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16") -> Path:
    """Write a wav file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype=subtype)
    return path


def resaved(folder: Path, tensors: dict | None = None, **changes: object) -> Path:
    """Weights and card of a folder written again together, with changes: as one who knows of their hashes does it."""
    facts = json.loads((folder / "card.json").read_text())
    tensors = load_file(folder / "model.safetensors") if tensors is None else tensors
    write_saved(folder, tensors, {name: value for name, value in facts.items() if name != "weights_sha256"} | changes)
    return folder / "card.json"


def utterances_of(root: Path, corpus: str = "tiny") -> pa.Table:
    """A `utterances` table of all wav files below a folder; the folder above a file is its speaker."""
    rows = []
    for path in sorted(root.rglob("*.wav")):
        relative = path.relative_to(root).as_posix()
        info = soundfile.info(path)
        rows.append(
            {
                "utterance_id": f"{corpus}/{relative.removesuffix('.wav')}",
                "corpus": corpus,
                "speaker_id": f"{corpus}/{path.parent.name}",
                "audio_path": relative,
                "duration_s": info.duration,
                "sample_rate_hz": info.samplerate,
                "channels": info.channels,
                "audio_bytes": path.stat().st_size,
                "audio_modified_ns": path.stat().st_mtime_ns,
            }
        )
    return pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)


def committed(receipt: Receipt, folder: Path | str) -> ShardedTable:
    """The table of a receipt, whose manifest lies in a folder under the family's name, as in an experiment."""
    table = ShardedTable(f"{folder}/{receipt.facts['family']}.json")
    table.commit(receipt)
    return table


def spectra(signal, options):
    """Magnitudes of a signal's frames in all bins, as `spectra_of` gives them of an utterance."""
    from semiser.features.spectra import frame_spectra

    return frame_spectra(signal, options, options.dft_size // 2 + 1)
