"""BEGAN's networks: sizes by hand, folding, and what the classifier pools."""

import pytest
import torch

from semiser.systems.began.network import (
    MEL_CORNER,
    Autoencoder,
    Decoder,
    Encoder,
    FeatureMap,
    Layout,
    MapClassifier,
    Standardise,
    cepstral_transform,
    fold,
    unfold,
)
from semiser.systems.began.network import statistics as pooled
from semiser.systems.began.options import BeganNetworkOptions, CepstrumOptions, ClassifierOptions

SMALL = BeganNetworkOptions(filters=2, code=3, convolutions=1, fold=(2, 1), smallest=(2, 2))


@pytest.mark.parametrize(
    ("shape", "options", "used", "strides", "last"),
    [
        # 513 bins: the Nyquist bin goes; six halvings to 8, two of the 32 frames
        ((513, 32), BeganNetworkOptions(), (512, 32), ((2, 2), (2, 2), (2, 1), (2, 1), (2, 1), (2, 1)), (8, 8)),
        ((513, 32), BeganNetworkOptions(fold=(8, 1)), (512, 32), ((2, 2), (2, 2), (2, 1)), (8, 8)),
        ((13, 5), SMALL, (12, 4), ((2, 2),), (3, 2)),  # 13 / 2 = 6 -> 3 bins; 5 -> 2 frames
        ((5, 2), SMALL, (4, 2), (), (2, 2)),
    ],
)
def test_the_layout_follows_both_dimensions(shape, options, used, strides, last):
    layout = Layout.of(shape, options)
    assert (layout.used, layout.strides, layout.last) == (used, strides, last)


def test_a_chunk_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match=r"chunks have 3 bins, folded by 2 fewer than smallest=2"):
        Layout.of((3, 8), SMALL)


def test_folding_puts_neighbours_into_channels_and_back():
    x = torch.arange(24.0).view(1, 4, 6)
    folded = fold(x, (2, 3))
    assert folded.shape == (1, 6, 2, 2)
    assert folded[0, :, 0, 1].tolist() == [3, 4, 5, 9, 10, 11]  # bins 0 and 1, frames 3 to 5
    assert torch.equal(unfold(folded, (2, 3)), x)


def test_filters_grow_linearly_and_every_network_has_the_size_of_the_modelled_part():
    encoder, decoder, both = (kind((13, 9), SMALL) for kind in (Encoder, Decoder, Autoencoder))
    x = torch.randn(5, 13, 9)
    assert encoder.map.map_shape == (6, 3, 2) == tuple(encoder.map(x).shape[1:])  # 6 x 9 -> 3 x 4 -> 3 x 2
    assert encoder(x).shape == (5, 3)
    assert decoder(torch.randn(5, 3)).shape == (5, 12, 8) == both(x).shape
    assert [layer.out_channels for layer in encoder.map.convolutions[::2]] == [2, 2, 4, 4, 6, 6]
    assert {layer.out_channels for layer in decoder.convolutions if hasattr(layer, "out_channels")} == {2}


def test_the_map_of_a_stage_is_what_the_encoder_has_there():
    whole, part = FeatureMap((13, 9), SMALL), FeatureMap((13, 9), SMALL, stage=1)
    part.load_state_dict({name: tensor for name, tensor in whole.state_dict().items() if name in part.state_dict()})
    x = torch.randn(2, 13, 9)
    assert part.map_shape == (4, 3, 4)
    torch.testing.assert_close(whole.convolutions[len(part.convolutions) :](part(x)), whole(x))
    with pytest.raises(ValueError, match="stage must be 0 to 2"):
        FeatureMap((13, 9), SMALL, stage=3)


def test_statistics_are_mean_deviation_and_maximum():
    x = torch.tensor([[[0.0, 2.0], [5.0, 5.0]]])
    torch.testing.assert_close(pooled(x), torch.tensor([[1.0, 5.0, 1.0, 0.0, 2.0, 5.0]]), atol=4e-3, rtol=0)


def test_change_is_the_mean_step_and_0_where_there_is_none():
    x = torch.tensor([[[0.0, 2.0, -1.0], [5.0, 5.0, 6.0]]])
    torch.testing.assert_close(pooled(x, ["change", "maximum"]), torch.tensor([[2.5, 0.5, 2.0, 6.0]]))
    assert pooled(x[..., :1], ["change"]).tolist() == [[0.0, 0.0]]


