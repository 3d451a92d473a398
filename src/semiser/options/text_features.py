"""Options of the text and social families."""

from typing import Self

from pydantic import Field, model_validator

from semiser.options.base import Options
from semiser.options.family import FamilyOptions

# China's 34 province-level divisions: an accent is where a query was made, and the paper lists no locations.
PROVINCES = tuple(
    "Anhui Beijing Chongqing Fujian Gansu Guangdong Guangxi Guizhou Hainan Hebei Heilongjiang Henan Hongkong Hubei "
    "Hunan Jiangsu Jiangxi Jilin Liaoning Macau Neimenggu Ningxia Qinghai Shaanxi Shandong Shanghai Shanxi Sichuan "
    "Taiwan Tianjin Xinjiang Xizang Yunnan Zhejiang".split()
)


class Word2VecOptions(FamilyOptions):
    """Functionals over word vectors, and the vectors: trained on the corpus's own transcripts, or loaded.

    Paths are no part of a fingerprint: what the vectors are is told by their hash.

    Attributes:
        vectors: file of word vectors in word2vec's text or binary format (`.bin`, `.kv`, `.txt`, also `.gz`), such as
            those of Google News; None trains on the transcripts.
        pretrained: the experiment trains no vectors: a run without a file of them is refused.
        limit: number of words to load from that file, from its beginning (the most frequent ones); None loads all.
        lower_case: whether words are compared without regard to case.
        texts: further text files to train on, one utterance per line.
        vector_size: values of a trained vector; a loaded file brings its own.
        window: words before and behind that are predicted, in training.
        min_count: words that occur less often get no vector, in training.
        epochs: passes over the text, in training.
        skip_gram: skip-gram instead of continuous bag of words, in training.
        seed: of the training's random numbers.
        training_threads: with one thread the same text gives the same vectors; more are faster and are not repeatable.
        vectors_sha256: hash of the vectors' content; filled in when extraction starts. Where it is set, other vectors
            are refused.
    """

    vectors: str | None = Field(default=None, exclude=True)
    pretrained: bool = Field(default=False, exclude=True)
    limit: int | None = Field(default=None, ge=1)
    lower_case: bool = True
    texts: tuple[str, ...] = Field(default=(), exclude=True)
    vector_size: int = Field(default=300, ge=1)
    window: int = Field(default=5, ge=1)
    min_count: int = Field(default=5, ge=1)
    epochs: int = Field(default=5, ge=1)
    skip_gram: bool = False
    seed: int = Field(default=0, ge=0)
    training_threads: int = Field(default=1, ge=1)
    vectors_sha256: str | None = None

    @model_validator(mode="after")
    def _vectors_are_there(self) -> Self:
        if self.pretrained and self.vectors is None:
            raise ValueError("the experiment trains no word vectors (pretrained): give the file of them as vectors")
        return self


class SocialOptions(FamilyOptions):
    """One-hot social attributes.

    Attributes:
        accents: the locations or accents that have a place of their own; all others share the place `Other`.
    """

    accents: tuple[str, ...] = PROVINCES


class NtusdOptions(Options):
    """The two word lists of NTUSD, one word per line.

    Attributes:
        positive: file of the positive words.
        negative: file of the negative words.
    """

    positive: str = Field(exclude=True)
    negative: str = Field(exclude=True)


class CliwcOptions(Options):
    """A dictionary in LIWC's `.dic` format.

    Attributes:
        file: the dictionary.
        positive: its categories of positive words; the first that the dictionary has is taken.
        negative: its categories of negative words, likewise.
    """

    file: str = Field(exclude=True)
    positive: tuple[str, ...] = ("posemo", "emo_pos")
    negative: tuple[str, ...] = ("negemo", "emo_neg")


class ValenceOptions(FamilyOptions):
    """Dictionary valence of transcripts: any subset of the dictionaries, at least one.

    Paths are no part of a fingerprint: what the dictionaries hold is told by their hash.

    Attributes:
        ntusd: the NTU Sentiment Dictionary; None goes without.
        cvaw: file of the Chinese Valence-Arousal Words; None goes without.
        cliwc: the Chinese LIWC dictionary; None goes without.
        lexicons_sha256: hash of the dictionaries' words; filled in when extraction starts. Where it is set, other
            dictionaries are refused.
    """

    ntusd: NtusdOptions | None = None
    cvaw: str | None = Field(default=None, exclude=True)
    cliwc: CliwcOptions | None = None
    lexicons_sha256: str | None = None

    @property
    def dictionaries(self) -> int:
        """How many are given."""
        return sum(given is not None for given in (self.ntusd, self.cvaw, self.cliwc))
