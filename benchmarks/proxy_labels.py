"""What the proxy labels are worth, where true labels are known, and how long word vectors take to train.

    python benchmarks/proxy_labels.py [--casia <folder>] [--text <labelled sentences>] [--ntusd <folder of its lists>]

--casia: mean proxy arousal per speaker and emotion, from all files of CASIA, each speaker their own baseline.
--text: a file of lines `positive,words apart` after a heading; word vectors are trained on it, and with --ntusd the
sign of the dictionary sum is compared with the labels: coverage, accuracy and UAR on the sentences that it decides.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from semiser.corpora.casia import READER
from semiser.corpora.utterance import Utterance
from semiser.features.lexicons import read_ntusd
from semiser.features.proxy_labels import proxy_arousal
from semiser.features.tokens import simplify
from semiser.features.valence import lexicon_sum
from semiser.features.voice import measure_voice
from semiser.features.word_vectors import train_word_vectors
from semiser.media.audio import decode_audio
from semiser.options.text_features import NtusdOptions, Word2VecOptions


def main() -> None:
    """Measure and print what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--casia", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--ntusd", type=Path)
    arguments = parser.parse_args()
    if arguments.casia:
        report_arousal(arguments.casia)
    if arguments.text:
        lines = arguments.text.read_text(encoding="utf-8").splitlines()[1:]
        sentences = [line.split(",", 1) for line in lines]
        report_training([text.split() for _, text in sentences])
        if arguments.ntusd:
            report_valence(sentences, arguments.ntusd)


def report_arousal(root: Path) -> None:
    """Mean proxy arousal per speaker and emotion."""
    rows = [row for row in READER.read("casia", root, READER.options()) if isinstance(row, Utterance)]
    with ThreadPoolExecutor(2) as pool:
        voices = list(pool.map(lambda row: measure_voice(decode_audio(root / row.audio_path, 16_000), 16_000), rows))
    speakers, emotions = (np.array([getattr(row, name) for row in rows]) for name in ("speaker_id", "emotion"))
    pitch, intensity = (pa.array([getattr(voice, name) for voice in voices]) for name in ("pitch_hz", "intensity_db"))
    scores = proxy_arousal(pitch, intensity, speakers)["score"].to_numpy()
    names = sorted(set(emotions))
    print(f"{'proxy arousal':20s}" + "".join(f"{name:>11s}" for name in names))
    for speaker in sorted(set(speakers)):
        means = (np.nanmean(scores[(speakers == speaker) & (emotions == name)]) for name in names)
        print(f"{speaker:20s}" + "".join(f"{mean:11.2f}" for mean in means))


def report_training(sentences: list[list[str]]) -> None:
    """Seconds of training with the default options."""
    start = time.perf_counter()
    vectors = train_word_vectors(sentences, Word2VecOptions())
    seconds = time.perf_counter() - start
    print(f"word vectors of {len(sentences)} sentences: {seconds:.1f} s, {vectors.matrix.shape[0]} words")


def report_valence(sentences: list[list[str]], folder: Path) -> None:
    """Coverage, accuracy and UAR of the sign of NTUSD's sum."""
    (positive,), (negative,) = folder.glob("正*.txt"), folder.glob("負*.txt")
    lexicons = {"ntusd": read_ntusd(NtusdOptions(positive=str(positive), negative=str(negative)))}
    sums = np.array([lexicon_sum(simplify(text).lower().split(), lexicons)[0] for _, text in sentences])
    truth = np.array([label == "positive" for label, _ in sentences])
    decided = sums != 0
    right = (sums > 0) == truth
    recalls = [right[decided & (truth == side)].mean() for side in (True, False)]
    print(
        f"NTUSD: coverage {decided.mean():.3f}, accuracy {right[decided].mean():.3f}, UAR {np.mean(recalls):.3f} "
        f"(majority {max(truth[decided].mean(), 1 - truth[decided].mean()):.3f})"
    )


if __name__ == "__main__":
    main()
