// Plots: the files of a run are there, whole, of their size and not blank; and what is said where
// they cannot be drawn.
#include <cairo.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/artifacts/gnuplot.h"
#include "coordinator/artifacts/plots.h"
#include "coordinator/artifacts/stale_files.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A run of two phases with a tail queue and two evaluations.
RunFacts Measured() {
  RunFacts facts;
  facts.info.name = "it's a run";
  facts.options.set_total_iterations(20);
  facts.options.set_curriculum("15:8,25:12");
  facts.options.set_num_envs(8);
  facts.options.set_penalty_gate_phase_allowance("1,2");
  facts.tail_stages = {{20, "a.json"}};
  facts.tail_used = std::vector<int64_t>(8, 5);
  for (int i = 1; i <= 20; ++i) {
    nlohmann::ordered_json iteration = {
        {"iteration", i}, {"survival_rate", 0.5 + 0.02 * i}, {"first_death_step", 100 + i}, {"first_death_p10", 10 + i},
        {"density_penalty_coef", i > 8 ? 0.02 : 0.0}, {"entropy_coef", 0.02}, {"entropy", 1.5 - 0.02 * i},
        {"tail_schedule_ratio", 0.3}, {"prewarm_override_ratio", 0.4}, {"prewarm_override_hits", 2}};
    if (i == 3) iteration["survival_rate"] = nullptr;
    iteration["step_one_clusters"] = {{"clusters", {{{"angle_deg_start", 90}, {"speed_bin_start", 2.0}, {"count", 3}}}}};
    facts.iterations.push_back(iteration);
  }
  for (const int i : {10, 20}) {
    EvaluationFacts e;
    e.kind = "multi";
    e.iteration = i;
    e.summary.final_survival = {0.8, 0.9};
    e.summary.avg_final_survival_rate = 0.85;
    e.summary.min_final_survival_rate = 0.8;
    e.summary.p10 = 130;
    e.death_steps = {1, 250, 0, 0, 0, 0, 17, 0, 0, 499};
    e.summary.step_one_death_count = 1;
    v1::StepOneDeath death;
    death.mutable_predator_velocity()->set_x(-1);
    e.summary.step_one_deaths = {death};
    facts.evaluations.push_back(e);
  }
  EXPECT_TRUE(JudgeEvaluations(facts.options, facts.evaluations).ok());
  return facts;
}

std::set<std::string> Names(const std::vector<GnuplotPicture>& pictures) {
  std::set<std::string> names;
  for (const GnuplotPicture& picture : pictures) names.insert(picture.file);
  return names;
}

// Colours of a PNG's pixels; none where it cannot be decoded.
std::set<uint32_t> Colours(const std::string& path, int* width, int* height) {
  cairo_surface_t* image = cairo_image_surface_create_from_png(path.c_str());
  std::set<uint32_t> colours;
  if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
    *width = cairo_image_surface_get_width(image);
    *height = cairo_image_surface_get_height(image);
    for (int y = 0; y < *height; ++y) {
      const auto* row = reinterpret_cast<const uint32_t*>(cairo_image_surface_get_data(image) +
                                                          y * cairo_image_surface_get_stride(image));
      for (int x = 0; x < *width; ++x) colours.insert(row[x] & 0xFFFFFFu);
    }
  }
  cairo_surface_destroy(image);
  return colours;
}

std::vector<std::string> Hidden(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name[0] == '.') names.push_back(name);
  }
  return names;
}

TEST(Plots, AreThoseThatARunIsDocumentedToHave) {
  EXPECT_EQ(Names(PlotsOf(Measured())),
            (std::set<std::string>{"survival.png", "first_death.png", "penalty_vs_first_death.png",
                                   "penalty_vs_entropy.png", "multi_eval_timeline.png", "tail_queue.png",
                                   "step_one_heading_polar.png", "multi_eval_hist/iter010_death_hist.png",
                                   "multi_eval_hist/iter020_death_hist.png"}));
  EXPECT_EQ(Names(CurveOf(Measured())), std::set<std::string>{"curve.gif"});
  RunFacts facts = Measured();
  facts.evaluations.push_back(facts.evaluations.back());
  facts.evaluations.back().kind = "final";
  facts.evaluations.back().gate.reset();
  EXPECT_TRUE(Names(PlotsOf(facts)).contains("multi_eval_hist/iter020_final_death_hist.png"));
}

TEST(Plots, LeaveOutWhatWasNotMeasured) {
  EXPECT_TRUE(PlotsOf(RunFacts()).empty());
  EXPECT_TRUE(CurveOf(RunFacts()).empty());
  RunFacts facts = Measured();
  facts.tail_stages.clear();
  facts.evaluations.clear();
  for (auto& iteration : facts.iterations) iteration.erase("step_one_clusters");
  EXPECT_EQ(Names(PlotsOf(facts)), (std::set<std::string>{"survival.png", "first_death.png",
                                                          "penalty_vs_first_death.png", "penalty_vs_entropy.png"}));
}

