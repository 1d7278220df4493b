"""The gap between call and put volatility, pooled over all chains of each file, by distance.

    parity.py MEASURES.jsonl...

Exit code 1 where the median within 1 % of the forward is above LIMIT volatility points.
"""
import json
import os
import statistics
import sys

LIMIT = 0.06
BANDS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]  # percent of the forward


def band_of(strike, forward):
    away = 100 * abs(strike / forward - 1)
    for low, high in BANDS:
        if low <= away <= high:
            return (low, high)
    return None


def gaps(path):
    """Gaps by band and, within the first band, by expiry."""
    by_band, by_expiry, chains = {band: [] for band in BANDS}, {}, 0
    for line in open(path):
        chain = json.loads(line)
        forward = chain.get("forward", {}).get("forward")
        if forward is None or "iv" not in chain.get("calls", {}) or "iv" not in chain.get("puts", {}):
            continue
        chains += 1
        for strike, call, put in zip(chain["raw"]["strike"], chain["calls"]["iv"], chain["puts"]["iv"]):
            band = band_of(strike, forward)
            if band is None or call is None or put is None:
                continue
            gap = 100 * abs(call - put)
            by_band[band].append(gap)
            if band == BANDS[0]:
                by_expiry.setdefault(chain["expiry"], []).append(gap)
    return chains, by_band, by_expiry


def row(name, values):
    values = sorted(values)
    if not values:
        return f"  {name:<12} {0:>8}"
    high = values[int(0.9 * (len(values) - 1))]
    return f"  {name:<12} {len(values):>8} {statistics.median(values):>10.4f} {high:>10.4f}"


def main(paths):
    good = True
    for path in paths:
        chains, by_band, by_expiry = gaps(path)
        print(f"{os.path.basename(path)[:-6]}: |call iv - put iv|, volatility points, {chains} chains")
        print(f"  {'distance':<12} {'strikes':>8} {'median':>10} {'90 %':>10}")
        for low, high in BANDS:
            print(row(f"{low} to {high} %", by_band[(low, high)]))
        for expiry in sorted(by_expiry):
            print(row(expiry, by_expiry[expiry]))
        near = by_band[BANDS[0]]
        held = bool(near) and statistics.median(near) <= LIMIT
        print(f"  median within 1 % {'<=' if held else 'is not <='} {LIMIT}")
        good = good and held
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
