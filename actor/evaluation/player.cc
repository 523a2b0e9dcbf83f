#include "actor/evaluation/player.h"

#include <algorithm>

#include "actor/policy/sampling.h"
#include "actor/world/constants.h"

namespace shoal {

void GreedyPlayer::BeginScene(uint64_t /*seed*/) {}

void GreedyPlayer::Act(const float* observations, int rows, int /*obs_dim*/, uint8_t* actions) {
  logits_.resize(std::max(logits_.size(), static_cast<size_t>(rows) * kNumActions));
  backend_.Logits(observations, rows, logits_.data());
  GreedyActions(logits_.data(), rows, actions);
}

void RulePlayer::BeginScene(uint64_t seed) { random_ = NumpyRandom(seed); }

void RulePlayer::Act(const float* observations, int rows, int obs_dim, uint8_t* actions) {
  ChooseActions(rule_, observations, obs_dim, rows, &random_, actions);
}

}  // namespace shoal
