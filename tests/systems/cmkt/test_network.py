import math

import pytest
import torch
from pydantic import ValidationError

from semiser.systems.cmkt.network import SpeechTransformer, padding_mask, pool_audio, sinusoids
from semiser.systems.cmkt.options import TransformerOptions

TINY = TransformerOptions(blocks=2, heads=2, hidden=8, feedforward=16, mlp=8)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SpeechTransformer(5, 12, 3, TINY).eval()


def test_the_padding_is_the_head():
    assert padding_mask(torch.tensor([3, 1, 2]), 3).tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_the_pooling_is_the_mean_of_the_frames_that_hold_audio():
    h = torch.tensor([[[9.0, 9.0], [1.0, 2.0], [3.0, 6.0]], [[1.0, 0.0], [2.0, 3.0], [6.0, 3.0]]])
    padding = torch.tensor([[True, False, False], [False, False, False]])
    assert pool_audio(h, padding).tolist() == [[2, 4], [3, 2]]


def test_positions_are_the_sinusoids_of_vaswani():
    found = sinusoids(3, 4)
    assert found.shape == (3, 4)
    torch.testing.assert_close(found[2], torch.tensor([math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]))


@pytest.mark.parametrize("norm_first", [True, False])
def test_what_stands_in_the_padding_changes_nothing(norm_first):
    network = SpeechTransformer(5, 12, 3, TINY.model_copy(update={"norm_first": norm_first})).eval()
    x, frames = torch.randn(2, 12, 5), torch.tensor([4, 12])
    other = x.clone()
    other[0, :8] = 100 * torch.randn(8, 5)
    with torch.no_grad():
        first, second = network(x, frames), network(other, frames)
        other[0, 8:] += 1
        third = network(other, frames)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)
    assert (first[0] - third[0]).abs().max() > 1e-3


def test_padding_that_no_utterance_needs_may_be_left_out(network):
    x, frames = torch.randn(2, 12, 5), torch.tensor([4, 7])
    with torch.no_grad():
        torch.testing.assert_close(network(x, frames), network(x[:, -7:], frames))


def test_the_order_of_frames_matters(network):
    x = torch.randn(1, 12, 5)
    with torch.no_grad():
        assert (network(x, torch.tensor([12])) - network(x.flip(1), torch.tensor([12]))).abs().max() > 1e-3


def test_blocks_start_with_weights_of_their_own(network):
    first, second = network.encoder.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_the_published_network_has_8_blocks_of_8_heads_on_512_values_and_needs_no_projection():
    network = SpeechTransformer(512, 555, 3, TransformerOptions())
    assert len(network.encoder.layers) == 8 and network.encoder.layers[0].self_attn.num_heads == 8
    assert isinstance(network.project, torch.nn.Identity)
    block = 4 * (512 * 512 + 512) + 2 * 512 * 2048 + 2048 + 512 + 4 * 512
    head = 512 * 512 + 512 + 512 * 3 + 3
    assert sum(p.numel() for p in network.parameters()) == 8 * block + 2 * 512 + head


def test_a_hidden_size_that_heads_cannot_share_is_refused():
    with pytest.raises(ValidationError, match="multiple of 2 \\* heads = 16, not 40"):
        TransformerOptions(hidden=40)
