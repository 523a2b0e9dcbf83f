// Files of tensors: the format itself, policies and optimizer states.
//
// Input: where the first byte is 0, a file without the length that it begins with: the header, a
// zero byte, the data; the length is put in front, so that a change of the header does not end in
// "another length". Else the rest is a file as it stands.
#include <cmath>

#include "actor/policy/backend.h"
#include "actor/policy/weights.h"
#include "common/safetensors.h"
#include "learner/ppo/optimizer_state.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

std::string MakeFile(std::string_view bytes) {
  if (fuzzing::TakeByte(&bytes) != 0) return std::string(bytes);
  const size_t end = bytes.find('\0');
  const std::string_view header = bytes.substr(0, end);
  const std::string_view data =
      end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
  std::string file;
  for (size_t i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  file += header;
  file += data;
  return file;
}

void CheckSafetensors(const std::string& bytes) {
  const absl::StatusOr<SafetensorsFile> file = ParseSafetensors(bytes);
  RequireWords(file.status());
  if (!file.ok()) return;
  size_t data = 0;
  for (const auto& [name, tensor] : file->tensors) data += tensor.data.size();
  Require(data <= bytes.size(), "tensors have no more data than the file");
  const absl::StatusOr<std::string> written = SerializeSafetensors(*file);
  RequireOk(written.status(), "a file that was read can be written");
  const absl::StatusOr<SafetensorsFile> again = ParseSafetensors(*written);
  RequireOk(again.status(), "a file that was written can be read");
  Require(*again == *file, "a file written and read is the same");
  Require(*SerializeSafetensors(*again) == *written, "equal files give equal bytes");
}

// The policy acts: whatever was accepted, an observation has 5 logits and a value.
void Act(const PolicyWeights& weights) {
  auto backend = CreateFusedBackend(weights);
  RequireOk(backend.status(), "a policy that was read can act");
  const std::vector<float> observations(2 * static_cast<size_t>(weights.obs_dim), 0.5f);
  std::vector<float> logits(2 * kPolicyActions);
  std::vector<float> values(2);
  (*backend)->Logits(observations.data(), 2, logits.data());
  (*backend)->Values(observations.data(), 2, values.data());
}

void CheckPolicy(const std::string& bytes) {
  const absl::StatusOr<PolicyWeights> weights = ParsePolicy(bytes);
  RequireWords(weights.status());
  if (!weights.ok()) return;
  RequireOk(ValidatePolicy(*weights), "a policy that was read is valid");
  Require(static_cast<float>(weights->neighbor_radius) > 0 &&
              std::isfinite(static_cast<float>(weights->neighbor_radius)),
          "the world can use a policy's neighbour radius");
  Require(static_cast<int>(weights->neighbor_average_count) == weights->neighbor_average_count,
          "the world can use a policy's neighbour count");
  const absl::StatusOr<std::string> written = SerializePolicy(*weights);
  RequireOk(written.status(), "a policy that was read can be written");
  const absl::StatusOr<PolicyWeights> again = ParsePolicy(*written);
  RequireOk(again.status(), "a policy that was written can be read");
  Require(*again == *weights, "a policy written and read is the same");
  Act(*weights);
}

void CheckOptimizer(const std::string& bytes) {
  // The number of weights comes from the networks; here from the file, to get beyond that check.
  int64_t parameters = 7;
  if (const auto file = ParseSafetensors(bytes); file.ok() && !file->tensors.empty()) {
    const std::vector<int64_t>& shape = file->tensors.begin()->second.shape;
    if (shape.size() == 1 && shape[0] > 0) parameters = shape[0];
  }
  const absl::StatusOr<OptimizerMoments> moments = ParseOptimizerState(bytes, parameters);
  RequireWords(moments.status());
  if (!moments.ok()) return;
  Require(moments->steps >= 0 && moments->steps + 1 > 0, "steps can go on");
  for (const double value : moments->first) Require(std::isfinite(value), "first moments");
  for (const double value : moments->second) Require(value >= 0, "second moments");
  const absl::StatusOr<std::string> written = SerializeOptimizerState(*moments);
  RequireOk(written.status(), "a state that was read can be written");
  const absl::StatusOr<OptimizerMoments> again = ParseOptimizerState(*written, parameters);
  RequireOk(again.status(), "a state that was written can be read");
  Require(again->first == moments->first && again->second == moments->second &&
              again->steps == moments->steps,
          "a state written and read is the same");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string file = shoal::MakeFile(shoal::fuzzing::Input(data, size));
  shoal::CheckSafetensors(file);
  shoal::CheckPolicy(file);
  shoal::CheckOptimizer(file);
  return 0;
}
