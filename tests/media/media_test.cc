// Videos read back by libavformat and libavcodec: what is in the file, and that nothing else is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include "actor/evaluation/evaluation.h"
#include "actor/media/frame.h"
#include "actor/media/scene_video.h"
#include "actor/media/video_file.h"
#include "tests/common/temporary_directory.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using Rgb = std::array<int, 3>;

struct ReadVideo {
  std::string codec;
  int pix_fmt = -1, width = 0, height = 0, frames = 0;
  double fps = 0;
  std::vector<uint8_t> first;  // RGB24

  Rgb At(std::array<double, 2> place) const {
    const size_t at = 3 * (std::lround(place[1]) * width + std::lround(place[0]));
    return {first[at], first[at + 1], first[at + 2]};
  }
};

void KeepFirst(const AVFrame& frame, ReadVideo& video) {
  video.first.resize(size_t{3} * frame.width * frame.height);
  SwsContext* scaler = sws_getContext(frame.width, frame.height, AVPixelFormat(frame.format), frame.width,
                                      frame.height, AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr, nullptr, nullptr);
  const int* bt709 = sws_getCoefficients(SWS_CS_ITU709);
  sws_setColorspaceDetails(scaler, bt709, 0, bt709, 1, 0, 1 << 16, 1 << 16);
  uint8_t* planes[1] = {video.first.data()};
  const int strides[1] = {3 * frame.width};
  sws_scale(scaler, frame.data, frame.linesize, 0, frame.height, planes, strides);
  sws_freeContext(scaler);
}

ReadVideo Read(const std::string& path) {
  ReadVideo video;
  AVFormatContext* format = nullptr;
  if (avformat_open_input(&format, ("file:" + path).c_str(), nullptr, nullptr) < 0) {
    ADD_FAILURE() << path << " cannot be opened";
    return video;
  }
  EXPECT_GE(avformat_find_stream_info(format, nullptr), 0);
  EXPECT_EQ(format->nb_streams, 1u);
  const AVStream* stream = format->streams[0];
  video.codec = avcodec_get_name(stream->codecpar->codec_id);
  video.fps = av_q2d(stream->avg_frame_rate);
  AVCodecContext* decoder = avcodec_alloc_context3(avcodec_find_decoder(stream->codecpar->codec_id));
  avcodec_parameters_to_context(decoder, stream->codecpar);
  EXPECT_EQ(avcodec_open2(decoder, nullptr, nullptr), 0);
  AVPacket* packet = av_packet_alloc();
  AVFrame* frame = av_frame_alloc();
  bool more = true;
  while (more) {
    more = av_read_frame(format, packet) >= 0;
    avcodec_send_packet(decoder, more ? packet : nullptr);
    av_packet_unref(packet);
    while (avcodec_receive_frame(decoder, frame) == 0) {
      if (video.frames++ == 0) KeepFirst(*frame, video);
    }
  }
  video.pix_fmt = decoder->pix_fmt;
  video.width = decoder->width;
  video.height = decoder->height;
  av_frame_free(&frame);
  av_packet_free(&packet);
  avcodec_free_context(&decoder);
  avformat_close_input(&format);
  return video;
}

SceneVideoOptions Scene(uint64_t seed, int num_fish, int max_steps) {
  SceneVideoOptions options;
  options.start.seed = seed;
  options.start.escape_boost_speed = 0.8;
  options.num_fish = num_fish;
  options.max_steps = max_steps;
  options.title = "test";
  return options;
}

WorldOptions RuleWorld() {
  WorldOptions options = StandardWorldOptions();
  options.include_neighbor_features = false;
  return options;
}

TEST(SceneVideo, IsH264ThatABrowserPlaysAndShowsTheScene) {
  TemporaryDirectory folder;
  RulePlayer player(Rule::kFlee);
  SceneVideoOptions options = Scene(412000, 12, 60);
  options.fps = 25;
  // A colon, as in the name of another protocol.
  const std::string path = folder / "http:scene.mp4";
  const auto made = WriteSceneVideo(RuleWorld(), options, player, path);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(folder.entries(), 1);
  const ReadVideo video = Read(path);
  EXPECT_EQ(video.codec, "h264");
  EXPECT_EQ(video.pix_fmt, AV_PIX_FMT_YUV420P);
  EXPECT_EQ(video.width, kFrameSize);
  EXPECT_EQ(video.height, kFrameSize);
  EXPECT_EQ(video.fps, 25);
  EXPECT_EQ(video.frames, made->steps + 1 + 25);
  EXPECT_EQ(video.frames, made->frames);
  const std::string bytes = Slurp(path);
  EXPECT_LT(bytes.find("moov"), bytes.find("mdat")) << "the index is not at the front";

  World world(RuleWorld(), 1, 12);
  world.Reset(0, options.start);
  const Predator& predator = world.predator(0);
  // Beside the centre, and not where the notch of its heading is.
  const double angle = std::atan2(predator.vy, predator.vx) + 3.1416;
  const Rgb orange = video.At(FramePainter::PixelOf(predator.x + 0.25 * std::cos(angle),
                                                    predator.y + 0.25 * std::sin(angle)));
  EXPECT_GT(orange[0], 200);
  EXPECT_LT(orange[2], 110);
  for (int fish = 0; fish < 12; ++fish) {
    const auto place = world.fish_position(0, fish);
    const Rgb pixel = video.At(FramePainter::PixelOf(place[0], place[1]));
    EXPECT_GT(pixel[2], 180) << "fish " << fish;
    EXPECT_GT(pixel[1], pixel[0] + 40) << "fish " << fish;
  }
  const Rgb page = video.At({4, 400});
  EXPECT_LT(page[0] + page[1] + page[2], 120);
}

