#include "coordinator/cli/run_end.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/options.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/run_plots.h"
#include "coordinator/cli/run_summary.h"
#include "coordinator/cli/run_videos.h"

namespace shoal {
namespace {

// Messages of one end, and whether any was of a failure.
class Warnings {
 public:
  void Warn(const std::string& text) {
    std::fprintf(stderr, "shoal: %s\n", text.c_str());
    any_ = true;
  }
  bool any() const { return any_; }

 private:
  bool any_ = false;
};

void MakeVideos(const std::string& run_dir, const std::function<bool()>& cancelled,
                Warnings& warnings) {
  auto info = ReadRunInfo(run_dir);
  if (!info.ok()) return warnings.Warn(absl::StrCat("no videos: ", info.status().message()));
  auto options = ParseOptions(info->options, absl::StrCat(run_dir, "/run.db"));
  if (!options.ok()) return warnings.Warn(absl::StrCat("no videos: ", options.status().message()));
  RunVideoOptions videos;
  videos.run_dir = run_dir;
  videos.skipped = [&warnings](const std::string& text) { warnings.Warn(text); };
  videos.cancelled = cancelled;
  if (options->tail_replay_count() > 0 && options->multi_eval_interval() > 0) {
    auto made = MakeWorstVideos(videos);
    if (!made.ok() && !absl::IsNotFound(made.status())) {
      warnings.Warn(absl::StrCat("videos of the worst scenes: ", made.status().message()));
    }
  }
  if (options->skip_final_eval()) return;
  PolicyScene scene;
  scene.out = absl::StrCat(run_dir, "/media/eval.mp4");
  absl::Status status = CreateDirectories(DirectoryOf(scene.out));
  if (status.ok()) status = MakePolicyVideo(videos, scene);
  if (!status.ok()) warnings.Warn(absl::StrCat("video of the policy: ", status.message()));
}

}  // namespace

bool MakeEndViews(const std::string& run_dir, bool done, const std::function<bool()>& cancelled) {
  Warnings warnings;
  if (done) MakeVideos(run_dir, cancelled, warnings);
  RunPlotOptions plots;
  plots.run_dir = run_dir;
  plots.cancelled = cancelled;
  auto files = MakePlots(plots);
  if (!files.ok() && !absl::IsFailedPrecondition(files.status())) {
    warnings.Warn(absl::StrCat("no plots: ", files.status().message()));
  }
  // The page shows the videos, so it comes last.
  if (auto report = WriteReport(run_dir); !report.ok()) {
    warnings.Warn(absl::StrCat("no report.html: ", report.status().message()));
  }
  return !warnings.any();
}

}  // namespace shoal
