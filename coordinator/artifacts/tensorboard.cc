#include "coordinator/artifacts/tensorboard.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <isa-l/crc.h>

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "coordinator/evaluation/measurements.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;
using Json = nlohmann::ordered_json;
using Scalars = std::vector<std::pair<std::string, double>>;

// Field numbers and wire types of TensorFlow's event.proto and summary.proto.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
constexpr uint32_t Key(uint32_t field, WireType type) { return field << 3 | type; }
constexpr uint32_t kEventWallTime = Key(1, kFixed64);
constexpr uint32_t kEventStep = Key(2, kVarint);
constexpr uint32_t kEventFileVersion = Key(3, kBytes);
constexpr uint32_t kEventSummary = Key(5, kBytes);
constexpr uint32_t kSummaryValue = Key(1, kBytes);
constexpr uint32_t kValueTag = Key(1, kBytes);
constexpr uint32_t kValueSimple = Key(2, kFixed32);

constexpr const char* kLosses[] = {"policy_loss",   "value_loss",         "entropy",      "approx_kl",
                                   "clip_fraction", "explained_variance", "gradient_norm"};

void WriteBytes(CodedOutputStream& out, uint32_t key, const std::string& bytes) {
  out.WriteTag(key);
  out.WriteVarint32(static_cast<uint32_t>(bytes.size()));
  out.WriteString(bytes);
}

std::string LittleEndian(uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(number >> (8 * i) & 0xff));
  return text;
}

std::string Record(const std::string& event) {
  const std::string length = LittleEndian(event.size(), 8);
  return absl::StrCat(length, LittleEndian(MaskedCrc32c(length), 4), event,
                      LittleEndian(MaskedCrc32c(event), 4));
}

void WriteWallTime(CodedOutputStream& out, absl::Time wall_time) {
  out.WriteTag(kEventWallTime);
  out.WriteLittleEndian64(std::bit_cast<uint64_t>(absl::ToUnixMicros(wall_time) / 1e6));
}

std::string Value(const std::string& tag, double number) {
  std::string value;
  StringOutputStream stream(&value);
  CodedOutputStream out(&stream);
  WriteBytes(out, kValueTag, tag);
  out.WriteTag(kValueSimple);
  out.WriteLittleEndian32(std::bit_cast<uint32_t>(static_cast<float>(number)));
  out.Trim();
  return value;
}

// Adds the numbers among an object's own fields.
void AddNumbers(const std::string& prefix, const Json& object, Scalars& scalars) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_number()) scalars.emplace_back(absl::StrCat(prefix, name), value.get<double>());
  }
}

}  // namespace

uint32_t MaskedCrc32c(std::string_view bytes) {
  // The library does not write to what it reads, whatever its signature says.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  const uint32_t crc = ~crc32_iscsi(data, static_cast<int>(bytes.size()), 0xffffffffu);
  return std::rotr(crc, 15) + 0xa282ead8u;
}

std::string EventFileHeader(absl::Time wall_time) {
  std::string event;
  {
    StringOutputStream stream(&event);
    CodedOutputStream out(&stream);
    WriteWallTime(out, wall_time);
    WriteBytes(out, kEventFileVersion, "brain.Event:2");
  }
  return Record(event);
}

std::string ScalarRecord(absl::Time wall_time, int64_t step, const Scalars& scalars) {
  if (scalars.empty()) return "";
  std::string summary;
  std::string event;
  {
    StringOutputStream stream(&summary);
    CodedOutputStream out(&stream);
    for (const auto& [tag, number] : scalars) WriteBytes(out, kSummaryValue, Value(tag, number));
  }
  {
    StringOutputStream stream(&event);
    CodedOutputStream out(&stream);
    WriteWallTime(out, wall_time);
    out.WriteTag(kEventStep);
    out.WriteVarint64(static_cast<uint64_t>(step));
    WriteBytes(out, kEventSummary, summary);
  }
  return Record(event);
}

Scalars IterationScalars(const Json& measurements) {
  Scalars scalars;
  for (const std::string& name : MeasurementNames()) {
    const auto value = measurements.find(name);
    if (name == "iteration" || value == measurements.end() || !value->is_number()) continue;
    const bool loss = std::find(std::begin(kLosses), std::end(kLosses), name) != std::end(kLosses);
    scalars.emplace_back(absl::StrCat(loss ? "losses/" : "custom/", name), value->get<double>());
  }
  return scalars;
}

Scalars EvaluationScalars(const Json& line) {
  Scalars scalars;
  const Json none = Json::object();
  AddNumbers("multi_eval/", line.value("summary", none), scalars);
  for (const char* name : {"step_one_death_count", "step_one_death_ratio",
                           "step_one_unavoidable_count", "step_one_avoidable_ratio",
                           "step_one_ne_high_speed_share"}) {
    if (line.contains(name) && line[name].is_number()) {
      scalars.emplace_back(absl::StrCat("multi_eval/", name), line[name].get<double>());
    }
  }
  const Json gate = line.value("penalty_gate", Json());
  for (const char* name : {"stage", "phase_limit", "success_streak", "failure_streak"}) {
    if (gate.is_object() && gate.contains(name) && gate[name].is_number()) {
      scalars.emplace_back(absl::StrCat("multi_eval/gate_", name), gate[name].get<double>());
    }
  }
  AddNumbers("multi_eval_death/", line.value("death_stats", none), scalars);
  return scalars;
}

}  // namespace shoal
