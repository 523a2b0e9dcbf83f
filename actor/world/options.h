// What a world is made of besides its number of fish: the options of RUN.md's "World" as plain
// values, and the tables of predator headings and speeds.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/world/constants.h"

namespace shoal {

// A weighted table of ranges. A draw picks a bin by weight (weights as given, not multiplied by the
// bin's width) and then a value uniform within the bin. A table without bins is an option that is
// off and costs no draw.
struct BiasTable {
  struct Bin {
    double start;
    double end;
    double weight;
  };
  std::vector<Bin> bins;

  bool empty() const { return bins.empty(); }
};

// Reads "start-end:weight,start-end:weight,...", for example "0-60:1.1,60-90:0.8". Blanks around
// numbers are ignored; an empty text is the empty table.
// InvalidArgument, naming the bin and what would be right, if a bin is not written like that, a
// number is not finite or negative, an end is not above its start, or all weights are 0.
absl::StatusOr<BiasTable> ParseBiasTable(std::string_view text);

// "shaped", "survival" or "death_only"; InvalidArgument for anything else.
absl::StatusOr<RewardKind> ParseRewardKind(std::string_view name);

// The defaults are those of RUN.md. Ranges are checked where options are read, not here.
struct WorldOptions {
  // 18 observation values instead of 11.
  bool include_neighbor_features = true;
  // Fish at this distance or nearer are neighbours. Greater than 0.
  float neighbor_radius = 3.0f;
  // Nearest neighbours that are averaged, and the unit of the neighbour count. At least 1.
  int neighbor_average_count = 6;

  // Fish start moving outwards; the speed is given by episode.
  bool initial_escape_boost = true;
  // Standard deviation of that direction, radians.
  double escape_jitter_std = 0.35;

  // Weight of observation value 17 in the reward.
  float divergence_reward_coef = 0.0f;
  // count / neighbor_average_count above which the density penalty begins.
  float density_target = 0.4f;

  // The predator starts within this radius of the centre; 0: at the centre, without a draw.
  double predator_spawn_jitter_radius = 1.6;
  // Steps the predator moves alone before an episode.
  int predator_pre_roll_steps = 16;
  // Turn per pre-roll step, radians at most; 0: none, without a draw.
  double predator_pre_roll_angle_jitter = 0.3;
  // Change of speed per pre-roll step at most, as a share; 0: none, without a draw.
  double predator_pre_roll_speed_jitter = 0.2;

  // First heading of the predator, degrees counter-clockwise from +x. A bin whose end is 360 is
  // dropped when drawing, its weight too: the original wraps that end to 0, so 330-360 never comes.
  BiasTable predator_heading_bias = {{{0, 60, 1.1},
                                      {60, 90, 0.8},
                                      {90, 120, 0.08},
                                      {120, 150, 0.05},
                                      {150, 210, 0.9},
                                      {210, 270, 1.3},
                                      {270, 330, 1.2},
                                      {330, 360, 0.95}}};
  // Target speed of the predator in a pre-roll step.
  BiasTable predator_pre_roll_speed_bias = {
      {{0, 1.0, 1.6}, {1.0, 1.6, 1.3}, {1.6, 2.0, 0.7}, {2.0, 2.4, 0.35}, {2.4, 3.0, 0.2}}};
};

}  // namespace shoal
