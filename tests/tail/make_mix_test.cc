#include "coordinator/tail/make_mix.h"

#include <cmath>
#include <numbers>

#include "coordinator/tail/mix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;

Velocity At(double heading, double speed) {
  const double radians = heading * std::numbers::pi / 180;
  return {speed * std::cos(radians), speed * std::sin(radians)};
}

std::vector<Velocity> Made(const MixRequest& request) {
  const auto text = MakeMix(request);
  EXPECT_TRUE(text.ok()) << text.status();
  if (!text.ok()) return {};
  const auto velocities = ReadMix(*text, "made");
  EXPECT_TRUE(velocities.ok()) << velocities.status();
  return velocities.ok() ? *velocities : std::vector<Velocity>{};
}

int64_t CountWithin(const std::vector<Velocity>& velocities, double h0, double h1, double s0,
                    double s1) {
  int64_t count = 0;
  for (const Velocity& v : velocities) {
    const double heading = HeadingDegrees(v);
    count += h0 <= heading && heading < h1 && s0 <= Speed(v) && Speed(v) < s1;
  }
  return count;
}

MixRequest Sector(MixRange heading, MixRange speed) {
  MixRequest request;
  request.count = 2560;
  request.seed = 7;
  request.parts = {{.heading = heading, .speed = speed}};
  return request;
}

TEST(MakeMix, SectorIsFilledEvenly) {
  const auto velocities = Made(Sector({180, 270}, {0.2, 1.35}));
  ASSERT_EQ(velocities.size(), 2560u);
  EXPECT_EQ(CountWithin(velocities, 180, 270, 0.2, 1.35), 2560);
  // A uniform draw leaves about a third in each third: 853 with a deviation of 24.
  for (int third = 0; third < 3; ++third) {
    EXPECT_NEAR(CountWithin(velocities, 180 + 30 * third, 210 + 30 * third, 0.2, 1.35), 853, 120);
  }
  EXPECT_NEAR(CountWithin(velocities, 180, 270, 0.2, 0.775), 1280, 130);
}

TEST(MakeMix, SectorThroughZero) {
  const auto velocities = Made(Sector({330, 30}, {1, 2}));
  EXPECT_EQ(CountWithin(velocities, 330, 360, 1, 2) + CountWithin(velocities, 0, 30, 1, 2), 2560);
  EXPECT_NEAR(CountWithin(velocities, 0, 30, 1, 2), 1280, 130);
}

TEST(MakeMix, SameBytesForTheSameSeedOnly) {
  MixRequest request = Sector({0, 360}, {0, 10});
  const std::string once = *MakeMix(request);
  EXPECT_EQ(*MakeMix(request), once);
  request.seed = 8;
  EXPECT_NE(*MakeMix(request), once);
}

TEST(MakeMix, BytesAreThoseOfEveryMachine) {
  MixRequest request = Sector({90, 150}, {0.2, 1.35});
  request.count = 2;
  const auto json = nlohmann::json::parse(*MakeMix(request));
  EXPECT_EQ(json["summary"].dump(),
            "{\"count\":2,\"parts\":[{\"count\":2,\"heading_deg\":[90.0,150.0],\"source\":"
            "\"sector\",\"speed\":[0.2,1.35]}],\"seed\":7}");
  EXPECT_EQ(json["velocities"].size(), 2u);
  for (const auto& pair : json["velocities"]) {
    for (const auto& value : pair) {
      EXPECT_EQ(std::round(value.get<double>() * 1e9) / 1e9, value.get<double>());
    }
  }
}

TEST(MakeMix, QuotasFromRecordedDeaths) {
  MixRequest request;
  request.count = 101;
  request.seed = 3;
  // 5 slow NE deaths; others: 30 in one bin, 20 in a second, 10 in a third; 2 fast NE.
  for (int i = 0; i < 5; ++i) request.deaths.push_back(At(95 + 10 * i, 0.5 + 0.2 * i));
  for (int i = 0; i < 30; ++i) request.deaths.push_back(At(181 + 0.5 * i, 0.5));
  for (int i = 0; i < 20; ++i) request.deaths.push_back(At(301 + 0.5 * i, 0.9));
  for (int i = 0; i < 10; ++i) request.deaths.push_back(At(31 + 0.5 * i, 0.1));
  for (int i = 0; i < 2; ++i) request.deaths.push_back(At(100, 2.5));
  request.parts = {*ParseMixPart("40%:deaths:90-150:0-1.8"), *ParseMixPart("0.6:others:2")};
  const auto velocities = Made(request);
  ASSERT_EQ(velocities.size(), 101u);
  EXPECT_EQ(CountWithin(velocities, 90, 150, 0, 1.8), 40);
  // 61 of the 50 deaths in the two largest of the other clusters, each once or twice.
  EXPECT_EQ(
      CountWithin(velocities, 180, 210, 0.4, 0.8) + CountWithin(velocities, 300, 330, 0.8, 1.2),
      61);
  for (size_t i = 5; i < 55; ++i) {
    const auto n = std::count(velocities.begin(), velocities.end(), request.deaths[i]);
    EXPECT_TRUE(n == 1 || n == 2) << n;
  }
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(std::count(velocities.begin(), velocities.end(), request.deaths[i]), 8)
        << "recorded velocities are taken as they are";
  }
}

