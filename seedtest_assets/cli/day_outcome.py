"""What a day's run came to, for the terminal: pure functions on its metadata."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seedtest_assets.calibration import linked_blocks, n_linking_items, screened_out
from seedtest_assets.errors import first_few, number_of

if TYPE_CHECKING:
    from seedtest_assets.cli.run_days import DayRun

_ROWS = {
    "mirt_item_params": ("item", "items"),
    "mirt_ability": ("student", "students"),
    "student_topic_theta": ("ability by topic", "abilities by topic"),
    "features_topic_daily": ("row of features", "rows of features"),
}
"""What a row of each table is, and what several are."""
_SUBJECTS = {
    "mirt_fit_meta": "calibration",
    "student_topic_theta": "topic abilities",
    "features_topic_daily": "features",
}


def outcome_of_day(run: "DayRun") -> list[tuple[str, str]]:
    """Describe a day in pairs of a name and what there is to say about it, one screen."""
    facts = run.metadata
    lines = [("run", f"{run.run_id[:8]}, {'failed' if run.failure else 'done'} after {_seconds(run)}")]
    if "observations" in facts:
        lines.append(("answers", _answers(facts["observations"])))
    if "mirt_fit_meta" in facts:  # the last of the three that a calibration makes: an interrupt may come between them
        lines += _calibration(facts)
    lines += _cluster(facts)
    lines.append(("checks", _checks(run)))
    lines += [("", line) for line in run.failed_checks]
    lines.append(("written", ", ".join(_written(facts)) or "nothing"))
    lines.append(("published", _published(facts)))
    return lines


def outcome_in_short(run: "DayRun") -> list[str]:
    """Describe a day of many: one line, and one for each check that did not pass."""
    facts = run.metadata
    parts = [number_of(facts["observations"]["dagster/row_count"], "answer")] if "observations" in facts else []
    if "mirt_fit_meta" in facts:
        items = facts["mirt_item_params"]
        parts += (
            [items["nothing_to_do"]]
            if "nothing_to_do" in items
            else [f"items: {_items(items)}", f"linked {_linked(facts)}"]
        )
    parts += [_checks(run), "failed" if run.failure else f"published: {_published(facts)}", _seconds(run)]
    return ["; ".join(parts), *run.failed_checks]


def _answers(observations: Mapping[str, Any]) -> str:
    text = f"{observations['dagster/row_count']:,} of the day, from {observations['source']}"
    left_out = observations["left_out"]
    return text + (f"; {number_of(sum(left_out.values()), 'row')} left out: {_reasons(left_out)}" if left_out else "")


def _calibration(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    items = facts["mirt_item_params"]
    if "nothing_to_do" in items:
        yield "items", f"nothing to do: {items['nothing_to_do']}"
        return
    used, missing = facts["mirt_fit_meta"]["model_spec"]["n_observations"], items["days_missing_in_lake"]
    lacking = f"; the lake lacks {number_of(len(missing), 'day')}: {first_few(missing)}" if missing else ""
    yield (
        "window",
        f"{items['window']}: {used:,} of {items['answers']:,} answers, the first of each student and item{lacking}",
    )
    reasons = items["left_out_reasons"]
    yield "items", _items(items) + (f": {_reasons(reasons)}" if reasons else "")
    yield "linked", _linked(facts) + "".join(_scales(facts["mirt_fit_meta"]["model_spec"]))


def _cluster(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    at_work = {asset: of_asset for asset, of_asset in facts.items() if "cluster_workers" in of_asset}
    if at_work:
        found = next(iter(at_work.values()))
        workers = number_of(found["cluster_workers"], "worker")
        yield "cluster", f"{found['cluster_scheduler']}, {workers}, for {', '.join(at_work)}"


def _items(items: Mapping[str, Any]) -> str:
    counts = [f"{items['dagster/row_count']:,} fitted"]
    counts += [
        f"{items[name]:,} {words}"
        for name, words in (("left_out", "left out"), ("to_review", "to review"))
        if items[name]
    ]
    return ", ".join(counts)


def _linked(facts: Mapping[str, Mapping[str, Any]]) -> str:
    specification = facts["mirt_fit_meta"]["model_spec"]
    n_items = n_linking_items(specification)
    if specification["linked_to"] == "anchors":
        return f"to {number_of(n_items, 'anchor')}"
    if specification["linked_to"] == "previous":
        return f"to {specification['linked_to_partition']} by {number_of(n_items, 'item')}"
    return "to nothing: a scale of its own"


def _scales(specification: Mapping[str, Any]) -> Iterator[str]:
    for block in linked_blocks(specification):
        yield f", theta_bank = {block['A']:.3f} theta {'-' if block['B'] < 0 else '+'} {abs(block['B']):.3f}"
    if left := screened_out(specification):
        yield f"; {len(left)} screened out: {first_few(list(left))}"


def _checks(run: "DayRun") -> str:
    failed = len(run.failed_checks)
    return (
        f"{failed} of {number_of(run.n_checks, 'check')} failed"
        if failed
        else f"{number_of(run.n_checks, 'check')} passed"
    )


def _written(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for asset, (row, rows) in _ROWS.items():
        if count := facts.get(asset, {}).get("dagster/row_count"):
            yield f"{count:,} {row if count == 1 else rows}"


def _published(facts: Mapping[str, Mapping[str, Any]]) -> str:
    outcomes = {
        name: facts[asset]["published"] for asset, name in _SUBJECTS.items() if "published" in facts.get(asset, {})
    }
    if len(outcomes) == len(_SUBJECTS) and len(set(outcomes.values())) == 1:
        return next(iter(outcomes.values()))
    return "; ".join(f"{name} {outcome}" for name, outcome in outcomes.items()) or "nothing"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({count:,})" for reason, count in counts.items())


def _seconds(run: "DayRun") -> str:
    return f"{run.seconds:.1f} s"
