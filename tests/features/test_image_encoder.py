"""Every architecture with a tiny checkpoint of random weights, on a drawn clip, against the model's own call."""

import json

import numpy as np
import pytest

from semiser.errors import Unusable
from semiser.features.face_track import face_track
from semiser.features.family import Source
from semiser.features.image_encoder import KINDS, ImageEncoder
from semiser.options.encoders import ImageEncoderOptions
from semiser.options.face_features import TrackOptions

WALL = np.full((160, 160, 3), 150, np.uint8)
SMALL = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)


def make(kind, folder):
    """A checkpoint of two layers of width 12 on pictures of 32 x 32, with its settings."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    if kind == "vit":
        model = t.ViTModel(t.ViTConfig(**SMALL, intermediate_size=16))
        settings = t.ViTImageProcessorPil(size={"height": 32, "width": 32})
    elif kind == "dinov2":
        model = t.Dinov2Model(t.Dinov2Config(**SMALL))
        settings = t.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    else:
        vision = SMALL | {"intermediate_size": 16, "projection_dim": 6}
        text = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        if kind == "clip":
            model = t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=vision, projection_dim=6))
        else:
            model = t.CLIPVisionModel(t.CLIPVisionConfig(**vision))
        settings = t.CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    model.save_pretrained(folder)
    settings.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request, tmp_path_factory):
    pytest.importorskip("transformers")
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pytest.importorskip("transformers")
    return make("clip", tmp_path_factory.mktemp("clip"))


def row_of(face_source, **options):
    family = ImageEncoder(ImageEncoderOptions(**options))
    (row,) = family.rows(face_source)
    return family, row


def own_call(checkpoint, face_source):
    """Hidden states of each face by the model's own call on one picture after the other, and the embedding of CLIP."""
    import torch
    import transformers as t

    kind = json.loads((checkpoint / "config.json").read_text())["model_type"]
    whole = t.AutoModel.from_pretrained(checkpoint).eval()
    prepare = t.AutoImageProcessor.from_pretrained(checkpoint)
    model = whole.vision_model if kind == "clip" else whole
    states, embeddings = [], []
    for frame in face_track(face_source, TrackOptions()):
        if frame.found:
            pixels = prepare(frame.crop, return_tensors="pt")["pixel_values"]
            with torch.no_grad():
                found = model(pixels, output_hidden_states=True)
                states.append(torch.cat(found.hidden_states).numpy())
                if kind == "clip":
                    embeddings.append(whole.visual_projection(found.pooler_output)[0].numpy())
    return np.stack(states), embeddings  # (faces, layers, tokens, width)


def test_frames_are_the_models_own_hidden_states_of_the_faces_that_were_found(checkpoint, face_source):
    states, _ = own_call(checkpoint, face_source)
    assert states.shape == (7, 3, 17, 12)  # a class token and 4 x 4 patches
    options = {"checkpoint": checkpoint, "pooling": "frames", "layers": [0, -1], "merge": "concatenate"}
    _, row = row_of(face_source, **options)
    assert (row["frames"], row["cut_frames"]) == (7, 0)
    assert row["frame_time_s"] == pytest.approx([0, 0.24, 0.48, 1.2, 1.44, 1.68, 1.92], abs=1e-6)
    found = row["image_encoder"].reshape(7, 24)
    np.testing.assert_allclose(found, states[:, [0, 2], 0].reshape(7, 24), atol=1e-5)
    _, row = row_of(face_source, **options, take="patches")
    expected = states[:, [0, 2], 1:].mean(2).reshape(7, 24)
    np.testing.assert_allclose(row["image_encoder"].reshape(7, 24), expected, atol=1e-5)


