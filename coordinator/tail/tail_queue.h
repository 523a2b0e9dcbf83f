// The queue of tail seeds: which episode of which environment starts with which predator velocity.
//
// Stage k holds iterations * num_envs slots; all stages in order are one queue. Slot i belongs to
// environment i mod num_envs, which takes its slots in order; slot j of a stage takes velocity
// (j + floor(j / num_envs)) mod count of its file, so that an environment does not meet the same
// few velocities again and again. No slot is ever stored: memory is that of the files and one
// number an environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/tail/stages.h"
#include "coordinator/tail/velocity.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/decisions.pb.h"

namespace shoal {

struct TailSlot {
  Velocity velocity;
  // From 1.
  int64_t stage = 0;
};

// The queue's measurements after an iteration.
struct TailCounters {
  // The stage (from 1) and the share of it that the slots used so far, taken together, have
  // reached; refills and loops lead back. 0 without a queue.
  int64_t stage_index = 0;
  double stage_progress = 0;
  // Slots taken since the run began, each time they were.
  int64_t used_total = 0;
  // Slots not used, and their share of the queue.
  int64_t remaining = 0;
  double remaining_ratio = 0;
  // used_total / min(num_envs * iteration, queue length): 1 is the pace that the stages plan.
  double schedule_ratio = 0;
  int64_t refills = 0;
};

// Overrides (episodes that started with a slot) / episodes begun in an iteration; 0 where slots
// are left and none began, and nothing where neither.
std::optional<double> PrewarmOverrideRatio(int64_t overrides, int64_t episodes, bool slots_left);

// One thread at a time.
class TailQueue {
 public:
  // From num_envs, tail_force_reset_steps, tail_inject, tail_inject_fraction,
  // tail_seed_stage_refill_interval and tail_on_exhausted. Without stages the queue has no slots.
  // InvalidArgument where a value is not one of config.proto's or a stage is empty.
  static absl::StatusOr<TailQueue> Create(const v1::RunOptions& options,
                                          std::vector<TailStage> stages);

  // Takes the options of Create() but num_envs anew; slots, pointers and counters stay.
  // InvalidArgument, and nothing changed, where a value is not one of config.proto's.
  absl::Status SetOptions(const v1::RunOptions& options);

  // An environment's next slots, at most `max` of them, without taking them. With a loop option
  // they never end. Empty for environments that do not exist.
  std::vector<TailSlot> Upcoming(int64_t environment, int64_t max) const;

  // The environment began `count` episodes with its next slots. InvalidArgument where there is no
  // such environment, OutOfRange where it has fewer slots; then nothing is taken.
  absl::Status Consume(int64_t environment, int64_t count);

  // Whether the environment's (any environment's) next episode starts with a slot.
  bool HasSlots(int64_t environment) const;
  bool AnySlots() const;

  // Whether tail_inject_fraction lets the environment be forced in an iteration (from 1):
  // (e + i * r) mod num_envs < r, r = round(fraction * num_envs).
  bool InForcedShare(int64_t environment, int64_t iteration) const;

  // The environments, ascending, that start a fresh episode at this iteration's rollout:
  // with tail_inject every_rollout those of the forced share that have slots left, else none.
  std::vector<int64_t> ForcedEnvironments(int64_t iteration) const;

  // After how many steps an episode of the environment is cut in this iteration while slots are
  // left: tail_force_reset_steps for the forced share where slots are left, else 0 (not at all).
  int64_t ForceResetSteps(int64_t environment, int64_t iteration) const;

  // Gives back every environment's used slots of its current stage: the stage of its next slot, or
  // the last one where it has used all. Returns how many.
  int64_t Refill();

  // Iteration (from 1) is complete: Refill() if tail_seed_stage_refill_interval says so. Returns
  // the slots given back.
  int64_t OnIterationEnd(int64_t iteration);

  TailCounters Counters(int64_t iteration) const;

  // Slots of the whole queue.
  int64_t length() const { return slots_each_ * num_envs(); }

  v1::TailQueueState State() const;
  // Goes on from a state. FailedPrecondition where it was made with other stages or velocities,
  // InvalidArgument where it makes no sense; then nothing is changed.
  absl::Status Restore(const v1::TailQueueState& state);

 private:
  enum class OnExhausted { kStop, kLoopStage, kLoopAll };
  struct Stage {
    TailStage source;
    // The first of an environment's own slots in this stage.
    int64_t begin;
    std::string sha256;
  };

  TailQueue() = default;
  int64_t num_envs() const { return static_cast<int64_t>(next_.size()); }
  bool Exists(int64_t environment) const { return environment >= 0 && environment < num_envs(); }
  // The slot that follows the ones used: `slot` itself, or where a loop goes on; slots_each_ means
  // none.
  int64_t Wrap(int64_t slot) const;
  // The index of the stage of an environment's own slot; the last for slots_each_.
  size_t StageOf(int64_t slot) const;
  TailSlot SlotOf(int64_t environment, int64_t slot) const;
  absl::Status CheckStages(const v1::TailQueueState& state) const;

  std::vector<Stage> stages_;
  // An environment's own slots over all stages.
  int64_t slots_each_ = 0;
  int64_t force_reset_steps_ = 0;
  bool every_rollout_ = false;
  // Environments forced in an iteration.
  int64_t forced_count_ = 0;
  int64_t refill_interval_ = 0;
  OnExhausted on_exhausted_ = OnExhausted::kStop;

  // One an environment: its own slots used, from 0 to slots_each_.
  std::vector<int64_t> next_;
  int64_t used_total_ = 0;
  int64_t refills_ = 0;
};

}  // namespace shoal
