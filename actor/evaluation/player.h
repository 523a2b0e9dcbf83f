// Who plays a scene: each living fish acts on its own observation.
#pragma once

#include <cstdint>
#include <vector>

#include "actor/policy/backend.h"
#include "actor/world/numpy_random.h"
#include "actor/world/rules.h"

namespace shoal {

// Not thread safe: one player plays one scene at a time.
class Player {
 public:
  virtual ~Player() = default;

  // A scene begins; what the player draws in it is a function of `seed` and of its observations.
  virtual void BeginScene(uint64_t seed) = 0;

  // observations: [rows, obs_dim] float32 of the living fish by ascending id, rows >= 1.
  // actions: [rows], each 0..4.
  virtual void Act(const float* observations, int rows, int obs_dim, uint8_t* actions) = 0;
};

// A policy, greedily: the action with the greatest logit, the lowest of equals.
class GreedyPlayer : public Player {
 public:
  // `backend` is borrowed; its policy is for observations of the scenes' kind.
  explicit GreedyPlayer(PolicyBackend* backend) : backend_(*backend) {}

  void BeginScene(uint64_t seed) override;
  void Act(const float* observations, int rows, int obs_dim, uint8_t* actions) override;

 private:
  PolicyBackend& backend_;
  std::vector<float> logits_;
};

// A rule. Rule::kRandom draws from default_rng(seed) of its own, fish by fish and step by step.
class RulePlayer : public Player {
 public:
  explicit RulePlayer(Rule rule) : rule_(rule), random_(0) {}

  void BeginScene(uint64_t seed) override;
  void Act(const float* observations, int rows, int obs_dim, uint8_t* actions) override;

 private:
  const Rule rule_;
  NumpyRandom random_;
};

}  // namespace shoal
