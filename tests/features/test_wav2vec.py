import json

import numpy as np
import pytest
from helpers import utterances_of, voice, write_wav
from pydantic import ValidationError

from semiser.errors import Unusable
from semiser.features import checkpoint as checkpoint_files
from semiser.features.family import Source
from semiser.features.wav2vec import Wav2Vec
from semiser.options.audio_features import Wav2VecOptions
from semiser.shards.batches import compute_batches


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(transformers, tmp_path_factory):
    """A tiny model of random weights: two convolutions (a frame is 9 samples, every 10), 8 channels, width 12."""
    import torch

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        conv_dim=(8, 8), conv_kernel=(5, 3), conv_stride=(2, 5), hidden_size=12, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-wav2vec2")
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


class Sampled:
    """An utterance of these samples."""

    def __init__(self, signal):
        self.signal = signal

    def audio(self, sample_rate_hz):
        assert sample_rate_hz == 16_000
        return self.signal


def extractor(options):
    """Frames (T, width) of a signal by the family: its row without the padding at the head."""
    family = Wav2Vec(options)

    def extract(signal):
        (row,) = family.rows(Sampled(signal))
        return row["wav2vec"][-row["frames"] :]

    return extract


def _reference(transformers, checkpoint, signal):
    """Convolutional output (T, 8) and its projection (T, 12), by the model's own modules from the normalised signal."""
    import torch

    model = transformers.Wav2Vec2Model.from_pretrained(checkpoint).eval()
    normalised = (signal - signal.mean()) / np.sqrt(signal.var() + 1e-7)
    with torch.no_grad():
        convolution = model.feature_extractor(torch.tensor(normalised)[None]).transpose(1, 2)
        return convolution[0].numpy(), model.feature_projection(convolution)[0][0].numpy()


def test_values_are_the_encoders(transformers, checkpoint):
    signal = voice(0.1)
    convolution, projection = _reference(transformers, checkpoint, signal)
    assert (convolution.shape, projection.shape) == (
        (160, 8),
        (160, 12),
    )  # (1600 - 5) // 2 + 1 = 798, (798 - 3) // 5 + 1 = 160
    found = extractor(Wav2VecOptions(checkpoint=checkpoint))(signal)
    np.testing.assert_allclose(found, convolution, atol=1e-5)
    projected = extractor(Wav2VecOptions(checkpoint=checkpoint, output="projection"))(signal)
    np.testing.assert_allclose(projected, projection, atol=1e-5)


