#include "tests/artifacts/event_reader.h"

#include <google/protobuf/io/coded_stream.h>

#include <bit>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

using google::protobuf::io::CodedInputStream;

// Bit by bit, so that it shares nothing with what it checks.
uint32_t Crc32c(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

uint32_t Masked(const std::string& bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

bool ReadBytes(CodedInputStream& in, std::string& bytes) {
  uint32_t size = 0;
  return in.ReadVarint32(&size) && in.ReadString(&bytes, static_cast<int>(size));
}

CodedInputStream Stream(const std::string& bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
}

bool ParseValue(const std::string& bytes, EventScalar& scalar) {
  CodedInputStream in = Stream(bytes);
  uint32_t number = 0;
  if (in.ReadTag() != 0x0a || !ReadBytes(in, scalar.tag)) return false;
  if (in.ReadTag() != 0x15 || !in.ReadLittleEndian32(&number)) return false;
  scalar.value = std::bit_cast<float>(number);
  return in.ReadTag() == 0 && in.ConsumedEntireMessage();
}

// Either a version or a step with scalars.
bool ParseEvent(const std::string& bytes, bool first, std::vector<EventScalar>& scalars) {
  CodedInputStream in = Stream(bytes);
  uint64_t number = 0;
  if (in.ReadTag() != 0x09 || !in.ReadLittleEndian64(&number)) return false;
  const double wall_time = std::bit_cast<double>(number);
  std::string text;
  if (first) {
    return in.ReadTag() == 0x1a && ReadBytes(in, text) && text == "brain.Event:2" && in.ReadTag() == 0;
  }
  if (in.ReadTag() != 0x10 || !in.ReadVarint64(&number)) return false;
  if (in.ReadTag() != 0x2a || !ReadBytes(in, text) || in.ReadTag() != 0) return false;
  CodedInputStream summary = Stream(text);
  while (const uint32_t tag = summary.ReadTag()) {
    std::string value;
    EventScalar scalar;
    if (tag != 0x0a || !ReadBytes(summary, value) || !ParseValue(value, scalar)) return false;
    scalar.step = static_cast<int64_t>(number);
    scalar.wall_time = wall_time;
    scalars.push_back(scalar);
  }
  return summary.ConsumedEntireMessage();
}

uint64_t LittleEndian(const std::string& bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

}  // namespace

absl::StatusOr<std::vector<EventScalar>> ReadEvents(const std::string& bytes) {
  std::vector<EventScalar> scalars;
  size_t at = 0;
  while (at < bytes.size() || at == 0) {
    const std::string where = absl::StrCat("the record at byte ", at);
    if (bytes.size() - at < 16) return absl::DataLossError(absl::StrCat(where, " is cut"));
    const std::string head = bytes.substr(at, 8);
    const uint64_t length = LittleEndian(head);
    if (LittleEndian(bytes.substr(at + 8, 4)) != Masked(head) || bytes.size() - at - 16 < length) {
      return absl::DataLossError(absl::StrCat(where, " has another length"));
    }
    const std::string event = bytes.substr(at + 12, length);
    if (LittleEndian(bytes.substr(at + 12 + length, 4)) != Masked(event)) {
      return absl::DataLossError(absl::StrCat(where, " has another checksum"));
    }
    if (!ParseEvent(event, at == 0, scalars)) {
      return absl::DataLossError(absl::StrCat(where, " is no event of scalars"));
    }
    at += 16 + length;
  }
  std::map<std::string, int64_t> last;
  for (const EventScalar& scalar : scalars) {
    const auto [place, fresh] = last.try_emplace(scalar.tag, scalar.step);
    if (!fresh && scalar.step <= place->second) {
      return absl::DataLossError(absl::StrCat(scalar.tag, " repeats step ", scalar.step));
    }
    place->second = scalar.step;
  }
  return scalars;
}

}  // namespace shoal
