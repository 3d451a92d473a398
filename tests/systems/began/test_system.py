"""BEGAN's pipeline on small material: every variant, both tasks, the study, and the protocols of the envs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from helpers import voice, write_wav
from system_runs import CPU, run_system

from semiser.configuration import load_parameters
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.data.samples import read_samples
from semiser.features.chunks import compute_chunks
from semiser.features.spectra import matrix_field
from semiser.options.audio_features import ChunksOptions
from semiser.shards.store import METADATA_KEY
from semiser.systems.began import classifier as began_classifier
from semiser.systems.began.options import DEFAULT_VARIANTS, VARIANTS, TrainBeganOptions
from semiser.systems.began.system import always_unlabelled

ROOT = Path(__file__).parents[3]
NEURAL = VARIANTS[1:]
CHUNKS = ChunksOptions(dft_size=64, step=400, sample_rate_hz=8000, chunk_s=0.25)  # 33 bins x 6 frames
TINY_CLASSIFIER = {"filters": [2], "epochs": 2, "batch_size": 8}
TINY = {
    "encoder": {
        "network": {"filters": 2, "code": 2, "convolutions": 1, "smallest": [4, 3]},
        "epochs": 1,
        "batch_size": 4,
        "log_every_steps": 1,
    },
    "classifier": TINY_CLASSIFIER,
    "from_scratch": TINY_CLASSIFIER,
}


def _options(**changes) -> TrainBeganOptions:
    folds = {"experiment": "e", "corpora": ["c"], "unlabelled_corpora": ["u"]}
    return TrainBeganOptions(**{"folds": folds} | TINY | changes)


def _chunk_table(folder: Path, signals: dict[str, np.ndarray]) -> pa.dataset.Dataset:
    values = {name: compute_chunks(signal, CHUNKS) for name, signal in signals.items()}
    schema = pa.schema([pa.field("utterance_id", pa.string()), matrix_field("chunks", CHUNKS.shape, ("bin", "frame"))])
    ids = [name for name, chunks in values.items() for _ in chunks]
    flat = pa.array(np.concatenate(list(values.values())).ravel())
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(flat, int(np.prod(CHUNKS.shape)))]
    with pq.ParquetWriter(folder / "chunks.parquet", schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
        writer.add_key_value_metadata({METADATA_KEY: json.dumps({"key": "k"})})
    return pa.dataset.dataset(folder / "chunks.parquet")


def _is10_table(ids: list[str]) -> pa.dataset.Dataset:
    field = pa.field("is10", pa.list_(pa.float32(), 3), metadata={"names": json.dumps(["a", "b", "c"])})
    values = np.random.default_rng(0).normal(size=(len(ids), 3)).astype(np.float32)
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 3)]
    return pa.dataset.dataset(pa.table(columns, schema=pa.schema([pa.field("utterance_id", pa.string()), field])))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Speakers a, b, d of corpus c, six utterances each, high and low by turns; two utterances of corpus u."""
    ids = [f"c/{speaker}{n}" for speaker in "abd" for n in range(6)] + ["u/0", "u/1"]
    high = [n % 2 for n in range(20)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": [name[0] for name in ids],
            "speaker_id": [name[:3] for name in ids],
            "emotion": ["high" if flag else "low" for flag in high],
            "arousal": [0.5 * flag for flag in high],
            "valence": [None if name == "c/a0" else 0.1 * n for n, name in enumerate(ids)],
        }
    )
    signals = {
        name: voice(0.5, 8000, 200 if flag else 100, n) for n, (name, flag) in enumerate(zip(ids, high, strict=True))
    }
    chunks = _chunk_table(tmp_path_factory.mktemp("chunks"), signals)
    return {"utterances": utterances, "chunks": chunks, "is10": _is10_table(ids)}


def _run(tables, options, folder, training=CPU, upto=None):
    return run_system("began", tables, options, folder, training, upto=upto)


