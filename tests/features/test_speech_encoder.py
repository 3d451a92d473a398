"""Every architecture with a tiny checkpoint of random weights, against the model's own call."""

import json

import numpy as np
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.features.speech_encoder import KINDS, SpeechEncoder
from semiser.options.encoders import SpeechEncoderOptions

SMALL = dict(
    hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2, conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(5, 64),
)  # fmt: skip


def make(kind, folder):
    """A checkpoint of two layers of width 12; conv nets make a frame of 45 samples every 320."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    if kind == "whisper":
        config = t.WhisperConfig(
            vocab_size=20, num_mel_bins=16, d_model=12, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_source_positions=50, pad_token_id=0,
            bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        )  # fmt: skip
        model, settings = t.WhisperModel(config), t.WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    elif kind == "audio-spectrogram-transformer":
        config = t.ASTConfig(
            hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, patch_size=16,
            frequency_stride=10, time_stride=10, max_length=96, num_mel_bins=36,
        )  # fmt: skip
        model, settings = t.ASTModel(config), t.ASTFeatureExtractor(num_mel_bins=36, max_length=96)
    else:
        names = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio"}
        small = SMALL | ({"conv_pos_kernel_size": 3} if kind == "data2vec-audio" else {})
        config = getattr(t, f"{names[kind]}Config")(**small)
        model, settings = getattr(t, f"{names[kind]}Model")(config), t.Wav2Vec2FeatureExtractor()
    model.save_pretrained(folder)
    settings.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request, tmp_path_factory):
    pytest.importorskip("transformers")
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    pytest.importorskip("transformers")
    return make("hubert", tmp_path_factory.mktemp("hubert"))


def row_of(monkeypatch, signal, **options):
    monkeypatch.setattr(Source, "audio", lambda self, rate: signal)
    family = SpeechEncoder(SpeechEncoderOptions(**options))
    (row,) = family.rows(Source({}, None))
    return family, row


def own_call(checkpoint, signal):
    """Hidden states by the model's own call."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(checkpoint).eval()
    inputs = AutoFeatureExtractor.from_pretrained(checkpoint)(signal, sampling_rate=16_000, return_tensors="pt")
    encoder = model.encoder if model.config.model_type == "whisper" else model
    with torch.no_grad():
        return [state[0].numpy() for state in encoder(next(iter(inputs.values())), output_hidden_states=True)[-1]]


def test_frames_are_the_models_own_hidden_states(checkpoint, monkeypatch):
    signal = voice(0.5)  # 8,000 samples
    states = own_call(checkpoint, signal)
    kind = json.loads((checkpoint / "config.json").read_text())["model_type"]
    if kind == "whisper":
        expected = [state[:25] for state in states]  # 8,000 / 320
    elif kind == "audio-spectrogram-transformer":
        # 48 spectrogram frames, so patches that begin at 0, 10, 20, 30; 3 bands of patches, behind two tokens
        expected = [state[2:].reshape(3, 9, 12).mean(0)[:4] for state in states]
    else:
        expected = states
        assert len(states[0]) == 25  # ((8,000 - 10) / 5 + 1 - 8) / 64 + 1
    _, row = row_of(monkeypatch, signal, checkpoint=checkpoint, pooling="frames", layers=[0, -1], merge="concatenate")
    assert row["frames"] == len(expected[0]) and row["cut_s"] == 0
    found = row["speech_encoder"].reshape(row["frames"], 24)
    np.testing.assert_allclose(found, np.concatenate([expected[0], expected[2]], 1), atol=1e-5)


