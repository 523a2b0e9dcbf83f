#include "coordinator/queue/run_queue.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

// Applies what was decided, which must be possible.
const QueueEntry& Do(RunQueue& queue, const absl::StatusOr<QueueEntry>& decision) {
  EXPECT_TRUE(decision.ok()) << decision.status();
  queue.Apply(*decision);
  return *queue.Find(decision->name);
}

RunQueue WithRuns(std::initializer_list<const char*> names) {
  RunQueue queue;
  for (const char* name : names) Do(queue, queue.Submit(name, absl::StrCat("token", name), kNow));
  return queue;
}

RunEnd Finished(int64_t iteration) {
  RunEnd end;
  end.iteration = iteration;
  end.policy_sha256 = "abc";
  return end;
}

TEST(RunQueue, RunsGoInTheOrderOfSubmission) {
  RunQueue queue = WithRuns({"c", "a", "b"});
  for (const char* name : {"c", "a", "b"}) {
    ASSERT_NE(queue.next(), nullptr);
    EXPECT_EQ(queue.next()->name, name);
    Do(queue, queue.Start(name, kNow));
    EXPECT_EQ(queue.next(), nullptr) << "one at a time";
    EXPECT_EQ(queue.running()->name, name);
    Do(queue, queue.End(name, Finished(8), kNow));
  }
  EXPECT_EQ(queue.next(), nullptr);
  EXPECT_EQ(queue.running(), nullptr);
}

TEST(RunQueue, ADecisionAloneChangesNothing) {
  RunQueue queue = WithRuns({"a"});
  ASSERT_TRUE(queue.Start("a", kNow).ok());
  ASSERT_TRUE(queue.Submit("b", "t", kNow).ok());
  EXPECT_EQ(queue.running(), nullptr);
  EXPECT_EQ(queue.Find("b"), nullptr);
}

TEST(RunQueue, OnlyTheFirstMayStartAndOnlyWhatIsOnMayEnd) {
  RunQueue queue = WithRuns({"a", "b"});
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.Start("b", kNow).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.End("a", Finished(1), kNow).status()));
  Do(queue, queue.Start("a", kNow));
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.Start("b", kNow).status()));
}

TEST(RunQueue, NamesAreTakenForGood) {
  RunQueue queue = WithRuns({"a"});
  EXPECT_TRUE(absl::IsAlreadyExists(queue.Submit("a", "other", kNow).status()));
  Do(queue, queue.Start("a", kNow));
  Do(queue, queue.End("a", Finished(1), kNow));
  EXPECT_TRUE(absl::IsAlreadyExists(queue.Submit("a", "other", kNow).status()));
}

TEST(RunQueue, AWaitingRunIsTakenOutAndOneThatIsOnIsOrderedToStop) {
  RunQueue queue = WithRuns({"a", "b", "c"});
  Do(queue, queue.Start("a", kNow));
  EXPECT_EQ(queue.Ahead(*queue.Find("c")), 2);
  EXPECT_EQ(Do(queue, queue.Cancel("b", kNow)).state, QueueState::kStopped);
  EXPECT_EQ(queue.Ahead(*queue.Find("c")), 1);
  const QueueEntry& on = Do(queue, queue.Cancel("a", kNow));
  EXPECT_EQ(on.state, QueueState::kRunning);
  EXPECT_TRUE(on.stop_ordered);
  RunEnd end = Finished(3);
  end.state = QueueState::kStopped;
  Do(queue, queue.End("a", end, kNow));
  EXPECT_EQ(queue.next()->name, "c");
  EXPECT_TRUE(absl::IsNotFound(queue.Cancel("none", kNow).status()));
}

TEST(RunQueue, AStoppedRunIsResumedAtTheEndOfTheLine) {
  RunQueue queue = WithRuns({"a", "b"});
  Do(queue, queue.Cancel("a", kNow));
  const QueueEntry& again = Do(queue, queue.Resume("a"));
  EXPECT_EQ(again.state, QueueState::kQueued);
  EXPECT_FALSE(again.stop_ordered);
  EXPECT_EQ(queue.next()->name, "b");
  EXPECT_EQ(queue.Ahead(again), 1);
  // One that waits stays where it is.
  EXPECT_EQ(queue.Resume("b")->place, queue.Find("b")->place);
  Do(queue, queue.Start("b", kNow));
  Do(queue, queue.End("b", Finished(2), kNow));
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.Resume("b").status()));
}

TEST(RunQueue, ArtifactsAreMadeWhereSomethingWasCommitted) {
  RunQueue queue = WithRuns({"a", "b"});
  Do(queue, queue.Start("a", kNow));
  RunEnd nothing;
  nothing.state = QueueState::kFailed;
  nothing.message = "no";
  EXPECT_EQ(Do(queue, queue.End("a", nothing, kNow)).artifacts, ArtifactsState::kNone);
  EXPECT_EQ(queue.pending_artifacts(), nullptr);
  Do(queue, queue.Start("b", kNow));
  Do(queue, queue.End("b", Finished(4), kNow));
  ASSERT_NE(queue.pending_artifacts(), nullptr);
  const QueueEntry& done = Do(queue, queue.Artifacts("b", absl::InternalError("no gnuplot")));
  EXPECT_EQ(done.artifacts, ArtifactsState::kFailed);
  EXPECT_EQ(done.state, QueueState::kFinished) << "the run is no worse for it";
  EXPECT_EQ(done.message, "no gnuplot");
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.Artifacts("b", absl::OkStatus()).status()));
}

TEST(RunQueue, TheLineIsBounded) {
  RunQueue queue;
  for (size_t i = 0; i < RunQueue::kMostQueued; ++i) {
    Do(queue, queue.Submit(absl::StrCat("run", i), "t", kNow));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(queue.Submit("more", "t", kNow).status()));
  Do(queue, queue.Cancel("run5", kNow));
  EXPECT_TRUE(queue.Submit("more", "t", kNow).ok());
}

TEST(RunQueue, WhatCannotBeIsNotRestored) {
  QueueEntry a, b;
  a.name = "a";
  b.name = "b";
  a.place = b.place = 1;
  EXPECT_TRUE(absl::IsDataLoss(RunQueue::Restore({a, b}).status()));
  b.place = 2;
  a.state = b.state = QueueState::kRunning;
  EXPECT_TRUE(absl::IsDataLoss(RunQueue::Restore({a, b}).status()));
  b.state = QueueState::kQueued;
  auto queue = RunQueue::Restore({b, a});
  ASSERT_TRUE(queue.ok());
  EXPECT_EQ(queue->running()->name, "a");
  EXPECT_EQ(Do(*queue, queue->Submit("c", "t", kNow)).place, 3);
}

}  // namespace
}  // namespace shoal
