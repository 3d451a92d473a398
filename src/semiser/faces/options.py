"""`params:train_faces`: the networks behind the face families, and the images they learn from."""

from typing import Any, Literal

from pydantic import field_validator, model_validator

from semiser.options.base import Options
from semiser.options.face_features import DfaceTrainingOptions, ExpressionTrainingOptions


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
        images: what it learns from: a set of images, or `drawn`, faces drawn by a program, which cost nothing and mean
            nothing for real ones.
        training: network, classes, optimiser, augmentation.
    """

    images: FaceImagesOptions | Literal["drawn"]
    training: ExpressionTrainingOptions = ExpressionTrainingOptions()

    @field_validator("images", mode="before")
    @classmethod
    def _images_are_given(cls, images: Any) -> Any:
        if images is None or (isinstance(images, dict) and images.get("root") is None):
            raise ValueError(
                "no face images are given: say `reader` and `root` (docs/corpora.md), or `drawn` to try the chain with "
                "faces drawn by a program"
            )
        return FaceImagesOptions(**images) if isinstance(images, dict) else images


class DfaceNetworkOptions(FaceNetworkOptions):
    """The network of Dface, MSSGAN's by default."""

    training: DfaceTrainingOptions = DfaceTrainingOptions()


class TrainFacesOptions(Options):
    """The `train_faces` parameter group; a network that is not configured is not trained."""

    expression: FaceNetworkOptions | None = None
    dface: DfaceNetworkOptions | None = None
