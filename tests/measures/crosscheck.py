"""Computes the measures of chains anew, slowly and from their definitions, and compares.

    crosscheck.py MEASURES.jsonl...

Inputs are those that the chain itself says it used: strikes, open interest, prices, the forward,
time, rate, and each leg's implied volatility, which is checked first. Everything else is made of
them here: Black-76 by mpmath and numerical differentiation for some legs of some chains, by numpy
for the rest; roots by scipy. Prints the worst difference of every measure; exit code 1 where one
is above its tolerance.
"""
import json
import math
import os
import sys

import mpmath as mp
import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

mp.mp.dps = 40
YEAR = 365.0
SIGNS = {"GEX_SIGN_NAIVE": (1, -1), "GEX_SIGN_INVERSE": (-1, 1), "GEX_SIGN_ALL_SHORT": (-1, -1)}
FLIP_WIDTH, FLIP_STEPS = 0.10, 40
FIT_WIDTH, ATM_AWAY = 3.0, 0.05
MAX_AGE_NS = 300 * 10**9
DEEP = 40  # every so many chains some legs are differentiated numerically


class Tally:
    """The worst difference of every measure, relative to a scale, against a tolerance."""

    def __init__(self):
        self.rows = {}

    def take(self, name, got, want, scale, tolerance, where):
        count, worst, at, _, bad = self.rows.get(name, (0, 0.0, "", tolerance, 0))
        absent = [value is None or math.isnan(value) for value in (got, want)]
        if all(absent):
            return
        off = math.inf if any(absent) else abs(got - want) / (scale or 1.0)
        if off > worst:
            worst, at = off, f"{where}: {got} here {want}"
        self.rows[name] = (count + 1, worst, at, tolerance, bad + (off > tolerance))

    def report(self):
        good = True
        for name, (count, worst, at, tolerance, bad) in self.rows.items():
            mark = "" if bad == 0 else f"  WRONG in {bad}, at {at}"
            print(f"  {name:<16} {count:>8} {worst:>10.1e}  limit {tolerance:.0e}{mark}")
            good = good and bad == 0
        return good and bool(self.rows)


def column(side, name, n):
    values = side.get(name) or [None] * n
    return np.array([math.nan if v is None else float(v) for v in values])


# ---- Black-76 ---------------------------------------------------------------------------------


def mp_price(right, forward, strike, t, rate, vol):
    sd = vol * mp.sqrt(t)
    d1 = mp.log(forward / strike) / sd + sd / 2
    undiscounted = right * (forward * mp.ncdf(right * d1) - strike * mp.ncdf(right * (d1 - sd)))
    return mp.exp(-rate * t) * undiscounted


def mp_exposures(right, held, forward, strike, t, rate, vol):
    """gex, dex, vex, chex of one leg by differentiating its price; held: sign x oi x multiplier."""
    forward, strike, t, rate, vol = map(mp.mpf, (forward, strike, t, rate, vol))
    delta = lambda f=forward, s=vol, u=t: mp.diff(lambda x: mp_price(right, x, strike, u, rate, s), f)
    gamma = mp.diff(lambda x: mp_price(right, x, strike, t, rate, vol), forward, 2)
    vanna = mp.diff(lambda s: delta(s=s), vol)
    charm = -mp.diff(lambda u: delta(u=u), t)
    return [
        float(held * v)
        for v in (
            gamma * forward**2 * 0.01,
            delta() * forward,
            vanna * forward * 0.01,
            charm * forward / 365,
        )
    ]


def exposures(right, held, forward, strike, t, rate, vol):
    sd = vol * np.sqrt(t)
    d1 = np.log(forward / strike) / sd + sd / 2
    d2 = d1 - sd
    density = np.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    discount = math.exp(-rate * t)
    gamma = discount * density / (forward * sd)
    delta = discount * right * ndtr(right * d1)
    vanna = -discount * density * d2 / vol
    # delta = th e^{-rT} N(th d1) and d d1/dT = -ln(F/K)/(2 sd T) + sd/(4 T): minus its T-derivative
    charm = rate * delta - discount * density * (sd / 4 - np.log(forward / strike) / (2 * sd)) / t
    return (
        held * gamma * forward**2 * 0.01,
        held * delta * forward,
        held * vanna * forward * 0.01,
        held * charm * forward / 365,
    )