def test_a_batch_gives_what_single_utterances_give(checkpoint, monkeypatch):
    signals = [voice(seconds, seed=number) for number, seconds in enumerate((0.31, 0.5, 0.2, 0.44))]
    options = {"checkpoint": checkpoint, "pooling": "frames", "layers": "all", "merge": "concatenate"}
    alone = [row_of(monkeypatch, signal, **options)[1] for signal in signals]
    family, prepared = SpeechEncoder(SpeechEncoderOptions(**options)), []
    for signal in signals:
        monkeypatch.setattr(Source, "audio", lambda self, rate, signal=signal: signal)
        prepared.append(family.prepare(Source({}, None)))
    for row, single in zip(family.compute(prepared), alone, strict=True):
        assert row["frames"] == single["frames"]
        np.testing.assert_allclose(row["speech_encoder"], single["speech_encoder"], atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("precision, most", [("float32", 1e-4), ("bf16", 0.05)])
def test_a_gpu_gives_the_cpus_values(checkpoint, monkeypatch, precision, most):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    signals = [voice(seconds, seed=number) for number, seconds in enumerate((0.31, 0.5, 0.2, 0.44))]
    options = {"checkpoint": checkpoint, "pooling": "frames"}
    alone = [row_of(monkeypatch, signal, **options)[1] for signal in signals]
    family, prepared = SpeechEncoder(SpeechEncoderOptions(**options, device="cuda", precision=precision)), []
    for signal in signals:
        monkeypatch.setattr(Source, "audio", lambda self, rate, signal=signal: signal)
        prepared.append(family.prepare(Source({}, None)))
    for row, single in zip(family.compute(prepared), alone, strict=True):
        np.testing.assert_allclose(row["speech_encoder"], single["speech_encoder"], atol=most)


def test_several_layers_are_a_mean_or_side_by_side_and_frames_are_pooled(hubert, monkeypatch):
    signal = voice(0.4)
    states = np.stack(own_call(hubert, signal))  # (3, T, 12)
    family, row = row_of(monkeypatch, signal, checkpoint=hubert, layers="all", pooling="mean_std")
    both = np.concatenate([states.mean(0).mean(0), states.mean(0).std(0)])
    np.testing.assert_allclose(row["speech_encoder"], both, atol=1e-5)
    field, _ = family.fields()
    assert field.type.list_size == 24
    assert json.loads(field.metadata[b"names"])[11:13] == ["mean_011", "std_000"]
    family, row = row_of(monkeypatch, signal, checkpoint=hubert, layers=[1, 2], merge="concatenate")
    np.testing.assert_allclose(row["speech_encoder"], states[1:].mean(1).ravel(), atol=1e-5)
    assert json.loads(family.fields()[0].metadata[b"names"])[11:13] == ["layer_01_mean_011", "layer_02_mean_000"]


def test_the_end_of_a_long_utterance_is_cut_and_said(hubert, monkeypatch):
    signal = voice(0.5)
    _, row = row_of(monkeypatch, signal, checkpoint=hubert, longest_s=0.3, pooling="frames")
    assert row["cut_s"] == pytest.approx(0.2)
    whole = row_of(monkeypatch, signal[:4800], checkpoint=hubert, pooling="frames")[1]
    np.testing.assert_array_equal(row["speech_encoder"], whole["speech_encoder"])


def test_a_window_of_fixed_length_cuts_too(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    _, row = row_of(monkeypatch, voice(1.5), checkpoint=make("whisper", tmp_path), pooling="frames")
    assert (row["frames"], row["cut_s"]) == (50, pytest.approx(0.5))


def test_too_short_and_what_is_no_layer_are_refused(hubert, monkeypatch):
    with pytest.raises(Unusable, match=r"the encoder takes 0\.0028125 s"):  # 45 samples
        row_of(monkeypatch, voice(0.1)[:44], checkpoint=hubert)
    with pytest.raises(ValueError, match=r"speech_encoder\.layers names 3: the model has 2 layers"):
        SpeechEncoder(SpeechEncoderOptions(checkpoint=hubert, layers=[3]))


def test_the_fingerprint_holds_the_hash_and_neither_place_nor_device(hubert):
    options = SpeechEncoder(SpeechEncoderOptions(checkpoint=hubert)).options.model_dump()
    assert len(options["checkpoint_sha256"]) == 64 and "checkpoint" not in options and "device" not in options
    with pytest.raises(ValueError, match=r"speech_encoder\.checkpoint_sha256: .* must have the hash 00, not"):
        SpeechEncoder(SpeechEncoderOptions(checkpoint=hubert, checkpoint_sha256="00"))


def test_a_checkpoint_of_another_kind_and_one_without_settings_are_refused(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match=r"model_type in .* must be 'wav2vec2' or .* not 'bert'"):
        SpeechEncoder(SpeechEncoderOptions(checkpoint=tmp_path))
    whisper = make("whisper", tmp_path / "whisper")
    (whisper / "preprocessor_config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no preprocessor_config\.json in .* how whisper takes sound"):
        SpeechEncoder(SpeechEncoderOptions(checkpoint=whisper))