TEST(Plots, AreWholePicturesWithTheirSeries) {
  const TemporaryDirectory place;
  const std::string folder = place / "it's here/plots";
  const auto pictures = PlotsOf(Measured());
  const absl::Status drawn = DrawPictures(folder, pictures, {});
  ASSERT_TRUE(drawn.ok()) << drawn;
  for (const GnuplotPicture& picture : pictures) {
    int width = 0, height = 0;
    const std::set<uint32_t> colours = Colours(absl::StrCat(folder, "/", picture.file), &width, &height);
    EXPECT_THAT(picture.terminal, HasSubstr(absl::StrCat("size ", width, ",", height, " "))) << picture.file;
    // Text and lines are smoothed into many shades; and the series have the colours of the one look.
    EXPECT_GT(colours.size(), 100u) << picture.file;
    EXPECT_TRUE(colours.count(0x0b6fa4) > 0 || colours.count(0x7a4fa3) > 0 || colours.count(0xc8551b) > 0) << picture.file;
  }
  EXPECT_TRUE(Hidden(folder).empty());
}

TEST(Plots, TheCurveMoves) {
  const TemporaryDirectory place;
  ASSERT_TRUE(DrawPictures(place / "media", CurveOf(Measured()), {}).ok());
  const std::string gif = *ReadFile(place / "media/curve.gif");
  EXPECT_EQ(gif.substr(0, 6), "GIF89a");
  // One graphic control extension a frame: 19 iterations have a value.
  size_t frames = 0;
  for (size_t at = gif.find("\x21\xF9\x04"); at != std::string::npos; at = gif.find("\x21\xF9\x04", at + 1)) ++frames;
  EXPECT_GE(frames, 19u);
}

TEST(Plots, AMissingGnuplotIsNamedWithItsPackage) {
  const TemporaryDirectory place;
  GnuplotOptions options;
  options.program = "no-such-gnuplot";
  const absl::Status status = DrawPictures(place / "plots", PlotsOf(Measured()), options);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no-such-gnuplot, which is not there (package gnuplot-nox)"));
  EXPECT_TRUE(Hidden(place / "plots").empty());
}

TEST(Plots, AFailureSaysWhatGnuplotSaidAndLeavesTheOldOnes) {
  const TemporaryDirectory place;
  ASSERT_TRUE(WriteFileAtomically(place / "a.png", "old").ok());
  const std::vector<GnuplotPicture> pictures = {{"a.png", "pngcairo size 100,100", "plot x\n"},
                                                {"b.png", "pngcairo size 100,100", "plot nonsense(\n"}};
  const absl::Status status = DrawPictures(place / "", pictures, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nonsense"));
  EXPECT_EQ(*ReadFile(place / "a.png"), "old");
  EXPECT_FALSE(fs::exists(place / "b.png"));
  EXPECT_TRUE(Hidden(place / "").empty());
}

// A program in the place of gnuplot.
std::string Script(const TemporaryDirectory& place, const std::string& text) {
  const std::string path = place / "program";
  EXPECT_TRUE(WriteFileAtomically(path, "#!/bin/sh\n" + text).ok());
  EXPECT_EQ(chmod(path.c_str(), 0700), 0);
  return path;
}

TEST(Plots, HalfAPictureIsNotTakenForOne) {
  const TemporaryDirectory place;
  GnuplotOptions options;
  options.program = Script(place, "out=$(sed -n \"s/^set output '\\(.*\\)'/\\1/p\"); printf '\\211PNG\\r\\n\\032\\n and no more' > \"$out\"\n");
  const absl::Status status = DrawPictures(place / "plots", {{"a.png", "pngcairo", "plot x\n"}}, options);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a.png unfinished"));
  EXPECT_FALSE(fs::exists(place / "plots/a.png"));
}

TEST(Plots, AnInterruptAndADeadlineEndTheProgram) {
  const TemporaryDirectory place;
  GnuplotOptions options;
  options.program = Script(place, "exec sleep 1000\n");
  options.cancelled = [] { return true; };
  EXPECT_EQ(DrawPictures(place / "plots", {{"a.png", "pngcairo", "plot x\n"}}, options).code(),
            absl::StatusCode::kCancelled);
  options.cancelled = nullptr;
  options.timeout = absl::Milliseconds(1);
  EXPECT_EQ(DrawPictures(place / "plots", {{"a.png", "pngcairo", "plot x\n"}}, options).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Hidden(place / "plots").empty());
}

TEST(StaleFiles, GoWithTheirProcess) {
  const TemporaryDirectory place;
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  const auto file = [&](const std::string& name) {
    EXPECT_TRUE(WriteFileAtomically(place / name, "half").ok());
  };
  file(absl::StrCat(".eval.mp4.tmp.", gone, ".0"));
  file(absl::StrCat(".eval.mp4.tmp.", getpid(), ".0"));
  file("eval.mp4");
  file(absl::StrCat("eval.mp4.tmp.", gone, ".0"));
  file(".lock");
  ASSERT_TRUE(CreateDirectories(place / absl::StrCat(".plots.tmp.", gone, ".3/inside")).ok());
  const auto removed = RemoveStaleFiles(place / "");
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(place / ""), fs::directory_iterator()), 4);
  EXPECT_EQ(*RemoveStaleFiles(place / "not there"), 0);
}

}  // namespace
}  // namespace shoal