# ---- The chain --------------------------------------------------------------------------------


class Chain:
    def __init__(self, line):
        raw, forward = line["raw"], line["forward"]
        self.where = f"{line['expiry']} {line['event_ns']}"
        self.key = (line["feed"], line["expiry"])
        self.event_ns = int(line["event_ns"])
        self.strike = np.array(raw["strike"], float)
        n = len(self.strike)
        self.spot = raw.get("spot", math.nan)
        self.forward, self.t = forward["forward"], forward["t_years"]
        self.rate, self.discount = forward["rate"], forward["discount"]
        self.sides = []
        for right, name in ((1, "calls"), (-1, "puts")):
            model, quotes = line[name], raw.get(name, {})
            self.sides.append(
                {
                    "right": right,
                    "iv": column(model, "iv", n),
                    "price": column(model, "input_price", n),
                    "oi": column(quotes, "oi", n),
                    "volume": column(quotes, "volume", n),
                    "model": {k: column(model, k, n) for k in ("gex", "dex", "vex", "chex")},
                }
            )
        in_lots = raw.get("oi_unit") == "QUANTITY_UNIT_LOTS"
        self.multiplier = raw.get("lot_size", math.nan) if in_lots else 1.0
        self.metrics = line["metrics"]
        calls, puts = self.sides
        self.smile = np.where(
            self.strike < self.forward,
            puts["iv"],
            np.where(self.strike > self.forward, calls["iv"], (calls["iv"] + puts["iv"]) / 2),
        )

    def sd(self, vol):
        return vol * math.sqrt(self.t)


def check_iv(chain, tally, deep):
    """Each side's volatility gives its price back, to what double precision and vega allow."""
    for side in chain.sides:
        ok = np.isfinite(side["iv"])
        sd = chain.sd(side["iv"][ok])
        k, right = chain.strike[ok], side["right"]
        d1 = np.log(chain.forward / k) / sd + sd / 2
        price = chain.discount * right * (chain.forward * ndtr(right * d1) - k * ndtr(right * (d1 - sd)))
        for got, want in zip(price, side["price"][ok]):
            tally.take("price of iv", got, want, chain.forward, 1e-13, chain.where)
        if not deep:
            continue
        for i in np.flatnonzero(ok)[::9]:
            target, f = side["price"][i], mp.mpf(chain.forward)
            args = (right, f, mp.mpf(chain.strike[i]), mp.mpf(chain.t), mp.mpf(chain.rate))
            want = mp.findroot(
                lambda s: mp_price(*args, s) - target, (side["iv"][i] * 0.99, side["iv"][i] * 1.01),
                solver="secant", tol=1e-25, verify=False,
            )
            vega = mp.diff(lambda s: mp_price(*args, s), want)
            ulp = abs(target) * 2.3e-16 + chain.forward * 2.3e-16
            tally.take("iv, in ulps / 4", side["iv"][i], float(want), 1e-12 + float(4 * ulp / vega), 1, chain.where)


def vols_of(chain):
    """One volatility a strike for both legs; a leg's own where the smile has none."""
    return [np.where(np.isnan(chain.smile), side["iv"], chain.smile) for side in chain.sides]


