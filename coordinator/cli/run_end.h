// What is made at the end of a run: videos, plots, the report.
#pragma once

#include <functional>
#include <string>

namespace shoal {

// Reads RUN_DIR/run.db and checkpoints. All are views of a run that has ended: where one cannot be
// made a message goes to the standard error, and the run is no worse for it. `done`: with videos.
// `cancelled` is asked between steps. False: something could not be made.
bool MakeEndViews(const std::string& run_dir, bool done, const std::function<bool()>& cancelled);

}  // namespace shoal
