// Videos of a run's worst scenes, for its report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

struct ReportVideo {
  int64_t iteration = 0;
  // From 1, the worst first.
  int rank = 0;
  // From 0.
  int scene = 0;
  // Path from the page's folder; "": the page is elsewhere and cannot link to it.
  std::string link;
  // The MP4 file, to be in the page itself; "": it is linked.
  std::string bytes;
};

// What all videos inside one page may have together, bytes.
inline constexpr size_t kReportVideoBytes = size_t{12} << 20;

// RUN_DIR/media/tail_iterNNN_rankR_epE.mp4, the last evaluation's first and its worst scene before
// the others, with their content as long as all of it together is at most `max_bytes`. A folder that
// is not there has none. Errors name the file. Thread-safe.
absl::StatusOr<std::vector<ReportVideo>> ReadReportVideos(const std::string& run_dir,
                                                          size_t max_bytes = kReportVideoBytes);

}  // namespace shoal
