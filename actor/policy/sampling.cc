#include "actor/policy/sampling.h"

#include <algorithm>
#include <bit>

#include "actor/policy/weights.h"

namespace shoal {
namespace {

// Four rows side by side, in the vectors that every x86-64 (and ARM) processor has.
constexpr int kLanes = 4;
typedef float Vec __attribute__((vector_size(16)));
typedef int32_t IntVec __attribute__((vector_size(16)));

Vec Splat(float a) { return Vec{a, a, a, a}; }

// e^x for x in [-87, 0]; smaller x count as -87. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its
// Taylor series (the first term left out is 5e-9), 2^n by the exponent's bits.
Vec Exp(Vec x) {
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  constexpr float kRounder = 12582912.0f;
  // ln 2 in two parts, the first short enough for n * kLn2High to be exact.
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  const Vec lowest = Splat(-87.0f);
  x = x > lowest ? x : lowest;
  const Vec shifted = x * 1.44269504f + kRounder;
  const Vec n = shifted - kRounder;
  const Vec r = (x - n * kLn2High) - n * kLn2Low;
  Vec e = Splat(1.0f / 5040);
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 1.0f / 2;
  e = e * r + 1.0f;
  e = e * r + 1.0f;
  const IntVec exponent = std::bit_cast<IntVec>(shifted) - std::bit_cast<int32_t>(kRounder) + 127;
  return e * std::bit_cast<Vec>(exponent << 23);
}

// log x for normal x > 0: x = 2^n m with m in [sqrt 1/2, sqrt 2), log m = 2 artanh f by its series
// in f = (m - 1) / (m + 1), |f| < 0.172 (the first term left out is 7e-10).
Vec Log(Vec x) {
  constexpr int32_t kSqrtHalf = 0x3f3504f3;
  const IntVec bits = std::bit_cast<IntVec>(x);
  const IntVec n = (bits - kSqrtHalf) >> 23;
  const Vec m = std::bit_cast<Vec>(bits - (n << 23));
  const Vec f = (m - 1.0f) / (m + 1.0f);
  const Vec f2 = f * f;
  Vec s = Splat(1.0f / 9);
  s = s * f2 + 1.0f / 7;
  s = s * f2 + 1.0f / 5;
  s = s * f2 + 1.0f / 3;
  s = s * f2 + 1.0f;
  return __builtin_convertvector(n, Vec) * 0.693147181f + 2.0f * f * s;
}

// Four rows, transposed. kPolicyActions vectors each.
struct Distribution {
  Vec shifted[kPolicyActions];     // Logit less the row's greatest.
  Vec cumulative[kPolicyActions];  // Sums of e^shifted up to this action.
  Vec log_total;
};

Distribution Distribute(const float* logits) {
  Distribution d;
  Vec* x = d.shifted;
  for (int a = 0; a < kPolicyActions; ++a) {
    for (int i = 0; i < kLanes; ++i) x[a][i] = logits[i * kPolicyActions + a];
  }
  Vec greatest = x[0];
  for (int a = 1; a < kPolicyActions; ++a) greatest = x[a] > greatest ? x[a] : greatest;
  Vec sum = Splat(0.0f);
  for (int a = 0; a < kPolicyActions; ++a) {
    x[a] -= greatest;
    sum += Exp(x[a]);
    d.cumulative[a] = sum;
  }
  d.log_total = Log(sum);
  return d;
}

void LogSoftmaxFour(const float* logits, float* log_probs) {
  const Distribution d = Distribute(logits);
  for (int a = 0; a < kPolicyActions; ++a) {
    const Vec value = d.shifted[a] - d.log_total;
    for (int i = 0; i < kLanes; ++i) log_probs[i * kPolicyActions + a] = value[i];
  }
}

void SampleFour(const float* logits, const float* uniforms, uint8_t* actions, float* log_probs) {
  const Distribution d = Distribute(logits);
  const Vec total = d.cumulative[kPolicyActions - 1];
  const Vec uniform = {uniforms[0], uniforms[1], uniforms[2], uniforms[3]};
  const Vec target = uniform * total + total * 0x1p-25f;
  // Comparisons give -1 where they hold. The second one is for targets that round to the total: the
  // action is then the last that adds to it.
  IntVec action = {0, 0, 0, 0};
  Vec chosen = d.shifted[0];
  for (int a = 1; a < kPolicyActions; ++a) {
    const IntVec beyond = (d.cumulative[a - 1] <= target) & (d.cumulative[a - 1] < total);
    action -= beyond;
    chosen = beyond ? d.shifted[a] : chosen;
  }
  const Vec log_prob = chosen - d.log_total;
  for (int i = 0; i < kLanes; ++i) {
    actions[i] = static_cast<uint8_t>(action[i]);
    log_probs[i] = log_prob[i];
  }
}

// Calls four(first row) for whole groups and tail(first row, rows) for what is left.
template <typename Four, typename Tail>
void ForGroups(int64_t rows, Four four, Tail tail) {
  int64_t row = 0;
  for (; row + kLanes <= rows; row += kLanes) four(row);
  if (row < rows) tail(row, rows - row);
}

// A group of fewer than four rows, filled up with zeros.
struct PaddedLogits {
  PaddedLogits(const float* logits, int64_t rows) {
    std::copy_n(logits, rows * kPolicyActions, values);
  }
  float values[kLanes * kPolicyActions] = {};
};

}  // namespace

void LogSoftmax(const float* logits, int64_t rows, float* log_probs) {
  ForGroups(
      rows,
      [&](int64_t row) {
        LogSoftmaxFour(logits + row * kPolicyActions, log_probs + row * kPolicyActions);
      },
      [&](int64_t row, int64_t left) {
        const PaddedLogits padded(logits + row * kPolicyActions, left);
        float results[kLanes * kPolicyActions];
        LogSoftmaxFour(padded.values, results);
        std::copy_n(results, left * kPolicyActions, log_probs + row * kPolicyActions);
      });
}

void SampleActions(const float* logits, const float* uniforms, int64_t rows, uint8_t* actions,
                   float* log_probs) {
  ForGroups(
      rows,
      [&](int64_t row) {
        SampleFour(logits + row * kPolicyActions, uniforms + row, actions + row, log_probs + row);
      },
      [&](int64_t row, int64_t left) {
        const PaddedLogits padded(logits + row * kPolicyActions, left);
        float padded_uniforms[kLanes] = {};
        std::copy_n(uniforms + row, left, padded_uniforms);
        uint8_t some_actions[kLanes];
        float some_log_probs[kLanes];
        SampleFour(padded.values, padded_uniforms, some_actions, some_log_probs);
        std::copy_n(some_actions, left, actions + row);
        std::copy_n(some_log_probs, left, log_probs + row);
      });
}

SampledAction SampleAction(const float* logits, float uniform) {
  uint8_t action;
  float log_prob;
  SampleActions(logits, &uniform, 1, &action, &log_prob);
  return {action, log_prob};
}

int GreedyAction(const float* logits) {
  int best = 0;
  for (int a = 1; a < kPolicyActions; ++a) {
    if (logits[a] > logits[best]) best = a;
  }
  return best;
}

void GreedyActions(const float* logits, int64_t rows, uint8_t* actions) {
  for (int64_t row = 0; row < rows; ++row) {
    actions[row] = static_cast<uint8_t>(GreedyAction(logits + row * kPolicyActions));
  }
}

}  // namespace shoal
