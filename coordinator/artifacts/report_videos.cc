#include "coordinator/artifacts/report_videos.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/files.h"

namespace shoal {

absl::StatusOr<std::vector<ReportVideo>> ReadReportVideos(const std::string& run_dir,
                                                          size_t max_bytes) {
  namespace fs = std::filesystem;
  std::vector<ReportVideo> videos;
  std::error_code error;
  for (fs::directory_iterator entry(absl::StrCat(run_dir, "/media"), error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    ReportVideo video;
    long long iteration = 0;
    if (std::sscanf(name.c_str(), "tail_iter%lld_rank%d_ep%d.mp4", &iteration, &video.rank,
                    &video.scene) != 3) {
      continue;
    }
    video.iteration = iteration;
    video.link = absl::StrCat("media/", name);
    // What only begins like one is another's file.
    if (name != absl::StrFormat("tail_iter%03d_rank%d_ep%d.mp4", iteration, video.rank, video.scene)) {
      continue;
    }
    videos.push_back(video);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", run_dir, "/media"));
  }
  std::sort(videos.begin(), videos.end(), [](const ReportVideo& a, const ReportVideo& b) {
    return std::tuple(-a.iteration, a.rank, a.scene) < std::tuple(-b.iteration, b.rank, b.scene);
  });
  size_t left = max_bytes;
  for (ReportVideo& video : videos) {
    const std::string path = absl::StrCat(run_dir, "/", video.link);
    const auto size = fs::file_size(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot read ", path));
    if (size > left) continue;
    auto bytes = ReadFile(path, left);
    if (!bytes.ok()) return bytes.status();
    left -= bytes->size();
    video.bytes = *std::move(bytes);
  }
  return videos;
}

}  // namespace shoal
