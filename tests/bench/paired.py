"""Paired comparison of two builds: t intervals over the logarithms of ratios, without packages."""
import math


def _beta_fraction(a, b, x):
    """Continued fraction of the incomplete beta function (Lentz)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 500):
        for numerator in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                          -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1.0 + numerator * d
            c = 1.0 + numerator / c
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            value *= d * c
        if abs(d * c - 1.0) < 1e-14:
            break
    return value


def incomplete_beta(a, b, x):
    """Regularised: 0 at x = 0, 1 at x = 1."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                     + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1 - x) / b


def t_below(t, freedom):
    """Probability that Student's t is below t."""
    tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return 1 - tail if t > 0 else tail


def t_quantile(probability, freedom):
    """Of 0.5 < probability < 1."""
    low, high = 0.0, 1.0
    while t_below(high, freedom) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if t_below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


class Ratio:
    """Of first to second, from pairs that were measured one beside the other."""

    def __init__(self, first, second, figures=1, level=0.95):
        """figures: how many are looked at together; `moved` holds for all of them with `level`."""
        if len(first) != len(second) or len(first) < 2:
            raise ValueError("at least two pairs are needed")
        if min(first) <= 0 or min(second) <= 0:
            raise ValueError("ratios are of positive figures")
        logs = [math.log(a / b) for a, b in zip(first, second)]
        n = len(logs)
        mean = sum(logs) / n
        error = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1) / n)
        half = t_quantile(1 - (1 - level) / 2, n - 1) * error
        strict = t_quantile(1 - (1 - level) / figures / 2, n - 1) * error
        self.ratio = math.exp(mean)
        self.low, self.high = math.exp(mean - half), math.exp(mean + half)
        self.moved = abs(mean) > strict