def check_exposures(chain, tally, deep):
    gex = chain.metrics.get("gex")
    if not gex:
        return
    sums, totals, present = np.zeros(4), np.zeros(4), 0
    for side, vol, sign in zip(chain.sides, vols_of(chain), SIGNS[gex["sign"]]):
        held = sign * side["oi"] * chain.multiplier
        here = exposures(side["right"], held, chain.forward, chain.strike, chain.t, chain.rate, vol)
        for j, name in enumerate(("gex", "dex", "vex", "chex")):
            scale = np.nanmax(np.abs(here[j])) if np.isfinite(here[j]).any() else 1
            for got, want in zip(side["model"][name], here[j]):
                tally.take(f"{name} a strike", got, want, scale, 1e-11, chain.where)
            sums[j] += np.nansum(here[j])
            totals[j] += np.nansum(np.abs(here[j]))
        present += np.isfinite(here[0]).sum()
        if deep:
            for i in np.flatnonzero(np.isfinite(held * vol))[::11]:
                want = mp_exposures(side["right"], held[i], chain.forward, chain.strike[i], chain.t,
                                    chain.rate, vol[i])
                for j, name in enumerate(("gex", "dex", "vex", "chex")):
                    scale = np.nanmax(np.abs(here[j]))
                    tally.take(f"{name}, derived", side["model"][name][i], want[j], scale, 1e-11,
                               chain.where)
    for j, name in enumerate(("net", "dex", "vex", "chex")):
        want = sums[j] if present else math.nan
        tally.take(f"sum {name}", gex.get(name), want, totals[j], 1e-11, chain.where)
    for side, name in zip(chain.sides, ("call_wall", "put_wall")):
        size = np.nan_to_num(np.abs(side["model"]["gex"]))
        wall = chain.strike[int(np.argmax(size))] if size.max() > 0 else math.nan
        tally.take("walls", gex.get(name), wall, 1, 0, chain.where)
    check_flip(chain, tally, gex)


def check_flip(chain, tally, gex):
    """The root nearest to the spot in a cell of the grid of re-priced spots."""
    legs = []
    for side, vol, sign in zip(chain.sides, vols_of(chain), SIGNS[gex["sign"]]):
        held = sign * side["oi"] * chain.multiplier
        keep = np.isfinite(held) & np.isfinite(vol) & (held != 0)
        legs.append((held[keep], chain.strike[keep], vol[keep]))

    def repriced(ratio):
        total = 0.0
        for held, strike, vol in legs:
            total += exposures(1, held, chain.forward * ratio, strike, chain.t, chain.rate, vol)[0].sum()
        return total

    roots = []
    for way in (1, -1):
        grid = [1 + way * FLIP_WIDTH * k / FLIP_STEPS for k in range(FLIP_STEPS + 1)]
        values = [repriced(x) for x in grid]
        for a, b, fa, fb in zip(grid, grid[1:], values, values[1:]):
            if fa * fb < 0:
                roots.append(brentq(repriced, min(a, b), max(a, b), xtol=1e-15, rtol=1e-14))
                break
    anchor = chain.spot if chain.spot > 0 else chain.forward
    want = anchor * min(roots, key=lambda x: abs(x - 1)) if roots else math.nan
    tally.take("flip", gex.get("flip"), want, anchor, 1e-9, chain.where)


def atm_of(chain):
    """Variance linear in the strike between the two around the forward; sides averaged."""
    calls, puts = chain.sides[0]["iv"], chain.sides[1]["iv"]
    both = np.where(np.isnan(calls), puts, np.where(np.isnan(puts), calls, (calls + puts) / 2))
    near = np.isfinite(both) & (np.abs(chain.strike / chain.forward - 1) <= ATM_AWAY)
    below = np.flatnonzero(near & (chain.strike <= chain.forward))
    above = np.flatnonzero(near & (chain.strike > chain.forward))
    if len(below) and chain.strike[below[-1]] == chain.forward:
        return both[below[-1]]
    if not len(below) or not len(above):
        return math.nan
    pair = [below[-1], above[0]]
    return math.sqrt(np.interp(chain.forward, chain.strike[pair], both[pair] ** 2))


