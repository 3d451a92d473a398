import pytest
import torch
from pydantic import ValidationError

from semiser.faces.densenet import DenseLayer, DenseNet, Transition
from semiser.faces.network import build_expression_network, to_input
from semiser.options.face_features import DenseNetOptions, MobileNetOptions

TINY = DenseNetOptions(depth=10, growth=4, input_size=16)


def test_depth_100_growth_12_has_the_papers_channels_and_342_features():
    network = DenseNet(DenseNetOptions(), 8)
    transitions = [stage for stage in network.stages if isinstance(stage, Transition)]
    assert network.stem.out_channels == 24
    assert [(stage.conv.in_channels, stage.conv.out_channels) for stage in transitions] == [(216, 108), (300, 150)]
    assert (network.num_features, network.norm.num_features) == (342, 342)
    assert sum(isinstance(stage, DenseLayer) for stage in network.stages) == 48


def test_parameters_are_those_of_the_published_cifar_network():
    network = DenseNet(DenseNetOptions(channels=3), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 769_162


def test_a_64_pixel_face_ends_as_a_16_pixel_map():
    network = DenseNet(DenseNetOptions(depth=10, growth=4), 8).eval()
    x = torch.randn(2, 1, 64, 64)
    assert network.stages(network.stem(x)).shape == (2, 9, 16, 16)  # 8 -> 12 -> 6 -> 10 -> 5 -> 9 channels
    assert network.pooled(x).shape == (2, 9)


def test_the_logits_are_linear_in_the_pooled_features():
    network = DenseNet(TINY, 3).eval()
    x = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(network(x), network.pooled(x) @ network.classifier.weight.T + network.classifier.bias)
    assert (network.pooled(x) >= 0).all()


def test_a_layer_keeps_its_input_and_appends_the_new_channels():
    x = torch.randn(2, 6, 5, 5)
    out = DenseLayer(6, 4, 0.0).eval()(x)
    assert out.shape == (2, 10, 5, 5)
    assert torch.equal(out[:, :6], x)


def test_a_depth_that_does_not_fit_is_refused():
    with pytest.raises(ValidationError, match="depth must be 6 n \\+ 4"):
        DenseNetOptions(depth=20)


def test_every_parameter_of_both_networks_gets_a_gradient():
    tiny_mobile = MobileNetOptions(input_size=16, channels=1, stages=((1, 8, 1, 1), (2, 8, 2, 1)), last_channels=8)
    for options in (TINY, tiny_mobile):
        network = build_expression_network(options, 3)
        faces = torch.randint(256, (4, 1, 16, 16), dtype=torch.uint8)
        (network(to_input(faces)) * torch.randn(4, 3)).sum().backward()
        network.classifier.zero_grad()
        network(to_input(faces)).log_softmax(1)[:, 0].sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name


def test_input_runs_from_minus_one_to_one():
    faces = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    torch.testing.assert_close(to_input(faces).flatten(), torch.tensor([-1.0, -0.6, 1.0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_lie_side_by_side_with_their_channels_inside(channels):
    faces = torch.tensor([0, 51, 255, 102], dtype=torch.uint8).reshape(1, 1, 2, 2).expand(3, channels, 2, 2)
    found = to_input(faces)
    assert found.stride() == (4 * channels, 1, 2 * channels, channels)
    torch.testing.assert_close(found[0, 0], torch.tensor([[-1.0, -0.6], [1.0, -0.2]]))
