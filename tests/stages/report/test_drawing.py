"""What to draw of which image."""

from segpipe.records.gallery import Patch, TopImage
from segpipe.stages.report.drawing import plan_drawing


def test_an_image_is_planned_once_with_all_that_is_wanted_of_it() -> None:
    crops_of = [range(0, 2), range(2, 3), range(3, 5), range(5, 6)]
    patch = Patch(3, 5, 0, 1, 0.9)
    plan = plan_drawing(
        crops_of, [2, 0], {7: [patch]}, {7: [TopImage(2, 0.8)], 9: [TopImage(2, 0.1), TopImage(3, 0.4)]}
    )
    assert list(plan) == [0, 2, 3]
    assert [each.overlay for each in plan.values()] == [True, True, False]
    assert plan[2].top_images == [7, 9]
    assert plan[3].top_images == [9]
    assert plan[3].patches == [patch]
    assert (plan[0].crops, plan[2].crops, plan[3].crops) == ([0], [3], [])


def test_some_of_many_images_are_shown_as_features_from_first_to_last() -> None:
    plan = plan_drawing([range(i, i + 1) for i in range(40)], list(range(40)), {}, {})
    shown = [image for image, each in plan.items() if each.crops]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == (0, 39)
