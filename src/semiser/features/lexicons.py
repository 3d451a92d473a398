"""Sentiment dictionaries in their owners' formats: NTUSD, CVAW, and LIWC's `.dic` (CLIWC).

A dictionary becomes a `Lexicon`: word to +1 (positive) or -1 (negative). Words are in simplified characters and lower
case. A word that a dictionary lists with one sign, however often, has that sign; a word that it lists with both (also
by simplification) has none and is left out.
"""

import csv
import logging
from collections.abc import Iterable
from pathlib import Path

from semiser.corpora.text import UndecodableText, read_text
from semiser.features.tokens import simplify
from semiser.options.text_features import CliwcOptions, NtusdOptions, ValenceOptions

logger = logging.getLogger(__name__)

Lexicon = dict[str, int]

CVAW_MIDPOINT = 5.0  # of its scale from 1 to 9
WILDCARD = "*"  # LIWC: at a word's end, any ending

# Big5 with Microsoft's extensions first: nearly any bytes decode as GB 18030.
_ENCODINGS = ("cp950", "gb18030")
_DIVIDER = "%"


class BadLexicon(ValueError):
    """A dictionary file that cannot be read as what it is said to be."""


def sentiment_value(lexicon: Lexicon, word: str) -> int:
    """+1, -1, or 0 for a word that the lexicon does not know; D of Eq. 3 in AV-SpNET (Lu et al. 2018).

    The whole word counts first, then the longest entry that ends in LIWC's wildcard and begins the word.
    """
    if (value := lexicon.get(word)) is not None:
        return value
    beginnings = (word[:length] + WILDCARD for length in range(len(word), 0, -1))
    return next((lexicon[beginning] for beginning in beginnings if beginning in lexicon), 0)


def read_lexicons(options: ValenceOptions) -> dict[str, Lexicon]:
    """The dictionaries that the options give, by name.

    Raises:
        BadLexicon: none is given, or a file is missing or not in its format; the message names option and file.
    """
    lexicons = {}
    if options.ntusd:
        lexicons["ntusd"] = read_ntusd(options.ntusd)
    if options.cvaw:
        lexicons["cvaw"] = read_cvaw(options.cvaw)
    if options.cliwc:
        lexicons["cliwc"] = read_cliwc(options.cliwc)
    if not lexicons:
        raise BadLexicon("features.valence needs a dictionary: give ntusd, cvaw or cliwc, or leave the family out")
    return lexicons


def read_ntusd(options: NtusdOptions) -> Lexicon:
    """NTUSD (Ku and Chen 2007): one file of positive and one of negative words, one word per line.

    Raises:
        BadLexicon: a file is missing, undecodable or without words.
    """
    positive = _read("ntusd.positive", options.positive).splitlines()
    negative = _read("ntusd.negative", options.negative).splitlines()
    return _lexicon("ntusd", positive, negative)


def read_cvaw(path: str) -> Lexicon:
    """CVAW (Yu et al. 2016): a table, comma or tab separated, with the columns `Word` and `Valence_Mean` (1 to 9).

    A word above the midpoint 5 is positive, one below negative, one at the midpoint left out.

    Raises:
        BadLexicon: the file is missing or undecodable, a column is missing, or a value is not within 1 to 9.
    """
    lines = _read("cvaw", path).splitlines()
    header = lines[0] if lines else ""
    rows = csv.DictReader(lines, delimiter="\t" if "\t" in header else ",", restval="")
    try:
        if missing := {"Word", "Valence_Mean"} - set(rows.fieldnames or ()):
            raise BadLexicon(
                f"features.valence.cvaw: {Path(path).name} has no column {' nor '.join(sorted(missing))}; its first "
                f"line is {header!r}"
            )
        means = [(row["Word"], _mean(row["Valence_Mean"], rows.line_num, path)) for row in rows]
    except csv.Error as error:
        raise BadLexicon(f"features.valence.cvaw: {Path(path).name}, line {rows.line_num}: {error}") from error
    positive = [word for word, mean in means if mean > CVAW_MIDPOINT]
    return _lexicon("cvaw", positive, [word for word, mean in means if mean < CVAW_MIDPOINT])


