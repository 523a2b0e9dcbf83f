#include "actor/policy/weights.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/safetensors.h"

namespace shoal {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is copied to memory as it is");

constexpr char kFormat[] = "shoal.policy.v1";

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("policy: ", what));
}

std::string LayerName(const std::string& network, size_t index) {
  return absl::StrCat(network, ".", index);
}

absl::Status CheckFinite(const std::string& name, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return Invalid(absl::StrCat(name, " has the value ", values[i], " at position ", i,
                                  "; all must be finite"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLayer(const std::string& name, const DenseLayer& layer, int expected_in) {
  if (layer.in != expected_in) {
    return Invalid(absl::StrCat(name, " reads ", layer.in, " values, but what comes before it has ",
                                expected_in));
  }
  if (layer.out < 1 || layer.out > kMaxPolicyWidth) {
    return Invalid(absl::StrCat(name, " has ", layer.out, " outputs; 1 to ", kMaxPolicyWidth,
                                " are possible"));
  }
  const size_t size = static_cast<size_t>(layer.in) * static_cast<size_t>(layer.out);
  if (layer.weight.size() != size || layer.bias.size() != static_cast<size_t>(layer.out)) {
    return Invalid(absl::StrCat(name, " has ", layer.weight.size(), " weights and ",
                                layer.bias.size(), " biases; [", layer.out, ", ", layer.in,
                                "] asks for ", size, " and ", layer.out));
  }
  if (absl::Status status = CheckFinite(absl::StrCat(name, ".weight"), layer.weight);
      !status.ok()) {
    return status;
  }
  return CheckFinite(absl::StrCat(name, ".bias"), layer.bias);
}

absl::Status CheckNetwork(const std::string& name, const std::vector<DenseLayer>& layers,
                          int obs_dim, int outputs) {
  if (layers.empty() || layers.size() > kMaxPolicyLayers) {
    return Invalid(absl::StrCat("network ", name, " has ", layers.size(), " layers; 1 to ",
                                kMaxPolicyLayers, " are possible"));
  }
  int in = obs_dim;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (absl::Status status = CheckLayer(LayerName(name, i), layers[i], in); !status.ok()) {
      return status;
    }
    in = layers[i].out;
  }
  if (in != outputs) {
    return Invalid(absl::StrCat(LayerName(name, layers.size() - 1), " is the last layer and has ",
                                in, " outputs; it must have ", outputs));
  }
  return absl::OkStatus();
}

SafetensorsTensor FloatTensor(std::vector<int64_t> shape, const std::vector<float>& values) {
  SafetensorsTensor tensor{"F32", std::move(shape), std::string(values.size() * sizeof(float), 0)};
  if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

void AddNetwork(const std::string& name, const std::vector<DenseLayer>& layers,
                SafetensorsFile& file) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string layer = LayerName(name, i);
    file.tensors[layer + ".weight"] = FloatTensor({layers[i].out, layers[i].in}, layers[i].weight);
    file.tensors[layer + ".bias"] = FloatTensor({layers[i].out}, layers[i].bias);
  }
}

// Moves a tensor of `dims` dimensions out of the file.
absl::StatusOr<SafetensorsTensor> TakeTensor(SafetensorsFile& file, const std::string& name,
                                             size_t dims) {
  auto node = file.tensors.extract(name);
  if (node.empty()) return Invalid(absl::StrCat("there is no tensor ", name));
  SafetensorsTensor tensor = std::move(node.mapped());
  if (tensor.dtype != "F32" || tensor.shape.size() != dims) {
    return Invalid(absl::StrCat("tensor ", name, " is ", tensor.dtype, " [",
                                absl::StrJoin(tensor.shape, ", "), "]; it must be F32 with ", dims,
                                dims == 1 ? " dimension" : " dimensions"));
  }
  for (int64_t size : tensor.shape) {
    if (size < 1 || size > kMaxPolicyWidth) {
      return Invalid(absl::StrCat("tensor ", name, " has a size of ", size, "; 1 to ",
                                  kMaxPolicyWidth, " are possible"));
    }
  }
  return tensor;
}

std::vector<float> Floats(const std::string& data) {
  std::vector<float> values(data.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), data.data(), data.size());
  return values;
}

absl::StatusOr<std::vector<DenseLayer>> TakeNetwork(SafetensorsFile& file,
                                                    const std::string& name) {
  std::vector<DenseLayer> layers;
  while (layers.empty() || file.tensors.contains(LayerName(name, layers.size()) + ".weight")) {
    const std::string layer = LayerName(name, layers.size());
    absl::StatusOr<SafetensorsTensor> weight = TakeTensor(file, layer + ".weight", 2);
    if (!weight.ok()) return weight.status();
    absl::StatusOr<SafetensorsTensor> bias = TakeTensor(file, layer + ".bias", 1);
    if (!bias.ok()) return bias.status();
    layers.push_back({static_cast<int>(weight->shape[1]), static_cast<int>(weight->shape[0]),
                      Floats(weight->data), Floats(bias->data)});
  }
  return layers;
}

absl::StatusOr<std::string> Metadata(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata.find(key);
  if (it == file.metadata.end()) return Invalid(absl::StrCat("the metadata have no ", key));
  return it->second;
}

