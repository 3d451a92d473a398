import pytest
import torch
from torch import distributed, nn

from semiser.training.batch_norm import SharedBatchNorm2d, share_statistics


@pytest.fixture(autouse=True)
def group():
    """A group of this process alone; two are in tests/systems/test_systems_in_processes.py."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_one_process_normalises_as_torch_does(dtype):
    torch.manual_seed(0)
    plain, shared = nn.BatchNorm2d(3, eps=0.01, momentum=0.3), SharedBatchNorm2d(3, eps=0.01, momentum=0.3)
    if dtype == torch.float64:
        plain, shared = plain.double(), shared.double()
    tolerance = {"rtol": 0.02, "atol": 0.02} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    for network in (plain, shared):
        nn.init.uniform_(network.weight, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        values, target = (torch.randn(4, 3, 5, 2) * 3 + 20).to(dtype), torch.randn(4, 3, 5, 2)
        found = []
        for network in (plain, shared):
            network.zero_grad()
            x = values.clone().requires_grad_()
            y = network(x)
            (y - target).square().mean().backward()
            found.append((y, x.grad, network.weight.grad, network.bias.grad))
        assert found[1][0].dtype == dtype
        torch.testing.assert_close(found[1], found[0], **tolerance)
    torch.testing.assert_close(dict(shared.state_dict()), dict(plain.state_dict()), **tolerance)
    torch.testing.assert_close(shared.eval()(values), plain.eval()(values), **tolerance)


def test_a_network_keeps_its_parameters_and_mode_and_names():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()), nn.BatchNorm2d(2)).eval()
    before, names = list(network.parameters()), list(network.state_dict())
    buffer = network[2].running_mean
    share_statistics(network)
    assert all(kept is parameter for kept, parameter in zip(network.parameters(), before, strict=True))
    assert list(network.state_dict()) == names and network[2].running_mean is buffer
    assert {type(network[1][0]), type(network[2])} == {SharedBatchNorm2d} and not network[2].training
