#include "coordinator/tail/stages.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/files.h"
#include "coordinator/schedule/option_error.h"
#include "coordinator/tail/mix_file.h"

namespace shoal {
namespace {

constexpr int64_t kMaxIterations = 1'000'000;

}  // namespace

absl::StatusOr<std::vector<TailStageSpec>> ParseStageSpec(std::string_view text) {
  const absl::string_view value(text.data(), text.size());
  constexpr absl::string_view kName = "tail_seed_stage_spec";
  std::vector<TailStageSpec> stages;
  if (absl::StripAsciiWhitespace(value).empty()) return stages;
  for (absl::string_view entry : absl::StrSplit(value, ';')) {
    entry = absl::StripAsciiWhitespace(entry);
    const size_t colon = entry.find(':');
    if (colon == absl::string_view::npos) {
      return OptionError(
          kName, value,
          absl::StrCat("\"", entry, "\" is not iterations:path, as in \"24:mix.json\""));
    }
    TailStageSpec stage;
    if (!absl::SimpleAtoi(entry.substr(0, colon), &stage.iterations) || stage.iterations < 1 ||
        stage.iterations > kMaxIterations) {
      return OptionError(
          kName, value,
          absl::StrCat("\"", entry.substr(0, colon), "\" is not a number of iterations ",
                       "from 1 to ", kMaxIterations));
    }
    stage.path = std::string(absl::StripAsciiWhitespace(entry.substr(colon + 1)));
    if (stage.path.empty()) {
      return OptionError(kName, value, absl::StrCat("\"", entry, "\" has no path"));
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

absl::StatusOr<std::vector<TailStageSpec>> TailStageSpecs(const v1::RunOptions& options) {
  const std::string& path = options.tail_seed_replay_path();
  const int64_t iterations = options.tail_seed_prewarm_iterations();
  auto stages = ParseStageSpec(options.tail_seed_stage_spec());
  if (!stages.ok()) return stages;
  if (!stages->empty() && !path.empty()) {
    return OptionError("tail_seed_replay_path", path,
                       "excludes tail_seed_stage_spec; give one of the two");
  }
  if (path.empty() && iterations != 0) {
    return OptionError("tail_seed_prewarm_iterations", absl::StrCat(iterations),
                       "acts only together with tail_seed_replay_path");
  }
  if (path.empty()) return stages;
  if (iterations < 1 || iterations > kMaxIterations) {
    return OptionError("tail_seed_replay_path", path,
                       absl::StrCat("needs tail_seed_prewarm_iterations from 1 to ", kMaxIterations,
                                    ", which is ", iterations));
  }
  return std::vector<TailStageSpec>{{iterations, path}};
}

absl::StatusOr<std::vector<TailStage>> LoadTailStages(const v1::RunOptions& options) {
  auto specs = TailStageSpecs(options);
  if (!specs.ok()) return specs.status();
  std::map<std::string, std::shared_ptr<const std::vector<Velocity>>> files;
  std::vector<TailStage> stages;
  for (const TailStageSpec& spec : *specs) {
    auto& velocities = files[spec.path];
    if (velocities == nullptr) {
      absl::StatusOr<std::string> text = ReadFile(spec.path);
      if (!text.ok()) return text.status();
      absl::StatusOr<std::vector<Velocity>> read = ReadMix(*text, spec.path);
      if (!read.ok()) return read.status();
      velocities = std::make_shared<const std::vector<Velocity>>(*std::move(read));
    }
    stages.push_back({spec.iterations, spec.path, velocities});
  }
  return stages;
}

}  // namespace shoal
