// The plots of a run as files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

struct RunPlotOptions {
  std::string run_dir;
  // "": plots/ of the run, and curve.gif in its media/. Else all go here.
  std::string out;
  // Asked ten times a second; true ends the work with Cancelled. May be empty.
  std::function<bool()> cancelled;
};

// Reads run.db, also while the run is on, and draws what it has measured so far. Returns the files'
// paths. NotFound: no run there, or no gnuplot; FailedPrecondition: no iteration is committed;
// others are gnuplot.h's. Thread-safe for different runs.
absl::StatusOr<std::vector<std::string>> MakePlots(const RunPlotOptions& options);

}  // namespace shoal
