"""What the contract says of a feature and of a family.

Belongs here: the shape of an entry, the windows that several families share. Does not belong here: any particular feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from data_contracts.schema import Field

WINDOWS_DAYS = (7, 14, 28)
Worse = Literal["low", "high"]
ANY = (-inf, inf)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of features.enrolment_week and how to speak of it.

    `level` is the level of support it speaks to. `phrase` is a sentence part with `{value}` in it (without its sign), said
    when the feature raises the risk; an empty one is never said: models know the feature, but it is no reason that a
    mentor could use. `told_with` names the family whose fact it tells, where that is not its own. `is_actionable` says
    whether a mentor can take it up with the learner. `worse` says which end means risk: the phrase is then said only of
    a value well below the course's median (`low`) or well above it (`high`). `reads_within` are inclusive limits within
    which the phrase is true and reads as what raises a risk. `is_compared` says whether the course's median beside the
    value tells anything. `is_modelled` as in `Family`.
    """

    field: Field
    level: str
    phrase: str
    worse: Worse | None = None
    reads_within: tuple[float, float] = ANY
    is_actionable: bool = True
    is_compared: bool = True
    is_modelled: bool = True
    family: str = ""
    told_with: str = ""

    @property
    def name(self) -> str:
        """The column's name."""
        return self.field.name

    @property
    def reason_family(self) -> str:
        """The family under which it is given as a reason."""
        return self.told_with or self.family


@dataclass(frozen=True, slots=True)
class Family:
    """Features that stand for one thing.

    `about` is a sentence without its full stop. `subject` names the asset `feat_<subject>` that makes the family.
    `table` is the family's table in schema features, filled by `<table>_features` of `features/<table>.py`; the
    family's own name where none is given. `is_modelled` says whether models read it: what no forward test on past runs
    showed to help (docs/benchmarks.md) is there for people, and for the next test.
    """

    name: str
    about: str
    subject: str
    features: tuple[Feature, ...]
    table: str = ""
    is_modelled: bool = True

    @property
    def table_name(self) -> str:
        """The table in schema features that holds the family."""
        return self.table or self.name
