#include "learner/ppo/worker_pool.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

TEST(WorkerPool, EveryTaskRunsOnceAndWorkersDoNotOverlap) {
  for (int threads : {1, 2, 5}) {
    WorkerPool pool(threads, [] {});
    ASSERT_EQ(pool.threads(), threads);
    for (int64_t tasks : {0, 1, 2, 7, 100}) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<std::atomic<int>> runs(tasks);
        std::vector<std::atomic<int>> busy(threads);
        std::atomic<bool> overlap = false;
        pool.Run(tasks, [&](int64_t task, int worker) {
          if (busy[worker].fetch_add(1) != 0) overlap = true;
          ++runs[task];
          busy[worker].fetch_sub(1);
        });
        for (const std::atomic<int>& count : runs) ASSERT_EQ(count, 1);
        ASSERT_FALSE(overlap);
      }
    }
  }
}

TEST(WorkerPool, OnStartRunsInEveryOwnThread) {
  std::atomic<int> started = 0;
  {
    WorkerPool pool(4, [&] { ++started; });
  }
  EXPECT_EQ(started, 3);
}

TEST(WorkerPool, WhatATaskThrowsReachesTheCallerAndThePoolGoesOn) {
  WorkerPool pool(3, [] {});
  EXPECT_THROW(pool.Run(20,
                        [](int64_t task, int) {
                          if (task == 3) throw std::runtime_error("three");
                        }),
               std::runtime_error);
  std::atomic<int> done = 0;
  pool.Run(20, [&](int64_t, int) { ++done; });
  EXPECT_EQ(done, 20);
}

}  // namespace
}  // namespace shoal
