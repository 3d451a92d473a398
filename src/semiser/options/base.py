"""The base of every options model."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Typed options: an unknown key or a wrong type is an error that names the key; values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
