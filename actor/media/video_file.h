// An MP4 file (H.264, yuv420p, its index at the front), so that a browser plays it while it loads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

struct VideoFileOptions {
  // Pixels; even numbers from 2 to 4096.
  int width = 0;
  int height = 0;
  // Frames a second, 1 to 240.
  int fps = 20;
};

// Frames in, a file out. It is written under a hidden temporary name in the same folder, and gets its
// own only when Finish succeeds; a file that was there is replaced then. Without it, or after an error,
// the temporary file is removed and what was there stays. The same frames give the same bytes.
//
// Not thread safe. Two threads of the encoder work beside the caller until the end.
class VideoFile {
 public:
  // InvalidArgument: the options; NotFound, PermissionDenied, ...: the folder; Unimplemented: this
  // libavcodec has no libx264.
  static absl::StatusOr<std::unique_ptr<VideoFile>> Create(const std::string& path,
                                                           const VideoFileOptions& options);
  virtual ~VideoFile() = default;

  // The next frame: `height` rows of `stride` bytes, pixels B, G, R and one unused byte.
  virtual absl::Status Add(const uint8_t* pixels, int stride) = 0;

  // Writes what is left, syncs and renames. Nothing may be called after it. FailedPrecondition: no
  // frame was added. Errors of the file system keep their code and name the file.
  virtual absl::Status Finish() = 0;
};

}  // namespace shoal
