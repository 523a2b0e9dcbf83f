#include "tests/fuzz/check_options.h"

#include <algorithm>
#include <cmath>

#include "actor/rollout/settings.h"
#include "actor/world/world.h"
#include "common/options.h"
#include "coordinator/gate/penalty_gate.h"
#include "coordinator/schedule/coefficients.h"
#include "coordinator/schedule/curriculum.h"
#include "coordinator/schedule/escape_boost.h"
#include "coordinator/schedule/options.h"
#include "coordinator/schedule/penalty.h"
#include "learner/ingest/row_store.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal::fuzzing {
namespace {

bool Within(double value, double min, double max) { return value >= min && value <= max; }

bool Equal(const v1::RunOptions& a, const v1::RunOptions& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

void CheckWriting(const v1::RunOptions& options) {
  const std::string text = WriteOptions(options, "a header\nof two lines");
  const absl::StatusOr<v1::RunOptions> read = ParseOptions(text, "written.textproto");
  RequireOk(read.status(), "options that were written can be read");
  Require(WriteOptions(*read, "a header\nof two lines") == text,
          "options written, read and written are the same");
}

void CheckSchedules(const v1::RunOptions& options) {
  const auto curriculum = Curriculum::Create(options);
  RequireOk(curriculum.status(), "curriculum");
  const auto penalty = PenaltySchedule::Create(options);
  RequireOk(penalty.status(), "penalty");
  const auto entropy = EntropySchedule::Create(options);
  RequireOk(entropy.status(), "entropy");
  const auto rate = LearningRate::Create(options);
  RequireOk(rate.status(), "learning rate");
  auto boost = EscapeBoost::Create(options);
  RequireOk(boost.status(), "boost");
  auto gate = PenaltyGate::Create(options);
  RequireOk(gate.status(), "gate");

  const int64_t total = curriculum->total_iterations();
  Require(total >= 1 && total <= 1000000 && total == options.total_iterations(), "iterations");
  GateInput good;
  good.p10 = 500;
  good.min_final = 1;
  for (int64_t i = 1; i <= total; i = i < 4 ? i + 1 : std::max(i + 1, std::min(i * 3, total))) {
    const Phase phase = curriculum->PhaseOf(i);
    Require(phase.num_fish >= 1 && phase.num_fish <= 4096, "fish of a phase");
    Require(phase.first_iteration <= i && i <= phase.last_iteration, "the phase of an iteration");
    const double coefficient = penalty->Value(i, gate->allowed_phase());
    Require(Within(coefficient, 0, 100), "a penalty is within 0 to 100");
    Require(Within(entropy->Value(i), 0, 10), "an entropy coefficient is within 0 to 10");
    Require(Within(rate->Value(i), 0, 1), "a learning rate is within 0 to 1");
    Require(Within(boost->Value(i, coefficient, gate->stage()), 0, 1), "a boost is within 0 to 1");
    boost->Observe(static_cast<double>(i % 40));
    good.iteration = i;
    const auto record = gate->OnEvaluation(good);
    RequireOk(record.status(), "the gate takes an evaluation");
    Require(record->phase_limit >= 0 && record->freeze_until >= 0, "the gate's record");
  }
}

void CheckRowShape(const v1::RunOptions& options) {
  const absl::StatusOr<RowShape> shape = MakeRowShape("run", options);
  RequireOk(shape.status(), "the learner understands resolved options");
  Require(shape->rows_per_step >= 1 && shape->rows_per_step <= 4096, "rows of a step");
}

// Scenes of accepted options are made of numbers.
void CheckWorld(const v1::RunOptions& options) {
  absl::StatusOr<RolloutSettings> settings = ReadRolloutSettings(options);
  RequireWords(settings.status());
  if (!settings.ok()) return;
  WorldOptions& world_options = settings->world;
  world_options.predator_pre_roll_steps = std::min(world_options.predator_pre_roll_steps, 64);
  constexpr int kFish = 3;
  World world(world_options, /*num_envs=*/1, kFish);
  EpisodeStart start;
  start.seed = settings->seed;
  start.escape_boost_speed = options.escape_boost_speed();
  world.Reset(0, start);
  std::vector<float> rows(static_cast<size_t>(kFish) * world.obs_dim());
  std::vector<int32_t> fish(kFish);
  std::vector<float> rewards(world.stride());
  std::vector<uint8_t> actions(world.stride());
  for (int step = 0; step < 4; ++step) {
    std::fill(actions.begin(), actions.end(), static_cast<uint8_t>(step));
    world.Step(actions.data());
    const Predator& predator = world.predator(0);
    for (const float value : {predator.x, predator.y, predator.vx, predator.vy}) {
      Require(std::isfinite(value), "a predator is somewhere");
    }
    const int living = world.ObserveLiving(0, rows.data(), fish.data());
    for (int i = 0; i < living * world.obs_dim(); ++i) {
      Require(std::isfinite(rows[i]), "observations are finite");
    }
    world.Rewards(0, settings->reward, static_cast<float>(options.density_penalty_coef()),
                  rewards.data());
    for (int i = 0; i < kFish; ++i) Require(std::isfinite(rewards[i]), "rewards are finite");
  }
}

}  // namespace

void CheckOptions(const v1::RunOptions& options) {
  RequireOk(CheckOptionValues(options), "options that were accepted are valid one by one");
  CheckWriting(options);
  v1::RunOptions resolved = options;
  const absl::Status status = ResolveOptions(resolved);
  RequireWords(status);
  if (!status.ok()) {
    Require(Equal(resolved, options), "options that do not resolve are left as they were");
    return;
  }
  RequireOk(CheckOptionValues(resolved), "resolved options are valid one by one");
  v1::RunOptions again = resolved;
  RequireOk(ResolveOptions(again), "resolved options resolve");
  Require(Equal(again, resolved), "resolved options resolve to themselves");
  CheckWriting(resolved);
  CheckSchedules(resolved);
  CheckRowShape(resolved);
  CheckWorld(resolved);
}

}  // namespace shoal::fuzzing