def test_every_variant_and_both_tasks_are_trained_and_scored(tables, tmp_path):
    made = _run(
        tables, _options(tasks=["emotion", "dimensions"], variants=VARIANTS, paper_form=TINY_CLASSIFIER), tmp_path
    )
    metrics = made["train_began_metrics"]
    variants, protocol = metrics["variants"], metrics["protocol"]
    assert set(variants) == {*VARIANTS, *(f"{name}/task=dimensions" for name in NEURAL)}
    assert set(variants["began/task=dimensions"]) == {"ccc/arousal", "ccc/valence"}
    assert "began - svm" in metrics["paired"]
    assert protocol["encoder"]["chunks"] == 4 and protocol["corpora"]["c"]["utterances"] == 18
    assert made["study_stage"] == {} and made["encoder_stage"]["system"] == "began"
    numbers = made["began_dimensions"]
    valence = numbers.filter(pa.compute.equal(numbers["dimension"], "valence"))
    assert len(valence) == 17 and "c/a0" not in valence["utterance_id"].to_pylist()
    assert all(len(made[name].axes) >= 4 for name in ("encoder_figure", "chunks_figure"))
    assert "loss" in [axis.get_title() for axis in made["curves_figure"].axes]


def test_the_encoder_is_trained_once_and_shared_by_all_folds(tables, tmp_path):
    options = _options(variants=["began"])
    found = _run(tables, options, tmp_path)
    models, place = tmp_path / "train_began", found["encoder_stage"]["folder"]
    cards = sorted((models / "began").rglob("card.json"))
    assert len(cards) == 3 and {json.loads(card.read_bytes())["options"]["frozen"] for card in cards} == {place}
    stamp = (models / place / "card.json").stat().st_mtime_ns
    again = _run(tables, options, tmp_path)
    assert (models / place / "card.json").stat().st_mtime_ns == stamp
    assert again["began_predictions"].equals(found["began_predictions"])


@pytest.mark.parametrize("cepstrum", [None, {"bands": 4, "coefficients": 3}])
@pytest.mark.parametrize("variant", ["began", "from_scratch", "no_encoder", "began_paper_form"])
def test_a_saved_classifier_predicts_from_chunks_what_the_experiment_did(tables, tmp_path, variant, cepstrum):
    changes = {"scaling": {"strategy": "global"}, "cepstrum": cepstrum, "stage": 0, "paper_form": TINY_CLASSIFIER}
    options = _options(variants=["began", variant], **changes)
    made = _run(tables, options, tmp_path)
    found = made[f"{variant}_predictions"].to_pylist()[0]
    (model,) = [row for row in made[f"{variant}_models"] if row["fold"] == found["fold"]]
    saved = began_classifier.load(tmp_path / "train_began" / model["folder"])
    chunks = read_samples({"chunks": tables["chunks"]}, [found["utterance_id"]]).x["chunks"]
    np.testing.assert_allclose(saved.predict(torch.from_numpy(chunks)), found["probabilities"], atol=1e-5)
    assert saved.outputs == ("high", "low")


def test_the_papers_form_stands_on_the_last_map_whatever_the_others_take(tables, tmp_path):
    changes = {"stage": 0, "cepstrum": {"bands": 4, "coefficients": 3}, "paper_form": TINY_CLASSIFIER}
    made = _run(tables, _options(variants=["began", "no_encoder", "began_paper_form"], **changes), tmp_path)
    shapes = {}
    for variant in ("began", "no_encoder", "began_paper_form"):
        card = json.loads(
            (tmp_path / "train_began" / made[f"{variant}_models"][0]["folder"] / "card.json").read_bytes()
        )
        shapes[variant] = card["options"]["shape"]
    # 33 bins x 6 frames: 32 x 6, halved three times and once, with one filter more each time
    assert shapes == {"began": [2, 3, 6], "no_encoder": [1, 3, 6], "began_paper_form": [8, 4, 3]}


