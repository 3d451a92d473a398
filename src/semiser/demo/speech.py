"""Mandarin speech from eSpeak NG, through ctypes.

eSpeak NG comes with the package `espeakng-loader` (the extra `demo`). It is GPL-3.0-or-later software, so it is needed
only to make the demo corpus again and nothing else of the project imports it.
"""

import ctypes
import importlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np

SAMPLE_RATE_HZ = 22_050
MAX_VOLUME = 150  # louder settings clip

# Closed ranges of the settings of a request; above 450 words a minute eSpeak changes its method.
RANGES = {"rate_wpm": (80, 450), "pitch": (0, 99), "pitch_range": (0, 99), "volume": (1, MAX_VOLUME)}

# Values of eSpeak NG's public header speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_PARAMETERS = {"rate_wpm": 1, "volume": 2, "pitch": 3, "pitch_range": 4}
_TEXT_IS_UTF8 = 1
_SEED = 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What to say and how.

    Attributes:
        text: the sentence, in the script of the voice's language.
        voice: eSpeak voice with an optional variant: `cmn`, `cmn+f2`.
        rate_wpm: speaking rate in eSpeak's words a minute, 80 to 450.
        pitch: base pitch, 0 to 99; 50 is the variant's own.
        pitch_range: 0 (monotonous) to 99; 50 is the variant's own.
        volume: 1 to 150; 100 is eSpeak's own.
    """

    text: str
    voice: str = "cmn"
    rate_wpm: int = 175
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 100

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: the text is empty or a setting lies outside its range.
        """
        if not self.text.strip():
            raise ValueError("speech request: text must not be empty; give a sentence to speak")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"speech request: {name} must lie in {low} to {high}, not {getattr(self, name)}")


def synthesise(requests: Sequence[SpeechRequest]) -> list[np.ndarray]:
    """Speak all requests, in order, in one fresh process.

    The state of eSpeak's noise source outlives a sentence, so the same list gives the same samples only when it is
    spoken from the start of a process; that is why this function always starts one. As always with a spawned
    process, a script that calls it needs an `if __name__ == "__main__":` guard.

    Args:
        requests: sentences and settings.

    Returns:
        One array (samples,) of float32 in [-1, 1) a request, mono, at `SAMPLE_RATE_HZ`.

    Raises:
        ModuleNotFoundError: the extra `demo` is not installed.
        ValueError: a voice is not known to eSpeak NG, or it made no sound of a text.
    """
    _require_loader()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_synthesise_here, list(requests)).result()


def _require_loader() -> ModuleType:
    """The package that carries eSpeak NG, or an error that names the extra."""
    try:
        return importlib.import_module("espeakng_loader")
    except ModuleNotFoundError as error:
        message = "speech synthesis needs the package espeakng-loader: pip install 'semiser[demo]'"
        raise ModuleNotFoundError(message, name="espeakng_loader") from error


def _synthesise_here(requests: list[SpeechRequest]) -> list[np.ndarray]:
    """Speak the requests in this process."""
    library = _open_library()
    blocks: list[np.ndarray] = []
    callback = _CALLBACK(lambda samples, count, _events: _keep(blocks, samples, count))
    library.espeak_SetSynthCallback(callback)
    return [_speak(library, request, blocks) for request in requests]


def _open_library() -> ctypes.CDLL:
    """eSpeak NG, loaded and initialised for synchronous synthesis to memory."""
    loader = _require_loader()
    library = ctypes.CDLL(str(loader.get_library_path()))
    path = str(loader.get_data_path()).encode()
    rate = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, path, _DO_NOT_EXIT)
    if rate != SAMPLE_RATE_HZ:
        raise RuntimeError(f"eSpeak NG: expected {SAMPLE_RATE_HZ} Hz from espeak_Initialize, found {rate}")
    library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))  # initialising seeds the breath of some voices with the time
    return library


def _keep(blocks: list[np.ndarray], samples: "ctypes._Pointer[ctypes.c_short]", count: int) -> int:
    """Copy a block out of eSpeak's buffer; 0 tells eSpeak to go on."""
    if samples and count > 0:
        blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
    return 0


def _has_variant(voice: str) -> bool:
    """Whether the part behind `+`, if any, is a variant; eSpeak itself passes over an unknown one in silence."""
    variant = voice.partition("+")[2]
    return not variant or (Path(_require_loader().get_data_path()) / "voices" / "!v" / variant).is_file()


def _speak(library: ctypes.CDLL, request: SpeechRequest, blocks: list[np.ndarray]) -> np.ndarray:
    """Speak one request; `blocks` is where the callback leaves the sound."""
    blocks.clear()
    if not _has_variant(request.voice) or library.espeak_SetVoiceByName(request.voice.encode()) != 0:
        raise ValueError(f"eSpeak NG knows no voice {request.voice!r}; a voice is like 'cmn' or 'cmn+f2'")
    for name, number in _PARAMETERS.items():
        library.espeak_SetParameter(number, int(getattr(request, name)), 0)
    text = request.text.encode()
    library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _TEXT_IS_UTF8, None, None)
    library.espeak_Synchronize()
    if not blocks:
        raise ValueError(f"eSpeak NG made no sound of {request.text!r} with the voice {request.voice!r}")
    return np.concatenate(blocks).astype(np.float32) / 32768
