"""BEGAN's networks: sizes by hand, folding, and what the classifier pools."""

import pytest
import torch

from semiser.networks.began import Autoencoder, Decoder, Encoder, FeatureMap, Layout, MapClassifier, fold, unfold
from semiser.networks.began import statistics as pooled
from semiser.options.began import BeganNetworkOptions, ClassifierOptions

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
