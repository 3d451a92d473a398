import pytest

from semiser.features.opensmile_sets import set_names
from semiser.systems.mmmd.paths import acoustic_paths, column_paths


def test_the_ten_families_have_the_papers_sizes():
    sizes = {name: len(columns) for name, columns in acoustic_paths(set_names("IS10")).items()}
    assert sizes == {
        "loudness": 42,
        "mfcc": 630,
        "log_mel_bands": 336,
        "lsp": 336,
        "f0_envelope": 42,
        "voicing": 42,
        "f0": 40,
        "jitter_local": 38,
        "jitter_ddp": 38,
        "shimmer": 38,
    }


@pytest.mark.parametrize("grouping, paths", [("family", 10), ("descriptor", 38), ("single", 1)])
def test_every_column_is_in_exactly_one_path(grouping, paths):
    found = acoustic_paths(set_names("IS10"), grouping)
    assert len(found) == paths
    assert sorted(column for columns in found.values() for column in columns) == list(range(1582))


def test_descriptor_paths_hold_a_descriptor_and_its_deltas():
    found = acoustic_paths(set_names("IS10"), "descriptor")
    names = [set_names("IS10")[column] for column in found["mfcc[3]"]]
    assert len(names) == 42
    assert {name.split("[")[0] for name in names} == {"mfcc_sma", "mfcc_sma_de"}


def test_a_name_of_another_feature_set_is_refused():
    with pytest.raises(ValueError, match="'alphaRatio' belongs to no family"):
        acoustic_paths(["alphaRatio"])


@pytest.mark.parametrize(
    "feature_set, sizes",
    [
        (
            "eGeMAPSv02",
            dict(f0=10, loudness=10, spectrum=21, mfcc=16, jitter=2, shimmer=2, voicing=2, formants=18, others=7),
        ),
        ("emobase", dict(loudness=76, mfcc=456, lsp=304, zero_crossings=38, voicing=38, f0=76)),
    ],
)
def test_other_sets_of_opensmile_have_paths_by_kind_of_descriptor(feature_set, sizes):
    found = column_paths("x", set_names(feature_set), "family")
    assert {name: len(columns) for name, columns in found.items()} == {f"x.{name}": n for name, n in sizes.items()}
    assert sorted(column for columns in found.values() for column in columns) == list(range(sum(sizes.values())))


def test_other_sets_by_descriptor_and_features_of_another_kind():
    names = ["mfcc1_sma3_amean", "mfcc2_sma3_amean", "mfcc1_sma3_stddevNorm", "mfcc_sma[3]_max", "mfcc_sma_de[3]_max"]
    assert column_paths("x", names, "descriptor") == {"x.mfcc1": [0, 2], "x.mfcc2": [1], "x.mfcc[3]": [3, 4]}
    assert column_paths("x", names, "single") == {"x": [0, 1, 2, 3, 4]}
    assert column_paths("fbank", ["fbank_000_mean", "fbank_000_std"], "family") == {"fbank": [0, 1]}
    assert column_paths("is10", set_names("IS10"), "family") == acoustic_paths(set_names("IS10"), "family")


def test_an_encoder_has_a_path_per_layer():
    names = ["layer_01_mean_000", "layer_01_std_000", "layer_12_mean_000"]
    found = column_paths("speech_encoder", names, "family")
    assert found == {"speech_encoder.layer_01": [0, 1], "speech_encoder.layer_12": [2]}
