import pytest
from pydantic import ValidationError

from segpipe.records.part_record import PartPlan


def test_a_plan_is_immutable_and_knows_no_other_fields() -> None:
    plan = PartPlan(parts=3, key="k", units={"images": 7}, made="now")
    with pytest.raises(ValidationError, match="frozen"):
        plan.parts = 4  # type: ignore[misc]
    with pytest.raises(ValidationError, match="extra"):
        PartPlan.model_validate({**plan.model_dump(), "more": 1})
