// Looking at a run from the command line, while it is on and afterwards.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/end_to_end/looking.h"

namespace shoal {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(Looking, ShowsARunningRunOverItsCoordinatorAlone) {
  Running run(place_, Small(place_, "on", {"--actors", "1"}, "9:70,12:70"));
  json status;
  ASSERT_TRUE(run.WaitUntil([&] {
    const std::string address = Address("on");
    if (address.empty()) return false;
    const Finished asked = Shoal(place_, {"status", "--coordinator", address, "-o", "json"});
    if (asked.code != 0) return false;
    status = json::parse(asked.out, nullptr, false).value("/gate/iteration"_json_pointer, "") == "0"
                 ? json()
                 : json::parse(asked.out, nullptr, false);
    return status.is_object() && status.contains("tail") && status["iterationsPerMinute"] > 0;
  })) << run.Out();
  const std::string address = Address("on");
  EXPECT_EQ(status["runName"], "on");
  EXPECT_EQ(status["totalIterations"], "140");
  EXPECT_EQ(status["phase"], 1);
  EXPECT_EQ(status["tail"]["slots"], "36");
  EXPECT_EQ(status["tail"]["environments"], 12);
  EXPECT_FALSE(status["neShares"].empty());
  EXPECT_EQ(status["gate"]["criteria"].size(), 7u);

  const json gate = Json({"gate", "--coordinator", address});
  EXPECT_FALSE(gate["history"].empty());
  const json tail = Json({"tail", "--coordinator", address});
  EXPECT_EQ(tail["used"].size(), 12u);
  EXPECT_EQ(tail["stages"][0]["slots"], "36");
  const json described = Json({"describe", "run", "--coordinator", address});
  EXPECT_EQ(described["state"], "running");
  const json actors = Json({"actors", "--coordinator", address});
  ASSERT_EQ(actors["workers"].size(), 1u);
  EXPECT_EQ(actors["workers"][0]["connected"], true);
  const Finished table = Look({"actors", "on"});
  EXPECT_THAT(table.out, HasSubstr("connected"));

  Running watch(place_, {"watch", "on", "--out", place_.Path("runs")});
  ASSERT_TRUE(watch.WaitUntil([&] { return watch.Out().find("/140") != std::string::npos; }));
  (void)run.process().Signal(SIGINT);
  EXPECT_EQ(run.Finish().code, 130);
  // It sees the end, or that the coordinator is gone after it.
  const Finished watched = watch.Finish();
  EXPECT_TRUE(watched.code == 0 || watched.code == 4) << watched.code << watched.error;
  EXPECT_EQ(Look({"actors", "on"}).code, 3) << "nobody is there to be asked";
}

TEST_F(Looking, ShowsAFinishedRunFromItsFolder) {
  Sha("done", {});
  const Finished status = Look({"status", "done"});
  EXPECT_EQ(status.code, 0) << status.error;
  EXPECT_THAT(status.out, AllOf(HasSubstr("8 of 8 committed; phase 2, 12 fish"), HasSubstr("NE share"),
                                HasSubstr("of the planned pace"), HasSubstr("acting 7, published 8")));
  // Not a terminal: no colours.
  EXPECT_THAT(status.out, Not(HasSubstr("\033")));
  const Finished gate = Look({"gate", "done"});
  EXPECT_EQ(gate.code, 0) << gate.error;
  EXPECT_THAT(gate.out, AllOf(HasSubstr("for the next success"), HasSubstr("failure_p10"),
                              HasSubstr("success_early_death")));
  // All evaluations come before the lock's end.
  EXPECT_THAT(gate.out, HasSubstr("locked until iteration 28"));
  const Finished tail = Look({"tail", "done"});
  EXPECT_EQ(tail.code, 0) << tail.error;
  EXPECT_THAT(tail.out, AllOf(HasSubstr("slots 36"), HasSubstr("overrides"), HasSubstr("tail/"),
                              HasSubstr("environments that have used none of their 3 slots")));
  const Finished described = Look({"describe", "run", "done"});
  EXPECT_EQ(described.code, 0) << described.error;
  EXPECT_THAT(described.out, AllOf(HasSubstr("num_envs: 12 (default 128)"), HasSubstr("seed: 11")));
  EXPECT_THAT(Look({"watch", "done"}).out, HasSubstr("8 of 8 committed"));
  EXPECT_EQ(Look({"gate", "absent"}).code, 3);
  EXPECT_EQ(Look({"gate"}).code, 2);
  EXPECT_EQ(Look({"tail", "done", "--coordinator", "unix:/nowhere"}).code, 2);
  EXPECT_EQ(Shoal(place_, {"gate", "--coordinator", "unix:/nowhere", "--timeout", "0.5"}).code, 4);
}

}  // namespace
}  // namespace shoal
