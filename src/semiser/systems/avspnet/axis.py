"""The frequency axis of segments: the paper's bins of equal width, or, ours, mel bands or the cepstra of these."""

import numpy as np

from semiser.features.spectra import mel_filters
from semiser.options.audio_features import SegmentsOptions
from semiser.systems.avspnet.options import MelAxisOptions


def on_mel_axis(segments: np.ndarray, made_by: SegmentsOptions, axis: MelAxisOptions) -> np.ndarray:
    """Segments with mel bands, or their cepstra, in place of bins.

    A band is ln(sum_k w_k |X_k|^2) with HTK's triangles from 0 Hz to the segments' cutoff. Cepstra are the orthonormal
    cosine transform (DCT-II) of the bands of a frame.

    Args:
        segments: ln magnitudes, (S, bins, frames).
        made_by: what they were extracted with.
        axis: bands and coefficients.

    Returns:
        (S, `axis.size`, frames), float32.

    Raises:
        ValueError: a band would lie between two bins.
    """
    from scipy.fft import dct

    step_hz = made_by.sample_rate_hz / made_by.dft_size
    high_hz = made_by.bins * step_hz
    filters = mel_filters(made_by.sample_rate_hz, made_by.dft_size, axis.bands, 0.0, high_hz, "htk")[:, : made_by.bins]
    power = np.exp(2 * segments.astype(np.float64))
    bands = np.log(np.maximum(filters @ power, made_by.floor**2))
    if axis.coefficients is None:
        return bands.astype(np.float32)
    return dct(bands, axis=-2, norm="ortho")[..., : axis.coefficients, :].astype(np.float32)