def test_inside_speakers_every_speaker_has_an_accuracy(tables, tmp_path):
    folds = {
        "experiment": "e",
        "corpora": ["c"],
        "unlabelled_corpora": ["u"],
        "protocol": {"kind": "speaker_dependent_share", "train_share": 0.6, "repeats": 2},
        "validation": {"kind": "none"},
    }
    made = _run(tables, _options(variants=["svm"], folds=folds), tmp_path)
    figures = made["train_began_metrics"]["variants"]["svm"]
    assert [name for name in figures if name.startswith("wa/")] == ["wa/a", "wa/b", "wa/d"]
    rows = [row for row in made["svm_predictions"].to_pylist() if row["speaker_id"] == "c/a"]
    right = [np.mean([r["target"] == r["prediction"] for r in rows if r["fold"] == fold]) for fold in range(2)]
    assert figures["wa/a"]["per_fold"] == pytest.approx(right) and figures["wa/a"]["mean"] == pytest.approx(
        sum(right) / 2
    )
    assert figures["wa/a"]["std"] == pytest.approx(np.std(right, ddof=1)) and figures["wa/a"]["ci95"] == [None, None]


def test_functionals_are_asked_of_labelled_utterances_alone(tables, tmp_path):
    without = tables | {"is10": _is10_table([f"c/{speaker}{n}" for speaker in "abd" for n in range(5)])}
    folds = _run(without, _options(), tmp_path, upto="folds")["folds"]
    assert always_unlabelled(folds) == ["u/0", "u/1"]
    assert len(set(folds["utterance_id"].to_pylist())) == 15 + 2  # the sixth of each speaker has no IS10


def test_the_encoder_sees_no_utterance_that_some_fold_uses(tables, tmp_path):
    budget = {"experiment": "e", "corpora": ["c"], "unlabelled_corpora": ["u"], "label_budget": {"share": 0.5}}
    folds = _run(tables, _options(folds=budget), tmp_path, upto="folds")["folds"]
    hidden = folds.filter(pa.compute.equal(folds["role"], "unlabelled"))["utterance_id"].to_pylist()
    assert sum(name.startswith("c/") for name in hidden) == 6
    assert always_unlabelled(folds) == ["u/0", "u/1"]
    alone = _options(folds={"experiment": "e", "corpora": ["c"]})
    with pytest.raises(ValueError, match=r"nothing to learn from; name a corpus in train_began\.folds\.unlabelled"):
        _run(tables, alone, tmp_path, upto="encoder_stage")
    others = alone.model_copy(update={"variants": ("random_encoder",)})
    assert _run(tables, others, tmp_path, upto="encoder_stage")["encoder_stage"] == {}


def test_every_seed_has_a_random_encoder_of_its_own(tables, tmp_path):
    """Two seeds give the predictions that each gives alone, from encoders with other weights."""
    options = _options(variants=["random_encoder"])
    both, alone = (
        _run(tables, options, tmp_path / name, CPU.model_copy(update={"seeds": seeds}))
        for name, seeds in (("both", (0, 1)), ("alone", (1,)))
    )
    found = both["random_encoder_predictions"]
    assert found.filter(pa.compute.equal(found["seed"], 1)).equals(alone["random_encoder_predictions"])
    weights = [path.read_bytes() for path in (tmp_path / "both/train_began/random").rglob("model.safetensors")]
    assert len(weights) == 2 and weights[0] != weights[1]


