// The same run over a line with 200 ms of delay each way. Needs no network namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/network/delay_proxy.h"
#include "tests/network/lab_run.h"
#include "tests/network/small_run.h"

namespace shoal {
namespace {

std::vector<std::string> Here(std::vector<std::string> command) { return command; }

TEST(DelayTest, ALongLineChangesNothing) {
  const SmallRun small{"9:2,12:2", 24};
  SmallRuns runs;
  const auto expected = runs.Reference(small);
  ASSERT_TRUE(expected.ok()) << expected.status();
  const auto folder = runs.Prepare("delayed", small);
  ASSERT_TRUE(folder.ok()) << folder.status();

  // Coordinator and learner listen on sockets to which only the proxies lead.
  const std::string to_coordinator = absl::StrCat("unix:", *folder, "/coordinator.sock");
  const std::string to_learner = absl::StrCat("unix:", *folder, "/learner.sock");
  auto coordinator = DelayProxy::Start({to_coordinator, absl::Milliseconds(200)});
  ASSERT_TRUE(coordinator.ok()) << coordinator.status();
  auto learner = DelayProxy::Start({to_learner, absl::Milliseconds(200)});
  ASSERT_TRUE(learner.ok()) << learner.status();

  LabRun run(*folder);
  ASSERT_EQ(run.Start("coordinator", Here, "shoal-coordinator",
                      {"--run_dir=" + *folder, "--listen=" + to_coordinator}),
            absl::OkStatus());
  ASSERT_EQ(run.Start("learner", Here, "shoal-learner",
                      {"--coordinator=" + (*coordinator)->address(), "--run_dir=" + *folder,
                       "--listen=" + to_learner, "--advertise=" + (*learner)->address(),
                       "--threads=2"}),
            absl::OkStatus());
  for (const char* name : {"actor-a", "actor-b", "actor-c"}) {
    ASSERT_EQ(run.Start(name, Here, "shoal-actor",
                        {"--coordinator=" + (*coordinator)->address(), absl::StrCat("--name=", name)}),
              absl::OkStatus());
  }
  ASSERT_EQ(run.WaitForEnd("coordinator"), absl::OkStatus());
  const auto record = RecordOf(*folder);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_THAT(Differences(*expected, *record), testing::IsEmpty());
  // Everything went the long way, over connections that lasted: had each message's way been taken for
  // silence, there would be hundreds. A machine that is busy with other work may break a few.
  EXPECT_GT((*coordinator)->bytes_forwarded(), 1000);
  EXPECT_GT((*learner)->bytes_forwarded(), 10000);
  EXPECT_LE((*coordinator)->connections(), 50);
  EXPECT_LE((*learner)->connections(), 50);
}

}  // namespace
}  // namespace shoal
