// What the learner is given to learn from: the rows of one iteration, as columns.
#pragma once

#include <cstdint>
#include <vector>

namespace shoal {

// A row is one decision of one fish. Their order is part of the result: the same rows in another
// order fall into other minibatches. Actions are 0..kPolicyActions-1.
struct RowBatch {
  int64_t rows = 0;
  int obs_dim = 0;
  std::vector<float> observations;  // [rows, obs_dim], row-major.
  std::vector<uint8_t> actions;     // [rows]
  std::vector<float> log_probs;   // [rows], of the action under the behaviour policy; natural log.
  std::vector<float> advantages;  // [rows], not normalised; return minus value when it acted.
  std::vector<float> returns;     // [rows], what the value network is to predict.
};

}  // namespace shoal
