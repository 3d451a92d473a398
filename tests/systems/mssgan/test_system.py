"""MSSGAN's pipeline and sweeps on a dozen utterances with audio and faces."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest
from system_runs import run_system

from semiser.folds.settings import protocols_of
from semiser.systems.mssgan.options import TrainMssganOptions
from semiser.systems.mssgan.sweeps import MssganSweepsOptions
from semiser.systems.mssgan.system import pairs

VARIANTS = ("fsbase", "mfsbase", "ssbase", "ssgan", "mssgan")
SMALL = {
    "crop": {"frames": 16, "kept_frames": 16},
    "network": {"noise": 4, "generator_channels": [4], "discriminator_channels": [4]},
    "optimisation": {"epochs": 1, "batches": 1, "batch_size": 4},
    "self_training": {"epochs": 1},
}
LEVELS = {"levels": [{"name": "low", "up_to": 2}, {"name": "high", "up_to": 5}]}


def _options(**changes) -> TrainMssganOptions:
    folds = {"experiment": "e", "corpora": ["c"], "unlabelled_corpora": ["u"], "validation": {"kind": "speakers"}}
    tasks = {
        "valence": {"target": "valence", "votes": "valence_votes", "discretise": LEVELS},
        "emotion": {"target": "emotion", "classes": ["calm", "anger", "joy"], "merges": {"rage": "anger"}},
    }
    given = {"folds": folds, "tasks": tasks, "features": ["fbank", "dface", "fbank+dface"]}
    return TrainMssganOptions(**SMALL | given | changes)


@pytest.fixture
def tables():
    """Speakers a, b and d of corpus c with six utterances each; corpus u is unlabelled, its second half has no face."""
    ids = [f"c/{speaker}{n}" for speaker in "abd" for n in range(6)] + [f"u/u{n}" for n in range(4)]
    count = len(ids)
    emotions = [["calm", "rage", "joy"][n % 3] for n in range(18)] + [None] * 4
    columns = {
        "utterance_id": ids,
        "corpus": [name[0] for name in ids],
        "speaker_id": [name[:3] for name in ids],
        "emotion": emotions,
        "valence": [None] * count,
        "valence_votes": [[1.0 + n % 2 * 3, 1.0 + n % 2 * 3] for n in range(18)] + [None] * 4,
        "audio_path": ids,
        "video_path": ids,
        "video_side": ["left", "right"] * (count // 2),
        "duration_s": [0.3] * count,
    }
    nothing = dict.fromkeys(("start_s", "end_s", "video_start_s", "video_end_s"), pa.nulls(count, pa.float64()))
    utterances = pa.table(columns | nothing)
    utterances = utterances.set_column(4, "valence", pa.nulls(count, pa.float64()))
    random = np.random.default_rng(0)
    field = pa.field("fbank", pa.list_(pa.float32()), metadata={"shape": json.dumps((None, 4))})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    values = [random.normal(size=28 * 4).astype(np.float32) for _ in ids]
    fbank = pa.dataset.dataset(pa.table([pa.array(ids), pa.array(values)], schema=schema))
    seen = ids[:20]
    faces = {
        "utterance_id": seen,
        "dface": pa.array([random.normal(size=(2, 3)).tolist() for _ in seen], pa.list_(pa.list_(pa.float32(), 3))),
        "frame_time_s": [[0.0, 0.24]] * len(seen),
    }
    return {"utterances": utterances, "fbank": fbank, "dface": pa.dataset.dataset(pa.table(faces))}


def test_every_variant_is_trained_on_its_modalities_and_tasks_with_other_classes_are_measured_apart(tables, tmp_path):
    made = run_system("mssgan", tables, _options(), tmp_path)
    metrics = made["train_mssgan_metrics"]
    count = 2 * (3 * 2 + 2)
    assert len(metrics["variants"]) == count == len(made["metrics_table"]) == len(made["confusion_figure"].axes)
    classes = {task: facts["classes"] for task, facts in metrics["protocol"]["tasks"].items()}
    assert classes == {"valence": ["low", "high"], "emotion": ["calm", "anger", "joy"]}
    assert "f1/joy" in metrics["variants"]["mssgan/task=emotion/features=fbank+dface"]
    assert "f1/joy" not in metrics["variants"]["mssgan/task=valence/features=fbank+dface"]
    faces = made["faces_table"]
    assert set(faces["face"]) == {"frontal", "side"} and faces["variant"].str.contains("dface").all()
    assert {row["name"] for row in made["mssgan_curves"].to_pylist()} > {"consistency", "generator_loss"}
    labels = [text.get_text() for text in made["curves_figure"].legends[0].get_texts()]
    assert labels == list(VARIANTS)


def _protocols(tables, tmp_path, options=None):
    return protocols_of(run_system("mssgan", tables, options or _options(), tmp_path, upto="folds")["folds"])


def test_what_has_no_face_is_left_out_of_visual_settings_and_counted(tables, tmp_path):
    protocols = _protocols(tables, tmp_path, _options(drop_faceless=False))
    assert protocols["e/task=valence/features=fbank"]["left_out"] == []
    dropped = [{"corpus": "u", "reason": "no features fbank+dface", "utterances": 2}]
    assert protocols["e/task=valence/features=fbank+dface"]["left_out"] == dropped
    assert set(protocols["e/task=valence/features=dface"]["unlabelled_corpora"]) == {"u"}


def test_an_unlabelled_corpus_without_any_face_leaves_visual_settings(tables, tmp_path):
    without = pa.dataset.dataset(tables["dface"].to_table().slice(0, 18))
    protocols = _protocols(tables | {"dface": without}, tmp_path, _options(drop_faceless=False))
    assert protocols["e/task=valence/features=dface"]["unlabelled_corpora"] == {}
    assert set(protocols["e/task=valence/features=fbank"]["unlabelled_corpora"]) == {"u"}


def test_unlabelled_samples_without_a_face_are_dropped_for_the_voice_too_unless_told_otherwise(tables, tmp_path):
    protocols = _protocols(tables, tmp_path)
    voice = protocols["e/task=valence/features=fbank"]
    dropped = {"corpus": "u", "reason": "no face (train_mssgan.drop_faceless)", "utterances": 2}
    assert voice["left_out"] == [dropped] and voice["unlabelled_corpora"]["u"]["utterances"] == 2
    assert voice["corpora"]["c"]["utterances"] == 18
    alone = _options(features=["fbank"])  # no setting sees faces: none is asked for
    found = _protocols(tables | {"dface": None}, tmp_path, alone)["e/task=valence/features=fbank"]
    assert found["left_out"] == [] and found["unlabelled_corpora"]["u"]["utterances"] == 4


def test_fewer_unlabelled_samples_than_are_asked_for_are_refused(tables, tmp_path):
    _protocols(tables, tmp_path, _options(unlabelled_samples=2))
    with pytest.raises(ValueError, match=r"unlabelled_samples asks for 3 .* and task=valence/features=fbank has 2 "):
        _protocols(tables, tmp_path, _options(unlabelled_samples=3))
    _protocols(tables, tmp_path, _options(unlabelled_samples=3, variants=["fsbase", "mfsbase"]))  # nobody uses them
    more = SWEEPS.model_copy(update={"unlabelled_samples": (0, 3)})
    with pytest.raises(ValueError, match=r"mssgan_sweeps, .*unlabelled_samples=3 asks for 3 "):
        run_system("mssgan", tables, _options(), tmp_path, sweeps=more, upto="quantity_figure")


def test_the_validation_parts_uar_and_the_faces_stand_beside_the_tests(tables, tmp_path):
    made = run_system("mssgan", tables, _options(features=["dface"], variants=["fsbase"]), tmp_path)
    name = "fsbase/task=valence/features=dface"
    figures = made["train_mssgan_metrics"]["variants"][name]
    best = [
        max(
            row["value"]
            for row in made["fsbase_curves"].to_pylist()
            if (row["variant"], row["fold"], row["name"]) == (name, fold, "validation_uar")
        )
        for fold in range(3)
    ]
    assert figures["validation_uar"]["per_fold"] == pytest.approx(best)
    gaps = np.subtract(figures["uar"]["per_fold"], best)
    assert figures["uar_gap"]["per_fold"] == pytest.approx(gaps) and figures["uar_gap"]["mean"] == pytest.approx(
        gaps.mean()
    )
    faces = made["faces_table"].set_index(["variant", "face"])
    for face in ("frontal", "side"):
        row = faces.loc[name, face]
        assert figures[f"correct/{face}"]["mean"] == row["correct"] and figures[f"wrong/{face}"]["mean"] == row["wrong"]
        assert figures[f"wa/{face}"]["mean"] == pytest.approx(row["accuracy"])


def test_a_corpus_without_any_face_cannot_be_told_by_faces(tables, tmp_path):
    none = pa.dataset.dataset(tables["dface"].to_table().slice(18))
    with pytest.raises(ValueError, match="task=valence/features=dface: no utterance of c has the features dface"):
        _protocols(tables | {"dface": none}, tmp_path)


def test_a_family_that_is_switched_off_is_named_and_others_do_not_need_it(tables, tmp_path):
    with pytest.raises(ValueError, match=r"train_mssgan\.features needs the features fft, which were not extracted"):
        _protocols(tables, tmp_path, _options(features=["fbank", "fft"]))


def test_variants_that_are_not_named_give_empty_tables(tables, tmp_path):
    options = _options(
        variants=["fsbase", "mfsbase"], features=["fbank"], tasks={"valence": _options().tasks["valence"]}
    )
    made = run_system("mssgan", tables, options, tmp_path)
    assert {name for name in VARIANTS if len(made[f"{name}_predictions"])} == {"fsbase"}
    assert list(made["train_mssgan_metrics"]["variants"]) == ["fsbase/task=valence/features=fbank"]
    assert len(made["faces_table"]) == 0


def test_pairs_are_systems_on_the_same_features_and_two_modalities_against_each():
    names = [f"{name}/task=t/features=fft" for name in ("fsbase", "ssbase", "ssgan")]
    assert pairs(_options(), names) == [(names[1], names[0]), (names[2], names[0]), (names[2], names[1])]
    both = ["ssgan/task=t/features=dface", "mfsbase/task=t/features=fft+dface", "mssgan/task=t/features=fft+dface"]
    found = pairs(_options(), [*names, *both])
    assert {(a, b) for a, b in found if a == both[2]} == {(both[2], both[1]), (both[2], names[2]), (both[2], both[0])}
    assert {b for a, b in found if a == both[1]} == {names[0]}


SWEEPS = MssganSweepsOptions(
    quantity={"task": "valence", "features": "fbank+dface"},
    unlabelled_samples=[0, 2],
    normalisation={"task": "emotion", "features": "fbank"},
)


@pytest.mark.parametrize(
    "sweep, variants",
    [
        ("quantity", [f"mssgan/task=valence/features=fbank+dface/unlabelled_samples={n}" for n in (0, 2)]),
        (
            "normalisation",
            [
                f"ssgan/task=emotion/features=fbank/unlabelled_scaling={how}"
                for how in ("none", "self", "shift", "combine")
            ],
        ),
    ],
)
def test_an_ablation_trains_each_setting_and_draws_them(tables, tmp_path, sweep, variants):
    made = run_system("mssgan", tables, _options(), tmp_path, sweeps=SWEEPS, upto=f"{sweep}_figure")
    assert made[f"{sweep}_table"]["variant"].tolist() == variants
    assert len(made[f"{sweep}_confusion_figure"].axes) == len(variants)
    option = variants[0].rsplit("/", 1)[1].split("=")[0]
    assert made[f"{sweep}_figure"].axes[0].get_xlabel() == option
    folder = tmp_path / "mssgan_sweeps"
    cards = [json.loads(next((folder / name).glob("seed-0/fold-00/*/card.json")).read_text()) for name in variants]
    if sweep == "quantity":
        assert [card["options"]["gan"] is None for card in cards] == [True, False]
    else:
        assert all(card["options"]["gan"] for card in cards)


def test_an_ablation_names_a_setting_that_has_folds():
    with pytest.raises(ValueError, match=r"mssgan_sweeps\.quantity is task=valence/features=fft\+dface, but"):
        MssganSweepsOptions(quantity={"task": "valence", "features": "fft+dface"}).setting("quantity", _options())
