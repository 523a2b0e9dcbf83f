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
                                        "--video_max_steps", "5", "--artifacts", "all"});
  // The container's first box: a file that a player knows.
  const auto is_mp4 = [&](const std::string& name) {
    return place_.Read(name).substr(4, 4) == "ftyp";
  };
  EXPECT_TRUE(is_mp4("runs/shown/media/eval.mp4"));
  int worst = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place_.Path("runs/shown/media"))) {
    const std::string name = entry.path().filename();
    if (name == "curve.gif") continue;
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

TEST_F(Train, DrawsPlotsAndComparesRuns) {
  // Programs start each other by their folder; only gnuplot is looked for in PATH.
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const Finished blind = Shoal(place_, Small(place_, "blind", {"--artifacts", "all"}));
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(blind.code, 0) << blind.error;
  EXPECT_THAT(blind.error, HasSubstr("no plots: plots need gnuplot, which is not there (package gnuplot-nox)"));
  const std::string runs = place_.Path("runs");
  EXPECT_FALSE(std::filesystem::exists(runs + "/blind/plots/survival.png"));

  const Finished seen = Shoal(place_, Small(place_, "seen", {"--artifacts", "all"}));
  EXPECT_EQ(seen.code, 0) << seen.error;
  EXPECT_EQ(PolicySha256(seen.out), PolicySha256(blind.out));
  for (const char* name : {"survival", "first_death", "penalty_vs_first_death", "penalty_vs_entropy", "multi_eval_timeline",
                           "tail_queue", "multi_eval_hist/iter002_death_hist", "multi_eval_hist/iter008_death_hist",
                           "multi_eval_hist/iter008_final_death_hist"}) {
    EXPECT_EQ(place_.Read(absl::StrCat("runs/seen/plots/", name, ".png")).substr(1, 3), "PNG") << name;
  }
  EXPECT_EQ(place_.Read("runs/seen/media/curve.gif").substr(0, 3), "GIF");
  const Finished plot = Shoal(place_, {"plot", "blind", "--runs", runs, "--out", place_.Path("drawn")});
  EXPECT_EQ(plot.code, 0) << plot.error;
  EXPECT_THAT(plot.out, HasSubstr(place_.Path("drawn/survival.png") + "\n"));
  EXPECT_EQ(place_.Read("drawn/survival.png").substr(1, 3), "PNG");
  EXPECT_EQ(Shoal(place_, {"plot", "absent", "--runs", runs}).code, 3);

  const Finished same = Shoal(place_, {"compare", "blind", "seen", "--runs", runs, "-o", "json"});
  EXPECT_EQ(same.code, 0) << same.error;
  const auto json = nlohmann::json::parse(same.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << same.out;
  EXPECT_TRUE(json["options"].empty()) << json["options"];
  ASSERT_GE(json["paired"].size(), 4u);
  // One configuration plays its scenes alike.
  for (const auto& paired : json["paired"]) EXPECT_EQ(paired["mean_difference"], 0) << paired;
  const Finished page = Shoal(place_, {"compare", "blind", "seen", "--runs", runs, "--out", place_.Path("both.html")});
  EXPECT_EQ(page.code, 0) << page.error;
  EXPECT_THAT(place_.Read("both.html"), HasSubstr("Runs side by side"));
  EXPECT_EQ(Shoal(place_, {"compare", "seen", "--runs", runs}).code, 2);
}

}  // namespace
}  // namespace shoal
