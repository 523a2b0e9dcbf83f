// Videos side by side: drawing takes one thread and encoding up to two, so that one at a time leaves
// processors idle.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/media/scene_video.h"
#include "actor/world/options.h"
#include "coordinator/cli/find_policy.h"

namespace shoal {

struct VideoJob {
  std::string path;
  // `cancelled` must be thread safe, and `player`, too.
  SceneVideoOptions options;
  std::function<absl::StatusOr<NamedPlayer>()> player;
};

// Makes the videos, as many at a time as there are processors, and calls done(i, video) for each in
// order, one call at a time. The first error that any has ends the others with Cancelled, and is
// returned; videos before it in order are whole.
absl::Status MakeVideos(const WorldOptions& world, const std::vector<VideoJob>& jobs,
                        const std::function<void(size_t, const SceneVideo&)>& done);

}  // namespace shoal
