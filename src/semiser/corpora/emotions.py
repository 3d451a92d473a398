"""Canonical emotion names: the vocabulary of the `emotion` column of `utterances`.

A reader maps its corpus's own words to these names and keeps its own word in `emotion_original`.
"""

import difflib
import unicodedata
from collections.abc import Mapping

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

# Words that corpora and people use for the same thing; keys are lower case. English, German, Chinese, then French,
# Spanish, Italian, Portuguese, Dutch, Japanese and Korean, as far as a word means one thing in all of them.
_WORDS = {
    "neutral": "neu netural normal neutrality no_emotion emotionless sachlich 中性 中立 自然 neutre neutro neutraal "
    "neutralität 無感情 평상 중립",
    "sadness": "sad sorrow trauer traurig traurigkeit 悲伤 悲傷 伤心 傷心 难过 難過 悲哀 哀 tristesse triste tristeza "
    "tristezza verdrietig verdriet 悲しみ 슬픔",
    "disgust": "disgusted ekel angeekelt 厌恶 厭惡 恶心 dégoût degout asco disgusto nojo walging 嫌悪 혐오",
    "anger": "angry ang wut wütend wuetend ärger aerger ärgerlich aergerlich zorn zornig 生气 生氣 愤怒 憤怒 怒 气愤 "
    "colère colere ira enojo enfado rabbia raiva boos woede 怒り 분노",
    "happiness": "happy hap joy joyful joyous freude freudig froh fröhlich froehlich glück glücklich gluecklich 高兴 "
    "高興 快乐 快樂 开心 開心 喜悦 喜 joie heureux alegría alegria feliz felicidad felicità gioia felicidade blij "
    "vreugde 喜び 기쁨 행복",
    "boredom": "bored langeweile gelangweilt 无聊 無聊 厌倦 ennui aburrimiento noia tédio tedio verveling",
    "fear": "fearful afraid scared anxiety anxious fea angst ängstlich aengstlich furcht 害怕 恐惧 恐懼 惧 peur miedo "
    "paura medo 恐れ 두려움 공포",
    "surprise": "surprised suprise sur überraschung ueberraschung überrascht ueberrascht erstaunt 惊讶 驚訝 惊奇 驚奇 "
    "惊 surpris sorpresa surpresa verrast verrassing 驚き 놀람",
    "calm": "calmness ruhig ruhe gelassen 平静 平靜 冷静 冷靜 calme calma kalm",
    "contempt": "contemptuous verachtung 蔑视 蔑視 轻蔑 mépris desprecio disprezzo desprezo minachting",
    "excitement": "excited exc aufgeregt aufregung begeisterung begeistert 兴奋 興奮 激动 激動 excité emoción",
    "frustration": "frustrated fru frustriert 沮丧 沮喪 frustré frustración frustrazione frustração",
    "other": "others sonstige sonstiges andere anderes 其他 其它 autre otro altro outro",
}
SYNONYMS = {word: name for name, words in _WORDS.items() for word in words.split()}


class UnknownEmotion(ValueError):
    """A word that is none of the canonical names nor known to mean one.

    Attributes:
        word: as the corpus has it.
    """

    def __init__(self, word: str):
        super().__init__(f"unknown emotion word {word!r}; known are {', '.join(EMOTIONS)}, and their common forms")
        self.word = word


def canonical_emotion(word: str, own: Mapping[str, str] | None = None) -> str:
    """The canonical name of an emotion word, whatever its case.

    Args:
        word: the corpus's word.
        own: further words to canonical names, which win over the common ones.

    Raises:
        UnknownEmotion: the word is not known; the message lists the canonical names.
    """
    key = _key(word)
    name = {_key(k): v for k, v in (own or {}).items()}.get(key) or SYNONYMS.get(key, key)
    if name not in EMOTIONS:
        raise UnknownEmotion(word)
    return name


def likely_emotion(word: str) -> str:
    """The canonical name of the known word that is spelt most alike; `other` where none is."""
    known = (*EMOTIONS, *SYNONYMS)
    near = difflib.get_close_matches(_key(word), known, n=1, cutoff=0.75)
    return SYNONYMS.get(near[0], near[0]) if near else "other"


def _key(word: str) -> str:
    return unicodedata.normalize("NFC", word).strip().lower()
