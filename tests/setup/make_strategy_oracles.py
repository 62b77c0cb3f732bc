#!/usr/bin/env python3
"""Writes tests/engine/strategy/oracles.json: what SciPy, NumPy, MABWiser and OBP say about the figures of engine/strategy.

    python3.10 -m venv V && V/bin/pip install numpy==1.26.4 scipy==1.12.0 scikit-learn==1.4.2 pandas==2.1.4 tqdm \\
        mabwiser==2.7.4 xxhash==3.5.0 && V/bin/pip install --no-deps obp==0.5.7
    V/bin/python tests/setup/make_strategy_oracles.py

OBP's own list of packages has PyTorch, which its estimators of logged rounds do not use: an empty module takes its
place. Nothing here shares a formula with the C++ code: stakes come from binomial distributions, the interval from the
integral that defines it, quantiles, correlations and distances from NumPy and SciPy over the values themselves.
"""

import importlib.machinery
import json
import math
import pathlib
import sys
import types

import numpy as np
import xxhash
from mabwiser.mab import MAB, LearningPolicy
from scipy import integrate, optimize, special, stats

FILE = pathlib.Path(__file__).resolve().parents[1] / "engine" / "strategy" / "oracles.json"
SEED = 15


def estimators():
    """obp.ope.estimators, without the packages that it does not need."""
    folder = next(pathlib.Path(path) / "obp" for path in sys.path if (pathlib.Path(path) / "obp/ope/estimators.py").is_file())
    torch = types.ModuleType("torch")
    torch.Tensor = torch.tensor = type("Tensor", (), {})  # named in annotations only
    torch.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    sys.modules["torch"] = torch
    for name, place in (("obp", folder), ("obp.ope", folder / "ope")):
        package = types.ModuleType(name)  # its __init__ would import neural models
        package.__path__ = [str(place)]
        sys.modules[name] = package
    import obp.ope.estimators as found
    return found


def draws(rng):
    cases = []
    for length in (0, 1, 3, 8, 9, 16, 17, 100, 240, 248, 249, 256, 257, 1000):
        unit = bytes(rng.integers(97, 123, length, dtype=np.uint8))
        salt = int(rng.integers(0, 2**63)) * 2 + length % 2
        word = xxhash.xxh3_64_intdigest(salt.to_bytes(8, "little") + unit)
        cases.append({"salt": str(salt), "unit": unit.decode(), "u": (word >> 11) * 2.0**-53})
    return cases


def stakes():
    """The mean over a grid of rates of (likelihood at that rate / likelihood at the limit)."""
    cases = []
    for limit in (0.001, 0.01, 0.05, 0.5):
        for units, events in ((0, 0), (1, 1), (100, 0), (1000, 30), (1000, 2), (50000, 600), (10**6, 9000)):
            case = {"limit": limit, "units": units, "events": events}
            for name, sign in (("above", 1), ("below", -1)):
                odds = limit / (1 - limit) * 100.0 ** (sign * np.arange(1, 17) / 16)
                rates = odds / (1 + odds)
                ratio = stats.binom.logpmf(events, units, rates) - stats.binom.logpmf(events, units, limit)
                case[name] = float(special.logsumexp(ratio) - math.log(16))
            cases.append(case)
    return cases


def mixture_bound(n, deviation, alpha, at):
    """|sum| at which the mixture of exp(l s - l² v / 2) over l ~ N(0, 1 / rho) reaches 1 / alpha."""
    least = 2 * math.log(1 / alpha)
    rho = deviation**2 * at / (least + math.log1p(least))
    v = n * deviation**2

    def stake(s):
        peak, width = s / (v + rho), 1 / math.sqrt(v + rho)
        f = lambda l: math.exp(l * s - l * l * v / 2 - l * l * rho / 2) * math.sqrt(rho / 2 / math.pi)  # noqa: E731
        return integrate.quad(f, peak - 12 * width, peak + 12 * width, epsabs=0, epsrel=1e-13)[0]

    return optimize.brentq(lambda s: stake(s) - 1 / alpha, 0, 20 * math.sqrt(v + rho), xtol=1e-13, rtol=1e-15)


