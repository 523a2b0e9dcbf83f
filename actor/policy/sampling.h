// The categorical distribution over the 5 actions: log-probabilities, sampling, argmax.
//
// Pure and thread safe. Only correctly rounded float32 operations in a fixed order, no function of
// libm, no fused operations: the bits are the same on every processor, and a row's do not depend on
// the other rows of a call. Logits are [rows, 5], row-major and finite; rows may be 0. With
// logits that are not finite the action is still one of the 5 and the log-probability means
// nothing.
#pragma once

#include <cstdint>

namespace shoal {

// log_probs, [rows, 5]: log-softmax of each row, with an error of at most 1e-6 * max(1, |result|).
// Actions more than 87 below the greatest count as e^-87 in the sum.
void LogSoftmax(const float* logits, int64_t rows, float* log_probs);

struct SampledAction {
  int action;
  float log_prob;  // As LogSoftmax gives it.
};

// Samples by inverse CDF: with c_a the sum of the probabilities of the actions 0..a, the action is
// the first whose c_a is above the uniform, a multiple of 2^-24 in [0, 1). The middle of the
// uniform's cell, 2^-25 above it, is what is compared, so that 0 and 1 - 2^-24 do not
// pick an action whose probability is less than half a cell.
SampledAction SampleAction(const float* logits, float uniform);

// For each row; uniforms, actions and log_probs are [rows].
void SampleActions(const float* logits, const float* uniforms, int64_t rows, uint8_t* actions,
                   float* log_probs);

// The action with the greatest logit, the lowest of those that tie.
int GreedyAction(const float* logits);
void GreedyActions(const float* logits, int64_t rows, uint8_t* actions);

}  // namespace shoal
