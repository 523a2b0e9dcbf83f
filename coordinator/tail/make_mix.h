// Making mix files for the tail queue: from sectors of predator velocities and from recorded
// step-one deaths, by quotas. The same request gives the same bytes everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/tail/velocity.h"

namespace shoal {

// A range of headings or speeds that contains its start and not its end.
struct MixRange {
  double begin = 0;
  double end = 0;
};

// "180-270" or "0.2-1.35", as two numbers from 0; `what` names it in errors ("sector", "speed").
absl::StatusOr<MixRange> ParseMixRange(std::string_view what, std::string_view text);

// A part of a mix.
struct MixPart {
  enum class Source {
    kSector,  // drawn uniformly in heading and speed
    kDeaths,  // recorded deaths within heading and speed, each as often as the others
    kOthers,  // of the deaths in no kDeaths part, those in the most frequent clusters
  };
  Source source = Source::kSector;
  // Degrees counter-clockwise from +x; where begin > end the range goes through 0.
  MixRange heading = {0, 360};
  // At most 10.
  MixRange speed = {0, kMaxTailSpeed};
  // How many clusters kOthers takes.
  int64_t clusters = 8;
  // Of the whole mix; the parts' shares add up to 1.
  double share = 1;
};

// "SHARE:sector:HEADING:SPEED", "SHARE:deaths:HEADING:SPEED" or "SHARE:others[:CLUSTERS]", SHARE as
// 0.4 or 40%: "40%:deaths:90-150:0-1.8" and "60%:others" are the original's second mix.
absl::StatusOr<MixPart> ParseMixPart(std::string_view text);

struct MixRequest {
  // Velocities to make.
  int64_t count = 0;
  uint64_t seed = 0;
  std::vector<MixPart> parts;
  // What kDeaths and kOthers choose from (ReadDeaths()).
  std::vector<Velocity> deaths;
};

// A mix file: {"velocities": [[vx, vy], ...], "summary": {"count", "seed", "parts": [...]}}. The
// parts are shuffled together, so that any stretch of the file has about their shares; drawn
// velocities have 9 decimals. InvalidArgument where the request makes no sense,
// FailedPrecondition where no recorded death fits a part.
absl::StatusOr<std::string> MakeMix(const MixRequest& request);

// A stage file of a preset.
struct PresetStage {
  std::string file_name;
  std::string text;
};

// The stage files of preset "dev_v33": stage1.json, stage2.json and stage3.json. NotFound for any
// other name.
absl::StatusOr<std::vector<PresetStage>> PresetStages(std::string_view preset);

}  // namespace shoal
