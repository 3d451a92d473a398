"""BEGAN: classifiers on the encoder of an adversarial autoencoder."""
