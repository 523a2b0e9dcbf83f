// `shoal status` as people use it: by a run's name while it is on, after it, and when there is nothing
// to ask.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/shoal_program.h"
#include "tests/network/small_run.h"

namespace shoal {
namespace {

using testing::HasSubstr;

TEST(StatusCommandTest, FindsALocalRunWhileItIsOnAndWhatBecameOfIt) {
  const Workplace place;
  SmallRuns runs;
  const auto folder = runs.Prepare("live", {"9:60,12:60", 24});
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::string out = std::filesystem::path(*folder).parent_path();
  const std::vector<std::string> ask = {"status", "live", "--out", out, "-o", "json"};

  const Finished never = Shoal(place, ask);
  EXPECT_EQ(never.code, 3) << never.out;
  EXPECT_THAT(never.error, HasSubstr("was never started"));

  Running train(place, {"train", "--resume", *folder, "--actors", "1", "--learner_threads", "1",
                         "--artifacts", "data"});
  nlohmann::json status;
  ASSERT_TRUE(train.WaitUntil([&] {
    const Finished asked = Shoal(place, ask);
    if (asked.code != 0) return false;
    status = nlohmann::json::parse(asked.out);
    return status["committedIteration"] != "0" && !status["workers"].empty();
  })) << train.Out();
  EXPECT_EQ(status["runName"], "live");
  EXPECT_EQ(status["totalIterations"], "120");
  EXPECT_EQ(status["workers"][0]["name"], "actor-0");
  EXPECT_EQ(status["learnerConnected"], true);
  const Finished table = Shoal(place, {"status", *folder});
  EXPECT_EQ(table.code, 0) << table.error;
  EXPECT_THAT(table.out, HasSubstr("120 committed"));
  EXPECT_THAT(table.out, HasSubstr("missing"));

  ASSERT_TRUE(train.process().Signal(SIGINT).ok());
  ASSERT_EQ(train.Finish().code, 130);
  EXPECT_FALSE(std::filesystem::exists(*folder + "/coordinator.address"));
  const Finished stopped = Shoal(place, {"status", "live", "--out", out});
  EXPECT_EQ(stopped.code, 0) << stopped.error;
  EXPECT_THAT(stopped.out, HasSubstr("stopped by order"));

  // As a coordinator that was killed leaves it: what is known is shown, and that it may be old.
  ASSERT_TRUE(WriteFileAtomically(*folder + "/coordinator.address", "unix:/nonexistent/c.sock\n").ok());
  const Finished killed = Shoal(place, {"status", "live", "--out", out});
  EXPECT_EQ(killed.code, 4);
  EXPECT_THAT(killed.out, HasSubstr("stopped by order"));
  EXPECT_THAT(killed.error, HasSubstr("does not answer"));
}

TEST(StatusCommandTest, SaysWhatIsWrong) {
  const Workplace place;
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"status"}, 2, "needs a run"},
      {{"status", "a", "--coordinator", "127.0.0.1:1"}, 2, "not both"},
      {{"status", "--coordinator", "nowhere"}, 2, "the port is missing"},
      {{"status", "--coordinator", "127.0.0.1:1", "-o", "xml"}, 2, "xml"},
      {{"status", "--coordinator", "127.0.0.1:1", "--timeout", "0"}, 2, "timeout"},
      {{"status", "absent", "--out", place.Path("runs")}, 3, "no run absent"},
      {{"status", "--coordinator", "unix:" + place.Path("absent.sock")}, 4, "does not answer"},
  };
  for (const Case& c : cases) {
    const Finished finished = Shoal(place, c.arguments);
    EXPECT_EQ(finished.code, c.code) << finished.out << finished.error;
    EXPECT_THAT(finished.error, HasSubstr(c.message));
    EXPECT_EQ(finished.out, "");
  }
}

}  // namespace
}  // namespace shoal
