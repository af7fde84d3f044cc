"""Topics of an answer in one text: the id of its topic, or a JSON array of ids where it belongs to several."""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.encoded_columns import dictionary_of

_LIST = "["


def topics_of(text: str) -> list[str]:
    """List the topics of a text, sorted and each once; a text that is no JSON array of names is one topic."""
    if not text.startswith(_LIST):
        return [text]
    try:
        names = names_of(json.loads(text))
    except (ValueError, RecursionError):
        return [text]
    return [text] if any(map(_is_no_text, names)) else names


def names_of(topics: Iterable[object]) -> list[str]:
    """Give the names of a list's topics, sorted and each once; a null or blank one is none."""
    names = (topic if isinstance(topic, str) else json.dumps(topic) for topic in topics if topic is not None)
    return sorted({name.strip() for name in names} - {""})


def _is_no_text(name: str) -> bool:
    """Tell whether PostgreSQL takes no such text: JSON may write a zero byte, or half of a letter of UTF-16."""
    return "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name)


def text_of(topics: Iterable[str]) -> str | None:
    """Write topics as one text; None for none of them."""
    different = sorted(set(topics))
    if len(different) < 2:
        return different[0] if different else None
    return json.dumps(different, ensure_ascii=False, separators=(",", ":"))


def in_one_form(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Write equal lists in the same way: sorted, each topic once, a list of one as its topic, an empty one as null."""
    encoded = dictionary_of(texts)
    if not pc.any(pc.starts_with(encoded.dictionary, _LIST)).as_py():
        return texts
    distinct: Sequence[str] = encoded.dictionary.to_pylist()
    return pa.array([text_of(topics_of(text)) for text in distinct], pa.string()).take(encoded.indices)


def from_lists(lists: pa.ChunkedArray) -> pa.Array:
    """Write a column of lists, as Parquet files have them, as texts."""
    return pa.array(
        [None if topics is None else text_of(names_of(topics)) for topics in lists.to_pylist()], pa.string()
    )
