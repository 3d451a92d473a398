import pytest
import torch

from semiser.faces.mobilenet import InvertedResidual, MobileNetV2
from semiser.options.face_features import MobileNetOptions

TINY = MobileNetOptions(
    input_size=32, stem_channels=8, stages=((1, 8, 1, 1), (4, 12, 2, 2)), last_channels=16, divisor=4
)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    "width, classes, expected", [(1.0, 1000, 3_504_872), (0.5, 1000, 1_968_680), (1.0, 7, 2_232_839)]
)
def test_parameters_are_those_of_the_published_network(width, classes, expected):
    # 3,504,872 and 1,968,680: torchvision and timm; 7 classes: less 993 x (1,280 weights and a bias)
    assert count(MobileNetV2(MobileNetOptions(width=width), classes)) == expected


def test_parameters_of_a_tiny_network_by_hand():
    stem = 3 * 8 * 9 + 2 * 8
    first = 8 * 9 + 2 * 8 + 8 * 8 + 2 * 8
    second = (8 * 32 + 2 * 32) + (32 * 9 + 2 * 32) + (32 * 12 + 2 * 12)
    third = (12 * 48 + 2 * 48) + (48 * 9 + 2 * 48) + (48 * 12 + 2 * 12)
    last = 12 * 16 + 2 * 16 + 16 * 7 + 7
    assert count(MobileNetV2(TINY, 7)) == stem + first + second + third + last


def test_names_are_torchvisions():
    names = MobileNetV2(MobileNetOptions(), 1000).state_dict()
    expected = ["features.0.0.weight", "features.1.conv.1.weight", "features.2.conv.1.0.weight", "features.18.1.bias"]
    assert {*expected, "features.2.conv.3.running_var", "classifier.1.weight"} <= set(names)
    assert len(names) == 314


def test_the_map_is_a_thirty_second_of_the_input_and_is_averaged():
    network = MobileNetV2(MobileNetOptions(width=0.35), 7).eval()
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert network.features(x).shape == (2, 1280, 3, 3)
    torch.testing.assert_close(network.pooled(x), network.features(x).flatten(2).mean(-1))
    torch.testing.assert_close(network(x), network.classifier[1](network.pooled(x)))


def test_a_residual_block_adds_its_input_and_others_do_not():
    x = torch.randn(1, 8, 6, 6)
    same, wider, halved = (InvertedResidual(8, out, stride, 2).eval() for out, stride in [(8, 1), (12, 1), (8, 2)])
    torch.testing.assert_close(same(x), x + same.conv(x))
    torch.testing.assert_close(wider(x), wider.conv(x))
    assert halved(x).shape == (1, 8, 3, 3)


def test_channels_are_rounded_to_the_divisor_but_never_lose_more_than_a_tenth():
    # 24 x 0.35 = 8.4 -> 8 (not below 7.56); 1.1 x 16 = 17.6 -> 16 (not below 15.84); 11 -> 8 would lose a quarter -> 16
    network = MobileNetV2(MobileNetOptions(stem_channels=24, stages=((1, 11, 1, 1),), width=1.0), 2)
    assert network.features[1].conv[-1].num_features == 16
    narrow = MobileNetV2(MobileNetOptions(stem_channels=24, stages=((1, 16, 1, 1),), width=0.35), 2)
    assert narrow.features[0][1].num_features == 8
    assert narrow.num_features == 1280
