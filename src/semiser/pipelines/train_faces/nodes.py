"""The node that trains the networks behind the face families."""

from typing import Any

from semiser.faces.options import TrainFacesOptions
from semiser.options.places import PlacesOptions
from semiser.options.training import TrainingOptions


def train_face_networks(
    options: TrainFacesOptions, training: TrainingOptions, places: PlacesOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The networks of the `expression` and of the `dface` family: their cards; {} where none is to be trained."""
    networks = {"expression": options.expression, "dface": options.dface}
    wanted = {f"{places.models}/faces/{name}": network for name, network in networks.items() if network}
    if not wanted:
        return {}, {}
    from semiser.demo.face_data import draw_faces
    from semiser.faces.fit import train

    cards = dict(zip(wanted, train(wanted, training, draw_faces), strict=True))
    expression, dface = (cards.get(f"{places.models}/faces/{name}", {}) for name in networks)
    return expression, dface