TEST(MakeMix, EveryStretchHasAboutTheShares) {
  MixRequest request = Sector({180, 270}, {0.2, 1.35});
  request.parts[0].share = 0.8;
  request.parts.push_back({.heading = {90, 150}, .speed = {1.8, 2.6}, .share = 0.2});
  const auto velocities = Made(request);
  EXPECT_EQ(CountWithin(velocities, 90, 150, 1.8, 2.6), 512);
  for (size_t begin = 0; begin < 2560; begin += 320) {
    const std::vector<Velocity> stretch(velocities.begin() + begin,
                                        velocities.begin() + begin + 320);
    EXPECT_NEAR(CountWithin(stretch, 90, 150, 1.8, 2.6), 64, 32);
  }
}

TEST(MakeMix, Refusals) {
  const auto refusal = [](const MixRequest& request) {
    const auto text = MakeMix(request);
    EXPECT_FALSE(text.ok());
    return std::string(text.status().message());
  };
  const MixRequest good = Sector({0, 90}, {0, 1});
  MixRequest bad = good;
  bad.count = 0;
  EXPECT_THAT(refusal(bad), HasSubstr("count 0"));
  bad = good;
  bad.parts[0].share = 0.5;
  EXPECT_THAT(refusal(bad), HasSubstr("add up to 0.5"));
  bad.parts.clear();
  EXPECT_THAT(refusal(bad), HasSubstr("add up to 0"));
  bad = good;
  bad.parts[0].speed = {0, 11};
  EXPECT_THAT(refusal(bad), HasSubstr("speed 0-11"));
  bad.parts[0].speed = {1, 1};
  EXPECT_THAT(refusal(bad), HasSubstr("speed 1-1"));
  bad = good;
  bad.parts[0].heading = {10, 10};
  EXPECT_THAT(refusal(bad), HasSubstr("sector 10-10"));
  bad.parts[0].heading = {10, 370};
  EXPECT_THAT(refusal(bad), HasSubstr("sector 10-370"));
  bad.parts[0].heading = {0, std::nan("")};
  EXPECT_THAT(refusal(bad), HasSubstr("sector 0-nan"));
  bad = good;
  bad.parts[0].source = MixPart::Source::kDeaths;
  EXPECT_THAT(refusal(bad), HasSubstr("none of the 0 recorded step-one deaths has heading 0-90"));
  bad.parts[0].source = MixPart::Source::kOthers;
  bad.parts[0].clusters = 0;
  EXPECT_THAT(refusal(bad), HasSubstr("0 clusters"));
}

TEST(ParseMixPart, AcceptsThreeForms) {
  const auto sector = ParseMixPart("0.2:sector:90-150:1.8-2.6");
  ASSERT_TRUE(sector.ok()) << sector.status();
  EXPECT_EQ(sector->source, MixPart::Source::kSector);
  EXPECT_EQ(sector->share, 0.2);
  EXPECT_EQ(sector->heading.end, 150);
  EXPECT_EQ(sector->speed.begin, 1.8);
  EXPECT_EQ(ParseMixPart("60%:others")->share, 0.6);
  EXPECT_EQ(ParseMixPart("60%:others:3")->clusters, 3);
  for (const char* text : {"", "1", "x:others", "40%:deaths", "40%:deaths:90-150", "0:others",
                           "1.5:others", "1:others:x", "1:fish:0-1:0-1", "1:sector:0:0-1",
                           "1:sector:-10-20:0-1", "1:sector:0-10:0-inf", "1:others:1:2"}) {
    EXPECT_FALSE(ParseMixPart(text).ok()) << text;
  }
}

TEST(PresetStages, AreWhatTheRunAsksFor) {
  const auto stages = PresetStages("dev_v33");
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), 3u);
  std::vector<std::vector<Velocity>> velocities;
  for (int i = 0; i < 3; ++i) {
    const PresetStage& stage = (*stages)[i];
    EXPECT_EQ(stage.file_name, "stage" + std::to_string(i + 1) + ".json");
    velocities.push_back(*ReadMix(stage.text, stage.file_name));
    EXPECT_EQ(velocities[i].size(), 2560u);
  }
  EXPECT_EQ(CountWithin(velocities[0], 90, 150, 0.2, 1.35), 2560);
  EXPECT_EQ(CountWithin(velocities[1], 180, 330, 0.2, 1.35), 2560);
  EXPECT_EQ(CountWithin(velocities[2], 180, 270, 0.2, 1.35), 2048);
  EXPECT_EQ(CountWithin(velocities[2], 90, 150, 1.8, 2.6), 512);
  EXPECT_EQ(PresetStages("other").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace shoal
