import pytest
import torch

from semiser.systems.mmmd.compact_bilinear import CompactBilinear, CountSketch, PooledLinear


def test_count_sketch_adds_signed_values_in_their_buckets():
    sketch = CountSketch(4, 3, seed=0)
    sketch.h = torch.tensor([2, 0, 2, 1])
    sketch.s = torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert sketch(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[-2.0, 4.0, -2.0]]


def test_pooling_equals_the_sketch_of_the_explicit_outer_product():
    torch.manual_seed(0)
    pool = CompactBilinear(5, 7, 16, seed=3)
    x1, x2 = torch.randn(4, 5), torch.randn(4, 7)
    expected = torch.zeros(4, 16)
    for i in range(5):
        for j in range(7):
            bucket = (pool.first.h[i] + pool.second.h[j]) % 16
            expected[:, bucket] += pool.first.s[i] * pool.second.s[j] * x1[:, i] * x2[:, j]
    torch.testing.assert_close(pool(x1, x2), expected, rtol=1e-5, atol=1e-6)


def test_hashes_belong_to_the_seed_and_leave_the_global_random_state_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, second, other = (CompactBilinear(50, 50, 64, seed=seed) for seed in (1, 1, 9))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.first.h, second.first.h) and not torch.equal(first.first.h, other.first.h)
    assert not torch.equal(first.first.h, first.second.h)
    assert set(first.state_dict()) == {"first.h", "first.s", "second.h", "second.s"}


def test_autocast_does_not_reach_the_fft():
    pool = CompactBilinear(5, 7, 16)
    x1, x2 = torch.randn(4, 5), torch.randn(4, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pool(x1.bfloat16(), x2.bfloat16()).dtype == torch.float32


def test_gradients_reach_both_inputs():
    x1, x2 = torch.randn(2, 5, requires_grad=True), torch.randn(2, 7, requires_grad=True)
    CompactBilinear(5, 7, 16)(x1, x2).square().sum().backward()
    assert x1.grad.abs().min() > 0 and x2.grad.abs().min() > 0


@pytest.mark.parametrize("size", [6, 7])
def test_a_linear_layer_on_the_pooled_vector_needs_no_transform_back(size):
    torch.manual_seed(0)
    pool, layer = CompactBilinear(5, 4, size), torch.nn.Linear(size, 3)
    x1, x2 = torch.randn(2, 5), torch.randn(2, 4)
    found = pool.linear(x1, x2, layer.weight, layer.bias)
    torch.testing.assert_close(found, layer(pool(x1, x2)), rtol=1e-5, atol=1e-6)
    shapes, pool = ((2, 5), (2, 4), (3, size)), pool.double()
    inputs = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *x: PooledLinear.apply(*x, pool.first, pool.second, True), inputs)


def test_a_batch_in_several_parts_gives_the_values_and_gradients_of_autograd():
    torch.manual_seed(0)
    pool, layer = CompactBilinear(5, 4, 16), torch.nn.Linear(16, 3)
    x1, x2, out = torch.randn(70, 5, requires_grad=True), torch.randn(70, 4, requires_grad=True), torch.randn(70, 3)
    found = torch.autograd.grad((pool.linear(x1, x2, layer.weight, layer.bias) * out).sum(), [x1, x2, layer.weight])
    expected = torch.autograd.grad((layer(pool(x1, x2)) * out).sum(), [x1, x2, layer.weight])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