def intervals():
    return [{"n": n, "deviation": d, "alpha": alpha, "at": at, "half": mixture_bound(n, d, alpha, at) / n}
            for n, d, alpha, at in ((10, 1.0, 0.05, 100), (5000, 0.2, 0.01, 5000), (200000, 3.0, 0.01, 5000))]


def psi(p, q):
    p, q = np.maximum(p / p.sum(), 1e-4), np.maximum(q / q.sum(), 1e-4)
    return float(np.sum((q - p) * np.log(q / p)))


def sketch_buckets(values):
    """64 buckets of equal width in each power of two, from 2^-60 on."""
    buckets = {}
    for value in values:
        mantissa, exponent = math.frexp(value)
        bucket = 0 if value < 2.0**-60 else (exponent - 1 + 60) * 64 + int((mantissa * 2 - 1) * 64) + 1
        buckets[bucket] = buckets.get(bucket, 0) + 1
    return sorted(buckets.items())


def bin_figures(bins, reference=None):
    """Of the bins of each version's values. An empty version does not occur."""
    size = len(reference)
    counts = [np.bincount(b, minlength=size) for b in bins]
    return {"a_bins": counts[0].tolist(), "b_bins": counts[1].tolist(), "psi": psi(*counts),
            "ks": float(stats.ks_2samp(*bins).statistic), "a_psi": psi(reference, counts[0]),
            "b_psi": psi(reference, counts[1])}


def pair_figures(a, b):
    delta = b - a
    deviation = float(np.std(delta.astype(np.longdouble), ddof=1))
    quantile = lambda q: float(np.quantile(np.abs(delta), q, method="inverted_cdf"))  # noqa: E731
    wide_a, wide_b = (x.astype(np.longdouble) - np.longdouble(x[0]) for x in (a, b))
    return {"compared": len(a), "equal": int((a == b).sum()), "mean_difference": math.fsum(delta) / len(a),
            "deviation": deviation, "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99), "max": quantile(1),
            "pearson": float(stats.pearsonr(wide_a.astype(float), wide_b.astype(float))[0]),
            "buckets": sketch_buckets(np.abs(delta)), "half": mixture_bound(len(a), deviation, 0.01, 5000) / len(a)}


class Versions:
    """What two versions answered to the same rows."""

    EDGES, FAR_EDGES, CLASSES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9], [1e6 - 1e-3, 1e6, 1e6 + 1e-3], ["fine", "fraud"]
    SEGMENTS = ["DE", "FR", "PL", "US"]

    def __init__(self, rng, rows):
        truth = rng.beta(1.5, 4, rows)
        self.p = [np.round(np.clip(truth + rng.normal(0, s, rows), 0, 1), 6) for s in (0.05, 0.08)]
        self.p[1][::7] = self.p[0][::7]
        # Means far above the deviations.
        self.far = [np.round(1e6 + rng.normal(m, 1e-3, rows), 7) for m in (0, 2e-4)]
        self.label = [np.where(x > 0.4, "fraud", np.where(x > 0.38, "odd", "fine")) for x in self.p]
        self.ok = [rng.random(rows) > share for share in (0.02, 0.03)]
        self.null = [rng.random(rows) < 0.01, rng.random(rows) < 0.02]
        self.nan = [rng.random(rows) < 0.005, rng.random(rows) < 0.01]
        self.usable = [self.ok[k] & ~self.null[k] & ~self.nan[k] for k in (0, 1)]
        self.segment = rng.choice(self.SEGMENTS, rows, p=[0.5, 0.3, 0.05, 0.15])
        self.reference = np.bincount(np.searchsorted(self.EDGES, rng.beta(1.5, 4, 5000), side="right"), minlength=8)

    def row(self, i):
        """[id, segment, answers of A, answers of B]; null: it failed."""
        def answers(k):
            if not self.ok[k][i]:
                return None
            p = None if self.null[k][i] else "nan" if self.nan[k][i] else float(self.p[k][i])
            return [p, float(self.far[k][i]), str(self.label[k][i])]

        return [f"t/0/{i}", str(self.segment[i]), answers(0), answers(1)]

    def numbers(self, values, usable, edges, reference, mask):
        both = usable[0] & usable[1] & mask
        bins = [np.searchsorted(edges, values[k][usable[k] & mask], side="right") for k in (0, 1)]
        return pair_figures(values[0][both], values[1][both]) | bin_figures(bins, reference)

    def labels(self, mask):
        both = self.ok[0] & self.ok[1] & mask
        number = {c: i for i, c in enumerate(self.CLASSES)}
        bins = [np.array([number.get(x, 2) for x in self.label[k][self.ok[k] & mask]]) for k in (0, 1)]
        return {"compared": int(both.sum()), "equal": int((self.label[0] == self.label[1])[both].sum())} | \
            bin_figures(bins, np.ones(3))

    def figures(self, mask):
        a, b = self.ok
        return {"rows": [int((mask & x).sum()) for x in (a & b, ~a & b, a & ~b, ~a & ~b)],
                "null": [int((mask & self.null[k] & self.ok[k]).sum()) for k in (0, 1)],
                "unusable": [int((mask & self.nan[k] & ~self.null[k] & self.ok[k]).sum()) for k in (0, 1)],
                "p": self.numbers(self.p, self.usable, self.EDGES, self.reference, mask),
                "far": self.numbers(self.far, self.ok, self.FAR_EDGES, np.ones(4), mask), "label": self.labels(mask)}

    def worst(self):
        distance = np.abs(self.p[1] - self.p[0])
        both = np.flatnonzero(self.usable[0] & self.usable[1])
        return [[f"t/0/{i}", float(distance[i])] for i in sorted(both, key=lambda i: (-distance[i], f"t/0/{i}"))[:20]]


