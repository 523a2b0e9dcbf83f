// What takes long beside the run's events: writing a commit to run.db, and the text files after it.
// Leases go out and results come in meanwhile.
#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/store/run_store.h"

namespace shoal {

// All methods are called from the loop's events, one at a time.
class Background {
 public:
  using Work = std::function<absl::Status()>;
  // An event of the loop, with what the work came to.
  using Done = std::function<void(const absl::Status& status, absl::Time now)>;

  virtual ~Background() = default;
  // Has the work done, outside the loop's events, and `done` called as one of them. One work at a time,
  // in the order of posting; so are their ends. The loop bounds how many there are: a commit is posted
  // once the one before has ended, and whatever else leads to a post uses the store, which waits first.
  virtual void Post(Work work, Done done, absl::Time now) = 0;
  // Waits until every posted work is done. Their ends may still be to come.
  virtual void AwaitWork() = 0;
  // Waits likewise, and calls the ends that are still to come.
  virtual void Settle(absl::Time now) = 0;
};

// Does everything at once, where it is posted.
class Foreground final : public Background {
 public:
  void Post(Work work, Done done, absl::Time now) override { done(work(), now); }
  void AwaitWork() override {}
  void Settle(absl::Time) override {}
};

// The run's store for those who share it with works: `store->Method()` waits for them first.
class SharedStore {
 public:
  // get: waits, and returns the store.
  explicit SharedStore(std::function<RunStore*()> get) : get_(std::move(get)) {}
  RunStore* operator->() const { return get_(); }
  RunStore& operator*() const { return *get_(); }

 private:
  std::function<RunStore*()> get_;
};

}  // namespace shoal
