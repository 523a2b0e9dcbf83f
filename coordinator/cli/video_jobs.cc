#include "coordinator/cli/video_jobs.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace shoal {
namespace {

// The jobs among threads, and what came of them.
class Jobs {
 public:
  Jobs(const WorldOptions& world, const std::vector<VideoJob>& jobs,
       const std::function<void(size_t, const SceneVideo&)>& done)
      : world_(world), jobs_(jobs), done_(done), made_(jobs.size()) {}

  // Until none is left; any number of threads.
  void Work() {
    for (size_t i; (i = next_++) < jobs_.size() && !failed_;) Keep(i, Make(jobs_[i]));
  }
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  absl::StatusOr<SceneVideo> Make(const VideoJob& job) const {
    auto player = job.player();
    if (!player.ok()) return player.status();
    SceneVideoOptions options = job.options;
    options.cancelled = [this, &job] {
      return failed_ || (job.options.cancelled && job.options.cancelled());
    };
    return WriteSceneVideo(world_, options, *player->player, job.path);
  }
  void Keep(size_t i, absl::StatusOr<SceneVideo> video) {
    absl::MutexLock lock(&mutex_);
    if (!video.ok()) {
      status_.Update(video.status());
      failed_ = true;
      return;
    }
    made_[i] = *std::move(video);
    for (; told_ < made_.size() && made_[told_]; ++told_) done_(told_, *made_[told_]);
  }

  const WorldOptions& world_;
  const std::vector<VideoJob>& jobs_;
  const std::function<void(size_t, const SceneVideo&)>& done_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::optional<SceneVideo>> made_ ABSL_GUARDED_BY(mutex_);
  size_t told_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

absl::Status MakeVideos(const WorldOptions& world, const std::vector<VideoJob>& jobs,
                        const std::function<void(size_t, const SceneVideo&)>& done) {
  Jobs work(world, jobs, done);
  const size_t most = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min(most, jobs.size()); ++i) {
    others.emplace_back([&work] { work.Work(); });
  }
  work.Work();
  for (std::thread& thread : others) thread.join();
  return work.status();
}

}  // namespace shoal