def test_clips_embedding_is_its_projection(clip, face_source):
    _, embeddings = own_call(clip, face_source)
    family, row = row_of(face_source, checkpoint=clip, take="embedding", pooling="mean_std")
    both = np.concatenate([np.mean(embeddings, 0), np.std(embeddings, 0)])
    np.testing.assert_allclose(row["image_encoder"], both, atol=1e-5)
    assert family.fields()[0].type.list_size == 12


def test_a_batch_gives_what_single_utterances_give(checkpoint, face_source):
    family = ImageEncoder(ImageEncoderOptions(checkpoint=checkpoint, pooling="frames", batch=3))
    parts = [
        Source(face_source.row | {"start_s": start, "end_s": end}, face_source.root)
        for start, end in ((0, 0.6), (1.1, 2))
    ]
    sources = [*parts, face_source]
    together = list(family.compute([family.prepare(one) for one in sources]))
    for one, row in zip(sources, together, strict=True):
        (alone,) = family.rows(one)
        np.testing.assert_allclose(row["image_encoder"], alone["image_encoder"], atol=1e-5)
        assert row["frame_time_s"] == alone["frame_time_s"]
    assert [row["frames"] for row in together] == [3, 4, 7]


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_values(checkpoint, face_source):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    rows = [
        row_of(face_source, checkpoint=checkpoint, pooling="frames", device=device)[1] for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(rows[1]["image_encoder"], rows[0]["image_encoder"], atol=1e-4)


def test_every_nth_frame_and_the_end_that_is_cut(clip, face_source):
    _, whole = row_of(face_source, checkpoint=clip, pooling="frames")
    _, row = row_of(face_source, checkpoint=clip, pooling="frames", every=2, longest_s=1.5)
    assert row["frame_time_s"] == pytest.approx([0, 0.48, 1.44], abs=1e-6) and row["cut_frames"] == 1
    np.testing.assert_allclose(
        row["image_encoder"].reshape(3, 12), whole["image_encoder"].reshape(7, 12)[[0, 2, 4]], atol=1e-5
    )
    with pytest.raises(Unusable, match="no face in 2 frames"):
        row_of(Source(face_source.row | {"start_s": 0.7, "end_s": 1.0}, face_source.root), checkpoint=clip)


def test_what_does_not_fit_is_refused(clip, tmp_path):
    with pytest.raises(ValueError, match=r"image_encoder\.layers: an embedding follows the last layer"):
        ImageEncoder(ImageEncoderOptions(checkpoint=clip, take="embedding", layers=[0]))
    with pytest.raises(ValueError, match=r"take: an embedding is CLIP's, .* is a vit: take class or patches"):
        ImageEncoder(ImageEncoderOptions(checkpoint=make("vit", tmp_path / "vit"), take="embedding"))
    (tmp_path / "vit/preprocessor_config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no preprocessor_config\.json in .* how the model takes pictures"):
        ImageEncoder(ImageEncoderOptions(checkpoint=tmp_path / "vit"))
    with pytest.raises(ValueError, match="precision bf16 is for a GPU"):
        ImageEncoderOptions(checkpoint=clip, precision="bf16")


def test_an_embedding_whose_projection_is_missing_is_refused(tmp_path, face_source):
    family = ImageEncoder(ImageEncoderOptions(checkpoint=make("clip_vision_model", tmp_path), take="embedding"))
    with pytest.raises(ValueError, match=r"lacks visual_projection\.weight, which makes the embedding"):
        list(family.rows(face_source))


def test_the_fingerprint_holds_the_hash_and_neither_place_nor_device_nor_batch(clip):
    options = ImageEncoder(ImageEncoderOptions(checkpoint=clip)).options.model_dump()
    assert len(options["checkpoint_sha256"]) == 64
    assert not {"checkpoint", "device", "batch", "precision"} & set(options)


def test_a_device_that_is_not_there_is_named(clip, face_source):
    with pytest.raises(ValueError, match=r"image_encoder\.device: cuda:99 cannot be used here .* give cpu"):
        row_of(face_source, checkpoint=clip, device="cuda:99")
