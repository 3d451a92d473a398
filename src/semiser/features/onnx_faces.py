"""Expression networks in ONNX files: faces as their makers prepare them, and their classes as ours."""

from collections.abc import Sequence

import numpy as np

from semiser.corpora.emotions import UnknownEmotion, canonical_emotion
from semiser.faces.crop import resize_face
from semiser.features.onnx_network import OnnxNetwork, network_of
from semiser.options.onnx import FaceOnnxOptions

OPTION = "features.expression.onnx"


def our_classes(options: FaceOnnxOptions) -> dict[str, list[int]]:
    """Our classes to the places of the network's that are it, in the order of the network's.

    Raises:
        ValueError: a class is none of ours by any word.
    """
    ours: dict[str, list[int]] = {}
    for place, word in enumerate(options.classes):
        name = options.table.get(word, word)
        if name is None:
            continue
        try:
            ours.setdefault(canonical_emotion(name), []).append(place)
        except UnknownEmotion as error:
            raise ValueError(
                f"{OPTION}.classes: {name} is no emotion known here: say in {OPTION}.table which it is, as in "
                f"{{{name}: happiness}}, or null to leave it out"
            ) from error
    if len(ours) < 2:
        raise ValueError(f"{OPTION}.table leaves {len(ours)} of {len(options.classes)} classes: two are needed")
    return ours


class OnnxFaces:
    """An expression network, of faces of any size.

    Attributes:
        size: side of its input in pixels.
    """

    def __init__(self, options: FaceOnnxOptions):
        """Load the network and see that it takes what the options make and gives a score for each class.

        Args:
            options: with the hash of the file.

        Raises:
            ValueError: it does not.
        """
        self.options, self._network = options, network_of(options, OPTION)
        self.size = options.input_size or _size_of(self._network, options)
        picture: tuple[int, ...] = (options.channels, self.size, self.size)
        if options.layout == "nhwc":
            picture = (self.size, self.size, options.channels)
        self._network.check((None, *picture), f"pictures, {', '.join(options.layout[1:])}")
        found = self._scores(np.zeros((1, self.size, self.size, options.channels), np.uint8), 1)
        if found.shape != (1, len(options.classes)):
            raise ValueError(
                f"{OPTION}.classes names {len(options.classes)}, and of one face the network gives {found.shape[1:]} "
                f"scores: name its classes in their order, or another output ({OPTION}.output)"
            )
        self._ours = list(our_classes(options).values())

    def pictures(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Square RGB uint8 crops of any size as the network's pictures, uint8 (N, size, size, channels)."""
        grey = self.options.colour == "grey"
        faces = np.stack([resize_face(crop, self.size, grey) for crop in crops])
        faces = faces.reshape(len(crops), self.size, self.size, self.options.channels)
        return faces[..., ::-1] if self.options.colour == "bgr" else faces

    def probabilities(self, pictures: np.ndarray, most: int) -> np.ndarray:
        """Probabilities of our classes.

        Args:
            pictures: as of `pictures`.
            most: that are computed at once.

        Returns:
            float32 of shape (N, classes); rows add up to 1.

        Raises:
            ValueError: the output is no probabilities and is said to be.
        """
        scores = self._scores(pictures, most).astype(np.float64)
        if self.options.scores == "logits":
            scores = np.exp(scores - scores.max(1, keepdims=True))
        elif (np.abs(scores.sum(1) - 1) > 0.01).any() or scores.min() < -1e-3:
            raise ValueError(
                f"{OPTION}.scores: the network's scores of a face add up to {scores.sum(1)[0]:g} and begin at "
                f"{scores.min():g}: they are no probabilities, give logits"
            )
        ours = np.stack([scores[:, places].sum(1) for places in self._ours], axis=1)
        return (ours / np.maximum(ours.sum(1, keepdims=True), 1e-12)).astype(np.float32)

    def _scores(self, pictures: np.ndarray, most: int) -> np.ndarray:
        options = self.options
        low, high = options.value_range
        values: np.ndarray = low + pictures.astype(np.float32) * ((high - low) / 255)
        values = (values - np.asarray(options.mean, np.float32)) / np.asarray(options.std, np.float32)
        found = self._network.in_batches(values if options.layout == "nhwc" else values.transpose(0, 3, 1, 2), most)
        return found.reshape(len(pictures), -1)


def _size_of(network: OnnxNetwork, options: FaceOnnxOptions) -> int:
    """The side of the square that the file asks for."""
    height = network.shape[2 if options.layout == "nchw" else 1] if len(network.shape) == 4 else None
    if height is None:
        raise ValueError(f"{OPTION}.input_size: the file takes pictures of any size: say which it was trained on")
    return height
