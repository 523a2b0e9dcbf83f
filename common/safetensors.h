// The safetensors file format, read and written in memory: an unsigned 64-bit little-endian length,
// a JSON header of that length, then the tensors' bytes without gaps.
// (https://github.com/huggingface/safetensors, section "Format")
//
// Functions are pure and thread safe. The parser is made for bytes from anywhere: whatever it is
// given, it returns a file that satisfies every rule below or an InvalidArgument status.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal {

// The longest header that is read or written, in bytes.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsTensor {
  std::string dtype;           // "F32", "F64", "I64" or "U8".
  std::vector<int64_t> shape;  // Empty: a scalar. Sizes are at least 0.
  std::string data;            // Little-endian, row-major.

  bool operator==(const SafetensorsTensor&) const = default;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafetensorsTensor> tensors;

  bool operator==(const SafetensorsFile&) const = default;
};

// The bytes of a file. Equal files give equal bytes: header keys are sorted, data lie in the order
// of element size (largest first), then name, and the header is padded with spaces so that the data
// begin at a multiple of 8 and every tensor at a multiple of its element size.
// InvalidArgument: a dtype that is not listed above, data that do not match dtype and shape, a
// tensor called "__metadata__", names that are not UTF-8, a header above the limit.
absl::StatusOr<std::string> SerializeSafetensors(const SafetensorsFile& file);

// Reads a file's bytes. InvalidArgument, saying what is wrong: truncation or bytes left over, a
// header above the limit, JSON that is not such a header, duplicate keys, unknown dtypes or fields,
// sizes that do not match dtype and shape, tensors that overlap, leave gaps or lie out of range.
absl::StatusOr<SafetensorsFile> ParseSafetensors(std::string_view bytes);

}  // namespace shoal
