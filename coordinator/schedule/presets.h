// Named sets of options (RUN.md, "Presets").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

std::vector<std::string> PresetNames();

// The options of a preset, as if they had been given on the command line: only those that differ
// from the defaults are set. The tail stages that it names are stage1.json, stage2.json and
// stage3.json; whoever uses it makes them (PresetStages in coordinator/tail). NotFound: no such preset.
absl::StatusOr<v1::RunOptions> PresetOptions(std::string_view name);

}  // namespace shoal
