"""`params:train_faces`: the networks behind the face families, and the images they learn from."""

from typing import Any

from pydantic import model_validator

from semiser.options.base import Options
from semiser.options.face_features import ExpressionTrainingOptions


class FaceImagesOptions(Options):
    """A set of labelled face images.

    Attributes:
        reader: `rafdb`, `ferplus` or `face_folder`, see docs/corpora.md.
        root: folder of the images.
        options: options of that reader.
    """

    reader: str
    root: str
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _reader_knows_its_options(self) -> "FaceImagesOptions":
        from semiser.faces.registry import get_face_reader

        get_face_reader(self.reader).options(**self.options)
        return self


class FaceNetworkOptions(Options):
    """One network and its training.

    Attributes:
        images: what it learns from; None takes drawn faces.
        training: network, classes, optimiser, augmentation.
    """

    images: FaceImagesOptions | None = None
    training: ExpressionTrainingOptions = ExpressionTrainingOptions()


class TrainFacesOptions(Options):
    """The `train_faces` parameter group; null switches a network off."""

    expression: FaceNetworkOptions | None = None
    dface: FaceNetworkOptions | None = None
