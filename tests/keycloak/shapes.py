"""Shapes of one exchange request that policy forbids: every mutation alone, and pairs across families."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import oidc
from drafts import Draft
from mutations import Mutation, all_mutations
from realms import FRONT_END

FORBIDDEN = "other-api"
PERMITTED = "back-end-api"
TARGET = oidc.endpoint("corp")

# Pairs that are drawn beside all the single mutations. The draw is seeded: a shape keeps its name from run to run.
PAIRS = 1050
SEED = 8693

# Pairs of any two mutations, over HTTP/1 and HTTP/2: most of them are refused by everybody, and a few by Cambio alone.
WIDE_PAIRS = 7300
WIDE_PAIRS_H2 = 1200


@dataclass(frozen=True)
class Shape:
    name: str
    draft: Draft


def base(authority: str, subject_token: str, target: str = TARGET) -> Draft:
    """The exchange that every shape tells: front-end-app wants alice's token for an API that never permitted it."""
    return Draft(
        client=FRONT_END,
        authority=authority,
        target=target,
        fields=(
            ("grant_type", oidc.EXCHANGE_GRANT),
            ("subject_token", subject_token),
            ("subject_token_type", oidc.ACCESS_TOKEN),
            ("audience", FORBIDDEN),
        ),
    )


def h1_shapes(authority: str, subject_token: str, target: str = TARGET) -> list[Shape]:
    return list(_shapes(base(authority, subject_token, target), all_mutations(), PAIRS))


def h2_shapes(authority: str, subject_token: str, target: str = TARGET) -> list[Shape]:
    """The shapes that HTTP/2 can carry too."""
    mutations = [mutation for mutation in all_mutations() if not mutation.h1_only]
    return list(_shapes(base(authority, subject_token, target), mutations, 150))


def wide_h1_shapes(authority: str, subject_token: str, target: str = TARGET) -> list[Shape]:
    """Pairs of any two mutations of different families."""
    return _wide(base(authority, subject_token, target), all_mutations(), WIDE_PAIRS)


def wide_h2_shapes(authority: str, subject_token: str, target: str = TARGET) -> list[Shape]:
    """The same for what HTTP/2 can carry."""
    mutations = [mutation for mutation in all_mutations() if not mutation.h1_only]
    return _wide(base(authority, subject_token, target), mutations, WIDE_PAIRS_H2)


def _wide(draft: Draft, mutations: list[Mutation], pairs: int) -> list[Shape]:
    across = [
        (one, two)
        for one, two in combinations(mutations, 2)
        if one.family != two.family
        and not (one.strong and two.strong)
        # Cut off after its first audience, this request is one that policy permits.
        and {one.name, two.name} != {"permitted audience first", "length too small"}
    ]
    return [
        Shape(f"{one.family}: {one.name} + {two.family}: {two.name}", two.apply(one.apply(draft)))
        for one, two in random.Random(SEED).sample(across, min(pairs, len(across)))
    ]


def _shapes(draft: Draft, mutations: list[Mutation], pairs: int) -> Iterator[Shape]:
    yield Shape("plain", draft)
    for mutation in mutations:
        yield Shape(f"{mutation.family}: {mutation.name}", mutation.apply(draft))
    strong = [mutation for mutation in mutations if mutation.strong]
    across = [(one, two) for one, two in combinations(strong, 2) if one.family != two.family]
    # Families such as `type` and `body` set the same part: a pair that undoes its first half would count it twice.
    across = [(one, two) for one, two in across if {one.family, two.family} != {"type", "body"}]
    for one, two in random.Random(SEED).sample(across, min(pairs, len(across))):
        yield Shape(f"{one.family}: {one.name} + {two.family}: {two.name}", two.apply(one.apply(draft)))
