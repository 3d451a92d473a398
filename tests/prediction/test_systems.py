"""Every system's loader: `predict` gives a tested speaker the probabilities that training gave."""

import csv
import json
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from helpers import committed, resaved, voice, write_wav

import semiser
from semiser.data.frames import read_frames
from semiser.data.samples import read_samples
from semiser.data.streamed import read_vectors
from semiser.demo.clips import write_clip
from semiser.demo.faces import draw_face, random_identity
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.faces.network import build_expression_network
from semiser.features.checkpoint import hash_checkpoint
from semiser.features.registry import make_families
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.folds.soft_labels import class_targets
from semiser.options.face_features import EXPRESSIONS, DenseNetOptions
from semiser.options.features import FeaturesOptions, ShardOptions
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.prediction.features import InProcess
from semiser.prediction.sources import find_sources
from semiser.shards.extract import extract
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.front_end import embed_utterances, load_front_end
from semiser.systems.avspnet.options import (
    AvspnetNetworkOptions,
    MelAxisOptions,
    PretrainingOptions,
    RecognitionOptions,
)
from semiser.systems.avspnet.pretraining import make_background, train_front_end
from semiser.systems.avspnet.segments import mel_segments, segments_of
from semiser.systems.baselines.linear import fit_logistic
from semiser.systems.baselines.options import LogisticOptions
from semiser.systems.began import classifier as began_classifier
from semiser.systems.began import encoder as began
from semiser.systems.began.options import BeganFitOptions, BeganNetworkOptions, CepstrumOptions, ClassifierOptions
from semiser.systems.cmkt import fit as cmkt
from semiser.systems.cmkt.options import CmktOptions, SpecAugmentOptions, TransformerOptions
from semiser.systems.cmkt.options import OptimisationOptions as CmktOptimisation
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.crops import read_crops
from semiser.systems.mssgan.options import CropOptions, CtGanOptions, MssganOptions, OptimisationOptions
from semiser.training.experiment import experiment_on, run_variant
from semiser.training.run import TrainingRun

CPU = TrainingOptions(accelerator="cpu")
CLASSES = ("happiness", "sadness")
FOLDS = FoldOptions(
    experiment="tiny",
    corpora=["input"],
    protocol={"kind": "leave_one_speaker_out"},
    validation={"kind": "none"},
    classes=list(CLASSES),
)
FEATURES = {
    "chunks": {"chunk_s": 0.25, "dft_size": 64, "step": 400, "min_last_s": 0.1},
    "segments": {"sample_rate_hz": 8000, "dft_size": 160, "cutoff_hz": 1000.0, "segment_frames": 20},
    "stft": {"dft_size": 400, "frames": 70, "bins": 24},
    "fbank": {"mels": 16},
}


def write_manifest(folder, paths):
    """Speaker is the folder, emotion the parity of the number in the name."""
    with (folder / "corpus.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audio_path", "video_path", "speaker_id", "emotion"])
        for path in paths:
            name = path.relative_to(folder).as_posix()
            writer.writerow(
                [name, name if path.suffix == ".mp4" else "", path.parent.name, CLASSES[int(path.stem) % 2]]
            )
    return folder / "corpus.csv"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three speakers, six utterances of 0.4 to 0.9 s each, two emotions told apart by pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    paths = [
        write_wav(
            folder / speaker / f"{number}.wav",
            voice(0.4 + 0.1 * number, pitch_hz=(110, 220)[number % 2] + number, seed=10 * ord(speaker) + number),
        )
        for speaker in "abc"
        for number in range(6)
    ]
    return write_manifest(folder, paths)