@pytest.mark.parametrize("normalised_first", [False, True])  # as the base models, and as the large ones
def test_a_layer_of_the_transformer_gives_its_states(transformers, tmp_path, normalised_first):
    """Layers 1 and 3 of 3, the last one normalised where the model does so, by the whole model."""
    import torch

    config = transformers.Wav2Vec2Config(
        conv_dim=(8, 8), conv_kernel=(5, 3), conv_stride=(2, 5), hidden_size=12, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=16, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2, do_stable_layer_norm=normalised_first,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    model = transformers.Wav2Vec2Model.from_pretrained(tmp_path).eval()
    signal = voice(0.1)
    normalised = (signal - signal.mean()) / np.sqrt(signal.var() + 1e-7)
    with torch.no_grad():
        states = model(torch.tensor(normalised)[None], output_hidden_states=True).hidden_states
    for layer in (1, 3):
        family = Wav2Vec(Wav2VecOptions(checkpoint=tmp_path, output=layer))
        found = extractor(family.options)(signal)
        np.testing.assert_allclose(found, states[layer][0].numpy(), atol=1e-5)
        assert family.fields()[1].metadata[b"unit"] == f"wav2vec 2.0, output of transformer layer {layer}".encode()
    with pytest.raises(ValueError, match=r"output is layer 4: .* has 3"):
        Wav2Vec(Wav2VecOptions(checkpoint=tmp_path, output=4))


def test_long_utterances_are_cut_before_the_encoder(transformers, checkpoint):
    extract = extractor(Wav2VecOptions(checkpoint=checkpoint, frames=20))
    signal = voice(0.1)
    needed = 19 * 10 + 9  # samples under 20 frames of 9 (5 + 2 * 2), 10 apart
    assert extract(signal).shape == (20, 8)
    np.testing.assert_allclose(extract(signal), _reference(transformers, checkpoint, signal[:needed])[0], atol=1e-5)
    assert extract(signal[: needed - 1]).shape == (19, 8)


@pytest.mark.parametrize("signal", [np.zeros(800), np.full(800, 0.5), voice(0.05)], ids=["silence", "dc", "50 ms"])
def test_values_are_finite(checkpoint, signal):
    assert np.isfinite(extractor(Wav2VecOptions(checkpoint=checkpoint))(signal.astype(np.float32))).all()


@pytest.mark.parametrize("output", ["convolution", "projection", 1])
def test_a_batch_gives_what_single_utterances_give(checkpoint, output):
    family = Wav2Vec(Wav2VecOptions(checkpoint=checkpoint, output=output, frames=150))
    sources = [Sampled(voice(seconds)) for seconds in (0.1, 0.02, 0.06, 0.0055, 0.09)]
    batches = []
    compute = family.compute
    family.compute = lambda batch: batches.append(len(batch)) or compute(batch)
    together = compute_batches(family, [family.prepare(source) for source in sources])
    assert batches == [5]
    for source, (row,) in zip(sources, together, strict=True):
        (alone,) = family.rows(source)
        assert row["frames"] == alone["frames"]
        np.testing.assert_allclose(row["wav2vec"], alone["wav2vec"], atol=1e-5)


def test_shorter_than_the_receptive_field_is_refused(checkpoint):
    extract = extractor(Wav2VecOptions(checkpoint=checkpoint))
    assert extract(voice(0.1)[:9]).shape == (1, 8)
    with pytest.raises(Unusable, match=r"the encoder takes 0.0005625 s"):
        extract(voice(0.1)[:8])


def test_a_row_is_padded_at_the_head_and_the_column_names_the_checkpoint(checkpoint, tmp_path):
    write_wav(tmp_path / "s" / "a.wav", voice(0.1))
    (row,) = utterances_of(tmp_path).to_pylist()
    family = Wav2Vec(Wav2VecOptions(checkpoint=checkpoint, frames=200, output="projection"))
    (values,) = family.rows(Source(row, tmp_path))
    assert values["frames"] == 160
    assert values["wav2vec"].shape == (200, 12)
    assert not values["wav2vec"][:40].any()
    assert values["wav2vec"][40:].any(axis=1).all()
    field = family.fields()[1]
    assert field.type.list_size == 200 * 12
    assert field.metadata[b"checkpoint"] == checkpoint.name.encode()
    assert field.metadata[b"unit"] == b"wav2vec 2.0, output of the projection"


def test_the_fingerprint_holds_the_checkpoints_hash_and_not_its_place(checkpoint, tmp_path):
    options = Wav2Vec(Wav2VecOptions(checkpoint=checkpoint)).options
    assert "checkpoint" not in options.model_dump()
    assert len(options.checkpoint_sha256) == 64
    with pytest.raises(ValueError, match=r"checkpoint_sha256: .* must have the hash 00, not"):
        Wav2Vec(Wav2VecOptions(checkpoint=checkpoint, checkpoint_sha256="00"))


def test_the_extra_is_named_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_files, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'semiser\[encoders\]'"):
        Wav2Vec(Wav2VecOptions(checkpoint=tmp_path))


def test_a_missing_checkpoint_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_files, "find_spec", lambda name: True)
    with pytest.raises(FileNotFoundError, match=r"features.wav2vec.checkpoint: no config.json in "):
        Wav2Vec(Wav2VecOptions(checkpoint=tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(FileNotFoundError, match=r"no model.safetensors in "):
        Wav2Vec(Wav2VecOptions(checkpoint=tmp_path))
    with pytest.raises(ValidationError, match="checkpoint"):
        Wav2VecOptions()


def test_another_kind_of_model_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_files, "find_spec", lambda name: True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"model_type in .* must be 'wav2vec2', not 'bert'"):
        Wav2Vec(Wav2VecOptions(checkpoint=tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
def test_a_configuration_that_is_none_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"features\.wav2vec\.checkpoint: .*config\.json is damaged"):
        checkpoint_files.read_config(tmp_path, "features.wav2vec.checkpoint", ("wav2vec2",))
