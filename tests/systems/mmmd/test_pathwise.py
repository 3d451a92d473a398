import pytest
import torch
from torch.nn import functional as F

from semiser.systems.mmmd.pathwise import PathwiseInput, PathwiseLinear, _runs

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


def test_noise_behind_a_layer_is_distributed_as_noise_before_it():
    """Inputs 0 and 2 of three have noise, so that the covariance of the outputs is W^T M W, worked out here."""
    layer = PathwiseLinear([3], outputs=2)
    layer.weight.data = torch.tensor([[[1.0, 2.0], [5.0, 7.0], [0.0, 3.0]]])
    factor = layer.noise_factor(torch.tensor([[[1.0], [0.0], [1.0]]]))
    expected = torch.tensor([[1.0, 2.0], [2.0, 13.0]])  # [1 2]^T [1 2] + [0 3]^T [0 3]
    torch.testing.assert_close((factor.mT @ factor)[0], expected, rtol=0, atol=1e-3)
    factor.sum().backward()
    assert layer.weight.grad[0, 1].abs().max() == 0 and layer.weight.grad[0, [0, 2]].abs().min() > 0


def test_the_gradient_of_the_factor_is_that_of_numerical_differences():
    torch.manual_seed(0)
    layer = PathwiseLinear([6], outputs=3)
    out, step = torch.randn(1, 3, 3), 1e-2
    (layer.noise_factor() * out).sum().backward()
    for place in ((0, 0, 0), (0, 4, 1), (0, 5, 2)):
        values = []
        for change in (step, -step):
            with torch.no_grad():
                layer.weight[place] += change
                values.append((layer.noise_factor() * out).sum())
                layer.weight[place] -= change
        numerical = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close(layer.weight.grad[place], numerical, rtol=1e-2, atol=1e-3)


def test_noisy_copies_have_the_moments_of_noise_on_the_features():
    """A wide path, a narrow one and a quiet one: mean and covariance of 40,000 copies against W of each."""
    torch.manual_seed(0)
    paths = [[0, 1, 2, 3, 4, 5], [6, 7], [8]]
    layer = PathwiseInput(paths, outputs=3, quiet=[1, 8])
    x, count, deviation = torch.randn(2, 9), 40_000, 0.5
    copies = torch.arange(2).repeat_interleave(count)
    found = layer.noisy_copies(x, copies, deviation, 2 * count, slice(None)).detach()
    clean = layer(x).detach()
    for place, path in enumerate(layer.order):
        weight = next(part.weight[0] for part in layer.layers if part.weight.shape[1] == len(paths[path])).detach()
        noisy = torch.tensor([[float(column not in (1, 8))] for column in paths[path]])
        expected = deviation**2 * (weight * noisy).T @ (weight * noisy)
        for row in range(2):
            of_row = found[place, row * count : (row + 1) * count]
            torch.testing.assert_close(of_row.mean(0), clean[place, row], rtol=0, atol=0.01)
            torch.testing.assert_close(of_row.T.cov(), expected, rtol=0, atol=0.01)


def test_the_copies_that_are_kept_have_the_noise_that_all_were_drawn_with():
    layer = PathwiseInput([[0, 1, 2, 3], [4, 5]], outputs=3)
    x, copies, kept = torch.randn(2, 6), torch.tensor([0, 1, 1, 0]), torch.tensor([3, 1])
    torch.manual_seed(0)
    every = layer.noisy_copies(x, copies, 0.5, 4, slice(None))
    torch.manual_seed(0)
    torch.testing.assert_close(layer.noisy_copies(x, copies[kept], 0.5, 4, kept), every[:, kept])


@pytest.mark.parametrize("outputs", [128, 8])  # noise on the inputs; noise behind the layer
def test_after_sixty_steps_no_noise_has_come_through_padding_or_to_quiet_inputs(outputs):
    """Paths of 38, 35 (one-hot, without noise) and 42 columns share a product that is 42 wide."""
    torch.manual_seed(0)
    paths = [list(range(0, 38)), list(range(38, 73)), list(range(73, 115))]
    layer = PathwiseInput(paths, outputs, quiet=paths[1])
    x, target = torch.randn(16, 115), torch.randn(3, 32, outputs)
    copies = torch.arange(16).repeat(2)
    optimiser = torch.optim.AdamW(layer.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        (layer.noisy_copies(x, copies, 0.5, 32, slice(None)) - target).square().mean().backward()
        optimiser.step()
    (bucket,) = layer.layers
    for place, path in enumerate(layer.order):
        assert bucket.weight[place, len(paths[path]) :].abs().sum() == 0
    quiet = layer.order.index(1)
    found = layer.noisy_copies(x, torch.zeros(50, dtype=torch.long), 0.5, 50, slice(None)).detach()
    spread = found.std(1).mean(1)
    if bucket.is_wide:  # the ridge of the Cholesky factor is all that is left
        assert spread[quiet] < 1e-6
    else:
        assert spread[quiet] == 0
    assert all(spread[place] > 0.05 for place in range(3) if place != quiet)
