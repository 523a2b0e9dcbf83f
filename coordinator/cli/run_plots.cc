#include "coordinator/cli/run_plots.h"

#include "absl/strings/str_cat.h"
#include "coordinator/artifacts/gnuplot.h"
#include "coordinator/artifacts/plots.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

absl::StatusOr<std::vector<std::string>> MakePlots(const RunPlotOptions& options) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(options.run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  auto facts = ReadRunFacts(*store);
  if (!facts.ok()) return facts.status();
  if (facts->iterations.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.run_dir, ": no iteration is committed yet, so there is nothing to plot"));
  }
  GnuplotOptions gnuplot;
  gnuplot.cancelled = options.cancelled;
  const std::string plots =
      options.out.empty() ? absl::StrCat(options.run_dir, "/plots") : options.out;
  const std::string media =
      options.out.empty() ? absl::StrCat(options.run_dir, "/media") : options.out;
  std::vector<std::string> files;
  for (const auto& [folder, pictures] :
       {std::pair(plots, PlotsOf(*facts)), std::pair(media, CurveOf(*facts))}) {
    absl::Status status = DrawPictures(folder, pictures, gnuplot);
    if (!status.ok()) return status;
    for (const GnuplotPicture& picture : pictures) {
      files.push_back(absl::StrCat(folder, "/", picture.file));
    }
  }
  return files;
}

}  // namespace shoal
