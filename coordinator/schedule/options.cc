#include "coordinator/schedule/options.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/options.h"
#include "coordinator/schedule/coefficients.h"
#include "coordinator/schedule/curriculum.h"
#include "coordinator/schedule/escape_boost.h"
#include "coordinator/schedule/lists.h"
#include "coordinator/schedule/penalty.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

using google::protobuf::FieldDescriptor;

absl::Status ResolveCurriculum(v1::RunOptions& options) {
  // A number of fish that nothing would use is a misunderstanding, not a choice.
  if (options.has_num_fish() && !options.has_curriculum()) {
    return OptionError("num_fish", absl::StrCat(options.num_fish()),
                       "acts only with --curriculum \"\"; otherwise the curriculum says how many");
  }
  absl::StatusOr<Curriculum> curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  options.set_curriculum(curriculum->ToString());
  options.set_total_iterations(curriculum->total_iterations());

  if (options.train_fish_per_env() > curriculum->min_fish()) {
    return OptionError("train_fish_per_env", absl::StrCat(options.train_fish_per_env()),
                       absl::StrCat("must be at most the curriculum's smallest number of fish, ",
                                    curriculum->min_fish(), "; 0 tracks all"));
  }
  if (options.training_mode() != "per_fish" && options.has_train_fish_per_env() &&
      options.train_fish_per_env() != 1) {
    return OptionError("train_fish_per_env", absl::StrCat(options.train_fish_per_env()),
                       absl::StrCat("training_mode ", options.training_mode(),
                                    " has one trajectory an environment; accepted is 1"));
  }
  return absl::OkStatus();
}

absl::Status ResolveSchedules(v1::RunOptions& options) {
  auto penalty = PenaltySchedule::Create(options);
  if (!penalty.ok()) return penalty.status();
  options.set_density_penalty_phase_targets(FormatList(penalty->targets()));
  options.set_density_penalty_phase_plateaus(FormatList(penalty->plateaus()));
  options.set_density_penalty_ramp_phases(FormatList(penalty->ramp_phases()));

  auto boost = EscapeBoost::Create(options);
  if (!boost.ok()) return boost.status();
  options.set_escape_boost_phase_speeds(FormatTable(boost->phase_speeds()));
  options.set_escape_boost_phase_floors(FormatTable(boost->phase_floors()));

  auto entropy = EntropySchedule::Create(options);
  if (!entropy.ok()) return entropy.status();
  if (options.has_ent_coef_final()) options.set_entropy_coef_schedule("");

  if (auto rate = LearningRate::Create(options); !rate.ok()) return rate.status();

  auto allowance = ParsePhaseAllowance(options.penalty_gate_phase_allowance());
  if (!allowance.ok()) return allowance.status();
  options.set_penalty_gate_phase_allowance(FormatList(*allowance));
  return absl::OkStatus();
}

absl::Status ResolveLearner(v1::RunOptions& options) {
  auto sizes = ParseHiddenSizes(options.policy_hidden_sizes());
  if (!sizes.ok()) return sizes.status();
  options.set_policy_hidden_sizes(FormatList(*sizes));
  return CheckDevice(options.device());
}

// Options that say how a queue is used are refused where there is none.
absl::Status CheckTail(const v1::RunOptions& options) {
  absl::StatusOr<std::vector<TailStageSpec>> stages = TailStageSpecs(options);
  if (!stages.ok()) return stages.status();
  if (!stages->empty()) return absl::OkStatus();
  const auto needs_queue = [](absl::string_view name, absl::string_view value) {
    return OptionError(name, value,
                       "needs a tail queue: give tail_seed_stage_spec (or tail_seed_replay_path), "
                       "or leave this option out");
  };
  if (options.tail_force_reset_steps() > 0) {
    return needs_queue("tail_force_reset_steps", absl::StrCat(options.tail_force_reset_steps()));
  }
  if (options.tail_inject() != "reset") return needs_queue("tail_inject", options.tail_inject());
  if (options.tail_inject_fraction() != 1) {
    return needs_queue("tail_inject_fraction", ShortestDouble(options.tail_inject_fraction()));
  }
  if (options.tail_seed_stage_refill_interval() > 0) {
    return needs_queue("tail_seed_stage_refill_interval",
                       absl::StrCat(options.tail_seed_stage_refill_interval()));
  }
  if (options.tail_on_exhausted() != "stop") {
    return needs_queue("tail_on_exhausted", options.tail_on_exhausted());
  }
  return absl::OkStatus();
}

void WriteDefaults(v1::RunOptions& options) {
  const google::protobuf::Reflection& reflection = *options.GetReflection();
  const google::protobuf::Descriptor& descriptor = *v1::RunOptions::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    if (!field->has_default_value() || reflection.HasField(options, field)) continue;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(&options, field, field->default_value_int64());
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(&options, field, field->default_value_double());
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&options, field, field->default_value_bool());
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(&options, field, field->default_value_string());
        break;
      default:
        break;
    }
  }
}

}  // namespace

absl::Status ResolveOptions(v1::RunOptions& options) {
  v1::RunOptions resolved = options;
  if (absl::Status status = CheckOptionValues(resolved); !status.ok()) return status;
  for (const auto step : {ResolveCurriculum, ResolveSchedules, ResolveLearner}) {
    if (absl::Status status = step(resolved); !status.ok()) return status;
  }
  if (absl::Status status = CheckTail(resolved); !status.ok()) return status;
  if (!resolved.has_multi_eval_seed_base()) resolved.set_multi_eval_seed_base(resolved.seed());
  WriteDefaults(resolved);
  options = std::move(resolved);
  return absl::OkStatus();
}

}  // namespace shoal