class Trained:
    """Features and folds of a corpus, and what comes of training on them."""

    def __init__(self, corpus, folder, **features):
        self.corpus, self.models = corpus, folder / "models"
        self.options = FeaturesOptions(extract=tuple(features), **features)
        sources = find_sources(corpus)
        self.utterances = sources.utterances
        roots, store = {"input": str(sources.root)}, str(folder / "features")
        families = make_families(tuple(features), self.options)
        receipts = extract(families.values(), store, self.utterances, roots, InProcess(), ShardOptions())
        self.tables = {name: committed(receipt, folder).dataset() for name, receipt in receipts.items()}
        self.folds = make_folds(self.utterances, FOLDS)

    def fit(self, read, fit, options):
        """Test predictions of all folds."""
        self.experiment = experiment_on(self.folds, self.utterances, read, str(self.models))
        self.predictions, _, self.trained = run_variant(self.experiment, "variant", fit, options, CPU)
        return self

    @property
    def card(self):
        """Of the fold that tests the first speaker."""
        return self.models / self.trained[0]["folder"] / "card.json"

    def assert_predicts_as_in_training(self, scaling, min_utterances=2):
        fold = self.predictions.filter(pc.equal(self.predictions["fold"], 0)).sort_by("utterance_id")
        found = semiser.load(self.card).predict(self.corpus, features=self.options, min_utterances=min_utterances)
        tested = [name.removeprefix("input/") for name in fold["utterance_id"].to_pylist()]
        found = found.filter(pc.is_in(found["utterance_id"], pa.array(tested))).sort_by("utterance_id")
        assert found["utterance_id"].to_pylist() == tested and set(found["reason"].to_pylist()) == {None}
        expected = np.stack(fold["probabilities"].to_numpy(zero_copy_only=False))
        np.testing.assert_allclose(probabilities(found), expected, atol=1e-5)
        assert expected.std(axis=0).min() > 1e-3, "probabilities that are all alike would tell nothing"
        assert set(found["scaling"].to_pylist()) == {scaling}


def probabilities(table):
    return np.stack([table[f"probability/{name}"].to_numpy() for name in CLASSES], axis=1)


def _began(corpus, folder, frozen, scaling):
    trained = Trained(corpus, folder, chunks=FEATURES["chunks"])
    chunks, network = trained.tables["chunks"], BeganNetworkOptions(filters=2, code=2, convolutions=1)
    how = ClassifierOptions(filters=[4], epochs=3 if frozen else 12, batch_size=8, learning_rate=0.01, dropout=0)
    shape = began.chunk_shape(chunks)
    if not frozen:
        options = BeganFitOptions(classifier=how, encoder=network, shape=shape)
        read = partial(read_samples, {"chunks": chunks}, scaling=scaling, band_axis=0)
    else:
        place = began.save_random_encoder(shape, network, CPU, 0, trained.models)
        cepstrum = CepstrumOptions(bands=6, coefficients=4)
        encoder = began.load_feature_map(trained.models / place, cepstrum=cepstrum)
        options = BeganFitOptions(classifier=how, cepstrum=cepstrum, frozen=place, shape=encoder.map_shape)
        read = partial(began_classifier.read_maps, chunks, frozen=encoder, scaling=scaling)
    return trained.fit(lambda ids: read(utterance_ids=ids), began_classifier.fit, options)


@pytest.mark.parametrize("frozen", [True, False])
def test_began_means_over_the_chunks_of_an_utterance(corpus, tmp_path, frozen):
    trained = _began(corpus, tmp_path, frozen, ScalingOptions(strategy="speaker"))
    trained.assert_predicts_as_in_training("speaker")


