"""CAUSE's losses, its picking of patches and its bank against slow plain statements."""

import numpy as np
import pytest
import torch

from segpipe.stages.train.losses import cause_loss as ops

B, N, D, K, P = 3, 8, 5, 6, 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crops(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and valid of three crops of 8, 5 and 6 patches, two of them without image."""
    rng = np.random.default_rng(seed)
    valid = np.arange(N) < np.array([[8], [5], [6]])
    valid[0, 2] = valid[2, 0] = False
    features = rng.normal(size=(B, N, D)) + 0.4
    features[~valid] = 40.0  # must not matter
    return features, valid


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32, requires_grad=grad)


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(x * y) / np.sqrt(sum(x * x)) / np.sqrt(sum(y * y)))


def slow_modularity(features: np.ndarray, codebook: np.ndarray, valid: np.ndarray, temperature: float) -> float:
    found = []
    for item, shown in zip(features, valid, strict=True):
        x = item[shown]
        edges = np.array([[max(0, cosine(a, b)) if i != j else 0.0 for j, b in enumerate(x)] for i, a in enumerate(x)])
        degrees, total = edges.sum(1), edges.sum()
        weights = edges - np.outer(degrees, degrees) / total
        assigned = np.array([[max(0, cosine(a, c)) for c in codebook] for a in x])
        delta = [
            [max(np.tanh(p * q / temperature) for p, q in zip(s, t, strict=True)) for t in assigned] for s in assigned
        ]
        found.append(-np.trace(weights / total @ np.array(delta)))
    return float(np.mean(found))


@pytest.mark.parametrize("products", [1, 1 << 24])
def test_modularity_is_its_formula(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "_PRODUCTS", products)
    features, valid = crops(0)
    codebook = np.random.default_rng(1).uniform(-1 / K, 1 / K, (K, D))
    found = ops.modularity_loss(tensor(features), tensor(codebook), torch.from_numpy(valid), temperature=0.3)
    assert found.item() == pytest.approx(slow_modularity(features, codebook, valid, 0.3), abs=1e-5)


def test_the_gradient_of_modularity_is_that_of_its_formula() -> None:
    features, valid = crops(2)
    codebook = np.random.default_rng(3).normal(size=(K, D))
    given = tensor(codebook, grad=True)
    ops.modularity_loss(tensor(features), given, torch.from_numpy(valid), temperature=0.8).backward()
    for k in range(K):
        for i in range(D):
            values = []
            for move in (1e-5, -1e-5):
                moved = codebook.copy()
                moved[k, i] += move
                values.append(slow_modularity(features, moved, valid, 0.8))
            assert given.grad[k, i].item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-5)


def test_crops_without_edges_are_left_out_of_modularity() -> None:
    features, valid = crops(0)
    codebook = np.random.default_rng(1).normal(size=(K, D))
    valid[1] = False
    valid[2] = np.arange(N) == 3  # one patch has no other
    found = ops.modularity_loss(tensor(features), tensor(codebook), torch.from_numpy(valid))
    assert found.item() == pytest.approx(slow_modularity(features[:1], codebook, valid[:1], 0.1), abs=1e-5)
    given = tensor(codebook, grad=True)
    nothing = ops.modularity_loss(tensor(features), given, torch.from_numpy(valid & False))
    nothing.backward()
    assert nothing.item() == 0
    assert not given.grad.any()


def slow_contrast(
    students: list[np.ndarray], teachers: np.ndarray, codes: list[np.ndarray], others: np.ndarray, same: list[list[int]]
) -> float | None:
    """One item: its valid patches against the valid others; `same` are the places of the patches among these."""
    costs = []
    for student, code, own in zip(students, codes, same, strict=True):
        scores, pos = {}, []
        for j, (teacher, other) in enumerate(zip(teachers, others, strict=True)):
            near = cosine(code, other)
            if j in own or 0.1 <= near <= 0.3:
                continue
            scores[j] = cosine(student, teacher) / 0.07
            if near > 0.3:
                pos.append(j)
        wide = np.log(sum(np.exp(s) for s in scores.values())) if pos else 0
        costs += [-scores[j] + wide for j in pos]
    return float(np.mean(costs)) if costs else None


@pytest.mark.parametrize("own", [True, False])
def test_contrast_is_its_formula(own: bool) -> None:
    _, valid = crops(4)
    rng = np.random.default_rng(5)
    codebook, ids, students = rng.normal(size=(K, D)), rng.integers(K, size=(B, N)), rng.normal(size=(B, N, P))
    if own:
        teachers, other_ids, shown = rng.normal(size=(B * N, P)), ids.ravel(), valid.ravel()
    else:
        teachers, other_ids, shown = rng.normal(size=(11, P)), rng.integers(K, size=11), np.arange(11) != 4
    codes, others = codebook[ids], codebook[other_ids]
    found, has = ops.contrast_losses(
        tensor(students),
        torch.from_numpy(ids),
        torch.from_numpy(valid),
        ops.Others(tensor(teachers), torch.from_numpy(other_ids), torch.from_numpy(shown)),
        tensor(codebook),
        own=own,
    )
    places = np.cumsum(shown) - 1
    for b in range(B):
        picked = [i for i in range(N) if valid[b, i]]
        same = [[places[b * N + i]] if own else [] for i in picked]
        expected = slow_contrast(
            [students[b, i] for i in picked], teachers[shown], [codes[b, i] for i in picked], others[shown], same
        )
        assert has[b].item() == (expected is not None)
        assert found[b].item() == pytest.approx(expected or 0.0, abs=1e-5)


def test_contrast_without_positive_pairs_is_nothing_and_has_no_gradient() -> None:
    students = tensor(np.random.default_rng(6).normal(size=(1, 4, P)), grad=True)
    ids, valid = torch.arange(4)[None], torch.ones(1, 4, dtype=torch.bool)
    found, has = ops.contrast_losses(
        students, ids, valid, ops.Others(students[0], ids[0], valid[0]), torch.eye(4), own=True
    )
    found.sum().backward()
    assert found.item() == 0
    assert not has.any()
    assert not students.grad.any()


@pytest.mark.parametrize("block", [1, 2, 3])
def test_one_valid_patch_of_each_block_is_picked(block: int) -> None:
    grids = torch.tensor([[4, 6], [5, 3], [1, 1], [3, 3]])
    valid = torch.arange(24) < grids.prod(1, keepdim=True)
    valid &= torch.rand(valid.shape, generator=generator(1)) > 0.3
    valid[3] = False
    seen = set()
    for seed in range(60):
        places, taken = ops.pick_one_per_block(valid, grids, generator(seed), block=block)
        for i, (rows, cols) in enumerate(grids.tolist()):
            picked = places[i][taken[i]].tolist()
            assert valid[i][picked].all()
            blocks = [(p // cols // block, p % cols // block) for p in picked]
            wanted = {
                (r // block, c // block) for r in range(rows) for c in range(cols) if valid[i, r * cols + c].item()
            }
            assert len(blocks) == len(set(blocks))
            assert set(blocks) == wanted
            seen |= {(i, p) for p in picked}
    assert seen == {(i, p) for i, p in valid.nonzero().tolist()}  # each has its chance


def test_the_bank_keeps_half_of_what_is_new_and_the_newest_of_each_code() -> None:
    bank, history = ops.Bank(torch.empty(0, dtype=torch.int64), torch.empty(0, 2)), []
    for step in range(12):
        rng = generator(step)
        ids = torch.randint(4, (21,), generator=rng)
        vectors = torch.stack([torch.full((21,), float(step)), torch.arange(1.0, 22)], dim=1)
        bank = bank.renewed(ids, vectors, rng, limit=7)
        again = generator(step)
        torch.randint(4, (21,), generator=again)
        order = torch.randperm(21, generator=again).tolist()
        for code in range(4):
            mine = [i for i in order if ids[i] == code]
            history += [(code, vectors[i] / vectors[i].norm()) for i in mine[: len(mine) // 2]]
        for code in range(4):
            expected = [vector for owner, vector in history if owner == code][-7:]
            found = bank.vectors[bank.ids == code]
            assert len(found) == len(expected)
            key = [tuple(round(x, 5) for x in v.tolist()) for v in found]
            assert set(key) == {tuple(round(x, 5) for x in v.tolist()) for v in expected}
