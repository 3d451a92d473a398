"""Networks that read expressions from faces: images, networks, training."""
