"""`params:ingest`: which corpora are read, where they are, and when bad files stop the run."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from semiser.options.base import Options
from semiser.options.plausible import PlausibleSpeechOptions


class CorpusOptions(Options):
    """One corpus.

    Attributes:
        reader: name of the reader, see docs/corpora.md.
        root: folder of the corpus, relative to the project or absolute.
        options: options of that reader.
        expected: counts to compare with instead of the published ones, such as `{utterances: 1200, speakers: 4}`.
        source: who gives the corpus out, for the one who has to get it; None: as the reader knows it.
    """

    reader: str
    root: str
    options: dict[str, Any] = {}
    expected: dict[str, int] | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _reader_knows_its_options(self) -> "CorpusOptions":
        from semiser.corpora.registry import get_reader

        get_reader(self.reader).options(**self.options)
        return self


class IngestOptions(Options):
    """The `ingest` parameter group.

    Attributes:
        corpora: corpora by the name that their rows will carry; null switches one off.
        max_quarantined_share: the run stops when more than this share of a corpus's entries cannot be used.
        listen: utterances of each corpus, from the first one on, that are decoded to say whether they are plausible:
            not silent, clipped, beyond full scale, of a dead channel or of two in opposite phase. 0: none.
        plausible: from which shares on what is odd about a corpus is a warning, or stops the run.
    """

    corpora: dict[str, CorpusOptions | None] = Field(min_length=1)
    max_quarantined_share: float = Field(default=0.05, ge=0, le=1)
    listen: int = Field(default=20_000, ge=0)
    plausible: PlausibleSpeechOptions = PlausibleSpeechOptions()

    @field_validator("corpora", mode="before")
    @classmethod
    def _some_are_named(cls, corpora: Any) -> Any:
        if corpora is None:
            raise ValueError(
                "no corpus is named: name those of the experiment in conf/<env>/parameters.yml, "
                "{<name>: {reader: ..., root: ...}}, and run with --env <env> (docs/corpora.md)"
            )
        if isinstance(corpora, dict) and (missing := without_root(corpora)):
            given = ",".join(f"ingest.corpora.{name}.root=<folder>" for name in missing)
            wanted = "; ".join(f"{name}, from {source}" if source else name for name, source in missing.items())
            raise ValueError(f"no folder is set for {wanted}. Give them by --params {given} or in an env of yours")
        return corpora

    @property
    def active(self) -> dict[str, CorpusOptions]:
        """The corpora that are switched on."""
        return {name: corpus for name, corpus in self.corpora.items() if corpus is not None}

    @model_validator(mode="after")
    def _names_fit_paths_and_ids(self) -> "IngestOptions":
        for name in self.corpora:
            if not name.isidentifier():
                raise ValueError(f"corpus name {name!r}: use letters, digits and _ only, it becomes a folder and an id")
        if not self.active:
            raise ValueError("every corpus is switched off: name at least one under ingest.corpora")
        return self


def without_root(corpora: dict[str, Any]) -> dict[str, str]:
    """The corpora whose root is null, and who gives them out."""
    from semiser.corpora.registry import get_reader

    found = {}
    for name, corpus in corpora.items():
        if isinstance(corpus, dict) and corpus.get("root", "") is None:
            found[name] = corpus.get("source") or get_reader(corpus.get("reader", "manifest")).source
    return found
