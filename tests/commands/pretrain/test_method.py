"""The protocols fit what is used by them."""

import inspect

from segpipe.commands.pretrain.dino import Dino
from segpipe.commands.pretrain.method import HeadedNetwork, Judgement, Method
from segpipe.nn.projection_head import Headed


def public(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") or name in ("__len__",)
    }


def test_dino_is_a_method() -> None:
    wanted = public(Method)
    assert {name: public(Dino)[name] for name in wanted} == wanted


def test_what_is_trained_is_a_network_with_a_head() -> None:
    assert public(HeadedNetwork).items() <= public(Headed).items()


def test_a_judgement_says_nothing_of_collapse_by_itself() -> None:
    assert Judgement({"rank": 3.0}).collapse == ""
