#include "coordinator/queue/submission.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "actor/rollout/world_options.h"
#include "common/files.h"
#include "common/options.h"
#include "common/printable.h"
#include "common/run_name.h"
#include "common/version.h"
#include "coordinator/run/open_run.h"
#include "coordinator/schedule/options.h"
#include "coordinator/tail/stages.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr char kTailFolder[] = "tail/";
constexpr char kSuffix[] = ".new";
constexpr size_t kLongestFileName = 200;
constexpr size_t kLongestToken = 64;

std::string Prepared(const std::string& runs, const std::string& name) {
  return absl::StrCat(runs, "/.", name, kSuffix);
}

absl::Status CheckToken(const std::string& token) {
  const bool ok = !token.empty() && token.size() <= kLongestToken &&
                  std::all_of(token.begin(), token.end(), [](char c) {
                    return absl::ascii_isalnum(static_cast<unsigned char>(c));
                  });
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError("a submission's token is 1 to 64 letters and digits");
}

// One file in tail/, and nowhere else.
absl::Status CheckTailPath(const std::string& path) {
  const std::string name(absl::StripPrefix(path, kTailFolder));
  if (absl::StartsWith(path, kTailFolder) && !name.empty() && name.size() <= kLongestFileName &&
      name[0] != '.' && !absl::StrContains(name, '/') && IsPrintable(name)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("tail file \"", Printable(path, kLongestFileName),
                                                 "\": accepted is tail/NAME"));
}

absl::Status CheckTailFiles(const v1::SubmitRunRequest& request, const v1::RunOptions& options) {
  if (request.tail_files_size() > kMostTailFiles) {
    return absl::InvalidArgumentError(absl::StrCat(request.tail_files_size(),
                                                   " tail files; at most ", kMostTailFiles,
                                                   " are accepted"));
  }
  size_t bytes = 0;
  std::set<std::string> given;
  for (const v1::TailFile& file : request.tail_files()) {
    if (absl::Status status = CheckTailPath(file.path()); !status.ok()) return status;
    if (!given.insert(file.path()).second) {
      return absl::InvalidArgumentError(absl::StrCat(file.path(), " is given twice"));
    }
    bytes += file.content().size();
  }
  if (bytes > kMostTailBytes) {
    return absl::InvalidArgumentError(absl::StrCat("tail files of ", bytes, " bytes; at most ",
                                                   kMostTailBytes, " together are accepted"));
  }
  auto specs = TailStageSpecs(options);
  if (!specs.ok()) return specs.status();
  std::set<std::string> named;
  for (const TailStageSpec& spec : *specs) named.insert(spec.path);
  if (named == given) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the tail files of a submission are not those that its tail_seed_stage_spec names");
}

// Fields of another build, which would be lost here, in the message or those within.
bool HasUnknownFields(const v1::RunOptions& options) {
  return options.GetReflection()->GetUnknownFields(options).field_count() > 0;
}

absl::Status Fill(const v1::SubmitRunRequest& request, const v1::RunOptions& options,
                  const std::string& folder) {
  if (absl::Status s = CreateDirectories(absl::StrCat(folder, "/logs")); !s.ok()) return s;
  if (request.tail_files_size() > 0) {
    if (absl::Status s = CreateDirectories(absl::StrCat(folder, "/tail")); !s.ok()) return s;
  }
  for (const v1::TailFile& file : request.tail_files()) {
    absl::Status s = WriteFileAtomically(absl::StrCat(folder, "/", file.path()), file.content());
    if (!s.ok()) return s;
  }
  auto located = WithTailPathsFrom(options, folder);
  if (!located.ok()) return located.status();
  if (auto stages = LoadTailStages(*located); !stages.ok()) {
    // The caller knows them by their names in the request.
    std::string message(stages.status().message());
    const size_t at = message.find(folder);
    if (at != std::string::npos) message.erase(at, folder.size() + 1);
    return absl::InvalidArgumentError(message);
  }
  return WriteFileAtomically(
      absl::StrCat(folder, "/config.textproto"),
      WriteOptions(options, "The options of this run, as resolved. `shoal train --config FILE` takes "
                            "this file for another run."));
}

}  // namespace

absl::StatusOr<v1::RunOptions> CheckSubmission(const v1::SubmitRunRequest& request) {
  if (absl::Status status = CheckToken(request.token()); !status.ok()) return status;
  v1::RunOptions options = request.options();
  if (absl::Status status = CheckRunName(options.run_name()); !status.ok()) return status;
  if (HasUnknownFields(options)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the run has options that this coordinator does not know; it is ",
                     GetBuildInfo().Build(), ": submit with the same build"));
  }
  options.set_written_by(GetBuildInfo().Build());
  if (absl::Status status = ResolveOptions(options); !status.ok()) return status;
  if (auto world = ReadWorldOptions(options); !world.ok()) return world.status();
  if (absl::Status status = CheckTailFiles(request, options); !status.ok()) return status;
  return options;
}

absl::Status PrepareSubmission(const std::string& runs, const v1::SubmitRunRequest& request,
                               const v1::RunOptions& options) {
  const std::string folder = Prepared(runs, options.run_name());
  Discard(runs, options.run_name());
  absl::Status status = Fill(request, options, folder);
  if (!status.ok()) Discard(runs, options.run_name());
  return status;
}

absl::Status PutInPlace(const std::string& runs, const std::string& name) {
  auto folder = RunFolder(runs, name);
  if (!folder.ok()) return folder.status();
  if (fs::exists(absl::StrCat(*folder, "/config.textproto"))) return absl::OkStatus();
  return RenameDurably(Prepared(runs, name), *folder);
}

void Discard(const std::string& runs, const std::string& name) {
  std::error_code ignored;
  fs::remove_all(Prepared(runs, name), ignored);
}

absl::Status DiscardAllBut(const std::string& runs, const std::set<std::string>& names) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(runs, error)) {
    const std::string file = entry.path().filename().string();
    if (!absl::StartsWith(file, ".") || !absl::EndsWith(file, kSuffix)) continue;
    const std::string name = file.substr(1, file.size() - 1 - (sizeof(kSuffix) - 1));
    if (CheckRunName(name).ok() && !names.contains(name)) Discard(runs, name);
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(runs, ": ", error.message()));
}

}  // namespace shoal
