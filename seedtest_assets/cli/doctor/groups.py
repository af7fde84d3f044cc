"""Judge the query of the students' groups: a pure function on facts."""

from collections import Counter
from collections.abc import Iterator

from seedtest_assets.cli.doctor.finding import DoctorFinding
from seedtest_assets.errors import first_few
from seedtest_assets.storage.platform_facts import PlatformFacts


def judge_groups(facts: PlatformFacts) -> Iterator[DoctorFinding]:
    """Judge whether groups can be read, where a query is set."""
    if facts.group_problem:
        yield DoctorFinding(level="red", subject="groups", text=facts.group_problem)
    elif facts.groups is not None:
        sizes = Counter(facts.groups.groups.values())
        listed = first_few([f"{group} ({size:,})" for group, size in sizes.most_common()])
        without = f". {facts.groups.n_without_group:,} rows without a group" if facts.groups.n_without_group else ""
        yield DoctorFinding(
            level="green" if len(sizes) > 1 else "yellow",
            subject="groups",
            text=f"by SEEDTEST_GROUP_SQL: {listed or 'none'}{without}"
            + ("" if len(sizes) > 1 else ". Differential item functioning needs two"),
        )
