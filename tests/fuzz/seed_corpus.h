// Where seeds go, for make_seeds.cc and found_seeds.cc.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal::fuzzing {

class Corpus {
 public:
  explicit Corpus(std::string folder) : folder_(std::move(folder)) {}

  void Add(const std::string& target, const std::string& name, const std::string& bytes) const {
    const std::string folder = absl::StrCat(folder_, "/", target);
    RequireOk(CreateDirectories(folder), folder);
    RequireOk(WriteFileAtomically(absl::StrCat(folder, "/", name), bytes), name);
  }

 private:
  std::string folder_;
};

inline std::string Byte(int value) { return std::string(1, static_cast<char>(value)); }

// A safetensors file in safetensors_fuzz's form without a length: byte 0, header, zero byte, data.
inline std::string WithoutLength(const std::string& file) {
  const size_t length = static_cast<uint8_t>(file[0]) | static_cast<uint8_t>(file[1]) << 8;
  return Byte(0) + file.substr(8, length) + Byte(0) + file.substr(8 + length);
}

// Inputs that once found a bug, made from the seeds in `folder`, which must be there.
void AddFound(const Corpus& corpus, const std::string& folder);

}  // namespace shoal::fuzzing
