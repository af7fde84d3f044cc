"""Judge the facts that `seedtest doctor` looks up: pure functions, a finding a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import datetime

import pandas as pd

from seedtest_assets.cli.doctor.environment import judge_names
from seedtest_assets.cli.doctor.finding import DoctorFinding, Level
from seedtest_assets.cli.doctor.groups import judge_groups
from seedtest_assets.cli.doctor.move import NOT_READ, judge_old_jobs, judge_settings
from seedtest_assets.cli.doctor.publishing import judge_publishing
from seedtest_assets.cli.doctor.source import judge_ids, judge_source
from seedtest_assets.irt.usable_parameters import unusable_anchors
from seedtest_assets.settings import OLD_NAMES, Settings
from seedtest_assets.storage.platform_facts import AnchorQuestion, PlatformFacts
from seedtest_assets.storage.published_tables import PUBLISHED, FoundTable
from seedtest_assets.storage.questions import readable_parameters, why_unusable
from seedtest_assets.storage.source_queries import TABLES

FEW_ANCHORS = 5
"""Fewer anchors link, but one bad value among them moves the whole scale."""
SHOWN = 8
"""Names listed of a longer list."""


def diagnose(
    facts: PlatformFacts, settings: Settings, environment: Mapping[str, str], now: datetime
) -> list[DoctorFinding]:
    """Judge whether a night can run on this database, and what to look at before it does."""
    return [
        DoctorFinding(
            level="green",
            subject="database",
            text=f"{facts.address}, PostgreSQL {facts.version}, as role {facts.role}",
        ),
        *judge_schema(facts),
        *judge_source(facts.source),
        *judge_ids(facts.source),
        *judge_groups(facts),
        *(judge_table(facts, name, settings) for name in PUBLISHED),
        judge_rights(facts, settings),
        judge_anchors(facts.question_columns, facts.anchors),
        *judge_question_update(facts.question_columns, settings),
        judge_old_jobs(facts, now),
        judge_publishing(facts.publication, settings),
        *judge_settings(facts, settings, environment),
        *judge_names(environment, {*NOT_READ, *OLD_NAMES}),
    ]


def judge_schema(facts: PlatformFacts) -> Iterator[DoctorFinding]:
    """Judge whether history has its schema, or may make it."""
    if facts.schema_exists and facts.may_create_tables:
        yield DoctorFinding(level="green", subject="history", text=f"schema {facts.schema} is there")
    elif facts.schema_exists:
        yield DoctorFinding(
            level="red",
            subject="history",
            text=f"the role {facts.role} may not create tables in the schema {facts.schema}",
            statements=[f"GRANT USAGE, CREATE ON SCHEMA {_quoted(facts.schema)} TO {_quoted(facts.role)};"],
        )
    elif facts.may_create_schema:
        yield DoctorFinding(
            level="green", subject="history", text=f"schema {facts.schema} will be made by the first night"
        )
    else:
        yield DoctorFinding(
            level="red",
            subject="history",
            text=f"there is no schema {facts.schema}, and the role {facts.role} may not create it",
            statements=[f"CREATE SCHEMA {_quoted(facts.schema)} AUTHORIZATION {_quoted(facts.role)};"],
        )


def judge_table(facts: PlatformFacts, name: str, settings: Settings) -> DoctorFinding:
    """Judge whether a table can be published to."""
    table = facts.published[name]
    if table is None and facts.may_create_in_public:
        return DoctorFinding(level="green", subject=name, text="absent, and the first night makes it")
    if table is None and not settings.seedtest_publish:
        return DoctorFinding(level="green", subject=name, text="absent, and not needed while SEEDTEST_PUBLISH=false")
    if table is None:
        return DoctorFinding(
            level="red",
            subject=name,
            text=f"absent, and the role {facts.role} may not create it",
            statements=[f"GRANT CREATE ON SCHEMA public TO {_quoted(facts.role)};"],
        )
    if table.problems:
        level: Level = "red" if settings.seedtest_publish else "yellow"
        return DoctorFinding(
            level=level, subject=name, text=f"cannot be published to: it {', and '.join(table.problems)}"
        )
    return DoctorFinding(level="green", subject=name, text=f"adopted as it is{_variant(table)}")


def _variant(table: FoundTable) -> str:
    if table.table.name != "student_topic_theta":
        return ""
    kinds = {"se": "se, fitted_at (variant B)", "standard_error": "standard_error, updated_at (variant A)"}
    variants = [kind for column, kind in kinds.items() if column in table.columns]
    return f", with {' and '.join(variants)}" if variants else ""


def judge_rights(facts: PlatformFacts, settings: Settings) -> DoctorFinding:
    """Judge the role's rights on the platform's tables, with the statements that give what is missing."""
    needed = _needed_rights(facts, settings)
    missing = {name: wanted - facts.privileges[name] for name, wanted in needed.items()}
    missing = {name: rights for name, rights in missing.items() if rights}
    if not missing:
        return DoctorFinding(level="green", subject="rights", text=f"the role {facts.role} has those it needs")
    order = ("SELECT", "INSERT", "UPDATE")
    return DoctorFinding(
        level="red",
        subject="rights",
        text=f"the role {facts.role} lacks rights on {', '.join(missing)}",
        statements=[
            f"GRANT {', '.join(right for right in order if right in rights)} ON {name} TO {_quoted(facts.role)};"
            for name, rights in missing.items()
        ],
    )


def _needed_rights(facts: PlatformFacts, settings: Settings) -> dict[str, frozenset[str]]:
    sources = {facts.source.name} | ({"question"} if "question" in facts.privileges else set())
    needed = {
        name: frozenset({"SELECT"}) for name in (*TABLES, "question") if name in sources & facts.privileges.keys()
    }
    if settings.seedtest_publish:
        needed |= {name: frozenset({"SELECT", "INSERT", "UPDATE"}) for name in PUBLISHED if name in facts.privileges}
        if settings.irt_update_question_meta and "question" in facts.privileges:
            needed["question"] = frozenset({"SELECT", "UPDATE"})
    return needed


def judge_anchors(question: Mapping[str, str], anchors: Sequence[AnchorQuestion] | None) -> DoctorFinding:
    """Judge whether the bank's scale is held. anchors: None where they may not be read."""
    if "meta" not in question:
        return DoctorFinding(
            level="yellow", subject="anchors", text="no table question with a column meta: a new scale begins"
        )
    if question["meta"] != "jsonb":
        return DoctorFinding(level="red", subject="anchors", text=f"question.meta is {question['meta']}, not jsonb")
    if anchors is None:
        return DoctorFinding(level="red", subject="anchors", text="question cannot be read. See rights")
    unusable = _unusable(anchors)
    n_usable = len(anchors) - len(unusable)
    text = f"{n_usable} usable of {len(anchors)} tagged"
    if unusable:
        text += f". Without usable irt values: {_listed(unusable)}"
    if n_usable < 2:
        text += ". At least 2 are needed to keep the bank's scale. The first calibration defines a new one"
    elif n_usable < FEW_ANCHORS:
        text += ". Few: one wrong value moves the whole scale"
    return DoctorFinding(
        level="yellow" if unusable or n_usable < FEW_ANCHORS else "green", subject="anchors", text=text
    )


def judge_question_update(question: Mapping[str, str], settings: Settings) -> Iterator[DoctorFinding]:
    """Judge whether parameters can be written back to the questions, where the settings ask for it."""
    if settings.irt_update_question_meta and settings.seedtest_publish and "meta" not in question:
        yield DoctorFinding(
            level="red",
            subject="question.meta",
            text="IRT_UPDATE_QUESTION_META=true, but there is no table question with a column meta, so publishing would fail. "
            "Set it to false",
        )


def _unusable(anchors: Sequence[AnchorQuestion]) -> list[str]:
    """List the anchors that a calibration would leave out."""
    names = [field.name for field in fields(AnchorQuestion)]
    written = pd.DataFrame([astuple(anchor) for anchor in anchors], columns=names, dtype=object)
    unusable = why_unusable(readable_parameters(written), unusable_anchors) != ""
    return written["item_id"][unusable].tolist()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.islower() else '"' + name.replace('"', '""') + '"'
