"""Readers by name; a reader's module is imported only when it is asked for."""

from importlib import import_module

from semiser.corpora.reader import Reader
from semiser.errors import did_you_mean

READERS = tuple(
    "ami audformat casia ch_sims ch_sims_v2 cmu_mosei crema_d emobox emodb emovoxceleb esd folder huggingface iemocap "
    "kaldi lhotse librispeech manifest meld mer msp_podcast nnime omg ravdess savee".split()
)


def get_reader(name: str) -> Reader:
    """The reader of that name: `READER` of the module `semiser.corpora.<name>`.

    Raises:
        ValueError: there is no such reader; the message lists those that there are.
    """
    if name not in READERS:
        raise ValueError(f"unknown reader {name!r}{did_you_mean(name, READERS)}; there are {', '.join(READERS)}")
    return import_module(f"semiser.corpora.{name}").READER