def comparison(rng, rows=1500):
    versions = Versions(rng, rows)
    return {"rows": [versions.row(i) for i in range(rows)], "edges": versions.EDGES, "far_edges": versions.FAR_EDGES,
            "classes": versions.CLASSES, "reference": versions.reference.tolist(),
            "total": versions.figures(np.ones(rows, bool)),
            "segments": {s: versions.figures(versions.segment == s) for s in versions.SEGMENTS}, "worst": versions.worst()}


def best_of(distributions, low, high):
    """P(each is the largest), by adaptive quadrature."""
    found = []
    tails = [1e-13, 1e-10, 1e-7, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5]
    points = sorted({float(x) for d in distributions for q in tails for x in (d.ppf(q), d.isf(q))} | {low, high})
    points = [x for x in points if low <= x <= high]
    for i, one in enumerate(distributions):
        f = lambda x, i=i, one=one: one.pdf(x) * np.prod([d.cdf(x) for j, d in enumerate(distributions) if j != i])  # noqa: E731
        found.append(sum(integrate.quad(f, a, b, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
                         for a, b in zip(points, points[1:]) if b > a))
    return found


def beta_cases(rng):
    cases = []
    for arms in ([(0, 0), (0, 0)], [(4, 3), (4, 1), (0, 0)], [(5000, 2500), (5000, 3000), (5000, 3500)],
                 [(100000, 70010), (50, 36), (90000, 63100)], [(10**6, 3), (900, 0), (40, 1)], [(10, 5)] * 5):
        values = best_of([stats.beta(1 + s, 1 + n - s) for n, s in arms], 0, 1)
        decisions = [i for i, (n, _) in enumerate(arms) for _ in range(n)]
        rewards = [int(k < s) for n, s in arms for k in range(n)]
        case = {"rewards": [n for n, _ in arms], "sums": [s for _, s in arms], "best": values}
        if 0 < len(decisions) < 50000:
            mab = MAB(list(range(len(arms))), LearningPolicy.ThompsonSampling(), seed=int(rng.integers(1e6)))
            mab.fit(decisions, rewards)
            plays = 4000
            drawn = np.bincount([mab.predict() for _ in range(plays)], minlength=len(arms)) / plays
            case["mabwiser"] = {"plays": plays, "shares": drawn.tolist()}
        cases.append(case)
    return cases


def gaussian_cases(rng):
    cases = []
    for means, sizes, spread in (((0.0, 0.1), (30, 30), 1.0), ((100.0, 101.0, 100.5), (200, 5, 40), 4.0),
                                 ((-3.0, -3.0, 2.0), (3, 1, 0), 0.5), ((5.0, 5.01), (20000, 20000), 0.3)):
        rewards = [rng.normal(m, spread, n) for m, n in zip(means, sizes)]
        every = np.concatenate(rewards)
        center, variance = every.mean(), every.var()
        arms = []
        for r in rewards:
            n, mean = len(r), (r.mean() if len(r) else center)
            kappa, shape = 1 + n, 1 + n / 2
            rate = variance + ((r - mean) ** 2).sum() / 2 + n * (mean - center) ** 2 / (2 * kappa)
            arms.append(stats.t(2 * shape, loc=(center + n * mean) / kappa, scale=math.sqrt(rate / (shape * kappa))))
        low = min(a.mean() for a in arms) - 1e6 * spread
        high = max(a.mean() for a in arms) + 1e6 * spread
        cases.append({"rewards": [len(r) for r in rewards], "sums": [float(r.sum()) for r in rewards],
                      "squares": [float((r * r).sum()) for r in rewards], "best": best_of(arms, low, high)})
    return cases


def mab_expectations(rng):
    cases = []
    for arms in (2, 3, 6):
        decisions = np.concatenate([np.arange(arms), rng.integers(0, arms, 500)])
        rewards = np.round(rng.random(len(decisions)), 3)
        case = {"rewards": np.bincount(decisions, minlength=arms).tolist(),
                "sums": [math.fsum(rewards[decisions == a]) for a in range(arms)]}
        for name, policy in (("epsilon_greedy", LearningPolicy.EpsilonGreedy(epsilon=0)), ("ucb1", LearningPolicy.UCB1(alpha=1))):
            mab = MAB(list(range(arms)), policy)
            mab.fit(decisions, rewards)
            got = mab.predict_expectations()
            case[name] = [float(got[a]) for a in range(arms)]
        cases.append(case)
    return cases


def off_policy(rng, rounds=1000, arms=3):
    ope = estimators()
    shares = rng.dirichlet([2, 2, 2], 20)  # twenty generations
    shares = np.round(0.04 + 0.88 * shares, 4)
    p = shares[np.arange(rounds) * 20 // rounds]
    arm = np.array([rng.choice(arms, p=x / x.sum()) for x in p])
    propensity = p[np.arange(rounds), arm]
    reward = (rng.random(rounds) < np.array([0.5, 0.6, 0.7])[arm]) * np.round(rng.uniform(0.5, 2, rounds), 3)
    model = np.array([reward[arm == a].mean() for a in range(arms)])
    cases = []
    for target in ([0, 0, 1], [1, 0, 0], [0.2, 0.3, 0.5]):
        dist = np.tile(np.array(target, float), (rounds, 1))[:, :, None]
        given = dict(reward=reward, action=arm, pscore=propensity, action_dist=dist, position=np.zeros(rounds, int))
        weight = np.array(target)[arm] / propensity
        dr = ope.DoublyRobust()
        q = np.tile(model, (rounds, 1))[:, :, None]
        per_round = dr._estimate_round_rewards(estimated_rewards_by_reg_model=q, **given)
        cases.append({"target": target, "ips": float(ope.InverseProbabilityWeighting().estimate_policy_value(**given)),
                      "snips": float(ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**given)),
                      "dr": float(dr.estimate_policy_value(estimated_rewards_by_reg_model=q, **given)),
                      "ips_error": float(np.std(weight * reward) / math.sqrt(rounds)),
                      "dr_error": float(np.std(per_round) / math.sqrt(rounds)),
                      "effective": float(weight.sum() ** 2 / (weight**2).sum())})
    return {"arms": arm.tolist(), "propensities": propensity.tolist(), "rewards": reward.tolist(), "cases": cases}


def main():
    rng = np.random.default_rng(SEED)
    found = {"draws": draws(rng), "stakes": stakes(), "intervals": intervals(), "comparison": comparison(rng),
             "beta": beta_cases(rng), "gaussian": gaussian_cases(rng), "expectations": mab_expectations(rng),
             "off_policy": off_policy(rng)}
    FILE.write_text("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "}\n")
    print(f"wrote {FILE.name}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
