"""Files that hold sound, by the endings of their names."""

import soundfile

VIDEO = (".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp")
AUDIO = (
    *(f".{name.lower()}" for name in soundfile.available_formats()),
    *(".wave", ".aif", ".sph", ".opus"),  # read by libsndfile, too
    *(".m4a", ".aac", ".wma", ".amr", ".ac3", ".mka"),
)
