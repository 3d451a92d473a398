from semiser.reporting.page import describe_protocol
from semiser.reporting.protocol import protocol_of

PROTOCOL = {
    "scaling": "speaker",
    "tasks": {"arousal": {"classes": ["low", "high"]}, "emotion": {"classes": ["joy", "fear", "rage"]}},
    "settings": {
        "e/task=arousal/features=fft": {"corpora": {"a": {}}},
        "e/task=emotion/features=fft": {"corpora": {"b": {}}},
    },
}


def test_a_variant_has_the_protocol_of_its_task_and_setting():
    found = protocol_of(PROTOCOL, "ssgan/task=emotion/features=fft")
    assert list(found["corpora"]) == ["b"] and len(found["classes"]) == 3 and found["scaling"] == "speaker"


def test_a_protocol_without_tasks_is_the_same_for_all():
    assert protocol_of({"corpora": ["c"]}, "svm") == {"corpora": ["c"]}


def test_the_page_tells_the_classes_of_every_task():
    lines = dict(describe_protocol(PROTOCOL, "ssgan/task=arousal/features=fft"))
    assert lines["classes"] == "arousal: low, high; emotion: joy, fear, rage"
