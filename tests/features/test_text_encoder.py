import numpy as np
import pytest

from semiser.features.family import Source
from semiser.features.text_encoder import TextEncoder
from semiser.options.encoders import TextEncoderOptions

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "我", "很", "开", "心", "happy", "am", "i"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    import torch

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def own_call(checkpoint, ids):
    import torch
    from transformers import AutoModel

    with torch.no_grad():
        states = AutoModel.from_pretrained(checkpoint).eval()(torch.tensor([ids]), output_hidden_states=True)
    return [state[0].numpy() for state in states.hidden_states]


def row_of(text, **options):
    (row,) = TextEncoder(TextEncoderOptions(**options)).rows(Source({"transcript": text}, None))
    return row


def test_tokens_are_the_models_own_without_special_ones(checkpoint):
    states = own_call(checkpoint, [2, 5, 6, 7, 8, 3])  # [CLS] 我 很 开 心 [SEP]
    row = row_of("我很开心", checkpoint=checkpoint, pooling="frames", layers=[1])
    assert (row["frames"], row["cut_tokens"], row["no_text_encoder"]) == (4, 0, False)
    np.testing.assert_allclose(row["text_encoder"].reshape(4, 12), states[1][1:-1], atol=1e-5)
    pooled = row_of("我很开心", checkpoint=checkpoint)
    np.testing.assert_allclose(pooled["text_encoder"], states[2][1:-1].mean(0), atol=1e-5)


def test_a_batch_gives_what_single_texts_give(checkpoint):
    texts = ["我很开心", "", "i am happy i am happy", "i", None, "我 happy"]
    family = TextEncoder(TextEncoderOptions(checkpoint=checkpoint, pooling="frames", layers=[0, 2]))
    together = family.compute([family.prepare(Source({"transcript": text}, None)) for text in texts])
    for text, row in zip(texts, together, strict=True):
        alone = row_of(text, checkpoint=checkpoint, pooling="frames", layers=[0, 2])
        np.testing.assert_allclose(row["text_encoder"], alone["text_encoder"], atol=1e-5)
        assert {name: value for name, value in row.items() if name != "text_encoder"} == {
            name: value for name, value in alone.items() if name != "text_encoder"
        }


def test_a_long_transcript_is_cut_and_said(checkpoint):
    row = row_of("i am happy i am happy", checkpoint=checkpoint, longest=5, pooling="frames")
    assert (row["frames"], row["cut_tokens"]) == (3, 3)
    states = own_call(checkpoint, [2, 11, 10, 9, 3])
    np.testing.assert_allclose(row["text_encoder"].reshape(3, 12), states[2][1:-1], atol=1e-5)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_transcript_is_zeros_and_flagged(checkpoint, text):
    row = row_of(text, checkpoint=checkpoint, pooling="mean_std")
    assert row["no_text_encoder"] and row["text_encoder"].shape == (24,) and not row["text_encoder"].any()
