"""Makes reference.md, every option there is, from the typed models: `python docs/make_reference.py`.

Descriptions are those of the models' docstrings, defaults are those of `conf/base` and, where it says nothing, of the
models.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from semiser.configuration import load_parameters
from semiser.corpora.options import IngestOptions
from semiser.corpora.registry import READERS, get_reader
from semiser.faces.options import TrainFacesOptions
from semiser.faces.registry import FACE_READERS, get_face_reader
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.final import FinalOptions
from semiser.options.places import PlacesOptions
from semiser.options.predict import PredictOptions
from semiser.options.report import ReportOptions
from semiser.options.runs import RunsOptions
from semiser.options.tracking import TrackingOptions
from semiser.options.training import TrainingOptions
from semiser.systems.system import get_system, system_names

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference.md"
HEAD = """# All options

Every option of `conf/<env>/parameters.yml`, by its group, under its dotted path; `--params` takes the same paths:
`kedro run --env emodb --params train_mmmd.variants=mmd,train_mmmd.mmd.epochs=30`. What an experiment does not say is as
the column *default* has it. `<name>` stands for a name of your choice, `[]` for every entry of a list. An option in
several forms has a `kind`, which says which further options there are. Where the same options with the same defaults
stand under several paths, this page has them once: the others refer to them, and take them under their own path.

What the published experiments run with, beside what their papers say, is in [options.md](options.md). What an
experiment of yours runs with is in the record of every run ([experiments.md](experiments.md)). Beside the groups there
is one option, `experiment`: the experiment's name, which is otherwise that of the env.

