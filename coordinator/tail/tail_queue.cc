#include "coordinator/tail/tail_queue.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/hash.h"
#include "coordinator/schedule/option_error.h"

namespace shoal {
namespace {

static_assert(std::endian::native == std::endian::little, "hashes are of little-endian doubles");

// More slots than any run takes; leaves room to count on.
constexpr int64_t kMaxStateCount = int64_t{1} << 53;

std::string HashOf(const std::vector<Velocity>& velocities) {
  Sha256 hash;
  for (const Velocity& velocity : velocities) {
    const double values[2] = {velocity.x, velocity.y};
    hash.Update(values, sizeof(values));
  }
  return hash.FinishHex();
}

}  // namespace

std::optional<double> PrewarmOverrideRatio(int64_t overrides, int64_t episodes, bool slots_left) {
  if (episodes > 0) return static_cast<double>(overrides) / static_cast<double>(episodes);
  return slots_left ? std::optional(0.0) : std::nullopt;
}

absl::StatusOr<TailQueue> TailQueue::Create(const v1::RunOptions& options,
                                            std::vector<TailStage> stages) {
  TailQueue queue;
  if (options.num_envs() < 1) {
    return OptionError("num_envs", absl::StrCat(options.num_envs()), "must be at least 1");
  }
  queue.next_.assign(static_cast<size_t>(options.num_envs()), 0);
  for (TailStage& stage : stages) {
    if (stage.iterations < 1 || stage.velocities == nullptr || stage.velocities->empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tail stage ", queue.stages_.size() + 1, " (", stage.path, ") is empty"));
    }
    std::string sha256 = HashOf(*stage.velocities);
    const int64_t begin = queue.slots_each_;
    queue.slots_each_ += stage.iterations;
    queue.stages_.push_back({std::move(stage), begin, std::move(sha256)});
  }

  if (absl::Status status = queue.SetOptions(options); !status.ok()) return status;
  return queue;
}

absl::Status TailQueue::SetOptions(const v1::RunOptions& options) {
  if (options.tail_inject() != "reset" && options.tail_inject() != "every_rollout") {
    return OptionError("tail_inject", options.tail_inject(), "accepted are reset, every_rollout");
  }
  const double fraction = options.tail_inject_fraction();
  if (!(fraction >= 0 && fraction <= 1)) {
    return OptionError("tail_inject_fraction", absl::StrCat(fraction), "must be within 0 to 1");
  }
  OnExhausted on_exhausted = OnExhausted::kStop;
  if (options.tail_on_exhausted() == "loop_stage") {
    on_exhausted = OnExhausted::kLoopStage;
  } else if (options.tail_on_exhausted() == "loop_all") {
    on_exhausted = OnExhausted::kLoopAll;
  } else if (options.tail_on_exhausted() != "stop") {
    return OptionError("tail_on_exhausted", options.tail_on_exhausted(),
                       "accepted are stop, loop_stage, loop_all");
  }
  on_exhausted_ = on_exhausted;
  force_reset_steps_ = options.tail_force_reset_steps();
  every_rollout_ = options.tail_inject() == "every_rollout";
  forced_count_ = std::llround(fraction * static_cast<double>(num_envs()));
  refill_interval_ = options.tail_seed_stage_refill_interval();
  return absl::OkStatus();
}

int64_t TailQueue::Wrap(int64_t slot) const {
  if (slot < slots_each_ || stages_.empty()) return slot;
  switch (on_exhausted_) {
    case OnExhausted::kLoopStage:
      return stages_.back().begin;
    case OnExhausted::kLoopAll:
      return 0;
    case OnExhausted::kStop:
      break;
  }
  return slot;
}

size_t TailQueue::StageOf(int64_t slot) const {
  const auto after =
      std::upper_bound(stages_.begin(), stages_.end(), slot,
                       [](int64_t s, const Stage& stage) { return s < stage.begin; });
  return static_cast<size_t>(after - stages_.begin()) - 1;
}

TailSlot TailQueue::SlotOf(int64_t environment, int64_t slot) const {
  const size_t index = StageOf(slot);
  const std::vector<Velocity>& velocities = *stages_[index].source.velocities;
  // Slot j = round * num_envs + environment of the stage, so floor(j / num_envs) = round.
  const int64_t round = slot - stages_[index].begin;
  const int64_t j = round * num_envs() + environment;
  const size_t velocity = static_cast<size_t>(j + round) % velocities.size();
  return {velocities[velocity], static_cast<int64_t>(index) + 1};
}

std::vector<TailSlot> TailQueue::Upcoming(int64_t environment, int64_t max) const {
  std::vector<TailSlot> slots;
  if (!Exists(environment)) return slots;
  int64_t slot = next_[environment];
  for (int64_t i = 0; i < max; ++i) {
    slot = Wrap(slot);
    if (slot >= slots_each_) break;
    slots.push_back(SlotOf(environment, slot++));
  }
  return slots;
}

absl::Status TailQueue::Consume(int64_t environment, int64_t count) {
  if (!Exists(environment) || count < 0) {
    return absl::InvalidArgumentError(absl::StrCat("tail queue: ", count, " slots of environment ",
                                                   environment, " of ", num_envs()));
  }
  const int64_t left = slots_each_ - next_[environment];
  const bool loops = on_exhausted_ != OnExhausted::kStop && slots_each_ > 0;
  if (count > left && !loops) {
    return absl::OutOfRangeError(absl::StrCat("tail queue: environment ", environment, " took ",
                                              count, " slots and had ", left));
  }
  int64_t& next = next_[environment];
  for (int64_t open = count; open > 0;) {
    next = Wrap(next);
    const int64_t taken = std::min(open, slots_each_ - next);
    next += taken;
    open -= taken;
  }
  used_total_ += count;
  return absl::OkStatus();
}

bool TailQueue::HasSlots(int64_t environment) const {
  return Exists(environment) && Wrap(next_[environment]) < slots_each_;
}

bool TailQueue::AnySlots() const {
  for (int64_t environment = 0; environment < num_envs(); ++environment) {
    if (HasSlots(environment)) return true;
  }
  return false;
}

bool TailQueue::InForcedShare(int64_t environment, int64_t iteration) const {
  return (environment + iteration * forced_count_) % num_envs() < forced_count_;
}

std::vector<int64_t> TailQueue::ForcedEnvironments(int64_t iteration) const {
  std::vector<int64_t> forced;
  if (!every_rollout_) return forced;
  for (int64_t environment = 0; environment < num_envs(); ++environment) {
    if (InForcedShare(environment, iteration) && HasSlots(environment)) {
      forced.push_back(environment);
    }
  }
  return forced;
}

int64_t TailQueue::ForceResetSteps(int64_t environment, int64_t iteration) const {
  return HasSlots(environment) && InForcedShare(environment, iteration) ? force_reset_steps_ : 0;
}

int64_t TailQueue::Refill() {
  if (stages_.empty()) return 0;
  int64_t given_back = 0;
  for (int64_t& next : next_) {
    const int64_t begin = stages_[StageOf(next)].begin;
    given_back += next - begin;
    next = begin;
  }
  ++refills_;
  return given_back;
}

int64_t TailQueue::OnIterationEnd(int64_t iteration) {
  if (refill_interval_ <= 0 || iteration % refill_interval_ != 0) return 0;
  return Refill();
}

TailCounters TailQueue::Counters(int64_t iteration) const {
  TailCounters counters;
  counters.used_total = used_total_;
  counters.refills = refills_;
  if (stages_.empty()) return counters;
  int64_t used = 0;
  for (const int64_t next : next_) used += next;
  const double total = static_cast<double>(length());
  counters.remaining = length() - used;
  counters.remaining_ratio = static_cast<double>(counters.remaining) / total;

  const size_t index = StageOf(used / num_envs());
  const Stage& stage = stages_[index];
  counters.stage_index = static_cast<int64_t>(index) + 1;
  counters.stage_progress = static_cast<double>(used - stage.begin * num_envs()) /
                            static_cast<double>(stage.source.iterations * num_envs());

  const int64_t planned = std::min(iteration, slots_each_) * num_envs();
  if (planned > 0) {
    counters.schedule_ratio = static_cast<double>(used_total_) / static_cast<double>(planned);
  }
  return counters;
}

v1::TailQueueState TailQueue::State() const {
  v1::TailQueueState state;
  for (const Stage& stage : stages_) {
    v1::TailStageState& out = *state.add_stages();
    out.set_iterations(stage.source.iterations);
    out.set_velocity_count(static_cast<int64_t>(stage.source.velocities->size()));
    out.set_sha256(stage.sha256);
  }
  state.mutable_next_slot()->Add(next_.begin(), next_.end());
  state.set_used_total(used_total_);
  state.set_refills(refills_);
  return state;
}

absl::Status TailQueue::CheckStages(const v1::TailQueueState& state) const {
  if (static_cast<size_t>(state.stages_size()) != stages_.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the run's tail queue has ", state.stages_size(), " stages, now it has ", stages_.size()));
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    const v1::TailStageState& then = state.stages(static_cast<int>(i));
    const TailStage& now = stages_[i].source;
    if (then.iterations() != now.iterations) {
      return absl::FailedPreconditionError(
          absl::StrCat("tail stage ", i + 1, " (", now.path, ") had ", then.iterations(),
                       " iterations when the run began, now it has ", now.iterations));
    }
    if (then.velocity_count() != static_cast<int64_t>(now.velocities->size()) ||
        then.sha256() != stages_[i].sha256) {
      return absl::FailedPreconditionError(absl::StrCat(
          "tail stage ", i + 1, " (", now.path, "): the file's ", now.velocities->size(),
          " velocities are not the ", then.velocity_count(),
          " that the run began with; put the file back as it was, or start a new run"));
    }
  }
  return absl::OkStatus();
}

absl::Status TailQueue::Restore(const v1::TailQueueState& state) {
  if (absl::Status status = CheckStages(state); !status.ok()) return status;
  if (state.next_slot_size() != num_envs()) {
    return absl::FailedPreconditionError(absl::StrCat("the run's tail queue has ",
                                                      state.next_slot_size(),
                                                      " environments, num_envs is ", num_envs()));
  }
  for (const int64_t next : state.next_slot()) {
    if (next < 0 || next > slots_each_) {
      return absl::InvalidArgumentError(
          absl::StrCat("tail queue state: slot ", next, ", an environment has ", slots_each_));
    }
  }
  for (const int64_t count : {state.used_total(), state.refills()}) {
    if (count < 0 || count > kMaxStateCount) {
      return absl::InvalidArgumentError(absl::StrCat("tail queue state: a count of ", count,
                                                     "; 0 to ", kMaxStateCount, " are possible"));
    }
  }
  next_.assign(state.next_slot().begin(), state.next_slot().end());
  used_total_ = state.used_total();
  refills_ = state.refills();
  return absl::OkStatus();
}

}  // namespace shoal
