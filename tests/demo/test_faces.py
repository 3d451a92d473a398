import cv2
import numpy as np
import pytest

from semiser.demo.faces import EXPRESSION_ACTIONS, EXPRESSIONS, Actions, Identity, Pose, draw_face, random_identity

PEOPLE = [random_identity(seed, gender) for seed, gender in ((0, "female"), (1, "male"), (2, "female"), (3, "male"))]


@pytest.fixture(scope="module")
def find_faces():
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    def find(picture: np.ndarray) -> np.ndarray:
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (320, 320))
        return np.array(detector.detectMultiScale(cv2.equalizeHist(grey), 1.1, 5, minSize=(38, 38))) / 320

    return find


def region(picture: np.ndarray, top: float, bottom: float) -> np.ndarray:
    """A band of the middle of a picture, in shares of its side, as signed integers."""
    side = len(picture)
    return picture[round(top * side) : round(bottom * side), round(0.3 * side) : round(0.7 * side)].astype(int)


def test_shape_and_type():
    picture = draw_face("neutral", size=96)
    assert picture.shape == (96, 96, 3)
    assert picture.dtype == np.uint8


def test_same_arguments_give_the_same_picture():
    first, second = (draw_face("fear", random_identity(5), speaking=0.4, pose=Pose(0.1, 0, 5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_neutral_has_no_movement():
    np.testing.assert_array_equal(draw_face("anger", intensity=0, size=64), draw_face("neutral", size=64))


def test_every_expression_differs_from_every_other():
    pictures = [draw_face(expression, size=64).astype(int) for expression in EXPRESSIONS]
    differences = [np.abs(a - b).mean() for n, a in enumerate(pictures) for b in pictures[:n]]
    assert len(differences) == 21
    assert min(differences) > 0.4


def test_scaled_multiplies_every_movement():
    assert Actions(brow_inner=-1, cheek=0.5).scaled(0.5) == Actions(brow_inner=-0.5, cheek=0.25)
    assert set(EXPRESSION_ACTIONS) == set(EXPRESSIONS)


def test_intensity_grows_the_difference_to_neutral():
    neutral = draw_face("happiness", intensity=0).astype(int)
    half, full = (np.abs(draw_face("happiness", intensity=i).astype(int) - neutral).mean() for i in (0.5, 1))
    assert 0 < half < full


def test_speaking_moves_the_mouth_and_nothing_above_it():
    shut, talking = draw_face("neutral"), draw_face("neutral", speaking=1)
    assert np.abs(region(talking, 0.62, 0.8) - region(shut, 0.62, 0.8)).mean() > 3
    np.testing.assert_array_equal(region(talking, 0, 0.6), region(shut, 0, 0.6))


def test_blink_hides_the_white_of_the_eyes():
    awake, asleep = (region(draw_face("neutral", blink=blink), 0.42, 0.52).min(axis=2) for blink in (0, 1))
    assert (awake > 215).sum() > 10 * (asleep > 215).sum()


def test_light_brightens_its_side():
    picture = draw_face("neutral", light=1.0).astype(int)
    assert picture[80:110, 105:115].mean() > picture[80:110, 45:55].mean() + 10


def test_identities_are_reproducible_and_differ():
    assert random_identity(3, "male") == random_identity(3, "male")
    assert len(set(PEOPLE)) == len(PEOPLE)
    assert random_identity(8, "female").hair_style in ("bob", "long")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_detector_finds_the_face(expression, find_faces):
    for person in PEOPLE:
        boxes = find_faces(draw_face(expression, person))
        assert len(boxes) == 1
        x, y, width, height = boxes[0]
        assert 0.4 < x + width / 2 < 0.6
        assert 0.4 < y + height / 2 < 0.65
        assert 0.35 < width < 0.75


def test_pose_shifts_the_face(find_faces):
    still, moved = (find_faces(draw_face("neutral", pose=pose))[0] for pose in (Pose(), Pose(x=0.2)))
    assert moved[0] + moved[2] / 2 - still[0] - still[2] / 2 == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expression": "joy"}, "expression must be one of neutral, happiness"),
        ({"intensity": 2}, "intensity must lie in 0 to 1.3, not 2"),
        ({"speaking": -0.1}, "speaking must lie in 0 to 1"),
        ({"size": 8}, "size must lie in 32 to 2048, not 8"),
    ],
)
def test_refuses_what_it_cannot_draw(options, message):
    with pytest.raises(ValueError, match=message):
        draw_face(**{"expression": "neutral", **options})


def test_refuses_an_unknown_hair_style():
    with pytest.raises(ValueError, match="hair_style must be one of short, side, bob, long, not 'mohican'"):
        Identity(hair_style="mohican")
