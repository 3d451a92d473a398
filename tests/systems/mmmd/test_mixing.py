import pytest
import torch

from semiser.systems.mmmd.mixing import align, draw_lambda, draw_partners, mix, sharpen


def test_sharpen_raises_to_the_inverse_temperature():
    q = torch.tensor([[0.5, 0.3, 0.2]])
    expected = torch.tensor([[0.25, 0.09, 0.04]]) / 0.38  # T = 0.5: squares
    torch.testing.assert_close(sharpen(q, 0.5), expected)
    torch.testing.assert_close(sharpen(q, 1.0), q)


def test_sharpen_with_a_small_temperature_and_a_zero_stays_finite():
    found = sharpen(torch.tensor([[0.0, 0.4, 0.6]]), 0.01)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0, 1.0]]))


def test_mix_weighs_the_first_by_lambda_and_the_second_by_the_rest():
    values = torch.tensor([[1.0, 0.0], [0.0, 8.0]], requires_grad=True)
    found = mix(values, torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    torch.testing.assert_close(found, torch.tensor([[0.75, 2.0], [0.5, 4.0]]))
    found[0].sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([[0.75, 0.75], [0.25, 0.25]]))


def test_the_gradient_of_a_whole_mixture_is_that_of_numerical_differences():
    torch.manual_seed(0)
    values, order, lam = torch.randn(2, 5, 3, dtype=torch.float64), torch.randperm(5), torch.rand(5).double()
    assert torch.autograd.gradcheck(lambda v: mix(v, order, lam, axis=1), values.requires_grad_())


def test_mix_takes_labels_of_several_classifiers():
    targets = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.5, 0.5]]])
    found = mix(targets, torch.tensor([1, 0]), torch.tensor([0.9, 0.6]))
    expected = torch.tensor([[[0.9, 0.1], [0.95, 0.05]], [[0.4, 0.6], [0.7, 0.3]]])
    torch.testing.assert_close(found, expected)


def test_lambda_is_drawn_from_the_upper_half_of_a_beta_distribution():
    torch.manual_seed(0)
    lam = draw_lambda(100_000, 0.75, torch.device("cpu"))
    assert lam.min() >= 0.5 and lam.max() <= 1
    from scipy.integrate import quad
    from scipy.stats import beta

    expected = quad(lambda value: max(value, 1 - value) * beta.pdf(value, 0.75, 0.75), 0, 1, points=[0.5])[0]
    assert lam.mean().item() == pytest.approx(expected, abs=2e-3)


def test_alignment_scales_guesses_to_what_is_wanted():
    q = torch.tensor([[0.5, 0.3, 0.2]])
    found = align(q, torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.5, 0.3, 0.2]))
    torch.testing.assert_close(found, torch.tensor([[0.2, 0.3, 0.5]]))
    unwanted = align(torch.tensor([[0.0, 1.0]]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(sharpen(unwanted, 0.5), torch.tensor([[0.5, 0.5]]))


def test_partners_apart_stay_in_their_part():
    torch.manual_seed(0)
    found = draw_partners(3, 5, apart=True)
    assert sorted(found[:3].tolist()) == [0, 1, 2] and sorted(found[3:].tolist()) == [3, 4, 5, 6, 7]
    assert sorted(draw_partners(3, 5, apart=False).tolist()) == list(range(8))
