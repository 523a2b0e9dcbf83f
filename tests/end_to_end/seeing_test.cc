// What a run shows of itself while it is on and afterwards: metrics and videos.
#include <gmock/gmock.h>
#include <signal.h>

#include <cstdlib>

#include "tests/end_to_end/small_run.h"
#include "tests/metrics/scrape.h"

namespace shoal {
namespace {

using testing::HasSubstr;

TEST_F(Train, ServesTheMetricsOfEveryProgram) {
  const int port = FreePorts(3);
  // Long enough to be looked at.
  Running run(place_, Small(place_, "seen",
                            {"--actors", "1", "--metrics_port", std::to_string(port)}, "9:70,12:70"));
  std::string coordinator;
  ASSERT_TRUE(run.WaitUntil([&] {
    coordinator = Scrape(port).value_or("");
    // One of an evaluation's: by then everything has its value.
    return coordinator.find("shoal_evaluation_death_step_p10 ") != std::string::npos;
  })) << run.Out() << coordinator;
  EXPECT_THAT(coordinator, HasSubstr("shoal_build_info{program=\"coordinator\""));
  EXPECT_THAT(coordinator, HasSubstr("shoal_run_total_iterations 140"));
  EXPECT_THAT(coordinator, HasSubstr("shoal_learner_connected 1"));
  EXPECT_THAT(coordinator, HasSubstr("shoal_actors_connected 1"));
  EXPECT_THAT(coordinator, HasSubstr("shoal_tail_queue_slots 36"));
  EXPECT_THAT(Scrape(port + 1).value_or(""), HasSubstr("program=\"learner\""));
  EXPECT_THAT(Scrape(port + 2).value_or(""), HasSubstr("program=\"actor\""));
  if (std::system("command -v promtool >/dev/null") == 0) {
    const std::string file = place_.Write("scrape", coordinator);
    EXPECT_EQ(std::system(("promtool check metrics <" + file).c_str()), 0) << coordinator;
  }
  (void)run.process().Signal(SIGINT);
  EXPECT_EQ(run.Finish().code, 130);
}

TEST_F(Train, ShowsScenesAsVideos) {
  const std::string sha = Sha("shown", {"--tail_replay_count", "1", "--checkpoint_interval", "1",
                                        "--video_max_steps", "5"});
  // The container's first box: a file that a player knows.
  const auto is_mp4 = [&](const std::string& name) {
    return place_.Read(name).substr(4, 4) == "ftyp";
  };
  EXPECT_TRUE(is_mp4("runs/shown/media/eval.mp4"));
  int worst = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place_.Path("runs/shown/media"))) {
    const std::string name = entry.path().filename();
    EXPECT_EQ(entry.path().extension(), ".mp4") << name;
    worst += name.rfind("tail_iter", 0) == 0 ? 1 : 0;
  }
  EXPECT_EQ(worst, 4);
  const std::string runs = place_.Path("runs");
  const Finished one = Shoal(place_, {"video", "shown", "--runs", runs, "--seed", "7", "--max_steps",
                                      "5", "--out", place_.Path("seven.mp4")});
  EXPECT_EQ(one.code, 0) << one.error;
  EXPECT_TRUE(is_mp4("seven.mp4"));
  EXPECT_EQ(Shoal(place_, {"video", "shown", "--runs", runs, "--iteration", "3"}).code, 3);
  EXPECT_EQ(Shoal(place_, {"video", "shown", "--runs", runs, "--out", "x.mp4"}).code, 2);
  const Finished absent = Shoal(place_, {"video", "absent", "--runs", runs});
  EXPECT_EQ(absent.code, 3);
  EXPECT_THAT(absent.error, HasSubstr("absent"));
  // They change nothing of the run.
  EXPECT_EQ(sha, Sha("unseen", {"--checkpoint_interval", "1"}));
}

}  // namespace
}  // namespace shoal
