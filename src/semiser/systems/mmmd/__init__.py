"""MMMD: multi-path, multi-modal MixMatch (Zhou et al., AAAI 2021)."""