def at_delta(chain, delta):
    """The smile where N(d1) = delta, outward from the forward, linear in delta."""
    known = np.isfinite(chain.smile)
    strike, vol = chain.strike[known], chain.smile[known]
    sd = chain.sd(vol)
    deltas = ndtr(np.log(chain.forward / strike) / sd + sd / 2)
    order = range(len(strike)) if delta < 0.5 else range(len(strike) - 1, -1, -1)
    before = None
    for i in order:
        outward = strike[i] > chain.forward if delta < 0.5 else strike[i] < chain.forward
        if before is not None and outward and (deltas[before] - delta) * (deltas[i] - delta) <= 0:
            part = (delta - deltas[before]) / (deltas[i] - deltas[before])
            return vol[before] + part * (vol[i] - vol[before])
        before = i
    return math.nan


def check_skew(chain, tally):
    skew = chain.metrics.get("skew")
    if not skew:
        return
    atm = atm_of(chain)
    tally.take("atm iv", skew.get("atm_iv"), atm, 1, 1e-13, chain.where)
    if math.isnan(atm):
        return
    call, put = at_delta(chain, 0.25), at_delta(chain, 0.75)
    tally.take("rr25", skew.get("rr25"), call - put, 1, 1e-12, chain.where)
    tally.take("bf25", skew.get("bf25"), (call + put) / 2 - atm, 1, 1e-12, chain.where)
    near = np.abs(chain.strike / chain.forward - 1) <= 0.01
    gaps = np.abs(chain.sides[0]["iv"] - chain.sides[1]["iv"])[near]
    gaps = gaps[np.isfinite(gaps)]
    want = np.median(gaps) if len(gaps) else math.nan
    tally.take("iv gap", skew.get("iv_gap"), want, 1, 1e-14, chain.where)
    tally.take("expected move", skew.get("expected_move"), chain.forward * chain.sd(atm),
               chain.forward, 1e-13, chain.where)
    x = np.log(chain.strike / chain.forward)
    keep = np.isfinite(chain.smile) & (np.abs(x) <= FIT_WIDTH * chain.sd(atm))
    if keep.sum() < 5:
        tally.take("fit", (skew.get("fit") or [None])[0], math.nan, 1, 1e-9, chain.where)
        return
    x, vol = x[keep], chain.smile[keep]
    d1 = -x / chain.sd(vol) + chain.sd(vol) / 2
    weight = np.exp(-d1 * d1 / 2)  # vega / (F sqrt(T) D sqrt(1/2pi))
    root = np.sqrt(weight)
    scale = FIT_WIDTH * chain.sd(atm)
    basis = np.vander(x / scale, 3, increasing=True)
    fit = np.linalg.lstsq(basis * root[:, None], vol * root, rcond=None)[0]
    got = skew.get("fit") or [None] * 3
    for power in range(3):
        # the coefficients of x / scale, so that all are volatilities
        value = None if got[power] is None else got[power] * scale**power
        tally.take("fit", value, fit[power], 1, 1e-9, chain.where)
    if got[1] is not None:
        tally.take("slope", skew.get("slope"), got[1], 1, 0, chain.where)
    off = vol - basis @ fit
    tally.take("fit residual", skew.get("fit_residual"),
               math.sqrt((weight * off**2).sum() / weight.sum()), 1, 1e-9, chain.where)


def check_sums(chain, tally):
    calls, puts = chain.sides
    pcr, pain = chain.metrics.get("pcr"), chain.metrics.get("max_pain")
    for name in ("oi", "volume"):
        below = np.nansum(calls[name])
        want = np.nansum(puts[name]) / below if below > 0 else math.nan
        if pcr:
            tally.take(f"pcr {name}", pcr.get(name), want, 1, 1e-12, chain.where)
    if pain:
        gap = chain.strike[:, None] - chain.strike[None, :]
        loss = np.maximum(gap, 0) @ np.nan_to_num(calls["oi"])
        loss += np.maximum(-gap, 0) @ np.nan_to_num(puts["oi"])
        tally.take("writer loss", pain.get("writer_loss"), loss.min(), loss.min(), 1e-12, chain.where)