def read_cliwc(options: CliwcOptions) -> Lexicon:
    """CLIWC (Huang et al. 2012), or any dictionary in LIWC's `.dic` format.

    Between two lines `%` stand the categories (`126 posemo`), behind them the words with their categories' numbers
    (`word 125 126`). A word may end in `*`, which stands for any ending.

    Raises:
        BadLexicon: the file is missing or undecodable, has no category part, or lacks the sentiment categories.
    """
    name = Path(options.file).name
    lines = [line.strip() for line in _read("cliwc.file", options.file).splitlines()]
    dividers = [number for number, line in enumerate(lines) if line == _DIVIDER]
    if len(dividers) < 2:
        raise BadLexicon(f"features.valence.cliwc.file: {name} has no categories between two lines `%`")
    categories = _categories(lines[dividers[0] + 1 : dividers[1]])
    entries = [_entry(line) for line in lines[dividers[1] + 1 :] if line]
    positive = _number("positive", options.positive, categories, name)
    negative = _number("negative", options.negative, categories, name)
    return _lexicon(
        "cliwc",
        [word for word, numbers in entries if positive in numbers],
        [word for word, numbers in entries if negative in numbers],
    )


def _read(option: str, path: str) -> str:
    try:
        return read_text(Path(path), *_ENCODINGS)
    except OSError as error:
        raise BadLexicon(f"features.valence.{option}: cannot read {path} ({error.strerror})") from error
    except UndecodableText as error:
        raise BadLexicon(f"features.valence.{option}: {error}") from error


def _lexicon(name: str, positive: Iterable[str], negative: Iterable[str]) -> Lexicon:
    """Words of both signs, less those that have both."""
    good, bad = _normalised(positive), _normalised(negative)
    if not good or not bad:
        raise BadLexicon(f"features.valence.{name}: found {len(good)} positive and {len(bad)} negative words, not both")
    if both := good & bad:
        logger.info("%s: %d words are both positive and negative, left out: %s", name, len(both), sorted(both)[:5])
    return dict.fromkeys(sorted(good - bad), 1) | dict.fromkeys(sorted(bad - good), -1)


def _normalised(words: Iterable[str]) -> set[str]:
    # As one text, so that a word without a character that is traditional alone is converted as its neighbours are.
    text = simplify("\n".join(words)).lower()
    return {word for line in text.split("\n") if (word := line.strip())}


def _mean(text: str, line: int, path: str) -> float:
    try:
        mean = float(text)
    except (TypeError, ValueError):
        mean = float("nan")
    if not 1 <= mean <= 9:
        raise BadLexicon(
            f"features.valence.cvaw: {Path(path).name}, line {line}: Valence_Mean must be in 1 to 9, found {text!r}"
        )
    return mean


def _categories(lines: list[str]) -> dict[str, str]:
    """Lower-case category names to their numbers."""
    fields = (line.split() for line in lines)
    return {field[1].lower(): field[0] for field in fields if len(field) > 1}


def _entry(line: str) -> tuple[str, set[str]]:
    """A word (which may hold blanks where tabs separate) and its categories' numbers."""
    word, *numbers = line.split("\t") if "\t" in line else line.split()
    return word, {number.strip() for number in numbers}


def _number(option: str, wanted: tuple[str, ...], categories: dict[str, str], name: str) -> str:
    found = [categories[category.lower()] for category in wanted if category.lower() in categories]
    if not found:
        raise BadLexicon(
            f"features.valence.cliwc.{option}: {name} has none of the categories {', '.join(wanted)}; it has "
            f"{', '.join(sorted(categories))}"
        )
    return found[0]
