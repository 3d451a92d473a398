import torch
from torch.nn import functional as F

from semiser.networks.pathwise import PathwiseInput, PathwiseLinear, _runs

PATHS = [[0, 3, 5], [1, 2], [4], [6, 7, 8, 9, 10, 11]]


def test_the_batched_product_equals_a_loop_over_paths():
    torch.manual_seed(0)
    layer = PathwiseInput(PATHS, outputs=4)
    x = torch.randn(5, 12)
    found = layer(x)
    assert found.shape == (4, 5, 4)
    assert layer.order == [2, 1, 0, 3]
    parameters = [(part.weight[row], part.bias[row]) for part in layer.layers for row in range(len(part.weight))]
    for place, path in enumerate(layer.order):
        weight, bias = parameters[place]
        columns = PATHS[path]
        torch.testing.assert_close(found[place], x[:, columns] @ weight[: len(columns)] + bias)


def test_weights_of_padding_are_zero_and_stay_without_gradient():
    layer = PathwiseLinear([2, 3], outputs=4)
    assert layer.weight[0, 2].abs().sum() == 0
    x = torch.randn(2, 5, 3)
    x[0, :, 2] = 0
    layer(x).square().sum().backward()
    assert layer.weight.grad[0, 2].abs().sum() == 0
    assert layer.weight.grad[1, 2].abs().min() > 0


def test_each_path_starts_as_a_linear_layer_of_its_own_width_would():
    torch.manual_seed(0)
    layer = PathwiseLinear([4, 400], outputs=500)
    for path, width in enumerate([4, 400]):
        bound = width**-0.5
        weights = layer.weight[path, :width]
        assert 0.95 * bound < weights.abs().max() <= bound
        assert abs(weights.std() - torch.nn.Linear(width, 500).weight.std()) < 0.03 * bound


def test_similar_widths_share_a_product():
    widths = [42, 630, 336, 336, 42, 42, 40, 38, 38, 38]
    starts = [sum(widths[:number]) for number in range(len(widths))]
    layer = PathwiseInput([range(start, start + width) for start, width in zip(starts, widths, strict=True)], 8)
    assert [tuple(part.weight.shape[:2]) for part in layer.layers] == [(7, 42), (2, 336), (1, 630)]


def test_second_layers_keep_paths_apart():
    layer = PathwiseLinear([3, 3], outputs=2)
    x = torch.randn(2, 5, 3)
    expected = torch.stack([F.linear(x[p], layer.weight[p].T, layer.bias[p, 0]) for p in range(2)])
    torch.testing.assert_close(layer(x), expected)


def test_columns_are_copied_in_runs_of_neighbours():
    assert _runs([7, 8, 9, 2, 3, 5]) == [(0, 7, 10), (3, 2, 4), (5, 5, 6)]