def test_two_bands_meet_in_the_middle_of_the_mel_scale_and_are_summed_and_subtracted():
    # log(1 + f / 700) is half of that of 8,000 where f = 700 (sqrt(87 / 7) - 1) = 1,768: the lower band has 1.768 bins
    border = 8 * MEL_CORNER * ((1 + 1 / MEL_CORNER) ** 0.5 - 1)
    assert border == pytest.approx(1.768, abs=1e-3)
    low = torch.tensor([1, border - 1, 0, 0, 0, 0, 0, 0]) / border
    high = torch.tensor([0, 2 - border, 1, 1, 1, 1, 1, 1]) / (8 - border)
    found = cepstral_transform(8, CepstrumOptions(bands=2, coefficients=2))
    torch.testing.assert_close(found, torch.stack([low + high, low - high]) / 2**0.5)


def test_bands_narrower_than_a_bin_lose_nothing_of_a_flat_map():
    """The transform is orthonormal over the bands, so a constant is its first coefficient, times the root of bands."""
    found = cepstral_transform(3, CepstrumOptions(bands=9, coefficients=9)) @ torch.full((3,), 2.0)
    torch.testing.assert_close(found, torch.tensor([2.0 * 3, *[0.0] * 8]))


def test_a_map_may_be_given_as_its_cepstrum():
    cepstrum = CepstrumOptions(bands=4, coefficients=3)
    plain, transformed = FeatureMap((13, 9), SMALL, 1), FeatureMap((13, 9), SMALL, 1, cepstrum)
    transformed.load_state_dict(plain.state_dict())  # the transform is no weight
    x = torch.randn(2, 13, 9)
    assert transformed.map_shape == (4, 3, 4) == tuple(transformed(x).shape[1:])
    expected = cepstral_transform(3, cepstrum) @ plain(x)
    torch.testing.assert_close(transformed(x), expected)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(ValueError, match="coefficients=5 must be at most bands=4"):
        CepstrumOptions(bands=4, coefficients=5)


def test_standardising_takes_mean_and_deviation_of_all_parts_and_leaves_a_constant_undivided():
    standard = Standardise(2)
    standard.fit([torch.tensor([[1.0, 7.0], [3.0, 7.0]]), torch.tensor([[5.0, 7.0]])])
    deviation = (8 / 3) ** 0.5
    found = standard(torch.tensor([[1.0, 9.0], [3.0, 7.0]]))
    torch.testing.assert_close(found, torch.tensor([[-2 / deviation, 2.0], [0.0, 0.0]]))


def test_hidden_layers_stand_between_the_pooled_values_and_the_output():
    options = ClassifierOptions(filters=[], hidden=[6, 4], statistics=["mean", "change"], standardise=True)
    classifier = MapClassifier((2, 3, 5), 7, options).eval()
    assert [layer.weight.shape for layer in classifier.hidden if hasattr(layer, "weight")] == [(6, 12), (4, 6)]
    x = torch.randn(6, 2, 3, 5)
    hidden = torch.cat([x.mean(-1).flatten(1), x.diff(dim=-1).abs().mean(-1).flatten(1)], 1)
    for layer in (classifier.hidden[1], classifier.hidden[4]):
        hidden = torch.nn.functional.elu(layer(hidden))
    torch.testing.assert_close(classifier(x), classifier.output(hidden))


@pytest.mark.parametrize(("pool", "width"), [("frames", 3 * 4 * 3), ("all", 3 * 4), ("none", 4 * 3 * 5)])
def test_the_classifier_pools_as_asked_and_takes_flat_maps(pool, width):
    options = ClassifierOptions(filters=[4], pool=pool)
    classifier = MapClassifier((2, 3, 5), 7, options).eval()
    x = torch.randn(6, 2, 3, 5)
    assert classifier.output.in_features == width
    torch.testing.assert_close(classifier(x), classifier(x.flatten(1, 2)))
    assert classifier(x).shape == (6, 7)


def test_gradients_of_a_constant_map_are_finite():
    x = torch.zeros(2, 2, 3, 5, requires_grad=True)
    MapClassifier((2, 3, 5), 2, ClassifierOptions(filters=[4])).eval()(x).sum().backward()
    assert x.grad.isfinite().all()
