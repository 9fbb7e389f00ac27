from segpipe.stages.mine.mine_settings import pick_kind


def test_auto_is_exact_below_a_size() -> None:
    assert pick_kind("auto", crops=10, exact_below=11) == "exact"
    assert pick_kind("auto", crops=11, exact_below=11) == "ivf"
    assert pick_kind("hnsw", crops=1, exact_below=11) == "hnsw"
