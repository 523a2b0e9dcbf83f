#include "coordinator/cli/prepare_run.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "actor/rollout/world_options.h"
#include "common/files.h"
#include "common/options.h"
#include "common/run_name.h"
#include "common/version.h"
#include "coordinator/schedule/presets.h"
#include "coordinator/run/open_run.h"
#include "coordinator/schedule/options.h"
#include "coordinator/tail/make_mix.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

// Copies the stages' files into folder/tail, and names them so in the options.
absl::Status CopyTailFiles(const v1::RunOptions& source, const std::string& folder,
                           v1::RunOptions& options) {
  auto specs = TailStageSpecs(source);
  if (!specs.ok()) return specs.status();
  if (specs->empty()) return absl::OkStatus();
  if (absl::Status s = CreateDirectories(absl::StrCat(folder, "/tail")); !s.ok()) return s;
  std::map<std::string, std::string> copies;
  std::vector<std::string> parts;
  for (const TailStageSpec& spec : *specs) {
    auto [copy, is_new] = copies.try_emplace(spec.path);
    if (is_new) {
      copy->second = absl::StrCat("tail/", copies.size(), "_", fs::path(spec.path).filename().string());
      auto bytes = ReadFile(spec.path);
      if (!bytes.ok()) return bytes.status();
      absl::Status status = WriteFileAtomically(absl::StrCat(folder, "/", copy->second), *bytes);
      if (!status.ok()) return status;
    }
    parts.push_back(absl::StrCat(spec.iterations, ":", copy->second));
  }
  options.clear_tail_seed_replay_path();
  options.clear_tail_seed_prewarm_iterations();
  options.set_tail_seed_stage_spec(absl::StrJoin(parts, ";"));
  return absl::OkStatus();
}

// Writes a preset's stage files into a folder.
absl::Status MakePresetStages(const std::string& preset, const std::string& folder) {
  auto stages = PresetStages(preset);
  if (!stages.ok()) return stages.status();
  if (absl::Status status = CreateDirectories(folder); !status.ok()) return status;
  for (const PresetStage& stage : *stages) {
    absl::Status status = WriteFileAtomically(absl::StrCat(folder, "/", stage.file_name), stage.text);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Fills the new folder.
absl::Status FillRun(const RunRequest& request, v1::RunOptions options, const std::string& folder) {
  v1::RunOptions located = options;
  const std::string made = absl::StrCat(folder, "/preset");
  const bool own_stages = !request.preset.empty() && !request.command_line.has_tail_seed_stage_spec();
  if (own_stages) {
    auto preset = PresetOptions(request.preset);
    if (!preset.ok()) return preset.status();
    if (!options.tail_seed_stage_spec().empty() &&
        preset->tail_seed_stage_spec() == options.tail_seed_stage_spec()) {
      if (absl::Status s = MakePresetStages(request.preset, made); !s.ok()) return s;
      auto from_made = WithTailPathsFrom(options, made);
      if (!from_made.ok()) return from_made.status();
      located = *std::move(from_made);
    }
  }
  if (auto stages = LoadTailStages(located); !stages.ok()) return stages.status();
  if (absl::Status status = CopyTailFiles(located, folder, options); !status.ok()) return status;
  std::error_code ignored;
  fs::remove_all(made, ignored);
  if (absl::Status status = CreateDirectories(absl::StrCat(folder, "/logs")); !status.ok()) {
    return status;
  }
  return WriteFileAtomically(
      absl::StrCat(folder, "/config.textproto"),
      WriteOptions(options, "The options of this run, as resolved. `shoal train --config FILE` takes "
                            "this file for another run."));
}

}  // namespace

absl::StatusOr<v1::RunOptions> CombineOptions(const RunRequest& request) {
  v1::RunOptions options;
  if (!request.preset.empty()) {
    auto preset = PresetOptions(request.preset);
    if (!preset.ok()) return preset.status();
    options = *std::move(preset);
  }
  if (!request.config_file.empty()) {
    auto file = ReadOptionsFile(request.config_file);
    if (!file.ok()) return file.status();
    auto located = WithTailPathsFrom(*file, fs::path(request.config_file).parent_path().string());
    if (!located.ok()) return located.status();
    // The name of the run that wrote the file is not the new run's.
    located->clear_run_name();
    options.MergeFrom(*located);
  }
  options.MergeFrom(request.command_line);
  options.set_written_by(GetBuildInfo().Build());
  if (options.run_name().empty()) {
    options.set_run_name(
        absl::FormatTime("run_%Y%m%d_%H%M%S", absl::Now(), absl::LocalTimeZone()));
  }
  return options;
}

absl::StatusOr<std::string> PrepareRun(const RunRequest& request) {
  auto options = CombineOptions(request);
  if (!options.ok()) return options.status();
  if (absl::Status status = ResolveOptions(*options); !status.ok()) return status;
  if (auto world = ReadWorldOptions(*options); !world.ok()) return world.status();
  auto folder = RunFolder(request.out, options->run_name());
  if (!folder.ok()) return folder.status();
  if (fs::exists(*folder)) {
    return absl::AlreadyExistsError(absl::StrCat(*folder, " exists: `shoal train --resume ",
                                                 options->run_name(),
                                                 "` continues it; a new run needs another --run_name"));
  }
  if (absl::Status status = CreateDirectories(request.out); !status.ok()) return status;
  const std::string fresh = absl::StrCat(request.out, "/.", options->run_name(), ".new-", getpid());
  absl::Status status = CreateDirectories(fresh);
  if (status.ok()) status = FillRun(request, *std::move(options), fresh);
  if (status.ok()) {
    std::error_code error;
    fs::rename(fresh, *folder, error);
    if (error) {
      status = absl::InternalError(absl::StrCat("cannot rename ", fresh, " to ", *folder, ": ",
                                                error.message()));
    } else {
      status = SyncDirectory(request.out);
    }
  }
  if (!status.ok()) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    return status;
  }
  return folder;
}

absl::StatusOr<std::string> FindRun(const std::string& out, const std::string& run) {
  for (const std::string& folder : {absl::StrCat(out, "/", run), run}) {
    if (fs::exists(absl::StrCat(folder, "/config.textproto"))) return folder;
  }
  return absl::NotFoundError(absl::StrCat("there is no run ", run, " under ", out, ", nor a run's folder of that path"));
}

}  // namespace shoal
