import pytest
import torch

from semiser.systems.mssgan.network import Critic, Discriminator, Generator, Generators, map_sizes
from semiser.systems.mssgan.options import CtGanOptions

TINY = CtGanOptions(noise=5, generator_channels=(8, 4), discriminator_channels=(3, 6))


def test_maps_are_halved_and_rounded_up():
    assert map_sizes((128, 342), 4) == [(128, 342), (64, 171), (32, 86), (16, 43), (8, 22)]


@pytest.mark.parametrize("shape", [(128, 128), (128, 342), (64, 18), (17, 5)])
def test_a_generator_makes_samples_of_the_shape_that_its_discriminator_takes(shape):
    torch.manual_seed(0)
    generated = Generator(shape, TINY)(torch.randn(2, 5))
    assert generated.shape == (2, *shape)
    discriminator = Discriminator(shape, TINY)
    assert discriminator(generated).shape == (2, discriminator.width)


def test_the_published_sizes():
    with torch.device("meta"):
        critic = Critic({"fbank": (128, 128), "dface": (128, 342)}, 4, CtGanOptions())
        generators = Generators({"fbank": (128, 128)}, CtGanOptions())
    assert critic.classifier.weight.shape == (4, 1024 * 8 * 8 + 1024 * 8 * 22)
    convolutions = [m for m in critic.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [128, 256, 512, 1024] * 2
    assert {(m.kernel_size, m.stride) for m in convolutions} == {((5, 5), (2, 2))}
    assert sum(isinstance(m, torch.nn.Dropout) and m.p == 0.2 for m in critic.modules()) == 8
    transposed = [m for m in generators.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in transposed] == [(512, 256), (256, 128), (128, 64), (64, 1)]


def test_the_classifier_sees_the_representations_side_by_side():
    torch.manual_seed(0)
    critic = Critic({"a": (16, 8), "v": (16, 6)}, 3, TINY).eval()
    x = {"v": torch.randn(2, 16, 6), "a": torch.randn(2, 16, 8)}
    found = critic(x)
    parts = [critic.discriminators[name](x[name]) for name in ("a", "v")]
    torch.testing.assert_close(found.representation, torch.cat(parts, 1))
    torch.testing.assert_close(found.logits, critic.classifier(torch.cat(parts, 1)))