TEST(SceneVideo, PlaysWhatTheEvaluationPlays) {
  TemporaryDirectory folder;
  RulePlayer player(Rule::kRandom);
  const auto episode = PlayScene(RuleWorld(), 7, 5, 0.8, player);
  ASSERT_TRUE(episode.ok());
  SceneVideoOptions options = Scene(7, 5, 500);
  const auto made = WriteSceneVideo(RuleWorld(), options, player, folder / "a.mp4");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->steps, episode->length());
  EXPECT_THAT(made->death_step, testing::ElementsAreArray(episode->death_step()));
  ASSERT_TRUE(WriteSceneVideo(RuleWorld(), options, player, folder / "b.mp4").ok());
  EXPECT_EQ(Slurp(folder / "a.mp4"), Slurp(folder / "b.mp4"));
}

TEST(SceneVideo, MarksATailSeed) {
  TemporaryDirectory folder;
  RulePlayer player(Rule::kHold);
  SceneVideoOptions options = Scene(3, 4, 2);
  ASSERT_TRUE(WriteSceneVideo(RuleWorld(), options, player, folder / "plain.mp4").ok());
  options.start.tail_velocity = {1.0f, 0.5f};
  ASSERT_TRUE(WriteSceneVideo(RuleWorld(), options, player, folder / "tail.mp4").ok());
  // Inside the badge, left of its text.
  const Rgb without = Read(folder / "plain.mp4").At({766, 55});
  const Rgb with = Read(folder / "tail.mp4").At({766, 55});
  EXPECT_LT(without[0], 60);
  EXPECT_GT(with[0], 200);
}

TEST(SceneVideo, RefusesBadInputAndLeavesNothing) {
  TemporaryDirectory folder;
  RulePlayer player(Rule::kHold);
  const auto code = [&](const SceneVideoOptions& options, const std::string& path) {
    return WriteSceneVideo(RuleWorld(), options, player, path).status().code();
  };
  EXPECT_EQ(code(Scene(1, 0, 5), folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Scene(1, 4097, 5), folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Scene(1, 3, 0), folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Scene(1, 3, 501), folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  SceneVideoOptions options = Scene(1, 3, 5);
  options.fps = 0;
  EXPECT_EQ(code(options, folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  options = Scene(1, 3, 5);
  options.start.escape_boost_speed = std::nan("");
  EXPECT_EQ(code(options, folder / "a.mp4"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Scene(1, 3, 5), folder / "none/a.mp4"), absl::StatusCode::kNotFound);
  EXPECT_EQ(folder.entries(), 0);
}

TEST(SceneVideo, KeepsTheOldFileWhenStoppedOrWhenTheDiskIsFull) {
  TemporaryDirectory folder;
  RulePlayer player(Rule::kFlee);
  const std::string path = folder / "a.mp4";
  Spill(path, "old");
  SceneVideoOptions options = Scene(1, 40, 300);
  int frames = 0;
  options.cancelled = [&] { return ++frames > 100; };
  EXPECT_TRUE(absl::IsCancelled(WriteSceneVideo(RuleWorld(), options, player, path).status()));
  EXPECT_EQ(Slurp(path), "old");
  EXPECT_EQ(folder.entries(), 1);

  options.cancelled = nullptr;
  // No file may grow beyond this: what a full disk does, at a place that the test chooses.
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{50000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto full = WriteSceneVideo(RuleWorld(), options, player, path);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(full.ok());
  EXPECT_THAT(std::string(full.status().message()), HasSubstr(path));
  EXPECT_EQ(Slurp(path), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(VideoFile, RefusesWhatIsNoVideo) {
  TemporaryDirectory folder;
  EXPECT_TRUE(absl::IsInvalidArgument(VideoFile::Create(folder / "a", {801, 800, 20}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(VideoFile::Create(folder / "", {800, 800, 20}).status()));
  auto file = VideoFile::Create(folder / "a", {16, 16, 20});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsFailedPrecondition((*file)->Finish()));
  file->reset();
  EXPECT_EQ(folder.entries(), 0);
}

}  // namespace
}  // namespace shoal
