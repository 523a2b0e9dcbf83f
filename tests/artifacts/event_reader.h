// A strict reader of TensorBoard's event files, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

struct EventScalar {
  std::string tag;
  int64_t step = 0;
  float value = 0;
  double wall_time = 0;
};

// All scalars in the file's order. kDataLoss: a length or a checksum that does not match, bytes
// left over, a field of another type or number than scalars need, no version first, or a tag whose
// steps do not ascend.
absl::StatusOr<std::vector<EventScalar>> ReadEvents(const std::string& bytes);

}  // namespace shoal
