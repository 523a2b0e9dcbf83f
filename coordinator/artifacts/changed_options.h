// The options of a run that are not what they would be by default.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shoal/v1/config.pb.h"

namespace shoal {

struct ChangedOption {
  std::string name;
  // As options files have them: strings in quotation marks.
  std::string value;
  std::string standard;
};

// Every option's value by its name, as options files have them. Pure.
std::map<std::string, std::string> OptionValues(const v1::RunOptions& options);

// In the order of config.proto, without run_name. `options` are resolved; defaults of lists are
// compared as they would be for the run's phases. Pure.
std::vector<ChangedOption> ChangedOptions(const v1::RunOptions& options);

}  // namespace shoal
