"""`params:predict`: what is to be predicted, and with which model."""

from typing import Any, Literal

from pydantic import Field

from semiser.options.base import Options


class CutOptions(Options):
    """How recordings are cut that are longer than an utterance and whose bounds no manifest gives.

    Attributes:
        by: `voice` cuts at pauses (Silero's voice activity detection, the extra `vad`) and leaves out what is no
            speech; `windows` cuts into windows of one length; `auto` is voice where the extra is installed, else
            windows; `none` takes every file as one utterance.
        longest_s: a longer recording is cut, and no segment by voice is longer.
        window_s: longest window; all windows of a recording are equally long.
    """

    by: Literal["auto", "voice", "windows", "none"] = "auto"
    longest_s: float = Field(default=30.0, ge=1)
    window_s: float = Field(default=5.0, ge=0.5)


class PredictOptions(Options):
    """The `predict` parameter group.

    Attributes:
        input: an audio or video file, a folder of them, or a manifest (`.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`)
            in the layout of the reader `manifest`, whose paths are relative to the manifest's folder.
        model: the name of an experiment, whose final model predicts, or a trained model of this one,
            `<pipeline>/<variant>`, such as `train_mmmd/mmd`; None: the final model of this experiment.
        seed, fold: which of the trainings of `<pipeline>/<variant>`; None: the first.
        card: in place of `model`, `card.json` of any trained model, or the folder that it lies in.
        manifest: options of the reader `manifest` (aliases, language, ...), where the input is a manifest.
        min_utterances: a model that was trained on features scaled by speaker scales a speaker by their own statistics
            from this number of utterances on, and with the statistics of its training below.
        cut: how long recordings are cut into segments, each of which is a row with its bounds.
        word_vectors: file of the word vectors that text features were made with, or a folder of such files, among which
            those of the model's training are found by the hash in its card.
    """

    input: str | None = None
    model: str | None = None
    seed: int | None = None
    fold: int | None = None
    card: str | None = None
    manifest: dict[str, Any] = {}
    min_utterances: int = Field(default=5, ge=2)
    cut: CutOptions = CutOptions()
    word_vectors: str = "data/04_feature/word_vectors"