This page is made from the typed models and `conf/base` by `python docs/make_reference.py`; a test fails where it
is old.
"""
BEFORE: dict[str, type[BaseModel]] = {
    "ingest": IngestOptions,
    "features": FeaturesOptions,
    "train_faces": TrainFacesOptions,
    "training": TrainingOptions,
}
AFTER: dict[str, type[BaseModel]] = {
    "final": FinalOptions,
    "predict": PredictOptions,
    "report": ReportOptions,
    "runs": RunsOptions,
    "tracking": TrackingOptions,
    "engine": EngineOptions,
    "places": PlacesOptions,
}
REPEATED = 3  # options of a model that are worth a reference in place of themselves
# Of a docstring: names, and what they are.
_ATTRIBUTE = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", re.MULTILINE)
_UNSAID = PydanticUndefined


@dataclass(frozen=True)
class Row:
    """An option: its dotted path, type, default and description, as Markdown."""

    path: str
    kind: str
    default: str
    what: str
    when: str = ""


@dataclass(frozen=True)
class Table:
    """The options of a group, or of a reader."""

    title: str
    level: int
    what: str
    rows: tuple[Row, ...]


def groups() -> dict[str, type[BaseModel]]:
    """The model of every parameter group."""
    systems = {}
    for system in map(get_system, system_names()):
        systems[system.pipeline] = system.options
        if system.sweeps:
            systems[f"{system.name}_sweeps"] = system.sweeps.options
    return BEFORE | systems | AFTER


def tables() -> Iterator[Table]:
    """All options there are."""
    base = load_parameters(ROOT / "conf", None, {"experiment": "<experiment>"})
    known: dict[tuple[Any, ...], tuple[str, str]] = {}
    for group, model in groups().items():
        rows = tuple(_once(_rows(model, None, base.get(group), group), group, known))
        yield Table(f"`{group}`", 2, _about(group, model), rows)
        if group == "ingest":
            readers = {name: get_reader(name).options for name in READERS}
            yield from _reader_tables(readers, "ingest.corpora.<name>.options", "corpora")
        if group == "train_faces":
            readers = {name: get_face_reader(name).options for name in FACE_READERS}
            yield from _reader_tables(readers, "train_faces.<network>.images.options", "face images")


def _reader_tables(readers: Mapping[str, type[BaseModel]], above: str, what: str) -> Iterator[Table]:
    bare = [f"`{name}`" for name, model in readers.items() if not model.model_fields]
    without = f" These have none: {', '.join(bare)}." if bare else ""
    yield Table(f"Readers of {what}", 3, f"A reader's options stand under `{above}`.{without}", ())
    for name, model in readers.items():
        if rows := tuple(_rows(model, None, None, "")):
            yield Table(f"Reader `{name}`", 4, "", rows)


def _rows(model: type[BaseModel], made: BaseModel | None, base: Any, above: str, when: str = "") -> Iterator[Row]:
    """The options of a model.

    Args:
        model: of the options.
        made: it with the defaults that it has here; None: its own.
        base: what conf/base says.
        above: path of the model.
        when: which form of an option it is.
    """
    described = descriptions(model)
    for name, field in model.model_fields.items():
        path = f"{above}.{name}".removeprefix(".")
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if len(choices) == 1 or (when and name == "kind"):
            continue  # no choice, or told where the forms are
        said = base.get(name, _UNSAID) if isinstance(base, Mapping) else _UNSAID
        value = getattr(made, name) if made is not None else _default(field)
        forms = list(_models(field.annotation))
        kind = _in_words(field.annotation, tuple(field.metadata))
        what = described.get(name) or " ".join(dict.fromkeys(_summary(form) for form, _ in forms))
        yield Row(path, kind, _shown(value, said, forms), what, when)
        of_kinds = [form for form, _ in forms if "kind" in form.model_fields]
        if len(forms) > 1 and len(of_kinds) == len(forms):
            told = " ".join(f"{_kind(form)}: {descriptions(form).get('kind') or _summary(form)}" for form in of_kinds)
            default = f"`{value.kind}`" if isinstance(value, BaseModel) else "to be given"
            kinds = ", ".join(map(_kind, of_kinds)).replace(" or ", ", ")
            yield Row(f"{path}{forms[0][1]}.kind", kinds, default, told)
        for form, between in forms:
            own = value if isinstance(value, form) else None
            form_when = when
            if len(forms) > 1:
                form_when = f"kind {_kind(form)}" if form in of_kinds else form.__name__.lower()
            yield from _rows(form, own, None if between else said, f"{path}{between}", form_when)


def _once(found: Iterable[Row], group: str, known: dict[tuple[Any, ...], tuple[str, str]]) -> Iterator[Row]:
    """The rows, with a reference where all options of a model stood before."""
    found = list(found)
    skipped: set[int] = set()
    for place, row in enumerate(found):
        if place in skipped:
            continue
        inner = [n for n, other in enumerate(found) if other.path.startswith((f"{row.path}.", f"{row.path}["))]
        key = tuple(replace(found[n], path=found[n].path.removeprefix(row.path)) for n in inner)
        if len(key) >= REPEATED and key in known:
            where, path = known[key]
            there = f"`{path}`" if where == group else f"[`{path}`](#{where})"
            row = replace(row, what=f"{row.what} Its options are as those of {there}.")
            skipped.update(inner)
        elif len(key) >= REPEATED:
            known[key] = (group, row.path)
        yield row


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model, and of those that it is made of, say of each option."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not issubclass(one, BaseModel) or one.__module__.startswith("pydantic"):
            continue
        _, _, attributes = cleandoc(one.__dict__.get("__doc__") or "").partition("Attributes:\n")
        for names, text in _ATTRIBUTE.findall(attributes):
            found |= {name.strip(): " ".join(text.split()) for name in names.split(",")}
    return found


def _summary(model: type[BaseModel]) -> str:
    """The beginning of a model's docstring, up to an empty line."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _about(group: str, model: type[BaseModel]) -> str:
    """What a group is, as its module says it, else its model."""
    beginning = f"`params:{group}`: "
    said = " ".join((sys.modules[model.__module__].__doc__ or "").split("\n\n")[0].split())
    about = said.removeprefix(beginning) if said.startswith(beginning) else _summary(model)
    return about[:1].upper() + about[1:]


def _kind(model: type[BaseModel]) -> str:
    return " or ".join(f"`{one}`" for one in get_args(model.model_fields["kind"].annotation))