# ---- The volatility index ---------------------------------------------------------------------


def model_free(chain):
    """Annual variance by the Cboe formula; going outward a side ends at two strikes unpriced."""
    calls, puts = chain.sides[0]["price"], chain.sides[1]["price"]
    below = np.flatnonzero(chain.strike <= chain.forward)
    if not len(below):
        return math.nan
    middle = below[-1]
    at_middle = (calls[middle] + puts[middle]) / 2
    if not at_middle > 0:
        return math.nan
    strikes, prices = [chain.strike[middle]], [at_middle]
    for prices_of, way in ((puts, -1), (calls, 1)):
        found, missing, i = [], 0, middle + way
        while 0 <= i < len(chain.strike) and missing < 2:
            if prices_of[i] > 0:
                found.append((chain.strike[i], prices_of[i]))
                missing = 0
            else:
                missing += 1
            i += way
        if len(found) < 2:
            return math.nan
        strikes += [k for k, _ in found]
        prices += [q for _, q in found]
    order = np.argsort(strikes)
    strikes, prices = np.array(strikes)[order], np.array(prices)[order]
    width = np.zeros(len(strikes))
    width[0], width[-1] = strikes[1] - strikes[0], strikes[-1] - strikes[-2]
    width[1:-1] = (strikes[2:] - strikes[:-2]) / 2
    total = 2 * (width / strikes**2 * prices).sum() / chain.discount
    variance = (total - (chain.forward / chain.strike[middle] - 1) ** 2) / chain.t
    return variance if variance > 0 else math.nan


def at_thirty_days(points):
    """Total variance linear between the expiries around 30 days, flat outside."""
    points = sorted((t, v) for t, v in points if not math.isnan(v))
    if not points:
        return math.nan
    t30 = 30 / YEAR
    times = [t for t, _ in points]
    if t30 <= times[0]:
        return 100 * math.sqrt(points[0][1])
    if t30 >= times[-1]:
        return 100 * math.sqrt(points[-1][1])
    return 100 * math.sqrt(np.interp(t30, times, [t * v for t, v in points]) / t30)


def check_vix(chain, tally, terms):
    vix = chain.metrics.get("vix")
    if not vix:
        return
    atm = atm_of(chain)
    terms[chain.key] = (chain.event_ns, chain.t, model_free(chain), atm * atm)
    now = terms[chain.key][0]
    near = [x for key, x in terms.items() if key[0] == chain.key[0] and abs(now - x[0]) <= MAX_AGE_NS]
    own = at_thirty_days([(t, v) for _, t, v, _ in near])
    iv30 = at_thirty_days([(t, v) for _, t, _, v in near])
    tally.take("model free", vix.get("model_free"), own, 1, 1e-10, chain.where)
    tally.take("iv30", vix.get("iv30"), iv30, 1, 1e-10, chain.where)
    published = vix.get("published")
    if published is not None:
        tally.take("divergence", vix.get("divergence"), iv30 - published, 1, 1e-10, chain.where)


def check_file(path):
    tally, terms, measured = Tally(), {}, 0
    for number, text in enumerate(open(path)):
        line = json.loads(text)
        complete = "calls" in line and "puts" in line and "metrics" in line
        if not complete or "forward" not in line.get("forward", {}):
            continue
        if not line["forward"].get("t_years", 0) > 0 or "iv" not in line["calls"]:
            continue
        chain, deep = Chain(line), measured % DEEP == 0
        measured += 1
        check_iv(chain, tally, deep)
        check_exposures(chain, tally, deep)
        check_skew(chain, tally)
        check_sums(chain, tally)
        check_vix(chain, tally, terms)
    print(f"{os.path.basename(path)[:-6]}: {measured} chains; worst difference")
    return tally.report() and measured > 0


def main(paths):
    np.seterr(all="ignore")
    return 0 if all([check_file(path) for path in paths]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
