// Looking at a run of the built `shoal` through its commands, for tests.
#pragma once

#include <string>
#include <vector>

#include "tests/end_to_end/small_run.h"

namespace shoal {

class Looking : public Train {
 protected:
  Finished Look(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--out", place_.Path("runs")});
    return Shoal(place_, std::move(arguments));
  }
  nlohmann::json Json(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const Finished finished = Shoal(place_, std::move(arguments));
    EXPECT_EQ(finished.code, 0) << finished.error;
    return nlohmann::json::parse(finished.out, nullptr, /*allow_exceptions=*/false);
  }
  // What the run's folder says of its coordinator.
  std::string Address(const std::string& name) const {
    const std::string text = place_.Read("runs/" + name + "/coordinator.address");
    return text.substr(0, text.find('\n'));
  }
};

}  // namespace shoal