def _models(kind: Any, between: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The models inside a type, each with what stands between its path and that of the type."""
    if isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel):
        yield kind, between
    elif get_origin(kind) is dict:
        yield from _models(get_args(kind)[1], f"{between}.<name>")
    elif get_origin(kind) in (list, tuple):
        yield from _models(get_args(kind)[0], f"{between}[]")
    elif get_origin(kind) is Annotated:
        yield from _models(get_args(kind)[0], between)
    elif get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _models(one, between)


_WORDS = {
    str: "text",
    Path: "path",
    bool: "true or false",
    int: "whole number",
    float: "number",
    NoneType: "null",
    Any: "anything",
}


def _in_words(kind: Any, metadata: Collection[Any] = ()) -> str:
    """A type as a user of YAML would say it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        more = [m for one in inner[1:] for m in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return _in_words(inner[0], [*metadata, *more])
    if origin in (Union, UnionType):
        parts = [_in_words(one, metadata if one is not NoneType else ()) for one in inner]
        return " or ".join(dict.fromkeys(parts))
    if origin is Literal:
        return ", ".join(f"`{json.dumps(one) if not isinstance(one, str) else one}`" for one in inner)
    if origin in (list, tuple):
        if origin is tuple and inner[-1] is not Ellipsis and len(inner) > 1:
            same = len(set(inner)) == 1
            what = _in_words(inner[0]) if same else "; ".join(map(_in_words, inner))
            return f"list of {len(inner)}: {what}"
        return f"list{_length(metadata)} of: {_in_words(inner[0])}"
    if origin is dict:
        return f"names{_length(metadata)}, each with: {_in_words(inner[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "options"
    return _WORDS[kind] + _bounds(metadata)


def _length(metadata: Collection[Any]) -> str:
    least = next((m.min_length for m in metadata if isinstance(m, MinLen)), 0)
    most = next((m.max_length for m in metadata if isinstance(m, MaxLen)), None)
    said = [f"at least {least}"] if least > 1 else ["not empty"] if least else []
    said += [f"at most {most}"] if most else []
    return f" ({', '.join(said)})" if said else ""


def _bounds(metadata: Collection[Any]) -> str:
    said = []
    for bound in metadata:
        match bound:
            case Ge(ge=low):
                said.append(f"at least {low}")
            case Gt(gt=low):
                said.append(f"above {low}")
            case Le(le=high):
                said.append(f"at most {high}")
            case Lt(lt=high):
                said.append(f"below {high}")
            case MinLen(min_length=least) if least == 1:
                said.append("not empty")
    return f" ({', '.join(said)})" if said else ""


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined


def _shown(value: Any, said: Any, forms: list[tuple[type[BaseModel], str]]) -> str:
    """The default: that of conf/base, else the model's; nothing where the options below have their own."""
    if isinstance(value, BaseModel) or (forms and isinstance(said, Mapping) and not any(b for _, b in forms)):
        return ""
    if said is not _UNSAID and not (said is None and value is PydanticUndefined):
        value = said
    if value is PydanticUndefined:
        return "to be given"
    if isinstance(value, Mapping) and forms:
        value = list(value) or value  # names; what they have stands below
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    shown = json.dumps(to_jsonable_python(value), ensure_ascii=False)
    return f"`{shown}`"


def page() -> str:
    """The page as it should be."""
    lines = [HEAD]
    for table in tables():
        lines.append(f"{'#' * table.level} {table.title}\n")
        if table.what:
            lines.append(f"{_prose(table.what)}\n")
        if table.rows:
            lines += ["| option | what it takes | default | what it is |", "|---|---|---|---|"]
            lines += map(_line, table.rows)
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(row: Row) -> str:
    option = f"`{row.path}`" + (f" ({row.when})" if row.when else "")
    cells = (option, row.kind, row.default, _prose(row.what))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _prose(text: str) -> str:
    """A docstring's words as Markdown: nothing in them is markup but code and links, and None is YAML's null."""
    parts = re.split(r"(`[^`]*`|\[`[^`]*`\]\([^)]*\))", text)
    for place in range(0, len(parts), 2):
        plain = re.sub(r"([*_<])", r"\\\1", parts[place])
        parts[place] = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", re.sub(r"\bNone\b", "`null`", plain))
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
