#include "learner/ppo/optimizer_state.h"

#include <cmath>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/safetensors.h"

namespace shoal {
namespace {

constexpr char kFormat[] = "shoal-adam";
constexpr char kFormatVersion[] = "1";

// More than any run makes; leaves room to count on.
constexpr int64_t kMaxSteps = int64_t{1} << 53;

SafetensorsTensor ToTensor(const std::vector<double>& values) {
  const std::vector<float> narrow(values.begin(), values.end());
  SafetensorsTensor tensor{"F32", {static_cast<int64_t>(narrow.size())}, {}};
  tensor.data.assign(reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(float));
  return tensor;
}

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("optimizer state: ", what));
}

absl::StatusOr<std::string> Metadata(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return Bad(absl::StrCat("metadata has no \"", key, "\""));
  return found->second;
}

absl::StatusOr<std::vector<double>> FromTensor(const SafetensorsFile& file, const std::string& name,
                                               int64_t parameters) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) return Bad(absl::StrCat("there is no tensor \"", name, "\""));
  const SafetensorsTensor& tensor = found->second;
  if (tensor.dtype != "F32" || tensor.shape != std::vector<int64_t>{parameters}) {
    return Bad(absl::StrCat("tensor \"", name, "\" must be F32 of shape [", parameters,
                            "], as the networks have that many weights"));
  }
  std::vector<float> values(parameters);
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  for (float value : values) {
    if (!std::isfinite(value)) return Bad(absl::StrCat("\"", name, "\" has a value not finite"));
  }
  return std::vector<double>(values.begin(), values.end());
}

}  // namespace

absl::StatusOr<std::string> SerializeOptimizerState(const OptimizerMoments& moments) {
  SafetensorsFile file;
  file.metadata = {{"format", kFormat},
                   {"format_version", kFormatVersion},
                   {"steps", absl::StrCat(moments.steps)}};
  file.tensors = {{"first_moment", ToTensor(moments.first)},
                  {"second_moment", ToTensor(moments.second)}};
  return SerializeSafetensors(file);
}

absl::StatusOr<OptimizerMoments> ParseOptimizerState(std::string_view bytes, int64_t parameters) {
  absl::StatusOr<SafetensorsFile> file = ParseSafetensors(bytes);
  if (!file.ok()) return Bad(file.status().message());
  absl::StatusOr<std::string> format = Metadata(*file, "format");
  if (!format.ok()) return format.status();
  absl::StatusOr<std::string> version = Metadata(*file, "format_version");
  if (!version.ok()) return version.status();
  if (*format != kFormat || *version != kFormatVersion) {
    return Bad(absl::StrCat("format is ", *format, " version ", *version, ", must be ", kFormat,
                            " version ", kFormatVersion));
  }
  OptimizerMoments moments;
  absl::StatusOr<std::string> steps = Metadata(*file, "steps");
  if (!steps.ok()) return steps.status();
  if (!absl::SimpleAtoi(*steps, &moments.steps) || moments.steps < 0 || moments.steps > kMaxSteps) {
    return Bad(absl::StrCat("steps is \"", *steps, "\", must be an integer from 0 to ", kMaxSteps));
  }
  absl::StatusOr<std::vector<double>> first = FromTensor(*file, "first_moment", parameters);
  if (!first.ok()) return first.status();
  absl::StatusOr<std::vector<double>> second = FromTensor(*file, "second_moment", parameters);
  if (!second.ok()) return second.status();
  for (double value : *second) {
    if (value < 0) return Bad("\"second_moment\" has a value below 0");
  }
  moments.first = *std::move(first);
  moments.second = *std::move(second);
  return moments;
}

}  // namespace shoal
