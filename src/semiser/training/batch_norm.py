"""Batch normalisation with the statistics of the whole batch, of which each of several processes has a part."""

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` that trains with the mean and variance over the parts of all processes.

    On any device (`nn.SyncBatchNorm` wants GPUs); parts may be unequal, or empty. All processes call it equally often.

    Shape:
        (B, C, H, W), the part of this process -> the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The part, normalised; in evaluation mode by the running statistics, as ever."""
        if not self.training:
            return super().forward(x)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        count = _summed(values.new_tensor([values.numel() / values.shape[1]]))
        mean = _summed(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _summed(centred.square().sum((0, 2, 3))) / count
        self._keep(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, unbiased: Tensor) -> None:
        """Move the running statistics towards those of the batch."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)


def share_statistics(network: nn.Module) -> None:
    """Make every `nn.BatchNorm2d` inside a network take the statistics of all processes; its parameters stay."""
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum, device="meta")
                shared._parameters, shared._buffers = child._parameters, child._buffers
                setattr(module, name, shared.train(child.training))


def _summed(values: Tensor) -> Tensor:
    return _Sum.apply(values)


class _Sum(torch.autograd.Function):
    """Sum over the processes, through which gradients of all of them come back."""

    @staticmethod
    def forward(context: FunctionCtx, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