// A number, with nothing before or after it.
template <typename Number>
absl::Status ReadNumber(const SafetensorsFile& file, const std::string& key, Number& value) {
  absl::StatusOr<std::string> text = Metadata(file, key);
  if (!text.ok()) return text.status();
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end) {
    return Invalid(absl::StrCat("metadata ", key, " is \"", *text, "\"; it must be a number"));
  }
  return absl::OkStatus();
}

// One of two words; `value` becomes true for the first.
absl::Status ReadChoice(const SafetensorsFile& file, const std::string& key,
                        const std::string& first, const std::string& second, bool& value) {
  absl::StatusOr<std::string> text = Metadata(file, key);
  if (!text.ok()) return text.status();
  if (*text != first && *text != second) {
    return Invalid(
        absl::StrCat("metadata ", key, " is \"", *text, "\"; it must be ", first, " or ", second));
  }
  value = *text == first;
  return absl::OkStatus();
}

absl::Status ReadMetadata(const SafetensorsFile& file, PolicyWeights& weights) {
  absl::StatusOr<std::string> format = Metadata(file, "format");
  if (!format.ok()) return format.status();
  if (*format != kFormat) {
    return Invalid(absl::StrCat("the file has the format \"", *format, "\"; it must be ", kFormat));
  }
  bool tanh = false;
  absl::Status status = ReadChoice(file, "activation", "tanh", "relu", tanh);
  weights.activation = tanh ? Activation::kTanh : Activation::kRelu;
  status.Update(ReadNumber(file, "obs_dim", weights.obs_dim));
  status.Update(ReadChoice(file, "include_neighbor_features", "true", "false",
                           weights.include_neighbor_features));
  status.Update(ReadNumber(file, "neighbor_radius", weights.neighbor_radius));
  status.Update(ReadNumber(file, "neighbor_average_count", weights.neighbor_average_count));
  return status;
}

std::string ShortestDecimal(double value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace

absl::Status ValidatePolicy(const PolicyWeights& weights) {
  const int expected =
      weights.include_neighbor_features ? kPolicyObservationWithNeighbors : kPolicyObservation;
  if (weights.obs_dim != expected) {
    return Invalid(absl::StrCat("obs_dim is ", weights.obs_dim, "; ",
                                weights.include_neighbor_features ? "with" : "without",
                                " neighbour features it must be ", expected));
  }
  // The world computes with float32; a radius that vanishes there is no radius.
  if (!(weights.neighbor_radius >= kMinNeighborRadius &&
        weights.neighbor_radius <= kMaxNeighborRadius)) {
    return Invalid(absl::StrCat("neighbor_radius is ", weights.neighbor_radius,
                                "; it must be above 0, from ", kMinNeighborRadius, " to ",
                                kMaxNeighborRadius));
  }
  if (weights.neighbor_average_count < 1 ||
      weights.neighbor_average_count > kMaxNeighborAverageCount) {
    return Invalid(absl::StrCat("neighbor_average_count is ", weights.neighbor_average_count,
                                "; it must be at least 1 and at most ", kMaxNeighborAverageCount));
  }
  if (absl::Status status = CheckNetwork("policy", weights.policy, weights.obs_dim, kPolicyActions);
      !status.ok()) {
    return status;
  }
  return CheckNetwork("value", weights.value, weights.obs_dim, 1);
}

absl::StatusOr<std::string> SerializePolicy(const PolicyWeights& weights) {
  if (absl::Status status = ValidatePolicy(weights); !status.ok()) return status;
  SafetensorsFile file;
  file.metadata = {
      {"format", kFormat},
      {"activation", std::string(ActivationName(weights.activation))},
      {"obs_dim", absl::StrCat(weights.obs_dim)},
      {"include_neighbor_features", weights.include_neighbor_features ? "true" : "false"},
      {"neighbor_radius", ShortestDecimal(weights.neighbor_radius)},
      {"neighbor_average_count", absl::StrCat(weights.neighbor_average_count)},
  };
  AddNetwork("policy", weights.policy, file);
  AddNetwork("value", weights.value, file);
  return SerializeSafetensors(file);
}

absl::StatusOr<PolicyWeights> ParsePolicy(std::string_view bytes) {
  absl::StatusOr<SafetensorsFile> file = ParseSafetensors(bytes);
  if (!file.ok()) return file.status();
  PolicyWeights weights;
  if (absl::Status status = ReadMetadata(*file, weights); !status.ok()) return status;
  absl::StatusOr<std::vector<DenseLayer>> policy = TakeNetwork(*file, "policy");
  if (!policy.ok()) return policy.status();
  absl::StatusOr<std::vector<DenseLayer>> value = TakeNetwork(*file, "value");
  if (!value.ok()) return value.status();
  if (!file->tensors.empty()) {
    return Invalid(absl::StrCat("the file has the tensor ", file->tensors.begin()->first,
                                ", which no layer needs"));
  }
  weights.policy = *std::move(policy);
  weights.value = *std::move(value);
  if (absl::Status status = ValidatePolicy(weights); !status.ok()) return status;
  return weights;
}

std::string_view ActivationName(Activation activation) {
  return activation == Activation::kTanh ? "tanh" : "relu";
}

}  // namespace shoal
