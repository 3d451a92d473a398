import pytest

from semiser.features.functionals import feature_names
from semiser.systems.mmmd.paths import acoustic_paths


def test_the_ten_families_have_the_papers_sizes():
    sizes = {name: len(columns) for name, columns in acoustic_paths(feature_names("IS10")).items()}
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
    found = acoustic_paths(feature_names("IS10"), grouping)
    assert len(found) == paths
    assert sorted(column for columns in found.values() for column in columns) == list(range(1582))


def test_descriptor_paths_hold_a_descriptor_and_its_deltas():
    found = acoustic_paths(feature_names("IS10"), "descriptor")
    names = [feature_names("IS10")[column] for column in found["mfcc[3]"]]
    assert len(names) == 42
    assert {name.split("[")[0] for name in names} == {"mfcc_sma", "mfcc_sma_de"}


def test_a_name_of_another_feature_set_is_refused():
    with pytest.raises(ValueError, match="'alphaRatio' belongs to no family"):
        acoustic_paths(["alphaRatio"])
