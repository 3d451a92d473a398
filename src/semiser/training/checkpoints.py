"""How Fabric writes a checkpoint here."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from semiser.publish import publishing_on_disk


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are complete or absent, and synced before they have their name."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Publish a checkpoint."""
        buffer = io.BytesIO()  # `torch.save` hides why a file could not be written, and a full disk is one reason
        torch.save(checkpoint, buffer)
        with publishing_on_disk(Path(path), size=buffer.tell()) as file:
            file.write(buffer.getbuffer())
