// TensorBoard's event files: records of {length, masked CRC-32C, Event, masked CRC-32C}.
//
// Pure and thread-safe. An event's bytes follow from its arguments alone, so a file that is made
// again from run.db equals the one that was appended to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace shoal {

// CRC-32C, rotated and offset as records have it.
uint32_t MaskedCrc32c(std::string_view bytes);

// The record that a file starts with.
std::string EventFileHeader(absl::Time wall_time);

// One record with all these scalars; empty where there are none.
std::string ScalarRecord(absl::Time wall_time, int64_t step,
                         const std::vector<std::pair<std::string, double>>& scalars);

// Scalars of an iteration's measurements: losses/NAME for what the update says of itself,
// custom/NAME for the other numbers. What was not measured is left out.
std::vector<std::pair<std::string, double>> IterationScalars(
    const nlohmann::ordered_json& measurements);

// Scalars of a multi-evaluation (`line` as in eval_multi_history.jsonl): multi_eval/NAME for its
// summary, step-one deaths and the gate's answer, multi_eval_death/NAME for its death statistics.
std::vector<std::pair<std::string, double>> EvaluationScalars(const nlohmann::ordered_json& line);

}  // namespace shoal