def test_began_needs_its_encoder_and_classes(corpus, tmp_path):
    trained = _began(corpus, tmp_path, True, ScalingOptions())
    trained.assert_predicts_as_in_training("training")
    (encoder,) = (trained.models / "random/seed-0").iterdir()
    with pytest.raises(ValueError, match=r"is of a part that models are trained on .* take the card of a trained fold"):
        semiser.load(encoder)
    other = began.save_random_encoder(
        began.chunk_shape(trained.tables["chunks"]),
        BeganNetworkOptions(filters=2, code=2, convolutions=1),
        CPU,
        1,
        trained.models,
    )
    (encoder / "model.safetensors").write_bytes((trained.models / other / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="its frozen encoder was trained anew since"):
        semiser.load(trained.card)
    (encoder / "card.json").unlink()
    with pytest.raises(FileNotFoundError, match="is in no folder above it: copy it together with the model"):
        semiser.load(trained.card)


def test_began_s_arousal_and_valence_are_no_classes(corpus, tmp_path):
    trained = _began(corpus, tmp_path, False, ScalingOptions())
    card = json.loads(trained.card.read_text())
    options = card["options"] | {"task": "dimensions"}
    resaved(trained.card.parent, options=options, classes=["arousal", "valence"])
    with pytest.raises(ValueError, match="gives arousal and valence, not probabilities of classes"):
        semiser.load(trained.card)


@pytest.mark.parametrize("column, scaling", [("stft", "speaker"), ("fbank", "speaker"), ("fbank", "none")])
def test_cmkt_pools_frames_and_pads_them(corpus, tmp_path, column, scaling):
    trained = _cmkt(corpus, tmp_path, column, scaling)
    trained.assert_predicts_as_in_training("speaker" if scaling == "speaker" else "training")


def _cmkt(corpus, folder, column, scaling):
    trained = Trained(corpus, folder, **{column: FEATURES[column]})
    how = CmktOptimisation(epochs=4, batch_size=6, learning_rate=0.02, first_learning_rate=0.01, warmup_epochs=2)
    network = TransformerOptions(blocks=1, heads=2, hidden=8, feedforward=16, mlp=8)
    options = CmktOptions(network=network, optimisation=how, augment=SpecAugmentOptions(band_masks=0, time_masks=0))
    speaker_of = dict(
        zip(*(trained.utterances[name].to_pylist() for name in ("utterance_id", "speaker_id")), strict=True)
    )

    def read(ids):
        speakers = [speaker_of[name] for name in ids] if scaling == "speaker" else None
        kept, visual = np.ones(len(ids), bool), np.full((len(ids), 2), np.nan, np.float32)
        return read_frames(trained.tables[column], column, ids, kept, visual, longest=71, pool=4, speakers=speakers)

    return trained.fit(read, cmkt.fit, options)


def test_cmkt_on_wav2vec_says_what_it_needs(corpus, tmp_path):
    trained = _cmkt(corpus, tmp_path, "stft", "none")
    card = json.loads(trained.card.read_text())
    options = {"checkpoint_sha256": "0" * 64, "output": "convolution", "frames": 445}
    made = {"family": "wav2vec", "version": 1, "options": options, "libraries": {}}
    fed = card["input"] | {"column": "wav2vec"}
    resaved(trained.card.parent, families={"wav2vec": made, "frames": made}, input=fed)
    with pytest.raises(ValueError, match=r"needs the family wav2vec, and features\.wav2vec\.checkpoint is missing"):
        semiser.load(trained.card).predict(corpus)


def test_cmkt_has_the_statistics_of_its_training_for_a_speaker_of_few_utterances(corpus, tmp_path):
    trained = _cmkt(corpus, tmp_path, "fbank", "speaker")
    model, one = semiser.load(trained.card), corpus.parent / "a/1.wav"
    (row,) = model.predict(one).to_pylist()
    assert row["scaling"] == "training" and row["probability/happiness"] + row["probability/sadness"] == pytest.approx(
        1
    )
    (step,) = model._loaded.steps
    assert trained.experiment.speakers == ["input/a"] * 6 + ["input/b"] * 6 + ["input/c"] * 6
    roles = trained.folds.filter(pc.and_(pc.equal(trained.folds["fold"], 0), pc.equal(trained.folds["role"], "train")))
    plain = read_frames(
        trained.tables["fbank"], "fbank", roles["utterance_id"].to_pylist(),
        np.ones(len(roles), bool), np.zeros((len(roles), 2)), longest=71, pool=4,
    )  # fmt: skip
    frames = np.concatenate([x[-count:] for x, count in zip(plain.x.numpy(), plain.pooled_frames, strict=True)])
    np.testing.assert_allclose(step.scaling["fbank"].mean, frames.mean(0), rtol=1e-4)
    np.testing.assert_allclose(step.scaling["fbank"].std, frames.std(0), rtol=1e-4)


def _mssgan(trained, columns, scaling, frames=16):
    crop = CropOptions(frames=frames, kept_frames=32, frames_averaged=1 if frames == 16 else 2)
    network = CtGanOptions(noise=8, generator_channels=(8, 4), discriminator_channels=(4, 8))
    how = OptimisationOptions(epochs=2, batches=2, batch_size=8, learning_rate=1e-3)
    rows = trained.utterances.sort_by("utterance_id")

    def read(ids):
        assert ids == rows["utterance_id"].to_pylist()
        about = {"target": class_targets(rows, FOLDS, list(CLASSES))}
        return read_crops({name: trained.tables[name] for name in columns}, rows, crop, scaling, about)

    return trained.fit(read, mssgan.fit, MssganOptions(network=network, crop=crop, optimisation=how))


@pytest.mark.parametrize(
    "family, strategy, used, frames",
    [
        ("fbank", "speaker", "speaker", 16),
        ("stft", "global", "training", 32),
        ("egemaps_lld", "speaker", "speaker", 32),
    ],
)
def test_mssgan_takes_the_middle_crop(corpus, tmp_path, family, strategy, used, frames):
    trained = Trained(corpus, tmp_path, **{family: FEATURES.get(family, {})})
    _mssgan(trained, [family], ScalingOptions(strategy=strategy), frames).assert_predicts_as_in_training(used)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two speakers, four clips of 0.8 s each, whose face and pitch show the emotion."""
    folder, paths = tmp_path_factory.mktemp("clips"), []
    for identity, speaker in enumerate("ab"):
        (folder / speaker).mkdir()
        for number in range(4):
            face = draw_face(CLASSES[number % 2], random_identity(identity), size=160)
            paths.append(folder / speaker / f"{number}.mp4")
            sound = voice(0.8, rate=SAMPLE_RATE_HZ, pitch_hz=(110, 220)[number % 2], seed=number)
            write_clip(paths[-1], [np.roll(face, shift, 1) for shift in range(20)], sound)
    return write_manifest(folder, paths)


@pytest.fixture(scope="module")
def face_network(tmp_path_factory):
    torch.manual_seed(0)
    options = DenseNetOptions(input_size=64, depth=10, growth=4)
    network, folder = build_expression_network(options, len(EXPRESSIONS)), tmp_path_factory.mktemp("network")
    card = {"network": options.model_dump(mode="json"), "classes": EXPRESSIONS, "num_features": network.num_features}
    TrainingRun(folder, 0, CPU, "k").save_model(network.state_dict(), card)
    return {"weights": str(folder)}


def test_mssgan_sees_faces_beside_the_voice_and_refuses_a_voice_alone(clips, face_network, corpus, tmp_path):
    trained = Trained(clips, tmp_path, fbank=FEATURES["fbank"], dface=face_network)
    _mssgan(trained, ["fbank", "dface"], ScalingOptions(strategy="speaker")).assert_predicts_as_in_training("speaker")
    found = semiser.load(trained.card).predict(corpus.parent / "a/0.wav", features=trained.options)
    assert found["reason"].to_pylist() == ["dface needs video_path, which nothing here has"]
    with pytest.raises(ValueError, match=r"features\.dface has no network: .* or features\.dface\.weights the folder"):
        semiser.load(trained.card).predict(corpus.parent / "a/0.wav")


def test_mssgan_sees_faces_alone(clips, face_network, tmp_path):
    trained = Trained(clips, tmp_path, dface=face_network)
    _mssgan(trained, ["dface"], ScalingOptions()).assert_predicts_as_in_training("training")


@pytest.mark.parametrize("pooling", ["mean_std", "frames"])
def test_a_pretrained_image_encoder_sees_faces(clips, tmp_path, pooling):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    checkpoint = tmp_path / "vit"
    transformers.ViTModel(config).save_pretrained(checkpoint)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(checkpoint)
    trained = Trained(clips, tmp_path, image_encoder={"checkpoint": checkpoint, "pooling": pooling})
    statistics = ("mean", "std") if pooling == "frames" else ()
    read = partial(read_vectors, trained.tables, folds=trained.folds, scaling=ScalingOptions(), pooling=statistics)
    trained.fit(read, fit_logistic, LogisticOptions()).assert_predicts_as_in_training("training")
    sha256 = json.loads(trained.card.read_text())["families"]["image_encoder"]["options"]["checkpoint_sha256"]
    assert sha256 == hash_checkpoint(checkpoint, None, "")


@pytest.mark.parametrize(
    "bins, embeddings, used",
    [("speaker", "speaker", "speaker"), ("background", "speaker", "speaker"), ("speaker", None, "speaker"),
     ("background", "global", "training")],
)  # fmt: skip
def test_avspnet_votes_over_segments_that_its_front_end_embeds(corpus, tmp_path, bins, embeddings, used):
    _avspnet(corpus, tmp_path, bins, embeddings and ScalingOptions(strategy=embeddings)).assert_predicts_as_in_training(
        used
    )


@pytest.mark.parametrize("mel", [MelAxisOptions(bands=18), MelAxisOptions(bands=18, coefficients=17)])
def test_avspnet_hears_a_mel_axis_as_in_training(corpus, tmp_path, mel):
    _avspnet(corpus, tmp_path, "speaker", None, mel=mel).assert_predicts_as_in_training("speaker")


@pytest.mark.parametrize("family", ["chunks", "fbank", "stft"])
def test_avspnet_takes_segments_of_other_families_and_frames(corpus, tmp_path, family):
    trained = _avspnet(corpus, tmp_path, "background", None, family)
    trained.assert_predicts_as_in_training("training")
    assert set(json.loads(trained.card.read_text())["families"]) == {family}
    front_end = load_front_end(next((trained.models / "front_ends/autoencoder/seed-0").iterdir()))
    with pytest.raises(ValueError, match=f"takes segments of the family {family}"):
        front_end.segments(np.zeros(16_000, np.float32))


def _avspnet(corpus, folder, bins, scaling, family="segments", mel=None):
    trained = Trained(corpus, folder, **{family: FEATURES[family]})
    segments = segments_of(trained.tables[family], family, 20, trained.models / "input")
    if mel:
        segments = mel_segments(segments, mel, trained.models / "input")
    voices = trained.utterances
    pretraining = PretrainingOptions(epochs=1, batch_size=8, held_out_share=0.2, learning_rate=3e-3, scaling=bins)
    pool = 3 if family == "segments" else 2  # for their few bins
    network = AvspnetNetworkOptions(kernels=4, pool=pool, dense=12, latent=6, proxy_hidden=(8,))
    background = make_background(segments, voices, {}, pretraining, 0, mel)
    card = train_front_end("autoencoder", background, network, pretraining, CPU, 0, trained.models)
    where = trained.models / card["folder"]
    front_end = load_front_end(where)
    embeddings = embed_utterances(front_end, segments, voices, "dense", where / "embeddings")
    reference = {name: card[name] for name in ("folder", "weights_sha256")}
    options = RecognitionOptions(
        front_end="dense", hidden=(8,), optimiser="adam", learning_rate=0.01, epochs=3, batch_size=4, scaling=scaling
    )
    read = partial(read_samples, {"embedding": embeddings}, scaling=scaling)
    return trained.fit(read, partial(avspnet.fit, front_end=reference), options)


def test_avspnet_needs_the_front_end_that_it_was_trained_on(corpus, tmp_path):
    trained = _avspnet(corpus, tmp_path, "background", None)
    with pytest.raises(ValueError, match="is of a part that models are trained on"):
        semiser.load(next((trained.models / "front_ends/autoencoder/seed-0").iterdir()))
    next((trained.models / "front_ends").rglob("card.json")).unlink()
    with pytest.raises(FileNotFoundError, match="is in no folder above it: copy it together with the model"):
        semiser.load(trained.card)
