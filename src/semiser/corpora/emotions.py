"""Canonical emotion names: the vocabulary of the `emotion` column of `utterances`.

A reader maps its corpus's own words to these names and keeps its own word in `emotion_original`.
"""

EMOTIONS = (
    "neutral",
    "sadness",
    "disgust",
    "anger",
    "happiness",
    "boredom",
    "fear",
    "surprise",
    "calm",
    "contempt",
    "excitement",
    "frustration",
    "other",
)

# What face images show, in the order of FERPlus's columns: the order of `visual_probabilities` and of the votes of face
# images. RAF-DB knows the first seven.
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")

# Words that corpora and people use for the same thing; keys are lower case.
SYNONYMS = {
    "sad": "sadness",
    "disgusted": "disgust",
    "angry": "anger",
    "happy": "happiness",
    "joy": "happiness",
    "bored": "boredom",
    "fearful": "fear",
    "anxiety": "fear",
    "surprised": "surprise",
    "excited": "excitement",
    "frustrated": "frustration",
}


def canonical_emotion(word: str, own: dict[str, str] | None = None) -> str:
    """The canonical name of an emotion word, whatever its case.

    Args:
        word: the corpus's word.
        own: further words to canonical names, which win over the common ones.

    Raises:
        ValueError: the word is not known; the message lists the canonical names.
    """
    key = word.strip().lower()
    name = {k.lower(): v for k, v in (own or {}).items()}.get(key) or SYNONYMS.get(key, key)
    if name not in EMOTIONS:
        raise ValueError(f"unknown emotion word {word!r}; known are {', '.join(EMOTIONS)}, and their common forms")
    return name
