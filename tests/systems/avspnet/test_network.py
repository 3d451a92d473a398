import pytest
import torch
from torch import nn

from semiser.systems.avspnet.network import AvSpNet, Encoder, dense_head, stage_sizes
from semiser.systems.avspnet.options import AvspnetNetworkOptions

TINY = AvspnetNetworkOptions(kernels=2, dense=6, latent=3, proxy_hidden=(5, 4))


def test_the_papers_encoder_has_its_sizes_and_weights():
    encoder = Encoder(AvspnetNetworkOptions(), (200, 80))
    assert encoder.sizes == [(200, 80), (198, 78), (66, 26), (64, 24), (21, 8)]
    assert encoder.widths == {"maps": 32 * 21 * 8, "statistics": 2 * 32 * 21, "dense": 1024}
    convolutions = (9 * 1 * 32 + 32) + 3 * (9 * 32 * 32 + 32)
    norms, dense = 4 * 2 * 32, (32 * 21 * 8) * 1024 + 1024
    assert sum(weight.numel() for weight in encoder.parameters()) == convolutions + norms + dense


def test_statistics_are_mean_and_deviation_of_each_bin_of_a_map_over_time():
    encoder = Encoder(TINY, (20, 20))
    encoder.stages = nn.Identity()
    found = encoder.layer(torch.tensor([[[1.0, 3.0], [2.0, 2.0]]]), "statistics")
    torch.testing.assert_close(found, torch.tensor([[2.0, 2.0, 1.0, 0.0]]), atol=2e-4, rtol=0)


def test_only_the_first_convolution_of_a_stage_is_padded():
    convolutions = [layer for layer in Encoder(TINY, (20, 20)).stages if isinstance(layer, nn.Conv2d)]
    assert [layer.padding for layer in convolutions] == [(1, 1), (0, 0), (1, 1), (0, 0)]


@pytest.mark.parametrize("size", [(200, 80), (20, 20), (31, 25)])
def test_the_decoder_mirrors_the_encoder(size):
    network = AvSpNet(TINY, size, reconstruction=True, classes=2)
    outputs = network(torch.randn(3, *size))
    assert outputs.reconstruction.shape == (3, *size) and outputs.proxy.shape == (3, 2)
    sizes = []
    for layer in network.reconstruction.stages:
        layer.register_forward_hook(lambda _, __, made: sizes.append(tuple(made.shape[2:])))
    network(torch.randn(1, *size))
    grown = [sizes[number] for number in range(len(sizes)) if number == 0 or sizes[number] != sizes[number - 1]]
    assert grown == network.encoder.sizes[-2::-1]


def test_heads_are_there_only_when_asked_for_and_gradients_reach_the_encoder_through_each():
    for reconstruction, classes in ((True, 0), (False, 2)):
        network = AvSpNet(TINY, (20, 20), reconstruction, classes)
        outputs = network(torch.randn(4, 20, 20))
        assert [output is not None for output in outputs] == [reconstruction, bool(classes)]
        next(output for output in outputs if output is not None).square().sum().backward()
        assert all(weight.grad is not None for weight in network.encoder.parameters())


def test_dropout_stands_before_the_output_layer_alone():
    head = dense_head(8, (5, 4), 3, dropout=0.5)
    assert [type(layer).__name__ for layer in head] == ["Linear", "ReLU", "Linear", "ReLU", "Dropout", "Linear"]
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [5, 4, 3]
    assert [type(layer).__name__ for layer in dense_head(8, (), 3)] == ["Dropout", "Linear"]


def test_a_segment_too_small_for_two_stages_is_refused():
    assert stage_sizes((17, 17), 3)[-1] == (1, 1)
    with pytest.raises(ValueError, match=r"segments of 16 bins x 20 frames are too small"):
        stage_sizes((16, 20), 3)
