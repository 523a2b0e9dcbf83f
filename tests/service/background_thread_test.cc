// Work beside the loop's events, on a thread of its own.
#include "coordinator/service/background_thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace shoal {
namespace {

class BackgroundThreadTest : public testing::Test {
 protected:
  void Post(std::vector<std::string>* log, const std::string& name,
            absl::Status status = absl::OkStatus()) {
    // Not by way of background_, which is null already when its thread is destroyed.
    thread_->Post([status] { return status; },
                  [this, log, name](const absl::Status& s, absl::Time) {
                    mutex_.AssertHeld();
                    log->push_back(name + (s.ok() ? "" : " failed"));
                  },
                  absl::Now());
  }

  absl::Mutex mutex_;
  std::unique_ptr<BackgroundThread> background_ = std::make_unique<BackgroundThread>(&mutex_);
  BackgroundThread* const thread_ = background_.get();
};

TEST_F(BackgroundThreadTest, EndsComeInOrderWithTheLoopsLock) {
  std::vector<std::string> log;
  absl::MutexLock lock(&mutex_);
  Post(&log, "one");
  Post(&log, "two", absl::InternalError(""));
  Post(&log, "three");
  const auto all = [&log] { return log.size() == 3; };
  mutex_.Await(absl::Condition(&all));
  EXPECT_EQ(log, (std::vector<std::string>{"one", "two failed", "three"}));
}

TEST_F(BackgroundThreadTest, TheLoopGoesOnDuringAWorkAndCanWaitForIt) {
  absl::Notification begun, go_on;
  bool done = false, ended = false;
  {
    absl::MutexLock lock(&mutex_);
    background_->Post(
        [&] {
          begun.Notify();
          go_on.WaitForNotification();
          done = true;
          return absl::OkStatus();
        },
        [&](const absl::Status&, absl::Time) { ended = true; }, absl::Now());
  }
  begun.WaitForNotification();
  // Events happen while it is being done.
  absl::MutexLock lock(&mutex_);
  EXPECT_FALSE(ended);
  std::vector<std::string> log;
  Post(&log, "two");
  Post(&log, "three");
  go_on.Notify();
  background_->AwaitWork();
  EXPECT_TRUE(done);
  EXPECT_FALSE(ended) << "its end needs the lock that is held here";
  background_->Settle(absl::Now());
  EXPECT_TRUE(ended);
  EXPECT_EQ(log, (std::vector<std::string>{"two", "three"}));
}

TEST_F(BackgroundThreadTest, WorksHaveALowerPriorityWhereThatIsAskedFor) {
  const int own = getpriority(PRIO_PROCESS, 0);
  BackgroundThread yielding(&mutex_, /*niceness=*/5);
  absl::MutexLock lock(&mutex_);
  int found = own;
  bool ended = false;
  yielding.Post(
      [&found] {
        found = getpriority(PRIO_PROCESS, 0);
        return absl::OkStatus();
      },
      [&ended](const absl::Status&, absl::Time) { ended = true; }, absl::Now());
  mutex_.Await(absl::Condition(&ended));
  EXPECT_EQ(found, std::min(own + 5, 19));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), own);
}

TEST_F(BackgroundThreadTest, WhatAnEndPostsIsDoneBeforeItIsGone) {
  std::vector<std::string> log;
  {
    absl::MutexLock lock(&mutex_);
    background_->Post([] { return absl::OkStatus(); },
                      [this, &log](const absl::Status&, absl::Time) {
                        log.push_back("one");
                        Post(&log, "two");
                      },
                      absl::Now());
  }
  background_.reset();
  EXPECT_EQ(log, (std::vector<std::string>{"one", "two"}));
}

}  // namespace
}  // namespace shoal