def test_the_study_is_resumable_and_its_values_are_what_is_trained(tables, tmp_path):
    space = {"filters": {"choices": [[3], [5]]}, "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    options = _options(variants=["began"], tune={"trials": 2, "folds": 1, "space": space})
    found = _run(tables, options, tmp_path)
    study, models = found["study_stage"], tmp_path / "train_began"
    assert study["trials"] == 2 and (models / "study" / "study.sqlite").exists()
    card = json.loads((models / found["began_models"][0]["folder"] / "card.json").read_bytes())
    assert {name: card["options"]["classifier"][name] for name in space} == study["best"]
    assert found["train_began_metrics"]["protocol"]["tuned"] == study["best"]
    more = options.model_copy(update={"tune": options.tune.model_copy(update={"trials": 3})})
    again = _run(tables, more, tmp_path)["study_stage"]
    assert again["scores"][:2] == study["scores"] and again["trials"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": {"space": {"width": {"choices": [1]}}}}, r"tune\.space names width, which classifier has not"),
        (
            {"tune": {"space": {"epochs": {"choices": [1]}}}, "variants": ["svm"]},
            "variants does not name began",
        ),
        ({"tasks": ["dimensions"]}, "tasks must be emotion, or emotion and dimensions"),
        ({"folds": {"experiment": "e", "corpora": ["c"], "acted": [{"corpus": "u", "emotions": {"a": "a"}}]}}, "acted"),
        (
            {
                "folds": {"experiment": "e", "corpora": ["c"], "validation": {"kind": "none"}},
                "classifier": {"select": "validation"},
            },
            "classifier needs validation data",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _options(**changes)


def _env_options(env: str) -> TrainBeganOptions:
    """The options of an env, its networks made tiny and LibriSpeech replaced by corpus u."""
    group = load_parameters(ROOT / "conf", env)["train_began"]
    return TrainBeganOptions(**group | TINY | {"folds": group["folds"] | {"unlabelled_corpora": ["u"]}})


def _ingested(root: Path, reader: str):
    """Utterances of a corpus's folder, and of two unlabelled files; their chunks and IS10 features."""
    for number in range(2):
        write_wav(root / "u" / f"{number}.wav", voice(0.3, 8000, seed=number), 8000)
    (root / "u" / "utterances.csv").write_text("audio_path,speaker_id\n0.wav,x\n1.wav,y\n")
    corpora = {reader: {"reader": reader, "root": str(root / reader)},
               "u": {"reader": "manifest", "root": str(root / "u")}}  # fmt: skip
    utterances = ingest(IngestOptions(corpora=corpora)).utterances
    folder = {name: Path(corpora[name]["root"]) for name in corpora}
    rows = zip(*(utterances[name].to_pylist() for name in ("utterance_id", "corpus", "audio_path")), strict=True)
    signals = {name: soundfile.read(folder[corpus] / path, dtype="float32")[0] for name, corpus, path in rows}
    return {"utterances": utterances, "chunks": _chunk_table(root, signals), "is10": _is10_table(list(signals))}


@pytest.mark.parametrize("name", ["AudioData/{speaker}/{code}{take:02d}.wav", "ALL/{speaker}_{code}{take:02d}.wav"])
def test_savee_runs_by_its_protocol_in_either_layout(tmp_path, name):
    for speaker in ("DC", "KL"):
        for place, code in enumerate("a d f h n sa su".split()):
            for take in (1, 2, 3, 4, 5):
                file = tmp_path / "savee" / name.format(speaker=speaker, code=code, take=take)
                write_wav(file, voice(0.3, 8000, 80 + 20 * place, seed=take), 8000)
    tables, options = _ingested(tmp_path, "savee"), _env_options("began_savee")
    found = _run(tables, options, tmp_path / "models")
    folds = found["folds"]
    assert folds["fold"].unique().to_pylist() == list(range(10))
    first = folds.filter(pa.compute.equal(folds["fold"], 0)).to_pandas()
    counts = first[first.role != "unlabelled"].groupby("role").size()
    assert (counts["train"], counts["test"]) == (42, 28)  # 3 and 2 of each speaker's 5 of each class
    assert set(found["train_began_metrics"]["variants"]) == set(DEFAULT_VARIANTS)


def test_omg_runs_by_its_split_with_f_scores_and_concordances(tmp_path):
    root = tmp_path / "omg"
    for part, count in (("Train", 14), ("Validation", 7), ("Test", 7)):
        lines = ["link,start,end,video,utterance,arousal,valence,EmotionMaxVote"]
        for number in range(count):
            lines.append(f"x,0,1,{part}v,utterance_{number}.mp4,{number / 20},{0.2 - number / 20},{number % 7}")
            write_wav(root / part / f"{part}v" / f"utterance_{number}.wav", voice(0.3, 8000, 80 + number), 8000)
        suffix = "_WithLabels" if part == "Test" else ""
        root.joinpath(f"omg_{part}Videos{suffix}.csv").write_text("\n".join(lines) + "\n")
    tables, options = _ingested(tmp_path, "omg"), _env_options("began_omg")
    variants = _run(tables, options, tmp_path / "models")["train_began_metrics"]["variants"]
    assert {"macro_f1", "weighted_f1"} <= set(variants["began"])
    assert set(variants["began/task=dimensions"]) == {"ccc/arousal", "ccc/valence"}
