"""MSSGAN: multimodal semi-supervised GAN (Zhao et al., ACII 2019)."""
